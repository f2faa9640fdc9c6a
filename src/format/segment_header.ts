/**
 * The header of a segment, in two copies.
 *
 * ```text
 *   0  8 bytes "WALLOGSG"
 *   8  u32 version
 *  12  u32 headerChecksum of the previous segment's last frame, 0 if there is none or that frame was lost
 *  16  16 bytes log UUID, random
 *  32  u64 segment number
 *  40  u64 baseLsn: the LSN at which the previous segment ends and this one begins, 0 for the first segment
 *  48  u64 salt, random
 *  56  u64 previous segment's number, 0 for the first segment
 *  64  64 bytes state of the log at the start of this segment
 * 128  u64 durable LSN: everything below it was durable when the header was written
 * 136  u64 floor: the lowest index that the previous segment truncated, or its own next index if that is lower
 * 144  16 x (u64, u64) the LSN at which a segment begins, and the lowest index dropped since: the previous segment, the one
 *      before it, and so on, compacted ones included; all ones if there is none
 * 400  u64 XXH3-64 of bytes 0 to 400
 * ```
 *
 * @module
 */

import type { Index } from "../api/types.ts";
import { HEADER_OFFSETS, SECTOR_BYTES, SEGMENT_HEADER_BYTES } from "./header_block.ts";
import { isSegmentBoundary } from "./lsn.ts";
import { type Dropped, getDropped, setDropped } from "./checkpoint.ts";
import { areSafe, type Checksum, safe, U64_ONES, viewOf } from "./numbers.ts";
import { SEGMENT_NUMBER_END } from "./segment_name.ts";
import { decodeState, encodeState, type LogState } from "./state.ts";

/** The format that this library reads and writes. */
export const FORMAT_VERSION = 2;

const CHECKED_BYTES = 400;
const DROPS_OFFSET = 144;
const DROP_BYTES = 16;
/** The number of earlier segments for which a header states the dropped indexes. */
export const DROPS_MAX = 16;
const STATE_OFFSET = 64;
const MAGIC = 0x4753474f4c4c4157n; // "WALLOGSG"
/** Offset of the second copy in version 1. */
const COPY_OFFSET_V1 = 2048;

/** The header of a segment. */
export interface SegmentHeader {
  readonly uuid: Uint8Array;
  readonly number: number;
  readonly baseLsn: number;
  readonly salt: bigint;
  readonly previous: number;
  readonly previousChecksum: number;
  readonly state: LogState;
  readonly provenLsn: number;
  readonly floor: Index;
  /** Dropped indexes: since the start of the previous segment, since the start of the one before it, and so on. */
  readonly dropped: readonly Dropped[];
}

/**
 * Makes the header block of a new segment: both copies of the header, an empty pointer and empty slots.
 *
 * @param header The header.
 * @param sum The checksum.
 * @returns 16 KiB.
 */
export function encodeHeaderBlock(header: SegmentHeader, sum: Checksum): Uint8Array {
  const block = new Uint8Array(SEGMENT_HEADER_BYTES);
  for (const offset of HEADER_OFFSETS) block.set(encodeSegmentHeader(header, sum), offset);
  return block;
}

/**
 * Makes one copy of a segment's header.
 *
 * @param header The header.
 * @param sum The checksum.
 * @returns The sector to write at each of {@link HEADER_OFFSETS}.
 */
export function encodeSegmentHeader(header: SegmentHeader, sum: Checksum): Uint8Array {
  const sector = new Uint8Array(SECTOR_BYTES);
  const view = viewOf(sector);
  view.setBigUint64(0, MAGIC, true);
  view.setUint32(8, FORMAT_VERSION, true);
  view.setUint32(12, header.previousChecksum, true);
  sector.set(header.uuid, 16);
  view.setBigUint64(32, BigInt(header.number), true);
  view.setBigUint64(40, BigInt(header.baseLsn), true);
  view.setBigUint64(48, header.salt, true);
  view.setBigUint64(56, BigInt(header.previous), true);
  encodeState(view, STATE_OFFSET, header.state);
  view.setBigUint64(128, BigInt(header.provenLsn), true);
  view.setBigUint64(136, BigInt(header.floor), true);
  sector.fill(0xff, DROPS_OFFSET, CHECKED_BYTES);
  header.dropped.slice(0, DROPS_MAX).forEach(({ since, lowest }, i) => {
    view.setBigUint64(DROPS_OFFSET + i * DROP_BYTES, BigInt(since), true);
    setDropped(view, DROPS_OFFSET + i * DROP_BYTES + 8, lowest);
  });
  view.setBigUint64(CHECKED_BYTES, sum(sector.subarray(0, CHECKED_BYTES), 0n), true);
  return sector;
}

/**
 * Reads one copy of a segment's header.
 *
 * @param block The header block.
 * @param offset The offset of the copy.
 * @param sum The checksum.
 * @returns The header; `undefined` if the copy is damaged.
 */
export function decodeSegmentHeader(block: Uint8Array, offset: number, sum: Checksum): SegmentHeader | undefined {
  const copy = block.subarray(offset, offset + CHECKED_BYTES + 8);
  if (copy.length < CHECKED_BYTES + 8) return undefined;
  const view = viewOf(copy);
  if (view.getBigUint64(0, true) !== MAGIC || view.getUint32(8, true) !== FORMAT_VERSION) return undefined;
  if (view.getBigUint64(CHECKED_BYTES, true) !== sum(copy.subarray(0, CHECKED_BYTES), 0n)) return undefined;
  if (!areSafe(view, [32], SEGMENT_NUMBER_END) || !areSafe(view, [56], safe(view, 32))) return undefined;
  // When the header was written, the log ended at the start of the segment, so no durable LSN can be higher.
  if (!isSegmentBoundary(view, 40) || !areSafe(view, [128], safe(view, 40) + 1)) return undefined;
  // The next index can be one more than the highest possible index.
  if (!areSafe(view, [136], 2n ** 53n + 1n)) return undefined;
  const state = decodeState(view, STATE_OFFSET);
  return state && {
    uuid: copy.slice(16, 32),
    number: safe(view, 32),
    baseLsn: safe(view, 40),
    salt: view.getBigUint64(48, true),
    previous: safe(view, 56),
    previousChecksum: view.getUint32(12, true),
    state,
    provenLsn: safe(view, 128),
    floor: safe(view, 136),
    dropped: decodeDropped(view),
  };
}

function decodeDropped(view: DataView): Dropped[] {
  const dropped: Dropped[] = [];
  for (let at = DROPS_OFFSET; at < CHECKED_BYTES && view.getBigUint64(at, true) !== U64_ONES; at += DROP_BYTES) {
    // An invalid position must never seem to reach a gap.
    dropped.push({ since: isSegmentBoundary(view, at) ? safe(view, at) : Infinity, lowest: getDropped(view, at + 8) });
  }
  return dropped;
}

/**
 * The format version of a segment that this library cannot read. The offset of the checksum in another version is
 * unknown, so both copies of the header must give the same version.
 *
 * @param block The header block.
 * @returns The version; `undefined` if the block does not have another version.
 */
export function otherVersion(block: Uint8Array): number | undefined {
  const version = versionAt(block, HEADER_OFFSETS[0]);
  if (version === undefined || version === FORMAT_VERSION) return undefined;
  return versionAt(block, version === 1 ? COPY_OFFSET_V1 : HEADER_OFFSETS[1]) === version ? version : undefined;
}

function versionAt(block: Uint8Array, offset: number): number | undefined {
  return isMagic(block, offset) ? viewOf(block).getUint32(offset + 8, true) : undefined;
}

/**
 * Whether a copy of the header begins with the magic bytes.
 *
 * @param block The header block.
 * @param offset The offset of the copy.
 * @returns Whether the first eight bytes are those of a header.
 */
export function isMagic(block: Uint8Array, offset: number): boolean {
  return block.length >= offset + SECTOR_BYTES && viewOf(block).getBigUint64(offset, true) === MAGIC;
}
