/**
 * Checkpoints: frames that repeat the state of the log.
 *
 * @module
 */

import type { Index, Term } from "../types.ts";
import { FRAME_HEADER_BYTES } from "./frame.ts";
import { getTerm, safe, setTerm, viewOf } from "./numbers.ts";
import type { LogState } from "./state.ts";

/** Payload of a checkpoint that repeats the log's state, and offsets in it. */
export const CHECKPOINT_STATE_BYTES = 32;
export const CHECKPOINT_HARD_TERM = 0;
export const CHECKPOINT_HARD_VOTE = 8;
export const CHECKPOINT_SNAPSHOT_INDEX = 16;
export const CHECKPOINT_SNAPSHOT_TERM = 24;
/** Size of such a checkpoint. */
export const CHECKPOINT_BYTES = FRAME_HEADER_BYTES + CHECKPOINT_STATE_BYTES;

/**
 * Makes the payload of a checkpoint.
 *
 * @param state The log's state.
 * @returns What the checkpoint's header has no room for.
 */
export function encodeCheckpoint(state: LogState): Uint8Array {
  const payload = new Uint8Array(CHECKPOINT_STATE_BYTES);
  const view = viewOf(payload);
  view.setBigUint64(CHECKPOINT_HARD_TERM, BigInt(state.hardState.term), true);
  view.setBigUint64(CHECKPOINT_HARD_VOTE, state.hardState.votedFor ?? 0n, true);
  view.setBigUint64(CHECKPOINT_SNAPSHOT_INDEX, BigInt(state.snapshotIndex), true);
  setTerm(view, CHECKPOINT_SNAPSHOT_TERM, state.snapshotTerm);
  return payload;
}

/**
 * Reads which snapshot a checkpoint says that the log has.
 *
 * @param payload The checkpoint's payload, whole.
 * @returns Index and term.
 */
export function decodeCheckpointSnapshot(payload: Uint8Array): { readonly index: Index; readonly term: Term } {
  const view = viewOf(payload);
  return { index: safe(view, CHECKPOINT_SNAPSHOT_INDEX), term: getTerm(view, CHECKPOINT_SNAPSHOT_TERM) };
}
