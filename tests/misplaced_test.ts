/** Bytes with valid checksums at the wrong place. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CHANGES_END, KIND_ENTRIES, KIND_HARD_STATE } from "../src/format/frame.ts";
import { snapshotName } from "../src/format/snapshot_name.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { framesOf } from "./history.ts";
import { entry, FOLDER, isCorrupt, open, replace, segmentPath, sum, viewOf } from "./simulated_segments.ts";

describe("a misplaced block", () => {
  const closed = (fill: number): SimulatedDisk => {
    const disk = new SimulatedDisk({ seed: fill });
    const log = open(disk);
    for (const index of [1, 2, 3]) log.append([{ ...entry(index), command: new Uint8Array(472).fill(fill) }]);
    log.closeSync();
    return disk;
  };

  it("in another log at the same offset is refused", () => {
    const disk = closed(1);
    const bytes = disk.content(segmentPath(1));
    const [, second] = framesOf(bytes).filter(({ kind }) => kind === KIND_ENTRIES);
    const other = closed(2).content(segmentPath(1));
    bytes.set(other.subarray(second!.offset, second!.offset + 512), second!.offset);
    replace(disk, segmentPath(1), bytes);
    assert.throws(() => open(disk), isCorrupt);
  });

  it("elsewhere in the segment, with a discarded entry of the same index, is refused", () => {
    const disk = new SimulatedDisk();
    const log = open(disk);
    for (const index of [1, 2, 3]) log.append([entry(index, 472)]);
    log.truncate(3);
    log.append([{ ...entry(3, 472), command: new Uint8Array(472).fill(77) }]);
    log.closeSync();
    const bytes = disk.content(segmentPath(1));
    const [discarded, kept] = framesOf(bytes).filter(({ kind, index }) => kind === KIND_ENTRIES && index === 3);
    bytes.copyWithin(kept!.offset, discarded!.offset, discarded!.offset + 512);
    replace(disk, segmentPath(1), bytes);
    assert.throws(() => open(disk), isCorrupt);
  });

  it("elsewhere in the segment, with an older hard state and the same change counter, is refused", () => {
    const disk = new SimulatedDisk();
    const log = open(disk, { segmentBytes: 64 * 1024 });
    for (let term = 1; term <= 1 + CHANGES_END; term++) log.setHardState({ term, votedFor: null });
    log.syncSync();
    log.append([entry(1)]); // which proves the flush
    disk.restart();
    const bytes = disk.content(segmentPath(1));
    const hardStates = framesOf(bytes).filter(({ kind }) => kind === KIND_HARD_STATE);
    const [oldest, newest] = [hardStates[0]!, hardStates[CHANGES_END]!];
    bytes.copyWithin(newest.offset, oldest.offset, oldest.end);
    replace(disk, segmentPath(1), bytes);
    assert.throws(() => open(disk), isCorrupt);
  });
});

describe("a snapshot file", () => {
  const path = (index: number) => `${FOLDER}/${snapshotName(index, 1)}`;
  const withSnapshots = (seed: number, ...indexes: number[]): { disk: SimulatedDisk; contents: Uint8Array[] } => {
    const disk = new SimulatedDisk({ seed });
    const log = open(disk);
    const contents = indexes.map((index) => {
      log.applySnapshot({ index, term: 1, config: [1n], data: new Uint8Array(100).fill(seed) });
      return disk.content(path(index));
    });
    log.closeSync();
    return { disk, contents };
  };

  it("of another log, with the same index and term, is refused", () => {
    const { disk } = withSnapshots(1, 3);
    replace(disk, path(3), withSnapshots(2, 3).contents[0]!);
    assert.throws(() => open(disk), isCorrupt);
  });

  it("of another index, under the right name, is refused", () => {
    const { disk, contents } = withSnapshots(1, 3, 5);
    replace(disk, path(5), contents[0]!);
    assert.throws(() => open(disk), isCorrupt);
  });

  it("with more or less data than its last piece states is refused", () => {
    for (const difference of [-1n, 1n]) {
      const { disk, contents } = withSnapshots(1, 3);
      const bytes = contents[0]!;
      const view = viewOf(bytes);
      const at = bytes.length - 24;
      view.setBigUint64(at + 16, view.getBigUint64(at + 16, true) + difference, true);
      view.setBigUint64(at, sum(bytes.subarray(at + 8), view.getBigUint64(48, true) ^ BigInt(at)), true);
      replace(disk, path(3), bytes);
      assert.throws(() => open(disk), isCorrupt);
    }
  });
});
