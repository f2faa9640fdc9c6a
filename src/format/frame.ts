/**
 * Frames: the unit that is written, checked and read back.
 *
 * ```text
 * Header of 40 bytes, then the payload, padded with zeros to 8 bytes
 *  0  u32 headerChecksum    low half of XXH3-64 of bytes 4 to 40, seeded with the salt XOR the frame's LSN
 *  4  u32 length            bytes of the payload
 *  8  u64 payloadChecksum   XXH3-64 of the payload
 * 16  u64 term              entries, hard state, snapshot: their term; truncate: the term before the first index dropped;
 *                           checkpoint: the last term
 * 24  u64 index             entries: the first index; snapshot: its index; truncate: the first index dropped;
 *                           hard state: the vote; checkpoint: the next index
 * 32  u8  kind and flags    low four bits: 1 entries, 2 hard state, 3 truncate, 4 snapshot, 5 checkpoint, 6 segment index,
 *                           12 to 15 skipped by readers that do not know them
 *                           high four bits: 1 copied by recovery, 2 written by a repair, 8 the batch goes on with the next
 *                           frame; 4 by kind: config (entries), vote (hard state), clear (snapshot), close (checkpoint)
 * 33  u8  changes           truncations, snapshots and hard states of the log up to this frame, itself included, modulo 256
 * 34  u16 count             entries: how many, 1 to 65,535; otherwise 0
 * 36  u32 unproven          bytes from the proven-durable LSN to this frame, all ones: unknown
 * ```
 *
 * An entries frame holds consecutive entries of one term and kind. With a count of 1, the payload is the command.
 * Otherwise it is a table of lengths, u32 each, and then the commands, without padding between them. A frame that a
 * repair wrote may have slack behind the last command; with a count of 0 there, it has one entry and a table.
 *
 * The hot half of this is mirrored in `wasm/layout.ts`; a test holds the two together.
 *
 * @module
 */

import type { Index, Term } from "../api/types.ts";
import { safe, viewOf } from "./numbers.ts";

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
export const FRAME_CHANGES = 33;
export const FRAME_COUNT = 34;
export const FRAME_UNPROVEN = 36;

/** Kinds of frames: the low four bits at {@link FRAME_KIND}. */
export const KIND_ENTRIES = 1;
export const KIND_HARD_STATE = 2;
export const KIND_TRUNCATE = 3;
export const KIND_SNAPSHOT = 4;
export const KIND_CHECKPOINT = 5;
export const KIND_SEGMENT_INDEX = 6;
/** Kinds from here to 15 change no state, and are skipped. */
export const KIND_SKIPPED = 12;
export const KIND_MASK = 15;

/** Flags: the high four bits at {@link FRAME_KIND}. */
export const FLAGS_SHIFT = 4;
/** A frame that recovery copied into a new segment. */
export const FLAG_COPY = 1;
/** A frame that a repair wrote in the place of a lost one; as a checkpoint, to fill what is left of that place. */
export const FLAG_REPAIRED = 2;
/** On a checkpoint: the log was closed here. */
export const FLAG_CLOSE = 4;
/** On a hard state: there is a vote. */
export const FLAG_VOTE = 4;
/** On a snapshot: nothing before it stays, not even entries above it. */
export const FLAG_CLEAR = 4;
/** On entries: they are of the kind `config`. */
export const FLAG_CONFIG = 4;
/** The batch of entries goes on with the next frame. Recovery takes a batch whole or not at all. */
export const FLAG_MORE = 8;

/** Frames count changes modulo this. */
export const CHANGES_END = 256;

/** `unproven` where the distance is unknown. */
export const UNPROVEN_UNKNOWN = 0xffffffff;
/** Where an entries frame has its count, in the word at {@link FRAME_KIND}. */
export const COUNT_SHIFT = 16;
/** The most entries that a frame can hold. */
export const COUNT_MAX = 65535;
/** Bytes of an entry's length, in the table of a frame. */
export const LENGTH_BYTES = 4;
/** The largest payload that reading accepts, and so the bound of `maxEntryBytes`: 1 GiB. */
export const PAYLOAD_BYTES_MAX = 2 ** 30;

/** The contents of a frame's header, without its checksums. */
export interface FrameHeader {
  readonly length: number;
  readonly term: Term;
  readonly index: Index;
  readonly kind: number;
  readonly flags: number;
  /** Changes up to the frame, itself included, modulo {@link CHANGES_END}. */
  readonly changes: number;
  /** How many entries it has. */
  readonly count: number;
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
 * Reads the fields of a frame's header. The codec decides whether it is valid.
 *
 * @param bytes The header's 40 bytes.
 * @returns The fields.
 */
export function decodeFrameHeader(bytes: Uint8Array): FrameHeader {
  const view = viewOf(bytes);
  const kindAndFlags = view.getUint8(FRAME_KIND);
  return {
    length: view.getUint32(FRAME_LENGTH, true),
    term: safe(view, FRAME_TERM),
    index: safe(view, FRAME_INDEX),
    kind: kindAndFlags & KIND_MASK,
    flags: kindAndFlags >> FLAGS_SHIFT,
    changes: view.getUint8(FRAME_CHANGES),
    count: view.getUint16(FRAME_COUNT, true),
    unproven: view.getUint32(FRAME_UNPROVEN, true),
  };
}

/**
 * Makes a frame's header, without its checksums.
 *
 * @param header The fields.
 * @returns 40 bytes, to be sealed.
 */
export function encodeFrameHeader(header: FrameHeader): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(FRAME_HEADER_BYTES);
  const view = viewOf(bytes);
  view.setUint32(FRAME_LENGTH, header.length, true);
  view.setBigUint64(FRAME_TERM, BigInt(header.term), true);
  view.setBigUint64(FRAME_INDEX, BigInt(header.index), true);
  view.setUint8(FRAME_KIND, header.kind | header.flags << FLAGS_SHIFT);
  view.setUint8(FRAME_CHANGES, header.changes);
  view.setUint16(FRAME_COUNT, header.count, true);
  view.setUint32(FRAME_UNPROVEN, header.unproven, true);
  return bytes;
}

/**
 * How many entries an entries frame holds.
 *
 * @param header Its header.
 * @returns The number.
 */
export function entriesIn({ count }: FrameHeader): number {
  return Math.max(count, 1);
}

/**
 * The index behind an entries frame.
 *
 * @param header Its header.
 * @returns The index of its last entry, plus 1.
 */
export function indexBehind(header: FrameHeader): Index {
  return header.index + entriesIn(header);
}

/**
 * How many entries there is room for in some bytes, at most: one with its header, or many that share one.
 *
 * @param bytes The bytes.
 * @returns The number.
 */
export function entriesThatFit(bytes: number): number {
  if (bytes < FRAME_HEADER_BYTES) return 0;
  return Math.max(Math.floor((bytes - FRAME_HEADER_BYTES) / LENGTH_BYTES), 1);
}

/**
 * Whether a kind of frame puts something in the place of entries.
 *
 * @param kind The kind.
 * @returns `true` for truncations and snapshots.
 */
export function isReplacement(kind: number): boolean {
  return kind === KIND_TRUNCATE || kind === KIND_SNAPSHOT;
}

/**
 * Whether a kind of frame counts as a change.
 *
 * @param kind The kind.
 * @returns `true` for truncations, snapshots and hard states.
 */
export function isChange(kind: number): boolean {
  return isReplacement(kind) || kind === KIND_HARD_STATE;
}

/**
 * The count of changes in front of a frame.
 *
 * @param header The frame's header.
 * @returns The count, modulo {@link CHANGES_END}.
 */
export function changesBefore({ kind, changes }: FrameHeader): number {
  return isChange(kind) ? (changes + CHANGES_END - 1) % CHANGES_END : changes;
}
