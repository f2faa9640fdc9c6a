/** Restoring in parallel, and going on with a restore that was interrupted. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { WalLog, WalLogError } from "../mod.ts";
import { FolderStore, MemoryStore, restore } from "../src/archive/mod.ts";
import { HEADER_OFFSETS, SECTOR_BYTES } from "../src/format/header_block.ts";
import { segmentName } from "../src/format/segment_name.ts";
import { locateRuntime, RUNTIME_NAMES } from "../scripts/runtimes.ts";
import { ArchivedLog } from "./archived_log.ts";
import { fingerprint } from "./simulated_log.ts";
import { inTemporaryFolder } from "./temporary.ts";

const CHILD = fileURLToPath(new URL("restore_child.ts", import.meta.url));

/** A store in memory that answers later, fails at one request, and records the pieces that it has delivered. */
class ObservedStore extends MemoryStore {
  /** The request that fails, counted from 1. */
  failAt = Infinity;
  requests = 0;
  delivered: string[] = [];
  atOnce = 0;
  atOnceMax = 0;

  override async get(...[key, range]: Parameters<MemoryStore["get"]>) {
    this.count();
    this.atOnceMax = Math.max(this.atOnceMax, ++this.atOnce);
    for (let i = 0; i < 1 + key.length % 3; i++) await setImmediate();
    this.atOnce--;
    const result = await super.get(key, range);
    if (key.startsWith("generations/")) this.delivered.push(key);
    return result;
  }

  override async *list(...[prefix]: Parameters<MemoryStore["list"]>) {
    this.count();
    yield* super.list(prefix);
  }

  private count(): void {
    if (++this.requests === this.failAt) throw new WalLogError("STORE", "the connection was lost");
  }
}

/** A log with several segments, some of them in pieces, and a snapshot. */
async function archivedLog(store = new ObservedStore()): Promise<ArchivedLog> {
  const archived = new ArchivedLog(store);
  archived.append(500);
  await archived.archive();
  archived.log.compact(30, { data: new Uint8Array(5000).fill(7) });
  for (let i = 0; i < 5; i++) {
    archived.append(20);
    await archived.archive();
  }
  return archived;
}

describe("a restore", () => {
  it("goes on after a failure at any request, and reads no object again", async () => {
    const archived = await archivedLog();
    const store = archived.store as ObservedStore;
    const { fileSystem } = archived.disk;
    const expected = fingerprint(archived.log);
    for (let failAt = 1;; failAt++) {
      Object.assign(store, { failAt, requests: 0, delivered: [] });
      const path = `/failed-${failAt}.wal`;
      const first = await restore(store, path, { fileSystem }).then(() => undefined, (error) => error);
      if (first === undefined) {
        assert(failAt > 15, `only ${failAt} requests`);
        break;
      }
      assert.equal(first.code, "STORE");
      assert.equal(store.atOnce, 0, "a request goes on after the restore has failed");
      assert.throws(() => WalLog.openSync(path, { fileSystem, readOnly: true, create: false }), { code: "NOT_FOUND" });
      store.failAt = Infinity;
      await restore(store, path, { fileSystem });
      const log = WalLog.openSync(path, { fileSystem, readOnly: true });
      assert.equal(log.recovery.verdict, "clean");
      assert.equal(fingerprint(log), expected);
      assert.equal(new Set(store.delivered).size, store.delivered.length, `request ${failAt}`);
    }
  });

  it("repairs the first copy of a header in a file that it goes on with", async () => {
    const archived = await archivedLog();
    const store = archived.store as ObservedStore;
    const { disk, disk: { fileSystem } } = archived;
    const path = "/again.wal";
    // The last request fails.
    store.requests = 0;
    await restore(store, "/whole.wal", { fileSystem });
    const { requests } = store;
    Object.assign(store, { failAt: requests, requests: 0, delivered: [] });
    await assert.rejects(restore(store, path, { fileSystem }), { code: "STORE" });
    const segments = disk.files().filter((name) => name.startsWith(`${path}/`) && name.includes(segmentName(1)));
    assert.equal(segments.length, 1);
    const file = fileSystem.open(segments[0]!, "write");
    file.write(new Uint8Array(SECTOR_BYTES), HEADER_OFFSETS[0]);
    file.close();
    store.failAt = Infinity;
    await restore(store, path, { fileSystem });
    assert.equal(new Set(store.delivered).size, store.delivered.length);
    const log = WalLog.openSync(path, { fileSystem, readOnly: true });
    assert.equal(log.recovery.verdict, "clean");
    assert.equal(fingerprint(log), fingerprint(archived.log));
  });

  it("reads several objects at the same time, and no more than wanted", async () => {
    const archived = await archivedLog();
    const store = archived.store as ObservedStore;
    for (const concurrency of [1, 3, undefined]) {
      store.atOnceMax = 0;
      await archived.restored(concurrency === undefined ? {} : { concurrency });
      assert.equal(store.atOnceMax, concurrency ?? 4);
    }
    for (const concurrency of [0, 65, 1.5, NaN]) {
      await assert.rejects(archived.restored({ concurrency }), { code: "INVALID_ARGUMENT", message: /concurrency/ });
    }
  });

  it("does not fail because of a later object that is not needed", async () => {
    const archived = await archivedLog();
    const store = archived.store as ObservedStore;
    const toTime = archived.disk.fileSystem.now();
    archived.disk.idle();
    for (let i = 0; i < 5; i++) {
      archived.append(200);
      await archived.archive();
    }
    const last = [...store.objects.keys()].filter((key) => key.includes("/segments/")).sort().at(-1)!;
    const bytes = store.objects.get(last)!;
    store.objects.set(last, new Uint8Array(bytes.length));
    assert((await archived.restored({ toTime })).lastIndex < 1000);
    await assert.rejects(archived.restored(), { code: "CORRUPT", path: last });
  });

  it("goes on after its process was killed, in another runtime", () =>
    inTemporaryFolder(async (folder) => {
      const archived = await archivedLog();
      const { objects } = archived.store as ObservedStore;
      const store = new FolderStore(join(folder, "store"));
      for (const [key, bytes] of objects) await store.putIfAbsent(key, bytes);
      const path = join(folder, "again.wal");
      let kills = 0;
      for (let at = 1; at < 100; at += 3) {
        const [binary, ...prefix] = locateRuntime(RUNTIME_NAMES[kills % RUNTIME_NAMES.length]!).run;
        const { status, signal, stderr } = spawnSync(binary, [...prefix, CHILD, store.name, path, String(at)], {
          encoding: "utf8",
        });
        if (status === 0) break;
        assert(signal === "SIGKILL" || status === 137, stderr);
        kills++;
      }
      assert(kills >= 3, `${kills} kills`);
      const log = await WalLog.open(path, { readOnly: true, create: false });
      assert.equal(log.recovery.verdict, "clean");
      assert.equal(fingerprint(log), fingerprint(archived.log));
      await log.close();
    }));
});
