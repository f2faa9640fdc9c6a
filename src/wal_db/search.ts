/**
 * Searches for a complete record after a damaged one. It tries every offset.
 *
 * The checksum of a record covers up to 64 MiB. A crafted file can have a plausible record header every few bytes, and
 * to checksum all of those records would take time quadratic in the size of the file. So the search has a budget of
 * bytes to checksum, and stops when the budget is used up.
 *
 * @module
 */

import { CHUNK_BYTES, type Codec } from "../codec/codec.ts";
import type { File } from "../io/file_system.ts";
import { readFull } from "../io/full.ts";
import { FRAMING_BYTES, isPlausible, PLAUSIBLE_BYTES, RECORD_BYTES_MAX, SUMMED_FROM } from "./format.ts";

/** The budget, as a multiple of the file's size. A log that was damaged by accident needs a fraction of it. */
const BUDGET_FACTOR = 8;
/** The number of bytes to try and to checksum between two steps of the search. They take about a millisecond. */
const STEP_BYTES = 256 * 1024;

/** The result of a search. */
export interface SearchResult {
  /** Offset of the next complete record, in bytes; `undefined` if none was found. */
  readonly resumesAt: number | undefined;
  /** Offset at which the search was stopped, in bytes; `undefined` if it was not stopped. */
  readonly givenUpAt: number | undefined;
}

/** Searches one file, with two chunks of it in memory. */
export class RecordSearch {
  private readonly file: File;
  private readonly size: number;
  private readonly codec: Codec;
  /** Bytes that may still be checksummed. */
  private budget: number;
  private readonly chunk = new Uint8Array(CHUNK_BYTES);
  /** The part of a candidate after the chunk, piece by piece. */
  private readonly piece = new Uint8Array(CHUNK_BYTES);

  /**
   * @param file The file.
   * @param size The number of bytes to search.
   * @param codec Computes the checksums.
   */
  constructor(file: File, size: number, codec: Codec) {
    this.file = file;
    this.size = size;
    this.codec = codec;
    this.budget = size * BUDGET_FACTOR;
  }

  /**
   * Searches step by step.
   *
   * @param from Start of the search, in bytes.
   * @returns Yields the current offset, every few milliseconds at most. Returns the result.
   */
  *run(from: number): Generator<number, SearchResult> {
    const { size, chunk } = this;
    let work = 0;
    for (let position = from; size - position > FRAMING_BYTES;) {
      const filled = readFull(this.file, chunk.subarray(0, Math.min(CHUNK_BYTES, size - position)), position);
      const view = new DataView(chunk.buffer, 0, filled);
      let at = 0;
      for (; at + FRAMING_BYTES < filled; at++) {
        if (++work >= STEP_BYTES) {
          yield position + at;
          work = 0;
        }
        const length = view.getUint32(at + SUMMED_FROM, true);
        if (length === 0 || length > RECORD_BYTES_MAX) continue;
        if (FRAMING_BYTES + length > size - position - at) continue;
        // The chunk ends too soon to judge this one. The next chunk begins with it.
        if (at + FRAMING_BYTES + Math.min(PLAUSIBLE_BYTES, length) > filled) break;
        if (!isPlausible(view, at + FRAMING_BYTES, length)) continue;
        const summed = FRAMING_BYTES - SUMMED_FROM + length;
        this.budget -= summed;
        if (this.budget < 0) return { resumesAt: undefined, givenUpAt: position + at };
        work += summed;
        const inChunk = chunk.subarray(at + SUMMED_FROM, Math.min(at + SUMMED_FROM + summed, filled));
        let sum = this.codec.crc32c(inChunk);
        if (inChunk.length < summed) sum = yield* this.sumBehind(position, filled, summed - inChunk.length, sum);
        if (sum === view.getUint32(at, true)) return { resumesAt: position + at, givenUpAt: undefined };
      }
      // The file has shrunk since its size was taken.
      if (at === 0) break;
      position += at;
    }
    return { resumesAt: undefined, givenUpAt: undefined };
  }

  /**
   * Continues a checksum past the chunk.
   *
   * @param position Offset of the chunk in the file, in bytes.
   * @param filled The number of bytes in the chunk.
   * @param bytes The number of bytes to add to the checksum.
   * @param before The checksum so far.
   * @returns Yields the position after each piece. Returns the checksum.
   */
  private *sumBehind(position: number, filled: number, bytes: number, before: number): Generator<number, number> {
    let sum = before;
    for (let done = 0; done < bytes;) {
      yield position;
      const piece = this.piece.subarray(0, Math.min(CHUNK_BYTES, bytes - done));
      const count = readFull(this.file, piece, position + filled + done);
      // The file has shrunk since its size was taken.
      if (count === 0) break;
      sum = this.codec.crc32c(piece.subarray(0, count), sum);
      done += count;
    }
    return sum;
  }
}
