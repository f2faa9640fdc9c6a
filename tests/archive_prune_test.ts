/** Pruning an archive: what it deletes, and what can be restored after it. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { prune } from "../src/archive/mod.ts";
import { surveyStore } from "../src/archive/survey.ts";
import { verifyArchive } from "../src/archive/verify_archive.ts";
import { Follower } from "./follower.ts";
import { at, PrunedArchive, withRounds, withSkippedSnapshot } from "./pruned_archive.ts";
import { fingerprint } from "./simulated_log.ts";

describe("pruning an archive", () => {
  it("keeps all states since a time, and nothing that only older states need", async () => {
    const archived = await withRounds(6);
    const { store } = archived;
    const times = [3500, 4000, 4999, 5000, 6000, 9000];
    const before = await Promise.all(times.map((toTime) => archived.state({ toTime: at(toTime) })));
    const report = await prune(store, { keepSince: at(3500) });
    // The first object with a time after 3500 begins before the snapshot at 290, so the one at 190 is needed.
    assert.deepEqual([report.oldestGeneration, report.oldestIndex, report.oldestTime], [1, 190, at(2000)]);
    assert.equal(store.keys("/snapshots/").length, 5);
    const [oldest] = store.keys("/segments/");
    const [, first] = /segments\/\d+-\d+-0*(\d+)-/.exec(oldest!)!;
    assert(Number(first) <= 191 && Number(first) > 100, `the oldest segment begins with ${first}`);
    assert.deepEqual(await Promise.all(times.map((toTime) => archived.state({ toTime: at(toTime) }))), before);
    const { verdict, damage, lastIndex } = await verifyArchive(store);
    assert.deepEqual([verdict, damage, lastIndex], ["clean", [], 600]);
  });

  it("makes older states fail clearly", async () => {
    const archived = await withRounds(6);
    await prune(archived.store, { keepSince: at(3500) });
    for (const options of [{ toTime: at(1500) }, { toTime: at(1999) }, { toIndex: 100 }, { toIndex: 189 }]) {
      await assert.rejects(archived.restored(options), {
        code: "NOT_FOUND",
        message:
          /the archive was pruned, and has no state before index 190, and no state as of a time before 2026-01-01T00:00:02/,
      });
    }
    for (const toIndex of [190, 191, 400]) assert.equal((await archived.restored({ toIndex })).lastIndex, toIndex);
  });

  it("keeps everything of a log without snapshots", async () => {
    const archived = new PrunedArchive();
    archived.append(300);
    await archived.archive();
    const objects = archived.store.objects.size;
    const report = await prune(archived.store, { keepGenerations: 1, keepSince: at(1e9) });
    assert.deepEqual(report, { oldestGeneration: 0, oldestIndex: 0, oldestTime: 0, objects: 0, bytes: 0 });
    assert.equal(archived.store.objects.size, objects);
  });

  it("keeps the newest state and everything after its snapshot", async () => {
    const archived = await withRounds(3);
    archived.append(20);
    await archived.archive();
    const newest = await archived.state();
    const { oldestIndex } = await prune(archived.store, { keepSince: at(1e9) });
    assert.equal(oldestIndex, 290);
    assert.equal(await archived.state(), newest);
    for (const toIndex of [290, 305, 320]) assert.equal((await archived.restored({ toIndex })).lastIndex, toIndex);
  });

  it("keeps the states since a number of generations began, and deletes older ones as a whole", async () => {
    const archived = await withRounds(2);
    const { store } = archived;
    for (let round = 3; round <= 5; round++) {
      archived.archiver = archived.newArchiver();
      await archived.round(round * 1000);
    }
    const generations = [2, 3, 4];
    const before = await Promise.all(generations.map((generation) => archived.state({ generation })));
    const end = await archived.state({ generation: 2, toIndex: 295 });
    assert.deepEqual((await prune(store, { keepGenerations: 5 })).objects, 0);
    const report = await prune(store, { keepGenerations: 2 });
    assert.equal(report.oldestIndex, 290);
    // The state when generation 3 began is the last one of generation 2.
    assert.deepEqual(await Promise.all(generations.map((generation) => archived.state({ generation }))), before);
    assert.equal(await archived.state({ generation: 2, toIndex: 295 }), end);
    assert.deepEqual(store.keys("generations/00000001/"), []);
    await assert.rejects(archived.restored({ generation: 1 }), {
      code: "NOT_FOUND",
      message: /generation 1 was pruned, the oldest one is 2/,
    });
    // They decide which archiver goes on.
    assert.equal(store.keys("claims/").length, 4);
    for (const generation of generations) assert.equal((await verifyArchive(store, { generation })).verdict, "clean");
  });

  it("keeps a state if one of two rules keeps it", async () => {
    for (const since of [2500, 5500]) {
      const archived = await withRounds(4);
      archived.archiver = archived.newArchiver();
      for (const time of [5000, 6000]) await archived.round(time);
      const { oldestIndex } = await prune(archived.store, { keepGenerations: 1, keepSince: at(since) });
      assert.equal(oldestIndex, since === 2500 ? 190 : 390);
    }
  });

  it("keeps everything after a checkpoint with a later time, even if the clock went back", async () => {
    const archived = new PrunedArchive();
    for (const time of [1000, 2000, 9000, 3000, 4000, 5000]) await archived.round(time);
    const before = await archived.state({ toTime: at(8000) });
    // The state at 8000 is that before the first checkpoint of second 9.
    const { oldestIndex } = await prune(archived.store, { keepSince: at(8000) });
    assert.equal(oldestIndex, 190);
    assert.equal(await archived.state({ toTime: at(8000) }), before);
  });

  it("does not restore a time that was before a pruned checkpoint", async () => {
    const archived = new PrunedArchive();
    for (const time of [1000, 9000, 2000, 3000, 10_000, 11_000]) await archived.round(time);
    const kept = await archived.state({ toTime: at(9000) });
    const { oldestTime } = await prune(archived.store, { keepSince: at(9500) });
    assert.equal(oldestTime, at(9000));
    // A checkpoint with the time 9000 came before those of 2000 and 3000. Without it, that would be another state.
    for (const toTime of [2500, 8999]) assert.equal(await archived.state({ toTime: at(toTime) }), "NOT_FOUND");
    assert.equal(await archived.state({ toTime: at(9000) }), kept);
  });

  it("does not restore an earlier state in place of one whose snapshot was pruned", async () => {
    const archived = new PrunedArchive();
    for (const time of [1000, 2000, 3000, 4000]) {
      archived.time = time;
      archived.append(5);
      await archived.archive();
      if (time > 1000) archived.log.compact(archived.log.lastIndex - 2, { data: new Uint8Array(3) });
      await archived.archive();
    }
    const [first, third] = [await archived.state({ toTime: at(1500) }), await archived.state({ toTime: at(3500) })];
    assert.match(first, / 0=- /);
    const { oldestIndex } = await prune(archived.store, { keepSince: at(3500) });
    assert.equal(oldestIndex, 13);
    // All of it is in one segment, which is kept. The state as of 2500 needs a snapshot that was pruned.
    assert.equal(await archived.state({ toTime: at(2500) }), "NOT_FOUND");
    assert.equal(await archived.state({ toTime: at(1500) }), first);
    assert.equal(await archived.state({ toTime: at(3500) }), third);
  });

  it("keeps a state before a snapshot that was never archived", async () => {
    const archived = await withSkippedSnapshot();
    const wanted = await archived.state({ toTime: at(2000) });
    assert.match(wanted, /^5\/1 0=- /);
    const { oldestIndex, objects } = await prune(archived.store, { keepSince: at(2000) });
    assert(objects > 0);
    assert.equal(oldestIndex, 0);
    assert.equal(await archived.state({ toTime: at(2000) }), wanted);
  });

  it("restores a time after which the log dropped all entries behind its snapshot", async () => {
    const archived = await withRounds(2);
    archived.append(20);
    await archived.archive();
    archived.time = 4000;
    archived.log.truncate(191);
    archived.append(200);
    await archived.archive();
    const wanted = await archived.state({ toTime: at(2500) });
    assert.match(wanted, /^\d+\/1 190=/);
    assert.equal((await prune(archived.store, { keepSince: at(2500) })).oldestIndex, 190);
    assert.equal(await archived.state({ toTime: at(2500) }), wanted);
  });

  it("keeps the cluster of the log", async () => {
    const archived = await withRounds(1);
    const { store } = archived;
    const [key] = store.keys("/identity/");
    const cluster = "ab".repeat(16);
    const bytes = store.objects.get(key!)!;
    store.objects.delete(key!);
    store.objects.set(key!.slice(0, -32) + cluster, bytes);
    for (let round = 2; round <= 3; round++) {
      archived.archiver = archived.newArchiver();
      await archived.round(round * 1000);
    }
    // Only the first archiver has seen the cluster.
    for (const later of store.keys("/identity/").slice(1)) store.objects.delete(later);
    const { oldestGeneration, objects } = await prune(store, { keepGenerations: 1 });
    assert(objects > 0);
    assert.equal(oldestGeneration, 1);
    assert.equal(store.keys(cluster).length, 1);
  });

  it("prunes an older history when a newer one reaches back far enough", async () => {
    const archived = await withRounds(2);
    const { store } = archived;
    // The log is compacted beyond the archive, so the next archiver restarts.
    archived.time = 3000;
    archived.append(300);
    archived.prove();
    archived.log.compact(480, { data: new Uint8Array(3) });
    archived.reopen("closed");
    for (const time of [4000, 5000, 6000]) await archived.round(time);
    assert(store.keys("/base/00000000-").length === 2, "the archiver did not restart");
    const old = await archived.state({ generation: 1, toTime: at(1999) });
    assert.equal((await prune(store, { keepSince: at(1500) })).oldestIndex, 90);
    assert.equal(await archived.state({ generation: 1, toTime: at(1999) }), old);
    const newest = await archived.state();
    const { oldestGeneration } = await prune(store, { keepSince: at(5500) });
    assert.equal(oldestGeneration, 2);
    assert.deepEqual(store.keys("generations/00000001/"), []);
    assert.equal(await archived.state(), newest);
    assert.equal((await verifyArchive(store)).verdict, "clean");
  });

  it("lets the archiver and later ones go on", async () => {
    const archived = await withRounds(4);
    await prune(archived.store, { keepSince: at(3500) });
    await archived.round(5000);
    await archived.requireSame();
    archived.reopen("crashed");
    await archived.round(6000);
    await archived.requireSame();
    archived.archiver = archived.newArchiver();
    await archived.round(7000);
    await archived.requireSame();
    assert.equal((await verifyArchive(archived.store)).verdict, "clean");
  });

  it("makes a standby behind the archive begin anew", async () => {
    const archived = await withRounds(2);
    const follower = new Follower(archived.store);
    await follower.update();
    for (let round = 3; round <= 6; round++) await archived.round(round * 1000);
    await prune(archived.store, { keepSince: at(5500) });
    const { floor } = await surveyStore(archived.store);
    assert(follower.log!.files.segments.at(-1)!.header.number < floor.segment);
    assert.equal(follower.log!.replaced, 0);
    await follower.update();
    assert.equal(follower.log!.replaced, 1);
    follower.requireSame(fingerprint(archived.log));
  });

  it("makes a standby behind the archive begin anew, also if its last entries were dropped since", async () => {
    const archived = await withRounds(2);
    archived.append(200);
    await archived.archive();
    const follower = new Follower(archived.store);
    await follower.update();
    archived.log.truncate(201);
    archived.append(40, 2, 200);
    archived.log.compact(235, { data: new Uint8Array(3) });
    await archived.archive();
    await prune(archived.store, { keepSince: at(1e9) });
    const { floor } = await surveyStore(archived.store);
    assert(follower.log!.files.segments.at(-1)!.header.number < floor.segment);
    assert.equal(follower.log!.files.lastIndex, 400);
    await follower.update();
    follower.requireSame(fingerprint(archived.log));
  });

  it("makes a standby begin anew if the archive has restarted, and its first segments are pruned", async () => {
    const archived = await withRounds(2);
    archived.append(200);
    await archived.archive();
    const follower = new Follower(archived.store);
    await follower.update();
    archived.log.compact(390, { data: new Uint8Array(3) });
    await archived.archive();
    await prune(archived.store, { keepSince: at(1e9) });
    const { floor } = await surveyStore(archived.store);
    const numbers = follower.log!.files.segments.map(({ header }) => header.number);
    assert(numbers[0]! < floor.segment && numbers.at(-1)! >= floor.segment, `${numbers}, ${floor.segment}`);
    archived.log.truncate(393);
    await archived.archive();
    archived.append(6, 2, 3000);
    archived.log.compact(398, { data: new Uint8Array(4) });
    archived.archiver = archived.newArchiver();
    await archived.archive();
    assert.equal((await surveyStore(archived.store)).generations.get(2)!.base, undefined);
    assert.equal(follower.log!.files.lastIndex, 400);
    await follower.update();
    assert.equal(follower.log!.replaced, 1);
    follower.requireSame(fingerprint(archived.log));
  });

  it("does not disturb a standby whose last segment is kept", async () => {
    const archived = await withRounds(5);
    const follower = new Follower(archived.store);
    await follower.update();
    await archived.round(6000);
    await prune(archived.store, { keepSince: at(4500) });
    await follower.update();
    assert.equal(follower.log!.replaced, 0);
    follower.requireSame(fingerprint(archived.log));
  });

  it("refuses wrong options", async () => {
    const { store } = await withRounds(1);
    const wrong = [{}, { keepGenerations: 0 }, { keepGenerations: 1.5 }, { keepSince: NaN }, { keepsince: 1 }];
    for (const options of wrong) {
      await assert.rejects(prune(store, options), { code: "INVALID_ARGUMENT" }, JSON.stringify(options));
    }
    await assert.rejects(prune(new PrunedArchive().store, { keepSince: 0 }), { code: "NOT_FOUND" });
  });
});
