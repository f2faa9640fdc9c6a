/**
 * Writes a copy of a log as a tar archive.
 *
 * @module
 */

import { lstatSync } from "node:fs";
import { basename } from "node:path";
import { setImmediate } from "node:timers/promises";
import { WalLogError } from "../api/errors.ts";
import type { Index } from "../api/types.ts";
import { WalLog } from "../api/wal_log.ts";
import { PAYLOAD_BYTES_MAX } from "../format/frame.ts";
import { snapshotHeaderBytes } from "../format/snapshot_header.ts";
import { snapshotName } from "../format/snapshot_name.ts";
import { allPiecesBytes } from "../format/snapshot_piece.ts";
import { type Contents, contentsOf, writeAnew } from "../maintain/write_anew.ts";
import { TarFolder, type TarOptions } from "./tar_folder.ts";
import { isCompaction } from "./inspect.ts";
import { type Output, ReaderGone } from "./output.ts";
import { copyProgressLine } from "./progress.ts";

/** The size of a segment in an archive, in bytes. A few segments are in memory. */
const SEGMENT_BYTES = 32 * 1024 * 1024;
/** The most bytes to write to standard output at once. */
const PART_BYTES = 1024 * 1024;

/**
 * Writes a copy of a log to standard output, as a tar archive of one folder. It needs no disk space.
 *
 * @param source The log, which must not be damaged.
 * @param lastIndex The last entry to copy.
 * @param out The output.
 * @param segmentBytes The size of the copy's segments.
 * @returns The name of the folder in the archive, and the size of the archive in bytes.
 * @throws {WalLogError} `IO` if standard output cannot be written or is closed; `CHANGING` if the log was compacted
 * before it was read.
 */
export async function writeTar(
  source: WalLog,
  lastIndex: Index,
  out: Output,
  segmentBytes: number = SEGMENT_BYTES,
): Promise<{ readonly name: string; readonly bytes: number }> {
  const contents = contentsOf(source, lastIndex);
  const options = optionsFor(source.path, contents);
  const folder = new TarFolder(options);
  let bytes = 0;
  const drain = async () => {
    for (const piece of folder.take()) {
      bytes += piece.length;
      for (let at = 0; at < piece.length; at += PART_BYTES) await out.bytes(piece.subarray(at, at + PART_BYTES));
    }
    // The writes may not have yielded, so let other tasks run.
    await setImmediate();
  };
  try {
    await drain();
    await writeInto(folder, contents, { path: source.path, segmentBytes, drain });
    folder.seal(true);
    await drain();
  } catch (error) {
    throw archiveError(source.path, error);
  }
  return { name: options.name, bytes };
}

/** Writes the log into the folder, and each complete file to the output. */
async function writeInto(
  folder: TarFolder,
  contents: Contents,
  { path, segmentBytes, drain }: {
    readonly path: string;
    readonly segmentBytes: number;
    readonly drain: () => Promise<void>;
  },
): Promise<void> {
  const { fileSystem } = folder;
  const log = await WalLog.open(path, { fileSystem, segmentBytes, maxEntryBytes: PAYLOAD_BYTES_MAX });
  const line = copyProgressLine("archiving");
  try {
    await writeAnew(log, contents, {
      onProgress: line.show,
      afterPart: async () => {
        folder.seal(false);
        await drain();
      },
    });
  } finally {
    line.clear();
    await log.close();
  }
}

/** The folder in the archive. It has another name than the log, so that unpacking it beside the log changes no file. */
function optionsFor(path: string, { snapshot }: Contents): TarOptions {
  const { uid, gid } = lstatSync(path);
  const name = `${basename(path) || "log"}.backup`;
  if (snapshot === undefined) return { name, uid, gid, snapshot: undefined };
  const { meta: { index, term, config, meta = new Uint8Array(0) }, dataBytes } = snapshot;
  const bytes = snapshotHeaderBytes(config.length, meta.length) + allPiecesBytes(dataBytes);
  return { name, uid, gid, snapshot: { name: snapshotName(index, term), bytes } };
}

/** The error for the user. The output is already written in part, and cannot be taken back. */
function archiveError(path: string, error: unknown): unknown {
  if (error instanceof ReaderGone) {
    const message = "Cannot write the archive: standard output was closed; the archive is incomplete";
    return new WalLogError("IO", message, { path });
  }
  if (!isCompaction(error)) return error;
  const message = `Cannot archive the log at ${path}: its writer compacted it meanwhile; the archive is incomplete; ` +
    "run the command again";
  return new WalLogError("CHANGING", message, { path, cause: error });
}
