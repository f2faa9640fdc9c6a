/**
 * Describes a replica, for people and monitoring.
 *
 * @module
 */

import type { WalLogError } from "../api/errors.ts";
import type { Metric } from "../api/metrics.ts";
import type { Index, NodeId } from "../api/types.ts";
import type { WalLogStats } from "../log/live_state.ts";
import type { RaftStatus } from "../raft/mod.ts";
import type { ProposalCounts } from "./proposals.ts";

/** The status of a replica. */
export interface ReplicaStatus extends RaftStatus {
  /** `closing`: `close` is under way. `failed`: the replica has ended after a failure. */
  readonly state: "running" | "closing" | "closed" | "failed";
  /** The failure that ended it. */
  readonly failure: WalLogError | undefined;
  /** The voting members, ascending. */
  readonly members: readonly NodeId[];
  /** The learners, ascending. */
  readonly learners: readonly NodeId[];
  /** The addresses of members and learners, `HOST:PORT`, as far as the log has them. */
  readonly addresses: ReadonlyMap<NodeId, string>;
  /**
   * The last index that the state machine has applied or restored. It can be below `commitIndex` although nothing
   * waits, because membership changes have indexes too.
   */
  readonly appliedIndex: Index;
  /** Committed commands that the state machine has not applied yet. */
  readonly waitingCommands: number;
  /** Calls of `propose` that wait. */
  readonly waitingProposals: number;
  /** Calls of `read` that wait. */
  readonly waitingReads: number;
  /** Whether a snapshot is being made. */
  readonly isSnapshotting: boolean;
  /** Figures of the log. */
  readonly log: WalLogStats;
}

/** The counts of a replica since it started. */
export interface ReplicaCounts {
  readonly proposals: ProposalCounts;
  readonly reads: number;
  readonly leaderChanges: number;
  readonly snapshotsMade: number;
  readonly snapshotsFailed: number;
  readonly snapshotsRestored: number;
}

const STATES = ["running", "closing", "closed", "failed"] as const;
const ROLES = ["follower", "candidate", "leader"] as const;

/**
 * The metrics of a replica, without those of its log.
 *
 * @param name The value of the label `log` of all samples.
 * @param status Its status.
 * @param counts Its counts.
 * @returns The metrics.
 */
export function replicaMetrics(name: string, status: ReplicaStatus, counts: ReplicaCounts): Metric[] {
  const labels = { log: name };
  const one = (type: "counter" | "gauge", name: string, help: string, value: number): Metric => ({
    ...{ name: `wallog_replica_${name}`, type, help },
    samples: [{ labels, value }],
  });
  const oneOf = <T extends string>(
    name: string,
    help: string,
    label: string,
    all: readonly T[],
    actual: T,
  ): Metric => ({
    ...{ name: `wallog_replica_${name}`, type: "gauge", help },
    samples: all.map((value) => ({ labels: { ...labels, [label]: value }, value: value === actual ? 1 : 0 })),
  });
  const perPeer = (name: string, help: string, valueOf: (peer: ReplicaStatus["peers"][number]) => number): Metric => ({
    ...{ name: `wallog_replica_${name}`, type: "gauge", help },
    samples: status.peers.map((peer) => ({ labels: { ...labels, peer: String(peer.id) }, value: valueOf(peer) })),
  });
  const { applied, notApplied, unknown } = counts.proposals;
  return [
    oneOf("state", "1 for the state of the replica, 0 for the others.", "state", STATES, status.state),
    oneOf("role", "1 for the role of the replica, 0 for the others.", "role", ROLES, status.role),
    one("gauge", "term", "The term of the replica.", status.term),
    one("gauge", "has_leader", "1 if the replica knows the leader.", status.leader === null ? 0 : 1),
    one("gauge", "commit_index", "The last index known to be committed.", status.commitIndex),
    one("gauge", "applied_index", "The last index that the state machine has applied.", status.appliedIndex),
    one("gauge", "members", "Voting members of the cluster.", status.members.length),
    one("gauge", "uncommitted_bytes", "Bytes of commands that the leader has not committed.", status.uncommittedBytes),
    one("gauge", "waiting_commands", "Committed commands that wait to be applied.", status.waitingCommands),
    one("gauge", "waiting_proposals", "Calls of propose that wait.", status.waitingProposals),
    one("gauge", "waiting_reads", "Calls of read that wait.", status.waitingReads),
    one("gauge", "damaged", "1 while the log lacks entries that other replicas have.", status.isDamaged ? 1 : 0),
    {
      ...{ name: "wallog_replica_proposals_total", type: "counter", help: "Calls of propose, by their outcome." },
      samples: Object.entries({ applied, "not-applied": notApplied, unknown }).map(([outcome, value]) => ({
        labels: { ...labels, outcome },
        value,
      })),
    },
    one("counter", "reads_total", "Calls of read that were answered.", counts.reads),
    one("counter", "leader_changes_total", "Changes of the leader, or of the own role.", counts.leaderChanges),
    one("counter", "snapshots_made_total", "Snapshots made.", counts.snapshotsMade),
    one("counter", "snapshots_failed_total", "Snapshots that could not be made.", counts.snapshotsFailed),
    one("counter", "snapshots_restored_total", "Snapshots restored.", counts.snapshotsRestored),
    perPeer("peer_lag_entries", "Of a leader: entries that the peer lacks.", ({ lag }) => lag),
    perPeer("peer_lag_bytes", "Of a leader: bytes of its log that the peer lacks.", ({ lagBytes }) => lagBytes),
    perPeer("peer_match_index", "Of a leader: the last index that the peer has.", ({ match }) => match),
  ];
}
