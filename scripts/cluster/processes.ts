/**
 * The replicas of a cluster as processes on this machine, in any mix of runtimes. They can be started and killed.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { WalLogStats } from "../../mod.ts";
import type { Runtime } from "../runtimes.ts";
import { HttpClient } from "./http_client.ts";

const MAIN = fileURLToPath(new URL("../../examples/kv/main.ts", import.meta.url));
const HOST = "127.0.0.1";
/** The longest time for a replica to start, in milliseconds. */
const START_MS = 30_000;
/** The longest wait for a process to end, in milliseconds. */
const END_MS = 10_000;

/** The status of a replica, in JSON. Ids are strings. */
export interface Status {
  readonly id: string;
  readonly role: string;
  readonly term: number;
  readonly leader: string | null;
  readonly log: WalLogStats;
}

/** A digest of the state of a replica. */
export interface Contents {
  /** The last command that its state machine has applied. */
  readonly applied: number;
  /** Equal for two replicas that have applied as much, unless they differ. */
  readonly digest: string;
}

/** Options of `examples/kv/main.ts` that are the same for all replicas. */
export interface ClusterOptions {
  readonly "snapshot-bytes"?: number;
  readonly tick?: number;
  /** A folder with certificates. */
  readonly tls?: string;
}

/** A replica: one process after another over the same log. */
export class ReplicaProcess {
  readonly id: string;
  readonly runtime: Runtime;
  /** Its base URL. */
  readonly url: string;
  readonly #command: readonly string[];
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #isEnding = false;
  #isClosed = false;
  /** The process's output on standard error. */
  errors = "";
  /** Whether the process ended by itself. */
  hasFailed = false;

  constructor(id: string, runtime: Runtime, url: string, command: readonly string[]) {
    this.id = id;
    this.runtime = runtime;
    this.url = url;
    this.#command = command;
  }

  /** Whether a process exists, even a stopped one. */
  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  /** Starts a process; resolves when it serves. */
  async start(): Promise<void> {
    if (this.#isClosed) throw new Error(`replica ${this.id} has been closed`);
    const child = spawn(this.#command[0]!, this.#command.slice(1), { stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    this.#isEnding = false;
    child.stderr!.setEncoding("utf8").on("data", (text: string) => this.errors += text);
    this.#ended = new Promise((resolve) => {
      child.on("close", () => {
        if (this.#child === child) this.#child = undefined;
        this.hasFailed ||= !this.#isEnding;
        resolve();
      });
    });
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(this.#failure(`does not serve after ${START_MS} ms`)), START_MS);
      child.on("error", (error) => {
        clearTimeout(timer);
        reject(error);
      });
      child.on("close", () => {
        clearTimeout(timer);
        reject(this.#failure("ended before it served"));
      });
      child.stdout!.once("data", () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Sends a signal. If the signal ends the process, resolves when it has ended. */
  async signal(signal: "SIGKILL" | "SIGSTOP" | "SIGCONT" | "SIGTERM"): Promise<void> {
    if (this.#child?.pid === undefined) return;
    const isLast = signal === "SIGKILL" || signal === "SIGTERM";
    this.#isEnding ||= isLast;
    // Not `child.kill`: Deno sends only the first signal.
    try {
      process.kill(this.#child.pid, signal);
    } catch (error) {
      // The process has just ended by itself, but the event has not arrived yet.
      if ((error as { readonly code?: string }).code !== "ESRCH") throw error;
    }
    if (isLast) await this.#ended;
  }

  /** Kills its process for good. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.signal("SIGKILL");
  }

  #failure(what: string): Error {
    return new Error(`replica ${this.id}, in ${this.runtime.title}, ${what}:\n${this.errors}`);
  }
}

/** A cluster with one replica for each given runtime. */
export class ClusterProcesses {
  readonly replicas: readonly ReplicaProcess[];
  readonly #http = new HttpClient(1, false);

  private constructor(replicas: readonly ReplicaProcess[]) {
    this.replicas = replicas;
  }

  /**
   * Makes a cluster without starting it.
   *
   * @param folder The folder for the logs.
   * @param runtimes The runtime of each replica.
   * @param options Options of `examples/kv/main.ts`.
   */
  static async of(
    folder: string,
    runtimes: readonly Runtime[],
    options: ClusterOptions = {},
  ): Promise<ClusterProcesses> {
    const ports = await freePorts(runtimes.length * 2);
    const places = runtimes.flatMap((_, i) => ["--replica", `${i + 1}=${HOST}:${ports[2 * i]}`]);
    const replicas = runtimes.map((runtime, i) => {
      const id = String(i + 1);
      const own = ["--id", id, "--folder", join(folder, id), "--control", "--http", String(ports[2 * i + 1])];
      const more = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
      const command = [...argumentsOf(runtime, folder, options), MAIN, ...own, ...places, ...more];
      return new ReplicaProcess(id, runtime, `http://${HOST}:${ports[2 * i + 1]}`, command);
    });
    return new ClusterProcesses(replicas);
  }

  /** Starts all replicas; resolves when all of them serve. */
  async start(): Promise<void> {
    await Promise.all(this.replicas.map((replica) => replica.start()));
  }

  /** The status of a replica; `undefined` if it does not answer. */
  status(replica: ReplicaProcess): Promise<Status | undefined> {
    return this.#ask(replica, "/status");
  }

  /** The statuses of all replicas that answer. */
  async statuses(): Promise<Status[]> {
    const all = await Promise.all(this.replicas.map((replica) => this.status(replica)));
    return all.filter((status) => status !== undefined);
  }

  async #ask<T>(replica: ReplicaProcess, path: string): Promise<T | undefined> {
    try {
      return JSON.parse((await this.#http.request("GET", `${replica.url}${path}`, { timeoutMs: 1000 })).body);
    } catch {
      return undefined;
    }
  }

  /**
   * Waits for a leader that others follow.
   *
   * @param other A replica that does not count.
   * @param timeoutMs The longest wait, in milliseconds.
   */
  async leader(other?: ReplicaProcess, timeoutMs = 30_000): Promise<ReplicaProcess> {
    const started = performance.now();
    while (performance.now() - started < timeoutMs) {
      const statuses = await this.statuses();
      // A leader that was isolated or stopped may believe for a while that it still leads, in an earlier term.
      const [leader] = statuses.filter(({ role }) => role === "leader").sort((a, b) => b.term - a.term);
      const followers = statuses.filter(({ leader: followed, term }) =>
        followed === leader?.id && term === leader?.term
      );
      const found = this.replicas.find(({ id }) => id === leader?.id);
      if (found !== undefined && found !== other && followers.length > this.replicas.length / 2) return found;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`no leader after ${timeoutMs} ms: ${JSON.stringify(await this.statuses())}`);
  }

  /** Isolates a replica from others; an empty list ends that. */
  async cut(replica: ReplicaProcess, others: readonly ReplicaProcess[]): Promise<void> {
    const body = others.map(({ id }) => id).join();
    const { status } = await this.#http.request("PUT", `${replica.url}/cut`, { body, timeoutMs: 5000 });
    if (status !== 204) throw new Error(`replica ${replica.id} cannot be cut off: ${status}`);
  }

  /**
   * Waits until all replicas are equal.
   *
   * @returns Their final contents; `undefined` for replicas that do not answer.
   */
  async converged(timeoutMs = 30_000): Promise<(Contents | undefined)[]> {
    const started = performance.now();
    for (;;) {
      const all = await Promise.all(this.replicas.map((replica) => this.#ask<Contents>(replica, "/contents")));
      if (isSame(all) || performance.now() - started > timeoutMs) return all;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** Kills all processes, for good. */
  async end(): Promise<void> {
    this.#http.close();
    await Promise.all(this.replicas.map((replica) => replica.close()));
  }
}

/** Whether all contents are present and equal. */
export function isSame(all: readonly (Contents | undefined)[]): boolean {
  const [first] = all;
  return all.every((other) =>
    other !== undefined && other.applied === first!.applied && other.digest === first!.digest
  );
}

/** The binary and the arguments before the program. In Deno, only the permissions that the service needs. */
function argumentsOf({ name, run }: Runtime, folder: string, { tls }: ClusterOptions): readonly string[] {
  if (name !== "deno") return run;
  const read = tls === undefined ? folder : `${folder},${tls}`;
  const permissions = [`--allow-net=${HOST}`, `--allow-read=${read}`, `--allow-write=${folder}`];
  return [run[0], "run", "--no-prompt", ...permissions];
}

/**
 * Ports that are free now.
 *
 * @param count The number of ports.
 * @returns Their numbers.
 */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports: number[] = [];
  for (const server of servers) {
    await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
    ports.push((server.address() as { port: number }).port);
  }
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/**
 * Ends the processes of a cluster when this process ends, also on Ctrl-C and after an unhandled error.
 *
 * @param end Kills them and removes their files.
 */
export function endInAnyCase(end: () => Promise<void>): void {
  const endWith = (code: number) => {
    setTimeout(() => process.exit(code), END_MS);
    void end().catch((error) => console.error(error)).finally(() => process.exit(code));
  };
  for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) process.on(signal, () => endWith(130));
  for (const event of ["uncaughtException", "unhandledRejection"]) {
    process.on(event, (error: unknown) => {
      console.error(error);
      endWith(1);
    });
  }
}
