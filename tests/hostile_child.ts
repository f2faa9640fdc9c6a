/**
 * Opens hostile folders in every way, and prints the results:
 *
 *     hostile_child.ts <root> <first seed> <how many>
 *
 * One line of JSON for each folder. `failure` is set after a violation: an effect outside the folder, an error that is
 * not a `WalLogError` or comes from a bug in the library, or a loss of acknowledged entries. `cpuMs` and `rssBytes` are
 * for the test to judge.
 *
 * @module
 */

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { MemoryLog, WalLog, WalLogError, type WalLogOptions } from "../mod.ts";
import { inspect } from "../src/cli/inspect.ts";
import { errorCode } from "../src/io/full.ts";
import { importWalDb } from "../src/wal_db/mod.ts";
import { makeHostile, pictureOf } from "./hostile.ts";

/** The number of entries to read at each end of a log. */
const ENTRIES_READ = 5;

/** The result for a hostile folder. */
export interface HostileResult {
  readonly seed: number;
  readonly notes: readonly string[];
  readonly outcomes: readonly string[];
  readonly cpuMs: number;
  readonly rssBytes: number;
  readonly failure: string | undefined;
}

/** Runs an action; returns `ok` or the code of the error. */
async function attempt(what: string, action: () => unknown): Promise<string> {
  try {
    await action();
    return "ok";
  } catch (error) {
    if (!(error instanceof WalLogError)) {
      throw new Error(`${what}: ${(error as Error)?.stack ?? error}`, { cause: error });
    }
    const { cause, code } = error;
    // Any error during opening is wrapped as IO. Errors of the operating system have codes, errors in the code have
    // none.
    const isMistake = cause !== undefined && !(cause instanceof WalLogError) && errorCode(cause) === undefined;
    if (isMistake) throw new Error(`${what}: ${code} ${error.message} <- ${(cause as Error).stack}`, { cause: error });
    return code;
  }
}

async function openAndRead(path: string, options: WalLogOptions): Promise<void> {
  const log = await WalLog.open(path, options);
  try {
    const { snapshotIndex, lastIndex } = log;
    for (let i = 0; i < ENTRIES_READ; i++) {
      for (const index of [snapshotIndex + 1 + i, lastIndex - i]) {
        if (index > 0 && Number.isSafeInteger(index)) await attempt("entry", () => log.entry(index));
      }
    }
    await attempt("snapshot", () => log.snapshot());
    await attempt("scrub", () => log.scrub());
  } finally {
    await attempt("close", () => log.close());
  }
}

/** Writes to a log. Acknowledged entries must be there when it is opened again. */
async function openAndWrite(path: string, onDamage: "fail" | "keep"): Promise<void> {
  const options: WalLogOptions = { onDamage, segmentBytes: 4096 };
  const log = await WalLog.open(path, options);
  let acknowledged = 0;
  let closed = "";
  try {
    await attempt("append", async () => {
      for (let i = 0; i < 20; i++) {
        const [index, term] = [log.lastIndex + 1, log.lastTerm];
        log.append([{ term, index, kind: "normal", command: new Uint8Array(700).fill(index % 251) }]);
      }
      acknowledged = await log.sync();
    });
  } finally {
    closed = await attempt("close", () => log.close());
  }
  if (closed !== "ok" || acknowledged === 0) return;
  const again = await WalLog.open(path, options);
  const { lastIndex } = again;
  await again.close();
  assert(lastIndex >= acknowledged, `index ${acknowledged} was acknowledged, the log ends at ${lastIndex}`);
}

async function tryFolder(root: string, seed: number): Promise<HostileResult> {
  const home = join(root, `seed-${seed}`);
  mkdirSync(home);
  const { log, notes } = makeHostile(home, seed);
  const before = pictureOf(root, log);
  const [cpu, rss] = [process.cpuUsage(), process.memoryUsage().rss];
  const outcomes: string[] = [];
  let failure: string | undefined;
  try {
    for (const verify of ["full", "tail"] as const) {
      for (const onDamage of ["fail", "keep"] as const) {
        const options: WalLogOptions = { readOnly: true, verify, onDamage };
        outcomes.push(await attempt("read", () => openAndRead(log, options)));
      }
    }
    outcomes.push(await attempt("inspect", () => inspect(log)));
    for (const name of readdirSync(log)) {
      await attempt("import", () => importWalDb(join(log, name), new MemoryLog(), { onDamage: "cut" }));
    }
    for (const onDamage of ["fail", "keep"] as const) {
      outcomes.push(await attempt("write", () => openAndWrite(log, onDamage)));
    }
    outcomes.push(await attempt("create: false", () => openAndRead(log, { create: false })));
    assert.deepEqual(pictureOf(root, log), before, "an effect outside the folder");
  } catch (error) {
    failure = (error as Error).message;
  }
  rmSync(home, { recursive: true });
  const { user, system } = process.cpuUsage(cpu);
  const rssBytes = process.memoryUsage().rss - rss;
  return { seed, notes, outcomes, cpuMs: (user + system) / 1000, rssBytes, failure };
}

const [root, first, count] = process.argv.slice(2) as [string, string, string];
for (let seed = Number(first); seed < Number(first) + Number(count); seed++) {
  process.stdout.write(`${JSON.stringify(await tryFolder(root, seed))}\n`);
}
