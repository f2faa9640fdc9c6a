/**
 * Which damage matters.
 *
 * @module
 */

import type { Damage } from "../report.ts";
import type { Index } from "../types.ts";
import type { LogIndex } from "./index.ts";
import { OFFSET_LOST, type Segment } from "./segment.ts";

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
  const isDamaged = (at: Index) => {
    const segment = index.locate(at);
    const offset = segment?.offsetOf(at);
    return offset === OFFSET_LOST || (segment?.path === path && offset! >= from && offset! < from + bytes);
  };
  let first = Math.max(firstIndex, index.snapshotIndex + 1);
  let last = Math.min(lastIndex, index.nextIndex - 1);
  while (first <= last && !isDamaged(first)) first++;
  while (last > first && !isDamaged(last)) last--;
  return first <= last ? { firstIndex: first, lastIndex: last } : undefined;
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
