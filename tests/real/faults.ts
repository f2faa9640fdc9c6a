/**
 * Fails the system calls of a writer one after the other, or kills the writer at them, and checks its output and its
 * log.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { WalLog } from "../../mod.ts";
import type { Runtime } from "../../scripts/runtimes.ts";
import { digestOf } from "./digest.ts";
import { BREAK, modelAfter, SCRIPT, SEGMENT_BYTES } from "./script.ts";
import { type SystemCall, trace, type Traced } from "./strace.ts";

const WRITER = fileURLToPath(new URL("./fault_writer.ts", import.meta.url));
/** The number of programs at a time. */
const JOBS = 2;

/** How the script is run. */
export interface Scenario {
  /** `new`: a log that does not exist. `crashed`: an unclosed log from the middle of the script, with a torn end. */
  readonly log: "new" | "crashed";
  readonly flushes: "sync" | "async";
}

/** The part of an error's message that names the limit. */
const SHORTAGES: Readonly<Record<string, RegExp>> = {
  ENOSPC: /: the disk is full \(ENOSPC: /,
  EDQUOT: /: the disk quota is used up \(EDQUOT: /,
  EFBIG: /: the file would exceed the largest size allowed, by `ulimit -f` or by the file system \(EFBIG: /,
};

/** The outcome of a run. */
export type Outcome = "completed" | "refused" | "poisoned" | "unopened" | "killed" | "not reached";

/** Calls that change a folder, and flushes. */
const CHANGES = new Set([
  "pwrite64",
  "ftruncate",
  "rename",
  "renameat",
  "renameat2",
  "unlink",
  "unlinkat",
  "fdatasync",
]);

function changes(call: SystemCall): boolean {
  return CHANGES.has(call.name) || call.name === "fsync" || isCreation(call);
}

/** Whether a call creates a file, or tries to. */
export function isCreation({ name, args }: SystemCall): boolean {
  return name === "openat" && args.includes("O_CREAT");
}

/** Runs the script under strace in one runtime, in folders of its own. */
export class FaultBench {
  readonly #runtime: Runtime;
  readonly #root: string;
  readonly #baselines = new Map<string, Promise<Traced>>();
  #crashed: Promise<string> | undefined;
  #folders = 0;

  /**
   * Creates a folder, which {@link FaultBench.remove} removes.
   *
   * @param runtime The runtime.
   */
  constructor(runtime: Runtime) {
    this.#runtime = runtime;
    this.#root = realpathSync(mkdtempSync(join(tmpdir(), "wallog-faults-")));
  }

  /** Removes everything. */
  remove(): void {
    rmSync(this.#root, { recursive: true, force: true });
  }

  #command(folder: string, { log, flushes }: Scenario, to = SCRIPT.length): string[] {
    return [...this.#runtime.run, WRITER, folder, flushes, String(log === "new" ? 0 : BREAK), String(to)];
  }

  async #folder({ log }: Scenario): Promise<string> {
    const folder = join(this.#root, `${this.#folders++}`, "raft.wal");
    mkdirSync(join(folder, ".."));
    if (log === "crashed") cpSync(await (this.#crashed ??= this.#makeCrashed()), folder, { recursive: true });
    return folder;
  }

  /** A log that was not closed, with foreign bytes after its end. */
  async #makeCrashed(): Promise<string> {
    const folder = join(this.#root, "crashed");
    const { code, stderr } = await trace(this.#command(folder, { log: "new", flushes: "sync" }, BREAK), folder);
    assert.equal(code, 0, stderr);
    const newest = join(folder, readdirSync(folder).filter((name) => name.endsWith(".seg")).sort().at(-1)!);
    const bytes = readFileSync(newest);
    const end = Math.ceil((bytes.findLastIndex((byte) => byte !== 0) + 1) / 8) * 8;
    writeFileSync(newest, new Uint8Array([...bytes.subarray(0, end), ...new Uint8Array(200).fill(0xa5)]));
    return folder;
  }

  /**
   * Runs the script without failures.
   *
   * @param scenario How it is run.
   * @returns All its calls.
   */
  baseline(scenario: Scenario): Promise<Traced> {
    const key = JSON.stringify(scenario);
    let found = this.#baselines.get(key);
    if (found === undefined) this.#baselines.set(key, found = this.#runBaseline(scenario));
    return found;
  }

  async #runBaseline(scenario: Scenario): Promise<Traced> {
    const folder = await this.#folder(scenario);
    const traced = await trace(this.#command(folder, scenario), folder);
    assert.equal(traced.code, 0, traced.stderr);
    assert.equal(this.#judge(folder, scenario, traced, ""), "completed");
    return traced;
  }

  /**
   * Fails one call after the other.
   *
   * @param scenario How the script is run.
   * @param call Which system call.
   * @param action `error=EIO`, or `signal=KILL`.
   * @param every The stride: only every such call fails, from `from` on.
   * @param from The first call to fail.
   * @returns The outcomes, one for each failed call.
   */
  async sweep(scenario: Scenario, call: string, action: string, every = 1, from = 1): Promise<Outcome[]> {
    const { calls } = await this.baseline(scenario);
    const count = calls.filter(({ name, said }) => name === call && said === undefined).length;
    assert(count > 0, `the script makes no call of ${call}`);
    const outcomes: Outcome[] = [];
    const numbers: number[] = [];
    // If there are fewer calls than the stride, at least one fails.
    for (let nth = Math.min(from, count); nth <= count; nth += every) numbers.push(nth);
    await Promise.all(Array.from({ length: JOBS }, async () => {
      for (let nth = numbers.shift(); nth !== undefined; nth = numbers.shift()) {
        outcomes.push(await this.fail(scenario, call, action, nth));
      }
    }));
    return outcomes;
  }

  /**
   * Fails the creation of one file after the other.
   *
   * @param scenario How the script is run.
   * @param action `error=ENOSPC`, or `signal=KILL`.
   * @returns The outcomes, by file.
   */
  async sweepCreations(scenario: Scenario, action: string): Promise<Record<string, Outcome>> {
    const { calls } = await this.baseline(scenario);
    const outcomes: Record<string, Outcome> = {};
    // Not the lock, because SQLite creates it.
    const files = calls.filter(isCreation).map(({ file }) => file).filter((file) => file !== "LOCK");
    await Promise.all(Array.from({ length: JOBS }, async () => {
      for (let file = files.shift(); file !== undefined; file = files.shift()) {
        outcomes[file] = await this.fail(scenario, "openat", action, 1, [file]);
      }
    }));
    return outcomes;
  }

  /**
   * Fails one call.
   *
   * @param scenario How the script is run.
   * @param call Which system call.
   * @param action `error=EIO`, or `signal=KILL`.
   * @param nth The number of the call, counted for each thread.
   * @param files The files. Default: all files of the log.
   * @returns The outcome.
   */
  async fail(
    scenario: Scenario,
    call: string,
    action: string,
    nth: number,
    files?: readonly string[],
  ): Promise<Outcome> {
    const baseline = await this.baseline(scenario);
    const folder = await this.#folder(scenario);
    files ??= filesOf(baseline);
    const traced = await trace(this.#command(folder, scenario), folder, { call, nth, action, files });
    const when = `${this.#runtime.title}, ${scenario.log} log, ${scenario.flushes}: ${call} ${nth}, ${action}`;
    try {
      const outcome = this.#judge(folder, scenario, traced, action);
      rmSync(folder, { recursive: true, force: true });
      return outcome;
    } catch (error) {
      const trail = traced.calls.slice(-15).map(({ name, args, result }) => `${name}(${args}) = ${result}`).join("\n");
      throw new Error(`${when}: ${(error as Error).message}\n${traced.stdout}${traced.stderr}\n${trail}`, {
        cause: error,
      });
    }
  }

  #judge(folder: string, { log }: Scenario, { code, signal, stdout, calls }: Traced, action: string): Outcome {
    const kills = action === "signal=KILL";
    const found = (pattern: RegExp) => pattern.exec(stdout)?.slice(1);
    const first = log === "new" ? 0 : BREAK;
    const done = Math.max(first, ...[...stdout.matchAll(/^done (\d+)$/gm)].map((match) => Number(match[1])));
    const errno = /error=(\w+)/.exec(action)?.[1];
    const poisoned = found(/^poisoned (\d+) (\w+)$/m);
    const refused = found(/^refused \d+ (\w+)$/m);
    const refusals = stdout.match(/^refused/gm)?.length ?? 0;
    const unopened = found(/^unopened (\w+) (\w+)$/m);
    let outcome: Outcome = "completed";

    if (kills && signal === "SIGKILL") outcome = "killed";
    else {
      assert.equal(code, 0, `the writer ended with ${code ?? signal}`);
      if (poisoned !== undefined) {
        outcome = "poisoned";
        assert.equal(poisoned[1], errno);
        assert.equal(Number(poisoned[0]), done, "poisoned at another step");
        assert.deepEqual(lateCalls(calls, refusals), [], "done after the first failure");
      } else if (unopened !== undefined) {
        outcome = "unopened";
        assert.deepEqual(unopened, [SHORTAGES[errno!] === undefined ? "IO" : "NO_SPACE", errno]);
      } else {
        assert(stdout.endsWith("closed\n"), "neither failed nor came to an end");
        if (refused !== undefined) {
          outcome = "refused";
          assert.deepEqual(refused, [errno]);
        } else if (action !== "" && !calls.some(({ isInjected }) => isInjected)) outcome = "not reached";
      }
    }
    const shortage = SHORTAGES[errno ?? ""];
    if (shortage !== undefined && outcome !== "completed") assert.match(found(/^said (.*)$/m)![0]!, shortage);
    const parts = outcome === "poisoned" || outcome === "killed" ? SCRIPT[done]?.parts.length ?? 0 : 0;
    const allowed = Array.from({ length: parts + 1 }, (_, i) => digestOf(modelAfter(done, i)));
    this.#assertReopens(folder, allowed);
    return outcome;
  }

  /** Fails unless the log has allowed contents, for a reader and for a writer, and can be written. */
  #assertReopens(folder: string, allowed: readonly string[]): void {
    const reader = WalLog.openSync(folder, { readOnly: true, segmentBytes: SEGMENT_BYTES });
    const found = digestOf(reader);
    assert(allowed.includes(found), `reopened to ${found}, expected ${allowed.join(" or ")}`);
    reader.closeSync();
    const writer = WalLog.openSync(folder, { segmentBytes: SEGMENT_BYTES });
    assert.equal(digestOf(writer), found, "a writer found other contents than a reader");
    assert.equal(writer.durableIndex, writer.lastIndex);
    const term = Math.max(writer.lastTerm, 1);
    writer.append([{ term, index: writer.lastIndex + 1, kind: "normal", command: new Uint8Array(5000) }]);
    const expected = digestOf(writer);
    writer.closeSync();
    const again = WalLog.openSync(folder, { readOnly: true, segmentBytes: SEGMENT_BYTES });
    assert.equal(digestOf(again), expected);
    assert(again.recovery.closed);
    again.closeSync();
  }
}

/** The calls of a log after the failure that poisoned it, from its trace. */
function lateCalls(calls: readonly SystemCall[], refusals: number): string[] {
  const [{ thread: main }] = calls as [SystemCall];
  const injected = calls.filter(({ isInjected }) => isInjected);
  // Refused calls were on the main thread, and did not end the writer.
  const refused = injected.filter(({ thread }) => thread === main).slice(0, refusals);
  const failed = injected.find((call) => !refused.includes(call))!;
  // The main thread learns of a failed flush on another thread only when it waits the next time.
  if (refused.some(({ begin }) => begin > failed.begin)) return [];
  const late = calls.filter((call) =>
    call.begin > failed.end && call.said === undefined && changes(call) &&
    // Also, an earlier flush may begin on another thread after the failure of a call on the main thread.
    !(call.name === "fdatasync" && failed.thread === main && call.thread !== main)
  );
  return late.map(({ name, file }) => `${name} ${file}`);
}

/** The files that a run may use: those of a run without faults, and replacement segments. */
function filesOf({ calls }: Traced): string[] {
  const files = new Set(
    calls.filter(({ said }) => said === undefined).flatMap(({ file, to }) => to ? [file, to] : [file]),
  );
  for (let number = 1; number <= 9; number++) files.add(`00000000000${number}.seg`);
  return [...files];
}
