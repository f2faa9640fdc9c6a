/**
 * Reads segment indexes. A segment index only repeats what a scan of the segment finds. So if anything about it is
 * wrong, the segment is scanned.
 *
 * @module
 */

import type { Codec } from "../codec/codec.ts";
import { readFull } from "../io/full.ts";
import type { SizedFile } from "../io/sized_file.ts";
import type { Index, Term } from "../api/types.ts";
import { FRAME_HEADER_BYTES } from "../format/frame.ts";
import type { SegmentHeader } from "../format/segment_header.ts";
import {
  decodePages,
  decodeRuns,
  decodeTrailer,
  pairBytes,
  type Trailer,
  TRAILER_BYTES,
} from "../format/segment_index.ts";

/**
 * The first read at a file's end, in bytes. It covers the trailer, and the runs of a segment with up to a few hundred
 * terms.
 */
const TAIL_BYTES = 4096;

/**
 * Reads a segment index, except for the pages.
 *
 * @param codec The codec.
 * @param file The segment's file.
 * @param size Its size.
 * @param header The segment's header.
 * @returns Trailer and runs of terms; `undefined` if there is no segment index or it is damaged.
 */
export function readTrailer(
  codec: Codec,
  file: SizedFile,
  size: number,
  header: SegmentHeader,
): { readonly trailer: Trailer; readonly runs: readonly (readonly [Index, Term])[] } | undefined {
  const tail = new Uint8Array(Math.min(TAIL_BYTES, size));
  readFull(file, tail, size - tail.length);
  const sum = (bytes: Uint8Array, seed: bigint) => codec.hash(bytes, seed);
  const trailer = decodeTrailer(tail.subarray(-TRAILER_BYTES), header.salt, sum);
  if (trailer === undefined) return undefined;
  const { pages: pageBytes, runs: runBytes } = pairBytes(trailer);
  const runsAt = size - TRAILER_BYTES - runBytes;
  // Its parts must fill the file from its frame to the end. Otherwise one of its counts is wrong.
  if (trailer.indexOffset + FRAME_HEADER_BYTES + pageBytes !== runsAt) return undefined;
  let runs = tail.subarray(Math.max(tail.length - TRAILER_BYTES - runBytes, 0), tail.length - TRAILER_BYTES);
  if (runs.length < runBytes) readFull(file, runs = new Uint8Array(runBytes), runsAt);
  const decoded = sum(runs, 0n) === trailer.runsChecksum ? decodeRuns(runs, trailer) : undefined;
  return decoded === undefined ? undefined : { trailer, runs: decoded };
}

/**
 * Reads the pages of a segment index.
 *
 * @param codec The codec.
 * @param file The segment's file.
 * @param trailer The segment index's trailer.
 * @returns First index and offset of each page, alternating; `undefined` if they are damaged.
 */
export function readIndexPages(codec: Codec, file: SizedFile, trailer: Trailer): Float64Array | undefined {
  const bytes = new Uint8Array(pairBytes(trailer).pages);
  readFull(file, bytes, trailer.indexOffset + FRAME_HEADER_BYTES);
  return codec.hash(bytes, 0n) === trailer.pagesChecksum ? decodePages(bytes, trailer) : undefined;
}
