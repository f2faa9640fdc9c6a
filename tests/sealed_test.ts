/** Sealed segments: each must agree with the next one and with its own segment index. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  FRAME_HEADER_BYTES,
  FRAME_HEADER_CHECKSUM,
  FRAME_KIND,
  FRAME_LENGTH,
  FRAME_PAYLOAD_CHECKSUM,
  FRAME_UNPROVEN,
  KIND_ENTRIES,
  KIND_SEGMENT_INDEX,
} from "../src/format/frame.ts";
import { HEADER_OFFSETS } from "../src/format/header_block.ts";
import { encodeSegmentIndex } from "../src/format/segment_index.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { framesOf } from "./history.ts";
import {
  add,
  entry,
  headerOf,
  indexedWrongly,
  isCorrupt,
  longLog,
  open,
  replace,
  segmentPath,
  sum,
  viewOf,
} from "./simulated_segments.ts";

/** Recomputes the checksum of a frame's header. */
function seal(bytes: Uint8Array, offset: number): void {
  const { salt, baseLsn } = headerOf(bytes);
  const header = bytes.subarray(offset + FRAME_LENGTH, offset + FRAME_HEADER_BYTES);
  const value = sum(header, salt ^ BigInt(baseLsn + offset));
  viewOf(bytes).setUint32(offset + FRAME_HEADER_CHECKSUM, Number(value & 0xffffffffn), true);
}

describe("a sealed segment", () => {
  it("is damaged if its last frame is not the one that the next segment names", () => {
    const disk = longLog();
    const bytes = disk.content(segmentPath(2));
    const last = framesOf(bytes).findLast(({ kind }) => kind !== KIND_SEGMENT_INDEX)!;
    viewOf(bytes).setUint32(last.offset + FRAME_UNPROVEN, 8, true);
    seal(bytes, last.offset);
    replace(disk, segmentPath(2), bytes);
    assert.throws(() => open(disk), isCorrupt);
  });

  it("is damaged if it does not end in the state that the next segment repeats", () => {
    const disk = longLog();
    const bytes = disk.content(segmentPath(3));
    const view = viewOf(bytes);
    view.setBigUint64(96, 3n, true); // the hard state's term
    view.setBigUint64(400, sum(bytes.subarray(0, 400), 0n), true);
    bytes.copyWithin(HEADER_OFFSETS[1], 0, 512);
    replace(disk, segmentPath(3), bytes);
    assert.throws(() => open(disk), isCorrupt);
  });

  for (const baseLsn of [0x10000n, 2n ** 52n - 8n]) {
    it(`takes no memory if the next one at ${baseLsn} claims trillions of entries before it`, () => {
      const disk = longLog();
      const bytes = disk.content(segmentPath(3));
      const view = viewOf(bytes);
      view.setBigUint64(40, baseLsn, true);
      view.setBigUint64(80, 2n ** 42n, true); // the next index
      view.setBigUint64(400, sum(bytes.subarray(0, 400), 0n), true);
      bytes.copyWithin(HEADER_OFFSETS[1], 0, 512);
      replace(disk, segmentPath(3), bytes);
      for (const onDamage of ["fail", "keep"] as const) assert.throws(() => open(disk, { onDamage }), isCorrupt);
    });
  }

  for (const claims of ["less than", "all that"]) {
    it(`is damaged if a segment index in an entry's place lists ${claims} the next names`, () => {
      const disk = longLog();
      const bytes = disk.content(segmentPath(1));
      const entries = framesOf(bytes).filter(({ kind }) => kind === KIND_ENTRIES);
      const indexOffset = entries.at(-1)!.offset;
      if (claims === "less than") entries.pop();
      const segmentIndex = encodeSegmentIndex(
        {
          indexOffset,
          firstIndex: entries[0]!.index,
          nextIndex: entries.at(-1)!.index + 1,
          pages: Float64Array.from(entries.flatMap(({ index, offset }) => [index, offset])),
          runs: [[entries[0]!.index, 1]],
          lowestTruncated: Infinity,
        },
        headerOf(bytes).salt,
        sum,
      );
      const shorter = new Uint8Array(indexOffset + FRAME_HEADER_BYTES + segmentIndex.length);
      shorter.set(bytes.subarray(0, indexOffset));
      shorter.set(segmentIndex, indexOffset + FRAME_HEADER_BYTES);
      const view = viewOf(shorter);
      view.setUint32(indexOffset + FRAME_LENGTH, segmentIndex.length, true);
      view.setUint8(indexOffset + FRAME_KIND, KIND_SEGMENT_INDEX);
      view.setBigUint64(indexOffset + FRAME_PAYLOAD_CHECKSUM, sum(segmentIndex, 0n), true);
      seal(shorter, indexOffset);
      disk.lose(segmentPath(1));
      disk.fileSystem.open(segmentPath(1), "create");
      replace(disk, segmentPath(1), shorter);
      assert.throws(() => open(disk, { verify: "tail", readOnly: true }), isCorrupt);
    });
  }

  it("is read with the second copy of its header if the first one is damaged", () => {
    const disk = longLog();
    const { lastIndex } = open(disk, { readOnly: true });
    disk.flip(segmentPath(2), HEADER_OFFSETS[0] + 40, 1);
    const log = open(disk, { readOnly: true });
    assert.deepEqual([log.recovery.verdict, log.lastIndex], ["clean", lastIndex]);
  });

  it("is scanned if any bit of its segment index is flipped", () => {
    const disk = new SimulatedDisk();
    const log = open(disk);
    while (log.stats().segmentsSealed === 0) log.append([entry(log.lastIndex + 1, 600)]);
    // The second segment drops entries of the first.
    log.truncate(log.lastIndex - 3);
    while (log.stats().segmentsSealed < 2) log.append([entry(log.lastIndex + 1, 600)]);
    const good = log.entries(1, log.lastIndex);
    log.closeSync();
    const bytes = disk.content(segmentPath(2));
    const size = bytes.length;
    const segmentIndex = framesOf(bytes).findLast(({ kind }) => kind === KIND_SEGMENT_INDEX)!;
    for (let offset = segmentIndex.offset + FRAME_HEADER_BYTES; offset < size; offset++) {
      for (const mask of [1, 2, 4, 128]) {
        disk.flip(segmentPath(2), offset, mask);
        const again = open(disk, { verify: "tail", readOnly: true });
        assert.deepEqual(again.entries(1, again.lastIndex), good, `byte ${offset - size}, mask ${mask}`);
        disk.flip(segmentPath(2), offset, mask);
      }
    }
  });

  it("is scanned if its segment index is from another place or has impossible pages", () => {
    const wrongs: Record<string, (view: DataView, pagesAt: number, trailerAt: number) => void> = {
      "the place of another": (view, _, trailerAt) => add(view, trailerAt + 8, -8n),
      "a page behind the next": (view, pagesAt) => add(view, pagesAt + 8, 8192n),
      "a page of no frame": (view, pagesAt) => add(view, pagesAt + 8, 4n),
      "a page that begins below the segment": (view, pagesAt) => add(view, pagesAt, -1n),
      "a page behind the last entry": (view, _, trailerAt) => add(view, trailerAt + 24, -30n),
    };
    for (const [wrong, make] of Object.entries(wrongs)) {
      const log = open(indexedWrongly(make), { verify: "tail", readOnly: true });
      assert.deepEqual(log.entries(1, 40), Array.from({ length: 40 }, (_, i) => entry(i + 1, 600)), wrong);
    }
  });
});
