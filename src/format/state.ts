/**
 * The log's state at a position.
 *
 * @module
 */

import type { HardState, Index, Term } from "../types.ts";

/** Replacements are counted modulo this. */
export const REPLACEMENTS_END = 65536;

/** Term of an entry whose header is lost; in a segment header, all ones. */
export const TERM_UNKNOWN = -1;

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
