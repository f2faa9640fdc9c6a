/**
 * How a node is to behave.
 *
 * @module
 */

import type { Index, NodeId } from "../api/types.ts";
import type { SendAction } from "./actions.ts";

/** How a node is to behave. All nodes of a cluster should be given the same, but for `id`, `peers` and `seed`. */
export interface RaftConfig {
  /** This node: any unsigned 64-bit number that no other node of the cluster has had. */
  readonly id: NodeId;
  /** The other members that the cluster begins with; what the log says counts more. Default: none. */
  readonly peers?: readonly NodeId[];
  /**
   * The addresses of the members that the cluster begins with, in any form that the application understands; what the log
   * says counts more. The log gets them with the first configuration that a leader appends, at the latest with `noOp`.
   * Default: none are known.
   */
  readonly addresses?: ReadonlyMap<NodeId, string>;
  /**
   * Whether the node is to join a cluster that exists: it is no member, and waits, until its log says that it is. Without
   * this, a node with an empty log takes itself for a member of a new cluster. Default: no.
   */
  readonly joining?: boolean;
  /** A follower that hears from no leader for this long, drawn from here, asks to be one. In ticks; default 10 to 20. */
  readonly electionTimeout?: readonly [minimum: number, maximum: number];
  /**
   * How often a leader gives a sign of life. In ticks, well below the least election timeout, and never above the
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
   * command that does not fit is refused with `ENTRY_TOO_LARGE`. Default: 64 MiB and 64 KiB, as `TcpTransport` has it.
   */
  readonly maxMessageBytes?: number;
  /**
   * The most bytes of uncommitted commands that a leader takes, each counted with 64 bytes more. It refuses further ones
   * with `OVERLOADED`, but takes at least one. Default: no bound.
   */
  readonly maxUncommittedBytes?: number;
  /**
   * The most messages with entries on their way to a node. Once there are so many, the leader sends the node only
   * heartbeats until it answers. Entries that were lost are sent again once. Default: 1024 with `maxBatchBytes`. Otherwise
   * there is no bound, and the leader answers every rejection with a batch, as the recorded traces do.
   */
  readonly maxInflightMessages?: number;
  /**
   * The most bytes of commands on their way to a node, but always at least one message. It has an effect only with
   * `maxInflightMessages`. Default: 4 MiB.
   */
  readonly maxInflightBytes?: number;
  /**
   * The most bytes of commands that a step hands out to be applied, each counted with 64 bytes more, but always at least
   * one. The rest comes with later steps: see `MoreToApplyAction`. Default: 4 MiB.
   */
  readonly maxApplyBytes?: number;
  /**
   * The last index that the state machine has applied, for one that survives a restart by itself: the node hands out the
   * commands behind it. Default 0: the state machine begins with the log's snapshot.
   */
  readonly applied?: Index;
  /** After so many entries a snapshot is hinted at. Default 0: never. */
  readonly snapshotThreshold?: number;
  /**
   * Snapshots are sent in pieces of so many bytes, which bounds messages and with them what is held in memory. Default 0:
   * whole, or in pieces of 1 MiB if a message cannot be so large.
   */
  readonly snapshotChunkBytes?: number;
  /**
   * The largest snapshot that the node makes or takes, in bytes of data. A larger one is refused with `INVALID_ARGUMENT`,
   * at the first piece beyond. Give all nodes the same. Default: 1 GiB.
   */
  readonly maxSnapshotBytes?: number;
  /**
   * So many of the newest applied entries stay in the log although a snapshot covers them, as far as the node has applied
   * them since it started. A node that lacks no more than these is sent entries, and not a snapshot. The node retains them
   * in its log under the name `raft`. Default 0: snapshots replace all entries, as in the recorded traces. Services should
   * set 10,000.
   */
  readonly trailingEntries?: number;
  /** The most bytes of commands among `trailingEntries`. Default: 64 MiB. */
  readonly trailingBytes?: number;
  /** Where the election timeouts come from; the low 64 bits count. Default: the id. */
  readonly seed?: bigint;
  /** Whether a leader that has not heard from a majority for the least election timeout steps down. Default: no. */
  readonly checkQuorum?: boolean;
  /** Whether the node says with `LeaderChangedAction` when its role, or the leader that it knows, changes. Default: no. */
  readonly announceLeader?: boolean;
  /**
   * Whether a leader gives learners a vote by itself, once they are level. Otherwise they stay learners until `addServer`
   * gives them one, or `replaceServer` has begun with them: read replicas. Default: yes.
   */
  readonly promoteLearners?: boolean;
  /**
   * Whether a node that does not lead asks the leader up to where it must apply before it may answer a read. Otherwise it
   * refuses reads with `NOT_LEADER`. A leader answers such requests in any case. Default: no.
   */
  readonly forwardReads?: boolean;
  /**
   * Whether a node that does not lead passes commands on to the leader, if they are proposed with an id: see
   * `ProposeEvent.id`. Otherwise it refuses them with `NOT_LEADER`. A leader takes such requests in any case. Default: no.
   */
  readonly forwardProposals?: boolean;
  /** Whether a new leader appends an entry without meaning, so that what was there before commits. Default: no. */
  readonly noOp?: boolean;
  /**
   * Whether a node that was removed, and does not know that to be committed, may still ask to lead. Without this, a
   * leader of two that removes itself and crashes leaves a cluster that nobody can lead: hand over before removing a
   * leader. Default: no.
   */
  readonly finishRemoval?: boolean;
  /**
   * A leader that has not handed over after so many ticks goes on leading, and says so with `TransferFailedAction`. Until
   * then, it refuses requests with `NOT_LEADER`. With 0, it waits for ever for a target that lacks entries, and takes requests
   * again as soon as it has told the target to begin, as the recorded traces do. Default: the least election timeout with
   * `checkQuorum`, otherwise 0.
   */
  readonly transferTimeout?: number;
  /**
   * Whether the node ignores answers of nodes that it has not asked, a hand-over by a node that is no member and does not
   * lead, a second leader of a term, and answers of a member that has lost its log: see `MemberLostAction`. Without
   * this, a node that is no member can have its vote counted, and can end a leadership, as in the recorded traces.
   * Services should set it. Default: as `checkQuorum`.
   */
  readonly strictMembership?: boolean;
  /**
   * Sends a leader's entries, heartbeats and snapshots before its own flush is done, so that the flushes of all nodes
   * overlap. The leader counts itself for a majority once its flush is done (Ongaro's dissertation, 10.2.1). It steps down
   * if a flush takes as long as the least election timeout, unless it is the only member. All other actions wait for the
   * flush, as without this.
   *
   * It works with {@link RaftNode.stepAsync} only, and is called before the flush and while it is under way, with what
   * would otherwise be a {@link SendAction} of a step. It must not throw. Default: everything waits for the flush.
   */
  readonly sendAhead?: (send: SendAction) => void;
}
