/**
 * The whole state of a node, in one object. The files beside this one work on it, each on one subject.
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

/** Memory that a command takes beside its bytes, roughly: empty commands must count too. */
export const ACTION_BYTES = 64;

/** A transfer of leadership. */
export interface Transfer {
  /** The next leader. */
  readonly target: NodeId;
  /** The time of its start, in ticks of this node. */
  readonly since: number;
}

/** A read that waits until it is known that the node still leads. */
export interface PendingRead {
  /** The application's name for it; of another node, the number of its request. */
  readonly id: number;
  /** The node that asked for it; `null` if it was this node's application. */
  readonly from: NodeId | null;
  /** The round of heartbeats that a majority must answer. It begins after the request for the read. */
  readonly round: number;
  /** The index that the state machine must reach. Unknown until the leader has committed an entry of its own term. */
  index: Index | undefined;
}

/** Reads of a node that does not lead. */
export interface ForwardedReads {
  /** The leader that is asked, and its term. */
  leader: NodeId | null;
  term: Term;
  /** The number of the latest request. */
  request: number;
  /** When that was last sent, in ticks. */
  sentAt: number;
  /** The reads that it asks for. */
  asked: number[];
  /** Reads that were asked for later: the answer to a request that was sent before says nothing of them. */
  waiting: number[];
  /** Reads that were answered, and wait until enough is applied. */
  answered: { readonly ids: readonly number[]; readonly index: Index }[];
}

/** Commands that a node has passed on to the leader. */
export interface ForwardedProposals {
  /** The leader that has them, and its term. */
  leader: NodeId | null;
  term: Term;
  /** A number that distinguishes the requests of this process from those of earlier ones. */
  readonly session: number;
  /** The number of the latest request. */
  request: number;
  /** Those without an answer, by request: the application's name, and when the request was sent, in ticks. */
  readonly pending: Map<number, { readonly id: number; readonly sentAt: number }>;
}

/** Requests of another node that a leader has seen. */
export interface Proposer {
  /** The latest session, and those before it. */
  readonly session: number;
  readonly earlier: readonly number[];
  /** The greatest request of the latest session. */
  greatest: number;
  /** Those that are not far below. */
  readonly seen: Set<number>;
}

/** The damage of a log, and the parts that were recovered. */
export interface Healing {
  /** Entries that cannot be read. */
  readonly missing: Set<Index>;
  /** Good copies of some of them. */
  readonly good: Map<Index, LogEntry>;
  /** Whether entries after the last one may be lost. */
  readonly isTailLost: boolean;
  /** Whether the snapshot cannot be read. */
  isSnapshotLost: boolean;
  /** The pieces of the replacement snapshot that have arrived; `null` if none is being fetched. */
  fetched: IncomingSnapshot | null;
  /** Whether the latest term and vote are lost. */
  isHardStateLost: boolean;
  /**
   * From this index on, a leader of this node's term had other entries, or none, so this log's entries were not committed.
   * They cannot become committed now, because a damaged node acknowledges nothing.
   */
  droppableFrom: Index;
  /** Whether the members are known: from the log, or from a node that counts this one as a member. */
  isMembershipKnown: boolean;
  /** The terms that other nodes have reported since this node started. */
  readonly terms: Map<NodeId, Term>;
  /** The members that this node asks: from its configuration, its log, or the answers of members. */
  readonly peers: Set<NodeId>;
  /** The node that claims to lead, which is asked too; `null` if there is none. */
  leader: NodeId | null;
  /** The number of this node's requests. It tells answers to requests from before the last crash apart. */
  readonly request: number;
}

/** The members of the cluster until the log has a configuration. */
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

/** The state of a node. */
export class RaftState {
  /** The configuration of the node. */
  readonly config: CheckedConfig;
  /** The log, to be read. */
  readonly log: RaftLog;
  /** The log, to be written. */
  readonly writer: LogWriter;
  /** The entries that stay in the log below a snapshot. */
  readonly trailing: Trailing;
  /** The membership of the cluster. */
  membership: MembershipHistory;
  /** The source of random election timeouts. */
  readonly random: SplitMix64;

  /** The role of the node. */
  role: Role = "follower";
  /** The latest term that the node has seen; the log's hard state says the same. */
  term: Term;
  /** The node's vote in that term. */
  votedFor: NodeId | null;
  /** The leader of that term, if the node knows it. */
  leader: NodeId | null = null;
  /** The role and leader last announced to the application; initially, those of a new node. */
  announced: Omit<LeaderChangedAction, "type">;
  /** The last committed index that the node knows. */
  commitIndex: Index;
  /** The last index whose command was given to the application. */
  lastApplied: Index;
  /** The size of the commands that the step under way has handed out, in bytes. */
  appliedBytes = 0;

  /** Ticks since the node was made. */
  now = 0;
  /** When the flush under way began, in ticks; `undefined` if none is. */
  flushingSince: number | undefined;
  /** Ticks since a leader was heard, or since an election began; a leader does not count them. */
  elapsed = 0;
  /** The value of `elapsed` at which an election is due. */
  electionTimeout: number;
  /** The nodes that would vote for this node, during a pre-vote; `null` otherwise. */
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
  /** Of a leader: the transfer of leadership under way. */
  transfer: Transfer | null = null;
  /** Of a leader: reads that wait. */
  reads: PendingRead[] = [];
  /** Of a follower: reads for which it asks the leader. */
  readonly forwardedReads: ForwardedReads;
  /** Of a follower: commands that it has passed on. */
  readonly forwardedProposals: ForwardedProposals;
  /** Of a leader: the nodes that have forwarded commands. */
  readonly proposers: Map<NodeId, Proposer> = new Map();
  /** Of a leader: the number of the last round of heartbeats that asks for confirmation. */
  round = 0;
  /** Of a leader: ticks since its last check of the quorum. */
  sinceQuorum = 0;
  /** Of a follower: the snapshot that arrives in pieces. */
  incoming: IncomingSnapshot | null = null;
  /** Whether an installed snapshot could not be opened for the application yet. Until then, nothing is applied. */
  isUnrestored = false;
  /** Ends the node, and returns the error that says so. */
  fail: (cause: unknown) => unknown = (cause) => cause;

  /** The identity of the log; `undefined` if it has none. */
  origin: Origin | undefined;
  /** The cluster that the log joins if it takes entries or a snapshot from the message under way. */
  joins: string | undefined;
  /** The incarnations of members' logs, as this node first heard them. Those in the configuration take precedence. */
  readonly seen: Map<NodeId, string> = new Map();
  /** Members whose logs are known to lack entries that they acknowledged. */
  readonly lost: Set<NodeId> = new Set();
  /** The refused nodes and lost members that were reported to the application. */
  readonly told: Told = new Told();

  /** The index and term of members' damaged snapshots, as reported since this node started. */
  readonly damagedSnapshots: Map<NodeId, { readonly index: Index; readonly term: Term }> = new Map();
  /** The snapshot that nodes with a damaged one fetch, and the time of the last request; `null` if none does. */
  served: { readonly source: SnapshotSource; since: number } | null = null;
  /** The snapshots that are open for sending. */
  readonly sources: Set<SnapshotSource> = new Set();

  /** The damage of the log; `null` if there is none. While there is, the other fields cannot be relied on. */
  healing: Healing | null = null;

  /** The actions of the step under way. */
  actions: Action[] = [];

  /**
   * Makes the state of a node that starts, from its log.
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

  /** This node. */
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

  /** Whether those are a majority: members all, for only members are asked, and a change of members ends the asking. */
  isQuorum(ids: ReadonlySet<NodeId>): boolean {
    return ids.size > this.members.length / 2;
  }

  /** An election timeout. */
  drawTimeout(): number {
    const [minimum, maximum] = this.config.electionTimeout;
    return this.random.between(minimum, maximum);
  }

  /**
   * Reads from the log. A read that the operating system refuses becomes a `logFailed` action.
   *
   * @param read Reads.
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

  /** Adds an action that sends a message. */
  send(to: NodeId, message: Message): void {
    this.actions.push({ type: "send", to, message });
  }
}
