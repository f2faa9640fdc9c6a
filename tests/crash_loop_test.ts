/**
 * A log that is opened and killed repeatedly. It must not grow by a segment each time. The replacement of the newest
 * segment must lose nothing, even if any of its steps fails.
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { resolve } from "node:path";
import { WalLog, WalLogError } from "../mod.ts";
import { KIND_CHECKPOINT } from "../src/format/frame.ts";
import { HEADER_OFFSETS, NEXT_POINTER_OFFSETS, SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";
import { type DiskFault, SimulatedDisk } from "../src/testing/mod.ts";
import { entriesAt, entryAt, framesOf } from "./history.ts";
import { fingerprint, isExpected } from "./simulated_log.ts";

const FOLDER = resolve("/raft.wal");
const SEGMENT_BYTES = 61_440;
const RESTARTS = 1000;
/** Restarts of a loop that writes each time. */
const BUSY_RESTARTS = 300;

function openLog(disk: SimulatedDisk, segmentBytes = SEGMENT_BYTES): WalLog {
  return WalLog.openSync(FOLDER, { fileSystem: disk.fileSystem, segmentBytes });
}

function segmentsOf(disk: SimulatedDisk): string[] {
  return disk.files().filter((path) => path.endsWith(".seg"));
}

/** Opens a log, runs a function, and ends the log, repeatedly. Returns the disk and the largest number of segments. */
function loop(run: (log: WalLog, time: number) => void, end: "kill" | "power cut", restarts = BUSY_RESTARTS): {
  readonly disk: SimulatedDisk;
  readonly most: number;
} {
  const disk = new SimulatedDisk({ seed: 7 });
  let most = 0;
  for (let time = 0; time < restarts; time++) {
    run(openLog(disk), time);
    most = Math.max(most, segmentsOf(disk).length);
    if (end === "kill") disk.restart();
    else disk.crash();
  }
  return { disk, most };
}

describe("a crash loop", () => {
  for (const end of ["kill", "power cut"] as const) {
    it(`keeps two segments of a log that is only opened, after each ${end}`, () => {
      const { disk, most } = loop(() => {}, end, RESTARTS);
      assert.equal(most, 2);
      assert(segmentsOf(disk).every((path) => disk.content(path).length <= SEGMENT_HEADER_BYTES + 1024));
    });

    it(`keeps the segments and entries of a log, after each ${end}`, () => {
      const { disk, most } = loop((log, time) => {
        if (time === 0) log.append(entriesAt(1, 30, 1, 900));
        if (time === 0) log.syncSync();
        assert.equal(log.lastIndex, 30);
      }, end);
      assert.equal(most, 2);
      assert.equal(openLog(disk).entries(1, 30).length, 30);
    });

    it(`begins segments only as they fill if an entry is synced each time, after each ${end}`, () => {
      const { disk, most } = loop((log, time) => {
        assert.equal(log.lastIndex, time);
        log.append([entryAt(time + 1, 1, 100)]);
        log.syncSync();
      }, end);
      // An entry takes 300 bytes with the checkpoint of its opening, and a segment is replaced until it is half full.
      assert(most <= 2 + BUSY_RESTARTS * 300 / (SEGMENT_BYTES / 2), `${most} segments`);
      const log = openLog(disk);
      assert.deepEqual(
        log.entries(1, BUSY_RESTARTS),
        Array.from({ length: BUSY_RESTARTS }, (_, i) => entryAt(i + 1, 1, 100)),
      );
    });
  }

  it("keeps entries in the page cache that were never synced", () => {
    const { disk, most } = loop((log, time) => {
      assert.equal(log.lastIndex, time);
      log.append([entryAt(time + 1, 1, 20)]);
    }, "kill");
    assert(most <= 2 + BUSY_RESTARTS * 220 / (SEGMENT_BYTES / 2), `${most} segments`);
    assert.equal(openLog(disk).lastIndex, BUSY_RESTARTS);
  });

  it("keeps three segments of a log that takes a snapshot each time", () => {
    const { most } = loop((log, time) => {
      log.append([entryAt(time + 1, 1, 20)]);
      log.compact(time + 1, { config: [1n] });
    }, "kill");
    assert(most <= 3, `${most} segments`);
  });
});

/** A log of two segments whose newest one was written after a crash, so that it can be replaced. */
function replaceable(seed: number): SimulatedDisk {
  const disk = new SimulatedDisk({ seed });
  let log = openLog(disk);
  log.setHardState({ term: 1, votedFor: 3n });
  log.append(entriesAt(1, 8, 1, 50));
  log.syncSync();
  disk.restart();
  log = openLog(disk);
  log.append(entriesAt(9, 12, 1, 50));
  log.truncate(11);
  log.setHardState({ term: 2, votedFor: 1n });
  log.append(entriesAt(11, 13, 2, 50));
  log.syncSync();
  disk.restart();
  return disk;
}

describe("the newest segment, replaced when the log is opened", () => {
  const model = openLog(replaceable(1));
  const whole = fingerprint(model);

  it("is removed, and the previous one names the new one", () => {
    const disk = replaceable(1);
    const before = segmentsOf(disk);
    const log = openLog(disk);
    const after = segmentsOf(disk);
    assert.deepEqual([before.length, after.length, after[0]], [2, 2, before[0]]);
    assert.notEqual(after[1], before[1]);
    assert.equal(fingerprint(log), whole);
    log.append(entriesAt(14, 15, 2));
    log.closeSync();
    const again = openLog(disk);
    assert(again.recovery.closed);
    assert.deepEqual([again.recovery.verdict, again.lastIndex], ["clean", 15]);
  });

  for (const fault of ["crash", "EIO", "ENOSPC"] as const satisfies readonly DiskFault[]) {
    it(`is complete when it is opened again after ${fault} at any operation`, () => {
      for (let seed = 1; seed <= 8; seed++) {
        for (let after = 0;; after++) {
          const disk = replaceable(seed);
          disk.failAfter(fault, after);
          let failed = false;
          try {
            openLog(disk);
          } catch (error) {
            failed = true;
            assert(isExpected(error), error as Error);
          }
          if (disk.isFaultPending) break;
          if (fault === "crash") disk.crash();
          else disk.restart();
          for (const readOnly of [true, false]) {
            const log = WalLog.openSync(FOLDER, { fileSystem: disk.fileSystem, readOnly });
            const when: string = `${fault} after ${after} operations, seed ${seed}, failed: ${failed}`;
            assert.equal(fingerprint(log), whole, when);
            assert.deepEqual([log.recovery.damage, log.recovery.harmless], [[], []], when);
            if (!readOnly) assert(segmentsOf(disk).length <= 3, `${when}: ${segmentsOf(disk)}`);
          }
        }
      }
    });
  }

  const losses: Readonly<Record<string, readonly number[]>> = {
    "both copies of its pointer": NEXT_POINTER_OFFSETS,
    "its header block": [...HEADER_OFFSETS, ...NEXT_POINTER_OFFSETS],
  };
  for (const [name, offsets] of Object.entries(losses)) {
    it(`is complete if the previous segment loses ${name} in a power failure`, () => {
      for (let seed = 1; seed <= 8; seed++) {
        for (let after = 0;; after++) {
          const disk = replaceable(seed);
          const [oldest] = segmentsOf(disk);
          disk.failAfter("crash", after);
          try {
            openLog(disk);
          } catch { /* the power cut */ }
          const isOpen = disk.isFaultPending;
          disk.crash();
          for (const offset of offsets) disk.flip(oldest!, offset + 20);
          const log = WalLog.openSync(FOLDER, { fileSystem: disk.fileSystem, readOnly: true, onDamage: "keep" });
          assert.deepEqual(log.entries(9, log.lastIndex), model.entries(9, 13), `after ${after}, seed ${seed}`);
          assert.deepEqual([log.lastIndex, log.hardState], [13, model.hardState]);
          if (isOpen) break;
        }
      }
    });
  }

  it("shows a writer with a lost lock that another one has continued", () => {
    const disk = replaceable(1);
    const { fileSystem } = disk;
    const first = openLog(disk);
    first.append(entriesAt(14, 14, 2));
    first.syncSync();
    const before = segmentsOf(disk).at(-1)!;
    // A writer whose LOCK was moved away and back, and whose files have other names in a copy with hard links.
    const unlocked = { ...fileSystem, lock: () => ({ check: () => undefined, release: () => {} }) };
    const second = WalLog.openSync(FOLDER, { fileSystem: unlocked, segmentBytes: SEGMENT_BYTES });
    assert.equal(second.lastIndex, 14);
    assert(!segmentsOf(disk).includes(before));
    first.append(entriesAt(15, 15, 2));
    assert.throws(
      () => first.syncSync(),
      (error) => error instanceof WalLogError && (error.cause as WalLogError).code === "LOCK_LOST",
    );
    second.append(entriesAt(15, 15, 3));
    second.syncSync();
    assert.equal(openLogAfterKill(disk).entry(15)!.term, 3);
  });

  it("is followed by a checkpoint, which proves the copies", () => {
    const disk = replaceable(1);
    openLog(disk);
    const newest = disk.content(segmentsOf(disk).at(-1)!);
    assert.equal(framesOf(newest).at(-1)!.kind, KIND_CHECKPOINT);
  });

  it("keeps its truncations, so that its loss reports entries that it may have replaced", () => {
    const disk = new SimulatedDisk({ seed: 1 });
    openLog(disk).append(entriesAt(1, 8));
    disk.restart();
    let log = openLog(disk);
    log.closeSync();
    log = openLog(disk);
    log.append(entriesAt(9, 60, 1, 700));
    log.syncSync();
    log.closeSync();
    openLog(disk);
    disk.restart();
    log = openLog(disk);
    log.truncate(50);
    log.append(entriesAt(50, 51, 3, 50));
    log.syncSync();
    disk.restart();
    log = openLog(disk);
    const replacing = segmentsOf(disk).at(-1)!;
    for (let index = 52; index < 90; index++) log.append([entryAt(index, 3, 4000)]);
    log.closeSync();
    assert(segmentsOf(disk).at(-1)! > replacing);
    disk.lose(replacing);
    const again = WalLog.openSync(FOLDER, { fileSystem: disk.fileSystem, readOnly: true, onDamage: "keep" });
    const [first] = again.damaged.map(({ firstIndex = 0 }) => firstIndex).sort((a, b) => a - b);
    assert.equal(first, 50);
  });

  it("is kept if it has damage", () => {
    const disk = replaceable(1);
    const newest = segmentsOf(disk)[1]!;
    disk.flip(newest, SEGMENT_HEADER_BYTES + 400);
    const log = WalLog.openSync(FOLDER, { fileSystem: disk.fileSystem, segmentBytes: SEGMENT_BYTES, onDamage: "keep" });
    assert(log.damaged.length > 0);
    assert(segmentsOf(disk).includes(newest));
  });

  it("is kept if it is more than half full", () => {
    const disk = replaceable(1);
    let log = openLog(disk);
    log.append(entriesAt(14, 60, 2, 700));
    log.syncSync();
    const newest = segmentsOf(disk).at(-1)!;
    disk.restart();
    log = openLog(disk);
    assert.equal(log.lastIndex, 60);
    assert(segmentsOf(disk).includes(newest));
  });
});

function openLogAfterKill(disk: SimulatedDisk): WalLog {
  disk.restart();
  return openLog(disk);
}
