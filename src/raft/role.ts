/**
 * Changes of the role and the term that many parts of a node make, and the actions that report them.
 *
 * @module
 */

import type { Index, NodeId, Term } from "../api/types.ts";
import { dropIncoming } from "./incoming_snapshot.ts";
import { type Membership, sameIds } from "./membership.ts";
import type { RaftState } from "./state.ts";

/** Restarts the election timer with a newly drawn timeout. */
export function restartElectionTimer(s: RaftState): void {
  s.elapsed = 0;
  s.electionTimeout = s.drawTimeout();
}

/** Stores the term and the vote, first on the disk. If the write fails, the node has not entered the term. */
export function persistVote(s: RaftState, term: Term, votedFor: NodeId | null): void {
  s.writer.setHardState({ term, votedFor });
  s.writer.flush();
  // A new leader sends its snapshot from the beginning.
  if (term !== s.term) dropIncoming(s);
  s.term = term;
  s.votedFor = votedFor;
}

/** Answers another node's read request. Without an index, the request is rejected. */
export function replyToRead(s: RaftState, to: NodeId, request: number, index: Index | undefined): void {
  const isRefused = index === undefined;
  s.send(to, { type: "readReply", term: s.term, from: s.id, request, index: index ?? 0, isRefused });
}

/** Becomes a follower in the present term. */
export function becomeFollower(s: RaftState, leader: NodeId | null): void {
  s.role = "follower";
  s.leader = leader;
  s.preVotes = null;
  s.votes.clear();
  s.progress.clear();
  s.transfer = null;
  s.uncommitted.clear();
  s.proposers.clear();
  for (const { id, from } of s.reads.splice(0)) {
    if (from === null) s.actions.push({ type: "readFailed", id });
    else replyToRead(s, from, id, undefined);
  }
}

/** Enters a later term. The node has not voted in it. */
export function enterTerm(s: RaftState, term: Term): void {
  persistVote(s, term, null);
  becomeFollower(s, null);
}

/** Reports a new role or leader to the application, once for each step that changes them. */
export function announceLeader(s: RaftState): void {
  const { term, leader, role, announced, config } = s;
  const isSameLeader = leader === announced.leader && (leader === null || term === announced.term);
  if (!config.announceLeader || (isSameLeader && role === announced.role)) return;
  s.announced = { term, leader, role };
  s.actions.push({ type: "leaderChanged", ...s.announced });
}

/** Removes the records of a node's log, because the node was removed or added again. */
function forget(s: RaftState, id: NodeId): void {
  s.seen.delete(id);
  s.lost.delete(id);
  s.told.forget(id);
  s.damagedSnapshots.delete(id);
}

/** Reports the members of the cluster to the application if they have changed. */
export function announceMembers(s: RaftState, before: Membership): void {
  const { members, learners, incarnations, addresses } = s.membership.latest;
  for (const id of new Set([...before.members, ...before.learners, ...s.seen.keys()])) {
    const isSame = before.incarnations?.get(id) === incarnations?.get(id);
    if (!isSame || (!members.includes(id) && !learners.includes(id))) forget(s, id);
  }
  const isSame = sameIds(before.members, members) && sameIds(before.learners, learners);
  if (isSame && sameAddresses(before.addresses, addresses)) return;
  s.actions.push({
    ...{ type: "membershipChanged", members },
    ...learners.length > 0 ? { learners } : {},
    ...addresses === undefined ? {} : { addresses },
  });
}

type Addresses = Membership["addresses"];

/** Whether two lists of addresses are equal. */
export function sameAddresses(a: Addresses = new Map(), b: Addresses = new Map()): boolean {
  return a.size === b.size && [...a].every(([id, address]) => b.get(id) === address);
}
