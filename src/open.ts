/**
 * Opening a log: the lock, recovery, the verdict, and for a writer the segment to go on in.
 *
 * @module
 */

import { resolve } from "node:path";
import { setImmediate, setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Codec } from "./codec/codec.ts";
import { WalLogError } from "./errors.ts";
import { tell } from "./events.ts";
import type { CheckedOptions, Progress } from "./options.ts";
import { type Damage, describeDamage, type RecoveryReport } from "./report.ts";
import { type LogState, MARK_BYTES, SEGMENT_HEADER_BYTES } from "./segments/format.ts";
import { writeIdentity } from "./segments/identity.ts";
import type { LogIndex } from "./segments/index.ts";
import { type Recovered, Recovery, type RecoveryStep } from "./segments/recovery.ts";
import { isRepairLeftover } from "./segments/repair.ts";
import type { Segment } from "./segments/segment.ts";
import { continueAfterCrash, createSegment, nameSuccessor, SegmentWriter } from "./segments/writer.ts";
import { isSnapshotLeftover, orphanedSnapshot, SnapshotReader } from "./snapshots.ts";
import type { File, FileLock, FileSystem } from "./storage/file_system.ts";
import { errorCode, ioError, readFull, writeFull } from "./storage/full.ts";

const LOCK_NAME = "LOCK";
const UUID_BYTES = 16;
/** How often a reader looks again at a log that changes under its eyes before it calls it damaged. */
const READER_ATTEMPTS_MAX = 10;
/** How long opening runs before it lets others. In milliseconds. */
const OPEN_SLICE_MS = 8;

/** An opened log. */
export interface Opened {
  readonly fileSystem: FileSystem;
  readonly folder: string;
  readonly codec: Codec;
  readonly index: LogIndex;
  /** The log's state, and what of it is lost. */
  readonly state: LogState;
  readonly report: RecoveryReport;
  /** The log's UUID; of a log that does not exist yet, and is only read, all zeros. */
  readonly uuid: Uint8Array;
  /** Writes the log; `undefined` if it was opened for reading only. */
  readonly writer: SegmentWriter | undefined;
  readonly lock: FileLock | undefined;
}

/**
 * The folder that a caller means.
 *
 * @param path A path or a `file:` URL.
 * @returns The path, absolute.
 */
export function folderOf(path: string | URL): string {
  const folder = path instanceof URL && path.protocol === "file:" && path.host === "" ? fileURLToPath(path) : path;
  // A string that begins like a URL is one that somebody forgot to parse, and SQLite would take it for one.
  if (typeof folder !== "string" || folder === "" || folder.includes("\0") || folder.startsWith("file:")) {
    const found = typeof path === "string" || path instanceof URL ? String(path) : typeof path;
    throw new WalLogError("INVALID_ARGUMENT", `Cannot open a log: expected a path or a file URL, found ${found}`);
  }
  // At once: the process may change its directory while the log is open.
  return resolve(folder);
}

/**
 * Opens a log. Yields after each chunk, so that the caller can let others run.
 *
 * @param folder The log's folder.
 * @param options How.
 * @param canWait Whether the caller lets others run where a step says that it waits for another thread.
 * @returns The opened log.
 * @throws {WalLogError} `LOCKED`, `CORRUPT`, `UNSUPPORTED_VERSION`, `INVALID_ARGUMENT`, `NO_SPACE` or `IO`.
 */
export function* openLog(
  folder: string,
  options: CheckedOptions,
  canWait: boolean,
): Generator<RecoveryStep, Opened> {
  const { fileSystem, readOnly } = options;
  let lock: FileLock | undefined;
  let writer: SegmentWriter | undefined;
  try {
    if (!readOnly) lock = takeLock(fileSystem, folder);
    const started = performance.now();
    const codec = new Codec();
    const recovered = yield* recover(fileSystem, folder, codec, options, canWait);
    const { index } = recovered;
    const report = makeReport(recovered, performance.now() - started);
    if (report.damage.length > 0 && options.onDamage === "fail") throw corrupt(folder, report.damage);

    let { uuid } = recovered;
    if (!readOnly) {
      if (uuid === undefined) fileSystem.random(uuid = new Uint8Array(UUID_BYTES));
      writer = startWriter(fileSystem, folder, codec, options.segmentBytes, recovered, uuid);
      // Vouches for what recovery has copied and flushed.
      writer.mark(recovered.state);
      if (!recovered.isIdentified) {
        writeIdentity(fileSystem, folder, uuid, (bytes, seed) => codec.hash(bytes, seed));
      }
      for (const path of recovered.superseded) fileSystem.remove(path);
      // What else seems to be left over from a crash may be all that is left of what was damaged.
      if (report.damage.length === 0) removeLeftovers(fileSystem, folder, recovered);
    }
    const opened: Opened = {
      fileSystem,
      folder,
      codec,
      index,
      state: recovered.state,
      report,
      uuid: uuid ?? new Uint8Array(UUID_BYTES),
      writer,
      lock,
    };
    lock = undefined;
    return opened;
  } catch (error) {
    writer?.close();
    throw ioError("Cannot open the log", folder, error);
  } finally {
    lock?.release();
  }
}

function progressed(path: string, { onProgress }: CheckedOptions, { bytesDone, bytesTotal }: Progress): void {
  onProgress?.({ bytesDone, bytesTotal });
  tell("wallog:recovery", { path, bytesDone, bytesTotal });
}

/**
 * Opens a log, and lets others run meanwhile.
 *
 * @param path The log's folder.
 * @param options How.
 * @returns The opened log.
 * @throws {WalLogError} As {@link openLog}. Or the reason of the signal.
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
      if (step.value.isWaiting) await setTimeout(1);
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
 * @param options How.
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
    }
  } finally {
    opening.return(undefined as never);
  }
}

function takeLock(fileSystem: FileSystem, folder: string): FileLock {
  try {
    fileSystem.makeDirectory(folder);
  } catch (error) {
    if (errorCode(error) !== "EEXIST" && errorCode(error) !== "ENOTDIR") throw error;
    throw notADirectory(folder, error);
  }
  const lock = fileSystem.lock(`${folder}/${LOCK_NAME}`);
  if (lock === undefined) {
    throw new WalLogError(
      "LOCKED",
      `Cannot open the log at ${folder}: another writer has it open; close that one, or open with readOnly`,
      { path: folder },
    );
  }
  return lock;
}

function notADirectory(folder: string, cause: unknown): WalLogError {
  const message = `Cannot open the log at ${folder}: expected a directory, found a file`;
  return new WalLogError("INVALID_ARGUMENT", message, { path: folder, cause });
}

/** Recovers, and looks again where a running writer may have changed the log meanwhile. */
function* recover(
  fileSystem: FileSystem,
  folder: string,
  codec: Codec,
  options: CheckedOptions,
  canWait: boolean,
): Generator<RecoveryStep, Recovered> {
  const threads = canWait ? fileSystem.threads : undefined;
  let before: string | undefined;
  for (let attempt = 1;; attempt++) {
    const lastAttempt = !options.readOnly || attempt === READER_ATTEMPTS_MAX;
    const names = listFolder(fileSystem, folder);
    try {
      const recovered = yield* new Recovery(fileSystem, folder, codec, { verify: options.verify, threads }).run(names);
      const damage = [...recovered.damage];
      if (recovered.head === undefined && damage.length > 0) {
        damage.push(...names.map((name) => orphanedSnapshot(folder, name)).filter((one) => one !== undefined));
      }
      if (recovered.index.snapshotIndex > 0) {
        damage.push(...yield* checkSnapshot(fileSystem, folder, codec, recovered, options.verify === "full"));
      }
      const found = JSON.stringify(damage);
      if (damage.length === 0 || lastAttempt || found === before) return { ...recovered, damage };
      before = found;
    } catch (error) {
      // Compaction may delete a file between two looks at it.
      if (errorCode(error) !== "ENOENT" || lastAttempt) throw error;
    }
  }
}

function listFolder(fileSystem: FileSystem, folder: string): string[] {
  try {
    return fileSystem.list(folder);
  } catch (error) {
    throw errorCode(error) === "ENOTDIR" ? notADirectory(folder, error) : error;
  }
}

/** Verifies the log's snapshot: that it is whole, and with `full` every checksum. */
function* checkSnapshot(
  fileSystem: FileSystem,
  folder: string,
  codec: Codec,
  { index, uuid, bytesRead }: Recovered,
  full: boolean,
): Generator<Progress, readonly Damage[]> {
  try {
    const reader = new SnapshotReader(fileSystem, folder, codec, uuid!, index.snapshotIndex, index.snapshotTerm);
    if (!full) reader.close();
    else {
      let bytesDone = bytesRead;
      const bytesTotal = bytesRead + reader.dataBytes;
      for (const piece of reader.pieces()) yield { bytesDone: bytesDone += piece.length, bytesTotal };
    }
    return [];
  } catch (error) {
    if (error instanceof WalLogError && error.code === "CORRUPT") return error.damage;
    throw error;
  }
}

function makeReport(recovered: Recovered, milliseconds: number): RecoveryReport {
  const { index, damage, cut, closed } = recovered;
  return {
    verdict: damage.length > 0 ? "corrupt" : cut !== undefined ? "torn" : "clean",
    closed: closed && damage.length === 0 && cut === undefined,
    segments: index.segments.length,
    entries: index.nextIndex - 1 - index.snapshotIndex,
    bytes: recovered.bytesRead,
    milliseconds,
    snapshotIndex: index.snapshotIndex,
    lastIndex: index.nextIndex - 1,
    provenIndex: recovered.provenIndex,
    cut,
    damage,
    harmless: recovered.harmless,
  };
}

function corrupt(folder: string, damage: readonly Damage[]): WalLogError {
  const [first] = damage;
  const more = damage.length > 1 ? ` and ${damage.length - 1} more places` : "";
  return new WalLogError(
    "CORRUPT",
    `Cannot open the log at ${folder}: data that was durable is damaged, in ${describeDamage(first!)}${more}; ` +
      `nothing was changed; restore the file, or open with onDamage "keep" and repair from a peer`,
    { path: first!.path, offset: first!.offset, damage },
  );
}

/** Readies the segment that writing goes on in. */
function startWriter(
  fileSystem: FileSystem,
  folder: string,
  codec: Codec,
  segmentBytes: number,
  recovered: Recovered,
  uuid: Uint8Array,
): SegmentWriter {
  const { head, index, highestNumber } = recovered;
  const number = highestNumber + 1;
  const { replacements } = recovered.state;
  const write = (segment: Segment, file: File, marked: boolean) =>
    new SegmentWriter(fileSystem, folder, codec, segmentBytes, {
      segment,
      file,
      marked,
      numberUsed: number,
      replacements,
    });
  if (head === undefined) {
    const { segment, file } = createSegment(fileSystem, folder, codec, {
      uuid,
      number,
      baseLsn: 0,
      previous: 0,
      previousSum: 0,
      state: recovered.provenState,
      provenLsn: 0,
      floor: 1,
    });
    try {
      fileSystem.syncDirectory(folder);
    } catch (error) {
      file.close();
      throw error;
    }
    index.segments.push(segment);
    return write(segment, file, false);
  }
  const previous = index.segments.at(-2);
  const nameHead = () => {
    if (previous === undefined || previous.header.number !== head.header.previous) return;
    nameSuccessor(fileSystem, codec, previous, head.header.number, head.header.baseLsn);
  };
  // A segment with damage is not written any more, so that a repair can replace its file.
  if (
    recovered.closed && recovered.cut === undefined && recovered.damage.length === 0 &&
    recovered.harmless.every((one) => one.path !== head.path)
  ) {
    const file = fileSystem.open(head.path, "write");
    try {
      // The mark was read, which does not say that it is on the disk: its own flush may have failed.
      const mark = new Uint8Array(MARK_BYTES);
      readFull(file, mark, head.endOffset - mark.length);
      writeFull(file, mark, head.endOffset - mark.length);
      file.sync();
      // Were the newest segment lost too, nothing would tell that it was there.
      if (!recovered.isHeadNamed) nameHead();
    } catch (error) {
      file.close();
      throw error;
    }
    return write(head, file, true);
  }
  // For the same reason, what makes the newest segment part of the log is written once more.
  nameHead();
  const keptBytes = Math.max(
    head.endOffset,
    recovered.cut === undefined ? 0 : recovered.cut.offset + recovered.cut.bytes,
  );
  const proven = {
    lsn: recovered.provenLsn,
    state: recovered.provenState,
    sum: recovered.provenSum,
    lowestTruncated: recovered.provenTruncated,
    truncatedSince: recovered.unprovenTruncated,
  };
  const { segment, file } = continueAfterCrash(fileSystem, folder, codec, head, proven, number, keptBytes);
  index.segments.push(segment);
  return write(segment, file, segment.endOffset === SEGMENT_HEADER_BYTES);
}

/** Removes what a crash left behind and nothing refers to. Files that are not the log's are not looked at. */
function removeLeftovers(fileSystem: FileSystem, folder: string, { head, index, leftovers }: Recovered): void {
  for (const path of leftovers) fileSystem.remove(path);
  // Before there was a log in this folder nobody but others had files in it, whatever they are called.
  if (head === undefined) return;
  for (const name of fileSystem.list(folder)) {
    const isLeftover = isSnapshotLeftover(name, index.snapshotIndex, index.snapshotTerm) || isRepairLeftover(name);
    if (isLeftover) fileSystem.remove(`${folder}/${name}`);
  }
}
