/**
 * The compared event stores. Each is configured to be as durable as its options allow.
 *
 * @module
 */

import { join } from "node:path";
import { EventLog } from "../../src/events/mod.ts";
import type { Deposit } from "../deposit.ts";
import { type EventStoreKind, loadEventPeer } from "./store.ts";

const STREAM = "deposits";
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Turns a function with a callback into a promise. */
function called<T>(call: (done: (error: unknown, value: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => call((error, value) => error ? reject(error) : resolve(value)));
}

function sum(events: Iterable<Deposit>): number {
  let ids = 0;
  for (const { id } of events) ids += id;
  return ids;
}

const eventLog: EventStoreKind = {
  name: "EventLog",
  flushes: "the event, by a flush that appends share",
  async open(folder) {
    const log = await EventLog.open<Deposit>(join(folder, "events.wal"));
    return {
      append: (event) => log.append(event),
      appendMany: (events) => log.appendAll(events),
      replay: () => {
        let ids = 0;
        for (const { event } of log.iterate()) ids += event.id;
        return ids;
      },
      close: () => log.close(),
    };
  },
};

const eventStorage: EventStoreKind = {
  name: "event-storage 0.8.0",
  flushes: "with syncOnFlush, the event, by an fsync that blocks; its indexes up to 100 ms later",
  async open(folder) {
    const Store = loadEventPeer("event-storage");
    const store = new Store(STREAM, { storageDirectory: folder, storageConfig: { syncOnFlush: true } });
    await new Promise((resolve) => store.once("ready", resolve));
    return {
      append: (event) => new Promise((resolve) => store.commit(STREAM, [event], resolve)),
      appendMany: (events) => new Promise((resolve) => store.commit(STREAM, events, resolve)),
      replay: () => sum(store.getAllEvents()),
      close: () => store.close(),
    };
  },
};

const asyncAppendOnlyLog: EventStoreKind = {
  name: "async-append-only-log 4.3.10",
  flushes: "after onDrain, the event, by an fsync of its block of 64 KiB, at least 1 ms later",
  async open(folder) {
    const log = loadEventPeer("async-append-only-log")(join(folder, "log"), {
      writeTimeout: 1, // The least: 0 stands for the default of 250 ms.
      codec: {
        encode: (event: Deposit) => JSON.stringify(event),
        decode: (bytes: Uint8Array) => JSON.parse(decoder.decode(bytes)),
      },
    });
    await called((done) => log.onDrain(done));
    const append = async (events: Deposit | readonly Deposit[]) => {
      await called((done) => log.append(events, done));
      await called((done) => log.onDrain(done));
    };
    return {
      append,
      appendMany: append,
      replay: () =>
        new Promise((resolve) => {
          let ids = 0;
          const write = ({ value }: { value: Deposit }) => void (ids += value.id);
          log.stream({}).pipe({ paused: false, write, end: () => resolve(ids) });
        }),
      close: () => called((done) => log.close(done)),
    };
  },
};

const hypercore: EventStoreKind = {
  name: "hypercore 11.39.5",
  flushes: "nothing: RocksDB writes without sync",
  async open(folder) {
    const Hypercore = loadEventPeer("hypercore");
    const core = new Hypercore(folder, { valueEncoding: "json" });
    await core.ready();
    return {
      append: (event) => core.append(event),
      appendMany: (events) => core.append(events),
      replay: async () => {
        let ids = 0;
        for await (const event of core.createReadStream()) ids += (event as Deposit).id;
        return ids;
      },
      close: () => core.close(),
    };
  },
};

const liteque = (isFull: boolean): EventStoreKind => ({
  name: isFull ? "liteque 0.8.0, synchronous = FULL" : "liteque 0.8.0",
  flushes: isFull
    ? "the job, by SQLite's fdatasync, for each job and blocking; not an option of liteque, set on its SQLite"
    : "nothing: SQLite's WAL with synchronous = NORMAL is flushed at checkpoints",
  // deno-lint-ignore require-await
  async open(folder) {
    const { buildDBClient, SqliteQueue } = loadEventPeer("liteque");
    const db = buildDBClient(join(folder, "queue.db"), { runMigrations: true });
    const sqlite = db.session.client;
    if (isFull) sqlite.pragma("synchronous = FULL");
    const queue = new SqliteQueue(STREAM, db, { defaultJobArgs: { numRetries: 0 }, keepFailedJobs: false });
    return { append: (event) => queue.enqueue(event), close: () => sqlite.close() };
  },
});

const durableStreams: EventStoreKind = {
  name: "@durable-streams/server 0.3.7",
  flushes: "the event, by fdatasync, then its offset by LMDB's commit; one append of a stream at a time",
  async open(folder) {
    const { FileBackedStreamStore } = loadEventPeer("@durable-streams/server");
    const store = new FileBackedStreamStore({ dataDir: folder });
    await store.create(STREAM, { contentType: "application/json" });
    const append = (events: unknown) => store.append(STREAM, encoder.encode(JSON.stringify(events)));
    return {
      append,
      appendMany: append, // An array of JSON stands for its elements.
      replay: () => sum(JSON.parse(decoder.decode(store.formatResponse(STREAM, store.read(STREAM).messages)))),
      close: () => store.close(),
    };
  },
};

/** All stores, the own one first. */
export const EVENT_STORES: readonly EventStoreKind[] = [
  eventLog,
  eventStorage,
  asyncAppendOnlyLog,
  durableStreams,
  liteque(true),
  liteque(false),
  hypercore,
];
