/**
 * Kills writers at random moments, and compares their log with the model byte for byte.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { MemoryLog, WalLog } from "../../mod.ts";
import type { Runtime } from "../../scripts/runtimes.ts";
import { Random } from "../../src/testing/random.ts";
import { cloneOf } from "../simulated_log.ts";
import { digestOf } from "./digest.ts";
import { isMutation, type Step, Steps } from "./steps.ts";

const WRITER = fileURLToPath(new URL("./kill_writer.ts", import.meta.url));
/** Mostly small, so that segments are created and deleted all the time. */
const SEGMENT_BYTES = [4096, 4096, 28 * 1024, 2 ** 20];
/** A writer that prints nothing for this long is stuck. */
const STUCK_MS = 60_000;

/** Counts of events. */
export type KillCounts = Record<string, number>;

/** When to kill a writer. */
interface Plan {
  /** After which output: the `o` before it opens, the `O` after, or a number of steps. */
  readonly after: "o" | "O" | number;
  /** The delay after that, in milliseconds. */
  readonly delay: number;
}

/** One log, and the writers that are killed on it one after the other. */
export class KilledLog {
  readonly #folder: string;
  readonly #seed: number;
  readonly #runtimes: readonly Runtime[];
  readonly #random: Random;
  readonly #segmentBytes: number;
  readonly #counts: KillCounts;
  #model = new MemoryLog();
  #round = 0;
  #child: ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();

  /**
   * Creates it for a log that does not exist yet.
   *
   * @param folder Its folder.
   * @param seed The seed of the histories, but not of the moments of the kills.
   * @param runtimes The runtimes of the writers, in turn.
   * @param counts Added to.
   */
  constructor(folder: string, seed: number, runtimes: readonly Runtime[], counts: KillCounts = {}) {
    this.#folder = folder;
    this.#seed = seed;
    this.#runtimes = runtimes;
    this.#counts = counts;
    this.#random = new Random(seed);
    this.#segmentBytes = this.#random.pick(SEGMENT_BYTES);
  }

  #count(event: string, by = 1): void {
    this.#counts[event] = (this.#counts[event] ?? 0) + by;
  }

  /** Starts a writer, kills it, and checks the log. */
  async kill(): Promise<void> {
    const runtime = this.#runtimes[this.#round % this.#runtimes.length]!;
    const seed = (this.#seed * 10_007 + this.#round++) >>> 0;
    const plan = this.#plan();
    const when = `seed ${this.#seed}, kill ${this.#round}, ${runtime.title}, ${JSON.stringify(plan)}`;
    const running = this.#run(runtime, seed, plan, when);
    this.#ended = running.catch(() => {});
    const said = await running;
    try {
      this.#judge(said, seed);
    } catch (error) {
      throw new Error(`${when}: ${(error as Error).message}`, { cause: error });
    }
    this.#count(`${runtime.name}`);
  }

  #plan(): Plan {
    const random = this.#random;
    const dice = random.below(100);
    if (dice < 30) return { after: "o", delay: random.below(8) };
    if (dice < 45) return { after: "O", delay: random.below(30) };
    return { after: random.below(random.pick([10, 60, 300])), delay: random.below(2) };
  }

  /** Runs a writer until it is killed; returns its output. */
  #run(runtime: Runtime, seed: number, plan: Plan, when: string): Promise<string> {
    const [binary, ...prefix] = runtime.run;
    const verify = this.#random.chance(0.3) ? "tail" : "full";
    const args = [...prefix, WRITER, this.#folder, String(seed), String(this.#segmentBytes), verify];
    return new Promise((resolve, reject) => {
      const child = this.#child = spawn(binary, args, { stdio: ["ignore", "pipe", "pipe"], env: process.env });
      let said = "";
      let errors = "";
      let isPlanned = false;
      let later: ReturnType<typeof setTimeout> | undefined;
      const stuck = setTimeout(() => child.kill("SIGKILL"), STUCK_MS);
      // Do not kill another process that gets the same id.
      child.on("exit", () => {
        clearTimeout(later);
        clearTimeout(stuck);
      });
      child.stderr!.setEncoding("utf8").on("data", (text: string) => errors += text);
      child.stdout!.setEncoding("latin1").on("data", (text: string) => {
        said += text;
        if (isPlanned || !isReached(plan.after, said)) return;
        isPlanned = true;
        if (plan.delay === 0) child.kill("SIGKILL");
        else later = setTimeout(() => child.kill("SIGKILL"), plan.delay);
      });
      child.on("error", reject);
      child.on("close", (code, signal) => {
        this.#child = undefined;
        const wrong = /E([^]*)/.exec(said)?.[1];
        if (wrong !== undefined) reject(new Error(`${when}: the writer says: ${wrong}`));
        else if (!isPlanned) reject(new Error(`${when}: the writer ended with ${code ?? signal}: ${said} ${errors}`));
        else {
          // A writer that completed all its steps before the signal was not killed.
          this.#count(signal === "SIGKILL" ? "kills" : "ended before the kill");
          resolve(said);
        }
      });
    });
  }

  /** Kills the writer that is running, if there is one, and waits for its end. */
  async end(): Promise<void> {
    this.#child?.kill("SIGKILL");
    await this.#ended;
  }

  #judge(said: string, seed: number): void {
    const opened = /O(.*)\n/.exec(said)?.[1];
    const done = /\n(\.*)/.exec(said)?.[1]?.length ?? 0;
    if (opened === undefined) this.#count("killed while opening");
    else assert.equal(opened, digestOf(this.#model), "the writer found other contents than there were");
    this.#count("steps", done);

    const steps = new Steps(seed);
    const model = this.#model;
    const titles: string[] = [];
    for (let i = 0; i < done; i++) {
      const step = steps.next(model);
      titles.push(step.title);
      if (isMutation(step)) {
        step.apply(model);
        this.#count(step.kind);
      } else this.#count(step.kind);
    }
    const last: Step | undefined = opened === undefined ? undefined : steps.next(model);
    if (last !== undefined) this.#count(`killed at ${last.kind}`);

    if (!existsSync(this.#folder)) {
      // Killed before there was a log.
      assert.equal(digestOf(model), digestOf(new MemoryLog()), "the folder is gone");
      return;
    }
    const log = WalLog.openSync(this.#folder, { readOnly: true, segmentBytes: this.#segmentBytes });
    const { recovery } = log;
    const found = digestOf(log);
    log.closeSync();
    assert.notEqual(recovery.verdict, "corrupt");
    this.#count(`found ${recovery.verdict}${recovery.closed ? ", closed" : ""}`);
    this.#match(found, last, titles);

    // The next writer finds the log as the killed one left it, or sometimes closed by this process.
    if (!this.#random.chance(0.2)) return;
    const writer = WalLog.openSync(this.#folder, { segmentBytes: this.#segmentBytes });
    try {
      assert.equal(digestOf(writer), found, "a writer and a reader see different contents");
      assert.equal(writer.durableIndex, writer.lastIndex);
    } finally {
      writer.closeSync();
    }
    this.#count("recovered here");
  }

  /** Fails unless the log has everything acknowledged, and none, a prefix or all of the running step. */
  #match(found: string, last: Step | undefined, titles: readonly string[]): void {
    if (digestOf(this.#model) === found) return;
    const expected = [digestOf(this.#model)];
    if (last !== undefined && isMutation(last)) {
      const model = cloneOf(this.#model);
      for (const [i, part] of last.parts.entries()) {
        part(model);
        const digest = digestOf(model);
        if (digest === found) {
          this.#count(i === last.parts.length - 1 ? "done but not acknowledged" : "done in part");
          this.#model = model;
          return;
        }
        expected.push(digest);
      }
    }
    assert.fail(
      `found ${found}, expected ${expected.join(" or ")}; the steps done, and the one under way:\n` +
        [...titles, last?.title ?? "none"].slice(-20).join("\n"),
    );
  }
}

function isReached(after: Plan["after"], said: string): boolean {
  if (typeof after === "string") return said.includes(after);
  const newline = said.indexOf("\n");
  return newline >= 0 && said.length - newline - 1 >= after;
}
