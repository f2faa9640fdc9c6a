/** The change feed of `examples/change-feed`: a writer and a feed that are killed while they work. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import type { Change } from "../examples/change-feed/feed.ts";
import { EventLog } from "../src/events/mod.ts";
import { exampleCommand, skipWithout } from "./example_process.ts";
import { inTemporaryFolder } from "./temporary.ts";

const BATCH = 100;
/** How many lines may be sent and not acknowledged, so that the writer is killed between them. */
const AHEAD_MAX = 500;
const ACCOUNTS = 7;

/** A change that no other line has. */
function changeOf(line: number): Change {
  return { account: `account ${line % ACCOUNTS}`, amount: line };
}

/** Starts a program of the example. Its caller must end it. */
function start(folder: string, program: string): ChildProcess {
  const [binary, ...args] = exampleCommand("node", `change-feed/${program}`, { args: [folder] });
  return spawn(binary!, args, { stdio: ["pipe", "pipe", "inherit"] });
}

/** Kills a program and waits for its end. */
async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

/** Writes lines until so many are acknowledged. Resolves to the positions that were printed. */
async function writeUntil(writer: ChildProcess, from: number, acknowledged: number): Promise<number[]> {
  const positions: number[] = [];
  const lines = createInterface({ input: writer.stdout! }).on("line", (line) => positions.push(Number(line)));
  writer.stdin!.on("error", () => {}); // It is killed while lines are on their way.
  for (let line = from; positions.length < acknowledged; await setTimeout(1)) {
    if (line - from - positions.length >= AHEAD_MAX) continue;
    const changes = Array.from({ length: BATCH }, (_, i) => JSON.stringify(changeOf(line + i)) + "\n");
    writer.stdin!.write(changes.join(""));
    line += BATCH;
  }
  await kill(writer);
  if (!writer.stdout!.readableEnded) await once(lines, "close");
  return positions;
}

/** The contents of the database. */
function view(folder: string): { position: number; balances: Map<string, number> } {
  const db = new DatabaseSync(join(folder, "view.db"));
  try {
    db.exec("PRAGMA busy_timeout = 10000");
    const { position } = db.prepare("SELECT position FROM feed").get() as { position: number };
    const rows = db.prepare("SELECT account, amount FROM balances").all() as { account: string; amount: number }[];
    return { position, balances: new Map(rows.map(({ account, amount }) => [account, amount])) };
  } finally {
    db.close();
  }
}

/** Waits until the feed has applied the events up to a position. */
async function applied(folder: string, position: number): Promise<void> {
  while (view(folder).position < position) await setTimeout(10);
}

/** Starts the feed, and waits until it follows. */
async function startFeed(folder: string): Promise<ChildProcess> {
  const feed = start(folder, "feed.ts");
  await once(createInterface({ input: feed.stdout! }), "line");
  return feed;
}

describe("the change feed", () => {
  const skip = skipWithout("node");
  it("applies each change exactly once, though writer and feed are killed", { skip }, async () => {
    await inTemporaryFolder(async (parent) => {
      const folder = join(parent, "data");
      mkdirSync(folder);
      const first = await writeUntil(start(folder, "write.ts"), 0, 600);

      // The feed is killed twice in mid-work, and once more while a second writer is killed beside it.
      let feed = await startFeed(folder);
      await applied(folder, 100);
      await kill(feed);
      const between = view(folder).position;
      assert(between >= 100 && between < first.length, "killed in mid-work");
      feed = await startFeed(folder);
      const second = await writeUntil(start(folder, "write.ts"), 1_000_000, 600);
      await kill(feed);

      feed = await startFeed(folder);
      const writer = start(folder, "write.ts");
      writer.stdin!.end(JSON.stringify(changeOf(2_000_000)) + "\n");
      assert.deepEqual(await once(writer, "exit"), [0, null]);
      const log = await EventLog.open<Change>(join(folder, "changes.wal"), { readOnly: true });
      await applied(folder, log.last);

      const expected = new Map<string, number>();
      const changes = [...log.iterate()].map(({ event }) => event);
      for (const { account, amount } of changes) expected.set(account, (expected.get(account) ?? 0) + amount);
      assert.deepEqual([...view(folder).balances].sort(), [...expected].sort());
      assert.equal(new Set(changes.map(({ amount }) => amount)).size, changes.length, "no line was stored twice");
      for (const position of [...first, ...second]) assert(log.read(position) !== undefined, `position ${position}`);
      await log.close();

      const ended = once(feed, "exit");
      // Not child.kill: Deno would report that the signal ended the child, even if the child handled it.
      process.kill(feed.pid!, "SIGTERM");
      assert.deepEqual(await ended, [0, null]);
    });
  });
});
