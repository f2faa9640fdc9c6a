/**
 * A writer and a follower for tests of followers in other processes:
 *
 *     follow_child.ts write <folder> <seed>     changes the log until it is killed; closes it when its input ends
 *     follow_child.ts follow <folder> <from>    prints entries until its input ends
 *
 * The writer prints `synced INDEX` after flushes, and `closed INDEX` at the end. The follower prints `INDEX.TERM` for each
 * entry, after it has checked its command, `CODE INDEX` when it ends, and follows again from there.
 *
 * @module
 */

import assert from "node:assert/strict";
import process from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { WalLog, WalLogError } from "../mod.ts";
import { Random } from "../src/testing/random.ts";
import { commandAt } from "./busy_writer.ts";

/** Entries above the snapshot before the log is compacted. */
const ENTRIES_MAX = 400;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function write(folder: string, seed: number, isOver: () => boolean): Promise<void> {
  const log = await WalLog.open(folder, { segmentBytes: 8192, lockTimeout: 10_000 });
  const random = new Random(seed);
  // Each writer has its own term, and so has each replacement of entries.
  let term = Math.max(log.lastTerm, log.hardState.term) + 1;
  while (!isOver()) {
    log.setHardState({ term, votedFor: 1n });
    const count = 1 + random.below(8);
    const first = log.lastIndex + 1;
    log.append(Array.from({ length: count }, (_, i) => (
      { term, index: first + i, kind: "normal", command: commandAt(first + i, term) }
    )));
    if (random.chance(0.02) && log.lastIndex > log.snapshotIndex + 30) {
      log.truncate(log.lastIndex - random.below(20)), term++;
    }
    if (random.chance(0.5)) say(`synced ${await log.sync()}`);
    if (random.chance(0.02)) await pause(40);
    if (log.lastIndex - log.snapshotIndex > ENTRIES_MAX) log.compact(log.lastIndex - 200 - random.below(100));
  }
  await log.close();
  say(`closed ${log.lastIndex}`);
}

async function follow(folder: string, first: number, signal: AbortSignal): Promise<void> {
  const log = await WalLog.open(folder, { readOnly: true });
  for (let from = first;;) {
    try {
      for await (const { index, term, command } of log.follow({ from, signal })) {
        assert.equal(index, from++);
        assert.deepEqual(command, commandAt(index, term));
        say(`${index}.${term}`);
      }
    } catch (error) {
      if (signal.aborted) break;
      if (!(error instanceof WalLogError && error.index !== undefined)) throw error;
      say(`${error.code} ${error.index}`);
      from = error.index;
    }
  }
  await log.close();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [command, folder, number] = process.argv.slice(2) as [string, string, string];
  const controller = new AbortController();
  process.stdin.on("end", () => controller.abort());
  process.stdin.resume();
  if (command === "write") await write(folder, Number(number), () => controller.signal.aborted);
  else await follow(folder, Number(number), controller.signal);
  process.exit(0);
}
