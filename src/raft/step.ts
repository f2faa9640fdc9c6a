/**
 * One event, one step.
 *
 * @module
 */

import { WalLogError } from "../errors.ts";
import type { NodeId } from "../types.ts";
import {
  beginPreVote,
  onPreVote,
  onPreVoteReply,
  onRequestVote,
  onRequestVoteReply,
  onTimeoutNow,
} from "./election.ts";
import { onAppendEntries, onInstallSnapshot } from "./follower.ts";
import {
  appendOwn,
  broadcast,
  onAppendEntriesReply,
  onInstallSnapshotReply,
  onTransferLeadership,
  replicate,
} from "./leader.ts";
import { encodeMembership, sortedIds } from "./membership.ts";
import type { Message } from "./messages.ts";
import { newProgress } from "./progress.ts";
import { enterTerm } from "./role.ts";
import type { RaftState } from "./state.ts";
import type { RaftEvent, SnapshotEvent } from "./types.ts";

/**
 * Lets something happen to a node.
 *
 * @param s The node; what it wants done is added to its actions.
 * @param event What happens.
 */
export function stepEvent(s: RaftState, event: RaftEvent): void {
  switch (event.type) {
    case "tick":
      return onTick(s);
    case "message":
      return onMessage(s, event.message);
    case "propose":
      requireLeader(s, "propose");
      appendOwn(s, "normal", event.command);
      return replicate(s);
    case "snapshot":
      return onSnapshot(s, event);
    case "addServer":
      return changeMembers(s, [...s.members, event.id]);
    case "removeServer":
      return changeMembers(s, s.members.filter((id) => id !== event.id));
    case "transferLeadership":
      return onTransferLeadership(s, event.target);
  }
}

function onTick(s: RaftState): void {
  s.now++;
  if (s.role !== "leader") {
    if (++s.elapsed >= s.electionTimeout) beginPreVote(s);
  } else if (++s.sinceHeartbeat >= s.config.heartbeatInterval) {
    s.sinceHeartbeat = 0;
    broadcast(s);
  }
}

function onMessage(s: RaftState, message: Message): void {
  switch (message.type) {
    case "preVote":
      return onPreVote(s, message);
    case "preVoteReply":
      return onPreVoteReply(s, message);
    case "requestVote":
      return onRequestVote(s, message);
  }
  if (message.term > s.term) enterTerm(s, message.term);
  switch (message.type) {
    case "requestVoteReply":
      return onRequestVoteReply(s, message);
    case "appendEntries":
      return onAppendEntries(s, message);
    case "appendEntriesReply":
      return onAppendEntriesReply(s, message);
    case "installSnapshot":
      return onInstallSnapshot(s, message);
    case "installSnapshotReply":
      return onInstallSnapshotReply(s, message);
    case "timeoutNow":
      return onTimeoutNow(s, message);
  }
}

function onSnapshot(s: RaftState, { index, data }: SnapshotEvent): void {
  if (index <= s.log.snapshotIndex || index > s.lastApplied) return;
  const config = [...s.membership.at(index).members];
  s.writer.applySnapshot({ index, term: s.log.termAt(index)!, config, data });
  s.writer.flush();
  s.membership.compact(index);
}

function requireLeader(s: RaftState, attempt: string): void {
  if (s.role === "leader" && s.transfer === null) return;
  throw new WalLogError("NOT_LEADER", `Cannot ${attempt}: not the leader`, { leader: s.leader });
}

function changeMembers(s: RaftState, members: readonly NodeId[]): void {
  requireLeader(s, "change the cluster");
  if (s.membership.latest.index > s.commitIndex || s.log.termAt(s.commitIndex) !== s.term) {
    throw new WalLogError("CONFIG_IN_PROGRESS", "Cannot change the cluster: the last change is not committed");
  }
  const sorted = sortedIds(members);
  if (sorted.length === s.members.length) return;
  appendOwn(s, "config", encodeMembership({ members: sorted, learners: [] }));
  s.actions.push({ type: "membershipChanged", members: s.members });
  for (const id of s.progress.keys()) if (!sorted.includes(id)) s.progress.delete(id);
  for (const id of s.others) if (!s.progress.has(id)) s.progress.set(id, newProgress(s.log.lastIndex, s.now));
  broadcast(s);
}
