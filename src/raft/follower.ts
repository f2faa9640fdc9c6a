/**
 * What a follower makes of what a leader sends.
 *
 * @module
 */

import type { Index, LogEntry, Term } from "../types.ts";
import { commitTo } from "./commit.ts";
import { sameIds } from "./membership.ts";
import type { AppendEntries, AppendEntriesReply, InstallSnapshot } from "./messages.ts";
import { becomeFollower, restartElectionTimer } from "./role.ts";
import type { RaftState } from "./state.ts";

/** Entries of a leader have arrived. */
export function onAppendEntries(s: RaftState, message: AppendEntries): void {
  const { leader } = message;
  if (message.term < s.term) return reply(s, message, { success: false });
  becomeFollower(s, leader);
  restartElectionTimer(s);
  const { prevLogIndex, prevLogTerm, entries } = message;
  if (prevLogIndex < s.log.snapshotIndex) return reply(s, message, { success: true, matchIndex: s.log.snapshotIndex });
  const term = s.log.termAt(prevLogIndex);
  if (term !== prevLogTerm) {
    return reply(s, message, { success: false, ...conflictAt(s, prevLogIndex, term) });
  }
  appendNew(s, entries);
  const matchIndex = prevLogIndex + entries.length;
  if (message.leaderCommit > s.commitIndex) commitTo(s, Math.min(message.leaderCommit, matchIndex));
  reply(s, message, { success: true, matchIndex });
}

function reply(s: RaftState, { leader }: AppendEntries, result: Partial<AppendEntriesReply>): void {
  s.send(leader, {
    type: "appendEntriesReply",
    term: s.term,
    success: false,
    from: s.id,
    matchIndex: 0,
    conflictIndex: 0,
    conflictTerm: 0,
    ...result,
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
  const start = entries.findIndex(({ index, term }) => index > s.log.snapshotIndex && s.log.termAt(index) !== term);
  if (start < 0) return;
  const fresh = entries.slice(start);
  const from = fresh[0]!.index;
  const before = s.members;
  if (from <= s.log.lastIndex) {
    s.writer.truncate(from);
    s.membership.truncate(from);
  }
  s.writer.append(fresh);
  s.writer.flush();
  s.membership.append(fresh);
  tellMembers(s, before);
}

function tellMembers(s: RaftState, before: RaftState["members"]): void {
  if (!sameIds(before, s.members)) s.actions.push({ type: "membershipChanged", members: s.members });
}

/** A snapshot of a leader has arrived. */
export function onInstallSnapshot(s: RaftState, message: InstallSnapshot): void {
  const { leader, snapshot } = message;
  if (message.term >= s.term) {
    becomeFollower(s, leader);
    restartElectionTimer(s);
    if (snapshot.index > s.lastApplied) {
      const before = s.members;
      const keepsTail = s.log.termAt(snapshot.index) === snapshot.term;
      s.writer.applySnapshot(snapshot);
      s.writer.flush();
      s.membership.restore(snapshot.index, snapshot.config, keepsTail);
      s.commitIndex = s.lastApplied = snapshot.index;
      tellMembers(s, before);
      const { index, term, data } = snapshot;
      s.actions.push({ type: "restoreSnapshot", index, term, data });
    }
  }
  const lastIndex = message.term < s.term ? 0 : Math.max(snapshot.index, s.log.snapshotIndex);
  s.send(leader, { type: "installSnapshotReply", term: s.term, from: s.id, lastIndex });
}
