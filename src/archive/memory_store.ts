/**
 * An object store in memory, for tests.
 *
 * @module
 */

import type {
  GetResult,
  ListedObject,
  ObjectBody,
  ObjectRange,
  ObjectStore,
  PutResult,
  RequestOptions,
} from "./object_store.ts";
import { checkKey } from "./store_key.ts";

/**
 * An object store in memory, for tests of programs that archive their log.
 *
 * @example
 * ```ts
 * import { MemoryStore } from "@wallog/wallog/archive";
 * import assert from "node:assert/strict";
 *
 * const store = new MemoryStore();
 * assert.deepEqual(await store.putIfAbsent("a/b", new Uint8Array([1, 2, 3])), { kind: "created" });
 * assert.deepEqual(await store.putIfAbsent("a/b", new Uint8Array([4])), { kind: "exists" });
 * const found = await store.get("a/b", { offset: 1, length: 1 });
 * assert.deepEqual(found, { kind: "found", bytes: new Uint8Array([2]), size: 3 });
 * ```
 */
export class MemoryStore implements ObjectStore {
  /** The place of the objects, for messages. */
  readonly name = "memory://";
  /** The objects. A test may change them. */
  readonly objects: Map<string, Uint8Array<ArrayBuffer>> = new Map();

  /** As {@link ObjectStore.putIfAbsent}. */
  // deno-lint-ignore require-await -- so that every error is a rejection
  async putIfAbsent(key: string, bytes: Uint8Array, options?: RequestOptions): Promise<PutResult> {
    options?.signal?.throwIfAborted();
    checkKey(key);
    if (this.objects.has(key)) return { kind: "exists" };
    this.objects.set(key, bytes.slice());
    return { kind: "created" };
  }

  /** As {@link ObjectStore.put}. */
  // deno-lint-ignore require-await -- so that every error is a rejection
  async put(key: string, body: ObjectBody, options?: RequestOptions): Promise<void> {
    options?.signal?.throwIfAborted();
    checkKey(key);
    this.objects.set(key, body.read(0, body.size).slice());
  }

  /** As {@link ObjectStore.get}. */
  // deno-lint-ignore require-await -- so that every error is a rejection
  async get(key: string, range?: ObjectRange, options?: RequestOptions): Promise<GetResult> {
    options?.signal?.throwIfAborted();
    checkKey(key);
    const bytes = this.objects.get(key);
    if (bytes === undefined) return { kind: "absent" };
    const { offset, length } = range ?? { offset: 0, length: bytes.length };
    return { kind: "found", bytes: bytes.slice(offset, offset + length), size: bytes.length };
  }

  /** As {@link ObjectStore.list}. */
  async *list(prefix: string, options?: RequestOptions): AsyncGenerator<ListedObject, void> {
    for (const key of [...this.objects.keys()].filter((key) => key.startsWith(prefix)).sort()) {
      options?.signal?.throwIfAborted();
      const bytes = this.objects.get(key);
      if (bytes !== undefined) yield { key, size: bytes.length };
    }
  }

  /** As {@link ObjectStore.delete}. */
  // deno-lint-ignore require-await -- so that every error is a rejection
  async delete(key: string, options?: RequestOptions): Promise<void> {
    options?.signal?.throwIfAborted();
    checkKey(key);
    this.objects.delete(key);
  }
}
