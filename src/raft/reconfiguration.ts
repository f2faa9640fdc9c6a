/**
 * Changes the membership, one node at a time (dissertation 4.1), and adds learners (4.2.1).
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { NodeId } from "../api/types.ts";
import { isBehind } from "./behind.ts";
import { commitByQuorum } from "./commit.ts";
import { encodeMembership, type Membership, sameIds, sortedIds } from "./membership.ts";
import { newProgress, type Progress } from "./progress.ts";
import { appendOwn, broadcast } from "./replication.ts";
import { announceMembers, sameAddresses } from "./role.ts";
import type { RaftState } from "./state.ts";
import type { ReplaceServerEvent } from "./types.ts";

/** Throws `NOT_LEADER` unless the node leads and is not transferring its leadership. */
export function requireLeader(s: RaftState, attempt: string): void {
  if (s.role === "leader" && s.transfer === null) return;
  const found = s.role === "leader" ? "is transferring leadership; try again shortly" : `is a ${s.role}; ${hint(s)}`;
  throw new WalLogError("NOT_LEADER", `Cannot ${attempt}: node ${s.id} ${found}`, { leader: s.leader });
}

function hint(s: RaftState): string {
  return s.leader === null ? "no leader is known" : `ask node ${s.leader}`;
}

/** Adds a voting member. It may have been a learner. */
export function addServer(s: RaftState, id: NodeId, address?: string): void {
  const attempt = `add server ${id}`;
  const { members, learners, replacement } = s.membership.latest;
  if (s.role === "leader" && learners.includes(id)) requireLevel(s, attempt, id);
  const others = learners.filter((other) => other !== id);
  change(s, attempt, { members: [...members, id], learners: others, replacement }, [id, address]);
}

/** Adds a learner. */
export function addLearner(s: RaftState, id: NodeId, address?: string): void {
  const { members, learners, replacement } = s.membership.latest;
  const wanted = { members, learners: members.includes(id) ? learners : [...learners, id], replacement };
  change(s, `add learner ${id}`, wanted, [id, address]);
}

/** Removes a member or a learner. */
export function removeServer(s: RaftState, id: NodeId): void {
  const { members, learners, replacement } = s.membership.latest;
  const others = (ids: readonly NodeId[]) => ids.filter((other) => other !== id);
  const isOfOthers = replacement?.from !== id && replacement?.to !== id;
  const rest = isOfOthers ? replacement : undefined;
  change(s, `remove server ${id}`, { members: others(members), learners: others(learners), replacement: rest });
}

/** Begins to replace a member. */
export function replaceServer(s: RaftState, { id, by, address }: ReplaceServerEvent): void {
  const attempt = `replace server ${id} by ${by}`;
  const { members, learners, replacement } = s.membership.latest;
  requireLeader(s, attempt);
  if (replacement !== undefined && (replacement.from !== id || replacement.to !== by)) {
    const { from, to } = replacement;
    throw inProgress(attempt, `server ${from} is being replaced by ${to}; wait for that, or remove one of them`);
  }
  if (id === by || !members.includes(id)) {
    const found = id === by ? "it cannot replace itself" : "it is not a voting member";
    throw new WalLogError("INVALID_ARGUMENT", `Cannot ${attempt}: ${found}`);
  }
  const added = members.includes(by) ? learners : [...learners, by];
  change(s, attempt, { members, learners: added, replacement: { from: id, to: by } }, [by, address]);
}

/** Continues a replacement, even if an earlier leader began it. */
export function continueReplacement(s: RaftState): void {
  const { latest: { members, learners, replacement } } = s.membership;
  if (replacement === undefined || s.transfer !== null || !canChange(s)) return;
  const { from, to } = replacement;
  if (members.includes(to)) removeServer(s, from);
  else if (learners.includes(to) && isLevel(s, to)) addServer(s, to);
}

/**
 * Whether a learner has recently caught up with the leader, within one election timeout. Then its vote does not delay
 * the cluster.
 */
function isLevel(s: RaftState, id: NodeId): boolean {
  const progress = s.progress.get(id);
  return progress !== undefined && progress.isLevel && s.now - progress.lapStart <= s.config.electionTimeout[0];
}

/** Throws if a learner has not caught up, because its vote would delay the cluster. */
function requireLevel(s: RaftState, attempt: string, id: NodeId): void {
  if (isLevel(s, id)) return;
  const match = s.progress.get(id)?.match ?? 0;
  throw inProgress(
    attempt,
    `the learner has entries up to ${match} of ${s.log.lastIndex}; try again after it has caught up`,
  );
}

function inProgress(attempt: string, reason: string): WalLogError {
  return new WalLogError("CONFIG_IN_PROGRESS", `Cannot ${attempt}: ${reason}`);
}

/**
 * Whether the membership can be changed. The last change must be committed, and so must an entry of the leader's term.
 * Without the second condition, two leaders can make changes whose majorities do not overlap (Ongaro, 2015).
 */
export function canChange(s: RaftState): boolean {
  return s.membership.latest.index <= s.commitIndex && s.log.termAt(s.commitIndex) === s.term;
}

/** The members after a change. */
type Wanted = Pick<Membership, "members" | "learners"> & {
  readonly replacement: Membership["replacement"] | undefined;
};

function change(
  s: RaftState,
  attempt: string,
  { members, learners, replacement }: Wanted,
  [id, address]: readonly [id?: NodeId, address?: string] = [],
): void {
  requireLeader(s, attempt);
  if (!canChange(s)) {
    throw inProgress(
      attempt,
      `the last change, at index ${s.membership.latest.index}, and an entry of term ${s.term} must be ` +
        `committed first; the commit index is ${s.commitIndex}`,
    );
  }
  const before = s.membership.latest;
  const addresses = new Map(before.addresses);
  if (id !== undefined && address !== undefined) addresses.set(id, address);
  const ids = { members: sortedIds(members), learners: sortedIds(learners) };
  const wanted = withFacts(before, ids, addresses, replacement);
  if (isSame(before, wanted)) return;
  if (wanted.members.length === 0) {
    throw new WalLogError("INVALID_ARGUMENT", `Cannot ${attempt}: it is the last member`);
  }
  begin(s, before, wanted);
}

function isSame(before: Membership, wanted: Omit<Membership, "index">): boolean {
  return sameIds(before.members, wanted.members) && sameIds(before.learners, wanted.learners) &&
    sameAddresses(before.addresses, wanted.addresses) && before.replacement?.to === wanted.replacement?.to;
}

/** Keeps the facts about nodes that stay. A node that was removed and added again begins without facts. */
function withFacts(
  { incarnations }: Membership,
  ids: Pick<Membership, "members" | "learners">,
  addresses: ReadonlyMap<NodeId, string>,
  replacement: Membership["replacement"] | undefined,
): Omit<Membership, "index"> {
  const stays = ([id]: readonly [NodeId, string]) => ids.members.includes(id) || ids.learners.includes(id);
  const known = [...addresses].filter(stays);
  return {
    ...ids,
    incarnations: new Map([...incarnations ?? []].filter(stays)),
    ...known.length === 0 ? {} : { addresses: new Map(known) },
    ...replacement === undefined ? {} : { replacement },
  };
}

/** Begins a change. It takes effect at once: on the leader when it is appended, on the others when it arrives. */
function begin(s: RaftState, before: Membership, wanted: Omit<Membership, "index">): void {
  appendOwn(s, "config", encodeMembership(wanted));
  announceMembers(s, before);
  const others = new Set(s.others);
  for (const id of s.progress.keys()) if (!others.has(id)) s.progress.delete(id);
  for (const id of others) if (!s.progress.has(id)) s.progress.set(id, newProgress(s.log.lastIndex, s.now));
  broadcast(s);
  // If a removed node was the only one that had not acknowledged, the change is committed now, and no answer will
  // follow.
  commitByQuorum(s);
}

/**
 * Measures how fast a learner catches up, and gives it a vote when it is fast enough. In one lap, it gets the entries
 * that the leader had when the lap began. If a lap takes at most one election timeout, the learner cannot delay the
 * cluster for longer than an election.
 */
export function promoteIfCaughtUp(s: RaftState, id: NodeId, progress: Progress): void {
  if (progress.match < progress.lapEnd || !s.membership.latest.learners.includes(id) || isBehind(s, id)) return;
  const ticks = s.now - progress.lapStart;
  progress.lapEnd = s.log.lastIndex;
  progress.lapStart = s.now;
  progress.isLevel = ticks <= s.config.electionTimeout[0];
  if (progress.isLevel && s.config.promoteLearners && s.transfer === null && canChange(s)) addServer(s, id);
}
