/**
 * Sends a large snapshot from one process to another over TCP, and prints what both take in memory:
 *
 *     deno run -A bench/large_snapshot.ts                 2 GiB
 *     node bench/large_snapshot.ts --mib 256 --dir /data  another size, and where the logs are for the time being
 *     node --expose-gc bench/large_snapshot.ts            without the garbage that waits for its collection
 *
 * Node 1 leads a cluster of one, makes a snapshot in pieces, and is given a learner, which needs the snapshot. The learner's
 * application reads it back in pieces, and compares a digest. The peak is the most that the operating system has seen
 * (Linux), or the most that was sampled. With 2 GiB, on Linux:
 *
 *     MiB                           at first   leader's peak   follower's peak, until it has installed the snapshot
 *     Deno 2.9                      52         90              91
 *     Node 24, bundled              62         100             88
 *     Bun 1.4                       39         93              78
 *
 * As in a `Replica`, buffers are freed as soon as they are sent or written. Left to garbage collection, they took 50 to
 * 90 MiB more.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { WalLog } from "../mod.ts";
import { free } from "../src/io/free.ts";
import { isPiece } from "../src/raft/messages.ts";
import { type Action, type Address, type RaftConfig, type RaftEvent, RaftNode, TcpTransport } from "../src/raft/mod.ts";

const MIB = 1024 * 1024;
const TICK_MS = 50;
/** What the application reads at once. */
const PART_BYTES = 64 * 1024;
const CLUSTER = "5e14d2b3-2688-89cd-e2a3-98a722e0ab5d";
const CONFIG: Partial<RaftConfig> = {
  checkQuorum: true,
  noOp: true,
  maxBatchBytes: MIB,
  snapshotChunkBytes: 256 * 1024,
  maxSnapshotBytes: Infinity,
};

/** What a process says of its memory, in MiB. */
interface Memory {
  readonly start: number;
  readonly now: number;
  readonly peak: number;
}

/** A line that a process writes. */
interface Line {
  readonly what: string;
  readonly memory: Memory;
  readonly seconds?: number;
  readonly address?: Address;
  readonly digest?: string;
}

/** Collects garbage, if the runtime lets a program do so. */
const collect = (globalThis as { gc?: () => void }).gc;
const rss = () => Math.round(process.memoryUsage().rss / MIB);
const startRss = rss();
let sampled = startRss;

function memory(): Memory {
  sampled = Math.max(sampled, rss());
  let peak = sampled;
  if (process.platform === "linux") {
    const [, kilobytes] = /VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
    peak = Math.round(Number(kilobytes) / 1024);
  }
  return { start: startRss, now: rss(), peak };
}

function say(what: string, more: Omit<Line, "what" | "memory"> = {}): void {
  console.log(JSON.stringify({ what, memory: memory(), ...more }));
}

/** A node, its log and its transport. */
class Member {
  readonly node: RaftNode;
  readonly log: WalLog;
  readonly transport: TcpTransport;
  onAction: (action: Action) => void = () => {};

  private constructor(log: WalLog, config: RaftConfig) {
    this.log = log;
    this.node = RaftNode.withLog({ ...CONFIG, ...config }, log);
    this.transport = new TcpTransport({
      id: config.id,
      cluster: "bench",
      listen: { host: "127.0.0.1", port: 0 },
    });
  }

  static async start(folder: string, config: RaftConfig): Promise<Member> {
    const log = await WalLog.open(join(folder, `${config.id}`));
    if (config.joining !== true) log.foundCluster(CLUSTER);
    const member = new Member(log, config);
    const { transport } = member;
    await transport.start(
      (message, origin) => member.step({ type: "message", message, origin }),
      () => log.identity,
    );
    setInterval(() => {
      collect?.();
      sampled = Math.max(sampled, rss());
      void member.step({ type: "tick" });
    }, TICK_MS);
    return member;
  }

  async step(event: RaftEvent): Promise<void> {
    for (const action of await this.node.stepAsync(event)) {
      if (action.type === "send") {
        this.transport.send(action.to, action.message);
        // As a `Replica` does: the transport has encoded it.
        if (isPiece(action.message)) free(action.message.snapshot.data);
      } else if (action.type === "refused" || action.type === "logFailed") {
        say(JSON.stringify(action));
      } else this.onAction(action);
    }
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** Makes the snapshot, and sends it to the node whose address comes on standard input. */
async function lead(folder: string, mib: number): Promise<void> {
  const member = await Member.start(folder, { id: 1n });
  await until(() => member.node.isLeader);
  await member.step({ type: "propose", command: new Uint8Array(1) });
  await until(() => member.node.lastApplied >= 2);
  const index = member.node.lastApplied;
  const target = member.log.createSnapshotTarget(
    member.node.snapshotMeta(index)!,
  );
  const digest = createHash("sha256");
  const piece = new Uint8Array(MIB);
  for (let i = 0; i < mib; i++) {
    piece.fill(i % 251);
    digest.update(piece);
    target.write(piece);
    if (i % 8 === 7) await new Promise((resolve) => setTimeout(resolve, 0));
  }
  await member.step({ type: "snapshot", index, data: target });
  say("the leader has made the snapshot", {
    address: member.transport.address!,
    digest: digest.digest("hex"),
  });
  for await (const line of createInterface({ input: process.stdin })) {
    member.transport.setPeer(2n, JSON.parse(line));
    const started = performance.now();
    await member.step({ type: "addServer", id: 2n });
    await until(() => member.node.commitIndex > index && member.node.members.length === 2);
    say("the leader has sent the snapshot", {
      seconds: (performance.now() - started) / 1000,
    });
  }
}

/** Takes the snapshot of the node whose address comes on standard input, and reads it back. */
async function follow(folder: string): Promise<void> {
  const member = await Member.start(folder, { id: 2n, joining: true });
  member.onAction = (action) => {
    if (action.type !== "restoreSnapshot") return;
    say("the follower has installed the snapshot");
    const { source } = action;
    const digest = createHash("sha256");
    for (let at = 0; at < source.dataBytes; at += PART_BYTES) {
      digest.update(source.read(at, PART_BYTES));
    }
    source.close();
    say("the follower's application has read the snapshot", {
      digest: digest.digest("hex"),
    });
  };
  say("the follower waits", { address: member.transport.address! });
  for await (const line of createInterface({ input: process.stdin })) {
    member.transport.setPeer(1n, JSON.parse(line));
  }
}

/** A process with one of the nodes. */
class Child {
  readonly lines: Line[] = [];
  readonly #process;

  constructor(role: string, folder: string, mib: number) {
    const file = fileURLToPath(import.meta.url);
    const run = process.versions.deno === undefined ? process.execArgv : ["run", "-A", "--no-check"];
    const args = [
      ...run,
      file,
      "--role",
      role,
      "--dir",
      folder,
      "--mib",
      String(mib),
    ];
    this.#process = spawn(process.execPath, args, {
      stdio: ["pipe", "pipe", "inherit"],
    });
    createInterface({ input: this.#process.stdout }).on("line", (text) => {
      const line: Line = JSON.parse(text);
      this.lines.push(line);
      const { start, now, peak } = line.memory;
      const seconds = line.seconds === undefined ? "" : ` in ${line.seconds.toFixed(1)} s`;
      console.log(
        `${`${line.what}${seconds}`.padEnd(56)} RSS ${start} MiB at first, ${now} now, ${peak} at most`,
      );
    });
  }

  async said(what: RegExp): Promise<Line> {
    for (;;) {
      const found = this.lines.find((line) => what.test(line.what));
      if (found !== undefined) return found;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  tell(address: Address): void {
    this.#process.stdin.write(`${JSON.stringify(address)}\n`);
  }

  end(): void {
    this.#process.kill("SIGKILL");
  }
}

async function main(parent: string, mib: number): Promise<void> {
  const folder = mkdtempSync(join(parent, "wallog-snapshot-"));
  const [leader, follower] = ["leader", "follower"].map((role) => new Child(role, folder, mib)) as [Child, Child];
  try {
    const made = await leader.said(/has made/);
    const waits = await follower.said(/waits/);
    follower.tell(made.address!);
    leader.tell(waits.address!);
    const read = await follower.said(/has read/);
    await leader.said(/has sent/);
    console.log(
      read.digest === made.digest ? "the data is the same" : "THE DATA DIFFERS",
    );
    if (read.digest !== made.digest) process.exitCode = 1;
  } finally {
    for (const child of [leader, follower]) child.end();
    rmSync(folder, { recursive: true, maxRetries: 5 });
  }
}

const { values } = parseArgs({
  options: {
    role: { type: "string" },
    dir: { type: "string", default: tmpdir() },
    mib: { type: "string", default: "2048" },
  },
});
const mib = Number(values.mib);
if (!Number.isSafeInteger(mib) || mib < 0) {
  throw new RangeError("--mib takes a whole number");
}
if (values.role === "leader") await lead(values.dir, mib);
else if (values.role === "follower") await follow(values.dir);
else await main(values.dir, mib);
