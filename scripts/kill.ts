/**
 * Kills writers with SIGKILL at random moments, in Deno, Bun and Node in turn, and compares each log with the model.
 * Prints the counts of events.
 *
 *     deno task kill                              300 kills
 *     deno task kill --times 2000 --jobs 2        as many as wanted, on so many logs at a time
 *     deno task kill --seed 4711                  the same histories again; the moments of the kills differ
 *     deno task kill --runtime bun                one runtime; may be repeated
 *     deno task kill --faults                     instead, fails every system call of a history, one in each run
 *
 * A log that fails the comparison stays in its folder, whose path is printed.
 *
 * @module
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { type KillCounts, KilledLog } from "../tests/real/kills.ts";
import { FaultBench, type Scenario } from "../tests/real/faults.ts";
import { whyNoStrace } from "../tests/real/strace.ts";
import { locateRuntime, RUNTIME_NAMES, type RuntimeName } from "./runtimes.ts";

/** The number of kills on one log, before the next log with another seed. */
const KILLS_A_LOG = 30;

/** The system calls of `--faults`, and the actions for each. */
const FAULTS: readonly (readonly [call: string, ...actions: string[]])[] = [
  ["pwrite64", "error=EIO", "error=ENOSPC", "error=EINTR", "signal=KILL"],
  ["fdatasync", "error=EIO", "error=ENOSPC", "signal=KILL"],
  ["fsync", "error=EIO", "signal=KILL"],
  ["ftruncate", "error=EIO", "error=ENOSPC", "signal=KILL"],
  ["rename", "error=EIO", "signal=KILL"],
  ["unlink", "error=EIO", "signal=KILL"],
];

const { values } = parseArgs({
  options: {
    times: { type: "string", default: "300" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    jobs: { type: "string", default: "1" },
    faults: { type: "boolean" },
    runtime: { type: "string", multiple: true, default: [...RUNTIME_NAMES] },
  },
});
const [times, firstSeed, jobs] = [values.times, values.seed, values.jobs].map(Number) as [number, number, number];
if (![times, firstSeed, jobs].every(Number.isSafeInteger) || times < 1 || jobs < 1) {
  console.error("--times, --seed and --jobs take whole numbers");
  process.exit(64);
}
const runtimes = values.runtime.map((name) => locateRuntime(name as RuntimeName));
const counts: KillCounts = {};
const started = performance.now();
let begun = 0;
let done = 0;
let failures = 0;

if (values.faults === true) await failEveryCall();
else await killWriters();
const seconds = (performance.now() - started) / 1000;
console.log(`${done} writers in ${seconds.toFixed(0)} s`);
for (const [event, count] of Object.entries(counts).sort(([a], [b]) => a < b ? -1 : 1)) {
  console.log(`  ${String(count).padStart(8)} ${event}`);
}
console.log(
  failures === 0 ? `${done} runs: no log lost anything that it had accepted, or was damaged` : `${failures} failures`,
);
process.exit(failures === 0 ? 0 : 1);

/** Kills writers at random moments. */
async function killWriters(): Promise<void> {
  const titles = runtimes.map(({ title, version }) => `${title} ${version}`);
  console.log(`seed ${firstSeed}: ${times} kills in ${titles.join(", ")}`);
  await Promise.all(Array.from({ length: jobs }, work));
}

/** Fails every system call of a history, and kills the writer at every one. Each run has one fault. */
async function failEveryCall(): Promise<void> {
  const why = whyNoStrace();
  if (why !== undefined) {
    console.error(why);
    process.exit(69);
  }
  for (const runtime of runtimes) {
    const bench = new FaultBench(runtime);
    try {
      for (const log of ["new", "crashed"] as const) {
        for (const flushes of ["sync", "async"] as const) {
          for (const [call, ...actions] of FAULTS) {
            for (const action of actions) await failCalls(bench, { log, flushes }, call, action);
          }
        }
      }
    } finally {
      bench.remove();
    }
  }
}

async function failCalls(bench: FaultBench, scenario: Scenario, call: string, action: string): Promise<void> {
  try {
    for (const outcome of await bench.sweep(scenario, call, action)) {
      const event = `${call} ${action}: ${outcome}`;
      counts[event] = (counts[event] ?? 0) + 1;
      done++;
    }
  } catch (error) {
    failures++;
    console.error((error as Error).stack);
  }
}

/** Processes one log after the other. */
async function work(): Promise<void> {
  while (begun * KILLS_A_LOG < times) {
    const number = begun++;
    const folder = mkdtempSync(join(tmpdir(), "wallog-kill-"));
    const log = new KilledLog(join(folder, "raft.wal"), firstSeed + number, runtimes, counts);
    try {
      for (let kill = number * KILLS_A_LOG; kill < Math.min(times, (number + 1) * KILLS_A_LOG); kill++) {
        await log.kill();
        done++;
        if (process.stderr.isTTY) process.stderr.write(`\r${done} of ${times}`);
      }
      rmSync(folder, { recursive: true });
    } catch (error) {
      failures++;
      console.error(`${(error as Error).stack}\nthe log is kept: ${folder}`);
    } finally {
      await log.end();
    }
  }
}
