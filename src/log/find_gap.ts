/**
 * Finds the damage that hides an entry.
 *
 * @module
 */

import { CHUNK_BYTES, type Codec } from "../codec/codec.ts";
import type { Damage } from "../api/report.ts";
import type { Index } from "../api/types.ts";
import { FRAME_ALIGNMENT, FRAME_HEADER_BYTES, frameBytes } from "../format/frame.ts";
import { frameAt } from "./frame_view.ts";
import { selectSegment } from "./select_segment.ts";
import type { Page, Segment, Stretch } from "./segment.ts";

/**
 * Walks a page in which no frame holds an entry.
 *
 * @param codec The codec. Its chunk is overwritten.
 * @param read Reads the segment's file from an offset; returns how many bytes it read.
 * @param segment The segment.
 * @param page The page that should hold the entry.
 * @param index The entry.
 * @returns The stretch without valid headers that must have held the entry's frame.
 */
export function findGap(
  codec: Codec,
  read: (into: Uint8Array, offset: number) => number,
  segment: Segment,
  page: Page,
  index: Index,
): Damage {
  const { wasm, chunk, chunkAt } = codec;
  const { baseLsn } = segment.header;
  selectSegment(codec, segment.header);
  let next = page.first;
  let behind = page.end;
  let gap: Stretch | undefined;
  let start = page.offset;
  let filled = 0;
  for (let at = page.offset; at < page.endOffset;) {
    if (at + FRAME_HEADER_BYTES > start + filled) {
      start = at;
      filled = read(chunk.subarray(0, Math.min(CHUNK_BYTES, page.endOffset - at)), at);
      if (filled < FRAME_HEADER_BYTES) break;
    }
    const address = chunkAt + at - start;
    if (wasm.checkHeader(address, baseLsn + at) !== 0) {
      const rest = filled - (at - start) - FRAME_ALIGNMENT;
      const to = at + FRAME_ALIGNMENT + wasm.seek(address + FRAME_ALIGNMENT, rest, baseLsn + at + FRAME_ALIGNMENT);
      // The search continues across chunks.
      gap = {
        from: gap?.to === at ? gap.from : at,
        to: to + FRAME_HEADER_BYTES > page.endOffset ? page.endOffset : to,
      };
      at = to;
      continue;
    }
    const frame = frameAt(codec, address);
    if (frame.isEntries && frame.first > index) {
      behind = Math.min(frame.first, page.end);
      gap ??= { from: at, to: at };
      break;
    }
    if (frame.isEntries) next = frame.first + frame.entries;
    at += frameBytes(frame.length);
  }
  const { from, to } = gap ?? { from: page.offset, to: page.endOffset };
  return {
    kind: "frames",
    path: segment.path,
    offset: from,
    bytes: to - from,
    firstIndex: Math.min(next, index),
    lastIndex: behind - 1,
    term: undefined,
    reason: "found while reading",
  };
}
