/**
 * Selects the part of a damaged log that goes into a new one. A log cannot have holes, so this is everything up to the
 * first hole.
 *
 * @module
 */

import type { Index } from "../api/types.ts";
import type { Unreliable } from "./unreliable.ts";

/** The state of a damaged log. */
export interface Salvageable {
  /** Index of the snapshot; 0 if the log has none; `undefined` if it cannot be read. */
  readonly base: Index | undefined;
  /** The first and the last index of the log. */
  readonly firstIndex: Index;
  readonly lastIndex: Index;
  readonly unreliable: readonly Unreliable[];
  /** The last index requested. */
  readonly to: Index;
  /** Whether to include entries that a lost frame may have truncated. */
  readonly unconfirmed: boolean;
}

/** Entries that are not in the new log. */
export interface LeftOut {
  /**
   * The cause: they cannot be read; a lost frame may have truncated them; entries or a snapshot before them are
   * missing; or they were not requested.
   */
  readonly why: "lost" | "unconfirmed" | "after a hole" | "not requested";
  readonly first: Index;
  /** The last of them; `undefined` if their number is unknown. */
  readonly last: Index | undefined;
  readonly reason: string;
}

/** A plan for salvaging. */
export interface SalvagePlan {
  /** The last index of the new log; 0 if it has neither entries nor a snapshot. */
  readonly lastIndex: Index;
  readonly leftOut: readonly LeftOut[];
}

/**
 * Decides what to salvage.
 *
 * @param found The state of the damaged log.
 * @returns The contents of the new log, and the ranges left out.
 */
export function planSalvage(found: Salvageable): SalvagePlan {
  const { base, firstIndex, lastIndex, to } = found;
  const holes = found.unreliable.filter(({ kind, first, last = Infinity }) =>
    !(kind === "unconfirmed" && found.unconfirmed) && last > (base ?? 0) && first <= to
  );
  const start = base === undefined ? 0 : Math.max(base, firstIndex - 1);
  // Without its snapshot, a log cannot start above index 1.
  const isJoined = base !== undefined && base >= firstIndex - 1;
  const firstHole = Math.min(...holes.map(({ first }) => first), lastIndex + 1);
  const end = isJoined ? Math.max(Math.min(firstHole - 1, to), start) : base ?? 0;
  const leftOut: LeftOut[] = [];
  const reasonBehind = base === undefined ? "the snapshot before them cannot be read" : `index ${end + 1} is missing`;
  let next = Math.max(end + 1, firstIndex);
  const rest = (last: Index) => {
    if (last >= next) {
      const wanted = Math.min(last, to);
      if (wanted >= next) leftOut.push({ why: "after a hole", first: next, last: wanted, reason: reasonBehind });
      if (last > to) {
        leftOut.push({ why: "not requested", first: Math.max(next, to + 1), last, reason: `--to is ${to}` });
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
