/** Sectors that no flush covers, and that reach the disk out of order. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import { KIND_ENTRIES } from "../src/format/frame.ts";
import { entriesAt, entryAt } from "./history.ts";
import { assertSameEntries, assertSameState, bytesOf, stateOf } from "./model.ts";
import {
  crashed,
  fewEntries,
  intact,
  openSegment,
  PATH,
  SECTOR_BYTES,
  stepsIn,
  type Subject,
  subject,
} from "./torn_log.ts";

describe("unsynced sectors that persist out of order", () => {
  /** A log with some sectors of unsynced frames. */
  function withSectors(): Subject {
    return subject(fewEntries, (history) => {
      history.append(...entriesAt(6, 20, 2, 200));
      history.do((log) => log.truncate(15), (log) => log.setHardState({ term: 4, votedFor: 4n }));
      history.append(...entriesAt(15, 30, 4, 200));
    });
  }

  /** The segment without some of its unsynced sectors. */
  function without({ durableEnd, frames, segment }: Subject, isLost: (sector: number) => boolean): Uint8Array {
    const left = segment.slice();
    const { end } = frames.at(-1)!;
    for (let sector = Math.floor(durableEnd / SECTOR_BYTES); sector * SECTOR_BYTES < end; sector++) {
      // Flushed bytes stay on the disk, even in a sector that was written again later.
      const from = Math.max(sector * SECTOR_BYTES, durableEnd);
      if (isLost(sector)) left.fill(0, from, (sector + 1) * SECTOR_BYTES);
    }
    return left;
  }

  /** Fails unless the log ends before the lost sectors, and later frames never come back. */
  function assertCut({ history, frames, segment }: Subject, left: Uint8Array, when: string): void {
    const kept = intact(frames, segment, left);
    const expected = history.states[stepsIn(kept)]!;
    const { log, disk } = openSegment(left);
    assertSameState(stateOf(log), expected, when);
    const isTorn = left.subarray(kept.at(-1)!.end).some((byte) => byte !== 0);
    assert.equal(log.recovery.verdict, isTorn ? "torn" : "clean", when);
    assert.ok(stepsIn(kept) >= history.durable, `${when}: what was synced`);
    // An entry as long as the cut one, so that the old frames after it would fit.
    let model = expected;
    for (let time = 1; time <= 3; time++) {
      const next = entryAt(log.lastIndex + 1, 9, 200, "normal", time);
      log.append([next]);
      log.syncSync();
      model = stateOf(log);
      assertSameEntries(model.entries.slice(0, expected.entries.length), expected.entries, when);
      assertSameEntries(model.entries.slice(-1), [next], when);
      const again = WalLog.openSync(PATH, { fileSystem: crashed(disk) });
      assertSameState(stateOf(again), model, `${when}, appended ${time} times and killed`);
      assert.notEqual(again.recovery.verdict, "corrupt");
      again.closeSync();
    }
    log.closeSync();
    const again = WalLog.openSync(PATH, { fileSystem: disk });
    assertSameState(stateOf(again), model, `${when}, closed and reopened`);
    again.closeSync();
  }

  it("end the log at the hole when one is missing, and later frames never come back", () => {
    const subject = withSectors();
    const first = Math.floor(subject.durableEnd / SECTOR_BYTES);
    const last = Math.floor((subject.frames.at(-1)!.end - 1) / SECTOR_BYTES);
    assert.ok(last - first > 10);
    for (let lost = first; lost <= last; lost++) {
      assertCut(subject, without(subject, (sector) => sector === lost), `without sector ${lost}`);
    }
  });

  it("end the log at the first hole when any are missing", () => {
    const subject = withSectors();
    for (let seed = 1; seed <= 40; seed++) {
      const coins = bytesOf(256, "noise", seed);
      const left = without(subject, (sector) => coins[sector % 256]! < seed * 6);
      assertCut(subject, left, `without sectors of seed ${seed}`);
    }
  });

  it("are not accepted if no earlier frame persisted", () => {
    const subject = withSectors();
    const first = Math.floor(subject.durableEnd / SECTOR_BYTES);
    const { log } = openSegment(without(subject, (sector) => sector <= first + 8));
    assertSameState(stateOf(log), subject.history.states[subject.history.durable]!, "only later sectors");
    // The report includes cut frames whose headers survive.
    assert.equal(log.recovery.cut!.offset, subject.durableEnd);
    assert.equal(log.recovery.cut!.lastIndex, 30);
    log.closeSync();
  });

  it("never come back when an entry of the same length replaces the cut one", () => {
    const subject_ = subject(fewEntries, (history) => history.append(...entriesAt(6, 12, 2, 64)));
    const frame = subject_.frames.find(({ kind, index }) => kind === KIND_ENTRIES && index === 6)!;
    for (const at of [frame.offset, frame.offset + 39, frame.offset + 40, frame.end - 1]) {
      const segment = subject_.segment.slice();
      segment[at] = segment[at]! ^ 0xff;
      let { log, disk } = openSegment(segment);
      assert.equal(log.recovery.verdict, "torn");
      assert.equal(log.lastIndex, 5);
      assert.deepEqual([log.recovery.cut!.firstIndex, log.recovery.cut!.lastIndex][1], 12);
      for (let index = 6; index <= 8; index++) {
        log.append([entryAt(index, 2, 64, "normal", 5)]);
        log.syncSync();
        disk = crashed(disk);
        log = WalLog.openSync(PATH, { fileSystem: disk });
        assert.equal(log.lastIndex, index, `a frame that was cut at byte ${at} came back`);
        assertSameEntries(log.entries(6, index), entriesAt(6, index, 2, 64, 5), "the entry written in its place");
      }
      log.closeSync();
    }
  });
});
