/** Archiving a log, and restoring it. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import { historyOf } from "../src/archive/history.ts";
import { surveyStore } from "../src/archive/survey.ts";
import { MemoryStore, restore } from "../src/archive/mod.ts";
import { segmentName } from "../src/format/segment_name.ts";
import { snapshotName } from "../src/format/snapshot_name.ts";
import { ArchivedLog, PATH, textEntry } from "./archived_log.ts";
import { fingerprint } from "./simulated_log.ts";

describe("a restored log", () => {
  it("has the entries, the hard state and the cluster of the archived one, and a new incarnation", async () => {
    const archived = new ArchivedLog();
    const { log } = archived;
    log.foundCluster("5e14d2b3-2688-89cd-e2a3-98a722e0ab5d");
    log.setHardState({ term: 3, votedFor: 7n });
    archived.append(5);
    await archived.archive();
    assert.equal(archived.archiver.archivedIndex, 5);
    const restored = await archived.restored();
    assert.equal(fingerprint(restored), fingerprint(log));
    assert.equal(restored.identity.log, log.identity.log);
    assert.equal(restored.identity.cluster, log.identity.cluster);
    const incarnations = [log, restored, await archived.restored()].map(({ identity }) => identity.incarnation);
    assert.equal(new Set(incarnations).size, 3);
  });

  it("has many segments, archived whole or in pieces", async () => {
    const archived = new ArchivedLog();
    archived.append(1000);
    await archived.archive();
    for (let i = 0; i < 60; i++) {
      archived.append(7);
      await archived.archive();
    }
    assert(archived.log.stats().segments > 10);
    await archived.requireSame();
    assert(archived.archiver.counts.merged > 10);
  });

  it("has large entries", async () => {
    const archived = new ArchivedLog();
    archived.append(2, 1, 3_000_000);
    await archived.archive();
    await archived.requireSame();
  });

  it("has what came after a truncation of archived entries", async () => {
    const archived = new ArchivedLog();
    archived.append(10);
    await archived.archive();
    archived.log.truncate(4);
    archived.append(3, 2);
    await archived.archive();
    assert.equal(archived.archiver.archivedIndex, 6);
    await archived.requireSame();
  });

  it("begins with the newest snapshot", async () => {
    const archived = new ArchivedLog();
    archived.append(300);
    await archived.archive();
    archived.log.compact(250, { data: new Uint8Array(70_000).fill(7) });
    archived.append(50);
    await archived.archive();
    const restored = await archived.restored();
    assert.equal(fingerprint(restored), fingerprint(archived.log));
    assert.equal(restored.snapshotIndex, 250);
    assert(restored.stats().segments < 6);
  });

  it("has a leader's snapshot that cleared the log", async () => {
    const archived = new ArchivedLog();
    archived.append(10);
    await archived.archive();
    archived.log.applySnapshot({ index: 500, term: 4, config: [1n], data: new Uint8Array(5) });
    archived.append(3, 4);
    await archived.archive();
    await archived.requireSame();
  });

  it("has only durable entries", async () => {
    const archived = new ArchivedLog();
    archived.append(5);
    await archived.archive();
    archived.append(5);
    await archived.archiver.step();
    assert.equal(archived.archiver.archivedIndex, 5);
    assert.equal((await archived.restored()).lastIndex, 5);
  });

  it("is archived further, without a copy of what is archived", async () => {
    const archived = new ArchivedLog();
    archived.append(300);
    await archived.archive();
    const { bytes } = archived.archiver.counts;
    archived.reopen("closed");
    archived.append(10);
    await archived.archive();
    assert.equal(archived.archiver.generation, 2);
    assert(archived.archiver.counts.bytes < bytes / 4);
    await archived.requireSame();
  });

  it("is archived further after a crash, which moves unproven frames to another segment", async () => {
    for (const how of ["crashed", "killed"] as const) {
      const archived = new ArchivedLog();
      archived.append(20);
      await archived.archive();
      archived.append(20);
      archived.log.syncSync();
      archived.append(1);
      await archived.archiver.step();
      archived.reopen(how);
      await archived.archive();
      await archived.requireSame();
      archived.append(5);
      archived.reopen(how);
      archived.append(5);
      await archived.archive();
      await archived.requireSame();
    }
  });
});

describe("an archive", () => {
  it("has pieces that, joined, are the segment files of a log", async () => {
    const store = new MemoryStore();
    const archived = new ArchivedLog(store);
    for (let i = 0; i < 20; i++) {
      archived.append(9);
      await archived.archive();
    }
    archived.log.compact(100, { data: new Uint8Array(50) });
    archived.append(9);
    await archived.archive();
    // After a crash, the newest segment has only copies of frames that are archived.
    archived.append(3);
    archived.log.syncSync();
    archived.append(1);
    await archived.archiver.step();
    archived.reopen("crashed");
    await archived.archive();
    const survey = await surveyStore(store);
    const { segments, snapshots } = historyOf(survey);
    assert(segments.some(({ chain }) => chain.length > 1));
    const pieces = [...survey.generations.values()].flatMap((one) => one.pieces).sort((a, b) => a.from - b.from);
    const { fileSystem } = archived.disk;
    const write = (name: string, parts: readonly { readonly key: string }[]) => {
      const file = fileSystem.open(`/by-hand.wal/${name}`, "create");
      for (const { key } of parts) file.write(store.objects.get(key)!, file.size());
    };
    for (const { id: { number } } of segments) {
      write(segmentName(number), pieces.filter(({ segment }) => segment.number === number));
    }
    for (const one of snapshots) write(snapshotName(one.index, one.term), [one]);
    const log = WalLog.openSync("/by-hand.wal", { fileSystem, readOnly: true });
    assert.equal(log.recovery.verdict, "clean");
    assert.equal(fingerprint(log), fingerprint(archived.log));
  });
});

describe("restoring", () => {
  it("to an index drops later entries", async () => {
    const archived = new ArchivedLog();
    archived.append(200);
    archived.log.truncate(151);
    archived.append(50, 2);
    await archived.archive();
    for (const toIndex of [1, 60, 150, 151, 180, 200]) {
      const restored = await archived.restored({ toIndex });
      assert.equal(restored.lastIndex, toIndex);
      const expected = archived.log.entries(1, toIndex);
      assert.deepEqual(restored.entries(1, toIndex), expected);
    }
    await assert.rejects(archived.restored({ toIndex: 201 }), { code: "NOT_FOUND" });
  });

  it("to an index within a batch of several frames", async () => {
    const archived = new ArchivedLog();
    archived.append(1);
    archived.log.append([2, 3, 4, 5].map((index) => textEntry(index, 1, "x".repeat(3000))));
    await archived.archive();
    for (const toIndex of [1, 2, 4]) assert.equal((await archived.restored({ toIndex })).lastIndex, toIndex);
  });

  it("to an index that was dropped fails", async () => {
    const archived = new ArchivedLog();
    archived.append(10);
    archived.log.truncate(6);
    await archived.archive();
    await assert.rejects(archived.restored({ toIndex: 8 }), { code: "NOT_FOUND" });
    archived.log.applySnapshot({ index: 500, term: 4, config: [], data: new Uint8Array(5) });
    await archived.archive();
    await assert.rejects(archived.restored({ toIndex: 3 }), { code: "NOT_FOUND" });
    assert.equal((await archived.restored({ toIndex: 500 })).snapshotIndex, 500);
  });

  it("to an index below the newest snapshot uses an older one", async () => {
    const archived = new ArchivedLog();
    for (const through of [60, 160, 260]) {
      archived.append(100);
      await archived.archive();
      archived.log.compact(through, { data: new Uint8Array([through % 256]) });
      await archived.archive();
    }
    for (const [toIndex, snapshot] of [[50, 0], [60, 60], [100, 0], [150, 60], [260, 260], [270, 260]] as const) {
      const restored = await archived.restored({ toIndex });
      assert.deepEqual([restored.lastIndex, restored.snapshotIndex], [toIndex, snapshot], `to ${toIndex}`);
    }
  });

  it("reports the size of its own files, not of all that was read", async () => {
    const archived = new ArchivedLog();
    archived.append(300);
    await archived.archive();
    const { fileSystem } = archived.disk;
    const path = "/early.wal";
    const { bytes } = await restore(archived.store, path, { fileSystem, toIndex: 10 });
    const all = await restore(archived.store, "/all.wal", { fileSystem });
    assert(bytes < all.bytes / 3, `${bytes} of ${all.bytes}`);
    const file = fileSystem.open(`${path}/${segmentName(1)}`, "read");
    // The truncation to index 10 is written afterwards.
    assert(bytes <= file.size());
    file.close();
  });

  it("to a time ends before the first later checkpoint", async () => {
    const archived = new ArchivedLog();
    const times: number[] = [];
    for (let i = 0; i < 4; i++) {
      times.push(archived.disk.fileSystem.now());
      archived.append(30);
      await archived.archive();
    }
    for (const [i, toTime] of times.entries()) {
      assert.equal((await archived.restored({ toTime })).lastIndex, (i + 1) * 30);
    }
    assert.equal((await archived.restored({ toTime: archived.disk.fileSystem.now() })).lastIndex, 120);
    await assert.rejects(archived.restored({ toTime: 1 }), { code: "NOT_FOUND", message: /to that time/ });
    await assert.rejects(archived.restored({ toTime: 1, toIndex: 1 }), { code: "INVALID_ARGUMENT" });
  });

  it("goes on after a crash at any operation", async () => {
    const archived = new ArchivedLog();
    archived.append(200);
    await archived.archive();
    archived.log.compact(100, { data: new Uint8Array(10) });
    archived.append(20);
    await archived.archive();
    const { disk, store } = archived;
    const { fileSystem } = disk;
    const expected = fingerprint(archived.log);
    let crashes = 0;
    for (let after = 0;; after++) {
      disk.failAfter("crash", after);
      try {
        await restore(store, "/again.wal", { fileSystem });
        break;
      } catch {
        assert(!disk.hasPower);
        crashes++;
        disk.crash();
      }
    }
    disk.heal();
    assert(crashes > 20);
    const log = WalLog.openSync("/again.wal", { fileSystem, readOnly: true });
    assert.equal(log.recovery.verdict, "clean");
    assert.equal(fingerprint(log), expected);
    assert.deepEqual(disk.files().filter((name) => name.includes(".restore")), []);
  });

  it("needs an empty folder", async () => {
    const archived = new ArchivedLog();
    await archived.archive();
    archived.log.closeSync();
    const { fileSystem } = archived.disk;
    await assert.rejects(restore(archived.store, PATH, { fileSystem }), { code: "INVALID_ARGUMENT" });
  });

  it("fails without an archive", async () => {
    const { disk: { fileSystem } } = new ArchivedLog();
    await assert.rejects(restore(new MemoryStore(), "/none.wal", { fileSystem }), { code: "NOT_FOUND" });
  });

  it("lists an archive again if pieces were merged meanwhile", async () => {
    const store = new MemoryStore();
    const archived = new ArchivedLog(store, { segmentBytes: 65536 });
    const step = async () => {
      archived.append(1);
      await archived.archive();
    };
    for (let i = 0; i < 31; i++) await step();
    const before = new Map(store.objects);
    await step();
    const kept = [...before.keys()].filter((key) => store.objects.has(key));
    assert(kept.length < before.size);
    // The folder was read before the second merge, and the sizes of the files after it.
    const { list } = store;
    let lists = 0;
    store.list = async function* (prefix) {
      if (prefix !== "generations/" || ++lists > 1) return yield* list.call(store, prefix);
      for (const key of kept.filter((key) => key.startsWith(prefix)).sort()) {
        yield { key, size: before.get(key)!.length };
      }
    };
    assert.equal((await archived.restored()).lastIndex, 32);
  });

  it("fails if an object is missing, unless only earlier entries are wanted", async () => {
    const store = new MemoryStore();
    const archived = new ArchivedLog(store);
    archived.append(300);
    await archived.archive();
    const { chain: [lost], id } = historyOf(await surveyStore(store)).segments[2]!;
    store.objects.delete(lost!.key);
    await assert.rejects(archived.restored(), { code: "CORRUPT", message: /entries \d+ to \d+ are missing/ });
    await assert.rejects(archived.restored({ toIndex: 250 }), { code: "NOT_FOUND" });
    await assert.rejects(archived.restored({ toIndex: id.first }), { code: "NOT_FOUND" });
    assert.equal((await archived.restored({ toIndex: id.first - 1 })).lastIndex, id.first - 1);
    archived.log.compact(280, { data: new Uint8Array(5) });
    archived.append(1);
    await archived.archive();
    await archived.requireSame();
    assert.equal((await archived.restored({ toIndex: 20 })).lastIndex, 20);
  });

  it("fails if an object is damaged", async () => {
    const store = new MemoryStore();
    const archived = new ArchivedLog(store);
    archived.append(10);
    await archived.archive();
    const key = [...store.objects.keys()].find((key) => key.includes("/segments/"))!;
    store.objects.get(key)!.fill(0, 16_500, 16_510);
    await assert.rejects(archived.restored(), { code: "CORRUPT", path: key });
  });
});
