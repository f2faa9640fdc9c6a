/**
 * A log that mutations change, and shared helpers.
 *
 * @module
 */

import { CHUNK_BYTES, type Codec } from "../../src/codec/codec.ts";
import {
  FRAME_HEADER_BYTES,
  FRAME_HEADER_CHECKSUM,
  FRAME_KIND,
  FRAME_LENGTH,
  FRAME_PAYLOAD_CHECKSUM,
  frameBytes,
} from "../../src/format/frame.ts";
import { HEADER_OFFSETS, SEGMENT_HEADER_BYTES } from "../../src/format/header_block.ts";
import { decodeSegmentHeader, type SegmentHeader } from "../../src/format/segment_header.ts";
import type { Random } from "../../src/testing/mod.ts";
import type { Files } from "./originals.ts";

export const U64_EXTREMES = [
  0n,
  1n,
  2n,
  8n,
  40n,
  4096n,
  2n ** 20n,
  2n ** 30n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 35n,
  2n ** 40n,
  2n ** 53n - 2n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 53n + 1n,
  2n ** 63n,
  2n ** 64n - 8n,
  2n ** 64n - 1n,
];

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The files of one log, to be mutated. */
export class MutatedLog {
  readonly files: Files;
  readonly notes: string[] = [];
  /** Whether a checksum was recomputed for data that no writer would write. */
  isForged = false;
  readonly random: Random;
  private readonly codec: Codec;

  constructor(files: Files, random: Random, codec: Codec) {
    this.files = files;
    this.random = random;
    this.codec = codec;
  }

  /** Records a mutation. */
  note(text: string): void {
    this.notes.push(text);
  }

  /** The checksum of everything except frame headers. */
  readonly sum = (bytes: Uint8Array, seed: bigint): bigint => this.codec.hash(bytes, seed);

  /** The files whose names match, sorted. */
  paths(pattern: RegExp): string[] {
    return [...this.files.keys()].filter((path) => pattern.test(path)).sort();
  }

  /** One of the files whose names match. */
  anyPath(pattern = /./): string | undefined {
    const paths = this.paths(pattern);
    return paths.length === 0 ? undefined : this.random.pick(paths);
  }

  /** A new value for a 64-bit number. */
  wide(was: bigint): bigint {
    const { random } = this;
    const value = random.chance(0.4)
      ? was + BigInt(random.below(33) - 16) * random.pick([1n, 1n, 8n, 512n])
      : random.chance(0.1)
      ? BigInt(random.next()) << BigInt(random.below(33))
      : random.pick(U64_EXTREMES);
    return BigInt.asUintN(64, value);
  }

  /** A new value for a 32-bit number. */
  narrow(was: number): number {
    return Number(BigInt.asUintN(32, this.wide(BigInt(was))));
  }

  /** The header of a segment, from a valid copy. */
  segmentAt(path: string): SegmentHeader | undefined {
    const bytes = this.files.get(path)!;
    for (const offset of HEADER_OFFSETS) {
      const header = decodeSegmentHeader(bytes, offset, this.sum);
      if (header !== undefined) return header;
    }
    return undefined;
  }

  /** One of the segments with a valid header. */
  anySegment(): { path: string; bytes: Uint8Array; header: SegmentHeader } | undefined {
    const path = this.anyPath(/\.seg$/);
    if (path === undefined) return undefined;
    const header = this.segmentAt(path);
    return header === undefined ? undefined : { path, bytes: this.files.get(path)!, header };
  }

  /** Offsets of the frames of a segment, from their lengths. */
  frames(bytes: Uint8Array): number[] {
    const found: number[] = [];
    for (let at = SEGMENT_HEADER_BYTES; at + FRAME_HEADER_BYTES <= bytes.length;) {
      if (bytes[at + FRAME_KIND] === 0) break;
      found.push(at);
      at += frameBytes(viewOf(bytes).getUint32(at + FRAME_LENGTH, true));
    }
    return found;
  }

  /** Recomputes the checksums of a frame. */
  sealFrame(bytes: Uint8Array, at: number, header: SegmentHeader, payloadToo: boolean): void {
    const view = viewOf(bytes);
    const begin = at + FRAME_HEADER_BYTES;
    const length = view.getUint32(at + FRAME_LENGTH, true);
    if (payloadToo && length <= CHUNK_BYTES && begin + length <= bytes.length) {
      view.setBigUint64(at + FRAME_PAYLOAD_CHECKSUM, this.sum(bytes.subarray(begin, begin + length), 0n), true);
    }
    const seed = BigInt.asUintN(64, header.salt ^ BigInt(Math.min(header.baseLsn + at, 2 ** 64 - 2048)));
    const sum = this.sum(bytes.subarray(at + FRAME_LENGTH, begin), seed);
    view.setUint32(at + FRAME_HEADER_CHECKSUM, Number(sum & 0xffffffffn), true);
  }
}
