/**
 * Searches a log by term. Terms never decrease along a log, so a binary search needs only a few reads.
 *
 * @module
 */

import type { Index, RaftLog, Term } from "../api/types.ts";

/**
 * Finds the first entry of a term or a later one.
 *
 * @param log The log.
 * @param low The first index to search: at or above the snapshot's index.
 * @param high The last index to search: at or below the log's last index.
 * @param term The term.
 * @returns Its index; `high + 1` if all entries have earlier terms.
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
