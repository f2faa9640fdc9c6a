/**
 * Shows in under a minute that a replicated key-value service (`examples/kv`) keeps its promises. There are three
 * replicas, in Deno, Bun and Node, each with its own log. Clients read and write, and record every call and return.
 * Meanwhile, replicas are killed, stopped and isolated. In the end, every acknowledged write must be there, the
 * replicas must be equal, and the history of each key must be linearizable.
 *
 * A killed process leaves its writes in the page cache. So this does not test that writes are flushed before they are
 * acknowledged. Power failures are tested on a simulated disk (`deno task sim:raft`), and the order of calls is tested
 * by tracing them (`tests/strace_test.ts`).
 *
 *     deno task demo:cluster
 *     deno task demo:cluster --runtime node --runtime node --runtime bun     other replicas, as many as wanted
 *     deno task demo:cluster --rounds 5 --seed 7                             longer
 *     deno task demo:cluster --history history.jsonl                         for another judge: see cluster/history.ts
 *
 * `bun scripts/demo_cluster.ts` and `node scripts/demo_cluster.ts` do the same. Ends with 1 if a promise was broken, or if
 * it takes more than `--limit` seconds for a round. Whatever happens, it kills the replicas and removes their logs.
 *
 * @module
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { bold, dim, green, grouped, red } from "../src/cli/terminal.ts";
import { Clients } from "./cluster/clients.ts";
import { FAULTS } from "./cluster/faults.ts";
import { historyText } from "./cluster/history.ts";
import { judge, type Judgement } from "./cluster/judge.ts";
import { ClusterProcesses, endInAnyCase } from "./cluster/processes.ts";
import { locateRuntime, RUNTIME_NAMES, type RuntimeName } from "./runtimes.ts";

const CLIENTS = 8;
const KEYS = 12;
/** The number of answers before, between and after faults. */
const CALM = 200;

const { values: options } = parseArgs({
  options: {
    runtime: { type: "string", multiple: true, default: [...RUNTIME_NAMES] },
    rounds: { type: "string", default: "1" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    limit: { type: "string", default: "120" },
    folder: { type: "string", default: tmpdir() },
    history: { type: "string" },
  },
});
const rounds = Number(options.rounds);
if (!Number.isSafeInteger(rounds) || rounds < 1) throw new RangeError("--rounds takes a number");
const seconds = rounds * Number(options.limit);
if (!(seconds > 0)) throw new RangeError("--limit takes a number");

const started = performance.now();
const folder = mkdtempSync(join(resolve(options.folder), "wallog-cluster-"));
let cluster: ClusterProcesses | undefined;
let clients: Clients | undefined;
endInAnyCase(end);
setTimeout(() => {
  throw new Error(`not done after ${seconds} s`);
}, seconds * 1000);
try {
  const { wrong } = await run();
  process.exitCode = wrong.length === 0 ? 0 : 1;
} catch (error) {
  console.error(red(error instanceof Error ? error.stack ?? error.message : String(error)));
  process.exitCode = 1;
}
await end();
process.exit();

async function run(): Promise<Judgement> {
  const runtimes = options.runtime.map((name) => locateRuntime(name as RuntimeName));
  cluster = await ClusterProcesses.of(folder, runtimes, { "snapshot-bytes": 64 * 1024 });
  await cluster.start();
  for (const { id, runtime, url } of cluster.replicas) {
    console.log(`replica ${id}: ${runtime.title} ${runtime.version}, ${url}`);
  }
  const urls = cluster.replicas.map(({ url }) => url);
  clients = new Clients({ urls, clients: CLIENTS, keys: KEYS, seed: Number(options.seed) });
  const leader = await cluster.leader();
  console.log(`replica ${leader.id} leads; ${CLIENTS} clients, ${KEYS} keys, seed ${options.seed}`);
  clients.start();
  await clients.progress(CALM);
  for (let round = 1; round <= rounds; round++) {
    for (const { title, strike } of FAULTS) {
      console.log(`\n${bold(title)}`);
      const before = { ...clients.counts };
      await strike(cluster, clients, (what) => console.log(`  ${what}`));
      await clients.progress(CALM);
      const { acknowledged, unknown } = clients.counts;
      const open = unknown - before.unknown;
      console.log(
        `  ${grouped(acknowledged - before.acknowledged)} answers` +
          (open > 0 ? dim(`, ${open} requests without one`) : ""),
      );
    }
  }
  await clients.end();
  const judgement = await judge(cluster, clients);
  show(judgement);
  return judgement;
}

function show({ pages, operations, applied, wrong }: Judgement): void {
  console.log();
  for (const what of wrong) console.log(red(what));
  if (wrong.length > 0) return;
  console.log(dim("SIGKILL loses no unflushed data; for power cuts, see deno task sim:raft and tests/strace_test.ts"));
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  console.log(green(`all ${grouped(pages)} acknowledged writes of keys written once are there`));
  console.log(green(`the replicas have the same state, up to index ${grouped(applied!)}`));
  console.log(
    green(`the history is linearizable: ${grouped(operations)} operations of ${KEYS} keys and those, in ${seconds} s`),
  );
}

async function end(): Promise<void> {
  clients?.close();
  if (clients !== undefined && options.history !== undefined) {
    writeFileSync(options.history, historyText(clients.history));
  }
  await cluster?.end();
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
}
