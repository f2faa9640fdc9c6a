/**
 * The folder of a log that is being restored: its files get their final names when all of them are complete.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { HardState, Index } from "../api/types.ts";
import type { FileSystem } from "../io/file_system.ts";
import { errorCode } from "../io/full.ts";
import { namesInOrder, removePartial } from "../maintain/partial_folder.ts";
import type { RestoreTarget } from "./cut.ts";

/** Suffix of all file names until the log is complete. */
export const SUFFIX = ".restore";
/** The name of the lock file. */
export const LOCK_NAME = "LOCK";

/** The contents of a restored log. */
export interface RestoreReport {
  /** The generation that was restored. */
  readonly generation: number;
  /** The last index. */
  readonly lastIndex: Index;
  /** The snapshot's index; 0 if there is none. */
  readonly snapshotIndex: Index;
  /** The hard state. */
  readonly hardState: HardState;
  /** Bytes of the archive that make up the log. */
  readonly bytes: number;
}

/** A folder, and access to it. */
export interface RestoredFolder {
  readonly fileSystem: FileSystem;
  /** The machine, with the names of unfinished files. */
  readonly partial: FileSystem;
  readonly folder: string;
  readonly target: RestoreTarget;
}

/** The name of the file that stores the report while the files get their final names. */
export const REPORT_NAME = "REPORT";

/**
 * Makes the folder of a restored log, if it is missing.
 *
 * @param fileSystem The machine.
 * @param folder The folder.
 * @throws {WalLogError} `INVALID_ARGUMENT` if its path is that of a file, or leads through one.
 */
export function makeFolder(fileSystem: FileSystem, folder: string): void {
  try {
    fileSystem.makeDirectory(folder);
  } catch (cause) {
    const isFile = ["EEXIST", "ENOTDIR"].includes(errorCode(cause) ?? "");
    if (!isFile) throw cause;
    const message =
      `Cannot restore to ${folder}: it is a file, or a folder above it is one; choose an empty folder, or a new path`;
    throw new WalLogError("INVALID_ARGUMENT", message, { path: folder, cause });
  }
}

/**
 * Whether a crash interrupted a restore while the files got their final names.
 *
 * @param fileSystem The machine.
 * @param folder The folder.
 * @throws {WalLogError} `INVALID_ARGUMENT` if the folder has other files.
 */
export function isPublishing(fileSystem: FileSystem, folder: string): boolean {
  const names = fileSystem.list(folder);
  const other = names.find((name) => name !== LOCK_NAME && !name.endsWith(SUFFIX));
  if (other === undefined) return false;
  if (names.includes(REPORT_NAME + SUFFIX)) return true;
  throw new WalLogError("INVALID_ARGUMENT", `Cannot restore to ${folder}: it holds ${other}; choose an empty folder`, {
    path: folder,
  });
}

/** Stores the report of a log that is complete. */
export function writeReport(
  { partial, folder, target }: RestoredFolder,
  { hardState: { term, votedFor }, ...rest }: RestoreReport,
  uuid: string,
): void {
  const text = JSON.stringify({ ...rest, uuid, target, term, vote: votedFor === null ? null : String(votedFor) });
  const file = partial.open(`${folder}/${REPORT_NAME}`, "create");
  try {
    const bytes = new TextEncoder().encode(text);
    for (let done = 0; done < bytes.length;) done += file.write(bytes.subarray(done), done);
    file.sync();
  } finally {
    file.close();
  }
  partial.syncDirectory(folder);
}

/** The stored report. */
function readReport({ partial, folder }: RestoredFolder) {
  const file = partial.open(`${folder}/${REPORT_NAME}`, "read");
  try {
    const bytes = new Uint8Array(file.size());
    file.read(bytes, 0);
    return JSON.parse(new TextDecoder().decode(bytes));
  } finally {
    file.close();
  }
}

/** Fails if the files in the folder are of a log with another UUID. */
export function requireLog(restored: RestoredFolder, uuid: string | undefined): void {
  if (readReport(restored).uuid === uuid) return;
  const path = restored.folder;
  const message = `Cannot restore to ${path}: a restore of another log was interrupted there; choose an empty folder`;
  throw new WalLogError("INVALID_ARGUMENT", message, { path });
}

/** Gives the files their final names. */
export function publish(restored: RestoredFolder): RestoreReport {
  const { fileSystem, folder, target } = restored;
  const { term, vote, uuid: _uuid, target: stored, ...rest } = readReport(restored);
  if (JSON.stringify(stored) !== JSON.stringify(target)) {
    const message = `Cannot restore to ${folder}: a restore with other options was interrupted there; repeat it, or ` +
      "choose an empty folder";
    throw new WalLogError("INVALID_ARGUMENT", message, { path: folder });
  }
  for (const name of namesInOrder(fileSystem, folder, SUFFIX)) {
    if (name === REPORT_NAME || name === LOCK_NAME) continue;
    fileSystem.rename(`${folder}/${name}${SUFFIX}`, `${folder}/${name}`);
    fileSystem.syncDirectory(folder);
  }
  removePartial(fileSystem, folder, SUFFIX);
  fileSystem.syncDirectory(folder);
  return { ...rest, hardState: { term, votedFor: vote === null ? null : BigInt(vote) } };
}
