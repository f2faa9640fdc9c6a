/**
 * Conditions that tell whether a change of the cluster is complete.
 *
 * @module
 */

import type { Index, NodeId, Term } from "../api/types.ts";
import type { RaftNode } from "../raft/mod.ts";
import { cancelled, notLeader } from "./errors.ts";

/**
 * Whether a change is committed.
 *
 * @param node The node.
 * @param name The change, for errors.
 * @param index The index of its entry.
 * @param term The term of its entry.
 * @returns The condition. It throws `NOT_LEADER` if the entry of another leader has replaced it.
 */
export function isCommitted(node: RaftNode, name: string, index: Index, term: Term): () => boolean {
  return () => {
    if (node.commitIndex < index) return false;
    if (node.log.termAt(index) === term) return true;
    throw notLeader(name, node.leader);
  };
}

/**
 * Whether a member is replaced, and its removal is committed.
 *
 * @param node The node.
 * @param name The change, for errors.
 * @param id The member.
 * @param by The replica that takes its place.
 * @returns The condition. It throws if another change has cancelled the replacement.
 */
export function isReplaced(node: RaftNode, name: string, id: NodeId, by: NodeId): () => boolean {
  let removedAt: Index | undefined;
  return () => {
    if (node.members.includes(id)) {
      removedAt = undefined;
      if (node.status().replacement === null) throw cancelled(name);
      return false;
    }
    if (!node.members.includes(by)) throw cancelled(name);
    removedAt ??= node.log.lastIndex;
    return node.commitIndex >= removedAt;
  };
}
