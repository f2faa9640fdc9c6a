/** Retentions of a log on disk: which files stay, when they are deleted, and their state after a crash. */

import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { describe, it } from "node:test";
import { WalLog, WalLogError, type WalLogErrorCode } from "../mod.ts";
import { FRAME_HEADER_BYTES, KIND_ENTRIES } from "../src/format/frame.ts";
import { SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";
import { Random } from "../src/testing/mod.ts";
import { appendEach, entriesAt, entryAt, flipped, framesOf } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { assertSameEntries } from "./model.ts";
import { systemError, WatchedFileSystem } from "./watched_file_system.ts";

const PATH = MemoryDisk.PATH;

/** A log of entries 1 to 1,000 of term 1, in many segments. */
function logOf1000(): { disk: MemoryDisk; fileSystem: WatchedFileSystem; log: WalLog } {
  const disk = new MemoryDisk();
  const fileSystem = new WatchedFileSystem(disk);
  const log = WalLog.openSync(PATH, { fileSystem, segmentBytes: 4096 });
  for (let index = 1; index <= 1000; index += 10) appendEach(log, entriesAt(index, index + 9, 1));
  log.syncSync();
  return { disk, fileSystem, log };
}

/** The segment files on a disk, each with the indexes of its entries. */
function segmentsOf(disk: MemoryDisk): Map<string, number[]> {
  const names = [...disk.contents().keys()].filter((name) => name.endsWith(".seg")).sort();
  return new Map(names.map((name) => {
    const frames = framesOf(disk.contents().get(name)!).filter(({ kind }) => kind === KIND_ENTRIES);
    return [name, frames.map(({ index }) => index)];
  }));
}

/** Fails unless a call fails with a code and the index to continue from. */
function fails(call: () => unknown, code: WalLogErrorCode, index?: number): void {
  assert.throws(call, (error) => {
    assert.ok(error instanceof WalLogError, `${error}`);
    assert.deepEqual([error.code, error.index], [code, index], error.message);
    return true;
  });
}

describe("a retention of a log on disk", () => {
  it("keeps the segments with entries from its index on, and no others", () => {
    const { disk, log } = logOf1000();
    const before = segmentsOf(disk);
    log.retain("archive", 400);
    log.compact(900);
    const needed = [...before].filter(([, indexes]) => indexes.at(-1)! >= 400).map(([name]) => name);
    assert.deepEqual([...segmentsOf(disk).keys()], needed);
    assert.equal(log.stats().segments, needed.length);
    assertSameEntries(log.entries(1, 1000), entriesAt(400, 1000, 1), "entries");
    assertSameEntries([...log.iterate()], entriesAt(400, 1000, 1), "iterate");
    log.closeSync();
  });

  it("lets segments be deleted when it moves past them or is released", () => {
    const { disk, log } = logOf1000();
    const retention = log.retain("archive", 1);
    log.compact(900);
    const deleted: unknown[] = [];
    const listen = (message: unknown) => void deleted.push((message as { segmentsDeleted: number }).segmentsDeleted);
    subscribe("wallog:compaction", listen);
    try {
      for (const [name, indexes] of [...segmentsOf(disk)].slice(0, 3)) {
        retention.advance(indexes.at(-1)!);
        assert(segmentsOf(disk).has(name), `${name} still has an entry that is retained`);
        retention.advance(indexes.at(-1)! + 1);
        assert(!segmentsOf(disk).has(name), `${name} has none`);
      }
      assert.deepEqual(deleted, [1, 1, 1]);
      const { segments } = log.stats();
      retention.release();
      assert.equal(deleted.at(-1), segments - log.stats().segments);
    } finally {
      unsubscribe("wallog:compaction", listen);
    }
    for (const indexes of [...segmentsOf(disk).values()].slice(0, -1)) assert(indexes.at(-1)! > 900);
    assertSameEntries(log.entries(1, 1000), entriesAt(901, 1000, 1), "entries");
    log.closeSync();
  });

  it("can be made only by the writer of an open log", () => {
    const { disk, fileSystem, log } = logOf1000();
    const reader = WalLog.openSync(PATH, { fileSystem: disk, readOnly: true });
    fails(() => reader.retain("reader", 500), "READ_ONLY");
    reader.closeSync();
    fileSystem.fail = ({ operation }) => {
      if (operation === "sync") throw systemError("EIO");
    };
    appendEach(log, entriesAt(1001, 1001, 1));
    fails(() => log.syncSync(), "POISONED");
    fails(() => log.retain("late", 500), "POISONED");
    fails(() => log.closeSync(), "POISONED");
    fails(() => log.retain("late", 500), "CLOSED");
  });

  it("stops the log if a file cannot be deleted, and is released nevertheless", () => {
    const { fileSystem, log } = logOf1000();
    const retention = log.retain("archive", 1);
    log.compact(900);
    fileSystem.fail = ({ operation }) => {
      if (operation === "remove") throw systemError("EIO");
    };
    fails(() => retention.release(), "POISONED");
    assert.deepEqual(log.retentions, []);
    fails(() => appendEach(log, entriesAt(1001, 1001, 1)), "POISONED");
    assertSameEntries(log.entries(1, 1000), entriesAt(901, 1000, 1), "entries");
    retention.release();
    fails(() => log.closeSync(), "POISONED");
  });

  it("deletes nothing when it is released after the log failed or was closed", () => {
    for (const isClosed of [true, false]) {
      const { disk, fileSystem, log } = logOf1000();
      const retention = log.retain("archive", 1);
      log.compact(900);
      if (isClosed) log.closeSync();
      else {
        fileSystem.fail = ({ operation }) => {
          if (operation === "write") throw systemError("EIO");
        };
        fails(() => appendEach(log, entriesAt(1001, 1001, 1)), "POISONED");
      }
      const { size } = segmentsOf(disk);
      retention.advance(500);
      retention.release();
      assert.equal(segmentsOf(disk).size, size);
    }
  });

  it("ends an iteration with COMPACTED and the index to continue from", () => {
    const log = WalLog.openSync(PATH, { fileSystem: new MemoryDisk() });
    // More entries than are read ahead.
    for (let index = 1; index <= 1000; index++) log.append([entryAt(index, 1, 1000)]);
    const retention = log.retain("reader", 100);
    log.compact(900);
    fails(() => log.iterate(99), "COMPACTED", 100);
    const [released, cleared] = [log.iterate(100), log.iterate(950)];
    assert.deepEqual([released.next().value?.index, cleared.next().value?.index], [100, 950]);
    retention.release();
    fails(
      () => {
        for (const { index } of released) assert(index < 900);
      },
      "COMPACTED",
      901,
    );
    log.applySnapshot({ index: 2000, term: 3, config: [], data: new Uint8Array(0) });
    fails(() => cleared.next(), "COMPACTED", 2001);
    log.closeSync();
  });
});

describe("retained segments that a crash leaves behind", () => {
  /** A log with a snapshot at 900, killed while it retained everything. */
  function killed(): MemoryDisk {
    const { disk, log } = logOf1000();
    log.retain("archive", 1);
    log.compact(900);
    appendEach(log, entriesAt(1001, 1010, 2));
    log.syncSync();
    return disk;
  }

  it("are no longer part of the log, and are deleted when it is opened for writing", () => {
    for (const verify of ["full", "tail"] as const) {
      const fileSystem = new MemoryDisk(killed().contents());
      const { size } = segmentsOf(fileSystem);
      const reader = WalLog.openSync(PATH, { fileSystem, verify, readOnly: true });
      assert.equal(reader.firstIndex, 901);
      reader.closeSync();
      assert.equal(segmentsOf(fileSystem).size, size, "a reader deletes nothing");
      const log = WalLog.openSync(PATH, { fileSystem, verify });
      const { verdict, damage, harmless } = log.recovery;
      assert.deepEqual([verdict, damage, harmless], ["clean", [], []]);
      assert.deepEqual([log.firstIndex, log.retentions], [901, []]);
      fails(() => log.retain("archive", 900), "COMPACTED", 901);
      assertSameEntries(log.entries(1, 2000), [...entriesAt(901, 1000, 1), ...entriesAt(1001, 1010, 2)], verify);
      for (const [name, indexes] of segmentsOf(fileSystem)) {
        assert(indexes.length === 0 || indexes.at(-1)! > 900, name);
      }
      log.closeSync();
    }
  });

  it("are never damage, even if some are missing or damaged", () => {
    const contents = killed().contents();
    const covered = [...segmentsOf(new MemoryDisk(contents))].filter(([, indexes]) => indexes.at(-1)! <= 900);
    const random = new Random(7);
    for (let round = 0; round < 60; round++) {
      const left = new Map(contents);
      for (const [name] of covered) {
        const dice = random.below(4);
        if (dice === 0) left.delete(name);
        if (dice === 1) {
          left.set(name, flipped(left.get(name)!, SEGMENT_HEADER_BYTES + random.below(100), random.below(8)));
        }
      }
      const log = WalLog.openSync(PATH, { fileSystem: new MemoryDisk(left) });
      assert.deepEqual([log.recovery.damage, log.snapshotIndex, log.lastIndex], [[], 900, 1010]);
      assertSameEntries(log.entries(1, 1000), entriesAt(901, 1000, 1), `round ${round}`);
      log.closeSync();
    }
  });
});

describe("damage to a retained entry", () => {
  /** A log that retains entries 500 to 1,000 below its snapshot at 900, entry 600 damaged. */
  function damaged() {
    const { disk, log } = logOf1000();
    const retention = log.retain("archive", 500);
    log.compact(900);
    const [name] = [...segmentsOf(disk)].find(([, indexes]) => indexes.includes(600))!;
    const bytes = disk.contents().get(name)!;
    const { offset } = framesOf(bytes).find(({ kind, index }) => kind === KIND_ENTRIES && index === 600)!;
    // Write in place, because the log has the file open.
    const file = disk.open(`${PATH}/${name}`, "write");
    const byte = new Uint8Array(1);
    file.read(byte, offset + FRAME_HEADER_BYTES + 1);
    byte[0]! ^= 1;
    file.write(byte, offset + FRAME_HEADER_BYTES + 1);
    return { log, retention };
  }

  it("is found by scrub, and repaired like any other", async () => {
    const { log, retention } = damaged();
    const { verdict } = await log.scrub();
    assert.equal(verdict, "corrupt");
    assert.deepEqual(log.damaged.map(({ firstIndex, lastIndex }) => [firstIndex, lastIndex]), [[600, 600]]);
    fails(() => log.entry(600), "DAMAGED_ENTRY");
    log.repair(entriesAt(600, 600, 1));
    assert.deepEqual(log.damaged, []);
    assertSameEntries(log.entries(1, 1000), entriesAt(500, 1000, 1), "repaired");
    fails(() => log.repair(entriesAt(499, 499, 1)), "INVALID_ARGUMENT");
    retention.release();
    log.closeSync();
  });

  it("is no longer listed when the entry is released", () => {
    const { log, retention } = damaged();
    fails(() => log.entry(600), "DAMAGED_ENTRY");
    log.compact(950);
    retention.advance(600);
    assert.equal(log.damaged.length, 1);
    retention.advance(601);
    assert.deepEqual(log.damaged, []);
    log.closeSync();
  });
});
