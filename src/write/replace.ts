/**
 * Replaces the newest segment after a crash with a copy of itself, so that a program that crashes repeatedly does not
 * add a segment each time.
 *
 * The copy has a new number and a new salt, but the same LSNs. So the frames change only in the fields that bind them
 * to their segment. Frames keep their copy flag: a frame that is the segment's own stays so, and still proves that its
 * segment is part of the log.
 *
 * @module
 */

import { CHUNK_BYTES, type Codec, SLOT_LAST_CHECKSUM } from "../codec/codec.ts";
import { OPEN_BYTES } from "../format/checkpoint.ts";
import { decodeFrameHeader, frameBytes, KIND_CHECKPOINT } from "../format/frame.ts";
import { NEXT_POINTER_OFFSETS, SEGMENT_HEADER_BYTES } from "../format/header_block.ts";
import type { File, FileSystem } from "../io/file_system.ts";
import { readFull, writeFull } from "../io/full.ts";
import type { Segment } from "../log/segment.ts";
import { selectSegment } from "../log/select_segment.ts";
import { createSegment } from "./create.ts";
import { encodePointer, nameNextSegment, requireUnnamed } from "./name_next.ts";

/** The most bytes to copy. They fit the codec's chunk. */
const REPLACED_BYTES_MAX = CHUNK_BYTES / 4;

/**
 * Whether to replace the newest segment instead of adding another one: it is at most half full, so that the number of
 * segments stays proportional to their bytes, and it is cheap to copy.
 *
 * @param newest The newest segment, undamaged.
 * @param segmentBytes The most bytes of a segment.
 */
export function isReplaceable({ endOffset }: Segment, segmentBytes: number): boolean {
  return endOffset - SEGMENT_HEADER_BYTES <= Math.min(segmentBytes / 2, REPLACED_BYTES_MAX);
}

/** The segments around a replacement. */
export interface Replaced {
  /** The segment before the newest one. It names the newest one in both copies of its pointer. */
  readonly previous: Segment;
  /** The newest segment. It is undamaged. */
  readonly newest: Segment;
  /** The number of an unfinished copy that the newest segment names; `undefined` if it names none. */
  readonly unfinishedNumber: number | undefined;
  /** LSN below which the newest segment is durable. */
  readonly provenLsn: number;
}

/**
 * Replaces the newest segment. The pointer in the previous segment decides which of the two is part of the log, so
 * after a crash exactly one of them is. Before that, the newest segment names its copy. That stops any other writer
 * that has the newest segment open. It also shows that the copy is complete if the other pointer is lost.
 *
 * @param fileSystem The machine.
 * @param folder The log's folder.
 * @param codec The codec.
 * @param replaced The segments.
 * @param numberUsed The highest number that the log has used.
 * @returns The new segment, its open file, and whether its last frame is a checkpoint. The caller must remove the old
 * segment durably: after compaction has deleted the previous segment, nothing shows that the old one was replaced.
 */
export function replaceSegment(
  fileSystem: FileSystem,
  folder: string,
  codec: Codec,
  { previous, newest, unfinishedNumber, provenLsn }: Replaced,
  numberUsed: number,
): { readonly segment: Segment; readonly file: File; readonly endsWithCheckpoint: boolean } {
  const old = fileSystem.open(newest.path, "write");
  let created: { readonly segment: Segment; readonly file: File } | undefined;
  let isNamed = false;
  try {
    created = createSegment(fileSystem, folder, codec, numberUsed, newest.header);
    const { segment, file } = created;
    const lastKind = copyFrames(codec, old, newest, file, segment, provenLsn);
    // The last frame can be the checkpoint of a clean close.
    file.truncate(segment.endOffset + OPEN_BYTES);
    file.sync();
    fileSystem.syncDirectory(folder);
    old.requireNamed?.();
    requireUnnamed(old, codec, newest, unfinishedNumber);
    isNamed = true;
    writeFull(old, encodePointer(codec, newest, segment, newest.endLsn), NEXT_POINTER_OFFSETS[0]);
    old.sync();
    nameNextSegment(fileSystem, codec, previous, segment, segment.endLsn, newest.header.number);
    newest.moveTail(SEGMENT_HEADER_BYTES, segment, SEGMENT_HEADER_BYTES);
    segment.lowestTruncated = newest.lowestTruncated;
    return { segment, file, endsWithCheckpoint: lastKind === KIND_CHECKPOINT };
  } catch (error) {
    created?.file.close();
    // Nothing refers to the copy yet, and a full disk needs its space.
    if (created !== undefined && !isNamed) fileSystem.remove(created.segment.path);
    throw error;
  } finally {
    old.close();
  }
}

/** Copies all frames and seals them for the new segment. Returns the kind of the last one, 0 if there is none. */
function copyFrames(
  codec: Codec,
  from: File,
  newest: Segment,
  to: File,
  segment: Segment,
  provenLsn: number,
): number {
  const { baseLsn } = segment.header;
  const bytes = newest.endOffset - SEGMENT_HEADER_BYTES;
  const frames = codec.chunk.subarray(0, bytes);
  if (readFull(from, frames, SEGMENT_HEADER_BYTES) < bytes) {
    throw new Error(`${newest.path} ends before byte ${newest.endOffset}, but recovery found frames up to there`);
  }
  let lastKind = 0;
  for (let at = 0; at < bytes;) {
    const lsn = baseLsn + SEGMENT_HEADER_BYTES + at;
    selectSegment(codec, newest.header);
    if (codec.wasm.checkHeader(codec.chunkAt + at, lsn) !== 0) {
      throw new Error(`${newest.path} has no frame at byte ${SEGMENT_HEADER_BYTES + at}, but recovery found one there`);
    }
    const { kind, length } = decodeFrameHeader(frames.subarray(at));
    selectSegment(codec, segment.header);
    codec.wasm.sealHeaderOnly(codec.chunkAt + at, lsn, Math.min(lsn, provenLsn));
    lastKind = kind;
    at += frameBytes(length);
  }
  writeFull(to, frames, SEGMENT_HEADER_BYTES);
  segment.endOffset = newest.endOffset;
  segment.lastChecksum = bytes > 0 ? codec.get(SLOT_LAST_CHECKSUM) : 0;
  return lastKind;
}
