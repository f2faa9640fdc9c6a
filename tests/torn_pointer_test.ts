/** Torn segment indexes and next-segment pointers. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type RecoveryReport, WalLog } from "../mod.ts";
import { FRAME_HEADER_BYTES, KIND_SEGMENT_INDEX } from "../src/format/frame.ts";
import { NEXT_POINTER_OFFSETS, SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";
import { segmentName } from "../src/format/segment_name.ts";
import { entriesAt, entryAt, framesOf } from "./history.ts";
import { type Contents, MemoryDisk } from "./memory_disk.ts";
import { PATH, SECTOR_BYTES, SEGMENT } from "./torn_log.ts";

describe("a segment index after a crash", () => {
  // Few entries, and so many that their segment index does not fit a chunk.
  for (const entries of [100, 300_000]) {
    const segmentBytes = 16 * 1024 * 1024;
    const disk = new MemoryDisk();
    const written = WalLog.openSync(PATH, { fileSystem: disk, segmentBytes });
    while (written.lastIndex < entries) {
      const next = written.lastIndex + 1;
      written.append(entriesAt(next, Math.min(next + 9999, entries), 1, 0));
    }
    written.append([{ ...entryAt(entries + 1), command: new Uint8Array(segmentBytes) }]);
    const [sealed, begun] = [SEGMENT, "000000000002.seg"].map((name) => disk.contents().get(name)!.slice());
    written.closeSync();
    const segmentIndex = framesOf(sealed!).find(({ kind }) => kind === KIND_SEGMENT_INDEX)!;

    /** Opens the log in its state before the flush that commits the second segment. */
    const openAfter = (change: (sealed: Uint8Array) => Uint8Array): RecoveryReport => {
      const contents = disk.contents();
      // Without a next-segment pointer, and with an empty next segment.
      const unnamed = sealed!.slice();
      for (const offset of NEXT_POINTER_OFFSETS) unnamed.fill(0, offset, offset + SECTOR_BYTES);
      contents.set(SEGMENT, change(unnamed));
      contents.set("000000000002.seg", begun!.slice(0, SEGMENT_HEADER_BYTES));
      const log = WalLog.openSync(PATH, { fileSystem: new MemoryDisk(contents) });
      assert.equal(log.lastIndex, entries);
      log.closeSync();
      return log.recovery;
    };

    it(`is not torn if it is complete, of ${entries} entries`, () => {
      const { verdict, cut } = openAfter((sealed) => sealed);
      assert.deepEqual([verdict, cut], ["clean", undefined]);
    });

    const middle = segmentIndex.offset + FRAME_HEADER_BYTES +
      Math.floor(segmentIndex.length / 2 / SECTOR_BYTES) * SECTOR_BYTES;
    const tears: Record<string, (sealed: Uint8Array) => Uint8Array> = {
      "its payload is missing": (sealed) => sealed.fill(0, segmentIndex.offset + FRAME_HEADER_BYTES),
      "it has a hole": (sealed) => sealed.fill(0, middle, middle + SECTOR_BYTES),
      "the file ends in it": (sealed) => sealed.slice(0, middle),
    };
    for (const [what, tear] of Object.entries(tears)) {
      it(`is cut if ${what}, of ${entries} entries`, () => {
        const { verdict, cut } = openAfter(tear);
        assert.equal(verdict, "torn");
        assert.deepEqual([cut?.path, cut?.offset], [`${PATH}/${SEGMENT}`, segmentIndex.offset]);
      });
    }
  }
});

describe("a torn next-segment pointer in a log that had been closed before", () => {
  it("is never damage, however often the log is opened and closed later", () => {
    const disk = new MemoryDisk();
    let log = WalLog.openSync(PATH, { fileSystem: disk, segmentBytes: 4096 });
    log.append(entriesAt(1, 5));
    log.closeSync();
    const closed = disk.contents().get(SEGMENT)!.slice();
    log = WalLog.openSync(PATH, { fileSystem: disk, segmentBytes: 4096 });
    while (log.stats().segmentsSealed === 0) log.append([entryAt(log.lastIndex + 1, 1, 600)]);
    const next = [...disk.contents().keys()].find((name) => name.endsWith(".seg") && name !== SEGMENT)!;
    const slot = disk.contents().get(SEGMENT)!.slice(NEXT_POINTER_OFFSETS[0], NEXT_POINTER_OFFSETS[0] + 40);
    const begun = disk.contents().get(next)!.slice(0, SEGMENT_HEADER_BYTES);
    log.closeSync();
    const cases = Array.from({ length: slot.length }, (_, length) => [[length, 1], [length, 2]] as const).flat();
    for (const [length, copies] of cases) {
      const contents = disk.contents();
      const torn = closed.slice();
      for (const offset of NEXT_POINTER_OFFSETS.slice(0, copies)) torn.set(slot.subarray(0, length), offset);
      contents.set(SEGMENT, torn);
      contents.set(next, begun.slice());
      const left = new MemoryDisk(contents);
      for (let times = 0; times < 3; times++) {
        const again = WalLog.openSync(PATH, { fileSystem: left });
        assert.deepEqual(
          [again.recovery.verdict, again.lastIndex],
          ["clean", 5],
          `${copies} times ${length} bytes, ${times}`,
        );
        again.closeSync();
      }
    }
  });
});

describe("a torn next-segment pointer in a log that lost its newest segment", () => {
  for (const isRotten of [false, true]) {
    it(`does not hide the loss, for any part of the pointer${isRotten ? ", if the other copy rots" : ""}`, () => {
      const disk = new MemoryDisk();
      const log = WalLog.openSync(PATH, { fileSystem: disk });
      log.append(entriesAt(1, 5));
      log.syncSync();
      // As after a kill: the next writer continues in a second segment, which is then lost.
      const killed = new MemoryDisk(disk.contents());
      const second = WalLog.openSync(PATH, { fileSystem: killed });
      second.append(entriesAt(6, 9));
      second.closeSync();
      const contents = new Map(killed.contents());
      assert.ok(contents.delete(segmentName(2)));
      const slotOf = (files: Contents) =>
        files.get(SEGMENT)!.slice(NEXT_POINTER_OFFSETS[0], NEXT_POINTER_OFFSETS[0] + 40);
      const before = slotOf(contents);
      const lossy = new MemoryDisk(contents);
      WalLog.openSync(PATH, { fileSystem: lossy, onDamage: "keep" });
      const after = slotOf(lossy.contents());
      assert.notDeepEqual(after, before);
      // The pointer is written before the segment gets a frame of its own.
      const third = lossy.contents().get(segmentName(3))!.slice(0, SEGMENT_HEADER_BYTES);
      for (let length = 0; length <= after.length; length++) {
        const torn = new Map(lossy.contents());
        const first = torn.get(SEGMENT)!.slice();
        first.set([...after.subarray(0, length), ...before.subarray(length)], NEXT_POINTER_OFFSETS[0]);
        // The second copy still names the lost segment.
        first.set(before, NEXT_POINTER_OFFSETS[1]);
        if (isRotten) first[NEXT_POINTER_OFFSETS[1]]! ^= 1;
        torn.set(SEGMENT, first);
        torn.set(segmentName(3), third.slice());
        const message = `${length} bytes`;
        assert.throws(() => WalLog.openSync(PATH, { fileSystem: new MemoryDisk(torn) }), { code: "CORRUPT" }, message);
      }
    });
  }
});
