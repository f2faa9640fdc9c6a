/**
 * Random histories on a simulated disk, compared with `MemoryLog`. A reopened log must hold the result of a prefix of its
 * history, no shorter than the last successful sync. A reader that opens the log between two operations of its writer
 * must see everything that was written. A reader whose writer goes on meanwhile must see a state that the log has had
 * since. A log on a full disk must still open for reading.
 *
 * A seed repeats a history. A failure is thrown with its seed, and with as few of its steps as still fail.
 */

import assert from "node:assert/strict";
import { resolve } from "node:path";
import { type LogEntry, MemoryLog, type RaftLog, type Retention, type Snapshot, WalLog, WalLogError } from "../mod.ts";
import { CHECKPOINT_BYTES } from "../src/format/checkpoint.ts";
import type { FileSystem } from "../src/io/file_system.ts";
import { type DiskFault, PowerLoss, Random, SimulatedDisk } from "../src/testing/mod.ts";
import {
  cloneOf,
  type Counts,
  entriesBehind,
  type Failure,
  fingerprint,
  isExpected,
  isPoisoned,
  isPowerLoss,
  shrink,
} from "./simulated_log.ts";
import { betweenChanges, betweenReads, type Space, withinSpace } from "./simulated_machine.ts";

const FOLDER = resolve("/raft.wal");
/** Mostly small, so that histories rotate. */
const SEGMENT_BYTES = [4096, 4096, 4096, 61_440, 1 << 20];
const STEPS_MAX = 40;
/** Crashes in a row before an open must succeed. */
const RECOVERIES_MAX = 6;
/** How often a reader opens the log between two operations of its writer. */
const LOOK_CHANCE = 0.04;
/** How often a writer does a step between two operations of a reader, and how often in one opening at most. */
const OVERTAKE_CHANCE = 0.1;
const OVERTAKES_MAX = 4;
/** Openings in a row on a full disk before there is space again. */
const FULL_MAX = 3;

/** How a history differs from the usual. */
export interface SimulationOptions {
  /** Whether bytes rot too, so that `CORRUPT` is a right answer. */
  readonly damage?: boolean;
  /** The steps of the history that are done, by number. Default: all. */
  readonly steps?: readonly number[];
}

class Simulation {
  readonly #seed: number;
  #random: Random;
  readonly #disk: SimulatedDisk;
  readonly #counts: Counts;
  readonly #options: SimulationOptions;
  readonly #segmentBytes: number;
  readonly #steps: number[] = [];
  readonly #notes: string[] = [];
  /** What the log holds by its own account. */
  #model = new MemoryLog();
  /** Fingerprint after each mutation, the first of an empty log; mutations that failed may be among the last. */
  #states: string[] = [fingerprint(this.#model)];
  /** How many of them the log has acknowledged as durable. */
  #floor = 0;
  /** How many of them were durable when the last frame was written: what damage may not take unnoticed. */
  #proven = 0;
  #log!: WalLog;
  /** What the model and the log retain; nothing after the log was opened. */
  #retained: readonly Retention[] = [];
  readonly #id = { next: 0 };
  /** The disk as the writer sees it: it can be full, and readers open the log between the writer's operations. */
  readonly #machine: FileSystem;
  readonly #space: Space = { left: Infinity };
  /** Decides when a reader opens the log. It is apart, so that the history stays the same without readers. */
  #lookRandom = new Random(0);
  #isLooking = false;
  /** The mutation under way. A reader may see it already. */
  #underWay: ((log: RaftLog) => void) | undefined;
  /** The first state that a reader may see while the log is being opened. */
  #openingFloor: number | undefined;

  constructor(seed: number, counts: Counts, options: SimulationOptions) {
    this.#seed = seed;
    this.#random = new Random(seed);
    this.#counts = counts;
    this.#options = options;
    this.#segmentBytes = this.#random.pick(SEGMENT_BYTES);
    this.#disk = new SimulatedDisk({ seed: seed ^ 0x5bd1e995, shortWrites: this.#random.chance(0.2) ? 0.3 : 0 });
    this.#machine = betweenChanges(withinSpace(this.#disk.fileSystem, this.#space), () => this.#lookIn());
  }

  /** Runs it to its end, or to where it fails. */
  async run(): Promise<Failure | undefined> {
    try {
      await this.#run();
      return undefined;
    } catch (error) {
      return { error: error as Error, steps: this.#steps, notes: this.#notes };
    }
  }

  #note(step: string): void {
    this.#notes.push(step);
    const [name] = step.split(" ");
    this.#counts[name!] = (this.#counts[name!] ?? 0) + 1;
  }

  #open(readOnly = false, verify: "full" | "tail" = this.#random.chance(0.3) ? "tail" : "full"): WalLog {
    return WalLog.openSync(FOLDER, {
      fileSystem: readOnly ? this.#disk.fileSystem : this.#machine,
      segmentBytes: this.#segmentBytes,
      verify,
      readOnly,
    });
  }

  async #run(): Promise<void> {
    this.#reopen(0);
    const length = 1 + this.#random.below(STEPS_MAX);
    for (let step = 0; step < length; step++) {
      if (this.#options.steps?.includes(step) === false) continue;
      this.#steps.push(step);
      this.#turnTo(step);
      await this.#step();
    }
    this.#turnTo(length);
    if (this.#options.damage) this.#rot();
    else {
      this.#note("crash");
      this.#disk.crash();
      this.#reopen(this.#floor);
    }
  }

  /** Each step has dice of its own, so that steps can be left out and the others stay what they are. */
  #turnTo(step: number): void {
    this.#random = new Random(new Random(this.#seed ^ Math.imul(step + 1, 0x85ebca6b)).next());
    this.#lookRandom = new Random(new Random(this.#seed ^ Math.imul(step + 1, 0xc2b2ae35)).next());
  }

  async #step(): Promise<void> {
    const random = this.#random;
    const dice = random.below(100);
    if (dice < 35) this.#append();
    else if (dice < 40) this.#retain();
    else if (dice < 46) this.#truncate();
    else if (dice < 52) this.#setHardState();
    else if (dice < 58) this.#snapshot();
    else if (dice < 65) await this.#sync();
    else if (dice < 68) await this.#mutateDuringFlush();
    else if (dice < 72) {
      this.#note("idle");
      this.#disk.idle();
      if (!this.#disk.hasPower) return this.#failed(new PowerLoss("idle"));
      // A log at rest with nothing left to flush leaves a checkpoint, if there is room for it.
      if (this.#floor === this.#states.length - 1 && this.#space.left === Infinity) this.#proven = this.#floor;
    } else if (dice < 76) this.#close();
    else if (dice < 80) this.#kill();
    else if (dice < 85) {
      this.#note("crash");
      this.#disk.crash();
      this.#reopen(this.#floor);
    } else if (dice < 92) this.#plan();
    else if (dice < 94) await this.#read();
    else if (dice < 96) this.#readOvertaken();
    else if (dice < 98) this.#fill();
    else this.#append();
  }

  /** The disk fills up, or there is space again. */
  #fill(): void {
    this.#space.left = this.#space.left < Infinity ? Infinity : this.#random.below(this.#random.pick([1, 500, 20_000]));
    this.#note(`space ${this.#space.left}`);
  }

  /** Entries are retained below coming snapshots, or given up, which deletes files. */
  #retain(): void {
    const logs = [this.#model, this.#log];
    const [model] = logs;
    const index = model!.firstIndex + this.#random.below(model!.lastIndex - model!.firstIndex + 3);
    if (this.#retained.length === 0) {
      this.#note(`retain ${index}`);
      try {
        this.#retained = logs.map((log) => log.retain("simulation", index));
      } catch (failure) {
        // A checkpoint that could not be written has ended the writer since.
        this.#failed(failure);
      }
      return;
    }
    this.#note(`give-up ${index}`);
    assert.deepEqual(this.#log.entries(0, model!.lastIndex), model!.entries(0, model!.lastIndex), "retained entries");
    const isReleased = this.#random.chance(0.3);
    try {
      for (const retention of this.#retained) isReleased ? retention.release() : retention.advance(index);
    } catch (failure) {
      return this.#failed(failure);
    }
    if (isReleased) this.#retained = [];
    assert.equal(this.#log.firstIndex, model!.firstIndex);
  }

  /** Something will go wrong with one of the next operations. */
  #plan(): void {
    const fault = this.#random.pick<DiskFault>(["crash", "crash", "EIO", "ENOSPC"]);
    const after = this.#random.below(12);
    this.#note(`plan-${fault} ${after}`);
    this.#disk.failAfter(fault, after);
  }

  #append(): void {
    const entries = entriesBehind(this.#random, this.#model, this.#id);
    const sizes = entries.map(({ command }) => command.length);
    // A crash leaves all of a batch, or nothing.
    this.#mutate(`append ${sizes}`, (log) => log.append(entries));
  }

  #truncate(): void {
    const { snapshotIndex, lastIndex } = this.#model;
    if (lastIndex === snapshotIndex) return;
    const from = snapshotIndex + 1 + this.#random.below(lastIndex - snapshotIndex);
    this.#mutate(`truncate ${from}`, (log) => log.truncate(from));
  }

  #setHardState(): void {
    const random = this.#random;
    const state = {
      term: this.#model.hardState.term + random.below(2),
      votedFor: random.chance(0.3) ? null : BigInt(random.below(5)),
    };
    this.#mutate(`hard-state ${state.term}`, (log) => log.setHardState(state));
  }

  #snapshot(): void {
    const random = this.#random;
    const { snapshotIndex, lastIndex, lastTerm } = this.#model;
    const index = snapshotIndex + random.below(lastIndex - snapshotIndex + 3);
    if (index === 0) return;
    const term = random.chance(0.8) ? this.#model.termAt(index) ?? lastTerm : lastTerm + 1;
    const data = new Uint8Array(random.below(2000));
    random.fill(data);
    const snapshot: Snapshot = {
      index,
      term,
      config: [1n, 2n, BigInt(random.below(9))],
      meta: data.slice(0, index % 30),
      data,
    };
    const stale = index <= snapshotIndex;
    // Of those that agree with the log, some are the node's own.
    const isOwn = !stale && index % 2 === 1 && this.#model.termAt(index) === term;
    const { config, meta } = snapshot;
    const install = (log: RaftLog) => isOwn ? log.compact(index, { data, config, meta }) : log.applySnapshot(snapshot);
    if (this.#mutate(`snapshot ${index}`, install) && !stale) {
      this.#floor = this.#states.length - 1;
    }
  }

  /**
   * Does something to the log and to the model. What throws must leave the log as it was; what it got onto the disk may
   * come back.
   */
  #mutate(step: string, mutate: (log: RaftLog) => void): boolean {
    this.#note(step);
    const before = fingerprint(this.#model);
    const segments = this.#log.stats().segmentsSealed;
    const durable = this.#floor;
    const wasPending = this.#disk.isFaultPending;
    let failure: unknown;
    this.#underWay = mutate;
    try {
      mutate(this.#log);
    } catch (error) {
      failure = error;
    }
    this.#underWay = undefined;
    // A rotation flushes what was there before.
    if (this.#log.stats().segmentsSealed > segments) this.#floor = this.#states.length - 1;
    if (failure === undefined) {
      mutate(this.#model);
      this.#states.push(fingerprint(this.#model));
      this.#proven = Math.max(this.#proven, durable);
      return true;
    }
    if (failure instanceof PowerLoss || isPoisoned(failure)) {
      const attempt = cloneOf(this.#model);
      mutate(attempt);
      this.#states.push(fingerprint(attempt));
      if (!isPowerLoss(failure)) {
        // A snapshot can be installed, and what it replaces not be deleted.
        const installed = step.startsWith("snapshot") && fingerprint(this.#log) === this.#states.at(-1);
        if (!installed) assert.equal(fingerprint(this.#log), before, "a failed mutation changed the log");
      }
      this.#failed(failure);
      return false;
    }
    assert(failure instanceof WalLogError && failure.code === "NO_SPACE", failure as Error);
    this.#note("refused-NO_SPACE");
    assert.equal(fingerprint(this.#log), before, "a refused mutation changed the log");
    // There is room again: the same is done when it is asked for once more.
    if (wasPending && !this.#disk.isFaultPending) return this.#mutate(step, mutate);
    return false;
  }

  /** The writer has ended: by a power cut, or by its own account. Either way a new one must find its way. */
  #failed(failure: unknown): void {
    if (isPowerLoss(failure)) {
      this.#note("crashed");
      this.#disk.crash();
    } else {
      this.#note("poisoned");
      assert.throws(() => this.#log.setHardState({ term: 99, votedFor: null }), isPoisoned);
      if (this.#random.chance(0.5)) {
        assert.throws(() => this.#log.closeSync(), isPoisoned);
        this.#disk.restart();
        if (this.#random.chance(0.5)) this.#disk.evict();
      } else this.#disk.crash();
    }
    this.#reopen(this.#floor);
  }

  async #sync(): Promise<void> {
    this.#note("sync");
    const target = this.#states.length - 1;
    try {
      if (this.#random.chance(0.5)) assert.equal(this.#log.syncSync(), this.#model.lastIndex);
      else assert.equal(await this.#log.sync(), this.#model.lastIndex);
      this.#floor = target;
    } catch (failure) {
      if (failure instanceof assert.AssertionError) throw failure;
      this.#failed(failure);
    }
  }

  /** What is done while a flush is under way is not covered by it, and what fails meanwhile is heard of. */
  async #mutateDuringFlush(): Promise<void> {
    this.#note("sync-meanwhile");
    const target = this.#states.length - 1;
    const log = this.#log;
    const flush = log.sync().then(() => ({ failure: undefined }), (failure: unknown) => ({ failure }));
    await Promise.resolve();
    const dice = this.#random.below(10);
    if (dice < 6) this.#append();
    else if (dice < 8) this.#truncate();
    else if (dice < 9) this.#snapshot();
    else {
      try {
        log.syncSync();
        this.#floor = this.#states.length - 1;
      } catch (failure) {
        this.#failed(failure);
      }
    }
    const { failure } = await flush;
    // What was done meanwhile may have ended the log already.
    if (this.#log !== log) return;
    if (failure !== undefined) this.#failed(failure);
    else this.#floor = Math.max(this.#floor, target);
  }

  #close(): void {
    this.#note("close");
    const wasPending = this.#disk.isFaultPending;
    try {
      this.#log.closeSync();
      // On a full disk the log is closed without the checkpoint that says so, and nothing else is missing.
      const isMarked = this.#disk.isFaultPending === wasPending;
      this.#floor = this.#states.length - 1;
      if (isMarked) this.#proven = this.#floor;
      this.#reopen(this.#floor, isMarked);
    } catch (failure) {
      if (!isPowerLoss(failure) && !isPoisoned(failure)) throw failure;
      if (isPowerLoss(failure)) this.#disk.crash();
      else this.#disk.restart();
      this.#reopen(this.#floor);
    }
  }

  /** The process is killed: nothing that was appended is lost. */
  #kill(): void {
    this.#note("kill");
    this.#disk.restart();
    this.#reopen(this.#states.length - 1);
  }

  async #read(): Promise<void> {
    this.#note("read");
    this.#disk.heal();
    const reader = this.#open(true);
    assert.equal(fingerprint(reader), fingerprint(this.#model), "a reader beside the writer");
    const { damage, harmless } = await reader.scrub();
    assert.deepEqual([damage, harmless], [[], []], "a scrub where nothing has rotted");
    reader.closeSync();
  }

  /** A reader opens the log between two operations of its writer. It must see everything that was written. */
  #lookIn(): void {
    if (this.#isLooking || !this.#disk.hasPower || !this.#lookRandom.chance(LOOK_CHANCE)) return;
    this.#note("look-in");
    this.#isLooking = true;
    const reader = this.#open(true, this.#lookRandom.chance(0.3) ? "tail" : "full");
    this.#isLooking = false;
    const allowed = this.#states.slice(this.#openingFloor ?? this.#states.length - 1);
    if (this.#underWay !== undefined) {
      const model = cloneOf(this.#model);
      this.#underWay(model);
      allowed.push(fingerprint(model));
    }
    const found = fingerprint(reader);
    assert(allowed.includes(found), `a reader within an operation saw ${found}\nallowed:\n${allowed.join("\n")}`);
    reader.closeSync();
  }

  /** A writer goes on while a reader opens the log. The reader must see a state that the log has had since. */
  #readOvertaken(): void {
    this.#note("read-overtaken");
    this.#disk.heal();
    this.#space.left = Infinity;
    const first = this.#states.length - 1;
    let left = OVERTAKES_MAX;
    const overtake = () => {
      if (left === 0 || this.#isLooking || !this.#random.chance(OVERTAKE_CHANCE)) return;
      left--;
      this.#note("overtaken");
      this.#isLooking = true;
      const dice = this.#random.below(10);
      if (dice < 5) this.#append();
      else if (dice < 7) this.#truncate();
      else if (dice < 8) this.#snapshot();
      else this.#disk.idle();
      this.#isLooking = false;
    };
    const fileSystem = betweenReads(this.#disk.fileSystem, overtake);
    try {
      const verify = this.#random.chance(0.3) ? "tail" : "full";
      const reader = WalLog.openSync(FOLDER, { fileSystem, readOnly: true, verify });
      left = 0;
      const found = fingerprint(reader);
      const allowed = this.#states.slice(first);
      assert(allowed.includes(found), `an overtaken reader saw ${found}\nallowed:\n${allowed.join("\n")}`);
      reader.closeSync();
    } catch (error) {
      // The writer may have failed before, and the process with both of them been restarted.
      if (isPowerLoss(error)) this.#note("reader-killed");
      // The writer may have deleted files that the reader has not read yet.
      else if (error instanceof WalLogError && error.code === "COMPACTED") this.#note("reader-compacted");
      else throw error;
    }
  }

  /** A log on a full disk opens for reading. */
  #readFull(floor: number): void {
    this.#note("read-full");
    const found = fingerprint(this.#open(true));
    assert(this.#states.lastIndexOf(found) >= floor, `on a full disk a reader saw ${found}`);
  }

  /** Opens, with crashes on the way, and finds out which prefix of the history it is. */
  #reopen(floor: number, closed = false): void {
    let wasClosed = closed;
    for (let attempt = 0;; attempt++) {
      if (attempt >= FULL_MAX) this.#space.left = Infinity;
      this.#openingFloor = floor;
      if (attempt < RECOVERIES_MAX && this.#random.chance(0.3)) {
        this.#disk.failAfter(this.#random.pick<DiskFault>(["crash", "crash", "EIO", "ENOSPC"]), this.#random.below(14));
      } else this.#disk.heal();
      try {
        this.#log = this.#open();
        break;
      } catch (failure) {
        if (!this.#disk.isFaultPending && !isExpected(failure)) throw failure;
        if (!isExpected(failure)) throw failure;
        this.#note("crash-in-recovery");
        this.#disk.heal();
        if (this.#space.left < Infinity && !isPowerLoss(failure)) this.#readFull(floor);
        assert(attempt < RECOVERIES_MAX * 10, failure as Error);
        wasClosed = false;
        if (isPowerLoss(failure) || this.#random.chance(0.5)) {
          this.#disk.crash();
          floor = Math.min(floor, Math.max(this.#floor, 0));
        } else this.#disk.restart();
      }
    }
    this.#disk.heal();
    this.#openingFloor = undefined;
    const { recovery } = this.#log;
    this.#note(`opened-${recovery.verdict}`);
    // Nothing has rotted: a crash leaves nothing that is reported as damaged, needed or not.
    assert.deepEqual([recovery.damage, recovery.harmless], [[], []]);
    if (wasClosed) assert.equal(recovery.verdict, "clean");
    if (wasClosed) assert(recovery.closed, "a clean close was not seen");
    const found = fingerprint(this.#log);
    const at = this.#states.lastIndexOf(found);
    const why = `reopened to ${found}\nallowed, from ${floor} of ${this.#states.length}:\n` +
      this.#states.slice(floor).join("\n");
    assert(at >= floor, why);
    // What was cut is gone for good; what is there is durable now.
    this.#states.length = at + 1;
    this.#floor = at;
    // A crash may have taken the frames that vouched for it; the new segment's header vouches for nothing it copied.
    this.#proven = closed ? at : 0;
    this.#model = cloneOf(this.#log);
    this.#retained = [];
    assert.equal(this.#log.durableIndex, this.#model.lastIndex);
  }

  /** Bytes rot: the log says so, or holds exactly what it may. */
  #rot(): void {
    const random = this.#random;
    const dirty = random.chance(0.5);
    this.#space.left = Infinity;
    // The damaged log is compared below.
    this.#isLooking = true;
    this.#states.length = this.#states.lastIndexOf(fingerprint(this.#model)) + 1;
    if (dirty) this.#disk.restart();
    else {
      this.#disk.heal();
      try {
        this.#log.closeSync();
        this.#proven = this.#floor = this.#states.length - 1;
      } catch (failure) {
        if (!isPoisoned(failure)) throw failure;
      }
      this.#disk.restart();
    }
    const path = random.pick(this.#disk.files().filter((name) => /(\.seg|\.snap|IDENTITY)$/.test(name)));
    const size = this.#disk.content(path).length;
    if (size === 0) return;
    const used = this.#disk.content(path).findLastIndex((byte) => byte !== 0) + 1;
    const offset = random.below(random.chance(0.9) ? Math.max(used, 1) : size);
    const kind = random.below(10);
    // Zeros over the end of the log take what vouches for it along, and look like the end of a shorter one. The docs
    // name that as what cannot be seen.
    const from = offset - offset % 512;
    const length = Math.min(512 * (1 + random.below(4)), used - CHECKPOINT_BYTES - from);
    if (kind < 2) this.#disk.lose(path);
    else if (kind < 4 && !dirty && length > 0) this.#disk.zero(path, from, length);
    else this.#disk.flip(path, offset, 1 << random.below(8));
    this.#note(`rot ${path} at ${offset} of ${size}, ${kind}`);
    let log: WalLog;
    try {
      log = this.#open(random.chance(0.5));
    } catch (error) {
      assert(error instanceof WalLogError && error.code === "CORRUPT", error as Error);
      assert(error.damage.length > 0, "CORRUPT that names nothing");
      this.#note("rot-refused");
      this.#keep();
      return;
    }
    let found: string;
    try {
      found = fingerprint(log);
    } catch (error) {
      assert(
        error instanceof WalLogError && (error.code === "DAMAGED_ENTRY" || error.code === "CORRUPT"),
        error as Error,
      );
      this.#note("rot-refused-late");
      return;
    }
    const at = this.#states.lastIndexOf(found);
    this.#note(at === this.#states.length - 1 ? "rot-harmless" : "rot-in-unproven");
    const allowed = `damaged log opened to ${found}\nallowed, from ${this.#proven} of ${this.#states.length}:\n` +
      this.#states.slice(this.#proven).join("\n");
    assert(at >= this.#proven, allowed);
  }

  /** The damaged log, opened all the same: what can be read is right, and what cannot is named. */
  #keep(): void {
    const log = WalLog.openSync(FOLDER, {
      fileSystem: this.#disk.fileSystem,
      segmentBytes: this.#segmentBytes,
      onDamage: "keep",
    });
    const { damaged, snapshotIndex, lastIndex } = log;
    assert(damaged.length > 0);
    const model = this.#model;
    const isNamed = (index: number) =>
      damaged.some(({ firstIndex = Infinity, lastIndex = Infinity }) => firstIndex <= index && index <= lastIndex);
    // Frames at the end that were lost with all they said may have held a truncation: what it discarded is read again.
    // And a log that has lost its latest snapshot goes back to the one before.
    const isOpenEnded = damaged.some(({ kind, firstIndex, lastIndex }) =>
      kind === "snapshot" || (firstIndex !== undefined && lastIndex === undefined)
    );
    const from = Math.max(snapshotIndex, model.snapshotIndex) + 1;
    for (let index = from; index <= Math.max(model.lastIndex, lastIndex); index++) {
      const expected = model.entry(index);
      try {
        const found = log.entry(index);
        if (found === undefined) {
          assert(isOpenEnded || isNamed(index) || expected === undefined, `entry ${index} is gone and not named`);
        } else if (!isOpenEnded) assert.deepEqual(found, expected, `entry ${index} of a damaged log`);
      } catch (error) {
        if (!(error instanceof WalLogError) || error.code !== "DAMAGED_ENTRY") throw error;
        assert(isNamed(index), `entry ${index} cannot be read and is not named`);
        this.#note("rot-named");
      }
    }
    const isRepaired = !isOpenEnded && this.#repair(log);
    log.closeSync();
    let again: WalLog;
    try {
      again = this.#open(false, "full");
    } catch (error) {
      assert(error instanceof WalLogError && error.code === "CORRUPT", error as Error);
      assert(!isRepaired, `not repaired: ${error.message}`);
      return;
    }
    assert(isRepaired || !isOpenEnded, "damage was forgotten by opening the log");
    assert.equal(fingerprint(again), fingerprint(model), "the repaired log");
  }

  /** Good copies of everything damaged make the log what it was; `false` if they could only be appended anew. */
  #repair(log: WalLog): boolean {
    const model = this.#model;
    try {
      log.setHardState(model.hardState, { force: true });
    } catch (error) {
      if (!isPoisoned(error)) throw error;
    }
    const snapshot = model.snapshot();
    if (snapshot !== undefined && log.snapshotIndex < snapshot.index) log.applySnapshot(snapshot);
    const good: LogEntry[] = [];
    let first = Infinity;
    for (const { kind, firstIndex, lastIndex } of log.damaged) {
      if (firstIndex === undefined || lastIndex === undefined) continue;
      if (kind === "segment" || kind === "segment header") first = Math.min(first, firstIndex);
      for (let index = firstIndex; index <= lastIndex; index++) {
        const entry = model.entry(index);
        if (entry !== undefined) good.push(entry);
      }
    }
    try {
      if (first < Infinity) throw new WalLogError("INVALID_ARGUMENT", "a segment is missing");
      log.repair(good);
      assert.equal(fingerprint(log), fingerprint(model), "the log after its repair");
      this.#note("rot-repaired");
      return log.damaged.length === 0;
    } catch (error) {
      if (!(error instanceof WalLogError) || error.code !== "INVALID_ARGUMENT") throw error;
      // What cannot be put back in place can always be replaced.
      for (const { firstIndex } of log.damaged) first = Math.min(first, firstIndex ?? Infinity);
      first = Math.max(first, log.snapshotIndex + 1);
      assert(first < Infinity, error);
      log.truncate(first);
      log.append(model.entries(first, model.lastIndex));
      log.syncSync();
      assert.equal(fingerprint(log), fingerprint(model), "the log after its entries were replaced");
      this.#note("rot-replaced");
      return false;
    }
  }
}

/**
 * Runs one history.
 *
 * @param seed Repeats it.
 * @param counts Added to.
 * @param options How it differs from the usual.
 */
export async function simulate(seed: number, counts: Counts = {}, options: SimulationOptions = {}): Promise<void> {
  const run = (counts: Counts, steps = options.steps) => new Simulation(seed, counts, { ...options, steps }).run();
  const found = await run(counts);
  if (found === undefined) return;
  const { error, steps, notes } = await shrink(found, (steps) => run({}, steps));
  const again = `deno task sim --seed ${seed} ${options.damage ? "--damage" : "--crashes"} --steps=${steps}`;
  const kind = options.damage ? " with damage" : "";
  throw new Error(`seed ${seed}${kind}: ${error.message}\n  ${notes.join("\n  ")}\n  again: ${again}`, {
    cause: error,
  });
}
