/**
 * The identity of the log that a message comes from. An operator may give an address or an id to the wrong node, and a
 * node may return with another log than it had.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { WalLogError } from "../api/errors.ts";
import type { RaftLog } from "../api/types.ts";

/** The identity of a node's log, as in `WalLog.identity`. */
export interface Origin {
  /** The cluster that the log belongs to, a UUID; `undefined` if it belongs to none. */
  readonly cluster: string | undefined;
  /**
   * The log's incarnation, a UUID. Two incarnations are two logs, even of the same node. `undefined` if it is unknown.
   */
  readonly incarnation: string | undefined;
}

/** A log that knows its own identity, such as a `WalLog`. */
export interface IdentifiedLog extends RaftLog {
  /** Its identity. */
  readonly identity: Origin;
  /** See `WalLog.foundCluster`. */
  foundCluster(id: string): void;
}

function isIdentified(log: RaftLog): log is IdentifiedLog {
  return "identity" in log && "foundCluster" in log;
}

/**
 * Returns the identity of a node's log.
 *
 * @param log The log.
 * @returns Its identity; `undefined` if it has none.
 */
export function originOf(log: RaftLog): Origin | undefined {
  return isIdentified(log) ? log.identity : undefined;
}

/** The size of a UUID. In bytes. */
export const UUID_BYTES = 16;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const ZERO = new Uint8Array(UUID_BYTES);

/**
 * Encodes a UUID.
 *
 * @param uuid The UUID; `undefined` for none.
 * @returns Its 16 bytes, zeros for none.
 */
export function uuidBytes(uuid: string | undefined): Uint8Array {
  return uuid === undefined ? ZERO : new Uint8Array(Buffer.from(uuid.replaceAll("-", ""), "hex"));
}

/**
 * Decodes a UUID.
 *
 * @param bytes Its 16 bytes.
 * @returns The UUID in lower case; `undefined` for zeros.
 */
export function uuidText(bytes: Uint8Array): string | undefined {
  if (bytes.every((byte) => byte === 0)) return undefined;
  return Buffer.from(bytes).toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/**
 * Compares the clusters of two logs.
 *
 * @param own The one identity.
 * @param theirs The other identity.
 * @returns The reason why they are not of one cluster; `undefined` if they are, or if one of them belongs to none.
 */
export function otherCluster(own: Origin, theirs: Origin): string | undefined {
  if (own.cluster === undefined || theirs.cluster === undefined || own.cluster === theirs.cluster) return undefined;
  return `it belongs to the cluster ${theirs.cluster}, and this node to ${own.cluster}`;
}

/**
 * Rejects a value that is not an origin.
 *
 * @param origin Anything.
 * @throws {WalLogError} `INVALID_ARGUMENT`.
 */
export function checkOrigin(origin: unknown): void {
  if (origin === undefined) return;
  const { cluster, incarnation } = (origin ?? {}) as Partial<Record<keyof Origin, unknown>>;
  for (const uuid of [cluster, incarnation]) {
    if (uuid === undefined || (typeof uuid === "string" && UUID.test(uuid))) continue;
    throw new WalLogError("INVALID_ARGUMENT", "Cannot step: the ids of a message's origin must be UUIDs in lower case");
  }
}
