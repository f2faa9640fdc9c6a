/**
 * The losses of a log in one value, to decide whether a node may vote, lead or serve.
 *
 * @module
 */

import type { LiveState } from "../log/live_state.ts";
import type { Index } from "./types.ts";

/** The losses of a log to damage that were not repaired, replaced or accepted. */
export interface Lost {
  /**
   * Whether a later hard state may be lost. The log then rejects every write until `setHardState` is called with
   * `force`: a node that forgets its vote can vote twice.
   */
  readonly hardState: boolean;
  /** Whether an unknown number of entries after the last one may be lost. */
  readonly tail: boolean;
  /** First and last index of each range of entries that cannot be read, in order. No two ranges touch. */
  readonly ranges: readonly (readonly [first: Index, last: Index])[];
}

/**
 * Finds the losses of a log.
 *
 * @param state The log in memory.
 * @returns The current losses.
 */
export function lostOf({ hardStateLost, tailLost, damaged }: LiveState): Lost {
  const ranges: [Index, Index][] = [];
  const known = damaged.flatMap(({ firstIndex, lastIndex, kind }): [Index, Index][] =>
    firstIndex === undefined || lastIndex === undefined || kind === "snapshot" ? [] : [[firstIndex, lastIndex]]
  );
  for (const [first, last] of known.sort((a, b) => a[0] - b[0])) {
    const previous = ranges.at(-1);
    if (previous !== undefined && first <= previous[1] + 1) previous[1] = Math.max(previous[1], last);
    else ranges.push([first, last]);
  }
  return { hardState: hardStateLost, tail: tailLost, ranges };
}
