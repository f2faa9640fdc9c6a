/**
 * The files of a log's folder as they are, links not followed.
 *
 * @module
 */

import { lstatSync, readdirSync, type Stats } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { CHUNK_BYTES } from "../codec/codec.ts";
import { WalLogError } from "../errors.ts";
import { IDENTITY_NAME } from "../segments/identity.ts";
import { readFull, writeFull } from "../storage/full.ts";
import { nodeFileSystem } from "../storage/node_fs.ts";

/** The name of the lock file. */
export const LOCK_NAME = "LOCK";

const SEGMENT = /^\d{12,16}\.seg$/;
const SNAPSHOT = /^\d{12,16}-\d{12,16}\.snap$/;
/** What a segment or a snapshot is called until it is complete. */
const UNFINISHED = /^\d{12,16}(-\d{12,16})?\.(seg|snap)\..*$/;

/** What is in a log's folder. */
export interface LogFiles {
  /** The regular files, those of others too, by name. */
  readonly files: ReadonlyMap<string, Stats>;
  /** What else there is, and is none of the log's: in words, by name. */
  readonly others: ReadonlyMap<string, string>;
}

/**
 * Lists a log's folder.
 *
 * @param folder The folder.
 * @returns What is in it.
 * @throws {WalLogError} `INVALID_ARGUMENT` if something has a name of the log's, and is no regular file.
 */
export function listFiles(folder: string): LogFiles {
  const files = new Map<string, Stats>();
  const others = new Map<string, string>();
  for (const name of readdirSync(folder).sort()) {
    const stats = lstatSync(join(folder, name));
    if (stats.isFile()) files.set(name, stats);
    else if (isContent(name) || name === LOCK_NAME || UNFINISHED.test(name)) {
      const path = join(folder, name);
      throw new WalLogError(
        "INVALID_ARGUMENT",
        `Cannot repair the log at ${folder}: ${name} is ${kindOf(stats)}, not a regular file; nothing was changed`,
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

/** Whether a file of this name is a part of the log. */
export function isContent(name: string): boolean {
  return name === IDENTITY_NAME || isSegmentOrSnapshot(name);
}

/**
 * Copies a file, flushed.
 *
 * @param from The file.
 * @param to The copy, which must not exist.
 * @param signal Ends it early.
 */
export async function copyFile(from: string, to: string, signal: AbortSignal): Promise<void> {
  const source = nodeFileSystem.open(from, "read");
  try {
    const target = nodeFileSystem.open(to, "create");
    try {
      const chunk = new Uint8Array(CHUNK_BYTES);
      let count = chunk.length;
      for (let at = 0; count === chunk.length; at += count) {
        count = readFull(source, chunk, at);
        writeFull(target, chunk.subarray(0, count), at);
        await setImmediate();
        signal.throwIfAborted();
      }
      await target.syncAsync();
    } finally {
      target.close();
    }
  } finally {
    source.close();
  }
}
