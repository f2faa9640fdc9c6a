/**
 * A random history of a log on a simulated disk that is damaged repeatedly: its steps so far, and the states that the
 * log may have after it is opened.
 *
 * @module
 */

import assert from "node:assert/strict";
import { resolve } from "node:path";
import { MemoryLog, type RaftLog, WalLog, WalLogError, type WalLogOptions } from "../../mod.ts";
import type { FileSystem } from "../../src/io/file_system.ts";
import { Random, SimulatedDisk } from "../../src/testing/mod.ts";
import { cloneOf, type Counts, isPoisoned, isPowerLoss, wordOf } from "../simulated_log.ts";
import { type Space, withinSpace } from "../simulated_machine.ts";
import { openDisturbed } from "./opening.ts";
import { lineOf, readable } from "./reading.ts";

const FOLDER = resolve("/raft.wal");

/** Mostly small, so that histories rotate. */
const SEGMENT_BYTES = [4096, 4096, 4096, 8192, 61_440];

/** A change to the log or to the model. */
export type Mutation = (log: RaftLog) => void;

/** A log, the mutations done to it, and the states that it may hold. */
export class DamageHistory {
  readonly seed: number;
  readonly counts: Counts;
  readonly segmentBytes: number;
  readonly disk: SimulatedDisk;
  /** The disk as the log sees it: it can be full. */
  readonly machine: FileSystem;
  readonly space: Space = { left: Infinity };
  readonly steps: number[] = [];
  readonly notes: string[] = [];
  /** The number that makes the next entry unique. */
  readonly id = { next: 0 };
  /** All entries that the log has held at any time. */
  readonly ever = new Set<string>();
  random: Random;
  log!: WalLog;
  /** The log after each mutation, the first of them empty. Mutations that failed may be among the last. */
  states: MemoryLog[] = [new MemoryLog()];
  /** The first of these states that may be left after a crash. */
  floor = 0;
  /** Whether the disk has rotted since the log was last whole. */
  isRotten = false;
  /** Whether the disk has ever rotted: a healed log can still hold damage to bytes that it does not need. */
  hasRotted = false;
  /** Whether damage has destroyed the evidence of other damage: see `docs/RELIABILITY.md`. */
  isOpenEnded = false;
  readonly #onOpened: (history: DamageHistory) => void;

  /**
   * @param seed The seed of the history.
   * @param counts Added to.
   * @param onOpened Called when the log was opened again. It judges the log, and may heal it.
   */
  constructor(seed: number, counts: Counts, onOpened: (history: DamageHistory) => void) {
    this.seed = seed;
    this.counts = counts;
    this.random = new Random(seed);
    this.segmentBytes = this.random.pick(SEGMENT_BYTES);
    this.disk = new SimulatedDisk({ seed: seed ^ 0x1234567, shortWrites: this.random.chance(0.1) ? 0.3 : 0 });
    this.machine = withinSpace(this.disk.fileSystem, this.space);
    this.#onOpened = onOpened;
  }

  /** The state that the log claims to be in. */
  get model(): MemoryLog {
    return this.states.at(-1)!;
  }

  /** Each step has its own random generator, so that leaving out some steps does not change the others. */
  turnTo(step: number): void {
    this.random = new Random(new Random(this.seed ^ Math.imul(step + 1, 0x85ebca6b)).next());
  }

  /** Records a step, and counts its first word. */
  note(step: string): void {
    this.notes.push(step);
    const [name] = step.split(" ");
    this.counts[name!] = (this.counts[name!] ?? 0) + 1;
  }

  /** Opens the log once: as the writer, or as another writer or a reader beside it. */
  openOnce(options: Pick<WalLogOptions, "onDamage" | "verify" | "readOnly">): WalLog {
    return WalLog.openSync(FOLDER, { fileSystem: this.machine, segmentBytes: this.segmentBytes, ...options });
  }

  /**
   * Opens the log, with faults on the way, and continues the history.
   *
   * @param floor The first state that it may hold.
   */
  reopen(floor = this.floor): void {
    this.open(floor);
    this.#onOpened(this);
  }

  /**
   * Opens the log, with faults on the way. Without rot, it must have no damage.
   *
   * @param floor The first state that it may hold.
   */
  open(floor = this.floor): void {
    const opened = openDisturbed(this, floor);
    this.log = opened.log;
    this.floor = opened.floor;
    const { damage, harmless, verdict } = this.log.recovery;
    this.note(`opened-${verdict} ${damage.map(lineOf).join("; ")}`);
    assert(this.isRotten || damage.length === 0, `damage, but there was none: ${JSON.stringify(damage)}`);
    assert(this.hasRotted || harmless.length === 0, `harmless damage, but there was none: ${JSON.stringify(harmless)}`);
  }

  /** Records the state in which the log was found. Later states are gone for good, and this one is durable now. */
  settle(at: number): void {
    this.states.length = at + 1;
    this.floor = at;
  }

  /**
   * Changes the log and the model. A refused mutation must leave the log unchanged. After a failed one, the next opening
   * may find all of it, a part, or nothing.
   *
   * @param step The line to note.
   * @param whole The call to the log.
   * @param parts The mutations that it consists of, in order. A crash may cut the call between two of them.
   * @returns Whether it was done. If not, the log may have been reopened.
   */
  mutate(step: string, whole: () => void, parts: readonly Mutation[]): boolean {
    this.note(step);
    const { segmentsSealed } = this.log.stats();
    const before = readable(this.log);
    const wasPending = this.disk.isFaultPending;
    let failure: unknown;
    try {
      whole();
    } catch (error) {
      failure = error;
    }
    // A rotation flushes all earlier mutations.
    if (this.log.stats().segmentsSealed > segmentsSealed) this.floor = this.states.length - 1;
    if (failure instanceof WalLogError && ["NO_SPACE", "DAMAGED_ENTRY", "CORRUPT"].includes(failure.code)) {
      this.note(`refused-${failure.code}`);
      if (failure.code !== "NO_SPACE") assert(this.isRotten, failure);
      assert.equal(readable(this.log), before, `${step} was refused and changed the log: ${failure.message}`);
      // A planned fault strikes only once, so try the mutation again.
      if (wasPending && !this.disk.isFaultPending) return this.mutate(step, whole, parts);
      return false;
    }
    for (const part of parts) {
      const state = cloneOf(this.model);
      part(state);
      this.states.push(state);
      for (const entry of state.entries(state.snapshotIndex + 1, state.lastIndex)) this.ever.add(wordOf(entry));
    }
    if (failure !== undefined) this.failed(failure);
    else if (this.log.damaged.length > 0) this.note("wrote-damaged");
    return failure === undefined;
  }

  /** Opens the log again after a power failure or an I/O error. */
  failed(failure: unknown): void {
    if (isPowerLoss(failure)) {
      this.note("crashed");
      this.disk.crash();
    } else {
      assert(isPoisoned(failure), failure as Error);
      this.note("poisoned");
      if (this.random.chance(0.5)) {
        assert.throws(() => this.log.closeSync(), isPoisoned);
        this.disk.restart();
        if (this.random.chance(0.5)) this.disk.evict();
      } else this.disk.crash();
    }
    this.reopen();
  }
}
