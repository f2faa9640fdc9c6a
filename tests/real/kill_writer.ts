/**
 * The process that is killed. It opens a log, does the steps of a history, and reports each completed step in a byte.
 * The pipe keeps the byte even if the process is killed:
 *
 *     o                  about to open the log
 *     O <digest> \n      opened; the digest of its contents
 *     .                  the next step is complete
 *     E <message> \n     an unexpected error
 *
 *     kill_writer.ts LOG SEED SEGMENT_BYTES VERIFY
 *
 * @module
 */

import assert from "node:assert/strict";
import { writeSync } from "node:fs";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { WalLog } from "../../mod.ts";
import { digestOf } from "./digest.ts";
import { isMutation, type Mutation, Steps } from "./steps.ts";

/** Longer than a log must be idle before it writes a checkpoint. */
const REST_MS = 25;
/** A limit, so that this process ends if its parent dies. */
const STEPS_MAX = 5000;

const [path, seed, segmentBytes, verify] = process.argv.slice(2);
const options = { segmentBytes: Number(segmentBytes), verify: verify as "full" | "tail" };

/** Pending calls of `sync`, each with the index that it must make durable. */
const pending = new Set<{ index: number }>();
let answered: Promise<unknown> = Promise.resolve();

function say(text: string): void {
  writeSync(1, text);
}

function open(): Promise<WalLog> {
  return WalLog.open(path!, options);
}

function sync(log: WalLog): void {
  const want = { index: log.lastIndex };
  pending.add(want);
  const done = log.sync().then(() => {
    pending.delete(want);
    // A stream that was closed meanwhile may have cleared the log.
    const least = Math.min(want.index, log.lastIndex);
    assert(log.durableIndex >= least, `sync: ${log.durableIndex} is durable, expected ${least}`);
  });
  answered = Promise.all([answered, done]);
  answered.catch(failed);
}

async function mutate(log: WalLog, step: Mutation): Promise<void> {
  if (step.kind === "stream") {
    const { data, ...meta } = step.snapshot!;
    const stream = (step.isOwn ? log.createSnapshot(meta) : log.receiveSnapshot(meta)).getWriter();
    for (let at = 0; at < data.length; at += 100_000) await stream.write(data.subarray(at, at + 100_000));
    await stream.close();
  } else step.apply(log);
  for (const want of pending) want.index = Math.min(want.index, log.lastIndex);
}

function failed(error: unknown): never {
  say(`E${(error as Error).stack ?? error}\n`);
  process.exit(1);
}

try {
  say("o");
  let log = await open();
  say(`O${digestOf(log)}\n`);
  const steps = new Steps(Number(seed));
  for (let i = 0; i < STEPS_MAX; i++) {
    const step = steps.next(log);
    if (isMutation(step)) await mutate(log, step);
    else if (step.kind === "sync") sync(log);
    else if (step.kind === "sync-sync") log.syncSync();
    else if (step.kind === "wait") await answered;
    else if (step.kind === "rest") await setTimeout(REST_MS);
    else {
      await log.close();
      log = await open();
      assert(log.recovery.closed, "a clean close was not seen");
    }
    say(".");
  }
  await log.close();
} catch (error) {
  failed(error);
}
