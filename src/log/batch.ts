/**
 * A batch of entries that is about to be appended.
 *
 * @module
 */

import type { TakenEntry } from "../api/taken.ts";
import type { Index, Term } from "../api/types.ts";

/** Checked entries that continue the log. */
export interface Batch {
  /** The number of entries. */
  readonly count: number;
  /** Total bytes of their commands. */
  readonly commandBytes: number;
  /** Terms of the first and the last entry. */
  readonly firstTerm: Term;
  readonly lastTerm: Term;
  /** Changes of the term within the batch: the index and the new term of each. */
  readonly changes: readonly (readonly [Index, Term])[] | undefined;
  /** Address of the batch's frames in the write buffer, and their size in bytes. */
  readonly at: number;
  readonly bytes: number;
  /** The entries themselves, if the buffer is too small for all frames. */
  readonly entries: readonly TakenEntry[] | undefined;
}
