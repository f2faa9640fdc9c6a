/**
 * Frames that a replay takes outside the scan: those that concern more than their segment, and those larger than a
 * chunk.
 *
 * @module
 */

import {
  CHUNK_BYTES,
  SLOT_BATCH_INDEX,
  SLOT_BATCH_LSN,
  SLOT_CHANGES,
  SLOT_HASH,
  SLOT_LAST_CHECKSUM,
} from "../codec/codec.ts";
import { readFull } from "../io/full.ts";
import type { SizedFile } from "../io/sized_file.ts";
import {
  changesBefore,
  decodeFrameHeader,
  entriesIn,
  FLAG_CLEAR,
  FLAG_COPY,
  FLAG_MORE,
  FLAG_REPAIRED,
  FRAME_HEADER_BYTES,
  FRAME_HEADER_CHECKSUM,
  FRAME_PAYLOAD_CHECKSUM,
  frameBytes,
  type FrameHeader,
  indexAfter,
  KIND_CHECKPOINT,
  KIND_ENTRIES,
  KIND_SEGMENT_INDEX,
  KIND_SNAPSHOT,
  KIND_TRUNCATE,
  LENGTH_BYTES,
} from "../format/frame.ts";
import { TERM_UNKNOWN } from "../format/numbers.ts";
import { decodeState } from "../format/state.ts";
import type { Segment } from "../log/segment.ts";
import { moreChanges, type ReplayState } from "./replay_state.ts";
import { endGap, reach } from "./replay_gaps.ts";

/** Takes a frame that concerns more than its segment. Returns `false` for a segment index, which ends the segment. */
export function takeEvent(replay: ReplayState, segment: Segment, frame: Uint8Array): boolean {
  const { index } = replay;
  const header = decodeFrameHeader(frame);
  if (header.kind === KIND_SEGMENT_INDEX) return false;
  if (header.kind === KIND_TRUNCATE) {
    if (replay.gap !== undefined) {
      // A truncation shows that the log had reached this index, not how far it went. A truncation from a repair does
      // not count as a change.
      endGap(replay, segment, header.index, (header.flags & FLAG_REPAIRED) === 0);
      replay.stateAfterGap ??= { ...replay.state, changes: replay.state.changes - 1 };
    }
    segment.lowestTruncated = Math.min(segment.lowestTruncated, header.index);
    index.truncate(header.index, header.term);
    if (header.index === index.nextIndex && header.term !== TERM_UNKNOWN) replay.learnLastTerm(header.term);
  } else if (header.kind === KIND_SNAPSHOT) {
    const clears = (header.flags & FLAG_CLEAR) !== 0;
    if (clears) {
      segment.lowestTruncated = 1;
      // The snapshot removed everything that a gap before it held.
      for (const place of replay.gap?.places ?? []) Object.assign(place, { firstIndex: 1, lastIndex: header.index });
      replay.gap = undefined;
    }
    index.compact(header.index, header.term, clears);
    replay.replacementsLost = false;
  } else {
    // The state that this checkpoint repeats is not known from frames before it, because they are lost.
    const view = new DataView(frame.buffer, frame.byteOffset + FRAME_HEADER_BYTES);
    const { snapshotIndex, snapshotTerm, lastTerm } = decodeState(view, 0)!;
    replay.learnSnapshot(snapshotIndex, snapshotTerm);
    if ((header.flags & FLAG_COPY) === 0) replay.replacementsLost = false;
    replay.learnLastTerm(lastTerm);
  }
  replay.setScanState();
  return true;
}

/** Verifies an entry or a segment index that is larger than a chunk, piece by piece, and takes it if it is valid. */
export function* takeLarge(
  replay: ReplayState,
  segment: Segment,
  file: SizedFile,
  offset: number,
  limit: number,
  header: FrameHeader,
): Generator<void, boolean> {
  const { codec } = replay;
  const end = offset + frameBytes(header.length);
  const view = new DataView(new ArrayBuffer(FRAME_HEADER_BYTES));
  readFull(file, new Uint8Array(view.buffer), offset);
  const isSegmentIndex = header.kind === KIND_SEGMENT_INDEX;
  if (end > limit || (header.kind !== KIND_ENTRIES && !isSegmentIndex)) return false;
  if (!isSegmentIndex && !lengthsFit(file, offset, header)) return false;
  if (!isSegmentIndex && !isInOrder(replay, header) && replay.gap === undefined) return false;
  codec.wasm.hashStart(header.length);
  let filled = 0;
  for (let position = offset + FRAME_HEADER_BYTES, left = header.length; left > 0;) {
    const count = readFull(file, codec.chunk.subarray(filled, filled + left - filled), position + filled);
    if (count === 0) return false;
    filled += count;
    const taken = codec.wasm.hashFeed(codec.chunkAt, filled);
    codec.chunk.copyWithin(0, taken, filled);
    filled -= taken;
    position += taken;
    left -= taken;
    yield;
  }
  if (codec.getWide(SLOT_HASH) !== view.getBigUint64(FRAME_PAYLOAD_CHECKSUM, true)) return false;
  replay.bytesRead += Math.max(0, end - offset - CHUNK_BYTES);
  if (isSegmentIndex) {
    replay.indexOffset = offset;
    return true;
  }
  takeEntries(replay, segment, offset, header);
  codec.set(SLOT_LAST_CHECKSUM, view.getUint32(FRAME_HEADER_CHECKSUM, true));
  segment.endOffset = end;
  return true;
}

/** Takes an entries frame outside the scan. */
export function takeEntries(replay: ReplayState, segment: Segment, offset: number, header: FrameHeader): void {
  const { index, codec } = replay;
  if (replay.gap !== undefined) reach(replay, segment, header);
  if ((header.flags & FLAG_MORE) === 0) codec.set(SLOT_BATCH_LSN, 0);
  else if (codec.get(SLOT_BATCH_LSN) === 0) {
    codec.set(SLOT_BATCH_LSN, segment.header.baseLsn + offset);
    codec.set(SLOT_BATCH_INDEX, header.index);
  }
  index.runs.push(header.index, header.term);
  segment.push(offset, frameBytes(header.length), entriesIn(header));
  index.nextIndex = indexAfter(header);
  index.lastTerm = header.term;
  replay.countUpTo(header);
  replay.setScanState();
}

/** Whether a frame continues the replayed log. */
export function isInOrder(replay: ReplayState, header: FrameHeader): boolean {
  const isFill = (header.flags & FLAG_REPAIRED) !== 0;
  if (!isFill && moreChanges(replay.codec.get(SLOT_CHANGES), changesBefore(header)) !== 0) return false;
  const tellsNext = header.kind === KIND_ENTRIES || (header.kind === KIND_CHECKPOINT && !isFill);
  return !tellsNext || header.index === replay.index.nextIndex;
}

/** Whether the lengths in an entries frame larger than a chunk add up to its payload. */
function lengthsFit(file: SizedFile, offset: number, header: FrameHeader): boolean {
  if (header.count === 1) return true;
  const table = new Uint8Array(entriesIn(header) * LENGTH_BYTES);
  if (table.length > header.length) return false;
  readFull(file, table, offset + FRAME_HEADER_BYTES);
  const sum = new Uint32Array(table.buffer).reduce((all, length) => all + length, table.length);
  return sum === header.length || (sum < header.length && (header.flags & FLAG_REPAIRED) !== 0);
}
