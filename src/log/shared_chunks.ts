/**
 * Chunks of entries that followers of a log share. Followers at the end of a log want the same entries at the same time.
 * The first one that asks reads them, and the others get the same objects in the same turn of the event loop. After that,
 * only followers keep the entries in memory.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import type { Index, LogEntry } from "../api/types.ts";
import type { EntryReader } from "./reader.ts";
import type { Truncations } from "./truncations.ts";

/** The number of recent chunks to look at: followers can be at different places. */
const CHUNKS_MAX = 4;

/** Entries that were read together. */
interface Chunk {
  readonly entries: readonly LogEntry[];
  readonly first: Index;
  readonly count: number;
  /** The bound that they were read with. */
  readonly maxBytes: number;
  /** The number of truncations when they were read. */
  readonly truncations: number;
}

/** Reads entries, and shares them. */
export class SharedChunks {
  private readonly reader: EntryReader;
  private readonly truncations: Truncations;
  private recent: readonly Chunk[] = [];
  private isClearing = false;

  /**
   * @param reader Reads the entries.
   * @param truncations The log's truncations.
   */
  constructor(reader: EntryReader, truncations: Truncations) {
    this.reader = reader;
    this.truncations = truncations;
  }

  /**
   * Reads entries in order, up to a damaged one.
   *
   * @param from The first index, of the log and above its snapshot.
   * @param to The last index, inclusive.
   * @param maxBytes The most bytes of commands. The first entry is returned even if it is larger.
   * @returns The entries, at least one. Other callers can have the same objects.
   * @throws {WalLogError} As `EntryReader.entry`.
   */
  read(from: Index, to: Index, maxBytes: number): readonly LogEntry[] {
    for (const chunk of this.recent) {
      const at = from - chunk.first;
      if (at < 0 || at >= chunk.count || chunk.maxBytes !== maxBytes) continue;
      if (chunk.truncations !== this.truncations.count) continue;
      return at === 0 ? chunk.entries : chunk.entries.slice(at);
    }
    // Followers often read just the entry that was written last. A single read is faster for that.
    const entries = from === to ? [this.reader.entry(from)] : this.reader.entriesAhead(from, to, maxBytes);
    const chunk = {
      entries,
      first: from,
      count: entries.length,
      maxBytes,
      truncations: this.truncations.count,
    };
    this.recent = [chunk, ...this.recent.slice(0, CHUNKS_MAX - 1)];
    this.clearLater();
    return entries;
  }

  /**
   * Forgets the chunks in the next turn. A `WeakRef` would not do: its target stays in memory until the turn ends, and a
   * follower that catches up reads a whole log in one turn.
   */
  private clearLater(): void {
    if (this.isClearing) return;
    this.isClearing = true;
    setImmediate(() => {
      this.isClearing = false;
      this.recent = [];
    });
  }
}
