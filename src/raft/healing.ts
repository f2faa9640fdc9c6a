/**
 * A node whose log is damaged. It neither votes nor acknowledges anything, for it no longer knows what it has promised.
 * It asks its peers for what it cannot read, repairs its log, and only then takes part again.
 *
 * A peer's entry is taken for what was there if a header that survives has the same term, or a later entry is the same
 * (log matching), or if the peer knows the entry to be committed, and what comes before it is the same: then it is what
 * was there, or what was there could never count. What was there is given up only where something else is known to be
 * committed, or for a leader of this term or a later one that has something else there, or nothing: it has everything
 * that was ever committed (leader completeness).
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

/** A log that can be repaired, as `WalLog` can. */
interface RepairableLog extends RaftLog {
  readonly damaged: readonly Damage[];
  readonly lost?: Pick<Lost, "hardState">;
  repair(entries: readonly NewEntry[]): void;
}

function isRepairable(log: RaftLog): log is RepairableLog {
  return "damaged" in log && "repair" in log;
}

/**
 * Finds out what a log lacks.
 *
 * @param s A node that starts.
 * @param unreadable Entries that are known to be unreadable.
 * @returns What is lacking; `null` if nothing is.
 */
export function findDamage(s: RaftState, unreadable: readonly Index[]): Healing | null {
  const { log } = s;
  if (!isRepairable(log)) return null;
  const missing = new Set(unreadable);
  let isTailLost = false;
  for (const { kind, firstIndex, lastIndex } of log.damaged) {
    // A segment of which nothing says what it held, or what followed: where the log ended, nobody knows.
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
    // What cannot be read may have been a configuration.
    isMembershipKnown: missing.size === 0 && !isSnapshotLost && everyone.length > 0,
    terms: new Map(),
    peers: new Set([...s.config.peers, ...everyone].filter((id) => id !== s.id)),
    leader: null,
    request: unpredictable(),
  };
  return isHealed(healing) ? null : healing;
}

/** Whether a log has lost its hard state. One that does not say rejects every write, even an empty one. */
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

/** What a damaged node makes of an event. */
export function stepDamaged(s: RaftState, healing: Healing, event: RaftEvent): void {
  switch (event.type) {
    case "tick":
      if (++s.now % s.config.heartbeatInterval === 0) askAll(s, healing);
      // Without anyone else in the cluster, there was nobody else to vote for.
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
  // Members that this node does not know of may have been added while it was away, so it also asks the leader, which any
  // follower believes. It asks nobody else: anyone can send a message.
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
  // A leader that has compacted away the first sends its snapshot, which must be a later one than that which is lost.
  if (isSnapshotLost) first = Math.min(first, s.log.snapshotIndex + 1);
  if (first === Infinity) first = 0;
  // And the entry behind, if there is one: where that is the same, so is all before it.
  if (last > 0 && last < s.log.lastIndex) last++;
  s.send(to, { type: "repairRequest", term: isHardStateLost ? 0 : s.term, from: s.id, request, first, last });
}

/** A damaged node asks. What this node cannot read itself, it does not have. */
export function onRepairRequest(s: RaftState, { from, request, first, last }: RepairRequest): void {
  // Who has lost its vote cannot tell its term, by which another may have to find its own.
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
  // Of a stretch that is too long for a message, each part ends with what lies behind all of it, which may prove it.
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
  // What is compacted away, only a snapshot can replace.
  const progress = s.progress.get(from);
  if (progress === undefined || first === 0 || first > s.log.snapshotIndex) return;
  // One that is under way and does not cover all that is lacking may be one that the node cannot take.
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
  // Nobody can say where the log ended, and whatever is written now would have it forgotten that nobody knows.
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
  // The log must know the term of what becomes its last entry.
  if (end <= s.log.lastIndex && knownTerm(s.log, end - 1) !== undefined) giveUpFrom(s, healing, end);
  finish(s, healing);
}

/**
 * Counts a member's term. The term of a node that is no member would raise the one that is written, and its list of
 * members could leave out the candidate that this node voted for. A node that knows no member at all believes the leader,
 * as a node that joins does.
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

/** Notes the members that a member or the leader knows: while this node was away, some may have been added. */
function addMembers({ id: own }: RaftState, { peers }: Healing, { members }: Pick<RepairReply, "members">): void {
  for (const id of members) if (id !== own) peers.add(id);
}

/**
 * The vote that is lost was for a member, which had the term on its disk before it asked: once all have told their terms,
 * none that this node has voted in is later. A vote for itself in the latest of them makes sure that it votes for nobody
 * else in it.
 */
function settleHardState(s: RaftState, healing: Healing): void {
  if (!healing.isMembershipKnown || ![...healing.peers].every((id) => healing.terms.has(id))) return;
  // Where the log ended, nothing tells, and so not what was acknowledged: not for this node to decide.
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
 * Takes good copies of what is missing, and notes where what there is cannot be what was committed.
 *
 * An entry of which no header survives is taken if it lies in front of one that both have, for then both have the same
 * up to there (log matching; nothing that was discarded reads as good where it is known where the log ended). Or
 * if it is committed, and lies behind one that both have: behind another, it would end log matching here. What follows on
 * it may then be other than what the peer has, but of earlier terms than that in which the entry was committed, with
 * which nobody is elected any more.
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

/** The first missing entry that a leader does not have, or has another in place of. */
function firstDifference(s: RaftState, { missing }: Healing, { entries, lastIndex }: RepairReply): Index {
  let first = Infinity;
  for (const index of missing) if (index > lastIndex) first = Math.min(first, index);
  for (const { index, term } of entries) {
    const known = missing.has(index) ? knownTerm(s.log, index) : undefined;
    if (known !== undefined && known !== term) first = Math.min(first, index);
  }
  return first;
}

/** Drops what was never committed. */
function giveUpFrom(s: RaftState, { missing, good }: Healing, from: Index): void {
  s.writer.truncate(from);
  s.writer.flush();
  for (const index of missing) if (index >= from) missing.delete(index);
  for (const index of good.keys()) if (index >= from) good.delete(index);
}

/** Puts good copies in their place. If they do not fit, a snapshot has to replace what is damaged. */
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
