/**
 * Walks the frames that hold a segment's entries, by their headers alone.
 *
 * @module
 */

import { CHUNK_BYTES, type Codec } from "../codec/codec.ts";
import type { Index } from "../api/types.ts";
import type { File } from "../io/file_system.ts";
import { readFull } from "../io/full.ts";
import { COUNT_MAX, FRAME_ALIGNMENT, FRAME_HEADER_BYTES, frameBytes, LENGTH_BYTES } from "../format/frame.ts";
import { commandBytes, frameAt } from "./frame_view.ts";
import { selectSegment } from "./select_segment.ts";
import { OFFSET_LOST, type Segment } from "./segment.ts";

/** The largest size of a header with its table of lengths. */
const HEAD_BYTES_MAX = FRAME_HEADER_BYTES + COUNT_MAX * LENGTH_BYTES;

/** Entries of the log that share a frame. */
export interface LiveFrame {
  /** Offset of the frame. */
  readonly offset: number;
  /** Its size. */
  readonly bytes: number;
  /** Index of the first entry. */
  readonly first: Index;
  /** The length of each command, in bytes. */
  readonly lengths: readonly number[];
}

/**
 * Walks frames.
 *
 * @param codec The codec. Its chunk is overwritten.
 * @param file The segment's file.
 * @param segment The segment.
 * @param first The first index.
 * @param last The last index, inclusive.
 * @returns The frames with a valid header that hold entries of the range, without the entries that lie outside it.
 */
export function* liveFrames(
  codec: Codec,
  file: File,
  segment: Segment,
  first: Index,
  last: Index,
): Generator<LiveFrame> {
  const { chunk, chunkAt, wasm } = codec;
  const { baseLsn } = segment.header;
  let start = 0;
  let filled = 0;
  for (const page of segment.pagesOf(first, last)) {
    let next = Math.max(page.first, first);
    const end = Math.min(page.end, last + 1);
    for (let at = page.offset; at !== OFFSET_LOST && at < page.endOffset && next < end;) {
      const isLastChunk = filled > 0 && filled < CHUNK_BYTES && at >= start;
      if (!isLastChunk && (at < start || at + HEAD_BYTES_MAX > start + filled)) {
        start = at;
        filled = readFull(file, chunk.subarray(0, CHUNK_BYTES), at);
      }
      if (at + FRAME_HEADER_BYTES > start + filled) return;
      selectSegment(codec, segment.header);
      const address = chunkAt + at - start;
      if (wasm.checkHeader(address, baseLsn + at) !== 0) {
        at += FRAME_ALIGNMENT;
        continue;
      }
      const frame = frameAt(codec, address);
      const behind = Math.min(frame.first + frame.entries, end);
      const offset = at;
      const bytes = frameBytes(frame.length);
      at += bytes;
      if (!frame.isEntries || behind <= next) continue;
      const from = Math.max(next, frame.first);
      const lengths = Array.from(
        { length: Math.max(behind - from, 0) },
        (_, i) => commandBytes(codec, frame, from - frame.first + i),
      );
      next = behind;
      if (lengths.length > 0) yield { offset, bytes, first: from, lengths };
    }
  }
}
