/** Verifying an archive from which objects were lost. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MemoryStore } from "../src/archive/mod.ts";
import { surveyStore } from "../src/archive/survey.ts";
import { verifyArchive } from "../src/archive/verify_archive.ts";
import { ArchivedLog } from "./archived_log.ts";

/** The keys of the pieces of a segment, in order. */
function piecesOf(store: MemoryStore, segment: number): string[] {
  const part = `/segments/${String(segment).padStart(12, "0")}-`;
  return [...store.objects.keys()].filter((key) => key.includes(part)).sort();
}

describe("verifying an archive", () => {
  it("reports a missing oldest segment that no snapshot covers", async () => {
    const store = new MemoryStore();
    const archived = new ArchivedLog(store);
    archived.append(300);
    await archived.archive();
    store.objects.delete(piecesOf(store, 1)[0]!);
    await assert.rejects(archived.restored(), { code: "NOT_FOUND" });
    const { verdict, damage: [lost, ...others] } = await verifyArchive(store);
    assert.equal(verdict, "corrupt");
    assert.deepEqual(others, []);
    assert.deepEqual([lost!.reason, lost!.firstIndex], ["missing", 1]);
    assert.equal(lost!.key, "generations/00000001/segments/000000000001-");
    assert(lost!.lastIndex > 1 && lost!.lastIndex < 300);
  });

  it("reports nothing if a snapshot covers the entries before the oldest segment", async () => {
    const store = new MemoryStore();
    const archived = new ArchivedLog(store);
    archived.append(300);
    archived.log.compact(280, { data: new Uint8Array(5) });
    await archived.archive();
    for (const key of piecesOf(store, 1)) store.objects.delete(key);
    assert.deepEqual((await verifyArchive(store)).damage, []);
    await archived.requireSame();
  });

  it("names the segment that is missing, not the one before it", async () => {
    const store = new MemoryStore();
    const archived = new ArchivedLog(store);
    archived.append(300);
    await archived.archive();
    store.objects.delete(piecesOf(store, 2)[0]!);
    const { damage } = await verifyArchive(store);
    assert.deepEqual(damage.map(({ key }) => key), ["generations/00000001/segments/000000000002-"]);
  });

  it("reports a missing piece in the newest segment, and restore fails", async () => {
    const store = new MemoryStore();
    const archived = new ArchivedLog(store);
    for (let i = 0; i < 3; i++) {
      archived.append(2);
      await archived.archive();
    }
    assert.deepEqual((await verifyArchive(store)).damage, []);
    store.objects.delete(piecesOf(store, 1)[1]!);
    const { verdict, damage } = await verifyArchive(store);
    assert.equal(verdict, "corrupt");
    assert.deepEqual(damage.map(({ firstIndex, lastIndex }) => [firstIndex, lastIndex]), [[3, 6]]);
    await assert.rejects(archived.restored(), { code: "CORRUPT", message: /entries 3 to 6 are missing/ });
    assert.equal((await archived.restored({ toIndex: 2 })).lastIndex, 2);
  });

  it("reports a missing newest piece that a later generation continues", async () => {
    const store = new MemoryStore();
    const archived = new ArchivedLog(store);
    for (let i = 0; i < 2; i++) {
      archived.append(2);
      await archived.archive();
    }
    const lost = piecesOf(store, 1).at(-1)!;
    await archived.newArchiver().step();
    assert.deepEqual((await verifyArchive(store)).damage, []);
    store.objects.delete(lost);
    const { verdict, damage } = await verifyArchive(store);
    assert.equal(verdict, "corrupt");
    assert.deepEqual(damage.map(({ firstIndex }) => firstIndex), [3]);
    await assert.rejects(archived.restored(), { code: "CORRUPT" });
  });

  it("reports a missing claim or base", async () => {
    const store = new MemoryStore();
    const archived = new ArchivedLog(store);
    for (let i = 0; i < 2; i++) {
      archived.append(2);
      await archived.archive();
    }
    const [base] = [...store.objects.keys()].filter((key) => key.includes("/base/"));
    for (const key of ["claims/00000001", base!]) {
      const bytes = store.objects.get(key)!;
      store.objects.delete(key);
      const { damage, verdict } = await verifyArchive(store);
      assert.equal(verdict, "corrupt");
      const [{ reason, lastIndex, key: named }] = damage as [(typeof damage)[number]];
      assert.deepEqual([damage.length, reason, lastIndex, key.startsWith(named)], [1, "missing", 0, true]);
      if (key === base) await assert.rejects(archived.restored(), { code: "CORRUPT", message: /base/ });
      else await archived.requireSame();
      store.objects.set(key, bytes);
    }
    // The generation of a lost claim is not claimed again.
    store.objects.delete("claims/00000001");
    assert.equal((await surveyStore(store)).claimed, 1);
    await assert.rejects(archived.newArchiver().step(), { code: "CORRUPT", message: /the claim claims\/00000001/ });
  });

  it("reports a missing IDENTITY, unless another generation has one", async () => {
    const store = new MemoryStore();
    const archived = new ArchivedLog(store);
    archived.append(2);
    await archived.archive();
    await archived.newArchiver().step();
    const [first, second] = [...store.objects.keys()].filter((key) => key.includes("/identity/")).sort();
    store.objects.delete(second!);
    assert.deepEqual((await verifyArchive(store)).damage, []);
    store.objects.delete(first!);
    const { verdict, damage } = await verifyArchive(store);
    assert.equal(verdict, "corrupt");
    const key = "generations/00000002/identity/";
    assert.deepEqual(damage, [{ key, firstIndex: 0, lastIndex: 0, reason: "missing" }]);
    // The log itself is there.
    await archived.requireSame();
  });

  it("does not report a piece that is written while the objects are listed", async () => {
    const hidden: string[][] = [];
    class BusyStore extends MemoryStore {
      override async *list(prefix: string) {
        const missing = prefix === "generations/" ? hidden.shift() ?? [] : [];
        for await (const found of super.list(prefix)) if (!missing.includes(found.key)) yield found;
      }
    }
    const store = new BusyStore();
    const archived = new ArchivedLog(store);
    for (let i = 0; i < 3; i++) {
      archived.append(2);
      await archived.archive();
    }
    const [, second, third] = piecesOf(store, 1);
    hidden.push([second!, third!], [second!]);
    assert.deepEqual((await verifyArchive(store)).damage, []);
    assert.equal(hidden.length, 0);
  });
});
