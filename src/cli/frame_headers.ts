/**
 * The headers of a segment's frames, read from its file.
 *
 * @module
 */

import type { Codec } from "../codec/codec.ts";
import {
  decodeFrameHeader,
  FRAME_ALIGNMENT,
  FRAME_HEADER_BYTES,
  frameBytes,
  type FrameHeader,
} from "../format/frame.ts";
import { SEGMENT_HEADER_BYTES } from "../format/header_block.ts";
import { readFull } from "../io/full.ts";
import type { SizedFile } from "../io/sized_file.ts";
import type { Segment } from "../log/segment.ts";
import { selectSegment } from "../log/select_segment.ts";

/** The size of one read, if payloads are read too. In bytes. */
const BUFFER_BYTES = 256 * 1024;
/** The size of one read, if only headers are read. In bytes. */
export const HEADER_BUFFER_BYTES = 16 * 1024;

/** A frame with a valid header. */
export interface FoundFrame {
  readonly kind: "frame";
  readonly offset: number;
  readonly header: FrameHeader;
  /** The bytes of the header. */
  readonly head: Uint8Array;
}

/** A range of bytes in which no header is valid. */
export interface FrameGap {
  readonly kind: "gap";
  readonly offset: number;
  readonly bytes: number;
  /** Whether it holds only zeros. */
  readonly isZero: boolean;
}

/** Reads a file through a buffer. */
export class BufferedFile {
  private readonly file: SizedFile;
  private readonly buffer: Uint8Array;
  private start = 0;
  private filled = 0;

  constructor(file: SizedFile, bufferBytes: number = BUFFER_BYTES) {
    this.file = file;
    this.buffer = new Uint8Array(bufferBytes);
  }

  /** A range of the file, shorter at the end of the file. */
  at(offset: number, bytes: number): Uint8Array {
    if (bytes > this.buffer.length) {
      const whole = new Uint8Array(bytes);
      return whole.subarray(0, readFull(this.file, whole, offset));
    }
    if (offset < this.start || offset + bytes > this.start + this.filled) {
      this.start = offset;
      this.filled = readFull(this.file, this.buffer, offset);
    }
    return this.buffer.subarray(offset - this.start, Math.min(offset - this.start + bytes, this.filled));
  }
}

/**
 * Walks the headers of a segment's frames, and skips damage.
 *
 * @param codec The codec. Its chunk is overwritten.
 * @param segment The segment.
 * @param file Its file.
 * @param end Where to stop. An offset in bytes.
 * @param kinds The kinds of frames to return. Default: all.
 * @returns The frames whose headers are valid, and the gaps between them.
 */
export function* frameHeaders(
  codec: Codec,
  segment: Segment,
  file: BufferedFile,
  end: number,
  kinds?: ReadonlySet<number>,
): Generator<FoundFrame | FrameGap> {
  let gap: number | undefined;
  let isZero = true;
  for (let at = SEGMENT_HEADER_BYTES; at + FRAME_HEADER_BYTES <= end;) {
    const head = file.at(at, FRAME_HEADER_BYTES);
    const header = validHeader(codec, segment, head, at);
    if (header === undefined) {
      isZero = (gap === undefined || isZero) && head.subarray(0, FRAME_ALIGNMENT).every((byte) => byte === 0);
      gap ??= at;
      at += FRAME_ALIGNMENT;
      continue;
    }
    if (gap !== undefined) yield { kind: "gap", offset: gap, bytes: at - gap, isZero };
    gap = undefined;
    if (kinds?.has(header.kind) !== false) yield { kind: "frame", offset: at, header, head: head.slice() };
    at += frameBytes(header.length);
  }
  if (gap !== undefined) yield { kind: "gap", offset: gap, bytes: end - gap, isZero };
}

function validHeader(codec: Codec, segment: Segment, head: Uint8Array, offset: number): FrameHeader | undefined {
  if (head.length < FRAME_HEADER_BYTES) return undefined;
  codec.chunk.set(head);
  selectSegment(codec, segment.header);
  if (codec.wasm.checkHeader(codec.chunkAt, segment.header.baseLsn + offset) !== 0) return undefined;
  return decodeFrameHeader(head);
}
