/**
 * What a leader sends, and what it makes of the answers.
 *
 * @module
 */

import type { Index, LogEntry, NodeId } from "../types.ts";
import { commitByQuorum } from "./commit.ts";
import type { AppendEntriesReply, InstallSnapshotReply } from "./messages.ts";
import type { Progress } from "./progress.ts";
import type { RaftState } from "./state.ts";

/** Sends a node what comes next for it, whether it has answered or not. */
export function sendNext(s: RaftState, to: NodeId): void {
  const progress = s.progress.get(to);
  if (progress === undefined) return;
  const { next } = progress;
  if (next <= s.log.snapshotIndex) return sendSnapshot(s, to, progress);
  const entries = s.log.entries(next, Math.min(s.log.lastIndex, next + s.config.maxBatch - 1));
  if (progress.flow === "stream") progress.next += entries.length;
  else progress.isPaused = true;
  s.send(to, {
    type: "appendEntries",
    term: s.term,
    leader: s.id,
    prevLogIndex: next - 1,
    prevLogTerm: s.log.termAt(next - 1)!,
    entries,
    leaderCommit: s.commitIndex,
  });
}

function sendSnapshot(s: RaftState, to: NodeId, progress: Progress): void {
  progress.flow = "snapshot";
  progress.isPaused = true;
  s.send(to, { type: "installSnapshot", term: s.term, leader: s.id, snapshot: s.log.snapshot()! });
}

/** Sends everyone what comes next: entries, or a sign of life. */
export function broadcast(s: RaftState): void {
  for (const id of s.others) sendNext(s, id);
}

/** Appends an entry, and sends it to all who are ready for it. */
export function appendOwn(s: RaftState, kind: LogEntry["kind"], command: Uint8Array): void {
  const entry: LogEntry = { term: s.term, index: s.log.lastIndex + 1, kind, command };
  s.writer.append([entry]);
  s.writer.flush();
  s.membership.append([entry]);
}

/** Sends what was appended to all who are ready for it, and commits it if no other is needed. */
export function replicate(s: RaftState): void {
  for (const id of s.others) if (s.progress.get(id)?.isPaused === false) sendNext(s, id);
  commitByQuorum(s);
}

/** A follower has answered. */
export function onAppendEntriesReply(s: RaftState, reply: AppendEntriesReply): void {
  const progress = s.progress.get(reply.from);
  if (s.role !== "leader" || reply.term !== s.term || progress === undefined) return;
  progress.isActive = true;
  if (reply.success) {
    advance(s, reply.from, progress, reply.matchIndex);
  } else {
    progress.flow = "probe";
    progress.next = Math.max(progress.match + 1, Math.min(progress.next - 1, nextAfterConflict(s, reply)));
    sendNext(s, reply.from);
  }
}

/** Where to try next: behind the last entry of the term in which the logs differ, or in front of that whole term. */
function nextAfterConflict(s: RaftState, { conflictIndex, conflictTerm }: AppendEntriesReply): Index {
  if (conflictTerm > 0) {
    for (let index = s.log.lastIndex; index > s.log.snapshotIndex; index--) {
      const term = s.log.termAt(index)!;
      if (term === conflictTerm) return index + 1;
      if (term < conflictTerm) break;
    }
  }
  return conflictIndex;
}

function advance(s: RaftState, id: NodeId, progress: Progress, match: Index): void {
  progress.match = Math.max(progress.match, match);
  progress.next = Math.max(progress.next, progress.match + 1);
  progress.flow = "stream";
  progress.isPaused = false;
  commitByQuorum(s);
  if (s.role !== "leader") return;
  if (s.transfer?.target === id && progress.match === s.log.lastIndex) return sendTimeoutNow(s, id);
  if (progress.next <= s.log.lastIndex) sendNext(s, id);
}

/** A follower has a snapshot. */
export function onInstallSnapshotReply(s: RaftState, reply: InstallSnapshotReply): void {
  const progress = s.progress.get(reply.from);
  if (s.role !== "leader" || reply.term !== s.term || progress === undefined) return;
  progress.isActive = true;
  progress.next = progress.match + 1;
  advance(s, reply.from, progress, reply.lastIndex);
}

/** Hands over to a node that has everything. */
export function sendTimeoutNow(s: RaftState, to: NodeId): void {
  s.transfer = null;
  s.send(to, { type: "timeoutNow", term: s.term, leader: s.id });
}

/** The application wants another node to lead. */
export function onTransferLeadership(s: RaftState, target: NodeId): void {
  const progress = s.progress.get(target);
  if (s.role !== "leader" || progress === undefined) return;
  if (progress.match === s.log.lastIndex) return sendTimeoutNow(s, target);
  s.transfer = { target, since: s.now };
  sendNext(s, target);
}
