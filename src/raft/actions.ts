/**
 * What comes out of a node: actions.
 *
 * @module
 */

import type { WalLogError } from "../api/errors.ts";
import type { Index, NodeId, SnapshotSource, Term } from "../api/types.ts";
import type { Message, ProposalRefusal } from "./messages.ts";

/** What a node is at the moment. */
export type Role = "follower" | "candidate" | "leader";

/** A message is to be sent. It may get lost, overtaken or doubled. */
export interface SendAction {
  /** Which action it is. */
  readonly type: "send";
  /** The receiver. */
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
 * More is committed than a step may hand out. Every later step hands out more. `ApplyMoreEvent` does nothing else, for
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
  /**
   * What was given as `SnapshotEvent.data`. It may be read from the log when this property is read first, which closes
   * {@link RestoreSnapshotAction.source}.
   *
   * @throws {WalLogError} `POISONED` if it cannot be read. The node has then ended: open the log again, and begin with the
   * snapshot that it has.
   */
  readonly data: Uint8Array<ArrayBuffer>;
  /**
   * The same, to be read in parts, for data that does not fit into memory. It stays as it is if a later snapshot takes its
   * place. Close it when you have read it, or if you need neither this nor `data`. Copies of the action do not have it.
   */
  readonly source: SnapshotSource;
}

/** The cluster has changed, as far as this node's log tells: the change counts from now on, and may yet be undone. */
export interface MembershipChangedAction {
  /** Which action it is. */
  readonly type: "membershipChanged";
  /** The voting members, ascending. */
  readonly members: readonly NodeId[];
  /** The learners, ascending. Not there if there are none. */
  readonly learners?: readonly NodeId[];
  /** Their addresses, as far as they are known. Not there if none is. */
  readonly addresses?: ReadonlyMap<NodeId, string>;
}

/**
 * The node's role or the leader that it knows has changed, or the same leader leads in a later term. Given once by each
 * step that changes them, after its other actions, with the result. Only with `announceLeader`.
 */
export interface LeaderChangedAction {
  /** Which action it is. */
  readonly type: "leaderChanged";
  /** The node's term. */
  readonly term: Term;
  /** Who leads in that term; `null` if the node knows of nobody. */
  readonly leader: NodeId | null;
  /** The node's own role. */
  readonly role: Role;
}

/**
 * Leadership was to be transferred, and the target did not take over in time. The node leads on. Only with
 * `transferTimeout`. If any other node takes over, `LeaderChangedAction` says so.
 */
export interface TransferFailedAction {
  /** Which action it is. */
  readonly type: "transferFailed";
  /** `TransferLeadershipEvent.target`. */
  readonly target: NodeId;
}

/**
 * A command that was proposed with an id is in the leader's log. It will be applied if and only if an `apply` action comes
 * with this index and this term; one with this index and another term says that it will not.
 */
export interface ProposedAction {
  /** Which action it is. */
  readonly type: "proposed";
  /** `ProposeEvent.id`. */
  readonly id: number;
  /** Where the command is in the log. */
  readonly index: Index;
  /** The term of its entry. */
  readonly term: Term;
}

/** A command that was passed on to the leader is refused, or its fate is unknown. */
export interface ProposalFailedAction {
  /** Which action it is. */
  readonly type: "proposalFailed";
  /** `ProposeEvent.id`. */
  readonly id: number;
  /**
   * `not-applied`: the leader has refused it, and it will never be applied. `unknown`: it may be applied, or not: the leader
   * has changed, or has not answered for as long as the greatest election timeout.
   */
  readonly outcome: "not-applied" | "unknown";
  /** Why the leader has refused it, as the code of an error; `null` if it has not. */
  readonly code: ProposalRefusal | null;
}

/** A read may be answered as soon as everything up to `index` is applied. */
export interface ReadReadyAction {
  /** Which action it is. */
  readonly type: "readReady";
  /** `ReadIndexEvent.id`. */
  readonly id: number;
  /** Up to where the state machine must have got. */
  readonly index: Index;
}

/** A read cannot be answered, because the leadership has changed since it was asked for. Ask again. */
export interface ReadFailedAction {
  /** Which action it is. */
  readonly type: "readFailed";
  /** `ReadIndexEvent.id`. */
  readonly id: number;
}

/**
 * Messages of a node are refused: its log is of another cluster, it claims to lead in a term in which another node
 * leads, or it is not a member and contradicts a committed entry. The action comes once for each reason. A node
 * remembers 256 others and 16 reasons for each; it forgets the oldest, and may report them again.
 */
export interface RefusedAction {
  /** Which action it is. */
  readonly type: "refused";
  /** The sender. */
  readonly from: NodeId;
  /** Why. */
  readonly reason: string;
}

/**
 * A member has lost the log that holds its votes and acknowledgements: its disk was lost, or it was restored from a
 * backup. None of its answers count until it is removed and added again. Every node that notices reports it once, also
 * the member itself, and again once the report was forgotten: see {@link RefusedAction}. Only with `strictMembership`.
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
  | LeaderChangedAction
  | TransferFailedAction
  | ProposedAction
  | ProposalFailedAction
  | ReadReadyAction
  | ReadFailedAction
  | RefusedAction
  | MemberLostAction;
