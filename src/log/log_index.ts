/**
 * The positions and terms of all entries, in memory. A page of 4 KiB takes 16 bytes, and so does a change of the term.
 *
 * @module
 */

import type { Index, Term } from "../api/types.ts";
import type { Batch } from "./batch.ts";
import { TERM_UNKNOWN } from "../format/numbers.ts";
import type { LogState } from "../format/state.ts";
import { SEGMENT_HEADER_BYTES } from "../format/header_block.ts";
import { OFFSET_LOST, type Page, type Segment } from "./segment.ts";

/** The terms of a log as runs. Terms never decrease, so the start and the term of each run are enough. */
export class TermRuns {
  private starts: Index[] = [];
  private terms: Term[] = [];

  /**
   * The term at an index.
   *
   * @param index An index at or above the first run's start.
   * @returns Its term, or `undefined` below the first run.
   */
  at(index: Index): Term | undefined {
    let low = 0;
    let high = this.starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.starts[middle]! <= index) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? undefined : this.terms[low - 1];
  }

  /** Adds a run of `term` from `index` on. The index must be above all other runs. */
  push(index: Index, term: Term): void {
    if (this.terms.at(-1) === term) return;
    this.starts.push(index);
    this.terms.push(term);
  }

  /**
   * Sets the terms of some entries.
   *
   * @param terms The terms, by index.
   * @param end The index after the last entry.
   */
  fill(terms: ReadonlyMap<Index, Term>, end: Index): void {
    const bounds = new Set(this.starts);
    for (const index of terms.keys()) bounds.add(index).add(index + 1);
    const filled = [...bounds].filter((index) => index < end).sort((a, b) => a - b)
      .map((index) => [index, terms.get(index) ?? this.at(index)] as const);
    this.starts = [];
    this.terms = [];
    for (const [index, term] of filled) this.push(index, term ?? TERM_UNKNOWN);
  }

  /** Copies the runs of another object. */
  become(others: TermRuns): void {
    this.starts = [...others.starts];
    this.terms = [...others.terms];
  }

  /** Drops the runs that begin at or above `from`. */
  truncate(from: Index): void {
    let length = this.starts.length;
    while (length > 0 && this.starts[length - 1]! >= from) length--;
    this.starts.length = this.terms.length = length;
  }

  /** Drops runs that end below `index`. */
  dropBelow(index: Index): void {
    let drop = 0;
    while (drop + 1 < this.starts.length && this.starts[drop + 1]! <= index) drop++;
    if (drop > 0) {
      this.starts.splice(0, drop);
      this.terms.splice(0, drop);
    }
  }

  /**
   * The runs of a range.
   *
   * @param first The first index.
   * @param last The last index, inclusive.
   * @returns The first index and the term of each run in the range; the first run is clipped to `first`.
   */
  between(first: Index, last: Index): [Index, Term][] {
    const found: [Index, Term][] = [];
    for (let i = 0; i < this.starts.length; i++) {
      const start = Math.max(first, this.starts[i]!);
      const end = Math.min(last, (this.starts[i + 1] ?? Infinity) - 1);
      if (start <= end) found.push([start, this.terms[i]!]);
    }
    return found;
  }
}

/**
 * The index of a log over its segments. Each segment holds one contiguous range of surviving entries, because a
 * truncation always removes a suffix. The ranges are consecutive.
 */
export class LogIndex {
  /** The segments of the log, oldest first. */
  segments: Segment[] = [];
  /** Terms of the entries. */
  readonly runs: TermRuns = new TermRuns();
  /** Index of the next entry. */
  nextIndex: Index = 1;
  /** Term of the last entry, or of the snapshot if no entry follows it; {@link TERM_UNKNOWN} if lost. */
  lastTerm: Term = 0;
  /** Index of the snapshot; 0 if none. */
  snapshotIndex: Index = 0;
  /** Term of the snapshot; 0 if none. */
  snapshotTerm: Term = 0;
  /** The retentions. Entries from the lowest index on are kept although the snapshot covers them. */
  retained: { readonly lowest: Index } = { lowest: Infinity };

  /** An independent copy. It has no retentions. */
  copy(): LogIndex {
    const copied = new LogIndex();
    copied.become(this);
    return copied;
  }

  /**
   * Copies another index, except for the retentions.
   *
   * @param other The other index. It may change later.
   */
  become(other: LogIndex): void {
    const { nextIndex, lastTerm, snapshotIndex, snapshotTerm } = other;
    Object.assign(this, { nextIndex, lastTerm, snapshotIndex, snapshotTerm });
    this.segments = other.segments.map((segment, i) => segment.copy(i === other.segments.length - 1));
    this.runs.become(other.runs);
  }

  /** Starts the index at the state in a segment's header. Earlier entries are not in the index. */
  begin(state: LogState): void {
    this.nextIndex = state.nextIndex;
    this.lastTerm = state.lastTerm;
    this.snapshotIndex = state.snapshotIndex;
    this.snapshotTerm = state.snapshotTerm;
  }

  /** The lowest index with a readable entry: the first above the snapshot, or the lowest that a retention holds. */
  get firstIndex(): Index {
    return Math.min(this.retained.lowest, this.snapshotIndex + 1);
  }

  /**
   * The number of oldest segments that compaction deletes: those that lie entirely below the first index, but never the
   * newest one.
   */
  get covered(): number {
    if (this.snapshotIndex === 0) return 0;
    const isNeeded = ({ firstIndex, count }: Segment, i: number) =>
      i === this.segments.length - 1 || firstIndex + count > this.firstIndex;
    return Math.max(this.segments.findIndex(isNeeded), 0);
  }

  /**
   * Adds entries at the end, after they were written.
   *
   * @param batch The entries. The newest segment has already added their pages.
   */
  append({ count, firstTerm, lastTerm, changes }: Batch): void {
    this.runs.push(this.nextIndex, firstTerm);
    for (const [index, term] of changes ?? []) this.runs.push(index, term);
    this.lastTerm = lastTerm;
    this.nextIndex += count;
  }

  /**
   * The segment that holds an entry.
   *
   * @param index An index of the log.
   * @returns The segment, or `undefined` if none holds it.
   */
  locate(index: Index): Segment | undefined {
    const segment = this.segments[this.begunBy(index) - 1];
    return segment !== undefined && index < segment.firstIndex + segment.count ? segment : undefined;
  }

  /**
   * The segments that can hold entries of a range.
   *
   * @param first The first index.
   * @param last The last index, inclusive.
   * @returns The segments, oldest first: a copy.
   */
  holding(first: Index, last: Index): Segment[] {
    return this.segments.slice(Math.max(this.begunBy(first) - 1, 0), this.begunBy(last));
  }

  /**
   * Bytes of the files from the page that holds the first entry above an index. Reads no file.
   *
   * @param index Any index.
   * @returns The bytes, up to a page too many.
   */
  bytesAfter(index: Index): number {
    const first = Math.max(index + 1, this.firstIndex);
    if (first >= this.nextIndex) return 0;
    return this.holding(first, this.nextIndex - 1).reduce((sum, segment) => {
      const isWhole = first <= segment.firstIndex || segment.isIndexed;
      return sum + segment.endOffset - (isWhole ? SEGMENT_HEADER_BYTES : startOf(segment.pageOf(first)));
    }, 0);
  }

  /** The number of segments that begin at or below an index. */
  private begunBy(index: Index): number {
    let low = 0;
    let high = this.segments.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.segments[middle]!.firstIndex <= index) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * The term at an index. It is known for all entries, and for the index just before the first entry.
   *
   * @param index Any index.
   * @returns The term; {@link TERM_UNKNOWN} if it is lost; `undefined` outside the log.
   */
  termAt(index: Index): Term | undefined {
    if (index === this.snapshotIndex) return this.snapshotTerm;
    if (index < this.firstIndex - 1 || index >= this.nextIndex) return undefined;
    return this.runs.at(index) ?? TERM_UNKNOWN;
  }

  /**
   * Whether the entries above a snapshot stay when it is installed. They stay if the log has the snapshot's entry at
   * its index. If the term there is lost, a later entry of the snapshot's term proves that the entry was the same (log
   * matching).
   *
   * @param index The snapshot's index.
   * @param term The snapshot's term.
   * @returns Whether they stay; `undefined` if that is unknown.
   */
  keepsTail(index: Index, term: Term): boolean | undefined {
    const known = this.termAt(index);
    const last = this.nextIndex - 1;
    if (known !== TERM_UNKNOWN || index === last) return known === term;
    return this.runs.between(index + 1, last).some(([, above]) => above === term) || undefined;
  }

  /**
   * Drops every entry at or above an index.
   *
   * @param from The first index to drop.
   * @param lastTerm Term of the entry before `from`, if the caller knows it and this index may not.
   */
  truncate(from: Index, lastTerm: Term = this.termAt(from - 1) ?? TERM_UNKNOWN): void {
    if (from >= this.nextIndex) return;
    for (let i = this.segments.length - 1; i >= 0; i--) {
      const segment = this.segments[i]!;
      if (segment.firstIndex + segment.count <= from && segment.count > 0) break;
      segment.cut(from);
    }
    this.runs.truncate(from);
    this.nextIndex = from;
    this.lastTerm = lastTerm;
  }

  /**
   * Replaces the entries that a snapshot covers. Retained entries stay, unless the log is cleared.
   *
   * @param index Its index.
   * @param term Its term.
   * @param clear Whether to remove the entries above it too.
   */
  compact(index: Index, term: Term, clear: boolean): void {
    if (clear || index >= this.nextIndex) {
      this.runs.truncate(0);
      for (const segment of this.segments) segment.clear(index + 1);
      this.nextIndex = index + 1;
    }
    if (index === this.nextIndex - 1) this.lastTerm = term;
    const before = this.snapshotIndex;
    const beforeTerm = this.snapshotTerm;
    this.snapshotIndex = index;
    this.snapshotTerm = term;
    // With a retention, the previous snapshot's index can still be readable, or be just before the first index. Keep
    // its term.
    if (before >= this.firstIndex - 1) this.runs.fill(new Map([[before, beforeTerm]]), this.nextIndex);
    this.dropTerms();
  }

  /**
   * Drops the terms of entries below the first index. The term just before it stays, because a leader sends it along.
   */
  dropTerms(): void {
    this.runs.dropBelow(this.firstIndex - 1);
  }
}

/** Offset of a page. Lost entries have none, and count as nothing. */
function startOf({ offset, endOffset }: Page): number {
  return offset === OFFSET_LOST ? endOffset : offset;
}
