/**
 * Reads a wal-db log into a log of this library.
 *
 * The file is read twice: first to check that it can be imported, then to import it. So a refused source leaves the log
 * unchanged.
 *
 * @module
 */

import { realpathSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { Codec } from "../codec/codec.ts";
import { WalLogError } from "../api/errors.ts";
import { checkNames } from "../api/option_names.ts";
import type { Progress } from "../api/options.ts";
import type { Damage } from "../api/report.ts";
import type { File, FileSystem } from "../io/file_system.ts";
import { ioError } from "../io/full.ts";
import { nodeFileSystem } from "../io/node_fs.ts";
import type { LogEntry, RaftLog } from "../api/types.ts";
import { decodeRecord, type WalDbRecord } from "./format.ts";
import { filePathOf } from "./paths.ts";
import { RecordReader, type RecordStop } from "./reader.ts";
import { type Survey, survey } from "./survey.ts";

/** The amount to append at once, in bytes of commands. */
const BATCH_BYTES = 256 * 1024;
/** The most entries to append at once: entries without a command add no bytes. */
const BATCH_ENTRIES = 4096;
/** How long an import works before it returns to the event loop, in milliseconds. */
const SLICE_MS = 8;

/** How to import a wal-db log. */
export interface WalDbImportOptions {
  /**
   * `"fail"` (the default): a damaged source is refused. `"cut"`: everything before the damage is imported, and the
   * result describes the rest.
   */
  readonly onDamage?: "fail" | "cut";
  /** Called every few milliseconds. The source is read twice: `bytesDone` counts both times. */
  readonly onProgress?: (progress: Progress) => void;
  /** Aborts the import: it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** The machine to read on. Default: the one that the process runs on, through `node:fs`. */
  readonly fileSystem?: FileSystem;
}

/** The part of a wal-db log that was not imported. */
export interface WalDbCut {
  /** Its offset in the file, in bytes. */
  readonly offset: number;
  /** Its length, up to the end of the file, in bytes. */
  readonly bytes: number;
  /** A description of the finding. It also says if the search for later records was stopped. */
  readonly reason: string;
  /**
   * Offset of the next complete record, which was not imported either, in bytes; `undefined` if there is none, or if
   * the search was stopped.
   */
  readonly resumesAt: number | undefined;
}

/** The result of importing a wal-db log. */
export interface WalDbImport {
  /**
   * `clean`: everything was imported. `torn`: the file ends within a record, as after a crash during an append. That
   * record was left out. `corrupt`: the source is damaged, and the records before the damage were imported.
   */
  readonly verdict: "clean" | "torn" | "corrupt";
  /** The number of imported records. */
  readonly records: number;
  /** Their size, in bytes. */
  readonly bytes: number;
  /** The part that was not imported; `undefined` if there is none. */
  readonly cut: WalDbCut | undefined;
}

/**
 * Reads a wal-db log, with raft-io's records, into an empty log: entries, hard state and snapshot. Then flushes.
 *
 * The format does not record flushes. A file that ends within a record is imported up to that record, because a crash
 * leaves such a file, and the append was not acknowledged. The verdict is then `torn`. (An incomplete copy looks the
 * same: compare sizes.) Any other incomplete record is damage.
 *
 * After an incomplete record, the import searches for a complete one. It checksums at most 8 times the size of the
 * file, and then stops the search. The source then counts as damaged, because records may follow.
 *
 * @param source The file.
 * @param log An empty log. It gets the records in the order of the file, including truncations and snapshots.
 * @param options The treatment of damage, progress and signal.
 * @returns The result.
 * @throws {WalLogError} `CORRUPT` if the source is damaged, with the offset; `INVALID_ARGUMENT` if a term or an index
 * is past 2^53 - 1, or the log is not empty; `IO` if the source cannot be read. The log is unchanged then. Also any
 * error of writing to the log, which holds a part of the source then. Or the reason of `options.signal`.
 *
 * @example
 * ```ts
 * import { MemoryLog } from "@wallog/wallog";
 * import { importWalDb } from "@wallog/wallog/wal-db";
 * import { Buffer } from "node:buffer";
 * import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import assert from "node:assert/strict";
 *
 * const folder = mkdtempSync(join(tmpdir(), "wallog-"));
 * const file = join(folder, "raft.wal");
 * // A hard state as raft-io writes it: term 1, a vote for node 1.
 * writeFileSync(file, Buffer.from("5e9e6ca512000000020100000000000000010100000000000000", "hex"));
 *
 * const log = new MemoryLog(); // or a WalLog
 * const { verdict, records } = await importWalDb(file, log);
 * assert.deepEqual([verdict, records], ["clean", 1]);
 * assert.deepEqual(log.hardState, { term: 1, votedFor: 1n });
 * rmSync(folder, { recursive: true });
 * ```
 */
export async function importWalDb(
  source: string | URL,
  log: RaftLog,
  options: WalDbImportOptions = {},
): Promise<WalDbImport> {
  checkNames("Cannot import", options, ["onDamage", "onProgress", "signal", "fileSystem"]);
  const { onDamage = "fail", onProgress, signal, fileSystem = nodeFileSystem } = options;
  const path = filePathOf(source, "Cannot import");
  if (onDamage !== "fail" && onDamage !== "cut") {
    const found = String(onDamage);
    throw new WalLogError("INVALID_ARGUMENT", `Cannot import: onDamage must be "fail" or "cut", found ${found}`);
  }
  requireEmpty(log, path);
  signal?.throwIfAborted();
  const file = openSource(fileSystem, path);
  try {
    const size = file.size();
    const codec = new Codec();
    const found = await inSlices(survey(file, size, codec, path), options);
    const { records, end, stop } = found;
    if (stop?.kind === "damaged" && onDamage === "fail") throw damaged(path, size, stop);
    await inSlices(take(file, found, size, codec, path, log), options);
    await log.sync();
    onProgress?.({ bytesDone: size + end, bytesTotal: size + end });
    const cut = stop &&
      { offset: stop.offset, bytes: size - stop.offset, reason: stop.reason, resumesAt: stop.resumesAt };
    return {
      verdict: stop === undefined ? "clean" : stop.kind === "torn" ? "torn" : "corrupt",
      records,
      bytes: end,
      cut,
    };
  } catch (error) {
    throw signal?.aborted === true && error === signal.reason ? error : ioError("Cannot import the log", path, error);
  } finally {
    file.close();
  }
}

/**
 * Works step by step. Every few milliseconds, it reports progress, returns to the event loop, and checks the signal.
 */
async function inSlices<Result>(
  work: Generator<Progress, Result>,
  { onProgress, signal }: WalDbImportOptions,
): Promise<Result> {
  let sliceEnd = performance.now() + SLICE_MS;
  for (let step = work.next();; step = work.next()) {
    if (step.done === true) return step.value;
    if (performance.now() < sliceEnd) continue;
    onProgress?.(step.value);
    await setImmediate();
    signal?.throwIfAborted();
    sliceEnd = performance.now() + SLICE_MS;
  }
}

/** Writes the records that the survey accepted to the log. */
function* take(
  file: File,
  { end }: Survey,
  size: number,
  codec: Codec,
  path: string,
  log: RaftLog,
): Generator<Progress, void> {
  const reader = new RecordReader(file, end, codec);
  const writer = new BatchWriter(log);
  for (let bytes = reader.next(); bytes !== undefined; bytes = reader.next()) {
    writer.write(decodeRecord(bytes));
    yield { bytesDone: size + reader.end, bytesTotal: size + end };
  }
  if (reader.stop !== undefined) {
    const { offset } = reader.stop;
    throw new WalLogError(
      "IO",
      `Cannot import ${path}: it changed at byte ${offset} while it was read; stop its writer`,
      {
        path,
        offset,
      },
    );
  }
  writer.flush();
}

function openSource(fileSystem: FileSystem, path: string): File {
  try {
    // The caller may name a link. The file system follows none, because a link in a log's folder may be a trap.
    return fileSystem.open(fileSystem === nodeFileSystem ? realpathSync(path) : path, "read");
  } catch (error) {
    throw ioError("Cannot import the log", path, error);
  }
}

function requireEmpty({ lastIndex, snapshotIndex, hardState }: RaftLog, path: string): void {
  if (lastIndex === 0 && snapshotIndex === 0 && hardState.term === 0 && hardState.votedFor === null) return;
  throw new WalLogError(
    "INVALID_ARGUMENT",
    `Cannot import ${path}: expected an empty log, found one at index ${lastIndex} and term ${hardState.term}`,
  );
}

function damaged(
  path: string,
  size: number,
  { offset, reason, resumesAt, givenUpAt }: RecordStop,
): WalLogError {
  const behind = resumesAt !== undefined
    ? `the next whole record begins at byte ${resumesAt}`
    : givenUpAt === undefined
    ? "no whole record follows"
    : "whole records may follow";
  const damage: Damage = {
    kind: "frames",
    path,
    offset,
    bytes: (resumesAt ?? size) - offset,
    firstIndex: undefined,
    lastIndex: undefined,
    term: undefined,
    reason,
  };
  return new WalLogError(
    "CORRUPT",
    `Cannot import ${path}: it is damaged at byte ${offset} of ${size} (${reason}), and ${behind}; ` +
      `restore the file, or import the records before it with onDamage "cut"`,
    { path, offset, damage: [damage] },
  );
}

/** Applies records to a log, entries in batches. */
class BatchWriter {
  private readonly log: RaftLog;
  private batch: LogEntry[] = [];
  private bytes = 0;

  constructor(log: RaftLog) {
    this.log = log;
  }

  write(record: WalDbRecord): void {
    const { log } = this;
    if (record.type === "entry") return this.append(record.entry);
    this.flush();
    if (record.type === "hard state") log.setHardState({ term: record.term, votedFor: record.votedFor });
    // The format allows a truncation within the snapshot, whose entries no longer exist.
    if (record.type === "truncate") log.truncate(Math.max(record.from, log.snapshotIndex + 1));
    if (record.type === "snapshot") log.applySnapshot({ ...record.meta, data: record.data });
  }

  private append(entry: LogEntry): void {
    const { length } = entry.command;
    if (this.bytes + length > BATCH_BYTES || this.batch.length === BATCH_ENTRIES) this.flush();
    // A large command is appended directly. The others are copied, because the reader reuses their bytes.
    if (length > BATCH_BYTES) return this.log.append([entry]);
    this.batch.push({ ...entry, command: entry.command.slice() });
    this.bytes += length;
  }

  flush(): void {
    if (this.batch.length === 0) return;
    this.log.append(this.batch);
    this.batch = [];
    this.bytes = 0;
  }
}
