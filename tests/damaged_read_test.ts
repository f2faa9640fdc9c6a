/** Reads from a segment that is damaged while the log is open, or that has a wrong segment index. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FRAME_HEADER_BYTES, KIND_ENTRIES } from "../src/format/frame.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { framesOf } from "./history.ts";
import { add, entry, indexedWrongly, open, segmentPath } from "./simulated_segments.ts";

describe("a frame larger than a chunk", () => {
  it("is verified when it is read, not only when the log is opened", () => {
    const disk = new SimulatedDisk();
    const log = open(disk);
    log.append([entry(1, 3 * 2 ** 20), entry(2)]);
    log.closeSync();
    const reader = open(disk, { readOnly: true });
    assert.equal(reader.entry(1)?.command.length, 3 * 2 ** 20);
    const path = disk.files().find((path) => path.endsWith(".seg") && disk.content(path).length > 3 * 2 ** 20)!;
    disk.flip(path, 2 * 2 ** 20);
    assert.throws(() => reader.entry(1), { code: "DAMAGED_ENTRY" });
    assert.throws(() => reader.entries(1, 2), { code: "DAMAGED_ENTRY" });
    assert.equal(reader.entry(2)?.index, 2);
  });
});

describe("a segment that rots while a log is open", () => {
  it("gives no wrong entry, read singly or in a range", () => {
    const disk = new SimulatedDisk();
    const log = open(disk);
    for (const index of [1, 2, 3]) log.append([entry(index, 100)]);
    log.closeSync();
    const reader = open(disk, { readOnly: true });
    const [, second] = framesOf(disk.content(segmentPath(1))).filter(({ kind }) => kind === KIND_ENTRIES);
    disk.flip(segmentPath(1), second!.offset + FRAME_HEADER_BYTES + 50);
    assert.throws(() => reader.entry(2), { code: "DAMAGED_ENTRY" });
    assert.throws(() => reader.entries(1, 3), { code: "DAMAGED_ENTRY" });
    assert.deepEqual(reader.entry(3), entry(3, 100));
  });
});

describe("a sealed segment", () => {
  it("with a wrong segment index gives no wrong entry", () => {
    const log = open(indexedWrongly((view, pagesAt) => add(view, pagesAt + 8, 640n)), {
      verify: "tail",
      readOnly: true,
    });
    assert.throws(() => log.entry(1), { code: "DAMAGED_ENTRY" });
    assert.throws(() => log.entries(1, 3), { code: "DAMAGED_ENTRY" });
    assert.deepEqual(log.entry(2), entry(2, 600));
  });
});
