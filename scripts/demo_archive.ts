/**
 * Shows in under a minute that an archived log outlives its disk. A job queue (`examples/job-queue`) and a key-value
 * service (`examples/kv`) take writes, and archive their logs. Their processes are killed and their folders deleted.
 * Then their logs are restored to other folders, and both start again there. Every write that was archived must be
 * there.
 *
 *     deno task demo:archive
 *     deno task demo:archive --s3 s3://bucket/prefix     archives in S3; credentials from the environment
 *     deno task demo:archive --seconds 10                longer
 *
 * Ends with 1 if an archived write is missing.
 *
 * @module
 */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { bold, dim, green, grouped, red } from "../src/cli/terminal.ts";
import { freePorts } from "./cluster/processes.ts";
import { locateRuntime, type RuntimeName } from "./runtimes.ts";

const CLI = fileURLToPath(new URL("../src/cli/mod.ts", import.meta.url));
const WRITERS = 4;
/** A program that does not serve by then is stuck. In milliseconds. */
const START_MS_MAX = 30_000;

const { values: options } = parseArgs({
  options: {
    s3: { type: "string" },
    seconds: { type: "string", default: "4" },
    folder: { type: "string", default: tmpdir() },
  },
});
const folder = mkdtempSync(join(resolve(options.folder), "wallog-archive-"));
/** The disks of both machines, and the place that outlives them. */
const [lost, other] = [join(folder, "machine-1"), join(folder, "machine-2")];
const place = options.s3?.replace(/\/$/, "") ?? pathToFileURL(join(folder, "store")).href;
const running = new Set<ChildProcess>();

/** A service whose log is archived. */
interface Service {
  readonly title: string;
  /** Starts it with its logs in a folder. */
  start(folder: string, archives: boolean): Promise<void>;
  /** Writes once. Resolves to the name of the write when it is acknowledged as durable. */
  write(): Promise<number>;
  /** The writes that are archived, of those that were acknowledged. */
  archived(acknowledged: ReadonlySet<number>): Promise<ReadonlySet<number>>;
  /** The names of its logs in the archive, and their folders. */
  readonly logs: readonly (readonly [name: string, folder: string])[];
  /** Prepares restored logs. */
  prepare(folder: string): void;
  /** The writes that are there. */
  present(acknowledged: ReadonlySet<number>): Promise<ReadonlySet<number>>;
}

try {
  const [jobsPort, kvPort, raftPort] = await freePorts(3);
  let [acknowledged, archived, present] = [0, 0, 0];
  for (const service of [jobQueue(jobsPort!), keyValue(kvPort!, raftPort!)]) {
    const counts = await lose(service);
    acknowledged += counts.acknowledged;
    archived += counts.archived;
    present += counts.present;
  }
  const rest = `${grouped(present - archived)} of the other ${grouped(acknowledged - archived)}`;
  const where = options.s3 === undefined ? "a folder" : options.s3;
  console.log(bold(green(
    `\nTwo services lost their disks. Of ${grouped(acknowledged)} acknowledged writes, ${grouped(archived)} were ` +
      `archived in ${where}: all of them are back, and ${rest}.`,
  )));
} catch (error) {
  console.error(red(error instanceof Error ? error.stack ?? error.message : String(error)));
  process.exitCode = 1;
} finally {
  for (const child of running) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}
process.exit();

/** Lets a service write, loses its disk, and starts it elsewhere. */
async function lose(service: Service) {
  const { title } = service;
  mkdirSync(join(lost, title), { recursive: true });
  await service.start(join(lost, title), true);
  const acknowledged = new Set<number>();
  let archived: ReadonlySet<number> = new Set();
  const end = Date.now() + Number(options.seconds) * 1000;
  const writing = Array.from({ length: WRITERS }, async () => {
    while (Date.now() < end) acknowledged.add(await service.write());
  });
  // On a busy machine, the first upload can take longer.
  while (Date.now() < end || (archived.size === 0 && Date.now() < end + START_MS_MAX)) {
    await setTimeout(100);
    archived = await service.archived(new Set(acknowledged));
  }
  await Promise.all(writing);
  await kill();
  rmSync(lost, { recursive: true });
  if (existsSync(lost)) throw new Error("the disk is still there");
  console.log(`${title}: ${grouped(acknowledged.size)} writes acknowledged, ${grouped(archived.size)} known archived`);
  console.log(dim(`  killed with SIGKILL, and its folder is deleted`));
  mkdirSync(join(other, title), { recursive: true });
  for (const [name, path] of service.logs) {
    console.log(dim(`  ${walLog("restore", `${place}/${name}`, join(other, title, path)).trim()}`));
  }
  service.prepare(join(other, title));
  await service.start(join(other, title), false);
  const present = await service.present(acknowledged);
  await kill();
  const missing = [...archived].filter((name) => !present.has(name));
  if (archived.size === 0) throw new Error(`${title}: nothing was archived`);
  if (missing.length > 0) {
    throw new Error(`${title}: ${missing.length} archived writes are missing: ${missing[0]}, ...`);
  }
  console.log(`  started elsewhere: ${green("no archived write is missing")}`);
  return { acknowledged: acknowledged.size, archived: archived.size, present: present.size };
}

function jobQueue(port: number): Service {
  const url = `http://127.0.0.1:${port}`;
  return {
    title: "job-queue",
    logs: [["queue/jobs", "jobs.wal"], ["queue/dead", "dead.wal"]],
    start: (folder, archives) =>
      run("bun", "job-queue/main.ts", [folder, "--port", String(port)], archives ? `${place}/queue` : undefined),
    write: async () => (await ask(`${url}/jobs`, "POST", "{}")).id,
    archived: async (acknowledged) => {
      const { jobs } = await ask(`${url}/archived`, "GET");
      return new Set([...acknowledged].filter((id) => id <= jobs));
    },
    prepare: () => {},
    present: async () => {
      const found = new Set<number>();
      for (;;) {
        const lease = await ask(`${url}/lease`, "POST");
        if (lease === undefined) return found;
        found.add(lease.id);
      }
    },
  };
}

function keyValue(port: number, raft: number): Service {
  const url = `http://127.0.0.1:${port}`;
  let written = 0;
  return {
    title: "kv",
    logs: [["kv", "archived.wal"]],
    start: (folder, archives) => {
      const replica = ["--id", "1", "--http", String(port), "--replica", `1=127.0.0.1:${raft}`];
      return run(
        "node",
        "kv/main.ts",
        [...replica, "--folder", join(folder, "kv.wal")],
        archives ? `${place}/kv` : undefined,
      );
    },
    write: async () => {
      const name = ++written;
      await ask(`${url}/kv/${name}`, "PUT", "text");
      return name;
    },
    archived: async (acknowledged) => {
      const { applied } = await ask(`${url}/archived`, "GET");
      while ((await ask(`${url}/archived`, "GET")).index < applied) await setTimeout(20);
      return acknowledged;
    },
    // The votes of the old replica are lost, so the restored log founds a new cluster.
    prepare: (folder) =>
      void walLog("recover-cluster", join(folder, "archived.wal"), join(folder, "kv.wal"), "--members", "1"),
    present: async (acknowledged) => {
      const found = new Set<number>();
      for (const name of acknowledged) {
        if ((await fetch(`${url}/kv/${name}`)).status === 200) found.add(name);
      }
      return found;
    },
  };
}

/** Starts a program of `examples/`, and waits until it serves. */
async function run(runtime: RuntimeName, program: string, args: string[], archive: string | undefined): Promise<void> {
  const [binary, ...prefix] = locateRuntime(runtime).run;
  const path = fileURLToPath(new URL(`../examples/${program}`, import.meta.url));
  const more = archive === undefined ? [] : ["--archive", archive];
  const child = spawn(binary, [...prefix, path, ...args, ...more], { stdio: ["ignore", "pipe", "inherit"] });
  running.add(child);
  await new Promise((resolve, reject) => {
    child.stdout!.once("data", resolve);
    child.once("exit", (code) => reject(new Error(`${program} ended with ${code} before it served`)));
    void setTimeout(START_MS_MAX, undefined, { ref: false }).then(() => reject(new Error(`${program} does not serve`)));
  });
}

async function kill(): Promise<void> {
  for (const child of running) {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  }
  running.clear();
}

/** Runs the command line in this runtime; returns its output. */
function walLog(...args: readonly string[]): string {
  const { deno, bun } = process.versions as Record<string, string | undefined>;
  const [binary, ...prefix] = locateRuntime(deno !== undefined ? "deno" : bun !== undefined ? "bun" : "node").run;
  // The demo may use S3, which needs the network.
  const open = prefix.map((word) => word.startsWith("--allow-net=") ? "--allow-net" : word);
  const { status, stdout, stderr } = spawnSync(binary, [...open, CLI, ...args], { encoding: "utf8" });
  if (status !== 0) throw new Error(`wal-log ${args[0]} failed: ${stderr}`);
  return stdout;
}

/** Asks a service; returns its JSON, if there is any. A service that has just started may not lead yet. */
async function ask(url: string, method: string, body?: string) {
  for (let attempt = 1;; attempt++) {
    const response = await fetch(url, body === undefined ? { method } : { method, body });
    const text = await response.text();
    if (response.ok) return text === "" ? undefined : JSON.parse(text);
    if (response.status !== 503 || attempt === 100) throw new Error(`${method} ${url}: ${response.status} ${text}`);
    await setTimeout(50);
  }
}
