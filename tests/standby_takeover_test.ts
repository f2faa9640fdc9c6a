/** A standby, and what happens around it: takeovers, gaps, other logs, and its promotion. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import { archive, FolderStore, MemoryStore, restore, standby } from "../src/archive/mod.ts";
import { Archiver } from "../src/archive/archiver.ts";
import { LogView } from "../src/archive/log_view.ts";
import { ArchivedLog, textEntry } from "./archived_log.ts";
import { Follower, WARM } from "./follower.ts";
import { fingerprint } from "./simulated_log.ts";
import { inTemporaryFolder } from "./temporary.ts";

describe("a standby", () => {
  it("goes on when the log was killed or lost power, and another archiver has taken over", async () => {
    for (const how of ["crashed", "killed", "closed"] as const) {
      const archived = new ArchivedLog();
      const follower = new Follower(archived.store);
      for (let i = 0; i < 8; i++) {
        archived.append(20);
        await archived.archive();
        await follower.update();
        archived.append(3);
        if (i % 2 === 0) archived.log.syncSync();
        archived.append(1);
        await archived.archiver.step();
        if (i % 3 === 0) await follower.update();
        archived.reopen(how);
        await archived.archive();
        if (i === 5) follower.end("killed");
        await follower.update();
        follower.requireSame(fingerprint(archived.log));
      }
      assert(archived.archiver.generation > 8);
    }
  });

  it("replaces its log if the log was compacted before it was archived", async () => {
    const archived = new ArchivedLog();
    const follower = new Follower(archived.store);
    archived.append(50);
    await archived.archive();
    await follower.update();
    const { incarnation } = follower.open().identity;
    archived.append(400);
    archived.log.compact(440, { data: new Uint8Array(10) });
    archived.append(5);
    archived.prove();
    archived.reopen("closed");
    await archived.archive();
    await follower.update();
    follower.requireSame(fingerprint(archived.log));
    assert.equal(follower.open().identity.incarnation, incarnation);
  });

  it("takes the entries before missing objects, and says that they are missing", async () => {
    const store = new MemoryStore();
    const archived = new ArchivedLog(store);
    const follower = new Follower(store);
    archived.append(50);
    await archived.archive();
    await follower.update();
    archived.append(500);
    await archived.archive();
    const keys = [...store.objects.keys()].filter((key) => key.includes("/segments/")).sort();
    store.objects.delete(keys.at(-3)!);
    await assert.rejects(follower.update(), { code: "CORRUPT", message: /beyond index \d+: objects are missing/ });
    const { lastIndex } = follower.open();
    assert(lastIndex > 300 && lastIndex < 550, `${lastIndex}`);
    // A snapshot covers them.
    archived.log.compact(549, { data: new Uint8Array(10) });
    await archived.archive();
    await follower.update();
    follower.requireSame(fingerprint(archived.log));
  });

  it("takes nothing from a damaged object", async () => {
    const store = new MemoryStore();
    const archived = new ArchivedLog(store);
    const follower = new Follower(store);
    archived.append(5);
    await archived.archive();
    await follower.update();
    archived.append(5);
    await archived.archive();
    const [key, bytes] = [...store.objects].filter(([key]) => key.includes("/segments/")).sort().at(-1)!;
    store.objects.set(key, bytes.map((byte, i) => i === 100 ? byte ^ 1 : byte));
    await assert.rejects(follower.update(), { code: "CORRUPT", path: key });
    assert.equal(follower.open().lastIndex, 5);
    store.objects.set(key, bytes);
    await follower.update();
    follower.requireSame(fingerprint(archived.log));
  });

  it("refuses the archive of another log, and one that lacks its entries", async () => {
    const [one, other] = [new ArchivedLog(), new ArchivedLog(undefined, {}, 2)];
    for (const archived of [one, other]) {
      archived.append(10);
      await archived.archive();
    }
    const follower = new Follower(one.store);
    await follower.update();
    const stranger = new Follower(other.store);
    Object.assign(stranger, { disk: follower.disk });
    follower.end("killed");
    await assert.rejects(stranger.update(), { code: "DIVERGED", message: /the archive of another log/ });

    const objects = new Map((one.store as MemoryStore).objects);
    one.append(5);
    await one.archive();
    follower.end("killed");
    await follower.update();
    Object.assign(one.store, { objects });
    await assert.rejects(follower.update(), { code: "DIVERGED", message: /it ends before index 15/ });
    assert.equal(follower.open().lastIndex, 15);
  });

  it("refuses a folder with a log that was opened for writing", async () => {
    const archived = new ArchivedLog();
    archived.append(10);
    await archived.archive();
    const follower = new Follower(archived.store);
    const { fileSystem } = follower.disk;
    await restore(archived.store, WARM, { fileSystem });
    await assert.rejects(follower.update(), { code: "INVALID_ARGUMENT", message: /was opened for writing/ });
    const path = "/other.wal";
    WalLog.openSync(path, { fileSystem }).closeSync();
    await assert.rejects(standby(archived.store, path, { fileSystem }), { code: "INVALID_ARGUMENT" });
  });

  it("refuses a folder whose log is damaged", async () => {
    const archived = new ArchivedLog();
    archived.append(300);
    await archived.archive();
    const follower = new Follower(archived.store);
    await follower.update();
    follower.end("killed");
    follower.disk.flip(`${WARM}/000000000002.seg`, 17_000);
    await assert.rejects(follower.update(), { code: "CORRUPT", message: /segment 2 is damaged at offset \d+; delete/ });
  });

  it("is promoted to a log that is archived as the next generation, which another standby follows", async () => {
    const archived = new ArchivedLog();
    const follower = new Follower(archived.store);
    archived.append(30);
    await archived.archive();
    await follower.update();
    archived.append(5);
    await archived.archive();
    await follower.update();
    const second = new Follower(archived.store);
    await second.update();
    follower.end("killed");
    const { fileSystem } = follower.disk;
    const log = WalLog.openSync(WARM, { fileSystem, segmentBytes: 4096 });
    assert.equal(log.recovery.verdict, "clean");
    const archiver = new Archiver(archived.store, new LogView(fileSystem, WARM), "token-promoted");
    for (let i = 0; i < 3; i++) {
      log.append([textEntry(log.lastIndex + 1, 2)]);
      log.syncSync();
      follower.disk.idle();
      log.syncSync();
      await archiver.step();
      await second.update();
      second.requireSame(fingerprint(log));
    }
    assert.equal(archiver.generation, 2);
    // The old log went on: it cannot be archived there.
    archived.append(1);
    await assert.rejects(archived.archive(), { code: "FENCED" });
  });
});

describe("standby()", () => {
  it("waits for an archive, follows it, and is promoted without it", () =>
    inTemporaryFolder(async (folder) => {
      const store = new FolderStore(join(folder, "store"));
      const warm = await standby(store, join(folder, "warm.wal"), { intervalMilliseconds: 1 });
      assert.deepEqual([warm.lastIndex, warm.lag], [0, { entries: 0, seconds: Infinity }]);
      await assert.rejects(standby(store, join(folder, "warm.wal")), { code: "LOCKED" });
      const log = await WalLog.open(join(folder, "raft.wal"));
      const archiving = archive(log, store, { intervalMilliseconds: 1 });
      for (let index = 1; index <= 5; index++) {
        log.append([textEntry(index)]);
        await log.sync();
        await warm.reached(index);
      }
      assert(warm.lag.seconds < Infinity);
      const values = warm.metrics("x").map((
        { name, samples: [sample] },
      ) => [name, (sample as { value: number }).value]);
      assert.deepEqual(Object.fromEntries(values).wallog_standby_last_index, 5);
      const waiting = assert.rejects(warm.reached(6), { code: "CLOSED" });
      await archiving.close();
      store.list = () => {
        throw new Error("the store is out of reach");
      };
      const promoted = await warm.promote();
      await waiting;
      await warm.closed;
      assert.equal(fingerprint(promoted), fingerprint(log));
      assert.equal(promoted.identity.log, log.identity.log);
      assert.notEqual(promoted.identity.incarnation, log.identity.incarnation);
      promoted.append([textEntry(6, 2)]);
      await promoted.close();
      await log.close();
    }));

  it("ends with DIVERGED, and refuses wrong options", () =>
    inTemporaryFolder(async (folder) => {
      const stores = [1, 2].map((number) => new FolderStore(join(folder, `store-${number}`)));
      for (const [i, store] of stores.entries()) {
        await using log = await WalLog.open(join(folder, `${i}.wal`));
        await using archiving = archive(log, store, { intervalMilliseconds: 1 });
        log.append([textEntry(1)]);
        await log.sync();
        await archiving.archived(1);
      }
      const path = join(folder, "warm.wal");
      {
        await using warm = await standby(stores[0]!, path);
        await warm.reached(1);
      }
      const warm = await standby(stores[1]!, path);
      await assert.rejects(warm.closed, { code: "DIVERGED" });
      assert.equal(warm.failure?.code, "DIVERGED");
      await assert.rejects(warm.reached(2), { code: "DIVERGED" });
      for (const options of [{ intervalMilliseconds: 0 }, { concurrency: 0 }, { interval: 1 }]) {
        await assert.rejects(standby(stores[0]!, path, options), { code: "INVALID_ARGUMENT" });
      }
    }));
});
