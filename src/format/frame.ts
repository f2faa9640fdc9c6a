/**
 * Frames: the unit of writing, checking and reading.
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
 *                           high four bits: 1 copied by recovery, 2 written by a repair, 8 the batch continues in the next
 *                           frame; 4 depends on the kind: config (entries), vote (hard state), clear (snapshot), close (checkpoint)
 * 33  u8  changes           truncations, snapshots and hard states of the log up to and including this frame, modulo 256
 * 34  u16 count             entries: their number, 1 to 65,535; otherwise 0
 * 36  u32 unproven          bytes from the proven LSN to this frame; all ones: unknown
 * ```
 *
 * An entries frame holds consecutive entries of one term and kind. With a count of 1, the payload is the command.
 * Otherwise it is a table of lengths, u32 each, and then the commands, without padding between them. A frame from a
 * repair may have slack after the last command. If its count is 0, it has one entry and a table.
 *
 * `wasm/layout.ts` repeats the part that the hot paths need. A test compares the two.
 *
 * @module
 */

import type { Index, NodeId, Term } from "../api/types.ts";
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
/** A frame that a repair wrote to replace a lost one. As a checkpoint, it only fills the rest of the room. */
export const FLAG_REPAIRED = 2;
/** On a checkpoint: the log was closed here. */
export const FLAG_CLOSE = 4;
/** On a hard state: there is a vote. */
export const FLAG_VOTE = 4;
/** On a snapshot: it clears the log, even the entries above its index. */
export const FLAG_CLEAR = 4;
/** On entries: they are of the kind `config`. */
export const FLAG_CONFIG = 4;
/** The batch continues in the next frame. Recovery takes a batch completely or not at all. */
export const FLAG_MORE = 8;

/** Frames count changes modulo this number. */
export const CHANGES_END = 256;

/** Value of `unproven` if the distance is unknown. */
export const UNPROVEN_UNKNOWN = 0xffffffff;
/** Bit offset of the count, in the word at {@link FRAME_KIND}. */
export const COUNT_SHIFT = 16;
/** The most entries that a frame can hold. */
export const COUNT_MAX = 65535;
/** Bytes of an entry's length, in the table of a frame. */
export const LENGTH_BYTES = 4;
/** The largest payload that a reader accepts, and so the limit of `maxEntryBytes`: 1 GiB. */
export const PAYLOAD_BYTES_MAX = 2 ** 30;

/** The contents of a frame's header, without its checksums. */
export interface FrameHeader {
  readonly length: number;
  readonly term: Term;
  readonly index: Index;
  readonly kind: number;
  readonly flags: number;
  /** The number of changes up to and including the frame, modulo {@link CHANGES_END}. */
  readonly changes: number;
  /** The number of entries. */
  readonly count: number;
  readonly unproven: number;
}

/**
 * The size of a frame. Called several times for each entry, so it uses only integers.
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
 * Reads the vote from the header of a hard state's frame. It has 64 bits, so {@link FrameHeader.index} cannot hold it.
 *
 * @param bytes The header's 40 bytes.
 * @returns The node; `null` if there is no vote.
 */
export function decodeVote(bytes: Uint8Array): NodeId | null {
  const view = viewOf(bytes);
  const flags = view.getUint8(FRAME_KIND) >> FLAGS_SHIFT;
  return (flags & FLAG_VOTE) === 0 ? null : view.getBigUint64(FRAME_INDEX, true);
}

/**
 * Makes a frame's header, without its checksums.
 *
 * @param header The fields.
 * @returns 40 bytes, not yet sealed.
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
 * The number of entries in an entries frame.
 *
 * @param header Its header.
 * @returns The number.
 */
export function entriesIn({ count }: FrameHeader): number {
  return Math.max(count, 1);
}

/**
 * The index after an entries frame.
 *
 * @param header Its header.
 * @returns The index of its last entry, plus 1.
 */
export function indexAfter(header: FrameHeader): Index {
  return header.index + entriesIn(header);
}

/**
 * The most entries that fit a number of bytes: one with its own header, or many that share one.
 *
 * @param bytes The bytes.
 * @returns The number.
 */
export function entriesThatFit(bytes: number): number {
  if (bytes < FRAME_HEADER_BYTES) return 0;
  return Math.max(Math.floor((bytes - FRAME_HEADER_BYTES) / LENGTH_BYTES), 1);
}

/**
 * Whether a kind of frame removes entries.
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
 * The change counter before a frame.
 *
 * @param header The frame's header.
 * @returns The count, modulo {@link CHANGES_END}.
 */
export function changesBefore({ kind, changes }: FrameHeader): number {
  return isChange(kind) ? (changes + CHANGES_END - 1) % CHANGES_END : changes;
}
