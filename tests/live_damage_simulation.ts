/**
 * Random histories whose disk is damaged while the log is open. Scrubbing and reads must find all damage, and a repair
 * must restore the data.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type LogEntry, WalLog, WalLogError } from "../mod.ts";
import { SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";
import { Random, type SimulatedDisk } from "../src/testing/mod.ts";
import { diskOf, FOLDER, usedBytes } from "./judge/contents.ts";
import { type Expected, expectedOf } from "./judge/expected.ts";
import { figuresOf, fit, lostUnnamed, notesOf } from "./judge/figures.ts";
import { openLog, type Seen } from "./judge/reading.ts";
import { type Shape, writeHistory } from "./judge/writing.ts";
import type { Counts } from "./simulated_log.ts";

const ANY: Shape = {
  segmentBytes: [4096, 4096, 8192, 12_288, 61_440],
  steps: [20, 80],
  ends: ["closed", "killed", "power cut"],
};
const SHAPES: readonly Shape[] = [ANY, { ...ANY, steps: [5, 25], truncatesOften: true }];
const SECTOR_BYTES = 512;

/**
 * Runs one history.
 *
 * @param seed The seed of the history.
 * @param counts Added to.
 */
export async function simulateLiveDamage(seed: number, counts: Counts = {}): Promise<void> {
  const simulation = new LiveDamageSimulation(seed, counts);
  try {
    await simulation.run();
  } catch (error) {
    const again = `deno task sim --live --seed ${seed}`;
    throw new Error(
      `seed ${seed} of damage to an open log: ${(error as Error).message}\n  ${simulation.notes.join("\n  ")}\n  ` +
        `again: ${again}`,
      { cause: error },
    );
  }
}

class LiveDamageSimulation {
  readonly notes: string[] = [];
  private readonly random: Random;
  private readonly counts: Counts;
  private readonly disk: SimulatedDisk;
  private readonly segmentBytes: number;
  private readonly expected: Expected;

  constructor(seed: number, counts: Counts) {
    this.random = new Random(seed);
    this.counts = counts;
    const { files, segmentBytes } = writeHistory(this.random, this.random.pick(SHAPES));
    this.segmentBytes = segmentBytes;
    this.disk = diskOf(files, seed);
    const whole = this.open("full");
    this.expected = expectedOf(whole);
    whole.closeSync();
  }

  async run(): Promise<void> {
    const { random } = this;
    const verify = random.pick(["tail", "tail", "full"] as const);
    const log = this.open(verify);
    this.note(`verify-${verify}`);
    for (let reads = random.pick([0, 0, 3]); reads > 0; reads--) this.readOne(log);
    for (let places = random.pick([1, 1, 2, 3]); places > 0; places--) this.rot();
    if (random.chance(0.3)) this.readOne(log);
    const report = await log.scrub();
    this.note(`scrub-${report.verdict} ${log.damaged.map(lineOf).join("; ")}`);
    this.judge(log, "after scrubbing");
    assert(log.damaged.length === 0 || report.verdict === "corrupt", "damage is known, and scrubbing finds none");
    if (random.chance(0.7) && this.repair(log)) {
      this.judge(log, "after the repair");
      assert.equal(log.damaged.length, 0, "the repaired log still has damage");
      const again = await log.scrub();
      assert.equal(again.verdict, "clean", `scrubbed after the repair: ${again.damage.map(lineOf).join("; ")}`);
      this.note("repaired");
    }
    const isClosed = random.chance(0.5);
    this.note(isClosed ? "close" : "kill");
    if (isClosed) log.closeSync();
    else this.disk.restart();
    const next = this.open(random.pick(["full", "tail"]));
    this.note(`opened-${next.recovery.verdict} ${next.damaged.map(lineOf).join("; ")}`);
    await next.scrub();
    this.judge(next, "after opening again");
  }

  private note(step: string): void {
    this.notes.push(step);
    const [name] = step.split(" ");
    this.counts[name!] = (this.counts[name!] ?? 0) + 1;
  }

  private open(verify: "full" | "tail"): WalLog {
    const { fileSystem } = this.disk;
    return WalLog.openSync(FOLDER, { fileSystem, segmentBytes: this.segmentBytes, verify, onDamage: "keep" });
  }

  private readOne(log: WalLog): void {
    const { snapshotIndex, entries } = this.expected;
    if (entries.length === 0) return;
    const index = snapshotIndex + 1 + this.random.below(entries.length);
    this.note(`read ${index}`);
    try {
      log.entry(index);
    } catch (error) {
      if (!(error instanceof WalLogError) || error.code !== "DAMAGED_ENTRY") throw error;
      assert(
        log.damaged.some(({ firstIndex = Infinity, lastIndex = Infinity }) =>
          firstIndex <= index && index <= lastIndex
        ),
        `entry ${index} does not read, and is not named: ${error.message}`,
      );
    }
  }

  /** Flips a bit, or zeroes some sectors, in durable data. */
  private rot(): void {
    const { random, disk } = this;
    const path = random.pick(disk.files().filter((name) => name.endsWith(".seg")));
    const used = usedBytes(disk.content(path));
    if (used <= SEGMENT_HEADER_BYTES) return;
    const from = SEGMENT_HEADER_BYTES + random.below(used - SEGMENT_HEADER_BYTES);
    if (random.chance(0.5)) {
      this.note(`flip ${path} at ${from} of ${used}`);
      disk.flip(path, from, 1 << random.below(8));
      return;
    }
    const start = from - from % SECTOR_BYTES;
    const length = Math.min(SECTOR_BYTES * random.pick([1, 1, 2, 8]), used - start);
    this.note(`zero ${path} at ${start}, ${length} of ${used}`);
    disk.zero(path, start, length);
  }

  /** Checks that all reads are correct, and that all other entries are reported. */
  private judge(log: WalLog, when: string): Seen {
    const opened = openLog(() => log, "keep");
    assert(opened.outcome === "opened", `${when}: ${opened.outcome}`);
    const comparison = fit(opened.seen, [this.expected]);
    const lost = lostUnnamed(figuresOf(opened.seen, comparison, new Map()));
    assert.equal(lost, 0, `${when}: ${notesOf(comparison).join("; ")}`);
    return opened.seen;
  }

  /** Repairs all damage; returns `false` if that was refused. */
  private repair(log: WalLog): boolean {
    const good = log.damaged.flatMap(({ firstIndex, lastIndex }) =>
      firstIndex === undefined ? [] : this.entriesFrom(firstIndex, lastIndex ?? firstIndex)
    );
    if (good.length === 0) return false;
    try {
      log.repair(good);
      if (log.damaged.length > 0) this.note(`repair-partial ${log.damaged.map(lineOf).join("; ")}`);
      return log.damaged.length === 0;
    } catch (error) {
      if (!(error instanceof WalLogError) || error.code !== "INVALID_ARGUMENT") throw error;
      this.note(`repair-refused ${error.message}`);
      return false;
    }
  }

  private entriesFrom(first: number, last: number): LogEntry[] {
    return this.expected.entries.filter(({ index }) => index >= first && index <= last).map((entry) => ({
      index: entry.index,
      term: entry.term,
      command: entry.command.slice(),
      kind: /^\d+\.\d+c/.test(entry.word) ? "config" : "normal",
    }));
  }
}

function lineOf({ kind, path, offset, bytes, firstIndex, lastIndex, reason }: WalLog["damaged"][number]): string {
  return `${kind} ${path} at ${offset}, ${bytes}: entries ${firstIndex} to ${lastIndex}, ${reason}`;
}
