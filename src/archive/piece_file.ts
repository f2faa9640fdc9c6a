/**
 * Reads pieces from the files of a log.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Codec } from "../codec/codec.ts";
import { leaseCodec, returnCodec } from "../codec/pool.ts";
import { HEADER_OFFSETS, SECTOR_BYTES, SEGMENT_HEADER_BYTES } from "../format/header_block.ts";
import { decodeSegmentHeader, type SegmentHeader } from "../format/segment_header.ts";
import type { FileSystem } from "../io/file_system.ts";
import { readFull } from "../io/full.ts";
import { openSized, type SizedFile } from "../io/sized_file.ts";
import type { Segment } from "../log/segment.ts";
import { type IndexesAt, SpanCounter, walkFrames } from "./frames.ts";
import type { PieceSpan, SegmentId } from "./keys.ts";
import { addToChecksum, CHECKSUM_BLOCK_BYTES } from "./object_checksum.ts";
import type { ObjectBody } from "./object_store.ts";
import { inSlices } from "./slices.ts";

/** The number of frames to verify before other tasks may run. */
const SLICE_FRAMES = 256;

/** A range of a segment's file that is open for reading. */
export class PieceFile implements ObjectBody {
  readonly size: number;
  private readonly file: SizedFile;
  private readonly from: number;
  /** The header block, with the header in both copies and zeros elsewhere. */
  private readonly block: Uint8Array;
  /** The most recently read part. */
  private part = new Uint8Array(0);

  /**
   * Opens a piece.
   *
   * @param fileSystem The machine.
   * @param segment The segment.
   * @param from Offset of the first byte.
   * @param to Offset after the last byte.
   */
  constructor(fileSystem: FileSystem, { path }: Pick<Segment, "path">, from: number, to: number) {
    this.from = from;
    this.size = to - from;
    this.file = openSized(fileSystem, path);
    this.block = from === 0 ? this.readBlock() : new Uint8Array(0);
  }

  private readBlock(): Uint8Array {
    const found = new Uint8Array(SEGMENT_HEADER_BYTES);
    readFull(this.file, found, 0);
    const codec = leaseCodec();
    try {
      const valid = HEADER_OFFSETS.find((at) =>
        decodeSegmentHeader(found, at, (bytes, seed) => codec.hash(bytes, seed))
      );
      const block = new Uint8Array(SEGMENT_HEADER_BYTES);
      const header = found.subarray(valid ?? 0, (valid ?? 0) + SECTOR_BYTES);
      for (const at of HEADER_OFFSETS) block.set(header, at);
      return block;
    } finally {
      returnCodec(codec);
    }
  }

  /** As {@link ObjectBody.read}. The next read overwrites the bytes. */
  read(offset: number, length: number): Uint8Array {
    if (this.part.length < length) this.part = new Uint8Array(length);
    const bytes = this.part.subarray(0, length);
    const position = this.from + offset;
    const head = this.block.subarray(position, position + length);
    bytes.set(head);
    const count = readFull(this.file, bytes.subarray(head.length), position + head.length);
    if (head.length + count === length) return bytes;
    throw new Error(`the file ends before offset ${position + length}`);
  }

  /** Closes the file. */
  close(): void {
    this.file.close();
  }

  /** The checksum of the piece. Yields after each block. */
  *checksum(codec: Codec): Generator<void, bigint> {
    let checksum = 0n;
    for (let done = 0; done < this.size; done += CHECKSUM_BLOCK_BYTES) {
      checksum = addToChecksum(codec, checksum, this.read(done, Math.min(CHECKSUM_BLOCK_BYTES, this.size - done)));
      yield;
    }
    return checksum;
  }

  /** Verifies the frames of the piece. Yields after some frames. */
  *verify(codec: Codec, { path, header }: Segment, start: IndexesAt): Generator<void, PieceSpan> {
    const to = this.from + this.size;
    const counter = new SpanCounter(start);
    const frames = walkFrames(codec, header, this.file, Math.max(this.from, SEGMENT_HEADER_BYTES), to);
    for (let count = 1;; count++) {
      const step = frames.next();
      if (step.done && step.value === to) return counter.span(this.from, to);
      if (step.done) {
        const message =
          `Cannot archive the segment ${path}: the frame at offset ${step.value} is damaged; repair the log, or compact it beyond the segment`;
        throw new WalLogError("CORRUPT", message, { path, offset: step.value });
      }
      counter.add(step.value);
      if (count % SLICE_FRAMES === 0) yield;
    }
  }
}

/** A piece of a log's file that was verified. */
export interface VerifiedPiece {
  readonly span: PieceSpan;
  readonly checksum: bigint;
  /** The bytes. The caller must close it. */
  readonly body: PieceFile;
}

/**
 * Verifies a piece of a log's file.
 *
 * @param fileSystem The machine.
 * @param segment The segment.
 * @param from Offset of the first byte.
 * @param to Offset after the last byte.
 * @param start The indexes of the log at `from`.
 * @returns The piece.
 * @throws {WalLogError} `CORRUPT` if a frame is damaged; or an error of the system.
 */
export async function verifyPiece(
  fileSystem: FileSystem,
  segment: Segment,
  from: number,
  to: number,
  start: IndexesAt,
): Promise<VerifiedPiece> {
  const body = new PieceFile(fileSystem, segment, from, to);
  const codec = leaseCodec();
  try {
    const span = await inSlices(body.verify(codec, segment, start));
    const checksum = await inSlices(body.checksum(codec));
    return { span, checksum, body };
  } catch (error) {
    body.close();
    throw error;
  } finally {
    returnCodec(codec);
  }
}

/** The segment in a key. */
export function segmentId({ number, baseLsn, salt, state }: SegmentHeader): SegmentId {
  return { number, baseLsn, first: state.nextIndex, salt };
}
