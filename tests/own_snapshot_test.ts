/** The node's own snapshots, as bytes and as streams: they drop only entries that they cover. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WalLog, WalLogError } from "../mod.ts";
import { KIND_ENTRIES } from "../src/format/frame.ts";
import { snapshotName } from "../src/format/snapshot_name.ts";
import { appendEach, entriesAt, entryAt, flipped, framesOf } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { assertSameEntries, assertSameState, bytesOf, stateOf } from "./model.ts";
import { WatchedFileSystem } from "./watched_file_system.ts";

const PATH = MemoryDisk.PATH;
const FIRST_SEGMENT = "000000000001.seg";

/** A log of 1,000 synced entries of term 1, in many segments. */
function logOf1000(): { disk: MemoryDisk; log: WalLog } {
  const disk = new MemoryDisk();
  const log = WalLog.openSync(PATH, { fileSystem: disk, segmentBytes: 4096 });
  for (let index = 1; index <= 1000; index += 10) appendEach(log, entriesAt(index, index + 9, 1));
  log.syncSync();
  return { disk, log };
}

/** A log of entries 1 to 10 of term 1 and 11 to 20 of term 2; the header of the entry at an index is lost. */
function withHeaderLost(lost: number): { disk: MemoryDisk; log: WalLog } {
  const disk = new MemoryDisk();
  const written = WalLog.openSync(PATH, { fileSystem: disk });
  appendEach(written, entriesAt(1, 10, 1));
  appendEach(written, entriesAt(11, 20, 2));
  written.closeSync();
  const bytes = disk.contents().get(FIRST_SEGMENT)!;
  const frame = framesOf(bytes).find(({ kind, index }) => kind === KIND_ENTRIES && index === lost)!;
  const damaged = new MemoryDisk(new Map(disk.contents()).set(FIRST_SEGMENT, flipped(bytes, frame.offset + 17, 3)));
  return { disk: damaged, log: WalLog.openSync(PATH, { fileSystem: damaged, onDamage: "keep" }) };
}

/** Fails unless a call is refused with a code and a message, and the log and its files are unchanged. */
function refuses(disk: MemoryDisk, log: WalLog, code: string, message: RegExp, call: () => unknown): void {
  const before = new Map(disk.contents());
  const { lastIndex, snapshotIndex, durableIndex } = log;
  assert.throws(call, (error) => {
    assert.ok(error instanceof WalLogError, `${error}`);
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  });
  assert.deepEqual([log.lastIndex, log.snapshotIndex, log.durableIndex], [lastIndex, snapshotIndex, durableIndex]);
  assert.deepEqual(new Map(disk.contents()), before, "files changed");
}

/** Names of all snapshot files on a disk, including unfinished ones. */
function snapshotFiles(disk: MemoryDisk): string[] {
  return [...disk.contents().keys()].filter((name) => name.includes(".snap")).sort();
}

describe("compacting a log", () => {
  it("durably deletes the covered segments and keeps every entry above", () => {
    const { disk, log } = logOf1000();
    const { segmentsSealed } = log.stats();
    appendEach(log, entriesAt(1001, 1003, 2));
    log.compact(500, { data: bytesOf(100), meta: bytesOf(7) });
    assert.equal(log.durableIndex, 1003, "entries that were not flushed are durable as well");
    const { segmentsDeleted, segments } = log.stats();
    assert.ok(segmentsDeleted > 1 && segments < segmentsSealed + 1 - segmentsDeleted / 2);
    const killed = WalLog.openSync(PATH, { fileSystem: new MemoryDisk(disk.contents()) });
    assert.equal(killed.recovery.verdict, "clean");
    assert.deepEqual(killed.snapshot(), { index: 500, term: 1, config: [], meta: bytesOf(7), data: bytesOf(100) });
    assertSameEntries(killed.entries(1, 2000), [...entriesAt(501, 1000), ...entriesAt(1001, 1003, 2)], "killed");
    log.closeSync();
  });

  it("needs the configuration if the previous snapshot is damaged", () => {
    const { disk, log } = logOf1000();
    log.compact(10, { config: [1n, 2n] });
    const name = snapshotName(10, 1);
    const fileSystem = new MemoryDisk(
      new Map(disk.contents()).set(name, flipped(disk.contents().get(name)!, 60, 0)),
    );
    const kept = WalLog.openSync(PATH, { fileSystem, onDamage: "keep" });
    refuses(fileSystem, kept, "CORRUPT", /header checksum mismatch/, () => kept.compact(20));
    kept.compact(20, { config: [3n] });
    assert.deepEqual(kept.snapshotMeta(), { index: 20, term: 1, config: [3n], meta: new Uint8Array(0) });
    assert.deepEqual(kept.damaged, []);
    kept.closeSync();
    log.closeSync();
  });

  it("refuses an index with a lost term, and drops damaged entries below other indexes", () => {
    const { disk, log } = withHeaderLost(10);
    refuses(disk, log, "DAMAGED_ENTRY", /^Cannot read the term at index 10: /, () => log.compact(10));
    log.compact(12);
    assert.deepEqual(log.damaged, []);
    log.closeSync();
    const again = WalLog.openSync(PATH, { fileSystem: disk });
    assertSameEntries(again.entries(1, 20), entriesAt(13, 20, 2), "above");
    again.closeSync();
  });
});

describe("a stream of the node's own snapshot", () => {
  it("is refused for a term that the log does not have at the index", () => {
    const { disk, log } = logOf1000();
    for (const term of [0, 2]) {
      const message = new RegExp(
        `^Cannot create a snapshot at index 500: the log has term 1 there, not ${term}$`,
      );
      refuses(disk, log, "INVALID_ARGUMENT", message, () => log.createSnapshot({ index: 500, term, config: [] }));
    }
    assertSameEntries(log.entries(501, 1000), entriesAt(501, 1000), "above");
    log.closeSync();
  });

  it("is refused above the last index, and at or below the snapshot", () => {
    const { disk, log } = logOf1000();
    const create = (index: number) => () => log.createSnapshot({ index, term: 1, config: [] });
    refuses(disk, log, "INVALID_ARGUMENT", /at index 1001: the log ends at index 1000$/, create(1001));
    log.compact(10);
    for (const index of [10, 9, 1]) {
      const message = new RegExp(`^Cannot create a snapshot at index ${index}: the snapshot at index 10 includes it$`);
      refuses(disk, log, "COMPACTED", message, create(index));
    }
    log.closeSync();
  });

  it("is refused for an invalid index, term or configuration", () => {
    const { disk, log } = logOf1000();
    const create = (fields: Record<string, unknown>) => () =>
      log.createSnapshot({ index: 5, term: 1, config: [], ...fields });
    refuses(disk, log, "INVALID_ARGUMENT", /^Cannot create a snapshot: the index must be /, create({ index: 0 }));
    refuses(disk, log, "INVALID_ARGUMENT", /^Cannot create a snapshot at index 5: the term /, create({ term: -1 }));
    refuses(
      disk,
      log,
      "INVALID_ARGUMENT",
      /^Cannot create a snapshot at index 5: the members /,
      create({ config: [1] }),
    );
    log.closeSync();
  });

  it("is refused with DAMAGED_ENTRY if the term is lost", () => {
    const { disk, log } = withHeaderLost(10);
    const create = () => log.createSnapshot({ index: 10, term: 1, config: [] });
    refuses(disk, log, "DAMAGED_ENTRY", /^Cannot read the term at index 10: /, create);
    log.closeSync();
  });

  /** Changes to the entry at index 500 while its snapshot is written, and the resulting error of closing the stream. */
  const changes: [name: string, change: (log: WalLog) => void, message: RegExp][] = [
    [
      "is truncated",
      (log) => log.truncate(401),
      /^Cannot install the snapshot at index 500: the log ends at index 400$/,
    ],
    [
      "is replaced",
      (log) => {
        log.truncate(451);
        appendEach(log, entriesAt(451, 520, 2));
      },
      /^Cannot install the snapshot at index 500: the log has term 2 there, not 1$/,
    ],
    [
      "is dropped by a leader's snapshot below it",
      (log) => log.applySnapshot({ index: 300, term: 9, config: [], data: bytesOf(3) }),
      /^Cannot install the snapshot at index 500: the log ends at index 300$/,
    ],
  ];
  for (const [name, change, message] of changes) {
    for (const during of ["the stream is open", "its data is flushed"]) {
      it(`drops nothing if its entry ${name} while ${during}`, async () => {
        const disk = new MemoryDisk();
        const fileSystem = new WatchedFileSystem(disk);
        const log = WalLog.openSync(PATH, { fileSystem, segmentBytes: 4096 });
        for (let index = 1; index <= 1000; index += 10) appendEach(log, entriesAt(index, index + 9, 1));
        log.syncSync();
        const writer = log.createSnapshot({ index: 500, term: 1, config: [] }).getWriter();
        writer.closed.catch(() => {});
        await writer.write(bytesOf(1000));
        if (during === "the stream is open") change(log);
        else fileSystem.gate = () => Promise.resolve(change(log));
        await assert.rejects(writer.close(), (error) => {
          assert.ok(error instanceof WalLogError && error.code === "INVALID_ARGUMENT", `${error}`);
          assert.match(error.message, message);
          return true;
        });
        assert.notEqual(log.snapshotIndex, 500);
        assert.deepEqual(snapshotFiles(disk).filter((file) => file.includes("500")), [], "files of the snapshot");
        const before = stateOf(log);
        log.append([entryAt(log.lastIndex + 1, 9)]);
        log.truncate(log.lastIndex);
        log.closeSync();
        const again = WalLog.openSync(PATH, { fileSystem: disk });
        assert.equal(again.recovery.verdict, "clean");
        assertSameState(stateOf(again), before, "after reopening");
        again.closeSync();
      });
    }
  }

  it("is discarded with its file if a later one is installed during its flush", async () => {
    const disk = new MemoryDisk();
    const fileSystem = new WatchedFileSystem(disk);
    const log = WalLog.openSync(PATH, { fileSystem });
    appendEach(log, entriesAt(1, 20));
    const writer = log.createSnapshot({ index: 5, term: 1, config: [] }).getWriter();
    fileSystem.gate = () => Promise.resolve(log.compact(10));
    await writer.close();
    assert.equal(log.snapshotIndex, 10);
    assert.deepEqual(snapshotFiles(disk), [snapshotName(10, 1)]);
    assertSameEntries(log.entries(1, 20), entriesAt(11, 20), "above");
    log.closeSync();
  });
});

describe("a leader's snapshot", () => {
  it("drops the entries above it if the log disagrees, as bytes or as a stream", async () => {
    for (const streamed of [false, true]) {
      const { log } = logOf1000();
      const meta = { index: 500, term: 2, config: [1n] };
      if (streamed) await log.receiveSnapshot(meta).close();
      else log.applySnapshot({ ...meta, data: new Uint8Array(0) });
      assert.deepEqual([log.snapshotIndex, log.lastIndex, log.lastTerm], [500, 500, 2]);
      log.closeSync();
    }
  });

  it("may be above the log's end, as bytes or as a stream", async () => {
    for (const streamed of [false, true]) {
      const { log } = logOf1000();
      const meta = { index: 2000, term: 2, config: [1n] };
      if (streamed) await log.receiveSnapshot(meta).close();
      else log.applySnapshot({ ...meta, data: new Uint8Array(0) });
      assert.deepEqual([log.snapshotIndex, log.lastIndex, log.lastTerm], [2000, 2000, 2]);
      log.closeSync();
    }
  });
});
