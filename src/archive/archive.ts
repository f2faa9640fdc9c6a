/**
 * Archives a log in the background.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import { publish } from "../api/events.ts";
import type { Metric } from "../api/metrics.ts";
import { checkNames } from "../api/option_names.ts";
import type { Retention } from "../api/retention.ts";
import type { Index } from "../api/types.ts";
import { checkReadIndex } from "../api/validate.ts";
import type { WalLog } from "../api/wal_log.ts";
import type { FileSystem } from "../io/file_system.ts";
import { ioError } from "../io/full.ts";
import { nodeFileSystem } from "../io/node_fs.ts";
import { archiveMetrics } from "./archive_metrics.ts";
import { Archiver } from "./archiver.ts";
import { CurrentEntries } from "./current_entries.ts";
import { LogView } from "./log_view.ts";
import type { ObjectStore } from "./object_store.ts";
import { checkInterval, repeatStep } from "./repeat.ts";
import { Waiters } from "./waiters.ts";

/** Codes of failures that a retry cannot cure. */
const FINAL_CODES: readonly string[] = ["FENCED", "DIVERGED", "INVALID_ARGUMENT", "NOT_FOUND", "UNSUPPORTED_VERSION"];

/** Options of archiving a log. */
export interface ArchiveOptions {
  /** The time from the start of one step to the start of the next, in milliseconds. Default: 1000; at least 1. */
  readonly intervalMilliseconds?: number;
  /** The name of the log's retention, and the value of the label `archive` in metrics. Default: `"archive"`. */
  readonly name?: string;
  /** The file system. It must be that of the log. Default: the system's. */
  readonly fileSystem?: FileSystem;
}

/** The lag of an archive behind its log. */
export interface ArchiveLag {
  /** Durable entries that are not archived. */
  readonly entries: number;
  /** Bytes of the log that are proven durable and not archived. */
  readonly bytes: number;
  /** The time since all durable entries were archived, in seconds; 0 if they are. */
  readonly seconds: number;
}

/**
 * A log that is being archived.
 *
 * @experimental
 */
export interface Archive extends AsyncDisposable {
  /**
   * The last archived index, up to which a restore can recover the log. A truncation lowers it: at once in the writer's
   * process, and with the next step in another one.
   */
  readonly archivedIndex: Index;
  /** The lag behind the log. */
  readonly lag: ArchiveLag;
  /** The last failure; `undefined` if the last step succeeded. */
  readonly failure: WalLogError | undefined;
  /**
   * Resolves when archiving has ended because of {@link Archive.close}. Rejects with `FENCED` if another archiver has
   * taken over; with `DIVERGED` if the archive is of another log or ahead of this one; with `INVALID_ARGUMENT` if the
   * store lacks the conditional write, or refuses the credentials; with `NOT_FOUND` if the folder has another log, or another store is in the place
   * of the claimed one. The log itself stays usable.
   */
  readonly closed: Promise<void>;

  /**
   * Waits until the log's entry at an index is archived. Make it durable first, with `log.sync`. Two entries are the
   * same if they have the same index and term. In another process than the writer's, this reads the log, also the part
   * that is not durable yet. So an entry that was replaced before the call does not count.
   *
   * @param index The index.
   * @param options `signal` ends the wait: it rejects with the signal's reason.
   * @returns Resolves when it is archived. Rejects with `CLOSED`, or with the error that ended the archive.
   */
  archived(index: Index, options?: { readonly signal?: AbortSignal }): Promise<void>;

  /** The figures of the archive as metrics, for `prometheusText`. `name`: value of the label `log`. */
  metrics(name?: string): Metric[];

  /** Stops archiving, and aborts requests under way. To archive everything first, wait for {@link Archive.archived}. */
  close(): Promise<void>;
}

/**
 * Archives a log in an object store: at once, and then new durable entries every second. It runs until {@link
 * Archive.close} is called, and keeps the process alive until then. A failed request is tried again, with growing
 * pauses of up to 30 seconds.
 *
 * In the writer's process, it holds compaction back (`log.retain`) until entries are archived. For a log that is opened
 * read-only, beside its writer in another process, it cannot. If that writer compacts entries before they are archived,
 * the archive has a gap, which the snapshot covers.
 *
 * @param log The log, open for writing or for reading only.
 * @param store The store. It holds the archive of one log.
 * @param options The interval, and a name.
 * @returns The running archive.
 * @throws {WalLogError} `INVALID_ARGUMENT` for an invalid option, or if the log is archived already under that name.
 *
 * @example
 * ```ts
 * import { WalLog } from "@wallog/wallog";
 * import { archive, MemoryStore } from "@wallog/wallog/archive";
 * import { mkdtempSync, rmSync } from "node:fs";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import assert from "node:assert/strict";
 *
 * const folder = mkdtempSync(join(tmpdir(), "wallog-"));
 * const store = new MemoryStore();
 * {
 *   await using log = await WalLog.open(join(folder, "raft.wal"));
 *   await using archiving = archive(log, store);
 *   log.append([{ term: 1, index: 1, command: new TextEncoder().encode("x = 1") }]);
 *   await log.sync(); // on the disk
 *   await archiving.archived(1); // and in the store
 *   assert.equal(archiving.archivedIndex, 1);
 * }
 * rmSync(folder, { recursive: true });
 * ```
 *
 * @experimental
 */
export function archive(log: WalLog, store: ObjectStore, options: ArchiveOptions = {}): Archive {
  checkNames("Cannot archive the log", options, ["intervalMilliseconds", "name", "fileSystem"]);
  const { name = "archive", fileSystem = nodeFileSystem } = options;
  const intervalMs = checkInterval("Cannot archive the log", options.intervalMilliseconds);
  return new RunningArchive(log, store, intervalMs, name, fileSystem);
}

class RunningArchive implements Archive {
  readonly closed: Promise<void>;
  failure: WalLogError | undefined;
  private readonly log: WalLog;
  private readonly store: ObjectStore;
  private readonly intervalMs: number;
  private readonly name: string;
  private readonly retention: Retention | undefined;
  private readonly archiver: Archiver;
  /** The current entries of the log, if the writer may be in another process. */
  private readonly current: CurrentEntries | undefined;
  private readonly waiters = new Waiters();
  private readonly ending = new AbortController();
  /** Whether the last step began after the log was closed. The files then have the whole log. */
  private isLogFinal = false;
  private isLogClosed = false;
  private failures = 0;
  /** The start of the last successful step. */
  private currentAt = performance.now();

  constructor(log: WalLog, store: ObjectStore, intervalMs: number, name: string, fileSystem: FileSystem) {
    this.log = log;
    this.store = store;
    this.intervalMs = intervalMs;
    this.name = name;
    this.retention = retainAll(log, name);
    const view = new LogView(fileSystem, log.path);
    this.current = this.retention === undefined ? new CurrentEntries(fileSystem, log.path) : undefined;
    this.archiver = new Archiver(store, view, crypto.randomUUID(), this.ending.signal);
    this.closed = this.run();
    // A caller that ignores `closed` must not get an unhandled rejection.
    this.closed.catch(() => {});
  }

  get archivedIndex(): Index {
    const { retention, isLogFinal, archiver: { archivedIndex } } = this;
    return retention === undefined || isLogFinal ? archivedIndex : Math.min(archivedIndex, retention.from - 1);
  }

  get lag(): ArchiveLag {
    const { archiver, retention, log, archivedIndex } = this;
    const durable = retention === undefined || this.isLogClosed ? archiver.log.durableIndex : log.durableIndex;
    const entries = Math.max(durable - archivedIndex, 0);
    const bytes = archiver.lagBytes;
    return { entries, bytes, seconds: entries + bytes === 0 ? 0 : (performance.now() - this.currentAt) / 1000 };
  }

  async archived(index: Index, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    checkNames("Cannot wait for the archive", options, ["signal"]);
    checkReadIndex(index);
    options.signal?.throwIfAborted();
    // If the log cannot be read now, the next step reads it again.
    const isArchived = index <= this.archivedIndex && index <= await this.stillArchived().catch(() => 0);
    if (isArchived) return;
    options.signal?.throwIfAborted();
    return await this.waiters.wait(index, options.signal);
  }

  /** The highest archived index whose entry the log still has. */
  private async stillArchived(): Promise<Index> {
    const { current, archiver } = this;
    return current === undefined ? this.archivedIndex : await current.same(() => this.archivedIndex, archiver.log);
  }

  metrics(name: string = this.log.path): Metric[] {
    const { archivedIndex, lag: { entries, bytes: bytesBehind, seconds }, failures, archiver } = this;
    const { counts, generation } = archiver;
    const figures = { archivedIndex, generation, failures, entries, bytesBehind, seconds, ...counts };
    return archiveMetrics({ log: name, archive: this.name }, figures);
  }

  async close(): Promise<void> {
    this.ending.abort(closedError(this.log.path));
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
      step: (started) => this.stepOnce(started),
      failed: (cause) => this.failed(cause),
    });
    this.retention?.release();
    await this.current?.close();
    this.waiters.end(end ?? closedError(this.log.path));
    if (end !== undefined) throw end;
  }

  private async stepOnce(started: number): Promise<void> {
    const { archiver, log, store } = this;
    const before = archiver.counts.bytes;
    await archiver.step();
    this.failure = undefined;
    this.currentAt = started;
    this.advance();
    if (this.waiters.isWaiting) this.waiters.reached(await this.stillArchived());
    const bytes = archiver.counts.bytes - before;
    const { archivedIndex } = this;
    const milliseconds = performance.now() - started;
    if (bytes > 0) publish("wallog:archive", { path: log.path, store: store.name, archivedIndex, bytes, milliseconds });
  }

  /** Releases archived entries, unless the log has replaced them meanwhile. */
  private advance(): void {
    const { retention, archiver: { archivedIndex, log: view }, log } = this;
    if (retention === undefined) return;
    try {
      if (log.termAt(archivedIndex) === view.termAt(archivedIndex)) retention.advance(archivedIndex + 1);
    } catch (error) {
      // Archiving continues after the log is closed, because its files are still there.
      if (!(error instanceof WalLogError)) throw error;
      this.isLogFinal = this.isLogClosed;
      this.isLogClosed = true;
    }
  }

  /** Records a failure; returns it if it is final. */
  private failed(cause: unknown): WalLogError | undefined {
    const { path } = this.log;
    const error = ioError("Cannot archive the log", path, cause);
    const willRetry = !FINAL_CODES.includes(error.code);
    this.failures++;
    this.failure = error;
    publish("wallog:archive-failure", { path, store: this.store.name, error, willRetry });
    return willRetry ? undefined : error;
  }
}

/** Retains all entries; `undefined` if the log is opened for reading only. */
function retainAll(log: WalLog, name: string): Retention | undefined {
  try {
    return log.retain(name, log.firstIndex);
  } catch (error) {
    if (error instanceof WalLogError && error.code === "READ_ONLY") return undefined;
    throw error;
  }
}

function closedError(path: string): WalLogError {
  return new WalLogError("CLOSED", `Cannot wait for the archive of the log at ${path}: archiving was ended`, { path });
}
