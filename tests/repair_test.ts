/** Repairs of special cases: the last frame of a file, segments that were not scanned, damage that a read finds. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type LogEntry, WalLog } from "../mod.ts";
import { FRAME_HEADER_BYTES, KIND_CHECKPOINT, KIND_ENTRIES, KIND_TRUNCATE } from "../src/format/frame.ts";
import { SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { appendEach, entriesAt, entryAt, flipped, framesOf } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { assertSameEntries } from "./model.ts";
import { CRASH_SEEDS, entry, longLog, open, segmentPath } from "./simulated_segments.ts";

const PATH = MemoryDisk.PATH;
const FIRST = "000000000001.seg";
const SMALL = { segmentBytes: 4096 };

function write(log: WalLog, entries: readonly LogEntry[]): void {
  for (const entry of entries) log.append([entry]);
}

/** The disk with a file changed. */
function changed(disk: MemoryDisk, name: string, change: (bytes: Uint8Array) => Uint8Array): MemoryDisk {
  return new MemoryDisk(new Map(disk.contents()).set(name, change(disk.contents().get(name)!.slice())));
}

describe("a repair", () => {
  for (const length of [5000, 5001, 5003, 5007, 5008]) {
    it(`completes the last frame of a file that was truncated in a command of ${length} bytes`, () => {
      const disk = new MemoryDisk();
      const entries = [1, 2, 3].map((index) => entryAt(index, 1, length));
      const written = WalLog.openSync(PATH, { fileSystem: disk, ...SMALL });
      write(written, entries);
      written.closeSync();
      const name = [...disk.contents()].find(([name, bytes]) =>
        name.endsWith(".seg") && bytes.length > SEGMENT_HEADER_BYTES + length
      )![0];
      const cut = changed(disk, name, (bytes) =>
        bytes.slice(0, 5000));
      const log = WalLog.openSync(PATH, { fileSystem: cut, onDamage: "keep" });
      assert.equal(log.damaged.length, 1);
      log.repair(entries);
      assert.equal(log.damaged.length, 0);
      log.closeSync();
      assertSameEntries(WalLog.openSync(PATH, { fileSystem: cut }).entries(1, 3), entries, "repaired");
    });
  }

  for (const verify of ["full", "tail"] as const) {
    it(`restores the entries around a lost truncation, with verify "${verify}"`, () => {
      const disk = new MemoryDisk();
      const written = WalLog.openSync(PATH, { fileSystem: disk, ...SMALL });
      written.append(Array.from({ length: 8 }, (_, i) => entryAt(i + 1, 1, 0)));
      written.truncate(3);
      const kept = Array.from({ length: 78 }, (_, i) => entryAt(i + 3, 3, 100));
      written.append(kept.slice(0, 2));
      write(written, kept.slice(2));
      written.closeSync();
      const truncation = framesOf(disk.contents().get(FIRST)!).find(({ kind }) => kind === KIND_TRUNCATE)!;
      const holed = changed(disk, FIRST, (bytes) => bytes.fill(0, SEGMENT_HEADER_BYTES, truncation.end));
      const good = [entryAt(1, 1, 0), entryAt(2, 1, 0), ...kept];
      const log = WalLog.openSync(PATH, { fileSystem: holed, onDamage: "keep", verify });
      log.repair(good);
      log.closeSync();
      const again = WalLog.openSync(PATH, { fileSystem: holed });
      assert.equal(again.recovery.verdict, "clean");
      assertSameEntries(again.entries(1, 80), good, "repaired");
    });
  }

  it("is durable when it returns", () => {
    for (let seed = 1; seed <= CRASH_SEEDS; seed++) {
      const disk = longLog(seed);
      const damaged = framesOf(disk.content(segmentPath(2))).find(({ kind }) => kind === KIND_ENTRIES)!;
      disk.flip(segmentPath(2), damaged.offset + FRAME_HEADER_BYTES + 9);
      const log = open(disk, { onDamage: "keep" });
      log.repair([entry(damaged.index, 600)]);
      disk.crash();
      const again = open(disk);
      assert.deepEqual(again.entries(1, 40), Array.from({ length: 40 }, (_, i) => entry(i + 1, 600)), `seed ${seed}`);
    }
  });

  it("rejects a copy whose command or term contradicts the surviving header", () => {
    const disk = new SimulatedDisk();
    const writer = open(disk);
    writer.append([entry(1, 600, 1), entry(2, 600, 3), entry(3, 600, 5)]);
    writer.closeSync();
    const damaged = framesOf(disk.content(segmentPath(1))).find(({ kind, index }) =>
      kind === KIND_ENTRIES && index === 2
    )!;
    disk.flip(segmentPath(1), damaged.offset + FRAME_HEADER_BYTES + 9);
    const log = open(disk, { onDamage: "keep" });
    const refused = { code: "INVALID_ARGUMENT" };
    const otherwise = { ...entry(2, 600, 3), command: new Uint8Array(600) };
    assert.throws(() => log.repair([otherwise]), { ...refused, message: /index 2.* command checksum mismatch/ });
    assert.throws(() => log.repair([entry(2, 600, 2)]), refused);
    assert.throws(() => log.repair([entry(2, 600, 4)]), refused);
    log.repair([entry(2, 600, 3)]);
    assert.deepEqual(log.entry(2), entry(2, 600, 3));
  });
});

describe("a damaged entry that was read", () => {
  it("is listed, once, and can be repaired", () => {
    const disk = new MemoryDisk();
    const entries = entriesAt(1, 300);
    const written = WalLog.openSync(PATH, { fileSystem: disk, ...SMALL });
    write(written, entries);
    written.closeSync();
    const { offset, index } = framesOf(disk.contents().get(FIRST)!).filter(({ length }) => length > 0)[5]!;
    const rotten = changed(disk, FIRST, (bytes) => flipped(bytes, offset + 40, 1));
    const log = WalLog.openSync(PATH, { fileSystem: rotten, onDamage: "keep", verify: "tail" });
    assert.deepEqual(log.damaged, []);
    for (let time = 0; time < 2; time++) assert.throws(() => log.entry(index));
    assert.deepEqual(log.damaged.map(({ kind, firstIndex, lastIndex }) => [kind, firstIndex, lastIndex]), [
      ["entries", index, index],
    ]);
    log.repair([entries[index - 1]!]);
    assert.deepEqual(log.damaged, []);
    assert.deepEqual(log.entry(index), entries[index - 1]);
  });
});

describe("the list of damage", () => {
  const ranges = ({ damaged }: WalLog) => damaged.map(({ firstIndex, lastIndex }) => [firstIndex, lastIndex]);

  /**
   * A killed log of eight entries, a hard state and two more entries, with some frames lost together with their
   * headers.
   */
  function damagedLog(first: number, last: number): { readonly disk: MemoryDisk; readonly log: WalLog } {
    const whole = new MemoryDisk();
    const written = WalLog.openSync(PATH, { fileSystem: whole });
    appendEach(written, entriesAt(1, 8));
    written.setHardState({ term: 3, votedFor: 1n });
    written.append([entryAt(9)]);
    written.syncSync();
    written.append([entryAt(10)]);
    const frames = framesOf(whole.contents().get(FIRST)!).filter(({ kind }) => kind !== KIND_CHECKPOINT);
    const disk = changed(
      new MemoryDisk(whole.contents()),
      FIRST,
      (bytes) => bytes.fill(0, frames[first]!.offset, frames[last]!.end),
    );
    return { disk, log: WalLog.openSync(PATH, { fileSystem: disk, onDamage: "keep" }) };
  }

  it("drops truncated entries and keeps the others", () => {
    const { disk, log } = damagedLog(3, 4);
    assert.deepEqual(ranges(log), [[4, 5]]);
    log.truncate(8);
    assert.deepEqual(ranges(log), [[4, 5]]);
    log.truncate(4);
    assert.deepEqual(ranges(log), []);
    log.append(entriesAt(4, 9, 2));
    log.closeSync();
    const again = WalLog.openSync(PATH, { fileSystem: disk });
    assert.deepEqual([again.recovery.verdict, ranges(again)], ["clean", []]);
    assertSameEntries(again.entries(4, 9), entriesAt(4, 9, 2), "anew");
  });

  it("drops a lost hard state when a new one is set", () => {
    const { disk, log } = damagedLog(8, 8);
    assert.deepEqual(ranges(log), [[undefined, undefined]]);
    log.setHardState({ term: 4, votedFor: null }, { force: true });
    assert.deepEqual(ranges(log), []);
    log.closeSync();
    assert.equal(WalLog.openSync(PATH, { fileSystem: disk }).recovery.verdict, "clean");
  });
});

describe("a repair of a segment that was not scanned", () => {
  it("lists no discarded entry", () => {
    const disk = new MemoryDisk();
    const written = WalLog.openSync(PATH, { fileSystem: disk, segmentBytes: 4096 });
    write(written, entriesAt(1, 5, 1, 200));
    written.truncate(5);
    write(written, entriesAt(5, 59, 2, 200));
    written.closeSync();
    const discarded = framesOf(disk.contents().get(FIRST)!).find((frame) => frame.index === 5 && frame.term === 1)!;
    const rotten = changed(disk, FIRST, (bytes) => flipped(bytes, discarded.offset + 60, 1));
    const log = WalLog.openSync(PATH, { fileSystem: rotten, segmentBytes: 4096, onDamage: "keep", verify: "tail" });
    log.repair([entryAt(3, 1, 200), entryAt(5, 2, 200)]);
    assert.deepEqual(log.damaged, []);
    assertSameEntries(log.entries(3, 5), [...entriesAt(3, 4, 1, 200), entryAt(5, 2, 200)], "as before");
    log.closeSync();
  });
});

describe("a snapshot of a log whose only segment is lost", () => {
  it("is reported, and its file stays", () => {
    const disk = new MemoryDisk();
    const written = WalLog.openSync(PATH, { fileSystem: disk });
    write(written, entriesAt(1, 20));
    written.applySnapshot({ index: 10, term: 1, config: [1n], data: new Uint8Array(30) });
    written.closeSync();
    const lost = changed(disk, FIRST, (bytes) => bytes.fill(0, 0, SEGMENT_HEADER_BYTES));
    const log = WalLog.openSync(PATH, { fileSystem: lost, onDamage: "keep" });
    assert.deepEqual(log.damaged.map(({ kind, firstIndex }) => [kind, firstIndex]), [
      ["segment header", 1],
      ["snapshot", 10],
    ]);
    log.closeSync();
    assert([...lost.contents().keys()].some((name) => name.endsWith(".snap")));
  });
});
