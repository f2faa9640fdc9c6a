/**
 * Reads records, and classifies an incomplete one as torn or damaged.
 *
 * The format does not record flushes, so nothing in it proves that a record is torn. An interrupted append leaves a
 * file that ends within a record. Only such a file, without a complete record after that place, counts as torn.
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
  /** `torn`: the file ends within a record, and no complete one follows. `damaged`: any other fault. */
  readonly kind: "torn" | "damaged";
  /** Offset of the incomplete record, in bytes. */
  readonly offset: number;
  /** A description of the finding. */
  readonly reason: string;
}

/** Reads the records of a file in order, with a chunk of it in memory, or a larger record. */
export class RecordReader {
  /** Offset of the last record that was read, in bytes. */
  offset = 0;
  /** Offset of its end, where the next one begins, in bytes. */
  end = 0;
  /** Why there is no next record; `undefined` at the end of an undamaged file. */
  stop: RecordStop | undefined;
  private readonly file: File;
  private readonly size: number;
  private readonly codec: Codec;
  private buffer = new Uint8Array(CHUNK_BYTES);
  /** The file offset of the buffer's first byte, and the number of bytes in the buffer. */
  private start = 0;
  private filled = 0;

  /**
   * @param file The file.
   * @param size The number of bytes to read. Later appends are ignored.
   * @param codec Computes the checksums.
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
    // A record larger than a chunk gets its own buffer for as long as needed.
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
   * @returns Its bytes without the framing, as a view that is valid until the next call. `undefined` at the end of the
   * file, and at an incomplete record, which sets {@link RecordReader.stop}.
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

  /** Whether the record at the start of some bytes has a valid checksum. */
  private isWhole(bytes: Uint8Array, length: number): boolean {
    const end = FRAMING_BYTES + length;
    // The file was truncated meanwhile, so bytes are missing.
    if (bytes.length < end) return false;
    const sum = (bytes[0]! | bytes[1]! << 8 | bytes[2]! << 16 | bytes[3]! << 24) >>> 0;
    return this.codec.crc32c(bytes.subarray(SUMMED_FROM, end)) === sum;
  }

  /**
   * Ends the reading at a record.
   *
   * @param kind The verdict, unless the search finds a complete record later in the file.
   * @param offset Offset of the record, in bytes.
   * @param reason The finding.
   */
  fail(kind: RecordStop["kind"], offset: number, reason: string): undefined {
    this.stop = { kind, offset, reason, resumesAt: undefined, givenUpAt: undefined };
  }

  /**
   * Searches for the next complete record after {@link RecordReader.stop}, and stores the result there.
   *
   * @param stop The end of the reading.
   * @returns Yields the current offset of the search, every few milliseconds at most.
   */
  *search(stop: RecordStop): Generator<number, void> {
    const found = yield* new RecordSearch(this.file, this.size, this.codec).run(stop.offset + 1);
    const { resumesAt, givenUpAt } = found;
    // A damaged length can make a record seem to end past the file. It is torn only if no complete record follows.
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
