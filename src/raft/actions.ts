/**
 * Actions: the output of a node.
 *
 * @module
 */

import type { WalLogError } from "../api/errors.ts";
import type { Index, NodeId, SnapshotSource, Term } from "../api/types.ts";
import type { Message, ProposalRefusal } from "./messages.ts";

/** The role of a node. */
export type Role = "follower" | "candidate" | "leader";

/** Tells the application to send a message. The network may lose, delay, reorder or duplicate it. */
export interface SendAction {
  /** The action's type. */
  readonly type: "send";
  /** The receiver. */
  readonly to: NodeId;
  /** The message. */
  readonly message: Message;
}

/** Tells the application to apply a committed command to the state machine. */
export interface ApplyAction {
  /** The action's type. */
  readonly type: "apply";
  /** The command's index. Indexes increase. Entries with a configuration are skipped. */
  readonly index: Index;
  /** The command's term. */
  readonly term: Term;
  /** The command. */
  readonly command: Uint8Array<ArrayBuffer>;
}

/**
 * More commands are committed than one step may return. Each later step returns more of them. An application that does
 * not want to wait for another event passes `ApplyMoreEvent`, which only requests more.
 */
export interface MoreToApplyAction {
  /** The action's type. */
  readonly type: "moreToApply";
}

/**
 * The log could not be read, or had no space for a write. The log is unchanged and the node continues: it drops the
 * message, and retries the remaining work with a later event. For monitoring.
 */
export interface LogFailedAction {
  /** The action's type. */
  readonly type: "logFailed";
  /** The failure: its code is `NO_SPACE` or `IO`. */
  readonly error: WalLogError;
}

/** Suggests that the application take a snapshot, because it has applied enough entries. */
export interface SnapshotAction {
  /** The action's type. */
  readonly type: "snapshot";
  /** The last index that was applied. */
  readonly index: Index;
  /** The term at `index`. */
  readonly term: Term;
}

/** Tells the application to replace its state machine with a snapshot. */
export interface RestoreSnapshotAction {
  /** The action's type. */
  readonly type: "restoreSnapshot";
  /** The last index that the snapshot includes. */
  readonly index: Index;
  /** The term at `index`. */
  readonly term: Term;
  /**
   * The bytes given as `SnapshotEvent.data`. The node may read them from the log at the first access to this property,
   * which closes {@link RestoreSnapshotAction.source}.
   *
   * @throws {WalLogError} `POISONED` if the data cannot be read. The node has then ended: open the log again, and begin
   * with its snapshot.
   */
  readonly data: Uint8Array<ArrayBuffer>;
  /**
   * The same bytes as a source, for a snapshot that does not fit into memory. The source stays valid when a later
   * snapshot replaces this one. Close it after reading, or if you need neither the source nor `data`. Copies of the
   * action do not have it.
   */
  readonly source: SnapshotSource;
}

/**
 * The latest configuration in this node's log has changed. It takes effect at once, and a truncation may still undo it.
 */
export interface MembershipChangedAction {
  /** The action's type. */
  readonly type: "membershipChanged";
  /** The voting members, ascending. */
  readonly members: readonly NodeId[];
  /** The learners, ascending. Absent if there are none. */
  readonly learners?: readonly NodeId[];
  /** The known addresses of members and learners. Absent if none is known. */
  readonly addresses?: ReadonlyMap<NodeId, string>;
}

/**
 * The node's role or its known leader has changed, or the same leader leads in a later term. A step that changes them
 * returns this action once, after its other actions. Only with `announceLeader`.
 */
export interface LeaderChangedAction {
  /** The action's type. */
  readonly type: "leaderChanged";
  /** The node's term. */
  readonly term: Term;
  /** The leader of that term; `null` if the node knows none. */
  readonly leader: NodeId | null;
  /** The node's own role. */
  readonly role: Role;
}

/**
 * A leadership transfer has failed: the target did not take over in time. The node stays the leader. Only with
 * `transferTimeout`. If another node takes over, `LeaderChangedAction` follows.
 */
export interface TransferFailedAction {
  /** The action's type. */
  readonly type: "transferFailed";
  /** `TransferLeadershipEvent.target`. */
  readonly target: NodeId;
}

/**
 * A command that was proposed with an id is in the leader's log. The command will be applied if and only if an `apply`
 * action has this index and this term. An action with this index and another term shows that the command was lost.
 */
export interface ProposedAction {
  /** The action's type. */
  readonly type: "proposed";
  /** `ProposeEvent.id`. */
  readonly id: number;
  /** The index of its entry. */
  readonly index: Index;
  /** The term of its entry. */
  readonly term: Term;
}

/** The leader rejected a forwarded command, or the command's outcome is unknown. */
export interface ProposalFailedAction {
  /** The action's type. */
  readonly type: "proposalFailed";
  /** `ProposeEvent.id`. */
  readonly id: number;
  /**
   * `not-applied`: the leader rejected the command, and it will never be applied. `unknown`: it may or may not be
   * applied, because the leader has changed, or has not answered within the maximum election timeout.
   */
  readonly outcome: "not-applied" | "unknown";
  /** The code of the leader's rejection; `null` if the outcome is unknown. */
  readonly code: ProposalRefusal | null;
}

/** The application may serve a read as soon as it has applied all entries up to `index`. */
export interface ReadReadyAction {
  /** The action's type. */
  readonly type: "readReady";
  /** `ReadIndexEvent.id`. */
  readonly id: number;
  /** The index that the state machine must have applied before it serves the read. */
  readonly index: Index;
}

/**
 * The application cannot serve a read, because the leadership has changed since the request. Request the read again.
 */
export interface ReadFailedAction {
  /** The action's type. */
  readonly type: "readFailed";
  /** `ReadIndexEvent.id`. */
  readonly id: number;
}

/**
 * The node refuses messages from another node: its log is of another cluster, it claims to lead in a term that has
 * another leader, it is not a member and contradicts a committed entry, or its snapshot is larger than
 * `maxSnapshotBytes`. In the last case, the node refuses only the messages with the snapshot. The node reports each
 * reason once. It remembers 256 other nodes and 16 reasons for each. It forgets the oldest ones, and may report them
 * again.
 */
export interface RefusedAction {
  /** The action's type. */
  readonly type: "refused";
  /** The sender. */
  readonly from: NodeId;
  /** The reason. */
  readonly reason: string;
}

/**
 * A member has lost the log that holds its votes and acknowledgements: its disk was lost, or it was restored from a
 * backup. Its answers do not count until it is removed and added again. Every node that detects the loss reports it
 * once, including the member itself. A node reports it again after it has forgotten its earlier report: see
 * {@link RefusedAction}. Only with `strictMembership`.
 */
export interface MemberLostAction {
  /** The action's type. */
  readonly type: "memberLost";
  /** The member. */
  readonly id: NodeId;
  /** `incarnation`: it has another log. `behind`: its log lacks entries that it has acknowledged. */
  readonly reason: "incarnation" | "behind";
}

/** The output of a step. The application carries out the actions in order. */
export type Action =
  | SendAction
  | ApplyAction
  | MoreToApplyAction
  | LogFailedAction
  | SnapshotAction
  | RestoreSnapshotAction
  | MembershipChangedAction
  | LeaderChangedAction
  | TransferFailedAction
  | ProposedAction
  | ProposalFailedAction
  | ReadReadyAction
  | ReadFailedAction
  | RefusedAction
  | MemberLostAction;
