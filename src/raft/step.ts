/**
 * Dispatches the events of a node.
 *
 * @module
 */

import { isBehind } from "./behind.ts";
import { applyCommitted, commitByQuorum } from "./commit.ts";
import {
  beginPreVote,
  onPreVote,
  onPreVoteReply,
  onRequestVote,
  onRequestVoteReply,
  onTimeoutNow,
} from "./election.ts";
import { onAppendEntries, onInstallSnapshot, requireAcceptable } from "./follower.ts";
import type { Message } from "./messages.ts";
import { onPropose, onProposeReply, onProposeRequest, settleForwardedProposals } from "./forwarded_proposals.ts";
import { forwardRead, onReadReply, settleForwardedReads } from "./forwarded_reads.ts";
import { addRead, onReadRequest, settleReads } from "./reads.ts";
import {
  addLearner,
  addServer,
  continueReplacement,
  removeServer,
  replaceServer,
  requireLeader,
} from "./reconfiguration.ts";
import { onAppendEntriesReply, onInstallSnapshotReply } from "./replies.ts";
import { onRepairRequest, stepDamaged } from "./healing.ts";
import { isContradicting, isOfSecondLeader } from "./contradictions.ts";
import { dropSilent, isTooLarge, requireContent } from "./incoming_snapshot.ts";
import { admits, writeIncarnations } from "./identities.ts";
import { isUnasked, requirePlausible } from "./plausible.ts";
import { broadcast } from "./replication.ts";
import { becomeFollower, enterTerm } from "./role.ts";
import { onSnapshot } from "./own_snapshots.ts";
import { dropServed, onSnapshotRequest } from "./snapshot_fetching.ts";
import { closeUnused } from "./snapshot_sending.ts";
import type { RaftState } from "./state.ts";
import { onTransferTick, transferLeadership } from "./transfer.ts";
import type { RaftEvent } from "./types.ts";

/**
 * Processes an event.
 *
 * @param s The node, whose actions are added to `s.actions`.
 * @param event The event.
 */
export function stepEvent(s: RaftState, event: RaftEvent): void {
  try {
    stepOnce(s, event);
  } finally {
    closeUnused(s);
  }
}

function stepOnce(s: RaftState, event: RaftEvent): void {
  s.appliedBytes = 0;
  if (event.type === "message") {
    const { message } = event;
    requirePossible(s, message);
    if (!admits(s, message, event.origin)) return;
    if ("snapshot" in message && isTooLarge(s, message)) return;
  }
  if (event.type === "tick") {
    dropSilent(s);
    dropServed(s);
  }
  if (s.healing !== null) return stepDamaged(s, s.healing, event);
  take(s, event);
  finish(s);
  // A request that has taken effect must not fail because of this.
  if (s.role === "leader" && (event.type === "message" || event.type === "tick")) writeIncarnations(s);
}

/**
 * Counts the leader itself toward a majority after its flush, if it sends ahead of the flush.
 *
 * @param s The node, whose actions are added to `s.actions`.
 */
export function countOwn(s: RaftState): void {
  s.appliedBytes = 0;
  if (s.healing !== null || s.role !== "leader") return;
  commitByQuorum(s);
  finish(s);
}

/** Applies committed entries, and answers reads. Called at the end of every step. */
function finish(s: RaftState): void {
  applyCommitted(s);
  // If nothing could be read, another attempt at once would not help.
  if (s.lastApplied < s.commitIndex && s.appliedBytes > 0) s.actions.push({ type: "moreToApply" });
  if (s.role === "leader") settleReads(s);
  settleForwardedReads(s);
  settleForwardedProposals(s);
}

/** Rejects an impossible message before it changes anything. */
function requirePossible(s: RaftState, message: Message): void {
  requirePlausible(s, message);
  if ("snapshot" in message) requireContent(message);
}

function take(s: RaftState, event: RaftEvent): void {
  switch (event.type) {
    case "tick":
      return onTick(s);
    case "applyMore":
      return;
    case "heartbeat":
      return s.role === "leader" ? broadcast(s) : undefined;
    case "message":
      return onMessage(s, event.message);
    case "propose":
      return onPropose(s, event);
    case "snapshot":
      return onSnapshot(s, event);
    case "addServer":
      return addServer(s, event.id, event.address);
    case "addLearner":
      return addLearner(s, event.id, event.address);
    case "replaceServer":
      return replaceServer(s, event);
    case "removeServer":
      return removeServer(s, event.id);
    case "transferLeadership":
      return transferLeadership(s, event.target);
    case "readIndex":
      if (s.config.forwardReads && s.role !== "leader" && s.leader !== null) return forwardRead(s, event.id);
      requireLeader(s, "read");
      return addRead(s, event.id);
  }
}

function onTick(s: RaftState): void {
  s.now++;
  if (s.role === "leader") return onLeaderTick(s);
  if (++s.elapsed >= s.electionTimeout) beginPreVote(s);
}

function onLeaderTick(s: RaftState): void {
  const { checkQuorum, electionTimeout, heartbeatInterval, sendAhead } = s.config;
  // Its heartbeats would prevent the election of another leader, although its clients wait for its disk.
  const isHanging = s.flushingSince !== undefined && s.now - s.flushingSince >= electionTimeout[0];
  if (sendAhead !== undefined && isHanging && s.others.some((id) => s.members.includes(id))) {
    return becomeFollower(s, null);
  }
  if (checkQuorum && ++s.sinceQuorum >= electionTimeout[0]) {
    s.sinceQuorum = 0;
    if (!hearsFromQuorum(s)) return becomeFollower(s, null);
  }
  onTransferTick(s);
  continueReplacement(s);
  if (++s.sinceHeartbeat >= heartbeatInterval) {
    s.sinceHeartbeat = 0;
    broadcast(s);
  }
}

/** Whether a majority has answered since the last call. */
function hearsFromQuorum(s: RaftState): boolean {
  const active = new Set(
    s.members.filter((id) => id === s.id || s.progress.get(id)?.isActive === true && !isBehind(s, id)),
  );
  for (const progress of s.progress.values()) progress.isActive = false;
  return s.isQuorum(active);
}

function onMessage(s: RaftState, message: Message): void {
  if (s.config.strictMembership && isUnasked(s, message)) return;
  // These messages check the term themselves: a vote request need not begin a term on this node.
  switch (message.type) {
    case "preVote":
      return onPreVote(s, message);
    case "preVoteReply":
      return onPreVoteReply(s, message);
    case "requestVote":
      return onRequestVote(s, message);
    case "repairRequest":
      return onRepairRequest(s, message);
    case "snapshotRequest":
      return onSnapshotRequest(s, message);
    case "readRequest":
      return onReadRequest(s, message);
    case "readReply":
      return onReadReply(s, message);
    case "proposeRequest":
      return onProposeRequest(s, message);
    case "proposeReply":
      return onProposeReply(s, message);
    case "repairReply":
    case "snapshotReply":
      return;
  }
  if (message.type === "appendEntries" || message.type === "installSnapshot") {
    if (isOfSecondLeader(s, message)) return;
    if (message.type === "appendEntries") requireAcceptable(s, message);
    if (isContradicting(s, message)) return;
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
