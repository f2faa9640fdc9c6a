/**
 * Makes a folder in one step: it is filled in a temporary folder beside it, and renamed when it is complete.
 *
 * Other users may be able to write to the folder above. So the temporary folder has an unpredictable name, and only its
 * owner can open it:
 *
 * ```text
 * .NAME.wal-log-XXXXXX/    made with mkdtemp, mode 0700
 *   LOCK                   held by the process that made it, as long as it runs
 *   log/                   becomes NAME
 * ```
 *
 * @module
 */

import { lstatSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmdirSync, rmSync, type Stats } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import process from "node:process";
import { WalLogError } from "../api/errors.ts";
import type { FileLock } from "../io/file_system.ts";
import { errorCode } from "../io/full.ts";
import { nodeFileSystem } from "../io/node_fs.ts";

const LOCK_NAME = "LOCK";
const CONTENT_NAME = "log";
/** The random end of a name that mkdtemp makes. */
const RANDOM = /^[0-9A-Za-z]{6}$/;
/** How many temporary folders to make, if other processes remove them as leftovers. */
const ATTEMPTS_MAX = 10;

/**
 * Makes a folder with a log in it.
 *
 * @param path The folder. It must not exist, or be empty.
 * @param fill Fills a folder, given its temporary path. Resolves when everything in it is durable.
 * @returns What `fill` returns. If that fails, nothing is left.
 * @throws {WalLogError} `INVALID_ARGUMENT` if `path` is a file, a link or a folder that is not empty, or becomes one
 * before the new folder is complete.
 */
export async function makeFolder<Result>(path: string, fill: (folder: string) => Promise<Result>): Promise<Result> {
  const target = resolve(path);
  requireVacant(target);
  return await withTemporaryFolder(target, async (folder) => {
    const result = await fill(folder);
    try {
      // Windows does not rename onto a folder.
      if (statOf(target) !== undefined) rmdirSync(target);
      renameSync(folder, target);
    } catch (error) {
      // Another process was faster.
      requireVacant(target);
      throw error;
    }
    nodeFileSystem.syncDirectory(dirname(target));
    return result;
  });
}

/**
 * Makes a temporary folder, and removes it after use. It first removes the leftovers of killed processes.
 *
 * @param target The temporary folder is made beside this file or folder, and named after it.
 * @param use Uses the folder, which is empty. It may rename it.
 * @returns What `use` returns.
 */
export async function withTemporaryFolder<Result>(
  target: string,
  use: (folder: string) => Promise<Result>,
): Promise<Result> {
  const { path, lock } = makeTemporary(target);
  try {
    removeLeftovers(target, path);
    const folder = join(path, CONTENT_NAME);
    mkdirSync(folder, { mode: 0o700 });
    return await use(folder);
  } finally {
    remove(path, lock);
  }
}

/** The path of a temporary folder, without its random end. */
function prefixOf(target: string): string {
  return join(dirname(target), `.${basename(target)}.wal-log-`);
}

/** Makes a temporary folder, and locks it. */
function makeTemporary(target: string): { path: string; lock: FileLock } {
  for (let attempt = 1;; attempt++) {
    const path = mkdtempSync(prefixOf(target));
    const lockPath = join(path, LOCK_NAME);
    let lock: FileLock | undefined;
    let failure: unknown;
    try {
      const taken = nodeFileSystem.lock(lockPath);
      if (typeof taken === "object") lock = taken;
    } catch (error) {
      failure = error;
    }
    if (lock !== undefined && statOf(lockPath) !== undefined) return { path, lock };
    // Another process may remove the folder as a leftover before it is locked.
    lock?.release();
    const isRemoved = failure === undefined || statOf(path) === undefined;
    if (isRemoved && attempt < ATTEMPTS_MAX) continue;
    rmSync(path, { recursive: true, force: true });
    throw failure ?? new WalLogError("LOCKED", `Cannot make ${path}: another process removed it; try again`, { path });
  }
}

/** Removes a temporary folder, and releases its lock last, so that no other process begins to use the folder. */
function remove(path: string, lock: FileLock): void {
  try {
    // Windows does not remove a file that is open.
    if (process.platform === "win32") lock.release();
    rmSync(path, { recursive: true, force: true, maxRetries: 3 });
  } finally {
    lock.release();
  }
}

/** Removes the temporary folders of killed processes. A folder that may be something else stays. */
function removeLeftovers(target: string, own: string): void {
  const prefix = prefixOf(target);
  const made = lstatSync(own);
  for (const name of readdirSync(dirname(target))) {
    const path = join(dirname(target), name);
    if (path === own || !path.startsWith(prefix) || !RANDOM.test(path.slice(prefix.length))) continue;
    try {
      removeLeftover(path, made);
    } catch {
      // It is gone, or it cannot be removed. Either way it does no harm.
    }
  }
}

function removeLeftover(path: string, made: Stats): void {
  // Taking the lock opens a database, and a crafted one can do harm. So lock nothing that another user could have made.
  const found = lstatSync(path);
  if (!found.isDirectory() || found.uid !== made.uid || found.mode !== made.mode) return;
  const names = readdirSync(path);
  // Its process has not locked it yet. If that process still runs, it makes another folder.
  if (names.length === 0) return rmdirSync(path);
  if (!names.includes(LOCK_NAME) || names.some((name) => name !== LOCK_NAME && name !== CONTENT_NAME)) return;
  const lockFile = lstatSync(join(path, LOCK_NAME));
  if (!lockFile.isFile() || lockFile.size !== 0) return;
  const lock = nodeFileSystem.lock(join(path, LOCK_NAME));
  if (typeof lock === "object") remove(path, lock);
}

/** Fails unless the path is free, or an empty folder. */
function requireVacant(target: string): void {
  const found = statOf(target);
  if (found === undefined) return;
  if (!found.isDirectory()) {
    const what = found.isSymbolicLink() ? "a symbolic link" : "a file";
    throw new WalLogError("INVALID_ARGUMENT", `Cannot make ${target}: ${what} has that name; choose another one`, {
      path: target,
    });
  }
  if (readdirSync(target).length === 0) return;
  throw new WalLogError(
    "INVALID_ARGUMENT",
    `Cannot make ${target}: the folder exists and is not empty; choose another one`,
    {
      path: target,
    },
  );
}

/**
 * Gets the status of a file, and follows no link.
 *
 * @param path The file.
 * @returns Its status; `undefined` if there is no file.
 */
export function statOf(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
