/**
 * Processes the replies of followers, on the leader.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Index, NodeId } from "../api/types.ts";
import { commitByQuorum } from "./commit.ts";
import { hasFlowControl } from "./config.ts";
import type { AppendEntriesReply, InstallSnapshotReply } from "./messages.ts";
import { endSnapshot, hear, type Progress } from "./progress.ts";
import { promoteIfCaughtUp } from "./reconfiguration.ts";
import { askAgain, sendNext, sendPending } from "./replication.ts";
import { handOver } from "./transfer.ts";
import { isWaitingForSnapshot, onPiece, resendLost } from "./snapshot_sending.ts";
import { deniesMatch, loseBehind } from "./identities.ts";
import type { RaftState } from "./state.ts";
import { firstOfTerm } from "./terms.ts";

/**
 * The maximum number of answers between two heartbeats in which a node denies an earlier acknowledgement. Further ones
 * wait for the next heartbeat.
 */
const DENIALS_MAX = 64;

/** The leader's record of the sender; `undefined` if the answer is not for this term of leadership. */
function progressOf(s: RaftState, { from, term }: AppendEntriesReply | InstallSnapshotReply): Progress | undefined {
  return s.role === "leader" && term === s.term ? s.progress.get(from) : undefined;
}

/** Rejects an answer with a match index beyond the leader's log. No correct follower sends it. */
function requireKnown(s: RaftState, match: Index): void {
  if (match <= s.log.lastIndex) return;
  throw new WalLogError(
    "INVALID_ARGUMENT",
    `Cannot take an answer: it acknowledges index ${match}, the last index is ${s.log.lastIndex}`,
  );
}

/** Processes a follower's answer to entries or a heartbeat. */
export function onAppendEntriesReply(s: RaftState, reply: AppendEntriesReply): void {
  const progress = progressOf(s, reply);
  if (progress === undefined) return;
  requireKnown(s, reply.matchIndex);
  hear(progress, s.now);
  if (reply.round !== undefined) progress.round = Math.max(progress.round, reply.round);
  if (s.config.strictMembership && isDenied(s, progress, reply)) return;
  if (reply.success) return advance(s, reply.from, progress, reply.matchIndex);
  if (hasFlowControl(s.config) && isWaitingForSnapshot(s, progress)) return onSignOfLife(s, progress, reply);
  if (isStale(progress, reply)) return;
  // Either these are delayed old answers, or the node has lost its log and would cause an endless exchange.
  if (reply.conflictIndex <= progress.match && ++progress.denials > DENIALS_MAX) return;
  progress.flow = "probe";
  progress.inflights.clear();
  progress.next = Math.max(progress.match + 1, Math.min(progress.next - 1, nextAfterConflict(s, reply)));
  sendNext(s, reply.from);
}

/**
 * Whether a node denies entries that it has acknowledged. The answer may be older than the acknowledgement, so the
 * leader asks again, and sends nothing else until the answer. Only the answer to a later heartbeat is proof.
 */
function isDenied(s: RaftState, progress: Progress, reply: AppendEntriesReply): boolean {
  const { denied } = progress;
  const isAnswer = denied !== null && reply.round !== undefined && reply.round >= denied.round;
  const denies = deniesMatch(reply, denied?.match ?? progress.match);
  if (isAnswer) progress.denied = null;
  if (!denies) return false;
  if (isAnswer) loseBehind(s, reply.from);
  else ask(s, reply.from, progress);
  return true;
}

/** Asks a node to confirm its denial, at most once between heartbeats. */
function ask(s: RaftState, to: NodeId, progress: Progress): void {
  const { denied, match } = progress;
  if (denied !== null && s.now - denied.askedAt < s.config.heartbeatInterval) return;
  progress.denied = { match: denied?.match ?? match, round: denied?.round ?? ++s.round, askedAt: s.now };
  askAgain(s, to, progress.denied);
}

/** Sends the snapshot, or its lost pieces, to a node that needs the snapshot and has answered. */
function onSignOfLife(s: RaftState, progress: Progress, { from, round }: AppendEntriesReply): void {
  if (progress.outgoing === null) sendNext(s, from);
  else if (round !== undefined) resendLost(s, from, progress, round);
}

/** Whether a rejection is stale: the leader has sent the entries again, or knows that they arrived. */
function isStale({ flow, match, next }: Progress, { rejectedIndex }: AppendEntriesReply): boolean {
  if (rejectedIndex === undefined) return false;
  switch (flow) {
    case "probe":
      return rejectedIndex <= match || rejectedIndex !== next - 1;
    case "stream":
      return rejectedIndex <= match || rejectedIndex >= next;
    case "snapshot":
      return true;
  }
}

/** Returns the next index to try: after the last entry of the conflicting term, or before that whole term. */
function nextAfterConflict(s: RaftState, { conflictIndex, conflictTerm }: AppendEntriesReply): Index {
  if (conflictTerm === 0) return conflictIndex;
  const { log, trailing: { firstIndex } } = s;
  const end = firstOfTerm(log, firstIndex, log.lastIndex, conflictTerm + 1);
  return end > firstIndex && log.termAt(end - 1) === conflictTerm ? end : conflictIndex;
}

/** Processes a follower's answer to a snapshot or a piece. */
export function onInstallSnapshotReply(s: RaftState, reply: InstallSnapshotReply): void {
  const progress = progressOf(s, reply);
  if (progress === undefined) return;
  requireKnown(s, reply.lastIndex);
  hear(progress, s.now);
  if (reply.nextOffset !== undefined) {
    return onPiece(s, reply.from, progress, reply.nextOffset);
  }
  // A delayed answer must not cause streamed entries to be sent again. Without flow control it does, as in the recorded
  // traces.
  if (!hasFlowControl(s.config) || progress.flow !== "stream") progress.next = progress.match + 1;
  if (hasFlowControl(s.config) && progress.flow === "snapshot") {
    // The answer is to an earlier snapshot.
    if (progress.outgoing !== null && reply.lastIndex < progress.outgoing.source.index) return;
    endSnapshot(progress);
  }
  advance(s, reply.from, progress, reply.lastIndex);
}

/** Records that a follower's log agrees up to an index. */
function advance(s: RaftState, id: NodeId, progress: Progress, match: Index): void {
  progress.match = Math.max(progress.match, match);
  if (hasFlowControl(s.config)) resume(s, progress, match);
  else stream(progress, Math.max(progress.next, progress.match + 1));
  commitByQuorum(s);
  if (s.role !== "leader") return;
  if (s.transfer?.target === id && progress.match === s.log.lastIndex) return handOver(s, id);
  promoteIfCaughtUp(s, id, progress);
  if (hasFlowControl(s.config)) sendPending(s, id);
  else if (progress.next <= s.log.lastIndex) sendNext(s, id);
}

/** Streams entries from an index on, without waiting for answers. */
function stream(progress: Progress, next: Index): void {
  progress.flow = "stream";
  progress.isPaused = false;
  progress.next = next;
  endSnapshot(progress);
}

/** Continues after an acknowledgement: streams if the node accepts entries, and otherwise probes with one message. */
function resume(s: RaftState, progress: Progress, acknowledged: Index): void {
  const { flow, match, next } = progress;
  progress.inflights.freeTo(match);
  if (flow === "stream") return stream(progress, Math.max(next, match + 1));
  // The answer is old, or the node still needs a snapshot.
  if (acknowledged < match || (flow === "snapshot" && match + 1 < s.trailing.firstIndex)) return;
  if (match >= next || match === s.log.lastIndex) return stream(progress, match + 1);
  endSnapshot(progress);
  progress.isPaused = false;
  progress.next = match + 1;
}
