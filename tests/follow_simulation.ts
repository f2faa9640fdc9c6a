/**
 * Random histories of followers beside a writer, on a simulated disk: one in the writer's process, others on a log
 * opened for reading only. The writer is closed, killed, poisoned, refused for lack of space, and loses power. The
 * entries of a follower must have been durable, must survive a power failure, and must add up to the writer's log.
 */

import assert from "node:assert/strict";
import { type LogEntry, WalLog, WalLogError } from "../mod.ts";
import { Random, SimulatedDisk } from "../src/testing/mod.ts";
import { type Counts, entriesBehind, fingerprint, isPoisoned, isPowerLoss, wordOf } from "./simulated_log.ts";

const PATH = "/raft.wal";
const STEPS = 60;

/** A follower, and the log as it knows it from its entries. */
class Mirror {
  /** The yielded entries by index, and those that may be gone by now. */
  readonly given = new Map<number, string>();
  readonly doubtful = new Set<number>();
  private readonly terms = new Map<number, number>();
  next = 1;
  private entries: AsyncIterator<LogEntry, undefined> | undefined;
  private pending: { result?: IteratorResult<LogEntry, undefined>; error?: unknown } | undefined;

  /** Follows a log from the next index. */
  begin(log: WalLog, counts: Counts): void {
    this.pending = undefined;
    const previousTerm = this.terms.get(this.next - 1);
    try {
      this.entries = log.follow({ from: this.next, previousTerm, maxBytes: 2000 });
    } catch (error) {
      this.goOn(error, counts);
      this.entries = log.follow({ from: this.next });
    }
  }

  /** Takes the next entry; returns whether there was one. */
  async take(log: WalLog, sim: FollowSimulation): Promise<boolean> {
    const pending = this.pending ??= this.ask();
    for (let turn = 0; turn < 10 && !isAnswered(pending); turn++) await Promise.resolve();
    if (!isAnswered(pending)) await log.refresh();
    for (let turn = 0; turn < 10 && !isAnswered(pending); turn++) await Promise.resolve();
    if (!isAnswered(pending)) return false;
    this.pending = undefined;
    if (pending.error !== undefined) {
      this.goOn(pending.error, sim.counts);
      this.begin(log, sim.counts);
      return true;
    }
    const { value } = pending.result!;
    assert(value !== undefined, "the follower ended");
    assert.equal(value.index, this.next++);
    assert(sim.wasDurable(value), `${wordOf(value)} was never durable`);
    this.given.set(value.index, wordOf(value));
    this.terms.set(value.index, value.term);
    if (sim.has(value, wordOf(value))) this.doubtful.delete(value.index);
    else this.doubtful.add(value.index);
    return true;
  }

  private ask(): { result?: IteratorResult<LogEntry, undefined>; error?: unknown } {
    const pending: { result?: IteratorResult<LogEntry, undefined>; error?: unknown } = {};
    this.entries!.next().then((result) => pending.result = result, (error) => pending.error = error);
    return pending;
  }

  private goOn(error: unknown, counts: Counts): void {
    if (!(error instanceof WalLogError && error.index !== undefined)) throw error;
    counts[error.code] = (counts[error.code] ?? 0) + 1;
    if (error.code === "COMPACTED") assert(error.index > this.next);
    else {
      assert.equal(error.code, "NOT_CONTIGUOUS");
      const gone = [...this.given.keys()].filter((index) => index >= error.index!);
      assert(gone.length === 0 || gone.some((index) => this.doubtful.has(index)), "nothing was truncated");
    }
    this.next = error.index;
    this.forget();
  }

  /** Drops entries at or above the next index, and those that a snapshot covers. */
  private forget(): void {
    for (const index of [...this.given.keys()].filter((index) => index >= this.next)) {
      this.given.delete(index);
      this.terms.delete(index);
      this.doubtful.delete(index);
    }
  }

  /** Records a truncation: the entries may or may not be there after a power failure. */
  truncated(from: number): void {
    for (const index of this.given.keys()) if (index >= from) this.doubtful.add(index);
  }

  /** Checks after a power failure that all yielded entries are there, except truncated ones. */
  compare(log: WalLog): void {
    for (const [index, word] of [...this.given].sort(([a], [b]) => a - b)) {
      if (index <= log.snapshotIndex) continue;
      const entry = log.entry(index);
      if (entry !== undefined && wordOf(entry) === word) continue;
      assert(this.doubtful.has(index), `${word} was given and is gone`);
      this.next = index;
      this.forget();
      return;
    }
  }

  /** Checks that the log has all known entries. */
  requireSame(log: WalLog): void {
    // A follower beside the writer cannot tell that the log ends before the known entries until the log has grown.
    if (this.next > log.lastIndex + 1) assert(this.doubtful.has(this.next - 1));
    else assert.equal(this.next, log.lastIndex + 1);
    for (const entry of log.iterate(log.snapshotIndex + 1)) {
      const word = this.given.get(entry.index);
      if (word !== undefined && this.next <= log.lastIndex + 1) assert.equal(word, wordOf(entry));
    }
  }
}

function isAnswered(pending: { result?: unknown; error?: unknown }): boolean {
  return pending.result !== undefined || pending.error !== undefined;
}

/** A history. */
class FollowSimulation {
  readonly counts: Counts;
  private readonly random: Random;
  private readonly disk: SimulatedDisk;
  private readonly durable = new Map<number, Set<string>>();
  private readonly id = { next: 1 };
  private writer!: WalLog;
  private reader!: WalLog;
  private lives = 0;
  private term = 0;
  private readonly beside = [new Mirror(), new Mirror()];
  private readonly own = new Mirror();

  constructor(seed: number, counts: Counts) {
    this.counts = counts;
    this.random = new Random(seed);
    this.disk = new SimulatedDisk({ seed, shortWrites: seed % 3 === 0 ? 0.2 : 0 });
  }

  async run(): Promise<void> {
    this.openWriter();
    this.openReader();
    for (let step = 0; step < STEPS; step++) {
      try {
        await this.step();
      } catch (error) {
        if (isPowerLoss(error)) this.loosePower();
        else if (isPoisoned(error)) this.killWriter("poisoned");
        else if (!(error instanceof WalLogError && error.code === "NO_SPACE")) throw error;
      }
      this.noteDurable();
      if (!this.disk.hasPower) this.loosePower();
    }
    this.disk.heal();
    await this.writer.sync();
    this.noteDurable();
    this.disk.idle();
    for (const [mirror, log] of this.mirrors()) {
      while (await mirror.take(log, this));
      mirror.requireSame(this.writer);
    }
    await this.reader.refresh();
    assert.equal(fingerprint(this.reader), fingerprint(this.writer));
    assert.equal(this.reader.durableIndex, this.writer.lastIndex);
    await this.reader.close();
    await this.writer.close();
  }

  /** Whether the writer has reported an entry as durable. */
  wasDurable(entry: LogEntry): boolean {
    return this.durable.get(entry.index)?.has(wordOf(entry)) === true;
  }

  /** Whether the writer has an entry now. */
  has({ index }: LogEntry, word: string): boolean {
    const { writer } = this;
    const entry = index <= writer.snapshotIndex ? undefined : writer.entry(index);
    return entry !== undefined && wordOf(entry) === word;
  }

  private mirrors(): (readonly [Mirror, WalLog])[] {
    return [...this.beside.map((mirror) => [mirror, this.reader] as const), [this.own, this.writer]];
  }

  private count(event: string): void {
    this.counts[event] = (this.counts[event] ?? 0) + 1;
  }

  private noteDurable(): void {
    if (!this.disk.hasPower) return;
    const { firstIndex, durableIndex } = this.writer;
    this.noteAll(this.writer.entries(firstIndex, durableIndex));
  }

  private noteAll(entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      const words = this.durable.get(entry.index) ?? new Set();
      this.durable.set(entry.index, words.add(wordOf(entry)));
    }
  }

  /** Drops entries. A rotation may flush them first, so that they are durable for a moment. */
  private drop(action: () => void): void {
    const { writer } = this;
    const { flushes } = writer.stats();
    const entries = writer.entries(writer.firstIndex, writer.lastIndex);
    try {
      action();
    } finally {
      if (writer.stats().flushes > flushes) this.noteAll(entries);
    }
  }

  private async step(): Promise<void> {
    const { writer, random, disk } = this;
    const choice = random.below(100);
    if (choice < 30) {
      // Replacements of entries have another term.
      const entries = entriesBehind(random, writer, this.id);
      return writer.append(entries.map((entry) => ({ ...entry, term: Math.max(entry.term, this.term) })));
    }
    if (choice < 50) return void await writer.sync();
    if (choice < 55) return writer.setHardState({ term: writer.lastTerm, votedFor: 1n });
    if (choice < 62) return disk.idle();
    if (choice < 67) return this.truncate();
    if (choice < 71) return this.compact();
    if (choice < 74) return this.killWriter("killed");
    if (choice < 76) {
      await writer.close();
      this.count("closed");
      return this.killWriter("reopened");
    }
    if (choice < 78) return disk.failAfter("crash", random.below(6));
    if (choice < 79) return disk.failAfter("EIO", random.below(3), "sync");
    if (choice < 81) return disk.failAfter("ENOSPC", random.below(3), "write");
    if (choice < 84) return this.refresh();
    const [mirror, log] = random.pick(this.mirrors());
    for (let left = random.below(30); left > 0 && await mirror.take(log, this); left--) this.count("given");
  }

  private truncate(): void {
    const { writer, random } = this;
    const { lastIndex, lastTerm, snapshotIndex } = writer;
    if (lastIndex === snapshotIndex) return;
    const from = Math.max(lastIndex - random.below(12), snapshotIndex + 1);
    for (const [mirror] of this.mirrors()) mirror.truncated(from);
    this.term = Math.max(this.term, lastTerm) + 1;
    this.drop(() => writer.truncate(from));
    this.count("truncated");
  }

  private compact(): void {
    const { writer, random } = this;
    const { lastIndex, lastTerm, snapshotIndex } = writer;
    if (random.chance(0.2)) {
      // A leader's snapshot, which can clear the log.
      const index = lastIndex + random.below(5);
      if (index <= snapshotIndex) return;
      for (const [mirror] of this.mirrors()) mirror.truncated(1);
      this.term = Math.max(this.term, lastTerm) + 1;
      this.drop(() => writer.applySnapshot({ index, term: this.term, config: [], data: new Uint8Array(3) }));
      return this.count("cleared");
    }
    if (lastIndex === snapshotIndex) return;
    const through = lastIndex - random.below(Math.min(20, lastIndex - snapshotIndex));
    this.drop(() => writer.compact(through));
  }

  private async refresh(): Promise<void> {
    const { reader, writer } = this;
    await reader.refresh();
    assert.equal(fingerprint(reader), fingerprint(writer));
    assert(reader.durableIndex <= writer.durableIndex);
    this.count("refreshed");
  }

  private openWriter(): void {
    const { fileSystem } = this.disk;
    const life = ++this.lives;
    this.writer = WalLog.openSync(PATH, {
      fileSystem: {
        ...fileSystem,
        lock: () => ({ check: () => {}, release: () => {} }),
        after: (milliseconds, callback) =>
          fileSystem.after(milliseconds, () => {
            if (life === this.lives) callback();
          }),
      },
      segmentBytes: 4096,
    });
    this.noteDurable();
    this.own.compare(this.writer);
    this.own.begin(this.writer, this.counts);
  }

  private openReader(): void {
    this.reader = WalLog.openSync(PATH, { fileSystem: this.disk.fileSystem, readOnly: true });
    for (const mirror of this.beside) mirror.begin(this.reader, this.counts);
  }

  /** The writer's process ends; another one takes over. */
  private killWriter(why: string): void {
    this.count(why);
    this.disk.heal();
    this.openWriter();
  }

  /** The machine loses power, with the reader's process on it. */
  private loosePower(): void {
    this.count("crashed");
    this.disk.crash();
    this.openWriter();
    for (const mirror of this.beside) mirror.compare(this.writer);
    this.openReader();
  }
}

/**
 * Runs a history.
 *
 * @param seed The seed of the history.
 * @param counts Counts of events, which this adds to.
 */
export async function simulateFollowers(seed: number, counts: Counts): Promise<void> {
  await new FollowSimulation(seed, counts).run();
}
