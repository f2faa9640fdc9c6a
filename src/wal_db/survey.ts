/**
 * The first reading of a wal-db log. It checks every record before any is written to the log.
 *
 * @module
 */

import { MEMBERS_MAX } from "../format/snapshot_header.ts";
import type { Codec } from "../codec/codec.ts";
import { WalLogError } from "../api/errors.ts";
import type { Progress } from "../api/options.ts";
import { TermRuns } from "../log/log_index.ts";
import type { File } from "../io/file_system.ts";
import type { Index, LogEntry, Term } from "../api/types.ts";
import { decodeRecord, Malformed, UnsafeNumber, type WalDbRecord } from "./format.ts";
import { RecordReader, type RecordStop } from "./reader.ts";

/** The result of the first reading. */
export interface Survey {
  /** The number of records that can be imported. */
  readonly records: number;
  /** Offset of the end of the last one, in bytes. */
  readonly end: number;
  /** Why there are no more; `undefined` at the end of an undamaged file. */
  readonly stop: RecordStop | undefined;
}

/**
 * Reads all records. Stops at the first one that cannot be imported, and searches for a complete record after it.
 *
 * @param file The file.
 * @param size The number of bytes to read.
 * @param codec Computes the checksums.
 * @param path The file's path, for errors.
 * @returns Yields its progress, which is the first half of an import's: after each record, and at most every few
 * milliseconds during a search. Returns the result.
 * @throws {WalLogError} `INVALID_ARGUMENT` if a term or an index is past 2^53 - 1.
 */
export function* survey(file: File, size: number, codec: Codec, path: string): Generator<Progress, Survey> {
  const bytesTotal = 2 * size;
  const reader = new RecordReader(file, size, codec);
  const shadow = new Shadow();
  let records = 0;
  for (let bytes = reader.next(); bytes !== undefined; bytes = reader.next()) {
    const reason = check(bytes, shadow, path, reader.offset);
    if (reason !== undefined) {
      reader.fail("damaged", reader.end = reader.offset, reason);
      break;
    }
    records++;
    yield { bytesDone: reader.end, bytesTotal };
  }
  if (reader.stop !== undefined) {
    for (const bytesDone of reader.search(reader.stop)) yield { bytesDone, bytesTotal };
  }
  const { end, stop } = reader;
  return { records, end, stop };
}

/** Checks a record with a valid checksum. Returns the fault, if there is one. */
function check(bytes: Uint8Array<ArrayBuffer>, shadow: Shadow, path: string, offset: number): string | undefined {
  try {
    return shadow.take(decodeRecord(bytes));
  } catch (error) {
    if (error instanceof Malformed) return error.message;
    if (!(error instanceof UnsafeNumber)) throw error;
    throw new WalLogError(
      "INVALID_ARGUMENT",
      `Cannot import ${path}: ${error.what} at byte ${offset} is ${error.value}, which is past ` +
        `${Number.MAX_SAFE_INTEGER}, the largest number that a log accepts`,
      { path, offset, cause: error },
    );
  }
}

/** The state of a log without its entries. It shows whether each record can follow the records before it. */
class Shadow {
  private nextIndex: Index = 1;
  private lastTerm: Term = 0;
  private snapshotIndex: Index = 0;
  private snapshotTerm: Term = 0;
  private readonly runs = new TermRuns();

  /** Takes a record. Returns the reason if it cannot follow the records before it. */
  take(record: WalDbRecord): string | undefined {
    if (record.type === "entry") return this.append(record.entry);
    if (record.type === "truncate") this.truncate(record.from);
    if (record.type === "snapshot") {
      const { index, term, config } = record.meta;
      return config.length > MEMBERS_MAX ? `a snapshot of ${config.length} members` : this.compact(index, term);
    }
    return undefined;
  }

  private append({ index, term }: LogEntry): string | undefined {
    if (index !== this.nextIndex) return `an entry at index ${index}, expected index ${this.nextIndex}`;
    if (term < this.lastTerm) return `an entry of term ${term} after one of term ${this.lastTerm}`;
    if (term !== this.lastTerm || index === this.snapshotIndex + 1) this.runs.push(index, term);
    this.lastTerm = term;
    this.nextIndex++;
    return undefined;
  }

  private truncate(from: Index): void {
    const first = Math.max(from, this.snapshotIndex + 1);
    if (first >= this.nextIndex) return;
    this.runs.truncate(first);
    this.nextIndex = first;
    this.lastTerm = first === this.snapshotIndex + 1 ? this.snapshotTerm : this.runs.at(first - 1)!;
  }

  private compact(index: Index, term: Term): string | undefined {
    if (index <= this.snapshotIndex) return `a snapshot at index ${index} after one at index ${this.snapshotIndex}`;
    if (index >= this.nextIndex || this.runs.at(index) !== term) {
      this.runs.truncate(0);
      this.nextIndex = index + 1;
      this.lastTerm = term;
    }
    this.snapshotIndex = index;
    this.snapshotTerm = term;
    return undefined;
  }
}
