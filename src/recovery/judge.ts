/**
 * Decides which damage matters, and which segments the log still needs.
 *
 * @module
 */

import type { Cut, Damage, RecoveryReport } from "../api/report.ts";
import { lostBefore, type SegmentBoundaries } from "./segment_boundaries.ts";
import type { Chain, Link } from "./chain.ts";
import type { SegmentHeader } from "../format/segment_header.ts";
import { EMPTY_STATE, type LogState } from "../format/state.ts";
import { liveIndexes } from "../log/live.ts";
import type { Replay } from "./replay.ts";
import type { Segment } from "../log/segment.ts";

/** The damage to report, and the files to remove. */
export interface Judgement {
  /** Damage to something that the log needs. */
  readonly damage: Damage[];
  /** Damage to something that the log no longer needs. */
  readonly harmless: Damage[];
  /** Segment files below the snapshot, oldest first. */
  readonly leftovers: readonly string[];
}

/**
 * The verdict on a log.
 *
 * @param damage The damage that matters. With it, the log does not open, unless the caller asks to keep it.
 * @param cut The torn end that was cut.
 */
export function verdictOf(damage: readonly Damage[], cut: Cut | undefined): RecoveryReport["verdict"] {
  if (damage.length > 0) return "corrupt";
  return cut === undefined ? "clean" : "torn";
}

/** The judgement, and whether the hard state or the tail is lost. */
export interface Judged extends Judgement {
  readonly lost: Pick<LogState, "hardStateLost" | "tailLost">;
}

/**
 * Decides which damage matters, after all segments were replayed.
 *
 * @param head The newest segment.
 * @param chain The segments of the log.
 * @param replay The complete replay.
 * @param boundaries The boundaries between them.
 * @returns The damage to report, the loss, and the files to remove.
 */
export function judge(head: Segment, chain: Chain, replay: Replay, boundaries: SegmentBoundaries): Judged {
  const known = new Set(replay.damage.map((one) => one.path));
  const others = chain.damage.filter((one) => !known.has(one.path));
  const isBehind = (one: Damage) => one.path >= head.path;
  // All other damage to the chain is before the oldest segment or after the newest one. Nothing shows how far the log
  // went after the newest one.
  const firstIndex = replay.index.nextIndex;
  const found: Damage[] = [...replay.damage, ...others.map((one) => isBehind(one) ? { ...one, firstIndex } : one)];
  if (replay.indexOffset !== undefined && !chain.nextBegun && chain.damage.length === 0) {
    const { number } = head.header;
    const reason = `missing, although segment ${number} is sealed, so another one follows it`;
    found.push({ ...boundaries.missing(number + 1, reason), firstIndex });
  }
  // Data lost after the newest segment may have held a hard state too.
  const hardStateLost = replay.hardStateLost || others.some(isBehind) || found.some((one) => one.path > head.path);
  const { damage, harmless, leftovers } = judgeDamage(found, chain, replay, boundaries);
  if (replay.tailLost) {
    damage.push({ ...lostBefore(head.path, "frames"), firstIndex: head.header.state.nextIndex });
  }
  if (hardStateLost && damage.length === 0) {
    // The hard state may have been in frames that are otherwise no longer needed.
    const places = harmless.filter(({ kind, path }) => kind === "frames" && path === head.path);
    harmless.splice(0, Infinity, ...harmless.filter((one) => !places.includes(one)));
    damage.push(...places.length > 0 ? places : [lostBefore(head.path, "hard state")]);
  }
  const tailLost = damage.some((one) => one.firstIndex !== undefined && one.lastIndex === undefined);
  return { damage, harmless, leftovers, lost: { hardStateLost, tailLost } };
}

/**
 * Separates the damage that matters from the damage that does not, and adds the entries that are missing at the start
 * of the log.
 *
 * Segments below the snapshot leave the index. A crash can undo any of the deletions of a compaction, so any of these
 * segments can be present or missing: neither is damage. The header of the next segment repeats the rest of their
 * state.
 *
 * @param found The damage that recovery found.
 * @param chain The segments of the log.
 * @param replay The complete replay.
 * @param boundaries The boundaries between them.
 * @returns The damage to report, and the files to remove.
 */
function judgeDamage(found: readonly Damage[], chain: Chain, replay: Replay, boundaries: SegmentBoundaries): Judgement {
  const { index } = replay;
  const covered = index.segments.splice(0, index.covered);
  const oldest = index.segments[0]!;
  const link = chain.links[covered.length]!;
  takeBack(found, oldest, link, replay, boundaries);
  const damage: Damage[] = [];
  const harmless: Damage[] = [];
  const { header, path } = link.file;
  // If the chain has an older segment, all contents of the previous one are below the snapshot.
  const missing = boundaries.missing(header.previous, `missing, although segment ${header.number} follows it`);
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
    boundaries.requirePlausible(link, lost, header.baseLsn);
    damage.unshift({ ...headless ?? missing, firstIndex: first, lastIndex: oldest.firstIndex - 1 });
    oldest.prependLost(lost);
  } else if (index.snapshotIndex === 0 && (headless !== undefined || mustHaveHeldFrames(header))) {
    // It held no entries, and the header of the next segment repeats its other state.
    harmless.push(headless ?? missing);
  }
  return { damage, harmless, leftovers: covered.map((segment) => segment.path) };
}

/**
 * Whether the previous segment held any frames. If not, it may never have been durable: a crash can lose the name of a
 * log's first segment and keep the name of the segment after it.
 */
function mustHaveHeldFrames({ previous, state }: SegmentHeader): boolean {
  const { nextIndex, hardState, changes } = state;
  const isEmpty = nextIndex === EMPTY_STATE.nextIndex && hardState.term === 0 && hardState.votedFor === null &&
    changes === 0 && !state.hardStateLost && !state.tailLost && !state.replacementsLost;
  return previous > 0 && !isEmpty;
}

/** Whether damage matters although it costs no entry. */
function isNeededOtherwise(one: Damage, isBelow: boolean, replay: Replay): boolean {
  if (one.kind === "hard state" && !isBelow) return true;
  if (one.firstIndex !== undefined && one.lastIndex === undefined) return true;
  // Frames that are lost with their headers may have held a truncation or a snapshot. Entries that the lost frames
  // discarded must not be trusted.
  return replay.mayHaveReplaced.has(one) && replay.replacementsLost;
}

/**
 * Counts as lost the entries that a gap at the start of the oldest segment held after a lost snapshot. Replay assumed
 * that the log begins after the gap; a later checkpoint gave the snapshot's index.
 */
function takeBack(
  found: readonly Damage[],
  oldest: Segment,
  link: Link,
  { index }: Replay,
  boundaries: SegmentBoundaries,
): void {
  const [first, last] = [index.snapshotIndex + 1, oldest.firstIndex - 1];
  const holdsThem = found.some(({ path, firstIndex = Infinity, lastIndex = 0 }) =>
    path === oldest.path && firstIndex <= first && last <= lastIndex
  );
  if (first > last || !holdsThem) return;
  boundaries.requirePlausible(link, last - first + 1, oldest.endLsn);
  oldest.prependLost(last - first + 1);
}
