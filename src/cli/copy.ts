/**
 * Writes a new log into a folder, and reads it back.
 *
 * @module
 */

import { join } from "node:path";
import process from "node:process";
import { PAYLOAD_BYTES_MAX } from "../format/frame.ts";
import { segmentNumber } from "../format/segment_name.ts";
import type { FileSystem } from "../io/file_system.ts";
import { nodeFileSystem } from "../io/node_fs.ts";
import { type Contents, requireCopy, writeAnew } from "../maintain/write_anew.ts";
import { WalLog } from "../api/wal_log.ts";
import { copyProgressLine, progressLine } from "./progress.ts";

/**
 * Makes a log. All data is verified while it is read, durable when this returns, and read back.
 *
 * @param folder An empty folder.
 * @param contents The contents of the new log.
 * @param signal Ends it early.
 * @param fileSystem The file system that makes the files of the copy. By default, it makes no reserve.
 */
export async function makeLogFrom(
  folder: string,
  contents: Contents,
  signal: AbortSignal,
  fileSystem: FileSystem = { ...nodeFileSystem, reserveBytes: 0 },
): Promise<void> {
  // The source may have taken larger entries than a log takes by default.
  const log = await WalLog.open(folder, { maxEntryBytes: PAYLOAD_BYTES_MAX, fileSystem });
  const line = copyProgressLine("copying");
  let lastTerm;
  try {
    lastTerm = await writeAnew(log, contents, { signal, onProgress: line.show });
  } finally {
    line.clear();
    await log.close();
  }
  const checking = progressLine("verifying");
  const copy = await WalLog.open(folder, { readOnly: true, fileSystem, signal, onProgress: checking.show })
    .finally(() => checking.clear());
  try {
    requireCopy(copy, contents, lastTerm);
  } finally {
    await copy.close();
  }
}

/**
 * Flushes what a log has on disk, whoever wrote it: what was read of it before is durable when this returns.
 *
 * @param path The log's folder.
 */
export function flushFiles(path: string): void {
  // Windows flushes only what is open for writing.
  const mode = process.platform === "win32" ? "write" : "read";
  for (const name of nodeFileSystem.list(path)) {
    if (segmentNumber(name) === undefined) continue;
    const file = nodeFileSystem.open(join(path, name), mode);
    try {
      file.sync();
    } finally {
      file.close();
    }
  }
  nodeFileSystem.syncDirectory(path);
}
