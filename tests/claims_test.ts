/**
 * Headers with valid checksums that claim hundreds of millions of lost entries. Such a claim must cost neither memory
 * nor time, and the claimed entries cannot be read.
 */

import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import { FRAME_HEADER_BYTES, LENGTH_BYTES } from "../src/format/frame.ts";
import { SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";
import { segmentName } from "../src/format/segment_name.ts";
import { forgePointer, forgeSegment } from "./forge.ts";
import { entriesAt, entryAt } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { assertSameEntries } from "./model.ts";

const PATH = MemoryDisk.PATH;
const CLAIMED = 800_000_000;
const TIME_MS_MAX = 1000;
const RSS_BYTES_MAX = 200 * 1024 * 1024;

/** The first segment of a new log, without a frame. */
function emptySegment(): Uint8Array {
  const disk = new MemoryDisk();
  WalLog.openSync(PATH, { fileSystem: disk });
  return disk.contents().get(segmentName(1))!.slice(0, SEGMENT_HEADER_BYTES);
}

/** The LSN at the end of a segment with a number of entries. */
function lsnAfter(entries: number): number {
  return SEGMENT_HEADER_BYTES + entries * FRAME_HEADER_BYTES;
}

/** A segment that only claims a number of entries before it. */
function claiming(entries: number, number: number, previous: number): Uint8Array {
  const state = { nextIndex: entries + 1, lastTerm: 1 };
  return forgeSegment(emptySegment(), { number, previous, baseLsn: lsnAfter(entries), state });
}

const SHAPES: Readonly<Record<string, (entries: number) => [string, Uint8Array][]>> = {
  "two segments that follow on each other": (entries) => [
    [segmentName(1), forgePointer(emptySegment(), 2, lsnAfter(entries))],
    [segmentName(2), claiming(entries, 2, 1)],
  ],
  "two segments with a third missing between them": (entries) => [
    [segmentName(1), emptySegment()],
    [segmentName(3), claiming(entries, 3, 2)],
  ],
  "a segment with all before it missing": (entries) => [[segmentName(3), claiming(entries, 3, 2)]],
};

/** Runs an action within limits of time and memory. */
function bounded<T>(what: string, action: () => T): T {
  const before = process.memoryUsage.rss();
  const started = performance.now();
  const result = action();
  const milliseconds = performance.now() - started;
  assert(milliseconds < TIME_MS_MAX, `${what} took ${milliseconds.toFixed(0)} ms`);
  const bytes = process.memoryUsage.rss() - before;
  assert(bytes < RSS_BYTES_MAX, `${what} took ${bytes} bytes`);
  return result;
}

describe("a header that claims hundreds of millions of lost entries", () => {
  for (const [shape, make] of Object.entries(SHAPES)) {
    for (const verify of ["full", "tail"] as const) {
      it(`costs no memory and no time: ${shape}, verify ${verify}`, async () => {
        const disk = new MemoryDisk(new Map(make(CLAIMED)));
        const log = bounded("opening", () => WalLog.openSync(PATH, { fileSystem: disk, onDamage: "keep", verify }));
        assert.equal(log.lastIndex, CLAIMED);
        const ranges = log.damaged.map(({ firstIndex, lastIndex }) => [firstIndex, lastIndex]);
        assert.deepEqual(ranges, [[1, CLAIMED]]);
        for (const index of [1, 2, CLAIMED / 2, CLAIMED - 1, CLAIMED]) {
          bounded(`entry ${index}`, () => assert.throws(() => log.entry(index), { code: "DAMAGED_ENTRY" }));
        }
        bounded("reading a range", () => assert.throws(() => log.entries(1, CLAIMED), { code: "DAMAGED_ENTRY" }));
        bounded("iterating", () => assert.throws(() => [...log.iterate()], { code: "DAMAGED_ENTRY" }));
        bounded("a repair", () => assert.throws(() => log.repair(entriesAt(5, 8)), { code: "INVALID_ARGUMENT" }));
        const { damage } = await log.scrub();
        assert(damage.length <= 1);
        // The log can be written: after the lost entries, and instead of them.
        bounded("setting the hard state", () => log.setHardState({ term: 1, votedFor: null }, { force: true }));
        bounded("appending", () => log.append(entriesAt(CLAIMED + 1, CLAIMED + 3)));
        assertSameEntries(log.entries(CLAIMED + 1, CLAIMED + 3), entriesAt(CLAIMED + 1, CLAIMED + 3), "behind");
        log.closeSync();
        const again = bounded("opening again", () => WalLog.openSync(PATH, { fileSystem: disk, onDamage: "keep" }));
        assert.deepEqual(again.damaged.map(({ firstIndex, lastIndex }) => [firstIndex, lastIndex]), ranges);
        assertSameEntries(again.entries(CLAIMED + 1, CLAIMED + 3), entriesAt(CLAIMED + 1, CLAIMED + 3), "opened again");
        const snapshot = { index: CLAIMED + 1, term: 1, config: [1n], data: new Uint8Array(10) };
        bounded("a snapshot", () => again.applySnapshot(snapshot));
        again.closeSync();
        const healed = bounded("opening at last", () => WalLog.openSync(PATH, { fileSystem: disk }));
        assert.equal(healed.recovery.verdict, "clean");
        assertSameEntries(healed.entries(1, CLAIMED + 3), entriesAt(CLAIMED + 2, CLAIMED + 3), "behind the snapshot");
      });
    }
  }

  it("costs no memory and no time if it claims trillions", () => {
    for (const make of Object.values(SHAPES)) {
      const contents = new Map(make(10 ** 13));
      const log = bounded(
        "opening",
        () => WalLog.openSync(PATH, { fileSystem: new MemoryDisk(contents), onDamage: "keep" }),
      );
      assert.throws(() => log.entry(10 ** 12), { code: "DAMAGED_ENTRY" });
      assert.equal(log.lastIndex, 10 ** 13);
    }
  });

  it("is refused if the entries could not fit", () => {
    for (const [shape, make] of Object.entries(SHAPES)) {
      // If the previous segment exists, a snapshot may have moved the next index.
      if (!shape.includes("missing")) continue;
      const contents = new Map(make(CLAIMED));
      const name = segmentName(3);
      contents.set(name, forgeSegment(contents.get(name)!, { baseLsn: CLAIMED * LENGTH_BYTES - 8 }));
      const open = () => WalLog.openSync(PATH, { fileSystem: new MemoryDisk(contents), onDamage: "keep" });
      bounded("opening", () => assert.throws(open, { code: "CORRUPT" }));
    }
  });
});

it("makes a repair of a few entries in a claimed terabyte fail without changes", () => {
  const endLsn = 2 ** 43;
  const contents = new Map([
    [segmentName(1), forgePointer(emptySegment(), 2, endLsn)],
    [segmentName(2), forgeSegment(claiming(3, 2, 1), { baseLsn: endLsn })],
  ]);
  const log = WalLog.openSync(PATH, { fileSystem: new MemoryDisk(contents), onDamage: "keep" });
  assert.deepEqual(log.damaged.map(({ firstIndex, lastIndex }) => [firstIndex, lastIndex]), [[1, 3]]);
  log.setHardState({ term: 1, votedFor: null }, { force: true });
  bounded("a repair", () => assert.throws(() => log.repair(entriesAt(1, 3)), { code: "INVALID_ARGUMENT" }));
  log.append(entriesAt(4, 4));
});

describe("entries that are lost at a segment's start and at its end", () => {
  /** A log of three segments. The middle one has lost its first and last entries, with their headers. */
  function damagedLog(): { readonly disk: MemoryDisk; readonly last: number } {
    const disk = new MemoryDisk();
    const log = WalLog.openSync(PATH, { fileSystem: disk, segmentBytes: 4096 });
    for (const entry of entriesAt(1, 12, 1, 900)) log.append([entry]);
    log.closeSync();
    const contents = new Map(disk.contents());
    const name = segmentName(2);
    const frame = FRAME_HEADER_BYTES + 904;
    const bytes = contents.get(name)!.slice();
    bytes.fill(0, SEGMENT_HEADER_BYTES, SEGMENT_HEADER_BYTES + frame);
    bytes.fill(0, SEGMENT_HEADER_BYTES + 3 * frame, SEGMENT_HEADER_BYTES + 4 * frame);
    contents.set(name, bytes);
    return { disk: new MemoryDisk(contents), last: 12 };
  }

  it("are reported, and repaired in place", () => {
    const { disk, last } = damagedLog();
    const log = WalLog.openSync(PATH, { fileSystem: disk, onDamage: "keep", segmentBytes: 4096 });
    const lost = log.damaged.flatMap(({ firstIndex, lastIndex }) => [firstIndex!, lastIndex!]);
    assert.equal(lost.length, 4, JSON.stringify(log.damaged));
    for (const index of lost) assert.throws(() => log.entry(index), { code: "DAMAGED_ENTRY" });
    log.repair(lost.filter((index, i) => lost.indexOf(index) === i).map((index) => entryAt(index, 1, 900)));
    assertSameEntries(log.entries(1, last), entriesAt(1, last, 1, 900), "repaired");
    assert.deepEqual(log.damaged, []);
    log.closeSync();
    const again = WalLog.openSync(PATH, { fileSystem: disk });
    assert.deepEqual([again.recovery.verdict, again.recovery.harmless], ["clean", []]);
    assertSameEntries(again.entries(1, last), entriesAt(1, last, 1, 900), "opened again");
  });
});
