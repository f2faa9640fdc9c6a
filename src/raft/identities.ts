/**
 * Checks that a message comes from the right log: a log of the same cluster, and for a member, the log that voted and
 * acknowledged under its id. A node that returns with an empty log, or with an older copy of its own, has lost votes
 * and acknowledgements. If it counted again, committed entries could be lost.
 *
 * The configuration has the incarnation of each member's log, so that a new leader knows it too. The leader records it
 * when it first hears from the member. The leader detects an older copy with the same incarnation by a comparison with
 * the member's acknowledgements; see `behind.ts`.
 *
 * @module
 */

import type { Index, NodeId } from "../api/types.ts";
import { LOST } from "./behind.ts";
import { encodeMembership } from "./membership.ts";
import { type AppendEntriesReply, type Message, senderOf } from "./messages.ts";
import { type Origin, originOf, otherCluster } from "./origin.ts";
import { canChange } from "./reconfiguration.ts";
import { refuse } from "./refusals.ts";
import { appendOwn, replicate } from "./replication.ts";
import type { RaftState } from "./state.ts";
import type { MemberLostAction } from "./actions.ts";

/**
 * Whether to process a message. If not, the application is informed, once for each reason.
 *
 * @param s The node.
 * @param message The message.
 * @param origin The identity of the sender's log, if the transport knows it.
 * @returns Whether to process it.
 */
export function admits(s: RaftState, message: Message, origin: Origin | undefined): boolean {
  const reason = origin === undefined ? undefined : whyStranger(s, message, origin);
  if (reason !== undefined) {
    refuse(s, senderOf(message), reason);
    return false;
  }
  // The node does not store this yet: it may still refuse the message.
  s.joins = s.origin !== undefined && s.origin.cluster === undefined ? origin?.cluster : undefined;
  return !s.config.strictMembership || isMembersOwn(s, message, origin?.incarnation);
}

/** Returns the reason to refuse a log's message; `undefined` to accept it. */
function whyStranger(s: RaftState, message: Message, origin: Origin): string | undefined {
  const { type } = message;
  const own = s.origin;
  if (own === undefined || own.cluster === origin.cluster) return undefined;
  if (origin.cluster === undefined) {
    return isFromJoining(s, message) ? undefined : `its log belongs to no cluster, and this node's to ${own.cluster}`;
  }
  if (own.cluster !== undefined) return otherCluster(own, origin);
  if (!s.config.joining || s.log.lastIndex > 0) {
    return `it belongs to the cluster ${origin.cluster}, and this node's log to none`;
  }
  // Only a leader that sends entries or a snapshot was told to add this node.
  if (type !== "appendEntries" && type !== "installSnapshot") return `this node's log belongs to no cluster yet`;
  return undefined;
}

/** Whether an added node answers that its log is empty. Its log belongs to no cluster until it has entries. */
function isFromJoining(s: RaftState, message: Message): boolean {
  if (!isPartOf(s, senderOf(message))) return false;
  if (message.type === "appendEntriesReply") return message.matchIndex === 0;
  return message.type === "installSnapshotReply" && message.lastIndex === 0;
}

/**
 * Joins the cluster of the leader that sent the message. Called just before the first entries or the first snapshot are
 * written.
 *
 * @param s The node.
 */
export function joinCluster(s: RaftState): void {
  if (s.joins === undefined) return;
  s.writer.foundCluster(s.joins);
  s.origin = originOf(s.log);
  s.joins = undefined;
}

/**
 * Whether a message comes from the log that holds its sender's votes and acknowledgements. Only replies and snapshot
 * requests are checked.
 */
function isMembersOwn(s: RaftState, message: Message, incarnation: string | undefined): boolean {
  const id = senderOf(message);
  const known = s.membership.latest.incarnations?.get(id) ?? s.seen.get(id);
  if (known === undefined && incarnation !== undefined && isPartOf(s, id)) s.seen.set(id, incarnation);
  // A snapshot request claims that the entries of the sender's damaged snapshot are committed.
  if (!message.type.endsWith("Reply") && message.type !== "snapshotRequest") return true;
  if (s.lost.has(id) || known === LOST) {
    report(s, id, "behind", LOST);
    return message.type === "appendEntriesReply" || message.type === "installSnapshotReply";
  }
  const isOther = known !== undefined && incarnation !== undefined && known !== incarnation;
  return !isOther || lose(s, id, "incarnation", incarnation);
}

/** Reports a member that has lost its log, and stops counting its acknowledgements. */
function lose(s: RaftState, id: NodeId, reason: MemberLostAction["reason"], incarnation: string): false {
  const progress = s.progress.get(id);
  if (progress !== undefined) progress.match = 0;
  report(s, id, reason, incarnation);
  return false;
}

function report(s: RaftState, id: NodeId, reason: MemberLostAction["reason"], incarnation: string): void {
  s.damagedSnapshots.delete(id);
  if (s.told.add(id, incarnation)) s.actions.push({ type: "memberLost", id, reason });
}

/**
 * Records that a member's log lacks entries that it has acknowledged.
 *
 * @param s The leader.
 * @param id The member.
 */
export function loseBehind(s: RaftState, id: NodeId): void {
  s.lost.add(id);
  lose(s, id, "behind", LOST);
}

/**
 * Whether the cluster knows another log for this node, which holds its votes and acknowledgements.
 *
 * @param s The node.
 * @returns Whether the node must neither vote nor request votes.
 */
export function isReplaced(s: RaftState): boolean {
  const known = s.config.strictMembership ? s.membership.latest.incarnations?.get(s.id) : undefined;
  const own = s.origin?.incarnation;
  if (known === undefined || own === undefined || known === own) return false;
  lose(s, s.id, known === LOST ? "behind" : "incarnation", own);
  return true;
}

/**
 * Writes newly learned incarnations, and the members that have lost their logs, to the configuration.
 *
 * @param s The leader.
 */
export function writeIncarnations(s: RaftState): void {
  if (!s.config.strictMembership || s.transfer !== null || !canChange(s)) return;
  const { latest } = s.membership;
  const incarnations = new Map(latest.incarnations);
  for (const id of [s.id, ...s.others]) {
    const seen = id === s.id ? s.origin?.incarnation : s.seen.get(id);
    if (s.lost.has(id)) incarnations.set(id, LOST);
    else if (seen !== undefined && !incarnations.has(id) && isPartOf(s, id)) incarnations.set(id, seen);
  }
  const isSame = [...incarnations].every(([id, one]) => latest.incarnations?.get(id) === one);
  if (isSame) return;
  appendOwn(s, "config", encodeMembership({ ...latest, incarnations }));
  replicate(s);
}

/** Whether a node is a member or a learner. A leader that removes itself is neither. */
export function isPartOf({ membership: { latest } }: RaftState, id: NodeId): boolean {
  return latest.members.includes(id) || latest.learners.includes(id);
}

/**
 * Whether a member's answer shows that it lacks entries that it has acknowledged. A delayed answer may be from before
 * it had them.
 *
 * @param reply The member's answer.
 * @param match The index that the member has acknowledged.
 * @returns Whether its log ends before that index.
 */
export function deniesMatch({ success, conflictIndex, conflictTerm }: AppendEntriesReply, match: Index): boolean {
  return !success && conflictTerm === 0 && conflictIndex > 0 && conflictIndex <= match;
}
