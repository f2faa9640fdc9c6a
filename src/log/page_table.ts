/**
 * A table of pages in one array of numbers: the first index and the offset of each page, in order.
 *
 * @module
 */

import type { Index } from "../api/types.ts";

/** Numbers per page: first index and offset. */
const NUMBERS = 2;
const NO_PAGES = new Float64Array(0);
/** The initial capacity, in pages. Small, so that a small log takes little memory. */
const PAGES_MIN = 8;

/** A table of pages, numbered from 0. */
export class PageTable {
  /** The number of pages. */
  count = 0;
  /** May be longer than the pages need. */
  private numbers: Float64Array = NO_PAGES;

  /** The index of a page's first entry. */
  firstOf(page: number): Index {
    return this.numbers[page * NUMBERS]!;
  }

  /** The offset of a page. */
  offsetOf(page: number): number {
    return this.numbers[page * NUMBERS + 1]!;
  }

  /** Changes the index of a page's first entry. */
  setFirst(page: number, first: Index): void {
    this.numbers[page * NUMBERS] = first;
  }

  /** Changes the offset of a page. */
  setOffset(page: number, offset: number): void {
    this.numbers[page * NUMBERS + 1] = offset;
  }

  /** A view of the table from one page on: first index and offset, alternating. */
  view(from = 0): Float64Array {
    return this.numbers.subarray(from * NUMBERS, this.count * NUMBERS);
  }

  /**
   * The page that an index belongs to.
   *
   * @param index An index.
   * @returns The last page that begins at or below the index; -1 if there is none.
   */
  below(index: Index): number {
    const { numbers } = this;
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (numbers[middle * NUMBERS]! <= index) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /**
   * Adds pages at the end.
   *
   * @param pages First index and offset of each page, alternating.
   */
  append(pages: Float64Array): void {
    this.reserve(pages.length / NUMBERS).set(pages, this.count * NUMBERS);
    this.count += pages.length / NUMBERS;
  }

  /** Adds a page at the end. */
  add(first: Index, offset: number): void {
    this.insert(this.count, first, offset);
  }

  /** Adds a page before another one, or at the end. */
  insert(page: number, first: Index, offset: number): void {
    const numbers = this.reserve(1);
    numbers.copyWithin((page + 1) * NUMBERS, page * NUMBERS, this.count * NUMBERS);
    numbers[page * NUMBERS] = first;
    numbers[page * NUMBERS + 1] = offset;
    this.count++;
  }

  /** Removes a page. */
  remove(page: number): void {
    this.numbers.copyWithin(page * NUMBERS, (page + 1) * NUMBERS, this.count * NUMBERS);
    this.count--;
  }

  /** Drops the pages that begin at or above an index. */
  dropFrom(index: Index): void {
    while (this.count > 0 && this.firstOf(this.count - 1) >= index) this.count--;
  }

  /** Makes room for more pages. The capacity doubles, so a page takes at most 32 bytes. */
  private reserve(more: number): Float64Array {
    const needed = (this.count + more) * NUMBERS;
    if (needed <= this.numbers.length) return this.numbers;
    const grown = new Float64Array(Math.max(needed, this.numbers.length * 2, PAGES_MIN * NUMBERS));
    grown.set(this.view());
    return this.numbers = grown;
  }

  /** Frees unused capacity. */
  trim(): void {
    if (this.numbers.length > this.count * NUMBERS) this.numbers = this.numbers.slice(0, this.count * NUMBERS);
  }

  /**
   * A table of the same pages.
   *
   * @param isGrowing Whether pages can be added to the copy. Otherwise both share the numbers, which never change then.
   */
  copy(isGrowing: boolean): PageTable {
    const copied = new PageTable();
    copied.numbers = isGrowing ? this.view().slice() : this.numbers;
    copied.count = this.count;
    return copied;
  }

  /**
   * Makes a table from its numbers, which it takes over.
   *
   * @param numbers First index and offset of each page, alternating.
   */
  static of(numbers: Float64Array): PageTable {
    const made = new PageTable();
    made.numbers = numbers;
    made.count = numbers.length / NUMBERS;
    return made;
  }
}
