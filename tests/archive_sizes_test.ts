/** Objects of an archive whose size or snapshot differs from their keys. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MemoryStore, prune } from "../src/archive/mod.ts";
import { verifyArchive } from "../src/archive/verify_archive.ts";
import { ArchivedLog } from "./archived_log.ts";

/** An archive, and its objects in memory. */
async function archivedLog(): Promise<{ archived: ArchivedLog; store: MemoryStore }> {
  const store = new MemoryStore();
  const archived = new ArchivedLog(store);
  for (let i = 0; i < 3; i++) {
    archived.append(2);
    await archived.archive();
  }
  return { archived, store };
}

/** The keys with a part, in order. */
function keysWith(store: MemoryStore, part: string): string[] {
  return [...store.objects.keys()].filter((key) => key.includes(part)).sort();
}

/** Gives an object another size. */
function resize(store: MemoryStore, key: string, size: (before: number) => number): void {
  const before = store.objects.get(key)!;
  const bytes = new Uint8Array(size(before.length));
  bytes.set(before.subarray(0, bytes.length));
  store.objects.set(key, bytes);
}

/** The damaged objects that verifying finds. */
async function damagedIn(store: MemoryStore): Promise<string[]> {
  const { verdict, damage } = await verifyArchive(store);
  assert.equal(verdict, damage.length > 0 ? "corrupt" : "clean");
  assert(damage.every(({ reason }) => reason === "damaged"));
  return damage.map(({ key }) => key);
}

const SIZES: ReadonlyMap<string, (size: number) => number> = new Map([
  ["empty", () => 0],
  ["truncated", (size: number) => size - 1],
  ["extended", (size: number) => size + 8],
]);

describe("the newest piece of an archive", () => {
  for (const [name, size] of SIZES) {
    it(`is damaged if it is ${name}: nothing older is restored in its place`, async () => {
      const { archived, store } = await archivedLog();
      const key = keysWith(store, "/segments/").at(-1)!;
      resize(store, key, size);
      const { damage: [found, ...others] } = await verifyArchive(store);
      assert.deepEqual([found, others], [{ key, firstIndex: 5, lastIndex: 6, reason: "damaged" }, []]);
      await assert.rejects(archived.restored(), { code: "CORRUPT", path: key });
    });

    it(`still counts for the next archiver if it is ${name}, like one with wrong bytes`, async () => {
      const { archived, store } = await archivedLog();
      const key = keysWith(store, "/segments/").at(-1)!;
      resize(store, key, size);
      archived.archiver = archived.newArchiver();
      archived.append(2);
      await archived.archive();
      assert.equal(archived.archiver.archivedIndex, 8);
      assert.deepEqual(await damagedIn(store), [key]);
      await assert.rejects(archived.restored(), { code: "CORRUPT", path: key });
    });
  }

  it("is not needed if a merged one has its bytes, and the other way round", async () => {
    const store = new MemoryStore();
    const archived = new ArchivedLog(store);
    const parts = new Map<string, Uint8Array<ArrayBuffer>>();
    for (let i = 0; i < 16; i++) {
      archived.append(1);
      await archived.archive();
      for (const key of keysWith(store, "/segments/")) parts.set(key, store.objects.get(key)!);
      if (i === 14) store.delete = () => Promise.resolve();
    }
    const [merged] = keysWith(store, "/segments/").filter((key) => /\/0{16}-/.test(key)).sort().slice(-1);
    resize(store, merged!, (size) => size - 1);
    assert.deepEqual(await damagedIn(store), [merged]);
    await archived.requireSame();
    store.objects.set(merged!, parts.get(merged!)!);
    const last = keysWith(store, "/segments/").at(-1)!;
    resize(store, last, (size) => size - 1);
    assert.deepEqual(await damagedIn(store), [last]);
    await archived.requireSame();
  });

  it("keeps older objects from being pruned if its size is wrong", async () => {
    const { archived, store } = await archivedLog();
    archived.log.compact(5, { data: new Uint8Array(5) });
    archived.append(200);
    await archived.archive();
    archived.log.compact(150, { data: new Uint8Array(5) });
    archived.append(200);
    await archived.archive();
    resize(store, keysWith(store, "/segments/").at(-1)!, (size) => size - 1);
    const before = keysWith(store, "");
    const error = { code: "CORRUPT", message: /segments\/\S+ is damaged, .* nothing was deleted/ };
    await assert.rejects(prune(store, { keepSince: 1e15 }), error);
    assert.deepEqual(keysWith(store, ""), before);
  });
});

describe("an object that is needed for its key", () => {
  it("is reported if its size is wrong, and the log can be restored", async () => {
    const { archived, store } = await archivedLog();
    // The generation has an empty piece only.
    await archived.newArchiver().step();
    const floor = "generations/floors/00000001-000000000001-0000000000000000-000000000000000";
    store.objects.set(floor, new Uint8Array());
    assert.deepEqual(await damagedIn(store), []);
    const keys = ["/base/", "/identity/", "/floors/", "generations/00000002/segments/"].flatMap((part) =>
      keysWith(store, part)
    );
    assert.equal(keys.length, 6);
    for (const key of keys) {
      const bytes = store.objects.get(key)!;
      resize(store, key, (size) => size + 1);
      assert.deepEqual(await damagedIn(store), [key]);
      await archived.requireSame();
      store.objects.set(key, bytes);
    }
    assert.deepEqual(await damagedIn(store), []);
  });

  it("is not reported if it is below the floor", async () => {
    const { archived, store } = await archivedLog();
    archived.append(300);
    archived.log.compact(280, { data: new Uint8Array(5) });
    await archived.archive();
    const [old] = keysWith(store, "/segments/000000000001-");
    resize(store, old!, () => 0);
    assert((await damagedIn(store)).includes(old!));
    store.objects.set("generations/floors/00000001-000000000002-0000000000000280-000000000000000", new Uint8Array());
    assert.deepEqual(await damagedIn(store), []);
  });
});

describe("a claim of a history", () => {
  it("is reported if it is empty or truncated", async () => {
    for (const size of [() => 0, (size: number) => size - 1]) {
      const { archived, store } = await archivedLog();
      await archived.newArchiver().step();
      for (const key of keysWith(store, "claims/")) {
        const bytes = store.objects.get(key)!;
        resize(store, key, size);
        assert.deepEqual(await damagedIn(store), [key]);
        store.objects.set(key, bytes);
      }
    }
  });
});

describe("a snapshot in an archive", () => {
  /** An archive with a snapshot at index 50, and its key. */
  async function withSnapshot() {
    const store = new MemoryStore();
    const archived = new ArchivedLog(store);
    archived.append(100);
    await archived.archive();
    archived.log.compact(50, { data: new Uint8Array(100) });
    archived.append(1);
    await archived.archive();
    const [key, ...others] = keysWith(store, "/snapshots/");
    assert.deepEqual(others, []);
    return { archived, store, key: key! };
  }

  it("is damaged if its size changes", async () => {
    for (const size of SIZES.values()) {
      const { archived, store, key } = await withSnapshot();
      resize(store, key, size);
      assert.deepEqual(await damagedIn(store), [key]);
      await assert.rejects(archived.restored(), { code: "CORRUPT", path: key });
    }
  });

  it("is lost if its key has another term: nothing older is restored in its place", async () => {
    const { archived, store, key } = await withSnapshot();
    const other = key.replace(/-0{15}1-/, "-0000000000004097-");
    assert.notEqual(other, key);
    store.objects.set(other, store.objects.get(key)!);
    store.objects.delete(key);
    assert.deepEqual(await damagedIn(store), [other]);
    await assert.rejects(archived.restored(), { code: "CORRUPT", message: /the snapshot at index 50 is missing/ });
    // The next archiver writes it again.
    archived.archiver = archived.newArchiver();
    archived.append(1);
    await archived.archive();
    assert.equal(keysWith(store, "/snapshots/").length, 2);
    await archived.requireSame();
  });

  it("is damaged if its key has another index", async () => {
    const { archived, store, key } = await withSnapshot();
    const other = key.replace(/0{14}50-/, "0000000000000051-");
    assert.notEqual(other, key);
    store.objects.set(other, store.objects.get(key)!);
    store.objects.delete(key);
    const { damage } = await verifyArchive(store);
    assert.deepEqual(damage.map(({ key }) => key), [other, "the snapshot at index 50"]);
    await assert.rejects(archived.restored(), { code: "CORRUPT", message: /the snapshot at index 50 is missing/ });
  });
});
