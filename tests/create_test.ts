/** Creating a log, and uncommitted segments. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { KIND_ENTRIES } from "../src/format/frame.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { framesOf } from "./history.ts";
import {
  CRASH_SEEDS,
  crashingAtEach,
  entry,
  FOLDER,
  isCorrupt,
  open,
  OPERATIONS_MAX,
  segmentPath,
} from "./simulated_segments.ts";

describe("creating a log", () => {
  it("leaves a log or none after a crash, and never looks like damage", () => {
    crashingAtEach(
      (seed) => new SimulatedDisk({ seed }),
      (disk) => open(disk),
      (disk, when) => {
        const log = open(disk);
        assert.equal(log.lastIndex, 0, when);
        assert.equal(log.recovery.damage.length, 0, when);
      },
    );
  });

  it("leaves a durable identity, so that the loss of every segment is noticed", () => {
    for (let seed = 1; seed <= CRASH_SEEDS; seed++) {
      const disk = new SimulatedDisk({ seed });
      const log = open(disk);
      log.append([entry(1)]);
      log.syncSync();
      const identity = disk.content(`${FOLDER}/IDENTITY`);
      disk.crash();
      assert.deepEqual(disk.content(`${FOLDER}/IDENTITY`), identity);
      for (const path of disk.files()) if (path.endsWith(".seg")) disk.lose(path);
      assert.throws(() => open(disk), isCorrupt, `seed ${seed}`);
    }
  });
});

describe("an uncommitted segment", () => {
  it("is never mistaken for a lost newest segment, even on a damaged log", () => {
    let left = 0;
    for (let seed = 1; seed <= CRASH_SEEDS; seed++) {
      for (let operation = 0; operation < OPERATIONS_MAX; operation++) {
        const disk = new SimulatedDisk({ seed });
        const log = open(disk);
        log.setHardState({ term: 1, votedFor: 1n });
        log.append([1, 2, 3, 4, 5].map((index) => entry(index)));
        log.closeSync();
        const { offset } = framesOf(disk.content(segmentPath(1))).find(({ kind }) => kind === KIND_ENTRIES)!;
        disk.flip(segmentPath(1), offset + 50);
        disk.failAfter("crash", operation);
        let isOpen = false;
        try {
          open(disk, { onDamage: "keep" });
          isOpen = true;
        } catch { /* the power went */ }
        disk.heal();
        disk.crash();
        if (isOpen) break;
        if (disk.files().includes(segmentPath(2))) left++;
        open(disk, { onDamage: "keep" });
        disk.restart();
        const healing = open(disk, { onDamage: "keep" });
        healing.applySnapshot({ index: 6, term: 2, config: [1n], data: new Uint8Array(4) });
        healing.setHardState({ term: 7, votedFor: 9n });
        healing.closeSync();
        disk.lose(disk.files().filter((path) => path.endsWith(".seg")).at(-1)!);
        const kept = open(disk, { onDamage: "keep" });
        assert.throws(() => kept.setHardState({ term: 7, votedFor: 2n }), { code: "CORRUPT" }, `${seed}, ${operation}`);
        kept.closeSync();
      }
    }
    assert(left > 0);
  });
});
