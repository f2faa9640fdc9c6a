/**
 * Everything that a node knows, in one object. What is done with it is in the files beside this one, by subject.
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

/** Leadership that is being handed over. */
export interface Transfer {
  /** Who is to lead. */
  readonly target: NodeId;
  /** When that began, in ticks of this node. */
  readonly since: number;
}

/** A read that waits until it is known that the node still leads. */
export interface PendingRead {
  /** The application's name for it; of another node, the number of its request. */
  readonly id: number;
  /** The node that asked for it; `null` if it was this node's application. */
  readonly from: NodeId | null;
  /** The round of heartbeats that must be answered: one that had not begun when the read was asked for. */
  readonly round: number;
  /** Up to where the state machine must get; unknown until the leader has committed an entry of its own term. */
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
  /** What tells the requests of this process from those of earlier ones. */
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

/** What a damaged log lacks, and what was found of it. */
export interface Healing {
  /** Entries that cannot be read. */
  readonly missing: Set<Index>;
  /** Good copies of some of them. */
  readonly good: Map<Index, LogEntry>;
  /** Whether there may have been entries behind the last. */
  readonly isTailLost: boolean;
  /** Whether the snapshot cannot be read. */
  isSnapshotLost: boolean;
  /** Of the snapshot that is fetched instead, what has arrived; `null` while none is. */
  fetched: IncomingSnapshot | null;
  /** Whether the latest term and vote are lost. */
  isHardStateLost: boolean;
  /**
   * From here on, a leader of this node's term had something else, or nothing: what there is was never committed. Nor
   * will it be by this node's having it, which takes nothing and acknowledges nothing meanwhile.
   */
  droppableFrom: Index;
  /** Whether it is known who belongs to the cluster: the log can tell, or another says that this node does. */
  isMembershipKnown: boolean;
  /** The terms that others were in, asked since this node started. */
  readonly terms: Map<NodeId, Term>;
  /** The members, as far as this node knows: as its configuration, its log, or one of them says. They are asked. */
  readonly peers: Set<NodeId>;
  /** Who claims to lead, and is asked too; `null` if nobody has. */
  leader: NodeId | null;
  /** By which answers to this node are told from answers to what it asked before it last crashed. */
  readonly request: number;
}

/** Who belongs to the cluster as long as the log does not say. */
function initialMembers({ id, peers, joining }: CheckedConfig): NodeId[] {
  return joining ? [] : sortedIds([id, ...peers]);
}

/** Reads who belongs to the cluster: from the log, or as the node was told if that does not say. */
export function readMembership(log: RaftLog, config: CheckedConfig): MembershipHistory {
  return new MembershipHistory(log, initialMembers(config), config.addresses);
}

/** The last index that the state machine has applied when the node starts. */
function startIndex({ applied }: CheckedConfig, { snapshotIndex, lastIndex }: RaftLog): Index {
  if (applied === 0 || (applied >= snapshotIndex && applied <= lastIndex)) return Math.max(applied, snapshotIndex);
  const found = applied < snapshotIndex
    ? `the snapshot at index ${snapshotIndex} has replaced what follows it; restore that and pass its index`
    : `the log ends at index ${lastIndex}; it is another log, or has lost its end`;
  throw new WalLogError("INVALID_ARGUMENT", `Cannot make a node with applied index ${applied}: ${found}`);
}

/** Everything that a node knows. */
export class RaftState {
  /** How the node is to behave. */
  readonly config: CheckedConfig;
  /** The log, to be read. */
  readonly log: RaftLog;
  /** The log, to be written. */
  readonly writer: LogWriter;
  /** What stays in the log behind a snapshot. */
  readonly trailing: Trailing;
  /** Who belongs to the cluster. */
  membership: MembershipHistory;
  /** Where election timeouts come from. */
  readonly random: SplitMix64;

  /** What the node is. */
  role: Role = "follower";
  /** The latest term that the node has seen; the log's hard state says the same. */
  term: Term;
  /** Whom the node voted for in that term. */
  votedFor: NodeId | null;
  /** Who leads in that term, as far as the node knows. */
  leader: NodeId | null = null;
  /** What the application was last told of that; at first, what a new node is. */
  announced: Omit<LeaderChangedAction, "type">;
  /** Up to here entries are committed. */
  commitIndex: Index;
  /** Up to here they were given to the application. */
  lastApplied: Index;
  /** The size of the commands that the step under way has handed out, in bytes. */
  appliedBytes = 0;

  /** Ticks since the node was made. */
  now = 0;
  /** When the flush under way began, in ticks; `undefined` if none is. */
  flushingSince: number | undefined;
  /** Ticks since a sign of a leader, or since an election began; a leader does not count them. */
  elapsed = 0;
  /** After so many of those, an election is due. */
  electionTimeout: number;
  /** Who would vote for the node, while it asks; `null` while it does not. */
  preVotes: Set<NodeId> | null = null;
  /** Who has voted for the node, while it is a candidate. */
  votes: Set<NodeId> = new Set();

  /** Of a leader: ticks since it last gave a sign of life. */
  sinceHeartbeat = 0;
  /** Of a leader: what it knows of the others. */
  progress: Map<NodeId, Progress> = new Map();
  /** Of a leader: uncommitted commands of its term. */
  readonly uncommitted: Outstanding = new Outstanding();
  /** Of a leader: where the last command that it took has come. */
  proposed: { readonly index: Index; readonly term: Term } = { index: 0, term: 0 };
  /** Of a leader: to whom it is handing over. */
  transfer: Transfer | null = null;
  /** Of a leader: reads that wait. */
  reads: PendingRead[] = [];
  /** Of a follower: reads for which it asks the leader. */
  readonly forwardedReads: ForwardedReads;
  /** Of a follower: commands that it has passed on. */
  readonly forwardedProposals: ForwardedProposals;
  /** Of a leader: who has passed commands on. */
  readonly proposers: Map<NodeId, Proposer> = new Map();
  /** Of a leader: rounds of heartbeats begun for the sake of reads. */
  round = 0;
  /** Of a leader: ticks since it last counted who was heard from. */
  sinceQuorum = 0;
  /** Of a follower: the snapshot that arrives in pieces. */
  incoming: IncomingSnapshot | null = null;
  /** Whether a snapshot was installed that could not be opened yet for the application. Until then nothing is applied. */
  isUnrestored = false;
  /** Ends the node, and returns the error that says so. */
  fail: (cause: unknown) => unknown = (cause) => cause;

  /** What the log is; `undefined` if it does not say. */
  origin: Origin | undefined;
  /** The cluster that the log will belong to if it takes something from the message under way. */
  joins: string | undefined;
  /** The incarnations of members' logs, as this node first heard from them. The configuration says more, once it has them. */
  readonly seen: Map<NodeId, string> = new Map();
  /** Members of whom this node knows that their logs are behind what they acknowledged. */
  readonly lost: Set<NodeId> = new Set();
  /** What the application was told of nodes that are refused or have lost their logs. */
  readonly told: Told = new Told();

  /** Where the damaged snapshots of members were made, as they said since this node started. */
  readonly damagedSnapshots: Map<NodeId, { readonly index: Index; readonly term: Term }> = new Map();
  /** The snapshot that nodes fetch whose own is damaged, and when one last did; `null` if none does. */
  served: { readonly source: SnapshotSource; since: number } | null = null;
  /** The snapshots that are open because they are sent. */
  readonly sources: Set<SnapshotSource> = new Set();

  /** What the log lacks; `null` if it is whole. While it is not, nothing else here is to be relied on. */
  healing: Healing | null = null;

  /** What the step under way wants done. */
  actions: Action[] = [];

  /**
   * Makes the state of a node that starts, over what its log has.
   *
   * @param config How the node is to behave.
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

  /** Who votes. */
  get members(): readonly NodeId[] {
    return this.membership.latest.members;
  }

  /** Everyone but this node who is sent entries: members, then learners. */
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

  /** Wants a message sent. */
  send(to: NodeId, message: Message): void {
    this.actions.push({ type: "send", to, message });
  }
}
