/**
 * The losses of a damaged log, for the report.
 *
 * @module
 */

import type { Index } from "../api/types.ts";
import type { Inspection } from "./inspect.ts";
import { counted, indexes } from "./text.ts";
import { unreliableIn } from "./unreliable.ts";

/** Ranges that are named. */
const RANGES_MAX = 6;

/** The losses of a log. */
export interface Loss {
  /** The number of damaged places. */
  readonly places: number;
  /** The losses, as phrases: `3 entries`, `the snapshot at index 10`. Empty if nothing that is known is lost. */
  readonly parts: readonly string[];
  /** The indexes of the lost entries. */
  readonly ranges: string;
}

/** A range of indexes; without an end, everything from its beginning on. */
export type Range = readonly [first: Index, end: Index | undefined];

/**
 * Sums up the losses of a log.
 *
 * @param found The log.
 * @returns Its losses.
 */
export function lossOf(found: Inspection): Loss {
  const { opened: { report, state }, snapshot } = found;
  const unreliable = unreliableIn(found);
  const rangesOf = (wanted: "lost" | "doubtful") =>
    joinRanges(
      unreliable.filter(({ kind }) => kind === wanted)
        .map(({ first, last }): Range => [first, last === undefined ? undefined : last + 1]),
    );
  const lost = rangesOf("lost");
  const doubtful = rangesOf("doubtful");
  const isSnapshotLost = report.damage.some(({ kind }) => kind === "snapshot");
  return {
    places: report.damage.length,
    parts: [
      ...lost.length > 0 ? [countText(lost)] : [],
      ...isSnapshotLost ? [`the snapshot${snapshot === undefined ? "" : ` at index ${snapshot.index}`}`] : [],
      ...state.hardStateLost ? ["perhaps the latest vote"] : [],
      ...doubtful.length > 0 ? [`perhaps newer versions of ${countText(doubtful)}`] : [],
    ],
    ranges: rangesText(lost),
  };
}

/**
 * Joins ranges that overlap or touch.
 *
 * @param ranges The ranges, in any order.
 * @returns The ranges that cover the same indexes, in order.
 */
export function joinRanges(ranges: readonly Range[]): Range[] {
  const all: Range[] = [];
  for (const [first, end] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const before = all.at(-1);
    if (before === undefined || (before[1] !== undefined && before[1] < first)) all.push([first, end]);
    else if (before[1] !== undefined) {
      all[all.length - 1] = [before[0], end === undefined ? undefined : Math.max(before[1], end)];
    }
  }
  return all;
}

function countText(ranges: readonly Range[]): string {
  const count = ranges.reduce((sum, [first, end]) => sum + (end === undefined ? 0 : end - first), 0);
  const open = ranges.find(([, end]) => end === undefined);
  if (open === undefined) return counted(count, "entry", "entries");
  const rest = `all entries from index ${open[0]} on`;
  return count === 0 ? rest : `${counted(count, "entry", "entries")}, ${rest}`;
}

function rangesText(ranges: readonly Range[]): string {
  const named = ranges.slice(0, RANGES_MAX).map(([first, end]) =>
    end === undefined ? `from ${first} on` : end - first === 1 ? `${first}` : `${first} to ${end - 1}`
  );
  const more = ranges.length > RANGES_MAX ? `, and ${counted(ranges.length - RANGES_MAX, "more", "more")}` : "";
  const [only] = ranges;
  if (ranges.length === 1 && only![1] !== undefined) return indexes(only![0], only![1] - 1);
  return ranges.length === 0 ? "" : `indexes ${named.join(", ")}${more}`;
}
