/**
 * Runs random histories on a simulated disk and prints the counts of events.
 *
 *     deno task sim                        1,000 histories of each kind
 *     deno task sim --seeds 100000         as many as wanted
 *     deno task sim --seed 4711            one of them again
 *     deno task sim --crashes              only those without damage
 *     deno task sim --damage               only those in which bytes rot at the end
 *     deno task sim --rot                  only those in which they rot again and again, and the log goes on
 *     deno task sim --live                 only those in which they rot while the log is open
 *     deno task sim --seed 4711 --damage --steps=3,7    some of its steps, as a failure prints them
 *
 * @module
 */

import process from "node:process";
import { parseArgs } from "node:util";
import { simulateDamage } from "../tests/damage_simulation.ts";
import { simulateLiveDamage } from "../tests/live_damage_simulation.ts";
import type { Counts } from "../tests/simulated_log.ts";
import { simulate } from "../tests/simulation.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1000" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    crashes: { type: "boolean" },
    damage: { type: "boolean" },
    rot: { type: "boolean" },
    live: { type: "boolean" },
    steps: { type: "string" },
  },
});

const from = Number(values.seed ?? values.from);
const seeds = values.seed === undefined ? Number(values.seeds) : 1;
if (!Number.isSafeInteger(from) || !Number.isSafeInteger(seeds) || seeds < 1) {
  console.error("--seeds, --seed and --from take whole numbers");
  process.exit(64);
}
const steps = values.steps?.split(",").filter((step) => step !== "").map(Number);
const kinds = [
  {
    title: "crashes, kills, failing and full disks",
    isWanted: values.crashes,
    run: (seed: number, counts: Counts) => simulate(seed, counts, { steps }),
  },
  {
    title: "the same, then rot, zeroed blocks and lost files",
    isWanted: values.damage,
    run: (seed: number, counts: Counts) => simulate(seed, counts, { damage: true, steps }),
  },
  {
    title: "damage again and again, in several places, and the log goes on",
    isWanted: values.rot,
    run: (seed: number, counts: Counts) => simulateDamage(seed, counts, steps),
  },
  {
    title: "damage to an open log, which is scrubbed and repaired",
    isWanted: values.live,
    run: simulateLiveDamage,
  },
];
const isAnyWanted = kinds.some(({ isWanted }) => isWanted);

let failures = 0;
for (const { title, isWanted, run } of kinds) {
  if (isAnyWanted && isWanted !== true) continue;
  const counts: Counts = {};
  const started = performance.now();
  for (let seed = from; seed < from + seeds; seed++) {
    try {
      await run(seed, counts);
    } catch (error) {
      failures++;
      console.error((error as Error).message);
    }
    if (process.stderr.isTTY && (seed - from) % 50 === 0) {
      process.stderr.write(`\r${seed - from} of ${seeds}: ${title}`);
    }
  }
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  const seconds = (performance.now() - started) / 1000;
  console.log(`${title}: seeds ${from} to ${from + seeds - 1} in ${seconds.toFixed(0)} s`);
  for (const [event, count] of Object.entries(counts).sort((a, b) => b[1] - a[1])) {
    console.log(`  ${String(count).padStart(10)} ${event}`);
  }
}
const histories = seeds * kinds.filter(({ isWanted }) => !isAnyWanted || isWanted === true).length;
console.log(
  failures === 0
    ? `${histories} histories: nothing durable was lost without a report, and no crash was reported as damage`
    : `${failures} of ${histories} histories failed`,
);
process.exit(failures === 0 ? 0 : 1);
