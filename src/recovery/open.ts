/**
 * Opens a log: takes the lock, recovers, decides the verdict, and prepares the segment for a writer.
 *
 * @module
 */

import { resolve } from "node:path";
import { setImmediate, setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Codec } from "../codec/codec.ts";
import { leaseCodec, returnCodec, sharedCodec } from "../codec/pool.ts";
import { WalLogError } from "../api/errors.ts";
import { publish } from "../api/events.ts";
import type { CheckedOptions } from "../api/options.ts";
import { type Damage, describeDamage, type RecoveryReport } from "../api/report.ts";
import { ID_BYTES, type Identity } from "../format/identity.ts";
import { segmentNumber } from "../format/segment_name.ts";
import type { LogState } from "../format/state.ts";
import { IDENTITY_NAME } from "./identity.ts";
import { requireNoInterruptedRepair } from "./interrupted_repair.ts";
import type { LogIndex } from "../log/log_index.ts";
import type { ProvenContents, Recovered, RecoveryStep } from "./recovered.ts";
import { verdictOf } from "./judge.ts";
import { beginWriting } from "./resume.ts";
import { Reserve } from "../write/reserve.ts";
import { listFolder, notADirectory, recover, recoverBesideWriter } from "./recover.ts";
import type { SegmentWriter } from "../write/writer.ts";
import type { FileLock, FileSystem } from "../io/file_system.ts";
import { errorCode, ioError } from "../io/full.ts";
import { guard } from "../io/guard.ts";
import { isUrl } from "../api/taken.ts";

const LOCK_NAME = "LOCK";
/** The wait between two attempts to take the lock that another writer holds, in milliseconds. */
const LOCK_RETRY_MS = 20;
/** The time that opening runs before it returns to the event loop, in milliseconds. */
const OPEN_SLICE_MS = 8;

/** An opened log. */
export interface Opened {
  readonly fileSystem: FileSystem;
  readonly folder: string;
  readonly codec: Codec;
  readonly index: LogIndex;
  /** The log's state, and which parts of it are lost. */
  readonly state: LogState;
  readonly report: RecoveryReport;
  /** The log's UUID; all zeros if the log is opened for reading only and does not exist yet. */
  readonly uuid: Uint8Array;
  /**
   * The contents of `IDENTITY`; `undefined` if the log is opened for reading only, and the file is missing or damaged.
   */
  readonly identity: Identity | undefined;
  /** The proven part of a log that is opened for reading only; `undefined` if damage hides it. */
  readonly provenContents: ProvenContents | undefined;
  /** Room for writes that must succeed on a full disk. A log that is opened for reading only has none. */
  readonly reserve: Reserve;
  /** Writes the log; `undefined` if it was opened for reading only. */
  readonly writer: SegmentWriter | undefined;
  readonly lock: FileLock | undefined;
}

/**
 * Resolves a path or URL to a folder.
 *
 * @param path A path or a `file:` URL.
 * @returns The absolute path.
 */
export function folderOf(path: string | URL): string {
  const folder = isUrl(path) && path.protocol === "file:" && path.host === "" ? fileURLToPath(path.href) : path;
  // A string that begins with `file:` is probably an unparsed URL, and SQLite would treat it as a URL.
  if (typeof folder !== "string" || folder === "" || folder.includes("\0") || folder.startsWith("file:")) {
    const found = isUrl(path) ? path.href : typeof path === "string" ? path : typeof path;
    throw new WalLogError("INVALID_ARGUMENT", `Cannot open a log: expected a path or a file URL, found ${found}`);
  }
  // Resolve now, because the process may change its working directory while the log is open.
  return resolve(folder);
}

/**
 * Opens a log. Yields after each chunk, so that the caller can return to the event loop.
 *
 * @param folder The log's folder.
 * @param options The options.
 * @param canWait Whether the caller returns to the event loop when a step waits for another thread.
 * @returns The opened log.
 * @throws {WalLogError} `LOCKED`, `CORRUPT`, `UNSUPPORTED_VERSION`, `INVALID_ARGUMENT`, `NO_SPACE` or `IO`.
 */
export function* openLog(
  folder: string,
  options: CheckedOptions,
  canWait: boolean,
): Generator<RecoveryStep, Opened> {
  let lock: FileLock | undefined;
  let writer: SegmentWriter | undefined;
  let lease: Codec | undefined;
  try {
    const { readOnly } = options;
    if (!options.create) requireLog(options.fileSystem, folder);
    if (!readOnly) makeFolder(folder, options);
    const home = resolveFolder(folder, options);
    if (!readOnly) lock = yield* takeLock(home, options);
    const fileSystem = lock === undefined ? options.fileSystem : guard(options.fileSystem, lock, options.fileMode);
    if (lock !== undefined) requireNoInterruptedRepair(fileSystem, home);
    const started = performance.now();
    const codec = lease = leaseCodec();
    const recovering = { fileSystem, folder: home, codec, verify: options.verify, canWait };
    const recovered = yield* readOnly ? recoverBesideWriter(recovering) : recover(recovering);
    const report = makeReport(recovered, performance.now() - started);
    if (report.damage.length > 0 && options.onDamage === "fail") throw corrupt(home, report.damage);
    // If a crash interrupted the creation of the log, there is no log yet.
    if (!options.create && recovered.head === undefined && report.damage.length === 0) throw notFound(home);

    const reserve = new Reserve(fileSystem, home);
    const found = { recovered, uuid: recovered.uuid, identity: recovered.identity, writer: undefined };
    const begun = readOnly ? found : yield* beginWriting(recovering, recovered, reserve, options.segmentBytes);
    writer = begun.writer;
    const opened: Opened = {
      fileSystem,
      folder: home,
      codec: sharedCodec(),
      index: begun.recovered.index,
      state: begun.recovered.state,
      report,
      uuid: begun.uuid ?? new Uint8Array(ID_BYTES),
      identity: begun.identity,
      provenContents: begun.recovered.provenContents,
      reserve,
      writer,
      lock,
    };
    lock = undefined;
    return opened;
  } catch (error) {
    writer?.close();
    throw ioError("Cannot open the log", folder, error);
  } finally {
    if (lease !== undefined) returnCodec(lease);
    lock?.release();
  }
}

function progressed(
  path: string,
  { onProgress }: CheckedOptions,
  { bytesDone, bytesTotal, waitMs }: RecoveryStep,
): void {
  if (waitMs !== undefined) return;
  onProgress?.({ bytesDone, bytesTotal });
  publish("wallog:recovery", { path, bytesDone, bytesTotal });
}

/**
 * Opens a log, and returns to the event loop between slices of work.
 *
 * @param path The log's folder.
 * @param options The options.
 * @returns The opened log.
 * @throws {WalLogError} As {@link openLog}. Throws the signal's reason if the signal aborts.
 */
export async function openInSlices(path: string | URL, options: CheckedOptions): Promise<Opened> {
  options.signal?.throwIfAborted();
  const folder = folderOf(path);
  const opening = openLog(folder, options, true);
  try {
    for (let sliceEnd = performance.now() + OPEN_SLICE_MS;;) {
      const step = opening.next();
      if (step.done) return step.value;
      progressed(folder, options, step.value);
      if (step.value.waitMs !== undefined) await setTimeout(step.value.waitMs);
      else if (performance.now() < sliceEnd) continue;
      else await setImmediate();
      options.signal?.throwIfAborted();
      sliceEnd = performance.now() + OPEN_SLICE_MS;
    }
  } finally {
    opening.return(undefined as never);
  }
}

/**
 * Opens a log, and blocks until it is open.
 *
 * @param path The log's folder.
 * @param options The options.
 * @returns The opened log.
 * @throws {WalLogError} As {@link openInSlices}.
 */
export function openAtOnce(path: string | URL, options: CheckedOptions): Opened {
  options.signal?.throwIfAborted();
  const folder = folderOf(path);
  const opening = openLog(folder, options, false);
  try {
    for (;;) {
      const step = opening.next();
      if (step.done) return step.value;
      progressed(folder, options, step.value);
      if (step.value.waitMs !== undefined) blockFor(step.value.waitMs);
    }
  } finally {
    opening.return(undefined as never);
  }
}

/** Blocks the thread. */
function blockFor(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

/** Fails if the folder has no log, before anything is created. */
function requireLog(fileSystem: FileSystem, folder: string): void {
  let names: string[];
  try {
    names = listFolder(fileSystem, folder);
  } catch (error) {
    throw errorCode(error) === "ENOENT" ? notFound(folder, error) : error;
  }
  if (!names.some((name) => name === IDENTITY_NAME || segmentNumber(name) !== undefined)) throw notFound(folder);
}

function notFound(folder: string, cause?: unknown): WalLogError {
  const message = `Cannot open the log at ${folder}: no log found; check the path, and that its volume is mounted`;
  return new WalLogError("NOT_FOUND", message, { path: folder, cause });
}

function makeFolder(folder: string, { fileSystem, fileMode }: CheckedOptions): void {
  try {
    // Users that may read the files may also enter the folder.
    fileSystem.makeDirectory(folder, fileMode | (fileMode & 0o444) >> 2);
  } catch (error) {
    if (errorCode(error) !== "EEXIST" && errorCode(error) !== "ENOTDIR") throw error;
    throw notADirectory(folder, error);
  }
}

/** Resolves symbolic links in the folder's path once, so that a link that changes later cannot lead to another log. */
function resolveFolder(folder: string, { fileSystem }: CheckedOptions): string {
  try {
    return fileSystem.resolve(folder);
  } catch (error) {
    if (errorCode(error) === "ENOENT") throw notFound(folder, error);
    throw errorCode(error) === "ENOTDIR" ? notADirectory(folder, error) : error;
  }
}

/** Takes the lock. Waits for at most `lockTimeout` if another writer holds it. */
function* takeLock(
  folder: string,
  { fileSystem, lockTimeout, fileMode }: CheckedOptions,
): Generator<RecoveryStep, FileLock> {
  const deadline = performance.now() + lockTimeout;
  for (;;) {
    const lock = fileSystem.lock(`${folder}/${LOCK_NAME}`, fileMode);
    if (typeof lock === "object") return lock;
    const left = deadline - performance.now();
    if (left <= 0) {
      const holder = lock === "this process"
        ? "this process has"
        : "another process, or another thread of this one, has";
      throw new WalLogError(
        "LOCKED",
        `Cannot open the log at ${folder}: ${holder} it open for writing; close it there, wait with lockTimeout, or ` +
          "open with readOnly",
        { path: folder },
      );
    }
    yield { bytesDone: 0, bytesTotal: 0, waitMs: Math.min(left, LOCK_RETRY_MS) };
  }
}

function makeReport(recovered: Recovered, milliseconds: number): RecoveryReport {
  const { index, damage, cut, closed } = recovered;
  return {
    verdict: verdictOf(damage, cut),
    closed: closed && damage.length === 0 && cut === undefined,
    segments: index.segments.length,
    entries: index.nextIndex - 1 - index.snapshotIndex,
    bytes: recovered.bytesRead,
    milliseconds,
    threads: recovered.threads,
    snapshotIndex: index.snapshotIndex,
    lastIndex: index.nextIndex - 1,
    provenIndex: recovered.provenIndex,
    cut,
    damage,
    harmless: recovered.harmless,
  };
}

/**
 * The error of a log with damage.
 *
 * @param folder The log's folder.
 * @param damage The damage.
 * @returns The error to throw.
 */
export function corrupt(folder: string, damage: readonly Damage[]): WalLogError {
  const [first] = damage;
  const more = damage.length > 1 ? ` and ${damage.length - 1} more places` : "";
  return new WalLogError(
    "CORRUPT",
    `Cannot open the log at ${folder}: durable data is damaged: ${describeDamage(first!)}${more}; ` +
      `nothing was changed; restore the file, or open with onDamage "keep" and repair from a peer. ` +
      "If the file system has shut down or become read-only after an I/O error, remount it or reboot, and open the " +
      "log again before you restore anything",
    { path: first!.path, offset: first!.offset, damage },
  );
}
