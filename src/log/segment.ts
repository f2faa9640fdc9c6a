/**
 * One segment of the log as a reader sees it: its header, and the pages with its surviving entries.
 *
 * A page is a stretch of the file that begins with an entries frame. It holds the entries from its first index up to
 * the first index of the next page, in order. Anything else in it is obsolete. To find an entry, a reader walks the
 * frames of its page. A new page begins at the first entries frame that starts 4 KiB or more after the start of the
 * last page. It also begins at the first one after a truncation, a snapshot, or damage. So the index takes 16 bytes of
 * memory for 4 KiB of log.
 *
 * A page at {@link OFFSET_LOST} stands for lost entries. One page is enough for any number of them.
 *
 * @module
 */

import type { Damage } from "../api/report.ts";
import type { Index } from "../api/types.ts";
import type { SegmentHeader } from "../format/segment_header.ts";
import { PageTable } from "./page_table.ts";

/** Offset of lost entries. No frame can have it, because the header block is there. */
export const OFFSET_LOST = 0;

/** The size of a page, in bytes. An entries frame that does not fit into a page begins the next one. */
export const INDEX_PAGE_BYTES = 4096;

/** A stretch of a segment's file. */
export interface Stretch {
  /** Offset of its first byte. */
  readonly from: number;
  /** Offset after its last byte. */
  readonly to: number;
}

/** A stretch of a segment's file with consecutive entries. */
export interface Page {
  /** Index of the first entry. */
  readonly first: Index;
  /** The index after the last. */
  readonly end: Index;
  /** Offset of the frame that holds the first; {@link OFFSET_LOST} if the entries are lost. */
  readonly offset: number;
  /** No frame of its entries ends after this offset. */
  readonly endOffset: number;
}

/** Pages from a segment index. */
export interface FetchedPages {
  /** First index and offset of each page, alternating. */
  readonly table: Float64Array;
  /** The damage that was found meanwhile. */
  readonly damage: readonly Damage[];
}

/** A segment: its header, the end of its frames, and its entries that are part of the log. */
export class Segment {
  /** The file. */
  readonly path: string;
  /** The header. */
  readonly header: SegmentHeader;
  /** Offset after the last frame. */
  endOffset: number;
  /** headerChecksum of the last frame; 0 if there is none. */
  lastChecksum = 0;
  /** Lowest index that a truncation in this segment drops; `Infinity` if there is none. */
  lowestTruncated = Infinity;
  /** Index of the first entry; the next index if there is no entry. */
  firstIndex: Index;
  /** The number of its entries, including lost ones. */
  count = 0;
  /** Whether recovery used only the segment index, so that damage to the frames is still unknown. */
  isUnverified = false;
  /** The end of the last page. An entries frame that ends after this offset begins a page. */
  pageEnd = 0;
  /** Reads the pages from the segment index; `undefined` if they are in memory already. */
  private fetchPages: (() => FetchedPages) | undefined;
  /** The damage that was found when the pages were read. */
  private damage: readonly Damage[] = [];
  private table = new PageTable();

  constructor(path: string, header: SegmentHeader, endOffset: number) {
    this.path = path;
    this.header = header;
    this.endOffset = endOffset;
    this.firstIndex = header.state.nextIndex;
  }

  /** From this index on, the segment replaces the entries of earlier segments. */
  get floor(): Index {
    return Math.min(this.header.state.nextIndex, this.lowestTruncated);
  }

  /** LSN after the last frame. */
  get endLsn(): number {
    return this.header.baseLsn + this.endOffset;
  }

  /** The index after the last entry. */
  get end(): Index {
    return this.firstIndex + this.count;
  }

  /** Whether its pages are not read from the segment index yet. */
  get isIndexed(): boolean {
    return this.fetchPages !== undefined;
  }

  /** The pages. They are read from the segment index if necessary. */
  private get pages(): PageTable {
    if (this.fetchPages === undefined) return this.table;
    const { table, damage } = this.fetchPages();
    this.table = PageTable.of(table);
    this.damage = damage;
    this.fetchPages = undefined;
    // Leave out entries that were dropped meanwhile.
    this.table.dropFrom(this.end);
    return this.table;
  }

  /** A view of the pages: first index and offset of each, alternating. */
  pageTable(): Float64Array {
    return this.pages.view();
  }

  /**
   * The damage that was found when the pages were read.
   *
   * @param index A lost entry.
   * @returns The damage that covers it.
   */
  damageAt(index: Index): readonly Damage[] {
    return this.damage.filter(({ firstIndex = Infinity, lastIndex = 0 }) => firstIndex <= index && index <= lastIndex);
  }

  /**
   * The position of a page in the table.
   *
   * @param index An index.
   * @returns The last page that begins at or below the index, counted from 0; -1 if there is none.
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
   * @returns The pages, in order. The first and the last page may extend beyond the range.
   */
  *pagesOf(first: Index, last: Index): Generator<Page> {
    const from = Math.max(this.pageBelow(Math.max(first, this.firstIndex)), 0);
    for (let number = from; number < this.pages.count && this.pages.firstOf(number) <= last; number++) {
      yield this.page(number);
    }
  }

  /**
   * The entries of a range that are lost, or are in a page that begins in a stretch of the file. If damage was found, a
   * page begins with it and another one after it.
   *
   * @param first The first index.
   * @param last The last index, inclusive.
   * @param stretch The stretch; `undefined` to get only lost entries.
   * @returns First and last index of each run of such entries, in order.
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
   * Adds the entries of a frame at the end, after it was written or read.
   *
   * @param offset Offset of the frame.
   * @param bytes The size of the frame.
   * @param howMany The number of its entries.
   */
  push(offset: number, bytes: number, howMany: number): void {
    if (offset + bytes > this.pageEnd) {
      this.pages.add(this.end, offset);
      this.pageEnd = offset + INDEX_PAGE_BYTES;
    }
    this.count += howMany;
  }

  /**
   * Adds pages at the end, and the entries in them.
   *
   * @param pages First index and offset of each, alternating.
   * @param end The index after the last entry.
   */
  pushPages(pages: Float64Array, end: Index): void {
    if (pages.length > 0) {
      this.pages.append(pages);
      this.pageEnd = pages.at(-1)! + INDEX_PAGE_BYTES;
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

  /** Adds lost entries at the beginning. */
  prependLost(howMany: number): void {
    if (howMany === 0) return;
    // Read the pages before the indexes change.
    const { pages } = this;
    this.firstIndex -= howMany;
    this.count += howMany;
    if (pages.count > 0 && pages.offsetOf(0) === OFFSET_LOST) pages.setFirst(0, this.firstIndex);
    else pages.insert(0, this.firstIndex, OFFSET_LOST);
  }

  /** Makes the next entries frame begin a page at any offset. */
  breakPage(): void {
    this.pageEnd = 0;
  }

  /**
   * Sets the offset of the page that begins with an entry, or adds such a page. Needed when lost entries were repaired,
   * or when other entries are now at this position.
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
   * Removes a page whose entries are now part of the previous page.
   *
   * @param index Index of its first entry. Nothing happens if no page begins there.
   */
  removePage(index: Index): void {
    const at = this.pageBelow(index);
    if (at >= 0 && this.pages.firstOf(at) === index) this.pages.remove(at);
  }

  /**
   * Sets a source of all the segment's pages. They are read when they are first used.
   *
   * @param count The number of entries in them.
   * @param fetch Reads the pages.
   */
  adoptLater(count: number, fetch: () => FetchedPages): void {
    this.count = count;
    this.fetchPages = fetch;
  }

  /**
   * An independent copy.
   *
   * @param isGrowing Whether entries can be added to the copy. Otherwise both share a table, which never changes then.
   * @returns The copy.
   */
  copy(isGrowing: boolean): Segment {
    const copied = new Segment(this.path, this.header, this.endOffset);
    const { lastChecksum, lowestTruncated, firstIndex, count, isUnverified, pageEnd } = this;
    Object.assign(copied, { lastChecksum, lowestTruncated, firstIndex, count, isUnverified, pageEnd });
    copied.table = (isGrowing ? this.pages : this.table).copy(isGrowing);
    copied.fetchPages = this.fetchPages;
    copied.damage = this.damage;
    return copied;
  }

  /** Frees unused capacity. */
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
   * Moves the entries after an offset to the beginning of another segment. If there are any, a page must begin at that
   * offset.
   *
   * @param offset The offset.
   * @param to The other segment. It must have no entries.
   * @param toOffset Their offset in the other segment.
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
    // If a truncation followed the last page, the next frame begins a new page there too.
    to.pageEnd = this.pageEnd === 0 ? 0 : this.pageEnd + toOffset - offset;
    this.cut(first);
    this.endOffset = offset;
  }
}
