/**
 * The configuration of a replica's node, and the choice of the next leader.
 *
 * @module
 */

import type { PeerStatus, RaftConfig, RaftNode, SendAction } from "../raft/mod.ts";
import type { NodeId } from "../api/types.ts";
import { addressText, type CheckedReplicaOptions, type ReplicaTransport } from "./options.ts";

/** The silence after which a member counts as down, when a successor is chosen. In ticks. */
const SILENT_TICKS = 20;

/**
 * The configuration of the node.
 *
 * @param options The replica's options.
 * @param send Sends a message of a leader before its flush is done.
 * @returns The node's configuration.
 */
export function nodeConfig<R>(options: CheckedReplicaOptions<R>, send: (send: SendAction) => void): RaftConfig {
  const { id, address, peers, joining, maxSnapshotBytes, maxUncommittedBytes } = options;
  const places = address === undefined ? [...peers] : [...peers, [id, address] as const];
  return {
    ...{
      id,
      joining,
      peers: joining ? [] : [...peers.keys()].filter((peer) => peer !== id),
      maxSnapshotBytes,
      maxUncommittedBytes,
    },
    ...{
      checkQuorum: true,
      noOp: true,
      strictMembership: true,
      finishRemoval: true,
      announceLeader: true,
      forwardReads: true,
      forwardProposals: true,
    },
    ...{ maxBatch: 256, maxBatchBytes: 1024 * 1024, snapshotChunkBytes: 256 * 1024 },
    // The log stores the addresses, so replicas need no other directory.
    ...{ addresses: new Map(places.map(([id, place]) => [id, addressText(place)])), promoteLearners: false },
    // A replica that was away for a while gets the missing entries instead of a snapshot.
    ...{ trailingEntries: 10_000, trailingBytes: 64 * 1024 * 1024 },
    sendAhead: send,
    // Equal timeouts on all replicas would split the votes.
    seed: crypto.getRandomValues(new BigUint64Array(1))[0]!,
  };
}

/**
 * The member that can take over the leadership fastest.
 *
 * @param node The leader.
 * @param transport Its transport. A member that it is not connected to is left out.
 * @param tried Members to leave out.
 * @returns The member with the most of the leader's log, preferably one heard from lately; `undefined` if there is no
 * such member, or the node does not lead.
 */
export function successorOf(
  node: RaftNode,
  transport: ReplicaTransport,
  tried: ReadonlySet<NodeId> = new Set(),
): NodeId | undefined {
  const isReached = (id: NodeId) => transport.isConnected?.(id) !== false;
  const candidates = node.status().peers.filter(({ id, isMember }) => isMember && !tried.has(id) && isReached(id));
  const isHeard = ({ sinceContact = Infinity }: PeerStatus) => sinceContact < SILENT_TICKS ? 1 : 0;
  return candidates.sort((a, b) => isHeard(b) - isHeard(a) || b.match - a.match)[0]?.id;
}
