/**
 * One segment of the log as a reader sees it: its header, and the pages in which its surviving entries lie.
 *
 * A page is a stretch of the file that begins with an entries frame. It holds the entries from its first index up to the
 * first index of the next page, in order; whatever else lies in it is of no use any more. To find an entry, a reader walks
 * the frames of its page. A page begins at the first entries frame that lies 4 KiB or more behind the beginning of the last
 * page, and at the first one behind a truncation, a snapshot, and damage. So memory is 16 bytes for 4 KiB of log.
 *
 * A page at {@link OFFSET_LOST} stands for entries that are lost, however many a header claims.
 *
 * @module
 */

import type { Damage } from "../api/report.ts";
import type { Index } from "../api/types.ts";
import type { SegmentHeader } from "../format/segment_header.ts";
import { PageTable } from "./page_table.ts";

/** Offset that stands for entries that are lost: the header block lies there, never a frame. */
export const OFFSET_LOST = 0;

/** An entries frame that begins this much behind the beginning of a page, or more, begins the next one. In bytes. */
export const INDEX_PAGE_BYTES = 4096;

/** A stretch of a segment's file. */
export interface Stretch {
  /** Offset of its first byte. */
  readonly from: number;
  /** Offset behind its last byte. */
  readonly to: number;
}

/** Where entries lie. */
export interface Page {
  /** Index of the first entry. */
  readonly first: Index;
  /** The index behind the last. */
  readonly end: Index;
  /** Offset of the frame that holds the first; {@link OFFSET_LOST} if the entries are lost. */
  readonly offset: number;
  /** Offset that the frames of its entries end at or before. */
  readonly endOffset: number;
}

/** Pages as they are fetched. */
export interface FetchedPages {
  /** First index and offset of each page, in turn. */
  readonly table: Float64Array;
  /** What is damaged, if that was found on the way. */
  readonly damage: readonly Damage[];
}

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
  /** Lowest index that a truncation in this segment drops; `Infinity` if there is none. */
  lowestTruncated = Infinity;
  /** Index of the first entry here; where the next one would go if there is none. */
  firstIndex: Index;
  /** How many entries of the log it has, lost ones included. */
  count = 0;
  /** Whether it was taken from its segment index alone, so that nobody knows yet what of it is damaged. */
  isUnverified = false;
  /** From this offset on, an entries frame begins a page. */
  pageFrom = 0;
  /** Fetches the pages of a segment that was taken from its segment index; `undefined` once they are here. */
  private fetchPages: (() => FetchedPages) | undefined;
  /** What was found damaged when its pages were fetched. */
  private damage: readonly Damage[] = [];
  private table = new PageTable();

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
  get end(): Index {
    return this.firstIndex + this.count;
  }

  /** Whether its pages have yet to be read from its segment index. */
  get isIndexed(): boolean {
    return this.fetchPages !== undefined;
  }

  /** The pages, which are fetched if they are not here yet. */
  private get pages(): PageTable {
    if (this.fetchPages === undefined) return this.table;
    const { table, damage } = this.fetchPages();
    this.table = PageTable.of(table);
    this.damage = damage;
    this.fetchPages = undefined;
    // Entries that were dropped meanwhile stay out.
    this.table.dropFrom(this.end);
    return this.table;
  }

  /** The pages: a view of the first index and the offset of each, in turn. */
  pageTable(): Float64Array {
    return this.pages.view();
  }

  /**
   * What was found damaged when its pages were fetched.
   *
   * @param index A lost entry.
   * @returns The damage that took it.
   */
  damageAt(index: Index): readonly Damage[] {
    return this.damage.filter(({ firstIndex = Infinity, lastIndex = 0 }) => firstIndex <= index && index <= lastIndex);
  }

  /**
   * The place of a page in the table.
   *
   * @param index An index.
   * @returns Which page is the last that begins at the index or below it, from 0 on; -1 if there is none.
   */
  pageBelow(index: Index): number {
    return this.pages.below(index);
  }

  private page(number: number): Page {
    const { pages } = this;
    let { endOffset } = this;
    for (let next = number + 1; next < pages.count; next++) {
      const offset = pages.offsetOf(next);
      if (offset === OFFSET_LOST) continue;
      endOffset = offset;
      break;
    }
    const end = number + 1 < pages.count ? pages.firstOf(number + 1) : this.end;
    return { first: pages.firstOf(number), end, offset: pages.offsetOf(number), endOffset };
  }

  /**
   * The page that holds an entry.
   *
   * @param index An index of this segment.
   * @returns The page.
   */
  pageOf(index: Index): Page {
    return this.page(Math.max(this.pageBelow(index), 0));
  }

  /**
   * The pages that hold entries of a range.
   *
   * @param first The first index.
   * @param last The last index, inclusive.
   * @returns The pages, in order; their first and their last index may lie outside the range.
   */
  *pagesOf(first: Index, last: Index): Generator<Page> {
    const from = Math.max(this.pageBelow(Math.max(first, this.firstIndex)), 0);
    for (let number = from; number < this.pages.count && this.pages.firstOf(number) <= last; number++) {
      yield this.page(number);
    }
  }

  /**
   * The entries of a range that are lost, or lie in a page that begins in a stretch of the file. Where damage was found, a
   * page begins with it and another one behind it.
   *
   * @param first The first index.
   * @param last The last index, inclusive.
   * @param stretch The stretch; `undefined` for lost ones only.
   * @returns First and last index of each run of them, in order.
   */
  *damaged(first: Index, last: Index, stretch: Stretch | undefined): Generator<readonly [Index, Index]> {
    for (const page of this.pagesOf(first, last)) {
      const isWithin = stretch !== undefined && page.offset >= stretch.from && page.offset < stretch.to;
      if (page.offset !== OFFSET_LOST && !isWithin) continue;
      const low = Math.max(first, page.first);
      const high = Math.min(last, page.end - 1);
      if (low <= high) yield [low, high];
    }
  }

  /**
   * Adds the entries of a frame at the end, once it is written or read.
   *
   * @param offset Offset of the frame.
   * @param howMany How many entries it holds.
   */
  push(offset: number, howMany: number): void {
    if (offset >= this.pageFrom) {
      this.pages.add(this.end, offset);
      this.pageFrom = offset + INDEX_PAGE_BYTES;
    }
    this.count += howMany;
  }

  /**
   * Adds pages at the end, and the entries in them.
   *
   * @param pages First index and offset of each, in turn.
   * @param end The index behind the last entry.
   */
  pushPages(pages: Float64Array, end: Index): void {
    if (pages.length > 0) {
      this.pages.append(pages);
      this.pageFrom = pages.at(-1)! + INDEX_PAGE_BYTES;
    }
    this.count = end - this.firstIndex;
  }

  /** Adds lost entries at the end. */
  pushLost(howMany: number): void {
    if (howMany === 0) return;
    const { pages } = this;
    if (pages.count === 0 || pages.offsetOf(pages.count - 1) !== OFFSET_LOST) pages.add(this.end, OFFSET_LOST);
    this.count += howMany;
    this.breakPage();
  }

  /** Notes entries that are lost in front of those that are here. */
  prependLost(howMany: number): void {
    if (howMany === 0) return;
    // Fetched before the indexes change.
    const { pages } = this;
    this.firstIndex -= howMany;
    this.count += howMany;
    if (pages.count > 0 && pages.offsetOf(0) === OFFSET_LOST) pages.setFirst(0, this.firstIndex);
    else pages.insert(0, this.firstIndex, OFFSET_LOST);
  }

  /** Lets the next entries frame begin a page, whatever its offset. */
  breakPage(): void {
    this.pageFrom = 0;
  }

  /**
   * Lets a page begin where entries were lost that are there by now, or where others lie now than did before.
   *
   * @param index Index of the first entry.
   * @param offset Offset of its frame.
   */
  setPage(index: Index, offset: number): void {
    const at = this.pageBelow(index);
    if (at >= 0 && this.pages.firstOf(at) === index) this.pages.setOffset(at, offset);
    else this.pages.insert(at + 1, index, offset);
  }

  /**
   * Removes a page whose entries the page in front of it holds by now.
   *
   * @param index Index of its first entry. Nothing happens if no page begins with that.
   */
  removePage(index: Index): void {
    const at = this.pageBelow(index);
    if (at >= 0 && this.pages.firstOf(at) === index) this.pages.remove(at);
  }

  /**
   * Takes over all the segment's pages, fetched when they are first used.
   *
   * @param count How many entries they hold.
   * @param fetch Fetches them.
   */
  adoptLater(count: number, fetch: () => FetchedPages): void {
    this.count = count;
    this.fetchPages = fetch;
  }

  /**
   * A copy that can change apart from this one.
   *
   * @param isGrowing Whether entries can be added to the copy. Otherwise both share a table, which nobody writes to.
   * @returns The copy.
   */
  copy(isGrowing: boolean): Segment {
    const copied = new Segment(this.path, this.header, this.endOffset);
    const { lastChecksum, lowestTruncated, firstIndex, count, isUnverified, pageFrom } = this;
    Object.assign(copied, { lastChecksum, lowestTruncated, firstIndex, count, isUnverified, pageFrom });
    copied.table = (isGrowing ? this.pages : this.table).copy(isGrowing);
    copied.fetchPages = this.fetchPages;
    copied.damage = this.damage;
    return copied;
  }

  /** Gives back room that was reserved and not used. */
  trim(): void {
    this.table.trim();
  }

  /** Drops the entries at or above `from`. */
  cut(from: Index): void {
    if (from <= this.firstIndex) return this.clear(from);
    if (from >= this.end) return;
    this.count = from - this.firstIndex;
    this.table.dropFrom(this.end);
    this.breakPage();
  }

  /** Drops all entries; the next one will be `next`. */
  clear(next: Index): void {
    this.firstIndex = next;
    this.count = 0;
    this.table = new PageTable();
    this.fetchPages = undefined;
    this.breakPage();
  }

  /**
   * Moves the entries that lie behind an offset to the beginning of another segment. A page begins at that offset, if any
   * entries lie behind it.
   *
   * @param offset The offset.
   * @param to The other segment, which has no entries yet.
   * @param toOffset Where they lie there.
   */
  moveTail(offset: number, to: Segment, toOffset: number): void {
    const { pages } = this;
    let kept = pages.count;
    while (kept > 0 && pages.offsetOf(kept - 1) >= offset) kept--;
    const moved = pages.view(kept).slice();
    const first = moved[0] ?? this.end;
    for (let at = 1; at < moved.length; at += 2) moved[at]! += toOffset - offset;
    const { end } = this;
    to.clear(first);
    to.pushPages(moved, end);
    // What was cut behind the last page ends it.
    to.pageFrom = this.pageFrom === 0 ? 0 : this.pageFrom + toOffset - offset;
    this.cut(first);
    this.endOffset = offset;
  }
}
