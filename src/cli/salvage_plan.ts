/**
 * What of a damaged log goes into a new one: a log has no holes, so that all up to the first one does.
 *
 * @module
 */

import type { Index } from "../api/types.ts";
import type { Unreliable } from "./unreliable.ts";

/** What is there to be salvaged. */
export interface Salvageable {
  /** Index of the snapshot that can be read; 0 if the log has none; `undefined` if it has one that cannot be read. */
  readonly base: Index | undefined;
  /** The first and the last index of the log. */
  readonly firstIndex: Index;
  readonly lastIndex: Index;
  readonly unreliable: readonly Unreliable[];
  /** The last index wanted. */
  readonly to: Index;
  /** Whether to take entries that lost frames may have discarded. */
  readonly unconfirmed: boolean;
}

/** Entries that are not in the new log. */
export interface LeftOut {
  /**
   * Why: they cannot be read; nothing proves that they were not discarded; entries or a snapshot before them are
   * missing; or they were not wanted.
   */
  readonly why: "lost" | "doubtful" | "behind a hole" | "not wanted";
  readonly first: Index;
  /** The last of them; `undefined` if nobody knows how many there were. */
  readonly last: Index | undefined;
  readonly reason: string;
}

/** What to salvage. */
export interface SalvagePlan {
  /** The last index of the new log; 0 if it has neither entries nor a snapshot. */
  readonly lastIndex: Index;
  readonly leftOut: readonly LeftOut[];
}

/**
 * Decides what to salvage.
 *
 * @param found What is there.
 * @returns What goes into the new log, and what does not.
 */
export function planSalvage(found: Salvageable): SalvagePlan {
  const { base, firstIndex, lastIndex, to } = found;
  const holes = found.unreliable.filter(({ kind, first, last = Infinity }) =>
    !(kind === "doubtful" && found.unconfirmed) && last > (base ?? 0) && first <= to
  );
  const start = base === undefined ? 0 : Math.max(base, firstIndex - 1);
  // Without its snapshot a log cannot begin above index 1.
  const isJoined = base !== undefined && base >= firstIndex - 1;
  const firstHole = Math.min(...holes.map(({ first }) => first), lastIndex + 1);
  const end = isJoined ? Math.max(Math.min(firstHole - 1, to), start) : base ?? 0;
  const leftOut: LeftOut[] = [];
  const reasonBehind = base === undefined
    ? "the snapshot that they follow on cannot be read"
    : `index ${end + 1}, which they follow on, is not in it`;
  let next = Math.max(end + 1, firstIndex);
  const rest = (last: Index) => {
    if (last >= next) {
      const wanted = Math.min(last, to);
      if (wanted >= next) leftOut.push({ why: "behind a hole", first: next, last: wanted, reason: reasonBehind });
      if (last > to) {
        leftOut.push({ why: "not wanted", first: Math.max(next, to + 1), last, reason: `--to is ${to}` });
      }
    }
    next = Math.max(next, last + 1);
  };
  for (const { kind, first, last: end, damage } of holes) {
    const last = end && Math.min(end, to);
    if ((last ?? Infinity) < next) continue;
    rest(first - 1);
    leftOut.push({ why: kind, first: Math.max(first, next), last, reason: damage.reason });
    next = (last ?? Math.max(lastIndex, first - 1)) + 1;
  }
  rest(lastIndex);
  return { lastIndex: end, leftOut };
}
