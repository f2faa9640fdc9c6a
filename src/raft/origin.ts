/**
 * Which log a message comes from: an address or an id may be given to the wrong node by mistake, and a node may come back
 * with another log than it had.
 *
 * @module
 */

import { Buffer } from "node:buffer";

/** What a node's log is, as `WalLog.identity` has it. */
export interface Origin {
  /** The cluster that the log belongs to, a UUID; `undefined` if it belongs to none. */
  readonly cluster: string | undefined;
  /** The log's incarnation, a UUID: another one is another log, whatever the node's id. `undefined` if it is not known. */
  readonly incarnation: string | undefined;
}

/** The size of a UUID. */
export const UUID_BYTES = 16;

const ZERO = new Uint8Array(UUID_BYTES);

/**
 * A UUID as bytes.
 *
 * @param uuid The UUID; `undefined` for none.
 * @returns Its 16 bytes, zeros for none.
 */
export function uuidBytes(uuid: string | undefined): Uint8Array {
  return uuid === undefined ? ZERO : new Uint8Array(Buffer.from(uuid.replaceAll("-", ""), "hex"));
}

/**
 * A UUID from bytes.
 *
 * @param bytes Its 16 bytes.
 * @returns The UUID in lower case; `undefined` for zeros.
 */
export function uuidText(bytes: Uint8Array): string | undefined {
  if (bytes.every((byte) => byte === 0)) return undefined;
  return Buffer.from(bytes).toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/**
 * Why two logs cannot be of one cluster.
 *
 * @param own The one.
 * @param theirs The other.
 * @returns The reason; `undefined` if both are of one cluster, or one of them is of none.
 */
export function otherCluster(own: Origin, theirs: Origin): string | undefined {
  if (own.cluster === undefined || theirs.cluster === undefined || own.cluster === theirs.cluster) return undefined;
  return `it belongs to the cluster ${theirs.cluster}, and this node to ${own.cluster}`;
}
