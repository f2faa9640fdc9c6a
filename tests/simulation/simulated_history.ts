/**
 * A random history of a log on a simulated disk: its steps, the acknowledged state, and the states that a crash may
 * leave.
 *
 * @module
 */

import assert from "node:assert/strict";
import { resolve } from "node:path";
import { MemoryLog, type RaftLog, type Retention, WalLog, WalLogError } from "../../mod.ts";
import type { FileSystem } from "../../src/io/file_system.ts";
import { type DiskFault, PowerLoss, Random, SimulatedDisk } from "../../src/testing/mod.ts";
import { cloneOf, type Counts, fingerprint, isExpected, isPoisoned, isPowerLoss } from "../simulated_log.ts";
import { betweenChanges, type Space, withinSpace } from "../simulated_machine.ts";

/** Options of a history. */
export interface SimulationOptions {
  /** Whether bytes rot too, so that `CORRUPT` is allowed. */
  readonly damage?: boolean;
  /** The numbers of the steps to do. Default: all. */
  readonly steps?: readonly number[];
}

/** The log's folder. */
export const FOLDER = resolve("/raft.wal");

/** Mostly small, so that histories rotate. */
const SEGMENT_BYTES = [4096, 4096, 4096, 61_440, 1 << 20];

/** Crashes in a row before an open must succeed. */
const RECOVERIES_MAX = 6;

/** Openings in a row on a full disk before there is space again. */
const FULL_MAX = 3;

/** A log, its history, and its allowed states. */
export class SimulatedHistory {
  readonly seed: number;
  random: Random;
  readonly disk: SimulatedDisk;
  readonly counts: Counts;
  readonly options: SimulationOptions;
  readonly segmentBytes: number;
  readonly steps: number[] = [];
  readonly notes: string[] = [];
  /** The expected contents of the log. */
  model = new MemoryLog();
  /** The fingerprint after each mutation, beginning with the empty log. Failed mutations may be among the last. */
  states: string[] = [fingerprint(this.model)];
  /** The number of mutations that the log has acknowledged as durable. */
  floor = 0;
  /** The number of mutations that were durable when the last frame was written. Damage to these must be noticed. */
  proven = 0;
  log!: WalLog;
  /** The retentions of the model and the log. There are none after the log was opened. */
  retained: readonly Retention[] = [];
  readonly id = { next: 0 };
  /** The disk as the writer sees it: it can be full, and readers open the log between the writer's operations. */
  readonly machine: FileSystem;
  readonly space: Space = { left: Infinity };
  /** Decides when a reader opens the log. It is separate, so that the history is the same without readers. */
  lookRandom = new Random(0);
  isLooking = false;
  /** The running mutation. A reader may already see it. */
  underWay: ((log: RaftLog) => void) | undefined;
  /** The first state that a reader may see while the log is being opened. */
  openingFloor: number | undefined;

  /** @param onChange Called between two operations of the writer. */
  constructor(seed: number, counts: Counts, options: SimulationOptions, onChange: (history: SimulatedHistory) => void) {
    this.seed = seed;
    this.random = new Random(seed);
    this.counts = counts;
    this.options = options;
    this.segmentBytes = this.random.pick(SEGMENT_BYTES);
    this.disk = new SimulatedDisk({ seed: seed ^ 0x5bd1e995, shortWrites: this.random.chance(0.2) ? 0.3 : 0 });
    this.machine = betweenChanges(withinSpace(this.disk.fileSystem, this.space), () => onChange(this));
  }

  /** Records a step, and counts its first word. */
  note(step: string): void {
    this.notes.push(step);
    const [name] = step.split(" ");
    this.counts[name!] = (this.counts[name!] ?? 0) + 1;
  }

  /** Opens the log: as its writer, or as a reader beside it. */
  open(readOnly = false, verify: "full" | "tail" = this.random.chance(0.3) ? "tail" : "full"): WalLog {
    return WalLog.openSync(FOLDER, {
      fileSystem: readOnly ? this.disk.fileSystem : this.machine,
      segmentBytes: this.segmentBytes,
      verify,
      readOnly,
    });
  }

  /**
   * Makes the same change to the log and to the model. If it throws, the log must be unchanged, but the change may show
   * after a reopening.
   */
  mutate(step: string, mutate: (log: RaftLog) => void): boolean {
    this.note(step);
    const before = fingerprint(this.model);
    const segments = this.log.stats().segmentsSealed;
    const durable = this.floor;
    const wasPending = this.disk.isFaultPending;
    let failure: unknown;
    this.underWay = mutate;
    try {
      mutate(this.log);
    } catch (error) {
      failure = error;
    }
    this.underWay = undefined;
    // A rotation flushes all earlier mutations.
    if (this.log.stats().segmentsSealed > segments) this.floor = this.states.length - 1;
    if (failure === undefined) {
      mutate(this.model);
      this.states.push(fingerprint(this.model));
      this.proven = Math.max(this.proven, durable);
      return true;
    }
    if (failure instanceof PowerLoss || isPoisoned(failure)) {
      const attempt = cloneOf(this.model);
      mutate(attempt);
      this.states.push(fingerprint(attempt));
      if (!isPowerLoss(failure)) {
        // A snapshot may be installed although deleting the replaced files failed.
        const installed = step.startsWith("snapshot") && fingerprint(this.log) === this.states.at(-1);
        if (!installed) assert.equal(fingerprint(this.log), before, "a failed mutation changed the log");
      }
      this.failed(failure);
      return false;
    }
    assert(failure instanceof WalLogError && failure.code === "NO_SPACE", failure as Error);
    this.note("refused-NO_SPACE");
    // A power failure can hit the running flush. The caller waits for that flush, and opens the log again.
    if (!this.disk.hasPower) return false;
    assert.equal(fingerprint(this.log), before, "a refused mutation changed the log");
    // There is space again, so the same mutation works now.
    if (wasPending && !this.disk.isFaultPending) return this.mutate(step, mutate);
    return false;
  }

  /** The writer has ended, by a power failure or an error. A new writer must be able to continue. */
  failed(failure: unknown): void {
    if (isPowerLoss(failure)) {
      this.note("crashed");
      this.disk.crash();
    } else {
      this.note("poisoned");
      assert.throws(() => this.log.setHardState({ term: 99, votedFor: null }), isPoisoned);
      if (this.random.chance(0.5)) {
        assert.throws(() => this.log.closeSync(), isPoisoned);
        this.disk.restart();
        if (this.random.chance(0.5)) this.disk.evict();
      } else this.disk.crash();
    }
    this.reopen(this.floor);
  }

  /** Opens the log, with crashes on the way, and finds the prefix of the history that it has. */
  reopen(floor: number, closed = false): void {
    let wasClosed = closed;
    for (let attempt = 0;; attempt++) {
      if (attempt >= FULL_MAX) this.space.left = Infinity;
      this.openingFloor = floor;
      if (attempt < RECOVERIES_MAX && this.random.chance(0.3)) {
        this.disk.failAfter(this.random.pick<DiskFault>(["crash", "crash", "EIO", "ENOSPC"]), this.random.below(14));
      } else this.disk.heal();
      try {
        this.log = this.open();
        // The log also opens if the power fails while it creates its reserve.
        if (!this.disk.hasPower) throw new PowerLoss("open");
        break;
      } catch (failure) {
        if (!this.disk.isFaultPending && !isExpected(failure)) throw failure;
        if (!isExpected(failure)) throw failure;
        this.note("crash-in-recovery");
        this.disk.heal();
        if (this.space.left < Infinity && !isPowerLoss(failure)) this.readFull(floor);
        assert(attempt < RECOVERIES_MAX * 10, failure as Error);
        wasClosed = false;
        if (isPowerLoss(failure) || this.random.chance(0.5)) {
          this.disk.crash();
          floor = Math.min(floor, Math.max(this.floor, 0));
        } else this.disk.restart();
      }
    }
    this.disk.heal();
    this.openingFloor = undefined;
    const { recovery } = this.log;
    this.note(`opened-${recovery.verdict}`);
    // Nothing has rotted. A crash alone must not cause any damage report.
    assert.deepEqual([recovery.damage, recovery.harmless], [[], []]);
    if (wasClosed) assert.equal(recovery.verdict, "clean");
    if (wasClosed) assert(recovery.closed, "a clean close was not seen");
    const found = fingerprint(this.log);
    const at = this.states.lastIndexOf(found);
    const why = `reopened to ${found}\nallowed, from ${floor} of ${this.states.length}:\n` +
      this.states.slice(floor).join("\n");
    assert(at >= floor, why);
    // The cut mutations are gone for good. The others are durable now.
    this.states.length = at + 1;
    this.floor = at;
    // A crash may have destroyed the frames that proved them, and the new segment's header does not prove its copies.
    this.proven = closed ? at : 0;
    this.model = cloneOf(this.log);
    this.retained = [];
    assert.equal(this.log.durableIndex, this.model.lastIndex);
  }

  /** A log on a full disk opens for reading. */
  readFull(floor: number): void {
    this.note("read-full");
    const found = fingerprint(this.open(true));
    assert(this.states.lastIndexOf(found) >= floor, `on a full disk a reader saw ${found}`);
  }

  /** Each step has its own random generator, so that leaving out some steps does not change the others. */
  turnTo(step: number): void {
    this.random = new Random(new Random(this.seed ^ Math.imul(step + 1, 0x85ebca6b)).next());
    this.lookRandom = new Random(new Random(this.seed ^ Math.imul(step + 1, 0xc2b2ae35)).next());
  }
}
