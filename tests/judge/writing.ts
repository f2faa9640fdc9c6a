/**
 * Random histories: a log on a simulated disk, and a model beside it.
 *
 * @module
 */

import { type HardState, type LogEntry, MemoryLog, type RaftLog, WalLog, WalLogError } from "../../mod.ts";
import { type Random, SimulatedDisk } from "../../src/testing/mod.ts";
import { cloneOf } from "../simulated_log.ts";
import { type Files, filesOf, FOLDER } from "./contents.ts";
import { type Expected, expectedAfter, expectedEntry, expectedOf, lineOf } from "./expected.ts";
import { COMMAND_BYTES_MIN } from "./places.ts";

/** Opens a log: `WalLog.openSync`, or a test's stand-in for it. */
export type Open = typeof WalLog.openSync;

/**
 * How a history ends. `unrested`: the process is killed, or the power fails, right after a flush, before the log has
 * written a checkpoint that proves the flush. `reopened`: the process is killed, the log is opened again, and the power
 * fails at once.
 */
export type End = "closed" | "killed" | "power cut" | "unrested" | "reopened";

/** The properties of a history. */
export interface Shape {
  /** Segment sizes to pick from, in bytes. */
  readonly segmentBytes: readonly number[];
  /** The fewest steps, and the most additional ones. */
  readonly steps: readonly [number, number];
  readonly ends: readonly End[];
  /** Syncs the entries one by one, and sets the vote last: to (9, 3), where it was (1, 7). */
  readonly voteLast?: boolean;
  /** Truncates about as often as it appends. */
  readonly truncatesOften?: boolean;
}

/** A history that has ended. */
export interface Written {
  readonly files: Files;
  readonly segmentBytes: number;
  readonly end: End;
  /** The allowed states after recovery. The first one is the acknowledged state. */
  readonly states: readonly Expected[];
}

/** Writes a log and its model. */
export class HistoryWriter {
  readonly disk: SimulatedDisk;
  readonly segmentBytes: number;
  /** The states that a crash may leave. The first one is the acknowledged state. */
  states: Expected[];
  protected log!: WalLog;
  protected model: MemoryLog;
  private readonly random: Random;
  private nextId = 0;

  /**
   * Creates the writer without opening the log.
   *
   * @param random Random decisions.
   * @param disk The disk.
   * @param segmentBytes The size of a segment.
   * @param model The same log in memory.
   * @param state Its state.
   */
  constructor(random: Random, disk: SimulatedDisk, segmentBytes: number, model: MemoryLog, state: Expected) {
    this.random = random;
    this.disk = disk;
    this.segmentBytes = segmentBytes;
    this.model = model;
    this.states = [state];
    // A later writer on the same log must not write the same commands again.
    this.nextId = random.next();
  }

  /** Opens a log without damage, and checks that it is in one of the allowed states. */
  open(): void {
    this.log = WalLog.openSync(FOLDER, { fileSystem: this.disk.fileSystem, segmentBytes: this.segmentBytes });
    const found = expectedOf(this.log);
    const line = lineOf(found);
    if (!this.states.some((state) => lineOf(state) === line)) {
      throw new Error(`A log without damage opened in a state that it never had since its last flush: ${line}`);
    }
    this.states = [found];
    this.model = cloneOf(this.log);
  }

  /** Continues with an open log. */
  take(log: WalLog): void {
    this.log = log;
  }

  /** Does some steps. */
  write(steps: number, truncatesOften = false): void {
    for (let step = 0; step < steps; step++) {
      if (truncatesOften && this.random.chance(0.4)) this.truncate();
      const dice = this.random.below(100);
      if (dice < 90) this.change();
      else if (dice < 94) {
        this.log.closeSync();
        this.states = this.states.slice(-1);
        this.open();
      } else if (dice < 97) {
        this.disk.restart();
        this.states = this.states.slice(-1);
        this.open();
      } else {
        this.disk.crash();
        this.open();
      }
    }
  }

  /** Syncs after each entry, and sets the vote last. */
  writeVoteLast(entries: number): void {
    this.setHardState({ term: 1, votedFor: 7n });
    for (let i = 0; i < entries; i++) {
      this.append(1);
      this.sync();
      if (this.random.chance(0.1)) this.rest();
    }
    this.setHardState({ term: 9, votedFor: 3n });
  }

  /** Does one step that leaves the log open. */
  change(): void {
    const dice = this.random.below(90);
    if (dice < 50) this.append(1 + this.random.below(this.random.chance(0.25) ? 50 : 4));
    else if (dice < 56) this.truncate();
    else if (dice < 64) {
      const { term } = this.model.hardState;
      const votedFor = this.random.chance(0.3) ? null : BigInt(this.random.below(5));
      this.setHardState({ term: term + this.random.below(2), votedFor });
    } else if (dice < 67) this.snapshot();
    else if (dice < 82) this.sync();
    else {
      this.sync();
      this.rest();
    }
  }

  /** Appends some entries in one batch. */
  append(count: number): void {
    const { random, model } = this;
    const term = model.lastTerm + (model.lastTerm === 0 || random.chance(0.08) ? 1 : 0);
    const entries = Array.from({ length: count }, (_, i): LogEntry => {
      const size = random.chance(0.9) ? random.below(120) : random.below(3000);
      const command = new Uint8Array(COMMAND_BYTES_MIN + size);
      random.fill(command);
      new DataView(command.buffer).setUint32(0, this.nextId++);
      return { term, index: model.lastIndex + 1 + i, kind: random.chance(0.1) ? "config" : "normal", command };
    });
    this.mutate((log) => log.append(entries), entries);
  }

  /** Drops entries, mostly a few. */
  truncate(): void {
    const { snapshotIndex, lastIndex } = this.model;
    const count = lastIndex - snapshotIndex;
    if (count === 0) return;
    const dropped = 1 + this.random.below(this.random.chance(0.7) ? Math.min(count, 5) : count);
    this.mutate((log) => log.truncate(lastIndex + 1 - dropped));
  }

  /** Sets the hard state. */
  setHardState(state: HardState): void {
    this.mutate((log) => log.setHardState(state));
  }

  /** Installs a snapshot, mostly of an entry in the older half. */
  snapshot(): void {
    const { random, model } = this;
    const { snapshotIndex, lastIndex, lastTerm } = model;
    const index = random.chance(0.85) ? snapshotIndex + random.below((lastIndex - snapshotIndex) / 2) : lastIndex + 2;
    if (index <= snapshotIndex) return;
    const term = model.termAt(index) ?? lastTerm + 1;
    const data = new Uint8Array(random.below(2000));
    random.fill(data);
    const snapshot = { index, term, config: [1n, 2n], data };
    if (!this.agreesAt(index)) return;
    // When the call returns, the snapshot and everything before it are durable.
    if (this.mutate((log) => log.applySnapshot(snapshot))) this.states = this.states.slice(-1);
  }

  /** Whether the log knows the term that the model has at an index. */
  private agreesAt(index: number): boolean {
    try {
      return this.log.termAt(index) === this.model.termAt(index);
    } catch (error) {
      if (error instanceof WalLogError && error.code === "DAMAGED_ENTRY") return false;
      throw error;
    }
  }

  /** Flushes: everything so far is acknowledged. */
  sync(): void {
    this.log.syncSync();
    this.states = this.states.slice(-1);
  }

  /** Lets the log be idle, so that it writes a checkpoint that proves its last flush. */
  rest(): void {
    this.disk.idle();
  }

  /**
   * Makes the same change to the log and to the model. A damaged log may reject it without a change.
   *
   * @param change The change.
   * @param added The entries that it appends.
   * @returns Whether the log accepted it.
   */
  private mutate(change: (log: RaftLog) => void, added: readonly LogEntry[] = []): boolean {
    try {
      change(this.log);
    } catch (error) {
      const isRefused = error instanceof WalLogError && (error.code === "DAMAGED_ENTRY" || error.code === "CORRUPT");
      if (isRefused && this.log.damaged.length > 0) return false;
      throw error;
    }
    change(this.model);
    const before = this.states.at(-1)!;
    // A crash may cut a batch short.
    for (let count = 1; count < added.length; count++) {
      this.states.push({ ...before, entries: [...before.entries, ...added.slice(0, count).map(expectedEntry)] });
    }
    this.states.push(expectedAfter(this.model, before, added));
    return true;
  }

  /**
   * Ends the history.
   *
   * @param end How.
   * @returns The history, ready to be damaged.
   */
  end(end: End): Written {
    if (end === "closed") {
      this.log.closeSync();
      this.states = this.states.slice(-1);
    } else {
      this.sync();
      if (end !== "unrested") {
        this.rest();
        this.flushFiles();
        for (let more = this.random.below(4); more > 0; more--) this.append(1 + this.random.below(3));
        if (this.random.chance(0.2)) this.truncate();
      }
      if (end === "power cut" || (end === "unrested" && this.random.chance(0.5))) this.disk.crash();
      else this.disk.restart();
      if (end === "reopened") {
        this.states = this.states.slice(-1);
        this.open();
        this.disk.crash();
      }
    }
    return { files: filesOf(this.disk), segmentBytes: this.segmentBytes, end, states: this.states };
  }

  /** Writes the page cache to the disk, as an operating system does after a while. */
  private flushFiles(): void {
    for (const path of this.disk.files()) {
      const file = this.disk.fileSystem.open(path, "write");
      file.sync();
      file.close();
    }
  }
}

/**
 * Writes a history of a shape.
 *
 * @param random Decides.
 * @param shape Its properties.
 */
export function writeHistory(random: Random, shape: Shape): Written {
  const disk = new SimulatedDisk({ seed: random.next() });
  const empty = new MemoryLog();
  const writer = new HistoryWriter(random, disk, random.pick(shape.segmentBytes), empty, expectedOf(empty));
  writer.open();
  const steps = shape.steps[0] + random.below(shape.steps[1] + 1);
  if (shape.voteLast === true) writer.writeVoteLast(steps);
  else writer.write(steps, shape.truncatesOften);
  return writer.end(random.pick(shape.ends));
}
