/**
 * The whole state of a node, in one object. Other files have the functions that use it, by subject.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Index, LogEntry, NodeId, RaftLog, SnapshotSource, Term } from "../api/types.ts";
import type { CheckedConfig } from "./config.ts";
import type { IncomingSnapshot } from "./incoming_snapshot.ts";
import { LogWriter } from "./log_writer.ts";
import { MembershipHistory, sortedIds } from "./membership.ts";
import type { Message } from "./messages.ts";
import { type Origin, originOf } from "./origin.ts";
import { Outstanding } from "./outstanding.ts";
import type { Progress } from "./progress.ts";
import { SplitMix64, unpredictable } from "./rng.ts";
import { Told } from "./told.ts";
import { Trailing } from "./trailing.ts";
import type { Action, LeaderChangedAction, Role } from "./actions.ts";

/** The approximate memory of a command in addition to its bytes. Empty commands must count too. */
export const ACTION_BYTES = 64;

/** A leadership transfer in progress. */
export interface Transfer {
  /** The next leader. */
  readonly target: NodeId;
  /** The time when it began, in ticks of this node. */
  readonly since: number;
}

/** A read that waits for a confirmation that the node is still the leader. */
export interface PendingRead {
  /** The application's id for it; for a read of another node, the number of its request. */
  readonly id: number;
  /** The node that requested it; `null` for this node's application. */
  readonly from: NodeId | null;
  /** The round of heartbeats that a majority must answer. It begins after the request for the read. */
  readonly round: number;
  /**
   * The index that the state machine must have applied; unknown until the leader has committed an entry of its own
   * term.
   */
  index: Index | undefined;
}

/** Reads of a node that is not the leader. */
export interface ForwardedReads {
  /** The leader that got the request, and its term. */
  leader: NodeId | null;
  term: Term;
  /** The number of the latest request. */
  request: number;
  /** The time when that was last sent, in ticks. */
  sentAt: number;
  /** The reads that it covers. */
  asked: number[];
  /** Reads that arrived later. The answer to a request that was sent earlier does not cover them. */
  waiting: number[];
  /** Answered reads that wait until their index is applied. */
  answered: { readonly ids: readonly number[]; readonly index: Index }[];
}

/** Commands that a node has forwarded to the leader. */
export interface ForwardedProposals {
  /** The leader that got them, and its term. */
  leader: NodeId | null;
  term: Term;
  /** The number of this process's session. It distinguishes its requests from those of earlier processes. */
  readonly session: number;
  /** The number of the latest request. */
  request: number;
  /** Requests without an answer: the application's id for each, and the time when it was sent, in ticks. */
  readonly pending: Map<number, { readonly id: number; readonly sentAt: number }>;
}

/** Requests from another node that a leader has received. */
export interface Proposer {
  /** The latest session, and the earlier ones. */
  readonly session: number;
  readonly earlier: readonly number[];
  /** The greatest request number of the latest session. */
  greatest: number;
  /** The recent request numbers of the latest session. */
  readonly seen: Set<number>;
}

/** The damage of a log, and the parts that were recovered. */
export interface Healing {
  /** Unreadable entries. */
  readonly missing: Set<Index>;
  /** Good copies of some of them. */
  readonly good: Map<Index, LogEntry>;
  /** Whether the log may have had entries after the last readable one. */
  readonly isTailLost: boolean;
  /** Whether the snapshot is unreadable. */
  isSnapshotLost: boolean;
  /** The received pieces of the replacement snapshot; `null` if none is being fetched. */
  fetched: IncomingSnapshot | null;
  /** Whether the latest term and vote are lost. */
  isHardStateLost: boolean;
  /**
   * From this index on, a leader of this node's term had other entries, or none. So this log's entries were not
   * committed. They cannot become committed now, because a damaged node acknowledges nothing.
   */
  droppableFrom: Index;
  /** Whether the members are known: from the log, or from a node whose configuration has this node as a member. */
  isMembershipKnown: boolean;
  /** The terms that other nodes have reported since this node started. */
  readonly terms: Map<NodeId, Term>;
  /** The members that this node asks: from its configuration, its log, or the answers of members. */
  readonly peers: Set<NodeId>;
  /** The node that claims to be the leader, which is asked too; `null` if there is none. */
  leader: NodeId | null;
  /**
   * The number of this node's requests. It distinguishes their answers from answers to requests before the last crash.
   */
  readonly request: number;
}

/** Returns the members of the cluster until the log has a configuration. */
function initialMembers({ id, peers, joining }: CheckedConfig): NodeId[] {
  return joining ? [] : sortedIds([id, ...peers]);
}

/** Reads the members of the cluster from the log, or from the node's configuration if the log has none. */
export function readMembership(log: RaftLog, config: CheckedConfig): MembershipHistory {
  return new MembershipHistory(log, initialMembers(config), config.addresses);
}

/** The last index that the state machine has applied when the node starts. */
function startIndex({ applied }: CheckedConfig, { snapshotIndex, lastIndex }: RaftLog): Index {
  if (applied === 0 || (applied >= snapshotIndex && applied <= lastIndex)) return Math.max(applied, snapshotIndex);
  const found = applied < snapshotIndex
    ? `the snapshot at index ${snapshotIndex} has replaced the entries after it; restore it and pass its index`
    : `the log ends at index ${lastIndex}; it is the wrong log, or has lost its newest entries`;
  throw new WalLogError("INVALID_ARGUMENT", `Cannot make a node with applied index ${applied}: ${found}`);
}

/** The whole state of a node. */
export class RaftState {
  /** The node's configuration. */
  readonly config: CheckedConfig;
  /** The log, for reading. */
  readonly log: RaftLog;
  /** The log, for writing. */
  readonly writer: LogWriter;
  /** The entries that stay in the log after a snapshot. */
  readonly trailing: Trailing;
  /** The configurations of the cluster. */
  membership: MembershipHistory;
  /** The source of random election timeouts. */
  readonly random: SplitMix64;

  /** The node's role. */
  role: Role = "follower";
  /** The latest term that the node has seen, as in the log's hard state. */
  term: Term;
  /** The node's vote in that term. */
  votedFor: NodeId | null;
  /** The leader of that term, if the node knows it. */
  leader: NodeId | null = null;
  /** The role and leader last announced to the application; initially, those of a new node. */
  announced: Omit<LeaderChangedAction, "type">;
  /** The last committed index that the node knows. */
  commitIndex: Index;
  /** The last index that was handed to the application. */
  lastApplied: Index;
  /** The size of the commands that the step in progress has returned, in bytes. */
  appliedBytes = 0;

  /** Ticks since the node was made. */
  now = 0;
  /** The time when the flush in progress began, in ticks; `undefined` if there is none. */
  flushingSince: number | undefined;
  /** Ticks since the node heard from a leader, or since an election began. A leader does not count them. */
  elapsed = 0;
  /** The value of `elapsed` at which an election is due. */
  electionTimeout: number;
  /** The nodes that would vote for this node, during a pre-vote; otherwise `null`. */
  preVotes: Set<NodeId> | null = null;
  /** The nodes that have voted for this node, while it is a candidate. */
  votes: Set<NodeId> = new Set();

  /** Of a leader: ticks since its last heartbeat. */
  sinceHeartbeat = 0;
  /** Of a leader: the progress of the other nodes. */
  progress: Map<NodeId, Progress> = new Map();
  /** Of a leader: uncommitted commands of its term. */
  readonly uncommitted: Outstanding = new Outstanding();
  /** Of a leader: the index and term of the last command that it took. */
  proposed: { readonly index: Index; readonly term: Term } = { index: 0, term: 0 };
  /** Of a leader: the leadership transfer in progress. */
  transfer: Transfer | null = null;
  /** Of a leader: reads that wait for a confirmation. */
  reads: PendingRead[] = [];
  /** Of a follower: reads for which it asks the leader. */
  readonly forwardedReads: ForwardedReads;
  /** Of a follower: commands that it has forwarded. */
  readonly forwardedProposals: ForwardedProposals;
  /** Of a leader: the nodes that have forwarded commands. */
  readonly proposers: Map<NodeId, Proposer> = new Map();
  /** Of a leader: the number of the last round of heartbeats that asks for confirmation. */
  round = 0;
  /** Of a leader: ticks since its last check of the quorum. */
  sinceQuorum = 0;
  /** Of a follower: the snapshot in transfer to it. */
  incoming: IncomingSnapshot | null = null;
  /** Whether the node could not yet open an installed snapshot for the application. Until then, nothing is applied. */
  isUnrestored = false;
  /** Ends the node, and returns the error with the reason. */
  fail: (cause: unknown) => unknown = (cause) => cause;

  /** The identity of the log; `undefined` if it has none. */
  origin: Origin | undefined;
  /** The cluster that the log joins if it accepts entries or a snapshot from the present message. */
  joins: string | undefined;
  /** The incarnations of members' logs, as first heard by this node. Those in the configuration take precedence. */
  readonly seen: Map<NodeId, string> = new Map();
  /** Members whose logs are known to lack acknowledged entries. */
  readonly lost: Set<NodeId> = new Set();
  /** The refused nodes and lost members that were reported to the application. */
  readonly told: Told = new Told();

  /** The index and term of members' damaged snapshots, as reported since this node started. */
  readonly damagedSnapshots: Map<NodeId, { readonly index: Index; readonly term: Term }> = new Map();
  /** The snapshot that nodes with a damaged one fetch, and the time of the last request; `null` if there is none. */
  served: { readonly source: SnapshotSource; since: number } | null = null;
  /** The snapshots that are open for sending. */
  readonly sources: Set<SnapshotSource> = new Set();

  /** The damage of the log; `null` if there is none. While the log is damaged, the other fields are not reliable. */
  healing: Healing | null = null;

  /** The actions of the step in progress. */
  actions: Action[] = [];

  /**
   * Makes the state of a node from its log.
   *
   * @param config The configuration of the node.
   * @param log Its log.
   */
  constructor(config: CheckedConfig, log: RaftLog) {
    this.config = config;
    this.log = log;
    this.origin = originOf(log);
    this.writer = new LogWriter(log);
    this.membership = readMembership(log, config);
    this.random = new SplitMix64(config.seed);
    this.electionTimeout = this.drawTimeout();
    ({ term: this.term, votedFor: this.votedFor } = log.hardState);
    this.announced = { term: this.term, leader: null, role: "follower" };
    this.commitIndex = this.lastApplied = startIndex(config, log);
    this.trailing = new Trailing(log, config);
    const [leader, term, sentAt] = [null, this.term, 0];
    this.forwardedReads = { leader, term, sentAt, request: unpredictable(), asked: [], waiting: [], answered: [] };
    const session = unpredictable();
    this.forwardedProposals = { leader, term, session, request: session, pending: new Map() };
  }

  /** The id of this node. */
  get id(): NodeId {
    return this.config.id;
  }

  /** The voting members. */
  get members(): readonly NodeId[] {
    return this.membership.latest.members;
  }

  /** The other nodes that get entries: members, then learners. */
  get others(): NodeId[] {
    const { members, learners } = this.membership.latest;
    return [...members, ...learners].filter((id) => id !== this.id);
  }

  /** Whether this node votes. */
  get isMember(): boolean {
    return this.members.includes(this.id);
  }

  /**
   * Whether these ids are a majority. All of them are members: only members are asked, and a change of members ends the
   * election.
   */
  isQuorum(ids: ReadonlySet<NodeId>): boolean {
    return ids.size > this.members.length / 2;
  }

  /** Draws an election timeout. */
  drawTimeout(): number {
    const [minimum, maximum] = this.config.electionTimeout;
    return this.random.between(minimum, maximum);
  }

  /**
   * Reads from the log. A read that the operating system rejects becomes a `logFailed` action.
   *
   * @param read The function that reads.
   * @returns Its result; `undefined` if it failed.
   */
  tryRead<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof WalLogError && error.code === "IO")) throw error;
      this.actions.push({ type: "logFailed", error });
      return undefined;
    }
  }

  /** Adds the action to send a message. */
  send(to: NodeId, message: Message): void {
    this.actions.push({ type: "send", to, message });
  }
}
