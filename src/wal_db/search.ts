/**
 * Searches for a whole record after a damaged one. It tries every offset.
 *
 * The checksum of a record covers up to 64 MiB. A crafted file can have a plausible record header every few bytes, and
 * to checksum all of those records would take time quadratic in the size of the file. The search therefore has a budget
 * of bytes to checksum, and gives up when the budget is used up.
 *
 * @module
 */

import { CHUNK_BYTES, type Codec } from "../codec/codec.ts";
import type { File } from "../io/file_system.ts";
import { readFull } from "../io/full.ts";
import { FRAMING_BYTES, isPlausible, PLAUSIBLE_BYTES, RECORD_BYTES_MAX, SUMMED_FROM } from "./format.ts";

/** The budget, as a multiple of the file's size. A log that was damaged by accident needs a fraction of it. */
const BUDGET_FACTOR = 8;
/** How many bytes are tried and checksummed between two steps of the search. They take a millisecond or so. */
const STEP_BYTES = 256 * 1024;

/** How a search ended. */
export interface SearchResult {
  /** Where the next whole record begins; `undefined` if none was found. In bytes. */
  readonly resumesAt: number | undefined;
  /** Where the search was given up; `undefined` if it was not. In bytes. */
  readonly givenUpAt: number | undefined;
}

/** Searches one file. Holds two chunks of it. */
export class RecordSearch {
  private readonly file: File;
  private readonly size: number;
  private readonly codec: Codec;
  /** Bytes that may still be checksummed. */
  private budget: number;
  private readonly chunk = new Uint8Array(CHUNK_BYTES);
  /** The part of a candidate that lies past the chunk, piece by piece. */
  private readonly piece = new Uint8Array(CHUNK_BYTES);

  /**
   * @param file The file.
   * @param size How much of it is searched. In bytes.
   * @param codec For the checksums.
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
   * @param from Where to begin. In bytes.
   * @returns Yields the current offset, every few milliseconds at most. Returns how the search ended.
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
   * @param position Where the chunk begins in the file. In bytes.
   * @param filled How much of the chunk is filled. In bytes.
   * @param bytes How many bytes to add to the checksum.
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
