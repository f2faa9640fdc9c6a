/**
 * Imports of wal-db logs, and their contents.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { MemoryLog, type RaftLog, WalLogError, type WalLogErrorCode } from "../mod.ts";
import { importWalDb, type WalDbImport, type WalDbImportOptions } from "../src/wal_db/mod.ts";
import { entryAt } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { assertSameState, bytesOf, type LogState, stateOf } from "./model.ts";
import { skipWithoutLinks } from "./skip.ts";
import { record } from "./wal_db_records.ts";

/** In bytes. */
export const MIB = 1024 * 1024;
/** The file to import. */
export const FILE = `${MemoryDisk.PATH}/source.wal`;
/** The largest number that both kinds of log accept. */
export const LARGEST = Number.MAX_SAFE_INTEGER;
/** Skips a test that makes links. */
export const noLinks = skipWithoutLinks();

/** Imports bytes; returns the result and the log. */
export async function imported(
  bytes: Uint8Array,
  options: WalDbImportOptions = {},
): Promise<{ log: MemoryLog; result: WalDbImport }> {
  const log = new MemoryLog();
  const fileSystem = new MemoryDisk(new Map([["source.wal", bytes]]));
  return { log, result: await importWalDb(FILE, log, { fileSystem, ...options }) };
}

/** Fails unless importing bytes is refused, with the log unchanged; returns the error. */
export async function refused(
  bytes: Uint8Array,
  code: WalLogErrorCode,
  options: WalDbImportOptions = {},
): Promise<WalLogError> {
  const log = new MemoryLog();
  const fileSystem = new MemoryDisk(new Map([["source.wal", bytes]]));
  const error = await rejection(importWalDb(FILE, log, { fileSystem, ...options }));
  assert.equal(error.code, code, error.message);
  assertSameState(stateOf(log), stateOf(new MemoryLog()), "a refused import");
  return error;
}

/** The error of a promise that must reject. */
export async function rejection(promise: Promise<unknown>): Promise<WalLogError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof WalLogError, String(error));
    return error;
  }
  assert.fail("expected a rejection");
}

/** A disk with a source on it that records the size of each buffer read into, and the sum of bytes requested. */
export function watchedReads(bytes: Uint8Array): { disk: MemoryDisk; buffers: number[]; read: () => number } {
  const disk = new MemoryDisk(new Map([["source.wal", bytes]]));
  const buffers: number[] = [];
  let total = 0;
  disk.open = ((open) => (path, mode) => {
    const file = open.call(disk, path, mode);
    const { read } = file;
    return Object.assign(file, {
      read: (into: Uint8Array, position: number) => {
        buffers.push(into.buffer.byteLength);
        total += into.length;
        return read.call(file, into, position);
      },
    });
  })(disk.open);
  return { disk, buffers, read: () => total };
}

/** One array of all bytes. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** Records with everything in them, the file that they make, where each ends, and the state after each. */
function everything(): { bytes: Uint8Array; ends: number[]; states: LogState[] } {
  const model = new MemoryLog();
  const parts: Uint8Array[] = [];
  const ends = [0];
  const states = [stateOf(model)];
  const step = (bytes: Uint8Array, apply: (log: RaftLog) => void) => {
    parts.push(bytes);
    ends.push(ends.at(-1)! + bytes.length);
    apply(model);
    states.push(stateOf(model));
  };
  const append = (index: number, term: number, size: number, kind: 0 | 1 = 0) => {
    const entry = entryAt(index, term, size, kind === 0 ? "normal" : "config");
    step(record.entry(term, index, entry.command, kind), (log) => log.append([entry]));
  };
  const hardState = (term: number, votedFor: bigint | null) =>
    step(record.hardState(term, votedFor), (log) => log.setHardState({ term, votedFor }));
  const snapshot = (index: number, term: number, config: bigint[], size: number) =>
    step(
      record.snapshot(index, term, config, bytesOf(size)),
      (log) => log.applySnapshot({ index, term, config, data: bytesOf(size) }),
    );
  hardState(1, 2n ** 64n - 1n);
  for (const size of [0, 1, 13]) append(size === 0 ? 1 : size === 1 ? 2 : 3, 1, size, size === 1 ? 1 : 0);
  hardState(2, null);
  append(4, 2, 40);
  step(record.truncate(3), (log) => log.truncate(3));
  append(3, 2, 20);
  append(4, 3, 21);
  snapshot(3, 2, [1n, 2n ** 63n], 30);
  append(5, 3, 10);
  // A snapshot with another term than the log's entry clears the log.
  snapshot(4, 4, [], 0);
  append(5, 4, 9);
  snapshot(9, 5, [3n], 7);
  append(10, LARGEST, 5);
  hardState(LARGEST, 0n);
  return { bytes: concat(parts), ends, states };
}

/** The result of {@link everything}. */
export const KITCHEN = everything();
