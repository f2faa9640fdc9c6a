/**
 * What goes into a node, and what comes out: events, actions, configuration.
 *
 * @module
 */

import type { WalLogError } from "../api/errors.ts";
import type { Index, NodeId, Term } from "../api/types.ts";
import type { Message } from "./messages.ts";
import type { Origin } from "./origin.ts";

/** What a node is at the moment. */
export type Role = "follower" | "candidate" | "leader";

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
   * refused: see {@link RefusedAction}. Without this, or if the node's log has no identity, nothing is compared.
   */
  readonly origin?: Origin;
}

/**
 * The application wants a command replicated. Refused with `NOT_LEADER` by anyone but the leader, and with `OVERLOADED`
 * while too many commands are uncommitted.
 */
export interface ProposeEvent {
  /** Which event it is. */
  readonly type: "propose";
  /** The command, opaque to the node. */
  readonly command: Uint8Array;
}

/** The application has applied the commands so far, and wants more: see {@link MoreToApplyAction}. */
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
  /** The state machine's state after `index`. */
  readonly data: Uint8Array;
}

/** A voting member is to be added. Refused with `NOT_LEADER` or `CONFIG_IN_PROGRESS`. */
export interface AddServerEvent {
  /** Which event it is. */
  readonly type: "addServer";
  /** The node to add. */
  readonly id: NodeId;
}

/** A node is to be added without a vote, and to get one when it has caught up. Refused as {@link AddServerEvent}. */
export interface AddLearnerEvent {
  /** Which event it is. */
  readonly type: "addLearner";
  /** The node to add. */
  readonly id: NodeId;
}

/** A member or learner is to be removed. Refused as {@link AddServerEvent}. */
export interface RemoveServerEvent {
  /** Which event it is. */
  readonly type: "removeServer";
  /** The node to remove. */
  readonly id: NodeId;
}

/** The leader is to hand over. Anyone else ignores it. */
export interface TransferLeadershipEvent {
  /** Which event it is. */
  readonly type: "transferLeadership";
  /** Who is to lead. */
  readonly target: NodeId;
}

/**
 * A read is to be linearizable: {@link ReadReadyAction} says when, and up to where the state machine must have got.
 * Refused with `NOT_LEADER` by anyone but the leader.
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
  | RemoveServerEvent
  | TransferLeadershipEvent
  | ReadIndexEvent;

/** A message is to be sent. It may get lost, overtaken or doubled. */
export interface SendAction {
  /** Which action it is. */
  readonly type: "send";
  /** To whom. */
  readonly to: NodeId;
  /** The message. */
  readonly message: Message;
}

/** A committed command is to be applied to the state machine. */
export interface ApplyAction {
  /** Which action it is. */
  readonly type: "apply";
  /** The command's index. Indexes grow; those of configurations are left out. */
  readonly index: Index;
  /** The command's term. */
  readonly term: Term;
  /** The command. */
  readonly command: Uint8Array<ArrayBuffer>;
}

/**
 * More is committed than a step may hand out. Every later step hands out more. {@link ApplyMoreEvent} does nothing else, for
 * applications that do not want to wait for another event.
 */
export interface MoreToApplyAction {
  /** Which action it is. */
  readonly type: "moreToApply";
}

/**
 * The log could not be read, or had no room for a write. It is unchanged, and the node goes on: a message counts as lost,
 * and the node tries the rest again with a later event. For monitoring.
 */
export interface LogFailedAction {
  /** Which action it is. */
  readonly type: "logFailed";
  /** The failure: its code is `NO_SPACE` or `IO`. */
  readonly error: WalLogError;
}

/** A hint: enough was applied that a snapshot would be worthwhile. */
export interface SnapshotAction {
  /** Which action it is. */
  readonly type: "snapshot";
  /** What has been applied. */
  readonly index: Index;
  /** The term at `index`. */
  readonly term: Term;
}

/** The state machine is to be replaced by a snapshot. */
export interface RestoreSnapshotAction {
  /** Which action it is. */
  readonly type: "restoreSnapshot";
  /** The last index that the snapshot includes. */
  readonly index: Index;
  /** The term at `index`. */
  readonly term: Term;
  /** What was given as {@link SnapshotEvent.data}. */
  readonly data: Uint8Array<ArrayBuffer>;
}

/** The cluster has changed, as far as this node's log tells: the change counts from now on, and may yet be undone. */
export interface MembershipChangedAction {
  /** Which action it is. */
  readonly type: "membershipChanged";
  /** The voting members, ascending. */
  readonly members: readonly NodeId[];
  /** The learners, ascending. Not there if there are none. */
  readonly learners?: readonly NodeId[];
}

/** A read may be answered as soon as everything up to `index` is applied. */
export interface ReadReadyAction {
  /** Which action it is. */
  readonly type: "readReady";
  /** {@link ReadIndexEvent.id}. */
  readonly id: number;
  /** Up to where the state machine must have got. */
  readonly index: Index;
}

/** A read cannot be answered, because the node does not lead any more. */
export interface ReadFailedAction {
  /** Which action it is. */
  readonly type: "readFailed";
  /** {@link ReadIndexEvent.id}. */
  readonly id: number;
}

/** Messages of a node are not taken, because its log is of another cluster. Given once for each reason. */
export interface RefusedAction {
  /** Which action it is. */
  readonly type: "refused";
  /** The sender. */
  readonly from: NodeId;
  /** Why. */
  readonly reason: string;
}

/**
 * A member has not the log any more in which its votes and acknowledgements are: its disk was lost, or it was restored from
 * a backup. None of its answers count until it is removed and added anew. Given once by each node that notices, also by
 * the member itself. Only with `strictMembership`.
 */
export interface MemberLostAction {
  /** Which action it is. */
  readonly type: "memberLost";
  /** The member. */
  readonly id: NodeId;
  /** `incarnation`: it has another log. `behind`: its log lacks entries that it has acknowledged. */
  readonly reason: "incarnation" | "behind";
}

/** What a node wants done, in this order. */
export type Action =
  | SendAction
  | ApplyAction
  | MoreToApplyAction
  | LogFailedAction
  | SnapshotAction
  | RestoreSnapshotAction
  | MembershipChangedAction
  | ReadReadyAction
  | ReadFailedAction
  | RefusedAction
  | MemberLostAction;

/** How a node is to behave. All nodes of a cluster should be given the same, but for `id`, `peers` and `seed`. */
export interface RaftConfig {
  /** This node: any unsigned 64-bit number that no other node of the cluster has had. */
  readonly id: NodeId;
  /** The other members that the cluster begins with; what the log says counts more. Default: none. */
  readonly peers?: readonly NodeId[];
  /**
   * Whether the node is to join a cluster that exists: it is no member, and waits, until its log says that it is. Without
   * this, a node with an empty log takes itself for a member of a new cluster. Default: no.
   */
  readonly joining?: boolean;
  /** A follower that hears from no leader for this long, drawn from here, asks to be one. In ticks; default 10 to 20. */
  readonly electionTimeout?: readonly [minimum: number, maximum: number];
  /**
   * How often a leader gives a sign of life. In ticks, well below the least election timeout, and never above the
   * greatest; default 3.
   */
  readonly heartbeatInterval?: number;
  /** The most entries in a message, at most 65,536. Default 64. */
  readonly maxBatch?: number;
  /**
   * The most bytes of commands in a message, but always at least one entry. Default: no bound but `maxMessageBytes`.
   */
  readonly maxBatchBytes?: number;
  /**
   * The largest message that the transport takes, in bytes. Batches and pieces of snapshots are kept below it, and a
   * command that does not fit is refused with `ENTRY_TOO_LARGE`. Default: 64 MiB and 64 KiB, as `TcpTransport` has it.
   */
  readonly maxMessageBytes?: number;
  /**
   * The most bytes of uncommitted commands that a leader takes, each counted with 64 bytes more. It refuses further ones
   * with `OVERLOADED`, but takes at least one. Default: no bound.
   */
  readonly maxUncommittedBytes?: number;
  /**
   * The most messages with entries on their way to a node. Once there are so many, the leader sends the node only
   * heartbeats until it answers. Entries that were lost are sent again once. Default: 1024 with `maxBatchBytes`. Otherwise
   * there is no bound, and the leader answers every rejection with a batch, as the recorded traces do.
   */
  readonly maxInflightMessages?: number;
  /**
   * The most bytes of commands on their way to a node, but always at least one message. It has an effect only with
   * `maxInflightMessages`. Default: 4 MiB.
   */
  readonly maxInflightBytes?: number;
  /**
   * The most bytes of commands that a step hands out to be applied, each counted with 64 bytes more, but always at least
   * one. The rest comes with later steps: see {@link MoreToApplyAction}. Default: 4 MiB.
   */
  readonly maxApplyBytes?: number;
  /**
   * The last index that the state machine has applied, for one that survives a restart by itself: the node hands out the
   * commands behind it. Default 0: the state machine begins with the log's snapshot.
   */
  readonly applied?: Index;
  /** After so many entries a snapshot is hinted at. Default 0: never. */
  readonly snapshotThreshold?: number;
  /**
   * Snapshots are sent in pieces of so many bytes, which bounds messages, but not what is held in memory: see the module.
   * Default 0: whole, or in pieces of 1 MiB if a message cannot be so large.
   */
  readonly snapshotChunkBytes?: number;
  /**
   * The largest snapshot that the node makes or takes, in bytes of data. A larger one is refused with `INVALID_ARGUMENT`,
   * before it is held. Give all nodes the same. Default: 1 GiB.
   */
  readonly maxSnapshotBytes?: number;
  /**
   * So many of the newest applied entries stay in the log although a snapshot covers them, as far as the node has applied
   * them since it started. A node that lacks no more than these is sent entries, and not a snapshot. The node retains them
   * in its log under the name `raft`. Default 0: snapshots replace all entries, as in the recorded traces. Services should
   * set 10,000.
   */
  readonly trailingEntries?: number;
  /** The most bytes of commands among `trailingEntries`. Default: 64 MiB. */
  readonly trailingBytes?: number;
  /** Where the election timeouts come from; the low 64 bits count. Default: the id. */
  readonly seed?: bigint;
  /** Whether a leader that has not heard from a majority for the least election timeout steps down. Default: no. */
  readonly checkQuorum?: boolean;
  /** Whether a new leader appends an entry without meaning, so that what was there before commits. Default: no. */
  readonly noOp?: boolean;
  /**
   * Whether a node that was removed, and does not know that to be committed, may still ask to lead. Without this, a
   * leader of two that removes itself and crashes leaves a cluster that nobody can lead: hand over before removing a
   * leader. Default: no.
   */
  readonly finishRemoval?: boolean;
  /** A leader that could not hand over within so many ticks goes on leading. Default 0: it waits for ever. */
  readonly transferTimeout?: number;
  /**
   * Whether the node ignores answers of nodes that it has not asked, and a hand-over by a node that is no member and does
   * not lead; and answers of a member that has lost its log: see {@link MemberLostAction}. Without this, a node that is no
   * member can have its vote counted, and can end a leadership with a later term, as in the recorded traces. Services
   * should set it. Default: no.
   */
  readonly strictMembership?: boolean;
}
