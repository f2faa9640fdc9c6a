/**
 * The process whose system calls fail. It does the steps of `script.ts` from FROM up to TO, exclusive, and prints:
 *
 *     opened              the log is open, with the contents after the steps before FROM
 *     done N              the first N steps are done
 *     want N, durable N   a flush that must cover N steps was requested; it has succeeded
 *     refused N CAUSE     step N was refused with NO_SPACE; the log is unchanged, and accepts the step later
 *     poisoned N CAUSE    step N failed with POISONED; the log reads as before or after it, and rejects all writes
 *     unopened CODE CAUSE opening failed
 *     said MESSAGE        the message of that error
 *     closed              all steps done and the log closed; without, it was left unclosed because TO is not the end
 *
 *     fault_writer.ts LOG sync|async FROM TO
 *
 * `async` flushes with `sync()`, which flushes on another thread while further steps run. `sync` uses `syncSync()`.
 *
 * @module
 */

import assert from "node:assert/strict";
import { writeSync } from "node:fs";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { WalLog, WalLogError } from "../../mod.ts";
import type { FileSystem } from "../../src/io/file_system.ts";
import { errorCode } from "../../src/io/full.ts";
import { nodeFileSystem } from "../../src/io/node_fs.ts";
import { Random } from "../../src/testing/random.ts";
import { digestOf } from "./digest.ts";
import { modelAfter, SCRIPT, SEGMENT_BYTES } from "./script.ts";

/** Longer than a log must be idle before it writes a checkpoint. */
const REST_MS = 40;

const [path, mode, from, to] = process.argv.slice(2) as [string, string, string, string];

function say(text: string): void {
  writeSync(1, `${text}\n`);
}

function causeOf(error: WalLogError): string {
  return errorCode(error.cause) ?? String(error.cause);
}

function isCode(error: unknown, code: string): error is WalLogError {
  return error instanceof WalLogError && error.code === code;
}

/**
 * The real file system, with the same random numbers in each run. Temporary names contain them, and strace needs the
 * names of the files whose calls fail. Without the reserve, because its calls have no fixed order, and a failure to
 * write it changes nothing.
 */
const random = new Random(1 + Number(from));
const fileSystem: FileSystem = {
  ...nodeFileSystem,
  reserveBytes: 0,
  random: (into) => random.fill(into),
};

/**
 * Checks that a poisoned log rejects every write with the first failure, can still be read, and leaves no call waiting.
 */
async function assertPoisoned(log: WalLog, step: number, failure: WalLogError): Promise<void> {
  const same = (error: unknown) => error === failure;
  const next = { term: 99, index: log.lastIndex + 1, kind: "normal", command: new Uint8Array(1) } as const;
  const snapshot = { index: log.lastIndex + 1, term: 99, config: [], data: new Uint8Array(1) };
  const states = [digestOf(modelAfter(step)), digestOf(modelAfter(step + 1))];
  for (let time = 0; time < 2; time++) {
    assert(states.includes(digestOf(log)), "a poisoned log does not read as before the step that failed, or after it");
    assert.throws(() => log.append([next]), same);
    if (log.lastIndex > log.snapshotIndex) assert.throws(() => log.truncate(log.lastIndex), same);
    assert.throws(() => log.setHardState({ term: 99, votedFor: null }), same);
    assert.throws(() => log.applySnapshot(snapshot), same);
    assert.throws(() => log.createSnapshot(snapshot), same);
    assert.throws(() => log.receiveSnapshot(snapshot), same);
    assert.throws(() => log.compact(log.lastIndex), same);
    assert.throws(() => log.syncSync(), same);
    await assert.rejects(log.sync(), same);
    for (const call of calls) await assert.rejects(call, same);
    // The time for a checkpoint comes, and none is written.
    await setTimeout(REST_MS);
  }
  await assert.rejects(log.close(), same);
}

/** Pending calls of `sync`. */
const calls = new Set<Promise<void>>();

function sync(log: WalLog, steps: number): Promise<void> {
  say(`want ${steps}`);
  const call = log.sync().then(() => {
    say(`durable ${steps}`);
    calls.delete(call);
  });
  calls.add(call);
  call.catch(() => {});
  return call;
}

async function doStep(log: WalLog, i: number): Promise<void> {
  const step = SCRIPT[i]!;
  if (step.parts.length > 0) step.apply(log);
  else if (mode === "sync") {
    say(`want ${i}`);
    log.syncSync();
    say(`durable ${i}`);
  } else {
    // Two calls share a flush, which runs during the next steps. Two more calls are made meanwhile.
    if (calls.size === 4) await Promise.all(calls);
    sync(log, i);
    sync(log, i);
    await Promise.resolve();
  }
}

async function run(): Promise<void> {
  let log: WalLog;
  try {
    log = WalLog.openSync(path, { segmentBytes: SEGMENT_BYTES, fileSystem });
  } catch (error) {
    if (!(error instanceof WalLogError)) throw error;
    return say(`unopened ${error.code} ${causeOf(error)}\nsaid ${error.message}`);
  }
  assert.equal(digestOf(log), digestOf(modelAfter(Number(from))), "the log opened with other contents");
  say("opened");
  let step = Number(from);
  try {
    for (; step < Number(to); step++) {
      try {
        await doStep(log, step);
      } catch (error) {
        if (!isCode(error, "NO_SPACE")) throw error;
        assert.equal(digestOf(log), digestOf(modelAfter(step)), "a refused step changed the log");
        say(`refused ${step} ${causeOf(error)}\nsaid ${error.message}`);
        await doStep(log, step);
      }
      say(`done ${step + 1}`);
    }
    // Wait for the last calls.
    await Promise.all(calls);
    if (Number(to) < SCRIPT.length) process.exit(0);
    say(`want ${step}`);
    await log.close();
    say(`durable ${step}`);
    say("closed");
  } catch (error) {
    if (!isCode(error, "POISONED")) throw error;
    // A log that fails while it is closed is closed nevertheless.
    if (step < SCRIPT.length) await assertPoisoned(log, step, error);
    say(`poisoned ${step} ${causeOf(error)}\nsaid ${error.message}`);
  }
}

await run();
