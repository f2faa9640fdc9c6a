/**
 * The results of a cluster run, and their presentation.
 *
 * @module
 */

import type { Machine } from "./machine.ts";
import { machineText, table } from "./text.ts";
import { durationText, rateText, short } from "./units.ts";

/** The writes of a number of clients. */
export interface ClusterPoint {
  /** The runtime of all replicas, or the name of another service. */
  readonly runtime: string;
  readonly clients: number;
  readonly writesPerSecond: number;
  readonly p50Seconds: number;
  readonly p99Seconds: number;
  /** The number of entries per flush of the leader. */
  readonly entriesPerFlush: number;
}

/** A run. */
export interface ClusterResult {
  readonly kind: "cluster";
  readonly machine: Machine;
  readonly replicas: number;
  readonly seconds: number;
  readonly valueBytes: number;
  readonly points: readonly ClusterPoint[];
}

/** The columns of the table. */
export const CLUSTER_COLUMNS = ["Clients", "Writes/s", "p50", "p99", "Entries a flush"];

/** A line of the table. */
export function clusterRow(point: ClusterPoint): string[] {
  return [
    String(point.clients),
    rateText(point.writesPerSecond),
    durationText(point.p50Seconds),
    durationText(point.p99Seconds),
    short(point.entriesPerFlush),
  ];
}

/** The part of the page about the cluster. */
export function clusterSection({ machine, replicas, seconds, valueBytes, points }: ClusterResult): string[] {
  const beside = points.some(({ runtime }) => runtime.startsWith("etcd"))
    ? [
      "etcd is the usual choice instead of a service of your own. The same clients write to it through its JSON gateway; " +
      "gRPC would be faster. It also does more with a write: it keeps all versions of a key, in a tree on the disk. " +
      "The example keeps the last version in memory, and writes snapshots.",
      "",
    ]
    : [];
  return [
    "## A replicated service",
    "",
    `\`examples/kv\` with ${replicas} replicas and all clients on one machine and one disk. Each client writes ` +
    `${valueBytes} bytes over HTTP, and waits for the acknowledgement, which takes a flush by two replicas, before ` +
    `the next write. ${short(seconds)} s a line. Recorded on ${machineText(machine)}`,
    "",
    ...beside,
    ...table(["Runtime", ...CLUSTER_COLUMNS], points.map((point) => [point.runtime, ...clusterRow(point)])),
    "",
  ];
}
