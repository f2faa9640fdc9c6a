/**
 * A log in memory.
 *
 * @module
 */

import { copyEntry, copySnapshot, MemorySnapshotSource, MemorySnapshotTarget } from "./memory_snapshot.ts";
import { type Retention, Retentions, type RetentionState } from "./retention.ts";
import { keptMeta, takeCompactOptions, takeEntries, takeHardState, takeSnapshot, takeSnapshotMeta } from "./taken.ts";
import type {
  CompactOptions,
  EntriesOptions,
  HardState,
  Index,
  LogEntry,
  NewEntry,
  NewSnapshot,
  RaftLog,
  Snapshot,
  SnapshotMeta,
  SnapshotSource,
  SnapshotTarget,
  Term,
} from "./types.ts";
import {
  checkAppend,
  checkHardState,
  checkMaxBytes,
  checkReadIndex,
  checkTruncate,
  ENTRY_BYTES_MAX_DEFAULT,
} from "./validate.ts";
import { checkCompact, checkSnapshot, checkSnapshotMeta } from "./validate_snapshot.ts";

/**
 * A Raft log in memory. **It is not durable**: its contents end with the process, and {@link MemoryLog.sync} does
 * nothing. It is for tests and examples, and is the model of every other log: it accepts, refuses and returns exactly
 * the same as `WalLog` with default options.
 *
 * @example
 * ```ts
 * import { MemoryLog } from "@wallog/wallog";
 * import assert from "node:assert/strict";
 *
 * const log = new MemoryLog();
 * log.setHardState({ term: 1, votedFor: 7n });
 * log.append([
 *   { term: 1, index: 1, kind: "config", command: new Uint8Array() },
 *   { term: 1, index: 2, kind: "normal", command: new TextEncoder().encode("x = 1") },
 * ]);
 * assert.equal(await log.sync(), 2);
 * assert.equal(new TextDecoder().decode(log.entry(2)?.command), "x = 1");
 *
 * log.compact(1, { config: [7n], data: new TextEncoder().encode("{}") });
 * assert.equal(log.entry(1), undefined);
 * assert.equal(log.lastIndex, 2);
 * ```
 */
export class MemoryLog implements RaftLog {
  /** The largest command that {@link MemoryLog.append} accepts, in bytes: 64 MiB. */
  readonly maxEntryBytes: number = ENTRY_BYTES_MAX_DEFAULT;
  /** The entries that can be read: the entry at index `i` is element `i - #first`. */
  #entries: LogEntry[] = [];
  #first: Index = 1;
  /** Term of the entry before the first. */
  #termBefore: Term = 0;
  readonly #retentions: Retentions = new Retentions();
  #snapshot: Snapshot | undefined;
  #hardState: HardState = Object.freeze({ term: 0, votedFor: null });

  /** Makes an empty log. */
  constructor() {
    this.#retentions.onRise = () => this.#drop();
  }

  /** Index of the last entry, or of the snapshot if no entry follows it; 0 if there is neither. */
  get lastIndex(): Index {
    return this.#first + this.#entries.length - 1;
  }

  /** Term at {@link MemoryLog.lastIndex}; 0 if the log is empty. */
  get lastTerm(): Term {
    return this.#entries.at(-1)?.term ?? this.#snapshot?.term ?? 0;
  }

  /** Index of the snapshot; 0 if there is none. */
  get snapshotIndex(): Index {
    return this.#snapshot?.index ?? 0;
  }

  /**
   * The lowest index with a readable entry: {@link MemoryLog.snapshotIndex} + 1, or lower while a retention holds
   * entries back. Above {@link MemoryLog.lastIndex} if there are no entries.
   */
  get firstIndex(): Index {
    return Math.min(this.#retentions.lowest, this.snapshotIndex + 1);
  }

  /** The current retentions. */
  get retentions(): readonly RetentionState[] {
    return this.#retentions.list();
  }

  /** The last hard state that was set; term 0 and no vote if none was. Frozen. */
  get hardState(): HardState {
    return this.#hardState;
  }

  /**
   * The term of the entry at an index.
   *
   * @param index Any index; 0 stands for "before the first entry".
   * @returns 0 at index 0 of a log from which nothing is compacted away, the snapshot's term at
   * {@link MemoryLog.snapshotIndex}, `undefined` below {@link MemoryLog.firstIndex} - 1 or above
   * {@link MemoryLog.lastIndex}.
   * @throws {WalLogError} `INVALID_ARGUMENT` for anything but a safe integer of 0 or more.
   */
  termAt(index: Index): Term | undefined {
    checkReadIndex(index);
    if (index === this.snapshotIndex) return this.#snapshot?.term ?? 0;
    if (index === this.#first - 1) return this.#termBefore;
    return this.#at(index)?.term;
  }

  /**
   * A copy of the entry at an index.
   *
   * @param index The index to read.
   * @returns The entry, or `undefined` if the log has none there (compacted away, or not written yet).
   * @throws {WalLogError} `INVALID_ARGUMENT` for anything but a safe integer of 0 or more.
   */
  entry(index: Index): LogEntry | undefined {
    checkReadIndex(index);
    const entry = this.#at(index);
    return entry === undefined ? undefined : copyEntry(entry);
  }

  /**
   * Copies of the entries of a range.
   *
   * @param from The first index wanted; clipped to the first existing entry.
   * @param to The last index wanted, inclusive; clipped to {@link MemoryLog.lastIndex}.
   * @param options A bound on the bytes returned.
   * @returns The entries in order; empty if the range holds none, or if `from` is above `to`.
   * @throws {WalLogError} `INVALID_ARGUMENT` for an end that is not a safe integer of 0 or more, or a bound
   * that is not a number of 0 or more.
   */
  entries(from: Index, to: Index, options?: EntriesOptions): LogEntry[] {
    checkReadIndex(from);
    checkReadIndex(to);
    const maxBytes = checkMaxBytes(options);
    const first = this.#first;
    const end = Math.min(to, this.lastIndex) - first + 1;
    const found: LogEntry[] = [];
    let bytes = 0;
    for (let i = Math.max(from, first) - first; i < end; i++) {
      const entry = this.#entries[i] as LogEntry;
      bytes += entry.command.byteLength;
      if (bytes > maxBytes && found.length > 0) break;
      found.push(copyEntry(entry));
    }
    return found;
  }

  /** The bytes of all commands above an index. See {@link RaftLog.bytesAfter}. */
  bytesAfter(index: Index): number {
    checkReadIndex(index);
    const after = this.#entries.slice(Math.max(index + 1 - this.#first, 0));
    return after.reduce((sum, { command }) => sum + command.byteLength, 0);
  }

  /**
   * A copy of the latest snapshot.
   *
   * @returns The snapshot, or `undefined` if there is none.
   */
  snapshot(): Snapshot | undefined {
    return this.#snapshot === undefined ? undefined : copySnapshot(this.#snapshot);
  }

  /**
   * Opens a copy of the latest snapshot, to read it a part at a time.
   *
   * @returns The snapshot, or `undefined` if there is none.
   */
  openSnapshotSource(): SnapshotSource | undefined {
    const snapshot = this.snapshot();
    return snapshot === undefined ? undefined : new MemorySnapshotSource(snapshot);
  }

  /**
   * Begins a snapshot that is written a piece at a time.
   *
   * @param meta The snapshot's index, term, configuration and meta.
   * @returns The target for its data. It is installed as with {@link MemoryLog.applySnapshot}.
   * @throws {WalLogError} `INVALID_ARGUMENT`.
   */
  createSnapshotTarget(meta: SnapshotMeta): SnapshotTarget {
    const taken = takeSnapshotMeta(meta);
    checkSnapshotMeta(taken, "create a snapshot");
    return new MemorySnapshotTarget(taken, (snapshot) => this.applySnapshot(snapshot));
  }

  /**
   * Adds copies of entries at the end of the log. An empty list changes nothing.
   *
   * @param entries Contiguous entries; the first at `lastIndex + 1`.
   * @throws {WalLogError} `NOT_CONTIGUOUS` for a gap or an overlap, `ENTRY_TOO_LARGE` for a command of more than 64
   * MiB, `INVALID_ARGUMENT` for anything else that is not an entry, or for a term below the one before it. The log is
   * unchanged then.
   */
  append(entries: readonly NewEntry[]): void {
    const taken = takeEntries(entries);
    checkAppend(taken, this.lastIndex, this.lastTerm, this.maxEntryBytes);
    // Make all copies first. If memory runs out, no entry was added.
    const copies = taken.map(copyEntry);
    for (const entry of copies) this.#entries.push(entry);
  }

  /**
   * Drops every entry at or above an index. Above {@link MemoryLog.lastIndex} it changes nothing.
   *
   * @param from The first index to drop.
   * @throws {WalLogError} `COMPACTED` at or below {@link MemoryLog.snapshotIndex}, `INVALID_ARGUMENT` for anything but
   * a safe integer of 1 or more. The log is unchanged then.
   */
  truncate(from: Index): void {
    checkTruncate(from, this.snapshotIndex);
    if (from > this.lastIndex) return;
    this.#entries.length = from - this.#first;
    this.#retentions.truncated(from);
  }

  /**
   * Replaces the hard state. The caller must ensure that the term never decreases.
   *
   * @param state The term and the vote.
   * @throws {WalLogError} `INVALID_ARGUMENT` for a term that is not a safe integer of 0 or more, or a vote that is
   * neither `null` nor an unsigned 64-bit number.
   */
  setHardState(state: HardState): void {
    const taken = takeHardState(state);
    checkHardState(taken);
    this.#hardState = Object.freeze(taken);
  }

  /**
   * Installs a copy of a leader's snapshot and drops the entries that it replaces. A snapshot at or below {@link
   * MemoryLog.snapshotIndex} is stale and changes nothing. If the log has an entry of the same term at the snapshot's
   * index, the entries above stay; otherwise the log is cleared and continues after the snapshot.
   *
   * @param snapshot The snapshot with its data.
   * @throws {WalLogError} `INVALID_ARGUMENT` for anything that is not a snapshot, stale or not.
   */
  applySnapshot(snapshot: NewSnapshot): void {
    const taken = takeSnapshot(snapshot);
    checkSnapshot(taken);
    const { index, term } = taken;
    if (index <= this.snapshotIndex) return;
    this.#install(copySnapshot(taken), this.#at(index)?.term === term);
  }

  /**
   * Installs a snapshot of the node's own: drops the entries through an index and keeps all entries above it. At or
   * below {@link MemoryLog.snapshotIndex} it changes nothing.
   *
   * @param through The last index to drop, and the snapshot's index. The snapshot gets the term that the log has there.
   * @param options The snapshot's data, configuration and meta; the log copies them. Give `config` if the entries to drop
   * change the cluster.
   * @throws {WalLogError} `INVALID_ARGUMENT` for an index above {@link MemoryLog.lastIndex}, for anything but a safe
   * integer of 0 or more, or for invalid options. The log is unchanged then.
   */
  compact(through: Index, options: CompactOptions = {}): void {
    const taken = takeCompactOptions(options);
    checkCompact(through, taken, this.lastIndex);
    if (through <= this.snapshotIndex) return;
    const { data = new Uint8Array(0) } = taken;
    const { term } = this.#at(through)!;
    this.#install(copySnapshot({ index: through, term, ...keptMeta(taken, () => this.#snapshot), data }), true);
  }

  /**
   * Holds compaction back: entries from an index on stay readable until the retention moves up or is released, even if
   * a snapshot covers them. A snapshot that clears the log discards them anyway.
   *
   * @param name Name of the retention: 1 to 255 characters, not in use by another retention.
   * @param from The lowest index needed. It may be above {@link MemoryLog.lastIndex}.
   * @returns The retention.
   * @throws {WalLogError} `COMPACTED` below {@link MemoryLog.firstIndex}, with that index as `index`;
   * `INVALID_ARGUMENT`.
   */
  retain(name: string, from: Index): Retention {
    return this.#retentions.retain(name, from, this.firstIndex);
  }

  /**
   * Replaces the entries through a snapshot's index, except retained ones. Drops the entries above too, unless they are
   * to stay.
   */
  #install(snapshot: Snapshot, keepsTail: boolean): void {
    if (!keepsTail) {
      this.#entries = [];
      this.#first = snapshot.index + 1;
      this.#termBefore = snapshot.term;
      this.#retentions.cleared(snapshot.index);
    }
    this.#snapshot = snapshot;
    this.#drop();
  }

  /** Drops the entries that the snapshot covers and no retention holds back. */
  #drop(): void {
    const { firstIndex } = this;
    if (firstIndex === this.#first) return;
    this.#termBefore = this.termAt(firstIndex - 1)!;
    this.#entries = this.#entries.slice(firstIndex - this.#first);
    this.#first = firstIndex;
  }

  /**
   * Resolves at once, because there is no disk.
   *
   * @returns The last index.
   */
  sync(): Promise<Index> {
    return Promise.resolve(this.lastIndex);
  }

  /** Returns the last index at once, because there is no disk. */
  syncSync(): Index {
    return this.lastIndex;
  }

  /** The entry at an index, not copied; `undefined` if there is none. */
  #at(index: Index): LogEntry | undefined {
    return this.#entries[index - this.#first];
  }
}
