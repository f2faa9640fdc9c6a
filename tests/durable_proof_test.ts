/** The proof that data is durable: when it reaches the disk, and what it covers. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { KIND_ENTRIES, KIND_SNAPSHOT } from "../src/format/frame.ts";
import { NEXT_POINTER_OFFSETS } from "../src/format/header_block.ts";
import { decodeSegmentHeader } from "../src/format/segment_header.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { framesOf } from "./history.ts";
import {
  CRASH_SEEDS,
  crashingAtEach,
  entry,
  isCorrupt,
  open,
  OPERATIONS_MAX,
  replace,
  segmentPath,
  sum,
} from "./simulated_segments.ts";

describe("the proof that data is durable", () => {
  it("exists for a streamed snapshot when its stream is closed", async () => {
    for (let seed = 1; seed <= CRASH_SEEDS; seed++) {
      const disk = new SimulatedDisk({ seed });
      const log = open(disk);
      const data = new Uint8Array(3000).fill(seed);
      const writer = log.receiveSnapshot({ index: 10, term: 1, config: [1n] }).getWriter();
      await writer.write(data);
      await writer.close();
      disk.crash();
      assert.deepEqual(open(disk).snapshot()?.data, data, `seed ${seed}`);
    }
  });

  it("exists for a snapshot that cleared the log when it is installed", () => {
    const disk = new SimulatedDisk();
    const log = open(disk);
    log.append([entry(1), entry(2), entry(3)]);
    log.applySnapshot({ index: 10, term: 1, config: [1n], data: new Uint8Array(9) });
    disk.restart();
    const frame = framesOf(disk.content(segmentPath(1))).find(({ kind }) => kind === KIND_SNAPSHOT)!;
    disk.flip(segmentPath(1), frame.offset);
    const again = open(disk);
    assert.deepEqual([again.snapshotIndex, again.lastIndex, again.lastTerm], [10, 10, 1]);
    assert.equal(again.snapshot()?.data.length, 9);
    assert.deepEqual(again.recovery.harmless.map(({ kind }) => kind), ["frames"]);
  });

  it("of a snapshot survives damage to its frame and to the checkpoint after it", () => {
    const disk = new SimulatedDisk();
    const log = open(disk);
    for (let index = 1; index <= 12; index++) log.append([entry(index, 1000)]);
    log.compact(12, { data: new Uint8Array(9) });
    disk.restart();
    const path = disk.files().findLast((name) => name.endsWith(".seg"))!;
    const frame = framesOf(disk.content(path)).find(({ kind }) => kind === KIND_SNAPSHOT)!;
    disk.zero(path, frame.offset, disk.content(path).findLastIndex((byte) => byte !== 0) + 1 - frame.offset);
    // The durable slot has the snapshot too.
    const again = open(disk);
    assert.deepEqual([again.snapshotIndex, again.lastIndex], [12, 12]);
    assert.deepEqual(again.recovery.harmless.map(({ kind }) => kind), ["frames"]);
  });

  it("of data that a failed rotation flushed is written when the log is idle", () => {
    const disk = new SimulatedDisk();
    const log = open(disk);
    disk.idle();
    for (const index of [1, 2, 3]) log.append([entry(index, 1000)]);
    disk.failAfter("ENOSPC", 0, "create");
    assert.throws(() => log.append([entry(4, 5000)]), { code: "NO_SPACE" });
    disk.heal();
    assert.equal(log.syncSync(), 3);
    disk.idle();
    disk.restart();
    const { offset } = framesOf(disk.content(segmentPath(1))).find(({ kind, index }) =>
      kind === KIND_ENTRIES && index === 3
    )!;
    disk.flip(segmentPath(1), offset + 100);
    assert.throws(() => open(disk), isCorrupt);
  });

  it("of a flush is in the next frame, whatever is damaged before it", () => {
    for (const place of ["header", "payload"]) {
      const disk = new SimulatedDisk();
      const log = open(disk);
      log.append([entry(1, 1000)]);
      log.syncSync();
      log.append([entry(2)]);
      disk.restart();
      const { offset } = framesOf(disk.content(segmentPath(1))).find(({ kind }) => kind === KIND_ENTRIES)!;
      disk.flip(segmentPath(1), place === "header" ? offset : offset + 100);
      assert.throws(() => open(disk), isCorrupt, place);
    }
  });

  it("is omitted on a full disk, and the log works when there is space", () => {
    const disk = new SimulatedDisk();
    const log = open(disk);
    log.append([entry(1)]);
    log.syncSync();
    disk.failAfter("ENOSPC", 0, "write");
    disk.idle();
    disk.heal();
    log.append([entry(2)]);
    assert.equal(log.syncSync(), 2);
    log.closeSync();
    assert.equal(open(disk).recovery.verdict, "clean");
  });

  it("exists for frames that recovery copied when the log is open", () => {
    const disk = new SimulatedDisk();
    const log = open(disk);
    for (const index of [1, 2, 3]) log.append([entry(index)]);
    disk.restart();
    assert.equal(open(disk).durableIndex, 3);
    disk.restart();
    const frame = framesOf(disk.content(segmentPath(2))).findLast(({ kind }) => kind === KIND_ENTRIES)!;
    assert.equal(frame.index, 3);
    disk.flip(segmentPath(2), frame.offset);
    assert.throws(() => open(disk), isCorrupt);
  });

  /** A log whose power fails while a segment is created. */
  function cutOff(seed: number, operation: number): SimulatedDisk {
    const disk = new SimulatedDisk({ seed });
    const log = open(disk);
    for (let index = 1; index <= 5; index++) log.append([entry(index, 700)]);
    log.syncSync();
    disk.failAfter("crash", operation);
    try {
      log.append([entry(6, 3000)]);
    } catch { /* the power went */ }
    disk.crash();
    return disk;
  }

  /** Whether there is a readable segment that is not named yet. */
  function isBegun(disk: SimulatedDisk): boolean {
    const bytes = disk.files().includes(segmentPath(2)) ? disk.content(segmentPath(2)) : new Uint8Array(0);
    const slot = disk.content(segmentPath(1)).subarray(NEXT_POINTER_OFFSETS[0], NEXT_POINTER_OFFSETS[0] + 512);
    return decodeSegmentHeader(bytes, 0, sum) !== undefined && slot.every((byte) => byte === 0);
  }

  /** Disks with a new segment that nothing names yet. */
  function* begunSegments(): Generator<readonly [disk: SimulatedDisk, when: string]> {
    for (let seed = 1; seed <= CRASH_SEEDS; seed++) {
      for (let operation = 0; operation < 9; operation++) {
        const disk = cutOff(seed, operation);
        if (isBegun(disk)) yield [disk, `seed ${seed}, operation ${operation}`];
      }
    }
  }

  it("includes the header of a new segment before a pointer names it", () => {
    let tried = 0;
    for (const [disk, when] of begunSegments()) {
      tried++;
      const last = framesOf(disk.content(segmentPath(1))).findLast(({ kind }) => kind === KIND_ENTRIES)!;
      disk.flip(segmentPath(1), last.offset);
      assert.throws(() => open(disk), isCorrupt, when);
    }
    assert(tried > 0);
  });

  it("of the newest segment does not cover unfinished copies of recovery", () => {
    for (let round = 0; round < 8; round++) {
      crashingAtEach(
        (seed) => {
          const disk = new SimulatedDisk({ seed: seed + round * 100_000 });
          const log = open(disk);
          for (let index = 1; index <= 12; index++) log.append([entry(index, 300)]);
          // Durable, but nothing on the disk proves it yet.
          log.syncSync();
          disk.restart();
          return disk;
        },
        (disk) => open(disk),
        (disk, when) => assert.equal(open(disk).lastIndex, 12, `round ${round}, ${when}`),
      );
    }
  });

  it("of the newest segment is the pointer to it, not an uncommitted segment", () => {
    let tried = 0;
    for (const [disk, when] of begunSegments()) {
      tried++;
      const begun = disk.content(segmentPath(2));
      const log = open(disk);
      log.append([entry(log.lastIndex + 1)]);
      log.syncSync();
      disk.restart();
      disk.lose(segmentPath(3));
      disk.fileSystem.open(segmentPath(2), "create");
      replace(disk, segmentPath(2), begun);
      assert.throws(() => open(disk), isCorrupt, when);
    }
    assert(tried > 0);
  });

  it("never shrinks by a crash in recovery", () => {
    for (let seed = 1; seed <= CRASH_SEEDS; seed++) {
      for (let operation = 0; operation < 9; operation++) {
        const proven = open(cutOff(seed, operation), { readOnly: true }).recovery.provenIndex;
        for (let step = 0; step < OPERATIONS_MAX; step++) {
          const disk = cutOff(seed, operation);
          disk.failAfter("crash", step);
          try {
            open(disk);
          } catch { /* the power went */ }
          const done = disk.hasPower;
          disk.crash();
          const { recovery } = open(disk, { readOnly: true });
          assert(recovery.provenIndex >= proven, `seed ${seed}, operations ${operation} and ${step}`);
          if (done) break;
        }
      }
    }
  });
});
