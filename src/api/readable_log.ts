/**
 * The reading half of the durable log.
 *
 * @module
 */

import type { DiskSpace } from "../io/disk_space.ts";
import { EntryWalk, iterateEntries } from "../log/iterate.ts";
import type { LiveState, WalLogStats } from "../log/live_state.ts";
import type { LogIndex } from "../log/log_index.ts";
import { logMetrics } from "../log/log_metrics.ts";
import type { EntryReader } from "../log/reader.ts";
import { ScatteredReader } from "../log/scattered.ts";
import type { SnapshotStore } from "../snapshots/snapshot_store.ts";
import type { Durability } from "../write/durability.ts";
import { knownTerm } from "./known_term.ts";
import { type LogIdentity, showIdentity } from "./log_identity.ts";
import type { LogParts } from "./log_parts.ts";
import { type Lost, lostOf } from "./lost.ts";
import type { Metric } from "./metrics.ts";
import type { Damage, RecoveryReport } from "./report.ts";
import type { RetentionState } from "./retention.ts";
import type {
  EntriesOptions,
  HardState,
  Index,
  LogEntry,
  Snapshot,
  SnapshotMeta,
  SnapshotSource,
  SnapshotStream,
  Term,
} from "./types.ts";
import { checkMaxBytes, checkReadIndex } from "./validate.ts";

/** The reading half of a log, open for writing or read-only. Every `WalLog` is one. */
export abstract class ReadableLog {
  /** The report of opening the log. */
  readonly recovery: RecoveryReport;
  readonly #state: LiveState;
  readonly #index: LogIndex;
  readonly #durability: Durability;
  readonly #reader: EntryReader;
  readonly #scattered: ScatteredReader;
  readonly #snapshots: SnapshotStore;
  readonly #space: DiskSpace;

  /** @internal */
  protected constructor({ opened, state, durability, reader, snapshots, space }: LogParts) {
    this.recovery = opened.report;
    this.#state = state;
    this.#index = state.index;
    this.#durability = durability;
    this.#reader = reader;
    this.#scattered = new ScatteredReader(reader, opened.codec, opened.index, opened.writer);
    this.#snapshots = snapshots;
    this.#space = space;
  }

  /** The log's folder. */
  get path(): string {
    return this.#state.path;
  }

  /** The ids of the log, of its incarnation and of its cluster. Frozen. */
  get identity(): LogIdentity {
    return showIdentity(this.#state.uuid, this.#state.identity);
  }

  /** Index of the last entry, or of the snapshot if no entry follows it; 0 if there is neither. */
  get lastIndex(): Index {
    return this.#index.nextIndex - 1;
  }

  /** Term at {@link ReadableLog.lastIndex}; 0 if the log is empty. */
  get lastTerm(): Term {
    return knownTerm(this.path, this.#index.lastTerm, this.lastIndex);
  }

  /** Index of the snapshot; 0 if there is none. */
  get snapshotIndex(): Index {
    return this.#index.snapshotIndex;
  }

  /**
   * The lowest index with a readable entry: {@link ReadableLog.snapshotIndex} + 1, or lower while a retention
   * holds entries back. Above {@link ReadableLog.lastIndex} if there are no entries.
   */
  get firstIndex(): Index {
    return this.#index.firstIndex;
  }

  /** The current retentions. */
  get retentions(): readonly RetentionState[] {
    return this.#state.retentions.list();
  }

  /** The last hard state that was set; term 0 and no vote if none was. Frozen. */
  get hardState(): HardState {
    return this.#state.hardState;
  }

  /**
   * The last index on stable storage. On a read-only log: the last index that the disk proves to be durable.
   */
  get durableIndex(): Index {
    return this.#durability.durableIndex;
  }

  /**
   * Known damage that is neither repaired nor given up. It was found when the log was opened with `onDamage: "keep"`,
   * by {@link WalLog.scrub}, or by reading an entry. With `verify: "tail"`, only scrubbing finds all damage.
   */
  get damaged(): readonly Damage[] {
    return this.#state.damaged;
  }

  /**
   * Losses to damage that were not repaired, replaced or accepted. An undamaged log has lost nothing.
   *
   * @example
   * ```ts
   * import { WalLog } from "@wallog/wallog";
   * import { mkdtempSync, rmSync } from "node:fs";
   * import { tmpdir } from "node:os";
   * import { join } from "node:path";
   * import assert from "node:assert/strict";
   *
   * const folder = mkdtempSync(join(tmpdir(), "wallog-"));
   * {
   *   await using log = await WalLog.open(join(folder, "raft.wal"), { onDamage: "keep" });
   *   assert.deepEqual(log.lost, { hardState: false, tail: false, ranges: [] });
   * }
   * rmSync(folder, { recursive: true });
   * ```
   */
  get lost(): Lost {
    return lostOf(this.#state);
  }

  /**
   * Counters since the log was opened, and the space that it uses.
   *
   * @returns The current counters.
   */
  stats(): WalLogStats {
    const { counts, flushLatency, lastFlushTime } = this.#state;
    const segments = this.#index.segments.length;
    return { ...counts, segments, lastFlushTime, flushLatency: flushLatency.read(), ...this.#space.read() };
  }

  /**
   * The figures of {@link ReadableLog.stats}, the log's indexes and its retentions as metrics, for `prometheusText` or
   * any other writer. Counters start at 0 when the log is opened.
   *
   * @param name Value of the label `log` of all samples. Default: the log's folder.
   * @returns The current metrics. Unknown values have no samples.
   */
  metrics(name: string = this.path): Metric[] {
    const { canWrite, hasFailed } = this.#durability;
    return logMetrics(this, name, { canWrite, hasFailed });
  }

  /**
   * Bytes that the entries above an index take in the log's files, for monitoring. See {@link RaftLog.bytesAfter}.
   *
   * @param index The index.
   * @returns The bytes, up to a page too many; 0 if the log has no entry above the index.
   * @throws {WalLogError} `INVALID_ARGUMENT`; `CLOSED`.
   */
  bytesAfter(index: Index): number {
    this.#durability.requireOpen("read");
    checkReadIndex(index);
    return this.#index.bytesAfter(index);
  }

  /**
   * The term of the entry at an index.
   *
   * @param index Any index; 0 stands for "before the first entry".
   * @returns 0 at index 0 of a log from which nothing is compacted away, the snapshot's term at
   * {@link ReadableLog.snapshotIndex}, `undefined` below {@link ReadableLog.firstIndex} - 1 or above
   * {@link ReadableLog.lastIndex}.
   * @throws {WalLogError} `INVALID_ARGUMENT`; `DAMAGED_ENTRY` if the entry's header is lost; `CLOSED`.
   */
  termAt(index: Index): Term | undefined {
    this.#durability.requireOpen("read");
    checkReadIndex(index);
    const term = this.#index.termAt(index);
    return term === undefined ? undefined : knownTerm(this.path, term, index);
  }

  /**
   * The entry at an index.
   *
   * @param index The index to read.
   * @returns The entry with a copy of its command, or `undefined` if the log has none there.
   * @throws {WalLogError} `DAMAGED_ENTRY` if it exists but cannot be read; `INVALID_ARGUMENT`; `IO`; `CLOSED`.
   */
  entry(index: Index): LogEntry | undefined {
    this.#durability.requireOpen("read");
    checkReadIndex(index);
    return index < this.firstIndex || index > this.lastIndex ? undefined : this.#reader.entry(index);
  }

  /**
   * The entries of a range.
   *
   * @param from The first index wanted; clipped to the first existing entry.
   * @param to The last index wanted, inclusive; clipped to {@link ReadableLog.lastIndex}.
   * @param options A bound on the bytes returned.
   * @returns The entries in order; empty if the range holds none. Commands that were read together can share a buffer:
   * to transfer one to another thread, copy it first.
   * @throws {WalLogError} As {@link ReadableLog.entry}.
   */
  entries(from: Index, to: Index, options?: EntriesOptions): LogEntry[] {
    this.#durability.requireOpen("read");
    checkReadIndex(from);
    checkReadIndex(to);
    const maxBytes = checkMaxBytes(options);
    return this.#reader.entries(Math.max(from, this.firstIndex), Math.min(to, this.lastIndex), maxBytes);
  }

  /**
   * The entries at the given indexes. Neighbouring entries share a read, which is faster than {@link ReadableLog.entry}
   * for each.
   *
   * @param indexes The indexes, in any order.
   * @param options A bound on the bytes returned.
   * @returns The entries in ascending order of index, each once. Indexes without an entry are left out.
   * @throws {WalLogError} As {@link ReadableLog.entry}.
   *
   * @example
   * ```ts
   * import { WalLog } from "@wallog/wallog";
   * import { mkdtempSync, rmSync } from "node:fs";
   * import { tmpdir } from "node:os";
   * import { join } from "node:path";
   * import assert from "node:assert/strict";
   *
   * const folder = mkdtempSync(join(tmpdir(), "wallog-"));
   * {
   *   await using log = await WalLog.open(join(folder, "raft.wal"));
   *   log.append([1, 2, 3, 4].map((index) => ({ term: 1, index, command: new Uint8Array(8) })));
   *   assert.deepEqual(log.entriesAt([4, 9, 2]).map(({ index }) => index), [2, 4]);
   * }
   * rmSync(folder, { recursive: true });
   * ```
   */
  entriesAt(indexes: Iterable<Index>, options?: EntriesOptions): LogEntry[] {
    this.#durability.requireOpen("read");
    const wanted = new Set<Index>();
    for (const index of indexes) {
      checkReadIndex(index);
      if (index >= this.firstIndex && index <= this.lastIndex) wanted.add(index);
    }
    const maxBytes = checkMaxBytes(options);
    return this.#scattered.entries([...wanted].sort((a, b) => a - b), maxBytes);
  }

  /**
   * Iterates over entries in order. It reads a chunk at a time, so the log can have any size. Changes made meanwhile
   * take effect for the entries that the iteration has not reached yet.
   *
   * @param from The first index. Default: the first existing entry.
   * @param to The last index, inclusive. Default: the last entry when the iteration reaches it.
   * @returns The entries.
   * @throws {WalLogError} `COMPACTED` at once if `from` is below {@link ReadableLog.firstIndex}, or later if a snapshot
   * has overtaken the iteration; `index` is the place to continue from. `NOT_CONTIGUOUS` if the last returned entry was
   * truncated and replaced by another. Otherwise as {@link ReadableLog.entry}.
   */
  iterate(from: Index = this.firstIndex, to: Index = Number.MAX_SAFE_INTEGER): IterableIterator<LogEntry> {
    return iterateEntries(this.walk(from, to));
  }

  /**
   * A cursor over the entries of a range, for `EventLog`.
   *
   * @internal
   */
  walk(from: Index, to: Index): EntryWalk {
    this.#durability.requireOpen("read");
    checkReadIndex(from);
    checkReadIndex(to);
    return new EntryWalk(this.#reader, this.#state, this.#durability, from, to);
  }

  /**
   * The latest snapshot with its data.
   *
   * @returns The snapshot, or `undefined` if there is none.
   * @throws {WalLogError} `CORRUPT` if it is damaged; `IO`; `CLOSED`.
   */
  snapshot(): Snapshot | undefined {
    this.#durability.requireOpen("read");
    return this.#snapshots.read();
  }

  /**
   * The description of the latest snapshot, without its data.
   *
   * @returns Index, term, configuration and meta, or `undefined` if there is no snapshot.
   * @throws {WalLogError} `CORRUPT` if it is damaged; `IO`; `CLOSED`.
   */
  snapshotMeta(): SnapshotMeta | undefined {
    this.#durability.requireOpen("read");
    const reader = this.#snapshots.open();
    reader?.close();
    return reader?.meta;
  }

  /**
   * Reads the latest snapshot as a stream, with at most one piece of it in memory. The stream stays valid when a later
   * snapshot replaces this one.
   *
   * @returns Its data, or `undefined` if there is no snapshot. The stream fails with `CORRUPT` at a damaged piece.
   * @throws {WalLogError} `CORRUPT` if it is damaged; `IO`; `CLOSED`.
   */
  openSnapshot(): SnapshotStream | undefined {
    this.#durability.requireOpen("read");
    return this.#snapshots.streamOut();
  }

  /**
   * Opens the latest snapshot, to read it a part at a time, with at most one piece of it in memory. It stays valid when
   * a later snapshot replaces it.
   *
   * @returns The snapshot, which the caller must close; `undefined` if there is none.
   * @throws {WalLogError} `CORRUPT` if it is damaged; `IO`; `CLOSED`.
   */
  openSnapshotSource(): SnapshotSource | undefined {
    this.#durability.requireOpen("read");
    return this.#snapshots.source();
  }
}
