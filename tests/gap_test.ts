/**
 * Stretches of a log in which everything is lost, headers too. What such a gap held is known from what lies behind it:
 * the next index and term, the count of changes, and the state that checkpoints and segment headers repeat.
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Damage, WalLog, type WalLogError } from "../mod.ts";
import { KIND_CHECKPOINT, KIND_ENTRIES, KIND_SNAPSHOT, KIND_TRUNCATE, UNPROVEN_UNKNOWN } from "../src/format/frame.ts";
import { SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";
import { segmentName } from "../src/format/segment_name.ts";
import { Random } from "../src/testing/mod.ts";
import { appendEach, entriesAt, entryAt, type FrameAt, framesOf, writeRandomly } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { assertSameEntries } from "./model.ts";

const PATH = MemoryDisk.PATH;
const FIRST = "000000000001.seg";
const SEEDS = 250;

/** A closed log on a disk, written by a function. */
function closedLog(write: (log: WalLog) => void, segmentBytes?: number): MemoryDisk {
  const disk = new MemoryDisk();
  const log = WalLog.openSync(PATH, { fileSystem: disk, segmentBytes });
  write(log);
  log.closeSync();
  return disk;
}

/** The disk with a range of a file zeroed. */
function zeroed(disk: MemoryDisk, name: string, from: number, to: number): MemoryDisk {
  const contents = new Map(disk.contents());
  contents.set(name, contents.get(name)!.slice().fill(0, from, to));
  return new MemoryDisk(contents);
}

/** The disk without the frames from the first that fits to the last that does, the one closing the log excepted. */
function without(disk: MemoryDisk, first: (frame: FrameAt) => boolean, last = first): MemoryDisk {
  const frames = framesOf(disk.contents().get(FIRST)!).slice(0, -1);
  return zeroed(disk, FIRST, frames.find(first)!.offset, frames.findLast(last)!.end);
}

const isEntry = (index: number) => (frame: FrameAt) => frame.kind === KIND_ENTRIES && frame.index === index;

describe("a gap", () => {
  it("that held only entries is named exactly, and costs neither hard state nor other entries", () => {
    const disk = without(
      closedLog((log) => {
        log.setHardState({ term: 1, votedFor: 3n });
        appendEach(log, entriesAt(1, 20));
      }),
      isEntry(8),
      isEntry(11),
    );
    const log = WalLog.openSync(PATH, { fileSystem: disk, onDamage: "keep" });
    assert.deepEqual(log.damaged.map(({ firstIndex, lastIndex }) => [firstIndex, lastIndex]), [[8, 11]]);
    assert.deepEqual(log.hardState, { term: 1, votedFor: 3n });
    assertSameEntries(log.entries(1, 7), entriesAt(1, 7), "before");
    assertSameEntries(log.entries(12, 20), entriesAt(12, 20), "behind");
    log.repair(entriesAt(8, 11));
    log.closeSync();
    assert.equal(WalLog.openSync(PATH, { fileSystem: disk }).lastIndex, 20);
  });

  it("that held entries which were dropped since is harmless", () => {
    const disk = without(
      closedLog((log) => {
        appendEach(log, entriesAt(1, 10));
        log.truncate(4);
        appendEach(log, entriesAt(4, 12, 2));
      }),
      (frame) => isEntry(6)(frame) && frame.term === 1,
    );
    const log = WalLog.openSync(PATH, { fileSystem: disk });
    assert.deepEqual(log.recovery.harmless.map(({ kind }) => kind), ["frames"]);
    assertSameEntries(log.entries(1, 12), [...entriesAt(1, 3), ...entriesAt(4, 12, 2)], "all");
  });

  it("in front of a truncation costs nothing that was below it", () => {
    const written = closedLog((log) => {
      appendEach(log, [...entriesAt(1, 3), entryAt(4, 2, 600), ...entriesAt(5, 6, 2)]);
      log.truncate(4);
    });
    const frames = framesOf(written.contents().get(FIRST)!);
    const [big, last] = [frames.find(isEntry(4))!, frames.find(isEntry(6))!];
    // The header of entry 4 survives, so that the gap begins above where the truncation goes back to.
    const disk = zeroed(written, FIRST, big.offset + 100, last.end);
    const log = WalLog.openSync(PATH, { fileSystem: disk });
    assert.deepEqual([log.recovery.verdict, log.lastIndex, log.lastTerm], ["clean", 3, 1]);
    assertSameEntries(log.entries(1, 3), entriesAt(1, 3), "below");
  });

  it("that ends at a truncation leaves the last term known, and names only what was below it", () => {
    const disk = without(
      closedLog((log) => {
        appendEach(log, [...entriesAt(1, 3, 3), ...entriesAt(4, 6, 5)]);
        log.truncate(5);
        log.setHardState({ term: 5, votedFor: null });
      }),
      isEntry(4),
      isEntry(6),
    );
    const log = WalLog.openSync(PATH, { fileSystem: disk, onDamage: "keep" });
    assert.deepEqual(log.damaged.map(({ firstIndex, lastIndex }) => [firstIndex, lastIndex]), [[4, 4]]);
    assert.deepEqual([log.lastIndex, log.lastTerm], [4, 5]);
    log.repair([entryAt(4, 5)]);
    log.closeSync();
    assert.equal(WalLog.openSync(PATH, { fileSystem: disk }).lastTerm, 5);
  });

  it("that held a truncation and what replaced it leaves no entry that was discarded", () => {
    const disk = without(
      closedLog((log) => {
        appendEach(log, entriesAt(1, 10));
        log.truncate(5);
        appendEach(log, entriesAt(5, 11, 2));
      }),
      ({ kind }) => kind === KIND_TRUNCATE,
      isEntry(10),
    );
    const log = WalLog.openSync(PATH, { fileSystem: disk, onDamage: "keep" });
    assertSameEntries(log.entries(11, 11), entriesAt(11, 11, 2), "behind");
    for (let index = 5; index <= 10; index++) {
      assert.throws(() => log.entry(index), (error) => (error as WalLogError).code === "DAMAGED_ENTRY", `${index}`);
    }
  });

  it("that held the frame of a snapshot is told of by the next checkpoint", () => {
    const disk = without(
      closedLog((log) => {
        appendEach(log, entriesAt(1, 10));
        log.applySnapshot({ index: 6, term: 1, config: [1n], data: new Uint8Array(10) });
        appendEach(log, entriesAt(11, 12));
      }),
      ({ kind }) => kind === KIND_SNAPSHOT,
    );
    const log = WalLog.openSync(PATH, { fileSystem: disk });
    assert.equal(log.snapshotIndex, 6);
    assertSameEntries(log.entries(7, 12), entriesAt(7, 12), "above");
    assert.equal(log.snapshot()?.data.length, 10);
  });

  it("that held the frame of a snapshot in place of another term's last entry leaves the last term to the checkpoint", () => {
    const disk = without(
      closedLog((log) => {
        appendEach(log, entriesAt(1, 3, 4));
        log.applySnapshot({ index: 3, term: 5, config: [1n], data: new Uint8Array(10) });
      }),
      ({ kind }) => kind === KIND_SNAPSHOT,
    );
    const log = WalLog.openSync(PATH, { fileSystem: disk });
    assert.deepEqual([log.snapshotIndex, log.termAt(3), log.lastTerm], [3, 5, 5]);
    assert.throws(() => log.append([entryAt(4, 4)]), { code: "INVALID_ARGUMENT" });
  });

  it("at the end of a sealed segment leaves its last term known, and takes no entry of another one", () => {
    const disk = new MemoryDisk();
    const log = WalLog.openSync(PATH, { fileSystem: disk });
    appendEach(log, entriesAt(1, 3, 3));
    log.syncSync();
    log.setHardState({ term: 3, votedFor: null }); // which proves the flush
    // As after a kill: what follows goes into a segment of its own, the header of which repeats the last term.
    const killed = new MemoryDisk(disk.contents());
    const second = WalLog.openSync(PATH, { fileSystem: killed });
    second.setHardState({ term: 6, votedFor: null });
    second.closeSync();
    const frame = framesOf(killed.contents().get(FIRST)!).find(isEntry(3))!;
    const damaged = zeroed(killed, FIRST, frame.offset, frame.end);
    const again = WalLog.openSync(PATH, { fileSystem: damaged, onDamage: "keep" });
    assert.deepEqual([again.lastIndex, again.lastTerm, again.termAt(3)], [3, 3, 3]);
    assert.throws(() => again.repair([entryAt(3, 5)]), (error) => (error as WalLogError).code === "INVALID_ARGUMENT");
    again.repair([entryAt(3, 3)]);
    again.closeSync();
    assert.equal(WalLog.openSync(PATH, { fileSystem: damaged }).lastTerm, 3);
  });

  for (const last of [KIND_SNAPSHOT, KIND_CHECKPOINT]) {
    const what = last === KIND_CHECKPOINT ? " and its checkpoint" : "";
    it(`that held the frame of a snapshot which made the log jump${what} leaves index and term to the next checkpoint`, () => {
      const disk = without(
        closedLog((log) => {
          appendEach(log, entriesAt(1, 3, 3));
          log.applySnapshot({ index: 18, term: 4, config: [1n], data: new Uint8Array(10) });
          appendEach(log, entriesAt(19, 20, 6));
        }),
        ({ kind }) => kind === KIND_SNAPSHOT,
        ({ kind }) => kind === last,
      );
      // The first opening that writes goes on in a new segment, whose header may not know the term.
      for (let opening = 0; opening < 3; opening++) {
        const log = WalLog.openSync(PATH, { fileSystem: disk });
        assert.deepEqual([log.snapshotIndex, log.termAt(18), log.lastTerm], [18, 4, 6]);
        assert.equal(log.snapshot()?.data.length, 10);
        assertSameEntries(log.entries(1, 20), entriesAt(19, 20, 6), "above");
        log.closeSync();
      }
    });
  }

  it("that held such a snapshot and the first entry behind it names that entry, in every way of opening", () => {
    const disk = without(
      closedLog((log) => {
        appendEach(log, entriesAt(1, 3, 3));
        log.applySnapshot({ index: 18, term: 4, config: [1n], data: new Uint8Array(10) });
        appendEach(log, entriesAt(19, 20, 6));
      }),
      ({ kind }) => kind === KIND_SNAPSHOT,
      isEntry(19),
    );
    for (const verify of ["full", "tail"] as const) {
      assert.throws(() => WalLog.openSync(PATH, { fileSystem: disk, verify }), (error) => {
        const { code, damage } = error as WalLogError;
        assert.deepEqual([code, damage.map((one) => [one.firstIndex, one.lastIndex])], ["CORRUPT", [[19, 19]]]);
        return true;
      });
      const log = WalLog.openSync(PATH, { fileSystem: disk, verify, readOnly: true, onDamage: "keep" });
      assert.deepEqual([log.snapshotIndex, log.lastIndex], [18, 20]);
      assertSameEntries(log.entries(20, 20), [entryAt(20, 6)], "behind");
      assert.throws(() => log.entry(19), (error) => (error as WalLogError).code === "DAMAGED_ENTRY");
    }
    const log = WalLog.openSync(PATH, { fileSystem: disk, onDamage: "keep" });
    // The gap held more than that entry, so that a copy alone cannot fill it.
    log.applySnapshot({ index: 20, term: 6, config: [1n], data: new Uint8Array(10) });
    log.closeSync();
    const healed = WalLog.openSync(PATH, { fileSystem: disk });
    assert.deepEqual([healed.snapshotIndex, healed.lastIndex, healed.recovery.damage], [20, 20, []]);
  });

  it("that is a whole segment, one that goes on after a crash, takes what its copies had truncated along", () => {
    const disk = new MemoryDisk();
    const log = WalLog.openSync(PATH, { fileSystem: disk });
    appendEach(log, entriesAt(1, 6));
    log.truncate(3);
    appendEach(log, entriesAt(3, 8, 2));
    log.syncSync();
    log.setHardState({ term: 2, votedFor: null }); // which proves the flush
    log.truncate(6);
    appendEach(log, entriesAt(6, 7, 3));
    // As after a kill: the second segment begins with copies of what no frame vouched for.
    const killed = new MemoryDisk(disk.contents());
    const second = WalLog.openSync(PATH, { fileSystem: killed, segmentBytes: 4096 });
    second.append([entryAt(8, 3, 6000)]);
    second.append([entryAt(9, 3)]);
    second.closeSync();
    const contents = new Map(killed.contents());
    assert(contents.delete("000000000002.seg") && contents.has("000000000003.seg"));
    const again = WalLog.openSync(PATH, { fileSystem: new MemoryDisk(contents), onDamage: "keep" });
    assert.deepEqual(again.damaged.map(({ firstIndex, lastIndex }) => [firstIndex, lastIndex]), [[6, 7]]);
    assertSameEntries(again.entries(1, 5), [...entriesAt(1, 2), ...entriesAt(3, 5, 2)], "below");
    assertSameEntries(again.entries(9, 9), [entryAt(9, 3)], "behind");
  });

  it("anywhere in any history leaves nothing wrong to read, and whatever cannot be read is named", () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = new Random(seed);
      const written = closedLog((log) => writeRandomly(log, random), random.chance(0.5) ? 8192 : undefined);
      const good = WalLog.openSync(PATH, { fileSystem: new MemoryDisk(written.contents()) });
      const names = [...written.contents().keys()].filter((name) => name.endsWith(".seg")).sort();
      const name = random.pick(names);
      const size = written.contents().get(name)!.length;
      // Not the checkpoint that closes the log: without it, the end of the log is another.
      const end = name === names.at(-1) ? framesOf(written.contents().get(name)!).at(-1)!.offset : size;
      const from = SEGMENT_HEADER_BYTES + random.below(Math.max(end - SEGMENT_HEADER_BYTES, 1));
      const disk = zeroed(written, name, from, Math.min(end, from + 1 + random.below(1200)));
      const when = `seed ${seed}: ${name} from byte ${from}`;
      const lost: string[] = [];
      // Opened to be written, it goes on in a new segment, whose header tells of the gap from then on.
      for (const [verify, readOnly] of [["full", true], ["tail", true], ["full", false], ["full", false]] as const) {
        const log = WalLog.openSync(PATH, {
          fileSystem: readOnly ? new MemoryDisk(disk.contents()) : disk,
          onDamage: "keep",
          readOnly,
          verify,
        });
        if (verify === "full") lost.push(JSON.stringify(log.damaged.map((one) => [one.firstIndex, one.lastIndex])));
        assert.equal(log.lastIndex, good.lastIndex, when);
        assert.equal(log.snapshotIndex, good.snapshotIndex, when);
        assert.deepEqual(log.hardState, good.hardState, when);
        for (let index = log.snapshotIndex + 1; index <= log.lastIndex; index++) {
          let found;
          try {
            found = log.entry(index);
          } catch (error) {
            assert.equal((error as WalLogError).code, "DAMAGED_ENTRY", when);
            const isNamed = log.damaged.some(({ firstIndex, lastIndex }) =>
              firstIndex! <= index && index <= lastIndex!
            );
            if (verify === "full") assert(isNamed, `${when}: entry ${index} is not named`);
            continue;
          }
          assert.deepEqual(found, good.entry(index), `${when}: entry ${index}`);
        }
        log.closeSync();
      }
      assert.deepEqual(lost, [lost[0], lost[0], lost[0]], `${when}: what is lost is forgotten`);
      good.closeSync();
    }
  });
});

describe("a gap just in front of where a crash left the log", () => {
  /** What can be seen of a log: its ends, its snapshot, and the term of each entry that can be read. */
  function seen(log: WalLog): unknown {
    const terms: (number | string)[] = [];
    for (let index = log.snapshotIndex + 1; index <= log.lastIndex; index++) {
      try {
        terms.push(log.entry(index)!.term);
      } catch (error) {
        assert.equal((error as WalLogError).code, "DAMAGED_ENTRY");
        terms.push("damaged");
      }
    }
    return { lastIndex: log.lastIndex, snapshotIndex: log.snapshotIndex, terms };
  }

  /** The last of a segment's frames in front of which all was proven durable by those behind it. */
  function border(frames: readonly FrameAt[]): number {
    return frames.findLastIndex(({ offset }, i) => (
      frames.slice(i).some((frame) => frame.unproven < UNPROVEN_UNKNOWN && frame.offset - frame.unproven >= offset)
    ));
  }

  it("is the same each time that the log is opened, and leaves nothing wrong to read", () => {
    let damaged = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = new Random(seed);
      const disk = new MemoryDisk();
      const log = WalLog.openSync(PATH, { fileSystem: disk, segmentBytes: random.chance(0.5) ? 4096 : undefined });
      writeRandomly(log, random);
      // And something that no flush has covered.
      const own = log.lastIndex - log.snapshotIndex;
      if (own > 0 && random.chance(0.7)) log.truncate(log.snapshotIndex + 1 + random.below(own));
      if (random.chance(0.6)) log.append([entryAt(log.lastIndex + 1, log.lastTerm + 1)]);
      if (random.chance(0.5)) log.setHardState({ term: 1000, votedFor: null });
      const killed = new MemoryDisk(disk.contents());
      const good = WalLog.openSync(PATH, { fileSystem: new MemoryDisk(killed.contents()), readOnly: true });
      const name = [...killed.contents().keys()].filter((name) => name.endsWith(".seg")).sort().at(-1)!;
      const frames = framesOf(killed.contents().get(name)!);
      const at = border(frames);
      if (at < 1) continue;
      const end = frames[random.chance(0.6) ? at : 1 + random.below(at)]!.offset;
      const from = Math.max(SEGMENT_HEADER_BYTES, end - 1 - random.below(900));
      const rotten = zeroed(killed, name, from, end);
      const times = Array.from({ length: 3 }, () => {
        const again = WalLog.openSync(PATH, { fileSystem: rotten, onDamage: "keep" });
        const found = { verdict: again.recovery.verdict, seen: seen(again) };
        // Where a snapshot's frame is lost and nothing behind tells of it, what it covers is there again; and what nothing
        // vouches for may be cut.
        if (again.snapshotIndex === good.snapshotIndex && again.lastIndex === good.lastIndex) {
          for (let index = again.snapshotIndex + 1; index <= again.lastIndex; index++) {
            if (again.damaged.some(({ firstIndex = 0, lastIndex = 0 }) => firstIndex <= index && index <= lastIndex)) {
              continue;
            }
            assert.deepEqual(again.entry(index), good.entry(index), `seed ${seed}: entry ${index}`);
          }
        }
        again.closeSync();
        return found;
      });
      good.closeSync();
      // What was torn is cut the first time.
      if (times[0]!.verdict !== "corrupt") continue;
      damaged++;
      assert.deepEqual(times.map(({ seen }) => seen), [times[0]!.seen, times[0]!.seen, times[0]!.seen], `seed ${seed}`);
    }
    assert.ok(damaged > SEEDS / 3, `${damaged} histories were damaged`);
  });
});

describe("a missing segment", () => {
  /** Begins segments by setting the hard state, until there is one more. */
  function fill(log: WalLog): void {
    const { segments } = log.stats();
    while (log.stats().segments === segments) log.setHardState({ term: 9, votedFor: 1n });
  }

  /** Opens a log of which some segments are missing. */
  function openWithout(numbers: readonly number[], write: (log: WalLog) => void): WalLog {
    const contents = closedLog(write, 8192).contents();
    for (const number of numbers) assert.ok(contents.delete(segmentName(number)));
    return WalLog.openSync(PATH, { fileSystem: new MemoryDisk(contents), onDamage: "keep" });
  }

  const pathOf = (number: number) => `${PATH}/${segmentName(number)}`;
  const placesOf = (damage: readonly Damage[]) =>
    damage.map(({ kind, path, firstIndex, lastIndex }) => [kind, path, firstIndex, lastIndex]);

  for (const missing of [1, 2]) {
    it(`that held no entries costs nothing, and is named: segment ${missing}`, () => {
      const log = openWithout([missing], (log) => {
        if (missing === 1) fill(log);
        appendEach(log, entriesAt(1, 10));
        fill(log);
        if (missing === 2) log.truncate(8);
        fill(log);
        appendEach(log, entriesAt(log.lastIndex + 1, 12, 2));
      });
      assert.deepEqual([log.recovery.verdict, log.lastIndex, log.hardState.term], ["clean", 12, 9]);
      assert.deepEqual(placesOf(log.recovery.harmless), [["segment", pathOf(missing), undefined, undefined]]);
      const first = missing === 2 ? 8 : 11;
      const entries = [...entriesAt(1, first - 1), ...entriesAt(first, 12, 2)];
      assertSameEntries(log.entries(1, 12), entries, "what is left");
    });
  }

  it("that was the first answers DAMAGED_ENTRY in every way of reading, but for the term that the next repeats", () => {
    const log = openWithout([1], (log) => {
      appendEach(log, entriesAt(1, 3, 4));
      fill(log);
      log.append([entryAt(4, 5)]);
    });
    for (const index of [1, 2, 3]) assert.throws(() => log.entry(index), { code: "DAMAGED_ENTRY" });
    for (const index of [1, 2]) assert.throws(() => log.termAt(index), { code: "DAMAGED_ENTRY" });
    assert.deepEqual([0, 3, 4, 5].map((index) => log.termAt(index)), [0, 4, 5, undefined]);
    assert.throws(() => log.truncate(3), { code: "DAMAGED_ENTRY" });
  });

  it("or one without its header is let go by a snapshot above it", () => {
    for (const loses of ["the file", "its header"]) {
      const contents = new Map(
        closedLog((log) => {
          appendEach(log, entriesAt(1, 10));
          fill(log);
          appendEach(log, entriesAt(11, 12));
        }, 8192).contents(),
      );
      if (loses === "the file") contents.delete(FIRST);
      else contents.set(FIRST, contents.get(FIRST)!.slice().fill(0xff, 0, SEGMENT_HEADER_BYTES));
      const disk = new MemoryDisk(contents);
      const log = WalLog.openSync(PATH, { fileSystem: disk, onDamage: "keep" });
      const kind = loses === "the file" ? "segment" : "segment header";
      assert.deepEqual(placesOf(log.damaged), [[kind, pathOf(1), 1, 10]]);
      assert.deepEqual(log.recovery.harmless, []);
      log.applySnapshot({ index: 11, term: 1, config: [1n], data: new Uint8Array(10) });
      log.append([entryAt(13, 1)]);
      log.closeSync();
      const again = WalLog.openSync(PATH, { fileSystem: disk });
      assert.deepEqual([again.recovery.verdict, again.snapshotIndex, again.lastIndex], ["clean", 11, 13], loses);
      assertSameEntries(again.entries(12, 13), entriesAt(12, 13), "above");
      again.closeSync();
    }
  });

  it("that compaction has deleted is not missed", () => {
    const log = openWithout([], (log) => {
      fill(log);
      appendEach(log, entriesAt(1, 10));
      log.applySnapshot({ index: 10, term: 1, config: [1n], data: new Uint8Array(10) });
    });
    assert.deepEqual([log.recovery.verdict, log.recovery.harmless], ["clean", []]);
  });

  it("beside another one, with entries that replaced others, brings none of those back", () => {
    const log = openWithout([2, 3], (log) => {
      appendEach(log, entriesAt(1, 10));
      fill(log);
      log.truncate(5);
      appendEach(log, entriesAt(5, 10, 2));
      fill(log);
      fill(log);
      appendEach(log, entriesAt(11, 12, 3));
    });
    assert.equal(log.recovery.verdict, "corrupt");
    for (let index = 5; index <= 10; index++) assert.throws(() => log.entry(index), { code: "DAMAGED_ENTRY" });
    assertSameEntries(log.entries(11, 12), entriesAt(11, 12, 3), "behind");
    const [found] = log.damaged;
    assert.ok(found!.firstIndex! <= 5 && found!.lastIndex === 10, JSON.stringify(found));
  });

  it("behind a gap, neither with any entries, is named with none", () => {
    const contents = new Map(
      closedLog((log) => {
        fill(log);
        fill(log);
        appendEach(log, entriesAt(1, 2));
      }, 8192).contents(),
    );
    contents.set(FIRST, contents.get(FIRST)!.slice().fill(0, SEGMENT_HEADER_BYTES + 400));
    assert.ok(contents.delete(segmentName(2)));
    const log = WalLog.openSync(PATH, { fileSystem: new MemoryDisk(contents), onDamage: "keep" });
    const places = placesOf([...log.damaged, ...log.recovery.harmless]);
    assert.deepEqual(places, [["frames", pathOf(1), undefined, undefined], [
      "segment",
      pathOf(2),
      undefined,
      undefined,
    ]]);
    assertSameEntries(log.entries(1, 2), entriesAt(1, 2), "behind");
  });

  it("behind a gap in which entries were replaced brings none of those back", () => {
    const contents = new Map(
      closedLog((log) => {
        appendEach(log, entriesAt(1, 10));
        log.truncate(5);
        appendEach(log, entriesAt(5, 10, 2));
        fill(log);
        fill(log);
        appendEach(log, entriesAt(11, 12, 3));
      }, 8192).contents(),
    );
    const first = contents.get(FIRST)!;
    const truncation = framesOf(first).find(({ kind }) => kind === KIND_TRUNCATE)!;
    contents.set(FIRST, first.slice().fill(0, truncation.offset));
    assert.ok(contents.delete(segmentName(2)));
    const log = WalLog.openSync(PATH, { fileSystem: new MemoryDisk(contents), onDamage: "keep" });
    for (let index = 5; index <= 10; index++) assert.throws(() => log.entry(index), { code: "DAMAGED_ENTRY" });
    assertSameEntries(log.entries(11, 12), entriesAt(11, 12, 3), "behind");
  });

  it("beside another one that only added entries leaves what was before them", () => {
    const log = openWithout([2, 3], (log) => {
      appendEach(log, entriesAt(1, 10));
      fill(log);
      appendEach(log, entriesAt(11, 12));
      fill(log);
      appendEach(log, entriesAt(13, 14));
      fill(log);
      appendEach(log, entriesAt(15, 16));
    });
    assert.deepEqual(placesOf(log.damaged), [["segment", pathOf(3), 11, 14]]);
    assertSameEntries(
      [...log.entries(1, 10), ...log.entries(15, 16)],
      [...entriesAt(1, 10), ...entriesAt(15, 16)],
      "left",
    );
  });
});
