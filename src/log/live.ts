/**
 * Decides which damage matters.
 *
 * @module
 */

import type { Damage } from "../api/report.ts";
import type { Index } from "../api/types.ts";
import type { LogIndex } from "./log_index.ts";
import { OFFSET_LOST, type Segment } from "./segment.ts";

/**
 * Finds the entries of a damaged place that the log still needs. It does not need entries that were later truncated or
 * covered by a snapshot. Such places are also left if a crash undoes only some of compaction's deletions.
 *
 * @param index The log's index.
 * @param damage The damaged place.
 * @returns The first and the last needed entry; `undefined` if there is none, or if the damage names no range.
 */
export function liveIndexes(
  index: LogIndex,
  damage: Damage,
): { readonly firstIndex: Index; readonly lastIndex: Index } | undefined {
  const { path, offset: from, bytes, firstIndex, lastIndex, kind } = damage;
  if (firstIndex === undefined || lastIndex === undefined || kind === "snapshot") return undefined;
  const first = Math.max(firstIndex, index.firstIndex);
  const last = Math.min(lastIndex, index.nextIndex - 1);
  let found: { firstIndex: Index; lastIndex: Index } | undefined;
  for (const segment of index.holding(first, last)) {
    const stretch = segment.path === path ? { from, to: from + bytes } : undefined;
    for (const [low, high] of segment.damaged(first, last, stretch)) {
      found = { firstIndex: found?.firstIndex ?? low, lastIndex: high };
    }
  }
  return found;
}

/**
 * Records damage that was found while the log is open: adjusts the segment's pages so that one begins and ends with it.
 *
 * @param segment The segment, as the log has it.
 * @param damage A damaged place, with the entries that a scan of this segment alone found there.
 * @returns The place, with the entries that the log has there.
 */
export function placeDamage(segment: Segment, damage: Damage): Damage {
  const { offset, bytes, firstIndex = Infinity, lastIndex = segment.end - 1 } = damage;
  const nothing: Damage = { ...damage, firstIndex: undefined, lastIndex: undefined };
  // Entries that were discarded since are elsewhere, or gone.
  const pages = [...segment.pagesOf(firstIndex, lastIndex)].filter((page) =>
    page.offset === OFFSET_LOST || (page.offset < offset + Math.max(bytes, 1) && page.endOffset > offset)
  );
  const [lowest, highest] = [pages[0], pages.at(-1)];
  if (firstIndex > lastIndex || lowest === undefined || highest === undefined) return nothing;
  const first = Math.max(firstIndex, lowest.first);
  const last = Math.min(lastIndex, highest.end - 1);
  if (first > last) return nothing;
  if (highest.offset !== OFFSET_LOST && last + 1 < highest.end) segment.setPage(last + 1, offset + bytes);
  if (lowest.offset !== OFFSET_LOST) segment.setPage(first, Math.max(offset, lowest.offset));
  return { ...damage, firstIndex: first, lastIndex: last };
}
