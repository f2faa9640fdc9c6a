/**
 * Sends entries and heartbeats from the leader to the other nodes.
 *
 * @module
 */

import type { Index, LogEntry, NewEntry, NodeId } from "../api/types.ts";
import { commitByQuorum } from "./commit.ts";
import { hasFlowControl } from "./config.ts";
import type { Denied, Progress } from "./progress.ts";
import { isWaitingForSnapshot, noteHeartbeat, sendSnapshot } from "./snapshot_sending.ts";
import type { RaftState } from "./state.ts";

/**
 * Sends a node its next entries or its snapshot, even if it has not answered.
 *
 * @returns Whether a message was sent: the log may be temporarily unreadable.
 */
export function sendNext(s: RaftState, to: NodeId): boolean {
  const progress = s.progress.get(to);
  if (progress === undefined) return false;
  const { next } = progress;
  if (next < s.trailing.firstIndex) return sendSnapshot(s, to, progress);
  const { maxBatch, maxBatchBytes: maxBytes } = s.config;
  const last = Math.min(s.log.lastIndex, next + maxBatch - 1);
  const entries = s.tryRead(() => s.log.entries(next, last, { maxBytes }));
  if (entries === undefined) return false;
  if (progress.flow === "stream") progress.next += entries.length;
  else progress.isPaused = true;
  if (progress.flow === "stream" && hasFlowControl(s.config) && entries.length > 0) {
    progress.inflights.add(progress.next - 1, bytesOf(entries));
  }
  sendEntries(s, to, next, entries);
  return true;
}

/** The size of the entries' commands, in bytes. */
export function bytesOf(entries: readonly LogEntry[]): number {
  return entries.reduce((sum, { command }) => sum + command.byteLength, 0);
}

/**
 * Sends a node the entries that it lacks, up to the limits on messages in flight.
 *
 * @returns Whether a message was sent.
 */
export function sendPending(s: RaftState, to: NodeId): boolean {
  const progress = s.progress.get(to);
  let isSent = false;
  while (progress !== undefined && canSend(s, progress) && sendNext(s, to)) isSent = true;
  return isSent;
}

/** Whether the leader may send a node the entries that it lacks. */
function canSend(s: RaftState, { isPaused, next, inflights }: Progress): boolean {
  const { maxInflightMessages, maxInflightBytes } = s.config;
  const hasRoom = inflights.count === 0 ||
    (inflights.count < maxInflightMessages && inflights.bytes < maxInflightBytes);
  return !isPaused && hasRoom && next <= s.log.lastIndex;
}

function sendEntries(s: RaftState, to: NodeId, next: Index, entries: readonly LogEntry[]): void {
  s.send(to, {
    type: "appendEntries",
    term: s.term,
    leader: s.id,
    prevLogIndex: next - 1,
    prevLogTerm: s.log.termAt(next - 1)!,
    entries,
    leaderCommit: s.commitIndex,
    ...s.reads.length > 0 || isSendingSnapshot(s) ? { round: s.round } : {},
  });
}

/** Whether heartbeats have a round, so that their answers show which pieces of a snapshot were lost. */
function isSendingSnapshot(s: RaftState): boolean {
  return hasFlowControl(s.config) && [...s.progress.values()].some(({ outgoing }) => outgoing !== null);
}

/** Sends every node its next entries or a heartbeat. */
export function broadcast(s: RaftState): void {
  if (isSendingSnapshot(s)) s.round++;
  for (const progress of s.progress.values()) progress.denials = 0;
  for (const id of s.others) {
    const progress = s.progress.get(id);
    if (progress === undefined) continue;
    const isSent = hasFlowControl(s.config) ? sendPending(s, id) : sendNext(s, id);
    if (!isSent) sendHeartbeat(s, id, progress);
  }
}

/** Sends a heartbeat. It follows the streamed entries, so a node that lacks some of them rejects it. */
function sendHeartbeat(s: RaftState, to: NodeId, progress: Progress): void {
  if (!isWaitingForSnapshot(s, progress)) return sendEntries(s, to, progress.next, []);
  if (!hasFlowControl(s.config)) return void sendSnapshot(s, to, progress);
  // A node that no longer needs a snapshot accepts this message.
  sendEntries(s, to, s.trailing.firstIndex, []);
  noteHeartbeat(s, progress);
}

/**
 * Asks every node to confirm that this node is the leader, for reads. Unlike a heartbeat, this does not send unanswered
 * entries again: there can be thousands of reads, and the other node may be down.
 */
export function askAll(s: RaftState): void {
  for (const id of s.others) {
    const progress = s.progress.get(id);
    if (progress === undefined) continue;
    const { isPaused, next } = progress;
    if (!isPaused && !hasFlowControl(s.config)) sendNext(s, id);
    else if (next >= s.trailing.firstIndex) sendEntries(s, id, next, []);
  }
}

/**
 * Asks a node to confirm its acknowledgement, with a numbered heartbeat: whether it has the entries, or a snapshot that
 * includes them.
 */
export function askAgain(s: RaftState, to: NodeId, { match, round }: Denied): void {
  const prevLogIndex = Math.max(match, s.trailing.firstIndex - 1);
  const message = {
    type: "appendEntries",
    term: s.term,
    leader: s.id,
    entries: [],
    leaderCommit: s.commitIndex,
  } as const;
  s.send(to, { ...message, prevLogIndex, prevLogTerm: s.log.termAt(prevLogIndex)!, round });
}

/** Appends an entry of the leader itself. */
export function appendOwn(s: RaftState, kind: LogEntry["kind"], command: Uint8Array): void {
  const entry: Required<NewEntry> = { term: s.term, index: s.log.lastIndex + 1, kind, command };
  s.writer.append([entry]);
  s.writer.flush();
  s.membership.append([entry]);
}

/** Sends appended entries to all nodes that are ready for them, and commits them if no other node is needed. */
export function replicate(s: RaftState): void {
  for (const id of s.others) {
    if (hasFlowControl(s.config)) sendPending(s, id);
    else if (s.progress.get(id)?.isPaused === false) sendNext(s, id);
  }
  commitByQuorum(s);
}
