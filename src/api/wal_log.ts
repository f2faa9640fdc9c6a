/**
 * The durable log: Raft semantics over the segments.
 *
 * @module
 */

import { DiskSpace } from "../io/disk_space.ts";
import { Durability } from "../write/durability.ts";
import { isHeard, tell } from "./events.ts";
import { WalLogError } from "./errors.ts";
import { iterateEntries } from "../log/iterate.ts";
import { foundCluster, type LogIdentity, showIdentity } from "./log_identity.ts";
import { type Lost, lostOf } from "./lost.ts";
import { LiveState, type WalLogStats } from "../log/live_state.ts";
import { logMetrics } from "../log/log_metrics.ts";
import type { Metric } from "./metrics.ts";
import { openAtOnce, type Opened, openInSlices } from "../recovery/open.ts";
import { checkNames } from "./option_names.ts";
import { type CheckedOptions, checkOptions, type WalLogOptions } from "./options.ts";
import { repairLog } from "../maintain/repair_log.ts";
import type { Damage, RecoveryReport } from "./report.ts";
import type { Retention, RetentionState } from "./retention.ts";
import { scrubInBackground, type ScrubOptions, type ScrubReport } from "../maintain/scrub.ts";
import type { Batch } from "../log/batch.ts";
import { takeBatch } from "../write/take_batch.ts";
import type { LogState } from "../format/state.ts";
import { FLAG_VOTE, FRAME_ALIGNMENT, FRAME_HEADER_BYTES, KIND_HARD_STATE, KIND_TRUNCATE } from "../format/frame.ts";
import { TERM_UNKNOWN } from "../format/numbers.ts";
import type { LogIndex } from "../log/log_index.ts";
import { EntryReader } from "../log/reader.ts";
import { SnapshotStore } from "../snapshots/snapshot_store.ts";
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
  SnapshotStream,
  Term,
} from "./types.ts";
import { checkHardState, checkMaxBytes, checkReadIndex, checkRepair, checkTruncate } from "./validate.ts";
import { checkCompact, checkOwnSnapshot, checkSnapshot, checkSnapshotMeta } from "./validate_snapshot.ts";

/** The options of calls that can discard entries or votes that a damaged log may still have. */
const FORCE = ["force"];

/**
 * A durable Raft log in a folder.
 *
 * {@link WalLog.append} returns when the bytes are in the operating system's page cache: killing the process loses
 * nothing. {@link WalLog.sync} resolves when they are on stable storage: a power cut loses nothing.
 *
 * The log stops at the first write or flush that fails: every later change throws `POISONED` with the cause. It can
 * still be read. Entries up to {@link WalLog.durableIndex} read as before. Entries above it may fail to read, with
 * `DAMAGED_ENTRY` or `IO`: after a failed flush, the operating system may drop what it has not written.
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
 *   log.append([{ term: 1, index: 1, command: new TextEncoder().encode("x = 1") }]);
 *   assert.equal(await log.sync(), 1);
 * }
 * {
 *   await using log = await WalLog.open(join(folder, "raft.wal"));
 *   assert.equal(new TextDecoder().decode(log.entry(1)?.command), "x = 1");
 * }
 * rmSync(folder, { recursive: true });
 * ```
 */
export class WalLog implements RaftLog, AsyncDisposable, Disposable {
  /** What opening the log found. */
  readonly recovery: RecoveryReport;
  /** The largest command that {@link WalLog.append} takes, in bytes: `WalLogOptions.maxEntryBytes`. */
  readonly maxEntryBytes: number;
  readonly #opened: Opened;
  readonly #index: LogIndex;
  readonly #state: LiveState;
  readonly #durability: Durability;
  readonly #reader: EntryReader;
  readonly #snapshots: SnapshotStore;
  /** The log's state behind a batch that is being appended. */
  readonly #stateBehind = ({ count, lastTerm }: Batch): LogState => {
    const { changes } = this.#opened.writer!;
    return { ...this.#state.record(changes), nextIndex: this.#index.nextIndex + count, lastTerm };
  };
  readonly #space: DiskSpace;

  private constructor(opened: Opened, options: CheckedOptions) {
    this.recovery = opened.report;
    this.#opened = opened;
    this.maxEntryBytes = options.maxEntryBytes;
    this.#index = opened.index;
    this.#state = new LiveState(opened);
    this.#durability = new Durability(opened, this.#state, options.slowFlushMilliseconds);
    this.#reader = new EntryReader(opened.fileSystem, opened.codec, opened.index, opened.writer);
    this.#snapshots = new SnapshotStore(opened, this.#state, this.#durability, this.#reader.files);
    this.#space = new DiskSpace(opened, options.lowSpaceBytes);
    this.#durability.onFlushed = () => this.#space.look();
    this.#reader.onDamage = (damage) => this.#state.addDamage([damage]);
    const { report } = opened;
    tell("wallog:open", { path: this.path, readOnly: options.readOnly, report });
    if (report.damage.length > 0) tell("wallog:damage", { path: this.path, damage: report.damage });
    this.#space.look();
  }

  /**
   * Opens a log, and makes one if the folder holds none. Lets others run while a long log is read.
   *
   * @param path The log's folder. Made if it is missing; files in it that are not the log's are left alone.
   * @param options How.
   * @returns The log.
   * @throws {WalLogError} `LOCKED` if another writer has it open; `CORRUPT` if data that was durable is damaged, with
   * `damage` naming it; `UNSUPPORTED_VERSION`; `INVALID_ARGUMENT`; `NO_SPACE` if the disk is too full to go on after
   * a crash (`readOnly` works then); `IO`. Or the reason of `options.signal`.
   */
  static async open(path: string | URL, options: WalLogOptions = {}): Promise<WalLog> {
    const checked = checkOptions(options);
    return new WalLog(await openInSlices(path, checked), checked);
  }

  /**
   * Like {@link WalLog.open}, but blocks until the log is open.
   *
   * @param path The log's folder.
   * @param options How; the signal is looked at once.
   * @returns The log.
   * @throws {WalLogError} As {@link WalLog.open}.
   */
  static openSync(path: string | URL, options: WalLogOptions = {}): WalLog {
    const checked = checkOptions(options);
    return new WalLog(openAtOnce(path, checked), checked);
  }

  /** The log's folder. */
  get path(): string {
    return this.#opened.folder;
  }

  /** The ids of the log, of its incarnation and of its cluster. Frozen. */
  get identity(): LogIdentity {
    return showIdentity(this.#opened.uuid, this.#state.identity);
  }

  /** Index of the last entry, or of the snapshot if no entry follows it; 0 if there is neither. */
  get lastIndex(): Index {
    return this.#index.nextIndex - 1;
  }

  /** Term at {@link WalLog.lastIndex}; 0 if the log is empty. */
  get lastTerm(): Term {
    return this.#known(this.#index.lastTerm, this.lastIndex);
  }

  /** Index of the snapshot; 0 if there is none. */
  get snapshotIndex(): Index {
    return this.#index.snapshotIndex;
  }

  /**
   * The lowest index of which the entry can be read: {@link WalLog.snapshotIndex} + 1, or lower while a retention holds
   * entries back. Above {@link WalLog.lastIndex} if there are no entries.
   */
  get firstIndex(): Index {
    return this.#index.firstIndex;
  }

  /** The retentions that are held, as they are now. */
  get retentions(): readonly RetentionState[] {
    return this.#state.retentions.list();
  }

  /** The last hard state that was set; term 0 and no vote if none was. Frozen. */
  get hardState(): HardState {
    return this.#state.hardState;
  }

  /**
   * The last index that is on stable storage. Of a log opened for reading only: that the disk proves to be.
   */
  get durableIndex(): Index {
    return this.#durability.durableIndex;
  }

  /**
   * What is known to be damaged and is neither repaired nor given up: found when the log was opened with `onDamage: "keep"`, by
   * {@link WalLog.scrub}, or by reading an entry. With `verify: "tail"` only scrubbing finds all of it.
   */
  get damaged(): readonly Damage[] {
    return this.#state.damaged;
  }

  /**
   * What the log has lost to damage, and nobody has repaired, replaced or given up. An undamaged log has lost nothing.
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
   * What the log has done since it was opened, and the space that it takes.
   *
   * @returns The counters, as they are now.
   */
  stats(): WalLogStats {
    const { counts, flushLatency } = this.#state;
    const segments = this.#index.segments.length;
    return { ...counts, segments, flushLatency: flushLatency.read(), ...this.#space.read() };
  }

  /**
   * The figures of {@link WalLog.stats}, the log's indexes and its retentions as metrics, for `prometheusText` or any
   * other writer. Counters count from when the log was opened.
   *
   * @param name Value of the label `log`, which all samples have. Default: the log's folder.
   * @returns The metrics, as they are now. What is unknown has no samples.
   */
  metrics(name: string = this.path): Metric[] {
    return logMetrics(this, name, this.#durability.canWrite);
  }

  #known(term: Term, index: Index): Term {
    if (term !== TERM_UNKNOWN) return term;
    throw new WalLogError(
      "DAMAGED_ENTRY",
      `Cannot tell the term at index ${index}: the entry was written and its header is lost; fetch it from a peer`,
      { path: this.path },
    );
  }

  /**
   * The term of the entry at an index.
   *
   * @param index Any index; 0 stands for "before the first entry".
   * @returns 0 at index 0 of a log from which nothing is compacted away, the snapshot's term at
   * {@link WalLog.snapshotIndex}, `undefined` below {@link WalLog.firstIndex} - 1 or above {@link WalLog.lastIndex}.
   * @throws {WalLogError} `INVALID_ARGUMENT`; `DAMAGED_ENTRY` if the entry's header is lost; `CLOSED`.
   */
  termAt(index: Index): Term | undefined {
    this.#durability.requireOpen("read");
    checkReadIndex(index);
    const term = this.#index.termAt(index);
    return term === undefined ? undefined : this.#known(term, index);
  }

  /**
   * The entry at an index.
   *
   * @param index The index to read.
   * @returns The entry with a copy of its command, or `undefined` if the log has none there.
   * @throws {WalLogError} `DAMAGED_ENTRY` if it was written and cannot be read; `INVALID_ARGUMENT`; `IO`; `CLOSED`.
   */
  entry(index: Index): LogEntry | undefined {
    this.#durability.requireOpen("read");
    checkReadIndex(index);
    return index < this.firstIndex || index > this.lastIndex ? undefined : this.#reader.entry(index);
  }

  /**
   * The entries of a range.
   *
   * @param from The first index wanted; clipped to the first entry there is.
   * @param to The last index wanted, inclusive; clipped to {@link WalLog.lastIndex}.
   * @param options A bound on the bytes returned.
   * @returns The entries in order; empty if the range holds none. Commands that were read together can share a buffer:
   * to transfer one to another thread, copy it first.
   * @throws {WalLogError} As {@link WalLog.entry}.
   */
  entries(from: Index, to: Index, options?: EntriesOptions): LogEntry[] {
    this.#durability.requireOpen("read");
    checkReadIndex(from);
    checkReadIndex(to);
    const maxBytes = checkMaxBytes(options);
    return this.#reader.entries(Math.max(from, this.firstIndex), Math.min(to, this.lastIndex), maxBytes);
  }

  /**
   * Goes through entries in order, reading a chunk at a time, so that a log of any size can be walked. Entries that
   * are appended or truncated meanwhile are seen or not seen as they are reached.
   *
   * @param from The first index. Default: the first entry there is.
   * @param to The last index, inclusive. Default: the last entry there is when it is reached.
   * @returns The entries.
   * @throws {WalLogError} `COMPACTED` if `from` is below {@link WalLog.firstIndex}, at once, or when a snapshot has
   * overtaken what was read ahead, with the index to go on from as `index`; `NOT_CONTIGUOUS` when the last entry given is
   * truncated and another put in its place; otherwise as {@link WalLog.entry}.
   */
  iterate(from: Index = this.firstIndex, to: Index = Number.MAX_SAFE_INTEGER): IterableIterator<LogEntry> {
    this.#durability.requireOpen("read");
    checkReadIndex(from);
    checkReadIndex(to);
    return iterateEntries(this.#reader, this.#state, this.#durability, from, to);
  }

  /**
   * Adds entries at the end of the log, in one write. After a crash, all of them are there, or none. An empty list changes
   * nothing.
   *
   * @param entries Contiguous entries; the first at `lastIndex + 1`.
   * @throws {WalLogError} `NOT_CONTIGUOUS`, `ENTRY_TOO_LARGE`, `INVALID_ARGUMENT`, `NO_SPACE`: the log is as it was.
   * `POISONED` if a write failed, now or earlier; `READ_ONLY`; `CLOSED`.
   */
  append(entries: readonly NewEntry[]): void {
    const index = this.#index;
    const batch = takeBatch(this.#durability.requireWriter("append"), index, entries, this.maxEntryBytes);
    // What a caller gives can have accessors, and these can close the log.
    const writer = this.#durability.requireWriter("append");
    const { count, commandBytes } = batch;
    if (count === 0) return;
    this.#durability.write(
      "append",
      commandBytes + count * (FRAME_HEADER_BYTES + FRAME_ALIGNMENT),
      () => writer.append(batch, this.#stateBehind),
    );
    const firstIndex = index.nextIndex;
    index.append(batch);
    this.#state.counts.entriesAppended += count;
    if (isHeard("wallog:append")) {
      tell("wallog:append", { path: this.path, firstIndex, lastIndex: this.lastIndex, bytes: commandBytes });
    }
  }

  /**
   * Drops every entry at or above an index. Above {@link WalLog.lastIndex} it changes nothing.
   *
   * @param from The first index to drop.
   * @throws {WalLogError} `COMPACTED`, `INVALID_ARGUMENT`, `NO_SPACE`: the log is as it was. `POISONED`, `READ_ONLY`,
   * `CLOSED`.
   */
  truncate(from: Index): void {
    this.#durability.requireWriter("truncate");
    checkTruncate(from, this.snapshotIndex);
    if (from > this.lastIndex) return;
    const term = this.#known(this.#index.termAt(from - 1) ?? TERM_UNKNOWN, from - 1);
    this.#durability.writeFrame("truncate", KIND_TRUNCATE, 0, term, from);
    this.#index.truncate(from, term);
    this.#durability.truncated(from);
  }

  /**
   * Replaces the hard state.
   *
   * @param state The term and the vote.
   * @param options `force`: on a log whose latest hard state is damaged, says that this one is right, so that the log
   * can be written again. Such a log never falls back to an older one: a node that forgets its vote can vote twice. It
   * also accepts that entries are gone that {@link WalLog.damaged} lists without a last index.
   * @throws {WalLogError} `INVALID_ARGUMENT`, `NO_SPACE`: the log is as it was. `POISONED`, `READ_ONLY`, `CLOSED`.
   */
  setHardState(state: HardState, options: { readonly force?: boolean } = {}): void {
    const taken = takeHardState(state);
    checkNames("Cannot set the hard state", options, FORCE);
    this.#durability.requireWriter("set the hard state", options.force === true);
    checkHardState(taken);
    if (options.force !== true) this.#durability.requireTail("set the hard state");
    const { term, votedFor } = taken;
    const flags = votedFor === null ? 0 : FLAG_VOTE;
    this.#durability.writeFrame("set the hard state", KIND_HARD_STATE, flags, term, votedFor ?? 0n);
    this.#state.setHardState({ term, votedFor });
  }

  /**
   * Puts good copies of damaged entries, a peer's, in their place. They are checked against what survives: term, kind,
   * length and checksum where a header does, the terms around them and the room that they leave where none does. Each
   * segment is repaired in one step, durably, and the next opening finds it undamaged. Entries that are not damaged are
   * passed over if they are the same.
   *
   * Where more is lost than entries, a truncation for one, a repair is not always possible. Truncating the log in front
   * of the damage and appending the entries anew makes the log right, and a snapshot above the damage lets it go; until
   * then it opens with `onDamage: "keep"`.
   *
   * @param entries The entries, in any order; those that were lost together must be given together.
   * @throws {WalLogError} `INVALID_ARGUMENT` if an entry cannot be what was there, `NO_SPACE` (a repair needs room for
   * a copy of the segment): the log is as it was. `CORRUPT` while the hard state is lost; `POISONED`, `READ_ONLY`,
   * `CLOSED`.
   */
  repair(entries: readonly NewEntry[]): void {
    const taken = takeEntries(entries);
    this.#durability.requireWriter("repair");
    const index = this.#index;
    const good = checkRepair(taken, this.firstIndex, this.lastIndex, (at) => {
      const term = index.termAt(at);
      return term === TERM_UNKNOWN ? undefined : term;
    });
    repairLog(this.#opened, this.#state, this.#durability, this.#reader.files, good);
  }

  /**
   * Verifies everything that the log has on disk, in the background: the log serves meanwhile, and what it appends,
   * truncates and compacts is no matter. Entries found damaged are added to {@link WalLog.damaged}, for `repair`.
   *
   * @param options How fast, and whom to tell.
   * @returns What was found.
   * @throws {WalLogError} `IO` if a file cannot be read; `COMPACTED` if this is a reader and the log's writer has deleted a
   * file, so that the log must be opened again; `CLOSED`, also if the log is closed meanwhile; `INVALID_ARGUMENT`.
   * Or the reason of `options.signal`.
   */
  async scrub(options: ScrubOptions = {}): Promise<ScrubReport> {
    return await scrubInBackground(this.#opened, this.#state, this.#durability, options);
  }

  /**
   * Makes everything durable that was done before the call. Calls share flushes: one is under way at a time, and
   * whoever asks meanwhile shares the next.
   *
   * @returns The last index that is durable. Rejects with `POISONED` if the flush failed, or the log had failed
   * before; a flush is never retried.
   */
  // deno-lint-ignore require-await -- so that a refusal is a rejection too
  async sync(): Promise<Index> {
    return this.#durability.sync();
  }

  /**
   * Like {@link WalLog.sync}, but blocks until it is done. The flush stalls everything else on the thread.
   *
   * @returns The last index that is durable.
   * @throws {WalLogError} `POISONED`, `READ_ONLY`, `CLOSED`.
   */
  syncSync(): Index {
    return this.#durability.syncSync();
  }

  /**
   * Installs a snapshot of the node's own: drops the entries through an index and keeps all above it. The snapshot is
   * durable when this returns, and so is everything before it. At or below {@link WalLog.snapshotIndex} it changes
   * nothing. The call blocks for the flushes.
   *
   * @param through The last index to drop, and the snapshot's index. The snapshot gets the term that the log has there.
   * @param options The snapshot's data, configuration and meta. The configuration defaults to the previous snapshot's: give
   * `config` if the entries to drop change the cluster.
   * @throws {WalLogError} `INVALID_ARGUMENT` for an index above {@link WalLog.lastIndex}, for anything but a safe
   * integer of 0 or more, or for options out of their domain; `DAMAGED_ENTRY` if the term at the index is lost;
   * `CORRUPT` if no `config` is given and the previous snapshot is damaged; `NO_SPACE`, `IO`: the log is as it was.
   * `CORRUPT` while the hard state is lost; `POISONED`, `READ_ONLY`, `CLOSED`.
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
   *   const command = new TextEncoder().encode("x += 1");
   *   log.append([1, 2, 3].map((index) => ({ term: 1, index, kind: "normal", command })));
   *   // The state machine has applied entries 1 and 2.
   *   log.compact(2, { data: new TextEncoder().encode("x = 2"), config: [1n, 2n, 3n] });
   *   assert.deepEqual([log.snapshotIndex, log.lastIndex], [2, 3]);
   * }
   * rmSync(folder, { recursive: true });
   * ```
   */
  compact(through: Index, options: CompactOptions = {}): void {
    const taken = takeCompactOptions(options);
    this.#durability.requireWriter("compact the log");
    checkCompact(through, taken, this.lastIndex);
    if (through <= this.snapshotIndex) return;
    const term = this.#known(this.#index.termAt(through) ?? TERM_UNKNOWN, through);
    const { data = new Uint8Array(0) } = taken;
    this.#snapshots.write({ index: through, term, ...keptMeta(taken, () => this.snapshotMeta()), data });
  }

  /**
   * Installs a leader's snapshot and drops what it replaces. It is durable when this returns, and so is everything
   * before it. One at or below {@link WalLog.snapshotIndex} is stale and changes nothing. For a snapshot of the node's
   * own, use {@link WalLog.compact}, which never drops an entry above its index.
   *
   * The entries above the snapshot stay if the log has the same entry at its index, and are dropped if it has another.
   * Where that entry is damaged and its term lost, they stay if one of them has the snapshot's term: then the entry was
   * the same (log matching).
   *
   * @param snapshot The snapshot with its data.
   * @param options `force`: where nothing tells whether the entries above it follow on it, they may go.
   * @throws {WalLogError} `DAMAGED_ENTRY` where nothing tells, `INVALID_ARGUMENT`: the log is as it was. `POISONED`,
   * `READ_ONLY`, `CLOSED`.
   */
  applySnapshot(snapshot: NewSnapshot, options: { readonly force?: boolean } = {}): void {
    const taken = takeSnapshot(snapshot);
    checkNames("Cannot apply the snapshot", options, FORCE);
    this.#durability.requireWriter("apply a snapshot");
    checkSnapshot(taken);
    this.#snapshots.apply(taken, options.force === true);
  }

  /**
   * Installs a snapshot of the node's own that comes as a stream, and holds at most one piece of it in memory. The
   * snapshot is installed when the stream is closed: the entries through its index are dropped, and all above it
   * stay. Until then the log can be used. Aborting the stream leaves the log as it was.
   *
   * If a later snapshot is installed before the stream is closed, this one is dropped without an error. If its entry
   * is truncated before, closing the stream rejects with `INVALID_ARGUMENT` and the log drops nothing.
   *
   * @param meta Index and term of an entry that the log has, and the configuration at that index.
   * @returns The stream to write the data to. Closing it rejects if the snapshot could not be installed.
   * @throws {WalLogError} `COMPACTED` at or below {@link WalLog.snapshotIndex}; `INVALID_ARGUMENT` for an index above
   * {@link WalLog.lastIndex}, or a term that is not the entry's; `DAMAGED_ENTRY` if the entry's term is lost: the log
   * is as it was. `CORRUPT` while the hard state is lost; `POISONED`, `READ_ONLY`, `CLOSED`.
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
   *   const command = new TextEncoder().encode("x += 1");
   *   log.append([1, 2, 3].map((index) => ({ term: 1, index, kind: "normal", command })));
   *   const writer = log.createSnapshot({ index: 2, term: log.termAt(2)!, config: [1n, 2n, 3n] }).getWriter();
   *   for (const piece of ["x ", "= ", "2"]) await writer.write(new TextEncoder().encode(piece));
   *   await writer.close();
   *   assert.deepEqual([log.snapshotIndex, log.lastIndex], [2, 3]);
   * }
   * rmSync(folder, { recursive: true });
   * ```
   */
  createSnapshot(meta: SnapshotMeta): WritableStream<Uint8Array> {
    const taken = takeSnapshotMeta(meta);
    this.#durability.requireWriter("create a snapshot");
    checkSnapshotMeta(taken, "create a snapshot");
    checkOwnSnapshot(taken, this, "create a snapshot");
    return this.#snapshots.streamIn(taken, () => checkOwnSnapshot(taken, this, "install the snapshot"));
  }

  /**
   * Installs a leader's snapshot that comes as a stream, and holds at most one piece of it in memory. The snapshot is
   * installed, as by {@link WalLog.applySnapshot}, when the stream is closed: a snapshot that does not agree with
   * the log's entry at its index drops the entries above it. Until then the log can be used. Aborting the stream leaves
   * the log as it was.
   *
   * @param meta What the snapshot is of.
   * @param options As {@link WalLog.applySnapshot}.
   * @returns Where its data goes. Closing it rejects if the snapshot could not be installed.
   * @throws {WalLogError} As {@link WalLog.applySnapshot}.
   */
  receiveSnapshot(meta: SnapshotMeta, options: { readonly force?: boolean } = {}): WritableStream<Uint8Array> {
    const taken = takeSnapshotMeta(meta);
    checkNames("Cannot receive a snapshot", options, FORCE);
    this.#durability.requireWriter("receive a snapshot");
    checkSnapshotMeta(taken, "receive a snapshot");
    return this.#snapshots.receive(taken, options.force === true);
  }

  /**
   * Sets the cluster that the log belongs to. This cannot be changed later. The id is durable when this returns, and
   * {@link WalLog.identity} gives it from then on. If the log has this id already, nothing changes. The call blocks for
   * the flushes.
   *
   * @param id The cluster's id: a UUID as `crypto.randomUUID` gives it, or its 16 bytes. Not zero. Give the same to all
   * nodes of a cluster.
   * @throws {WalLogError} `INVALID_ARGUMENT` if this is not an id, or if the log belongs to another cluster; `NO_SPACE`:
   * the log is then as it was. `CORRUPT` while the hard state is lost; `POISONED`, `READ_ONLY`, `CLOSED`.
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
   *   assert.equal(log.identity.cluster, undefined);
   *   log.foundCluster("5e14d2b3-2688-89cd-e2a3-98a722e0ab5d");
   *   assert.equal(log.identity.cluster, "5e14d2b3-2688-89cd-e2a3-98a722e0ab5d");
   * }
   * rmSync(folder, { recursive: true });
   * ```
   */
  foundCluster(id: Uint8Array | string): void {
    foundCluster(this.#opened, this.#state, this.#durability, id);
  }

  /**
   * Holds compaction back for whoever still needs entries: a follower, a consumer, an archive. Snapshots are taken as
   * always, and {@link WalLog.snapshotIndex} moves. But the segment files with entries from an index on are not deleted,
   * and these entries can still be read, until the retention moves up or is released.
   *
   * Retentions are held in memory, by the writer only. After a restart nothing is retained: opening a log for writing
   * deletes the segments that its snapshot covers. A log that is read in another process does not show retained entries.
   * A leader's snapshot that clears the log discards them ({@link RetentionState.clearedAt}).
   *
   * @param name Who needs the entries: 1 to 255 characters, not the name of a retention that is held.
   * @param from The lowest index needed. It may be above {@link WalLog.lastIndex}.
   * @returns The retention.
   * @throws {WalLogError} `COMPACTED` below {@link WalLog.firstIndex}, with that index as `index`; `INVALID_ARGUMENT`;
   * `POISONED`, `READ_ONLY`, `CLOSED`.
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
   *   const command = new TextEncoder().encode("x += 1");
   *   log.append([1, 2, 3].map((index) => ({ term: 1, index, command })));
   *   const mailer = log.retain("mailer", 2);
   *   log.compact(3);
   *   assert.deepEqual([log.snapshotIndex, log.firstIndex], [3, 2]);
   *   for (const { index } of log.iterate(mailer.from)) mailer.advance(index + 1);
   *   assert.equal(log.firstIndex, 4);
   *   mailer.release();
   * }
   * rmSync(folder, { recursive: true });
   * ```
   */
  retain(name: string, from: Index): Retention {
    this.#durability.requireWriter("retain entries", true);
    return this.#state.retentions.retain(name, from, this.firstIndex);
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
   * What the latest snapshot is of, without reading its data.
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
   * Reads the latest snapshot as a stream, holding no more than a piece of it. The stream stays good when a later
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
   * Flushes, leaves the checkpoint of a clean close, and gives up the lock. The log cannot be used afterwards; closing it
   * again, when it is done, does nothing.
   *
   * @returns Settles when everything is durable and closed. Rejects with `POISONED` if a write or flush failed, now or
   * earlier, so that not everything is; the log is closed then too.
   */
  close(): Promise<void> {
    return this.#durability.close(() => this.#reader.files.close());
  }

  /**
   * Like {@link WalLog.close}, but blocks until it is done.
   *
   * @throws {WalLogError} `POISONED` if a write or flush failed, now or earlier; the log is closed all the same.
   */
  closeSync(): void {
    this.#durability.closeSync(() => this.#reader.files.close());
  }

  /** Closes the log: what `await using` calls. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Closes the log: what `using` calls. */
  [Symbol.dispose](): void {
    this.closeSync();
  }
}
