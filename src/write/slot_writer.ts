/**
 * Writes the durable slots of a segment, alternately.
 *
 * @module
 */

import type { Codec } from "../codec/codec.ts";
import { type DurableSlot, encodeDurableSlot, type PlacedSlot } from "../format/durable_slot.ts";
import { DURABLE_SLOT_OFFSETS } from "../format/header_block.ts";
import type { SegmentHeader } from "../format/segment_header.ts";
import type { File } from "../io/file_system.ts";
import { isNoSpace, writeFull } from "../io/full.ts";

/**
 * The durable slots of one segment. A slot is overwritten only after a flush that began after the other slot was
 * written has succeeded. So one of them is always durable.
 */
export class SlotWriter {
  private readonly file: File;
  private readonly codec: Codec;
  private readonly header: SegmentHeader;
  /** Offset and LSN of the slot that was written last. */
  private offset: number;
  private lsn: number;
  /** The number of slot writes, and the number of them that a flush has covered. */
  private written = 0;
  private flushed = 0;

  /**
   * @param file The segment's file.
   * @param codec The codec.
   * @param header The segment's header.
   * @param last The slot with the highest LSN, if the segment has one.
   */
  constructor(file: File, codec: Codec, header: SegmentHeader, last: PlacedSlot | undefined) {
    this.file = file;
    this.codec = codec;
    this.header = header;
    this.offset = last?.offset ?? DURABLE_SLOT_OFFSETS[1];
    this.lsn = last?.lsn ?? 0;
    // Reading the slot does not prove that it is on the disk.
    if (last !== undefined) this.put(last);
  }

  /**
   * Writes a slot if it proves more than the last one. On a full disk, the slot is omitted, because it is only
   * evidence.
   *
   * @param slot Its contents.
   */
  write(slot: DurableSlot): void {
    if (slot.lsn <= this.lsn) return;
    const [first, second] = DURABLE_SLOT_OFFSETS;
    if (this.flushed === this.written) this.offset = this.offset === first ? second : first;
    this.put(slot);
  }

  /**
   * Also writes the last slot to the other offset, if a flush has covered it. Damage to one page then leaves the other
   * copy.
   *
   * @param slot Its contents.
   */
  repeat(slot: DurableSlot): void {
    if (slot.lsn !== this.lsn || this.flushed !== this.written) return;
    const [first, second] = DURABLE_SLOT_OFFSETS;
    this.offset = this.offset === first ? second : first;
    this.put(slot);
  }

  private put(slot: DurableSlot): void {
    const sum = (bytes: Uint8Array, seed: bigint) => this.codec.hash(bytes, seed);
    this.written++;
    this.lsn = slot.lsn;
    try {
      writeFull(this.file, encodeDurableSlot(slot, this.header, this.offset, sum), this.offset);
    } catch (error) {
      if (!isNoSpace(error)) throw error;
    }
  }

  /**
   * Records that a flush of the file begins.
   *
   * @returns A function to call after the flush has succeeded.
   */
  flushBegins(): () => void {
    const { written } = this;
    return () => {
      this.flushed = Math.max(this.flushed, written);
    };
  }
}
