/**
 * Changing who belongs to the cluster, one node at a time (dissertation 4.1), and learners (4.2.1).
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { NodeId } from "../api/types.ts";
import { commitByQuorum } from "./commit.ts";
import { isNodeId } from "./config.ts";
import { encodeMembership, type Membership, sameIds, sortedIds } from "./membership.ts";
import { newProgress, type Progress } from "./progress.ts";
import { appendOwn, broadcast } from "./replication.ts";
import { announceMembers } from "./role.ts";
import type { RaftState } from "./state.ts";

/** Refuses what only a leader can do that is not about to hand over. */
export function requireLeader(s: RaftState, attempt: string): void {
  if (s.role === "leader" && s.transfer === null) return;
  const found = s.role === "leader" ? "is handing over; ask again in a moment" : `is a ${s.role}; ${hint(s)}`;
  throw new WalLogError("NOT_LEADER", `Cannot ${attempt}: node ${s.id} ${found}`, { leader: s.leader });
}

function hint(s: RaftState): string {
  return s.leader === null ? "no leader is known" : `ask node ${s.leader}`;
}

/** Adds a voting member, which may have been a learner. */
export function addServer(s: RaftState, id: NodeId): void {
  const { members, learners } = s.membership.latest;
  change(s, `add server ${id}`, id, [...members, id], learners.filter((other) => other !== id));
}

/** Adds a learner. */
export function addLearner(s: RaftState, id: NodeId): void {
  const { members, learners } = s.membership.latest;
  change(s, `add learner ${id}`, id, members, members.includes(id) ? learners : [...learners, id]);
}

/** Removes a member or a learner. */
export function removeServer(s: RaftState, id: NodeId): void {
  const { members, learners } = s.membership.latest;
  const others = (ids: readonly NodeId[]) => ids.filter((other) => other !== id);
  change(s, `remove server ${id}`, id, others(members), others(learners));
}

/**
 * Whether the cluster can be changed: the last change must be committed, and an entry of the leader's own term. Without
 * the second, two changes by different leaders can overlap, and decide by majorities that do not (Ongaro, 2015).
 */
export function canChange(s: RaftState): boolean {
  return s.membership.latest.index <= s.commitIndex && s.log.termAt(s.commitIndex) === s.term;
}

function change(
  s: RaftState,
  attempt: string,
  id: NodeId,
  members: readonly NodeId[],
  learners: readonly NodeId[],
): void {
  if (!isNodeId(id)) {
    throw new WalLogError("INVALID_ARGUMENT", `Cannot ${attempt}: ids are bigints from 0 to 2^64 - 1`);
  }
  requireLeader(s, attempt);
  if (!canChange(s)) {
    throw new WalLogError(
      "CONFIG_IN_PROGRESS",
      `Cannot ${attempt}: it takes that the last change, at index ${s.membership.latest.index}, and an entry of term ` +
        `${s.term} are committed, found commit index ${s.commitIndex}`,
    );
  }
  const wanted = withIncarnations(s, { members: sortedIds(members), learners: sortedIds(learners) });
  const before = s.membership.latest;
  if (sameIds(before.members, wanted.members) && sameIds(before.learners, wanted.learners)) return;
  if (wanted.members.length === 0) {
    throw new WalLogError("INVALID_ARGUMENT", `Cannot ${attempt}: it is the last member`);
  }
  begin(s, before, wanted);
}

/** Whose logs are known, of those who stay. Who is removed and added anew begins anew. */
function withIncarnations({ membership }: RaftState, wanted: Omit<Membership, "index">): Omit<Membership, "index"> {
  const known = [...membership.latest.incarnations ?? []];
  const stays = (id: NodeId) => wanted.members.includes(id) || wanted.learners.includes(id);
  return { ...wanted, incarnations: new Map(known.filter(([id]) => stays(id))) };
}

/** The change counts from here on: for the leader when it is appended, for the others when it arrives. */
function begin(s: RaftState, before: Membership, wanted: Omit<Membership, "index">): void {
  appendOwn(s, "config", encodeMembership(wanted));
  announceMembers(s, before);
  const others = new Set(s.others);
  for (const id of s.progress.keys()) if (!others.has(id)) s.progress.delete(id);
  for (const id of others) if (!s.progress.has(id)) s.progress.set(id, newProgress(s.log.lastIndex, s.now));
  broadcast(s);
  // Without those who are no longer asked, the change may be committed by what is there, with nobody to answer.
  commitByQuorum(s);
}

/**
 * Gives a learner a vote that has caught up: it took at most an election timeout to get what the leader had when the
 * lap began, so that it cannot hold up the cluster for longer than an election does.
 */
export function promoteIfCaughtUp(s: RaftState, id: NodeId, progress: Progress): void {
  if (progress.match < progress.lapEnd || !s.membership.latest.learners.includes(id)) return;
  const ticks = s.now - progress.lapStart;
  progress.lapEnd = s.log.lastIndex;
  progress.lapStart = s.now;
  if (ticks <= s.config.electionTimeout[0] && s.transfer === null && canChange(s)) addServer(s, id);
}
