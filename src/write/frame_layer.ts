/**
 * Builds the frames of entries in the write buffer.
 *
 * Consecutive entries of one term and kind share a frame of up to 4 KiB of payload, so that many small entries cost one
 * header and one checksum. A larger entry gets its own frame.
 *
 * @module
 */

import type { EntryKind, Index, Term } from "../api/types.ts";
import { COUNT_MAX, FRAME_ALIGNMENT, FRAME_HEADER_BYTES, frameBytes, LENGTH_BYTES } from "../format/frame.ts";
import { entriesWord, type WriteBuffer } from "./write_buffer.ts";

/** The largest payload of a frame with several entries, in bytes. */
const SHARED_PAYLOAD_BYTES = 4096;

/** The most bytes that an entry takes besides its command: those of its own frame. */
export const ENTRY_OVERHEAD_BYTES: number = FRAME_HEADER_BYTES + FRAME_ALIGNMENT;

/** Builds the frames of one write. */
export class FrameLayer {
  private readonly buffer: WriteBuffer;
  private readonly changes: number;
  private readonly start: number;
  private readonly end: number;
  /** Address of the open frame; of the next frame if none is open. */
  private at: number;
  /** Address after the last command of the open frame. */
  private behind = 0;
  /** The number of entries in the open frame, and the capacity of its table. */
  private count = 0;
  private places = 0;
  private term: Term = 0;
  private index: Index = 0;
  private kind: EntryKind = "normal";

  /**
   * @param buffer The write buffer.
   * @param changes The number of changes of the log so far.
   * @param at Address of the first frame.
   * @param room The number of free bytes there.
   */
  constructor(buffer: WriteBuffer, changes: number, at: number, room: number) {
    this.buffer = buffer;
    this.changes = changes;
    this.start = this.at = at;
    this.end = at + room;
  }

  /**
   * Adds an entry, which must continue the previous one.
   *
   * @param length Bytes of its command.
   * @param left The number of entries still to add, including this one.
   * @returns Whether there was room for the entry.
   */
  add(term: Term, index: Index, kind: EntryKind, command: Uint8Array, length: number, left: number): boolean {
    if (this.count > 0 && !this.fits(term, kind, length)) this.close(true);
    const { bytes, words } = this.buffer.codec;
    if (this.count === 0) this.open(term, index, kind, length, left);
    if (this.behind + length + FRAME_ALIGNMENT > this.end) return false;
    if (this.places > 1) words[(this.at + FRAME_HEADER_BYTES) / LENGTH_BYTES + this.count] = length;
    bytes.set(command, this.behind);
    this.behind += length;
    this.count++;
    return true;
  }

  /**
   * Ends the last frame.
   *
   * @param hasMore Whether the batch continues in another write.
   * @returns The size of all frames, in bytes.
   */
  finish(hasMore: boolean): number {
    if (this.count > 0) this.close(hasMore);
    return this.at - this.start;
  }

  private fits(term: Term, kind: EntryKind, length: number): boolean {
    const payload = this.behind - this.at - FRAME_HEADER_BYTES;
    return term === this.term && kind === this.kind && this.count < this.places &&
      payload + length <= SHARED_PAYLOAD_BYTES;
  }

  /** Opens a frame. Its table has room for as many entries as fit if all are as long as the first one. */
  private open(term: Term, index: Index, kind: EntryKind, length: number, left: number): void {
    this.places = Math.max(1, Math.min(left, COUNT_MAX, Math.floor(SHARED_PAYLOAD_BYTES / (length + LENGTH_BYTES))));
    this.term = term;
    this.index = index;
    this.kind = kind;
    this.behind = this.at + FRAME_HEADER_BYTES + tableBytes(this.places);
  }

  private close(hasMore: boolean): void {
    const { buffer, at, count, term, index } = this;
    const unused = tableBytes(this.places) - tableBytes(count);
    if (unused > 0) {
      const commands = at + FRAME_HEADER_BYTES + tableBytes(this.places);
      buffer.codec.bytes.copyWithin(commands - unused, commands, this.behind);
    }
    const length = this.behind - at - FRAME_HEADER_BYTES - unused;
    buffer.putHeader(at, length, term, index, index / 2 ** 32, entriesWord(this.kind, count, this.changes));
    if (hasMore) buffer.setMore(at);
    this.at += frameBytes(length);
    this.count = 0;
  }
}

/** Bytes of the table of a frame: one entry needs none. */
function tableBytes(count: number): number {
  return count === 1 ? 0 : count * LENGTH_BYTES;
}
