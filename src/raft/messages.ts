/**
 * The messages between nodes.
 *
 * @module
 */

import type { Index, LogEntry, NodeId, Snapshot, Term } from "../api/types.ts";

/**
 * Requests a pre-vote: whether the receiver would vote for the sender in `term`. It does not begin a term, so it
 * changes nothing.
 */
export interface PreVote {
  /** The message's type. */
  readonly type: "preVote";
  /** The term that the sender would begin. */
  readonly term: Term;
  /** The sender. */
  readonly candidate: NodeId;
  /** Index of the sender's last entry. */
  readonly lastLogIndex: Index;
  /** Term of the sender's last entry. */
  readonly lastLogTerm: Term;
}

/** The answer to {@link PreVote}. */
export interface PreVoteReply {
  /** The message's type. */
  readonly type: "preVoteReply";
  /** The term that the sender is in. */
  readonly term: Term;
  /** Whether the sender would vote for the candidate. */
  readonly voteGranted: boolean;
  /** The sender. */
  readonly from: NodeId;
}

/** Requests a vote for the sender in `term`. */
export interface RequestVote {
  /** The message's type. */
  readonly type: "requestVote";
  /** The candidate's term. */
  readonly term: Term;
  /** The sender. */
  readonly candidate: NodeId;
  /** Index of the sender's last entry. */
  readonly lastLogIndex: Index;
  /** Term of the sender's last entry. */
  readonly lastLogTerm: Term;
  /** Whether the leader itself requested this election. Then nodes that hear from the leader may vote too. */
  readonly force: boolean;
}

/** The answer to {@link RequestVote}. */
export interface RequestVoteReply {
  /** The message's type. */
  readonly type: "requestVoteReply";
  /** The term that the sender is in. */
  readonly term: Term;
  /** Whether the sender voted for the candidate. */
  readonly voteGranted: boolean;
  /** The sender. */
  readonly from: NodeId;
}

/** Entries for a follower. Without entries, a heartbeat. */
export interface AppendEntries {
  /** The message's type. */
  readonly type: "appendEntries";
  /** The leader's term. */
  readonly term: Term;
  /** The sender. */
  readonly leader: NodeId;
  /** Index of the entry before `entries`. */
  readonly prevLogIndex: Index;
  /** Term of the entry before `entries`. */
  readonly prevLogTerm: Term;
  /** Contiguous entries; the first at `prevLogIndex + 1`. */
  readonly entries: readonly LogEntry[];
  /** The leader's commit index. */
  readonly leaderCommit: Index;
  /** A number for the follower to return, while reads wait for a confirmation that the leader still leads. */
  readonly round?: number;
}

/** The answer to {@link AppendEntries}. */
export interface AppendEntriesReply {
  /** The message's type. */
  readonly type: "appendEntriesReply";
  /** The term that the sender is in. */
  readonly term: Term;
  /** Whether the sender's log has the entry before `entries`, and so now also these entries. */
  readonly success: boolean;
  /** The sender. */
  readonly from: NodeId;
  /** The match index: the last index up to which the sender's log agrees with the leader's; 0 if not `success`. */
  readonly matchIndex: Index;
  /** If not `success`, the next index to try: the one after the sender's last entry, or the first of `conflictTerm`. */
  readonly conflictIndex: Index;
  /** The term that the sender has at `prevLogIndex`; 0 if it has no entry there. */
  readonly conflictTerm: Term;
  /** The value of {@link AppendEntries.round}. */
  readonly round?: number;
  /**
   * If not `success`, the value of {@link AppendEntries.prevLogIndex}: the leader ignores the rejection of a message
   * that it has already sent again. Only if the sender has `maxInflightMessages`.
   */
  readonly rejectedIndex?: Index;
}

/** A snapshot for a follower that needs entries that the leader has compacted. */
export interface InstallSnapshot {
  /** The message's type. */
  readonly type: "installSnapshot";
  /** The leader's term. */
  readonly term: Term;
  /** The sender. */
  readonly leader: NodeId;
  /**
   * The snapshot. With `offset`, its data is one piece. Only the meta of the first piece, or of a whole snapshot,
   * counts.
   */
  readonly snapshot: Snapshot;
  /** The offset of the piece in the snapshot's data, in bytes. Absent if the data is whole. */
  readonly offset?: number;
  /** Whether the piece is the last one. Only with `offset`. */
  readonly done?: boolean;
}

/** The answer to {@link InstallSnapshot}. */
export interface InstallSnapshotReply {
  /** The message's type. */
  readonly type: "installSnapshotReply";
  /** The term that the sender is in. */
  readonly term: Term;
  /** The sender. */
  readonly from: NodeId;
  /** The last index up to which the sender has all committed entries. */
  readonly lastIndex: Index;
  /**
   * The offset of the next piece in the snapshot's data, in bytes. Only in an answer to a piece that was not the last.
   */
  readonly nextOffset?: number;
}

/** Tells the target of a leadership transfer to start an election at once. */
export interface TimeoutNow {
  /** The message's type. */
  readonly type: "timeoutNow";
  /** The leader's term. */
  readonly term: Term;
  /** The sender. */
  readonly leader: NodeId;
}

/** Requests from a peer the entries that a node with a damaged log cannot read. */
export interface RepairRequest {
  /** The message's type. */
  readonly type: "repairRequest";
  /** The term that the sender is in; 0 if it does not know it. */
  readonly term: Term;
  /** The sender. */
  readonly from: NodeId;
  /** A number to return. It distinguishes the answer from answers to earlier requests. */
  readonly request: number;
  /** The first requested index; 0 to request only the term. */
  readonly first: Index;
  /** The last requested index, inclusive; 0 to request only the term. */
  readonly last: Index;
}

/** The answer to {@link RepairRequest}. */
export interface RepairReply {
  /** The message's type. */
  readonly type: "repairReply";
  /** The term that the sender is in. */
  readonly term: Term;
  /** The sender. */
  readonly from: NodeId;
  /** The value of {@link RepairRequest.request}. */
  readonly request: number;
  /** Whether the sender is the leader in `term`. */
  readonly leads: boolean;
  /** The sender's commit index. */
  readonly commitIndex: Index;
  /** Index of the sender's last entry. */
  readonly lastIndex: Index;
  /** The members and learners that the sender knows. */
  readonly members: readonly NodeId[];
  /** The term of the entry before the first of `entries`; 0 if there is none, or the sender does not know it. */
  readonly prevTerm: Term;
  /** The requested entries that the sender has, in order. */
  readonly entries: readonly LogEntry[];
}

/** Requests a snapshot, or its next piece, for a node with a damaged snapshot. */
export interface SnapshotRequest {
  /** The message's type. */
  readonly type: "snapshotRequest";
  /** The term that the sender is in. */
  readonly term: Term;
  /** The sender. */
  readonly from: NodeId;
  /** A number to return. It distinguishes the answer from answers to earlier requests. */
  readonly request: number;
  /** The index of the damaged snapshot. An earlier snapshot cannot replace it. */
  readonly least: Index;
  /** The term at that index; 0 if the sender does not know it. */
  readonly leastTerm: Term;
  /** The index of the requested snapshot; 0 for any. */
  readonly index: Index;
  /** The offset of the requested piece in its data, in bytes. */
  readonly offset: number;
}

/** The answer to {@link SnapshotRequest}. */
export interface SnapshotReply {
  /** The message's type. */
  readonly type: "snapshotReply";
  /** The term that the sender is in. */
  readonly term: Term;
  /** The sender. */
  readonly from: NodeId;
  /** The value of {@link SnapshotRequest.request}. */
  readonly request: number;
  /** The snapshot, with a piece of its data. Only the meta of the first piece counts. */
  readonly snapshot: Snapshot;
  /** The offset of the piece in the snapshot's data, in bytes. */
  readonly offset: number;
  /** Whether the piece is the last one. */
  readonly done: boolean;
}

/** Requests from the leader the index that a follower must apply before it serves reads. */
export interface ReadRequest {
  /** The message's type. */
  readonly type: "readRequest";
  /** The term in which the sender knows the leader. */
  readonly term: Term;
  /** The sender. */
  readonly from: NodeId;
  /**
   * A number to return. A node repeats the request with this number until it is answered, and then uses another one.
   */
  readonly request: number;
}

/** The answer to {@link ReadRequest}. */
export interface ReadReply {
  /** The message's type. */
  readonly type: "readReply";
  /** The term that the sender is in. */
  readonly term: Term;
  /** The sender. */
  readonly from: NodeId;
  /** The value of {@link ReadRequest.request}. */
  readonly request: number;
  /** The index that the state machine must have applied; 0 if the request is rejected. */
  readonly index: Index;
  /** Whether the request is rejected, because the sender is not the leader in the request's term. */
  readonly isRefused: boolean;
}

/** The error codes with which a leader rejects a forwarded proposal. */
export type ProposalRefusal = "NOT_LEADER" | "OVERLOADED" | "ENTRY_TOO_LARGE" | "NO_SPACE";

/** Forwards a command from a follower to the leader. */
export interface ProposeRequest {
  /** The message's type. */
  readonly type: "proposeRequest";
  /** The term in which the sender knows the leader. */
  readonly term: Term;
  /** The sender. */
  readonly from: NodeId;
  /** A number that the sender chose when it started. Its request numbers are greater. */
  readonly session: number;
  /** A number to return. The request is sent once: a leader ignores a second request with the same number. */
  readonly request: number;
  /** The command. */
  readonly command: Uint8Array<ArrayBuffer>;
}

/** The answer to {@link ProposeRequest}. */
export interface ProposeReply {
  /** The message's type. */
  readonly type: "proposeReply";
  /** The term that the sender is in; if the command was accepted, also the term of its entry. */
  readonly term: Term;
  /** The sender. */
  readonly from: NodeId;
  /** The value of {@link ProposeRequest.request}. */
  readonly request: number;
  /** The index of the command's entry; 0 if the command is rejected. */
  readonly index: Index;
  /** The reason for the rejection; `null` if the command was accepted. */
  readonly refusal: ProposalRefusal | null;
}

/** A message between nodes. */
export type Message =
  | PreVote
  | PreVoteReply
  | RequestVote
  | RequestVoteReply
  | AppendEntries
  | AppendEntriesReply
  | InstallSnapshot
  | InstallSnapshotReply
  | TimeoutNow
  | RepairRequest
  | RepairReply
  | SnapshotRequest
  | SnapshotReply
  | ReadRequest
  | ReadReply
  | ProposeRequest
  | ProposeReply;

/**
 * Returns the sender of a message.
 *
 * @param message Any message.
 * @returns The sender.
 */
export function senderOf(message: Message): NodeId {
  if ("from" in message) return message.from;
  return "leader" in message ? message.leader : message.candidate;
}

/**
 * Whether a message carries a piece of a snapshot. The receiver copies the piece while it processes the message.
 *
 * @param message Any message.
 */
export function isPiece(message: Message): message is InstallSnapshot | SnapshotReply {
  return "snapshot" in message && message.offset !== undefined;
}
