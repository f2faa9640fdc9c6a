/**
 * Opens mutated logs, runs the WebAssembly exports on mutated memory, and prints the outcomes.
 *
 *     deno task fuzz                       2,000 cases of each kind
 *     deno task fuzz --seeds 50000         as many as wanted
 *     deno task fuzz --seed 4711           one of them again
 *
 * @module
 */

import process from "node:process";
import { parseArgs } from "node:util";
import { fuzzCodec } from "../tests/fuzz/codec.ts";
import { fuzzOpen } from "../tests/fuzz/open.ts";
import type { FuzzCounts } from "../tests/fuzz/use.ts";

/** The most failures to print in full. */
const FAILURES_SHOWN_MAX = 40;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "2000" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    kind: { type: "string" },
  },
});

const from = Number(values.seed ?? values.from);
const seeds = values.seed === undefined ? Number(values.seeds) : 1;
if (!Number.isSafeInteger(from) || !Number.isSafeInteger(seeds) || seeds < 1) {
  console.error("--seeds, --seed and --from take whole numbers");
  process.exit(64);
}
const kinds = [
  { name: "codec", title: "WebAssembly exports on mutated memory", run: fuzzCodec },
  { name: "open", title: "mutated logs, opened, read, written and opened again", run: fuzzOpen },
].filter(({ name }) => values.kind === undefined || values.kind === name);

let failures = 0;
for (const { title, run } of kinds) {
  const counts: FuzzCounts = {};
  const started = performance.now();
  for (let seed = from; seed < from + seeds; seed++) {
    try {
      run(seed, counts);
    } catch (error) {
      failures++;
      if (failures <= FAILURES_SHOWN_MAX) console.error((error as Error).message);
      if (seeds === 1) console.error((error as Error).cause);
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
const cases = seeds * kinds.length;
console.log(
  failures === 0
    ? `${cases} cases of mutated bytes: each gave a result or a WalLogError, without a hang`
    : `${failures} of ${cases} cases of mutated bytes failed`,
);
process.exit(failures === 0 ? 0 : 1);
