/**
 * Events: the input of a node.
 *
 * @module
 */

import type { Index, NodeId, SnapshotTarget, Term } from "../api/types.ts";
import type { Message } from "./messages.ts";
import type { Origin } from "./origin.ts";

/** One tick has passed. The application decides how long a tick is. */
export interface TickEvent {
  /** The type of the event. */
  readonly type: "tick";
}

/** A message has arrived. */
export interface MessageEvent {
  /** The type of the event. */
  readonly type: "message";
  /** The message. */
  readonly message: Message;
  /**
   * The sender's log, as the transport learned it when the sender connected. A message from a log of another cluster is
   * refused: see `RefusedAction`. Without an origin, or if the node's log has no identity, nothing is compared.
   */
  readonly origin?: Origin;
}

/**
 * A command is to be replicated. Any node but the leader refuses it with `NOT_LEADER`; a leader with too many
 * uncommitted commands, with `OVERLOADED`. With an id and `forwardProposals`, a node that knows a leader forwards it
 * instead.
 */
export interface ProposeEvent {
  /** The type of the event. */
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
  /** The type of the event. */
  readonly type: "applyMore";
}

/** The application has made a snapshot, which replaces the entries up to its index. */
export interface SnapshotEvent {
  /** The type of the event. */
  readonly type: "snapshot";
  /** The last index that the snapshot includes. It must be applied already. */
  readonly index: Index;
  /**
   * The state machine's state after `index`. If it is too large for memory, write it to the log in pieces: pass
   * `RaftNode.snapshotMeta` to `createSnapshotTarget` of the log, and give the target here. The node installs it.
   */
  readonly data: Uint8Array | SnapshotTarget;
}

/**
 * A voting member is to be added. Refused with `NOT_LEADER`, or with `CONFIG_IN_PROGRESS`, also while the node is a
 * learner that has not caught up with the leader. If the node is a member already, only its address changes.
 */
export interface AddServerEvent {
  /** The type of the event. */
  readonly type: "addServer";
  /** The node to add. */
  readonly id: NodeId;
  /** Its address, in any form. All nodes get it with `MembershipChangedAction`. Default: unchanged. */
  readonly address?: string;
}

/**
 * A node is to be added without a vote. With `promoteLearners`, it gets a vote when it has caught up with the leader.
 * Refused as {@link AddServerEvent}.
 */
export interface AddLearnerEvent {
  /** The type of the event. */
  readonly type: "addLearner";
  /** The node to add. */
  readonly id: NodeId;
  /** As {@link AddServerEvent.address}. */
  readonly address?: string;
}

/**
 * A member is to be replaced. The other node is added as a learner and gets a vote when it has caught up; then the
 * member is removed. The replacement is part of the configuration, so the next leader continues it. Removing either of
 * the two nodes ends it. Refused as {@link AddServerEvent}, also while another replacement is under way.
 */
export interface ReplaceServerEvent {
  /** The type of the event. */
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
  /** The type of the event. */
  readonly type: "removeServer";
  /** The node to remove. */
  readonly id: NodeId;
}

/**
 * The leader is to transfer its leadership. Any other node refuses with `NOT_LEADER`, and so does a leader during a
 * transfer. If the target is not another voting member, the leader refuses with `INVALID_ARGUMENT`. Without
 * `transferTimeout`, it ignores these events instead.
 */
export interface TransferLeadershipEvent {
  /** The type of the event. */
  readonly type: "transferLeadership";
  /** The next leader. */
  readonly target: NodeId;
}

/**
 * A read is to be linearizable. `ReadReadyAction` gives the index that the state machine must have applied before it is
 * answered. Any node but the leader refuses with `NOT_LEADER`; with `forwardReads`, only a node that knows no leader
 * does.
 */
export interface ReadIndexEvent {
  /** The type of the event. */
  readonly type: "readIndex";
  /** The application's name for the read. */
  readonly id: number;
}

/**
 * Asks a leader to send a heartbeat at once. From it, the others learn its commit index. Without it, they learn the index
 * with the next entries or the next regular heartbeat. A node that does not lead ignores the event.
 */
export interface HeartbeatEvent {
  /** The type of the event. */
  readonly type: "heartbeat";
}

/** An event of a node. */
export type RaftEvent =
  | TickEvent
  | HeartbeatEvent
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
  /** Its index in the log. */
  readonly index: Index;
  /** Its term. */
  readonly term: Term;
  /** The actions to carry out, in order. */
  readonly actions: Actions;
}
