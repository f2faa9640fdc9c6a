/** Runs the code in `README.md` and `docs/guides/`, in each runtime. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { freePorts } from "../scripts/cluster/processes.ts";
import { locateRuntime } from "../scripts/runtimes.ts";
import { skipReason } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";

const ROOT = new URL("../", import.meta.url);
const GUIDES = fileURLToPath(new URL("docs/guides/", ROOT));
/** This package is installed only for the benchmark. */
const LEVEL_NAME = "classic-level";
const LEVEL = new URL(`bench/node_modules/${LEVEL_NAME}/index.js`, ROOT);
const { deno, bun } = process.versions as Record<string, string | undefined>;
const [binary, ...prefix] = locateRuntime(deno !== undefined ? "deno" : bun !== undefined ? "bun" : "node").run;

const DOCUMENTS = [
  fileURLToPath(new URL("README.md", ROOT)),
  ...readdirSync(GUIDES).filter((name) => name.endsWith(".md")).map((name) => join(GUIDES, name)),
];

/** The code blocks of a document in some languages. */
function blocksOf(document: string, ...languages: readonly string[]): string[] {
  const blocks = [...document.matchAll(/^```(.*)\n([^]*?)^```$/gm)];
  return blocks.filter(([, language]) => languages.includes(language!)).map(([, , code]) => code!);
}

/** The same blocks as a program. */
function programOf(document: string, ...languages: readonly string[]): string {
  return blocksOf(document, ...languages).join("\n");
}

/** Replaces package names by the package's files, and by packages that the benchmark has installed. */
function resolved(program: string): string {
  const { name, exports } = JSON.parse(readFileSync(new URL("deno.json", ROOT), "utf8"));
  const required = `const { ClassicLevel } = createRequire("${LEVEL}")("${LEVEL_NAME}")`;
  return program
    .replace(
      `import { ClassicLevel } from "${LEVEL_NAME}"`,
      `import { createRequire } from "node:module";\n${required}`,
    )
    .replace(/from "([^"]+)"/g, (all, specifier: string) => {
      const path = specifier.startsWith(name) ? exports[`.${specifier.slice(name.length)}`] : undefined;
      return path === undefined ? all : `from "${new URL(path, ROOT)}"`;
    });
}

/** Runs a program in this runtime. Deno also checks its types. */
function run(program: string, folder: string, checked: boolean): void {
  const path = join(folder, "program.mts");
  writeFileSync(path, resolved(program));
  const check = deno !== undefined && checked ? ["--check", "--config", fileURLToPath(new URL("deno.json", ROOT))] : [];
  const native = deno !== undefined && !checked ? ["--allow-ffi"] : [];
  const { status, stdout, stderr } = spawnSync(binary, [...prefix, ...check, ...native, path, folder], {
    cwd: folder,
    encoding: "utf8",
  });
  assert.equal(status, 0, stdout + stderr);
}

/** The server of the guide for Replica, as three processes. */
class Servers {
  readonly #folder: string;
  readonly #ports: readonly number[];
  readonly #running = new Map<number, ChildProcess>();

  private constructor(folder: string, ports: readonly number[]) {
    this.#folder = folder;
    this.#ports = ports;
  }

  /** Writes the program, with ports that are free. */
  static async of(folder: string): Promise<Servers> {
    const ports = await freePorts(6);
    const [program] = blocksOf(readFileSync(join(GUIDES, "replica.md"), "utf8"), "ts server");
    const text = [1, 2, 3].reduce(
      (text, id) => text.replace(`:${7000 + id}"`, `:${ports[id - 1]}"`),
      resolved(program!),
    )
      .replace("7000 + id", `[${ports.slice(0, 3)}][id - 1]`)
      .replace("8000 + id", `[${ports.slice(3)}][id - 1]`);
    assert.ok(!/\b[78]00\d\b/.test(text), "a port of the guide is left");
    writeFileSync(join(folder, "server.mts"), text);
    return new Servers(folder, ports);
  }

  /** Starts a replica; resolves when it serves. */
  async start(id: number): Promise<void> {
    const child = spawn(binary, [...prefix, "server.mts", String(id)], {
      cwd: this.#folder,
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#running.set(id, child);
    await new Promise((resolve, reject) => {
      child.stdout!.once("data", resolve);
      child.once("exit", (code) => reject(new Error(`replica ${id} ended with ${code} before it served`)));
    });
  }

  /** Asks a replica. */
  async ask(id: number, method: "GET" | "POST"): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${this.#ports[id + 2]}/visits`, { method });
    return await response.text();
  }

  /** Counts until a replica acknowledges it. Returns the number of attempts. */
  async count(id: number): Promise<number> {
    for (let attempts = 1; attempts < 20; attempts++) if (/^\d+\n$/.test(await this.ask(id, "POST"))) return attempts;
    throw new Error(`replica ${id} acknowledges nothing`);
  }

  /** Ends a process, and waits until it has ended. */
  async end(id: number, signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const child = this.#running.get(id);
    this.#running.delete(id);
    if (child === undefined) return;
    const ended = new Promise((resolve) => child.on("close", resolve));
    process.kill(child.pid!, signal);
    await ended;
  }
}

/**
 * A command waits while the leader hands over, and the next one is refused. Another command waits while the leader
 * hears from no peer.
 */
const HAND_OVER = `
import { MemoryNetwork, MemoryTransport } from "@wallog/wallog/raft";
import assert from "node:assert/strict";

const network = new MemoryNetwork();
const ids = [1n, 2n, 3n];
const counters = await Promise.all(ids.map((id) =>
  Counter.start(process.argv[2]! + "/" + id, new MemoryTransport(id, network), ids.filter((peer) => peer !== id))
));
const pause = () => new Promise((resolve) => setTimeout(resolve, 5));
const led = async () => {
  for (;; await pause()) {
    const leader = counters.find(({ node }) => node.isLeader);
    if (leader !== undefined) return leader;
  }
};
const leader = await led();
network.passes = () => false;
let isAnswered = false;
const waiting = leader.add(1).then(() => isAnswered = true);
void leader.node.stepAsync({ type: "transferLeadership", target: ids.find((id) => id !== leader.node.id)! });
await assert.rejects(leader.add(1), { code: "NOT_LEADER", leader: leader.node.id });
network.passes = () => true;
// When a later command is applied, the outcome of this one is known.
while (leader.value < 10) {
  counters.find(({ node }) => node.isLeader)?.add(10).catch(() => {});
  await pause();
}
assert.ok(isAnswered);
await waiting;

// A command does not wait for a missing majority either.
const last = await led();
network.passes = () => false;
isAnswered = false;
void last.add(1).then((value) => isAnswered = value === undefined);
while (last.node.isLeader) await pause();
// A step later, the one that ended it is carried out.
await last.node.stepAsync({ type: "tick" });
await pause();
assert.ok(isAnswered);
await Promise.all(counters.map((counter) => counter.stop()));
`;

describe("the code in", () => {
  for (const path of DOCUMENTS) {
    const document = readFileSync(path, "utf8");
    const name = path.slice(fileURLToPath(ROOT).length);

    it(`${name} runs`, () =>
      inTemporaryFolder((folder) => {
        // The blocks of a guide are one program. Those of the README are for different readers.
        const programs = name === "README.md" ? blocksOf(document, "ts") : [programOf(document, "ts")];
        assert.ok(programs.length > 0 && !programs.includes(""));
        // Another program may use the port that the README names.
        for (const program of programs) run(program.replaceAll("127.0.0.1:7001", "127.0.0.1:0"), folder, true);
      }));

    const level = programOf(document, "ts level");
    if (level === "") continue;
    const skip = skipReason(
      !existsSync(LEVEL) && "classic-level is not installed: npm ci --ignore-scripts --prefix bench",
    );
    it(
      `${name} runs with LevelDB`,
      { skip },
      () => inTemporaryFolder((folder) => run(programOf(document, "ts", "ts level"), folder, false)),
    );
  }

  it("the guide for RaftNode answers callers if the leader hands over or has no majority", () =>
    inTemporaryFolder((folder) => {
      const [counter] = blocksOf(readFileSync(join(GUIDES, "raft-node.md"), "utf8"), "ts");
      run(`import process from "node:process";\n${counter}${HAND_OVER}`, folder, true);
    }));

  it("the guide for Replica is a service that any replica answers, and that survives a kill", () =>
    inTemporaryFolder(async (folder) => {
      const servers = await Servers.of(folder);
      try {
        await Promise.all([1, 2, 3].map((id) => servers.start(id)));
        for (const id of [1, 2, 3]) assert.equal(await servers.ask(id, "POST"), `${id}\n`);
        for (const id of [1, 2, 3]) assert.equal(await servers.ask(id, "GET"), "3\n");
        await servers.end(1, "SIGKILL");
        let attempts = 3 + await servers.count(2) + await servers.count(3);
        await servers.start(1);
        await servers.end(2, "SIGTERM");
        attempts += await servers.count(1);
        const value = Number(await servers.ask(3, "GET"));
        assert.ok(value >= 6 && value <= attempts, `${value} after ${attempts} attempts`);
        assert.equal(await servers.ask(1, "GET"), `${value}\n`);
      } finally {
        for (const id of [1, 2, 3]) await servers.end(id, "SIGKILL");
      }
    }));

  it("the storage guide needs no more than the 50 lines that it promises", () => {
    const [storage] = readFileSync(join(GUIDES, "raft-storage.md"), "utf8").split("```ts\n").slice(1);
    const lines = storage!.split("```")[0]!.split("\n").filter((line) => line.trim() !== "");
    assert.ok(lines.length <= 50, `${lines.length} lines, empty ones not counted`);
  });
});
