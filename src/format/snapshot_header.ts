/**
 * The header of a snapshot file: index, term, members and meta.
 *
 * ```text
 *   0  8 bytes "WALLOGSN"
 *   8  u32 version of the format
 *  12  u32 n, number of members
 *  16  16 bytes log UUID
 *  32  u64 index
 *  40  u64 term
 *  48  u64 salt, random
 *  56  u32 m, bytes of meta
 *  60  u32 zero
 *  64  n x u64 member
 *   .  m bytes of meta, padded with zeros to 8 bytes
 *   .  u64 XXH3-64 of everything before
 * ```
 *
 * @module
 */

import type { NodeId, SnapshotMeta } from "../api/types.ts";
import { type Checksum, viewOf } from "./numbers.ts";
import { FORMAT_VERSION } from "./segment_header.ts";

/** The most members of a snapshot. No cluster has more, and a damaged count below it does no harm. */
export const MEMBERS_MAX = 65_536;
/** The most bytes of `meta`, 1 MiB: enough for the addresses of all members, and small enough to keep in memory. */
export const META_BYTES_MAX = 1024 * 1024;
/** The first part of a header, which gives the length of the rest. */
export const FIXED_HEADER_BYTES = 64;

const MAGIC = 0x4e53474f4c4c4157n; // "WALLOGSN"
const CHECKSUM_BYTES = 8;

/** A header with a valid checksum. */
export interface SnapshotHeader {
  readonly uuid: Uint8Array;
  /** Not checked: any 64 bits. */
  readonly index: bigint;
  /** Not checked: any 64 bits. */
  readonly term: bigint;
  readonly salt: bigint;
  readonly config: readonly NodeId[];
  readonly meta: Uint8Array<ArrayBuffer>;
}

/** The reason why bytes are not a header, and the offset of the fault. */
export interface BadHeader {
  readonly offset: number;
  readonly reason: string;
}

function paddedBytes(length: number): number {
  return Math.ceil(length / 8) * 8;
}

/**
 * The length of a header.
 *
 * @param members The number of members.
 * @param metaBytes Bytes of meta.
 * @returns The length in bytes.
 */
export function snapshotHeaderBytes(members: number, metaBytes: number): number {
  return FIXED_HEADER_BYTES + members * 8 + paddedBytes(metaBytes) + CHECKSUM_BYTES;
}

/**
 * Makes a header.
 *
 * @param snapshot The snapshot's index, term, configuration and meta, within the limits.
 * @param uuid The log's UUID.
 * @param salt A random number, which seeds the checksums of the pieces.
 * @param sum The checksum.
 * @returns The bytes.
 */
export function encodeSnapshotHeader(
  snapshot: Required<SnapshotMeta>,
  uuid: Uint8Array,
  salt: bigint,
  sum: Checksum,
): Uint8Array {
  const { index, term, config, meta } = snapshot;
  const header = new Uint8Array(snapshotHeaderBytes(config.length, meta.length));
  const view = viewOf(header);
  view.setBigUint64(0, MAGIC, true);
  view.setUint32(8, FORMAT_VERSION, true);
  view.setUint32(12, config.length, true);
  header.set(uuid, 16);
  view.setBigUint64(32, BigInt(index), true);
  view.setBigUint64(40, BigInt(term), true);
  view.setBigUint64(48, salt, true);
  view.setUint32(56, meta.length, true);
  config.forEach((member, i) => view.setBigUint64(FIXED_HEADER_BYTES + i * 8, member, true));
  header.set(meta, FIXED_HEADER_BYTES + config.length * 8);
  const end = header.length - CHECKSUM_BYTES;
  view.setBigUint64(end, sum(header.subarray(0, end), 0n), true);
  return header;
}

/**
 * Whether a file begins like a snapshot.
 *
 * @param bytes The first bytes of the file, at least 8.
 */
export function hasSnapshotMagic(bytes: Uint8Array): boolean {
  return viewOf(bytes).getBigUint64(0, true) === MAGIC;
}

/**
 * The length of a header. It is used before the checksum is verified, so it is limited.
 *
 * @param fixed The first {@link FIXED_HEADER_BYTES} bytes.
 * @returns The length in bytes, or the fault.
 */
export function measureSnapshotHeader(fixed: Uint8Array): number | BadHeader {
  if (!hasSnapshotMagic(fixed)) return { offset: 0, reason: "it does not begin like a snapshot" };
  const view = viewOf(fixed);
  const members = view.getUint32(12, true);
  if (members > MEMBERS_MAX) return { offset: 12, reason: `it claims ${members} members` };
  const metaBytes = view.getUint32(56, true);
  if (metaBytes > META_BYTES_MAX) return { offset: 56, reason: `it claims ${metaBytes} bytes of meta` };
  return snapshotHeaderBytes(members, metaBytes);
}

/**
 * The index and the term in a header whose checksum was verified.
 *
 * @param fixed The first {@link FIXED_HEADER_BYTES} bytes.
 */
export function snapshotPosition(fixed: Uint8Array): { readonly index: bigint; readonly term: bigint } {
  const view = viewOf(fixed);
  return { index: view.getBigUint64(32, true), term: view.getBigUint64(40, true) };
}

/**
 * Reads a header.
 *
 * @param header The header, with the length from {@link measureSnapshotHeader}.
 * @param sum The checksum.
 * @returns The header; the version if it is not this one; `undefined` if the checksum is wrong.
 */
export function decodeSnapshotHeader(
  header: Uint8Array<ArrayBuffer>,
  sum: Checksum,
): SnapshotHeader | number | undefined {
  const view = viewOf(header);
  const end = header.length - CHECKSUM_BYTES;
  if (view.getBigUint64(end, true) !== sum(header.subarray(0, end), 0n)) return undefined;
  const version = view.getUint32(8, true);
  if (version !== FORMAT_VERSION) return version;
  const members = view.getUint32(12, true);
  const metaAt = FIXED_HEADER_BYTES + members * 8;
  const config: NodeId[] = [];
  for (let i = 0; i < members; i++) config.push(view.getBigUint64(FIXED_HEADER_BYTES + i * 8, true));
  return {
    uuid: header.slice(16, 32),
    index: view.getBigUint64(32, true),
    term: view.getBigUint64(40, true),
    salt: view.getBigUint64(48, true),
    config,
    meta: header.slice(metaAt, metaAt + view.getUint32(56, true)),
  };
}
