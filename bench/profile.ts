/**
 * Profiles a case on Node:
 *
 *     deno task bench:profile recovery-128             the log's side
 *     deno task bench:profile append-64k bare          another side
 *     deno task bench:profile entries --keep /tmp/p    keeps the profile, for Chrome's developer tools
 *
 * Counts only the timed part of the case, not the start of the process or the preparations.
 *
 * @module
 */

import { copyFileSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { locateRuntime } from "../scripts/runtimes.ts";
import { benchCases } from "./cases.ts";
import { FULL } from "./extent.ts";
import { commandFor, Runner } from "./runner.ts";
import type { timed } from "./workloads.ts";
import { CannotRun, Workspace } from "./workspace.ts";
import { tmpdir } from "node:os";

/** The number of lines to print. */
const TOP = 16;
/** The time between two samples of the profile, in microseconds. */
const INTERVAL_US = 200;

/** The used part of a profile. */
interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly startTime: number;
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const { values, positionals } = parseArgs({
  options: { folder: { type: "string", default: tmpdir() }, keep: { type: "string" } },
  allowPositionals: true,
});
const workspace = new Workspace(values.folder);
try {
  const [name = "", sideName = "wallog"] = positionals;
  const one = benchCases(FULL, workspace.path).find((one) => one.name === name);
  const side = one?.sides.find((side) => side.name === sideName);
  if (one === undefined || side === undefined) throw new CannotRun(`No such case and side: ${positionals.join(" ")}`);
  if (typeof side.task === "string" || side.task.workload === "fresh") {
    throw new CannotRun("There is no task to profile");
  }
  workspace.require(one.diskBytes, one.title);
  const runtime = locateRuntime("node");
  const runner = new Runner(runtime, workspace);
  for (const task of one.setup) if (task.folder === side.task.folder) await runner.run(task);
  const folder = join(workspace.path, "profile");
  const child = fileURLToPath(new URL("child.ts", import.meta.url));
  const [binary, ...args] = commandFor(runtime) as [string, ...string[]];
  const flags = ["--cpu-prof", `--cpu-prof-dir=${folder}`, `--cpu-prof-interval=${INTERVAL_US}`];
  const answer = (await workspace.run([binary, ...flags, ...args, child, JSON.stringify(side.task)])).trim();
  console.log(answer);
  const { timed } = JSON.parse(answer);
  for (const file of readdirSync(folder)) {
    print(JSON.parse(readFileSync(join(folder, file), "utf8")), timed);
    if (values.keep === undefined) continue;
    mkdirSync(values.keep, { recursive: true });
    copyFileSync(join(folder, file), join(values.keep, file));
  }
} catch (error) {
  console.error(error instanceof CannotRun ? error.message : error);
  process.exitCode = 1;
} finally {
  workspace.remove();
}

/** Prints the functions with the most self time. */
function print({ nodes, startTime, samples, timeDeltas }: Profile, { from, to }: typeof timed): void {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const times = new Map<string, number>();
  let total = 0;
  let now = startTime;
  samples.forEach((id, i) => {
    now += timeDeltas[i]!;
    if (now < from || now > to) return;
    const { functionName, url, lineNumber } = frames.get(id)!;
    const place = url === "" ? "" : ` ${url.replace(/^.*\/(?=[^/]+\/[^/]+$)/, "")}:${lineNumber + 1}`;
    const name = `${functionName || "(anonymous)"}${place}`;
    times.set(name, (times.get(name) ?? 0) + timeDeltas[i]!);
    total += timeDeltas[i]!;
  });
  for (const [name, time] of [...times].sort(([, a], [, b]) => b - a).slice(0, TOP)) {
    console.log(`${(time / total * 100).toFixed(1).padStart(5)}%  ${(time / 1000).toFixed(1).padStart(8)} ms  ${name}`);
  }
}
