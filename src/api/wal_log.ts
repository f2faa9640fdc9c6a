/**
 * The durable log: Raft semantics over the segments.
 *
 * @module
 */

import { FLAG_VOTE, FRAME_ALIGNMENT, FRAME_HEADER_BYTES, KIND_HARD_STATE, KIND_TRUNCATE } from "../format/frame.ts";
import { TERM_UNKNOWN } from "../format/numbers.ts";
import type { LogState } from "../format/state.ts";
import type { Batch } from "../log/batch.ts";
import type { LiveState } from "../log/live_state.ts";
import type { LogIndex } from "../log/log_index.ts";
import type { OpenFiles } from "../log/open_files.ts";
import { repairLog } from "../maintain/repair_log.ts";
import { backupLog, type BackupOptions, type BackupReport } from "../maintain/backup.ts";
import { scrubInBackground, type ScrubOptions, type ScrubReport } from "../maintain/scrub.ts";
import { folderOf, openAtOnce, type Opened, openInSlices } from "../recovery/open.ts";
import type { Durability } from "../write/durability.ts";
import { takeBatch } from "../write/take_batch.ts";
import { CompactableLog } from "./compactable_log.ts";
import { hasSubscribers, publish } from "./events.ts";
import { knownTerm } from "./known_term.ts";
import { foundCluster } from "./log_identity.ts";
import { assembleLog, type LogParts } from "./log_parts.ts";
import { checkNames, FORCE } from "./option_names.ts";
import { checkOptions, type WalLogOptions } from "./options.ts";
import { takeEntries, takeHardState } from "./taken.ts";
import type { HardState, Index, NewEntry, RaftLog } from "./types.ts";
import { checkHardState, checkRepair, checkTruncate } from "./validate.ts";

/**
 * A durable Raft log in a folder.
 *
 * {@link WalLog.append} returns when the bytes are in the operating system's page cache: killing the process loses
 * nothing. {@link WalLog.sync} resolves when they are on stable storage: a power cut loses nothing.
 *
 * The log stops at the first write or flush that fails: every later change throws `POISONED` with the cause. It can
 * still be read. Entries up to {@link WalLog.durableIndex} read as before. Entries above it may fail to read, with
 * `DAMAGED_ENTRY` or `IO`: after a failed flush, the operating system may drop data that it has not written.
 *
 * {@link ReadableLog} describes reading; {@link CompactableLog} describes snapshots, compaction and retentions; {@link
 * FollowableLog} describes following.
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
export class WalLog extends CompactableLog implements RaftLog, AsyncDisposable, Disposable {
  /** The largest command that {@link WalLog.append} accepts, in bytes: `WalLogOptions.maxEntryBytes`. */
  readonly maxEntryBytes: number;
  readonly #opened: Opened;
  readonly #index: LogIndex;
  readonly #state: LiveState;
  readonly #durability: Durability;
  readonly #files: OpenFiles;
  /** The log's state after the batch that is being appended. */
  readonly #stateAfter = ({ count, lastTerm }: Batch): LogState => {
    const { changes } = this.#opened.writer!;
    return { ...this.#state.record(changes), nextIndex: this.#index.nextIndex + count, lastTerm };
  };

  private constructor(parts: LogParts) {
    super(parts);
    this.maxEntryBytes = parts.maxEntryBytes;
    this.#opened = parts.opened;
    this.#index = parts.opened.index;
    this.#state = parts.state;
    this.#durability = parts.durability;
    this.#files = parts.reader.files;
  }

  /**
   * Opens the log in a folder, or creates it if there is none. While a long log is read, other tasks can run.
   *
   * @param path The log's folder. It is created if it is missing. Files in it that do not belong to the log are left
   * alone.
   * @param options The options.
   * @returns The log.
   * @throws {WalLogError} `LOCKED` if another writer has the log open; `CORRUPT` if durable data is damaged (`damage`
   * lists it); `NOT_FOUND` if there is no log and `create` is `false`; `UNSUPPORTED_VERSION`; `INVALID_ARGUMENT`;
   * `NO_SPACE` if the disk is too full to continue the log after a crash (`readOnly` still works); `IO`. Or the reason
   * of `options.signal`.
   */
  static async open(path: string | URL, options: WalLogOptions = {}): Promise<WalLog> {
    const checked = checkOptions(options);
    return new WalLog(assembleLog(await openInSlices(path, checked), checked));
  }

  /**
   * Like {@link WalLog.open}, but blocks until the log is open.
   *
   * @param path The log's folder.
   * @param options The options. The signal is checked only once, at the start.
   * @returns The log.
   * @throws {WalLogError} As {@link WalLog.open}.
   */
  static openSync(path: string | URL, options: WalLogOptions = {}): WalLog {
    const checked = checkOptions(options);
    return new WalLog(assembleLog(openAtOnce(path, checked), checked));
  }

  /**
   * Appends entries in one write. After a crash, either all of them are in the log or none. An empty list changes
   * nothing.
   *
   * @param entries Contiguous entries; the first at `lastIndex + 1`.
   * @throws {WalLogError} `NOT_CONTIGUOUS`, `ENTRY_TOO_LARGE`, `INVALID_ARGUMENT`, `NO_SPACE`: the log is unchanged.
   * `POISONED` if a write failed, now or earlier; `READ_ONLY`; `CLOSED`.
   */
  append(entries: readonly NewEntry[]): void {
    const index = this.#index;
    const batch = takeBatch(this.#durability.requireWriter("append"), index, entries, this.maxEntryBytes);
    // The caller's objects can have accessors, and these can close the log.
    const writer = this.#durability.requireWriter("append");
    const { count, commandBytes } = batch;
    if (count === 0) return;
    this.#durability.write(
      "append",
      commandBytes + count * (FRAME_HEADER_BYTES + FRAME_ALIGNMENT),
      () => writer.append(batch, this.#stateAfter),
    );
    const firstIndex = index.nextIndex;
    index.append(batch);
    this.#state.counts.entriesAppended += count;
    if (hasSubscribers("wallog:append")) {
      publish("wallog:append", { path: this.path, firstIndex, lastIndex: this.lastIndex, bytes: commandBytes });
    }
  }

  /**
   * Drops every entry at or above an index. Above {@link WalLog.lastIndex} it changes nothing.
   *
   * @param from The first index to drop.
   * @throws {WalLogError} `COMPACTED`, `INVALID_ARGUMENT`, `NO_SPACE`: the log is unchanged. `POISONED`, `READ_ONLY`,
   * `CLOSED`.
   */
  truncate(from: Index): void {
    this.#durability.requireWriter("truncate");
    checkTruncate(from, this.snapshotIndex);
    if (from > this.lastIndex) return;
    const term = knownTerm(this.path, this.#index.termAt(from - 1) ?? TERM_UNKNOWN, from - 1);
    this.#durability.writeFrame("truncate", KIND_TRUNCATE, 0, term, from);
    this.#index.truncate(from, term);
    this.#durability.truncated(from);
  }

  /**
   * Replaces the hard state.
   *
   * @param state The term and the vote.
   * @param options `force`: for a log whose latest hard state is damaged. It confirms that the new hard state is right,
   * so that the log accepts writes again. Such a log never falls back to an older hard state: a node that forgets its
   * vote can vote twice. `force` also gives up the entries that {@link WalLog.damaged} lists without a last index.
   * @throws {WalLogError} `INVALID_ARGUMENT`, `NO_SPACE`: the log is unchanged. `POISONED`, `READ_ONLY`, `CLOSED`.
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
   * Replaces damaged entries with good copies from a peer. The copies are checked against the surviving evidence: term,
   * kind, length and checksum if the header survives; otherwise the terms around them and the space available. Each
   * segment is repaired in one step, durably, and the next opening finds it undamaged. Undamaged entries are skipped if
   * they are the same.
   *
   * If something other than entries is lost, such as a truncation, a repair is not always possible. There are two other
   * ways: truncate the log before the damage and append the entries again, or install a snapshot above the damage.
   * Until then the log opens with `onDamage: "keep"`.
   *
   * @param entries The entries, in any order; entries that were lost together must be passed together.
   * @throws {WalLogError} `INVALID_ARGUMENT` if an entry cannot be the lost one, `NO_SPACE` (a repair needs space for a
   * copy of the segment): the log is unchanged. `CORRUPT` while the hard state is lost; `POISONED`, `READ_ONLY`,
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
    repairLog(this.#opened, this.#state, this.#durability, this.#files, good);
  }

  /**
   * Verifies the whole log on disk, in the background. The log can be used meanwhile, also for appending, truncating
   * and compacting. Damaged entries are added to {@link WalLog.damaged}, for `repair`.
   *
   * @param options Speed, progress and signal.
   * @returns The damage found.
   * @throws {WalLogError} `IO` if a file cannot be read; `COMPACTED` if this is a reader and the log's writer has
   * deleted a file, so that the log must be opened again; `CLOSED`, also if the log is closed meanwhile;
   * `INVALID_ARGUMENT`. Or the reason of `options.signal`.
   */
  async scrub(options: ScrubOptions = {}): Promise<ScrubReport> {
    return await scrubInBackground(this.#opened, this.#state, this.#durability, options);
  }

  /**
   * Copies the log into another folder while it is in use: entries, hard state and snapshot as of one moment. If the
   * log is truncated or cleared meanwhile, the copy starts over. The copy is verified by reading it back, and is
   * closed. It has its own UUID and incarnation. The folder opens as a log only when the copy is complete.
   *
   * A node that starts from a backup has forgotten everything that it acknowledged since, including its votes: let it
   * join its cluster as a new member.
   *
   * @param folder The copy's folder. It must be empty or not exist.
   * @param options `to`: the last entry to copy. `signal`: aborts the copy.
   * @returns The contents of the copy.
   * @throws {WalLogError} `INVALID_ARGUMENT` if the folder is not empty, or if `to` is below {@link
   * WalLog.snapshotIndex}; `CORRUPT` or `DAMAGED_ENTRY` if the log is damaged; `NOT_CONTIGUOUS` or `COMPACTED` if the
   * log changes during every attempt; `LOCKED`, `NO_SPACE`, `IO`, `POISONED`, `CLOSED`. Or the reason of the signal.
   * After an error, no copy is left.
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
   *   log.append([1, 2, 3].map((index) => ({ term: 1, index, command: new Uint8Array(8) })));
   *   const { lastIndex } = await log.backup(join(folder, "copy.wal"), { to: 2 });
   *   assert.equal(lastIndex, 2);
   * }
   * rmSync(folder, { recursive: true });
   * ```
   */
  async backup(folder: string | URL, options: BackupOptions = {}): Promise<BackupReport> {
    this.#durability.requireOpen("back up");
    const { fileSystem, writer } = this.#opened;
    const open = (path: string, how: WalLogOptions) => WalLog.open(path, how);
    return await backupLog({ log: this, fileSystem, isWriter: writer !== undefined, open }, folderOf(folder), options);
  }

  /**
   * Makes everything that was done before the call durable. Calls share flushes: only one flush runs at a time, and all calls
   * made during it share the next one.
   *
   * @returns The last durable index. Rejects with `POISONED` if the flush or an earlier write or flush failed. A flush
   * is never retried.
   */
  // deno-lint-ignore require-await -- so that every error is a rejection
  async sync(): Promise<Index> {
    return this.#durability.sync();
  }

  /**
   * Like {@link WalLog.sync}, but blocks until it is done. The flush blocks everything else on the thread.
   *
   * @returns The last index that is durable.
   * @throws {WalLogError} `POISONED`, `READ_ONLY`, `CLOSED`.
   */
  syncSync(): Index {
    return this.#durability.syncSync();
  }

  /**
   * Sets the cluster that the log belongs to. This cannot be changed later. When this returns, the id is durable, and
   * {@link WalLog.identity} contains it. If the log has this id already, nothing changes. The call blocks for the
   * flushes.
   *
   * @param id The cluster's id: a UUID as `crypto.randomUUID` gives it, or its 16 bytes. Not zero. All nodes of a
   * cluster must get the same id.
   * @throws {WalLogError} `INVALID_ARGUMENT` if `id` is not valid, or if the log belongs to another cluster;
   * `NO_SPACE`: the log is unchanged. `CORRUPT` while the hard state is lost; `POISONED`, `READ_ONLY`, `CLOSED`.
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
   * Flushes, writes the checkpoint of a clean close, and releases the lock. The log cannot be used afterwards. Closing
   * it again does nothing.
   *
   * @returns Resolves when everything is durable and closed. Rejects with `POISONED` if a write or flush failed, now or
   * earlier, so that some data is not durable; the log is closed even then.
   */
  close(): Promise<void> {
    return this.#durability.close(() => this.#files.close());
  }

  /**
   * Like {@link WalLog.close}, but blocks until it is done.
   *
   * @throws {WalLogError} `POISONED` if a write or flush failed, now or earlier; the log is closed even then.
   */
  closeSync(): void {
    this.#durability.closeSync(() => this.#files.close());
  }

  /** Closes the log at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Closes the log at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.closeSync();
  }
}
