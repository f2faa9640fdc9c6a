/**
 * Measures a replicated service: `examples/kv` with three replicas on this machine, each with its own log. Clients
 * write over HTTP, each one write at a time.
 *
 *     deno task bench:cluster                                   three replicas in the running runtime
 *     deno task bench:cluster --runtime all --seconds 10        a cluster in each of the three, one after the other
 *     deno task bench:cluster --clients 1,16,1024 --folder /data
 *     deno task bench:cluster --etcd                            and in etcd, which must be installed
 *     deno task bench:cluster --runtime all --etcd --record     into docs/BENCHMARKS.md
 *
 * The three replicas and all clients share one machine and one disk, unlike in production. So compare the figures only
 * with each other. A write is acknowledged when two replicas have flushed it. Entries per flush are those of the
 * leader. The same clients write to etcd through its JSON gateway.
 *
 * @module
 */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { bold, dim, red, StatusLine } from "../src/cli/terminal.ts";
import { HttpClient } from "../scripts/cluster/http_client.ts";
import { endInAnyCase } from "../scripts/cluster/processes.ts";
import { benchmark } from "./command.ts";
import { CLUSTER_COLUMNS, type ClusterPoint, clusterRow } from "./cluster_report.ts";
import { lookAtMachine } from "./machine.ts";
import { machineText } from "./text.ts";
import { record } from "./render.ts";
import { EtcdService, ExampleService, type Service } from "./services.ts";
import { quantile } from "./statistics.ts";
import { CannotRun } from "./workspace.ts";

const REPLICAS = 3;
const KEYS = 1000;
const VALUE_BYTES = 100;
/** The warm-up before the measurement, in milliseconds: connections are made, and code is compiled. */
const WARM_UP_MS = 1000;

const DEFAULTS = { clients: "1,64,256", seconds: "5", etcd: false, record: false };

await benchmark(DEFAULTS, async ({ workspace, runtimes, options, output }) => {
  const counts = options.clients.split(",").map(Number);
  if (!counts.every((count) => Number.isSafeInteger(count) && count > 0)) {
    throw new CannotRun("--clients takes numbers, separated by commas");
  }
  const milliseconds = Number(options.seconds) * 1000;
  if (!(milliseconds > 0)) throw new CannotRun("--seconds takes a number");
  const etcd = options.etcd ? EtcdService.version() : undefined;
  if (options.etcd && etcd === undefined) throw new CannotRun("etcd is not installed");
  const machine = lookAtMachine(workspace.path);
  console.log(dim(machineText(machine)));
  if (machine.load > machine.cores / 2) {
    console.log(red("Something else is running: the figures will show it."));
  }
  const points: ClusterPoint[] = [];
  const measureAll = async (name: string, start: (folder: string) => Promise<Service>) => {
    const folder = join(workspace.path, name);
    mkdirSync(folder);
    const service = await start(folder);
    const end = () => service.end();
    endInAnyCase(end);
    try {
      console.log(`\n${bold(`${REPLICAS} replicas in ${service.title}`)}`);
      console.log(aligned(CLUSTER_COLUMNS));
      for (const clients of counts) {
        const point = await measure(service, clients, milliseconds);
        points.push(point);
        console.log(aligned(clusterRow(point)));
      }
    } finally {
      await end();
    }
  };
  for (const runtime of runtimes) {
    await measureAll(runtime.name, (folder) => ExampleService.start(folder, runtime));
  }
  if (etcd !== undefined) await measureAll("etcd", (folder) => EtcdService.start(folder, etcd));
  const seconds = milliseconds / 1000;
  const result = { kind: "cluster", machine, replicas: REPLICAS, seconds, valueBytes: VALUE_BYTES, points } as const;
  if (options.record || output !== undefined) console.log(`Written: ${record(result, output).join(", ")}`);
});

async function measure(service: Service, clients: number, milliseconds: number): Promise<ClusterPoint> {
  const line = new StatusLine(Infinity);
  line.show(`${clients} clients`);
  const http = new HttpClient(clients, true);
  try {
    await write(http, service, clients, WARM_UP_MS);
    const before = await service.work();
    const started = performance.now();
    const latencies = await write(http, service, clients, milliseconds);
    const seconds = (performance.now() - started) / 1000;
    const after = await service.work();
    return {
      runtime: service.title,
      clients,
      writesPerSecond: latencies.length / seconds,
      p50Seconds: quantile(latencies, 0.5),
      p99Seconds: quantile(latencies, 0.99),
      entriesPerFlush: (after.entries - before.entries) / (after.flushes - before.flushes),
    };
  } finally {
    http.close();
    line.clear();
  }
}

/** Lets clients write for a while; returns the duration of each write in seconds. */
async function write(http: HttpClient, service: Service, clients: number, milliseconds: number): Promise<number[]> {
  const latencies: number[] = [];
  const value = "x".repeat(VALUE_BYTES);
  const end = performance.now() + milliseconds;
  let next = 0;
  await Promise.all(Array.from({ length: clients }, async () => {
    for (let started = performance.now(); started < end;) {
      await service.write(http, String(next++ % KEYS), value);
      const now = performance.now();
      latencies.push((now - started) / 1000);
      started = now;
    }
  }));
  return latencies;
}

function aligned(cells: readonly string[]): string {
  return cells.map((cell) => cell.padStart(15)).join(" ");
}
