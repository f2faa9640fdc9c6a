/**
 * Runs cases: each sample in a process of its own, the sides of a case in turn, forwards in one round and backwards in
 * the next, so that neither a machine that slows down nor who ran before favours one of them.
 *
 * @module
 */

import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Runtime } from "../scripts/runtimes.ts";
import type { Case, FreshProcess, Side } from "./cases/case.ts";
import { type CaseResult, judge, summarizeSide } from "./results.ts";
import { packageLibrary } from "./package_library.ts";
import type { Workspace } from "./workspace.ts";
import type { Sample, Task } from "./workloads.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const CHILD = fileURLToPath(new URL("child.ts", import.meta.url));
const LIBRARY = new URL("../mod.ts", import.meta.url).href;
const OPEN_CHILD = fileURLToPath(new URL("open_child.ts", import.meta.url));
const FRESH = fileURLToPath(new URL("fresh.ts", import.meta.url));

/** What a child says. */
type Answer = Sample | { readonly unavailable: string };

/** Runs processes in one runtime. */
export class Runner {
  readonly runtime: Runtime;
  readonly #workspace: Workspace;
  /** The module of the library that a process imports to show what it costs. */
  #library = LIBRARY;

  constructor(runtime: Runtime, workspace: Workspace) {
    this.runtime = runtime;
    this.#workspace = workspace;
  }

  /** Runs each script once, so that no sample pays for compiling what a runtime keeps compiled. Comes before all else. */
  async warmUp(): Promise<void> {
    // Deno gets TypeScript, and keeps what it compiles it to.
    if (this.runtime.name !== "deno") this.#library = await packageLibrary(this.#workspace);
    const folder = `${this.#workspace.path}/warm-up`;
    await this.run({ workload: "fill", store: "wallog", folder, commandBytes: 128, batch: 1, count: 1 });
    await this.run({ workload: "fresh", folder, isNew: true });
  }

  /**
   * Runs a task in a process of its own.
   *
   * @returns What it measured; or why it cannot be run here.
   */
  async run(task: Task | FreshProcess): Promise<Answer> {
    if (task.workload !== "fresh") return this.#start(CHILD, [JSON.stringify(task)]);
    const { folder, isNew } = task;
    // Wall-clock time with fractions, which the child compares with its own.
    const now = String(performance.timeOrigin + performance.now());
    try {
      return await this.#start(FRESH, folder === undefined ? [now] : [now, this.#library, folder]);
    } finally {
      if (isNew && folder !== undefined) rmSync(folder, { recursive: true, force: true });
    }
  }

  /**
   * Opens a log in a process of its own.
   *
   * @param onProgress Told how far it has come, in bytes.
   */
  async open(folder: string, onProgress: (bytesDone: number, bytesTotal: number) => void): Promise<Sample> {
    const output = await this.#workspace.run([...commandFor(this.runtime), OPEN_CHILD, folder], {}, {
      onLine(line) {
        const { bytesDone, bytesTotal } = JSON.parse(line);
        if (bytesDone !== undefined) onProgress(bytesDone, bytesTotal);
      },
    });
    return JSON.parse(output.trim().split("\n").at(-1)!);
  }

  async #start(script: string, args: readonly string[]): Promise<Answer> {
    // Node strips types anew each time, which takes longer than most samples. What a start costs is measured without.
    const cache: Record<string, string> = script === CHILD
      ? { NODE_COMPILE_CACHE: `${this.#workspace.path}/compiled` }
      : {};
    const output = await this.#workspace.run([...commandFor(this.runtime), script, ...args], cache);
    const line = output.trim().split("\n").at(-1)!;
    return JSON.parse(line);
  }
}

/** How a runtime runs a benchmark's process: everything allowed, and with a call to collect garbage. */
export function commandFor({ name, binary, run }: Runtime): string[] {
  if (name === "deno") {
    return [binary, "run", "-A", "--quiet", `--config=${ROOT}deno.json`, "--v8-flags=--expose-gc"];
  }
  return name === "bun" ? [...run] : [...run, "--expose-gc"];
}

/** Processes that a case takes, to tell how far it has come. */
export function processesOf({ setup, sides }: Case, runtimes: number, rounds: number): number {
  return setup.length + runtimes * rounds * sides.filter(({ task }) => typeof task !== "string").length;
}

/**
 * Runs a case in each runtime, on the same files.
 *
 * @param one The case.
 * @param runners A runner for each runtime.
 * @param rounds Samples of each side.
 * @param step Told before each process what it does.
 * @returns A result for each runtime.
 */
export async function runCase(
  one: Case,
  runners: readonly Runner[],
  rounds: number,
  step: (what: string) => void,
): Promise<CaseResult[]> {
  const folders = new Set<string>();
  try {
    const missing = await setUp(one, runners, folders, step);
    const results: CaseResult[] = [];
    for (const runner of runners) results.push(await runSides(one, runner, rounds, missing, step));
    return results;
  } finally {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  }
}

/** Writes what the sides read, in whichever runtime can. Returns why folders could not be filled. */
async function setUp(
  { setup, title }: Case,
  runners: readonly Runner[],
  folders: Set<string>,
  step: (what: string) => void,
): Promise<Map<string, string>> {
  const missing = new Map<string, string>();
  for (const task of setup) {
    step(`${title}: writing, ${task.store}`);
    folders.add(task.folder);
    for (const runner of runners) {
      const answer = await attempt(() => runner.run(task));
      if (!("unavailable" in answer)) {
        missing.delete(task.folder);
        break;
      }
      missing.set(task.folder, answer.unavailable);
      rmSync(task.folder, { recursive: true, force: true });
    }
  }
  return missing;
}

async function runSides(
  one: Case,
  runner: Runner,
  rounds: number,
  missing: ReadonlyMap<string, string>,
  step: (what: string) => void,
): Promise<CaseResult> {
  const samples = new Map<Side, Sample[]>();
  const unavailable = new Map<Side, string>();
  for (const side of one.sides) {
    samples.set(side, []);
    const { task } = side;
    const why = typeof task === "string" ? task : task.folder === undefined ? undefined : missing.get(task.folder);
    if (why !== undefined) unavailable.set(side, why);
  }
  for (let round = 0; round < rounds; round++) {
    for (const side of round % 2 === 0 ? one.sides : one.sides.toReversed()) {
      const { task } = side;
      if (typeof task === "string") continue;
      step(`${one.title}: ${side.title}, ${runner.runtime.title}`);
      if (unavailable.has(side)) continue;
      const answer = side.isPeer ? await attempt(() => runner.run(task)) : await runner.run(task);
      if ("unavailable" in answer) unavailable.set(side, answer.unavailable);
      else samples.get(side)!.push(answer);
    }
  }
  const sides = one.sides.map((side) => {
    const { name, title, isPeer } = side;
    const why = unavailable.get(side);
    const result = { name, title, isPeer, samples: why === undefined ? samples.get(side)! : [] };
    return summarizeSide(why === undefined ? result : { ...result, unavailable: why }, one.metric);
  });
  const outcomes = one.targets.map((target) => judge(target, sides));
  const { name, title, note, metric } = one;
  return { name, title, note, metric, runtime: runner.runtime.name, sides, outcomes };
}

/** A peer that fails is said to, and the benchmark goes on; this log failing ends it. */
async function attempt(run: () => Promise<Answer>): Promise<Answer> {
  try {
    return await run();
  } catch (error) {
    const lines = (error as Error).message.split("\n").filter((line) => /error|signal|SIG/i.test(line));
    return {
      unavailable: `fails: ${(lines[0] ?? (error as Error).message.split("\n")[1] ?? "").trim().slice(0, 120)}`,
    };
  }
}
