/**
 * How long flushes take, as counts by class: small, and good enough for any percentile that matters.
 *
 * @module
 */

/** Latencies counted by class. */
export interface LatencyHistogram {
  /** Upper bounds of the classes, in milliseconds; the last is `Infinity`. */
  readonly bounds: readonly number[];
  /** How many fell into each class, above the bound before and up to its own. */
  readonly counts: readonly number[];
  /** How many there were. */
  readonly count: number;
  /** All of them together, in milliseconds. */
  readonly sum: number;
  /** The longest, in milliseconds; 0 if there was none. */
  readonly max: number;
}

/** From a fast drive's cache to a disk in trouble, in milliseconds. */
const BOUNDS_MS: readonly number[] = Object.freeze(
  [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, Infinity],
);

/** Counts latencies. */
export class LatencyCounter {
  private readonly counts: number[] = new Array(BOUNDS_MS.length).fill(0);
  private count = 0;
  private sum = 0;
  private max = 0;

  /**
   * Counts one.
   *
   * @param milliseconds How long it took.
   */
  add(milliseconds: number): void {
    this.counts[BOUNDS_MS.findIndex((bound) => milliseconds <= bound)]!++;
    this.count++;
    this.sum += milliseconds;
    this.max = Math.max(this.max, milliseconds);
  }

  /** What was counted so far. */
  read(): LatencyHistogram {
    const { counts, count, sum, max } = this;
    return { bounds: BOUNDS_MS, counts: [...counts], count, sum, max };
  }
}
