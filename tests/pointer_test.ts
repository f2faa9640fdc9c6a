/** The next-segment pointer of a sealed segment, damaged or lost. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { NEXT_POINTER_OFFSETS } from "../src/format/header_block.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { entry, isCorrupt, longLog, open, segmentPath } from "./simulated_segments.ts";

describe("a next-segment pointer", () => {
  it("that rots still leads to the next segment", () => {
    for (let byte = 0; byte < 40; byte++) {
      for (const mask of [1, 2, 4, 128]) {
        const disk = longLog();
        const path = disk.files().filter((path) => path.endsWith(".seg")).at(-2)!;
        for (const copy of NEXT_POINTER_OFFSETS) disk.flip(path, copy + byte, mask);
        const log = open(disk, { readOnly: true });
        assert.equal(log.lastIndex, 40, `byte ${byte}, bits ${mask}`);
        assert.deepEqual(log.entry(40), entry(40, 600));
      }
    }
  });

  it("that was lost is written again by the next writer, so that a lost segment shows", () => {
    const disk = new SimulatedDisk();
    const log = open(disk);
    log.append([entry(1, 100)]);
    log.syncSync();
    disk.restart();
    open(disk).closeSync();
    for (const copy of NEXT_POINTER_OFFSETS) disk.zero(segmentPath(1), copy, 512);
    const again = open(disk);
    again.setHardState({ term: 2, votedFor: 3n });
    again.closeSync();
    disk.lose(segmentPath(2));
    assert.throws(() => open(disk), isCorrupt);
  });

  it("that is damaged shows that a segment is lost only if it named one", () => {
    for (const isNamed of [true, false]) {
      for (let byte = 0; byte < 40; byte++) {
        const disk = new SimulatedDisk();
        const log = open(disk);
        log.append([entry(1, 100), entry(2, 100)]);
        log.syncSync();
        log.setHardState({ term: 1, votedFor: 2n });
        if (isNamed) {
          // As after a kill: the segment gets no index, and the next one holds the entries acknowledged later.
          disk.restart();
          const again = open(disk);
          again.setHardState({ term: 2, votedFor: 3n });
          again.closeSync();
        } else log.closeSync();
        for (const copy of isNamed ? NEXT_POINTER_OFFSETS : [NEXT_POINTER_OFFSETS[byte % 2]!]) {
          disk.flip(segmentPath(1), copy + byte, 4);
        }
        if (!isNamed) assert.deepEqual(open(disk, { readOnly: true }).hardState, { term: 1, votedFor: 2n });
        else {
          assert.equal(open(disk, { readOnly: true }).hardState.term, 2, `byte ${byte}`);
          disk.lose(segmentPath(2));
          assert.throws(() => open(disk), isCorrupt, `byte ${byte}`);
          const kept = open(disk, { onDamage: "keep" });
          assert.throws(() => kept.setHardState({ term: 2, votedFor: 4n }), isCorrupt);
          assert.deepEqual(open(disk, { readOnly: true, onDamage: "keep" }).recovery.verdict, "corrupt");
        }
      }
    }
  });

  it("lost together with the segment that it named is reported", () => {
    const disk = longLog();
    const segments = disk.files().filter((path) => path.endsWith(".seg"));
    disk.lose(segments.at(-1)!);
    for (const copy of NEXT_POINTER_OFFSETS) disk.zero(segments.at(-2)!, copy, 512);
    assert.throws(() => open(disk), isCorrupt);
    assert.throws(() => open(disk, { verify: "tail" }), isCorrupt);
  });
});
