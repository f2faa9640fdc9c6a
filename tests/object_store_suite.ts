/**
 * The suite for every object store. It runs against each implementation.
 *
 * @module
 */

import assert from "node:assert/strict";
import { it } from "node:test";
import { bodyOf, type ListedObject, type ObjectStore } from "../src/archive/mod.ts";
import { Random } from "../src/testing/mod.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** An empty store for a test. */
export interface StoreSubject {
  readonly store: ObjectStore;
  dispose(): void | Promise<void>;
}

/** All listed objects. */
export async function listed(store: ObjectStore, prefix = ""): Promise<ListedObject[]> {
  const found: ListedObject[] = [];
  for await (const object of store.list(prefix)) found.push(object);
  return found;
}

/** An object as text; `undefined` if there is none. */
async function textAt(store: ObjectStore, key: string): Promise<string | undefined> {
  const found = await store.get(key);
  return found.kind === "absent" ? undefined : decoder.decode(found.bytes);
}

type Test = (sentence: string, body: (store: ObjectStore) => Promise<void>) => void;

/**
 * Declares the suite for one kind of store.
 *
 * @param make Makes an empty store.
 * @param replyObjects The most objects in one reply of the store to a request for a list.
 */
export function objectStoreSuite(make: () => StoreSubject | Promise<StoreSubject>, replyObjects = 10): void {
  const test: Test = (sentence, body) => {
    it(sentence, async () => {
      const subject = await make();
      try {
        await body(subject.store);
      } finally {
        await subject.dispose();
      }
    });
  };
  writing(test);
  reading(test);
  listing(test, replyObjects);
  refusals(test);
}

function writing(test: Test): void {
  test("creates an object only if its key is free", async (store) => {
    assert.deepEqual(await store.putIfAbsent("claims/1", encoder.encode("a")), { kind: "created" });
    assert.deepEqual(await store.putIfAbsent("claims/1", encoder.encode("b")), { kind: "exists" });
    assert.equal(await textAt(store, "claims/1"), "a");
  });

  test("lets one of several simultaneous writers create an object", async (store) => {
    const writers = Array.from({ length: 8 }, (_, i) => String(i));
    const results = await Promise.all(writers.map((text) => store.putIfAbsent("claims/1", encoder.encode(text))));
    const winners = writers.filter((_, i) => results[i]!.kind === "created");
    assert.equal(winners.length, 1);
    assert.equal(await textAt(store, "claims/1"), winners[0]);
  });

  test("replaces an object with put", async (store) => {
    await store.put("a/b", bodyOf(encoder.encode("one")));
    await store.put("a/b", bodyOf(encoder.encode("four")));
    assert.equal(await textAt(store, "a/b"), "four");
    assert.deepEqual(await store.putIfAbsent("a/b", encoder.encode("x")), { kind: "exists" });
  });

  test("copies the bytes that it is given", async (store) => {
    const bytes = encoder.encode("abc");
    await store.putIfAbsent("a", bytes);
    await store.put("b", bodyOf(bytes));
    bytes.fill(0);
    assert.equal(await textAt(store, "a"), "abc");
    assert.equal(await textAt(store, "b"), "abc");
  });

  test("writes a large object in parts", async (store) => {
    const bytes = new Uint8Array(3 * 1024 * 1024 + 17);
    new Random(1).fill(bytes);
    const body = bodyOf(bytes);
    // A store must be done with a part before it reads the next one.
    const part = new Uint8Array(bytes.length);
    const read = (offset: number, length: number) => {
      const at = part.subarray(0, length);
      at.set(body.read(offset, length));
      return at;
    };
    await store.put("large", { size: bytes.length, read });
    const found = await store.get("large");
    assert(found.kind === "found" && found.size === bytes.length);
    assert(bytes.every((byte, i) => byte === found.bytes[i]));
  });

  test("deletes an object, and does nothing if there is none", async (store) => {
    await store.put("a/b", bodyOf(encoder.encode("x")));
    await store.delete("a/b");
    await store.delete("a/b");
    await store.delete("c/d/e");
    assert.equal(await textAt(store, "a/b"), undefined);
    assert.deepEqual(await store.putIfAbsent("a/b", encoder.encode("y")), { kind: "created" });
  });
}

function reading(test: Test): void {
  test("reports an absent object", async (store) => {
    assert.deepEqual(await store.get("a/b"), { kind: "absent" });
    await store.put("a/b", bodyOf(new Uint8Array()));
    assert.deepEqual(await store.get("a/c", { offset: 0, length: 5 }), { kind: "absent" });
    assert.deepEqual(await store.get("a/b/c"), { kind: "absent" });
  });

  test("reads ranges, up to the end of the object", async (store) => {
    await store.put("a", bodyOf(encoder.encode("0123456789")));
    for (const [offset, length, text] of [[0, 3, "012"], [4, 1, "4"], [7, 9, "789"], [0, 10, "0123456789"]] as const) {
      const found = await store.get("a", { offset, length });
      assert(found.kind === "found" && found.size === 10);
      assert.equal(decoder.decode(found.bytes), text);
    }
  });

  test("reads an empty object", async (store) => {
    await store.put("empty", bodyOf(new Uint8Array()));
    const found = await store.get("empty");
    assert(found.kind === "found" && found.size === 0 && found.bytes.length === 0);
  });
}

function listing(test: Test, replyObjects: number): void {
  test("lists the objects of a prefix in order, with their sizes", async (store) => {
    const keys = ["a/b", "a-b", "a/b-c/d", "a/b.c", "a0", "b/1", "b/10", "b/2", "a/b-c/0"];
    for (const [i, key] of keys.entries()) await store.put(key, bodyOf(new Uint8Array(i)));
    const expected = [...keys].sort().map((key) => ({ key, size: keys.indexOf(key) }));
    assert.deepEqual(await listed(store), expected);
    for (const prefix of ["a", "a/", "a/b", "a/b-", "b/1", "b/1/", "c"]) {
      assert.deepEqual(await listed(store, prefix), expected.filter(({ key }) => key.startsWith(prefix)), prefix);
    }
  });

  test("lists nothing in an empty store", async (store) => {
    assert.deepEqual(await listed(store), []);
  });

  test("lists more objects than fit in one reply", async (store) => {
    const keys = Array.from({ length: replyObjects + 3 }, (_, i) => `many/${String(i).padStart(5, "0")}`);
    for (const key of keys) await store.putIfAbsent(key, new Uint8Array());
    assert.deepEqual((await listed(store, "many/")).map(({ key }) => key), keys);
  });
}

function refusals(test: Test): void {
  test("refuses keys that could leave its folder", async (store) => {
    for (const key of ["", "/a", "a/", "a//b", "../a", "a/../b", ".", "a/.b", "a b", "ä", "a\\b", "a".repeat(1025)]) {
      await assert.rejects(store.putIfAbsent(key, new Uint8Array()), { code: "INVALID_ARGUMENT" }, key);
      await assert.rejects(store.get(key), { code: "INVALID_ARGUMENT" }, key);
    }
    assert.deepEqual(await listed(store), []);
  });

  test("ends a request with the reason of its signal", async (store) => {
    const reason = new Error("stopped");
    const options = { signal: AbortSignal.abort(reason) };
    const isReason = (error: unknown) => error === reason;
    await store.put("a", bodyOf(encoder.encode("x")));
    await assert.rejects(store.putIfAbsent("b", new Uint8Array(), options), isReason);
    await assert.rejects(store.put("b", bodyOf(new Uint8Array()), options), isReason);
    await assert.rejects(store.get("a", undefined, options), isReason);
    await assert.rejects(store.delete("a", options), isReason);
    await assert.rejects(async () => {
      for await (const _ of store.list("", options));
    }, isReason);
    assert.deepEqual((await listed(store)).map(({ key }) => key), ["a"]);
  });
}
