/**
 * The segment index, at the end of a sealed segment. If it is intact, reading needs no scan.
 *
 * ```text
 * Payload of the frame: the pages, the runs, the trailer
 *  page  0  u64 firstIndex        index of the first entry in the page
 *        8  u64 offset            offset of its frame in the file; 0: the entries are lost
 *  run   0  u64 firstIndex        index of the first entry of a term
 *        8  u64 term
 *  trailer, the last 72 bytes of the file
 *        0  8 bytes "WALLOGFT"
 *        8  u64 indexOffset       offset of the frame
 *       16  u64 firstIndex        index of the segment's first entry
 *       24  u64 nextIndex         index after its last entry
 *       32  u64 lowestTruncated   lowest index that the segment truncates, all ones: none
 *       40  u32 pages             number of pages
 *       44  u32 runs              number of runs
 *       48  u64 runsChecksum      XXH3-64 of the runs
 *       56  u64 pagesChecksum     XXH3-64 of the pages
 *       64  u64 checksum          XXH3-64 of bytes 0 to 64, seeded with the salt
 * ```
 *
 * @module
 */

import type { Index, Term } from "../api/types.ts";
import { areSafe, type Checksum, getTerm, isTerm, safe, setSafe, setTerm, U64_ONES, viewOf } from "./numbers.ts";

const TRAILER_SUMMED_BYTES = 64;
/** Size of the trailer that ends a segment index, and with it the file. */
export const TRAILER_BYTES = 72;
/** Size of a page, and of a run. */
const PAIR_BYTES = 16;

const MAGIC_TRAILER = 0x5446474f4c4c4157n; // "WALLOGFT"

/** The trailer of a segment index. */
export interface Trailer {
  readonly indexOffset: number;
  readonly firstIndex: Index;
  readonly nextIndex: Index;
  /** Lowest index that the segment truncates, `Infinity` if none. */
  readonly lowestTruncated: number;
  readonly pages: number;
  readonly runs: number;
  readonly runsChecksum: bigint;
  readonly pagesChecksum: bigint;
}

/** The contents of a segment index. */
export interface SegmentIndexContents {
  readonly indexOffset: number;
  readonly firstIndex: Index;
  readonly nextIndex: Index;
  readonly lowestTruncated: number;
  /** First index and offset of each page, alternating. */
  readonly pages: Float64Array;
  readonly runs: readonly (readonly [Index, Term])[];
}

/**
 * Makes the payload of a segment index.
 *
 * @param contents The surviving entries, and the offset of the segment index frame.
 * @param salt The segment's salt.
 * @param sum The checksum.
 * @returns The payload. Its last 72 bytes are the trailer, which becomes the end of the file.
 */
export function encodeSegmentIndex(contents: SegmentIndexContents, salt: bigint, sum: Checksum): Uint8Array {
  const { pages, runs, lowestTruncated } = contents;
  const pageBytes = pages.length / 2 * PAIR_BYTES;
  const runBytes = runs.length * PAIR_BYTES;
  const payload = new Uint8Array(pageBytes + runBytes + TRAILER_BYTES);
  const numbers = viewOf(payload);
  pages.forEach((number, i) => setSafe(numbers, i * 8, number));
  runs.forEach(([index, term], i) => {
    setSafe(numbers, pageBytes + i * PAIR_BYTES, index);
    setTerm(numbers, pageBytes + i * PAIR_BYTES + 8, term);
  });
  const trailer = payload.subarray(pageBytes + runBytes);
  const view = viewOf(trailer);
  view.setBigUint64(0, MAGIC_TRAILER, true);
  setSafe(view, 8, contents.indexOffset);
  setSafe(view, 16, contents.firstIndex);
  setSafe(view, 24, contents.nextIndex);
  view.setBigUint64(32, lowestTruncated === Infinity ? U64_ONES : BigInt(lowestTruncated), true);
  view.setUint32(40, pages.length / 2, true);
  view.setUint32(44, runs.length, true);
  view.setBigUint64(48, sum(payload.subarray(pageBytes, pageBytes + runBytes), 0n), true);
  view.setBigUint64(56, sum(payload.subarray(0, pageBytes), 0n), true);
  view.setBigUint64(TRAILER_SUMMED_BYTES, sum(trailer.subarray(0, TRAILER_SUMMED_BYTES), salt), true);
  return payload;
}

/**
 * Reads a segment index's trailer.
 *
 * @param trailer The last 72 bytes of the file.
 * @param salt The segment's salt.
 * @param sum The checksum.
 * @returns The trailer; `undefined` if there is none or it is damaged.
 */
export function decodeTrailer(trailer: Uint8Array, salt: bigint, sum: Checksum): Trailer | undefined {
  if (trailer.length < TRAILER_BYTES) return undefined;
  const view = viewOf(trailer);
  if (
    view.getBigUint64(0, true) !== MAGIC_TRAILER ||
    view.getBigUint64(TRAILER_SUMMED_BYTES, true) !== sum(trailer.subarray(0, TRAILER_SUMMED_BYTES), salt)
  ) return undefined;
  if (!areSafe(view, [8]) || view.getBigUint64(16, true) > view.getBigUint64(24, true)) return undefined;
  if (view.getBigUint64(24, true) > 2n ** 53n) return undefined;
  const lowest = view.getBigUint64(32, true);
  if (lowest !== U64_ONES && !areSafe(view, [32])) return undefined;
  return {
    indexOffset: safe(view, 8),
    firstIndex: safe(view, 16),
    nextIndex: safe(view, 24),
    lowestTruncated: lowest === U64_ONES ? Infinity : Number(lowest),
    pages: view.getUint32(40, true),
    runs: view.getUint32(44, true),
    runsChecksum: view.getBigUint64(48, true),
    pagesChecksum: view.getBigUint64(56, true),
  };
}

/**
 * The sizes of the pages and the runs, from a trailer.
 *
 * @param trailer The trailer.
 */
export function pairBytes({ pages, runs }: Trailer): { readonly pages: number; readonly runs: number } {
  return { pages: pages * PAIR_BYTES, runs: runs * PAIR_BYTES };
}

/**
 * Reads the pages of a segment index.
 *
 * @param bytes The pages.
 * @param trailer The trailer.
 * @returns First index and offset of each page, alternating; `undefined` if they do not cover the trailer's entries in
 * order, or if the offsets are impossible.
 */
export function decodePages(bytes: Uint8Array, trailer: Trailer): Float64Array | undefined {
  const { firstIndex, nextIndex, indexOffset } = trailer;
  const view = viewOf(bytes);
  const pages = new Float64Array(bytes.length / 8);
  let lastOffset = 0;
  for (let at = 0; at < bytes.length; at += PAIR_BYTES) {
    const [first, offset] = [safe(view, at), safe(view, at + 8)];
    const expected = at === 0 ? firstIndex : pages[at / 8 - 2]! + 1;
    if (first < expected || (at === 0 && first > expected) || first >= nextIndex) return undefined;
    if (offset !== 0 && (offset <= lastOffset || offset >= indexOffset || offset % 8 !== 0)) return undefined;
    lastOffset = Math.max(lastOffset, offset);
    pages[at / 8] = first;
    pages[at / 8 + 1] = offset;
  }
  return (pages.length === 0) === (firstIndex === nextIndex) ? pages : undefined;
}

/**
 * Reads the runs of a segment index.
 *
 * @param bytes The runs.
 * @param trailer The trailer.
 * @returns First index and term of each run; `undefined` if they do not cover the trailer's entries in order.
 */
export function decodeRuns(bytes: Uint8Array, { firstIndex, nextIndex }: Trailer): [Index, Term][] | undefined {
  const view = viewOf(bytes);
  const runs: [Index, Term][] = [];
  for (let at = 0; at < bytes.length; at += PAIR_BYTES) {
    const expected = runs.length === 0 ? firstIndex : runs.at(-1)![0] + 1;
    const index = safe(view, at);
    if (index < expected || (at === 0 && index > expected) || index >= nextIndex) return undefined;
    if (!isTerm(view, at + 8)) return undefined;
    runs.push([index, getTerm(view, at + 8)]);
  }
  return (runs.length === 0) === (firstIndex === nextIndex) ? runs : undefined;
}
