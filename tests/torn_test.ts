/**
 * A crash may keep any part of unflushed writes, in any order. These remains are cut and never reported as damage, and
 * cut data never comes back.
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WalLog, WalLogError } from "../mod.ts";
import { SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";
import { entriesAt, entryAt, framesOf, History } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { assertSameEntries, assertSameState, bytesOf, stateOf } from "./model.ts";
import { crashed, fewEntries, intact, openSegment, PATH, SEGMENT, stepsIn, type Subject, subject } from "./torn_log.ts";

/** Every cut of this many is also opened for writing, and each cut at either end of a frame. */
const WRITER_EVERY = 19;

function fewMore(history: History): void {
  history.append(entryAt(6, 2, 17, "config"), entryAt(7, 3, 64));
  history.do((log) => log.setHardState({ term: 3, votedFor: null }), (log) => log.truncate(5));
  history.append(...entriesAt(5, 7, 4, 30));
}

describe("a log cut at every byte", () => {
  const subjects: Record<string, () => Subject> = {
    "with entries after the last flush": () => subject(fewEntries, fewMore),
    "with a checkpoint, and entries behind it": () => subject(fewEntries, fewMore, true),
    "that was never flushed": () => subject(() => {}, fewEntries),
    "of which every frame says that all before it is durable": () =>
      subject(
        (history) => {
          for (let index = 1; index <= 8; index++) history.append(entryAt(index, index, index * 3)).sync();
        },
        () => {},
        true,
      ),
  };
  const cuts: Record<string, (segment: Uint8Array, at: number) => Uint8Array> = {
    "by its end": (segment, at) => segment.subarray(0, at),
    "by zeros": (segment, at) => {
      const cut = segment.slice();
      cut.fill(0, at);
      return cut;
    },
  };

  for (const [name, make] of Object.entries(subjects)) {
    for (const [how, cut] of Object.entries(cuts)) {
      it(`${name}, ${how}, ends before the cut frame, and can be written`, () => {
        const { history, segment, frames } = make();
        for (let at = SEGMENT_HEADER_BYTES; at <= frames.at(-1)!.end; at++) {
          const when = `cut at byte ${at}`;
          const left = cut(segment, at);
          const kept = intact(frames, segment, left);
          const expected = history.states[stepsIn(kept)]!;
          const whole = kept.at(-1)?.end ?? SEGMENT_HEADER_BYTES;
          const isTorn = left.subarray(whole).some((byte) => byte !== 0);
          const reader = openSegment(left, true).log;
          assertSameState(stateOf(reader), expected, when);
          assert.equal(reader.recovery.verdict, isTorn ? "torn" : "clean", when);
          assert.equal(reader.recovery.cut?.offset, isTorn ? whole : undefined, when);
          assert.deepEqual(reader.recovery.damage, [], when);
          assert.equal(reader.recovery.closed, false, when);
          reader.closeSync();
          if (at % WRITER_EVERY !== 0 && !frames.some(({ offset }) => Math.abs(offset - at) <= 1)) continue;

          const { log, disk } = openSegment(left);
          assert.equal(log.durableIndex, log.lastIndex, when);
          const again = WalLog.openSync(PATH, { fileSystem: crashed(disk) });
          assertSameState(stateOf(again), expected, `${when}, opened and killed`);
          again.closeSync();
          const next = entryAt(log.lastIndex + 1, 9, 40, "normal", at);
          log.append([next]);
          log.closeSync();
          const later = WalLog.openSync(PATH, { fileSystem: disk });
          assert.equal(later.recovery.verdict, "clean", when);
          assert.equal(later.lastIndex, next.index, when);
          assertSameEntries([later.entry(next.index)!], [next], when);
          later.truncate(next.index);
          assertSameState(stateOf(later), expected, `${when}, opened, written and closed`);
          later.closeSync();
        }
      });
    }
  }

  it("in the middle of a large entry loses that entry and no other", () => {
    const { history, segment, frames } = subject(
      fewEntries,
      (history) => history.append(entryAt(6, 2, 3 * 2 ** 20 + 5), entryAt(7, 2, 10)),
    );
    const large = frames.find(({ length }) => length > 2 ** 20)!;
    for (const at of [1, 39, 40, 41, 2 ** 20 - 1, 2 ** 20, 2 ** 20 + 40, 2 ** 21 + 8, large.length + 39]) {
      const torn = segment.slice();
      torn.fill(0, large.offset + at, large.end + 40);
      const { log } = openSegment(torn);
      assertSameState(stateOf(log), history.states[stepsIn(intact(frames, segment, torn))]!, `zeros from ${at}`);
      assert.equal(log.recovery.verdict, "torn");
      log.closeSync();
    }
  });
});

describe("the end of a log", () => {
  it("is torn if anything but a frame follows", () => {
    for (const filling of ["ones", "noise", "counting"] as const) {
      const { history, segment, frames } = subject(fewEntries, fewMore);
      const { end } = frames.at(-1)!;
      for (const [from, length] of [[end, 8], [end, 1000], [end + 8, 40], [end + 800, 1]] as const) {
        const junk = segment.slice();
        junk.set(bytesOf(length, filling).map((byte) => byte | 1), from);
        const { log } = openSegment(junk);
        assertSameState(stateOf(log), history.last, `${length} bytes of ${filling}`);
        assert.equal(log.recovery.verdict, "torn");
        assert.equal(log.recovery.cut!.offset, end);
        assert.equal(log.recovery.cut!.bytes, from + length - end);
        log.closeSync();
      }
    }
  });

  it("is not confused by an entry that contains a copy of the log", () => {
    const inner = subject(fewEntries, fewMore);
    for (const shift of [0, 8, 24, 4096]) {
      const command = new Uint8Array(shift + inner.segment.length);
      command.set(inner.segment, shift);
      const disk = new MemoryDisk();
      const history = new History(WalLog.openSync(PATH, { fileSystem: disk }));
      history.append(entryAt(1)).sync();
      // Twice: once below the proven LSN, once above it.
      history.append({ ...entryAt(2), command }).sync();
      history.append(entryAt(3)).append({ ...entryAt(4), command }, entryAt(5));
      const segment = disk.contents().get(SEGMENT)!.slice();
      const { log } = openSegment(segment);
      assertSameState(stateOf(log), history.last, `a copy shifted by ${shift}`);
      log.closeSync();
      const frame = framesOf(segment).filter(({ index }) => index === 4)[0]!;
      segment[frame.offset + 20] = 0xff;
      const torn = openSegment(segment).log;
      assertSameState(stateOf(torn), history.states[3]!, `a copy shifted by ${shift} in a torn frame`);
      assert.equal(torn.recovery.verdict, "torn");
      torn.closeSync();
    }
  });

  it("is corrupt, not torn, if a hole is below the LSN that a later frame proves durable", () => {
    const { segment, frames, durableEnd } = subject(fewEntries, fewMore);
    // One later frame proves it, at any distance from the hole.
    for (const proof of frames.filter(({ offset }) => offset >= durableEnd)) {
      const holed = segment.slice();
      holed.fill(0, frames[2]!.offset, proof.offset);
      holed.fill(0, proof.end);
      assert.throws(() => openSegment(holed), (error) => {
        assert.ok(error instanceof WalLogError && error.code === "CORRUPT", `${error}`);
        assert.equal(error.offset, frames[2]!.offset);
        return true;
      }, `proof at ${proof.offset}`);
    }
  });

  it("is before the last segment if a crash interrupted its creation", () => {
    const { history, segment } = subject(fewEntries, () => {});
    const blank = new Uint8Array(SEGMENT_HEADER_BYTES);
    const half = blank.slice();
    half.fill(0xaa, 0, 512);
    for (const started of [new Uint8Array(0), new Uint8Array(100), blank, half]) {
      const disk = new MemoryDisk(new Map([[SEGMENT, segment], ["000000000002.seg", started]]));
      const log = WalLog.openSync(PATH, { fileSystem: disk });
      assertSameState(stateOf(log), history.last, `${started.length} bytes of a second segment`);
      assert.notEqual(log.recovery.verdict, "corrupt");
      assert.equal(disk.contents().has("000000000002.seg"), false, "the uncommitted segment is gone");
      log.closeSync();
    }
    // The same for the first segment.
    for (const started of [new Uint8Array(0), blank, half]) {
      const log = openSegment(started).log;
      assert.equal(log.lastIndex, 0);
      assert.equal(log.recovery.verdict, "clean");
      log.closeSync();
    }
  });
});
