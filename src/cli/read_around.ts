/**
 * Reads the entries of a log, and skips damaged ones.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Index, LogEntry } from "../api/types.ts";
import type { WalLog } from "../api/wal_log.ts";

/** A range of unreadable entries. */
export interface Hole {
  readonly first: Index;
  readonly last: Index;
  readonly reason: string;
}

/** An entry or a hole. */
export type Found = { readonly entry: LogEntry } | { readonly hole: Hole };

/**
 * Reads a range.
 *
 * @param log The log.
 * @param from The first index.
 * @param to The last index, inclusive.
 * @returns The entries and the holes between them, in order.
 */
export function* readAround(log: WalLog, from: Index, to: Index): Generator<Found> {
  for (let next = from; next <= to;) {
    try {
      for (const entry of log.iterate(next, to)) {
        yield { entry };
        next++;
      }
    } catch (error) {
      requireDamage(error);
      // Read the chunk with the hole entry by entry.
      for (let entry = tryEntry(log, next); isEntry(entry); entry = tryEntry(log, next)) {
        yield { entry };
        next++;
      }
      const hole = holeAt(log, next, to);
      yield { hole };
      next = hole.last + 1;
    }
  }
}

function isEntry(found: LogEntry | Error | undefined): found is LogEntry {
  return found !== undefined && "command" in found;
}

function requireDamage(error: unknown): void {
  if (!(error instanceof WalLogError) || error.code !== "DAMAGED_ENTRY") throw error;
}

/** The entry at an index; the error if it is damaged. */
function tryEntry(log: WalLog, index: Index): LogEntry | Error | undefined {
  try {
    return log.entry(index);
  } catch (error) {
    requireDamage(error);
    return error as Error;
  }
}

/** The hole that starts at an index. */
function holeAt(log: WalLog, first: Index, to: Index): Hole {
  let last = first;
  while (last < to && tryEntry(log, last + 1) instanceof Error) last++;
  const known = log.damaged.find(({ firstIndex, lastIndex = Infinity }) =>
    firstIndex !== undefined && firstIndex <= first && first <= lastIndex
  );
  return { first, last, reason: known?.reason ?? "it can no longer be read" };
}
