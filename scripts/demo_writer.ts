/**
 * The process that `demo.ts` kills. It opens a log, appends to it, and prints acknowledgements: a line for each flush,
 * with the last durable index and the bytes written. It never ends by itself.
 *
 *     demo_writer.ts commit LOG LINES TERM          many clients, each of which waits for its sync
 *     demo_writer.ts fill LOG LINES TERM BYTES      large batches, until BYTES are written
 *
 * @module
 */

import { writeSync } from "node:fs";
import process from "node:process";
import { type LogEntry, WalLog } from "../mod.ts";
import { Input } from "./demo_input.ts";

/** The number of concurrent clients. */
const CLIENTS = 32;
/** The most entries that a client appends at once. */
const CLIENT_ENTRIES_MAX = 4;
/** Entries in a batch of `fill`. */
const BATCH_ENTRIES = 4096;
/** The number of batches of `fill` between two flushes. */
const BATCHES_A_FLUSH = 16;

const [mode, path, lines, term, bytes] = process.argv.slice(2);

// End with the parent process, and not at a Ctrl-C for the parent.
process.stdin.on("close", () => process.exit(1)).resume();
process.on("SIGINT", () => {});

const input = new Input(lines!);
const log = await WalLog.open(path!);
let acknowledged = 0;
log.setHardState({ term: Number(term), votedFor: BigInt(term!) });
if (mode === "commit") await Promise.all(Array.from({ length: CLIENTS }, (_, client) => commit(client)));
else await fill(Number(bytes));

/** A client of a server: it appends, and continues when the entries are durable. */
async function commit(client: number): Promise<never> {
  for (let turn = client;; turn++) {
    log.append(entries(1 + turn % CLIENT_ENTRIES_MAX));
    acknowledge(await log.sync());
  }
}

async function fill(until: number): Promise<void> {
  for (let batch = 1; log.stats().bytesWritten < until; batch++) {
    log.append(entries(Math.min(BATCH_ENTRIES, input.length)));
    if (batch % BATCHES_A_FLUSH === 0) acknowledge(await log.sync());
  }
  acknowledge(await log.sync());
}

/** The next entries of the log. */
function entries(count: number): LogEntry[] {
  const first = log.lastIndex + 1;
  return Array.from({ length: count }, (_, i) => (
    { term: Number(term), index: first + i, kind: "normal", command: input.command(first + i) }
  ));
}

/** Reports that everything up to an index is durable. Writes to the pipe before anything else happens. */
function acknowledge(durable: number): void {
  if (durable <= acknowledged) return;
  acknowledged = durable;
  writeSync(1, `${durable} ${log.stats().bytesWritten}\n`);
}
