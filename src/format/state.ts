/**
 * The log's state at a position. Segment headers, durable slots and checkpoints all store it in this form.
 *
 * ```text
 *  0  u32 flags: 1 there is a vote; 2 a later hard state was lost; 4 entries from the next index on were lost;
 *         8 a truncation or a snapshot was lost
 *  4  u32 zero
 *  8  u64 changes: truncations, snapshots and hard states so far
 * 16  u64 next index, at most 2^53
 * 24  u64 term of the last entry, or of the snapshot if no entry follows it; all ones: unknown
 * 32  u64 hard state's term
 * 40  u64 hard state's vote
 * 48  u64 snapshot's index, 0 if there is none
 * 56  u64 snapshot's term, all ones: unknown
 * ```
 *
 * @module
 */

import type { HardState, Index, Term } from "../api/types.ts";
import { areSafe, getTerm, isTerm, safe, setSafe, setTerm } from "./numbers.ts";

/** The state of the log at some position. */
export interface LogState {
  readonly nextIndex: Index;
  readonly lastTerm: Term;
  readonly hardState: HardState;
  /** Whether a later hard state was lost, so that this one must not be trusted. */
  readonly hardStateLost: boolean;
  /** Whether an unknown number of entries from the next index on was lost, and no hard state was set after that. */
  readonly tailLost: boolean;
  readonly snapshotIndex: Index;
  readonly snapshotTerm: Term;
  /** Whether a truncation or a snapshot was lost, and no later frame has shown the log's snapshot. */
  readonly replacementsLost: boolean;
  /** The number of truncations, snapshots and hard states so far. */
  readonly changes: number;
}

/** The state of an empty log. */
export const EMPTY_STATE: LogState = {
  nextIndex: 1,
  lastTerm: 0,
  hardState: { term: 0, votedFor: null },
  hardStateLost: false,
  tailLost: false,
  snapshotIndex: 0,
  snapshotTerm: 0,
  replacementsLost: false,
  changes: 0,
};

/** Bytes of a stored state. */
export const STATE_BYTES = 64;

/** Offsets in a stored state. */
export const STATE_FLAGS = 0;
export const STATE_CHANGES = 8;
export const STATE_NEXT_INDEX = 16;
export const STATE_LAST_TERM = 24;
export const STATE_HARD_TERM = 32;
export const STATE_HARD_VOTE = 40;
export const STATE_SNAPSHOT_INDEX = 48;
export const STATE_SNAPSHOT_TERM = 56;

/** Flags of a stored state. */
export const STATE_FLAG_VOTE = 1;
export const STATE_FLAG_HARD_STATE_LOST = 2;
export const STATE_FLAG_TAIL_LOST = 4;
export const STATE_FLAG_REPLACEMENTS_LOST = 8;

/**
 * Stores a state.
 *
 * @param view The view to write to.
 * @param at Offset in the view.
 * @param state The state.
 */
export function encodeState(view: DataView, at: number, state: LogState): void {
  const { hardState } = state;
  const flags = (hardState.votedFor === null ? 0 : STATE_FLAG_VOTE) |
    (state.hardStateLost ? STATE_FLAG_HARD_STATE_LOST : 0) |
    (state.tailLost ? STATE_FLAG_TAIL_LOST : 0) |
    (state.replacementsLost ? STATE_FLAG_REPLACEMENTS_LOST : 0);
  view.setUint32(at + STATE_FLAGS, flags, true);
  setSafe(view, at + STATE_CHANGES, state.changes);
  setSafe(view, at + STATE_NEXT_INDEX, state.nextIndex);
  setTerm(view, at + STATE_LAST_TERM, state.lastTerm);
  setSafe(view, at + STATE_HARD_TERM, hardState.term);
  view.setBigUint64(at + STATE_HARD_VOTE, hardState.votedFor ?? 0n, true);
  setSafe(view, at + STATE_SNAPSHOT_INDEX, state.snapshotIndex);
  setTerm(view, at + STATE_SNAPSHOT_TERM, state.snapshotTerm);
}

/**
 * Reads a stored state.
 *
 * @param view The view to read from.
 * @param at Offset in the view.
 * @returns The state; `undefined` if no writer would store such numbers.
 */
export function decodeState(view: DataView, at: number): LogState | undefined {
  const flags = view.getUint32(at + STATE_FLAGS, true);
  if (!areSafe(view, [at + STATE_CHANGES, at + STATE_HARD_TERM, at + STATE_SNAPSHOT_INDEX])) return undefined;
  // The next index can be one more than the highest possible index.
  if (!areSafe(view, [at + STATE_NEXT_INDEX], 2n ** 53n + 1n)) return undefined;
  if (!isTerm(view, at + STATE_LAST_TERM) || !isTerm(view, at + STATE_SNAPSHOT_TERM)) return undefined;
  if (safe(view, at + STATE_NEXT_INDEX) <= safe(view, at + STATE_SNAPSHOT_INDEX)) return undefined;
  return {
    nextIndex: safe(view, at + STATE_NEXT_INDEX),
    lastTerm: getTerm(view, at + STATE_LAST_TERM),
    hardState: {
      term: safe(view, at + STATE_HARD_TERM),
      votedFor: (flags & STATE_FLAG_VOTE) === 0 ? null : view.getBigUint64(at + STATE_HARD_VOTE, true),
    },
    hardStateLost: (flags & STATE_FLAG_HARD_STATE_LOST) !== 0,
    tailLost: (flags & STATE_FLAG_TAIL_LOST) !== 0,
    snapshotIndex: safe(view, at + STATE_SNAPSHOT_INDEX),
    snapshotTerm: getTerm(view, at + STATE_SNAPSHOT_TERM),
    replacementsLost: (flags & STATE_FLAG_REPLACEMENTS_LOST) !== 0,
    changes: safe(view, at + STATE_CHANGES),
  };
}
