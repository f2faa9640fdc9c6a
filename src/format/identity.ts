/**
 * The file `IDENTITY`: the ids of the log, of its incarnation and of its cluster.
 *
 * ```text
 * IDENTITY, 72 bytes, little-endian
 *   0  8 bytes "WALLOGID"
 *   8  u32 version of the format
 *  12  u32 zero
 *  16  16 bytes UUID of the log, random
 *  32  16 bytes incarnation, random
 *  48  16 bytes id of the cluster; zeros until a cluster is founded
 *  64  u64 XXH3-64 of bytes 0 to 64
 * ```
 *
 * Every later version keeps the magic and the version at their offsets. Its last 8 bytes are the checksum of all bytes
 * before them. So a reader can tell an `IDENTITY` of another version from a damaged one.
 *
 * @module
 */

import { type Checksum, viewOf } from "./numbers.ts";
import { FORMAT_VERSION } from "./segment_header.ts";

/** Size of the file. */
export const IDENTITY_BYTES = 72;
/** Size of each of its ids. */
export const ID_BYTES = 16;

const MAGIC = 0x4449474f4c4c4157n; // "WALLOGID"
const VERSION_AT = 8;
const UUID_AT = 16;
const INCARNATION_AT = 32;
const CLUSTER_AT = 48;
const CHECKSUM_BYTES = 8;

/** The contents of `IDENTITY`. */
export interface Identity {
  /** The log's UUID. */
  readonly uuid: Uint8Array;
  /** The incarnation. A new one shows that this may not be the log that its peers know. */
  readonly incarnation: Uint8Array;
  /** The cluster that the log belongs to; zeros if it belongs to none. */
  readonly cluster: Uint8Array;
}

/**
 * Makes the contents of the file.
 *
 * @param identity The identity.
 * @param sum The checksum.
 * @returns The bytes.
 */
export function encodeIdentity({ uuid, incarnation, cluster }: Identity, sum: Checksum): Uint8Array {
  const bytes = new Uint8Array(IDENTITY_BYTES);
  const view = viewOf(bytes);
  view.setBigUint64(0, MAGIC, true);
  view.setUint32(VERSION_AT, FORMAT_VERSION, true);
  bytes.set(uuid, UUID_AT);
  bytes.set(incarnation, INCARNATION_AT);
  bytes.set(cluster, CLUSTER_AT);
  const end = IDENTITY_BYTES - CHECKSUM_BYTES;
  view.setBigUint64(end, sum(bytes.subarray(0, end), 0n), true);
  return bytes;
}

/**
 * Reads the contents of the file.
 *
 * @param bytes The complete file.
 * @param sum The checksum.
 * @returns The identity; the version if it is not this one; `undefined` if the file is damaged.
 */
export function decodeIdentity(bytes: Uint8Array, sum: Checksum): Identity | number | undefined {
  const end = bytes.length - CHECKSUM_BYTES;
  if (end < UUID_AT) return undefined;
  const view = viewOf(bytes);
  if (view.getBigUint64(0, true) !== MAGIC) return undefined;
  if (view.getBigUint64(end, true) !== sum(bytes.subarray(0, end), 0n)) return undefined;
  const version = view.getUint32(VERSION_AT, true);
  if (version !== FORMAT_VERSION) return version;
  if (bytes.length !== IDENTITY_BYTES) return undefined;
  const id = (at: number) => bytes.slice(at, at + ID_BYTES);
  return { uuid: id(UUID_AT), incarnation: id(INCARNATION_AT), cluster: id(CLUSTER_AT) };
}
