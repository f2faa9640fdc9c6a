/**
 * How long this machine takes to open a log, with every checksum verified: cold, from the disk, and warm, from the page
 * cache. Each time in a new process, in turn with a process that only reads the same files.
 *
 *     deno task bench:recovery                                4 GiB of entries of 128 B, in the temporary folder
 *     deno task bench:recovery --size 1GiB --entry 4KiB --folder /data
 *     deno task bench:recovery --runtime bun --rounds 9
 *
 * Cold needs Linux and root, for no runtime can ask a file out of the page cache.
 *
 * @module
 */

import { writeFileSync } from "node:fs";
import { frameBytes } from "../src/format/frame.ts";
import { bar, bold, dim, StatusLine } from "../src/cli/terminal.ts";
import { benchmark } from "./command.ts";
import { lookAtMachine } from "./machine.ts";
import { machineText } from "./markdown.ts";
import { METRICS } from "./results.ts";
import { Runner } from "./runner.ts";
import { quantile, ratios, summarize } from "./statistics.ts";
import { durationText, KIB, parseSize, short, sizeText } from "./units.ts";
import { CannotRun } from "./workspace.ts";
import type { Sample } from "./workloads.ts";

const FILL_BATCH_BYTES = 64 * KIB;
/** Pieces that the log is written in, to tell how far it has come. */
const FILL_PIECES = 16;
/** Footers and zeros ahead, as a part of the log. */
const OVERHEAD = 1.1;
const DROP_CACHES = "/proc/sys/vm/drop_caches";
const TITLE_COLUMNS = 12;

const DEFAULTS = { size: "4GiB", entry: "128", rounds: "5" };

await benchmark(DEFAULTS, async ({ workspace, runtimes, options }) => {
  const bytes = parseSize(options.size);
  const commandBytes = parseSize(options.entry);
  const rounds = Number(options.rounds);
  if (!Number.isSafeInteger(rounds) || rounds < 1) throw new CannotRun("--rounds takes a number");
  const count = Math.floor(bytes / frameBytes(commandBytes));
  if (count < FILL_PIECES) throw new CannotRun(`--size is to hold ${FILL_PIECES} entries of --entry, or more`);
  workspace.require(bytes * OVERHEAD, `A log of ${sizeText(bytes)}`);

  const line = new StatusLine();
  const folder = `${workspace.path}/raft.wal`;
  const bareTask = { workload: "recover", store: "bare", folder, commandBytes, batch: 1, count } as const;
  console.log(dim(machineText(lookAtMachine(workspace.path))));
  await write();
  for (const runtime of runtimes) {
    const runner = new Runner(runtime, workspace);
    console.log(`\n${bold(`${runtime.title} ${runtime.version}`)}`);
    console.log(`${"".padEnd(TITLE_COLUMNS)}     bytes   entries      time  GB/s  entries/s`);
    const why = dropCaches();
    if (why === undefined) {
      const cold: Sample[] = [];
      const read: Sample[] = [];
      for (let round = 0; round < Math.min(rounds, 3); round++) {
        dropCaches();
        cold.push(await openLog(runner, "cold"));
        dropCaches();
        read.push(await sampleOf(runner.run(bareTask)));
      }
      show("cold", cold);
      show("only read", read);
    } else {
      console.log(`${"cold".padEnd(TITLE_COLUMNS)} not possible: ${why}`);
    }
    const warm: Sample[] = [];
    const read: Sample[] = [];
    await sampleOf(runner.run(bareTask)); // into the page cache, as far as it fits
    for (let round = 0; round < rounds; round++) {
      warm.push(await openLog(runner, "warm"));
      read.push(await sampleOf(runner.run(bareTask)));
    }
    show("warm", warm);
    show("only read", read);
    const { median, min, max } = summarize(ratios(warm.map(METRICS.time.of), read.map(METRICS.time.of)));
    console.log(
      `Warm, it takes ${median.toFixed(2)}x the time of only reading (${min.toFixed(2)}x to ${max.toFixed(2)}x).`,
    );
  }

  async function write(): Promise<void> {
    const runner = new Runner(runtimes[0]!, workspace);
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

  async function openLog(runner: Runner, what: string): Promise<Sample> {
    const sample = await runner.open(folder, (bytesDone, bytesTotal) => {
      line.show(`${what} ${bar(bytesDone, bytesTotal)}`);
    });
    line.clear();
    if (sample.count !== count) throw new Error(`${sample.count} entries were found, ${count} were written`);
    return sample;
  }
});

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

/** Empties the page cache of what is on the disk; says why if it cannot. */
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
