/**
 * The benchmark: compares this log with the bare machine and with other ways to keep a log. Each sample runs in a new
 * process, and the sides take turns.
 *
 *     deno task bench                            small, in under two minutes, in the running runtime
 *     deno task bench --full --runtime all       as recorded in docs/BENCHMARKS.md
 *     deno task bench --only recovery,append     cases whose names contain one of these
 *     deno task bench --full --runtime all --only group --again    these anew, in what is recorded
 *     deno task bench --list                     the names
 *
 * `bun bench/main.ts` and `node bench/main.ts` do the same. A full run of all cases writes `bench/results/bench.json`
 * and renders `docs/BENCHMARKS.md` and its charts. Any other run does the same in `bench/results/latest`, which is not
 * in the repository. See also `--rounds N`, and the options in `command.ts`.
 *
 * @module
 */

import process from "node:process";
import { bar, bold, dim, green, red, StatusLine } from "../src/cli/terminal.ts";
import { benchCases } from "./cases.ts";
import type { Case } from "./cases/case.ts";
import { benchmark } from "./command.ts";
import { FULL, QUICK } from "./extent.ts";
import { lookAtMachine } from "./machine.ts";
import { machineText, measuredText, verdict } from "./text.ts";
import { installPeers } from "./peers_install.ts";
import { LATEST, readRecorded, record, RESULTS } from "./render.ts";
import { type BenchResult, type CaseResult, METRICS, replaceCases } from "./results.ts";
import { processesOf, runCase, Runner } from "./runner.ts";
import { CannotRun } from "./workspace.ts";

/** The time between two lines of progress if the output is not a terminal, in milliseconds. */
const REPORT_MS = 10_000;
/** The fewest rounds for a median. */
const ROUNDS_MIN = 5;
const TITLE_COLUMNS = 26;

await benchmark(
  { full: false, only: "", rounds: "", list: false, again: false },
  async ({ workspace, runtimes, output, options }) => {
    const extent = options.full ? FULL : QUICK;
    const all = benchCases(extent, workspace.path);
    if (options.list) return console.log(all.map(({ name, title }) => `${name.padEnd(20)} ${title}`).join("\n"));
    const filters = options.only.split(",");
    const cases = all.filter(({ name }) => filters.some((filter) => name.includes(filter)));
    if (cases.length === 0) throw new CannotRun(`No case has ${options.only} in its name: see --list`);
    const rounds = options.rounds === "" ? extent.rounds : Number(options.rounds);
    if (!Number.isSafeInteger(rounds) || rounds < 1) throw new CannotRun("--rounds takes a number");
    for (const { title, diskBytes } of cases) workspace.require(diskBytes, title);

    installPeers();
    const machine = lookAtMachine(workspace.path);
    const titles = runtimes.map(({ title, version }) => `${title} ${version}`).join(", ");
    console.log(`${bold(`WalLog on ${titles}`)}\n${dim(machineText(machine))}`);
    if (machine.load > machine.cores / 2) console.log(red("Something else is running: the figures will show it."));
    if (rounds < ROUNDS_MIN) console.log(red(`${rounds} rounds are too few to believe a median.`));

    const started = performance.now();
    const runners = runtimes.map((runtime) => new Runner(runtime, workspace));
    for (const runner of runners) await runner.warmUp();
    const total = cases.reduce((sum, one) => sum + processesOf(one, runners.length, rounds), 0);
    const line = new StatusLine(REPORT_MS);
    let done = 0;
    const results: CaseResult[] = [];
    for (const one of cases) {
      const inCase = await runCase(one, runners, rounds, (what) => line.show(`${bar(done++, total)} ${what}`));
      line.clear();
      show(one, inCase);
      results.push(...inCase);
    }

    const result: BenchResult = {
      kind: "bench",
      mode: options.full ? "full" : "quick",
      machine,
      rounds,
      runtimes: runtimes.map(({ name, title, version }) => ({ name, title, version })),
      cases: results,
    };
    const isWhole = options.full && rounds >= ROUNDS_MIN;
    const isRecord = isWhole && (options.again || cases.length === all.length);
    const recorded = isRecord && options.again ? readRecorded(RESULTS).bench : undefined;
    const merged = recorded === undefined ? result : replaceCases(recorded, result);
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    console.log(`\n${seconds} s. Written: ${record(merged, output ?? (isRecord ? undefined : LATEST)).join(", ")}`);
    if (process.stdout.isTTY && !options.full) console.log(dim("Larger data, and every peer in every case: --full"));
  },
);

/** Prints a case: its sides and its targets. */
function show({ title }: Case, results: readonly CaseResult[]): void {
  console.log(`\n${bold(title.replaceAll("`", ""))}`);
  for (const { runtime, metric, sides, outcomes } of results) {
    const { text } = METRICS[metric];
    for (const { title, summary, unavailable } of sides) {
      const values = summary === undefined
        ? `not available: ${unavailable ?? "not run"}`
        : `${text(summary.median).padStart(17)}  ${dim(`${text(summary.min)} to ${text(summary.max)}`)}`;
      console.log(`  ${runtime.padEnd(5)} ${title.padEnd(TITLE_COLUMNS)} ${values}`);
    }
    for (const outcome of outcomes) {
      const isMet = outcome.isMet === undefined ? dim : outcome.isMet ? green : red;
      console.log(
        `  ${runtime.padEnd(5)} ${isMet(`${verdict(outcome)}:`)} ${outcome.text}; measured ${measuredText(outcome)}`,
      );
    }
  }
}
