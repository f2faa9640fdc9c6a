/**
 * Owner and mode of files that replace others. A log may be repaired by root, and then has to open for its service again.
 *
 * @module
 */

import { closeSync, fchmodSync, fchownSync, fstatSync, fsyncSync, lstatSync, openSync, type Stats } from "node:fs";
import { basename } from "node:path";
import process from "node:process";
import { WalLogError } from "../errors.ts";
import type { FileSystem } from "../storage/file_system.ts";
import { errorCode } from "../storage/full.ts";
import { nodeFileSystem } from "../storage/node_fs.ts";

/** The bits of a mode that say who may do what. */
const PERMISSIONS = 0o7777;

/**
 * Gives a new file or folder the owner, the group and the mode of another, durably.
 *
 * @param path A file that this process has just created, and is still empty; or a folder that nobody else can reach. It
 * may lie in a folder of the user that it is given to, who must not get another file instead.
 * @param like What it is to be like.
 * @throws {WalLogError} `IO` if it is another file by now, or if this user may not do it.
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
  return new WalLogError("IO", `Cannot change the owner of ${path}: another process has replaced it`, { path });
}

function give(path: string, descriptor: number, { uid, gid, mode }: Stats, like: Stats): void {
  const isOwned = uid === like.uid && gid === like.gid;
  if (isOwned && (mode & PERMISSIONS) === (like.mode & PERMISSIONS)) return;
  try {
    if (!isOwned) fchownSync(descriptor, like.uid, like.gid);
    fchmodSync(descriptor, like.mode & PERMISSIONS);
  } catch (error) {
    const wanted = `${like.uid}:${like.gid} and the mode ${(like.mode & PERMISSIONS).toString(8)}`;
    throw new WalLogError(
      "IO",
      `Cannot give ${path} the owner ${wanted} of the files of the log: ${
        (error as Error).message
      }; run this as root, ` +
        `or as the owner of the log`,
      { path, cause: error },
    );
  }
  fsyncSync(descriptor);
}

/**
 * The machine, on which each new file has owner and mode of another.
 *
 * @param like What a new file is to be like, by its name; `undefined` to leave it as it is.
 * @returns The file system.
 */
export function ownerKeeping(like: (name: string) => Stats | undefined): FileSystem {
  return {
    ...nodeFileSystem,
    open(path, mode) {
      const file = nodeFileSystem.open(path, mode);
      const model = mode === "create" ? like(basename(path)) : undefined;
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
 * Creates an empty file, unless it exists.
 *
 * @param path The file. If it is a lock file, nobody holds the lock in this process: to close the file would release it.
 * @param like What it is to be like.
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
