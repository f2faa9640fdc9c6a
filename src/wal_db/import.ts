/**
 * A wal-db log read into one of this library.
 *
 * The file is read twice: once to see that all of it can be taken, once to take it. So a source that is refused leaves
 * the log as it was.
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

/** What is appended at once. In bytes of commands. */
const BATCH_BYTES = 256 * 1024;
/** The same in entries, of which those without a command count for nothing in bytes. */
const BATCH_ENTRIES = 4096;
/** How long the import works before it lets others run. In milliseconds. */
const SLICE_MS = 8;

/** How to import a wal-db log. */
export interface WalDbImportOptions {
  /**
   * `"fail"` (the default): a source that is damaged is refused. `"cut"`: everything before the damage is taken, and the
   * result says what was not.
   */
  readonly onDamage?: "fail" | "cut";
  /** Called every few milliseconds. The source is read twice: `bytesDone` counts both times. */
  readonly onProgress?: (progress: Progress) => void;
  /** Ends it early: it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** The machine to read on. Default: the one that the process runs on, through `node:fs`. */
  readonly fileSystem?: FileSystem;
}

/** What of a wal-db log was not taken. */
export interface WalDbCut {
  /** Where it begins in the file, in bytes. */
  readonly offset: number;
  /** From there to the end of the file, in bytes. */
  readonly bytes: number;
  /** What was found there, in words. If the search for later records was given up, it says so. */
  readonly reason: string;
  /**
   * Where the next whole record begins, which was not taken either. `undefined` if none follows, or if the search for
   * it was given up. In bytes.
   */
  readonly resumesAt: number | undefined;
}

/** What importing a wal-db log came to. */
export interface WalDbImport {
  /**
   * `clean`: everything was taken. `torn`: the file ends within a record, as a crash leaves it that interrupts an append;
   * that record was left. `corrupt`: the source is damaged, and what precedes the damage was taken.
   */
  readonly verdict: "clean" | "torn" | "corrupt";
  /** Records that were taken. */
  readonly records: number;
  /** Bytes that they have. */
  readonly bytes: number;
  /** What was not taken; `undefined` if nothing. */
  readonly cut: WalDbCut | undefined;
}

/**
 * Reads a wal-db log, with raft-io's records, into an empty log: entries, hard state and snapshot. Then flushes.
 *
 * The format does not say what was flushed. A file that ends within a record, with nothing behind, is taken up to that
 * record, for that is what a crash leaves and what no append was acknowledged for; the verdict is then `torn`. (A copy
 * that was cut short looks the same: compare sizes.) Anything else that is not whole is damage.
 *
 * After a record that is not whole, the import searches for a whole one. It checksums at most 8 times the size of the
 * file for that, and then gives the search up. The source then counts as damaged, because records may follow.
 *
 * @param source The file.
 * @param log An empty log. It gets the records in the order of the file, so that what was truncated or compacted there
 * is so here.
 * @param options What to do about damage, and whom to tell.
 * @returns What was taken.
 * @throws {WalLogError} `CORRUPT` if the source is damaged, with the offset; `INVALID_ARGUMENT` if a term or an index is
 * past 2^53 - 1, or the log is not empty; `IO` if the source cannot be read. The log is then as it was. What writing to
 * the log throws: it holds a part of the source then. Or the reason of `options.signal`.
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

/** Does work step by step. Every few milliseconds it reports progress, lets others run, and checks the signal. */
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
      `restore the file, or import with onDamage "cut" what precedes that`,
    { path, offset, damage: [damage] },
  );
}

/** Does to a log what the records say, entries in batches. */
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
    // What the snapshot includes is no entry any more; the format has no rule against naming it.
    if (record.type === "truncate") log.truncate(Math.max(record.from, log.snapshotIndex + 1));
    if (record.type === "snapshot") log.applySnapshot({ ...record.meta, data: record.data });
  }

  private append(entry: LogEntry): void {
    const { length } = entry.command;
    if (this.bytes + length > BATCH_BYTES || this.batch.length === BATCH_ENTRIES) this.flush();
    // A large one goes as it is; of the others the bytes are the reader's, and soon other ones.
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
