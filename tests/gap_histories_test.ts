/** Gaps in random histories: anywhere in a closed log, and just before its end after a crash. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WalLog, type WalLogError } from "../mod.ts";
import { UNPROVEN_UNKNOWN } from "../src/format/frame.ts";
import { SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";
import { Random } from "../src/testing/mod.ts";
import { closedLog, zeroed } from "./gapped_log.ts";
import { entryAt, type FrameAt, framesOf, writeRandomly } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";

const PATH = MemoryDisk.PATH;
const SEEDS = 250;

describe("a gap", () => {
  it("at any place in any history causes no wrong read and is reported", () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = new Random(seed);
      const written = closedLog((log) => writeRandomly(log, random), random.chance(0.5) ? 8192 : undefined);
      const good = WalLog.openSync(PATH, { fileSystem: new MemoryDisk(written.contents()) });
      const names = [...written.contents().keys()].filter((name) => name.endsWith(".seg")).sort();
      const name = random.pick(names);
      const size = written.contents().get(name)!.length;
      // Not the closing checkpoint: without it, the log would end elsewhere.
      const end = name === names.at(-1) ? framesOf(written.contents().get(name)!).at(-1)!.offset : size;
      const from = SEGMENT_HEADER_BYTES + random.below(Math.max(end - SEGMENT_HEADER_BYTES, 1));
      const disk = zeroed(written, name, from, Math.min(end, from + 1 + random.below(1200)));
      const when = `seed ${seed}: ${name} from byte ${from}`;
      const lost: string[] = [];
      // When opened for writing, the log continues in a new segment, whose header then reports the gap.
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

describe("a gap just before the end after a crash", () => {
  /** The visible state of a log: its ends, its snapshot, and the term of each readable entry. */
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

  /** The offset before which a segment's frames are proven durable by later ones. */
  function border(frames: readonly FrameAt[]): number {
    return frames.findLastIndex(({ offset }, i) => (
      frames.slice(i).some((frame) => frame.unproven < UNPROVEN_UNKNOWN && frame.offset - frame.unproven >= offset)
    ));
  }

  it("is the same each time that the log is opened, and causes no wrong read", () => {
    let damaged = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = new Random(seed);
      const disk = new MemoryDisk();
      const log = WalLog.openSync(PATH, { fileSystem: disk, segmentBytes: random.chance(0.5) ? 4096 : undefined });
      writeRandomly(log, random);
      // Also an entry that no flush has covered.
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
        // If a snapshot's frame is lost and no later frame shows it, the entries that it covered are back. Unproven
        // frames may be cut.
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
      // A torn end is cut the first time.
      if (times[0]!.verdict !== "corrupt") continue;
      damaged++;
      assert.deepEqual(times.map(({ seen }) => seen), [times[0]!.seen, times[0]!.seen, times[0]!.seen], `seed ${seed}`);
    }
    assert.ok(damaged > SEEDS / 3, `${damaged} histories were damaged`);
  });
});
