/** Archives in Ceph's object gateway (RGW) while its processes, and those of the log, are killed. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { locateRuntime, type RuntimeName } from "../scripts/runtimes.ts";
import { hasRgw, Rgw } from "../scripts/rgw.ts";
import { WalLog } from "../mod.ts";
import { restore } from "../src/archive/mod.ts";
import { S3Store } from "../src/archive/s3.ts";
import { Random } from "../src/testing/mod.ts";
import { commandAt } from "./busy_writer.ts";
import { cliHere } from "./cli.ts";
import { snapshotAt } from "./rgw_child.ts";
import { setS3Environment } from "./s3_environment.ts";
import { skipReason } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";

const noRgw = skipReason(!await hasRgw() && "Ceph's RGW (radosgw, ceph-mon, ceph-osd) is not installed");

const CHILD = fileURLToPath(new URL("rgw_child.ts", import.meta.url));
const { deno, bun } = process.versions as Record<string, string | undefined>;
const runtime: RuntimeName = deno !== undefined ? "deno" : bun !== undefined ? "bun" : "node";
const STORE = "s3://bucket/raft";
/** The rounds of kills: more of them with this variable. */
const ROUNDS = Number(process.env.WALLOG_S3_ROUNDS ?? 4);
/** The longest wait for progress, in milliseconds. */
const WAIT_MS_MAX = 90_000;

/** A program of `rgw_child.ts`. */
class Child {
  /** The last index that it reported, by the word before it. */
  readonly reached: Record<string, number> = { synced: 0, archived: 0 };
  output = "";
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;

  constructor(args: readonly string[], env: Record<string, string>) {
    const [binary, ...prefix] = locateRuntime(runtime).run;
    this.#child = spawn(binary, [...prefix, CHILD, ...args], { env: { ...process.env, ...env } });
    this.#ended = new Promise((resolve) => this.#child.once("close", resolve));
    const take = (part: Uint8Array) => {
      this.output = (this.output + new TextDecoder().decode(part)).slice(-20_000);
      for (const [, word, index] of this.output.matchAll(/^(synced|archived) (\d+)$/gm)) {
        this.reached[word!] = Number(index);
      }
    };
    this.#child.stdout!.on("data", take);
    this.#child.stderr!.on("data", take);
  }

  /** Waits until it has reported an index. */
  async until(word: "synced" | "archived", index: number): Promise<void> {
    for (const end = Date.now() + WAIT_MS_MAX; this.reached[word]! < index; await pause(20)) {
      assert.equal(this.#child.exitCode, null, this.output);
      assert(Date.now() < end, `${word} ${this.reached[word]}, not ${index}: ${this.output.slice(-500)}`);
    }
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}

/** A log, the programs that write and archive it, and the cluster. */
class Scene {
  path: string;
  readonly rgw: Rgw;
  readonly random = new Random(Number(process.env.WALLOG_SEED ?? 1));
  #children: Child[] = [];
  readonly #folder: string;

  constructor(rgw: Rgw, folder: string) {
    this.rgw = rgw;
    this.#folder = folder;
    this.path = join(folder, "raft-0.wal");
  }

  start(args: readonly string[], gateway: number): Child {
    const child = new Child(args, this.rgw.environment(gateway));
    this.#children.push(child);
    return child;
  }

  async killAll(): Promise<void> {
    for (const child of this.#children.splice(0)) await child.kill();
  }

  /** One round: the log is written and archived while something is killed. Then its disk is wiped. */
  async round(number: number): Promise<void> {
    const kind = ["writer", "archiver", "gateway", "osd"][number % 4]!;
    const gateway = number % 2;
    const isBeside = kind === "archiver";
    const write = () => this.start(["write", this.path, ...isBeside ? [] : [STORE]], gateway);
    const archiveBeside = () => this.start(["archive", this.path, STORE], gateway);
    let writer = write();
    await writer.until("synced", 1);
    let archiver = isBeside ? archiveBeside() : writer;
    await archiver.until("archived", 1);
    await pause(this.random.below(500));
    if (kind === "writer") {
      await writer.kill();
      archiver = writer = write();
    } else if (kind === "archiver") {
      await archiver.kill();
      archiver = archiveBeside();
    } else {
      const name = kind === "gateway" ? `rgw${gateway}` : `osd${this.random.below(3)}`;
      await this.rgw.kill(name);
      const { archived } = archiver.reached;
      // Two copies of an object are enough.
      if (kind === "osd") await archiver.until("archived", archived! + 1);
      await pause(this.random.below(500));
      await this.rgw.restart(name);
    }
    await writer.until("synced", 1);
    await archiver.until("archived", writer.reached.synced!);
    await this.killAll();
    await this.replaceDisk(archiver.reached.archived!, number, gateway);
  }

  /** Restores the log, compares it, and deletes the one before. */
  async replaceDisk(archived: number, number: number, gateway: number): Promise<void> {
    const path = join(this.#folder, `raft-${number + 1}.wal`);
    const reset = setS3Environment(this.rgw.environment(gateway));
    try {
      await restore(new S3Store(STORE), path);
      const { code, stdout, stderr } = await cliHere("archive", "verify", STORE);
      assert.equal(code, 0, stdout + stderr);
    } finally {
      reset();
    }
    await using before = await WalLog.open(this.path, { readOnly: true, create: false });
    await using after = await WalLog.open(path, { readOnly: true, create: false });
    assert.equal(after.recovery.verdict, "clean");
    assert(after.lastIndex >= archived, `restored ${after.lastIndex}, archived ${archived}`);
    assert(after.lastIndex <= before.lastIndex);
    const snapshot = after.snapshot();
    if (snapshot !== undefined) assert.deepEqual(snapshot.data, snapshotAt(after.snapshotIndex));
    for (let index = after.firstIndex; index <= after.lastIndex; index++) {
      const { term, command } = after.entry(index)!;
      assert.deepEqual(command, commandAt(index, term));
      if (index >= before.firstIndex) assert.equal(term, before.termAt(index));
    }
    console.log(`${runtime}: round ${number}: ${after.lastIndex - after.firstIndex + 1} entries are the same`);
    rmSync(this.path, { recursive: true });
    assert(!existsSync(this.path));
    this.path = path;
  }
}

describe("an archive in Ceph's RGW", { skip: noRgw }, () => {
  it("has everything that was archived when processes are killed and the disk is lost", () =>
    inTemporaryFolder(async (folder) => {
      const rgw = await Rgw.start(join(folder, "rgw"), { osds: 3, gateways: 2, isDurable: true });
      const scene = new Scene(rgw, folder);
      try {
        await rgw.createBucket("bucket");
        for (let number = 0; number < ROUNDS; number++) await scene.round(number);
      } finally {
        await scene.killAll();
        await rgw.stop();
      }
    }));
});
