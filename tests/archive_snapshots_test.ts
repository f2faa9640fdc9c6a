/** Snapshots in an archive that are lost, or that newer ones replaced before they were archived. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WalLogError } from "../mod.ts";
import { historyOf } from "../src/archive/history.ts";
import { surveyStore } from "../src/archive/survey.ts";
import { MemoryStore, type ObjectBody, type ObjectRange } from "../src/archive/mod.ts";
import { verifyArchive } from "../src/archive/verify_archive.ts";
import { ArchivedLog } from "./archived_log.ts";
import { fingerprint } from "./simulated_log.ts";

/** A store that fails to write some objects, and calls back before it reads. */
class WatchedStore extends MemoryStore {
  fails: (key: string) => boolean = () => false;
  onGet: (key: string) => Promise<void> = () => Promise.resolve();

  override put(key: string, body: ObjectBody): Promise<void> {
    if (this.fails(key)) return Promise.reject(new WalLogError("STORE", "Cannot write: the connection was lost"));
    return super.put(key, body);
  }

  override async get(key: string, range?: ObjectRange) {
    await this.onGet(key);
    return await super.get(key, range);
  }
}

/** The keys of snapshots at an index. */
function snapshotsAt(store: MemoryStore, index: number): string[] {
  return [...store.objects.keys()].filter((key) => key.includes(`/snapshots/${String(index).padStart(16, "0")}-`));
}

/** An archive with snapshots at indexes 50, 150 and 250. */
async function withSnapshots(): Promise<{ archived: ArchivedLog; store: WatchedStore; times: number[] }> {
  const store = new WatchedStore();
  const archived = new ArchivedLog(store);
  const times: number[] = [];
  for (const through of [50, 150, 250]) {
    archived.append(100);
    await archived.archive();
    times.push(archived.disk.fileSystem.now());
    archived.log.compact(through, { data: new Uint8Array([through]) });
    archived.append(1);
    await archived.archive();
  }
  return { archived, store, times };
}

describe("an archive that has lost its newest snapshot", () => {
  it("is not restored to an earlier state unless that is wanted", async () => {
    const { archived, store, times } = await withSnapshots();
    const [lost] = snapshotsAt(store, 250);
    store.objects.delete(lost!);
    const error = { code: "CORRUPT", message: /the snapshot at index 250 is missing/ };
    await assert.rejects(archived.restored(), error);
    await assert.rejects(archived.restored({ toIndex: 303 }), error);
    await assert.rejects(archived.restored({ toTime: archived.disk.fileSystem.now() }), error);
    assert.equal((await archived.restored({ toIndex: 280 })).lastIndex, 280);
    assert.equal((await archived.restored({ toTime: times[1]! })).lastIndex, 201);
  });

  it("is reported with the index of the snapshot", async () => {
    const { store } = await withSnapshots();
    assert.deepEqual((await verifyArchive(store)).damage, []);
    for (const index of [250, 150, 50]) store.objects.delete(snapshotsAt(store, index)[0]!);
    const { verdict, damage } = await verifyArchive(store);
    assert.equal(verdict, "corrupt");
    // Pieces name the snapshots that were archived before them.
    assert.deepEqual(damage.map(({ key, lastIndex, reason }) => [key, lastIndex, reason]), [
      ["the snapshot at index 50", 50, "missing"],
      ["the snapshot at index 150", 150, "missing"],
      ["the snapshot at index 250", 250, "missing"],
    ]);
  });
});

describe("an archive that has lost an older snapshot", () => {
  it("is reported also if a merged piece no longer names it", async () => {
    const store = new WatchedStore();
    const archived = new ArchivedLog(store, { segmentBytes: 1 << 20 });
    for (const through of [50, 150, 250]) {
      archived.append(100);
      archived.log.compact(through, { data: new Uint8Array([through]) });
      await archived.archive();
    }
    for (let i = 0; i < 13; i++) {
      archived.append(1);
      await archived.archive();
    }
    assert.equal([...store.objects.keys()].filter((key) => key.includes("/segments/")).length, 1);
    store.objects.delete(snapshotsAt(store, 150)[0]!);
    const { damage } = await verifyArchive(store);
    assert.deepEqual(damage.map(({ key }) => key), ["the snapshot at index 150"]);
    await archived.requireSame();
    store.objects.delete(snapshotsAt(store, 250)[0]!);
    assert.deepEqual((await verifyArchive(store)).damage.at(-1)?.key, "the snapshot at index 250");
  });
});

describe("restoring as of a time", () => {
  it("does not begin with a later snapshot", async () => {
    const archived = new ArchivedLog();
    archived.append(10);
    await archived.archive();
    const toTime = historyOf(await surveyStore(archived.store)).segments[0]!.chain[0]!.time;
    archived.append(1);
    await archived.archive();
    archived.append(100);
    archived.log.compact(90, { data: new Uint8Array(10) });
    await archived.archive();
    const { lastIndex, snapshotIndex } = await archived.restored({ toTime });
    assert.deepEqual([lastIndex, snapshotIndex], [10, 0]);
  });

  it("ends before a snapshot that was replaced before it was archived", async () => {
    const archived = new ArchivedLog();
    archived.log.retain("test", 1);
    archived.append(100);
    await archived.archive();
    archived.log.compact(90, { data: new Uint8Array(10) });
    archived.append(10);
    archived.prove();
    const toTime = archived.disk.fileSystem.now();
    archived.append(1);
    archived.prove();
    archived.append(100);
    archived.log.compact(150, { data: new Uint8Array(10) });
    await archived.archive();
    const { lastIndex, snapshotIndex } = await archived.restored({ toTime });
    assert.deepEqual([lastIndex, snapshotIndex], [100, 0]);
    await archived.requireSame();
  });
});

describe("an archiver that is killed between the pieces of two snapshots", () => {
  it("leaves an archive that is clean, and has at least the state before", async () => {
    const store = new WatchedStore();
    const archived = new ArchivedLog(store);
    archived.log.retain("test", 1);
    archived.append(100);
    await archived.archive();
    const before = fingerprint(archived.log);
    // The file of the first snapshot is gone before the next step.
    archived.log.compact(90, { data: new Uint8Array(10) });
    archived.append(200);
    archived.log.compact(250, { data: new Uint8Array(10) });
    archived.prove();
    let pieces = 0;
    store.fails = (key) => key.includes("/segments/") && ++pieces > 2;
    await assert.rejects(archived.archiver.step(), { code: "STORE" });
    store.fails = () => false;
    assert.deepEqual(snapshotsAt(store, 90), []);
    assert.equal(snapshotsAt(store, 250).length, 1);
    assert.deepEqual((await verifyArchive(store)).damage, []);
    assert.equal(fingerprint(await archived.restored()), before);
    await archived.newArchiver().step();
    assert.deepEqual((await verifyArchive(store)).damage, []);
    await archived.requireSame();
    // An entry behind the frame of the first snapshot can be restored with the second one.
    assert.equal((await archived.restored({ toIndex: 260 })).snapshotIndex, 250);
    store.objects.delete(snapshotsAt(store, 250)[0]!);
    assert.deepEqual((await verifyArchive(store)).damage.map(({ lastIndex }) => lastIndex), [250]);
  });
});

describe("verifying beside an archiver", () => {
  it("reports no object that is merged meanwhile", async () => {
    const store = new WatchedStore();
    const archived = new ArchivedLog(store, { segmentBytes: 1 << 20 });
    const step = async () => {
      archived.append(1);
      await archived.archive();
    };
    for (let i = 0; i < 15; i++) await step();
    const before = [...store.objects.keys()].filter((key) => key.includes("/segments/"));
    store.onGet = async (key) => {
      if (!key.includes("/segments/")) return;
      store.onGet = () => Promise.resolve();
      await step();
    };
    const { verdict, damage, lastIndex } = await verifyArchive(store);
    assert(before.every((key) => !store.objects.has(key)), "nothing was merged");
    assert.deepEqual([verdict, damage, lastIndex], ["clean", [], 16]);
  });
});
