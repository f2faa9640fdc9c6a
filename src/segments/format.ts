/**
 * The bytes of a segment: this file owns the format, everything else imports it. The hot half of it (frames)
 * is mirrored in `wasm/layout.ts`; a test holds the two together.
 *
 * All integers are little-endian. A segment is a header block of 4,096 bytes and frames, 8-byte aligned,
 * back to back, followed by zeros that the writer has laid ahead of itself. A sealed segment ends with a footer.
 * The position of a byte (LSN) is its segment's `baseLsn` plus its offset in the file.
 *
 * ```text
 * Header block: sectors of 512 bytes
 *      0 +-------------------+
 *        | header, copy A    |   both copies are written and flushed before the first frame
 *   1024 +-------------------+   and never change
 *        | successor slot    |   zeros until the next segment is durable, then names it
 *   2048 +-------------------+
 *        | header, copy B    |
 *   4096 +-------------------+
 *
 * Header                                  Successor slot
 *   0  8 bytes "WALLOGSG"                   0  8 bytes "WALLOGNX"
 *   8  u32 version                          8  u64 number of the next segment
 *  12  u32 replacements so far             16  u64 LSN at which this segment ends
 *  16  16 bytes log UUID                   24  u64 XXH3-64 of bytes 0..24, seeded with the salt
 *  32  u64 segment number
 *  40  u64 baseLsn: where the previous segment ends and this one begins
 *  48  u64 salt, random
 *  56  u64 previous segment's number, 0 if none
 *  64  u32 headerSum of the previous segment's last frame, 0 if it has none
 *  68  u32 flags: 1 there is a vote, 2 the hard state is out of date: a later one was lost,
 *            4 entries behind the next index were lost, 8 replacements were lost
 *  72  u64 next index                      } the state of the log
 *  80  u64 last term, all ones: unknown    } where this segment begins
 *  88  u64 hard state's term               }
 *  96  u64 hard state's vote               }
 * 104  u64 snapshot index                  }
 * 112  u64 snapshot term                   }
 * 120  u64 proven-durable LSN
 * 128  u64 floor: from this index on, the previous segment replaced what was before it
 * 136  u64 XXH3-64 of bytes 0..136
 *
 * Frame: header of 40 bytes, then the payload, padded with zeros to 8 bytes
 *   0  u32 headerSum     low half of XXH3-64 of bytes 4..40, seeded with salt XOR LSN
 *   4  u32 length        payload bytes
 *   8  u64 payloadSum    XXH3-64 of the payload
 *  16  u64 term          entry, snapshot, hard state: its term; truncate: the term before the first index dropped;
 *                       mark: the last term
 *  24  u64 index         entry, snapshot: its index; truncate: the first index dropped; hard state: the vote;
 *                       mark: the next index
 *  32  u8  kind          1 entry, 2 hard state, 3 truncate, 4 snapshot, 5 mark, 6 footer
 *  33  u8  flags         1 copied by recovery, 2 log closed here, 4 has a vote, 8 written by repair,
 *                       16 snapshot clears the log, 32 entry is of the kind config
 *  34  u16 replacements  truncations and snapshots of the log up to this frame, itself included, modulo 65,536
 *  36  u32 unproven      bytes from the proven-durable LSN to this frame, all ones: unknown
 *
 * Mark payload: nothing, or the rest of the log's state
 *   0  u64 hard state's term               16  u64 snapshot index
 *   8  u64 hard state's vote               24  u64 snapshot term, all ones: unknown
 *
 * Footer payload                          Footer trailer: the last 64 bytes of the file
 *   0  count x u32 offset / 8               0  8 bytes "WALLOGFT"
 *      padded to 8                          8  u64 offset of the footer frame
 *   .  runs x (u64 first index, u64 term)  16  u64 first index
 *   .  64 bytes trailer                    24  u32 count of entries, u32 runs of terms
 *                                          32  u64 lowest index truncated, all ones if none
 *                                          40  u64 XXH3-64 of the runs
 *                                          48  u64 XXH3-64 of the offsets, as stored
 *                                          56  u64 XXH3-64 of bytes 0..56, seeded with the salt
 * ```
 *
 * A frame is valid if and only if
 *  1. it lies below the LSN at which its segment ends,
 *  2. every frame before it in the segment is valid,
 *  3. its headerSum matches, with the segment's salt and the frame's own LSN in the seed,
 *  4. its kind and flags are known, its term and index are safe integers, and its length is in bounds,
 *  5. its payloadSum matches, and
 *  6. its replacements are those of the frame before it, one more if it is a truncation or a snapshot, unless a repair
 *     wrote it or it is a footer, and
 *  7. if it is an entry, its index is the one after the last; if it is a mark that no repair wrote, so is its.
 *
 * A mark and a segment's header repeat the state of the log, and the count of replacements tells whether any were among
 * frames that were lost with their headers: so what such a gap can have held is known from what lies behind it.
 *
 * A segment belongs to the log if and only if the slot of the one before names it, or it has a frame that is not
 * a copy made by recovery (so it has served), or a segment that belongs to the log follows it.
 *
 * @module
 */

import type { HardState, Index, Term } from "../types.ts";

/** Size of a segment's header block. Frames begin behind it. */
export const SEGMENT_HEADER_BYTES = 4096;
/** Offset of the header's second copy. */
export const HEADER_COPY_OFFSET = 2048;
/** Offset of the successor slot. */
export const SLOT_OFFSET = 1024;
/** The format that this library writes, and the newest that it reads. */
export const FORMAT_VERSION = 1;

const SECTOR_BYTES = 512;
const HEADER_SUMMED_BYTES = 136;
const SLOT_SUMMED_BYTES = 24;
const TRAILER_SUMMED_BYTES = 56;
/** Size of the trailer that ends a footer, and with it the file. */
export const TRAILER_BYTES = 64;

const MAGIC_SEGMENT = 0x4753474f4c4c4157n; // "WALLOGSG"
const MAGIC_SUCCESSOR = 0x584e474f4c4c4157n; // "WALLOGNX"
const MAGIC_TRAILER = 0x5446474f4c4c4157n; // "WALLOGFT"

/** Size of a frame's header. */
export const FRAME_HEADER_BYTES = 40;
/** Frames begin at multiples of this. */
export const FRAME_ALIGNMENT = 8;
/** Offsets of the header's fields. */
export const FRAME_SUM = 0;
export const FRAME_LENGTH = 4;
export const FRAME_PAYLOAD_SUM = 8;
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
export const KIND_MARK = 5;
export const KIND_FOOTER = 6;

/** A frame that recovery copied into a new segment. */
export const FLAG_COPY = 1;
/** On a mark: the log was closed here. */
export const FLAG_CLOSE = 2;
/** On a hard state: there is a vote. */
export const FLAG_VOTE = 4;
/** A frame that a repair wrote in the place of a lost one; as a mark, to fill what is left of that place. */
export const FLAG_FILL = 8;
/** On a snapshot: nothing before it stays, not even entries above it. */
export const FLAG_CLEAR = 16;
/** On an entry: it is of the kind `config`. */
export const FLAG_CONFIG = 32;
/** All flags that this version knows. */
export const FLAGS_KNOWN = 63;

/** Replacements are counted modulo this. */
export const REPLACEMENTS_END = 65536;

/** Payload of a mark that repeats the log's state, and offsets in it. */
export const MARK_STATE_BYTES = 32;
export const MARK_HARD_TERM = 0;
export const MARK_HARD_VOTE = 8;
export const MARK_SNAPSHOT_INDEX = 16;
export const MARK_SNAPSHOT_TERM = 24;
/** Size of such a mark. */
export const MARK_BYTES = FRAME_HEADER_BYTES + MARK_STATE_BYTES;

/** `unproven` where the distance is unknown. */
export const UNPROVEN_UNKNOWN = 0xffffffff;
/** The largest payload that reading accepts, and so the bound of `maxEntryBytes`: 1 GiB. */
export const PAYLOAD_BYTES_MAX = 2 ** 30;

const STATE_VOTE = 1;
const STATE_LOST = 2;
const STATE_TAIL_LOST = 4;
const STATE_REPLACEMENTS_LOST = 8;
const U64_ONES = 0xffff_ffff_ffff_ffffn;
const EXTENSION = ".seg";

/**
 * Segment numbers are below this, so that every name has 12 digits, even the name of the next segment, and names sort
 * like numbers. A log that begins a segment every millisecond reaches it after 30 years.
 */
export const SEGMENT_NUMBER_END = 10 ** 12 - 1;
/**
 * A segment begins below this LSN, so that every LSN in it is below 2^53 and exact. A log that writes a gigabyte a
 * second reaches it after 140 years.
 */
export const BASE_LSN_END = 2 ** 52;

/** Term of an entry whose header is lost; in a segment header, all ones. */
export const TERM_UNKNOWN = -1;

/** XXH3-64 of some bytes with a seed: the codec's. */
export type Checksum = (bytes: Uint8Array, seed: bigint) => bigint;

/** The state of the log at some position. */
export interface LogState {
  readonly nextIndex: Index;
  readonly lastTerm: Term;
  readonly hardState: HardState;
  /** Whether a later hard state was lost, so that this one is not to be trusted. */
  readonly hardStateLost: boolean;
  /** Whether entries from the next index on were lost, how many nothing tells, and no hard state was set since. */
  readonly tailLost: boolean;
  readonly snapshotIndex: Index;
  readonly snapshotTerm: Term;
  /** Whether a truncation or a snapshot was lost, and nothing has told since which snapshot the log has. */
  readonly replacementsLost: boolean;
  /** Truncations and snapshots so far, modulo {@link REPLACEMENTS_END}. */
  readonly replacements: number;
}

/** The state of a log to which nothing was ever written. */
export const EMPTY_STATE: LogState = {
  nextIndex: 1,
  lastTerm: 0,
  hardState: { term: 0, votedFor: null },
  hardStateLost: false,
  tailLost: false,
  snapshotIndex: 0,
  snapshotTerm: 0,
  replacementsLost: false,
  replacements: 0,
};

/** What a segment's header says. */
export interface SegmentHeader {
  readonly uuid: Uint8Array;
  readonly number: number;
  readonly baseLsn: number;
  readonly salt: bigint;
  readonly previous: number;
  readonly previousSum: number;
  readonly state: LogState;
  readonly provenLsn: number;
  readonly floor: Index;
}

/** What a filled successor slot says. */
export interface Successor {
  readonly number: number;
  readonly endLsn: number;
}

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

/** What a footer's trailer says. */
export interface Trailer {
  readonly footerOffset: number;
  readonly firstIndex: Index;
  readonly count: number;
  readonly runs: number;
  /** Lowest index that the segment truncates, `Infinity` if none. */
  readonly lowestTruncated: number;
  readonly runsSum: bigint;
  readonly offsetsSum: bigint;
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
 * The name of a segment file.
 *
 * @param number The segment's number.
 * @returns `000000000001.seg` for 1.
 */
export function segmentName(number: number): string {
  return String(number).padStart(12, "0") + EXTENSION;
}

/**
 * The number in a segment file's name.
 *
 * @param name A file name.
 * @returns The number, or `undefined` if this is no segment's name.
 */
export function segmentNumber(name: string): number | undefined {
  if (!/^\d{12}\.seg$/.test(name)) return undefined;
  const number = Number(name.slice(0, -EXTENSION.length));
  return number > 0 && number < SEGMENT_NUMBER_END ? number : undefined;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function setTerm(view: DataView, offset: number, term: Term): void {
  view.setBigUint64(offset, term === TERM_UNKNOWN ? U64_ONES : BigInt(term), true);
}

function getTerm(view: DataView, offset: number): Term {
  const wide = view.getBigUint64(offset, true);
  return wide === U64_ONES ? TERM_UNKNOWN : Number(wide);
}

/** Whether 64 bits are a term that this library would have written. */
function isTerm(view: DataView, offset: number): boolean {
  return areSafe(view, [offset]) || view.getBigUint64(offset, true) === U64_ONES;
}

/** Whether the 64-bit numbers at some offsets are ones that this library would have written. */
function areSafe(view: DataView, offsets: readonly number[], end: number | bigint = 2 ** 53): boolean {
  return offsets.every((offset) => view.getBigUint64(offset, true) < BigInt(end));
}

/** Whether a 64-bit number is an LSN at which this library can begin or end a segment. */
function isBorder(view: DataView, offset: number): boolean {
  return areSafe(view, [offset], BASE_LSN_END) && safe(view, offset) % FRAME_ALIGNMENT === 0;
}

function safe(view: DataView, offset: number): number {
  return Number(view.getBigUint64(offset, true));
}

/**
 * Makes the header block of a new segment, with an empty successor slot.
 *
 * @param header What it says.
 * @param sum The checksum.
 * @returns 4,096 bytes.
 */
export function encodeSegmentHeader(header: SegmentHeader, sum: Checksum): Uint8Array {
  const block = new Uint8Array(SEGMENT_HEADER_BYTES);
  const view = viewOf(block);
  const { state } = header;
  view.setBigUint64(0, MAGIC_SEGMENT, true);
  view.setUint32(8, FORMAT_VERSION, true);
  view.setUint32(12, state.replacements, true);
  block.set(header.uuid, 16);
  view.setBigUint64(32, BigInt(header.number), true);
  view.setBigUint64(40, BigInt(header.baseLsn), true);
  view.setBigUint64(48, header.salt, true);
  view.setBigUint64(56, BigInt(header.previous), true);
  view.setUint32(64, header.previousSum, true);
  const flags = (state.hardState.votedFor === null ? 0 : STATE_VOTE) | (state.hardStateLost ? STATE_LOST : 0) |
    (state.tailLost ? STATE_TAIL_LOST : 0) | (state.replacementsLost ? STATE_REPLACEMENTS_LOST : 0);
  view.setUint32(68, flags, true);
  view.setBigUint64(72, BigInt(state.nextIndex), true);
  setTerm(view, 80, state.lastTerm);
  view.setBigUint64(88, BigInt(state.hardState.term), true);
  view.setBigUint64(96, state.hardState.votedFor ?? 0n, true);
  view.setBigUint64(104, BigInt(state.snapshotIndex), true);
  setTerm(view, 112, state.snapshotTerm);
  view.setBigUint64(120, BigInt(header.provenLsn), true);
  view.setBigUint64(128, BigInt(header.floor), true);
  view.setBigUint64(HEADER_SUMMED_BYTES, sum(block.subarray(0, HEADER_SUMMED_BYTES), 0n), true);
  block.copyWithin(HEADER_COPY_OFFSET, 0, SECTOR_BYTES);
  return block;
}

/**
 * Reads one copy of a segment's header.
 *
 * @param block The header block.
 * @param offset Where the copy begins.
 * @param sum The checksum.
 * @returns What it says; the version if another version wrote it; `undefined` if it is damaged.
 */
export function decodeSegmentHeader(
  block: Uint8Array,
  offset: number,
  sum: Checksum,
): SegmentHeader | { readonly version: number } | undefined {
  const copy = block.subarray(offset, offset + HEADER_SUMMED_BYTES + 8);
  if (copy.length < HEADER_SUMMED_BYTES + 8) return undefined;
  const view = viewOf(copy);
  if (view.getBigUint64(0, true) !== MAGIC_SEGMENT) return undefined;
  const version = view.getUint32(8, true);
  if (view.getBigUint64(HEADER_SUMMED_BYTES, true) !== sum(copy.subarray(0, HEADER_SUMMED_BYTES), 0n)) {
    // Where another version keeps its sum is unknown, so that its word has to do; the caller wants both copies.
    return version > FORMAT_VERSION ? { version } : undefined;
  }
  if (version !== FORMAT_VERSION) return { version };
  if (!areSafe(view, [32], SEGMENT_NUMBER_END) || !areSafe(view, [56], safe(view, 32))) return undefined;
  // When the header was written, the log ended before the segment: no durable LSN can be higher.
  if (!isBorder(view, 40) || !areSafe(view, [120], safe(view, 40) + 1) || !areSafe(view, [88, 104])) return undefined;
  // Both can be one more than the last index that there can be.
  if (!areSafe(view, [72, 128], 2n ** 53n + 1n) || !isTerm(view, 80) || !isTerm(view, 112)) return undefined;
  if (view.getUint32(12, true) >= REPLACEMENTS_END || safe(view, 72) <= safe(view, 104)) return undefined;
  return {
    uuid: copy.slice(16, 32),
    number: safe(view, 32),
    baseLsn: safe(view, 40),
    salt: view.getBigUint64(48, true),
    previous: safe(view, 56),
    previousSum: view.getUint32(64, true),
    state: {
      nextIndex: safe(view, 72),
      lastTerm: getTerm(view, 80),
      hardState: {
        term: safe(view, 88),
        votedFor: (view.getUint32(68, true) & STATE_VOTE) === 0 ? null : view.getBigUint64(96, true),
      },
      hardStateLost: (view.getUint32(68, true) & STATE_LOST) !== 0,
      tailLost: (view.getUint32(68, true) & STATE_TAIL_LOST) !== 0,
      snapshotIndex: safe(view, 104),
      snapshotTerm: getTerm(view, 112),
      replacementsLost: (view.getUint32(68, true) & STATE_REPLACEMENTS_LOST) !== 0,
      replacements: view.getUint32(12, true),
    },
    provenLsn: safe(view, 120),
    floor: safe(view, 128),
  };
}

/**
 * Whether a header's copy begins as one does.
 *
 * @param block The header block.
 * @param offset Where the copy begins.
 * @returns Whether the first eight bytes are a header's.
 */
export function isMagic(block: Uint8Array, offset: number): boolean {
  return viewOf(block).getBigUint64(offset, true) === MAGIC_SEGMENT;
}

/**
 * Makes the successor slot.
 *
 * @param successor The next segment, and where this one ends.
 * @param salt This segment's salt.
 * @param sum The checksum.
 * @returns The sector to write at {@link SLOT_OFFSET}.
 */
export function encodeSuccessor(successor: Successor, salt: bigint, sum: Checksum): Uint8Array {
  const sector = new Uint8Array(SECTOR_BYTES);
  const view = viewOf(sector);
  view.setBigUint64(0, MAGIC_SUCCESSOR, true);
  view.setBigUint64(8, BigInt(successor.number), true);
  view.setBigUint64(16, BigInt(successor.endLsn), true);
  view.setBigUint64(SLOT_SUMMED_BYTES, sum(sector.subarray(0, SLOT_SUMMED_BYTES), salt), true);
  return sector;
}

/**
 * Reads the successor slot.
 *
 * @param block The header block.
 * @param salt The segment's salt.
 * @param sum The checksum.
 * @returns What it says, `undefined` if it is empty, `"damaged"` if it is neither.
 */
export function decodeSuccessor(block: Uint8Array, salt: bigint, sum: Checksum): Successor | undefined | "damaged" {
  const sector = block.subarray(SLOT_OFFSET, SLOT_OFFSET + SECTOR_BYTES);
  if (sector.every((byte) => byte === 0)) return undefined;
  if (sector.length < SECTOR_BYTES) return "damaged";
  const view = viewOf(sector);
  if (
    view.getBigUint64(0, true) !== MAGIC_SUCCESSOR ||
    view.getBigUint64(SLOT_SUMMED_BYTES, true) !== sum(sector.subarray(0, SLOT_SUMMED_BYTES), salt)
  ) return "damaged";
  if (!areSafe(view, [8], SEGMENT_NUMBER_END) || !isBorder(view, 16)) return "damaged";
  return { number: safe(view, 8), endLsn: safe(view, 16) };
}

/**
 * Whether a damaged slot was filled once: of how it begins, half must be there. One that never was may hold a bit that
 * turned over, or, in a file that a crash kept from being flushed, what was on the disk before.
 *
 * @param block The header block.
 * @returns Whether the slot named a segment.
 */
export function wasFilled(block: Uint8Array): boolean {
  const magic = new Uint8Array(8);
  viewOf(magic).setBigUint64(0, MAGIC_SUCCESSOR, true);
  return magic.filter((byte, i) => byte === block[SLOT_OFFSET + i]).length >= magic.length / 2;
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

/**
 * Makes the payload of a mark.
 *
 * @param state The log's state.
 * @returns What the mark's header has no room for.
 */
export function encodeMark(state: LogState): Uint8Array {
  const payload = new Uint8Array(MARK_STATE_BYTES);
  const view = viewOf(payload);
  view.setBigUint64(MARK_HARD_TERM, BigInt(state.hardState.term), true);
  view.setBigUint64(MARK_HARD_VOTE, state.hardState.votedFor ?? 0n, true);
  view.setBigUint64(MARK_SNAPSHOT_INDEX, BigInt(state.snapshotIndex), true);
  setTerm(view, MARK_SNAPSHOT_TERM, state.snapshotTerm);
  return payload;
}

/**
 * Reads which snapshot a mark says that the log has.
 *
 * @param payload The mark's payload, whole.
 * @returns Index and term.
 */
export function decodeMarkSnapshot(payload: Uint8Array): { readonly index: Index; readonly term: Term } {
  const view = viewOf(payload);
  return { index: safe(view, MARK_SNAPSHOT_INDEX), term: getTerm(view, MARK_SNAPSHOT_TERM) };
}

/**
 * Makes the payload of a footer.
 *
 * @param footer The surviving entries and where the footer frame will lie.
 * @param salt The segment's salt.
 * @param sum The checksum.
 * @returns The payload; its last 64 bytes are the trailer, and become the last of the file.
 */
export function encodeFooter(
  footer: {
    readonly footerOffset: number;
    readonly firstIndex: Index;
    readonly offsets: Uint32Array;
    readonly runs: readonly (readonly [Index, Term])[];
    readonly lowestTruncated: number;
  },
  salt: bigint,
  sum: Checksum,
): Uint8Array {
  const offsetBytes = Math.ceil(footer.offsets.byteLength / 8) * 8;
  const runBytes = footer.runs.length * 16;
  const payload = new Uint8Array(offsetBytes + runBytes + TRAILER_BYTES);
  payload.set(new Uint8Array(footer.offsets.buffer, footer.offsets.byteOffset, footer.offsets.byteLength));
  const runs = viewOf(payload.subarray(offsetBytes, offsetBytes + runBytes));
  footer.runs.forEach(([index, term], i) => {
    runs.setBigUint64(i * 16, BigInt(index), true);
    setTerm(runs, i * 16 + 8, term);
  });
  const trailer = payload.subarray(offsetBytes + runBytes);
  const view = viewOf(trailer);
  view.setBigUint64(0, MAGIC_TRAILER, true);
  view.setBigUint64(8, BigInt(footer.footerOffset), true);
  view.setBigUint64(16, BigInt(footer.firstIndex), true);
  view.setUint32(24, footer.offsets.length, true);
  view.setUint32(28, footer.runs.length, true);
  view.setBigUint64(32, footer.lowestTruncated === Infinity ? U64_ONES : BigInt(footer.lowestTruncated), true);
  view.setBigUint64(40, sum(payload.subarray(offsetBytes, offsetBytes + runBytes), 0n), true);
  view.setBigUint64(48, sum(payload.subarray(0, offsetBytes), 0n), true);
  view.setBigUint64(TRAILER_SUMMED_BYTES, sum(trailer.subarray(0, TRAILER_SUMMED_BYTES), salt), true);
  return payload;
}

/**
 * Reads a footer's trailer.
 *
 * @param trailer The last 64 bytes of the file.
 * @param salt The segment's salt.
 * @param sum The checksum.
 * @returns What it says, or `undefined` if there is none or it is damaged.
 */
export function decodeTrailer(trailer: Uint8Array, salt: bigint, sum: Checksum): Trailer | undefined {
  if (trailer.length < TRAILER_BYTES) return undefined;
  const view = viewOf(trailer);
  if (
    view.getBigUint64(0, true) !== MAGIC_TRAILER ||
    view.getBigUint64(TRAILER_SUMMED_BYTES, true) !== sum(trailer.subarray(0, TRAILER_SUMMED_BYTES), salt)
  ) return undefined;
  if (!areSafe(view, [8]) || view.getBigUint64(16, true) > 2n ** 53n) return undefined;
  const lowest = view.getBigUint64(32, true);
  if (lowest !== U64_ONES && !areSafe(view, [32])) return undefined;
  return {
    footerOffset: safe(view, 8),
    firstIndex: safe(view, 16),
    count: view.getUint32(24, true),
    runs: view.getUint32(28, true),
    lowestTruncated: lowest === U64_ONES ? Infinity : Number(lowest),
    runsSum: view.getBigUint64(40, true),
    offsetsSum: view.getBigUint64(48, true),
  };
}

/**
 * Reads the runs of a footer.
 *
 * @param bytes The runs, 16 bytes each.
 * @param trailer What the trailer says.
 * @returns First index and term of each; `undefined` if they do not run through the entries that the trailer counts.
 */
export function decodeRuns(bytes: Uint8Array, { firstIndex, count }: Trailer): [Index, Term][] | undefined {
  const view = viewOf(bytes);
  const runs: [Index, Term][] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const expected = runs.length === 0 ? firstIndex : runs.at(-1)![0] + 1;
    const index = safe(view, at);
    if (index < expected || (at === 0 && index > expected) || index >= firstIndex + count) return undefined;
    if (!isTerm(view, at + 8)) return undefined;
    runs.push([index, getTerm(view, at + 8)]);
  }
  return (runs.length === 0) === (count === 0) ? runs : undefined;
}
