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

/** A message is to be sent. It may be lost, arrive late or arrive twice. */
export interface SendAction {
  /** The type of the action. */
  readonly type: "send";
  /** The receiver. */
  readonly to: NodeId;
  /** The message. */
  readonly message: Message;
}

/** A committed command is to be applied to the state machine. */
export interface ApplyAction {
  /** The type of the action. */
  readonly type: "apply";
  /** The command's index. Indexes grow; those of configurations are left out. */
  readonly index: Index;
  /** The command's term. */
  readonly term: Term;
  /** The command. */
  readonly command: Uint8Array<ArrayBuffer>;
}

/**
 * More commands are committed than a step may return. Every later step returns more of them. `ApplyMoreEvent` does
 * nothing else, for applications that do not want to wait for another event.
 */
export interface MoreToApplyAction {
  /** The type of the action. */
  readonly type: "moreToApply";
}

/**
 * The log could not be read, or had no room for a write. It is unchanged, and the node continues: a message counts as
 * lost, and the node tries the rest again with a later event. For monitoring.
 */
export interface LogFailedAction {
  /** The type of the action. */
  readonly type: "logFailed";
  /** The failure: its code is `NO_SPACE` or `IO`. */
  readonly error: WalLogError;
}

/** A hint that a snapshot is worthwhile, because enough entries were applied. */
export interface SnapshotAction {
  /** The type of the action. */
  readonly type: "snapshot";
  /** The last index that was applied. */
  readonly index: Index;
  /** The term at `index`. */
  readonly term: Term;
}

/** The state machine is to be replaced by a snapshot. */
export interface RestoreSnapshotAction {
  /** The type of the action. */
  readonly type: "restoreSnapshot";
  /** The last index that the snapshot includes. */
  readonly index: Index;
  /** The term at `index`. */
  readonly term: Term;
  /**
   * The bytes given as `SnapshotEvent.data`. They may be read from the log when this property is first used, which
   * closes {@link RestoreSnapshotAction.source}.
   *
   * @throws {WalLogError} `POISONED` if it cannot be read. The node has then ended: open the log again, and begin with the
   * snapshot that it has.
   */
  readonly data: Uint8Array<ArrayBuffer>;
  /**
   * The same bytes, to be read in parts if they do not fit into memory. The source stays valid when a later snapshot
   * replaces it. Close it when you have read it, or if you need neither it nor `data`. Copies of the action do not have
   * it.
   */
  readonly source: SnapshotSource;
}

/** The latest configuration in this node's log has changed. It takes effect at once, and may still be undone. */
export interface MembershipChangedAction {
  /** The type of the action. */
  readonly type: "membershipChanged";
  /** The voting members, ascending. */
  readonly members: readonly NodeId[];
  /** The learners, ascending. Absent if there are none. */
  readonly learners?: readonly NodeId[];
  /** Their addresses, as far as they are known. Absent if none is known. */
  readonly addresses?: ReadonlyMap<NodeId, string>;
}

/**
 * The node's role or the leader that it knows has changed, or the same leader leads in a later term. A step that
 * changes them returns this once, after its other actions. Only with `announceLeader`.
 */
export interface LeaderChangedAction {
  /** The type of the action. */
  readonly type: "leaderChanged";
  /** The node's term. */
  readonly term: Term;
  /** The leader of that term; `null` if the node knows none. */
  readonly leader: NodeId | null;
  /** The node's own role. */
  readonly role: Role;
}

/**
 * A transfer of leadership has failed: the target did not take over in time. The node remains the leader. Only with
 * `transferTimeout`. If another node takes over, `LeaderChangedAction` follows.
 */
export interface TransferFailedAction {
  /** The type of the action. */
  readonly type: "transferFailed";
  /** `TransferLeadershipEvent.target`. */
  readonly target: NodeId;
}

/**
 * A command that was proposed with an id is in the leader's log. It will be applied if and only if an `apply` action comes
 * with this index and this term; one with this index and another term means that it will not.
 */
export interface ProposedAction {
  /** The type of the action. */
  readonly type: "proposed";
  /** `ProposeEvent.id`. */
  readonly id: number;
  /** The index of its entry. */
  readonly index: Index;
  /** The term of its entry. */
  readonly term: Term;
}

/** A forwarded command is refused, or its outcome is unknown. */
export interface ProposalFailedAction {
  /** The type of the action. */
  readonly type: "proposalFailed";
  /** `ProposeEvent.id`. */
  readonly id: number;
  /**
   * `not-applied`: the leader has refused it, and it will never be applied. `unknown`: it may be applied or not,
   * because the leader has changed, or has not answered within the greatest election timeout.
   */
  readonly outcome: "not-applied" | "unknown";
  /** The code of the leader's refusal; `null` if it has not refused. */
  readonly code: ProposalRefusal | null;
}

/** A read may be answered as soon as everything up to `index` is applied. */
export interface ReadReadyAction {
  /** The type of the action. */
  readonly type: "readReady";
  /** `ReadIndexEvent.id`. */
  readonly id: number;
  /** The index that the state machine must have applied. */
  readonly index: Index;
}

/** A read cannot be answered, because the leadership has changed since it was asked for. Ask again. */
export interface ReadFailedAction {
  /** The type of the action. */
  readonly type: "readFailed";
  /** `ReadIndexEvent.id`. */
  readonly id: number;
}

/**
 * Messages of a node are refused: its log is of another cluster, it claims to lead in a term in which another node
 * leads, it is not a member and contradicts a committed entry, or its snapshot is larger than `maxSnapshotBytes`. Only
 * the messages with the snapshot are refused in the last case. The action comes once for each reason. A node
 * remembers 256 others and 16 reasons for each; it forgets the oldest, and may report them again.
 */
export interface RefusedAction {
  /** The type of the action. */
  readonly type: "refused";
  /** The sender. */
  readonly from: NodeId;
  /** The reason. */
  readonly reason: string;
}

/**
 * A member has lost the log that holds its votes and acknowledgements: its disk was lost, or it was restored from a
 * backup. None of its answers count until it is removed and added again. Every node that notices reports it once, also
 * the member itself, and again once the report was forgotten: see {@link RefusedAction}. Only with `strictMembership`.
 */
export interface MemberLostAction {
  /** The type of the action. */
  readonly type: "memberLost";
  /** The member. */
  readonly id: NodeId;
  /** `incarnation`: it has another log. `behind`: its log lacks entries that it has acknowledged. */
  readonly reason: "incarnation" | "behind";
}

/** An action, which the application must carry out. A step returns actions in their order. */
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
