/**
 * Prunes a simulated archive. Before that, the states that it must keep are restored, and others too. After that, also if
 * it was interrupted, the kept states are the same, and no other state has become a wrong one.
 */

import assert from "node:assert/strict";
import { WalLog, WalLogError } from "../mod.ts";
import { prune, type PruneOptions, restore, type RestoreOptions } from "../src/archive/mod.ts";
import { surveyStore } from "../src/archive/survey.ts";
import { Random, type SimulatedDisk } from "../src/testing/mod.ts";
import { type Counts, fingerprint } from "./simulated_log.ts";
import type { SimulatedStore } from "./simulated_store.ts";

/** Failures of pruning that a later attempt can cure. */
const CURABLE: readonly string[] = ["STORE", "CORRUPT", "CHANGING", "NOT_FOUND"];

/** A restore, its result, and whether pruning must keep it. */
interface Probe {
  readonly options: RestoreOptions;
  readonly found: string;
  readonly isKept: boolean;
}

/** Prunes archives in a simulated store. */
export class Pruning {
  private readonly store: SimulatedStore;
  private readonly disk: SimulatedDisk;
  private readonly random: Random;
  private readonly counts: Counts;
  /** The decisions whether to prune. */
  private readonly own: Random;
  private restores = 0;
  private readonly bases = new Set<string>();
  /** The error of the clock of the machines, in milliseconds. */
  private skewMs = 0;

  constructor(store: SimulatedStore, disk: SimulatedDisk, random: Random, counts: Counts, seed = 1) {
    this.own = new Random(seed);
    this.store = store;
    this.disk = disk;
    this.random = random;
    this.counts = counts;
    const { fileSystem } = disk;
    const clock = fileSystem.now;
    Object.assign(fileSystem, { now: () => clock() + this.skewMs });
  }

  /** Sets the clock of the machines forward or back. */
  setClock(): void {
    this.skewMs = this.random.below(4000) - 2000;
  }

  /** The keys of all bases that were ever written, as far as they were there when the archive was pruned, or are now. */
  basesEver(): string[] {
    for (const key of this.store.memory.objects.keys()) if (key.includes("/base/")) this.bases.add(key);
    return [...this.bases].sort();
  }

  /** Prunes the archive, which may fail or be interrupted. */
  async attempt(options: PruneOptions = this.randomOptions()): Promise<void> {
    this.basesEver();
    const ending = new AbortController();
    const reason = new Error("interrupted");
    let left = this.random.chance(0.3) ? this.random.below(3) : Infinity;
    const onProgress = () => {
      if (--left < 0) ending.abort(reason);
    };
    try {
      const { objects } = await prune(this.store, { ...options, signal: ending.signal, onProgress });
      this.count(objects > 0 ? "pruned" : "nothing to prune");
    } catch (error) {
      if (error === reason) return this.count("pruning interrupted");
      if (!(error instanceof WalLogError) || !CURABLE.includes(error.code)) throw error;
      if (error.code === "CORRUPT") assert(this.store.faults > 0 || this.store.staleWrites > 0, String(error));
      this.count(`pruning: ${error.code}`);
    }
  }

  /** Prunes the archive in a few of all calls. The other calls take no decision that others share. */
  async attemptSometimes(): Promise<void> {
    if (this.own.chance(0.02)) await this.attempt();
  }

  /** Prunes the archive, and compares what can be restored before and after. */
  async attemptAndCompare(): Promise<void> {
    const { store } = this;
    await store.settle();
    const options = this.randomOptions();
    const before: Probe[] = [];
    await store.withoutFaults(async () => {
      for (const { options: wanted, isKept } of await this.probes(options)) {
        before.push({ options: wanted, isKept, found: await this.restored(wanted) });
      }
    });
    await this.attempt(options);
    await store.withoutFaults(async () => {
      await store.settle();
      for (const { options: wanted, found, isKept } of before) {
        const now = await this.restored(wanted);
        const what = `${JSON.stringify(wanted)} after pruning with ${JSON.stringify(options)}`;
        if (isKept) assert.equal(now, found, what);
        else assert(now === found || now === "NOT_FOUND", `another state: ${what}: ${found} and ${now}`);
        this.count(isKept ? "kept state compared" : "other state compared");
      }
    });
  }

  private randomOptions(): PruneOptions {
    const { random, disk: { fileSystem } } = this;
    const keepGenerations = 1 + random.below(3);
    const keepSince = fileSystem.now() - random.below(random.pick([10, 200, 2000, 10_000]));
    return random.pick([{ keepGenerations }, { keepSince }, { keepSince }, { keepGenerations, keepSince }]);
  }

  /** Restores to compare. */
  private async probes({ keepGenerations = 0, keepSince }: PruneOptions): Promise<Omit<Probe, "found">[]> {
    const { random, disk: { fileSystem } } = this;
    const { generations } = await surveyStore(this.store);
    const complete = [...generations].filter(([, { isComplete }]) => isComplete).map(([number]) => number);
    const kept = complete.sort((a, b) => b - a).slice(0, keepGenerations);
    const probes: Omit<Probe, "found">[] = [{ options: {}, isKept: true }];
    for (const generation of kept) probes.push({ options: { generation }, isKept: true });
    if (keepSince !== undefined) {
      probes.push({ options: { toTime: keepSince }, isKept: true });
      probes.push({ options: { toTime: keepSince + random.below(4000) }, isKept: true });
    }
    const others = complete.filter((generation) => !kept.includes(generation));
    if (others.length > 0) probes.push({ options: { generation: random.pick(others) }, isKept: false });
    if (keepGenerations === 0) {
      probes.push({ options: { toTime: fileSystem.now() - random.below(10_000) }, isKept: false });
    }
    return probes;
  }

  /** The state that is restored, or the code of the error. */
  private async restored(options: RestoreOptions): Promise<string> {
    const path = `/pruned-${++this.restores}.wal`;
    const { fileSystem } = this.disk;
    try {
      await restore(this.store, path, { fileSystem, ...options });
    } catch (error) {
      if (!(error instanceof WalLogError)) throw error;
      return error.code;
    }
    return fingerprint(WalLog.openSync(path, { fileSystem, readOnly: true, create: false }));
  }

  private count(event: string): void {
    this.counts[event] = (this.counts[event] ?? 0) + 1;
  }
}
