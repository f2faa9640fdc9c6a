/**
 * The configuration of a node.
 *
 * @module
 */

import type { Index, NodeId } from "../api/types.ts";
import type { SendAction } from "./actions.ts";

/** The configuration of a node. It should be the same on all nodes of a cluster, except `id`, `peers` and `seed`. */
export interface RaftConfig {
  /** The id of this node: an unsigned 64-bit number that no other node of the cluster has ever had. */
  readonly id: NodeId;
  /** The other initial members of the cluster. The configuration in the log takes precedence. Default: none. */
  readonly peers?: readonly NodeId[];
  /**
   * The addresses of the initial members, in any format. Addresses in the log take precedence. A leader writes them to
   * the log with its first configuration, at the latest with `noOp`. Default: no addresses.
   */
  readonly addresses?: ReadonlyMap<NodeId, string>;
  /**
   * Whether the node joins an existing cluster. A joining node waits until its log lists it as a member. Otherwise, a
   * node with an empty log counts itself as a member of a new cluster. Default: no.
   */
  readonly joining?: boolean;
  /**
   * The range of the election timeout. A follower that hears from no leader for one timeout starts an election. The
   * node draws each timeout from this range. In ticks; default 10 to 20.
   */
  readonly electionTimeout?: readonly [minimum: number, maximum: number];
  /**
   * The interval between a leader's heartbeats. In ticks. Keep it well below the minimum election timeout; it must not
   * exceed the maximum. Default 3.
   */
  readonly heartbeatInterval?: number;
  /** The maximum number of entries in a message, at most 65,536. Default 64. */
  readonly maxBatch?: number;
  /**
   * The maximum size of the commands in a message, in bytes. A message has at least one entry. Default: no limit but
   * `maxMessageBytes`.
   */
  readonly maxBatchBytes?: number;
  /**
   * The maximum size of a message that the transport accepts, in bytes. The node keeps batches and snapshot pieces
   * below it, and rejects a larger command with `ENTRY_TOO_LARGE`. Default: 64 MiB and 64 KiB, the limit of
   * `TcpTransport`.
   */
  readonly maxMessageBytes?: number;
  /**
   * The maximum size of a leader's uncommitted commands, in bytes. Each command counts 64 bytes more. The leader
   * rejects further commands with `OVERLOADED`, but accepts at least one. Default: no limit.
   */
  readonly maxUncommittedBytes?: number;
  /**
   * The maximum number of messages with entries in flight to a node. At the limit, the leader sends the node only
   * heartbeats until it answers. The leader sends lost entries again once. Default: 1024 with `maxBatchBytes`.
   * Otherwise there is no limit, and the leader answers every rejection with a batch, as in the recorded traces.
   */
  readonly maxInflightMessages?: number;
  /**
   * The maximum size of the commands in flight to a node, in bytes. At least one message may be in flight. It has an
   * effect only with `maxInflightMessages`. Default: 4 MiB.
   */
  readonly maxInflightBytes?: number;
  /**
   * The maximum size of the commands that a step returns for applying, in bytes. A step returns at least one command.
   * Each command counts 64 bytes more. Later steps return the others: see `MoreToApplyAction`. Default: 4 MiB.
   */
  readonly maxApplyBytes?: number;
  /**
   * The last index that the state machine has applied, for a state machine that is itself durable. The node returns the
   * commands after it. Default 0: the state machine begins with the log's snapshot.
   */
  readonly applied?: Index;
  /**
   * The number of applied entries after which the node suggests a snapshot, with `SnapshotAction`. Default 0: never.
   */
  readonly snapshotThreshold?: number;
  /**
   * The size of the pieces of a snapshot in messages, in bytes. It limits the size of messages, and so the memory.
   * Default 0: one message, or pieces of 1 MiB if the snapshot does not fit into one message.
   */
  readonly snapshotChunkBytes?: number;
  /**
   * The maximum size of a snapshot that the node takes or accepts, in bytes of data. The node rejects a larger one with
   * `INVALID_ARGUMENT`, at the first piece beyond the limit. It should be the same on all nodes. Default: 1 GiB.
   */
  readonly maxSnapshotBytes?: number;
  /**
   * The number of the newest applied entries that stay in the log after a snapshot. Only entries applied since the node
   * started are kept. A node that lacks only these gets entries instead of a snapshot. The log's retention has the name
   * `raft`. Default 0: snapshots replace all entries, as in the recorded traces. Services should set 10,000.
   */
  readonly trailingEntries?: number;
  /** The maximum size of the commands among `trailingEntries`, in bytes. Default: 64 MiB. */
  readonly trailingBytes?: number;
  /** The seed of the random election timeouts. Only its low 64 bits count. Default: the id. */
  readonly seed?: bigint;
  /** Whether a leader steps down if it hears from no majority for the minimum election timeout. Default: no. */
  readonly checkQuorum?: boolean;
  /** Whether the node reports changes of its role and of its known leader with `LeaderChangedAction`. Default: no. */
  readonly announceLeader?: boolean;
  /**
   * Whether a leader gives learners a vote after they catch up. Otherwise they stay learners (read replicas) until
   * `addServer` gives them a vote or `replaceServer` names them. Default: yes.
   */
  readonly promoteLearners?: boolean;
  /**
   * Whether a follower forwards reads: it asks the leader for the index that it must apply first. Otherwise it rejects
   * reads with `NOT_LEADER`. A leader always answers such requests. Default: no.
   */
  readonly forwardReads?: boolean;
  /**
   * Whether a follower forwards commands to the leader, if they have an id: see `ProposeEvent.id`. Otherwise it rejects
   * them with `NOT_LEADER`. A leader always accepts such requests. Default: no.
   */
  readonly forwardProposals?: boolean;
  /** Whether a new leader appends an empty entry, so that entries of earlier terms commit. Default: no. */
  readonly noOp?: boolean;
  /**
   * Whether a removed node may still start an election while it does not know that its removal is committed. Otherwise,
   * no node can lead a cluster of two after its leader removes itself and crashes. To avoid that, transfer the
   * leadership before removing a leader. Default: no.
   */
  readonly finishRemoval?: boolean;
  /**
   * The time limit of a leadership transfer, in ticks. During a transfer, the leader rejects requests with
   * `NOT_LEADER`. After the limit, it stays the leader, and reports `TransferFailedAction`. With 0, there is no limit
   * for a target that lacks entries, and the leader accepts requests again as soon as it has sent `timeoutNow` to the
   * target, as in the recorded traces. Default: the minimum election timeout with `checkQuorum`, otherwise 0.
   */
  readonly transferTimeout?: number;
  /**
   * Whether the node ignores four kinds of messages: answers to requests that it did not send; a leadership transfer
   * from a node that is neither a member nor the leader; messages from a second leader in a term; and answers from a
   * member that has lost its log, see `MemberLostAction`. Without this option, a node outside the cluster can have its
   * vote counted, and can end a leadership, as in the recorded traces. Services should set it. Default: as
   * `checkQuorum`.
   */
  readonly strictMembership?: boolean;
  /**
   * Sends a leader's entries, heartbeats and snapshots before its own flush is complete, so that the flushes of all
   * nodes overlap. The leader counts itself toward a majority after its flush (Ongaro's dissertation, 10.2.1). It steps
   * down if a flush takes as long as the minimum election timeout, unless it is the only member. All other actions wait
   * for the flush, as usual.
   *
   * It works only with {@link RaftNode.stepAsync}. The node calls it before and during the flush, with messages that
   * would otherwise be {@link SendAction}s of a step. It must not throw. Default: all actions wait for the flush.
   */
  readonly sendAhead?: (send: SendAction) => void;
}
