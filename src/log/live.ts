/**
 * Which damage matters.
 *
 * @module
 */

import type { Damage } from "../api/report.ts";
import type { Index } from "../api/types.ts";
import type { LogIndex } from "./log_index.ts";
import type { Segment } from "./segment.ts";

/**
 * Which of the entries that a damaged place held the log still needs: not those that were truncated or covered by a
 * snapshot later on. A crash that undid some of compaction's deletions and not others leaves such places too.
 *
 * @param index The log's index.
 * @param damage The place.
 * @returns The first and the last of them, or `undefined` if there is none, or if the place names no range.
 */
export function liveIndexes(
  index: LogIndex,
  damage: Damage,
): { readonly firstIndex: Index; readonly lastIndex: Index } | undefined {
  const { path, offset: from, bytes, firstIndex, lastIndex, kind } = damage;
  if (firstIndex === undefined || lastIndex === undefined || kind === "snapshot") return undefined;
  const first = Math.max(firstIndex, index.firstIndex);
  const last = Math.min(lastIndex, index.nextIndex - 1);
  const segments = index.holding(first, last);
  const endIn = (segment: Segment) => segment.path === path ? from + bytes : from;
  const low = firstOf(segments, (segment) => segment.firstDamaged(first, last, from, endIn(segment)));
  if (low === undefined) return undefined;
  const high = firstOf(segments.reverse(), (segment) => segment.lastDamaged(low, last, from, endIn(segment)));
  return { firstIndex: low, lastIndex: high! };
}

/** The first index that `find` returns for one of the segments. */
function firstOf(segments: readonly Segment[], find: (segment: Segment) => Index | undefined): Index | undefined {
  for (const segment of segments) {
    const found = find(segment);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * The entries whose frames lie in a damaged place, as a log knows that has a segment's offsets.
 *
 * @param segment The segment.
 * @param damage The place.
 * @returns The first and the last of them; nothing if there is none.
 */
export function entriesWithin(
  segment: Segment,
  { offset, bytes }: Damage,
): { readonly firstIndex?: Index; readonly lastIndex?: Index } {
  const first = segment.countBelow(offset);
  const behind = segment.countBelow(offset + bytes);
  if (behind <= first) return {};
  return { firstIndex: segment.firstIndex + first, lastIndex: segment.firstIndex + behind - 1 };
}
