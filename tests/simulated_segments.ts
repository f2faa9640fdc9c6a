/**
 * Logs with small segments on a simulated disk, and the bytes of their segments.
 *
 * @module
 */

import assert from "node:assert/strict";
import { resolve } from "node:path";
import { type LogEntry, WalLog, WalLogError, type WalLogOptions } from "../mod.ts";
import { Codec } from "../src/codec/codec.ts";
import { FRAME_HEADER_BYTES } from "../src/format/frame.ts";
import { decodeSegmentHeader, type SegmentHeader } from "../src/format/segment_header.ts";
import { decodeTrailer, TRAILER_BYTES } from "../src/format/segment_index.ts";
import { segmentName } from "../src/format/segment_name.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";

/** The log's folder. */
export const FOLDER = resolve("/raft.wal");

/** The number of seeds for crashes. They differ in the unflushed data that reaches the disk. */
export const CRASH_SEEDS = 12;

/** More operations than any step of a log takes. */
export const OPERATIONS_MAX = 40;

/** An entry whose command repeats one byte. */
export function entry(index: number, bytes = 40, term = 1): LogEntry {
  return { term, index, kind: "normal", command: new Uint8Array(bytes).fill(index) };
}

/** Opens the log. */
export function open(disk: SimulatedDisk, options: WalLogOptions = {}): WalLog {
  return WalLog.openSync(FOLDER, { fileSystem: disk.fileSystem, segmentBytes: 4096, ...options });
}

/** The file of a segment. */
export function segmentPath(number: number): string {
  return `${FOLDER}/${segmentName(number)}`;
}

const codec = new Codec();

/** The checksum of everything except frame headers. */
export const sum = (bytes: Uint8Array, seed: bigint) => codec.hash(bytes, seed);

/** Bytes as numbers. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The header of a segment, which must be undamaged. */
export function headerOf(bytes: Uint8Array): SegmentHeader {
  const header = decodeSegmentHeader(bytes, 0, sum);
  assert(header !== undefined);
  return header;
}

/** Replaces a file's bytes durably. */
export function replace(disk: SimulatedDisk, path: string, bytes: Uint8Array): void {
  const file = disk.fileSystem.open(path, "write");
  file.write(bytes, 0);
  file.sync();
}

/** Whether an error names damage. */
export function isCorrupt(error: unknown): error is WalLogError {
  return error instanceof WalLogError && error.code === "CORRUPT" && error.damage.length > 0;
}

/** Runs an action with a power failure at each of its operations in turn, and checks the disk after each. */
export function crashingAtEach(
  prepare: (seed: number) => SimulatedDisk,
  act: (disk: SimulatedDisk) => void,
  look: (disk: SimulatedDisk, when: string) => void,
): void {
  for (let seed = 1; seed <= CRASH_SEEDS; seed++) {
    for (let operation = 0;; operation++) {
      assert(operation < OPERATIONS_MAX);
      const disk = prepare(seed * 1000 + operation);
      disk.failAfter("crash", operation);
      try {
        act(disk);
      } catch { /* the power went, or what that led to */ }
      const done = disk.hasPower;
      disk.crash();
      look(disk, `seed ${seed}, operation ${operation}`);
      if (done) break;
    }
  }
}

/** A closed log of at least three segments. */
export function longLog(seed = 1): SimulatedDisk {
  const disk = new SimulatedDisk({ seed });
  const log = open(disk);
  for (let index = 1; index <= 40; index++) log.append([entry(index, 600)]);
  log.closeSync();
  return disk;
}

/** Adds to a u64. */
export function add(view: DataView, at: number, more: bigint): void {
  view.setBigUint64(at, view.getBigUint64(at, true) + more, true);
}

/** A log whose first segment has a changed segment index with valid checksums. */
export function indexedWrongly(make: (view: DataView, pagesAt: number, trailerAt: number) => void): SimulatedDisk {
  const disk = longLog();
  const bytes = disk.content(segmentPath(1));
  const { salt } = headerOf(bytes);
  const trailerAt = bytes.length - TRAILER_BYTES;
  const trailer = decodeTrailer(bytes.subarray(trailerAt), salt, sum)!;
  const view = viewOf(bytes);
  const pagesAt = trailer.indexOffset + FRAME_HEADER_BYTES;
  make(view, pagesAt, trailerAt);
  view.setBigUint64(trailerAt + 56, sum(bytes.subarray(pagesAt, pagesAt + trailer.pages * 16), 0n), true);
  view.setBigUint64(trailerAt + 64, sum(bytes.subarray(trailerAt, trailerAt + 64), salt), true);
  replace(disk, segmentPath(1), bytes);
  return disk;
}
