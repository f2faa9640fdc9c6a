/**
 * The write buffer: frames are built in WebAssembly memory, and written to the file directly from it. The buffer keeps
 * the last few MiB that were written, so reading entries that were just appended touches no file.
 *
 * @module
 */

import type { Codec } from "../codec/codec.ts";
import type { EntryKind } from "../api/types.ts";
import {
  CHANGES_END,
  COUNT_SHIFT,
  FLAG_CONFIG,
  FLAG_MORE,
  FLAGS_SHIFT,
  FRAME_KIND,
  KIND_ENTRIES,
} from "../format/frame.ts";

/** The most written bytes that the buffer keeps. */
const BUFFER_KEPT_BYTES = 4 * 1024 * 1024;
/** The most bytes to write at once. A larger frame is written directly from the caller's memory. */
export const WRITE_BYTES_MAX = 4 * 1024 * 1024;
const BUFFER_BYTES_MAX = BUFFER_KEPT_BYTES + WRITE_BYTES_MAX;
/** The initial size of the buffer, in bytes. Small, so that a log with few writes takes little memory. */
const BUFFER_BYTES_MIN = 256 * 1024;
/** For writes of at least this many bytes, the buffer keeps only the last one. */
const BUFFER_BATCH_MAX = 48 * 1024;

/** Kind and flags of an entries frame, in the layout of the word at {@link FRAME_KIND}. */
const ENTRIES_WORD = { normal: KIND_ENTRIES, config: KIND_ENTRIES | FLAG_CONFIG << FLAGS_SHIFT } as const;
const MORE_WORD = FLAG_MORE << FLAGS_SHIFT;

/**
 * Kind, flags, changes and count of an entries frame, in the layout of the word at {@link FRAME_KIND}.
 *
 * @param kind The kind of its entries.
 * @param count The number of its entries.
 * @param changes The number of changes of the log so far.
 */
export function entriesWord(kind: EntryKind, count: number, changes: number): number {
  return ENTRIES_WORD[kind] | changes % CHANGES_END << 8 | count << COUNT_SHIFT;
}

/** Holds the frames to write next, and the frames written last. */
export class WriteBuffer {
  /** The number of reservations. If it has changed, reserved bytes may have been overwritten. */
  reservations = 0;
  /** The codec. The buffer is in its memory. */
  readonly codec: Codec;
  /** The file offset of the buffer's first byte, and the number of bytes in the buffer. */
  private start: number;
  private filled = 0;
  private size = BUFFER_BYTES_MIN;

  /**
   * @param codec The codec. The buffer is in its memory.
   * @param start Offset in the file of the next write.
   */
  constructor(codec: Codec, start: number) {
    this.codec = codec;
    this.start = start;
    codec.makeWriteBuffer(this.size);
  }

  /** Empties the buffer. */
  restart(start: number): void {
    this.start = start;
    this.filled = 0;
  }

  /** Records that reserved bytes have been written. */
  wrote(bytes: number): void {
    this.filled += bytes;
  }

  /**
   * Reserves room in the buffer for the next write.
   *
   * @param bytes The number of bytes, at most {@link WRITE_BYTES_MAX}.
   * @param end Offset in the file of the write.
   * @returns The address of the reserved bytes.
   */
  reserve(bytes: number, end: number): number {
    const { codec } = this;
    this.reservations++;
    // Large writes all use the same few pages, which then stay in the processor's cache.
    if (this.start + this.filled !== end || bytes >= BUFFER_BATCH_MAX) {
      this.start = end;
      this.filled = 0;
    }
    if (this.filled + bytes > this.size && this.size < BUFFER_BYTES_MAX) {
      this.size = Math.min(Math.max(this.size * 2, this.filled + bytes), BUFFER_BYTES_MAX);
      codec.makeWriteBuffer(this.size);
    }
    if (this.filled + bytes > this.size) {
      const kept = Math.min(this.filled, BUFFER_KEPT_BYTES);
      const from = codec.writeBufferAt + this.filled - kept;
      codec.bytes.copyWithin(codec.writeBufferAt, from, from + kept);
      this.start += this.filled - kept;
      this.filled = kept;
    }
    return codec.writeBufferAt + this.filled;
  }

  /**
   * Puts an unsealed frame header at an address.
   *
   * @param at The address.
   * @param length Bytes of the payload.
   * @param term The term.
   * @param indexLow The low half of the index.
   * @param indexHigh The high half.
   * @param kinds Kind, flags, changes and count, in the layout of the word at {@link FRAME_KIND}.
   */
  putHeader(at: number, length: number, term: number, indexLow: number, indexHigh: number, kinds: number): void {
    const { words } = this.codec;
    const word = at >>> 2;
    words[word + 1] = length;
    words[word + 4] = term;
    words[word + 5] = term / 2 ** 32;
    words[word + 6] = indexLow;
    words[word + 7] = indexHigh;
    words[word + 8] = kinds;
  }

  /** Marks an unsealed frame: the batch continues in the next one. */
  setMore(at: number): void {
    this.codec.words[(at + FRAME_KIND) >>> 2]! |= MORE_WORD;
  }

  /**
   * Finds the bytes at an offset of the newest segment in the buffer.
   *
   * @param offset Offset in the file, of a frame.
   * @returns Their address; `undefined` if they are no longer in the buffer.
   */
  addressOf(offset: number): number | undefined {
    return offset >= this.start && offset < this.start + this.filled
      ? this.codec.writeBufferAt + offset - this.start
      : undefined;
  }
}
