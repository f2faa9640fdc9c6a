/**
 * The id of a new cluster.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { WalLog } from "../api/wal_log.ts";
import { addressText, type CheckedReplicaOptions } from "./options.ts";

/** The options that determine the id of a new cluster. */
export type Founding = Pick<CheckedReplicaOptions<unknown>, "cluster" | "id" | "address" | "peers">;

/**
 * Gives an empty log the id of its new cluster. A log that has an id or entries stays as it is, and so does the log of a
 * replica that joins: it gets the id from the leader.
 *
 * @param log The log of the replica.
 * @param options The options of the replica.
 * @throws {WalLogError} As `WalLog.foundCluster`.
 */
export function foundCluster(log: WalLog, options: Founding & { readonly joining: boolean }): void {
  const isNew = log.identity.cluster === undefined && log.lastIndex === 0 && log.damaged.length === 0;
  if (isNew && !options.joining) log.foundCluster(clusterId(options));
}

/**
 * The id of a new cluster: a UUID of version 8 from the SHA-256 digest of its name, and of the ids and addresses of its
 * initial members. So all initial members come to the same id without a message, and clusters with other names or
 * addresses to other ids. etcd does the same.
 *
 * @param options The options of an initial member. Its address in `peers`, which all members have, takes precedence.
 * @returns The id.
 */
export function clusterId({ cluster, id, address, peers }: Founding): string {
  const members = [...new Map([[id, address] as const, ...peers])].sort(([a], [b]) => a < b ? -1 : 1);
  const places = members.map(([id, place]) => [String(id), place === undefined ? null : addressText(place)]);
  const digest = createHash("sha256").update(JSON.stringify([cluster, places])).digest().subarray(0, 16);
  digest[6] = (digest[6]! & 0x0f) | 0x80;
  digest[8] = (digest[8]! & 0x3f) | 0x80;
  return digest.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
