/**
 * The load test: each runtime's server on a new log, with one client and with many, several times in turn. Needs wrk
 * (Debian: `apt-get install wrk`).
 *
 *     deno run -A examples/events/load.ts --runtime all              a table; the same with bun and node
 *     deno run -A examples/events/load.ts --runtime all --record     the same, into the README beside this file; then `deno fmt`
 *         --runs 3  --seconds 3                                      how often, and how long each time
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { benchmark } from "../../bench/command.ts";
import { lookAtMachine } from "../../bench/machine.ts";
import { summarize } from "../../bench/statistics.ts";
import { machineText, table } from "../../bench/text.ts";
import { short } from "../../bench/units.ts";
import { CannotRun, type Workspace } from "../../bench/workspace.ts";
import type { Runtime } from "../../scripts/runtimes.ts";
import type { ServiceStats } from "./service.ts";
import { startServer } from "./start.ts";

const README = new URL("./README.md", import.meta.url);
const DEPOSITS = fileURLToPath(new URL("./deposits.lua", import.meta.url));
const CLIENTS = [1, 16, 128];
/** Before each measurement, so that the code has been compiled. */
const WARM_UP_SECONDS = 1;

/** What a run found. Latencies are in milliseconds. */
interface Sample {
  readonly requestsPerSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** Group-commit size: events that were made durable by one flush, on average. */
  readonly eventsPerFlush: number;
}

await benchmark({ runs: "3", seconds: "3", record: false }, async ({ workspace, runtimes, options }) => {
  const runs = Number(options.runs);
  const seconds = Number(options.seconds);
  if (!(runs >= 1 && seconds >= 1)) throw new CannotRun("--runs and --seconds take numbers from 1 on");
  if (spawnSync("wrk", ["--version"]).error !== undefined) throw new CannotRun("Needs wrk: apt-get install wrk");
  const machine = lookAtMachine(workspace.path);
  const samples = new Map<string, Sample[]>();
  // In turn, so that what disturbs the machine for a while disturbs them all.
  for (let run = 1; run <= runs; run++) {
    for (const clients of CLIENTS) {
      for (const runtime of runtimes) {
        const sample = await measure(workspace, runtime, clients, seconds);
        const name = `${runtime.title} ${runtime.version}`;
        samples.set(`${clients} ${name}`, [...samples.get(`${clients} ${name}`) ?? [], sample]);
        console.error(
          `run ${run} of ${runs}, ${name}, ${clients} clients: ${short(sample.requestsPerSecond)} requests/s`,
        );
      }
    }
  }
  const text = [
    `${
      machineText(machine)
    } One recording, of ${runs} runs of ${seconds} s each: the median, and in brackets the least`,
    "and the greatest.",
    ...(machine.load > machine.cores
      ? ["The machine was busy with other work at the time, which the spread shows."]
      : []),
    "",
    ...table(
      ["Clients", "Server", "Requests per second", "p50, ms", "p99, ms", "Events per flush"],
      [...samples].map(([name, taken]) => [
        name.slice(0, name.indexOf(" ")),
        name.slice(name.indexOf(" ") + 1),
        ...(["requestsPerSecond", "p50", "p99", "eventsPerFlush"] as const).map((figure) => inWords(taken, figure)),
      ]),
    ),
  ].join("\n");
  console.log(text);
  if (options.record) record(text);
});

async function measure(workspace: Workspace, runtime: Runtime, clients: number, seconds: number): Promise<Sample> {
  const folder = join(workspace.path, "data");
  mkdirSync(folder);
  const server = await startServer(runtime, folder);
  try {
    const stats = async () => await (await fetch(`${server.url}/stats`)).json() as ServiceStats;
    const load = async (name: string, duration: number) => {
      const command = ["wrk", "-t1", `-c${clients}`, `-d${duration}s`, "-s", DEPOSITS, server.url, "--", name];
      const said = await workspace.run(command);
      return JSON.parse(said.trim().split("\n").at(-1)!);
    };
    await load("warm", WARM_UP_SECONDS);
    const before = await stats();
    const { requests, seconds: took, p50, p99, refused, broken } = await load("load", seconds);
    const after = await stats();
    if (refused + broken > 0) throw new Error(`${runtime.title}: ${refused} requests were refused, ${broken} failed`);
    const eventsPerFlush = (after.entriesAppended - before.entriesAppended) / (after.flushes - before.flushes);
    return { requestsPerSecond: requests / took, p50, p99, eventsPerFlush };
  } finally {
    process.kill(server.child.pid!, "SIGKILL");
    await server.ended;
    rmSync(folder, { recursive: true });
  }
}

function inWords(samples: readonly Sample[], figure: keyof Sample): string {
  const { median, min, max } = summarize(samples.map((sample) => sample[figure]));
  return `${short(median)} (${short(min)} to ${short(max)})`;
}

/** Puts the figures between the two marks in the README. */
function record(text: string): void {
  const readme = readFileSync(README, "utf8");
  writeFileSync(README, readme.replace(/(?<=<!-- load -->\n).*(?=<!-- \/load -->)/s, () => `\n${text}\n\n`));
}
