/**
 * A program that uses the package by its name, in Node and in Bun. It is also type-checked against the declarations.
 *
 *     node program.ts FOLDER
 *
 * @module
 */

import assert from "node:assert/strict";
import process from "node:process";
import { type LogEntry, MemoryLog, type NewEntry, WalLog } from "@wallog/wallog";
import { type Archive, archive, MemoryStore, restore } from "@wallog/wallog/archive";
import { type S3Options, S3Store } from "@wallog/wallog/archive/s3";
import { EventLog, json, type StoredEvent } from "@wallog/wallog/events";
import { type Action, RaftNode } from "@wallog/wallog/raft";
import { type Applied, Replica, type StateMachine } from "@wallog/wallog/replica";
import { SimulatedDisk } from "@wallog/wallog/testing";
import { exportWalDb, importWalDb } from "@wallog/wallog/wal-db";

const path = process.argv[2]!;
const entries: NewEntry[] = [1, 2, 3].map((index) => (
  { term: 1, index, command: new TextEncoder().encode("command " + index) }
));

const log: WalLog = await WalLog.open(path);
log.append(entries);
const durable: number = await log.sync();
assert.equal(durable, 3);
await log.close();

const reopened: WalLog = await WalLog.open(path);
assert.equal(reopened.recovery.verdict, "clean");
assert.equal(reopened.lastIndex, 3);
const entry: LogEntry | undefined = reopened.entry(2);
assert.equal(new TextDecoder().decode(entry?.command), "command 2");
await exportWalDb(reopened, path + ".exported");
const imported = new MemoryLog();
assert.equal((await importWalDb(path + ".exported", imported)).verdict, "clean");
assert.equal(imported.lastIndex, 3);

const node: RaftNode = RaftNode.withLog({ id: 1n }, reopened);
while (!node.isLeader) await node.stepAsync({ type: "tick" });
const actions: Action[] = await node.stepAsync({ type: "propose", command: new TextEncoder().encode("command 4") });
assert.deepEqual(actions.map((action) => action.type === "apply" && action.index), [1, 2, 3, 4]);
await reopened.close();

const events: EventLog<{ name: string }> = await EventLog.open<{ name: string }>(path + ".events", { codec: json });
assert.equal(await events.append({ name: "event 1" }), 1);
const stored: StoredEvent<{ name: string }> | undefined = events.read(1);
assert.equal(stored?.event.name, "event 1");
await events.close();

let applied = 0;
const stateMachine: StateMachine<number> = {
  apply: (entries: readonly Applied[]) => entries.map(() => ++applied),
  snapshot: (to) => to.close(),
  restore: () => Promise.resolve(),
};
const folder = path + ".replica";
const replica: Replica<number> = await Replica.start({ folder, id: 1n, address: "127.0.0.1:0", stateMachine });
const answer: number = await replica.propose(new TextEncoder().encode("command"), { id: { client: "c", sequence: 1 } });
assert.equal(answer, 1);
await replica.close();

const store = new MemoryStore();
const source: WalLog = await WalLog.open(path + ".events");
const archiving: Archive = archive(source, store);
await archiving.archived(1);
await archiving.close();
await source.close();
assert.equal((await restore(store, path + ".restored")).lastIndex, 1);

const s3: S3Options = { endpoint: "http://127.0.0.1", credentials: { accessKeyId: "a", secretAccessKey: "b" } };
assert.equal(new S3Store("s3://bucket/a", s3).name, "s3://bucket/a");

const disk = new SimulatedDisk();
const simulated = WalLog.openSync("/log", { fileSystem: disk.fileSystem });
simulated.append(entries);
simulated.closeSync();
