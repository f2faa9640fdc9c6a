/** Forged segments: headers with arbitrary claims and valid checksums. */

import assert from "node:assert/strict";
import { HEADER_OFFSETS, NEXT_POINTER_OFFSETS } from "../src/format/header_block.ts";
import { Codec } from "../src/codec/codec.ts";
import { FRAME_HEADER_BYTES, FRAME_HEADER_CHECKSUM, FRAME_LENGTH } from "../src/format/frame.ts";
import { encodeNextPointer } from "../src/format/next_pointer.ts";
import { decodeSegmentHeader, encodeSegmentHeader, type SegmentHeader } from "../src/format/segment_header.ts";
import type { LogState } from "../src/format/state.ts";
import { framesOf } from "./history.ts";

const codec = new Codec();
const sum = (bytes: Uint8Array, seed: bigint) => codec.hash(bytes, seed);

/** The fields of a header to forge. */
export type HeaderClaim = Partial<Omit<SegmentHeader, "state"> & { readonly state: Partial<LogState> }>;

/**
 * Changes fields in a segment's header, and the checksums of its header and frames to match.
 *
 * @param segment The file's bytes.
 * @param claim The fields to change.
 * @returns The forged bytes.
 */
export function forgeSegment(segment: Uint8Array, claim: HeaderClaim): Uint8Array {
  const header = decodeSegmentHeader(segment, 0, sum);
  assert(header !== undefined);
  const forged: SegmentHeader = { ...header, ...claim, state: { ...header.state, ...claim.state } };
  const frames = framesOf(segment);
  const bytes = segment.slice();
  for (const offset of HEADER_OFFSETS) bytes.set(encodeSegmentHeader(forged, sum), offset);
  const view = new DataView(bytes.buffer);
  for (const { offset } of frames) {
    const seed = BigInt.asUintN(64, forged.salt ^ (BigInt(forged.baseLsn) + BigInt(offset)));
    const whole = sum(bytes.subarray(offset + FRAME_LENGTH, offset + FRAME_HEADER_BYTES), seed);
    view.setUint32(offset + FRAME_HEADER_CHECKSUM, Number(whole & 0xffff_ffffn), true);
  }
  return bytes;
}

/**
 * A segment whose next-segment pointer names another one.
 *
 * @param segment The file's bytes.
 * @param number The number that it names.
 * @param endLsn The end of the segment in the pointer.
 * @returns The forged bytes.
 */
export function forgePointer(segment: Uint8Array, number: number, endLsn: number): Uint8Array {
  const header = decodeSegmentHeader(segment, 0, sum);
  assert(header !== undefined);
  const bytes = segment.slice();
  const pointer = encodeNextPointer({ number, endLsn, durableLsn: 0 }, header.salt, sum);
  for (const offset of NEXT_POINTER_OFFSETS) bytes.set(pointer, offset);
  return bytes;
}
