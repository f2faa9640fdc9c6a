/** A log that is opened with its damage: what it reads, and which writes it accepts. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import { FRAME_HEADER_BYTES, KIND_ENTRIES, KIND_SEGMENT_INDEX } from "../src/format/frame.ts";
import { HEADER_OFFSETS } from "../src/format/header_block.ts";
import {
  assertHardState,
  codeOf,
  FIRST_SEGMENT,
  names,
  severalSegments,
  subject,
  withFrameLost,
} from "./damaged_log.ts";
import { appendEach, entriesAt, entryAt, flipped, framesOf } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { assertSameEntries, bytesOf } from "./model.ts";

const PATH = MemoryDisk.PATH;

describe("a log with damage that is kept", () => {
  it("fails with DAMAGED_ENTRY for a damaged entry in every way of reading", () => {
    const fileSystem = withFrameLost(({ kind, index }) => kind === KIND_ENTRIES && index === 5);
    const log = WalLog.openSync(PATH, { fileSystem, onDamage: "keep" });
    for (
      const call of [
        () => log.entry(5),
        () => log.termAt(5),
        () => log.entries(5, 5),
        () => log.entries(5, 9),
        () => [...log.iterate(5)],
        () => [...log.iterate()],
      ]
    ) assert.equal(codeOf(call), "DAMAGED_ENTRY", String(call));
    assertSameEntries(log.entries(1, 4), entriesAt(1, 4), "before the damage");
    assertSameEntries(log.entries(6, 10), entriesAt(6, 10), "behind the damage");
    assert.deepEqual(log.damaged.map(({ firstIndex, lastIndex }) => [firstIndex, lastIndex]), [[5, 5]]);
    log.closeSync();
  });

  for (const ending of ["closed", "rested"] as const) {
    it(`takes a lost hard state from the checkpoint of a log that was ${ending}`, () => {
      const fileSystem = withFrameLost(({ kind, term }) => kind === 2 && term === 2, ending);
      for (let time = 1; time <= 3; time++) {
        const log = WalLog.openSync(PATH, { fileSystem });
        assert.deepEqual(log.hardState, { term: 2, votedFor: 2n });
        assert.deepEqual(log.recovery.harmless.map(({ kind }) => kind), ["frames"]);
        assertSameEntries(log.entries(1, 20), [...entriesAt(1, 10), ...entriesAt(11, 20, 2)], `opened ${time} times`);
        log.append([entryAt(20 + time, 2)]);
        log.closeSync();
      }
    });
  }

  it("rejects writes while the latest hard state is lost, however often it is opened", () => {
    const fileSystem = withFrameLost(({ kind, term }) => kind === 2 && term === 2, "killed");
    for (let time = 1; time <= 3; time++) {
      const log = WalLog.openSync(PATH, { fileSystem, onDamage: "keep" });
      const message = `opened ${time} times`;
      assert.equal(codeOf(() => log.append([entryAt(22, 2)])), "CORRUPT", message);
      assert.equal(codeOf(() => log.truncate(20)), "CORRUPT", message);
      assert.equal(codeOf(() => log.setHardState({ term: 2, votedFor: null })), "CORRUPT", message);
      const snapshot = { index: 5, term: 1, config: [], data: bytesOf(3) };
      assert.equal(codeOf(() => log.applySnapshot(snapshot)), "CORRUPT", message);
      assert.equal(codeOf(() => log.createSnapshot(snapshot)), "CORRUPT", message);
      assert.equal(codeOf(() => log.receiveSnapshot(snapshot)), "CORRUPT", message);
      assert.equal(codeOf(() => log.compact(5)), "CORRUPT", message);
      assert.equal(log.syncSync(), 21, "nothing to flush");
      assertSameEntries(log.entries(11, 20), entriesAt(11, 20, 2), message);
      log.closeSync();
    }
    const log = WalLog.openSync(PATH, { fileSystem, onDamage: "keep" });
    log.setHardState({ term: 2, votedFor: 2n }, { force: true });
    log.append([entryAt(22, 2)]);
    log.closeSync();
    const again = WalLog.openSync(PATH, { fileSystem, onDamage: "keep" });
    assert.deepEqual(again.hardState, { term: 2, votedFor: 2n });
    again.append([entryAt(23, 2)]);
    again.closeSync();
  });

  it("accepts writes if the loss is before the latest hard state", () => {
    const fileSystem = withFrameLost(({ kind, index }) => kind === KIND_ENTRIES && index === 5);
    const log = WalLog.openSync(PATH, { fileSystem, onDamage: "keep" });
    assert.deepEqual(log.hardState, { term: 2, votedFor: 2n });
    log.append([entryAt(21, 2)]);
    log.closeSync();
  });

  it("does not reuse the index of a lost last entry", () => {
    for (const close of [true, false]) {
      const fileSystem = withFrameLost(
        ({ kind, index }) => kind === KIND_ENTRIES && index === 20,
        close ? "closed" : "rested",
      );
      const log = WalLog.openSync(PATH, { fileSystem, onDamage: "keep" });
      assert.equal(log.lastIndex, 20);
      assert.equal(codeOf(() => log.entry(20)), "DAMAGED_ENTRY");
      log.closeSync();
    }
  });

  it("does not bring back entries that a lost truncation dropped", () => {
    const { contents } = subject(2 ** 20, (history, log) => {
      history.append(...entriesAt(1, 20)).do((log) => log.truncate(11));
      log.closeSync();
    });
    const segment = contents.get(FIRST_SEGMENT)!;
    const frame = framesOf(segment).find(({ kind }) => kind === 3)!;
    const damaged = new Map(contents).set(FIRST_SEGMENT, flipped(segment, frame.offset + 24, 0));
    const log = WalLog.openSync(PATH, { fileSystem: new MemoryDisk(damaged), onDamage: "keep" });
    for (let index = 11; index <= 20; index++) {
      const isSaid = names(log.damaged, index) || log.lastIndex < index || codeOf(() => log.entry(index)) !== undefined;
      assert.ok(isSaid, `entry ${index} came back, and is not named: ${JSON.stringify(log.damaged)}`);
    }
    log.closeSync();
  });

  it("keeps the file of a snapshot whose frame is lost", () => {
    const { contents } = subject(2 ** 20, (history, log) => {
      history.append(...entriesAt(1, 10));
      history.do((log) => log.applySnapshot({ index: 5, term: 1, config: [1n], data: bytesOf(99) }));
      history.append(...entriesAt(11, 12));
      log.closeSync();
    });
    const segment = contents.get(FIRST_SEGMENT)!;
    const frame = framesOf(segment).find(({ kind }) => kind === 4)!;
    const disk = new MemoryDisk(new Map(contents).set(FIRST_SEGMENT, flipped(segment, frame.offset + 24, 0)));
    const log = WalLog.openSync(PATH, { fileSystem: disk, onDamage: "keep" });
    log.closeSync();
    const name = [...contents.keys()].find((name) => name.endsWith(".snap"))!;
    assert.deepEqual(disk.contents().get(name), contents.get(name), "the only good copy of the snapshot");
  });

  it("keeps its hard state if one segment and another segment's index are damaged", () => {
    const disk = new MemoryDisk();
    const options = { fileSystem: disk, segmentBytes: 4096 };
    const first = WalLog.openSync(PATH, options);
    first.setHardState({ term: 1, votedFor: 1n });
    appendEach(first, entriesAt(1, 2, 1, 1000));
    first.syncSync();
    first.setHardState({ term: 2, votedFor: 1n }); // which proves the flush
    // Copied while it is open, as after a kill: the first segment gets no segment index.
    const killed = new MemoryDisk(disk.contents());
    const log = WalLog.openSync(PATH, { ...options, fileSystem: killed });
    log.truncate(2);
    for (let index = 2; index <= 8; index++) log.append([entryAt(index, 2, 1000)]);
    log.setHardState({ term: 7, votedFor: 9n });
    log.closeSync();
    const contents = new Map(killed.contents());
    const dropped = framesOf(contents.get(FIRST_SEGMENT)!).findLast(({ kind }) => kind === KIND_ENTRIES)!;
    contents.set(FIRST_SEGMENT, flipped(contents.get(FIRST_SEGMENT)!, dropped.end - 100, 0));
    const sealed = "000000000002.seg";
    const segmentIndex = framesOf(contents.get(sealed)!).find(({ kind }) => kind === KIND_SEGMENT_INDEX)!;
    contents.set(sealed, flipped(contents.get(sealed)!, segmentIndex.offset + FRAME_HEADER_BYTES, 0));
    for (const verify of ["full", "tail"] as const) {
      const again = WalLog.openSync(PATH, { ...options, fileSystem: new MemoryDisk(contents), verify });
      assert.deepEqual(again.recovery.harmless.map(({ kind, path }) => [kind, path]), [
        ["entries", `${PATH}/${FIRST_SEGMENT}`],
      ]);
      assert.deepEqual(again.hardState, { term: 7, votedFor: 9n }, `verify "${verify}"`);
      again.append([entryAt(9, 2)]);
      again.closeSync();
    }
  });

  it("reports the last entries and rejects writes if the newest segment is missing", () => {
    for (const fault of ["missing", "damaged"]) {
      const { contents, history } = subject(8192, (history, log) => {
        severalSegments(history);
        history.do((log) => log.setHardState({ term: 9, votedFor: 9n }));
        log.closeSync();
      });
      const files = new Map(contents);
      const newest = [...files.keys()].filter((name) => name.endsWith(".seg")).sort().at(-1)!;
      if (fault === "missing") files.delete(newest);
      else files.set(newest, flipped(flipped(files.get(newest)!, 40, 1), HEADER_OFFSETS[1] + 40, 1));
      const disk = new MemoryDisk(files);
      assert.equal(codeOf(() => WalLog.openSync(PATH, { fileSystem: new MemoryDisk(files) })), "CORRUPT");
      for (let time = 1; time <= 2; time++) {
        const log = WalLog.openSync(PATH, { fileSystem: disk, onDamage: "keep" });
        try {
          const message = `${fault} newest segment, opened ${time} times`;
          assert.ok(log.damaged.length > 0, `${message}: the damage is forgotten`);
          assert.ok(names(log.damaged, history.last.lastIndex), `${message}: ${JSON.stringify(log.damaged)}`);
          assertHardState(log, history.last);
        } finally {
          log.closeSync();
        }
      }
    }
  });

  it("keeps unknown terms unknown through rotation, also from segment indexes", () => {
    const fileSystem = withFrameLost(({ kind, index }) => kind === KIND_ENTRIES && index === 5);
    let log = WalLog.openSync(PATH, { fileSystem, onDamage: "keep", segmentBytes: 4096 });
    while (log.stats().segments < 3) log.append([entryAt(log.lastIndex + 1, 3, 500)]);
    const { lastIndex } = log;
    log.closeSync();
    for (const verify of ["full", "tail"] as const) {
      log = WalLog.openSync(PATH, { fileSystem, onDamage: "keep", verify });
      assert.equal(log.lastIndex, lastIndex);
      assert.equal(log.termAt(4), 1);
      assert.equal(log.termAt(6), 1);
      assert.equal(codeOf(() => log.termAt(5)), "DAMAGED_ENTRY", `termAt(5), verify "${verify}"`);
      assert.equal(codeOf(() => log.entry(5)), "DAMAGED_ENTRY", `entry(5), verify "${verify}"`);
      log.closeSync();
    }
  });
});
