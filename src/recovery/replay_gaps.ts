/**
 * Gaps in a replay. A gap opens where no frame is valid. The frames after it show its extent, and `gap.ts` explains
 * what it held.
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

/** Opens a gap or extends the open one, and records what the next checkpoint shows of it. */
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
 * Learns the contents of a gap from the header of a frame after it.
 *
 * @returns Whether it showed anything new, so that the scan can continue.
 */
export function reach(replay: ReplayState, segment: Segment, header: FrameHeader): boolean {
  const gap = replay.gap!;
  const before = replay.codec.get(SLOT_CHANGES);
  const more = moreChanges(before, changesBefore(header));
  replay.codec.set(SLOT_CHANGES, before + more);
  gap.held += more;
  if (header.kind === KIND_ENTRIES || header.kind === KIND_CHECKPOINT) {
    endGap(replay, segment, header.index);
    if (header.kind === KIND_CHECKPOINT && header.length === CHECKPOINT_PAYLOAD_BYTES) {
      replay.learnLastTerm(header.term);
    }
    return true;
  }
  return more !== 0 && replay.gap === gap;
}

/**
 * Ends a segment's replay. The contents of a gap at its end are known only from the next segment.
 *
 * @param segment The segment.
 * @param next The end of this segment, from the next segment's header; `undefined` if there is none.
 */
export function closeGap(replay: ReplayState, segment: Segment, next?: SegmentEnd): void {
  const { gap } = replay;
  if (gap === undefined) return;
  if (next !== undefined) {
    const { nextIndex, changes, lowestDropped } = next;
    if (changes === undefined) gap.known = "unknown";
    else countGap(replay, gap, changes);
    // The header shows the lowest index that the whole segment dropped. The gap cannot have dropped a lower one.
    gap.lowestDropped = lowestDropped;
    gap.snapshotIndex = next.snapshotIndex;
    return endGap(replay, segment, nextIndex);
  }
  for (const place of gap.places) {
    place.firstIndex = replay.index.nextIndex;
    replay.mayHaveReplaced.add(place);
  }
  replay.replacementsLost = true;
  replay.gap = undefined;
}

/**
 * Takes from a durable slot the state that lost frames before it held.
 *
 * @param segment The segment.
 * @param checkpoint The log's state in the slot, at the current point of the replay.
 */
export function endGapFromSlot(replay: ReplayState, segment: Segment, { state, dropped }: Checkpoint): void {
  const { codec, gap } = replay;
  if (state.hardStateLost || state.tailLost || state.replacementsLost) return;
  if (gap !== undefined) {
    countGap(replay, gap, state.changes);
    gap.lowestDropped = lowestDroppedSince(dropped, segment.header.baseLsn + gap.places[0]!.offset);
    gap.snapshotIndex = state.snapshotIndex;
    endGap(replay, segment, state.nextIndex);
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
 * Determines the entries that a gap held, from the next index after it.
 *
 * @param segment The segment.
 * @param next The next index.
 * @param isAtLeast Whether the gap may have held higher indexes that were dropped again.
 */
export function endGap(replay: ReplayState, segment: Segment, next: Index, isAtLeast = false): void {
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

/** Counts the changes in a gap, from the number of changes up to its end. */
function countGap(replay: ReplayState, gap: Gap, changes: number): void {
  gap.held += changes - replay.codec.get(SLOT_CHANGES);
  gap.known = "exact";
  replay.codec.set(SLOT_CHANGES, changes);
}

/** Applies the contents of a gap to the index. */
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
    for (const place of places) replay.mayHaveReplaced.add(place);
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
    replay.truncatedInGaps = Math.min(replay.truncatedInGaps, first);
    index.truncate(first);
  }
  replay.loseEntries(segment, next);
  if (next > first) { for (const place of places) Object.assign(place, { firstIndex: first, lastIndex: next - 1 }); }
  replay.setScanState();
}
