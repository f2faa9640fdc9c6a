/**
 * The header block of a segment.
 *
 * @module
 */

import type { Index } from "../types.ts";
import { isBorder } from "./lsn.ts";
import { areSafe, type Checksum, getTerm, isTerm, safe, setTerm, viewOf } from "./numbers.ts";
import { type LogState, REPLACEMENTS_END } from "./state.ts";
import { SEGMENT_NUMBER_END } from "./segment_name.ts";

/** Size of a segment's header block. Frames begin behind it. */
export const SEGMENT_HEADER_BYTES = 4096;
/** Offset of the header's second copy. */
export const HEADER_COPY_OFFSET = 2048;
/** The format that this library writes, and the newest that it reads. */
export const FORMAT_VERSION = 1;

const SECTOR_BYTES = 512;
const HEADER_SUMMED_BYTES = 136;
const MAGIC_SEGMENT = 0x4753474f4c4c4157n; // "WALLOGSG"
const STATE_VOTE = 1;
const STATE_LOST = 2;
const STATE_TAIL_LOST = 4;
const STATE_REPLACEMENTS_LOST = 8;

/** What a segment's header says. */
export interface SegmentHeader {
  readonly uuid: Uint8Array;
  readonly number: number;
  readonly baseLsn: number;
  readonly salt: bigint;
  readonly previous: number;
  readonly previousChecksum: number;
  readonly state: LogState;
  readonly provenLsn: number;
  readonly floor: Index;
}

/**
 * Makes the header block of a new segment, with an empty next-segment pointer.
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
  view.setUint32(64, header.previousChecksum, true);
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
    previousChecksum: view.getUint32(64, true),
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
