/** The entries that an archive releases for compaction. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { WalLog } from "../mod.ts";
import { archive, MemoryStore, type ObjectBody } from "../src/archive/mod.ts";
import { ArchivedLog, textEntry } from "./archived_log.ts";
import { inTemporaryFolder } from "./temporary.ts";

/** A store that calls back before it writes. */
class PausingStore extends MemoryStore {
  onPut: (key: string) => void = () => {};

  override put(key: string, body: ObjectBody): Promise<void> {
    this.onPut(key);
    return super.put(key, body);
  }
}

describe("an archive of a log in another process", () => {
  it("does not report an entry as archived that was replaced before the call", async () => {
    await inTemporaryFolder(async (folder) => {
      const store = new PausingStore();
      await using log = await WalLog.open(join(folder, "log"));
      log.append([1, 2, 3, 4, 5].map((index) => textEntry(index)));
      await log.sync();
      await using reader = await WalLog.open(log.path, { readOnly: true });
      // The disk must prove the entries, so that the first step archives them. No other step follows.
      for (; reader.durableIndex < 5; await reader.refresh()) await setTimeout(1);
      await using archiving = archive(reader, store, { intervalMilliseconds: 1_000_000 });
      while (archiving.archivedIndex < 5) await setTimeout(1);
      await archiving.archived(5);
      log.truncate(4);
      log.append([4, 5].map((index) => textEntry(index, 2)));
      log.syncSync();
      const ending = new AbortController();
      const waiting = archiving.archived(4, { signal: ending.signal });
      await archiving.archived(3);
      ending.abort(new Error("not archived"));
      await assert.rejects(waiting, { message: "not archived" });
    });
  });

  it("lowers the archived index with the next step, and raises it when the new entries are archived", async () => {
    const store = new PausingStore();
    const archived = new ArchivedLog(store);
    archived.append(5);
    await archived.archive();
    archived.log.truncate(3);
    archived.append(3, 2);
    let lowest = Infinity;
    store.onPut = () => void (lowest = Math.min(lowest, archived.archiver.archivedIndex));
    await archived.archive();
    assert.equal(lowest, 2);
    assert.equal(archived.archiver.archivedIndex, 5);
  });
});

describe("an archive", () => {
  it("does not release entries that replaced archived ones while they were written to the store", async () => {
    await inTemporaryFolder(async (folder) => {
      const store = new PausingStore();
      await using log = await WalLog.open(join(folder, "log"));
      log.append([1, 2, 3, 4, 5].map((index) => textEntry(index)));
      await log.sync();
      await using archiving = archive(log, store, { intervalMilliseconds: 5 });
      const { promise: seen, resolve } = Promise.withResolvers<number>();
      store.onPut = (key) => {
        if (!key.includes("/segments/") || !key.includes("-0000000000000006-")) return;
        store.onPut = () => resolve(archiving.archivedIndex);
        // The piece has entries 1 to 5 of term 1.
        log.truncate(3);
        log.append([3, 4, 5].map((index) => textEntry(index, 2)));
        log.syncSync();
      };
      assert((await seen) <= 2, `reported ${await seen}`);
      await archiving.archived(5);
      assert.equal(archiving.archivedIndex, 5);
    });
  });
});
