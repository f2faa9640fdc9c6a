/**
 * Measures how costs grow with the size of the log, from 64 MiB to 8 GiB, and with the size of its entries, from 16 B
 * to 1 MiB: recovery time, open time, memory, and commit latency.
 *
 *     deno task bench:growth                           up to 8 GiB, or as much as the disk has room for
 *     deno task bench:growth --max 512MiB              up to this size
 *     deno task bench:growth --runtime all             in Deno, Bun and Node
 *     deno task bench:growth --folder /data --rounds 5
 *     deno task bench:growth --output /tmp/try         there, and not into the documentation
 *
 * @module
 */

import { rmSync } from "node:fs";
import { frameBytes } from "../src/format/frame.ts";
import { bar, StatusLine } from "../src/cli/terminal.ts";
import { benchmark } from "./command.ts";
import type { FreshProcess } from "./cases/case.ts";
import type { GrowthPoint, GrowthResult } from "./growth_report.ts";
import { lookAtMachine } from "./machine.ts";
import { record } from "./render.ts";
import { Runner } from "./runner.ts";
import { summarize } from "./statistics.ts";
import { KIB, MIB, parseSize, sizeText } from "./units.ts";
import type { Sample, Task } from "./workloads.ts";

const LOG_BYTES_MIN = 64 * MIB;
/** The size of the entries in logs of different sizes, in bytes. */
const ENTRY_BYTES = KIB;
const ENTRY_BYTES_ALL = [16, 64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB];
/** The size of the logs with entries of different sizes, in bytes. */
const ENTRIES_LOG_BYTES = 512 * MIB;
const COMMITS_MAX = 500;
const COMMIT_BYTES_MAX = 8 * MIB;
const COMMITS_MIN = 20;
const FILL_BATCH_BYTES = 64 * KIB;
/** Segment indexes and preallocation, as a factor of the log's size. */
const OVERHEAD = 1.1;
/** The number of processes for each point in each round. */
const SAMPLES_A_ROUND = 5;

await benchmark({ max: "8GiB", rounds: "3" }, async ({ workspace, options, runtimes, output }) => {
  const asked = parseSize(options.max);
  const rounds = Number(options.rounds);
  const most = Math.min(asked, Math.floor(workspace.roomBytes / OVERHEAD));
  const sizes: number[] = [];
  for (let bytes = LOG_BYTES_MIN; bytes <= most; bytes *= 2) sizes.push(bytes);
  workspace.require(LOG_BYTES_MIN * OVERHEAD, "A log of 64 MiB");
  const limit = most < asked ? `The disk has room for logs of ${sizeText(sizes.at(-1)!)} and no larger.` : undefined;
  if (limit !== undefined) console.log(limit);

  const machine = lookAtMachine(workspace.path);
  const runners = runtimes.map((runtime) => new Runner(runtime, workspace));
  const line = new StatusLine(2000);
  const total = (sizes.length + ENTRY_BYTES_ALL.length) * (1 + runners.length * rounds * SAMPLES_A_ROUND);
  let done = 0;
  const step = (what: string) => line.show(`${bar(done++, total)} ${what}`);
  for (const runner of runners) await runner.warmUp();

  const byLogSize: GrowthPoint[] = [];
  const folder = `${workspace.path}/growing`;
  let entries = 0;
  for (const logBytes of sizes) {
    const wanted = Math.floor(logBytes / frameBytes(ENTRY_BYTES));
    step(`writing ${sizeText(logBytes)}`);
    await fill(runners[0]!, folder, ENTRY_BYTES, entries, wanted);
    entries = wanted;
    for (const runner of runners) {
      byLogSize.push(await measure(runner, { folder, logBytes, entryBytes: ENTRY_BYTES, entries, rounds, step }));
    }
  }
  rmSync(folder, { recursive: true });

  const byEntrySize: GrowthPoint[] = [];
  const logBytes = Math.min(ENTRIES_LOG_BYTES, sizes.at(-1)!);
  for (const entryBytes of ENTRY_BYTES_ALL) {
    const folder = `${workspace.path}/entries-${entryBytes}`;
    step(`writing entries of ${sizeText(entryBytes)}`);
    const entries = Math.floor(logBytes / frameBytes(entryBytes));
    await fill(runners[0]!, folder, entryBytes, 0, entries);
    for (const runner of runners) {
      byEntrySize.push(await measure(runner, { folder, logBytes, entryBytes, entries, rounds, step }));
    }
    rmSync(folder, { recursive: true });
  }
  line.clear();

  const result: GrowthResult = {
    kind: "growth",
    machine,
    rounds,
    runtimes: runtimes.map(({ name, title, version }) => ({ name, title, version })),
    ...(limit === undefined ? {} : { limit }),
    byLogSize,
    byEntrySize,
  };
  for (const written of record(result, output)) console.log(written);
});

/** Makes a log longer. */
async function fill(runner: Runner, folder: string, commandBytes: number, from: number, to: number): Promise<void> {
  const batch = Math.max(1, Math.floor(FILL_BATCH_BYTES / commandBytes));
  await sampleOf(runner, {
    workload: "fill",
    store: "wallog",
    folder,
    commandBytes,
    batch,
    count: to - from,
    lastIndex: from,
    open: { verify: "tail" },
  });
}

async function measure(
  runner: Runner,
  log: { folder: string; logBytes: number; entryBytes: number; entries: number; rounds: number; step: Step },
): Promise<GrowthPoint> {
  const { folder, logBytes, entryBytes, entries, rounds, step } = log;
  const task = { store: "wallog", folder, commandBytes: entryBytes, batch: 1, count: entries } as const;
  const full: number[] = [];
  const tail: number[] = [];
  const memory: number[] = [];
  const commit: number[] = [];
  const commitP99: number[] = [];
  const what = `${sizeText(logBytes)}, entries of ${sizeText(entryBytes)}, ${runner.runtime.title}`;
  for (let round = 0; round < rounds; round++) {
    step(`${what}: recovery`);
    full.push((await sampleOf(runner, { ...task, workload: "recover" })).seconds);
    step(`${what}: open`);
    tail.push((await sampleOf(runner, { ...task, workload: "recover", open: { verify: "tail" } })).seconds);
    step(`${what}: memory`);
    const opened = await sampleOf(runner, { workload: "fresh", folder });
    step(`${what}: memory of the bare runtime`);
    memory.push(opened.bytes - (await sampleOf(runner, { workload: "fresh" })).bytes);
    step(`${what}: commits`);
    const count = Math.max(COMMITS_MIN, Math.min(COMMITS_MAX, Math.floor(COMMIT_BYTES_MAX / entryBytes)));
    const commits = { ...task, workload: "commit", count, lastIndex: entries, open: { verify: "tail" } } as const;
    const { seconds, p99Seconds } = await sampleOf(runner, commits);
    commit.push(seconds);
    commitP99.push(p99Seconds!);
  }
  return {
    runtime: runner.runtime.name,
    logBytes,
    entryBytes,
    entries,
    recoverySeconds: summarize(full),
    tailSeconds: summarize(tail),
    memoryBytes: summarize(memory),
    commitSeconds: summarize(commit),
    commitP99Seconds: summarize(commitP99),
  };
}

type Step = (what: string) => void;

async function sampleOf(runner: Runner, task: Task | FreshProcess): Promise<Sample> {
  const answer = await runner.run(task);
  if ("unavailable" in answer) throw new Error(answer.unavailable);
  return answer;
}
