/**
 * The truncations of an open log. A reader can ask how far down the log was truncated since its last read.
 *
 * @module
 */

import type { Index } from "../api/types.ts";

/** The number of truncations to keep. Beyond it, the two oldest are merged, so the reported index may be too low. */
const KEPT_MAX = 1024;

/** Counts truncations, and keeps those that no later one went below. */
export class Truncations {
  /** The number of truncations. */
  count = 0;
  /**
   * Number and index of truncations, oldest first. The indexes ascend, because a truncation removes earlier ones at or
   * above it.
   */
  private readonly kept: { readonly number: number; readonly from: Index }[] = [];

  /**
   * Records a truncation.
   *
   * @param from The first index that it dropped.
   */
  add(from: Index): void {
    const { kept } = this;
    this.count++;
    while (kept.length > 0 && kept.at(-1)!.from >= from) kept.pop();
    kept.push({ number: this.count, from });
    if (kept.length > KEPT_MAX) kept.splice(0, 2, { number: kept[1]!.number, from: kept[0]!.from });
  }

  /**
   * Finds how far down the log was truncated.
   *
   * @param count The earlier value of {@link Truncations.count}.
   * @returns The lowest index dropped since then; `Infinity` if there is none.
   */
  lowestSince(count: number): Index {
    return count === this.count ? Infinity : this.kept.find(({ number }) => number > count)!.from;
  }
}
