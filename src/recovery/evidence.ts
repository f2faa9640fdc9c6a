/**
 * Finds the next checkpoint after a gap. It limits what the gap can have held.
 *
 * @module
 */

import { CHUNK_BYTES, type Codec } from "../codec/codec.ts";
import { type Checkpoint, CHECKPOINT_BYTES, CHECKPOINT_PAYLOAD_BYTES, decodeCheckpoint } from "../format/checkpoint.ts";
import {
  decodeFrameHeader,
  FLAG_REPAIRED,
  FRAME_ALIGNMENT,
  FRAME_HEADER_BYTES,
  frameBytes,
  isChange,
  KIND_CHECKPOINT,
} from "../format/frame.ts";
import { readFull } from "../io/full.ts";
import type { SizedFile } from "../io/sized_file.ts";
import { selectSegment } from "../log/select_segment.ts";
import type { Segment } from "../log/segment.ts";

/** A checkpoint, and facts about the valid frames before it. */
export interface FoundCheckpoint {
  /** Offset of its frame; the end of the search if there is none. */
  readonly offset: number;
  readonly checkpoint: Checkpoint | undefined;
  /** From this offset to the checkpoint, every frame has a valid header. */
  readonly contiguousFrom: number;
  /** The number of changes in these frames; `undefined` if a repair wrote one of them. */
  readonly changes: number | undefined;
}

/**
 * Finds the next checkpoint of a segment.
 *
 * @param codec The codec. Its chunk is overwritten.
 * @param segment The segment.
 * @param file Its file.
 * @param from Offset of a valid frame header.
 * @param limit Offset at which the frames end.
 * @returns The checkpoint, or where the search ended.
 */
export function findCheckpoint(
  codec: Codec,
  segment: Segment,
  file: SizedFile,
  from: number,
  limit: number,
): FoundCheckpoint {
  const { wasm, chunk, chunkAt } = codec;
  const { baseLsn } = segment.header;
  selectSegment(codec, segment.header);
  let contiguousFrom = from;
  let changes: number | undefined = 0;
  let at = from;
  let start = from;
  let filled = 0;
  while (limit - at >= FRAME_HEADER_BYTES) {
    if (at + CHECKPOINT_BYTES > start + filled || at < start) {
      start = at;
      filled = readFull(file, chunk.subarray(0, Math.min(CHUNK_BYTES, limit - at)), at);
      if (filled < FRAME_HEADER_BYTES) break;
    }
    const address = chunkAt + at - start;
    if (wasm.checkHeader(address, baseLsn + at) !== 0) {
      const skipped = wasm.seek(
        address + FRAME_ALIGNMENT,
        filled - (at - start) - FRAME_ALIGNMENT,
        baseLsn + at + FRAME_ALIGNMENT,
      );
      at += FRAME_ALIGNMENT + skipped;
      contiguousFrom = at;
      changes = 0;
      continue;
    }
    const header = decodeFrameHeader(chunk.subarray(at - start));
    const isRepaired = (header.flags & FLAG_REPAIRED) !== 0;
    if (header.kind === KIND_CHECKPOINT && !isRepaired && header.length === CHECKPOINT_PAYLOAD_BYTES) {
      const checkpoint = wasm.checkFrame(address, filled - (at - start), baseLsn + at) === 0
        ? decodeCheckpoint(chunk.subarray(at - start + FRAME_HEADER_BYTES, at - start + CHECKPOINT_BYTES), baseLsn + at)
        : undefined;
      if (checkpoint !== undefined) return { offset: at, checkpoint, contiguousFrom, changes };
    }
    if (isRepaired) changes = undefined;
    else if (changes !== undefined && isChange(header.kind)) changes++;
    at += frameBytes(header.length);
  }
  return { offset: limit, checkpoint: undefined, contiguousFrom, changes: undefined };
}
