/**
 * Which of the damage that recovery found matters, and which segments the log still needs.
 *
 * @module
 */

import type { Damage } from "../report.ts";
import type { Borders } from "./borders.ts";
import type { Chain, Link } from "./chain.ts";
import { EMPTY_STATE, type SegmentHeader } from "./format.ts";
import { liveIndexes } from "./live.ts";
import type { Replay } from "./replay.ts";
import type { Segment } from "./segment.ts";

/** What recovery reports, and what it removes. */
export interface Judgement {
  /** Damage to something that the log needs. */
  readonly damage: Damage[];
  /** Damage to something that the log no longer needs. */
  readonly harmless: Damage[];
  /** Segment files below the snapshot, oldest first. */
  readonly leftovers: readonly string[];
}

/**
 * Separates the damage that matters from the damage that does not, and adds the entries that are missing at the start of
 * the log.
 *
 * Segments below the snapshot leave the index. A crash can undo any of the deletions of a compaction, so that some of
 * these segments can be there and others missing: neither is damage. The header of the next segment repeats the rest of
 * their state.
 *
 * @param found What recovery found damaged.
 * @param chain The segments of the log.
 * @param replay Their replay, which is complete.
 * @param borders The borders between them.
 * @returns What to report, and what to remove.
 */
export function judgeDamage(found: readonly Damage[], chain: Chain, replay: Replay, borders: Borders): Judgement {
  const { index } = replay;
  const covered = index.segments.splice(0, index.covered);
  const oldest = index.segments[0]!;
  const link = chain.links[covered.length]!;
  takeBack(found, oldest, link, replay, borders);
  const damage: Damage[] = [];
  const harmless: Damage[] = [];
  const { header, path } = link.file;
  // With an older segment in the chain, whatever the previous one held is below the snapshot.
  const missing = borders.missing(header.previous, `segment ${header.number} follows it, it is missing`);
  const headless = covered.length > 0 ? undefined : found.find((one) => one.path === missing.path);
  for (const one of found) {
    const isBelow = one.path < path;
    const live = isBelow ? undefined : liveIndexes(index, one);
    if (live !== undefined) damage.push({ ...one, ...live });
    else if (isNeededOtherwise(one, isBelow, replay)) damage.push(one);
    else if (!isBelow) harmless.push(one);
  }
  const first = index.snapshotIndex + 1;
  if (oldest.firstIndex > first) {
    const lost = oldest.firstIndex - first;
    borders.requirePlausible(link, lost, header.baseLsn);
    damage.unshift({ ...headless ?? missing, firstIndex: first, lastIndex: oldest.firstIndex - 1 });
    oldest.prependLost(lost);
  } else if (index.snapshotIndex === 0 && (headless !== undefined || mustHaveHeldFrames(header))) {
    // It held no entries, and the header of the next segment repeats the rest of its state.
    harmless.push(headless ?? missing);
  }
  return { damage, harmless, leftovers: covered.map((segment) => segment.path) };
}

/**
 * Whether the segment before one held anything. If not, it need not have become durable: a crash can take the name of a
 * log's first segment and leave that of the segment that was begun to follow it.
 */
function mustHaveHeldFrames({ previous, state }: SegmentHeader): boolean {
  const { nextIndex, hardState, replacements } = state;
  const isEmpty = nextIndex === EMPTY_STATE.nextIndex && hardState.term === 0 && hardState.votedFor === null &&
    replacements === 0 && !state.hardStateLost && !state.tailLost && !state.replacementsLost;
  return previous > 0 && !isEmpty;
}

/** Whether damage that takes no entry of the log matters all the same. */
function isNeededOtherwise(one: Damage, isBelow: boolean, replay: Replay): boolean {
  if (one.kind === "hard state" && !isBelow) return true;
  if (one.firstIndex !== undefined && one.lastIndex === undefined) return true;
  // Frames that are lost with their headers may have held a truncation or a snapshot. What that discarded must not be
  // believed.
  return replay.doubtful.has(one) && replay.replacementsLost;
}

/**
 * Counts the entries as lost that a gap at the start of the oldest segment held behind a lost snapshot. Replay took the log
 * to begin behind the gap; a later mark gave the snapshot's index.
 */
function takeBack(found: readonly Damage[], oldest: Segment, link: Link, { index }: Replay, borders: Borders): void {
  const [first, last] = [index.snapshotIndex + 1, oldest.firstIndex - 1];
  const holdsThem = found.some(({ path, firstIndex = Infinity, lastIndex = 0 }) =>
    path === oldest.path && firstIndex <= first && last <= lastIndex
  );
  if (first > last || !holdsThem) return;
  borders.requirePlausible(link, last - first + 1, oldest.endLsn);
  oldest.prependLost(last - first + 1);
}
