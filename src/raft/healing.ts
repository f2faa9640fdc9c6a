/**
 * Repairs the log of a node from other nodes. A node with a damaged log neither votes nor acknowledges anything,
 * because it no longer knows its earlier votes and acknowledgements. It requests the unreadable entries from its peers,
 * repairs its log, and only then takes part again.
 *
 * The node accepts a peer's entry as a replacement in three cases: a surviving header has the same term; a later entry
 * is the same in both logs (log matching); or the peer knows that the entry is committed, and the entry before it is
 * the same. In the third case, the damaged entry was either the same or could never be committed.
 *
 * The node drops a damaged entry in two cases: another entry is known to be committed at its index; or a leader of this
 * term or a later one has another entry there, or none. A leader has every committed entry (leader completeness).
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Lost } from "../api/lost.ts";
import type { Damage } from "../api/report.ts";
import type { Index, LogEntry, NewEntry, NodeId, RaftLog, Term } from "../api/types.ts";
import { knownTerm } from "./follower.ts";
import { finish, isHealed, onSnapshot, onSnapshotReply } from "./healing_snapshots.ts";
import type { Message, RepairReply, RepairRequest } from "./messages.ts";
import { dropTarget } from "./own_snapshots.ts";
import { requireLeader } from "./reconfiguration.ts";
import { endSnapshot } from "./progress.ts";
import { unpredictable } from "./rng.ts";
import { enterTerm } from "./role.ts";
import { askedBy, askForSnapshot } from "./snapshot_fetching.ts";
import { sendSnapshotToDamaged } from "./snapshot_sending.ts";
import type { Healing, RaftState } from "./state.ts";
import type { RaftEvent } from "./types.ts";

/** A log that other nodes can repair, such as a `WalLog`. */
interface RepairableLog extends RaftLog {
  readonly damaged: readonly Damage[];
  readonly lost?: Pick<Lost, "hardState">;
  repair(entries: readonly NewEntry[]): void;
}

function isRepairable(log: RaftLog): log is RepairableLog {
  return "damaged" in log && "repair" in log;
}

/**
 * Finds the damage of a log that other nodes must repair.
 *
 * @param s A node that starts.
 * @param unreadable Entries that are known to be unreadable.
 * @returns The damage; `null` if there is none.
 */
export function findDamage(s: RaftState, unreadable: readonly Index[]): Healing | null {
  const { log } = s;
  if (!isRepairable(log)) return null;
  const missing = new Set(unreadable);
  let isTailLost = false;
  for (const { kind, firstIndex, lastIndex } of log.damaged) {
    // If a segment may have held any number of entries, the end of the log is unknown.
    const mayHoldAny = firstIndex !== undefined || kind === "segment" || kind === "segment header";
    if (mayHoldAny && lastIndex === undefined) isTailLost = true;
    if (firstIndex === undefined) continue;
    const last = Math.min(lastIndex ?? 0, log.lastIndex);
    for (let index = Math.max(firstIndex, log.snapshotIndex + 1); index <= last; index++) missing.add(index);
  }
  const isSnapshotLost = log.damaged.some(({ kind }) => kind === "snapshot");
  const { everyone } = s.membership;
  const healing: Healing = {
    missing,
    good: new Map(),
    isTailLost,
    isSnapshotLost,
    fetched: null,
    isHardStateLost: isHardStateLost(log),
    droppableFrom: Infinity,
    // An unreadable entry may have been a configuration.
    isMembershipKnown: missing.size === 0 && !isSnapshotLost && everyone.length > 0,
    terms: new Map(),
    peers: new Set([...s.config.peers, ...everyone].filter((id) => id !== s.id)),
    leader: null,
    request: unpredictable(),
  };
  return isHealed(healing) ? null : healing;
}

/**
 * Whether a log has lost its hard state. A log without the field `lost` then rejects every write, even an empty one.
 */
function isHardStateLost(log: RepairableLog): boolean {
  if (log.lost !== undefined) return log.lost.hardState;
  try {
    log.append([]);
    return false;
  } catch (error) {
    if (error instanceof WalLogError && error.code === "CORRUPT") return true;
    throw error;
  }
}

/** Processes an event on a damaged node. */
export function stepDamaged(s: RaftState, healing: Healing, event: RaftEvent): void {
  switch (event.type) {
    case "tick":
      if (++s.now % s.config.heartbeatInterval === 0) askAll(s, healing);
      // If the cluster has no other node, this node can only have voted for itself.
      if (healing.isHardStateLost && healing.peers.size === 0) settleHardState(s, healing);
      return;
    case "message":
      return onMessage(s, healing, event.message);
    case "propose":
    case "addServer":
    case "addLearner":
    case "replaceServer":
    case "removeServer":
    case "readIndex":
      return requireLeader(s, event.type);
    case "snapshot":
      return dropTarget(event);
  }
}

function onMessage(s: RaftState, healing: Healing, message: Message): void {
  // Members may have been added while this node was down, so it also asks the leader. Like a follower, it trusts any
  // leader. It asks no other node, because anyone can send a message.
  if ((message.type === "appendEntries" || message.type === "installSnapshot") && message.term >= s.term) {
    healing.leader = message.leader;
  }
  switch (message.type) {
    case "repairRequest":
      return onRepairRequest(s, message);
    case "repairReply":
      return onRepairReply(s, healing, message);
    case "snapshotReply":
      return onSnapshotReply(s, healing, message);
    case "installSnapshot":
      return onSnapshot(s, healing, message);
  }
}

function askAll(s: RaftState, healing: Healing): void {
  for (const id of askedBy(s, healing)) ask(s, healing, id);
  const { isSnapshotLost, isHardStateLost, isTailLost } = healing;
  if (isSnapshotLost && !isHardStateLost && !isTailLost) askForSnapshot(s, healing);
}

function ask(s: RaftState, { missing, good, isHardStateLost, isSnapshotLost, request }: Healing, to: NodeId): void {
  let first = Infinity;
  let last = 0;
  for (const index of missing) {
    if (good.has(index)) continue;
    first = Math.min(first, index);
    last = Math.max(last, index);
  }
  // A leader that has compacted these entries sends its snapshot instead. It must be later than the lost one.
  if (isSnapshotLost) first = Math.min(first, s.log.snapshotIndex + 1);
  if (first === Infinity) first = 0;
  // Request the next entry as well: if it is the same in both logs, all entries before it are the same.
  if (last > 0 && last < s.log.lastIndex) last++;
  s.send(to, { type: "repairRequest", term: isHardStateLost ? 0 : s.term, from: s.id, request, first, last });
}

/** Answers a damaged node with the requested entries that this node can read. */
export function onRepairRequest(s: RaftState, { from, request, first, last }: RepairRequest): void {
  // A node without its hard state does not know its term, and the damaged node may depend on the term in the answer.
  if (s.healing?.isHardStateLost === true) return;
  const entries: LogEntry[] = [];
  const { maxBatch, maxBatchBytes } = s.config;
  let bytes = 0;
  const end = Math.min(last, s.log.lastIndex);
  for (let index = Math.max(first, s.log.snapshotIndex + 1); index <= end && entries.length < maxBatch; index++) {
    const entry = readable(s.log, index);
    if (entry === undefined) continue;
    const { byteLength } = entry.command;
    if (bytes + byteLength > maxBatchBytes && entries.length > 0) break;
    bytes += byteLength;
    entries.push(entry);
  }
  // If the range does not fit into one message, the last entry of the message ends the range: it may prove the earlier
  // entries.
  const lastSent = entries.at(-1);
  const behind = entries.length > 1 && lastSent!.index < end ? readable(s.log, end) : undefined;
  if (behind !== undefined && bytes - lastSent!.command.byteLength + behind.command.byteLength <= maxBatchBytes) {
    entries[entries.length - 1] = behind;
  }
  s.send(from, {
    type: "repairReply",
    term: s.term,
    from: s.id,
    request,
    leads: s.role === "leader",
    commitIndex: s.commitIndex,
    lastIndex: s.log.lastIndex,
    members: s.membership.everyone,
    prevTerm: entries.length === 0 ? 0 : knownTerm(s.log, entries[0]!.index - 1) ?? 0,
    entries,
  });
  // Only a snapshot can replace compacted entries.
  const progress = s.progress.get(from);
  if (progress === undefined || first === 0 || first > s.log.snapshotIndex) return;
  // The node may be unable to use a snapshot in transfer that does not include all missing entries.
  const { outgoing } = progress;
  if (outgoing !== null && outgoing.source.index < Math.min(last, s.log.snapshotIndex)) endSnapshot(progress);
  sendSnapshotToDamaged(s, from, progress);
}

/** The entry at an index, if it can be read. */
export function readable(log: RaftLog, index: Index): LogEntry | undefined {
  try {
    return log.entry(index);
  } catch (error) {
    if (error instanceof WalLogError && error.code === "DAMAGED_ENTRY") return undefined;
    throw error;
  }
}

function onRepairReply(s: RaftState, healing: Healing, reply: RepairReply): void {
  if (reply.request !== healing.request || !askedBy(s, healing).has(reply.from)) return;
  if (healing.isHardStateLost) return onTerm(s, healing, reply);
  addMembers(s, healing, reply);
  // The end of the log is unknown. A write would erase the record of that.
  if (healing.isTailLost) return;
  if (reply.term > s.term) enterTerm(s, reply.term);
  const before = healing.good.size;
  takeGood(s, healing, reply);
  if (reply.leads && reply.term === s.term) {
    healing.droppableFrom = Math.min(healing.droppableFrom, firstDifference(s, healing, reply));
  }
  const end = healing.droppableFrom;
  const wanted = [...healing.missing].filter((index) => index < end);
  if (wanted.every((index) => healing.good.has(index))) restore(s, healing, wanted);
  else if (healing.good.size > before) ask(s, healing, reply.from);
  // The log must know the term of its new last entry.
  if (end <= s.log.lastIndex && knownTerm(s.log, end - 1) !== undefined) giveUpFrom(s, healing, end);
  finish(s, healing);
}

/**
 * Records a member's term. Terms of other nodes do not count: they could raise the term that this node writes, and
 * their list of members could lack the candidate that this node voted for. A node that knows no members trusts the
 * leader, as a joining node does.
 */
function onTerm(s: RaftState, healing: Healing, { from, term, members }: RepairReply): void {
  const { peers } = healing;
  const knowsNobody = peers.size === 0 && !healing.isMembershipKnown && members.includes(from);
  if (!peers.has(from) && !(knowsNobody && members.includes(s.id))) return;
  healing.terms.set(from, term);
  healing.isMembershipKnown ||= members.includes(s.id);
  addMembers(s, healing, { members });
  settleHardState(s, healing);
}

/** Adds the members that a member or the leader reports. Some may have been added while this node was down. */
function addMembers({ id: own }: RaftState, { peers }: Healing, { members }: Pick<RepairReply, "members">): void {
  for (const id of members) if (id !== own) peers.add(id);
}

/**
 * Writes a new hard state after all members have sent their terms. The lost vote was for a member, which stored the
 * term before it requested votes. So the latest of these terms is at least the term of the lost vote. In that term, the
 * node votes for itself, and therefore for no other node.
 */
function settleHardState(s: RaftState, healing: Healing): void {
  if (!healing.isMembershipKnown || ![...healing.peers].every((id) => healing.terms.has(id))) return;
  // If the end of the log is unknown, so are the acknowledgements. This node cannot restore them.
  if (healing.isTailLost) return;
  const term = Math.max(s.term, knownTerm(s.log, s.log.lastIndex) ?? 0, ...healing.terms.values());
  s.writer.setHardState({ term, votedFor: s.id }, { force: true });
  s.writer.flush();
  s.term = term;
  s.votedFor = s.id;
  healing.isHardStateLost = false;
  finish(s, healing);
}

/**
 * Accepts good copies of missing entries, and records the first index at which this log contradicts a committed entry.
 *
 * An entry without a surviving header is accepted in two cases. First, a later entry is the same in both logs: then the
 * logs are the same up to there (log matching). Discarded entries cannot mislead the comparison, because the end of the
 * log is known. Second, the entry is committed, and the entry before it is the same in both logs; otherwise this log
 * would violate log matching. In the second case, later entries of this log may differ from the peer's. Their terms are
 * earlier than the term in which the entry was committed, so a log that ends with them cannot win an election.
 */
function takeGood(s: RaftState, healing: Healing, { commitIndex, prevTerm, entries }: RepairReply): void {
  const { missing, good } = healing;
  const own = (index: Index): Term | undefined => knownTerm(s.log, index) ?? good.get(index)?.term;
  const compare = (index: Index, term: Term): void => {
    const isDecided = index > s.log.snapshotIndex && index <= commitIndex && term > 0;
    if (isDecided && (own(index) ?? term) !== term) healing.droppableFrom = Math.min(healing.droppableFrom, index);
  };
  let before = { index: (entries[0]?.index ?? 1) - 1, term: prevTerm };
  compare(before.index, before.term);
  const shared = entries.findLast(({ index, term }) => !missing.has(index) && knownTerm(s.log, index) === term);
  const agreed = shared?.index ?? 0;
  for (const entry of entries) {
    const { index, term } = entry;
    compare(index, term);
    if (missing.has(index)) {
      const known = knownTerm(s.log, index);
      const follows = index - 1 <= s.log.snapshotIndex ||
        (before.index === index - 1 && before.term === own(index - 1));
      const isSame = known === undefined ? index < agreed || (index <= commitIndex && follows) : known === term;
      if (isSame) good.set(index, entry);
    }
    before = entry;
  }
}

/** Returns the first missing entry for which the leader has no entry, or a different one. */
function firstDifference(s: RaftState, { missing }: Healing, { entries, lastIndex }: RepairReply): Index {
  let first = Infinity;
  for (const index of missing) if (index > lastIndex) first = Math.min(first, index);
  for (const { index, term } of entries) {
    const known = missing.has(index) ? knownTerm(s.log, index) : undefined;
    if (known !== undefined && known !== term) first = Math.min(first, index);
  }
  return first;
}

/** Drops entries from an index on. They were never committed. */
function giveUpFrom(s: RaftState, { missing, good }: Healing, from: Index): void {
  s.writer.truncate(from);
  s.writer.flush();
  for (const index of missing) if (index >= from) missing.delete(index);
  for (const index of good.keys()) if (index >= from) good.delete(index);
}

/** Writes good copies to the log. If there is no space for them, a snapshot must replace the damaged entries. */
function restore(s: RaftState, { missing, good }: Healing, wanted: readonly Index[]): void {
  if (wanted.length === 0) return;
  try {
    (s.log as RepairableLog).repair(wanted.map((index) => good.get(index)!));
    for (const index of wanted) missing.delete(index);
  } catch (error) {
    if (!(error instanceof WalLogError && error.code === "INVALID_ARGUMENT")) throw error;
  }
  for (const index of wanted) good.delete(index);
}
