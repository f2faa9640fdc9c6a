/**
 * The write buffer: frames are built in WebAssembly memory, and written to the file straight out of it. The buffer goes on
 * holding the last few MiB that were written, so reading what was just appended touches no file.
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

/** What the buffer holds on to of what was written. */
const BUFFER_KEPT_BYTES = 4 * 1024 * 1024;
/** The most that is written at once; a larger frame goes to the file from where it lies. */
export const WRITE_BYTES_MAX = 4 * 1024 * 1024;
const BUFFER_BYTES_MAX = BUFFER_KEPT_BYTES + WRITE_BYTES_MAX;
/** What the buffer begins with: a log that is little written takes little memory. */
const BUFFER_BYTES_MIN = 256 * 1024;
/** Of writes from here on the buffer holds the last one only. */
const BUFFER_BATCH_MAX = 48 * 1024;

/** Kind and flags of an entries frame, as the word at {@link FRAME_KIND} has them. */
const ENTRIES_WORD = { normal: KIND_ENTRIES, config: KIND_ENTRIES | FLAG_CONFIG << FLAGS_SHIFT } as const;
const MORE_WORD = FLAG_MORE << FLAGS_SHIFT;

/**
 * Kind, flags, changes and count of an entries frame, as the word at {@link FRAME_KIND} has them.
 *
 * @param kind The kind of its entries.
 * @param count How many entries it holds.
 * @param changes Changes of the log so far.
 */
export function entriesWord(kind: EntryKind, count: number, changes: number): number {
  return ENTRIES_WORD[kind] | changes % CHANGES_END << 8 | count << COUNT_SHIFT;
}

/** Holds what is about to be written, and what was written last. */
export class WriteBuffer {
  /** How often room was made: whether what was laid there is still what lies there. */
  reservations = 0;
  /** The codec, in whose memory the buffer lies. */
  readonly codec: Codec;
  /** Offset in the file of the buffer's first byte, and how many it holds. */
  private start: number;
  private filled = 0;
  private size = BUFFER_BYTES_MIN;

  /**
   * @param codec The codec, in whose memory the buffer lies.
   * @param start Offset in the file at which writing goes on.
   */
  constructor(codec: Codec, start: number) {
    this.codec = codec;
    this.start = start;
    codec.makeWriteBuffer(this.size);
  }

  /** Forgets what it holds. */
  restart(start: number): void {
    this.start = start;
    this.filled = 0;
  }

  /** Notes that the bytes for which room was made have been written. */
  wrote(bytes: number): void {
    this.filled += bytes;
  }

  /**
   * Makes room in the buffer for the next write.
   *
   * @param bytes How much, at most {@link WRITE_BYTES_MAX}.
   * @param end Offset in the file that it is for.
   * @returns The address.
   */
  reserve(bytes: number, end: number): number {
    const { codec } = this;
    this.reservations++;
    // Large writes all go through the same few pages, which stay in the processor's cache that way.
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
   * Puts a frame's header at an address, unsealed.
   *
   * @param at The address.
   * @param length Bytes of the payload.
   * @param term The term.
   * @param indexLow The low half of the index.
   * @param indexHigh The high half.
   * @param kinds Kind, flags, changes and count, as the word at {@link FRAME_KIND} has them.
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

  /** Notes in an unsealed frame that the batch goes on with the next one. */
  setMore(at: number): void {
    this.codec.words[(at + FRAME_KIND) >>> 2]! |= MORE_WORD;
  }

  /**
   * Where the bytes at an offset of the newest segment lie in the buffer.
   *
   * @param offset Offset in the file, of a frame.
   * @returns Their address, or `undefined` if the buffer has moved on.
   */
  addressOf(offset: number): number | undefined {
    return offset >= this.start && offset < this.start + this.filled
      ? this.codec.writeBufferAt + offset - this.start
      : undefined;
  }
}
