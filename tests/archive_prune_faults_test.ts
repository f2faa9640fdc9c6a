/** Pruning an archive that is interrupted, damaged, or in use. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { prune } from "../src/archive/mod.ts";
import { verifyArchive } from "../src/archive/verify_archive.ts";
import { WalLogError } from "../mod.ts";
import { at, PrunedArchive, withRounds, withSkippedSnapshot } from "./pruned_archive.ts";

const OPTIONS = { keepSince: at(3500) };

/** Fails unless the archive is clean, and has its newest state and that of 3.5 s. */
async function requireWhole(archived: PrunedArchive): Promise<void> {
  await archived.requireSame();
  assert.equal((await archived.restored({ toTime: at(3500) })).lastIndex, 350);
  const { verdict, damage } = await verifyArchive(archived.store);
  assert.deepEqual([verdict, damage], ["clean", []]);
}

describe("pruning an archive", () => {
  it("leaves a whole archive when it is interrupted, and the next call deletes the rest", async () => {
    const archived = await withRounds(5);
    const { objects: all } = await prune(archived.store, { ...OPTIONS, dryRun: true });
    for (let done = 0; done < all; done++) {
      const ending = new AbortController();
      const reason = new Error("interrupted");
      if (done === 0) archived.store.fails = (key) => key.includes("/segments/");
      const onProgress = () => ending.abort(reason);
      const attempt = prune(archived.store, { ...OPTIONS, onProgress, signal: ending.signal });
      if (done === 0) await assert.rejects(attempt, { code: "STORE" });
      else if (done < all) await assert.rejects(attempt, reason);
      archived.store.fails = () => false;
      await requireWhole(archived);
      assert.equal(await archived.state({ toTime: at(1500) }), "NOT_FOUND");
    }
    assert.equal((await prune(archived.store, OPTIONS)).objects, 1);
    assert.equal((await prune(archived.store, OPTIONS)).objects, 0);
    await requireWhole(archived);
  });

  it("deletes nothing if the floor cannot be written", async () => {
    const archived = await withRounds(5);
    const { size } = archived.store.objects;
    archived.store.fails = (key) => key.includes("/floors/");
    await assert.rejects(prune(archived.store, OPTIONS), { code: "STORE" });
    assert.equal(archived.store.objects.size, size);
  });

  it("leaves a whole archive to a reader that does not see the floor", async () => {
    const archived = await withRounds(5);
    const { store } = archived;
    const { objects: all } = await prune(store, { ...OPTIONS, dryRun: true });
    const snapshots = store.keys("/snapshots/").length;
    const whole = await withRounds(5);
    await prune(whole.store, OPTIONS);
    const segments = whole.store.keys("/segments/").length;
    for (let done = 0; done < all; done++) {
      const ending = new AbortController();
      await prune(store, { ...OPTIONS, onProgress: () => ending.abort(), signal: ending.signal }).catch(() => {});
      const [floor] = store.keys("/floors/");
      store.objects.delete(floor!);
      const { damage, gaps } = await verifyArchive(store);
      assert.deepEqual(gaps, []);
      if (store.keys("/snapshots/").length === snapshots) assert.deepEqual(damage, []);
      else assert.equal(store.keys("/segments/").length, segments, "a snapshot was deleted before a piece");
      await archived.requireSame();
      assert.equal((await archived.restored({ toIndex: 300 })).lastIndex, 300);
      store.objects.set(floor!, new Uint8Array());
    }
  });

  it("reports the objects that it would delete, and deletes nothing", async () => {
    const archived = await withRounds(5);
    const before = archived.store.keys("");
    const report = await prune(archived.store, { ...OPTIONS, dryRun: true });
    assert.deepEqual(archived.store.keys(""), before);
    assert.deepEqual(await prune(archived.store, OPTIONS), report);
    const { objects, bytes } = report;
    assert(objects > 0 && bytes > 0);
    assert.equal(archived.store.keys("").length, before.length - objects + 1);
  });

  it("keeps the newest floor and the one before it", async () => {
    const archived = await withRounds(6);
    for (const keepSince of [1500, 2500, 3500, 4500]) await prune(archived.store, { keepSince: at(keepSince) });
    assert.equal(archived.store.keys("/floors/").length, 2);
    await archived.requireSame();
  });

  it("deletes nothing if the oldest snapshot to keep is damaged", async () => {
    const archived = await withRounds(5);
    const { store } = archived;
    const [, second] = store.keys("/snapshots/");
    store.objects.get(second!)!.fill(0, 100, 120);
    const before = store.keys("");
    await assert.rejects(prune(store, OPTIONS), { code: "CORRUPT", message: /snapshots\/\S+ is damaged, .* nothing/ });
    assert.deepEqual(store.keys(""), before);
  });

  it("deletes nothing if the oldest snapshot of a log that began without one is damaged", async () => {
    const { store } = await withSkippedSnapshot();
    store.objects.get(store.keys("/snapshots/")[0]!)!.fill(0, 100, 120);
    const before = store.keys("");
    await assert.rejects(prune(store, { keepSince: at(2000) }), {
      code: "CORRUPT",
      message: /snapshots\/\S+ is damaged/,
    });
    assert.deepEqual(store.keys(""), before);
  });

  it("deletes nothing if an object that it would keep is missing", async () => {
    for (const part of ["/snapshots/", "/segments/", "/base/", "claims/"]) {
      const archived = await withRounds(5);
      const { store } = archived;
      const [first, ...others] = store.keys(part);
      store.objects.delete(others.at(-2) ?? first!);
      const before = store.keys("");
      await assert.rejects(prune(store, OPTIONS), { code: "CORRUPT" }, part);
      assert.deepEqual(store.keys(""), before);
    }
  });

  it("deletes nothing if a segment after the newest snapshot is missing", async () => {
    const archived = await withRounds(5);
    const { store } = archived;
    archived.append(500);
    await archived.archive();
    const segments = [...new Set(store.keys("/segments/").map((key) => key.slice(0, key.lastIndexOf("/"))))];
    for (const key of store.keys(segments.at(-2)!)) store.objects.delete(key);
    const before = store.keys("");
    await assert.rejects(prune(store, OPTIONS), { code: "CORRUPT", message: /the entries \d+ to \d+ are missing/ });
    assert.deepEqual(store.keys(""), before);
  });

  it("prunes although an object is missing that it would delete", async () => {
    const archived = await withRounds(5);
    const { store } = archived;
    store.objects.delete(store.keys("/snapshots/")[0]!);
    assert.equal((await verifyArchive(store)).verdict, "corrupt");
    await prune(store, OPTIONS);
    await requireWhole(archived);
  });

  it("lets a lost snapshot be reported, and not what was pruned", async () => {
    const { store } = await withRounds(3);
    await prune(store, { keepSince: at(1e9) });
    const [only, ...others] = store.keys("/snapshots/");
    assert.deepEqual(others, []);
    store.objects.delete(only!);
    const { damage } = await verifyArchive(store);
    assert.deepEqual(damage.map(({ key }) => key), ["the snapshot at index 290"]);
  });

  it("deletes nothing while another archiver starts", async () => {
    const archived = await withRounds(5);
    const { store } = archived;
    const archiver = archived.newArchiver();
    await archiver.begin();
    await assert.rejects(prune(store, OPTIONS), { code: "CHANGING", message: /generation 2 was claimed/ });
    await archiver.step();
    assert((await prune(store, OPTIONS)).objects > 0);
    await requireWhole(archived);
  });

  it("deletes nothing if another archiver claims a generation while it lists the objects", async () => {
    const archived = await withRounds(5);
    const { store } = archived;
    let hasBegun = false;
    store.onGet = async (key) => {
      if (key !== "claims/00000002" || hasBegun) return;
      hasBegun = true;
      await archived.newArchiver().begin();
    };
    await assert.rejects(prune(store, OPTIONS), { code: "CHANGING" });
  });

  it("does not make a snapshot look lost that is deleted while objects are listed", async () => {
    const archived = new PrunedArchive();
    for (const time of [1000, 2000, 3000, 4000]) {
      archived.time = time;
      archived.append(5);
      await archived.archive();
      archived.log.compact(archived.log.lastIndex - 2, { data: new Uint8Array(3) });
      await archived.archive();
    }
    const { store } = archived;
    const before = new Map(store.objects);
    // All of it is in one segment, so that only snapshots are deleted.
    const segments = store.keys("/segments/").length;
    assert((await prune(store, { keepSince: at(1e9) })).objects > 0);
    assert.equal(store.keys("/segments/").length, segments);
    const after = new Map(store.objects);
    let lists = 0;
    store.onList = (prefix) => {
      if (prefix !== "generations/") return;
      // The second list began before the floor was written, and ended after the snapshots were deleted.
      lists++;
      store.isHidden = (key) => lists === 2 && key.includes("/floors/");
      store.objects.clear();
      for (const [key, bytes] of lists === 1 ? before : after) store.objects.set(key, bytes);
    };
    assert.deepEqual((await verifyArchive(store)).damage, []);
    assert(lists >= 3);
  });

  it("makes a restore under way begin again", async () => {
    for (const options of [{}, { toTime: at(3500) }, { toIndex: 400 }]) {
      const archived = await withRounds(5);
      const wanted = await archived.state(options);
      let isPruned = false;
      archived.store.onGet = async (key) => {
        if (isPruned || !key.includes("/segments/")) return;
        isPruned = true;
        await prune(archived.store, OPTIONS);
      };
      assert.equal(await archived.state(options), wanted);
      assert(isPruned);
    }
  });

  it("makes a restore under way to a pruned state fail clearly", async () => {
    const archived = await withRounds(5);
    let isPruned = false;
    archived.store.onGet = async (key) => {
      if (isPruned || !key.includes("/segments/")) return;
      isPruned = true;
      await prune(archived.store, OPTIONS);
    };
    await assert.rejects(archived.restored({ toIndex: 50 }), { code: "NOT_FOUND", message: /the archive was pruned/ });
  });

  it("deletes late objects of an archiver later on", async () => {
    const archived = await withRounds(5);
    const { store } = archived;
    const [late] = store.keys("/segments/");
    const bytes = store.objects.get(late!)!;
    await prune(store, OPTIONS);
    store.objects.set(late!, bytes);
    await requireWhole(archived);
    assert.equal((await prune(store, OPTIONS)).objects, 1);
    assert(!store.objects.has(late!));
  });

  it("rejects with the reason of its signal", async () => {
    const { store } = await withRounds(1);
    const reason = new Error("stop");
    await assert.rejects(prune(store, { ...OPTIONS, signal: AbortSignal.abort(reason) }), reason);
    assert(!(reason instanceof WalLogError));
  });
});
