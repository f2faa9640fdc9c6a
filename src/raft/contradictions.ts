/**
 * What cannot be in one cluster: two leaders of a term, and a leader that has something else than what is committed. Two
 * clusters have merged, or members have lost what they promised; going on would lose what clients were told is safe.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Index, Term } from "../api/types.ts";
import { isPartOf } from "./identities.ts";
import type { AppendEntries, InstallSnapshot } from "./messages.ts";
import { refuse } from "./refusals.ts";
import type { RaftState } from "./state.ts";

/** An index at which a leader has another term than what is committed. */
interface Contradiction {
  readonly index: Index;
  readonly own: Term;
  readonly theirs: Term;
}

/**
 * Whether a message of a leader contradicts what the node knows to be committed. One of a node that is neither a member
 * nor a learner is refused, and the application is told.
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

/** What the log does not have any more is in the snapshot. */
function compare(s: RaftState, index: Index, theirs: Term): Contradiction | undefined {
  const own = index <= s.commitIndex ? s.log.termAt(index) : undefined;
  return own === undefined || own === theirs ? undefined : { index, own, theirs };
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
  refuse(s, leader, `it claims to lead in term ${term}, in which node ${s.leader} leads`);
  return true;
}
