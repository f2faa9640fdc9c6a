/**
 * Walks the frames of a segment, verifies their checksums, and collects the numbers in the key of a piece.
 *
 * @module
 */

import { CHUNK_BYTES, type Codec, SLOT_HASH } from "../codec/codec.ts";
import {
  decodeFrameHeader,
  FLAG_CLEAR,
  FLAG_REPAIRED,
  FRAME_HEADER_BYTES,
  FRAME_PAYLOAD_CHECKSUM,
  frameBytes,
  type FrameHeader,
  KIND_CHECKPOINT,
  KIND_ENTRIES,
  KIND_SNAPSHOT,
  KIND_TRUNCATE,
} from "../format/frame.ts";
import { CHECKPOINT_BYTES, decodeCheckpoint } from "../format/checkpoint.ts";
import { viewOf } from "../format/numbers.ts";
import type { SegmentHeader } from "../format/segment_header.ts";
import type { File } from "../io/file_system.ts";
import { readFull } from "../io/full.ts";
import { selectSegment } from "../log/select_segment.ts";
import type { Index } from "../api/types.ts";
import type { PieceSpan } from "./keys.ts";

/** A frame with valid checksums. */
export interface WalkedFrame {
  /** Offset in the segment's file. */
  readonly offset: number;
  /** Offset after it. */
  readonly end: number;
  readonly header: FrameHeader;
  readonly payloadChecksum: bigint;
  /** The time of a checkpoint; 0 if the frame is not a checkpoint. */
  readonly time: number;
}

/**
 * Walks frames up to the first invalid one.
 *
 * @param codec A codec, which nothing else may use between two frames.
 * @param segment The segment's header.
 * @param file The segment's file.
 * @param from Offset of the first frame.
 * @param to Offset at which the frames end.
 * @returns The frames, and finally the offset that the walk has reached: `to` if all frames are valid.
 */
export function* walkFrames(
  codec: Codec,
  segment: Pick<SegmentHeader, "salt" | "baseLsn">,
  file: Pick<File, "read">,
  from: number,
  to: number,
): Generator<WalkedFrame, number> {
  const { chunk, chunkAt, wasm } = codec;
  let start = from;
  let filled = 0;
  for (let at = from; at < to;) {
    if (start + filled - at < FRAME_HEADER_BYTES) filled = fill(at);
    const address = chunkAt + at - start;
    if (start + filled - at < FRAME_HEADER_BYTES || wasm.checkHeader(address, segment.baseLsn + at) !== 0) return at;
    const header = decodeFrameHeader(chunk.subarray(at - start));
    const end = at + frameBytes(header.length);
    if (end > to) return at;
    if (end - at > CHUNK_BYTES) {
      const payloadChecksum = viewOf(chunk).getBigUint64(at - start + FRAME_PAYLOAD_CHECKSUM, true);
      if (hashPayload(codec, file, at, header.length) !== payloadChecksum) return at;
      // The chunk holds the payload now.
      filled = 0;
      start = end;
      yield { offset: at, end, header, payloadChecksum, time: 0 };
      selectSegment(codec, segment);
      at = end;
      continue;
    }
    if (start + filled < end) filled = fill(at);
    if (wasm.checkFrame(chunkAt + at - start, start + filled - at, segment.baseLsn + at) !== 0) return at;
    const payloadChecksum = viewOf(chunk).getBigUint64(at - start + FRAME_PAYLOAD_CHECKSUM, true);
    const time = timeOf(header, chunk.subarray(at - start + FRAME_HEADER_BYTES, end - start), segment.baseLsn + at);
    yield { offset: at, end, header, payloadChecksum, time };
    at = end;
  }
  return to;

  function fill(at: number): number {
    selectSegment(codec, segment);
    start = at;
    return readFull(file, chunk.subarray(0, Math.min(CHUNK_BYTES, to - at)), at);
  }
}

/** The checksum of a payload that is larger than a chunk; `undefined` if the file is too short. */
function hashPayload(codec: Codec, file: Pick<File, "read">, frame: number, length: number): bigint | undefined {
  codec.wasm.hashStart(length);
  let filled = 0;
  for (let position = frame + FRAME_HEADER_BYTES, left = length; left > 0;) {
    const count = readFull(file, codec.chunk.subarray(filled, left), position + filled);
    if (count === 0) return undefined;
    filled += count;
    const taken = codec.wasm.hashFeed(codec.chunkAt, filled);
    codec.chunk.copyWithin(0, taken, filled);
    filled -= taken;
    position += taken;
    left -= taken;
  }
  return codec.getWide(SLOT_HASH);
}

/** The time of a checkpoint; 0 if the frame is not a checkpoint, or only fills space. */
function timeOf({ kind, flags, length }: FrameHeader, payload: Uint8Array, lsn: number): number {
  if (kind !== KIND_CHECKPOINT || (flags & FLAG_REPAIRED) !== 0 || frameBytes(length) !== CHECKPOINT_BYTES) return 0;
  return decodeCheckpoint(payload.subarray(0, length), lsn)?.milliseconds ?? 0;
}

/** The indexes of a log at a position. */
export interface IndexesAt {
  /** The next index. */
  readonly next: Index;
  /** Index of the snapshot; 0 if there is none. */
  readonly snapshot: Index;
}

/** The effect of a frame on the indexes of a log. */
export interface FrameEffect extends IndexesAt {
  /** The lowest index that the frame drops; `Infinity` if it drops none. */
  readonly dropped: Index;
}

/**
 * The effect of a frame.
 *
 * @param header The frame's header.
 * @param before The indexes before it.
 */
export function effectOf({ kind, index, flags, count }: FrameHeader, { next, snapshot }: IndexesAt): FrameEffect {
  if (kind === KIND_ENTRIES) return { next: index + Math.max(count, 1), snapshot, dropped: Infinity };
  if (kind === KIND_TRUNCATE) return { next: Math.min(next, index), snapshot, dropped: index };
  if (kind !== KIND_SNAPSHOT) return { next, snapshot, dropped: Infinity };
  const isClear = (flags & FLAG_CLEAR) !== 0 || index >= next;
  return isClear ? { next: index + 1, snapshot: index, dropped: 1 } : { next, snapshot: index, dropped: Infinity };
}

/** Collects the numbers in the key of a piece from its frames. */
export class SpanCounter {
  private at: IndexesAt;
  private floor: Index;
  private time = 0;

  /** @param start The indexes at the start of the piece. */
  constructor(start: IndexesAt) {
    this.at = start;
    this.floor = start.next;
  }

  /** Adds the next frame. */
  add({ header, time }: WalkedFrame): void {
    const effect = effectOf(header, this.at);
    this.at = effect;
    this.floor = Math.min(this.floor, effect.dropped);
    this.time = Math.max(this.time, time);
  }

  /** The result, for a piece from one offset to another. */
  span(from: number, to: number): PieceSpan {
    const { floor, time, at: { next, snapshot } } = this;
    return { from, to, floor, next, snapshot, time };
  }
}
