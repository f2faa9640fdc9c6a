/**
 * Reads records back, and classifies the place where one is not whole as torn or damaged.
 *
 * The format does not record flushes, so nothing in it proves that a place is torn. An append that is interrupted
 * leaves a file that ends within a record. Only such a file, with no whole record after the place, counts as torn.
 *
 * @module
 */

import { CHUNK_BYTES, type Codec } from "../codec/codec.ts";
import type { File } from "../io/file_system.ts";
import { readFull } from "../io/full.ts";
import { FRAMING_BYTES, RECORD_BYTES_MAX, SUMMED_FROM } from "./format.ts";
import { RecordSearch, type SearchResult } from "./search.ts";

/** The place where the reading of a file ended early, and the result of the search after it. */
export interface RecordStop extends SearchResult {
  /** `torn`: the file ends within a record, and no whole one follows. `damaged`: anything else. */
  readonly kind: "torn" | "damaged";
  /** Where the record begins that is not whole. In bytes. */
  readonly offset: number;
  /** What was found there, in words. */
  readonly reason: string;
}

/** Reads the records of a file in order, holding a chunk of it, or a record where that is larger. */
export class RecordReader {
  /** Where the record begins that was read last. In bytes. */
  offset = 0;
  /** Where it ends, and the next one begins. In bytes. */
  end = 0;
  /** Why there is no next record; `undefined` at the end of a file that is whole. */
  stop: RecordStop | undefined;
  private readonly file: File;
  private readonly size: number;
  private readonly codec: Codec;
  private buffer = new Uint8Array(CHUNK_BYTES);
  /** Where the buffer's first byte lies in the file, and how much of the file it holds. */
  private start = 0;
  private filled = 0;

  /**
   * @param file The file.
   * @param size How much of it is looked at; what is appended meanwhile is not.
   * @param codec For the checksums.
   */
  constructor(file: File, size: number, codec: Codec) {
    this.file = file;
    this.size = size;
    this.codec = codec;
  }

  /** Bytes of the file from a position on: at least `count` of them, unless it ends. A view, until the next call. */
  private from(position: number, count: number): Uint8Array<ArrayBuffer> {
    const at = position - this.start;
    if (at < 0 || at + count > this.filled) this.refill(position, count);
    return this.buffer.subarray(position - this.start, this.filled);
  }

  private refill(position: number, count: number): void {
    const at = position - this.start;
    const bytes = Math.max(count, CHUNK_BYTES);
    const kept = at < 0 || at > this.filled ? this.buffer.subarray(0, 0) : this.buffer.subarray(at, this.filled);
    // For a record larger than a chunk there is a buffer of its own, for as long as it is needed.
    if (this.buffer.length !== bytes) this.buffer = new Uint8Array(bytes);
    this.buffer.set(kept.subarray(0, bytes));
    this.start = position;
    this.filled = Math.min(kept.length, bytes);
    const into = this.buffer.subarray(this.filled, Math.min(bytes, this.size - position));
    this.filled += readFull(this.file, into, position + this.filled);
  }

  /**
   * Reads the next record.
   *
   * @returns Its bytes without the framing, a view until the next call; `undefined` at the end of the file, and where a
   * record is not whole: {@link RecordReader.stop} then says so.
   */
  next(): Uint8Array<ArrayBuffer> | undefined {
    const offset = this.end;
    const left = this.size - offset;
    if (left === 0) return undefined;
    if (left < FRAMING_BYTES) return this.fail("torn", offset, `the file ends ${left} bytes into a record`);
    const length = lengthAt(this.from(offset, FRAMING_BYTES));
    if (length > RECORD_BYTES_MAX) return this.fail("damaged", offset, `a record of ${length} bytes`);
    if (FRAMING_BYTES + length > left) {
      return this.fail("torn", offset, `the file ends ${left} bytes into a record of ${FRAMING_BYTES + length}`);
    }
    const bytes = this.from(offset, FRAMING_BYTES + length);
    if (!this.isWhole(bytes, length)) return this.fail("damaged", offset, "checksum mismatch");
    this.offset = offset;
    this.end = offset + FRAMING_BYTES + length;
    return bytes.subarray(FRAMING_BYTES, FRAMING_BYTES + length);
  }

  /** Whether the record at the front of some bytes has the checksum that it should have. */
  private isWhole(bytes: Uint8Array, length: number): boolean {
    const end = FRAMING_BYTES + length;
    // Bytes are missing that the size promised: the file was cut meanwhile.
    if (bytes.length < end) return false;
    const sum = (bytes[0]! | bytes[1]! << 8 | bytes[2]! << 16 | bytes[3]! << 24) >>> 0;
    return this.codec.crc32c(bytes.subarray(SUMMED_FROM, end)) === sum;
  }

  /**
   * Ends the reading at a record.
   *
   * @param kind The verdict, unless the search finds a whole record later in the file.
   * @param offset Where the record begins. In bytes.
   * @param reason What was found there.
   */
  fail(kind: RecordStop["kind"], offset: number, reason: string): undefined {
    this.stop = { kind, offset, reason, resumesAt: undefined, givenUpAt: undefined };
  }

  /**
   * Searches for the next whole record after {@link RecordReader.stop}, and puts the result there.
   *
   * @param stop Where the reading ended.
   * @returns Yields the current offset of the search, every few milliseconds at most.
   */
  *search(stop: RecordStop): Generator<number, void> {
    const found = yield* new RecordSearch(this.file, this.size, this.codec).run(stop.offset + 1);
    const { resumesAt, givenUpAt } = found;
    // A damaged length can make a record seem to end past the file. It is torn only if no whole record follows.
    const kind = resumesAt === undefined && givenUpAt === undefined ? stop.kind : "damaged";
    const reason = givenUpAt === undefined
      ? stop.reason
      : `${stop.reason}; the search for later whole records was given up at byte ${givenUpAt}`;
    this.stop = { ...stop, kind, reason, resumesAt, givenUpAt };
  }
}

function lengthAt(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(SUMMED_FROM, true);
}
