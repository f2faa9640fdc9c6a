/**
 * Commits entries, and passes committed entries to the application.
 *
 * @module
 */

import type { Index, LogEntry } from "../api/types.ts";
import { isBehind } from "./behind.ts";
import { offerRestore } from "./restoring.ts";
import { becomeFollower } from "./role.ts";
import { ACTION_BYTES, type RaftState } from "./state.ts";

/** The maximum number of entries that one read of the log returns for applying. */
const APPLY_ENTRIES = 1024;

/** Commits up to an index, and passes committed commands to the application, up to the limit of the step. */
export function commitTo(s: RaftState, index: Index): void {
  s.commitIndex = index;
  s.uncommitted.freeTo(index);
  applyCommitted(s);
}

/** Passes committed commands to the application, up to the limit of the step. */
export function applyCommitted(s: RaftState): void {
  offerRestore(s);
  if (s.isUnrestored) return;
  const { lastApplied, config: { maxApplyBytes } } = s;
  while (s.lastApplied < s.commitIndex && s.appliedBytes < maxApplyBytes) {
    const to = Math.min(s.commitIndex, s.lastApplied + APPLY_ENTRIES);
    const maxBytes = maxApplyBytes - s.appliedBytes;
    const entries = s.tryRead(() => s.log.entries(s.lastApplied + 1, to, { maxBytes }));
    if (entries === undefined) break;
    for (const entry of entries) if (s.appliedBytes < maxApplyBytes) apply(s, entry);
  }
  if (s.lastApplied > lastApplied) hintAtSnapshot(s);
}

function hintAtSnapshot(s: RaftState): void {
  const { snapshotThreshold } = s.config;
  if (snapshotThreshold > 0 && s.lastApplied - s.log.snapshotIndex >= snapshotThreshold) {
    s.actions.push({ type: "snapshot", index: s.lastApplied, term: s.log.termAt(s.lastApplied)! });
  }
}

function apply(s: RaftState, { index, term, kind, command }: LogEntry): void {
  s.lastApplied = index;
  s.appliedBytes += command.byteLength + ACTION_BYTES;
  s.trailing.applied(index, command.byteLength);
  if (kind === "normal") s.actions.push({ type: "apply", index, term, command });
}

/**
 * Commits the entries that a majority has. Only an entry of the leader's own term counts: an entry of an earlier term
 * can be on a majority and still be overwritten (dissertation 3.6.2). Committing an entry commits all entries before
 * it.
 */
export function commitByQuorum(s: RaftState): void {
  // Without sendAhead, no message of this step leaves the node before the entries are durable.
  const own = s.config.sendAhead === undefined ? s.log.lastIndex : s.writer.durableIndex;
  const matches = s.members.map((id) => id === s.id ? own : isBehind(s, id) ? 0 : s.progress.get(id)?.match ?? 0);
  matches.sort((a, b) => b - a);
  const index = matches[Math.floor(matches.length / 2)] ?? 0;
  if (index <= s.commitIndex || s.log.termAt(index) !== s.term) return;
  commitTo(s, index);
  // A leader that removed itself stays the leader until its removal is committed (dissertation 4.2.2).
  if (!s.isMember && s.commitIndex >= s.membership.latest.index) becomeFollower(s, null);
}
