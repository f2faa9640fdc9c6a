/**
 * Detects states that a Raft cluster cannot reach: two leaders in one term, or a leader whose log contradicts a
 * committed entry. Either two clusters were mixed, or members have lost their logs. If the node continued, acknowledged
 * entries could be lost.
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Index, Term } from "../api/types.ts";
import { isPartOf } from "./identities.ts";
import type { AppendEntries, InstallSnapshot } from "./messages.ts";
import { refuse } from "./refusals.ts";
import type { RaftState } from "./state.ts";

/** An index at which the leader's term differs from the term of the committed entry. */
interface Contradiction {
  readonly index: Index;
  readonly own: Term;
  readonly theirs: Term;
}

/**
 * Whether a leader's message contradicts an entry that the node knows to be committed. If the sender is neither a
 * member nor a learner, the node refuses the message and informs the application.
 *
 * @param s The node.
 * @param message The message.
 * @returns Whether the message is refused.
 * @throws {WalLogError} `DIVERGED`, which ends the node, if the leader is a member or a learner.
 */
export function isContradicting(s: RaftState, message: AppendEntries | InstallSnapshot): boolean {
  const found = message.term < s.term ? undefined : contradictionIn(s, message);
  if (found === undefined) return false;
  const { index, own, theirs } = found;
  if (isPartOf(s, message.leader)) {
    throw new WalLogError(
      "DIVERGED",
      `Cannot follow the leader: index ${index} is committed with term ${own}, and the leader has term ${theirs}; two ` +
        `clusters have been mixed, or members have lost their logs: stop the cluster, and find out which log is right`,
    );
  }
  refuse(s, message.leader, "it contradicts what is committed, and is neither a member nor a learner");
  return true;
}

function contradictionIn(s: RaftState, message: AppendEntries | InstallSnapshot): Contradiction | undefined {
  const { strictMembership } = s.config;
  if (message.type === "installSnapshot") {
    return strictMembership ? compare(s, message.snapshot.index, message.snapshot.term) : undefined;
  }
  const { prevLogIndex, prevLogTerm, entries } = message;
  if (strictMembership) {
    const found = compare(s, prevLogIndex, prevLogTerm);
    if (found !== undefined) return found;
  } else if (prevLogIndex < s.log.snapshotIndex || s.log.termAt(prevLogIndex) !== prevLogTerm) {
    // The recorded traces have messages that no leader sends.
    return undefined;
  }
  for (const { index, term } of entries) {
    if (index > s.commitIndex) return undefined;
    const found = compare(s, index, term);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The snapshot includes the entries that the log no longer has. */
function compare(s: RaftState, index: Index, theirs: Term): Contradiction | undefined {
  const own = index <= s.commitIndex ? s.log.termAt(index) : undefined;
  return own === undefined || own === theirs ? undefined : { index, own, theirs };
}

/**
 * Whether a message is from a second leader in the same term. If so, the application is informed.
 *
 * @param s The node.
 * @param message The message.
 * @returns Whether the message is refused.
 */
export function isOfSecondLeader(s: RaftState, { term, leader }: AppendEntries | InstallSnapshot): boolean {
  // While the log belongs to no cluster, the sender may lead another cluster.
  if (s.joins !== undefined) return false;
  if (!s.config.strictMembership || term !== s.term || s.leader === null || s.leader === leader) return false;
  refuse(s, leader, `it claims to lead in term ${term}, in which node ${s.leader} leads`);
  return true;
}
