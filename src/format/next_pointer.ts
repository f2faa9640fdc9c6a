/**
 * The next-segment pointer, which makes the next segment part of the log.
 *
 * @module
 */

import { isBorder } from "./lsn.ts";
import { areSafe, type Checksum, safe, viewOf } from "./numbers.ts";
import { SEGMENT_NUMBER_END } from "./segment_name.ts";

/** Offset of the next-segment pointer. */
export const NEXT_POINTER_OFFSET = 1024;

const SECTOR_BYTES = 512;
const POINTER_SUMMED_BYTES = 24;
const MAGIC_NEXT_POINTER = 0x584e474f4c4c4157n; // "WALLOGNX"

/** What a filled next-segment pointer says. */
export interface NextPointer {
  readonly number: number;
  readonly endLsn: number;
}

/**
 * Makes the next-segment pointer.
 *
 * @param next segment The next segment, and where this one ends.
 * @param salt This segment's salt.
 * @param sum The checksum.
 * @returns The sector to write at {@link NEXT_POINTER_OFFSET}.
 */
export function encodeNextPointer(nextPointer: NextPointer, salt: bigint, sum: Checksum): Uint8Array {
  const sector = new Uint8Array(SECTOR_BYTES);
  const view = viewOf(sector);
  view.setBigUint64(0, MAGIC_NEXT_POINTER, true);
  view.setBigUint64(8, BigInt(nextPointer.number), true);
  view.setBigUint64(16, BigInt(nextPointer.endLsn), true);
  view.setBigUint64(POINTER_SUMMED_BYTES, sum(sector.subarray(0, POINTER_SUMMED_BYTES), salt), true);
  return sector;
}

/**
 * Reads the next-segment pointer.
 *
 * @param block The header block.
 * @param salt The segment's salt.
 * @param sum The checksum.
 * @returns What it says, `undefined` if it is empty, `"damaged"` if it is neither.
 */
export function decodeNextPointer(block: Uint8Array, salt: bigint, sum: Checksum): NextPointer | undefined | "damaged" {
  const sector = block.subarray(NEXT_POINTER_OFFSET, NEXT_POINTER_OFFSET + SECTOR_BYTES);
  if (sector.every((byte) => byte === 0)) return undefined;
  if (sector.length < SECTOR_BYTES) return "damaged";
  const view = viewOf(sector);
  if (
    view.getBigUint64(0, true) !== MAGIC_NEXT_POINTER ||
    view.getBigUint64(POINTER_SUMMED_BYTES, true) !== sum(sector.subarray(0, POINTER_SUMMED_BYTES), salt)
  ) return "damaged";
  if (!areSafe(view, [8], SEGMENT_NUMBER_END) || !isBorder(view, 16)) return "damaged";
  return { number: safe(view, 8), endLsn: safe(view, 16) };
}

/**
 * Whether a damaged slot was filled once: of how it begins, half must be there. One that never was may hold a bit that
 * turned over, or, in a file that a crash kept from being flushed, what was on the disk before.
 *
 * @param block The header block.
 * @returns Whether the slot named a segment.
 */
export function wasFilled(block: Uint8Array): boolean {
  const magic = new Uint8Array(8);
  viewOf(magic).setBigUint64(0, MAGIC_NEXT_POINTER, true);
  return magic.filter((byte, i) => byte === block[NEXT_POINTER_OFFSET + i]).length >= magic.length / 2;
}
