/**
 * How fast a replicated service is: `examples/kv` with three replicas on this machine, each with a log of its own, and
 * clients that write over HTTP, each its next write when the last is acknowledged.
 *
 *     deno task bench:cluster                                   three replicas in the running runtime
 *     deno task bench:cluster --runtime all --seconds 10        a cluster in each of the three, one after the other
 *     deno task bench:cluster --clients 1,16,1024 --folder /data
 *     deno task bench:cluster --runtime all --record            into docs/BENCHMARKS.md
 *
 * The three replicas and all clients share one machine and one disk, which three would not: compare figures with each
 * other, not with those of a network. A write is acknowledged when two replicas have flushed it. Entries per flush are
 * those of the leader.
 *
 * @module
 */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { bold, dim, red, StatusLine } from "../src/cli/terminal.ts";
import type { Status } from "../examples/kv/replica.ts";
import { HttpClient } from "../scripts/cluster/http_client.ts";
import { ClusterProcesses, endInAnyCase, type ReplicaProcess } from "../scripts/cluster/processes.ts";
import type { Runtime } from "../scripts/runtimes.ts";
import { benchmark } from "./command.ts";
import { CLUSTER_COLUMNS, type ClusterPoint, clusterRow } from "./cluster_report.ts";
import { lookAtMachine } from "./machine.ts";
import { machineText } from "./markdown.ts";
import { record } from "./render.ts";
import { quantile } from "./statistics.ts";
import { CannotRun } from "./workspace.ts";

const REPLICAS = 3;
const KEYS = 1000;
const VALUE_BYTES = 100;
/** Long, so that a machine that is busy with clients does not take its leader for dead. In milliseconds. */
const TICK_MS = 200;
/** Before anything is measured: connections are made, and code is compiled. In milliseconds. */
const WARM_UP_MS = 1000;
/** A write that takes longer is not slow but lost. In milliseconds. */
const TIMEOUT_MS = 20_000;

const DEFAULTS = { clients: "1,64,256", seconds: "5", record: false };

await benchmark(DEFAULTS, async ({ workspace, runtimes, options, output }) => {
  const counts = options.clients.split(",").map(Number);
  if (!counts.every((count) => Number.isSafeInteger(count) && count > 0)) {
    throw new CannotRun("--clients takes numbers, separated by commas");
  }
  const milliseconds = Number(options.seconds) * 1000;
  if (!(milliseconds > 0)) throw new CannotRun("--seconds takes a number");
  const machine = lookAtMachine(workspace.path);
  console.log(dim(machineText(machine)));
  if (machine.load > machine.cores / 2) {
    console.log(red("Something else is running: the figures will show it."));
  }
  const points: ClusterPoint[] = [];
  for (const runtime of runtimes) {
    const folder = join(workspace.path, runtime.name);
    mkdirSync(folder);
    const replicas = Array<Runtime>(REPLICAS).fill(runtime);
    const cluster = await ClusterProcesses.of(folder, replicas, { tick: TICK_MS });
    const end = () => cluster.end();
    endInAnyCase(end);
    try {
      await cluster.start();
      console.log(
        `\n${bold(`${REPLICAS} replicas in ${runtime.title} ${runtime.version}`)}`,
      );
      console.log(aligned(CLUSTER_COLUMNS));
      const leader = await cluster.leader();
      for (const clients of counts) {
        const { latencies, seconds, entriesPerFlush } = await measure(cluster, leader, clients, milliseconds);
        const point = {
          runtime: `${runtime.title} ${runtime.version}`,
          clients,
          writesPerSecond: latencies.length / seconds,
          p50Seconds: quantile(latencies, 0.5),
          p99Seconds: quantile(latencies, 0.99),
          entriesPerFlush,
        };
        points.push(point);
        console.log(aligned(clusterRow(point)));
      }
    } finally {
      await end();
    }
  }
  const seconds = milliseconds / 1000;
  const result = { kind: "cluster", machine, replicas: REPLICAS, seconds, valueBytes: VALUE_BYTES, points } as const;
  if (options.record || output !== undefined) console.log(`Written: ${record(result, output).join(", ")}`);
});

/** What was measured. */
interface Measured {
  /** Of each write, in seconds. */
  readonly latencies: readonly number[];
  readonly seconds: number;
  readonly entriesPerFlush: number;
}

async function measure(
  cluster: ClusterProcesses,
  leader: ReplicaProcess,
  clients: number,
  milliseconds: number,
): Promise<Measured> {
  const line = new StatusLine(Infinity);
  line.show(`${clients} clients`);
  const http = new HttpClient(clients, true);
  try {
    await write(http, leader.url, clients, WARM_UP_MS);
    const before = await statusOf(cluster, leader);
    const started = performance.now();
    const latencies = await write(http, leader.url, clients, milliseconds);
    const seconds = (performance.now() - started) / 1000;
    const after = await statusOf(cluster, leader);
    if (after.role !== "leader" || after.term !== before.term) {
      throw new CannotRun("the leader changed: run it again");
    }
    const entries = after.log.entriesAppended - before.log.entriesAppended;
    return {
      latencies,
      seconds,
      entriesPerFlush: entries / (after.log.flushes - before.log.flushes),
    };
  } finally {
    http.close();
    line.clear();
  }
}

/** Lets clients write for a while; returns how long each write took. */
async function write(
  http: HttpClient,
  url: string,
  clients: number,
  milliseconds: number,
): Promise<number[]> {
  const latencies: number[] = [];
  const body = "x".repeat(VALUE_BYTES);
  const end = performance.now() + milliseconds;
  let next = 0;
  await Promise.all(Array.from({ length: clients }, async () => {
    for (let started = performance.now(); started < end;) {
      const { status } = await http.request(
        "PUT",
        `${url}/kv/${next++ % KEYS}`,
        { body, timeoutMs: TIMEOUT_MS },
      );
      if (status !== 204) {
        throw new CannotRun(
          `the leader answers with ${status}: it is not any more`,
        );
      }
      const now = performance.now();
      latencies.push((now - started) / 1000);
      started = now;
    }
  }));
  return latencies;
}

async function statusOf(
  cluster: ClusterProcesses,
  replica: ReplicaProcess,
): Promise<Status> {
  const status = await cluster.status(replica);
  if (status === undefined) {
    throw new CannotRun(`replica ${replica.id} does not answer`);
  }
  return status;
}

function aligned(cells: readonly string[]): string {
  return cells.map((cell) => cell.padStart(15)).join(" ");
}
