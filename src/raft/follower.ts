/**
 * Processes the messages of a leader on a follower.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Index, LogEntry, RaftLog, SnapshotMeta, Term } from "../api/types.ts";
import { checkAppend } from "../api/validate.ts";
import { commitTo } from "./commit.ts";
import { hasFlowControl } from "./config.ts";
import { joinCluster } from "./identities.ts";
import { dropIncoming, IncomingSnapshot } from "./incoming_snapshot.ts";
import { decodeMembership } from "./membership.ts";
import type { AppendEntries, AppendEntriesReply, InstallSnapshot, InstallSnapshotReply } from "./messages.ts";
import { restore } from "./restoring.ts";
import { announceMembers, becomeFollower, restartElectionTimer } from "./role.ts";
import type { RaftState } from "./state.ts";
import { firstOfTerm } from "./terms.ts";

/**
 * Rejects a whole message if the log cannot accept one of its entries, before the message changes anything. A correct
 * leader sends such entries only if its own log accepts larger ones.
 *
 * @throws {WalLogError} `INVALID_ARGUMENT`, `ENTRY_TOO_LARGE`.
 */
export function requireAcceptable(s: RaftState, { prevLogIndex, prevLogTerm, entries }: AppendEntries): void {
  for (const [i, { index }] of entries.entries()) {
    if (index === prevLogIndex + 1 + i) continue;
    throw new WalLogError(
      "INVALID_ARGUMENT",
      `Cannot take a message: expected its entries from index ${prevLogIndex + 1} on, found ${index} as number ${
        i + 1
      }`,
    );
  }
  checkAppend(entries, prevLogIndex, prevLogTerm, s.log.maxEntryBytes ?? Infinity);
  for (const entry of entries) if (entry.kind === "config") decodeMembership(entry);
}

/** The first entry that the log does not have. */
function firstNew(s: RaftState, entries: readonly LogEntry[]): LogEntry | undefined {
  return entries.find(({ index, term }) => s.log.termAt(index) !== term);
}

/** Entries of a leader have arrived. */
export function onAppendEntries(s: RaftState, message: AppendEntries): void {
  if (message.term < s.term) return reply(s, message, { success: false });
  becomeFollower(s, message.leader);
  restartElectionTimer(s);
  const { prevLogIndex, prevLogTerm, entries } = message;
  // The snapshot includes only committed entries, so the leader has them as well.
  if (prevLogIndex < s.log.snapshotIndex) return reply(s, message, { success: true, matchIndex: s.log.snapshotIndex });
  const term = s.log.termAt(prevLogIndex);
  if (term !== prevLogTerm) return reply(s, message, conflictAt(s, prevLogIndex, term));
  appendNew(s, entries);
  const matchIndex = prevLogIndex + entries.length;
  // This is the rule of the paper. A delayed message can move the commit index back. Applied entries stay applied.
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

/** Returns the next index for the leader to try: the first of the conflicting term, or the one after the last entry. */
function conflictAt(s: RaftState, index: Index, term: Term | undefined): Partial<AppendEntriesReply> {
  const rejected = hasFlowControl(s.config) ? { rejectedIndex: index } : {};
  if (term === undefined) return { conflictIndex: s.log.lastIndex + 1, ...rejected };
  const conflictIndex = firstOfTerm(s.log, Math.max(s.log.snapshotIndex, 1), index, term);
  return { conflictIndex, conflictTerm: term, ...rejected };
}

/** Appends the entries that the log lacks. Only a conflict truncates the log: a delayed old message must not. */
function appendNew(s: RaftState, entries: readonly LogEntry[]): void {
  const from = firstNew(s, entries)?.index;
  if (from === undefined) return;
  joinCluster(s);
  const fresh = entries.slice(from - entries[0]!.index);
  const before = s.membership.latest;
  if (from <= s.log.lastIndex) {
    s.writer.truncate(from);
    s.membership.truncate(from);
  }
  try {
    s.writer.append(fresh);
    s.writer.flush();
    s.membership.append(fresh);
  } finally {
    // The truncation has happened even if there was no space for the new entries.
    announceMembers(s, before);
  }
}

/** Processes a leader's snapshot, or a piece of one. */
export function onInstallSnapshot(s: RaftState, message: InstallSnapshot): void {
  if (message.term < s.term) return replySnapshot(s, message, { lastIndex: 0 });
  becomeFollower(s, message.leader);
  restartElectionTimer(s);
  const before = s.healing === null ? s.lastApplied : s.log.snapshotIndex;
  if (message.snapshot.index > before) {
    const nextOffset = take(s, message);
    if (nextOffset !== undefined) return replySnapshot(s, message, { lastIndex: 0, nextOffset });
  }
  replySnapshot(s, message, { lastIndex: Math.max(message.snapshot.index, s.log.snapshotIndex) });
}

function replySnapshot(s: RaftState, { leader }: InstallSnapshot, result: Partial<InstallSnapshotReply>): void {
  s.send(leader, { type: "installSnapshotReply", term: s.term, from: s.id, lastIndex: 0, ...result });
}

/**
 * Adds a snapshot or a piece of one, and installs the snapshot when it is complete. Otherwise returns the offset of the
 * next piece.
 */
function take(s: RaftState, message: InstallSnapshot): number | undefined {
  const { snapshot, offset, done } = message;
  if (s.incoming?.isAfter(message, s.joins) === true) return s.incoming.length;
  if (offset === undefined) {
    install(s, snapshot, (options) => s.writer.applySnapshot(snapshot, options), snapshot.data);
    return void dropIncoming(s);
  }
  if (s.incoming?.isOf(message, s.joins) !== true) {
    dropIncoming(s);
    if (offset > 0) return 0;
    s.incoming = new IncomingSnapshot(s, message, s.joins);
  }
  const { incoming } = s;
  if (offset !== incoming.length) return incoming.length;
  incoming.append(snapshot.data, s.now);
  if (done !== true) return incoming.length;
  install(s, incoming.meta, (options) => incoming.install(options));
  s.incoming = null;
  return undefined;
}

/** The term at an index; `undefined` if the log has no readable entry there. */
export function knownTerm(log: RaftLog, index: Index): Term | undefined {
  try {
    return log.termAt(index);
  } catch (error) {
    if (error instanceof WalLogError && error.code === "DAMAGED_ENTRY") return undefined;
    throw error;
  }
}

/**
 * Installs a snapshot. It replaces the state machine.
 *
 * @param s The node.
 * @param snapshot The snapshot's metadata.
 * @param write Installs it in the log.
 * @param data Its data, if the node has it in memory. Otherwise the application reads it from the log.
 */
export function install(
  s: RaftState,
  snapshot: SnapshotMeta,
  write: (options: { readonly force: boolean }) => void,
  data?: Uint8Array<ArrayBuffer>,
): void {
  const { index } = snapshot;
  const before = s.membership.latest;
  joinCluster(s);
  // A damaged log may not know the term at the snapshot's index. `canInstall` has checked that later entries may be
  // dropped.
  write({ force: s.healing !== null });
  s.writer.flush();
  s.trailing.installed(index);
  s.membership.restore(snapshot, s.log.lastIndex > index);
  // Entries after the snapshot stay committed. A damaged log may have lost them.
  s.commitIndex = s.healing === null ? Math.max(s.commitIndex, index) : index;
  s.lastApplied = index;
  announceMembers(s, before);
  restore(s, snapshot, data);
}
