/** A store in memory that counts requests. */

import { MemoryStore } from "../src/archive/mod.ts";

/** The kinds of requests. `put` includes the conditional one. */
export type RequestKind = "put" | "get" | "list" | "delete";

/** A store in memory that counts requests. A list is one request for each 1,000 objects, as in S3. */
export class CountingStore extends MemoryStore {
  readonly counts: Record<RequestKind, number> = { put: 0, get: 0, list: 0, delete: 0 };

  override putIfAbsent(...args: Parameters<MemoryStore["putIfAbsent"]>) {
    this.counts.put++;
    return super.putIfAbsent(...args);
  }

  override put(...args: Parameters<MemoryStore["put"]>) {
    this.counts.put++;
    return super.put(...args);
  }

  override get(...args: Parameters<MemoryStore["get"]>) {
    this.counts.get++;
    return super.get(...args);
  }

  override async *list(...args: Parameters<MemoryStore["list"]>) {
    let found = 0;
    for await (const object of super.list(...args)) {
      if (found++ % 1000 === 0) this.counts.list++;
      yield object;
    }
    if (found === 0) this.counts.list++;
  }

  override delete(...args: Parameters<MemoryStore["delete"]>) {
    this.counts.delete++;
    return super.delete(...args);
  }

  /** Runs a function; returns the requests that it made. */
  async during(body: () => Promise<void>): Promise<Record<RequestKind, number>> {
    const before = { ...this.counts };
    await body();
    const { put, get, list, delete: deleted } = this.counts;
    return {
      put: put - before.put,
      get: get - before.get,
      list: list - before.list,
      delete: deleted - before.delete,
    };
  }
}
