/**
 * Runs random histories of archived logs and prints the counts of events.
 *
 *     deno task sim:archive                  1,000 histories
 *     deno task sim:archive --seeds 20000    as many as wanted
 *     deno task sim:archive --seed 4711      one of them again
 *
 * @module
 */

import process from "node:process";
import { parseArgs } from "node:util";
import { simulateArchive } from "../tests/archive_simulation.ts";
import type { Counts } from "../tests/simulated_log.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1000" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
  },
});

const from = Number(values.seed ?? values.from);
const seeds = values.seed === undefined ? Number(values.seeds) : 1;
if (!Number.isSafeInteger(from) || !Number.isSafeInteger(seeds) || seeds < 1) {
  console.error("--seeds, --seed and --from take whole numbers");
  process.exit(64);
}

let failures = 0;
const counts: Counts = {};
const started = performance.now();
for (let seed = from; seed < from + seeds; seed++) {
  try {
    await simulateArchive(seed, counts);
  } catch (error) {
    failures++;
    console.error(`seed ${seed}: ${error instanceof Error ? error.message : error}`);
    if (failures >= 5) break;
  }
}
const seconds = (performance.now() - started) / 1000;
const happened = Object.entries(counts).sort(([a], [b]) => a < b ? -1 : 1).map(([event, count]) => `${event} ${count}`);
console.log(`${seeds} histories of archives in ${seconds.toFixed(1)} s, ${failures} failed\n  ${happened.join(", ")}`);
process.exitCode = failures > 0 ? 1 : 0;
