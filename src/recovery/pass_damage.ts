/**
 * Skips damage: records a durable frame that is invalid, and finds the next valid frame.
 *
 * @module
 */

import { CHUNK_BYTES, SLOT_HARD_STATES, SLOT_LAST_CHECKSUM } from "../codec/codec.ts";
import type { DamageKind } from "../api/report.ts";
import { readFull } from "../io/full.ts";
import type { SizedFile } from "../io/sized_file.ts";
import {
  FRAME_ALIGNMENT,
  FRAME_HEADER_BYTES,
  FRAME_HEADER_CHECKSUM,
  frameBytes,
  type FrameHeader,
  indexAfter,
  isReplacement,
  KIND_CHECKPOINT,
  KIND_ENTRIES,
  KIND_HARD_STATE,
  KIND_SEGMENT_INDEX,
  KIND_SNAPSHOT,
  KIND_TRUNCATE,
} from "../format/frame.ts";
import { selectSegment } from "../log/select_segment.ts";
import type { Segment } from "../log/segment.ts";
import type { OpenDamage, ReplayState, Stop } from "./replay_state.ts";
import { openGap, reach } from "./replay_gaps.ts";
import { isInOrder, takeEntries, takeEvent } from "./replay_frames.ts";

const KIND_NAMES: Record<number, DamageKind> = {
  [KIND_ENTRIES]: "entries",
  [KIND_HARD_STATE]: "hard state",
  [KIND_TRUNCATE]: "truncate",
  [KIND_SNAPSHOT]: "snapshot",
  [KIND_CHECKPOINT]: "checkpoint",
  [KIND_SEGMENT_INDEX]: "segment index",
};

/**
 * Skips an invalid frame below the proven LSN: records the damage, and finds the next valid frame.
 *
 * @param segment The segment.
 * @param file Its file.
 * @param replay The replay. @param stop Where the replay stopped.
 * @param limit Offset below which everything was durable.
 * @returns Offset at which to continue, at most `limit`.
 */
export function passDamage(replay: ReplayState, segment: Segment, file: SizedFile, stop: Stop, limit: number): number {
  const { header, offset } = stop;
  const next = header === undefined ? limit : offset + frameBytes(header.length);
  // A header that reaches past the limit, or is out of order, cannot be trusted.
  if (header !== undefined && next <= limit && isPossible(replay, header)) {
    const isEntry = header.kind === KIND_ENTRIES;
    const isRange = isEntry || header.kind === KIND_SNAPSHOT;
    replay.damage.push({
      kind: KIND_NAMES[header.kind] ?? "frames",
      path: segment.path,
      offset,
      bytes: next - offset,
      firstIndex: isRange ? header.index : undefined,
      lastIndex: isRange ? indexAfter(header) - 1 : undefined,
      term: isRange ? header.term : undefined,
      reason: stop.reason,
    });
    // The header survives, so index, term and effect are known. Only the payload is lost.
    const head = new Uint8Array(FRAME_HEADER_BYTES);
    readFull(file, head, offset);
    replay.codec.set(SLOT_LAST_CHECKSUM, new DataView(head.buffer).getUint32(FRAME_HEADER_CHECKSUM, true));
    segment.lastChecksum = replay.codec.get(SLOT_LAST_CHECKSUM);
    if (isEntry) {
      // The frame gets its own page, so that the damage covers only its entries.
      segment.breakPage();
      takeEntries(replay, segment, offset, header);
      segment.breakPage();
      replay.setScanState();
    } else {
      if (replay.gap !== undefined) reach(replay, segment, header);
      if (isReplacement(header.kind)) takeEvent(replay, segment, head);
      replay.countUpTo(header);
    }
    return next;
  }
  const resume = seek(replay, segment, file, offset + FRAME_ALIGNMENT, limit);
  const place: OpenDamage = {
    kind: "frames",
    path: segment.path,
    offset,
    bytes: resume - offset,
    firstIndex: undefined,
    lastIndex: undefined,
    term: undefined,
    reason: stop.reason,
  };
  replay.damage.push(place);
  segment.breakPage();
  openGap(replay, segment, file, place, limit);
  replay.setScanState();
  if (resume - offset >= FRAME_HEADER_BYTES) {
    replay.lostHardState = true;
    replay.codec.set(SLOT_HARD_STATES, 0);
  }
  return resume;
}

/** Whether a frame is possible at this point. Only its header survives. */
function isPossible(replay: ReplayState, header: FrameHeader): boolean {
  if (isReplacement(header.kind) && header.index <= replay.index.snapshotIndex) return false;
  return replay.gap !== undefined || isInOrder(replay, header);
}

/** The next valid frame header below a limit, or the limit. */
function seek(replay: ReplayState, segment: Segment, file: SizedFile, from: number, limit: number): number {
  const { codec } = replay;
  selectSegment(codec, segment.header);
  for (let at = from; limit - at >= FRAME_HEADER_BYTES;) {
    const count = readFull(file, codec.chunk.subarray(0, limit - at), at);
    const found = codec.wasm.seek(codec.chunkAt, count, segment.header.baseLsn + at);
    if (found + FRAME_HEADER_BYTES <= count) return at + found;
    if (count < CHUNK_BYTES) break;
    at += found;
  }
  return limit;
}
