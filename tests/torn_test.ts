/**
 * What a crash leaves of the writes that no flush covered: any part of them, in any order. It is cut, never called
 * corrupt, and what was cut never comes back.
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type RecoveryReport, WalLog, WalLogError } from "../mod.ts";
import { FRAME_HEADER_BYTES, KIND_CHECKPOINT, KIND_ENTRIES, KIND_SEGMENT_INDEX } from "../src/format/frame.ts";
import { DURABLE_SLOT_OFFSETS, NEXT_POINTER_OFFSETS, SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";
import { segmentName } from "../src/format/segment_name.ts";
import { entriesAt, entryAt, type FrameAt, framesOf, History } from "./history.ts";
import { type Contents, MemoryDisk } from "./memory_disk.ts";
import { assertSameEntries, assertSameState, bytesOf, stateOf } from "./model.ts";
import { WatchedFileSystem } from "./watched_file_system.ts";

const PATH = MemoryDisk.PATH;
const SEGMENT = "000000000001.seg";
/** What a disk writes whole or not at all. In bytes. */
const SECTOR_BYTES = 512;
/** Of the cuts, every so many is also opened for writing, and those at either end of a frame. */
const WRITER_EVERY = 19;

/** A log that was not closed, and what was done to it. */
interface Subject {
  readonly history: History;
  readonly segment: Uint8Array;
  readonly frames: readonly FrameAt[];
  /** Where the last flush ended in the file. */
  readonly durableEnd: number;
}

function subject(write: (history: History) => void, unsynced: (history: History) => void, mark = false): Subject {
  const disk = new MemoryDisk();
  const fileSystem = new WatchedFileSystem(disk);
  const history = new History(WalLog.openSync(PATH, { fileSystem }));
  write(history);
  const durableEnd = framesOf(disk.contents().get(SEGMENT)!).at(-1)?.end ?? SEGMENT_HEADER_BYTES;
  if (mark) fileSystem.rest();
  unsynced(history);
  const whole = disk.contents().get(SEGMENT)!;
  const frames = framesOf(whole);
  // Of the zeros ahead, enough to be zeros ahead.
  const segment = whole.slice(0, Math.min(whole.length, frames.at(-1)!.end + 4 * SECTOR_BYTES));
  // A crash that cuts what a durable slot proves is damage. No flush has covered the slot here, so the crash lost it too.
  for (const offset of DURABLE_SLOT_OFFSETS) segment.fill(0, offset, offset + SECTOR_BYTES);
  return { history, segment, frames, durableEnd };
}

function fewEntries(history: History): void {
  history.append(entryAt(1, 1, 0), entryAt(2, 1, 5));
  history.do((log) => log.setHardState({ term: 2, votedFor: 2n ** 63n }));
  history.append(...entriesAt(3, 5, 2, 40)).sync();
}

function fewMore(history: History): void {
  history.append(entryAt(6, 2, 17, "config"), entryAt(7, 3, 64));
  history.do((log) => log.setHardState({ term: 3, votedFor: null }), (log) => log.truncate(5));
  history.append(...entriesAt(5, 7, 4, 30));
}

/** Opens a disk with one segment on it. */
function openSegment(segment: Uint8Array, readOnly = false): { log: WalLog; disk: MemoryDisk } {
  const disk = new MemoryDisk(new Map([[SEGMENT, segment]]));
  return { log: WalLog.openSync(PATH, { fileSystem: disk, readOnly }), disk };
}

/** What is on a disk now, on another one: what a reopener finds after a kill. */
function crashed(disk: MemoryDisk): MemoryDisk {
  return new MemoryDisk(new Map([...disk.contents()].map(([name, bytes]) => [name, bytes.slice()])));
}

/** What is left of a segment: the frames before the first that is not as it was. */
function intact(frames: readonly FrameAt[], before: Uint8Array, after: Uint8Array): readonly FrameAt[] {
  const broken = frames.findIndex(({ offset, end }) =>
    after.length < end || before.subarray(offset, end).some((byte, i) => byte !== after[offset + i])
  );
  return broken < 0 ? frames : frames.slice(0, broken);
}

/** How many steps of a history these frames are: each wrote one. */
function stepsIn(frames: readonly FrameAt[]): number {
  return frames.filter(({ kind }) => kind !== KIND_CHECKPOINT).length;
}

describe("a log cut at every byte", () => {
  const subjects: Record<string, () => Subject> = {
    "with entries behind the last flush": () => subject(fewEntries, fewMore),
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
      it(`${name}, ${how}, is what it was before the frame that was cut, and goes on from there`, () => {
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

describe("unsynced sectors that persist out of order", () => {
  /** A log with some sectors of unsynced frames. */
  function withSectors(): Subject {
    return subject(fewEntries, (history) => {
      history.append(...entriesAt(6, 20, 2, 200));
      history.do((log) => log.truncate(15), (log) => log.setHardState({ term: 4, votedFor: 4n }));
      history.append(...entriesAt(15, 30, 4, 200));
    });
  }

  /** The segment without some of its unsynced sectors. */
  function without({ durableEnd, frames, segment }: Subject, isLost: (sector: number) => boolean): Uint8Array {
    const left = segment.slice();
    const { end } = frames.at(-1)!;
    for (let sector = Math.floor(durableEnd / SECTOR_BYTES); sector * SECTOR_BYTES < end; sector++) {
      // What a flush covered is on the disk, also of a sector that was written again since.
      const from = Math.max(sector * SECTOR_BYTES, durableEnd);
      if (isLost(sector)) left.fill(0, from, (sector + 1) * SECTOR_BYTES);
    }
    return left;
  }

  /** Fails unless the log ends before what was lost, and what lay behind never comes back. */
  function assertCut({ history, frames, segment }: Subject, left: Uint8Array, when: string): void {
    const kept = intact(frames, segment, left);
    const expected = history.states[stepsIn(kept)]!;
    const { log, disk } = openSegment(left);
    assertSameState(stateOf(log), expected, when);
    const isTorn = left.subarray(kept.at(-1)!.end).some((byte) => byte !== 0);
    assert.equal(log.recovery.verdict, isTorn ? "torn" : "clean", when);
    assert.ok(stepsIn(kept) >= history.durable, `${when}: what was synced`);
    // An entry of the length of the one that was cut, so that the frames behind it would fit.
    let model = expected;
    for (let time = 1; time <= 3; time++) {
      const next = entryAt(log.lastIndex + 1, 9, 200, "normal", time);
      log.append([next]);
      log.syncSync();
      model = stateOf(log);
      assertSameEntries(model.entries.slice(0, expected.entries.length), expected.entries, when);
      assertSameEntries(model.entries.slice(-1), [next], when);
      const again = WalLog.openSync(PATH, { fileSystem: crashed(disk) });
      assertSameState(stateOf(again), model, `${when}, appended ${time} times and killed`);
      assert.notEqual(again.recovery.verdict, "corrupt");
      again.closeSync();
    }
    log.closeSync();
    const again = WalLog.openSync(PATH, { fileSystem: disk });
    assertSameState(stateOf(again), model, `${when}, closed and reopened`);
    again.closeSync();
  }

  it("end the log at the hole when one is missing, and what lies behind never comes back", () => {
    const subject = withSectors();
    const first = Math.floor(subject.durableEnd / SECTOR_BYTES);
    const last = Math.floor((subject.frames.at(-1)!.end - 1) / SECTOR_BYTES);
    assert.ok(last - first > 10);
    for (let lost = first; lost <= last; lost++) {
      assertCut(subject, without(subject, (sector) => sector === lost), `without sector ${lost}`);
    }
  });

  it("end the log at the first hole when any are missing", () => {
    const subject = withSectors();
    for (let seed = 1; seed <= 40; seed++) {
      const coins = bytesOf(256, "noise", seed);
      const left = without(subject, (sector) => coins[sector % 256]! < seed * 6);
      assertCut(subject, left, `without sectors of seed ${seed}`);
    }
  });

  it("are not taken for the log's when nothing before them persisted", () => {
    const subject = withSectors();
    const first = Math.floor(subject.durableEnd / SECTOR_BYTES);
    const { log } = openSegment(without(subject, (sector) => sector <= first + 8));
    assertSameState(stateOf(log), subject.history.states[subject.history.durable]!, "only later sectors");
    // What the report says was cut: frames of which the headers survive.
    assert.equal(log.recovery.cut!.offset, subject.durableEnd);
    assert.equal(log.recovery.cut!.lastIndex, 30);
    log.closeSync();
  });

  it("never come back when an entry of the same length takes the place of the one cut", () => {
    const subject_ = subject(fewEntries, (history) => history.append(...entriesAt(6, 12, 2, 64)));
    const frame = subject_.frames.find(({ kind, index }) => kind === KIND_ENTRIES && index === 6)!;
    for (const at of [frame.offset, frame.offset + 39, frame.offset + 40, frame.end - 1]) {
      const segment = subject_.segment.slice();
      segment[at] = segment[at]! ^ 0xff;
      let { log, disk } = openSegment(segment);
      assert.equal(log.recovery.verdict, "torn");
      assert.equal(log.lastIndex, 5);
      assert.deepEqual([log.recovery.cut!.firstIndex, log.recovery.cut!.lastIndex][1], 12);
      for (let index = 6; index <= 8; index++) {
        log.append([entryAt(index, 2, 64, "normal", 5)]);
        log.syncSync();
        disk = crashed(disk);
        log = WalLog.openSync(PATH, { fileSystem: disk });
        assert.equal(log.lastIndex, index, `a frame that was cut at byte ${at} came back`);
        assertSameEntries(log.entries(6, index), entriesAt(6, index, 2, 64, 5), "what was written in its place");
      }
      log.closeSync();
    }
  });
});

describe("the end of a log", () => {
  it("is torn where anything but a frame follows", () => {
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

  it("is not fooled by an entry that holds a copy of the log, whole or torn", () => {
    const inner = subject(fewEntries, fewMore);
    for (const shift of [0, 8, 24, 4096]) {
      const command = new Uint8Array(shift + inner.segment.length);
      command.set(inner.segment, shift);
      const disk = new MemoryDisk();
      const history = new History(WalLog.openSync(PATH, { fileSystem: disk }));
      history.append(entryAt(1)).sync();
      // Twice: once below the watermark, once above it.
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

  it("is corrupt, not torn, where a hole lies below what a later frame proves durable", () => {
    const { segment, frames, durableEnd } = subject(fewEntries, fewMore);
    // One later frame proves it, however far behind the hole it lies.
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

  it("is where the last segment's creation stopped, if nothing was written to it", () => {
    const { history, segment } = subject(fewEntries, () => {});
    const blank = new Uint8Array(SEGMENT_HEADER_BYTES);
    const half = blank.slice();
    half.fill(0xaa, 0, 512);
    for (const started of [new Uint8Array(0), new Uint8Array(100), blank, half]) {
      const disk = new MemoryDisk(new Map([[SEGMENT, segment], ["000000000002.seg", started]]));
      const log = WalLog.openSync(PATH, { fileSystem: disk });
      assertSameState(stateOf(log), history.last, `${started.length} bytes of a second segment`);
      assert.notEqual(log.recovery.verdict, "corrupt");
      assert.equal(disk.contents().has("000000000002.seg"), false, "what was begun is gone");
      log.closeSync();
    }
    // The same for the very first.
    for (const started of [new Uint8Array(0), blank, half]) {
      const log = openSegment(started).log;
      assert.equal(log.lastIndex, 0);
      assert.equal(log.recovery.verdict, "clean");
      log.closeSync();
    }
  });
});

describe("a segment index that a crash left", () => {
  // Few, and so many that the offsets of their frames do not fit a chunk.
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

    /** Opens the log as it was before the flush that makes the second segment part of it. */
    const openAfter = (change: (sealed: Uint8Array) => Uint8Array): RecoveryReport => {
      const contents = disk.contents();
      // No next-segment pointer yet, and nothing in the next segment.
      const unnamed = sealed!.slice();
      for (const offset of NEXT_POINTER_OFFSETS) unnamed.fill(0, offset, offset + SECTOR_BYTES);
      contents.set(SEGMENT, change(unnamed));
      contents.set("000000000002.seg", begun!.slice(0, SEGMENT_HEADER_BYTES));
      const log = WalLog.openSync(PATH, { fileSystem: new MemoryDisk(contents) });
      assert.equal(log.lastIndex, entries);
      log.closeSync();
      return log.recovery;
    };

    it(`is no tear if it is whole, of ${entries} entries`, () => {
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

describe("a next-segment pointer that a crash tore, in a log that had been closed before", () => {
  it("is no damage, whatever of it is there, however often the log is opened and closed after", () => {
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
    for (let length = 0; length < slot.length; length++) {
      const contents = disk.contents();
      const torn = closed.slice();
      torn.set(slot.subarray(0, length), NEXT_POINTER_OFFSETS[0]);
      contents.set(SEGMENT, torn);
      contents.set(next, begun.slice());
      const left = new MemoryDisk(contents);
      for (let times = 0; times < 3; times++) {
        const again = WalLog.openSync(PATH, { fileSystem: left });
        assert.deepEqual([again.recovery.verdict, again.lastIndex], ["clean", 5], `${length} bytes, opening ${times}`);
        again.closeSync();
      }
    }
  });
});

describe("a next-segment pointer that a crash tore, in a log whose newest segment was lost", () => {
  it("does not have the loss forgotten, whatever of it is there", () => {
    const disk = new MemoryDisk();
    const log = WalLog.openSync(PATH, { fileSystem: disk });
    log.append(entriesAt(1, 5));
    log.syncSync();
    // As after a kill: the next one goes on in a second segment, which is then lost.
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
    // The slot comes before any frame of its own.
    const third = lossy.contents().get(segmentName(3))!.slice(0, SEGMENT_HEADER_BYTES);
    for (let length = 0; length <= after.length; length++) {
      const torn = new Map(lossy.contents());
      const first = torn.get(SEGMENT)!.slice();
      first.set([...after.subarray(0, length), ...before.subarray(length)], NEXT_POINTER_OFFSETS[0]);
      torn.set(SEGMENT, first);
      torn.set(segmentName(3), third.slice());
      const message = `${length} bytes`;
      assert.throws(() => WalLog.openSync(PATH, { fileSystem: new MemoryDisk(torn) }), { code: "CORRUPT" }, message);
    }
  });
});
