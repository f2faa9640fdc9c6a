/**
 * One segment of the log as a reader sees it: its header, and the offsets of its surviving entries.
 *
 * @module
 */

import type { Index } from "../types.ts";
import { FRAME_ALIGNMENT, type SegmentHeader } from "./format.ts";

/** Offset that stands for an entry that is lost: the header block lies there, never a frame. */
export const OFFSET_LOST = 0;

const NO_OFFSETS = new Uint32Array(0);

/** A segment: what its header says, where its frames end, and which entries of it are part of the log. */
export class Segment {
  /** The file. */
  readonly path: string;
  /** What the header says. */
  readonly header: SegmentHeader;
  /** Offset behind the last frame. */
  endOffset: number;
  /** headerSum of the last frame; 0 if there is none. */
  lastSum = 0;
  /** Its flags. */
  lastFlags = 0;
  /** Lowest index that a truncation in this segment drops; `Infinity` if there is none. */
  lowestTruncated = Infinity;
  /** Index of the first entry here; where the next one would go if there is none. */
  firstIndex: Index;
  /** How many entries survive. */
  count = 0;
  /** Fetches the offsets of a segment that was taken from its footer; `undefined` once they are here. */
  fetchOffsets: (() => Uint32Array) | undefined;
  /** Whether it was taken from its footer alone, so that nobody knows yet what of it is damaged. */
  isUnverified = false;
  private offsets: Uint32Array = NO_OFFSETS;

  constructor(path: string, header: SegmentHeader, endOffset: number) {
    this.path = path;
    this.header = header;
    this.endOffset = endOffset;
    this.firstIndex = header.state.nextIndex;
  }

  /** From this index on, the segment replaces what was before it. */
  get floor(): Index {
    return Math.min(this.header.state.nextIndex, this.lowestTruncated);
  }

  /** LSN behind the last frame. */
  get endLsn(): number {
    return this.header.baseLsn + this.endOffset;
  }

  private table(): Uint32Array {
    if (this.fetchOffsets !== undefined) {
      // What was truncated meanwhile stays out: `count` bounds every look-up.
      this.offsets = this.fetchOffsets();
      this.fetchOffsets = undefined;
    }
    return this.offsets;
  }

  /**
   * Where an entry lies.
   *
   * @param index An index of this segment.
   * @returns Offset of its frame in the file, or {@link OFFSET_LOST}.
   */
  offsetOf(index: Index): number {
    return this.table()[index - this.firstIndex]! * FRAME_ALIGNMENT;
  }

  /**
   * An offset that the frame of an entry ends at or before.
   *
   * @param index An index of this segment.
   * @returns Where the next entry lies, or where the frames end.
   */
  boundAfter(index: Index): number {
    const table = this.table();
    for (let next = index + 1 - this.firstIndex; next < this.count; next++) {
      if (table[next] !== OFFSET_LOST) return table[next]! * FRAME_ALIGNMENT;
    }
    return this.endOffset;
  }

  /** The offsets of the surviving entries, in units of 8 bytes: a view. */
  liveOffsets(): Uint32Array {
    return this.table().subarray(0, this.count);
  }

  /**
   * How many of the entries lie below an offset.
   *
   * @param offset Offset in the file.
   * @returns A count from the first entry on.
   */
  countBelow(offset: number): number {
    const table = this.liveOffsets();
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (table[middle]! * FRAME_ALIGNMENT < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Makes room for more offsets: doubling, so at most 8 bytes an entry. */
  private reserve(more: number): Uint32Array {
    const table = this.table();
    const needed = this.count + more;
    if (needed <= table.length) return table;
    const grown = new Uint32Array(Math.max(needed, Math.min(table.length * 2, table.length + 2 ** 24), 64));
    grown.set(table.subarray(0, this.count));
    return this.offsets = grown;
  }

  /** Adds the next entry's offset. */
  push(offset: number): void {
    this.reserve(1)[this.count] = offset / FRAME_ALIGNMENT;
    this.count++;
  }

  /**
   * Makes room for entries that are about to be written. They count once {@link Segment.commit} says so.
   *
   * @param howMany How many.
   * @returns The table; the entries go in from element `count` on, in units of 8 bytes.
   */
  stage(howMany: number): Uint32Array {
    return this.reserve(howMany);
  }

  /** Counts entries that were staged and are written. */
  commit(howMany: number): void {
    this.count += howMany;
  }

  /** Adds offsets in units of 8 bytes. */
  pushAll(offsets: Uint32Array): void {
    if (offsets.length === 0) return;
    this.reserve(offsets.length).set(offsets, this.count);
    this.count += offsets.length;
  }

  /** Takes a table of offsets in units of 8 bytes over, as all that the segment has. */
  adopt(offsets: Uint32Array): void {
    this.offsets = offsets;
    this.count = offsets.length;
  }

  /** Notes entries that are lost. */
  pushLost(howMany: number): void {
    this.reserve(howMany).fill(OFFSET_LOST, this.count, this.count + howMany);
    this.count += howMany;
  }

  /** Notes entries that are lost in front of those that are here. */
  prependLost(howMany: number): void {
    const grown = new Uint32Array(howMany + this.count);
    grown.set(this.liveOffsets(), howMany);
    this.offsets = grown;
    this.firstIndex -= howMany;
    this.count += howMany;
  }

  /** Notes where a lost entry lies after all. */
  setOffset(index: Index, offset: number): void {
    this.table()[index - this.firstIndex] = offset / FRAME_ALIGNMENT;
  }

  /**
   * Makes room for entries that are about to be added, where it is known how many.
   *
   * @param howMany How many, or more than that.
   */
  expect(howMany: number): void {
    if (howMany > this.offsets.length) this.offsets = new Uint32Array(howMany);
  }

  /** Gives back room that was reserved and not used. */
  trim(): void {
    if (this.offsets.length > this.count) this.offsets = this.offsets.slice(0, this.count);
  }

  /** Drops the entries at or above `from`. */
  cut(from: Index): void {
    if (from <= this.firstIndex) this.clear(from);
    else this.count = Math.min(this.count, from - this.firstIndex);
  }

  /** Drops all entries; the next one will be `next`. */
  clear(next: Index): void {
    this.firstIndex = next;
    this.count = 0;
    this.offsets = NO_OFFSETS;
    this.fetchOffsets = undefined;
  }
}
