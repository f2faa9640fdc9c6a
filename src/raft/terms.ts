/**
 * Searching a log by term. Terms never decrease along a log, so a few reads find a place among millions of entries.
 *
 * @module
 */

import type { Index, RaftLog, Term } from "../api/types.ts";

/**
 * Finds the first entry of a term or a later one.
 *
 * @param log The log.
 * @param low Where to begin: at or above the snapshot's index.
 * @param high Where to end, inclusive: at or below the log's last index.
 * @param term The term.
 * @returns Its index; `high + 1` if all are of earlier terms.
 */
export function firstOfTerm(log: RaftLog, low: Index, high: Index, term: Term): Index {
  let end = high + 1;
  while (low < end) {
    const middle = Math.floor((low + end) / 2);
    if (log.termAt(middle)! < term) low = middle + 1;
    else end = middle;
  }
  return end;
}
