/**
 * Iterates over a log of any size while it is written.
 *
 * @module
 */

import type { Durability } from "../write/durability.ts";
import { WalLogError } from "../api/errors.ts";
import type { LiveState } from "./live_state.ts";
import type { EntryReader } from "./reader.ts";
import type { Index, LogEntry, Term } from "../api/types.ts";

/** The amount to read at once, in bytes of commands. */
const ITERATE_BYTES = 256 * 1024;
/** The most entries to read at once: entries without a command add no bytes. */
const ITERATE_ENTRIES_MAX = 4096;

/**
 * Iterates over entries in order, a chunk at a time. Each entry is yielded as the log has it when the iteration gets
 * there.
 *
 * @param reader Reads the entries.
 * @param state The log's state in memory.
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
      // The entries that were read ahead may have been removed since.
      if (durability.isClosed || state.truncations.count !== count) break;
    }
  }
}

/** Fails if the last yielded entry was replaced. Entries with the same index and term are the same entry. */
function requireSame({ index: log, path }: LiveState, index: Index, term: Term | undefined): void {
  if (term === undefined || index <= log.snapshotIndex || log.termAt(index) === term) return;
  throw new WalLogError(
    "NOT_CONTIGUOUS",
    `Cannot continue the iteration after index ${index}: its entry of term ${term} was truncated and replaced`,
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
