/**
 * Continues a log in a new segment after a crash.
 *
 * @module
 */

import { CHUNK_BYTES, type Codec, SLOT_LAST_CHECKSUM } from "../codec/codec.ts";
import { HEADER_OFFSETS, SEGMENT_HEADER_BYTES } from "../format/header_block.ts";
import { encodeSegmentHeader } from "../format/segment_header.ts";
import type { LogState } from "../format/state.ts";
import type { File, FileSystem } from "../io/file_system.ts";
import { readFull, writeFull } from "../io/full.ts";
import { createSegment } from "./create.ts";
import { droppedBefore } from "./drops.ts";
import { encodePointer, requireUnnamed, writePointer } from "./name_next.ts";
import type { Segment } from "../log/segment.ts";
import { selectSegment } from "../log/select_segment.ts";

/**
 * Continues a log in a new segment after a crash. Never appends to an old tail, because frames that were cut there
 * could become valid again. Copies all unproven frames to the new segment and flushes them, because reading them does
 * not prove that they are durable.
 *
 * @param fileSystem The machine.
 * @param folder The log's folder.
 * @param codec The codec.
 * @param head The newest segment, as recovered.
 * @param proven The LSN up to which the log is proven durable. At that LSN: its state, the checksum of the last frame,
 * and the lowest index that the head had truncated. Also the lowest index that the head truncated later, and the number
 * of a missing segment that the head names.
 * @param numberUsed The highest number that the log has used.
 * @param keptBytes The used bytes of the old file. The zeros after them are freed.
 * @returns The new segment, which holds the head's unproven entries now, and its open file.
 */
export function continueAfterCrash(
  fileSystem: FileSystem,
  folder: string,
  codec: Codec,
  head: Segment,
  proven: {
    readonly lsn: number;
    readonly state: LogState;
    readonly sum: number;
    readonly lowestTruncated: number;
    readonly truncatedSince: number;
    readonly missingNumber: number | undefined;
  },
  numberUsed: number,
  keptBytes: number,
): { segment: Segment; file: File } {
  const provenOffset = proven.lsn - head.header.baseLsn;
  // Reading the header does not prove that it is durable. Only a proven frame after it would.
  if (provenOffset === SEGMENT_HEADER_BYTES) rewriteHeader(fileSystem, codec, head);
  const old = fileSystem.open(head.path, "write");
  let created: { readonly segment: Segment; readonly file: File } | undefined;
  let named = false;
  try {
    created = createSegment(fileSystem, folder, codec, numberUsed, {
      uuid: head.header.uuid,
      baseLsn: proven.lsn,
      previous: head.header.number,
      previousChecksum: proven.sum,
      state: proven.state,
      provenLsn: proven.lsn,
      floor: Math.min(head.header.state.nextIndex, proven.lowestTruncated),
      dropped: droppedBefore(head.header, proven.lowestTruncated),
    });
    const { segment, file } = created;
    copyFrames(codec, old, provenOffset, head, file, segment, proven.lsn);
    segment.endOffset = head.endOffset - provenOffset + SEGMENT_HEADER_BYTES;
    segment.lastChecksum = segment.endOffset > SEGMENT_HEADER_BYTES ? codec.get(SLOT_LAST_CHECKSUM) : 0;
    file.sync();
    fileSystem.syncDirectory(folder);
    named = true;
    if (old.size() > keptBytes) old.truncate(keptBytes);
    old.requireNamed?.();
    requireUnnamed(old, codec, head, proven.missingNumber);
    writePointer(old, encodePointer(codec, head, segment, proven.lsn));
    head.moveTail(provenOffset, segment, SEGMENT_HEADER_BYTES);
    head.lowestTruncated = proven.lowestTruncated;
    segment.lowestTruncated = proven.truncatedSince;
    return { segment, file };
  } catch (error) {
    created?.file.close();
    // Nothing refers to the new segment yet, and a full disk needs its space.
    if (created !== undefined && !named) fileSystem.remove(created.segment.path);
    throw error;
  } finally {
    old.close();
  }
}

/** Copies the frames after an offset. Seals them again for their new position. */
function copyFrames(
  codec: Codec,
  from: File,
  start: number,
  head: Segment,
  to: File,
  segment: Segment,
  provenLsn: number,
): void {
  const { header } = segment;
  let skip = 0;
  for (let at = start; at < head.endOffset;) {
    const count = readFull(from, codec.chunk.subarray(0, Math.min(CHUNK_BYTES, head.endOffset - at)), at);
    if (count === 0) {
      throw new Error(`${head.path} ends at byte ${at}, but recovery found frames up to byte ${head.endOffset}`);
    }
    const target = at - start + SEGMENT_HEADER_BYTES;
    selectSegment(codec, header);
    const done = codec.wasm.resealCopies(codec.chunkAt, count, skip, header.baseLsn + target, provenLsn);
    const whole = Math.min(done, count);
    writeFull(to, codec.chunk.subarray(0, whole), target);
    skip = done - whole;
    at += whole;
  }
}

/** Writes a segment's header again, and flushes it. */
function rewriteHeader(fileSystem: FileSystem, codec: Codec, { path, header }: Segment): void {
  const file = fileSystem.open(path, "write");
  try {
    const sector = encodeSegmentHeader(header, (bytes, seed) => codec.hash(bytes, seed));
    for (const offset of HEADER_OFFSETS) writeFull(file, sector, offset);
    file.sync();
  } finally {
    file.close();
  }
}
