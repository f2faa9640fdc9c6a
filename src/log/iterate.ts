/**
 * Iterates over a log of any size while it is written.
 *
 * @module
 */

import type { Durability } from "../write/durability.ts";
import { WalLogError } from "../api/errors.ts";
import { EntryList, type EntrySink } from "./entry_groups.ts";
import type { LiveState } from "./live_state.ts";
import type { EntryReader } from "./reader.ts";
import type { Index, LogEntry, Term } from "../api/types.ts";

/** The amount to read at once, in bytes of commands. */
const ITERATE_BYTES = 256 * 1024;
/** The most entries to read at once: entries without a command add no bytes. */
const ITERATE_ENTRIES_MAX = 4096;

/** A way through the entries of a log, in order, a chunk at a time. It meets each entry as the log has it then. */
export class EntryWalk {
  private readonly reader: EntryReader;
  private readonly state: LiveState;
  private readonly durability: Durability;
  private readonly to: Index;
  /** The next index, and the term of the entry before it. */
  private next: Index;
  private previous: Term | undefined;
  /** The number of truncations when the chunk was read. */
  private truncations = 0;

  /**
   * @param reader Reads the entries.
   * @param state The log's state in memory.
   * @param durability Whether the log is open.
   * @param from The first index.
   * @param to The last index, inclusive.
   * @throws {WalLogError} `COMPACTED`.
   */
  constructor(reader: EntryReader, state: LiveState, durability: Durability, from: Index, to: Index) {
    this.reader = reader;
    this.state = state;
    this.durability = durability;
    this.next = from;
    this.to = to;
    requireNotCompacted(state, from);
  }

  /**
   * Reads the next entries. The caller calls {@link EntryWalk.pass} for each of them before it yields it.
   *
   * @param sink Receives the entries, up to a damaged one.
   * @returns Whether there are any. If not, the walk is at its end.
   * @throws {WalLogError} `COMPACTED` if a snapshot has overtaken the walk; `NOT_CONTIGUOUS` if the last entry was
   * replaced; `DAMAGED_ENTRY` if the next entry is damaged; `IO`; `CLOSED`.
   */
  read(sink: EntrySink): boolean {
    const { state, next } = this;
    const last = Math.min(this.to, state.lastIndex, next + ITERATE_ENTRIES_MAX - 1);
    if (next > last) return false;
    this.durability.requireOpen("read");
    requireNotCompacted(state, next);
    requireSame(state, next - 1, this.previous);
    this.truncations = state.truncations.count;
    this.reader.readAhead(next, last, ITERATE_BYTES, sink);
    return true;
  }

  /** Continues after an entry. */
  pass(index: Index, term: Term): void {
    this.next = index + 1;
    this.previous = term;
  }

  /** Whether entries that were read may have been removed since, so that they must be read again. */
  get isStale(): boolean {
    return this.durability.isClosed || this.state.truncations.count !== this.truncations;
  }
}

/**
 * Iterates over entries in order.
 *
 * @param walk The way through the log.
 * @returns The entries.
 * @throws {WalLogError} As {@link EntryWalk.read}.
 */
export function* iterateEntries(walk: EntryWalk): Generator<LogEntry, undefined> {
  for (let list = new EntryList(); walk.read(list); list = new EntryList()) {
    for (const entry of list.entries) {
      walk.pass(entry.index, entry.term);
      yield entry;
      if (walk.isStale) break;
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
