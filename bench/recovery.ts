/**
 * Measures how long this machine takes to open a log with every checksum verified: cold, from the disk, and warm, from
 * the page cache. Each time runs in a new process, in turn with a process that only reads the same files.
 *
 *     deno task bench:recovery                                4 GiB of entries of 128 B, in the temporary folder
 *     deno task bench:recovery --size 1GiB --entry 4KiB --folder /data
 *     deno task bench:recovery --runtime bun --rounds 9
 *
 * The cold measurement needs Linux and root, because no runtime can drop a file from the page cache.
 *
 * @module
 */

import { writeFileSync } from "node:fs";
import type { Runtime } from "../scripts/runtimes.ts";
import { frameBytes } from "../src/format/frame.ts";
import { bar, bold, dim, StatusLine } from "../src/cli/terminal.ts";
import { benchmark } from "./command.ts";
import { lookAtMachine } from "./machine.ts";
import { machineText } from "./text.ts";
import { METRICS } from "./results.ts";
import { Runner } from "./runner.ts";
import { quantile, ratios, summarize } from "./statistics.ts";
import { durationText, KIB, parseSize, short, sizeText } from "./units.ts";
import { CannotRun, type Workspace } from "./workspace.ts";
import type { Sample, Task } from "./workloads.ts";

const FILL_BATCH_BYTES = 64 * KIB;
/** The number of pieces in which the log is written, for the progress. */
const FILL_PIECES = 16;
/** Segment indexes and preallocation, as a factor of the log's size. */
const OVERHEAD = 1.1;
const DROP_CACHES = "/proc/sys/vm/drop_caches";
const TITLE_COLUMNS = 12;

const DEFAULTS = { size: "4GiB", entry: "128", rounds: "5" };

/** The plan: a log, and the number of openings. */
interface Plan {
  readonly workspace: Workspace;
  readonly line: StatusLine;
  readonly bytes: number;
  readonly rounds: number;
  /** The task that only reads the log's files. */
  readonly bareTask: Task;
}

await benchmark(DEFAULTS, async ({ workspace, runtimes, options }) => {
  const bytes = parseSize(options.size);
  const commandBytes = parseSize(options.entry);
  const rounds = Number(options.rounds);
  if (!Number.isSafeInteger(rounds) || rounds < 1) throw new CannotRun("--rounds takes a number");
  const count = Math.floor(bytes / frameBytes(commandBytes));
  if (count < FILL_PIECES) throw new CannotRun(`--size is to hold ${FILL_PIECES} entries of --entry, or more`);
  workspace.require(bytes * OVERHEAD, `A log of ${sizeText(bytes)}`);

  const folder = `${workspace.path}/raft.wal`;
  const bareTask = { workload: "recover", store: "bare", folder, commandBytes, batch: 1, count } as const;
  const plan: Plan = { workspace, line: new StatusLine(), bytes, rounds, bareTask };
  console.log(dim(machineText(lookAtMachine(workspace.path))));
  await write(plan, runtimes[0]!);
  for (const runtime of runtimes) {
    console.log(`\n${bold(`${runtime.title} ${runtime.version}`)}`);
    console.log(`${"".padEnd(TITLE_COLUMNS)}     bytes   entries      time  GB/s  entries/s`);
    const runner = new Runner(runtime, workspace);
    await measureCold(plan, runner);
    await measureWarm(plan, runner);
  }
});

async function write({ workspace, line, bytes, bareTask }: Plan, runtime: Runtime): Promise<void> {
  const { commandBytes, count } = bareTask;
  const runner = new Runner(runtime, workspace);
  const batch = Math.max(1, Math.floor(FILL_BATCH_BYTES / commandBytes));
  const started = performance.now();
  for (let piece = 0, done = 0; piece < FILL_PIECES; piece++) {
    line.show(`writing ${bar(done, count)} ${sizeText(bytes)}`);
    const until = Math.floor(count * (piece + 1) / FILL_PIECES);
    const task = { ...bareTask, workload: "fill", store: "wallog", batch } as const;
    await sampleOf(runner.run({ ...task, count: until - done, lastIndex: done, open: { verify: "tail" } }));
    done = until;
  }
  line.clear();
  const seconds = (performance.now() - started) / 1000;
  console.log(`Wrote ${short(count)} entries of ${sizeText(commandBytes)} in ${durationText(seconds)}.`);
}

async function measureCold(plan: Plan, runner: Runner): Promise<void> {
  const why = dropCaches();
  if (why !== undefined) return console.log(`${"cold".padEnd(TITLE_COLUMNS)} not possible: ${why}`);
  const cold: Sample[] = [];
  const read: Sample[] = [];
  for (let round = 0; round < Math.min(plan.rounds, 3); round++) {
    dropCaches();
    cold.push(await openLog(plan, runner, "cold"));
    dropCaches();
    read.push(await sampleOf(runner.run(plan.bareTask)));
  }
  show("cold", cold);
  show("only read", read);
}

async function measureWarm(plan: Plan, runner: Runner): Promise<void> {
  const warm: Sample[] = [];
  const read: Sample[] = [];
  await sampleOf(runner.run(plan.bareTask)); // into the page cache, as far as it fits
  for (let round = 0; round < plan.rounds; round++) {
    warm.push(await openLog(plan, runner, "warm"));
    read.push(await sampleOf(runner.run(plan.bareTask)));
  }
  show("warm", warm);
  show("only read", read);
  const { median, min, max } = summarize(ratios(warm.map(METRICS.time.of), read.map(METRICS.time.of)));
  console.log(
    `Warm, it takes ${median.toFixed(2)}x the time of only reading (${min.toFixed(2)}x to ${max.toFixed(2)}x).`,
  );
}

async function openLog({ line, bareTask: { folder, count } }: Plan, runner: Runner, what: string): Promise<Sample> {
  const sample = await runner.open(folder, (bytesDone, bytesTotal) => {
    line.show(`${what} ${bar(bytesDone, bytesTotal)}`);
  });
  line.clear();
  if (sample.count !== count) throw new Error(`${sample.count} entries were found, ${count} were written`);
  return sample;
}

/** Prints the median of some samples. */
function show(title: string, samples: readonly Sample[]): void {
  const seconds = quantile(samples.map(METRICS.time.of), 0.5);
  const { bytes, count } = samples[0]!;
  const range = summarize(samples.map(METRICS.time.of));
  console.log([
    title.padEnd(TITLE_COLUMNS),
    sizeText(bytes).padStart(9),
    short(count).padStart(11),
    durationText(seconds).padStart(9),
    (bytes / seconds / 1e9).toFixed(2).padStart(5),
    `${short(count / seconds / 1e6)} M`.padStart(10),
    dim(`  ${durationText(range.min)} to ${durationText(range.max)}`),
  ].join(" "));
}

/** Drops the page cache; returns the reason if it cannot. */
function dropCaches(): string | undefined {
  try {
    writeFileSync(DROP_CACHES, "1");
    return undefined;
  } catch (error) {
    return `${(error as Error).message}; it takes Linux and root`;
  }
}

async function sampleOf(answer: ReturnType<Runner["run"]>): Promise<Sample> {
  const sample = await answer;
  if ("unavailable" in sample) throw new Error(sample.unavailable);
  return sample;
}
