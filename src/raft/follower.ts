/**
 * What a follower makes of what a leader sends.
 *
 * @module
 */

import { WalLogError } from "../errors.ts";
import type { Index, LogEntry, Term } from "../types.ts";
import { commitTo } from "./commit.ts";
import { decodeMembership } from "./membership.ts";
import type { AppendEntries, AppendEntriesReply, InstallSnapshot, InstallSnapshotReply } from "./messages.ts";
import { announceMembers, becomeFollower, restartElectionTimer } from "./role.ts";
import type { RaftState } from "./state.ts";

/** Entries of a leader have arrived. */
export function onAppendEntries(s: RaftState, message: AppendEntries): void {
  if (message.term < s.term) return reply(s, message, { success: false });
  becomeFollower(s, message.leader);
  restartElectionTimer(s);
  const { prevLogIndex, prevLogTerm, entries } = message;
  // What a snapshot covers is committed, and thus the leader's as well.
  if (prevLogIndex < s.log.snapshotIndex) return reply(s, message, { success: true, matchIndex: s.log.snapshotIndex });
  const term = s.log.termAt(prevLogIndex);
  if (term !== prevLogTerm) return reply(s, message, { success: false, ...conflictAt(s, prevLogIndex, term) });
  appendNew(s, entries);
  const matchIndex = prevLogIndex + entries.length;
  // As the paper has it, which lets the commit index fall back when a message was overtaken. What was applied stays so.
  if (message.leaderCommit > s.commitIndex) commitTo(s, Math.min(message.leaderCommit, matchIndex));
  reply(s, message, { success: true, matchIndex });
}

function reply(s: RaftState, { leader, term, round }: AppendEntries, result: Partial<AppendEntriesReply>): void {
  s.send(leader, {
    type: "appendEntriesReply",
    term: s.term,
    success: false,
    from: s.id,
    matchIndex: 0,
    conflictIndex: 0,
    conflictTerm: 0,
    ...result,
    ...round !== undefined && term === s.term ? { round } : {},
  });
}

/** Where the leader is to try next: the first entry of the term in which the logs differ, or behind the last entry. */
function conflictAt(s: RaftState, index: Index, term: Term | undefined): Partial<AppendEntriesReply> {
  if (term === undefined) return { conflictIndex: s.log.lastIndex + 1, conflictTerm: 0 };
  let first = index;
  while (first - 1 >= Math.max(s.log.snapshotIndex, 1) && s.log.termAt(first - 1) === term) first--;
  return { conflictIndex: first, conflictTerm: term };
}

/** Appends what the log does not have. Only a conflict truncates: a message that was overtaken must not. */
function appendNew(s: RaftState, entries: readonly LogEntry[]): void {
  const start = entries.findIndex(({ index, term }) => s.log.termAt(index) !== term);
  if (start < 0) return;
  const fresh = entries.slice(start);
  // Before anything is written, so that a configuration that cannot be read refuses the message as a whole.
  for (const entry of fresh) if (entry.kind === "config") decodeMembership(entry);
  const from = fresh[0]!.index;
  if (from <= s.commitIndex) throw overwrites(s, fresh[0]!);
  const before = s.membership.latest;
  if (from <= s.log.lastIndex) {
    s.writer.truncate(from);
    s.membership.truncate(from);
  }
  s.writer.append(fresh);
  s.writer.flush();
  s.membership.append(fresh);
  announceMembers(s, before);
}

function overwrites(s: RaftState, { index, term }: LogEntry): WalLogError {
  return new WalLogError(
    "INVALID_ARGUMENT",
    `Cannot append at index ${index}: it is committed with term ${s.log.termAt(index)}, found term ${term}`,
  );
}

/** A snapshot of a leader has arrived, or a piece of one. */
export function onInstallSnapshot(s: RaftState, message: InstallSnapshot): void {
  if (message.term < s.term) return replySnapshot(s, message, { lastIndex: 0 });
  becomeFollower(s, message.leader);
  restartElectionTimer(s);
  if (message.snapshot.index > s.lastApplied) {
    const data = collect(s, message);
    if (typeof data === "number") return replySnapshot(s, message, { lastIndex: 0, nextOffset: data });
    install(s, { ...message.snapshot, data });
  }
  replySnapshot(s, message, { lastIndex: Math.max(message.snapshot.index, s.log.snapshotIndex) });
}

function replySnapshot(s: RaftState, { leader }: InstallSnapshot, result: Partial<InstallSnapshotReply>): void {
  s.send(leader, { type: "installSnapshotReply", term: s.term, from: s.id, lastIndex: 0, ...result });
}

/** The snapshot's data if it is complete; otherwise where the next piece begins. */
function collect(s: RaftState, { term, snapshot, offset, done }: InstallSnapshot): Uint8Array | number {
  if (offset === undefined) return snapshot.data;
  if (s.incoming?.term !== term || s.incoming.index !== snapshot.index) {
    s.incoming = { term, index: snapshot.index, pieces: [], bytes: 0 };
  }
  const { incoming } = s;
  if (offset !== incoming.bytes) return incoming.bytes;
  incoming.pieces.push(snapshot.data);
  incoming.bytes += snapshot.data.length;
  if (done !== true) return incoming.bytes;
  s.incoming = null;
  const data = new Uint8Array(incoming.bytes);
  let filled = 0;
  for (const piece of incoming.pieces) {
    data.set(piece, filled);
    filled += piece.length;
  }
  return data;
}

function install(s: RaftState, snapshot: InstallSnapshot["snapshot"]): void {
  const { index, term, config, data } = snapshot;
  const before = s.membership.latest;
  const keepsTail = s.log.termAt(index) === term;
  s.writer.applySnapshot(snapshot);
  s.writer.flush();
  s.membership.restore(index, config, keepsTail);
  s.commitIndex = s.lastApplied = index;
  announceMembers(s, before);
  s.actions.push({ type: "restoreSnapshot", index, term, data });
}
