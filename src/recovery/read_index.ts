/**
 * Segment indexes as they are read back. A segment index is a copy of what scanning its segment gives, so that every doubt about
 * one is answered by scanning.
 *
 * @module
 */

import type { Codec } from "../codec/codec.ts";
import { readFull } from "../io/full.ts";
import type { SizedFile } from "../io/sized_file.ts";
import type { Index, Term } from "../api/types.ts";
import { FRAME_HEADER_BYTES } from "../format/frame.ts";
import type { SegmentHeader } from "../format/segment_header.ts";
import { decodeRuns, decodeTrailer, type Trailer, TRAILER_BYTES } from "../format/segment_index.ts";

/** What is read of a file's end at first: the trailer, and the runs of any segment without hundreds of terms. */
const TAIL_BYTES = 4096;

/**
 * Reads what a segment index says, but for the offsets.
 *
 * @param codec The codec.
 * @param file The segment's file.
 * @param size Its size.
 * @param header The segment's header.
 * @returns Trailer and runs of terms, or `undefined` if there is no segment index or it is damaged.
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
  const runBytes = trailer.runs * 16;
  const runsAt = size - TRAILER_BYTES - runBytes;
  // Its parts fill the file from its frame to the end, or one of its counts is not to be believed.
  if (trailer.indexOffset + FRAME_HEADER_BYTES + offsetBytes(trailer) !== runsAt) return undefined;
  let runs = tail.subarray(Math.max(tail.length - TRAILER_BYTES - runBytes, 0), tail.length - TRAILER_BYTES);
  if (runs.length < runBytes) readFull(file, runs = new Uint8Array(runBytes), runsAt);
  const decoded = sum(runs, 0n) === trailer.runsChecksum ? decodeRuns(runs, trailer) : undefined;
  return decoded === undefined ? undefined : { trailer, runs: decoded };
}

/** Bytes of the offsets, padded. */
function offsetBytes({ count }: Trailer): number {
  return Math.ceil(count / 2) * 8;
}

/**
 * Reads the offsets of a segment index.
 *
 * @param codec The codec.
 * @param file The segment's file.
 * @param trailer The segment index's trailer.
 * @returns The offsets, in units of 8 bytes, or `undefined` if they are damaged.
 */
export function readIndexOffsets(codec: Codec, file: SizedFile, trailer: Trailer): Uint32Array | undefined {
  const bytes = new Uint8Array(offsetBytes(trailer));
  readFull(file, bytes, trailer.indexOffset + FRAME_HEADER_BYTES);
  return codec.hash(bytes, 0n) === trailer.offsetsChecksum
    ? new Uint32Array(bytes.buffer, 0, trailer.count)
    : undefined;
}
