/**
 * Makes a consistent copy of a log while the log is in use.
 *
 * The files of the copy first have names that end in `.backup`. When they are complete, flushed and read back, they are
 * renamed: IDENTITY first, the oldest segment last. Until then the folder does not open as a log.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import { checkNames } from "../api/option_names.ts";
import type { WalLogOptions } from "../api/options.ts";
import type { HardState, Index } from "../api/types.ts";
import { checkReadIndex } from "../api/validate.ts";
import type { WalLog } from "../api/wal_log.ts";
import { PAYLOAD_BYTES_MAX } from "../format/frame.ts";
import type { FileSystem } from "../io/file_system.ts";
import { ioError } from "../io/full.ts";
import { namesInOrder, partialNames, removePartial } from "./partial_folder.ts";
import { type Contents, contentsOf, requireCopy, writeAnew } from "./write_anew.ts";

/** Suffix of all file names until the copy is complete. */
const SUFFIX = ".backup";
const LOCK_NAME = "LOCK";
/** The maximum number of attempts if the log is compacted or truncated during the copy. */
const ATTEMPTS_MAX = 5;

/** The options of a backup. */
export interface BackupOptions {
  /** The last entry to copy. Default: the last one that the log has. */
  readonly to?: Index;
  /** Ends it early: it rejects with the signal's reason, and leaves no copy. */
  readonly signal?: AbortSignal;
}

/** The contents of a backup. */
export interface BackupReport {
  /** The last index in the copy. */
  readonly lastIndex: Index;
  /** Its snapshot's index; 0 if it has none. */
  readonly snapshotIndex: Index;
  /** Its hard state. */
  readonly hardState: HardState;
}

/** The parts that a backup needs. */
export interface BackupMeans {
  readonly log: WalLog;
  readonly fileSystem: FileSystem;
  /** Whether the log is open for writing, so that compaction must be held back. */
  readonly isWriter: boolean;
  /** Opens a log. */
  open(path: string, options: WalLogOptions): Promise<WalLog>;
}

/**
 * Copies a log.
 *
 * @param means The log, and access to it.
 * @param folder The copy's folder.
 * @param options The options.
 * @returns The contents of the copy.
 * @throws {WalLogError} See `WalLog.backup`.
 */
export async function backupLog(means: BackupMeans, folder: string, options: BackupOptions): Promise<BackupReport> {
  checkNames("Cannot back up the log", options, ["to", "signal"]);
  const { log, fileSystem, isWriter } = means;
  const { to = Number.MAX_SAFE_INTEGER, signal } = options;
  checkReadIndex(to);
  requireAbove(log, to);
  signal?.throwIfAborted();
  requireWhole(log);
  if (isWriter) await log.sync();
  fileSystem.makeDirectory(folder);
  const lock = fileSystem.lock(`${folder}/${LOCK_NAME}`);
  if (typeof lock !== "object") {
    throw new WalLogError("LOCKED", `Cannot back up to ${folder}: a writer has a log open there`, { path: folder });
  }
  const partial = partialNames(fileSystem, folder, lock, SUFFIX);
  try {
    requireVacant(fileSystem, folder);
    const contents = await copyConsistently(means, partial, folder, to, signal);
    publish(fileSystem, folder);
    const { lastIndex, hardState, snapshot } = contents;
    return { lastIndex, hardState, snapshotIndex: snapshot?.meta.index ?? 0 };
  } catch (error) {
    throw signal?.aborted === true && error === signal.reason ? error : ioError("Cannot write a backup", folder, error);
  } finally {
    try {
      removePartial(fileSystem, folder, SUFFIX);
    } finally {
      lock.release();
    }
  }
}

/** Fails if a snapshot covers the last entry to copy, because the entries up to it are gone. */
function requireAbove({ path, snapshotIndex }: WalLog, to: Index): void {
  if (to >= snapshotIndex) return;
  const found = `Cannot back up the log at ${path} to index ${to}: its snapshot is at index ${snapshotIndex}`;
  throw new WalLogError("INVALID_ARGUMENT", found, { path });
}

/** Fails if the log has lost something: a copy would hide the loss. */
function requireWhole({ path, damaged, lost }: WalLog): void {
  if (damaged.length === 0 && !lost.hardState && !lost.tail) return;
  const message = `Cannot back up the log at ${path}: it is damaged in ${damaged.length} places; repair it first`;
  throw new WalLogError("CORRUPT", message, { path, damage: damaged });
}

/** Copies the log as of one moment. Starts over if the log changed while it was read. */
async function copyConsistently(
  { log, fileSystem, isWriter, open }: BackupMeans,
  partial: FileSystem,
  folder: string,
  to: Index,
  signal: AbortSignal | undefined,
): Promise<Contents> {
  for (let attempt = 1;; attempt++) {
    removePartial(fileSystem, folder, SUFFIX);
    // The log may have been compacted meanwhile.
    requireAbove(log, to);
    const id = new Uint8Array(8);
    fileSystem.random(id);
    const held = isWriter ? log.retain(`backup ${id.join(" ")}`, log.snapshotIndex + 1) : undefined;
    let data: ReadableStream<Uint8Array> | undefined;
    try {
      const contents = contentsAt(log, Math.min(to, log.lastIndex));
      data = contents.snapshot?.open();
      const term = log.termAt(contents.lastIndex);
      // If an entry has the same index and term, it is the same entry, and so are all entries before it.
      const check = () => {
        if (log.termAt(contents.lastIndex) !== term) throw changed(log.path);
      };
      const copy = await open(folder, { fileSystem: partial, maxEntryBytes: PAYLOAD_BYTES_MAX });
      let lastTerm;
      try {
        lastTerm = await writeAnew(copy, contents, { signal, check });
        check();
      } finally {
        await copy.close();
      }
      const back = await open(folder, { fileSystem: partial, readOnly: true, ...signal && { signal } });
      try {
        requireCopy(back, contents, lastTerm);
      } finally {
        await back.close();
      }
      return contents;
    } catch (error) {
      if (attempt === ATTEMPTS_MAX || !isChange(error)) throw error;
    } finally {
      held?.release();
      // The copy may have ended before it read the snapshot, and then its file is still open.
      if (data?.locked === false) await data.cancel();
    }
  }
}

/** The current contents of the log. The snapshot is opened at once, because a later one may replace it. */
function contentsAt(log: WalLog, lastIndex: Index): Contents {
  const contents = contentsOf(log, lastIndex);
  const { snapshot } = contents;
  const first = log.snapshotIndex + 1;
  if (snapshot === undefined) return { ...contents, entries: () => log.iterate(first, lastIndex) };
  const data = snapshot.open();
  return { ...contents, snapshot: { ...snapshot, open: () => data }, entries: () => log.iterate(first, lastIndex) };
}

function changed(path: string): WalLogError {
  return new WalLogError("NOT_CONTIGUOUS", `Cannot back up the log at ${path}: it was truncated meanwhile`, { path });
}

function isChange(error: unknown): boolean {
  return error instanceof WalLogError && (error.code === "NOT_CONTIGUOUS" || error.code === "COMPACTED");
}

/** Fails unless a folder is empty. Remains of a killed backup do not count. */
function requireVacant(fileSystem: FileSystem, folder: string): void {
  const other = fileSystem.list(folder).find((name) => name !== LOCK_NAME && !name.endsWith(SUFFIX));
  if (other === undefined) return;
  throw new WalLogError("INVALID_ARGUMENT", `Cannot back up to ${folder}: it holds ${other}; choose an empty folder`, {
    path: folder,
  });
}

/**
 * Gives the files their final names, in an order that never leaves a folder that opens as an incomplete log. If that
 * fails, no file is left.
 */
function publish(fileSystem: FileSystem, folder: string): void {
  const named: string[] = [];
  try {
    for (const name of namesInOrder(fileSystem, folder, SUFFIX)) {
      fileSystem.rename(`${folder}/${name}${SUFFIX}`, `${folder}/${name}`);
      named.push(name);
      fileSystem.syncDirectory(folder);
    }
  } catch (error) {
    for (const name of named.reverse()) fileSystem.remove(`${folder}/${name}`);
    throw error;
  }
}
