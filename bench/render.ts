/**
 * Writes results, and renders the page from all recorded results:
 *
 *     deno run -A bench/render.ts        docs/BENCHMARKS.md and its charts, from bench/results
 *
 * @module
 */

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ClusterResult } from "./cluster_report.ts";
import type { GrowthResult } from "./growth_report.ts";
import { type Recorded, renderPage } from "./markdown.ts";
import { PART_TITLES, type PartKind, type PartResult, type PartRun, withRun } from "./part_report.ts";
import type { BenchResult } from "./results.ts";
import type { SoakResult } from "./soak_report.ts";

/** The folder of recorded results. */
export const RESULTS = fileURLToPath(new URL("results/", import.meta.url));
const DOCUMENTATION = fileURLToPath(new URL("../docs/", import.meta.url));
/** The folder of other results, which is not in the repository. */
export const LATEST = join(RESULTS, "latest");
const PAGE = "BENCHMARKS.md";
const CHARTS = "benchmarks";

/**
 * Writes a result as JSON, and renders the page again.
 *
 * @param result The result.
 * @param output The folder for both; `undefined` to record the result in `bench/results` and `docs`.
 * @returns The written files, without the charts.
 */
export function record(
  result: BenchResult | GrowthResult | SoakResult | ClusterResult | PartResult,
  output: string | undefined,
): string[] {
  const folder = output ?? RESULTS;
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${result.kind}.json`);
  writeFileSync(path, JSON.stringify(result, null, 2) + "\n");
  return [path, render(folder, output ?? DOCUMENTATION)];
}

/**
 * Records the run of a part beside its runs in other runtimes, and renders the page again.
 *
 * @param kind The part.
 * @param run The run.
 * @returns The written files.
 */
export function recordRun(kind: PartKind, run: PartRun): string[] {
  return record(withRun(readRecorded(RESULTS)[kind], kind, run), undefined);
}

/**
 * Renders the page.
 *
 * @param from The folder that holds the JSON.
 * @param to The folder for the page; its charts go into one below.
 * @returns The page's path.
 */
export function render(from: string, to: string): string {
  const { markdown, charts } = renderPage(readRecorded(from), CHARTS);
  const folder = join(to, CHARTS);
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder)) {
    if (name.endsWith(".svg") && !charts.has(name)) rmSync(join(folder, name));
  }
  for (const [name, svg] of charts) writeFileSync(join(folder, name), svg);
  const path = join(to, PAGE);
  writeFileSync(path, markdown);
  return path;
}

/** Reads the recorded results in a folder. */
export function readRecorded(folder: string): Recorded {
  const recorded: Record<string, unknown> = {};
  for (const kind of ["bench", "growth", "soak", "cluster", ...Object.keys(PART_TITLES)]) {
    try {
      recorded[kind] = JSON.parse(readFileSync(join(folder, `${kind}.json`), "utf8"));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  return recorded as Recorded;
}

if (import.meta.main) console.log(render(RESULTS, DOCUMENTATION));
