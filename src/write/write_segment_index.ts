/**
 * Writes the segment index of a segment that is being sealed.
 *
 * @module
 */

import { FRAME_HEADER_BYTES, FRAME_PAYLOAD_CHECKSUM, frameBytes, KIND_SEGMENT_INDEX } from "../format/frame.ts";
import { encodeSegmentIndex } from "../format/segment_index.ts";
import { isNoSpace, writeFull } from "../io/full.ts";
import type { TermRuns } from "../log/log_index.ts";
import { selectSegment } from "../log/select_segment.ts";
import type { FrameWriter } from "./frame_writer.ts";

/**
 * Ends the file of the active segment with a segment index.
 *
 * @param frames The writer of the segment's frames.
 * @param runs The terms of the log's entries.
 */
export function writeSegmentIndex({ active, buffer, changesByte }: FrameWriter, runs: TermRuns): void {
  const { segment, file, durableLsn } = active;
  const { codec } = buffer;
  const offset = segment.endOffset;
  const payload = encodeSegmentIndex(
    {
      indexOffset: offset,
      firstIndex: segment.firstIndex,
      nextIndex: segment.end,
      pages: segment.pageTable(),
      runs: runs.between(segment.firstIndex, segment.end - 1),
      lowestTruncated: segment.lowestTruncated,
    },
    segment.header.salt,
    (bytes, seed) => codec.hash(bytes, seed),
  );
  const sum = codec.hash(payload, 0n);
  const at = codec.chunkAt;
  buffer.putHeader(at, payload.length, 0, 0, 0, KIND_SEGMENT_INDEX | changesByte);
  new DataView(codec.wasm.memory.buffer).setBigUint64(at + FRAME_PAYLOAD_CHECKSUM, sum, true);
  selectSegment(codec, segment.header);
  codec.wasm.sealHeaderOnly(at, segment.header.baseLsn + offset, durableLsn);
  try {
    writeFull(file, codec.bytes.subarray(at, at + FRAME_HEADER_BYTES), offset);
    writeFull(file, payload, offset + FRAME_HEADER_BYTES);
    file.truncate(offset + frameBytes(payload.length));
  } catch (error) {
    // A segment index only repeats other data. On a full disk, the segment gets none, and is scanned instead.
    if (!isNoSpace(error)) throw error;
    file.truncate(offset);
  }
}
