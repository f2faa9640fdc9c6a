/** Followers in other processes and runtimes than the writers, which are killed with SIGKILL. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { WalLog } from "../mod.ts";
import { locateRuntime, RUNTIME_NAMES, type RuntimeName } from "../scripts/runtimes.ts";
import { inTemporaryFolder } from "./temporary.ts";

const CHILD = fileURLToPath(new URL("./follow_child.ts", import.meta.url));
/** How long each writer writes before it is killed, in milliseconds. */
const WRITING_MS = 400;
/** How long a follower may take to reach the end, in milliseconds. Generous, for busy machines. */
const PATIENCE_MS = 30_000;

/** A child and the lines that it has printed. */
class Child {
  readonly lines: string[] = [];
  readonly process: ChildProcess;
  readonly ended: Promise<number | null>;

  constructor(runtime: RuntimeName, ...arguments_: readonly string[]) {
    const [binary, ...prefix] = locateRuntime(runtime).run;
    this.process = spawn(binary, [...prefix, CHILD, ...arguments_], { stdio: ["pipe", "pipe", "inherit"] });
    this.ended = new Promise((resolve) => this.process.once("close", resolve));
    createInterface({ input: this.process.stdout! }).on("line", (line) => this.lines.push(line));
  }

  /** Waits until a line satisfies a condition. */
  async until(condition: (line: string) => boolean): Promise<string> {
    for (const end = performance.now() + PATIENCE_MS; performance.now() < end; await pause(5)) {
      const found = this.lines.findLast(condition);
      if (found !== undefined) return found;
    }
    throw new Error(`waited in vain; the last lines are ${this.lines.slice(-5).join(", ")}`);
  }
}

/** The log according to the lines of a follower: the term of each index. */
function replay(
  lines: readonly string[],
): { readonly terms: ReadonlyMap<number, number>; readonly codes: Set<string> } {
  const terms = new Map<number, number>();
  const codes = new Set<string>();
  let next = 1;
  for (const line of lines) {
    const entry = /^(\d+)\.(\d+)$/.exec(line);
    if (entry !== null) {
      assert.equal(Number(entry[1]), next++);
      terms.set(Number(entry[1]), Number(entry[2]));
      continue;
    }
    const [code, index] = line.split(" ") as [string, string];
    codes.add(code);
    if (code === "NOT_CONTIGUOUS") assert(Number(index) < next, line);
    else assert(Number(index) > next, line);
    next = Number(index);
    for (const known of [...terms.keys()]) if (known >= next) terms.delete(known);
  }
  return { terms, codes };
}

/** Checks that a follower has printed all entries above the log's snapshot. Closes the log, and ends the follower. */
async function endFollowed(follower: Child, log: WalLog): Promise<ReturnType<typeof replay>> {
  const replayed = replay(follower.lines);
  const followed = [...replayed.terms].filter(([index]) => index > log.snapshotIndex);
  assert.deepEqual(followed, [...log.iterate()].map(({ index, term }) => [index, term]));
  log.closeSync();
  follower.process.stdin!.end();
  assert.equal(await follower.ended, 0);
  return replayed;
}

describe("a follower in another process", () => {
  for (const [nth, runtime] of RUNTIME_NAMES.entries()) {
    it(`gets all durable entries of killed writers in all runtimes, in ${runtime}`, () =>
      inTemporaryFolder(async (folder) => {
        const path = join(folder, "raft.wal");
        WalLog.openSync(path).closeSync();
        const follower = new Child(runtime, "follow", path, "1");
        try {
          for (const [round, writes] of RUNTIME_NAMES.entries()) {
            const writer = new Child(writes, "write", path, String(nth * 10 + round));
            await writer.until((line) => line.startsWith("synced"));
            await pause(WRITING_MS);
            writer.process.kill("SIGKILL");
            await writer.ended;
          }
          const last = new Child(runtime, "write", path, String(nth * 10 + 9));
          await last.until((line) => line.startsWith("synced"));
          last.process.stdin!.end();
          const closed = await last.until((line) => line.startsWith("closed"));
          assert.equal(await last.ended, 0);
          const log = WalLog.openSync(path, { readOnly: true });
          assert.equal(log.lastIndex, Number(closed.split(" ")[1]));
          const final = `${log.lastIndex}.${log.lastTerm}`;
          await follower.until((line) => line === final);
          // It was the last line.
          await pause(100);
          assert.equal(follower.lines.at(-1), final);
          await endFollowed(follower, log);
        } finally {
          follower.process.kill("SIGKILL");
        }
      }));
  }

  it("gets COMPACTED and continues from there if it was stopped for a while", () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      WalLog.openSync(path).closeSync();
      const follower = new Child("node", "follow", path, "1");
      const writer = new Child("node", "write", path, "1");
      try {
        await follower.until((line) => line.startsWith("10."));
        process.kill(follower.process.pid!, "SIGSTOP");
        const stoppedAt = Number((await writer.until((line) => line.startsWith("synced"))).split(" ")[1]);
        await writer.until((line) => Number(line.split(" ")[1]) > stoppedAt + 1500);
        process.kill(follower.process.pid!, "SIGCONT");
        writer.process.stdin!.end();
        await writer.ended;
        const log = WalLog.openSync(path, { readOnly: true });
        const final = `${log.lastIndex}.${log.lastTerm}`;
        await follower.until((line) => line === final);
        const { codes } = await endFollowed(follower, log);
        assert(codes.has("COMPACTED"));
      } finally {
        follower.process.kill("SIGKILL");
        writer.process.kill("SIGKILL");
      }
    }));
});
