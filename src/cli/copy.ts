/**
 * A log written anew from another: the same entries, hard state, snapshot and cluster, and nothing of the way there. It
 * gets a UUID and an incarnation of its own.
 *
 * @module
 */

import { join } from "node:path";
import process from "node:process";
import { PAYLOAD_BYTES_MAX } from "../format/frame.ts";
import { segmentNumber } from "../format/segment_name.ts";
import type { FileSystem } from "../io/file_system.ts";
import { nodeFileSystem } from "../io/node_fs.ts";
import type { Index, LogEntry } from "../api/types.ts";
import { WalLog } from "../api/wal_log.ts";
import { progressLine } from "./inspect.ts";

/** What is appended at once. In bytes of commands. */
const BATCH_BYTES = 1024 * 1024;
/** The same in entries, of which those without a command count for nothing in bytes. */
const BATCH_ENTRIES = 4096;

/**
 * Copies a log. Everything is verified as it is read, and durable when this returns.
 *
 * @param source The log, opened for reading only.
 * @param folder Where the copy goes: an empty folder.
 * @param lastIndex The last entry to copy, or the snapshot's index.
 * @param signal Ends it early.
 * @param fileSystem The file system that makes the files of the copy.
 */
export async function copyLog(
  source: WalLog,
  folder: string,
  lastIndex: Index,
  signal: AbortSignal,
  fileSystem: FileSystem = nodeFileSystem,
): Promise<void> {
  // The source may have taken larger entries than a log takes by default.
  const copy = await WalLog.open(folder, { maxEntryBytes: PAYLOAD_BYTES_MAX, fileSystem });
  const line = progressLine("copying");
  try {
    const { cluster } = source.identity;
    if (cluster !== undefined) copy.foundCluster(cluster);
    const meta = source.snapshotMeta();
    if (meta !== undefined) await source.openSnapshot()!.pipeTo(copy.receiveSnapshot(meta), { signal });
    const first = source.snapshotIndex + 1;
    let batch: LogEntry[] = [];
    let bytes = 0;
    const append = async () => {
      copy.append(batch);
      batch = [];
      bytes = 0;
      line.show({ bytesDone: copy.lastIndex - first + 1, bytesTotal: lastIndex - first + 1 });
      await copy.sync();
      signal.throwIfAborted();
    };
    for (const entry of lastIndex < first ? [] : source.iterate(first, lastIndex)) {
      if (bytes + entry.command.length > BATCH_BYTES || batch.length === BATCH_ENTRIES) await append();
      batch.push(entry);
      bytes += entry.command.length;
    }
    await append();
    // Last, so that no damage to entries puts it in doubt.
    const { hardState } = source;
    if (hardState.term !== 0 || hardState.votedFor !== null) copy.setHardState(hardState);
    await copy.sync();
  } finally {
    line.clear();
    await copy.close();
  }
}

/**
 * Flushes what a log has on disk, whoever wrote it: what was read of it before is durable when this returns.
 *
 * @param log The log, opened for reading only.
 */
export function flushFiles({ path }: WalLog): void {
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

/**
 * Reads a copy back, every checksum verified.
 *
 * @param source The log that was copied.
 * @param folder The copy.
 * @param lastIndex The last entry that was copied.
 * @throws {Error} If it is not what it is to be.
 */
export async function checkCopy(source: WalLog, folder: string, lastIndex: Index): Promise<void> {
  const copy = await WalLog.open(folder, { readOnly: true });
  const stateOf = ({ snapshotIndex, hardState, identity }: WalLog) =>
    [snapshotIndex, hardState.term, hardState.votedFor, identity.cluster].join();
  const isSame = copy.recovery.verdict === "clean" && copy.recovery.closed && copy.lastIndex === lastIndex &&
    copy.lastTerm === source.termAt(lastIndex) && stateOf(copy) === stateOf(source);
  await copy.close();
  if (!isSame) throw new Error(`The copy of ${source.path} is not what it is to be: ${JSON.stringify(copy.recovery)}`);
}
