/**
 * What goes into a node: events.
 *
 * @module
 */

import type { Index, NodeId, SnapshotTarget, Term } from "../api/types.ts";
import type { Message } from "./messages.ts";
import type { Origin } from "./origin.ts";

/** Time passes: one tick, however long the application makes it. */
export interface TickEvent {
  /** Which event it is. */
  readonly type: "tick";
}

/** A message has arrived. */
export interface MessageEvent {
  /** Which event it is. */
  readonly type: "message";
  /** The message. */
  readonly message: Message;
  /**
   * The log that it comes from, as the transport was told when the sender connected. A message of another cluster's log is
   * refused: see `RefusedAction`. Without this, or if the node's log has no identity, nothing is compared.
   */
  readonly origin?: Origin;
}

/**
 * The application wants a command replicated. Refused with `NOT_LEADER` by anyone but the leader, and with `OVERLOADED`
 * while too many commands are uncommitted. With an id and `forwardProposals`, a node that knows a leader passes it on.
 */
export interface ProposeEvent {
  /** Which event it is. */
  readonly type: "propose";
  /** The command, opaque to the node. */
  readonly command: Uint8Array;
  /**
   * The application's name for the proposal. If the event is not refused, one `ProposedAction` or
   * `ProposalFailedAction` follows, now or later. Default: neither does.
   */
  readonly id?: number;
}

/** The application has applied the commands so far, and wants more: see `MoreToApplyAction`. */
export interface ApplyMoreEvent {
  /** Which event it is. */
  readonly type: "applyMore";
}

/** The application has made a snapshot, which replaces the entries up to its index. */
export interface SnapshotEvent {
  /** Which event it is. */
  readonly type: "snapshot";
  /** The last index that the snapshot includes; at most what was applied. */
  readonly index: Index;
  /**
   * The state machine's state after `index`. If it is too large for memory, write it to the log in pieces: pass
   * `RaftNode.snapshotMeta` to `createSnapshotTarget` of the log, and give the target here. The node installs it.
   */
  readonly data: Uint8Array | SnapshotTarget;
}

/**
 * A voting member is to be added. Refused with `NOT_LEADER` or `CONFIG_IN_PROGRESS`, also if the node is a learner that is
 * not level with the leader. Of a member, only the address changes.
 */
export interface AddServerEvent {
  /** Which event it is. */
  readonly type: "addServer";
  /** The node to add. */
  readonly id: NodeId;
  /** Where it is, in any form: all nodes are told with `MembershipChangedAction`. Default: as it was. */
  readonly address?: string;
}

/**
 * A node is to be added without a vote; with `promoteLearners`, it gets one when it is level with the leader. Refused as
 * {@link AddServerEvent}.
 */
export interface AddLearnerEvent {
  /** Which event it is. */
  readonly type: "addLearner";
  /** The node to add. */
  readonly id: NodeId;
  /** As {@link AddServerEvent.address}. */
  readonly address?: string;
}

/**
 * A member is to be replaced: the other node is added as a learner, gets a vote when it is level, and then the member is
 * removed. It is recorded in the configuration, so that the next leader goes on with it. Removing either of the two ends
 * it. Refused as {@link AddServerEvent}, also while another replacement is under way.
 */
export interface ReplaceServerEvent {
  /** Which event it is. */
  readonly type: "replaceServer";
  /** The member to replace. */
  readonly id: NodeId;
  /** The node that takes its place. */
  readonly by: NodeId;
  /** The address of that node, as {@link AddServerEvent.address}. */
  readonly address?: string;
}

/** A member or learner is to be removed. Refused as {@link AddServerEvent}. */
export interface RemoveServerEvent {
  /** Which event it is. */
  readonly type: "removeServer";
  /** The node to remove. */
  readonly id: NodeId;
}

/**
 * The leader is to hand over. Refused with `NOT_LEADER` by anyone else, also by a leader that is already handing over, and
 * with `INVALID_ARGUMENT` if the target is not another voting member. Without `transferTimeout`, it is ignored instead.
 */
export interface TransferLeadershipEvent {
  /** Which event it is. */
  readonly type: "transferLeadership";
  /** Who is to lead. */
  readonly target: NodeId;
}

/**
 * A read is to be linearizable: `ReadReadyAction` says when, and up to where the state machine must have got.
 * Refused with `NOT_LEADER` by anyone but the leader; with `forwardReads`, only by a node that knows of no leader.
 */
export interface ReadIndexEvent {
  /** Which event it is. */
  readonly type: "readIndex";
  /** The application's name for the read. */
  readonly id: number;
}

/** What can happen to a node. */
export type RaftEvent =
  | TickEvent
  | MessageEvent
  | ProposeEvent
  | ApplyMoreEvent
  | SnapshotEvent
  | AddServerEvent
  | AddLearnerEvent
  | ReplaceServerEvent
  | RemoveServerEvent
  | TransferLeadershipEvent
  | ReadIndexEvent;

/** A command that was proposed. */
export interface Proposal<Actions> {
  /** Where it is in the log. */
  readonly index: Index;
  /** The term that it was proposed in. */
  readonly term: Term;
  /** What is to be done, in order. */
  readonly actions: Actions;
}
