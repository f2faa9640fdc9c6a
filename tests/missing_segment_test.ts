/** Logs with missing segments: single ones, adjacent ones, and one after a gap. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Damage, WalLog } from "../mod.ts";
import { KIND_TRUNCATE } from "../src/format/frame.ts";
import { SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";
import { segmentName } from "../src/format/segment_name.ts";
import { closedLog, FIRST } from "./gapped_log.ts";
import { appendEach, entriesAt, entryAt, framesOf } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { assertSameEntries } from "./model.ts";

const PATH = MemoryDisk.PATH;

describe("a missing segment", () => {
  /** Sets the hard state until there is one more segment. */
  function fill(log: WalLog): void {
    const { segments } = log.stats();
    while (log.stats().segments === segments) log.setHardState({ term: 9, votedFor: 1n });
  }

  /** Opens a log with some missing segments. */
  function openWithout(numbers: readonly number[], write: (log: WalLog) => void): WalLog {
    const contents = closedLog(write, 8192).contents();
    for (const number of numbers) assert.ok(contents.delete(segmentName(number)));
    return WalLog.openSync(PATH, { fileSystem: new MemoryDisk(contents), onDamage: "keep" });
  }

  const pathOf = (number: number) => `${PATH}/${segmentName(number)}`;
  const placesOf = (damage: readonly Damage[]) =>
    damage.map(({ kind, path, firstIndex, lastIndex }) => [kind, path, firstIndex, lastIndex]);

  for (const missing of [1, 2]) {
    it(`that held no entries costs nothing, and is reported: segment ${missing}`, () => {
      const log = openWithout([missing], (log) => {
        if (missing === 1) fill(log);
        appendEach(log, entriesAt(1, 10));
        fill(log);
        if (missing === 2) log.truncate(8);
        fill(log);
        appendEach(log, entriesAt(log.lastIndex + 1, 12, 2));
      });
      assert.deepEqual([log.recovery.verdict, log.lastIndex, log.hardState.term], ["clean", 12, 9]);
      assert.deepEqual(placesOf(log.recovery.harmless), [["segment", pathOf(missing), undefined, undefined]]);
      const first = missing === 2 ? 8 : 11;
      const entries = [...entriesAt(1, first - 1), ...entriesAt(first, 12, 2)];
      assertSameEntries(log.entries(1, 12), entries, "what is left");
    });
  }

  it("that was the first gives DAMAGED_ENTRY for all reads except of the term in the next header", () => {
    const log = openWithout([1], (log) => {
      appendEach(log, entriesAt(1, 3, 4));
      fill(log);
      log.append([entryAt(4, 5)]);
    });
    for (const index of [1, 2, 3]) assert.throws(() => log.entry(index), { code: "DAMAGED_ENTRY" });
    for (const index of [1, 2]) assert.throws(() => log.termAt(index), { code: "DAMAGED_ENTRY" });
    assert.deepEqual([0, 3, 4, 5].map((index) => log.termAt(index)), [0, 4, 5, undefined]);
    assert.throws(() => log.truncate(3), { code: "DAMAGED_ENTRY" });
  });

  it("or one without a header is no longer reported after a snapshot above it", () => {
    for (const loses of ["the file", "its header"]) {
      const contents = new Map(
        closedLog((log) => {
          appendEach(log, entriesAt(1, 10));
          fill(log);
          appendEach(log, entriesAt(11, 12));
        }, 8192).contents(),
      );
      if (loses === "the file") contents.delete(FIRST);
      else contents.set(FIRST, contents.get(FIRST)!.slice().fill(0xff, 0, SEGMENT_HEADER_BYTES));
      const disk = new MemoryDisk(contents);
      const log = WalLog.openSync(PATH, { fileSystem: disk, onDamage: "keep" });
      const kind = loses === "the file" ? "segment" : "segment header";
      assert.deepEqual(placesOf(log.damaged), [[kind, pathOf(1), 1, 10]]);
      assert.deepEqual(log.recovery.harmless, []);
      log.applySnapshot({ index: 11, term: 1, config: [1n], data: new Uint8Array(10) });
      log.append([entryAt(13, 1)]);
      log.closeSync();
      const again = WalLog.openSync(PATH, { fileSystem: disk });
      assert.deepEqual([again.recovery.verdict, again.snapshotIndex, again.lastIndex], ["clean", 11, 13], loses);
      assertSameEntries(again.entries(12, 13), entriesAt(12, 13), "above");
      again.closeSync();
    }
  });

  it("that compaction has deleted is not reported", () => {
    const log = openWithout([], (log) => {
      fill(log);
      appendEach(log, entriesAt(1, 10));
      log.applySnapshot({ index: 10, term: 1, config: [1n], data: new Uint8Array(10) });
    });
    assert.deepEqual([log.recovery.verdict, log.recovery.harmless], ["clean", []]);
  });

  it("next to another one brings back no entries that they replaced", () => {
    const log = openWithout([2, 3], (log) => {
      appendEach(log, entriesAt(1, 10));
      fill(log);
      log.truncate(5);
      appendEach(log, entriesAt(5, 10, 2));
      fill(log);
      fill(log);
      appendEach(log, entriesAt(11, 12, 3));
    });
    assert.equal(log.recovery.verdict, "corrupt");
    for (let index = 5; index <= 10; index++) assert.throws(() => log.entry(index), { code: "DAMAGED_ENTRY" });
    assertSameEntries(log.entries(11, 12), entriesAt(11, 12, 3), "behind");
    const [found] = log.damaged;
    assert.ok(found!.firstIndex! <= 5 && found!.lastIndex === 10, JSON.stringify(found));
  });

  it("after a gap, both without entries, is reported without entries", () => {
    const contents = new Map(
      closedLog((log) => {
        fill(log);
        fill(log);
        appendEach(log, entriesAt(1, 2));
      }, 8192).contents(),
    );
    contents.set(FIRST, contents.get(FIRST)!.slice().fill(0, SEGMENT_HEADER_BYTES + 400));
    assert.ok(contents.delete(segmentName(2)));
    const log = WalLog.openSync(PATH, { fileSystem: new MemoryDisk(contents), onDamage: "keep" });
    const places = placesOf([...log.damaged, ...log.recovery.harmless]);
    assert.deepEqual(places, [["frames", pathOf(1), undefined, undefined], [
      "segment",
      pathOf(2),
      undefined,
      undefined,
    ]]);
    assertSameEntries(log.entries(1, 2), entriesAt(1, 2), "behind");
  });

  it("after a gap brings back no entries that the gap replaced", () => {
    const contents = new Map(
      closedLog((log) => {
        appendEach(log, entriesAt(1, 10));
        log.truncate(5);
        appendEach(log, entriesAt(5, 10, 2));
        fill(log);
        fill(log);
        appendEach(log, entriesAt(11, 12, 3));
      }, 8192).contents(),
    );
    const first = contents.get(FIRST)!;
    const truncation = framesOf(first).find(({ kind }) => kind === KIND_TRUNCATE)!;
    contents.set(FIRST, first.slice().fill(0, truncation.offset));
    assert.ok(contents.delete(segmentName(2)));
    const log = WalLog.openSync(PATH, { fileSystem: new MemoryDisk(contents), onDamage: "keep" });
    for (let index = 5; index <= 10; index++) assert.throws(() => log.entry(index), { code: "DAMAGED_ENTRY" });
    assertSameEntries(log.entries(11, 12), entriesAt(11, 12, 3), "behind");
  });

  it("next to another one keeps the earlier entries if both only added entries", () => {
    const log = openWithout([2, 3], (log) => {
      appendEach(log, entriesAt(1, 10));
      fill(log);
      appendEach(log, entriesAt(11, 12));
      fill(log);
      appendEach(log, entriesAt(13, 14));
      fill(log);
      appendEach(log, entriesAt(15, 16));
    });
    assert.deepEqual(placesOf(log.damaged), [["segment", pathOf(3), 11, 14]]);
    assertSameEntries(
      [...log.entries(1, 10), ...log.entries(15, 16)],
      [...entriesAt(1, 10), ...entriesAt(15, 16)],
      "left",
    );
  });
});
