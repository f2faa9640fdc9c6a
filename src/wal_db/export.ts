/**
 * Writes a log of this library as a wal-db log.
 *
 * @module
 */

import { basename, dirname } from "node:path";
import { setImmediate } from "node:timers/promises";
import { CHUNK_BYTES, Codec } from "../codec/codec.ts";
import { WalLogError } from "../api/errors.ts";
import { checkNames } from "../api/option_names.ts";
import type { File, FileSystem } from "../io/file_system.ts";
import { errorCode, ioError, writeFull } from "../io/full.ts";
import { nodeFileSystem } from "../io/node_fs.ts";
import type { NewSnapshot } from "../api/types.ts";
import type { WalLog } from "../api/wal_log.ts";
import {
  encodeHead,
  framedBytes,
  FRAMING_BYTES,
  payloadOf,
  RECORD_BYTES_MAX,
  SUMMED_FROM,
  type WalDbRecord,
} from "./format.ts";
import { filePathOf } from "./paths.ts";

/** How long an export works before it returns to the event loop, in milliseconds. */
const SLICE_MS = 8;
const TEMPORARY_EXTENSION = ".wallog-export.tmp";

/** The progress of an export. */
export interface WalDbExportProgress {
  /** Entries written so far. */
  readonly entriesDone: number;
  /** Entries to write. */
  readonly entriesTotal: number;
}

/** How to export to a wal-db log. */
export interface WalDbExportOptions {
  /** Called every few milliseconds with the progress. */
  readonly onProgress?: (progress: WalDbExportProgress) => void;
  /** Aborts the export: it rejects with the signal's reason, and leaves no file. */
  readonly signal?: AbortSignal;
  /** The machine to write on. Default: the one that the process runs on, through `node:fs`. */
  readonly fileSystem?: FileSystem;
}

/** The result of an export. */
export interface WalDbExport {
  /** Entries written. */
  readonly entries: number;
  /** Records written: the entries, and one each for the hard state and the snapshot, if there are any. */
  readonly records: number;
  /** The size of the file, in bytes. */
  readonly bytes: number;
  /** Bytes of the snapshot's `meta` that were left out, because the format has no place for them. */
  readonly metaBytes: number;
}

/**
 * Writes a log in its state at the time of the call as a wal-db log with raft-io's records: hard state, snapshot,
 * entries. The file is written under a temporary name, flushed and renamed, so that no incomplete file is ever visible.
 *
 * @param log The log. If it is opened for reading only, another process may be writing it.
 * @param file The file to create. It must not exist.
 * @param options Progress and signal.
 * @returns The result.
 * @throws {WalLogError} `INVALID_ARGUMENT` if the file exists; `ENTRY_TOO_LARGE` if an entry or the snapshot makes a
 * record of more than 64 MiB, which the format's authors refuse to read; `CORRUPT` if the log has damage, which the
 * format cannot express; `COMPACTED` or `NOT_CONTIGUOUS` if the log was compacted or truncated meanwhile; `NO_SPACE`;
 * `IO`; `CLOSED`. No file is left then. Or the reason of `options.signal`.
 *
 * @example
 * ```ts
 * import { WalLog } from "@wallog/wallog";
 * import { exportWalDb } from "@wallog/wallog/wal-db";
 * import { mkdtempSync, rmSync, statSync } from "node:fs";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import assert from "node:assert/strict";
 *
 * const folder = mkdtempSync(join(tmpdir(), "wallog-"));
 * {
 *   await using log = await WalLog.open(join(folder, "log"));
 *   log.setHardState({ term: 1, votedFor: 1n });
 *   log.append([{ term: 1, index: 1, kind: "normal", command: new TextEncoder().encode("x = 1") }]);
 *   const { records, bytes } = await exportWalDb(log, join(folder, "raft.wal"));
 *   assert.equal(records, 2);
 *   assert.equal(bytes, statSync(join(folder, "raft.wal")).size);
 * }
 * rmSync(folder, { recursive: true });
 * ```
 */
export async function exportWalDb(
  log: WalLog,
  file: string | URL,
  options: WalDbExportOptions = {},
): Promise<WalDbExport> {
  checkNames("Cannot export", options, ["onProgress", "signal", "fileSystem"]);
  const { onProgress, signal, fileSystem = nodeFileSystem } = options;
  const path = filePathOf(file, "Cannot export");
  signal?.throwIfAborted();
  requireUndamaged(log);
  const temporary = path + TEMPORARY_EXTENSION;
  let output: File | undefined;
  let isTemporary = false;
  try {
    requireAbsent(fileSystem, path);
    output = create(fileSystem, temporary);
    isTemporary = true;
    const writer = new RecordWriter(output);
    const { lastIndex, snapshotIndex, lastTerm, hardState } = log;
    const first = snapshotIndex + 1;
    const entriesTotal = lastIndex - snapshotIndex;
    if (hardState.term !== 0 || hardState.votedFor !== null) writer.write({ type: "hard state", ...hardState });
    const snapshot = await readSnapshot(log);
    // A snapshot may have been installed while this one was read.
    requireUnchanged(log, snapshotIndex, lastIndex, lastTerm);
    if (snapshot !== undefined) writer.write({ type: "snapshot", meta: snapshot, data: snapshot.data });
    let sliceEnd = performance.now() + SLICE_MS;
    if (entriesTotal > 0) {
      for (const entry of log.iterate(first, lastIndex)) {
        writer.write({ type: "entry", entry });
        if (performance.now() < sliceEnd) continue;
        onProgress?.({ entriesDone: entry.index - snapshotIndex, entriesTotal });
        await setImmediate();
        signal?.throwIfAborted();
        requireUnchanged(log, snapshotIndex, lastIndex, lastTerm);
        sliceEnd = performance.now() + SLICE_MS;
      }
    }
    requireUnchanged(log, snapshotIndex, lastIndex, lastTerm);
    writer.flush();
    output.sync();
    output.close();
    output = undefined;
    fileSystem.rename(temporary, path);
    isTemporary = false;
    fileSystem.syncDirectory(dirname(path));
    onProgress?.({ entriesDone: entriesTotal, entriesTotal });
    const metaBytes = snapshot?.meta?.length ?? 0;
    return { entries: entriesTotal, records: writer.records, bytes: writer.bytes, metaBytes };
  } catch (error) {
    output?.close();
    if (isTemporary) fileSystem.remove(temporary);
    throw signal?.aborted === true && error === signal.reason ? error : ioError("Cannot export the log", path, error);
  }
}

/** Fails if the log has damage, which the format cannot express. */
function requireUndamaged({ path, damaged }: WalLog): void {
  if (damaged.length === 0) return;
  const places = damaged.length === 1 ? "1 place" : `${damaged.length} places`;
  throw new WalLogError("CORRUPT", `Cannot export the log at ${path}: it is damaged in ${places}; repair it first`, {
    path,
    damage: damaged,
  });
}

/** Fails if a file of this name exists, without opening it: it may be a link or a FIFO. */
function requireAbsent(fileSystem: FileSystem, path: string): void {
  if (!fileSystem.list(dirname(path)).includes(basename(path))) return;
  throw new WalLogError("INVALID_ARGUMENT", `Cannot export to ${path}: the file exists; remove it, or name another`, {
    path,
  });
}

/** Creates a file. Replaces the remains of a killed export. */
function create(fileSystem: FileSystem, path: string): File {
  try {
    return fileSystem.open(path, "create");
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
    fileSystem.remove(path);
    return fileSystem.open(path, "create");
  }
}

/** Fails if the log has changed since the export began. Entries with the same index and term are the same entry. */
function requireUnchanged(log: WalLog, snapshotIndex: number, lastIndex: number, lastTerm: number): void {
  if (log.snapshotIndex !== snapshotIndex) {
    const message =
      `Cannot export the log at ${log.path}: a snapshot at index ${log.snapshotIndex} was installed meanwhile`;
    throw new WalLogError("COMPACTED", message, { path: log.path });
  }
  if (log.termAt(lastIndex) !== lastTerm) {
    const message = `Cannot export the log at ${log.path}: index ${lastIndex} was truncated meanwhile`;
    throw new WalLogError("NOT_CONTIGUOUS", message, { path: log.path });
  }
}

/** Reads the snapshot. Measures it first, so that a snapshot too large for a record is not loaded. */
async function readSnapshot(log: WalLog): Promise<NewSnapshot | undefined> {
  const meta = log.snapshotMeta();
  const measured = log.openSnapshot();
  const stream = log.openSnapshot();
  if (meta === undefined || measured === undefined || stream === undefined) return undefined;
  let bytes = 0;
  for await (const piece of measured) bytes += piece.length;
  const empty: WalDbRecord = { type: "snapshot", meta, data: new Uint8Array(0) };
  if (framedBytes(empty) - FRAMING_BYTES + bytes > RECORD_BYTES_MAX) {
    await stream.cancel();
    throw tooLarge(`the snapshot at index ${meta.index}`);
  }
  const data = new Uint8Array(bytes);
  let filled = 0;
  for await (const piece of stream) {
    data.set(piece, filled);
    filled += piece.length;
  }
  return { ...meta, data };
}

function tooLarge(what: string): WalLogError {
  return new WalLogError(
    "ENTRY_TOO_LARGE",
    `Cannot export ${what}: its record would have more than ${RECORD_BYTES_MAX} bytes, the most that the format has`,
  );
}

/** Writes records through a chunk. Larger data is written directly. */
class RecordWriter {
  /** Records written. */
  records = 0;
  /** The number of bytes written. */
  bytes = 0;
  private readonly file: File;
  private readonly codec = new Codec();
  private readonly chunk = new Uint8Array(CHUNK_BYTES);
  private filled = 0;

  constructor(file: File) {
    this.file = file;
  }

  write(record: WalDbRecord): void {
    const total = framedBytes(record);
    if (total - FRAMING_BYTES > RECORD_BYTES_MAX) throw tooLarge(nameOf(record));
    if (this.filled + total > this.chunk.length) this.flush();
    const head = this.chunk.subarray(this.filled);
    const headBytes = encodeHead(record, head);
    const payload = payloadOf(record);
    const sum = this.codec.crc32c(payload, this.codec.crc32c(head.subarray(SUMMED_FROM, headBytes)));
    new DataView(head.buffer, head.byteOffset).setUint32(0, sum, true);
    this.filled += headBytes;
    this.records++;
    if (total > this.chunk.length) {
      this.flush();
      this.put(payload);
    } else {
      this.chunk.set(payload, this.filled);
      this.filled += payload.length;
    }
  }

  flush(): void {
    this.put(this.chunk.subarray(0, this.filled));
    this.filled = 0;
  }

  private put(bytes: Uint8Array): void {
    writeFull(this.file, bytes, this.bytes);
    this.bytes += bytes.length;
  }
}

function nameOf(record: WalDbRecord): string {
  return record.type === "entry" ? `the entry at index ${record.entry.index}` : `the ${record.type}`;
}
