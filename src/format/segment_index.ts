/**
 * The segment index, which ends a sealed segment: reading needs no scan where it is intact.
 *
 * @module
 */

import type { Index, Term } from "../api/types.ts";
import { areSafe, type Checksum, getTerm, isTerm, safe, setTerm, U64_ONES, viewOf } from "./numbers.ts";

const TRAILER_SUMMED_BYTES = 56;
/** Size of the trailer that ends a segment index, and with it the file. */
export const TRAILER_BYTES = 64;

const MAGIC_TRAILER = 0x5446474f4c4c4157n; // "WALLOGFT"

/** What a segment index's trailer says. */
export interface Trailer {
  readonly indexOffset: number;
  readonly firstIndex: Index;
  readonly count: number;
  readonly runs: number;
  /** Lowest index that the segment truncates, `Infinity` if none. */
  readonly lowestTruncated: number;
  readonly runsChecksum: bigint;
  readonly offsetsChecksum: bigint;
}

/**
 * Makes the payload of a segment index.
 *
 * @param segmentIndex The surviving entries and where the segment index frame will lie.
 * @param salt The segment's salt.
 * @param sum The checksum.
 * @returns The payload; its last 64 bytes are the trailer, and become the last of the file.
 */
export function encodeSegmentIndex(
  segmentIndex: {
    readonly indexOffset: number;
    readonly firstIndex: Index;
    readonly offsets: Uint32Array;
    readonly runs: readonly (readonly [Index, Term])[];
    readonly lowestTruncated: number;
  },
  salt: bigint,
  sum: Checksum,
): Uint8Array {
  const offsetBytes = Math.ceil(segmentIndex.offsets.byteLength / 8) * 8;
  const runBytes = segmentIndex.runs.length * 16;
  const payload = new Uint8Array(offsetBytes + runBytes + TRAILER_BYTES);
  payload.set(
    new Uint8Array(segmentIndex.offsets.buffer, segmentIndex.offsets.byteOffset, segmentIndex.offsets.byteLength),
  );
  const runs = viewOf(payload.subarray(offsetBytes, offsetBytes + runBytes));
  segmentIndex.runs.forEach(([index, term], i) => {
    runs.setBigUint64(i * 16, BigInt(index), true);
    setTerm(runs, i * 16 + 8, term);
  });
  const trailer = payload.subarray(offsetBytes + runBytes);
  const view = viewOf(trailer);
  view.setBigUint64(0, MAGIC_TRAILER, true);
  view.setBigUint64(8, BigInt(segmentIndex.indexOffset), true);
  view.setBigUint64(16, BigInt(segmentIndex.firstIndex), true);
  view.setUint32(24, segmentIndex.offsets.length, true);
  view.setUint32(28, segmentIndex.runs.length, true);
  view.setBigUint64(
    32,
    segmentIndex.lowestTruncated === Infinity ? U64_ONES : BigInt(segmentIndex.lowestTruncated),
    true,
  );
  view.setBigUint64(40, sum(payload.subarray(offsetBytes, offsetBytes + runBytes), 0n), true);
  view.setBigUint64(48, sum(payload.subarray(0, offsetBytes), 0n), true);
  view.setBigUint64(TRAILER_SUMMED_BYTES, sum(trailer.subarray(0, TRAILER_SUMMED_BYTES), salt), true);
  return payload;
}

/**
 * Reads a segment index's trailer.
 *
 * @param trailer The last 64 bytes of the file.
 * @param salt The segment's salt.
 * @param sum The checksum.
 * @returns What it says, or `undefined` if there is none or it is damaged.
 */
export function decodeTrailer(trailer: Uint8Array, salt: bigint, sum: Checksum): Trailer | undefined {
  if (trailer.length < TRAILER_BYTES) return undefined;
  const view = viewOf(trailer);
  if (
    view.getBigUint64(0, true) !== MAGIC_TRAILER ||
    view.getBigUint64(TRAILER_SUMMED_BYTES, true) !== sum(trailer.subarray(0, TRAILER_SUMMED_BYTES), salt)
  ) return undefined;
  if (!areSafe(view, [8]) || view.getBigUint64(16, true) > 2n ** 53n) return undefined;
  const lowest = view.getBigUint64(32, true);
  if (lowest !== U64_ONES && !areSafe(view, [32])) return undefined;
  return {
    indexOffset: safe(view, 8),
    firstIndex: safe(view, 16),
    count: view.getUint32(24, true),
    runs: view.getUint32(28, true),
    lowestTruncated: lowest === U64_ONES ? Infinity : Number(lowest),
    runsChecksum: view.getBigUint64(40, true),
    offsetsChecksum: view.getBigUint64(48, true),
  };
}

/**
 * Reads the runs of a segment index.
 *
 * @param bytes The runs, 16 bytes each.
 * @param trailer What the trailer says.
 * @returns First index and term of each; `undefined` if they do not run through the entries that the trailer counts.
 */
export function decodeRuns(bytes: Uint8Array, { firstIndex, count }: Trailer): [Index, Term][] | undefined {
  const view = viewOf(bytes);
  const runs: [Index, Term][] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const expected = runs.length === 0 ? firstIndex : runs.at(-1)![0] + 1;
    const index = safe(view, at);
    if (index < expected || (at === 0 && index > expected) || index >= firstIndex + count) return undefined;
    if (!isTerm(view, at + 8)) return undefined;
    runs.push([index, getTerm(view, at + 8)]);
  }
  return (runs.length === 0) === (count === 0) ? runs : undefined;
}
