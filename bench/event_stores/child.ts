/**
 * A process that works with one store, and prints a line of JSON: the seconds that it took, and the number of events.
 *
 *     child.ts STORE FOLDER append PRODUCERS SECONDS     appends events, each producer one after the other
 *     child.ts STORE FOLDER fill COUNT                   appends events in batches
 *     child.ts STORE FOLDER replay COUNT                 reads the events of `fill`
 *
 * @module
 */

import process from "node:process";
import { depositOf } from "../deposit.ts";
import { NotAvailable } from "../stores/store.ts";
import { EVENT_STORES } from "./stores.ts";
import type { EventStore } from "./store.ts";

/** Events that are appended at once, to fill a store. */
const BATCH = 1000;

const [name, folder, task, ...numbers] = process.argv.slice(2) as [string, string, string, ...string[]];
const [first, second] = numbers.map(Number) as [number, number];

/** Appends for a time. Returns the number of events. */
async function append(store: EventStore, producers: number, seconds: number): Promise<number> {
  const end = performance.now() + seconds * 1000;
  let next = 0;
  await Promise.all(Array.from({ length: producers }, async () => {
    while (performance.now() < end) await store.append(depositOf(next++));
  }));
  return next;
}

async function fill(store: EventStore, count: number): Promise<number> {
  if (store.appendMany === undefined) throw new NotAvailable("a queue, which is not read from the start");
  for (let from = 0; from < count; from += BATCH) {
    const length = Math.min(BATCH, count - from);
    await store.appendMany(Array.from({ length }, (_, nth) => depositOf(from + nth)));
  }
  return count;
}

async function replay(store: EventStore, count: number): Promise<number> {
  const found = await store.replay!();
  const expected = count * (count - 1) / 2;
  if (found !== expected) throw new Error(`${name} has other events: the sum of ids is ${found}, not ${expected}`);
  return count;
}

try {
  const store = await EVENT_STORES.find((kind) => kind.name === name)!.open(folder);
  const started = performance.now();
  const count = task === "append"
    ? await append(store, first, second)
    : await (task === "fill" ? fill : replay)(store, first);
  const seconds = (performance.now() - started) / 1000;
  await store.close();
  console.log(JSON.stringify({ seconds, count }));
} catch (error) {
  if (!(error instanceof NotAvailable)) throw error;
  console.log(JSON.stringify({ unavailable: error.message }));
}
// A peer's addon may keep the process alive with its threads.
process.exit(0);
