/**
 * A warm standby: a log that follows an archive.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import { publish } from "../api/events.ts";
import type { Metric } from "../api/metrics.ts";
import { checkNames } from "../api/option_names.ts";
import type { WalLogOptions } from "../api/options.ts";
import type { Index } from "../api/types.ts";
import { checkReadIndex } from "../api/validate.ts";
import { WalLog } from "../api/wal_log.ts";
import type { FileLock, FileSystem } from "../io/file_system.ts";
import { ioError } from "../io/full.ts";
import { nodeFileSystem } from "../io/node_fs.ts";
import { folderOf } from "../recovery/open.ts";
import type { ObjectStore } from "./object_store.ts";
import { checkInterval, repeatStep } from "./repeat.ts";
import { checkConcurrency } from "./restore.ts";
import { LOCK_NAME, makeFolder } from "./restored_folder.ts";
import { StandbyFiles } from "./standby_files.ts";
import { standbyMetrics } from "./standby_metrics.ts";
import { StandbyLog } from "./standby_update.ts";
import { Waiters } from "./waiters.ts";

const ATTEMPT = "Cannot follow an archive";
/** Codes of failures that a retry cannot cure. */
const FINAL_CODES: readonly string[] = ["DIVERGED", "INVALID_ARGUMENT", "LOCK_LOST", "UNSUPPORTED_VERSION"];

/** Options of a standby. */
export interface StandbyOptions {
  /** The time from the start of one update to the start of the next, in milliseconds. Default: 1000; at least 1. */
  readonly intervalMilliseconds?: number;
  /** The most objects to read at the same time, 1 to 64. Each takes up to 4 MiB of memory. Default: 4. */
  readonly concurrency?: number;
  /** The machine to run on. Default: the one that the process runs on. */
  readonly fileSystem?: FileSystem;
}

/** The lag of a standby behind its archive. The archive itself lags behind the log. */
export interface StandbyLag {
  /** Archived entries that the standby does not have, as of the last list of the archive. */
  readonly entries: number;
  /** The time since the start of the last complete update, in seconds; `Infinity` before the first one. */
  readonly seconds: number;
}

/** A log that follows an archive. */
export interface Standby extends AsyncDisposable {
  /** The folder of the log. */
  readonly path: string;
  /** The last index of the log. A truncation lowers it. */
  readonly lastIndex: Index;
  /** The lag behind the archive. */
  readonly lag: StandbyLag;
  /** The last failure; `undefined` if the last update succeeded. */
  readonly failure: WalLogError | undefined;
  /**
   * Resolves when following has ended because of {@link Standby.close} or {@link Standby.promote}. Rejects with
   * `DIVERGED` if the archive does not have the history of the log, or is of another log; with `LOCK_LOST` if the folder
   * was moved or replaced. The log stays as it is.
   */
  readonly closed: Promise<void>;

  /**
   * Waits until the log has an index.
   *
   * @param index The index.
   * @param options `signal` ends the wait: it rejects with the signal's reason.
   * @returns Resolves when the log has it. Rejects with `CLOSED`, or with the error that ended the standby.
   */
  reached(index: Index, options?: { readonly signal?: AbortSignal }): Promise<void>;

  /** The figures of the standby as metrics, for `prometheusText`. `name`: value of the label `log`. */
  metrics(name?: string): Metric[];

  /**
   * Stops following, and opens the log for writing. It does not ask the archive, which may be out of reach. Make sure
   * that the old writer does not continue: if both write, their logs diverge. The log has another incarnation than the
   * archived one. It can be archived to the same place, as the next generation. It cannot follow any more.
   *
   * @param options Options of the log.
   * @returns The log.
   * @throws {WalLogError} `NOT_FOUND` if the standby has no log yet; as `WalLog.open`.
   */
  promote(options?: WalLogOptions): Promise<WalLog>;

  /** Stops following. A later standby continues. */
  close(): Promise<void>;
}

/**
 * Makes a copy of an archived log, and keeps it up to date: a warm standby, which is seconds behind. It takes what the
 * archive adds, every second: entries, truncations, snapshots, and what archivers write that took over. The folder is a
 * log that other processes can open for reading. After a kill or a power cut in the middle of an update, it may need a
 * standby once more before it opens. Only {@link Standby.promote} makes it writable: until then, the standby holds the
 * folder's lock.
 *
 * A failed request is tried again, with growing pauses of up to 30 seconds. So the archive can also begin later.
 *
 * @param store The store with the archive.
 * @param folder The folder. It must be empty, not exist, or have the log of an earlier standby, which goes on.
 * @param options The interval, and the number of requests at the same time.
 * @returns The running standby, when the files in the folder are verified.
 * @throws {WalLogError} `INVALID_ARGUMENT` if the folder has something else, or for an invalid option; `LOCKED`;
 * `CORRUPT` if a file in the folder is damaged; `IO`.
 *
 * @example
 * ```ts
 * import { WalLog } from "@wallog/wallog";
 * import { archive, MemoryStore, standby } from "@wallog/wallog/archive";
 * import { mkdtempSync, rmSync } from "node:fs";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import assert from "node:assert/strict";
 *
 * const folder = mkdtempSync(join(tmpdir(), "wallog-"));
 * const store = new MemoryStore();
 * const warm = await standby(store, join(folder, "standby.wal"), { intervalMilliseconds: 10 });
 * {
 *   await using log = await WalLog.open(join(folder, "raft.wal"));
 *   await using archiving = archive(log, store, { intervalMilliseconds: 10 });
 *   log.append([{ term: 1, index: 1, command: new TextEncoder().encode("x = 1") }]);
 *   await log.sync();
 *   await warm.reached(1);
 * }
 * // The machine of the log is lost.
 * const log = await warm.promote();
 * assert.equal(new TextDecoder().decode(log.entry(1)?.command), "x = 1");
 * await log.close();
 * rmSync(folder, { recursive: true });
 * ```
 */
export async function standby(
  store: ObjectStore,
  folder: string | URL,
  options: StandbyOptions = {},
): Promise<Standby> {
  checkNames(ATTEMPT, options, ["intervalMilliseconds", "concurrency", "fileSystem"]);
  const { fileSystem = nodeFileSystem } = options;
  const intervalMs = checkInterval(ATTEMPT, options.intervalMilliseconds);
  const concurrency = checkConcurrency(ATTEMPT, options.concurrency);
  const path = folderOf(folder);
  makeFolder(fileSystem, path);
  const lock = fileSystem.lock(`${path}/${LOCK_NAME}`);
  if (typeof lock !== "object") {
    throw new WalLogError("LOCKED", `${ATTEMPT} in ${path}: a writer has a log open there`, { path });
  }
  const files = new StandbyFiles(fileSystem, path);
  try {
    await files.load();
  } catch (error) {
    lock.release();
    throw ioError(ATTEMPT, path, error);
  }
  return new RunningStandby(store, files, lock, intervalMs, concurrency);
}

class RunningStandby implements Standby {
  readonly closed: Promise<void>;
  failure: WalLogError | undefined;
  private readonly store: ObjectStore;
  private readonly files: StandbyFiles;
  private readonly lock: FileLock;
  private readonly intervalMs: number;
  private readonly log: StandbyLog;
  private readonly waiters = new Waiters();
  private readonly ending = new AbortController();
  private failures = 0;
  /** The start of the last complete update. */
  private currentAt = -Infinity;

  constructor(store: ObjectStore, files: StandbyFiles, lock: FileLock, intervalMs: number, concurrency: number) {
    this.store = store;
    this.files = files;
    this.lock = lock;
    this.intervalMs = intervalMs;
    this.log = new StandbyLog(store, files, lock, concurrency, this.ending.signal);
    this.closed = this.run();
    // A caller that ignores `closed` must not get an unhandled rejection.
    this.closed.catch(() => {});
  }

  get path(): string {
    return this.files.folder;
  }

  get lastIndex(): Index {
    return this.files.lastIndex;
  }

  get lag(): StandbyLag {
    const entries = Math.max(this.log.archivedIndex - this.lastIndex, 0);
    return { entries, seconds: (performance.now() - this.currentAt) / 1000 };
  }

  // deno-lint-ignore require-await -- so that every error is a rejection
  async reached(index: Index, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    checkNames("Cannot wait for a standby", options, ["signal"]);
    checkReadIndex(index);
    options.signal?.throwIfAborted();
    if (index <= this.lastIndex) return;
    return this.waiters.wait(index, options.signal);
  }

  metrics(name: string = this.path): Metric[] {
    const { lastIndex, lag: { entries, seconds }, failures, log: { generation } } = this;
    return standbyMetrics({ log: name }, { lastIndex, generation, entries, seconds, failures });
  }

  async promote(options?: WalLogOptions): Promise<WalLog> {
    await this.close();
    const { path } = this;
    if (this.files.cut === undefined) {
      throw new WalLogError("NOT_FOUND", `Cannot promote the standby in ${path}: it has no log yet`, { path });
    }
    return await WalLog.open(path, { create: false, ...options });
  }

  async close(): Promise<void> {
    this.ending.abort(closedError(this.path));
    // The error is that of `closed`.
    await this.closed.catch(() => {});
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private async run(): Promise<void> {
    const end = await repeatStep({
      intervalMs: this.intervalMs,
      signal: this.ending.signal,
      step: (started) => this.updateOnce(started),
      failed: (cause) => this.failed(cause),
    });
    this.lock.release();
    this.waiters.end(end ?? closedError(this.path));
    if (end !== undefined) throw end;
  }

  private async updateOnce(started: number): Promise<void> {
    const { log, path, store: { name: store } } = this;
    const { replaced } = log;
    let hasChanged = false;
    try {
      hasChanged = await log.update();
      this.failure = undefined;
      this.currentAt = started;
    } finally {
      // A failed update can have taken a part.
      this.waiters.reached(this.lastIndex);
    }
    const { lastIndex, lag: { entries } } = this;
    const milliseconds = performance.now() - started;
    const isNewCopy = log.replaced > replaced;
    if (hasChanged) publish("wallog:standby", { path, store, lastIndex, entries, isNewCopy, milliseconds });
  }

  /** Records a failure; returns it if it is final. */
  private failed(cause: unknown): WalLogError | undefined {
    const { path, store: { name: store } } = this;
    const error = ioError(ATTEMPT, path, cause);
    const willRetry = !FINAL_CODES.includes(error.code);
    this.failures++;
    this.failure = error;
    publish("wallog:standby-failure", { path, store, error, willRetry });
    return willRetry ? undefined : error;
  }
}

function closedError(path: string): WalLogError {
  return new WalLogError("CLOSED", `Cannot wait for the standby in ${path}: it was ended`, { path });
}
