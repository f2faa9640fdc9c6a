/**
 * A histogram of flush latencies. It is small, and precise enough for percentiles.
 *
 * @module
 */

/** A latency histogram. */
export interface LatencyHistogram {
  /** Upper bounds of the buckets, in milliseconds; the last is `Infinity`. */
  readonly bounds: readonly number[];
  /** The number of latencies in each bucket: above the previous bound, up to and including its own. */
  readonly counts: readonly number[];
  /** The number of all latencies. */
  readonly count: number;
  /** The sum of all latencies, in milliseconds. */
  readonly sum: number;
  /** The longest latency, in milliseconds; 0 if there is none. */
  readonly max: number;
}

/** From the cache of a fast drive to a failing disk, in milliseconds. */
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
   * Counts one latency.
   *
   * @param milliseconds The latency.
   */
  add(milliseconds: number): void {
    this.counts[BOUNDS_MS.findIndex((bound) => milliseconds <= bound)]!++;
    this.count++;
    this.sum += milliseconds;
    this.max = Math.max(this.max, milliseconds);
  }

  /** The counts so far. */
  read(): LatencyHistogram {
    const { counts, count, sum, max } = this;
    return { bounds: BOUNDS_MS, counts: [...counts], count, sum, max };
  }
}
