/**
 * Gives new files the owners and modes of others. So a service can open its log after root has repaired it.
 *
 * @module
 */

import { closeSync, fchmodSync, fchownSync, fstatSync, fsyncSync, lstatSync, openSync, type Stats } from "node:fs";
import { basename } from "node:path";
import process from "node:process";
import { WalLogError } from "../api/errors.ts";
import type { FileSystem } from "../io/file_system.ts";
import { errorCode } from "../io/full.ts";
import { nodeFileSystem } from "../io/node_fs.ts";

/** The suffix of a file that is not complete yet. */
const TEMPORARY = /\.[0-9a-f]{16}\.tmp$/;

/** The bits of a mode that are permissions. */
const PERMISSIONS = 0o7777;

/**
 * Gives a new file or folder the owner, the group and the mode of another, durably.
 *
 * The new owner may own the folder, and may replace the file with another one to become its owner. So only a regular
 * file that is empty and has one link is given away.
 *
 * @param path An empty file that this process has just created, or a folder that no other user can replace.
 * @param like The status of the other one.
 * @throws {WalLogError} `IO` if the file was replaced, or if this user may not change its owner.
 */
export function keepOwner(path: string, like: Stats): void {
  if (process.platform === "win32") return;
  const found = lstatSync(path);
  if (!found.isFile() && !found.isDirectory()) throw replaced(path);
  const descriptor = openSync(path, "r");
  try {
    const opened = fstatSync(descriptor);
    if (opened.ino !== found.ino || opened.dev !== found.dev) throw replaced(path);
    if (opened.isFile() && (opened.size !== 0 || opened.nlink !== 1)) throw replaced(path);
    give(path, descriptor, opened, like);
  } finally {
    closeSync(descriptor);
  }
}

function replaced(path: string): WalLogError {
  return new WalLogError("IO", `Cannot change the owner of ${path}: another process has replaced it; try again`, {
    path,
  });
}

function give(path: string, descriptor: number, { uid, gid, mode }: Stats, like: Stats): void {
  const isOwned = uid === like.uid && gid === like.gid;
  if (isOwned && (mode & PERMISSIONS) === (like.mode & PERMISSIONS)) return;
  try {
    if (!isOwned) fchownSync(descriptor, like.uid, like.gid);
    fchmodSync(descriptor, like.mode & PERMISSIONS);
  } catch (error) {
    const wanted = `${like.uid}:${like.gid} and mode ${(like.mode & PERMISSIONS).toString(8)}`;
    throw new WalLogError(
      "IO",
      `Cannot give ${path} owner ${wanted} of the log's files: ${(error as Error).message}; run this as root, ` +
        `or as the owner of the log`,
      { path, cause: error },
    );
  }
  fsyncSync(descriptor);
}

/**
 * The real file system, but each new file gets the owner and mode of another file, and logs have no reserve.
 *
 * @param like Returns the status of the other file, given the final name of the new one; `undefined` leaves the new one
 * as it is.
 * @returns The file system.
 */
export function ownerKeeping(like: (name: string) => Stats | undefined): FileSystem {
  return {
    ...nodeFileSystem,
    reserveBytes: 0,
    open(path, mode) {
      const file = nodeFileSystem.open(path, mode);
      const model = mode === "create" ? like(basename(path).replace(TEMPORARY, "")) : undefined;
      if (model === undefined) return file;
      try {
        keepOwner(path, model);
      } catch (error) {
        file.close();
        nodeFileSystem.remove(path);
        throw error;
      }
      return file;
    },
  };
}

/**
 * Creates an empty file with the owner and mode of another, unless it exists.
 *
 * @param path The file. If it is a lock file, this process must not hold the lock: closing the file would release it.
 * @param like The status of a file whose owner and mode it gets.
 */
export function createLike(path: string, like: Stats): void {
  let descriptor: number;
  try {
    descriptor = openSync(path, "wx", 0o600);
  } catch (error) {
    if (errorCode(error) === "EEXIST") return;
    throw error;
  }
  let isMade = false;
  try {
    if (process.platform !== "win32") give(path, descriptor, fstatSync(descriptor), like);
    isMade = true;
  } finally {
    closeSync(descriptor);
    if (!isMade) nodeFileSystem.remove(path);
  }
}
