/**
 * Durable slots: two sectors in the header block that state how far the log is durable, and its state there. They are
 * far from the frames that they prove, so damage to the end of the log does not destroy the proof.
 *
 * ```text
 *   0  8 bytes "WALLOGDU"
 *   8  u64 LSN: a flush that covered everything below it has returned
 *  16  120 bytes payload of a checkpoint at that LSN
 * 136  u64 XXH3-64 of bytes 0 to 136, seeded with the salt of the segment XOR the slot's own LSN
 * ```
 *
 * A slot is overwritten only after a flush has made the other one durable. So a torn write destroys at most the newer
 * one.
 *
 * @module
 */

import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from "./checkpoint.ts";
import { DURABLE_SLOT_OFFSETS, SECTOR_BYTES } from "./header_block.ts";
import { isSegmentBoundary } from "./lsn.ts";
import { type Checksum, safe, viewOf } from "./numbers.ts";

const CHECKED_BYTES = 136;
const CHECKPOINT_OFFSET = 16;
const MAGIC = 0x5544474f4c4c4157n; // "WALLOGDU"

/** The contents of a durable slot. */
export interface DurableSlot {
  /** Everything below this LSN is durable. */
  readonly lsn: number;
  /** The log's state there. */
  readonly checkpoint: Checkpoint;
}

/** A slot that was read. */
export interface PlacedSlot extends DurableSlot {
  /** Its offset: one of {@link DURABLE_SLOT_OFFSETS}. */
  readonly offset: number;
}

/** The segment of a slot. */
interface Home {
  readonly baseLsn: number;
  readonly salt: bigint;
}

/**
 * Makes a slot.
 *
 * @param slot The contents.
 * @param home The segment's header.
 * @param offset The slot's offset: one of {@link DURABLE_SLOT_OFFSETS}.
 * @param sum The checksum.
 * @returns The sector to write there.
 */
export function encodeDurableSlot(slot: DurableSlot, home: Home, offset: number, sum: Checksum): Uint8Array {
  const sector = new Uint8Array(SECTOR_BYTES);
  const view = viewOf(sector);
  view.setBigUint64(0, MAGIC, true);
  view.setBigUint64(8, BigInt(slot.lsn), true);
  sector.set(encodeCheckpoint(slot.checkpoint, slot.lsn), CHECKPOINT_OFFSET);
  view.setBigUint64(CHECKED_BYTES, sum(sector.subarray(0, CHECKED_BYTES), seed(home, offset)), true);
  return sector;
}

/**
 * Reads the slots of a segment.
 *
 * @param block The header block.
 * @param home The segment's header.
 * @param sum The checksum.
 * @returns The valid slot with the highest LSN; `undefined` if no slot is valid.
 */
export function decodeDurableSlots(
  block: Uint8Array,
  home: Home,
  sum: Checksum,
): PlacedSlot | undefined {
  let highest: PlacedSlot | undefined;
  for (const offset of DURABLE_SLOT_OFFSETS) {
    const slot = decodeSlot(block, home, offset, sum);
    if (slot !== undefined && slot.lsn > (highest?.lsn ?? 0)) highest = { ...slot, offset };
  }
  return highest;
}

function decodeSlot(block: Uint8Array, home: Home, offset: number, sum: Checksum): DurableSlot | undefined {
  const sector = block.subarray(offset, offset + CHECKED_BYTES + 8);
  if (sector.length < CHECKED_BYTES + 8) return undefined;
  const view = viewOf(sector);
  if (
    view.getBigUint64(0, true) !== MAGIC ||
    view.getBigUint64(CHECKED_BYTES, true) !== sum(sector.subarray(0, CHECKED_BYTES), seed(home, offset))
  ) return undefined;
  if (!isSegmentBoundary(view, 8) || safe(view, 8) < home.baseLsn) return undefined;
  const lsn = safe(view, 8);
  const checkpoint = decodeCheckpoint(sector.subarray(CHECKPOINT_OFFSET, CHECKED_BYTES), lsn);
  return checkpoint && { lsn, checkpoint };
}

/** The seed differs for each segment and each offset. */
function seed({ baseLsn, salt }: Home, offset: number): bigint {
  return salt ^ BigInt(baseLsn + offset);
}
