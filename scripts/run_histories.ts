/**
 * Runs random histories, as many as the arguments of the program ask for, and prints the counts of events.
 *
 * @module
 */

import process from "node:process";
import { parseArgs } from "node:util";

/**
 * Runs the histories. Stops after five failures, and then sets the exit code of the process to 1.
 *
 * @param subject The subject of a history, for the last line.
 * @param run Runs the history of a seed, and adds to the counts of events. Its error says which seed failed.
 */
export async function runHistories(
  subject: string,
  run: (seed: number, counts: Record<string, number>) => Promise<void> | void,
): Promise<void> {
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
  const counts: Record<string, number> = {};
  const started = performance.now();
  for (let seed = from; seed < from + seeds && failures < 5; seed++) {
    try {
      await run(seed, counts);
    } catch (error) {
      failures++;
      console.error(`seed ${seed}: ${error instanceof Error ? error.message : error}`);
    }
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const events = Object.entries(counts).sort(([a], [b]) => a < b ? -1 : 1).map(([event, count]) => `${event} ${count}`);
  console.log(events.join(", "));
  console.log(`${seeds} histories of ${subject} in ${seconds} s, ${failures} failed`);
  process.exitCode = failures > 0 ? 1 : 0;
}
