/**
 * Exchanges a log's files for those of a new one, on the real file system.
 *
 * @module
 */

import { realpathSync, rmdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { WalLogError } from "../api/errors.ts";
import { sharedCodec } from "../codec/pool.ts";
import type { Checksum } from "../format/numbers.ts";
import type { FileSystem } from "../io/file_system.ts";
import { errorCode } from "../io/full.ts";
import { guard } from "../io/guard.ts";
import { FILE_PERMISSIONS } from "../io/node_file.ts";
import { nodeFileSystem } from "../io/node_fs.ts";
import type { Contents } from "../maintain/write_anew.ts";
import { statOf } from "./aside.ts";
import { makeLogFrom } from "./copy.ts";
import { readIdentity, writeIdentity } from "../recovery/identity.ts";
import { STAGING_NAME } from "../recovery/interrupted_repair.ts";
import { canComplete, complete, type Disk, exchange, interruptedPlan, type Plan, removeStaging } from "./exchange.ts";
import { listFiles, LOCK_NAME, prepareRepair, stateOfFiles } from "./log_files.ts";
import { keepOwner } from "./owner.ts";

/** The replacement for a log's files. */
export interface Replacement {
  /** The contents of the new log. */
  readonly contents: Contents;
  /** Whether it lacks acknowledged data. */
  readonly isShortened: boolean;
  /**
   * The incarnation of the old log, if the new one keeps it: only a log with everything that the node has promised may.
   * Its peers take it for the old one. `undefined`: the new log gets an incarnation of its own.
   */
  readonly incarnation: Uint8Array | undefined;
  /** The result of {@link stateOfFiles} before the old log was read. */
  readonly before: string;
  /** Closes the source files. Windows cannot move open files. */
  close(): Promise<void>;
}

/**
 * Exchanges a log for a new one.
 *
 * @param folder The log's folder.
 * @param replacement The new one.
 * @param signal Aborts, until the old files move.
 * @returns The plan that was carried out.
 * @throws {WalLogError} `LOCKED` if the log is in use, `CHANGING` if it has changed since it was read: nothing was
 * changed.
 */
export async function replaceLog(folder: string, replacement: Replacement, signal: AbortSignal): Promise<Plan> {
  // The evidence is beside the folder itself, not beside a link to it.
  folder = realpathSync(folder);
  const { contents, isShortened, incarnation, before, close } = replacement;
  return await withLock(folder, async (disk, fileSystem) => {
    if (stateOfFiles(folder) !== before) {
      const message = `Cannot repair the log at ${folder}: a writer has changed it meanwhile; try again`;
      throw new WalLogError("CHANGING", message, { path: folder });
    }
    const fill = async (staging: string) => {
      await makeLogFrom(staging, contents, signal, fileSystem);
      if (incarnation !== undefined) setIncarnation(fileSystem, staging, incarnation);
      await close();
    };
    return await exchange(disk, folder, fill, isShortened);
  });
}

/** Gives a new log the incarnation of another one. */
function setIncarnation(fileSystem: FileSystem, folder: string, incarnation: Uint8Array): void {
  const sum: Checksum = (bytes, seed) => sharedCodec().hash(bytes, seed);
  const identity = readIdentity(fileSystem, folder, sum);
  if (typeof identity !== "object") throw new Error(`The log in ${folder} was just written, and has no identity`);
  writeIdentity(fileSystem, folder, { ...identity, incarnation }, sum);
}

/**
 * Completes an interrupted exchange, or removes the remains of one that never started.
 *
 * @param folder The log's folder.
 * @returns The plan that was completed; `dropped` if the log has changed since and no file had moved; `undefined` if there
 * was nothing to complete.
 * @throws {WalLogError} As {@link replaceLog}.
 */
export async function completeInterrupted(folder: string): Promise<Plan | "dropped" | undefined> {
  if (statOf(join(folder, STAGING_NAME)) === undefined) return undefined;
  folder = realpathSync(folder);
  FOLDERS.requireFolder(join(folder, STAGING_NAME));
  return await withLock<Plan | "dropped" | undefined>(folder, (disk) => {
    const plan = interruptedPlan(nodeFileSystem, folder);
    if (plan !== undefined && canComplete(disk, folder, plan)) {
      complete(disk, folder, plan);
      return Promise.resolve(plan);
    }
    // The exchange never started, or only its cleanup is left.
    removeStaging(disk, folder);
    return Promise.resolve(plan && "dropped");
  });
}

/**
 * Says what {@link completeInterrupted} would do. Changes nothing.
 *
 * @param folder The log's folder.
 * @returns `completed`, `dropped`, or `undefined` if there is nothing to complete.
 * @throws {WalLogError} If it would fail.
 */
export function lookAtInterrupted(folder: string): "completed" | "dropped" | undefined {
  if (statOf(join(folder, STAGING_NAME)) === undefined) return undefined;
  folder = realpathSync(folder);
  const plan = interruptedPlan(nodeFileSystem, folder);
  return plan && (canComplete({ ...FOLDERS, fileSystem: nodeFileSystem }, folder, plan) ? "completed" : "dropped");
}

/** Holds the log's lock while the files are exchanged; new files get the owners of the old ones. */
async function withLock<Result>(
  folder: string,
  use: (disk: Disk, fileSystem: FileSystem) => Promise<Result>,
): Promise<Result> {
  const fileSystem = prepareRepair(folder, listFiles(folder));
  const lock = nodeFileSystem.lock(join(folder, LOCK_NAME));
  if (typeof lock !== "object") {
    throw new WalLogError("LOCKED", `Cannot repair the log at ${folder}: a writer has it open; close that one`);
  }
  try {
    // Making the new log takes a while. Meanwhile, somebody may replace the folder or its lock.
    return await use({ ...FOLDERS, fileSystem: guard(fileSystem, lock, FILE_PERMISSIONS) }, fileSystem);
  } finally {
    lock.release();
  }
}

const FOLDERS: Omit<Disk, "fileSystem"> = {
  stateOf: stateOfFiles,
  copyFolderOwner: (path, like) => keepOwner(path, statSync(like)),
  removeFolder(path) {
    try {
      rmdirSync(path);
    } catch (error) {
      if (errorCode(error) !== "ENOENT") throw error;
    }
  },
  requireFolder(path) {
    const found = statOf(path);
    if (found === undefined || found.isDirectory()) return;
    throw new WalLogError("INVALID_ARGUMENT", `Cannot repair: ${path} is not a folder; move it away`, { path });
  },
};
