/** The ways to heal damage: a repair, a truncation, a snapshot, a forced hard state, or a restored file. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Damage, WalLog, type WalLogError } from "../mod.ts";
import { KIND_ENTRIES, KIND_HARD_STATE } from "../src/format/frame.ts";
import { HEADER_OFFSETS } from "../src/format/header_block.ts";
import { FIRST_SEGMENT, subject, withFrameLost } from "./damaged_log.ts";
import { appendEach, entriesAt, entryAt, flipped, framesOf } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { assertSameEntries, assertSameState, bytesOf, stateOf } from "./model.ts";

const PATH = MemoryDisk.PATH;

describe("damage that is kept", () => {
  it("ends when a snapshot covers it", () => {
    const fileSystem = withFrameLost(({ kind, index }) => kind === KIND_ENTRIES && index === 5);
    const log = WalLog.openSync(PATH, { fileSystem, onDamage: "keep" });
    log.applySnapshot({ index: 4, term: 1, config: [1n], data: bytesOf(3) });
    assert.equal(log.damaged.length, 1);
    log.applySnapshot({ index: 6, term: 1, config: [1n], data: bytesOf(3) });
    assert.deepEqual(log.damaged, []);
    log.closeSync();
    assert.equal(WalLog.openSync(PATH, { fileSystem }).recovery.verdict, "clean");
  });

  it("is reflected in the property lost until it is repaired or given up", () => {
    const whole = subject(2 ** 20, (history) => {
      history.append(...entriesAt(1, 10));
      history.do((log) => log.setHardState({ term: 4, votedFor: 1n }));
      history.append(entryAt(11)).sync();
      history.append(entryAt(12));
    }).contents;
    const segment = whole.get(FIRST_SEGMENT)!;
    const frames = framesOf(segment);
    const damaged = segment.slice();
    const lose = (kind: number, index?: number) => {
      const frame = frames.find((one) => one.kind === kind && (index === undefined || one.index === index))!;
      damaged.fill(0, frame.offset, frame.end);
    };
    for (const index of [3, 4, 7]) lose(KIND_ENTRIES, index);
    lose(KIND_HARD_STATE);
    const disk = new MemoryDisk(new Map(whole).set(FIRST_SEGMENT, damaged));
    assert.throws(() => WalLog.openSync(PATH, { fileSystem: disk }), { code: "CORRUPT" });
    const log = WalLog.openSync(PATH, { fileSystem: disk, onDamage: "keep" });
    assert.deepEqual(log.lost, { hardState: true, tail: false, ranges: [[3, 4], [7, 7]] });
    log.setHardState({ term: 5, votedFor: null }, { force: true });
    assert.deepEqual(log.lost, { hardState: false, tail: false, ranges: [[3, 4], [7, 7]] });
    log.repair(entriesAt(3, 4));
    assert.deepEqual(log.lost.ranges, [[7, 7]]);
    log.truncate(6);
    assert.deepEqual(log.lost, { hardState: false, tail: false, ranges: [] });
    log.closeSync();
  });

  it("with an unknown end is forgotten only by a forced hard state", () => {
    const { contents } = subject(2 ** 20, (history) => {
      history.append(...entriesAt(1, 5)).sync();
      for (let term = 2; term <= 4; term++) history.do((log) => log.setHardState({ term, votedFor: null })).sync();
    });
    const segment = contents.get(FIRST_SEGMENT)!;
    const entries = framesOf(segment).filter(({ kind }) => kind === KIND_ENTRIES);
    const damaged = segment.slice().fill(0, entries[3]!.offset, entries[4]!.end);
    const disk = new MemoryDisk(new Map(contents).set(FIRST_SEGMENT, damaged));
    for (const term of [4, 5, 6]) {
      const log = WalLog.openSync(PATH, { fileSystem: disk, onDamage: "keep" });
      assert.deepEqual(log.damaged.map(({ firstIndex, lastIndex }) => [firstIndex, lastIndex]), [[4, undefined]]);
      assert.throws(() => log.setHardState({ term, votedFor: 1n }), (error) => {
        const { code, message } = error as WalLogError;
        assert.equal(code, "CORRUPT");
        assert.match(message, /entries after the last one .* may be lost/);
        return true;
      });
      if (term === 6) log.setHardState({ term, votedFor: 1n }, { force: true });
      log.closeSync();
    }
    const log = WalLog.openSync(PATH, { fileSystem: disk, onDamage: "keep" });
    assert.deepEqual([log.damaged, log.hardState], [[], { term: 6, votedFor: 1n }]);
    log.setHardState({ term: 7, votedFor: null });
    log.closeSync();
  });

  it("to both copies of a header heals by truncating before it and appending again", () => {
    const disk = new MemoryDisk();
    const log = WalLog.openSync(PATH, { fileSystem: disk, segmentBytes: 4096 });
    for (let index = 1; index <= 9; index++) log.append([entryAt(index, 1, 1000)]);
    log.closeSync();
    const contents = new Map(disk.contents());
    const name = "000000000002.seg";
    contents.set(
      name,
      contents.get(name)!.slice().fill(0xff, 0, 1024).fill(0xff, HEADER_OFFSETS[1], HEADER_OFFSETS[1] + 1024),
    );
    const damaged = new MemoryDisk(contents);
    const kept = WalLog.openSync(PATH, { fileSystem: damaged, segmentBytes: 4096, onDamage: "keep" });
    const [{ firstIndex }] = kept.damaged as [Damage];
    kept.truncate(firstIndex!);
    kept.append(entriesAt(firstIndex!, 9));
    kept.closeSync();
    const again = WalLog.openSync(PATH, { fileSystem: damaged });
    assert.equal(again.recovery.verdict, "clean");
    assert.equal(again.entries(1, 9).length, 9);
  });

  it("to the last frame that a restored file undoes leaves everything readable", () => {
    const { contents, history } = subject(2 ** 20, (history, _log, fileSystem) => {
      history.do((log) => log.setHardState({ term: 1, votedFor: 1n }));
      history.append(...entriesAt(1, 10));
      history.sync();
      fileSystem.rest();
    });
    const last = framesOf(contents.get(FIRST_SEGMENT)!).findLast(({ kind }) => kind === KIND_ENTRIES)!;
    const disk = new MemoryDisk(
      new Map(contents).set(FIRST_SEGMENT, flipped(contents.get(FIRST_SEGMENT)!, last.offset + 9, 0)),
    );
    const kept = WalLog.openSync(PATH, { fileSystem: disk, onDamage: "keep" });
    assert.deepEqual(kept.damaged.map(({ firstIndex, lastIndex }) => [firstIndex, lastIndex]), [[10, 10]]);
    kept.setHardState({ term: 1, votedFor: 1n }, { force: true });
    kept.closeSync();
    const restored = new Map(disk.contents());
    restored.set(FIRST_SEGMENT, flipped(restored.get(FIRST_SEGMENT)!, last.offset + 9, 0));
    const again = WalLog.openSync(PATH, { fileSystem: new MemoryDisk(restored) });
    assert.equal(again.recovery.verdict, "clean");
    assertSameState(stateOf(again), history.last);
  });

  it("to the last entry leaves its term known again after a repair", () => {
    const disk = new MemoryDisk();
    const lost = WalLog.openSync(PATH, { fileSystem: disk });
    lost.append(entriesAt(1, 1, 3));
    lost.closeSync();
    const contents = new Map(disk.contents());
    contents.delete(FIRST_SEGMENT);
    const later = new MemoryDisk(contents);
    const log = WalLog.openSync(PATH, { fileSystem: later, onDamage: "keep" });
    log.setHardState({ term: 3, votedFor: 1n }, { force: true });
    appendEach(log, entriesAt(1, 5, 3));
    log.closeSync();
    const name = [...later.contents().keys()].filter((name) => name.endsWith(".seg")).sort().at(-1)!;
    const entry = framesOf(later.contents().get(name)!).findLast(({ kind }) => kind === KIND_ENTRIES)!;
    const rotten = new MemoryDisk(
      new Map(later.contents()).set(name, flipped(later.contents().get(name)!, entry.offset + 9, 0)),
    );
    const kept = WalLog.openSync(PATH, { fileSystem: rotten, onDamage: "keep" });
    kept.setHardState({ term: 3, votedFor: 1n }, { force: true });
    kept.repair(entriesAt(5, 5, 3));
    // Without the checkpoint of a clean close, only the entry itself tells its term.
    const killed = WalLog.openSync(PATH, { fileSystem: new MemoryDisk(new Map(rotten.contents())), readOnly: true });
    assert.equal(killed.lastTerm, 3);
    kept.closeSync();
    for (let time = 0; time < 2; time++) {
      const again = WalLog.openSync(PATH, { fileSystem: rotten });
      assert.deepEqual([again.lastTerm, again.termAt(5)], [3, 3]);
      assert.throws(() => again.append([entryAt(6, 1)]), { code: "INVALID_ARGUMENT" });
      again.closeSync();
    }
  });

  it("keeps entries above a snapshot of a lost entry if a later entry proves its term", async () => {
    for (const streamed of [true, false]) {
      const fileSystem = withFrameLost(({ kind, index }) => kind === KIND_ENTRIES && index === 5);
      const log = WalLog.openSync(PATH, { fileSystem, onDamage: "keep" });
      const meta = { index: 5, term: 1, config: [1n] };
      if (streamed) await log.receiveSnapshot(meta).close();
      else log.applySnapshot({ ...meta, data: bytesOf(3) });
      log.closeSync();
      const again = WalLog.openSync(PATH, { fileSystem });
      assert.deepEqual([again.snapshotIndex, again.lastIndex], [5, 20]);
      assertSameEntries(again.entries(1, 20), [...entriesAt(6, 10), ...entriesAt(11, 20, 2)], "above the snapshot");
      again.closeSync();
    }
  });

  it("refuses a snapshot that may drop valid entries, unless it is forced", async () => {
    const fileSystem = withFrameLost(({ kind, index }) => kind === KIND_ENTRIES && index === 10);
    const log = WalLog.openSync(PATH, { fileSystem, onDamage: "keep" });
    const snapshot = { index: 10, term: 1, config: [1n], data: bytesOf(3) };
    const before = new Map(fileSystem.contents());
    for (const call of [() => log.applySnapshot(snapshot), () => log.receiveSnapshot(snapshot)]) {
      assert.throws(call, (error) => {
        const { code, message } = error as WalLogError;
        assert.equal(code, "DAMAGED_ENTRY");
        assert.match(message, /whether entries 11 to 20 continue from the snapshot; repair the entry/);
        return true;
      });
    }
    assert.deepEqual(fileSystem.contents(), before);
    assertSameEntries(log.entries(11, 20), entriesAt(11, 20, 2), "above");
    await log.receiveSnapshot(snapshot, { force: true }).abort();
    log.applySnapshot(snapshot, { force: true });
    log.closeSync();
    const again = WalLog.openSync(PATH, { fileSystem });
    assert.deepEqual([again.snapshotIndex, again.lastIndex, again.lastTerm], [10, 10, 1]);
    again.closeSync();
  });
});
