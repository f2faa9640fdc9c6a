/**
 * Compares the event log with other packages that store events or jobs: durable appends by 1 and 64 producers, and
 * reading everything back. Each sample runs in a process of its own, and the stores take turns. What a store has made
 * durable differs, so the number of its flushes is counted beside it.
 *
 *     deno task bench:event-stores --runtime node            in Node, for which most of the others are made
 *     deno task bench:event-stores --runtime node --quick    in under a minute, to see that it works
 *         --rounds 5  --seconds 2  --events 100000  --only liteque  --folder /data
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Runtime } from "../scripts/runtimes.ts";
import { benchmark } from "./command.ts";
import { EVENT_STORES } from "./event_stores/stores.ts";
import type { EventStoreKind } from "./event_stores/store.ts";
import { lookAtMachine } from "./machine.ts";
import { installPeers } from "./peers_install.ts";
import { summarize } from "./statistics.ts";
import { machineText, table } from "./text.ts";
import { short } from "./units.ts";
import { CannotRun, type Workspace } from "./workspace.ts";

const CHILD = fileURLToPath(new URL("./event_stores/child.ts", import.meta.url));
/** What is measured: arguments of a child. */
const WORK = { one: ["append", "1"], many: ["append", "64"], replay: ["replay"] } as const;
type Work = keyof typeof WORK;
/** Calls that put data on stable storage. No store opens its files with O_SYNC or O_DSYNC. */
const FLUSHES = "fsync,fdatasync,msync,sync_file_range,syncfs,sync";
/** The time to append while flushes are counted. */
const COUNTING_SECONDS = 0.5;

type Outcome = { readonly seconds: number; readonly count: number } | { readonly unavailable: string };

/** The stores in one runtime. */
class Stores {
  readonly #workspace: Workspace;
  readonly #runtime: Runtime;
  readonly #folder: string;

  constructor(workspace: Workspace, runtime: Runtime) {
    this.#workspace = workspace;
    this.#runtime = runtime;
    this.#folder = join(workspace.path, "store");
  }

  /** Runs a child. Its folder is kept until the next one begins anew. */
  async run({ name }: EventStoreKind, args: readonly string[], isAnew = true, under: readonly string[] = []) {
    if (isAnew) rmSync(this.#folder, { recursive: true, force: true });
    mkdirSync(this.#folder, { recursive: true });
    const run = this.#runtime.name === "deno" ? [this.#runtime.binary, "run", "-A"] : this.#runtime.run;
    const output = await this.#workspace.run([...under, ...run, CHILD, name, this.#folder, ...args]);
    return JSON.parse(output.trim().split("\n").at(-1)!) as Outcome;
  }

  /** Flushes for each append, counted by strace; as text. */
  async flushes(kind: EventStoreKind, work: "one" | "many"): Promise<string> {
    if (spawnSync("strace", ["--version"]).error !== undefined) return "no strace";
    const trace = join(this.#workspace.path, "trace");
    const counted = async (seconds: number) => {
      const under = ["strace", "-f", "-qq", "-e", `trace=${FLUSHES}`, "-o", trace];
      const outcome = await this.run(kind, [...WORK[work], String(seconds)], true, under);
      if ("unavailable" in outcome) throw new Error(outcome.unavailable);
      const calls = readFileSync(trace, "utf8").split("\n").filter((line) => /^\d+ +\w+\(/.test(line));
      return { flushes: calls.length, count: outcome.count };
    };
    const [idle, busy] = [await counted(0), await counted(COUNTING_SECONDS)];
    return ((busy.flushes - idle.flushes) / busy.count).toFixed(2);
  }
}

/** One round of a store: events a second for each work that it can do, or why it cannot run. */
async function measure(stores: Stores, kind: EventStoreKind, seconds: string, events: string) {
  const rates: Partial<Record<Work, number>> = {};
  for (const work of ["one", "many", "replay"] as const) {
    if (work === "replay") {
      const filled = await stores.run(kind, ["fill", events]);
      if ("unavailable" in filled) continue;
    }
    const isReplay = work === "replay";
    const outcome = await stores.run(kind, [...WORK[work], isReplay ? events : seconds], !isReplay);
    if ("unavailable" in outcome) return outcome.unavailable;
    rates[work] = outcome.count / outcome.seconds;
  }
  return rates;
}

/** The table of one runtime. */
async function compare(stores: Stores, kinds: readonly EventStoreKind[], options: Record<string, string>) {
  const found = new Map<string, Record<Work, number[]>>();
  const missing = new Map<string, string>();
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const kind of kinds.filter(({ name }) => !missing.has(name))) {
      console.error(`round ${round + 1}: ${kind.name}`);
      const rates = await measure(stores, kind, options.seconds!, options.events!);
      if (typeof rates === "string") {
        missing.set(kind.name, rates);
        continue;
      }
      const all = found.get(kind.name) ?? { one: [], many: [], replay: [] };
      found.set(kind.name, all);
      for (const work of Object.keys(rates) as Work[]) all[work].push(rates[work]!);
    }
  }
  const rows = [];
  for (const kind of kinds) {
    const all = found.get(kind.name);
    if (all === undefined) {
      rows.push([kind.name, `not available: ${missing.get(kind.name)}`, "", "", "", kind.flushes]);
      continue;
    }
    console.error(`counting flushes: ${kind.name}`);
    const flushes = `${await stores.flushes(kind, "one")} and ${await stores.flushes(kind, "many")}`;
    rows.push([
      kind.name,
      ...(["one", "many", "replay"] as const).map((work) => text(all[work])),
      flushes,
      kind.flushes,
    ]);
  }
  const head = ["Store", "1 producer", "64 producers", "Replay", "Flushes an append", "What append has flushed"];
  return table(head, rows).join("\n");
}

/** The median, and in brackets the least and the most. */
function text(rates: readonly number[]): string {
  if (rates.length === 0) return "-";
  const { median, min, max } = summarize(rates);
  return `${short(median)} (${short(min)} to ${short(max)})`;
}

await benchmark(
  { quick: false, rounds: "5", seconds: "2", events: "100000", only: "" },
  async ({ workspace, runtimes, options }) => {
    const { quick, only, ...full } = options;
    const work = quick ? { rounds: "1", seconds: "0.2", events: "5000" } : full;
    const kinds = EVENT_STORES.filter(({ name }) => only === "" || name.includes(only));
    if (kinds.length === 0) throw new CannotRun(`No store has ${only} in its name`);
    for (const [name, value] of Object.entries(work)) {
      if (!(Number(value) > 0)) throw new CannotRun(`--${name} takes a number above 0`);
    }
    installPeers("./event_stores/");
    console.log(machineText(lookAtMachine(workspace.path)));
    for (const runtime of runtimes) {
      const rows = await compare(new Stores(workspace, runtime), kinds, work);
      console.log(`\n${runtime.title} ${runtime.version}; events a second, of about 200 bytes as JSON\n\n${rows}`);
    }
  },
);
