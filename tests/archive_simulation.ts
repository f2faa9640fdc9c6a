/**
 * Random histories of logs on a simulated disk that are archived in one simulated store: the log and copies of it, which
 * go different ways. Machines lose power, archivers are killed and replaced, requests fail. Whatever is restored is a
 * state that one of the logs has had, and it is at least the state that was archived when an archiver said so.
 */

import assert from "node:assert/strict";
import { WalLog, WalLogError } from "../mod.ts";
import { Archiver } from "../src/archive/archiver.ts";
import { LogView } from "../src/archive/log_view.ts";
import { restore } from "../src/archive/mod.ts";
import { missingObjects, restoreAsOf, restoreToIndex } from "./archive_restores.ts";
import { verifyArchive } from "../src/archive/verify_archive.ts";
import { Random, SimulatedDisk } from "../src/testing/mod.ts";
import { changeLog, copyFiles, type Machine, proveLog, releaseArchived } from "./archive_machine.ts";
import { Pruning } from "./archive_pruning.ts";
import { type Counts, fingerprint, isPowerLoss } from "./simulated_log.ts";
import { SimulatedStore } from "./simulated_store.ts";

const STEPS = 60;

/** A state that an archiver has reported as archived. */
interface Promised {
  /** The first number of the state: a log can be in the same state again. */
  readonly number: number;
  readonly state: string;
  /** The generation of the archiver. */
  readonly generation: number;
}

/** A history. */
class ArchiveSimulation {
  private readonly random: Random;
  private readonly counts: Counts;
  private readonly disk: SimulatedDisk;
  private readonly store: SimulatedStore;
  private readonly pruning: Pruning;
  private readonly machines: Machine[] = [];
  private readonly retains: boolean;
  /** Whether lists can be out of date. Then an archived state can be missed, but logs still never mix. */
  private readonly isStale: boolean;
  private readonly id = { next: 1 };
  private promised: Promised | undefined;
  private tokens = 0;
  private isRotten = false;
  /** The state that was restored last. */
  private state = "";
  private restores = 0;

  constructor(seed: number, counts: Counts) {
    this.random = new Random(seed);
    this.counts = counts;
    this.disk = new SimulatedDisk({ seed });
    this.store = new SimulatedStore(this.random, counts);
    this.pruning = new Pruning(this.store, this.disk, this.random, counts);
    this.retains = this.random.chance(0.5);
    this.isStale = this.random.chance(0.1);
    if (this.isStale) this.store.staleWrites = 8;
  }

  async run(): Promise<void> {
    this.open("/1.wal", ["0/0 0=- 0>null "]);
    const faults = this.random.pick([0, 0.02, 0.1, 0.3]);
    for (let step = 0; step < STEPS; step++) {
      this.store.faults = faults;
      await this.step(this.random.pick(this.machines));
      if (this.random.chance(0.1)) await this.check();
    }
    await this.store.settle();
    await this.check();
    await this.rot();
  }

  /** Damages or deletes an object for good. What can be restored then must still be a state of a log. */
  private async rot(): Promise<void> {
    const { random, state, store: { memory: { objects } } } = this;
    const [key, bytes] = random.pick([...objects]);
    const isLost = bytes.length === 0 || random.chance(0.5);
    if (isLost) objects.delete(key);
    else bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
    this.promised = undefined;
    this.isRotten = true;
    this.store.faults = 0;
    const verdict = this.isStale ? "unknown" : (await verifyArchive(this.store)).verdict;
    try {
      await this.check();
      this.count("restored from a damaged archive");
      // No key shows that the last piece existed.
      assert(this.state === state || this.isStale || key.includes("/segments/"), `another state without ${key}`);
    } catch (error) {
      if (!(error instanceof WalLogError)) throw error;
      this.count(isLost ? "lost object" : "damaged object");
      assert(verdict !== "clean" || error.code === "NOT_FOUND", `no damage found, but ${error.message}`);
    }
  }

  private async verify(): Promise<void> {
    if (this.isStale) return;
    assert.deepEqual(await missingObjects(this.store), []);
    this.count("verified");
  }

  /** Restores up to an index, or as of a time. */
  private async restoreInBetween(newest: WalLog): Promise<void> {
    const { store, disk, random } = this;
    const path = () => `/restored-${++this.restores}.wal`;
    if (random.chance(0.2) && await restoreToIndex(store, disk, path(), newest, random)) {
      this.count("restored to an index");
    }
    if (random.chance(0.1) && await restoreAsOf(store, disk, path(), random)) this.count("restored as of a time");
  }

  private count(event: string): void {
    this.counts[event] = (this.counts[event] ?? 0) + 1;
  }

  private open(path: string, states: string[]): Machine {
    const { fileSystem } = this.disk;
    const log = WalLog.openSync(path, { fileSystem, segmentBytes: 4096 });
    const machine = { path, log, archiver: this.newArchiver(path), states, proven: 0 };
    this.reopened(machine);
    this.machines.push(machine);
    return machine;
  }

  private newArchiver(path: string): Archiver {
    return new Archiver(this.store, new LogView(this.disk.fileSystem, path), `token-${++this.tokens}`);
  }

  /** Finds the state of a log that was opened again, and forgets the later ones. */
  private reopened(machine: Machine): void {
    const { log, states } = machine;
    const number = states.lastIndexOf(fingerprint(log));
    assert(number >= machine.proven, "the log is not in a state of its history");
    machine.states = states.slice(0, number + 1);
    machine.proven = number;
    this.retain(machine);
  }

  private retain({ log }: Machine): void {
    if (this.retains) log.retain("archive", log.firstIndex);
  }

  private async step(machine: Machine): Promise<void> {
    const dice = this.random.below(100);
    if (dice < 45) return this.change(machine);
    if (dice < 75) return await this.archive(machine);
    if (dice < 80) return this.replaceArchiver(machine);
    if (dice < 85) return await this.archiveTogether();
    if (dice < 90) return this.kill(machine);
    if (dice < 94) return this.crash();
    if (dice < 96) return this.copy(machine);
    if (dice < 98) return await (this.isStale ? this.pruning.attempt() : this.pruning.attemptAndCompare());
    await this.store.settle(0.5);
  }

  private change(machine: Machine): void {
    changeLog(machine, this.random, this.disk, this.id);
  }

  /** Archives a log. */
  private async archive(machine: Machine): Promise<void> {
    if (this.random.chance(0.5)) proveLog(machine, this.disk);
    const { proven } = machine;
    if (!await this.stepOnce(machine)) return;
    this.count("archived");
    if (this.isStale) return void await this.check();
    const { faults } = this.store;
    this.store.faults = 0;
    // The restored state is the archived one. No later restore may show an earlier one.
    const number = await this.check(machine);
    assert(number >= proven, `state ${proven} was proven before the step, and the archive has ${number}`);
    this.promised = this.promise(machine, machine.states[number]!);
    this.store.faults = faults;
    releaseArchived(machine, `archive ${this.tokens++}`);
  }

  /**
   * Forgets what was archived of a log if a copy of it has taken over that went another way. It may do so only with a
   * history of its own, which begins with a snapshot that covers the archived entries.
   */
  private release({ states, log }: Pick<Machine, "states" | "log">): void {
    const { promised } = this;
    if (promised === undefined || states[promised.number] === promised.state) return;
    const later = this.pruning.basesEver().filter((key) => Number(key.split("/")[1]) > promised.generation);
    const restarts = later.filter((key) => key.includes("/base/00000000-"));
    assert(restarts.length > 0, "a copy of the log has gone on with the history of the other");
    assert(log.snapshotIndex > 0);
    this.promised = undefined;
    this.count("replaced");
  }

  private promise({ states, archiver: { generation } }: Pick<Machine, "states" | "archiver">, state: string): Promised {
    return { number: states.indexOf(state), state, generation };
  }

  /** Takes a step of an archiver; returns whether it succeeded. */
  private async stepOnce(machine: Machine): Promise<boolean> {
    const { archiver } = machine;
    try {
      await archiver.step();
      return archiver.generation > 0;
    } catch (error) {
      if (isPowerLoss(error)) return false;
      const code = error instanceof WalLogError ? error.code : (error as { code?: string }).code ?? "unknown";
      if (!["STORE", "FENCED", "DIVERGED", "ENOENT", "CHANGING", "CORRUPT"].includes(code)) throw error;
      // Only a damaged reply can look like damage.
      if (code === "CORRUPT") assert(this.store.faults > 0 || this.isStale, String(error));
      if (code === "ENOENT") assert(!this.retains || machine.log.snapshotIndex > 0);
      this.count(code);
      if (code === "FENCED") this.replaceArchiver(machine);
      return false;
    }
  }

  /** Lets all archivers take a step at the same time, while the logs change. */
  private async archiveTogether(): Promise<void> {
    const extra = { ...this.random.pick(this.machines) };
    extra.archiver = this.newArchiver(extra.path);
    const actors = [...this.machines, extra].map((machine) => {
      const { proven, states, archiver } = machine;
      const state = states[proven]!;
      return async () => {
        if (!await this.stepOnce(machine) || this.isStale) return;
        // Another archiver may take over at once. It must have what was proven before this step.
        this.release({ ...machine, states });
        const promised = this.promise({ states, archiver }, state);
        if (this.promised === undefined || this.promised.number < promised.number) this.promised = promised;
        this.count("archived together");
      };
    });
    const others = this.random.chance(0.3) ? [() => this.pruning.attempt()] : [];
    await this.store.together([...actors, ...others, () => this.verify()], () => {
      if (this.random.chance(0.3)) this.change(this.random.pick(this.machines));
    });
    await this.store.withoutFaults(async () => {
      await this.check();
      await this.verify();
    });
  }

  private replaceArchiver(machine: Machine): void {
    machine.archiver = this.newArchiver(machine.path);
  }

  /** The process of a log ends; another one takes over. */
  private kill(machine: Machine): void {
    const closes = this.random.chance(0.4);
    if (closes) machine.log.closeSync();
    if (closes) machine.proven = machine.states.length - 1;
    this.disk.restart();
    // All processes are on the same disk.
    for (const one of this.machines) this.openAgain(one);
    this.count(closes ? "closed" : "killed");
  }

  private crash(): void {
    this.disk.crash();
    if (this.random.chance(0.5)) this.pruning.setClock();
    for (const machine of this.machines) this.openAgain(machine);
    this.count("crashed");
  }

  private openAgain(machine: Machine): void {
    const { fileSystem } = this.disk;
    machine.log = WalLog.openSync(machine.path, { fileSystem, segmentBytes: 4096 });
    if (this.random.chance(0.5)) this.replaceArchiver(machine);
    this.reopened(machine);
  }

  /** Copies the files of a log, as a clone of its machine would. */
  private copy(machine: Machine): void {
    if (this.machines.length === 3) return;
    const { fileSystem } = this.disk;
    machine.log.closeSync();
    const path = `/${this.machines.length + 1}.wal`;
    copyFiles(this.disk, machine.path, path);
    machine.proven = machine.states.length - 1;
    machine.log = WalLog.openSync(machine.path, { fileSystem, segmentBytes: 4096 });
    this.retain(machine);
    this.open(path, [...machine.states]);
    this.count("copied");
  }

  /**
   * Restores the archive, and compares it with the logs.
   *
   * @param wanted The log that the state must be of.
   * @returns The number of the state.
   */
  private async check(wanted?: Machine): Promise<number> {
    const path = `/restored-${++this.restores}.wal`;
    const { fileSystem } = this.disk;
    for (let attempt = 1;; attempt++) {
      try {
        await restore(this.store, path, { fileSystem });
        break;
      } catch (error) {
        if (!(error instanceof WalLogError)) throw error;
        if (error.code === "NOT_FOUND" && this.promised === undefined && wanted === undefined) return 0;
        if (this.isRotten) throw error;
        if (this.isStale && attempt === 10) return 0;
        const isFault = ["STORE", "CORRUPT", "NOT_FOUND", "CHANGING"].includes(error.code);
        assert(isFault && (this.store.faults > 0 || this.isStale), error.stack);
        if (attempt % 10 === 0) this.store.faults = 0;
      }
    }
    const log = WalLog.openSync(path, { fileSystem, readOnly: true, create: false });
    assert.equal(log.recovery.verdict, "clean");
    const state = this.state = fingerprint(log);
    if (!this.isRotten && !this.isStale && this.store.faults === 0) await this.restoreInBetween(log);
    const has = ({ states }: Machine) => states.includes(state);
    const owners = (wanted === undefined ? this.machines : [wanted]).filter(has);
    const keeps = ({ states }: Machine) => !this.promised || states[this.promised.number] === this.promised.state;
    assert(owners.length > 0, `restored a state that no log has had: ${state.slice(0, 200)}`);
    if (!owners.some(keeps)) this.release(owners[0]!);
    const number = Math.max(...owners.filter(keeps).map(({ states }) => states.lastIndexOf(state)));
    const { promised } = this;
    if (promised !== undefined) {
      assert(number >= promised.number, `state ${promised.number} was archived, and the archive has ${number}`);
    }
    this.count("restored");
    return number;
  }
}

/**
 * Runs a history.
 *
 * @param seed The seed of the history.
 * @param counts Counts of events, which this adds to.
 */
export async function simulateArchive(seed: number, counts: Counts): Promise<void> {
  await new ArchiveSimulation(seed, counts).run();
}
