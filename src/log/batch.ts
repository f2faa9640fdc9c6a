/**
 * A batch of entries that is about to be appended.
 *
 * @module
 */

import type { TakenEntry } from "../api/taken.ts";
import type { Index, Term } from "../api/types.ts";

/** Entries that were checked and follow on the log. */
export interface Batch {
  /** How many there are. */
  readonly count: number;
  /** Bytes of their commands. */
  readonly commandBytes: number;
  /** Terms of the first and of the last of them. */
  readonly firstTerm: Term;
  readonly lastTerm: Term;
  /** Where terms begin in between: the index and the term of each. */
  readonly changes: readonly (readonly [Index, Term])[] | undefined;
  /** Address of their frames in the write buffer, and how many bytes these are. */
  readonly at: number;
  readonly bytes: number;
  /** The entries themselves, where the buffer is too small for all their frames. */
  readonly entries: readonly TakenEntry[] | undefined;
}
