/**
 * Changes that any part of a node can cause: following a leader, entering a term, and reporting new members and
 * leaders.
 *
 * @module
 */

import type { Index, NodeId, Term } from "../api/types.ts";
import { dropIncoming } from "./incoming_snapshot.ts";
import { type Membership, sameIds } from "./membership.ts";
import type { RaftState } from "./state.ts";

/** Waits anew for a leader, for a time drawn anew. */
export function restartElectionTimer(s: RaftState): void {
  s.elapsed = 0;
  s.electionTimeout = s.drawTimeout();
}

/** Stores the term and the vote, on the disk first: if the write fails, the node has not entered the term. */
export function persistVote(s: RaftState, term: Term, votedFor: NodeId | null): void {
  s.writer.setHardState({ term, votedFor });
  s.writer.flush();
  // Another leader sends its snapshot from the beginning.
  if (term !== s.term) dropIncoming(s);
  s.term = term;
  s.votedFor = votedFor;
}

/** Answers the request of another node for a read; without an index, it is refused. */
export function replyToRead(s: RaftState, to: NodeId, request: number, index: Index | undefined): void {
  const isRefused = index === undefined;
  s.send(to, { type: "readReply", term: s.term, from: s.id, request, index: index ?? 0, isRefused });
}

/** Follows whoever leads in the present term. */
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

/** Moves on to a later term, in which the node has not voted. */
export function enterTerm(s: RaftState, term: Term): void {
  persistVote(s, term, null);
  becomeFollower(s, null);
}

/** Tells the application of a new role or leader, once for each step that changes them. */
export function announceLeader(s: RaftState): void {
  const { term, leader, role, announced, config } = s;
  const isSameLeader = leader === announced.leader && (leader === null || term === announced.term);
  if (!config.announceLeader || (isSameLeader && role === announced.role)) return;
  s.announced = { term, leader, role };
  s.actions.push({ type: "leaderChanged", ...s.announced });
}

/** Forgets the records of a node's log, because the node was removed or added again. */
function forget(s: RaftState, id: NodeId): void {
  s.seen.delete(id);
  s.lost.delete(id);
  s.told.forget(id);
  s.damagedSnapshots.delete(id);
}

/** Tells the application the members of the cluster, if they have changed. */
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

/** Whether two lists of addresses are the same. */
export function sameAddresses(a: Addresses = new Map(), b: Addresses = new Map()): boolean {
  return a.size === b.size && [...a].every(([id, address]) => b.get(id) === address);
}
