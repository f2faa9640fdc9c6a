/**
 * Frames: the unit that is written, checked and read back.
 *
 * @module
 */

import type { Index, Term } from "../types.ts";
import { safe, viewOf } from "./numbers.ts";
import { REPLACEMENTS_END } from "./state.ts";

/** Size of a frame's header. */
export const FRAME_HEADER_BYTES = 40;
/** Frames begin at multiples of this. */
export const FRAME_ALIGNMENT = 8;
/** Offsets of the header's fields. */
export const FRAME_HEADER_CHECKSUM = 0;
export const FRAME_LENGTH = 4;
export const FRAME_PAYLOAD_CHECKSUM = 8;
export const FRAME_TERM = 16;
export const FRAME_INDEX = 24;
export const FRAME_KIND = 32;
export const FRAME_FLAGS = 33;
export const FRAME_REPLACEMENTS = 34;
export const FRAME_UNPROVEN = 36;

/** Kinds of frames. */
export const KIND_ENTRY = 1;
export const KIND_HARD_STATE = 2;
export const KIND_TRUNCATE = 3;
export const KIND_SNAPSHOT = 4;
export const KIND_CHECKPOINT = 5;
export const KIND_SEGMENT_INDEX = 6;

/** A frame that recovery copied into a new segment. */
export const FLAG_COPY = 1;
/** On a checkpoint: the log was closed here. */
export const FLAG_CLOSE = 2;
/** On a hard state: there is a vote. */
export const FLAG_VOTE = 4;
/** A frame that a repair wrote in the place of a lost one; as a checkpoint, to fill what is left of that place. */
export const FLAG_REPAIRED = 8;
/** On a snapshot: nothing before it stays, not even entries above it. */
export const FLAG_CLEAR = 16;
/** On an entry: it is of the kind `config`. */
export const FLAG_CONFIG = 32;
/** All flags that this version knows. */
export const FLAGS_KNOWN = 63;

/** `unproven` where the distance is unknown. */
export const UNPROVEN_UNKNOWN = 0xffffffff;
/** The largest payload that reading accepts, and so the bound of `maxEntryBytes`: 1 GiB. */
export const PAYLOAD_BYTES_MAX = 2 ** 30;

/** What a frame's header says. */
export interface FrameHeader {
  readonly length: number;
  readonly term: Term;
  readonly index: Index;
  readonly kind: number;
  readonly flags: number;
  readonly replacements: number;
  readonly unproven: number;
}

/**
 * The bytes that a frame takes. Called several times for each entry, and so without fractions.
 *
 * @param length Bytes of payload.
 * @returns Header, payload and padding, in bytes.
 */
export function frameBytes(length: number): number {
  const padded = length + FRAME_ALIGNMENT - 1;
  return FRAME_HEADER_BYTES + padded - padded % FRAME_ALIGNMENT;
}

/**
 * Reads the fields of a frame's header. Whether it is valid is the codec's to say.
 *
 * @param bytes The header's 40 bytes.
 * @returns What they say.
 */
export function decodeFrameHeader(bytes: Uint8Array): FrameHeader {
  const view = viewOf(bytes);
  return {
    length: view.getUint32(FRAME_LENGTH, true),
    term: safe(view, FRAME_TERM),
    index: safe(view, FRAME_INDEX),
    kind: view.getUint8(FRAME_KIND),
    flags: view.getUint8(FRAME_FLAGS),
    replacements: view.getUint16(FRAME_REPLACEMENTS, true),
    unproven: view.getUint32(FRAME_UNPROVEN, true),
  };
}

/**
 * Makes a frame's header, without its sums.
 *
 * @param header What it says.
 * @returns 40 bytes, to be sealed.
 */
export function encodeFrameHeader(header: FrameHeader): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(FRAME_HEADER_BYTES);
  const view = viewOf(bytes);
  view.setUint32(FRAME_LENGTH, header.length, true);
  view.setBigUint64(FRAME_TERM, BigInt(header.term), true);
  view.setBigUint64(FRAME_INDEX, BigInt(header.index), true);
  view.setUint8(FRAME_KIND, header.kind);
  view.setUint8(FRAME_FLAGS, header.flags);
  view.setUint16(FRAME_REPLACEMENTS, header.replacements, true);
  view.setUint32(FRAME_UNPROVEN, header.unproven, true);
  return bytes;
}

/**
 * Whether a kind of frame puts something in the place of entries, so that it counts as a replacement.
 *
 * @param kind The kind.
 * @returns `true` for truncations and snapshots.
 */
export function isReplacement(kind: number): boolean {
  return kind === KIND_TRUNCATE || kind === KIND_SNAPSHOT;
}

/**
 * The count of replacements in front of a frame.
 *
 * @param header The frame's header.
 * @returns The count, modulo {@link REPLACEMENTS_END}.
 */
export function replacementsBefore({ kind, replacements }: FrameHeader): number {
  return isReplacement(kind) ? (replacements + REPLACEMENTS_END - 1) % REPLACEMENTS_END : replacements;
}
