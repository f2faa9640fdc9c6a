/**
 * What cannot be in one cluster: two leaders of a term, and a leader that has something else than what is committed. Two
 * clusters have merged, or members have lost what they promised; going on would lose what clients were told is safe.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Index, Term } from "../api/types.ts";
import type { AppendEntries, InstallSnapshot } from "./messages.ts";
import type { RaftState } from "./state.ts";

/**
 * Refuses a message of a leader that contradicts what the node knows to be committed.
 *
 * @param s The node.
 * @param message The message.
 * @throws {WalLogError} `DIVERGED`, which ends the node.
 */
export function requireAgreement(s: RaftState, message: AppendEntries | InstallSnapshot): void {
  if (message.term < s.term) return;
  const { strictMembership } = s.config;
  if (message.type === "installSnapshot") {
    if (strictMembership) requireSame(s, message.snapshot.index, message.snapshot.term);
    return;
  }
  const { prevLogIndex, prevLogTerm, entries } = message;
  if (strictMembership) requireSame(s, prevLogIndex, prevLogTerm);
  // The recorded traces have messages that no leader sends.
  else if (prevLogIndex < s.log.snapshotIndex || s.log.termAt(prevLogIndex) !== prevLogTerm) return;
  for (const { index, term } of entries) {
    if (index > s.commitIndex) return;
    requireSame(s, index, term);
  }
}

/** What the log does not have any more is in the snapshot. */
function requireSame(s: RaftState, index: Index, term: Term): void {
  const own = index <= s.commitIndex ? s.log.termAt(index) : undefined;
  if (own === undefined || own === term) return;
  throw new WalLogError(
    "DIVERGED",
    `Cannot follow the leader: index ${index} is committed with term ${own}, and the leader has term ${term}; two ` +
      `clusters have been mixed, or members have lost their logs: stop the cluster, and find out which log is right`,
  );
}

/**
 * Who leads in a term, if a message in that term is from another leader. The application is told.
 *
 * @param s The node.
 * @param message The message.
 * @returns Whether the message is of another leader.
 */
export function isOfSecondLeader(s: RaftState, { term, leader }: AppendEntries | InstallSnapshot): boolean {
  // While the log belongs to no cluster, the other may lead another cluster.
  if (s.joins !== undefined) return false;
  if (!s.config.strictMembership || term !== s.term || s.leader === null || s.leader === leader) return false;
  const reason = `it claims to lead in term ${term}, in which node ${s.leader} leads`;
  if (s.told.get(leader) !== reason) s.actions.push({ type: "refused", from: leader, reason });
  s.told.set(leader, reason);
  return true;
}
