/**
 * Goes on after a crash, in a new segment.
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
 * Goes on after a crash, in a new segment: never behind an old tail, where frames that were cut could come back to
 * life, and with everything that was only read, not flushed, written and flushed anew.
 *
 * @param fileSystem The machine.
 * @param folder The log's folder.
 * @param codec The codec.
 * @param head The newest segment, as it was recovered.
 * @param proven The position up to which the log was proven durable, and there: its state, the sum of its last frame, and
 * the lowest index that the head had truncated by then, and the lowest that it has truncated since. Also the number of a
 * segment that the head names and that is missing.
 * @param numberUsed The highest number that the log has used.
 * @param keptBytes How much of the old file holds anything; zeros behind are given back.
 * @returns The new segment, which the head's unproven entries have moved to, and its open file.
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
  // The header was read, which does not say that it is on the disk, unless a frame behind it was proven durable.
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
    // Nothing knows of the new segment yet, and on a full disk its room is needed.
    if (created !== undefined && !named) fileSystem.remove(created.segment.path);
    throw error;
  } finally {
    old.close();
  }
}

/** Copies the frames behind an offset, sealed anew for their place in the new segment. */
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
    if (count === 0) throw new Error(`${head.path} ends at byte ${at}, it had frames up to byte ${head.endOffset}`);
    const target = at - start + SEGMENT_HEADER_BYTES;
    selectSegment(codec, header);
    const done = codec.wasm.resealCopies(codec.chunkAt, count, skip, header.baseLsn + target, provenLsn);
    const whole = Math.min(done, count);
    writeFull(to, codec.chunk.subarray(0, whole), target);
    skip = done - whole;
    at += whole;
  }
}

/** Writes a segment's header once more, flushed. */
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
