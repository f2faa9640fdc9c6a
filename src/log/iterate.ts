/**
 * Walking through a log of any size while it is written.
 *
 * @module
 */

import type { Durability } from "../write/durability.ts";
import { WalLogError } from "../api/errors.ts";
import type { LiveState } from "./live_state.ts";
import type { EntryReader } from "./reader.ts";
import type { Index, LogEntry, Term } from "../api/types.ts";

/** What is read at once. In bytes of commands. */
const ITERATE_BYTES = 256 * 1024;
/** The same in entries, of which those without a command count for nothing in bytes. */
const ITERATE_ENTRIES_MAX = 4096;

/**
 * Goes through entries in order, a chunk at a time, as they are there when they are reached.
 *
 * @param reader What reads them.
 * @param state What the log holds in memory.
 * @param durability Whether the log is open.
 * @param from The first index.
 * @param to The last index, inclusive.
 * @returns The entries.
 * @throws {WalLogError} `COMPACTED`, at once or when a snapshot overtakes the iteration; `NOT_CONTIGUOUS`; `CLOSED`.
 */
export function iterateEntries(
  reader: EntryReader,
  state: LiveState,
  durability: Durability,
  from: Index,
  to: Index,
): IterableIterator<LogEntry> {
  requireNotCompacted(state, from);
  return walk(reader, state, durability, from, to);
}

function* walk(
  reader: EntryReader,
  state: LiveState,
  durability: Durability,
  from: Index,
  to: Index,
): Generator<LogEntry, undefined> {
  let previous: Term | undefined;
  for (let next = from; next <= Math.min(to, state.lastIndex);) {
    durability.requireOpen("read");
    requireNotCompacted(state, next);
    requireSame(state, next - 1, previous);
    const last = Math.min(to, state.lastIndex, next + ITERATE_ENTRIES_MAX - 1);
    const { count } = state.truncations;
    for (const entry of reader.entriesAhead(next, last, ITERATE_BYTES)) {
      previous = entry.term;
      next++;
      yield entry;
      // What was read ahead may have been dropped since.
      if (durability.isClosed || state.truncations.count !== count) break;
    }
  }
}

/** Refuses to go on behind an entry that is another one by now: entries with the same index and term are the same. */
function requireSame({ index: log, path }: LiveState, index: Index, term: Term | undefined): void {
  if (term === undefined || index <= log.snapshotIndex || log.termAt(index) === term) return;
  throw new WalLogError(
    "NOT_CONTIGUOUS",
    `Cannot go on iterating behind index ${index}: the entry there, of term ${term}, was truncated and replaced`,
    { path },
  );
}

function requireNotCompacted({ index: { firstIndex, snapshotIndex }, path }: LiveState, index: Index): void {
  if (index >= firstIndex) return;
  throw new WalLogError(
    "COMPACTED",
    `Cannot iterate from index ${index}: the snapshot at index ${snapshotIndex} replaced it`,
    { path, index: firstIndex },
  );
}
