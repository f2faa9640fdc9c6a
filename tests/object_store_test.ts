/** The object stores that need no server. */

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { bodyOf, FolderStore, MemoryStore } from "../src/archive/mod.ts";
import { listed, objectStoreSuite } from "./object_store_suite.ts";
import { inTemporaryFolder, temporaryFolder } from "./temporary.ts";

describe("an object store in memory", () => {
  objectStoreSuite(() => ({ store: new MemoryStore(), dispose: () => {} }));
});

describe("an object store in a folder", () => {
  objectStoreSuite(() => {
    const folder = temporaryFolder();
    return { store: new FolderStore(join(folder.path, "store")), dispose: () => folder.remove() };
  });

  it("keeps an object as a file with the key as its path", async () => {
    await inTemporaryFolder(async (path) => {
      const store = new FolderStore(path);
      await store.putIfAbsent("a/b", new Uint8Array([1]));
      writeFileSync(join(path, "a", "c"), "22");
      assert.deepEqual(await listed(store), [{ key: "a/b", size: 1 }, { key: "a/c", size: 2 }]);
    });
  });

  it("does not list unfinished files, and leaves none", async () => {
    await inTemporaryFolder(async (path) => {
      const store = new FolderStore(path);
      await store.put("a", bodyOf(new Uint8Array(1)));
      await store.putIfAbsent("a", new Uint8Array(2));
      const broken = {
        size: 5,
        read: () => {
          throw new Error("no more");
        },
      };
      await assert.rejects(store.put("b", broken), { code: "STORE" });
      mkdirSync(join(path, "c"));
      await assert.rejects(store.put("c", bodyOf(new Uint8Array(1))), { code: "STORE" });
      assert.deepEqual(readdirSync(join(path, ".unfinished")), []);
      writeFileSync(join(path, ".unfinished", "left"), "x");
      assert.deepEqual((await listed(store)).map(({ key }) => key), ["a"]);
    });
  });

  it("names the folder and the key of a request that failed", async () => {
    await inTemporaryFolder(async (path) => {
      writeFileSync(join(path, "a"), "");
      const store = new FolderStore(path);
      await assert.rejects(
        store.put("a/b", bodyOf(new Uint8Array(1))),
        (error: Error) => error.message.startsWith(`Cannot write a/b in ${path}: `),
      );
    });
  });
});
