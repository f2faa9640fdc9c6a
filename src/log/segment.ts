/**
 * One segment of the log as a reader sees it: its header, and the offsets of its surviving entries.
 *
 * Lost entries at either end of the segment take no memory, however many a header claims: only their number is kept. A
 * lost entry between others takes a place in the table; the size of the file bounds their number.
 *
 * ```text
 * firstIndex       +---------------------+
 *                  | lost at the start   |  a number
 *                  +---------------------+
 *                  | the table           |  an offset each, OFFSET_LOST where the entry is lost
 *                  +---------------------+
 *                  | lost at the end     |  a number
 * firstIndex+count +---------------------+
 * ```
 *
 * @module
 */

import type { Index } from "../api/types.ts";
import { FRAME_ALIGNMENT } from "../format/frame.ts";
import type { SegmentHeader } from "../format/segment_header.ts";

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
  /** headerChecksum of the last frame; 0 if there is none. */
  lastChecksum = 0;
  /** Its flags. */
  lastFlags = 0;
  /** Lowest index that a truncation in this segment drops; `Infinity` if there is none. */
  lowestTruncated = Infinity;
  /** Index of the first entry here; where the next one would go if there is none. */
  firstIndex: Index;
  /** How many entries of the log it has, lost ones included. */
  count = 0;
  /** Fetches the offsets of a segment that was taken from its segment index; `undefined` once they are here. */
  fetchOffsets: (() => Uint32Array) | undefined;
  /** Whether it was taken from its segment index alone, so that nobody knows yet what of it is damaged. */
  isUnverified = false;
  /** How many entries are lost at the start. */
  private lead = 0;
  /** How many entries the table has. */
  private held = 0;
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

  /** The index after the last entry. */
  private get end(): Index {
    return this.firstIndex + this.count;
  }

  /** Index of the first entry in the table, and the index after the last. */
  private get heldFrom(): Index {
    return this.firstIndex + this.lead;
  }

  private get heldTo(): Index {
    return this.firstIndex + this.lead + this.held;
  }

  private table(): Uint32Array {
    if (this.fetchOffsets !== undefined) {
      // Entries that were truncated meanwhile stay out: `held` bounds every look-up.
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
    const at = index - this.heldFrom;
    return at >= 0 && at < this.held ? this.table()[at]! * FRAME_ALIGNMENT : OFFSET_LOST;
  }

  /**
   * An offset that the frame of an entry ends at or before.
   *
   * @param index An index of this segment.
   * @returns Where the next entry lies, or where the frames end.
   */
  boundAfter(index: Index): number {
    for (let next = Math.max(index + 1, this.heldFrom); next < this.heldTo; next++) {
      const offset = this.offsetOf(next);
      if (offset !== OFFSET_LOST) return offset;
    }
    return this.endOffset;
  }

  /**
   * The entries of a range whose position is known.
   *
   * @param first The first index.
   * @param last The last index, inclusive.
   * @returns Index and offset of each, in order.
   */
  *located(first: Index, last: Index): Generator<readonly [Index, number]> {
    for (let index = Math.max(first, this.heldFrom); index <= Math.min(last, this.heldTo - 1); index++) {
      const offset = this.offsetOf(index);
      if (offset !== OFFSET_LOST) yield [index, offset];
    }
  }

  /**
   * The first entry of a range that is lost, or whose frame begins in a stretch of the file.
   *
   * @param first The first index.
   * @param last The last index, inclusive.
   * @param from Offset of the stretch.
   * @param to Offset of its end.
   * @returns Its index, or `undefined` if there is none.
   */
  firstDamaged(first: Index, last: Index, from: number, to: number): Index | undefined {
    let index = Math.max(first, this.firstIndex);
    const end = Math.min(last + 1, this.end);
    if (index >= this.heldFrom) {
      while (index < Math.min(end, this.heldTo) && !this.isDamaged(index, from, to)) {
        index++;
      }
    }
    return index < end ? index : undefined;
  }

  /**
   * The last entry of a range that is lost, or whose frame begins in a stretch of the file: as
   * {@link Segment.firstDamaged}.
   */
  lastDamaged(first: Index, last: Index, from: number, to: number): Index | undefined {
    const begin = Math.max(first, this.firstIndex);
    let index = Math.min(last, this.end - 1);
    if (index < this.heldTo) {
      while (index >= Math.max(begin, this.heldFrom) && !this.isDamaged(index, from, to)) index--;
    }
    return index >= begin ? index : undefined;
  }

  /** Whether an entry is lost, or its frame begins in a stretch of the file. */
  isDamaged(index: Index, from: number, to: number): boolean {
    const offset = this.offsetOf(index);
    return offset === OFFSET_LOST || (offset >= from && offset < to);
  }

  /**
   * How many entries of a range are lost, or have a frame that begins in a stretch of the file.
   *
   * @param first The first index, of this segment.
   * @param last The last index, inclusive, of this segment.
   * @param from Offset of the stretch.
   * @param to Offset of its end.
   * @returns The number.
   */
  countDamaged(first: Index, last: Index, from: number, to: number): number {
    let count = Math.max(last - first + 1, 0);
    for (const [, offset] of this.located(first, last)) if (offset < from || offset >= to) count--;
    return count;
  }

  /** The offsets in the table, in units of 8 bytes: a view. A segment that is being written has lost no entry. */
  liveOffsets(): Uint32Array {
    return this.table().subarray(0, this.held);
  }

  /**
   * How many of the entries lie below an offset. A lost entry counts as if it lay where the last one before it lies.
   *
   * @param offset Offset in the file.
   * @returns A count from the first entry on.
   */
  countBelow(offset: number): number {
    const table = this.liveOffsets();
    let low = 0;
    let high = this.held;
    while (low < high) {
      const middle = (low + high) >>> 1;
      let known = middle;
      while (known >= low && table[known] === OFFSET_LOST) known--;
      if (known < low || table[known]! * FRAME_ALIGNMENT < offset) low = middle + 1;
      else high = known;
    }
    return low === this.held ? this.count : this.lead + low;
  }

  /** Makes room for more offsets: doubling, so at most 8 bytes an entry. */
  private reserve(more: number): Uint32Array {
    const table = this.table();
    const needed = this.held + more;
    if (needed <= table.length) return table;
    const grown = new Uint32Array(Math.max(needed, Math.min(table.length * 2, table.length + 2 ** 24), 64));
    grown.set(table.subarray(0, this.held));
    return this.offsets = grown;
  }

  /** Moves the entries that are lost at the end into the table, because another entry follows them. */
  private closeTail(): void {
    const lost = this.count - this.lead - this.held;
    if (lost === 0) return;
    if (this.held === 0) this.lead = this.count;
    else this.fill(lost);
  }

  /** Notes in the table that the next entries are lost. */
  private fill(lost: number): void {
    this.reserve(lost).fill(OFFSET_LOST, this.held, this.held + lost);
    this.held += lost;
  }

  /** Adds the next entry's offset. */
  push(offset: number): void {
    this.stage(1)[this.held] = offset / FRAME_ALIGNMENT;
    this.commit(1);
  }

  /**
   * Makes room for entries that are about to be written. They count once {@link Segment.commit} says so.
   *
   * @param howMany How many.
   * @returns The table; the entries go in from element {@link Segment.staged} on, in units of 8 bytes.
   */
  stage(howMany: number): Uint32Array {
    this.closeTail();
    return this.reserve(howMany);
  }

  /** Where in the table the next entry goes. */
  get staged(): number {
    return this.held;
  }

  /** Counts entries that were staged and are written. */
  commit(howMany: number): void {
    this.held += howMany;
    this.count += howMany;
  }

  /** Adds offsets in units of 8 bytes. */
  pushAll(offsets: Uint32Array): void {
    if (offsets.length === 0) return;
    this.stage(offsets.length).set(offsets, this.held);
    this.commit(offsets.length);
  }

  /** Takes a table of offsets in units of 8 bytes over, as all that the segment has. */
  adopt(offsets: Uint32Array): void {
    this.offsets = offsets;
    this.lead = 0;
    this.held = this.count = offsets.length;
  }

  /**
   * Takes over a table of all offsets of the segment, fetched when it is first used.
   *
   * @param count How many entries it has.
   * @param fetch Fetches it, in units of 8 bytes.
   */
  adoptLater(count: number, fetch: () => Uint32Array): void {
    this.lead = 0;
    this.held = this.count = count;
    this.fetchOffsets = fetch;
  }

  /** Adds lost entries at the end. */
  pushLost(howMany: number): void {
    this.count += howMany;
  }

  /** Notes entries that are lost in front of those that are here. */
  prependLost(howMany: number): void {
    this.firstIndex -= howMany;
    this.lead += howMany;
    this.count += howMany;
  }

  /** Sets the offset of an entry that was lost. Lost entries between it and the table go into the table. */
  setOffset(index: Index, offset: number): void {
    if (index < this.heldFrom) {
      const more = this.heldFrom - index;
      const grown = new Uint32Array(more + this.held);
      grown.set(this.liveOffsets(), more);
      this.offsets = grown;
      this.lead -= more;
      this.held += more;
    } else if (index >= this.heldTo) this.fill(index + 1 - this.heldTo);
    this.table()[index - this.heldFrom] = offset / FRAME_ALIGNMENT;
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
    if (this.offsets.length > this.held) this.offsets = this.offsets.slice(0, this.held);
  }

  /** Drops the entries at or above `from`. */
  cut(from: Index): void {
    if (from <= this.firstIndex) return this.clear(from);
    this.count = Math.min(this.count, from - this.firstIndex);
    this.lead = Math.min(this.lead, this.count);
    this.held = Math.min(this.held, this.count - this.lead);
  }

  /** Drops all entries; the next one will be `next`. */
  clear(next: Index): void {
    this.firstIndex = next;
    this.count = this.lead = this.held = 0;
    this.offsets = NO_OFFSETS;
    this.fetchOffsets = undefined;
  }
}
