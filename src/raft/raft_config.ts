/**
 * The configuration of a node.
 *
 * @module
 */

import type { Index, NodeId } from "../api/types.ts";
import type { SendAction } from "./actions.ts";

/** The configuration of a node. It should be the same on all nodes of a cluster, except `id`, `peers` and `seed`. */
export interface RaftConfig {
  /** This node: any unsigned 64-bit number that no other node of the cluster has had. */
  readonly id: NodeId;
  /** The other initial members of the cluster. The configuration in the log takes precedence. Default: none. */
  readonly peers?: readonly NodeId[];
  /**
   * The addresses of the initial members, in any form that the application understands. Addresses in the log take
   * precedence. They are written to the log with the first configuration that a leader appends, at the latest with
   * `noOp`. Default: none are known.
   */
  readonly addresses?: ReadonlyMap<NodeId, string>;
  /**
   * Whether the node joins an existing cluster: it waits until its log says that it is a member. Otherwise, a node with
   * an empty log counts itself as a member of a new cluster. Default: no.
   */
  readonly joining?: boolean;
  /**
   * A follower that hears from no leader for this long begins an election. Each timeout is drawn from this range. In
   * ticks; default 10 to 20.
   */
  readonly electionTimeout?: readonly [minimum: number, maximum: number];
  /**
   * The interval between a leader's heartbeats. In ticks, well below the least election timeout, and never above the
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
   * command that does not fit is refused with `ENTRY_TOO_LARGE`. Default: 64 MiB and 64 KiB, the limit of
   * `TcpTransport`.
   */
  readonly maxMessageBytes?: number;
  /**
   * The most bytes of uncommitted commands that a leader takes. Each command counts 64 bytes more. The leader refuses
   * further ones with `OVERLOADED`, but takes at least one. Default: no bound.
   */
  readonly maxUncommittedBytes?: number;
  /**
   * The most messages with entries on their way to a node. At this number, the leader sends the node only heartbeats
   * until it answers. Entries that were lost are sent again once. Default: 1024 with `maxBatchBytes`. Otherwise there
   * is no bound, and the leader answers every rejection with a batch, as the recorded traces do.
   */
  readonly maxInflightMessages?: number;
  /**
   * The most bytes of commands on their way to a node, but always at least one message. It has an effect only with
   * `maxInflightMessages`. Default: 4 MiB.
   */
  readonly maxInflightBytes?: number;
  /**
   * The most bytes of commands that a step returns for applying, but always at least one command. Each command counts
   * 64 bytes more. The rest comes with later steps: see `MoreToApplyAction`. Default: 4 MiB.
   */
  readonly maxApplyBytes?: number;
  /**
   * The last index that the state machine has applied, if it is itself durable. The node returns the commands after it.
   * Default 0: the state machine begins with the log's snapshot.
   */
  readonly applied?: Index;
  /**
   * The number of applied entries after which the node suggests a snapshot, with `SnapshotAction`. Default 0: never.
   */
  readonly snapshotThreshold?: number;
  /**
   * The size of the pieces in which snapshots are sent, in bytes. It limits the size of messages, and so the memory.
   * Default 0: whole, or in pieces of 1 MiB if a message cannot be so large.
   */
  readonly snapshotChunkBytes?: number;
  /**
   * The largest snapshot that the node makes or takes, in bytes of data. A larger one is refused with
   * `INVALID_ARGUMENT`, at the first piece beyond the limit. It should be the same on all nodes. Default: 1 GiB.
   */
  readonly maxSnapshotBytes?: number;
  /**
   * The number of newest applied entries that stay in the log although a snapshot covers them. Only entries applied
   * since the node started are kept. A node that lacks only these gets entries instead of a snapshot. The log's
   * retention has the name `raft`. Default 0: snapshots replace all entries, as in the recorded traces. Services should
   * set 10,000.
   */
  readonly trailingEntries?: number;
  /** The most bytes of commands among `trailingEntries`. Default: 64 MiB. */
  readonly trailingBytes?: number;
  /** The seed of the random election timeouts; its low 64 bits count. Default: the id. */
  readonly seed?: bigint;
  /** Whether a leader that has not heard from a majority for the least election timeout steps down. Default: no. */
  readonly checkQuorum?: boolean;
  /**
   * Whether the node reports changes of its role, or of the leader that it knows, with `LeaderChangedAction`. Default:
   * no.
   */
  readonly announceLeader?: boolean;
  /**
   * Whether a leader gives learners a vote once they have caught up. Otherwise they stay learners (read replicas) until
   * `addServer` gives them a vote or `replaceServer` names them. Default: yes.
   */
  readonly promoteLearners?: boolean;
  /**
   * Whether a node that does not lead forwards reads: it asks the leader for the index that it must apply first.
   * Otherwise it refuses reads with `NOT_LEADER`. A leader answers such requests in any case. Default: no.
   */
  readonly forwardReads?: boolean;
  /**
   * Whether a node that does not lead forwards commands to the leader, if they are proposed with an id: see
   * `ProposeEvent.id`. Otherwise it refuses them with `NOT_LEADER`. A leader takes such requests in any case. Default:
   * no.
   */
  readonly forwardProposals?: boolean;
  /** Whether a new leader appends an empty entry, so that entries of earlier terms commit. Default: no. */
  readonly noOp?: boolean;
  /**
   * Whether a removed node that does not know its removal to be committed may still begin an election. Otherwise, if
   * the leader of a cluster of two removes itself and crashes, nobody can lead the cluster. To avoid that, transfer the
   * leadership before removing a leader. Default: no.
   */
  readonly finishRemoval?: boolean;
  /**
   * The longest time of a transfer of leadership, in ticks. Meanwhile, the leader refuses requests with `NOT_LEADER`.
   * After it, the leader goes on leading, and reports `TransferFailedAction`. With 0, it waits without limit for a
   * target that lacks entries, and takes requests again as soon as it has told the target to begin, as the recorded
   * traces do. Default: the least election timeout with `checkQuorum`, otherwise 0.
   */
  readonly transferTimeout?: number;
  /**
   * Whether the node ignores answers that it has not asked for, a transfer of leadership by a node that is neither a
   * member nor the leader, a second leader in a term, and answers of a member that has lost its log: see
   * `MemberLostAction`. Without this, a node outside the cluster can have its vote counted, and can end a leadership,
   * as in the recorded traces. Services should set it. Default: as `checkQuorum`.
   */
  readonly strictMembership?: boolean;
  /**
   * Sends a leader's entries, heartbeats and snapshots before its own flush is done, so that the flushes of all nodes
   * overlap. The leader counts itself for a majority once its flush is done (Ongaro's dissertation, 10.2.1). It steps
   * down if a flush takes as long as the least election timeout, unless it is the only member. All other actions wait
   * for the flush, as usual.
   *
   * It works only with {@link RaftNode.stepAsync}. It is called before the flush and during it, with messages that
   * would otherwise be {@link SendAction}s of a step. It must not throw. Default: everything waits for the flush.
   */
  readonly sendAhead?: (send: SendAction) => void;
}
