/**
 * Making a folder that is there whole or not at all: it is filled under another name, and given its own when it is done.
 *
 * @module
 */

import { lstatSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { WalLogError } from "../errors.ts";
import { errorCode } from "../storage/full.ts";
import { nodeFileSystem } from "../storage/node_fs.ts";

/**
 * Makes a folder with a log in it.
 *
 * @param path The folder. It must not exist, or be empty.
 * @param fill Fills a folder, given where that is for now; returns when everything in it is durable.
 * @returns What `fill` returns. If that fails, nothing is left.
 * @throws {WalLogError} `INVALID_ARGUMENT` if there is something, `LOCKED` if another process is about to make the same.
 */
export async function makeFolder<Result>(path: string, fill: (folder: string) => Promise<Result>): Promise<Result> {
  const target = resolve(path);
  requireVacant(target);
  const temporary = join(dirname(target), `.${basename(target)}.wal-log.tmp`);
  removeLeftover(temporary);
  let isMade = false;
  try {
    mkdirSync(temporary);
    isMade = true;
    const result = await fill(temporary);
    requireVacant(target);
    if (exists(target)) rmdirSync(target);
    renameSync(temporary, target);
    isMade = false;
    nodeFileSystem.syncDirectory(dirname(target));
    return result;
  } finally {
    if (isMade) rmSync(temporary, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** What a process left that was killed goes; what one is still writing does not. */
function removeLeftover(temporary: string): void {
  if (!exists(temporary)) return;
  const lock = nodeFileSystem.lock(join(temporary, "LOCK"));
  if (typeof lock !== "object") {
    throw new WalLogError("LOCKED", `Cannot make ${temporary}: another process is writing it`, { path: temporary });
  }
  lock.release();
  rmSync(temporary, { recursive: true, maxRetries: 3 });
}

/** Fails where there is something. */
function requireVacant(target: string): void {
  if (!exists(target)) return;
  let names: string[];
  try {
    names = readdirSync(target);
  } catch (error) {
    if (errorCode(error) !== "ENOTDIR") throw error;
    throw new WalLogError("INVALID_ARGUMENT", `Cannot make ${target}: there is a file of that name`, { path: target });
  }
  if (names.length === 0) return;
  throw new WalLogError("INVALID_ARGUMENT", `Cannot make ${target}: it is there, and not empty`, { path: target });
}

function exists(path: string): boolean {
  try {
    lstatSync(path);
    return true;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
}
