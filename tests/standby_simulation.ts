/**
 * Random histories of a log that is archived in a simulated store, and of a standby that follows the archive. The log's
 * machine and the standby's machine lose power, processes are killed, archivers are replaced, requests fail. The
 * standby's log is always in a state that the log has had, never before an earlier one, and in the end it is the same as
 * the restored archive.
 */

import assert from "node:assert/strict";
import { WalLog, WalLogError } from "../mod.ts";
import { Archiver } from "../src/archive/archiver.ts";
import { LogView } from "../src/archive/log_view.ts";
import { restore } from "../src/archive/mod.ts";
import { Random, SimulatedDisk } from "../src/testing/mod.ts";
import { changeLog, type Machine, proveLog } from "./archive_machine.ts";
import { Pruning } from "./archive_pruning.ts";
import { Follower, WARM } from "./follower.ts";
import { type Counts, fingerprint, isPowerLoss } from "./simulated_log.ts";
import { SimulatedStore } from "./simulated_store.ts";

const STEPS = 60;
const PATH = "/raft.wal";
/** Failures that a later attempt can cure. */
const CURABLE: readonly string[] = ["STORE", "CORRUPT", "NOT_FOUND", "CHANGING", "FENCED", "ENOENT"];

class StandbySimulation {
  private readonly random: Random;
  private readonly counts: Counts;
  private readonly disk: SimulatedDisk;
  private readonly store: SimulatedStore;
  private readonly pruning: Pruning;
  private readonly follower: Follower;
  private readonly machine: Machine;
  private readonly id = { next: 1 };
  private tokens = 0;
  /** All states that the log has had. */
  private readonly all = new Set<string>();

  constructor(seed: number, counts: Counts) {
    this.random = new Random(seed);
    this.counts = counts;
    this.disk = new SimulatedDisk({ seed });
    this.store = new SimulatedStore(this.random, counts);
    this.pruning = new Pruning(this.store, this.disk, this.random, counts, seed + 2);
    this.follower = new Follower(this.store, seed + 1);
    this.machine = { path: PATH, log: this.open(), archiver: this.newArchiver(), states: [], proven: 0 };
    this.took();
  }

  async run(): Promise<void> {
    const faults = this.random.pick([0, 0.02, 0.1]);
    for (let step = 0; step < STEPS; step++) {
      this.store.faults = faults;
      await this.step();
      await this.pruning.attemptSometimes();
    }
    this.store.faults = 0;
    await this.store.settle();
    proveLog(this.machine, this.disk);
    for (let attempt = 0; attempt < 3; attempt++) await this.archive();
    await this.follower.update();
    const { fileSystem } = this.disk;
    await restore(this.store, "/restored.wal", { fileSystem });
    const restored = WalLog.openSync("/restored.wal", { fileSystem, readOnly: true, create: false });
    this.follower.requireSame(fingerprint(restored));
    this.count("compared");
  }

  private count(event: string): void {
    this.counts[event] = (this.counts[event] ?? 0) + 1;
  }

  private open(): WalLog {
    return WalLog.openSync(PATH, { fileSystem: this.disk.fileSystem, segmentBytes: 4096 });
  }

  private newArchiver(): Archiver {
    return new Archiver(this.store, new LogView(this.disk.fileSystem, PATH), `token-${++this.tokens}`);
  }

  private took(): void {
    this.all.add(fingerprint(this.machine.log));
  }

  private async step(): Promise<void> {
    const { machine, random, disk } = this;
    const dice = random.below(100);
    if (dice < 45) {
      changeLog(machine, random, disk, this.id);
      this.took();
    } else if (dice < 65) await this.archive();
    else if (dice < 85) await this.follow();
    else if (dice < 89) machine.archiver = this.newArchiver();
    else if (dice < 94) this.end(random.chance(0.5));
    else if (dice < 97) this.follower.end(random.chance(0.5) ? "killed" : "crashed");
    else await this.store.settle(0.5);
  }

  private async archive(): Promise<void> {
    const { machine, random } = this;
    if (random.chance(0.5)) proveLog(machine, this.disk);
    await this.attempt(() => machine.archiver.step(), "archived", [...CURABLE, "DIVERGED"]);
  }

  /** Ends the process of the log, or the power of its machine. */
  private end(isCrash: boolean): void {
    if (isCrash) this.disk.crash();
    else this.disk.restart();
    this.machine.log = this.open();
    if (this.random.chance(0.5)) this.machine.archiver = this.newArchiver();
    this.took();
  }

  /** Updates the standby. It may be killed meanwhile. */
  private async follow(): Promise<void> {
    const { follower, random } = this;
    const isKilled = random.chance(0.2);
    if (isKilled) follower.disk.failAfter("crash", random.below(40));
    const replaced = follower.log?.replaced;
    const isDone = await this.attempt(() => follower.update(), "followed");
    if (replaced !== undefined && follower.log !== undefined && follower.log.replaced > replaced) {
      this.count("replaced");
    }
    if (!follower.disk.hasPower) {
      follower.end(random.chance(0.5) ? "killed" : "crashed");
      this.count("standby ended");
    }
    follower.disk.heal();
    if (!isDone && follower.log === undefined) await this.attempt(() => follower.load(), "loaded");
    const names = follower.disk.fileSystem.list(WARM);
    if (follower.log === undefined || !names.some((name) => name.endsWith(".seg"))) return;
    const log = follower.open();
    assert.equal(log.recovery.verdict, "clean");
    assert(this.all.has(fingerprint(log)), `the log never had the state ${fingerprint(log).slice(0, 200)}`);
  }

  /** Runs something that may fail in ways that a later attempt can cure. */
  private async attempt(run: () => Promise<void>, event: string, curable = CURABLE): Promise<boolean> {
    try {
      await run();
      this.count(event);
      return true;
    } catch (error) {
      if (isPowerLoss(error)) return false;
      const code = error instanceof WalLogError ? error.code : (error as { code?: string }).code ?? "unknown";
      if (!curable.includes(code)) throw error;
      if (code === "FENCED") this.machine.archiver = this.newArchiver();
      // Without failing requests, only an archive that does not exist yet is missing something.
      if (code === "CORRUPT") assert(this.store.faults > 0, String(error));
      this.count(code);
      return false;
    }
  }
}

/**
 * Runs a history.
 *
 * @param seed The seed of the history.
 * @param counts Counts of events, which this adds to.
 */
export async function simulateStandby(seed: number, counts: Counts): Promise<void> {
  await new StandbySimulation(seed, counts).run();
}
