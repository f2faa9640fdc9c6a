/**
 * Recovers a log with its snapshot. A writer holds the lock and recovers once. A reader beside a writer repeats the
 * recovery until it has a consistent view.
 *
 * @module
 */

import type { Codec } from "../codec/codec.ts";
import { WalLogError } from "../api/errors.ts";
import type { Progress } from "../api/options.ts";
import type { Damage } from "../api/report.ts";
import { segmentNumber } from "../format/segment_name.ts";
import { isSnapshotName } from "../format/snapshot_name.ts";
import { Recovery } from "./recovery.ts";
import type { Recovered, RecoveryStep } from "./recovered.ts";
import { orphanedSnapshot, SnapshotReader } from "../snapshots/snapshot_file.ts";
import type { FileSystem } from "../io/file_system.ts";
import { errorCode } from "../io/full.ts";
import { KeptFiles } from "../io/kept_files.ts";

/** The most attempts of a reader while a writer changes the log. */
const READER_ATTEMPTS_MAX = 200;
/** If this many attempts in a row find the same damage, it is real, even if the writer is busy. */
const SAME_DAMAGE_MAX = 5;
/** The pause before a reader tries again. In milliseconds. */
const READER_RETRY_MS = 1;

/** A log to recover, and access to it. */
export interface Recovering {
  readonly fileSystem: FileSystem;
  readonly folder: string;
  readonly codec: Codec;
  readonly verify: "full" | "tail";
  /** Whether the caller returns to the event loop when a step waits for another thread. */
  readonly canWait: boolean;
}

/**
 * Recovers a log that has no other writer.
 *
 * @param recovering The log.
 * @returns The recovered log, including damage to the snapshot.
 */
export function* recover(recovering: Recovering): Generator<RecoveryStep, Recovered> {
  return yield* recoverOnce(recovering, listFolder(recovering.fileSystem, recovering.folder), false);
}

/**
 * Recovers a consistent prefix of a log that another process may be writing. All files are opened first and kept open,
 * so that they can be read even if compaction deletes them. Damage is reported only if two attempts in a row find the
 * same damage and the folder did not change during the second one, or if {@link SAME_DAMAGE_MAX} attempts in a row find
 * the same damage.
 *
 * @param recovering The log.
 * @returns The recovered log.
 * @throws {WalLogError} `CHANGING` if the writer changed the log during every attempt.
 */
export function* recoverBesideWriter(recovering: Recovering): Generator<RecoveryStep, Recovered> {
  const { fileSystem, folder } = recovering;
  let before: string | undefined;
  let repeated = 0;
  let cause: unknown;
  for (let attempt = 1; attempt <= READER_ATTEMPTS_MAX; attempt++) {
    const names = listFolder(fileSystem, folder).filter(isOfTheLog).sort();
    const files = new KeptFiles(fileSystem, folder, names);
    try {
      const recovered = yield* recoverOnce({ ...recovering, fileSystem: files.fileSystem }, names, true);
      if (recovered.damage.length === 0) return recovered;
      const found = JSON.stringify(recovered.damage);
      repeated = found === before ? repeated + 1 : 1;
      before = found;
      const isSettled = names.join() === listFolder(fileSystem, folder).filter(isOfTheLog).sort().join();
      if (repeated >= (isSettled ? 2 : SAME_DAMAGE_MAX)) return recovered;
    } catch (error) {
      if (errorCode(error) !== "ENOENT") throw error;
      cause = error;
    } finally {
      files.close();
    }
    yield { bytesDone: 0, bytesTotal: 0, waitMs: READER_RETRY_MS };
  }
  throw new WalLogError(
    "CHANGING",
    `Cannot open the log at ${folder}: its writer changed it during each of ${READER_ATTEMPTS_MAX} attempts; try again`,
    { path: folder, cause },
  );
}

/** Whether a file name is that of a segment or a snapshot. */
function isOfTheLog(name: string): boolean {
  return segmentNumber(name) !== undefined || isSnapshotName(name);
}

/** Recovers from the listed files. */
function* recoverOnce(
  { fileSystem, folder, codec, verify, canWait }: Recovering,
  names: readonly string[],
  isFollowed: boolean,
): Generator<RecoveryStep, Recovered> {
  const threads = canWait ? fileSystem.threads : undefined;
  const recovered = yield* new Recovery(fileSystem, folder, codec, { verify, isFollowed, threads }).run(names);
  const damage = [...recovered.damage];
  if (recovered.head === undefined && damage.length > 0) {
    damage.push(...names.map((name) => orphanedSnapshot(folder, name)).filter((one) => one !== undefined));
  }
  if (recovered.index.snapshotIndex > 0) {
    damage.push(...yield* checkSnapshot(fileSystem, folder, codec, recovered, verify === "full"));
  }
  return { ...recovered, damage };
}

/**
 * Lists a log's folder.
 *
 * @param fileSystem The machine.
 * @param folder The folder.
 * @returns The names in it.
 * @throws {WalLogError} `INVALID_ARGUMENT` if it is a file.
 */
export function listFolder(fileSystem: FileSystem, folder: string): string[] {
  try {
    return fileSystem.list(folder);
  } catch (error) {
    throw errorCode(error) === "ENOTDIR" ? notADirectory(folder, error) : error;
  }
}

/**
 * The error for a path that is not a directory.
 *
 * @param folder The path.
 * @param cause The error of the file system.
 * @returns The error to throw.
 */
export function notADirectory(folder: string, cause: unknown): WalLogError {
  const message = `Cannot open the log at ${folder}: expected a directory, found a file; give the log's folder`;
  return new WalLogError("INVALID_ARGUMENT", message, { path: folder, cause });
}

/** Verifies that the log's snapshot is complete. With `full`, verifies every checksum too. */
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
