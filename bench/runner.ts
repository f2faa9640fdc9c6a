/**
 * Runs cases. Each sample runs in a new process. The sides of a case take turns, in alternating order, so that neither
 * a machine that slows down nor the previous side favours one of them.
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

/** The output of a child process. */
type Answer = Sample | { readonly unavailable: string };

/** Runs processes in one runtime. */
export class Runner {
  readonly runtime: Runtime;
  readonly #workspace: Workspace;
  /** The module of the library whose import is measured. */
  #library = LIBRARY;

  constructor(runtime: Runtime, workspace: Workspace) {
    this.runtime = runtime;
    this.#workspace = workspace;
  }

  /** Runs each script once, so that no sample includes compilation that a runtime caches. Call this first. */
  async warmUp(): Promise<void> {
    // Deno gets TypeScript, and caches the compiled code.
    if (this.runtime.name !== "deno") this.#library = await packageLibrary(this.#workspace);
    const folder = `${this.#workspace.path}/warm-up`;
    await this.run({ workload: "fill", store: "wallog", folder, commandBytes: 128, batch: 1, count: 1 });
    await this.run({ workload: "fresh", folder, isNew: true });
  }

  /**
   * Runs a task in a new process.
   *
   * @returns The measurement, or why the task cannot run here.
   */
  async run(task: Task | FreshProcess): Promise<Answer> {
    if (task.workload !== "fresh") return this.#start(CHILD, [JSON.stringify(task)]);
    const { folder, isNew } = task;
    // The wall-clock time with fractions. The child compares it with its own clock.
    const now = String(performance.timeOrigin + performance.now());
    try {
      return await this.#start(FRESH, folder === undefined ? [now] : [now, this.#library, folder]);
    } finally {
      if (isNew && folder !== undefined) rmSync(folder, { recursive: true, force: true });
    }
  }

  /**
   * Opens a log in a new process.
   *
   * @param onProgress Called with the progress in bytes.
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
    // Node strips types each time, which takes longer than most samples. The cost of a start is measured without that.
    const cache: Record<string, string> = script === CHILD
      ? { NODE_COMPILE_CACHE: `${this.#workspace.path}/compiled` }
      : {};
    const output = await this.#workspace.run([...commandFor(this.runtime), script, ...args], cache);
    const line = output.trim().split("\n").at(-1)!;
    return JSON.parse(line);
  }
}

/** The command for a benchmark process: with all permissions, and with a function to collect garbage. */
export function commandFor({ name, binary, run }: Runtime): string[] {
  if (name === "deno") {
    return [binary, "run", "-A", "--quiet", `--config=${ROOT}deno.json`, "--v8-flags=--expose-gc"];
  }
  return name === "bun" ? [...run] : [...run, "--expose-gc"];
}

/** The number of processes of a case, for the progress. */
export function processesOf({ setup, sides }: Case, runtimes: number, rounds: number): number {
  return setup.length + runtimes * rounds * sides.filter(({ task }) => typeof task !== "string").length;
}

/**
 * Runs a case in each runtime, on the same files.
 *
 * @param one The case.
 * @param runners A runner for each runtime.
 * @param rounds The number of samples of each side.
 * @param step Called before each process with a description.
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

/** Writes the data for the sides, in any runtime that can. Returns why folders could not be filled. */
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

/** If a peer fails, its failure is recorded and the benchmark continues. If this log fails, the benchmark ends. */
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
