/**
 * What a Raft node does with its log, from the first vote to a snapshot. In this repository, in any of the three:
 *
 *     deno run --allow-read --allow-write --allow-env examples/quickstart.ts
 *     bun examples/quickstart.ts
 *     node examples/quickstart.ts
 *
 * A program of your own imports from "@wallog/wallog".
 *
 * @module
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeRecovery, type LogEntry, WalLog } from "../mod.ts";

const folder = mkdtempSync(join(tmpdir(), "wallog-quickstart-"));
const path = join(folder, "raft.wal");

function entry(term: number, index: number, text: string): LogEntry {
  return { term, index, kind: "normal", command: new TextEncoder().encode(text) };
}

let log = await WalLog.open(path);

// A vote counts when it is durable, and not before.
log.setHardState({ term: 1, votedFor: 1n });
await log.sync();

// Many clients, few flushes: each appends at once and waits for its own sync, and they share what is under way.
async function propose(text: string): Promise<number> {
  const index = log.lastIndex + 1;
  log.append([entry(1, index, text)]);
  await log.sync();
  return index;
}
const indexes = await Promise.all(Array.from({ length: 100 }, (_, i) => propose(`x = ${i}`)));
const { syncs, flushes } = log.stats();
console.log(
  `${indexes.length} proposals are durable up to index ${log.durableIndex}: ${syncs} syncs, ${flushes} flushes`,
);

// A new leader disagrees about the tail: what is there goes, what it sends comes.
log.setHardState({ term: 2, votedFor: null });
log.truncate(91);
log.append([entry(2, 91, "y = 1"), entry(2, 92, "y = 2")]);
await log.sync();
console.log(
  `after the new leader: last index ${log.lastIndex}, in term ${log.lastTerm}; 90 is of term ${log.termAt(90)}`,
);

// The state machine has applied the entries through 90: its state replaces them, and the entries above stay.
const state = new TextEncoder().encode(JSON.stringify({ x: 89 }));
log.compact(90, { config: [1n, 2n, 3n], data: state });
await log.close();

// A restart: what is left of the log, with every checksum verified.
log = await WalLog.open(path);
console.log(describeRecovery(log.recovery));
console.log("state machine:", new TextDecoder().decode(log.snapshot()?.data));
for (const { index, term, command } of log.iterate()) {
  console.log(`entry ${index}, term ${term}: ${new TextDecoder().decode(command)}`);
}
await log.close();
rmSync(folder, { recursive: true });
