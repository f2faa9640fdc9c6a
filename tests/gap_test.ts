/**
 * Gaps: stretches of a log in which frames and their headers are lost. The frames after a gap show what it held: the
 * next index and term, the change counter, and the state in checkpoints and segment headers.
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WalLog, type WalLogError } from "../mod.ts";
import {
  FRAME_HEADER_BYTES,
  KIND_CHECKPOINT,
  KIND_ENTRIES,
  KIND_SNAPSHOT,
  KIND_TRUNCATE,
} from "../src/format/frame.ts";
import { closedLog, FIRST, without, withoutSlots, zeroed } from "./gapped_log.ts";
import { appendEach, entriesAt, entryAt, type FrameAt, framesOf } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { assertSameEntries } from "./model.ts";

const PATH = MemoryDisk.PATH;

const isEntry = (index: number) => (frame: FrameAt) => frame.kind === KIND_ENTRIES && frame.index === index;

describe("a gap", () => {
  it("that held only entries is reported exactly, and costs nothing else", () => {
    const disk = without(
      closedLog((log) => {
        log.setHardState({ term: 1, votedFor: 3n });
        appendEach(log, entriesAt(1, 20));
      }),
      isEntry(8),
      isEntry(11),
    );
    const log = WalLog.openSync(PATH, { fileSystem: disk, onDamage: "keep" });
    assert.deepEqual(log.damaged.map(({ firstIndex, lastIndex }) => [firstIndex, lastIndex]), [[8, 11]]);
    assert.deepEqual(log.hardState, { term: 1, votedFor: 3n });
    assertSameEntries(log.entries(1, 7), entriesAt(1, 7), "before");
    assertSameEntries(log.entries(12, 20), entriesAt(12, 20), "behind");
    log.repair(entriesAt(8, 11));
    log.closeSync();
    assert.equal(WalLog.openSync(PATH, { fileSystem: disk }).lastIndex, 20);
  });

  it("that held only entries that were dropped later is harmless", () => {
    const disk = without(
      closedLog((log) => {
        appendEach(log, entriesAt(1, 10));
        log.truncate(4);
        appendEach(log, entriesAt(4, 12, 2));
      }),
      (frame) => isEntry(6)(frame) && frame.term === 1,
    );
    const log = WalLog.openSync(PATH, { fileSystem: disk });
    assert.deepEqual(log.recovery.harmless.map(({ kind }) => kind), ["frames"]);
    assertSameEntries(log.entries(1, 12), [...entriesAt(1, 3), ...entriesAt(4, 12, 2)], "all");
  });

  it("before a truncation costs no entry below the truncation", () => {
    const written = closedLog((log) => {
      appendEach(log, [...entriesAt(1, 3), entryAt(4, 2, 600), ...entriesAt(5, 6, 2)]);
      log.truncate(4);
    });
    const frames = framesOf(written.contents().get(FIRST)!);
    const [big, last] = [frames.find(isEntry(4))!, frames.find(isEntry(6))!];
    // The header of entry 4 survives, so the gap begins above the index of the truncation.
    const disk = zeroed(written, FIRST, big.offset + 100, last.end);
    const log = WalLog.openSync(PATH, { fileSystem: disk });
    assert.deepEqual([log.recovery.verdict, log.lastIndex, log.lastTerm], ["clean", 3, 1]);
    assertSameEntries(log.entries(1, 3), entriesAt(1, 3), "below");
  });

  it("that ends at a truncation keeps the last term, and reports only entries below it", () => {
    const disk = without(
      closedLog((log) => {
        appendEach(log, [...entriesAt(1, 3, 3), ...entriesAt(4, 6, 5)]);
        log.truncate(5);
        log.setHardState({ term: 5, votedFor: null });
      }),
      isEntry(4),
      isEntry(6),
    );
    const log = WalLog.openSync(PATH, { fileSystem: disk, onDamage: "keep" });
    assert.deepEqual(log.damaged.map(({ firstIndex, lastIndex }) => [firstIndex, lastIndex]), [[4, 4]]);
    assert.deepEqual([log.lastIndex, log.lastTerm], [4, 5]);
    log.repair([entryAt(4, 5)]);
    log.closeSync();
    assert.equal(WalLog.openSync(PATH, { fileSystem: disk }).lastTerm, 5);
  });

  it("that held a truncation and new entries brings back no discarded entry", () => {
    const disk = without(
      closedLog((log) => {
        appendEach(log, entriesAt(1, 10));
        log.truncate(5);
        appendEach(log, entriesAt(5, 11, 2));
      }),
      ({ kind }) => kind === KIND_TRUNCATE,
      isEntry(10),
    );
    const log = WalLog.openSync(PATH, { fileSystem: disk, onDamage: "keep" });
    assertSameEntries(log.entries(11, 11), entriesAt(11, 11, 2), "behind");
    for (let index = 5; index <= 10; index++) {
      assert.throws(() => log.entry(index), (error) => (error as WalLogError).code === "DAMAGED_ENTRY", `${index}`);
    }
  });

  it("that held the frame of a snapshot is explained by the next checkpoint", () => {
    const disk = without(
      closedLog((log) => {
        appendEach(log, entriesAt(1, 10));
        log.applySnapshot({ index: 6, term: 1, config: [1n], data: new Uint8Array(10) });
        appendEach(log, entriesAt(11, 12));
      }),
      ({ kind }) => kind === KIND_SNAPSHOT,
    );
    const log = WalLog.openSync(PATH, { fileSystem: disk });
    assert.equal(log.snapshotIndex, 6);
    assertSameEntries(log.entries(7, 12), entriesAt(7, 12), "above");
    assert.equal(log.snapshot()?.data.length, 10);
  });

  it("that held a snapshot over a last entry of another term takes the last term from a checkpoint", () => {
    const disk = without(
      closedLog((log) => {
        appendEach(log, entriesAt(1, 3, 4));
        log.applySnapshot({ index: 3, term: 5, config: [1n], data: new Uint8Array(10) });
      }),
      ({ kind }) => kind === KIND_SNAPSHOT,
    );
    const log = WalLog.openSync(PATH, { fileSystem: disk });
    assert.deepEqual([log.snapshotIndex, log.termAt(3), log.lastTerm], [3, 5, 5]);
    assert.throws(() => log.append([entryAt(4, 4)]), { code: "INVALID_ARGUMENT" });
  });

  it("at the end of a sealed segment keeps its last term, and costs no entry of another one", () => {
    const disk = new MemoryDisk();
    const log = WalLog.openSync(PATH, { fileSystem: disk });
    appendEach(log, entriesAt(1, 3, 3));
    log.syncSync();
    log.setHardState({ term: 3, votedFor: null }); // which proves the flush
    // Copied while it is open, as after a kill: later entries go into a new segment, whose header repeats the last
    // term.
    const killed = new MemoryDisk(disk.contents());
    const second = WalLog.openSync(PATH, { fileSystem: killed });
    second.setHardState({ term: 6, votedFor: null });
    second.closeSync();
    const frame = framesOf(killed.contents().get(FIRST)!).find(isEntry(3))!;
    const damaged = zeroed(killed, FIRST, frame.offset, frame.end);
    const again = WalLog.openSync(PATH, { fileSystem: damaged, onDamage: "keep" });
    assert.deepEqual([again.lastIndex, again.lastTerm, again.termAt(3)], [3, 3, 3]);
    assert.throws(() => again.repair([entryAt(3, 5)]), (error) => (error as WalLogError).code === "INVALID_ARGUMENT");
    again.repair([entryAt(3, 3)]);
    again.closeSync();
    assert.equal(WalLog.openSync(PATH, { fileSystem: damaged }).lastTerm, 3);
  });

  for (const last of [KIND_SNAPSHOT, KIND_CHECKPOINT]) {
    const what = last === KIND_CHECKPOINT ? " and its checkpoint" : "";
    it(`that held a snapshot that moved the index${what} takes index and term from a checkpoint`, () => {
      let disk = without(
        closedLog((log) => {
          appendEach(log, entriesAt(1, 3, 3));
          log.applySnapshot({ index: 1018, term: 4, config: [1n], data: new Uint8Array(10) });
          appendEach(log, entriesAt(1019, 1020, 6));
        }),
        ({ kind }) => kind === KIND_SNAPSHOT,
        ({ kind }) => kind === last,
      );
      // The first opening for writing continues in a new segment, whose header may not know the term.
      for (let opening = 0; opening < 3; opening++) {
        const log = WalLog.openSync(PATH, { fileSystem: disk });
        assert.deepEqual([log.snapshotIndex, log.termAt(1018), log.lastTerm], [1018, 4, 6]);
        assert.equal(log.snapshot()?.data.length, 10);
        assertSameEntries(log.entries(1, 1020), entriesAt(1019, 1020, 6), "above");
        log.closeSync();
        disk = withoutSlots(disk);
      }
    });
  }

  it("that held such a snapshot and the next entry reports that entry in every way of opening", () => {
    const disk = without(
      closedLog((log) => {
        appendEach(log, entriesAt(1, 3, 3));
        log.applySnapshot({ index: 1018, term: 4, config: [1n], data: new Uint8Array(10) });
        appendEach(log, entriesAt(1019, 1020, 6));
      }),
      ({ kind }) => kind === KIND_SNAPSHOT,
      isEntry(1019),
    );
    for (const verify of ["full", "tail"] as const) {
      assert.throws(() => WalLog.openSync(PATH, { fileSystem: disk, verify }), (error) => {
        const { code, damage } = error as WalLogError;
        const places = damage.map(({ kind, path, firstIndex, lastIndex }) => [kind, path, firstIndex, lastIndex]);
        assert.deepEqual([code, places], ["CORRUPT", [["frames", `${PATH}/${FIRST}`, 1019, 1019]]]);
        return true;
      });
      const log = WalLog.openSync(PATH, { fileSystem: disk, verify, readOnly: true, onDamage: "keep" });
      assert.deepEqual([log.snapshotIndex, log.lastIndex], [1018, 1020]);
      assertSameEntries(log.entries(1020, 1020), [entryAt(1020, 6)], "behind");
      assert.throws(() => log.entry(1019), (error) => (error as WalLogError).code === "DAMAGED_ENTRY");
    }
    const log = WalLog.openSync(PATH, { fileSystem: disk, onDamage: "keep" });
    // The gap held more than that entry, so a copy of the entry alone cannot fill it.
    log.applySnapshot({ index: 1020, term: 6, config: [1n], data: new Uint8Array(10) });
    log.closeSync();
    const healed = WalLog.openSync(PATH, { fileSystem: disk });
    assert.deepEqual([healed.snapshotIndex, healed.lastIndex, healed.recovery.damage], [1020, 1020, []]);
  });

  it("that may have held the frame of a snapshot with a file is reported", () => {
    const written = new MemoryDisk();
    const log = WalLog.openSync(PATH, { fileSystem: written });
    appendEach(log, entriesAt(1, 10));
    log.compact(6, { config: [1n], data: new Uint8Array(10) });
    log.setHardState({ term: 2, votedFor: null });
    log.syncSync();
    log.setHardState({ term: 3, votedFor: null }); // which proves the flush
    const killed = new MemoryDisk(written.contents());
    const frames = framesOf(killed.contents().get(FIRST)!);
    const snapshot = frames.find(({ kind }) => kind === KIND_SNAPSHOT)!;
    const checkpoint = frames.find(({ kind, offset }) => kind === KIND_CHECKPOINT && offset === snapshot.end)!;
    // The gap has room for one change. The header of the checkpoint after it survives, and shows no snapshot.
    const gap = zeroed(killed, FIRST, snapshot.offset, snapshot.end);
    const disk = zeroed(gap, FIRST, checkpoint.offset + FRAME_HEADER_BYTES, checkpoint.end);
    assert.throws(() => WalLog.openSync(PATH, { fileSystem: disk }), { code: "CORRUPT" });
    const kept = WalLog.openSync(PATH, { fileSystem: disk, readOnly: true, onDamage: "keep" });
    assert.deepEqual(kept.damaged.map(({ kind, offset }) => [kind, offset]), [["frames", snapshot.offset]]);
  });

  it("that is a whole segment with copies reports the entries that its copies truncated", () => {
    const disk = new MemoryDisk();
    const log = WalLog.openSync(PATH, { fileSystem: disk });
    appendEach(log, entriesAt(1, 6));
    log.truncate(3);
    appendEach(log, entriesAt(3, 8, 2));
    log.syncSync();
    log.setHardState({ term: 2, votedFor: null }); // which proves the flush
    log.truncate(6);
    appendEach(log, entriesAt(6, 7, 3));
    // Copied while it is open, as after a kill: the second segment begins with copies of unproven frames.
    const killed = new MemoryDisk(disk.contents());
    const second = WalLog.openSync(PATH, { fileSystem: killed, segmentBytes: 4096 });
    second.append([entryAt(8, 3, 6000)]);
    second.append([entryAt(9, 3)]);
    second.closeSync();
    const contents = new Map(killed.contents());
    assert(contents.delete("000000000002.seg") && contents.has("000000000003.seg"));
    const again = WalLog.openSync(PATH, { fileSystem: new MemoryDisk(contents), onDamage: "keep" });
    assert.deepEqual(again.damaged.map(({ firstIndex, lastIndex }) => [firstIndex, lastIndex]), [[6, 7]]);
    assertSameEntries(again.entries(1, 5), [...entriesAt(1, 2), ...entriesAt(3, 5, 2)], "below");
    assertSameEntries(again.entries(9, 9), [entryAt(9, 3)], "behind");
  });
});
