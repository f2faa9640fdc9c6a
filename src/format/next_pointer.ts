/**
 * The next-segment pointer, in two copies. It makes the next segment part of the log.
 *
 * ```text
 *  0  8 bytes "WALLOGNX"
 *  8  u64 number of the next segment
 * 16  u64 LSN at which this segment ends and the next one begins
 * 24  u64 LSN below which the next segment was durable when the pointer was written
 * 32  u64 XXH3-64 of bytes 0 to 32, seeded with the salt of this segment
 * ```
 *
 * The copy in page 0 is flushed before the next segment gets a frame of its own. The copy in page 3 is written only
 * after that. So both copies together show whether the next segment can be committed:
 *
 * | page 0                        | page 3  | the pointer                                     |
 * | ----------------------------- | ------- | ----------------------------------------------- |
 * | valid                         | any     | names a segment; of two, the higher number      |
 * | any                           | valid   | names a segment                                 |
 * | empty or damaged              | empty   | none: page 0 was never flushed                  |
 * | empty, valid header in page 0 | damaged | none: page 3 is written only after page 0       |
 * | damaged, or in a damaged page | damaged | damaged: it named an unknown segment            |
 *
 * @module
 */

import { NEXT_POINTER_OFFSETS, SECTOR_BYTES } from "./header_block.ts";
import { isSegmentBoundary } from "./lsn.ts";
import { areSafe, type Checksum, safe, viewOf } from "./numbers.ts";
import { SEGMENT_NUMBER_END } from "./segment_name.ts";

const CHECKED_BYTES = 32;
const MAGIC = 0x584e474f4c4c4157n; // "WALLOGNX"

/** The contents of a next-segment pointer. */
export interface NextPointer {
  /** The next segment. */
  readonly number: number;
  /** LSN at which this segment ends. */
  readonly endLsn: number;
  /** LSN below which the next segment was durable when the pointer was written. */
  readonly durableLsn: number;
}

/** The result of reading both copies of a pointer. `copies`: how many of them are valid and agree. */
export type NextPointerResult =
  | { readonly kind: "none" }
  | { readonly kind: "damaged" }
  | { readonly kind: "named"; readonly next: NextPointer; readonly copies: 1 | 2 };

/**
 * Makes one copy of the pointer.
 *
 * @param next The next segment, and the end of this one.
 * @param salt This segment's salt.
 * @param sum The checksum.
 * @returns The sector to write at each of {@link NEXT_POINTER_OFFSETS}.
 */
export function encodeNextPointer(next: NextPointer, salt: bigint, sum: Checksum): Uint8Array {
  const sector = new Uint8Array(SECTOR_BYTES);
  const view = viewOf(sector);
  view.setBigUint64(0, MAGIC, true);
  view.setBigUint64(8, BigInt(next.number), true);
  view.setBigUint64(16, BigInt(next.endLsn), true);
  view.setBigUint64(24, BigInt(next.durableLsn), true);
  view.setBigUint64(CHECKED_BYTES, sum(sector.subarray(0, CHECKED_BYTES), salt), true);
  return sector;
}

/**
 * Reads both copies of the pointer.
 *
 * @param block The header block.
 * @param isPage0Whole Whether the header in page 0 is valid.
 * @param salt This segment's salt.
 * @param sum The checksum.
 * @returns The result of both copies.
 */
export function decodeNextPointer(
  block: Uint8Array,
  isPage0Whole: boolean,
  salt: bigint,
  sum: Checksum,
): NextPointerResult {
  const [first, second] = NEXT_POINTER_OFFSETS.map((offset) => decodeCopy(block, offset, salt, sum));
  const valid = [first, second].filter((copy) => typeof copy === "object");
  if (valid.length > 0) {
    const next = valid.reduce((a, b) => b.number > a.number ? b : a);
    return { kind: "named", next, copies: valid.length === 2 && valid[0]!.number === valid[1]!.number ? 2 : 1 };
  }
  if (second === "empty" || (first === "empty" && isPage0Whole)) return { kind: "none" };
  return { kind: "damaged" };
}

/** Reads one copy. */
function decodeCopy(
  block: Uint8Array,
  offset: number,
  salt: bigint,
  sum: Checksum,
): NextPointer | "empty" | "damaged" {
  const sector = block.subarray(offset, offset + SECTOR_BYTES);
  if (sector.every((byte) => byte === 0)) return "empty";
  if (sector.length < SECTOR_BYTES) return "damaged";
  const view = viewOf(sector);
  if (
    view.getBigUint64(0, true) !== MAGIC ||
    view.getBigUint64(CHECKED_BYTES, true) !== sum(sector.subarray(0, CHECKED_BYTES), salt)
  ) return "damaged";
  if (!areSafe(view, [8], SEGMENT_NUMBER_END) || !isSegmentBoundary(view, 16) || !areSafe(view, [24])) return "damaged";
  return { number: safe(view, 8), endLsn: safe(view, 16), durableLsn: safe(view, 24) };
}

/**
 * Finds the copies of the pointer that are neither empty nor valid.
 *
 * @param block The header block.
 * @param salt This segment's salt.
 * @param sum The checksum.
 * @returns Their offsets.
 */
export function damagedCopies(block: Uint8Array, salt: bigint, sum: Checksum): number[] {
  return NEXT_POINTER_OFFSETS.filter((offset) => decodeCopy(block, offset, salt, sum) === "damaged");
}
