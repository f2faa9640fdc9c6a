/**
 * Kinds of damage that operators encounter, applied to the files of a real log. For tests of the command line.
 *
 * @module
 */

import {
  copyFileSync,
  cpSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { WalLog } from "../src/api/wal_log.ts";
import { frameBytes, KIND_ENTRIES, KIND_TRUNCATE } from "../src/format/frame.ts";
import { SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";
import type { LogEntry } from "../src/api/types.ts";
import { damageEntry, makeForgetful, segmentsOf } from "./cli.ts";
import { appendEach, entriesAt, entryAt, framesOf } from "./history.ts";
import { bytesOf } from "./model.ts";

/** The last entry of {@link makeDamageLog}. */
export const LAST_INDEX = 140;
/** The index of its snapshot. */
export const SNAPSHOT_INDEX = 10;
const CLUSTER = "5e14d2b3-2688-89cd-e2a3-98a722e0ab5d";

/** The entries of the log above its snapshot: terms 1 to 4. */
export function entriesOfLog(): LogEntry[] {
  return [1, 2, 3, 4].flatMap((term) => entriesAt(term * 35 - 34, term * 35, term, 100 + 50 * term));
}

/** Writes the common history of a cluster into a log: entries that a new leader replaced, a snapshot at index 10. */
function write(log: WalLog, { discarded = false, snapshotIndex = SNAPSHOT_INDEX } = {}): void {
  log.foundCluster(CLUSTER);
  log.setHardState({ term: 1, votedFor: 7n });
  const entries = entriesOfLog();
  appendEach(log, entries.slice(0, 75));
  if (discarded) {
    appendEach(log, entriesAt(76, 80, 3, 90, 5));
    log.truncate(76);
  }
  appendEach(log, entries.slice(75));
  const { term } = entries[snapshotIndex - 1]!;
  log.applySnapshot({ index: snapshotIndex, term, config: [1n, 2n, 3n], data: bytesOf(5000) });
  log.setHardState({ term: 4, votedFor: 2n });
}

/**
 * Creates a log of several segments and closes it: snapshot at index 10, entries 11 to 140, one truncation.
 *
 * @param path Its folder.
 */
export function makeDamageLog(path: string): void {
  const log = WalLog.openSync(path, { segmentBytes: 8 * 1024 });
  write(log, { discarded: true });
  log.closeSync();
}

/**
 * Creates the log of another replica: the same entries in other segments, and further entries after them.
 *
 * @param path Its folder.
 * @param snapshotIndex The index of its snapshot.
 */
export function makePeer(path: string, snapshotIndex: number = SNAPSHOT_INDEX): void {
  const log = WalLog.openSync(path);
  write(log, { snapshotIndex });
  appendEach(log, entriesAt(LAST_INDEX + 1, LAST_INDEX + 3, 4));
  log.closeSync();
}

/** A kind of damage. */
export interface DamageCase {
  /** The name in the table of `docs/CLI.md`. */
  readonly name: string;
  /** Damages the log of {@link makeDamageLog}. */
  readonly damage: (path: string) => void;
}

function patch(path: string, change: (bytes: Uint8Array) => void): void {
  const bytes = new Uint8Array(readFileSync(path));
  change(bytes);
  writeFileSync(path, bytes);
}

/** The path of the segment at a position; -1 is the newest. */
function segmentAt(path: string, at: number): string {
  return join(path, segmentsOf(path).at(at)!);
}

/** Fills a range of a file. */
function fill(path: string, from: number, to: number, byte: number): void {
  patch(path, (bytes) => void bytes.fill(byte, from, to));
}

function blotHeaders(path: string): void {
  for (const at of [0, 12_288]) fill(path, at, at + 408, 0xee);
}

/** The offset at which the last entries frame of a segment ends. */
function entriesEnd(path: string): number {
  const last = framesOf(readFileSync(path)).findLast(({ kind }) => kind === KIND_ENTRIES)!;
  return last.offset + frameBytes(last.length);
}

/** Simulates a log whose process was killed during a write. */
function makeTorn(path: string): void {
  const live = `${path}-live`;
  const log = WalLog.openSync(live);
  write(log);
  log.syncSync();
  appendEach(log, [entryAt(LAST_INDEX + 1, 4, 900)]);
  rmSync(path, { recursive: true });
  cpSync(live, path, { recursive: true, filter: (name) => !name.endsWith("LOCK") });
  log.closeSync();
  rmSync(live, { recursive: true });
  const file = segmentAt(path, -1);
  truncateSync(file, entriesEnd(file) - 500);
}

function replaceByForeign(path: string, at: number): void {
  const foreign = `${path}-foreign`;
  makeDamageLog(foreign);
  copyFileSync(segmentAt(foreign, at), segmentAt(path, at));
  rmSync(foreign, { recursive: true });
}

function snapshotOf(path: string): string {
  return join(path, readdirSync(path).find((name) => name.endsWith(".snap"))!);
}

/** All kinds of damage. */
export const DAMAGES: readonly DamageCase[] = [
  { name: "none", damage: () => {} },
  { name: "a write that was torn by a crash", damage: makeTorn },
  { name: "a bit in the command of an entry", damage: (path) => damageEntry(path, 50, "payload") },
  { name: "a bit in the header of an entry", damage: (path) => damageEntry(path, 50, "header") },
  {
    name: "entries in two segments",
    damage: (path) => {
      damageEntry(path, 30, "payload");
      for (const index of [100, 101]) damageEntry(path, index, "header");
    },
  },
  { name: "the command of the last entry", damage: (path) => damageEntry(path, LAST_INDEX, "payload") },
  { name: "the header of the last entry", damage: (path) => damageEntry(path, LAST_INDEX, "header") },
  {
    name: "a page of zeros",
    damage: (path) => fill(segmentAt(path, 1), SEGMENT_HEADER_BYTES, SEGMENT_HEADER_BYTES + 4096, 0),
  },
  {
    name: "a page of noise in the newest segment",
    damage: (path) => fill(segmentAt(path, -1), SEGMENT_HEADER_BYTES, SEGMENT_HEADER_BYTES + 1500, 0xa5),
  },
  {
    name: "the end of the newest segment zeroed",
    damage: (path) => {
      const { size } = statSync(segmentAt(path, -1));
      fill(segmentAt(path, -1), size - 900, size, 0);
    },
  },
  {
    name: "the newest segment cut off",
    damage: (path) => truncateSync(segmentAt(path, -1), statSync(segmentAt(path, -1)).size - 900),
  },
  {
    name: "the newest segment cut off within its header",
    damage: (path) => truncateSync(segmentAt(path, -1), 5000),
  },
  {
    name: "the only segment cut off within its header",
    damage: (path) => {
      rmSync(path, { recursive: true });
      const log = WalLog.openSync(path);
      write(log);
      log.closeSync();
      truncateSync(segmentAt(path, -1), 600);
    },
  },
  { name: "an older segment cut off", damage: (path) => truncateSync(segmentAt(path, 1), SEGMENT_HEADER_BYTES + 3000) },
  { name: "an older segment emptied", damage: (path) => truncateSync(segmentAt(path, 1), 0) },
  { name: "the oldest segment missing", damage: (path) => rmSync(segmentAt(path, 0)) },
  { name: "a segment missing in the middle", damage: (path) => rmSync(segmentAt(path, 2)) },
  {
    name: "two segments missing in a row",
    damage: (path) => {
      rmSync(segmentAt(path, 1));
      rmSync(segmentAt(path, 1));
    },
  },
  { name: "the newest segment missing", damage: (path) => rmSync(segmentAt(path, -1)) },
  {
    name: "all segments missing",
    damage: (path) => segmentsOf(path).forEach((name) => rmSync(join(path, name))),
  },
  {
    name: "one copy of a segment's header",
    damage: (path) => fill(segmentAt(path, 1), 0, 408, 0xee),
  },
  { name: "both headers of an older segment", damage: (path) => blotHeaders(segmentAt(path, 1)) },
  { name: "both headers of the oldest segment", damage: (path) => blotHeaders(segmentAt(path, 0)) },
  { name: "both headers of the newest segment", damage: (path) => blotHeaders(segmentAt(path, -1)) },
  {
    name: "both next-segment pointers of an older segment",
    damage: (path) => {
      for (const at of [1024, 13_312]) fill(segmentAt(path, 1), at, at + 40, 0xee);
    },
  },
  {
    name: "the index of a segment",
    damage: (path) =>
      fill(segmentAt(path, 1), statSync(segmentAt(path, 1)).size - 60, statSync(segmentAt(path, 1)).size, 0xee),
  },
  { name: "a truncation", damage: (path) => blotTruncation(path, 0) },
  { name: "a truncation with the frames around it", damage: (path) => blotTruncation(path, 3) },
  {
    name: "the latest vote",
    damage: (path) => {
      rmSync(path, { recursive: true });
      makeForgetful(path);
    },
  },
  { name: "a bit in the snapshot", damage: (path) => fill(snapshotOf(path), 3000, 3001, 0xee) },
  { name: "the snapshot missing", damage: (path) => rmSync(snapshotOf(path)) },
  {
    name: "an entry and the snapshot",
    damage: (path) => {
      damageEntry(path, 50, "payload");
      fill(snapshotOf(path), 3000, 3001, 0xee);
    },
  },
  {
    name: "an entry and the end of the newest segment",
    damage: (path) => {
      damageEntry(path, 50, "payload");
      truncateSync(segmentAt(path, -1), statSync(segmentAt(path, -1)).size - 900);
    },
  },
  { name: "IDENTITY missing", damage: (path) => rmSync(join(path, "IDENTITY")) },
  { name: "IDENTITY damaged", damage: (path) => fill(join(path, "IDENTITY"), 20, 30, 0xee) },
  { name: "bytes in LOCK", damage: (path) => writeFileSync(join(path, "LOCK"), "SQLite format 3\0") },
  { name: "another log's segment in the middle", damage: (path) => replaceByForeign(path, 2) },
  {
    name: "two segments swapped",
    damage: (path) => {
      const [a, b] = [segmentAt(path, 1), segmentAt(path, 2)];
      renameSync(a, `${a}.x`);
      renameSync(b, a);
      renameSync(`${a}.x`, b);
    },
  },
  {
    name: "another log's segment behind the newest",
    damage: (path) => {
      const foreign = `${path}-foreign`;
      makeDamageLog(foreign);
      copyFileSync(segmentAt(foreign, -1), join(path, "000000000099.seg"));
      rmSync(foreign, { recursive: true });
    },
  },
];

/** Destroys a truncation, and `around` frames before and after it. */
function blotTruncation(path: string, around: number): void {
  for (const name of segmentsOf(path)) {
    const file = join(path, name);
    const frames = framesOf(readFileSync(file));
    const at = frames.findIndex(({ kind }) => kind === KIND_TRUNCATE);
    if (at < 0) continue;
    const last = frames[at + around]!;
    return fill(file, frames[at - around]!.offset, last.offset + frameBytes(last.length), 0xee);
  }
  throw new Error("no truncation");
}
