/**
 * The durable log: Raft semantics over the segments.
 *
 * @module
 */

import { setImmediate, setTimeout } from "node:timers/promises";
import { WalLogError } from "./errors.ts";
import { GroupCommit } from "./group_commit.ts";
import { folderOf, type Opened, openLog } from "./open.ts";
import { type CheckedOptions, checkOptions, type WalLogOptions } from "./options.ts";
import type { Damage, RecoveryReport } from "./report.ts";
import {
  FLAG_CLEAR,
  FLAG_VOTE,
  FRAME_ALIGNMENT,
  FRAME_HEADER_BYTES,
  KIND_HARD_STATE,
  KIND_SNAPSHOT,
  KIND_TRUNCATE,
  type LogState,
  TERM_UNKNOWN,
} from "./segments/format.ts";
import type { LogIndex } from "./segments/index.ts";
import { EntryReader, goneFromReader } from "./segments/reader.ts";
import { type Repair, SegmentRepairer } from "./segments/repair.ts";
import type { SegmentWriter } from "./segments/writer.ts";
import { scrubLog, type ScrubOptions, type ScrubReport } from "./scrub.ts";
import { isReplacedSnapshot, snapshotName, SnapshotReader, SnapshotWriter } from "./snapshots.ts";
import { ioError } from "./storage/full.ts";
import type { EntriesOptions, HardState, Index, LogEntry, RaftLog, Snapshot, SnapshotMeta, Term } from "./types.ts";
import {
  checkAppend,
  checkHardState,
  checkMaxBytes,
  checkReadIndex,
  checkRepair,
  checkSnapshot,
  checkSnapshotMeta,
  checkTruncate,
} from "./validate.ts";

/** How long `open` runs before it lets others. In milliseconds. */
const OPEN_SLICE_MS = 8;
/**
 * How long the log must rest after a flush before it writes a mark, which proves that flush to the next recovery. In
 * milliseconds: long against the time between two commits of a busy log, short against the time between two crashes.
 */
const MARK_IDLE_MS = 20;
/** The longest that scrubbing rests at once, so that it notices when it is to end. In milliseconds. */
const SCRUB_PAUSE_MS_MAX = 250;
/** What {@link WalLog.iterate} reads at once. In bytes of commands. */
const ITERATE_BYTES = 256 * 1024;
/** The same in entries, of which those without a command count for nothing in bytes. */
const ITERATE_ENTRIES_MAX = 4096;

/** What a log has done since it was opened. */
export interface WalLogStats {
  /** Entries appended. */
  readonly entriesAppended: number;
  /** Bytes of log written, frames and headers. */
  readonly bytesWritten: number;
  /** Flushes that succeeded. */
  readonly flushes: number;
  /** Calls of `sync` and `syncSync`; beside {@link WalLogStats.flushes}, how many share one. */
  readonly syncs: number;
  /** Segments sealed. */
  readonly segmentsSealed: number;
  /** Segments deleted because a snapshot covers them. */
  readonly segmentsDeleted: number;
  /** Snapshots installed. */
  readonly snapshots: number;
  /** Segments that the log has. */
  readonly segments: number;
}

/**
 * A durable Raft log in a folder.
 *
 * {@link WalLog.append} returns when the bytes are in the operating system's page cache: killing the process loses
 * nothing. {@link WalLog.sync} resolves when they are on stable storage: a power cut loses nothing. The first write or
 * flush that fails ends the writer: every later mutation throws `POISONED` with the cause, and reads go on.
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
 *   log.append([{ term: 1, index: 1, kind: "normal", command: new TextEncoder().encode("x = 1") }]);
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
  readonly #options: CheckedOptions;
  readonly #opened: Opened;
  readonly #index: LogIndex;
  readonly #writer: SegmentWriter | undefined;
  readonly #reader: EntryReader;
  readonly #commit: GroupCommit;
  #damaged: readonly Damage[];
  #hardState: HardState;
  #hardStateLost: boolean;
  #tailLost: boolean;
  #replacementsLost: boolean;
  #durableIndex: Index;
  /** Counts what took entries away, so that whoever has read ahead notices. */
  #truncations = 0;
  #poison: WalLogError | undefined;
  /** Whether the log takes no more calls, and whether all is written and given up. */
  #isClosed = false;
  #isFinished = false;
  #closing: Promise<void> | undefined;
  #cancelMark: (() => void) | undefined;
  /** Snapshots that are being streamed in. */
  readonly #streams = new Set<SnapshotWriter>();
  #stats = {
    entriesAppended: 0,
    bytesWritten: 0,
    flushes: 0,
    syncs: 0,
    segmentsSealed: 0,
    segmentsDeleted: 0,
    snapshots: 0,
  };

  private constructor(opened: Opened, options: CheckedOptions) {
    this.recovery = opened.report;
    this.#options = options;
    this.#opened = opened;
    this.#index = opened.index;
    this.#writer = opened.writer;
    this.#reader = new EntryReader(options.fileSystem, opened.codec, opened.index, opened.writer);
    this.#damaged = opened.report.damage;
    this.#hardState = Object.freeze(opened.state.hardState);
    this.#hardStateLost = opened.state.hardStateLost;
    this.#tailLost = opened.state.tailLost;
    this.#replacementsLost = opened.state.replacementsLost;
    this.#durableIndex = opened.writer === undefined ? opened.report.provenIndex : this.lastIndex;
    this.#commit = new GroupCommit({
      isDirty: () => this.#writer!.isDirty,
      lastIndex: () => this.lastIndex,
      flush: () => this.#flushAsync(),
      flushed: (lastIndex) => this.#flushed(lastIndex),
    });
    if (opened.writer !== undefined) this.#markLater();
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
    checked.signal?.throwIfAborted();
    const opening = openLog(folderOf(path), checked);
    try {
      for (let sliceEnd = performance.now() + OPEN_SLICE_MS;;) {
        const step = opening.next();
        if (step.done) return new WalLog(step.value, checked);
        checked.onProgress?.(step.value);
        if (performance.now() < sliceEnd) continue;
        await setImmediate();
        checked.signal?.throwIfAborted();
        sliceEnd = performance.now() + OPEN_SLICE_MS;
      }
    } finally {
      opening.return(undefined as never);
    }
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
    checked.signal?.throwIfAborted();
    const opening = openLog(folderOf(path), checked);
    try {
      for (;;) {
        const step = opening.next();
        if (step.done) return new WalLog(step.value, checked);
        checked.onProgress?.(step.value);
      }
    } finally {
      opening.return(undefined as never);
    }
  }

  /** The log's folder. */
  get path(): string {
    return this.#opened.folder;
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

  /** The last hard state that was set; term 0 and no vote if none was. Frozen. */
  get hardState(): HardState {
    return this.#hardState;
  }

  /**
   * The last index that is on stable storage. Of a log opened for reading only: that the disk proves to be.
   */
  get durableIndex(): Index {
    return this.#durableIndex;
  }

  /** What is damaged and not yet repaired; empty unless the log was opened with `onDamage: "keep"`. */
  get damaged(): readonly Damage[] {
    return this.#damaged;
  }

  /** What the log has done since it was opened. */
  stats(): WalLogStats {
    return { ...this.#stats, segments: this.#index.segments.length };
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
   * @returns 0 at index 0 of a log without a snapshot, the snapshot's term at {@link WalLog.snapshotIndex},
   * `undefined` below that or above {@link WalLog.lastIndex}.
   * @throws {WalLogError} `INVALID_ARGUMENT`; `DAMAGED_ENTRY` if the entry's header is lost; `CLOSED`.
   */
  termAt(index: Index): Term | undefined {
    this.#requireOpen("read");
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
    this.#requireOpen("read");
    checkReadIndex(index);
    return index <= this.snapshotIndex || index > this.lastIndex ? undefined : this.#reader.entry(index);
  }

  /**
   * The entries of a range.
   *
   * @param from The first index wanted; clipped to the first entry there is.
   * @param to The last index wanted, inclusive; clipped to {@link WalLog.lastIndex}.
   * @param options A bound on the bytes returned.
   * @returns The entries in order; empty if the range holds none.
   * @throws {WalLogError} As {@link WalLog.entry}.
   */
  entries(from: Index, to: Index, options?: EntriesOptions): LogEntry[] {
    this.#requireOpen("read");
    checkReadIndex(from);
    checkReadIndex(to);
    const maxBytes = checkMaxBytes(options);
    return this.#reader.entries(Math.max(from, this.snapshotIndex + 1), Math.min(to, this.lastIndex), maxBytes);
  }

  /**
   * Goes through entries in order, reading a chunk at a time, so that a log of any size can be walked. Entries that
   * are appended or truncated meanwhile are seen or not seen as they are reached.
   *
   * @param from The first index. Default: the first entry there is.
   * @param to The last index, inclusive. Default: the last entry there is when it is reached.
   * @returns The entries.
   * @throws {WalLogError} `COMPACTED` if `from` is at or below {@link WalLog.snapshotIndex}, at once or when a
   * snapshot overtakes the iteration; `NOT_CONTIGUOUS` when the last entry given is truncated and another put in its
   * place; otherwise as {@link WalLog.entry}.
   */
  iterate(from: Index = this.snapshotIndex + 1, to: Index = Number.MAX_SAFE_INTEGER): IterableIterator<LogEntry> {
    this.#requireOpen("read");
    checkReadIndex(from);
    checkReadIndex(to);
    this.#requireNotCompacted(from);
    return this.#iterate(from, to);
  }

  *#iterate(from: Index, to: Index): Generator<LogEntry, undefined> {
    let previous: Term | undefined;
    for (let next = from; next <= Math.min(to, this.lastIndex);) {
      this.#requireOpen("read");
      this.#requireNotCompacted(next);
      this.#requireSame(next - 1, previous);
      const last = Math.min(to, this.lastIndex, next + ITERATE_ENTRIES_MAX - 1);
      const truncations = this.#truncations;
      for (const entry of this.#reader.entries(next, last, ITERATE_BYTES)) {
        previous = entry.term;
        next++;
        yield entry;
        // What was read ahead may have been dropped since.
        if (this.#isClosed || this.#truncations !== truncations) break;
      }
    }
  }

  /** Refuses to go on behind an entry that is another one by now: entries with the same index and term are the same. */
  #requireSame(index: Index, term: Term | undefined): void {
    if (term === undefined || index <= this.snapshotIndex || this.#index.termAt(index) === term) return;
    throw new WalLogError(
      "NOT_CONTIGUOUS",
      `Cannot go on iterating behind index ${index}: the entry there, of term ${term}, was truncated and replaced`,
      { path: this.path },
    );
  }

  #requireNotCompacted(index: Index): void {
    if (index > this.snapshotIndex) return;
    throw new WalLogError(
      "COMPACTED",
      `Cannot iterate from index ${index}: the snapshot at index ${this.snapshotIndex} replaced it`,
      { path: this.path },
    );
  }

  /**
   * Adds entries at the end of the log, in one write. An empty list changes nothing.
   *
   * @param entries Contiguous entries; the first at `lastIndex + 1`.
   * @throws {WalLogError} `NOT_CONTIGUOUS`, `ENTRY_TOO_LARGE`, `INVALID_ARGUMENT`, `NO_SPACE`: the log is as it was.
   * `POISONED` if a write failed, now or earlier; `READ_ONLY`; `CLOSED`.
   */
  append(entries: readonly LogEntry[]): void {
    const writer = this.#requireWriter("append");
    const index = this.#index;
    const bytes = checkAppend(entries, this.lastIndex, index.lastTerm, this.#options.maxEntryBytes);
    if (entries.length === 0) return;
    this.#write(
      "append",
      bytes + entries.length * (FRAME_HEADER_BYTES + FRAME_ALIGNMENT),
      () => writer.append(entries),
    );
    for (const { term, index: at } of entries) {
      if (term !== index.lastTerm || at === index.nextIndex) index.runs.push(at, term);
      index.lastTerm = term;
    }
    index.nextIndex += entries.length;
    this.#stats.entriesAppended += entries.length;
  }

  /**
   * Drops every entry at or above an index. Above {@link WalLog.lastIndex} it changes nothing.
   *
   * @param from The first index to drop.
   * @throws {WalLogError} `COMPACTED`, `INVALID_ARGUMENT`, `NO_SPACE`: the log is as it was. `POISONED`, `READ_ONLY`,
   * `CLOSED`.
   */
  truncate(from: Index): void {
    const writer = this.#requireWriter("truncate");
    checkTruncate(from, this.snapshotIndex);
    if (from > this.lastIndex) return;
    const term = this.#known(this.#index.termAt(from - 1) ?? TERM_UNKNOWN, from - 1);
    this.#write("truncate", FRAME_HEADER_BYTES, () => writer.writeFrame(KIND_TRUNCATE, 0, term, from));
    writer.segment.lowestTruncated = Math.min(writer.segment.lowestTruncated, from);
    this.#index.truncate(from, term);
    this.#truncated(from);
  }

  #truncated(from: Index): void {
    this.#truncations++;
    this.#durableIndex = Math.min(this.#durableIndex, from - 1);
    this.#commit.truncated(from);
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
    const writer = this.#requireWriter("set the hard state", options.force === true);
    checkHardState(state);
    const { term, votedFor } = state;
    const flags = votedFor === null ? 0 : FLAG_VOTE;
    const write = () => writer.writeFrame(KIND_HARD_STATE, flags, term, votedFor ?? 0);
    this.#write("set the hard state", FRAME_HEADER_BYTES, write);
    this.#hardState = Object.freeze({ term, votedFor });
    this.#hardStateLost = false;
    this.#tailLost = false;
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
  repair(entries: readonly LogEntry[]): void {
    const writer = this.#requireWriter("repair");
    const { fileSystem } = this.#options;
    const { folder, codec } = this.#opened;
    const index = this.#index;
    const good = checkRepair(entries, this.snapshotIndex + 1, this.lastIndex, (at) => {
      const term = index.termAt(at);
      return term === TERM_UNKNOWN ? undefined : term;
    });
    const repairer = new SegmentRepairer(fileSystem, folder, codec, index);
    const repairs: Repair[] = [];
    const prepared: Repair[] = [];
    try {
      for (const segment of index.segments) {
        if (segment === writer.segment) continue;
        const damage = this.#damaged.filter((one) => one.path === segment.path);
        const repair = repairer.plan(segment, damage, good);
        if (repair !== undefined) repairs.push(repair);
      }
      for (const repair of repairs) {
        repairer.prepare(repair);
        prepared.push(repair);
      }
    } catch (error) {
      if (!(error instanceof WalLogError)) throw this.#fail("repair", error);
      for (const repair of prepared) repairer.discard(repair);
      throw error;
    }
    for (const repair of repairs) {
      this.#reader.files.drop(repair.segment.path);
      try {
        repairer.commit(repair);
      } catch (error) {
        throw this.#fail("repair", error);
      }
      for (const [at, offset] of repair.offsets) repair.segment.setOffset(at, offset);
      this.#damaged = this.#damaged.filter((one) => !repair.repaired.includes(one));
    }
    index.runs.fill(new Map([...good].map(([at, { term }]) => [at, term])), index.nextIndex);
    if (index.lastTerm === TERM_UNKNOWN) index.lastTerm = index.termAt(this.lastIndex) ?? TERM_UNKNOWN;
  }

  /**
   * Verifies everything that the log has on disk, in the background: the log serves meanwhile, and what it appends,
   * truncates and compacts is no matter. Entries found damaged are added to {@link WalLog.damaged}, for `repair`.
   *
   * @param options How fast, and whom to tell.
   * @returns What was found.
   * @throws {WalLogError} `IO` if a file cannot be read; `CLOSED`, also if the log is closed meanwhile; `INVALID_ARGUMENT`.
   * Or the reason of `options.signal`.
   */
  async scrub(options: ScrubOptions = {}): Promise<ScrubReport> {
    this.#requireOpen("scrub");
    const { bytesPerSecond = Infinity, onProgress, signal } = options;
    if (!(bytesPerSecond > 0)) {
      throw new WalLogError(
        "INVALID_ARGUMENT",
        `Cannot scrub: bytesPerSecond must be a number above 0, found ${String(bytesPerSecond)}`,
      );
    }
    const { folder, uuid } = this.#opened;
    const { fileSystem } = this.#options;
    const scrubbing = scrubLog({ fileSystem, folder, uuid, index: this.#index, active: this.#writer?.segment });
    const started = performance.now();
    try {
      for (;;) {
        signal?.throwIfAborted();
        this.#requireOpen("go on scrubbing");
        const step = scrubbing.next();
        if (step.done) {
          this.#addDamage(step.value.damage);
          return step.value;
        }
        onProgress?.(step.value);
        const due = started + step.value.bytesDone / bytesPerSecond * 1000;
        do {
          await setTimeout(Math.max(0, Math.min(due - performance.now(), SCRUB_PAUSE_MS_MAX)));
        } while (performance.now() < due && signal?.aborted !== true && !this.#isClosed);
      }
    } catch (error) {
      throw signal?.aborted === true ? error : ioError("Cannot scrub the log", folder, error);
    } finally {
      scrubbing.return(undefined as never);
    }
  }

  #addDamage(damage: readonly Damage[]): void {
    const known = new Set(this.#damaged.map(({ path, offset }) => `${offset} ${path}`));
    this.#damaged = [...this.#damaged, ...damage.filter(({ path, offset }) => !known.has(`${offset} ${path}`))];
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
    const writer = this.#requireWriter("sync", true);
    this.#stats.syncs++;
    // A flush may have succeeded and not yet been told of: what it covered is durable all the same.
    if (!writer.isDirty) return this.#durableIndex = this.lastIndex;
    return this.#commit.sync();
  }

  /**
   * Like {@link WalLog.sync}, but blocks until it is done. The flush stalls everything else on the thread.
   *
   * @returns The last index that is durable.
   * @throws {WalLogError} `POISONED`, `READ_ONLY`, `CLOSED`.
   */
  syncSync(): Index {
    const writer = this.#requireWriter("sync", true);
    this.#stats.syncs++;
    if (writer.isDirty) {
      try {
        writer.flush();
      } catch (error) {
        throw this.#fail("flush", error);
      }
      this.#flushed(this.lastIndex);
    }
    return this.#durableIndex;
  }

  async #flushAsync(): Promise<void> {
    try {
      await this.#writer!.flushAsync();
    } catch (error) {
      throw this.#fail("flush", error);
    }
  }

  #flushed(lastIndex: Index): void {
    this.#stats.flushes++;
    this.#durableIndex = Math.max(this.#durableIndex, lastIndex);
    this.#markLater();
  }

  /**
   * The last flush has no later frame to vouch for it. So once the log has rested for a moment, a mark is written: if
   * that survives a crash, what it vouches for can no longer pass for a torn write.
   */
  #markLater(): void {
    if (this.#cancelMark !== undefined || this.#isClosed) return;
    this.#cancelMark = this.#options.fileSystem.after(MARK_IDLE_MS, () => {
      this.#cancelMark = undefined;
      const writer = this.#writer!;
      if (this.#isClosed || this.#poison !== undefined || writer.isDirty) return;
      try {
        writer.mark(this.#state);
      } catch (error) {
        this.#fail("write a mark", error);
      }
    });
  }

  /**
   * Installs a snapshot and drops what it replaces. It is durable when this returns, and so is everything before it.
   * One at or below {@link WalLog.snapshotIndex} is stale and changes nothing.
   *
   * @param snapshot The snapshot with its data.
   * @throws {WalLogError} `INVALID_ARGUMENT`: the log is as it was. `POISONED`, `READ_ONLY`, `CLOSED`.
   */
  applySnapshot(snapshot: Snapshot): void {
    this.#requireWriter("apply a snapshot");
    checkSnapshot(snapshot);
    if (snapshot.index <= this.snapshotIndex) return;
    const file = this.#newSnapshot(snapshot);
    try {
      file.write(snapshot.data);
      file.publish();
    } catch (error) {
      file.release();
      throw this.#fail("write a snapshot", error);
    }
    this.#install(snapshot);
  }

  /**
   * Writes a snapshot as a stream, holding no more than a piece of it. The snapshot is installed, as by
   * {@link WalLog.applySnapshot}, when the stream is closed; entries can be appended meanwhile. Aborting the stream
   * leaves the log as it was.
   *
   * @param meta What the snapshot is of.
   * @returns Where its data goes. Closing it rejects if the snapshot could not be installed.
   * @throws {WalLogError} `INVALID_ARGUMENT`, `POISONED`, `READ_ONLY`, `CLOSED`.
   */
  createSnapshot(meta: SnapshotMeta): WritableStream<Uint8Array> {
    this.#requireWriter("create a snapshot");
    checkSnapshotMeta(meta);
    const file = this.#newSnapshot(meta);
    this.#streams.add(file);
    const attempt = <T>(step: () => T): T => {
      try {
        this.#requireWriter("write a snapshot");
        return step();
      } catch (error) {
        file.release();
        throw this.#fail("write a snapshot", error);
      }
    };
    return new WritableStream<Uint8Array>({
      write: (piece) => {
        if (piece instanceof Uint8Array) return attempt(() => file.write(piece));
        this.#streams.delete(file);
        attempt(() => file.abort());
        throw new WalLogError("INVALID_ARGUMENT", "Cannot write a snapshot: expected pieces that are Uint8Arrays");
      },
      close: async () => {
        try {
          if (file.meta.index <= this.snapshotIndex) attempt(() => file.abort());
          else await attempt(() => file.publishAsync());
        } catch (error) {
          file.release();
          throw this.#fail("write a snapshot", error);
        } finally {
          this.#streams.delete(file);
        }
        this.#requireWriter("install a snapshot");
        // One that a later one overtook is stale; its file goes with the next one, or when the log is opened.
        if (file.meta.index > this.snapshotIndex) this.#install(file.meta);
      },
      abort: () => {
        this.#streams.delete(file);
        attempt(() => file.abort());
      },
    });
  }

  #newSnapshot(meta: SnapshotMeta): SnapshotWriter {
    const { fileSystem } = this.#options;
    const { folder, codec, uuid } = this.#opened;
    try {
      return new SnapshotWriter(fileSystem, folder, codec, uuid, meta);
    } catch (error) {
      throw this.#fail("write a snapshot", error);
    }
  }

  /** Makes a snapshot whose file is durable part of the log, then deletes what it replaces, oldest first. */
  #install({ index, term }: SnapshotMeta): void {
    const writer = this.#writer!;
    const log = this.#index;
    const clears = log.termAt(index) !== term;
    this.#write("install a snapshot", FRAME_HEADER_BYTES, () => {
      writer.writeFrame(KIND_SNAPSHOT, clears ? FLAG_CLEAR : 0, term, index);
      writer.flush();
    });
    if (clears) {
      writer.segment.lowestTruncated = 1;
      this.#truncated(this.snapshotIndex + 1);
    }
    log.compact(index, term, clears);
    this.#replacementsLost = false;
    this.#flushed(this.lastIndex);
    this.#stats.snapshots++;
    try {
      // What the snapshot replaces is about to go: from here on its frame may not pass for a torn write any more.
      writer.mark(this.#state);
      this.#deleteReplaced();
    } catch (error) {
      throw this.#fail("delete what the snapshot replaces", error);
    }
  }

  #deleteReplaced(): void {
    const { fileSystem } = this.#options;
    const { folder } = this.#opened;
    const { segments, snapshotIndex, snapshotTerm } = this.#index;
    for (;;) {
      const [oldest] = segments;
      if (oldest === this.#writer!.segment || oldest!.firstIndex + oldest!.count - 1 > snapshotIndex) break;
      this.#reader.files.drop(oldest!.path);
      fileSystem.remove(oldest!.path);
      segments.shift();
      this.#stats.segmentsDeleted++;
    }
    for (const name of fileSystem.list(folder)) {
      if (isReplacedSnapshot(name, snapshotIndex, snapshotTerm)) fileSystem.remove(`${folder}/${name}`);
    }
  }

  /**
   * The latest snapshot with its data.
   *
   * @returns The snapshot, or `undefined` if there is none.
   * @throws {WalLogError} `CORRUPT` if it is damaged; `IO`; `CLOSED`.
   */
  snapshot(): Snapshot | undefined {
    const reader = this.#readSnapshot();
    if (reader === undefined) return undefined;
    const data = new Uint8Array(reader.dataBytes);
    let filled = 0;
    for (const piece of reader.pieces()) {
      data.set(piece, filled);
      filled += piece.length;
    }
    return { ...reader.meta, data };
  }

  /**
   * What the latest snapshot is of, without reading its data.
   *
   * @returns Index, term and configuration, or `undefined` if there is no snapshot.
   * @throws {WalLogError} `CORRUPT` if it is damaged; `IO`; `CLOSED`.
   */
  snapshotMeta(): SnapshotMeta | undefined {
    const reader = this.#readSnapshot();
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
  openSnapshot(): ReadableStream<Uint8Array> | undefined {
    const reader = this.#readSnapshot();
    if (reader === undefined) return undefined;
    const pieces = reader.pieces();
    let begun = false;
    return new ReadableStream<Uint8Array>({
      pull(controller) {
        begun = true;
        const step = pieces.next();
        if (step.done) controller.close();
        else controller.enqueue(step.value);
      },
      cancel() {
        if (begun) pieces.return();
        else reader.close();
      },
    }, { highWaterMark: 0 });
  }

  #readSnapshot(): SnapshotReader | undefined {
    this.#requireOpen("read");
    if (this.snapshotIndex === 0) return undefined;
    const { folder, codec, uuid } = this.#opened;
    const { snapshotIndex, snapshotTerm } = this.#index;
    try {
      return new SnapshotReader(this.#options.fileSystem, folder, codec, uuid, snapshotIndex, snapshotTerm);
    } catch (error) {
      const name = snapshotName(snapshotIndex, snapshotTerm);
      const wasThere = this.#writer === undefined && this.recovery.damage.every(({ kind }) => kind !== "snapshot");
      if (!wasThere || this.#options.fileSystem.list(folder).includes(name)) throw error;
      throw goneFromReader(`${folder}/${name}`, error);
    }
  }

  /**
   * Flushes, leaves the mark of a clean close, and gives up the lock. The log cannot be used afterwards; closing it
   * again, when it is done, does nothing.
   *
   * @returns Settles when everything is durable and closed. Rejects with `POISONED` if a write or flush failed, now or
   * earlier, so that not everything is; the log is closed then too.
   */
  close(): Promise<void> {
    if (this.#isFinished) return Promise.resolve();
    if (this.#closing !== undefined) return this.#closing;
    this.#isClosed = true;
    return this.#closing = this.#commit.idle().then(() => this.#finish());
  }

  /**
   * Like {@link WalLog.close}, but blocks until it is done.
   *
   * @throws {WalLogError} `POISONED` if a write or flush failed, now or earlier; the log is closed all the same.
   */
  closeSync(): void {
    if (this.#isClosed && this.#closing === undefined) return;
    this.#isClosed = true;
    this.#finish();
  }

  #finish(): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.#cancelMark?.();
    const writer = this.#writer;
    try {
      if (writer === undefined) return;
      for (const snapshot of this.#streams) {
        if (this.#poison === undefined) snapshot.abort();
        else snapshot.release();
      }
      if (this.#poison !== undefined) throw this.#poison;
      if (writer.durableLsn < writer.segment.endLsn) writer.flush();
      this.#commit.finish(this.lastIndex, closed("sync", this.path));
      // A log without its latest hard state is not closed cleanly: the next opener must find that out as this one did.
      if (this.#hardStateLost) return;
      writer.finish(this.#state);
    } catch (error) {
      throw this.#fail("close", error);
    } finally {
      this.#reader.files.close();
      writer?.close();
      this.#opened.lock?.release();
    }
  }

  /** Closes the log: what `await using` calls. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Closes the log: what `using` calls. */
  [Symbol.dispose](): void {
    this.closeSync();
  }

  /** The state of the log, for the header of the next segment. */
  get #state(): LogState {
    const { nextIndex, lastTerm, snapshotIndex, snapshotTerm } = this.#index;
    return {
      nextIndex,
      lastTerm,
      snapshotIndex,
      snapshotTerm,
      hardState: this.#hardState,
      hardStateLost: this.#hardStateLost,
      tailLost: this.#tailLost,
      replacementsLost: this.#replacementsLost,
      replacements: this.#writer!.replacements,
    };
  }

  /** Writes, in a new segment if this one is full. What fails ends the writer, but for a segment with no room to be. */
  #write(attempt: string, bytes: number, write: () => void): void {
    const writer = this.#writer!;
    const before = writer.segment;
    try {
      if (writer.needsRotation(bytes)) writer.rotate(this.#state, this.#index.runs);
    } catch (error) {
      if (!(error instanceof WalLogError && error.code === "NO_SPACE")) throw this.#fail(attempt, error);
      // The old segment was flushed before there was no room for a new one.
      if (!writer.isDirty) this.#durableIndex = this.lastIndex;
      throw error;
    }
    if (writer.segment !== before) {
      this.#index.segments.push(writer.segment);
      this.#durableIndex = this.lastIndex;
      this.#stats.segmentsSealed++;
    }
    const start = writer.segment.endOffset;
    try {
      write();
    } catch (error) {
      throw this.#fail(attempt, error);
    }
    this.#stats.bytesWritten += writer.segment.endOffset - start;
  }

  /** Ends the writer for good, if nothing has yet, and returns the error that says so. */
  #fail(attempt: string, cause: unknown): WalLogError {
    if (cause instanceof WalLogError && (cause.code === "POISONED" || cause.code === "CLOSED")) return cause;
    this.#poison ??= new WalLogError(
      "POISONED",
      `Cannot ${attempt} at ${this.path}: ${cause instanceof Error ? cause.message : String(cause)}; what is on the ` +
        `disk is uncertain, so the log takes nothing more; close it and open it again`,
      { path: this.path, cause },
    );
    this.#commit.fail(this.#poison);
    return this.#poison;
  }

  #requireOpen(attempt: string): void {
    if (this.#isClosed) throw closed(attempt, this.path);
  }

  #requireWriter(attempt: string, evenWithoutHardState = false): SegmentWriter {
    this.#requireOpen(attempt);
    if (this.#poison !== undefined) throw this.#poison;
    if (this.#writer === undefined) {
      throw new WalLogError("READ_ONLY", `Cannot ${attempt}: the log at ${this.path} was opened for reading only`, {
        path: this.path,
      });
    }
    if (this.#hardStateLost && !evenWithoutHardState) {
      throw new WalLogError(
        "CORRUPT",
        `Cannot ${attempt}: the latest hard state of the log at ${this.path} is damaged, so that a vote may be ` +
          `forgotten; find out what it was and call setHardState with force`,
        { path: this.path, damage: this.damaged },
      );
    }
    return this.#writer;
  }
}

function closed(attempt: string, path: string): WalLogError {
  return new WalLogError("CLOSED", `Cannot ${attempt}: the log at ${path} is closed`, { path });
}
