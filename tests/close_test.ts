/** Closing a log: its final checkpoint, and which logs count as closed. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CHECKPOINT_BYTES } from "../src/format/checkpoint.ts";
import { FRAME_HEADER_BYTES, frameBytes, KIND_CHECKPOINT } from "../src/format/frame.ts";
import { SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";
import { decodeNextPointer } from "../src/format/next_pointer.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { framesOf } from "./history.ts";
import { CRASH_SEEDS, crashingAtEach, entry, headerOf, open, segmentPath, sum } from "./simulated_segments.ts";

describe("closing", () => {
  it("leaves a durable checkpoint when it returns", () => {
    for (let seed = 1; seed <= CRASH_SEEDS; seed++) {
      const disk = new SimulatedDisk({ seed });
      const log = open(disk);
      log.append([entry(1), entry(2)]);
      log.closeSync();
      disk.crash();
      const again = open(disk);
      assert.equal(again.lastIndex, 2);
      assert(again.recovery.closed, `seed ${seed}`);
    }
  });

  it("leaves a checkpoint that the next writer flushes if its last flush fails", () => {
    for (let seed = 1; seed <= CRASH_SEEDS * 30; seed++) {
      const disk = new SimulatedDisk({ seed });
      const log = open(disk);
      // The checkpoint must end at a sector border, so that a later torn write cannot destroy it.
      log.append([entry(1, 4)]);
      const { offset, length } = framesOf(disk.content(segmentPath(1))).at(-1)!;
      const end = offset + frameBytes(length);
      log.append([entry(2, 4096 - 512 - FRAME_HEADER_BYTES - CHECKPOINT_BYTES - (end - SEGMENT_HEADER_BYTES))]);
      log.syncSync();
      disk.failAfter("EIO", 0, "sync");
      assert.throws(() => log.closeSync());
      disk.restart();
      assert.equal(disk.content(segmentPath(1)).length % 512, 0);
      const again = open(disk);
      assert(again.recovery.closed);
      again.append([entry(3, 200)]);
      const syncs = seed % 2 === 0;
      if (syncs) again.syncSync();
      disk.crash();
      const last = open(disk);
      const { damage, harmless } = last.recovery;
      assert.deepEqual([damage, harmless], [[], []], `seed ${seed}`);
      assert(last.lastIndex >= (syncs ? 3 : 2), `seed ${seed}`);
    }
  });

  it("never looks like damage if it is interrupted by a crash", () => {
    crashingAtEach(
      (seed) => new SimulatedDisk({ seed }),
      (disk) => {
        const log = open(disk);
        log.append([1, 2, 3, 4, 5].map((index) => entry(index, 700)));
        log.closeSync();
      },
      (disk, when) => assert.notEqual(open(disk).recovery.verdict, "corrupt", when),
    );
  });
});

describe("a log that was not closed", () => {
  it("does not count as closed although its file ends with a checkpoint", () => {
    const disk = new SimulatedDisk();
    open(disk).append([entry(1)]);
    disk.restart();
    open(disk);
    disk.restart();
    const bytes = disk.content(segmentPath(2));
    const last = framesOf(bytes).at(-1)!;
    assert.equal(last.kind, KIND_CHECKPOINT);
    assert.equal(last.offset + CHECKPOINT_BYTES, bytes.length);
    assert(!open(disk, { readOnly: true }).recovery.closed);
  });

  it("does not count as closed by a checkpoint that recovery copied", () => {
    crashingAtEach(
      (seed) => {
        const disk = new SimulatedDisk({ seed });
        const log = open(disk);
        log.append([entry(1)]);
        log.closeSync();
        // The truncation of the file before the checkpoint did not reach the disk.
        const file = disk.fileSystem.open(segmentPath(1), "write");
        file.truncate(file.size() + 4096);
        file.sync();
        return disk;
      },
      (disk) => open(disk),
      (disk, when) => {
        // Until the new segment is named, the old one is the newest and may end with its own checkpoint.
        const bytes = disk.content(segmentPath(1));
        if (decodeNextPointer(bytes, true, headerOf(bytes).salt, sum).kind === "named") {
          assert(!open(disk, { readOnly: true }).recovery.closed, when);
        }
      },
    );
  });
});
