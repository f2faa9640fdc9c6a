/**
 * The judge's knowledge of the format. Only this file of the judge interprets the bytes of a segment, so only this one
 * must change with the format.
 *
 * @module
 */

import { Codec } from "../../src/codec/codec.ts";
import {
  decodeFrameHeader,
  FRAME_HEADER_BYTES,
  FRAME_HEADER_CHECKSUM,
  FRAME_LENGTH,
  frameBytes,
  KIND_CHECKPOINT,
  KIND_ENTRIES,
  KIND_SEGMENT_INDEX,
} from "../../src/format/frame.ts";
import { HEADER_OFFSETS, NEXT_POINTER_OFFSETS, SEGMENT_HEADER_BYTES } from "../../src/format/header_block.ts";
import { decodeSegmentHeader } from "../../src/format/segment_header.ts";

/** A range of bytes in a file. */
export interface Stretch {
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
}

/** One frame of a segment. */
export interface Frame extends Stretch {
  /** The frame's header. */
  readonly header: Stretch;
  /** Its contents. `other`: a hard state, a truncation or a snapshot. */
  readonly holds: "entries" | "checkpoint" | "segment index" | "other";
  /** The number of entries. */
  readonly entries: number;
}

/** Size of a segment's header without the padding, in bytes. */
const HEADER_BYTES = 408;
const POINTER_BYTES = 40;

/** Offset of the first frame of a segment. */
export const FRAMES_AT = SEGMENT_HEADER_BYTES;
/** Offsets of the copies of a segment's header. */
export const HEADER_COPIES: readonly Stretch[] = HEADER_OFFSETS.map((from) => ({
  from,
  to: from + HEADER_BYTES,
}));
/** Offsets of the copies of the next-segment pointer. */
export const NEXT_POINTERS: readonly Stretch[] = NEXT_POINTER_OFFSETS.map((from) => ({
  from,
  to: from + POINTER_BYTES,
}));

/** Whether a file is a segment. */
export function isSegment(path: string): boolean {
  return path.endsWith(".seg");
}

/** Whether a file is a snapshot. */
export function isSnapshot(path: string): boolean {
  return path.endsWith(".snap");
}

const codec = new Codec();

/** Whether there is a frame header at an offset of a segment. */
type IsHeader = (bytes: Uint8Array, at: number) => boolean;

/** Distinguishes frame headers from stale and torn bytes. */
function headersOf(segment: Uint8Array): IsHeader {
  const hash = (bytes: Uint8Array, seed: bigint) => codec.hash(bytes, seed);
  const header = HEADER_COPIES.map(({ from }) => decodeSegmentHeader(segment, from, hash)).find((copy) => copy);
  if (header === undefined) return () => false;
  return (bytes, at) => {
    const sum = codec.hash(
      bytes.subarray(at + FRAME_LENGTH, at + FRAME_HEADER_BYTES),
      header.salt ^ BigInt(header.baseLsn + at),
    );
    return new DataView(bytes.buffer, bytes.byteOffset).getUint32(at + FRAME_HEADER_CHECKSUM, true) ===
      Number(sum & 0xffffffffn);
  };
}

/**
 * The frames of a segment, up to the first place without a valid frame header.
 *
 * @param segment The file, before any damage.
 * @returns The frames in order.
 */
export function framesOf(segment: Uint8Array): Frame[] {
  const found: Frame[] = [];
  const isHeader = headersOf(segment);
  for (let from = FRAMES_AT; from + FRAME_HEADER_BYTES <= segment.length && isHeader(segment, from);) {
    const { kind, length, count } = decodeFrameHeader(segment.subarray(from, from + FRAME_HEADER_BYTES));
    const header = { from, to: from + FRAME_HEADER_BYTES };
    const to = from + frameBytes(length);
    if (to > segment.length) break;
    found.push({ from, to, header, holds: contentsOf(kind), entries: kind === KIND_ENTRIES ? Math.max(count, 1) : 0 });
    from = to;
  }
  return found;
}

/** The contents of a frame. */
function contentsOf(kind: number): Frame["holds"] {
  if (kind === KIND_ENTRIES) return "entries";
  if (kind === KIND_CHECKPOINT) return "checkpoint";
  return kind === KIND_SEGMENT_INDEX ? "segment index" : "other";
}
