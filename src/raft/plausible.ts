/**
 * Detects messages that no correct node sends, and rejects or ignores them before they change anything. An entry
 * written to the log stays there, and one absurd term would prevent all later elections.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Index, NodeId, Term } from "../api/types.ts";
import type { Message } from "./messages.ts";
import type { RaftState } from "./state.ts";

/** The maximum difference between a message's term and the node's: 136 years of one election a second. */
export const TERM_JUMP_MAX: number = 2 ** 32;
/**
 * The greatest term or index that a message may add to the log. The numbers above it are left for later terms and
 * entries.
 */
export const NUMBER_MAX: number = 2 ** 53 - 1 - TERM_JUMP_MAX;

/**
 * Rejects a message with an impossible term or index.
 *
 * @param s The node.
 * @param message The message, well-formed.
 * @throws {WalLogError} `INVALID_ARGUMENT`.
 */
export function requirePlausible(s: RaftState, message: Message): void {
  const { type } = message;
  const most = Math.min(s.term + TERM_JUMP_MAX, NUMBER_MAX);
  requireAtMost(s, type, "term", most, Math.max(message.term, entryTermOf(message)));
  requireAtMost(s, type, "index", NUMBER_MAX, lastIndexOf(message));
}

/** The latest term that a message adds to the log. */
function entryTermOf(message: Message): Term {
  if ("snapshot" in message) return message.snapshot.term;
  return "entries" in message ? message.entries.at(-1)?.term ?? 0 : 0;
}

/** The last index that a message adds to the log. */
function lastIndexOf(message: Message): Index {
  if ("snapshot" in message) return message.snapshot.index;
  return message.type === "appendEntries" ? message.prevLogIndex + message.entries.length : 0;
}

function requireAtMost(s: RaftState, type: Message["type"], what: string, most: number, found: number): void {
  if (found <= most) return;
  throw new WalLogError(
    "INVALID_ARGUMENT",
    `Cannot take ${type}: a node in term ${s.term} takes ${what}s up to ${most}, found ${found}`,
  );
}

/**
 * Whether an answer or a leadership transfer comes from a node that this node has not asked. A correct node never sends
 * one. Requests are not checked: this node may not know yet that their sender was added.
 *
 * @param s The node.
 * @param message The message.
 * @returns Whether to ignore the message.
 */
export function isUnasked(s: RaftState, message: Message): boolean {
  switch (message.type) {
    case "preVoteReply":
    case "requestVoteReply":
      return !isOther(s, s.members, message.from);
    case "appendEntriesReply":
    case "installSnapshotReply":
      return !isOther(s, s.members, message.from) && !isOther(s, s.membership.latest.learners, message.from);
    case "timeoutNow":
      // A leader that has removed itself may still transfer its leadership.
      return message.leader !== s.leader && !s.members.includes(message.leader);
    default:
      return false;
  }
}

function isOther({ id }: RaftState, ids: readonly NodeId[], sender: NodeId): boolean {
  return sender !== id && ids.includes(sender);
}
