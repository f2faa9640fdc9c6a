/**
 * Ceph's object gateway (RGW), for tests of the store in S3: a monitor, OSDs and gateways on the loopback interface,
 * without authentication between them. It needs Debian's packages `radosgw`, `ceph-mon` and `ceph-osd`.
 *
 *     scripts/rgw.ts FOLDER [--osds 3] [--gateways 2]     until it is interrupted
 *
 * It makes a bucket named `bucket`, and prints the environment in which programs use it.
 *
 * @module
 */

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { openSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { join, resolve } from "node:path";
import process from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { AwsV4Signer } from "aws4fetch";

/** The longest time until a process serves, in milliseconds. */
const START_MS_MAX = 60_000;
/** The most keys in a page of a list. S3 has 1000, which would take tests long to write. */
export const LIST_KEYS_MAX = 20;
const KEY = "rgw-key";
const SECRET = "rgw-secret";

/** The size of a cluster. */
export interface RgwOptions {
  /** The processes that store objects. With 3, each object has 3 copies, and 2 are enough. Default: 1. */
  readonly osds?: number;
  /** The processes that speak S3. Default: 1. */
  readonly gateways?: number;
  /** Whether objects outlive the process that stores them. Default: `false`, and they are in memory. */
  readonly isDurable?: boolean;
}

/** A running cluster. */
export class Rgw {
  /** The URLs of the gateways. */
  readonly endpoints: readonly string[];
  readonly #folder: string;
  readonly #commands: ReadonlyMap<string, readonly string[]>;
  readonly #running = new Map<string, ChildProcess>();

  private constructor(folder: string, ports: readonly number[], monitor: number, osds: number) {
    this.#folder = folder;
    this.endpoints = ports.map((port) => `http://127.0.0.1:${port}`);
    const address = `[v2:127.0.0.1:${monitor}]`;
    const commands = new Map([["mon", ["ceph-mon", "-i", "a", "-f", "--public-addr", address]]]);
    for (let i = 0; i < osds; i++) commands.set(`osd${i}`, ["ceph-osd", "-i", String(i), "-f"]);
    for (const [i, port] of ports.entries()) {
      const frontend = ["--rgw-frontends", `beast endpoint=127.0.0.1:${port}`];
      commands.set(`rgw${i}`, ["radosgw", "-n", `client.rgw${i}`, "-f", ...frontend]);
    }
    this.#commands = commands;
  }

  /**
   * Starts a cluster.
   *
   * @param path An empty folder.
   * @param options Its size.
   * @returns The cluster, once all gateways serve.
   */
  static async start(path: string, options: RgwOptions = {}): Promise<Rgw> {
    const { osds = 1, gateways = 1 } = options;
    const folder = resolve(path);
    const [monitor, ...ports] = await freePorts(gateways + 1) as [number, ...number[]];
    const rgw = new Rgw(folder, ports, monitor, osds);
    try {
      await rgw.#make(monitor, osds, options.isDurable === true);
      for (let i = 0; i < gateways; i++) await rgw.restart(`rgw${i}`);
    } catch (error) {
      await rgw.stop();
      throw error;
    }
    return rgw;
  }

  /** The environment of a program that uses a gateway. */
  environment(gateway = 0): Record<string, string> {
    return {
      AWS_ENDPOINT_URL_S3: this.endpoints[gateway]!,
      AWS_ACCESS_KEY_ID: KEY,
      AWS_SECRET_ACCESS_KEY: SECRET,
      AWS_REGION: "us-east-1",
    };
  }

  /** Makes a bucket. */
  async createBucket(name: string): Promise<void> {
    await this.request("PUT", name);
  }

  /**
   * Sends a request that is signed.
   *
   * @param method The method.
   * @param path The path and the query, such as `bucket?uploads`.
   * @returns The body of the reply.
   */
  async request(method: string, path: string): Promise<string> {
    const url = `${this.endpoints[0]}/${path}`;
    const secrets = { accessKeyId: KEY, secretAccessKey: SECRET, service: "s3", region: "us-east-1" };
    const { headers } = await new AwsV4Signer({ method, url, ...secrets }).sign();
    const reply = await fetch(url, { method, headers });
    const text = await reply.text();
    if (!reply.ok) throw new Error(`Cannot ${method} ${path}: ${reply.status} ${text}`);
    return text;
  }

  /**
   * Kills a process.
   *
   * @param name `mon`, `osd0`, `rgw0` and so on.
   */
  async kill(name: string): Promise<void> {
    const child = this.#running.get(name);
    if (child === undefined) return;
    this.#running.delete(name);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }

  /**
   * Starts a process, unless it runs. Waits until a gateway serves.
   *
   * @param name `mon`, `osd0`, `rgw0` and so on.
   */
  async restart(name: string): Promise<void> {
    const child = this.#running.get(name);
    if (child !== undefined && child.exitCode === null && child.signalCode === null) return;
    const [program, ...args] = this.#commands.get(name) as [string, ...string[]];
    const log = openSync(join(this.#folder, "log", `${name}.out`), "a");
    this.#running.set(name, spawn(program, ["-c", this.#configuration, ...args], { stdio: ["ignore", log, log] }));
    if (!name.startsWith("rgw")) return;
    const endpoint = this.endpoints[Number(name.slice(3))]!;
    await until(`the gateway at ${endpoint}`, () => fetch(endpoint).then((reply) => reply.text()).then(() => true));
  }

  /** Kills all processes. */
  async stop(): Promise<void> {
    await Promise.all([...this.#running.keys()].map((name) => this.kill(name)));
  }

  get #configuration(): string {
    return join(this.#folder, "ceph.conf");
  }

  async #make(monitor: number, osds: number, isDurable: boolean): Promise<void> {
    const folder = this.#folder;
    const id = crypto.randomUUID();
    for (const name of ["mon", "osd", "log", "run", "rgw"]) await mkdir(join(folder, name), { recursive: true });
    await writeFile(this.#configuration, configuration(folder, id, monitor, osds, isDurable));
    const map = join(folder, "monmap");
    await this.#run("monmaptool", "--create", "--addv", "a", `[v2:127.0.0.1:${monitor}]`, "--fsid", id, map);
    await this.#run("ceph-mon", "-i", "a", "--mkfs", "--monmap", map);
    await this.restart("mon");
    for (let i = 0; i < osds; i++) {
      const uuid = crypto.randomUUID();
      await mkdir(join(folder, "osd", String(i)));
      await this.#run("ceph", "osd", "new", uuid);
      await this.#run("ceph-osd", "-i", String(i), "--mkfs", "--osd-uuid", uuid);
      await this.restart(`osd${i}`);
    }
    // Pools are placed only on OSDs that are up.
    await until("the OSDs", async () => (await this.#run("ceph", "osd", "stat")).includes(`${osds} up`));
    const names = ["--uid=test", "--display-name=test", `--access-key=${KEY}`, `--secret-key=${SECRET}`];
    await this.#run("radosgw-admin", "user", "create", ...names);
  }

  async #run(program: string, ...args: readonly string[]): Promise<string> {
    // monmaptool would read a cluster name from the configuration's path.
    const configured = program === "monmaptool" ? args : ["-c", this.#configuration, ...args];
    const { stdout } = await promisify(execFile)(program, configured, { timeout: START_MS_MAX });
    return stdout;
  }
}

/** Whether Ceph's programs are installed. */
export async function hasRgw(): Promise<boolean> {
  try {
    for (const program of ["radosgw", "ceph-mon", "ceph-osd"]) await promisify(execFile)(program, ["--version"]);
    return true;
  } catch {
    return false;
  }
}

/** Waits until something holds. */
async function until(name: string, holds: () => Promise<boolean>): Promise<void> {
  let cause: unknown;
  for (const end = Date.now() + START_MS_MAX; Date.now() < end; await pause(100)) {
    if (await holds().catch((error) => void (cause = error))) return;
  }
  throw new Error(`${name} did not come up`, { cause });
}

/** Ports that are free now. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  for (const server of servers) await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  for (const server of servers) await new Promise((resolve) => server.close(resolve));
  return ports;
}

/** Ceph's configuration for a small cluster that starts fast. */
function configuration(folder: string, id: string, monitor: number, osds: number, isDurable: boolean): string {
  const copies = Math.min(osds, 3);
  return `[global]
fsid = ${id}
mon_host = [v2:127.0.0.1:${monitor}/0]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
run_dir = ${folder}/run
admin_socket = ${folder}/run/$name.$pid.asok
log_file = ${folder}/log/$name.log
mon_cluster_log_file = ${folder}/log/cluster.log
crash_dir = ${folder}/log
osd_pool_default_size = ${copies}
osd_pool_default_min_size = ${Math.max(copies - 1, 1)}
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
mon_osd_min_down_reporters = 1
mon_data_avail_crit = 1
mon_data_avail_warn = 2
ms_bind_msgr1 = false
paxos_propose_interval = 0.05
paxos_min_wait = 0.01
[mon]
mon_data = ${folder}/mon
[osd]
osd_data = ${folder}/osd/$id
osd_objectstore = ${isDurable ? "bluestore" : "memstore"}
osd_memory_target = 939524096
memstore_device_bytes = 1073741824
bluestore_block_create = true
bluestore_block_size = 4294967296
bluestore_block_wal_create = false
bluestore_block_db_create = false
bluestore_cache_autotune = false
osd_class_load_list = *
osd_class_default_list = *
[client]
ms_mon_client_mode = crc
rgw_data = ${folder}/rgw
rgw_rados_pool_pg_num_min = 1
rgw_thread_pool_size = 64
rgw_run_sync_thread = false
rgw_override_bucket_index_max_shards = 1
rgw_max_listing_results = ${LIST_KEYS_MAX}
`;
}

async function main(): Promise<void> {
  const { values, positionals: [folder] } = parseArgs({
    options: { osds: { type: "string", default: "1" }, gateways: { type: "string", default: "1" } },
    allowPositionals: true,
  });
  if (folder === undefined) throw new Error("FOLDER is missing");
  const rgw = await Rgw.start(folder, {
    osds: Number(values.osds),
    gateways: Number(values.gateways),
    isDurable: true,
  });
  await rgw.createBucket("bucket");
  for (const [name, value] of Object.entries(rgw.environment())) console.log(`export ${name}=${value}`);
  await new Promise((resolve) => process.once("SIGINT", resolve).once("SIGTERM", resolve));
  await rgw.stop();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
