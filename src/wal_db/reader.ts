/**
 * Records as they are read back, and what to make of it where one is not whole.
 *
 * The format knows nothing of what was flushed, so that torn and damaged cannot be told apart by proof, as in a log of
 * this library. What is certain is this: appending to a file leaves, when it is cut short, a record that the file ends
 * within, and nothing behind it. That, and only that, passes for torn.
 *
 * @module
 */

import { CHUNK_BYTES, type Codec } from "../codec/codec.ts";
import type { File } from "../storage/file_system.ts";
import { readFull } from "../storage/full.ts";
import { FRAMING_BYTES, isPlausible, PLAUSIBLE_BYTES, RECORD_BYTES_MAX, SUMMED_FROM } from "./format.ts";

/** Where a file stops making sense. */
export interface RecordStop {
  /** `torn`: the file ends within a record. `damaged`: anything else. */
  readonly kind: "torn" | "damaged";
  /** Where the record begins that is not whole. In bytes. */
  readonly offset: number;
  /** What was found, in words. */
  readonly reason: string;
  /** Where the next whole record begins; `undefined` if none follows. In bytes. */
  readonly resumesAt: number | undefined;
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
  private from(position: number, count: number): Uint8Array {
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
  next(): Uint8Array | undefined {
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
   * Notes that the file makes no sense from some record on.
   *
   * @param kind What it looks like.
   * @param offset Where it begins. In bytes.
   * @param reason What was found.
   */
  fail(kind: RecordStop["kind"], offset: number, reason: string): undefined {
    const resumesAt = this.search(offset + 1);
    // A length that was damaged makes a record seem to go on past the end; that others follow tells.
    this.stop = { kind: resumesAt === undefined ? kind : "damaged", offset, reason, resumesAt };
  }

  /** Where the next whole record begins, at whatever offset. */
  private search(from: number): number | undefined {
    const needed = FRAMING_BYTES + PLAUSIBLE_BYTES;
    for (let position = from; this.size - position > FRAMING_BYTES;) {
      const bytes = this.from(position, Math.min(CHUNK_BYTES, this.size - position));
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      let at = 0;
      for (; at + FRAMING_BYTES < bytes.length; at++) {
        const length = view.getUint32(at + SUMMED_FROM, true);
        if (length === 0 || length > RECORD_BYTES_MAX) continue;
        if (FRAMING_BYTES + length > this.size - position - at) continue;
        // What the chunk does not hold far enough is looked at in the next one.
        if (at + Math.min(needed, FRAMING_BYTES + length) > bytes.length) break;
        if (!isPlausible(view, at + FRAMING_BYTES, length)) continue;
        if (this.isWhole(this.from(position + at, FRAMING_BYTES + length), length)) return position + at;
        // The candidate may have taken the chunk's place.
        at++;
        break;
      }
      if (at === 0) return undefined;
      position += at;
    }
    return undefined;
  }
}

function lengthAt(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(SUMMED_FROM, true);
}
