/**
 * Checkpoints: frames that repeat the state of the log, and state the lowest indexes dropped before them.
 *
 * ```text
 * Payload
 *   0  64 bytes state of the log at the checkpoint
 *  64  u64 wall clock at the time of writing, in milliseconds since 1970. It can go back
 *  72  u64 distance in LSN back to the previous checkpoint, or to the segment's first frame
 *  80  u64 lowest index dropped since
 *  88  u64 distance in LSN back to the checkpoint before that one, or to the segment's first frame
 *  96  u64 lowest index dropped since
 * 104  u64 distance in LSN back to the segment's first frame
 * 112  u64 lowest index dropped since
 * ```
 *
 * A truncation drops the entries from an index on. A snapshot that clears the log drops all entries. "Lowest index
 * dropped" is all ones if nothing was dropped, and 0 if the index is unknown.
 *
 * @module
 */

import type { Index } from "../api/types.ts";
import { FRAME_HEADER_BYTES } from "./frame.ts";
import { safe, setSafe, U64_ONES, viewOf } from "./numbers.ts";
import { decodeState, encodeState, type LogState } from "./state.ts";

/** Size of a checkpoint's payload, in bytes. */
export const CHECKPOINT_PAYLOAD_BYTES = 120;
/** Size of a checkpoint's frame, in bytes. */
export const CHECKPOINT_BYTES = FRAME_HEADER_BYTES + CHECKPOINT_PAYLOAD_BYTES;

/**
 * The zeros that a writer puts after the checkpoint of a clean close, in bytes. The checkpoint proves a clean close
 * only at the end of the file, so the log no longer looks closed.
 */
export const OPEN_BYTES = 8;

const CLOCK_OFFSET = 64;
const DROPS_OFFSET = 72;
const DROP_BYTES = 16;
const DROPS = 3;

/** The lowest index dropped since a position. */
export interface Dropped {
  /** The position, an LSN. */
  readonly since: number;
  /** The lowest index dropped since; `Infinity` if nothing was dropped, 0 if unknown. */
  readonly lowest: Index;
}

/** The contents of a checkpoint. */
export interface Checkpoint {
  /** The state of the log at the checkpoint. */
  readonly state: LogState;
  /** The wall clock, in milliseconds since 1970. */
  readonly milliseconds: number;
  /** Dropped indexes: since the previous checkpoint, since the one before that, and since the segment's first frame. */
  readonly dropped: readonly Dropped[];
}

/**
 * Makes the payload of a checkpoint.
 *
 * @param checkpoint The contents.
 * @param lsn The LSN of its frame.
 * @returns 120 bytes.
 */
export function encodeCheckpoint({ state, milliseconds, dropped }: Checkpoint, lsn: number): Uint8Array {
  const payload = new Uint8Array(CHECKPOINT_PAYLOAD_BYTES);
  const view = viewOf(payload);
  encodeState(view, 0, state);
  setSafe(view, CLOCK_OFFSET, milliseconds);
  dropped.forEach(({ since, lowest }, i) => {
    setSafe(view, DROPS_OFFSET + i * DROP_BYTES, lsn - since);
    setDropped(view, DROPS_OFFSET + i * DROP_BYTES + 8, lowest);
  });
  return payload;
}

/**
 * Reads the payload of a checkpoint.
 *
 * @param payload The complete payload.
 * @param lsn The LSN of its frame.
 * @returns The contents; `undefined` if no writer would store such numbers.
 */
export function decodeCheckpoint(payload: Uint8Array, lsn: number): Checkpoint | undefined {
  if (payload.length !== CHECKPOINT_PAYLOAD_BYTES) return undefined;
  const view = viewOf(payload);
  const state = decodeState(view, 0);
  if (state === undefined) return undefined;
  const dropped = Array.from({ length: DROPS }, (_, i) => {
    const at = DROPS_OFFSET + i * DROP_BYTES;
    return { since: lsn - safe(view, at), lowest: getDropped(view, at + 8) };
  });
  return { state, milliseconds: safe(view, CLOCK_OFFSET), dropped };
}

/** Stores the lowest index dropped. */
export function setDropped(view: DataView, at: number, lowest: Index): void {
  if (lowest === Infinity) view.setBigUint64(at, U64_ONES, true);
  else setSafe(view, at, lowest);
}

/** Reads the lowest index dropped. */
export function getDropped(view: DataView, at: number): Index {
  const wide = view.getBigUint64(at, true);
  // A number that is not a valid index counts as unknown.
  return wide === U64_ONES ? Infinity : wide < 2n ** 53n ? Number(wide) : 0;
}

/**
 * Finds the nearest position that reaches back to a gap.
 *
 * @param dropped The dropped indexes, nearest position first.
 * @param lsn The LSN at which the gap begins.
 * @returns The lowest index that may have been dropped since; `undefined` if no position reaches the gap.
 */
export function lowestDroppedSince(dropped: readonly Dropped[], lsn: number): Index | undefined {
  return dropped.find(({ since }) => since <= lsn)?.lowest;
}
