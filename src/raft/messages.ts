/**
 * What nodes say to each other.
 *
 * @module
 */

import type { Index, LogEntry, NodeId, Snapshot, Term } from "../api/types.ts";

/** "Would you vote for me in `term`?" Asked before a term is begun, so that asking changes nothing. */
export interface PreVote {
  /** Which message it is. */
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
  /** Which message it is. */
  readonly type: "preVoteReply";
  /** The term that the sender is in. */
  readonly term: Term;
  /** Whether the sender would vote for the candidate. */
  readonly voteGranted: boolean;
  /** The sender. */
  readonly from: NodeId;
}

/** "Vote for me in `term`." */
export interface RequestVote {
  /** Which message it is. */
  readonly type: "requestVote";
  /** The candidate's term. */
  readonly term: Term;
  /** The sender. */
  readonly candidate: NodeId;
  /** Index of the sender's last entry. */
  readonly lastLogIndex: Index;
  /** Term of the sender's last entry. */
  readonly lastLogTerm: Term;
  /** Whether the leader itself asked for this election. Then nodes that hear from the leader may vote too. */
  readonly force: boolean;
}

/** The answer to {@link RequestVote}. */
export interface RequestVoteReply {
  /** Which message it is. */
  readonly type: "requestVoteReply";
  /** The term that the sender is in. */
  readonly term: Term;
  /** Whether the sender voted for the candidate. */
  readonly voteGranted: boolean;
  /** The sender. */
  readonly from: NodeId;
}

/** Entries for a follower; without entries, a sign of life. */
export interface AppendEntries {
  /** Which message it is. */
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
  /** A number for the follower to return, while reads wait for word that the leader still leads. */
  readonly round?: number;
}

/** The answer to {@link AppendEntries}. */
export interface AppendEntriesReply {
  /** Which message it is. */
  readonly type: "appendEntriesReply";
  /** The term that the sender is in. */
  readonly term: Term;
  /** Whether the sender's log holds the entry before those sent, and thus now those as well. */
  readonly success: boolean;
  /** The sender. */
  readonly from: NodeId;
  /** Up to here the sender's log is the leader's; 0 if not `success`. */
  readonly matchIndex: Index;
  /** Where to try next if not `success`: after the sender's last entry, or the first of `conflictTerm`. */
  readonly conflictIndex: Index;
  /** The term that the sender has at `prevLogIndex`; 0 if it has no entry there. */
  readonly conflictTerm: Term;
  /** What {@link AppendEntries.round} said. */
  readonly round?: number;
  /**
   * {@link AppendEntries.prevLogIndex}, if not `success`: the leader ignores the rejection of a message that it has sent
   * again meanwhile. Only if the sender has `maxInflightMessages`.
   */
  readonly rejectedIndex?: Index;
}

/** A snapshot for a follower that needs entries which the leader has compacted away. */
export interface InstallSnapshot {
  /** Which message it is. */
  readonly type: "installSnapshot";
  /** The leader's term. */
  readonly term: Term;
  /** The sender. */
  readonly leader: NodeId;
  /** The snapshot; if `offset` is there, with a piece of its data. Only the meta of the first piece counts, or of the whole. */
  readonly snapshot: Snapshot;
  /** Where in the snapshot's data the piece belongs, in bytes. Not there: the data is whole. */
  readonly offset?: number;
  /** Whether the piece is the last one. Only with `offset`. */
  readonly done?: boolean;
}

/** The answer to {@link InstallSnapshot}. */
export interface InstallSnapshotReply {
  /** Which message it is. */
  readonly type: "installSnapshotReply";
  /** The term that the sender is in. */
  readonly term: Term;
  /** The sender. */
  readonly from: NodeId;
  /** Up to here the sender has everything that is committed. */
  readonly lastIndex: Index;
  /** Where the next piece of the snapshot's data begins, in bytes. Only in answer to a piece that was not the last. */
  readonly nextOffset?: number;
}

/** "Begin an election now": how a leader hands over. */
export interface TimeoutNow {
  /** Which message it is. */
  readonly type: "timeoutNow";
  /** The leader's term. */
  readonly term: Term;
  /** The sender. */
  readonly leader: NodeId;
}

/** A node with a damaged log asks a peer for the entries that it cannot read. */
export interface RepairRequest {
  /** Which message it is. */
  readonly type: "repairRequest";
  /** The term that the sender is in; 0 if it cannot tell. */
  readonly term: Term;
  /** The sender. */
  readonly from: NodeId;
  /** A number to return, by which an answer to an earlier request is told apart. */
  readonly request: number;
  /** The first entry wanted; 0 if only the term is. */
  readonly first: Index;
  /** The last entry wanted, inclusive; 0 if only the term is. */
  readonly last: Index;
}

/** The answer to {@link RepairRequest}. */
export interface RepairReply {
  /** Which message it is. */
  readonly type: "repairReply";
  /** The term that the sender is in. */
  readonly term: Term;
  /** The sender. */
  readonly from: NodeId;
  /** {@link RepairRequest.request} of the request. */
  readonly request: number;
  /** Whether the sender leads in `term`. */
  readonly leads: boolean;
  /** The sender's commit index. */
  readonly commitIndex: Index;
  /** Index of the sender's last entry. */
  readonly lastIndex: Index;
  /** The members and learners that the sender knows. */
  readonly members: readonly NodeId[];
  /** Term of the entry before the first of the entries; 0 if there is none, or the sender does not know it. */
  readonly prevTerm: Term;
  /** The wanted entries that the sender has, in order. */
  readonly entries: readonly LogEntry[];
}

/** A node with a damaged snapshot asks a peer for one, or for the next piece of it. */
export interface SnapshotRequest {
  /** Which message it is. */
  readonly type: "snapshotRequest";
  /** The term that the sender is in. */
  readonly term: Term;
  /** The sender. */
  readonly from: NodeId;
  /** A number to return, by which an answer to an earlier request is told apart. */
  readonly request: number;
  /** The index of the damaged snapshot: an earlier one is of no use. */
  readonly least: Index;
  /** The term at that index; 0 if the sender cannot tell. */
  readonly leastTerm: Term;
  /** The index of the wanted snapshot; 0 for any. */
  readonly index: Index;
  /** Where in its data the piece begins, in bytes. */
  readonly offset: number;
}

/** The answer to {@link SnapshotRequest}. */
export interface SnapshotReply {
  /** Which message it is. */
  readonly type: "snapshotReply";
  /** The term that the sender is in. */
  readonly term: Term;
  /** The sender. */
  readonly from: NodeId;
  /** What {@link SnapshotRequest.request} said. */
  readonly request: number;
  /** The snapshot, with a piece of its data. Only the meta of the first piece counts. */
  readonly snapshot: Snapshot;
  /** Where in the snapshot's data the piece belongs, in bytes. */
  readonly offset: number;
  /** Whether the piece is the last one. */
  readonly done: boolean;
}

/** A node that does not lead asks the leader up to where its state machine must get before it may answer reads. */
export interface ReadRequest {
  /** Which message it is. */
  readonly type: "readRequest";
  /** The term in which the sender knows the leader. */
  readonly term: Term;
  /** The sender. */
  readonly from: NodeId;
  /** A number to return. A node repeats it until it is answered, and then uses another. */
  readonly request: number;
}

/** The answer to {@link ReadRequest}. */
export interface ReadReply {
  /** Which message it is. */
  readonly type: "readReply";
  /** The term that the sender is in. */
  readonly term: Term;
  /** The sender. */
  readonly from: NodeId;
  /** What {@link ReadRequest.request} said. */
  readonly request: number;
  /** Up to where the state machine must get; 0 if the request is refused. */
  readonly index: Index;
  /** Whether the request is refused, because the sender does not lead in the request's term. */
  readonly isRefused: boolean;
}

/** Why a leader refuses a proposal that another node has forwarded: the codes of errors. */
export type ProposalRefusal = "NOT_LEADER" | "OVERLOADED" | "ENTRY_TOO_LARGE" | "NO_SPACE";

/** A node that does not lead passes a command on to the leader. */
export interface ProposeRequest {
  /** Which message it is. */
  readonly type: "proposeRequest";
  /** The term in which the sender knows the leader. */
  readonly term: Term;
  /** The sender. */
  readonly from: NodeId;
  /** A number that the sender has made when it started. Its requests have greater ones. */
  readonly session: number;
  /** A number to return. It is sent once: a leader ignores the second of two requests with the same number. */
  readonly request: number;
  /** The command. */
  readonly command: Uint8Array<ArrayBuffer>;
}

/** The answer to {@link ProposeRequest}. */
export interface ProposeReply {
  /** Which message it is. */
  readonly type: "proposeReply";
  /** The term that the sender is in; if the command was taken, also the entry's. */
  readonly term: Term;
  /** The sender. */
  readonly from: NodeId;
  /** What {@link ProposeRequest.request} said. */
  readonly request: number;
  /** Where the command is in the log; 0 if it is refused. */
  readonly index: Index;
  /** Why the command is refused; `null` if it was taken. */
  readonly refusal: ProposalRefusal | null;
}

/** What nodes say to each other. */
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
 * Who sent a message.
 *
 * @param message Any message.
 * @returns The sender, which every message names.
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
