/**
 * Scans the newest segment in two parts. Up to the proven LSN, invalid frames are damage. After it, they are a torn
 * end, which is cut.
 *
 * @module
 */

import { CHUNK_BYTES, type Codec } from "../codec/codec.ts";
import type { Cut } from "../api/report.ts";
import { readFull } from "../io/full.ts";
import type { SizedFile } from "../io/sized_file.ts";
import type { Chain, Link } from "./chain.ts";
import type { SegmentFiles } from "./segment_files.ts";
import { CHECKPOINT_BYTES, CHECKPOINT_PAYLOAD_BYTES } from "../format/checkpoint.ts";
import {
  decodeFrameHeader,
  FLAG_CLOSE,
  FRAME_ALIGNMENT,
  FRAME_HEADER_BYTES,
  frameBytes,
  indexAfter,
  KIND_CHECKPOINT,
  KIND_ENTRIES,
} from "../format/frame.ts";
import { SEGMENT_HEADER_BYTES } from "../format/header_block.ts";
import type { LogState } from "../format/state.ts";
import type { Index } from "../api/types.ts";
import { type Proven, provenLsn } from "./proven.ts";
import type { Replay } from "./replay.ts";
import { selectSegment } from "../log/select_segment.ts";
import { replayThroughDamage } from "./scan_segment.ts";
import { Segment } from "../log/segment.ts";
import type { ProvenContents } from "./recovered.ts";

/** The result of scanning the newest segment. */
export interface NewestScan {
  readonly head: Segment;
  /** LSN up to which the disk proves that a flush returned. */
  readonly provenLsn: number;
  /** Whether the log was closed and nothing was written since. */
  readonly isClosed: boolean;
  /** The log's state at the proven LSN, and the checksum of the last frame before it. */
  readonly provenState: LogState;
  readonly provenChecksum: number;
  /** The lowest index that the segment had truncated at the proven LSN; `Infinity` if none. */
  readonly provenTruncated: number;
  /** The lowest index that it has truncated since. */
  readonly unprovenTruncated: number;
  /** The last index that is proven durable and was not truncated later. */
  readonly provenIndex: Index;
  /**
   * The log at the proven LSN, for a reader that continues from there; `undefined` if there is no such reader, or if a
   * gap ends there.
   */
  readonly provenContents: ProvenContents | undefined;
  /** The torn end that was cut, if there was one. */
  readonly cut: Cut | undefined;
}

/** The parts of the recovery that the scan uses. */
export interface NewestScanning {
  readonly codec: Codec;
  readonly replay: Replay;
  readonly chain: Chain;
  readonly files: SegmentFiles;
  readonly isFollowed: boolean;
}

/**
 * Scans the newest segment.
 *
 * @param scanning The chain, and the replay at the end of the previous segment.
 * @param newest The segment.
 * @param file Its file.
 * @returns The result. Yields after each chunk.
 */
export function* scanNewest(scanning: NewestScanning, newest: Link, file: SizedFile): Generator<void, NewestScan> {
  const { codec, replay, isFollowed } = scanning;
  const { size, slot, header, path } = newest.file;
  const head = new Segment(path, header, SEGMENT_HEADER_BYTES);
  replay.open(head);
  const proven = proofOf(scanning, newest, file);
  const provenOffset = proven.lsn - header.baseLsn;
  yield* replayThroughDamage(replay, head, file, provenOffset);
  // If the last frame is lost, its checksum is unknown. The new segment must not state a checksum that a restored file
  // would contradict.
  const provenChecksum = replay.gapOffset !== undefined ? 0 : head.lastChecksum;
  if (slot?.lsn === proven.lsn) replay.endGap(head, slot.checkpoint);
  replay.keepOpenBatch();
  const provenNext = replay.index.nextIndex;
  // The frames after the proven LSN may have to move to another segment, so a page must begin there.
  head.breakPage();
  const stateThere = replay.state;
  replay.stateAfterGap = undefined;
  replay.truncatedInGaps = Infinity;
  const truncatedThere = head.lowestTruncated;
  // If a gap reaches to the proven LSN, no valid frame ends there. Writing must still continue at the proven LSN.
  head.endOffset = Math.max(head.endOffset, provenOffset);
  const provenContents = isFollowed && replay.gapOffset === undefined
    ? { index: replay.index.copy(), state: stateThere }
    : undefined;
  head.lowestTruncated = Infinity;
  const torn = yield* replayUnproven(replay, head, file, provenOffset, size);
  const unprovenTruncated = head.lowestTruncated;
  head.lowestTruncated = Math.min(truncatedThere, unprovenTruncated);
  // If a gap ended at the proven LSN, the first frame after it showed the state there, and which indexes the gap may
  // have truncated.
  const provenState = replay.stateAfterGap ?? stateThere;
  const provenTruncated = Math.min(truncatedThere, replay.truncatedInGaps);
  replay.close(head);
  // Indexes that were truncated after the proven LSN do not count as proven, even if they have entries again.
  const provenLast = Math.min(provenNext, replay.index.nextIndex, unprovenTruncated) - 1;
  return {
    head,
    provenLsn: proven.lsn,
    isClosed: proven.isClosed && head.endOffset === size && newest.file.nextPointer.kind === "none",
    provenState,
    provenChecksum,
    provenTruncated,
    unprovenTruncated,
    provenIndex: Math.max(provenLast, provenState.snapshotIndex),
    provenContents,
    cut: torn === undefined ? undefined : describeCut(codec, head, file, torn, size),
  };
}

/** Finds how far the newest segment is proven durable. */
function proofOf({ codec, chain, files }: NewestScanning, newest: Link, file: SizedFile): Proven {
  const { size, slot, header: { baseLsn } } = newest.file;
  return provenLsn({
    headerEnd: baseLsn + SEGMENT_HEADER_BYTES,
    chain: chain.provenLsn,
    slot: slot?.lsn ?? 0,
    // It proves the frames before it, not itself: its own flush may have failed.
    close: endsWithClose(codec, newest, file) ? baseLsn + size - CHECKPOINT_BYTES : undefined,
    frames: () => files.survey(newest.file, size).provenLsn,
  });
}

/** Replays the frames after the proven LSN. Returns the offset of the torn end, if there is one. */
function* replayUnproven(
  replay: Replay,
  head: Segment,
  file: SizedFile,
  from: number,
  size: number,
): Generator<void, number | undefined> {
  const frames = replay.run(head, file, from, size);
  for (;;) {
    const step = frames.next();
    if (step.done) return replay.dropOpenBatch(head) ?? step.value?.offset;
    yield;
  }
}

/** Whether the newest segment ends with the checkpoint of a clean close, which proves everything before it durable. */
function endsWithClose(codec: Codec, link: Link, file: SizedFile): boolean {
  const { header, size } = link.file;
  const at = size - CHECKPOINT_BYTES;
  if (at < SEGMENT_HEADER_BYTES || size % FRAME_ALIGNMENT !== 0) return false;
  readFull(file, codec.chunk.subarray(0, FRAME_HEADER_BYTES), at);
  selectSegment(codec, header);
  if (codec.wasm.checkHeader(codec.chunkAt, header.baseLsn + at) !== 0) return false;
  const checkpoint = decodeFrameHeader(codec.chunk);
  return checkpoint.kind === KIND_CHECKPOINT && (checkpoint.flags & FLAG_CLOSE) !== 0 &&
    checkpoint.length === CHECKPOINT_PAYLOAD_BYTES;
}

/** Describes the torn end of the newest segment; `undefined` if it is only zeros. */
function describeCut(
  codec: Codec,
  head: Segment,
  file: SizedFile,
  from: number,
  size: number,
): Cut | undefined {
  const { wasm, chunkAt } = codec;
  selectSegment(codec, head.header);
  let end = 0;
  let firstIndex: number | undefined;
  let lastIndex: number | undefined;
  for (let at = from; at < size;) {
    const count = readFull(file, codec.chunk.subarray(0, size - at), at);
    const nonZero = wasm.nonZeroEnd(chunkAt, count);
    if (nonZero > 0) end = at + nonZero;
    let frame = 0;
    while (frame + FRAME_HEADER_BYTES <= count) {
      frame += wasm.seek(chunkAt + frame, count - frame, head.header.baseLsn + at + frame);
      if (frame + FRAME_HEADER_BYTES > count) break;
      const header = decodeFrameHeader(codec.chunk.subarray(frame));
      if (header.kind === KIND_ENTRIES) {
        firstIndex = Math.min(firstIndex ?? header.index, header.index);
        lastIndex = Math.max(lastIndex ?? 0, indexAfter(header) - 1);
      }
      frame += frameBytes(header.length);
    }
    if (count < CHUNK_BYTES) break;
    at += Math.max(frame, FRAME_ALIGNMENT);
  }
  return end === 0 ? undefined : { path: head.path, offset: from, bytes: end - from, firstIndex, lastIndex };
}
