/**
 * Lists the files of a log's folder without following links.
 *
 * @module
 */

import { lstatSync, readdirSync, type Stats, statSync } from "node:fs";
import { join } from "node:path";
import { WalLogError } from "../api/errors.ts";
import { IDENTITY_NAME } from "../recovery/identity.ts";
import { isRepairLeftover } from "../maintain/segment_repairer.ts";
import type { FileSystem } from "../io/file_system.ts";
import { RESERVE_NAME } from "../write/reserve.ts";
import { createLike, ownerKeeping } from "./owner.ts";

/** The name of the lock file. */
export const LOCK_NAME = "LOCK";

const SEGMENT = /^\d{12,16}\.seg$/;
const SNAPSHOT = /^\d{12,16}-\d{12,16}\.snap$/;
/** The temporary names of segments and snapshots. */
const UNFINISHED = /^\d{12,16}(-\d{12,16})?\.(seg|snap)\..*$/;

/** The content of a log's folder. */
export interface LogFiles {
  /** All regular files by name, including those that are not the log's, but without the reserve. */
  readonly files: ReadonlyMap<string, Stats>;
  /** The kind of everything else by name: `a symbolic link`. */
  readonly others: ReadonlyMap<string, string>;
}

/**
 * Lists a log's folder.
 *
 * @param folder The folder.
 * @returns Its content.
 * @throws {WalLogError} `INVALID_ARGUMENT` if a link, a device, a FIFO or a folder has the name of a file of the log.
 */
export function listFiles(folder: string): LogFiles {
  const files = new Map<string, Stats>();
  const others = new Map<string, string>();
  for (const name of readdirSync(folder).sort()) {
    if (name === RESERVE_NAME) continue;
    const stats = lstatSync(join(folder, name), { throwIfNoEntry: false });
    // A writer has deleted it since the folder was listed.
    if (stats === undefined) continue;
    if (stats.isFile()) files.set(name, stats);
    else if (isContent(name) || name === LOCK_NAME || UNFINISHED.test(name)) {
      const path = join(folder, name);
      throw new WalLogError(
        "INVALID_ARGUMENT",
        `Cannot repair the log at ${folder}: ${name} is ${
          kindOf(stats)
        }, not a regular file; nothing was changed; move it out of the folder`,
        { path },
      );
    } else others.set(name, kindOf(stats));
  }
  return { files, others };
}

function kindOf(stats: Stats): string {
  if (stats.isSymbolicLink()) return "a symbolic link";
  if (stats.isDirectory()) return "a folder";
  if (stats.isFIFO()) return "a FIFO";
  if (stats.isSocket()) return "a socket";
  return "a device";
}

/** Whether a file of this name is a segment or a snapshot. */
export function isSegmentOrSnapshot(name: string): boolean {
  return SEGMENT.test(name) || SNAPSHOT.test(name);
}

/** Whether a file of this name is a segment or a snapshot that was not completed. */
export function isUnfinished(name: string): boolean {
  return UNFINISHED.test(name);
}

/** Whether a file of this name is a part of the log. */
export function isContent(name: string): boolean {
  return name === IDENTITY_NAME || isSegmentOrSnapshot(name);
}

/** Whether a file of this name, in a log's folder, is the log's. */
export function isFileOfLog(name: string): boolean {
  return isContent(name) || isUnfinished(name) || name === LOCK_NAME || name === RESERVE_NAME;
}

/**
 * Prepares the repair of a log: new files get the owners and modes of the old ones.
 *
 * @param folder The log's folder. If it has no lock file, it gets one, because taking the lock would create it.
 * @param listed The folder's content.
 * @returns The file system that makes the new files.
 */
export function prepareRepair(folder: string, listed: LogFiles): FileSystem {
  const like = (name: string) => modelOf(listed, name);
  const lock = like(LOCK_NAME);
  if (lock !== undefined) createLike(join(folder, LOCK_NAME), lock);
  return ownerKeeping(like);
}

/** The old file whose owner and mode a new one gets: the file that it replaces, or else the newest segment. */
function modelOf({ files }: LogFiles, name: string): Stats | undefined {
  const newest = (kind: RegExp) => {
    const names = [...files.keys()].filter((other) => kind.test(other));
    return files.get(names.sort((a, b) => parseInt(a) - parseInt(b)).at(-1) ?? "");
  };
  let replaced: Stats | undefined;
  if (isRepairLeftover(name)) replaced = files.get(name.slice(0, name.indexOf(".repair")));
  else if (name === IDENTITY_NAME || name === LOCK_NAME) replaced = files.get(name);
  else if (name.includes(".snap")) replaced = newest(SNAPSHOT);
  return replaced ?? newest(SEGMENT) ?? files.get(IDENTITY_NAME);
}

/**
 * The names, sizes and times of a log's files. The text changes whenever a writer changes a file. The time of the last
 * change of an inode is among them: a file that is restored in place may get back its size and its modification time.
 *
 * @param folder The log's folder.
 * @returns The text.
 */
export function stateOfFiles(folder: string): string {
  // Reading the log will report that there is none.
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return "";
  return readdirSync(folder).filter(isContent).sort().map((name) => {
    const stats = lstatSync(join(folder, name), { throwIfNoEntry: false });
    return `${name} ${stats?.ino} ${stats?.size} ${stats?.mtimeMs} ${stats?.ctimeMs}`;
  }).join("\n");
}
