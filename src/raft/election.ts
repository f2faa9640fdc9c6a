/**
 * Requests votes and grants them.
 *
 * @module
 */

import type { Index, NodeId, Term } from "../api/types.ts";
import { commitByQuorum } from "./commit.ts";
import { isReplaced } from "./identities.ts";
import { encodeMembership } from "./membership.ts";
import type { PreVote, PreVoteReply, RequestVote, RequestVoteReply, TimeoutNow } from "./messages.ts";
import { newProgress } from "./progress.ts";
import { appendOwn, broadcast } from "./replication.ts";
import { enterTerm, persistVote, restartElectionTimer } from "./role.ts";
import type { RaftState } from "./state.ts";

/** Starts a pre-vote because no leader was heard. A pre-vote does not begin a term (dissertation 9.6). */
export function beginPreVote(s: RaftState): void {
  if ((!s.isMember && !mustFinishRemoval(s)) || isReplaced(s)) return;
  restartElectionTimer(s);
  s.leader = null;
  s.role = "follower";
  s.preVotes = ownVote(s);
  if (s.isQuorum(s.preVotes)) return beginElection(s, false);
  const { lastIndex: lastLogIndex, lastTerm: lastLogTerm } = s.log;
  for (const to of s.members) {
    if (to !== s.id) s.send(to, { type: "preVote", term: s.term + 1, candidate: s.id, lastLogIndex, lastLogTerm });
  }
}

/** Whether the node's own removal is uncommitted. Possibly only this node can commit it (dissertation 4.2.2). */
function mustFinishRemoval(s: RaftState): boolean {
  const { latest } = s.membership;
  return s.config.finishRemoval && latest.index > s.commitIndex && s.membership.hasRemoved(s.id);
}

/** The node's vote for itself. It counts only if the node is a member. */
function ownVote(s: RaftState): Set<NodeId> {
  return new Set(s.isMember ? [s.id] : []);
}

/** Starts an election: begins a term and votes for itself. `force`: the leader requested it with `timeoutNow`. */
export function beginElection(s: RaftState, force: boolean): void {
  persistVote(s, s.term + 1, s.id);
  s.role = "candidate";
  s.leader = null;
  s.preVotes = null;
  s.votes = ownVote(s);
  restartElectionTimer(s);
  if (s.isQuorum(s.votes)) return becomeLeader(s);
  const { term, log: { lastIndex: lastLogIndex, lastTerm: lastLogTerm } } = s;
  for (const to of s.members) {
    if (to !== s.id) s.send(to, { type: "requestVote", term, candidate: s.id, lastLogIndex, lastLogTerm, force });
  }
}

function becomeLeader(s: RaftState): void {
  const { lastIndex } = s.log;
  // The entry repeats the latest configuration. The application never sees it, unlike an empty command. It comes before
  // anything else: if there is no space for it, the node does not become the leader.
  if (s.config.noOp) appendOwn(s, "config", encodeMembership(s.membership.latest));
  s.role = "leader";
  s.leader = s.id;
  s.votes.clear();
  s.transfer = null;
  s.sinceHeartbeat = s.sinceQuorum = s.round = 0;
  s.progress = new Map(s.others.map((id) => [id, newProgress(lastIndex, s.now)]));
  broadcast(s);
  if (s.config.noOp) commitByQuorum(s);
}

/** Whether a candidate's log is at least as up to date as this node's: the election restriction. */
function isUpToDate(s: RaftState, lastIndex: Index, lastTerm: Term): boolean {
  return lastTerm > s.log.lastTerm || (lastTerm === s.log.lastTerm && lastIndex >= s.log.lastIndex);
}

/**
 * Whether the node has recently heard from a leader. Then an election would only disturb the cluster (dissertation
 * 4.2.3). A leader with `checkQuorum` counts itself.
 */
function hasLeader(s: RaftState): boolean {
  if (s.config.checkQuorum && s.role === "leader") return true;
  return s.leader !== null && s.elapsed < s.config.electionTimeout[0];
}

/** Answers a pre-vote request. */
export function onPreVote(s: RaftState, message: PreVote): void {
  const voteGranted = message.term >= s.term && !hasLeader(s) &&
    isUpToDate(s, message.lastLogIndex, message.lastLogTerm) && !isReplaced(s);
  s.send(message.candidate, { type: "preVoteReply", term: s.term, voteGranted, from: s.id });
}

/** Counts a pre-vote. A majority starts the election. */
export function onPreVoteReply(s: RaftState, reply: PreVoteReply): void {
  if (s.preVotes === null) return;
  if (reply.term > s.term) return enterTerm(s, reply.term);
  if (!reply.voteGranted) return;
  s.preVotes.add(reply.from);
  if (s.isQuorum(s.preVotes)) beginElection(s, false);
}

/** Answers a vote request. */
export function onRequestVote(s: RaftState, message: RequestVote): void {
  if (!message.force && hasLeader(s)) return;
  if (message.term > s.term) enterTerm(s, message.term);
  const { candidate } = message;
  const voteGranted = message.term === s.term && (s.votedFor === null || s.votedFor === candidate) &&
    isUpToDate(s, message.lastLogIndex, message.lastLogTerm) && !isReplaced(s);
  if (voteGranted) {
    persistVote(s, s.term, candidate);
    restartElectionTimer(s);
  }
  s.send(candidate, { type: "requestVoteReply", term: s.term, voteGranted, from: s.id });
}

/** Counts a vote. A majority makes this node the leader. */
export function onRequestVoteReply(s: RaftState, reply: RequestVoteReply): void {
  if (s.role !== "candidate" || reply.term !== s.term || !reply.voteGranted) return;
  s.votes.add(reply.from);
  if (s.isQuorum(s.votes)) becomeLeader(s);
}

/** Starts an election at the leader's request: leadership transfer. */
export function onTimeoutNow(s: RaftState, message: TimeoutNow): void {
  if (message.term === s.term && s.isMember && !isReplaced(s)) beginElection(s, true);
}
