/**
 * How a replica's node behaves, and who takes its place.
 *
 * @module
 */

import type { PeerStatus, RaftConfig, RaftNode, SendAction } from "../raft/mod.ts";
import { addressText, type CheckedReplicaOptions } from "./options.ts";

/** A member that was not heard from for so long may be dead. In ticks. */
const SILENT_TICKS = 20;

/**
 * How the node is to behave.
 *
 * @param options The replica's options.
 * @param send Sends a message of a leader before its flush is done.
 * @returns The node's configuration.
 */
export function nodeConfig<R>(options: CheckedReplicaOptions<R>, send: (send: SendAction) => void): RaftConfig {
  const { id, address, peers, joining, maxSnapshotBytes, maxUncommittedBytes } = options;
  const places = address === undefined ? [...peers] : [...peers, [id, address] as const];
  return {
    ...{ id, joining, peers: joining ? [] : [...peers.keys()], maxSnapshotBytes, maxUncommittedBytes },
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
    // The log keeps the addresses, so that no replica needs an address book of its own.
    ...{ addresses: new Map(places.map(([id, place]) => [id, addressText(place)])), promoteLearners: false },
    // A replica that was away for a while gets the entries that it missed, and no snapshot.
    ...{ trailingEntries: 10_000, trailingBytes: 64 * 1024 * 1024 },
    sendAhead: send,
    // Replicas that draw the same timeouts would get in each other's way.
    seed: crypto.getRandomValues(new BigUint64Array(1))[0]!,
  };
}

/**
 * The member that can take over fastest.
 *
 * @param node The leader.
 * @returns The member that has most of its log, of those that were heard from lately if there are any; `undefined` if
 * there is no other member, or the node does not lead.
 */
export function successorOf(node: RaftNode): bigint | undefined {
  const candidates = node.status().peers.filter(({ isMember }) => isMember);
  const isHeard = ({ sinceContact = Infinity }: PeerStatus) => sinceContact < SILENT_TICKS ? 1 : 0;
  return candidates.sort((a, b) => isHeard(b) - isHeard(a) || b.match - a.match)[0]?.id;
}
