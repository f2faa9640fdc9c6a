/**
 * The replicated services that `bench:cluster` compares. Clients write to them over HTTP.
 *
 * @module
 */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { ClusterProcesses, freePorts, type ReplicaProcess } from "../scripts/cluster/processes.ts";
import { HttpClient } from "../scripts/cluster/http_client.ts";
import type { Runtime } from "../scripts/runtimes.ts";
import { CannotRun } from "./workspace.ts";

const REPLICAS = 3;
const HOST = "127.0.0.1";
/**
 * The time between heartbeats, in milliseconds. Long, so that followers on a busy machine do not give up their leader.
 */
const HEARTBEAT_MS = 600;
/** The least election timeout, in milliseconds. The greatest one is twice as long. */
const ELECTION_MS = 2000;
/** The same in ticks of 200 ms: a heartbeat every 3 ticks, an election after 10 to 20. */
const TICK_MS = ELECTION_MS / 10;
/** A write that takes longer counts as lost. In milliseconds. */
const TIMEOUT_MS = 20_000;
/** The longest time to elect the first leader, in milliseconds. */
const START_MS = 30_000;

/** The work of its leader since the start. */
export interface Work {
  readonly entries: number;
  readonly flushes: number;
}

/** A replicated service. */
export interface Service {
  readonly title: string;
  /** Writes a value, and resolves when that is acknowledged. */
  write(http: HttpClient, key: string, value: string): Promise<void>;
  /** The work of its leader. Rejects if the leader has changed since the start. */
  work(): Promise<Work>;
  /** Ends its processes. */
  end(): Promise<void>;
}

/** `examples/kv`. */
export class ExampleService implements Service {
  readonly title: string;
  readonly #cluster: ClusterProcesses;
  readonly #leader: ReplicaProcess;
  #term: number | undefined;

  private constructor(title: string, cluster: ClusterProcesses, leader: ReplicaProcess) {
    this.title = title;
    this.#cluster = cluster;
    this.#leader = leader;
  }

  /** Starts three replicas in a runtime, with their logs in a folder. */
  static async start(folder: string, runtime: Runtime): Promise<ExampleService> {
    const replicas = Array<Runtime>(REPLICAS).fill(runtime);
    const cluster = await ClusterProcesses.of(folder, replicas, { tick: TICK_MS });
    try {
      await cluster.start();
      return new ExampleService(`${runtime.title} ${runtime.version}`, cluster, await cluster.leader());
    } catch (error) {
      await cluster.end();
      throw error;
    }
  }

  async write(http: HttpClient, key: string, value: string): Promise<void> {
    const options = { body: value, timeoutMs: TIMEOUT_MS };
    const { status } = await http.request("PUT", `${this.#leader.url}/kv/${key}`, options);
    if (status !== 204) throw new CannotRun(`the leader answers with ${status}: it is not any more`);
  }

  async work(): Promise<Work> {
    const status = await this.#cluster.status(this.#leader);
    if (status === undefined) throw new CannotRun(`replica ${this.#leader.id} does not answer`);
    this.#term ??= status.term;
    if (status.role !== "leader" || status.term !== this.#term) {
      throw new CannotRun("the leader changed: run it again");
    }
    return { entries: status.log.entriesAppended, flushes: status.log.flushes };
  }

  async end(): Promise<void> {
    await this.#cluster.end();
  }
}

/** etcd, if it is installed, through the JSON gateway that each of its members serves. */
export class EtcdService implements Service {
  readonly title: string;
  readonly #members: readonly ChildProcess[];
  readonly #http = new HttpClient(1, false);
  #leader = "";

  private constructor(version: string, members: readonly ChildProcess[]) {
    this.title = `etcd ${version}`;
    this.#members = members;
  }

  /** The installed version; `undefined` if there is none. */
  static version(): string | undefined {
    return /etcd Version: (\S+)/.exec(spawnSync("etcd", ["--version"], { encoding: "utf8" }).stdout ?? "")?.[1];
  }

  /** Starts three members, with their data in a folder. */
  static async start(folder: string, version: string): Promise<EtcdService> {
    const ports = await freePorts(2 * REPLICAS);
    const [peers, clients] = [0, REPLICAS].map((at) => (
      ports.slice(at, at + REPLICAS).map((port) => `http://${HOST}:${port}`)
    )) as [string[], string[]];
    const initial = peers.map((url, i) => `${i}=${url}`).join();
    const members = peers.map((url, i) => {
      const options = {
        ...{ "name": i, "data-dir": join(folder, String(i)), "log-level": "error", "logger": "zap" },
        ...{ "listen-peer-urls": url, "initial-advertise-peer-urls": url, "initial-cluster": initial },
        ...{ "listen-client-urls": clients[i], "advertise-client-urls": clients[i] },
        ...{ "heartbeat-interval": HEARTBEAT_MS, "election-timeout": Math.max(ELECTION_MS, 5 * HEARTBEAT_MS) },
      };
      const given = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
      return spawn("etcd", given, { stdio: "ignore" });
    });
    const service = new EtcdService(version, members);
    try {
      service.#leader = await service.#findLeader(clients);
      return service;
    } catch (error) {
      await service.end();
      throw error;
    }
  }

  async #findLeader(urls: readonly string[]): Promise<string> {
    const started = performance.now();
    while (performance.now() - started < START_MS) {
      for (const url of urls) {
        const status = await this.#status(url).catch(() => undefined);
        if (status !== undefined && status.leader === status.member) return url;
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new CannotRun(`etcd has no leader after ${START_MS} ms`);
  }

  async #status(url: string): Promise<{ leader: string; member: string }> {
    const options = { body: "{}", timeoutMs: 1000 };
    const { body } = await this.#http.request("POST", `${url}/v3/maintenance/status`, options);
    const { leader, header } = JSON.parse(body);
    return { leader: leader ?? "none", member: header.member_id };
  }

  async write(http: HttpClient, key: string, value: string): Promise<void> {
    const body = JSON.stringify({ key: btoa(key), value: btoa(value) });
    const { status } = await http.request("POST", `${this.#leader}/v3/kv/put`, { body, timeoutMs: TIMEOUT_MS });
    if (status !== 200) throw new CannotRun(`etcd answers with ${status}`);
  }

  async work(): Promise<Work> {
    const { leader, member } = await this.#status(this.#leader);
    if (leader !== member) throw new CannotRun("the leader changed: run it again");
    const { body } = await this.#http.request("GET", `${this.#leader}/metrics`, { timeoutMs: 5000 });
    const value = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(body)?.[1]);
    return {
      entries: value("etcd_server_proposals_applied_total"),
      flushes: value("etcd_disk_wal_fsync_duration_seconds_count"),
    };
  }

  async end(): Promise<void> {
    this.#http.close();
    await Promise.all(this.#members.map(async (member) => {
      const ended = new Promise((resolve) => member.once("exit", resolve));
      if (member.exitCode === null && member.kill("SIGKILL")) await ended;
    }));
  }
}
