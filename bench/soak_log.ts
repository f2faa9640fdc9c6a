/**
 * A log in use, with its expected contents.
 *
 * @module
 */

import assert from "node:assert/strict";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { type NewEntry, WalLog } from "../mod.ts";
import type { Random } from "../src/testing/random.ts";
import type { SoakPoint } from "./soak_report.ts";
import { quantile } from "./statistics.ts";
import { KIB, MIB } from "./units.ts";

/** Small, so that an hour seals and deletes thousands of them. In bytes. */
const SEGMENT_BYTES = 4 * MIB;
/** A snapshot is taken when the log above the last one is longer than this. In bytes. */
const SNAPSHOT_AFTER_BYTES = 32 * MIB;
/** The number of entries that a snapshot leaves in the log. */
const ENTRIES_KEPT = 100;
const SNAPSHOT_BYTES = 4 * MIB;
const COMMAND_BYTES_MAX = 4 * KIB;
const BATCH_MAX = 16;
const TRUNCATED_MAX = 20;
/** The pause between two commits, in milliseconds, so that an hour does not wear out the disk. */
const PAUSE_MS = 1;

/** A log in use, with its expected contents. */
export class SoakedLog {
  readonly done = { commits: 0, entries: 0, truncations: 0, votes: 0, snapshots: 0, reads: 0 };
  readonly #path: string;
  readonly #random: Random;
  #log!: WalLog;
  #term = 1;
  /** The term of each entry above the snapshot. */
  #terms = new Map<number, number>();
  #bytes = 0;
  #seconds: number[] = [];
  readonly #noise: Uint8Array;

  constructor(path: string, random: Random) {
    this.#path = path;
    this.#random = random;
    this.#noise = Uint8Array.from({ length: 2 * COMMAND_BYTES_MAX }, () => random.below(256));
  }

  async open(): Promise<void> {
    this.#log = await WalLog.open(this.#path, { segmentBytes: SEGMENT_BYTES });
    this.#log.setHardState({ term: this.#term, votedFor: 1n });
  }

  /** Does one commit, and sometimes another action before it. */
  async step(): Promise<void> {
    const random = this.#random;
    if (random.below(100) === 0) this.#truncate();
    if (random.below(50) === 0) this.#read();
    if (this.#bytes > SNAPSHOT_AFTER_BYTES) await this.#snapshot();
    this.#append();
    const started = performance.now();
    if (random.below(4) === 0) this.#log.syncSync();
    else await this.#log.sync();
    this.#seconds.push((performance.now() - started) / 1000);
    this.done.commits++;
    await setTimeout(PAUSE_MS);
  }

  #append(): void {
    const entries: NewEntry[] = [];
    for (let left = 1 + this.#random.below(BATCH_MAX); left > 0; left--) {
      const index = this.#log.lastIndex + 1 + entries.length;
      entries.push({ term: this.#term, index, kind: "normal", command: this.#command(index) });
      this.#terms.set(index, this.#term);
    }
    this.#log.append(entries);
    for (const { command } of entries) this.#bytes += command.length;
    this.done.entries += entries.length;
  }

  /** The unique command for an index and a term. */
  #command(index: number, term: number = this.#term): Uint8Array {
    const start = (index * 31 + term * 17) % COMMAND_BYTES_MAX;
    return this.#noise.subarray(start, start + 1 + (index * 7919 + term) % COMMAND_BYTES_MAX);
  }

  /** Truncates uncommitted entries, like a new leader with a new term. */
  #truncate(): void {
    const { lastIndex, snapshotIndex } = this.#log;
    const from = Math.max(snapshotIndex + 1, lastIndex - this.#random.below(TRUNCATED_MAX));
    this.#log.truncate(from);
    for (let index = from; index <= lastIndex; index++) this.#terms.delete(index);
    this.#log.setHardState({ term: ++this.#term, votedFor: BigInt(this.#term % 3) });
    this.done.truncations++;
    this.done.votes++;
  }

  #read(): void {
    const { lastIndex, snapshotIndex } = this.#log;
    if (lastIndex === snapshotIndex) return;
    this.#compare(this.#log.entry(snapshotIndex + 1 + this.#random.below(lastIndex - snapshotIndex)));
    this.done.reads++;
  }

  #compare(entry: NewEntry | undefined): void {
    assert(entry !== undefined);
    const term = this.#terms.get(entry.index)!;
    assert.equal(entry.term, term);
    assert.deepEqual(entry.command, Uint8Array.from(this.#command(entry.index, term)));
  }

  /** Takes a snapshot, alternately as a stream and as bytes. */
  async #snapshot(): Promise<void> {
    const index = Math.max(this.#log.snapshotIndex + 1, this.#log.lastIndex - ENTRIES_KEPT);
    const config = [1n, 2n, 3n];
    if (this.done.snapshots++ % 2 === 0) {
      const stream = this.#log.createSnapshot({ index, term: this.#log.termAt(index)!, config }).getWriter();
      for (let bytes = 0; bytes < SNAPSHOT_BYTES; bytes += this.#noise.length) await stream.write(this.#noise);
      await stream.close();
    } else {
      this.#log.compact(index, { config, data: new Uint8Array(SNAPSHOT_BYTES).fill(index) });
    }
    for (const kept of this.#terms.keys()) if (kept <= index) this.#terms.delete(kept);
    this.#bytes = 0;
  }

  /** The current state. */
  point(minutes: number): SoakPoint {
    const files = readdirSync(this.#path);
    const seconds = this.#seconds.length === 0 ? [0] : this.#seconds;
    this.#seconds = [];
    return {
      minutes: Math.round(minutes * 1000) / 1000,
      memoryBytes: process.memoryUsage().rss,
      files: files.length,
      diskBytes: files.reduce((sum, name) => sum + statSync(join(this.#path, name)).size, 0),
      entries: this.#log.lastIndex - this.#log.snapshotIndex,
      commitSeconds: quantile(seconds, 0.5),
      commitP99Seconds: quantile(seconds, 0.99),
    };
  }

  /** Closes and reopens the log, and compares its contents. */
  async finish(): Promise<void> {
    const { lastIndex, snapshotIndex, hardState } = this.#log;
    await this.#log.close();
    this.#log = await WalLog.open(this.#path, { segmentBytes: SEGMENT_BYTES });
    assert.deepEqual([this.#log.lastIndex, this.#log.snapshotIndex], [lastIndex, snapshotIndex]);
    assert.deepEqual({ ...this.#log.hardState }, { ...hardState });
    for (const entry of this.#log.iterate()) this.#compare(entry);
    assert.equal(this.#terms.size, lastIndex - snapshotIndex);
    await this.#log.close();
  }
}
