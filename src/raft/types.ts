/**
 * Events: the input of a node.
 *
 * @module
 */

import type { Index, NodeId, SnapshotTarget, Term } from "../api/types.ts";
import type { Message } from "./messages.ts";
import type { Origin } from "./origin.ts";

/** One tick of the logical clock. The application chooses its duration. */
export interface TickEvent {
  /** The event's type. */
  readonly type: "tick";
}

/** A message has arrived. */
export interface MessageEvent {
  /** The event's type. */
  readonly type: "message";
  /** The message. */
  readonly message: Message;
  /**
   * The identity of the sender's log. The transport learns it when the sender connects. The node refuses a message from
   * a log of another cluster: see `RefusedAction`. Without an origin, or if the node's log has no identity, nothing is
   * compared.
   */
  readonly origin?: Origin;
}

/**
 * Proposes a command. A node that is not the leader rejects it with `NOT_LEADER`. A leader with too many uncommitted
 * commands rejects it with `OVERLOADED`. With an id and `forwardProposals`, a follower that knows the leader forwards
 * the command instead.
 */
export interface ProposeEvent {
  /** The event's type. */
  readonly type: "propose";
  /** The command, opaque to the node. */
  readonly command: Uint8Array;
  /**
   * The application's id for the proposal. If the event is not rejected, one `ProposedAction` or `ProposalFailedAction`
   * with this id follows, now or later. Default: neither follows.
   */
  readonly id?: number;
}

/** The application has applied the commands so far, and requests more: see `MoreToApplyAction`. */
export interface ApplyMoreEvent {
  /** The event's type. */
  readonly type: "applyMore";
}

/** The application has taken a snapshot. It replaces the entries up to its index. */
export interface SnapshotEvent {
  /** The event's type. */
  readonly type: "snapshot";
  /** The last index that the snapshot includes. The application must have applied it already. */
  readonly index: Index;
  /**
   * The state of the state machine after `index`. If it is too large for memory, write it to the log in pieces: pass
   * `RaftNode.snapshotMeta` to `createSnapshotTarget` of the log, and pass the target here. The node installs it.
   */
  readonly data: Uint8Array | SnapshotTarget;
}

/**
 * Adds a voting member. Rejected with `NOT_LEADER`, or with `CONFIG_IN_PROGRESS`. The latter also applies if the node
 * is a learner that has not caught up with the leader. If the node is already a member, only its address changes.
 */
export interface AddServerEvent {
  /** The event's type. */
  readonly type: "addServer";
  /** The node to add. */
  readonly id: NodeId;
  /** Its address, in any format. All nodes get it with `MembershipChangedAction`. Default: unchanged. */
  readonly address?: string;
}

/**
 * Adds a node without a vote. With `promoteLearners`, it gets a vote when it has caught up with the leader. Rejected as
 * {@link AddServerEvent}.
 */
export interface AddLearnerEvent {
  /** The event's type. */
  readonly type: "addLearner";
  /** The node to add. */
  readonly id: NodeId;
  /** As {@link AddServerEvent.address}. */
  readonly address?: string;
}

/**
 * Replaces a member. The new node becomes a learner, and gets a vote when it has caught up. Then the old member is
 * removed. The replacement is part of the configuration, so the next leader continues it. Removing either node cancels
 * it. Rejected as {@link AddServerEvent}, and also while another replacement is in progress.
 */
export interface ReplaceServerEvent {
  /** The event's type. */
  readonly type: "replaceServer";
  /** The member to replace. */
  readonly id: NodeId;
  /** The node that takes its place. */
  readonly by: NodeId;
  /** The address of that node, as {@link AddServerEvent.address}. */
  readonly address?: string;
}

/** Removes a member or a learner. Rejected as {@link AddServerEvent}. */
export interface RemoveServerEvent {
  /** The event's type. */
  readonly type: "removeServer";
  /** The node to remove. */
  readonly id: NodeId;
}

/**
 * Transfers leadership to another node. A node that is not the leader rejects it with `NOT_LEADER`, and so does a
 * leader during a transfer. If the target is not another voting member, the leader rejects it with `INVALID_ARGUMENT`.
 * Without `transferTimeout`, the leader ignores these events instead.
 */
export interface TransferLeadershipEvent {
  /** The event's type. */
  readonly type: "transferLeadership";
  /** The next leader. */
  readonly target: NodeId;
}

/**
 * Requests a linearizable read. `ReadReadyAction` gives the index that the state machine must have applied before it
 * serves the read. A node that is not the leader rejects it with `NOT_LEADER`. With `forwardReads`, only a node without
 * a known leader rejects it.
 */
export interface ReadIndexEvent {
  /** The event's type. */
  readonly type: "readIndex";
  /** The application's id for the read. */
  readonly id: number;
}

/**
 * Tells a leader to send a heartbeat at once, so that followers learn its commit index. Otherwise, they learn the
 * commit index with the next entries or the next regular heartbeat. A node that is not the leader ignores the event.
 */
export interface HeartbeatEvent {
  /** The event's type. */
  readonly type: "heartbeat";
}

/** The input of a step. */
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

/** A proposed command. */
export interface Proposal<Actions> {
  /** Its index in the log. */
  readonly index: Index;
  /** Its term. */
  readonly term: Term;
  /** The actions to carry out, in order. */
  readonly actions: Actions;
}
