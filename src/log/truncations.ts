/**
 * The truncations of an open log, for whoever has been given entries: how far down they reached since.
 *
 * @module
 */

import type { Index } from "../api/types.ts";

/** More truncations than this are not told apart: the oldest two then count as one, which may name too low an index. */
const KEPT_MAX = 1024;

/** Counts truncations, and keeps of each what no later one has passed. */
export class Truncations {
  /** How many there were. */
  count = 0;
  /** Number and index of truncations, oldest first. The indexes ascend: a truncation makes those above it irrelevant. */
  private readonly kept: { readonly number: number; readonly from: Index }[] = [];

  /**
   * Notes a truncation.
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
   * How far down the log was truncated.
   *
   * @param count How many truncations there were before.
   * @returns The lowest index dropped since; `Infinity` if none was.
   */
  lowestSince(count: number): Index {
    return count === this.count ? Infinity : this.kept.find(({ number }) => number > count)!.from;
  }
}
