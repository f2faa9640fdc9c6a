/**
 * Gaps as a replay meets them: opened where no frame is valid, measured by what lies behind, and explained by `gap.ts`.
 *
 * @module
 */

import { SLOT_CHANGES, SLOT_HARD_STATES } from "../codec/codec.ts";
import type { SizedFile } from "../io/sized_file.ts";
import type { Index } from "../api/types.ts";
import { type Checkpoint, CHECKPOINT_PAYLOAD_BYTES, lowestDroppedSince } from "../format/checkpoint.ts";
import { changesBefore, type FrameHeader, KIND_CHECKPOINT, KIND_ENTRIES } from "../format/frame.ts";
import { TERM_UNKNOWN } from "../format/numbers.ts";
import { findCheckpoint } from "./evidence.ts";
import { explainGap, type GapContents } from "./gap.ts";
import type { Segment } from "../log/segment.ts";
import { type Gap, moreChanges, type OpenDamage, type ReplayState, type SegmentEnd } from "./replay_state.ts";

/** Notes a gap, or that the last one goes on, and what the next checkpoint shows of it. */
export function openGap(
  replay: ReplayState,
  segment: Segment,
  file: SizedFile,
  place: OpenDamage,
  limit: number,
): void {
  const { codec } = replay;
  const end = place.offset + place.bytes;
  replay.gap ??= {
    places: [],
    wasHardStateLost: replay.hardStateLost,
    held: 0,
    known: "modulo",
    lowestDropped: undefined,
    snapshotIndex: undefined,
  };
  const { gap } = replay;
  gap.places.push(place);
  gap.known = "modulo";
  gap.lowestDropped = gap.snapshotIndex = undefined;
  if (end >= limit) return;
  if (replay.found === undefined || replay.found.offset < end) {
    replay.found = findCheckpoint(codec, segment, file, end, limit);
  }
  const { checkpoint, contiguousFrom, changes } = replay.found;
  if (checkpoint === undefined) return;
  gap.lowestDropped = lowestDroppedSince(checkpoint.dropped, segment.header.baseLsn + gap.places[0]!.offset);
  if (contiguousFrom > end || changes === undefined) return;
  gap.snapshotIndex = checkpoint.state.snapshotIndex;
  countGap(replay, gap, checkpoint.state.changes - changes);
}

/**
 * Learns from the header of a frame behind a gap what the gap held.
 *
 * @returns Whether it told anything, so that the scan can go on.
 */
export function reach(replay: ReplayState, segment: Segment, header: FrameHeader): boolean {
  const gap = replay.gap!;
  const before = replay.codec.get(SLOT_CHANGES);
  const more = moreChanges(before, changesBefore(header));
  replay.codec.set(SLOT_CHANGES, before + more);
  gap.held += more;
  if (header.kind === KIND_ENTRIES || header.kind === KIND_CHECKPOINT) {
    settleGap(replay, segment, header.index);
    if (header.kind === KIND_CHECKPOINT && header.length === CHECKPOINT_PAYLOAD_BYTES) {
      replay.learnLastTerm(header.term);
    }
    return true;
  }
  return more !== 0 && replay.gap === gap;
}

/**
 * Ends a segment's replay: what a gap at its end held is known only from what follows.
 *
 * @param segment The segment.
 * @param next The next segment's header, or as much of it as is known; `undefined` if there is none.
 */
export function closeGap(replay: ReplayState, segment: Segment, next?: SegmentEnd): void {
  const { gap } = replay;
  if (gap === undefined) return;
  if (next !== undefined) {
    const { nextIndex, changes, lowestDropped } = next;
    if (changes === undefined) gap.known = "unknown";
    else countGap(replay, gap, changes);
    // The header shows what the whole segment dropped, and so what the gap at most did.
    gap.lowestDropped = lowestDropped;
    gap.snapshotIndex = next.snapshotIndex;
    return settleGap(replay, segment, nextIndex);
  }
  for (const place of gap.places) {
    place.firstIndex = replay.index.nextIndex;
    replay.doubtful.add(place);
  }
  replay.replacementsLost = true;
  replay.gap = undefined;
}

/**
 * Takes from a durable slot what the frames before it should have shown and no longer do.
 *
 * @param segment The segment.
 * @param checkpoint What the slot shows of the log where the replay stands.
 */
export function settleFromSlot(replay: ReplayState, segment: Segment, { state, dropped }: Checkpoint): void {
  const { codec, gap } = replay;
  if (state.hardStateLost || state.tailLost || state.replacementsLost) return;
  if (gap !== undefined) {
    countGap(replay, gap, state.changes);
    gap.lowestDropped = lowestDroppedSince(dropped, segment.header.baseLsn + gap.places[0]!.offset);
    gap.snapshotIndex = state.snapshotIndex;
    settleGap(replay, segment, state.nextIndex);
    replay.learnSnapshot(state.snapshotIndex, state.snapshotTerm);
  }
  if (replay.replacementsLost) {
    replay.learnSnapshot(state.snapshotIndex, state.snapshotTerm);
    replay.replacementsLost = false;
  }
  if (state.lastTerm !== TERM_UNKNOWN) replay.learnLastTerm(state.lastTerm);
  if (replay.hardStateLost || replay.tailLost) {
    replay.setHardState(state.hardState);
    codec.set(SLOT_HARD_STATES, 1);
  }
  replay.setScanState();
}

/**
 * Says which entries a gap held, from the index that is next behind it.
 *
 * @param segment The segment.
 * @param next The index.
 * @param isAtLeast Whether the log may have come further: what it had above is gone by now.
 */
export function settleGap(replay: ReplayState, segment: Segment, next: Index, isAtLeast = false): void {
  const { index } = replay;
  const gap = replay.gap!;
  const { places, held, known, lowestDropped, snapshotIndex: snapshotBehind } = gap;
  replay.gap = undefined;
  const bytes = places.reduce((sum, place) => sum + place.bytes, 0);
  const { nextIndex, snapshotIndex } = index;
  const canHaveSnapshot = replay.newestSnapshot > snapshotIndex;
  const contents = explainGap({ nextIndex, snapshotIndex, canHaveSnapshot }, bytes, {
    nextIndex: next,
    isAtLeast,
    changes: known === "unknown" ? known : known === "exact" ? { exact: held } : { modulo: held },
    lowestDropped,
    snapshotIndex: snapshotBehind,
    floor: replay.floor,
  });
  applyGap(replay, segment, gap, contents, next);
}

/** Counts the changes that a gap held, from how many there were up to its end. */
function countGap(replay: ReplayState, gap: Gap, changes: number): void {
  gap.held += changes - replay.codec.get(SLOT_CHANGES);
  gap.known = "exact";
  replay.codec.set(SLOT_CHANGES, changes);
}

/** Takes what a gap held out of the index. */
function applyGap(
  replay: ReplayState,
  segment: Segment,
  { places, wasHardStateLost }: Gap,
  contents: GapContents,
  next: Index,
): void {
  const { index, codec } = replay;
  let first = index.nextIndex;
  if (contents.kind === "quiet") {
    if (codec.get(SLOT_HARD_STATES) === 0) replay.lostHardState = wasHardStateLost;
  } else if (contents.kind !== "hard states") {
    for (const place of places) replay.doubtful.add(place);
    replay.replacementsLost = true;
  }
  if (contents.kind === "jumped") {
    index.compact(next - 1, TERM_UNKNOWN, true);
    for (const place of places) Object.assign(place, { firstIndex: first, lastIndex: next - 1 });
    return replay.setScanState();
  }
  if (contents.kind === "replaced") {
    first = contents.from;
    segment.lowestTruncated = Math.min(segment.lowestTruncated, first);
    replay.settledTruncated = Math.min(replay.settledTruncated, first);
    index.truncate(first);
  }
  replay.loseEntries(segment, next);
  if (next > first) { for (const place of places) Object.assign(place, { firstIndex: first, lastIndex: next - 1 }); }
  replay.setScanState();
}
