/** Archiving in the background. */

import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { cpSync, renameSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { describe, it } from "node:test";
import { prometheusText, WalLog, WalLogError, type WalLogEvents } from "../mod.ts";
import { archive, FolderStore, MemoryStore, restore } from "../src/archive/mod.ts";
import { textEntry } from "./archived_log.ts";
import { fingerprint } from "./simulated_log.ts";
import { inTemporaryFolder } from "./temporary.ts";

const FAST = { intervalMilliseconds: 5 };

/** Appends entries and makes them durable. */
async function write(log: WalLog, count: number): Promise<void> {
  const first = log.lastIndex + 1;
  log.append(Array.from({ length: count }, (_, i) => textEntry(first + i)));
  await log.sync();
}

/** How long to wait for a rejection, in milliseconds. */
const PATIENCE_MS = 30_000;

/** The code of the error that a promise rejects with. */
async function codeOf(promise: Promise<unknown>): Promise<string> {
  const ending = new AbortController();
  try {
    await Promise.race([promise, setTimeout(PATIENCE_MS, undefined, { signal: ending.signal })]);
  } catch (error) {
    assert(error instanceof WalLogError, String(error));
    return error.code;
  } finally {
    ending.abort();
  }
  throw new Error("it did not reject");
}

/** A store whose requests fail. */
class FailingStore extends MemoryStore {
  failures = 0;

  override put(...args: Parameters<MemoryStore["put"]>): Promise<void> {
    if (this.failures-- > 0) return Promise.reject(new WalLogError("STORE", "Cannot write: no connection"));
    return super.put(...args);
  }
}

/** A store that ignores the condition. */
class CarelessStore extends MemoryStore {
  override async putIfAbsent(...[key, bytes]: Parameters<MemoryStore["putIfAbsent"]>) {
    await this.delete(key);
    return await super.putIfAbsent(key, bytes);
  }
}

describe("a log that is archived", () => {
  it("can be restored with everything that was reported as archived", async () => {
    await inTemporaryFolder(async (folder) => {
      const store = new FolderStore(join(folder, "store"));
      await using log = await WalLog.open(join(folder, "log"), { segmentBytes: 4096 });
      await using archiving = archive(log, store, FAST);
      for (let round = 0; round < 5; round++) {
        await write(log, 40);
        await archiving.archived(log.lastIndex);
        assert.equal(archiving.archivedIndex, log.lastIndex);
        assert.deepEqual(archiving.lag.entries, 0);
      }
      await restore(store, join(folder, "restored"));
      await using restored = await WalLog.open(join(folder, "restored"), { create: false });
      assert.equal(restored.recovery.verdict, "clean");
      assert.equal(fingerprint(restored), fingerprint(log));
    });
  });

  it("is not reported as archived if another store is in the place of its store", async () => {
    await inTemporaryFolder(async (folder) => {
      const place = join(folder, "store");
      await using log = await WalLog.open(join(folder, "log"));
      await using archiving = archive(log, new FolderStore(place), FAST);
      await write(log, 20);
      await archiving.archived(20);
      // As if its volume was no longer mounted.
      renameSync(place, join(folder, "unmounted"));
      await write(log, 20);
      assert.equal(await codeOf(archiving.archived(40)), "NOT_FOUND");
      assert.equal(await codeOf(archiving.closed), "NOT_FOUND");
    });
  });

  it("is not compacted before its entries are archived", async () => {
    await inTemporaryFolder(async (folder) => {
      const store = new FailingStore();
      store.failures = Infinity;
      await using log = await WalLog.open(join(folder, "log"), { segmentBytes: 4096 });
      await using archiving = archive(log, store, FAST);
      await write(log, 200);
      log.compact(150);
      assert.equal(log.firstIndex, 1);
      assert.deepEqual(log.retentions.map(({ name }) => name), ["archive"]);
      store.failures = 0;
      await archiving.archived(200);
      assert.equal(log.firstIndex, 151);
      await archiving.close();
      assert.deepEqual(log.retentions, []);
    });
  });

  it("can be archived from another process, through a log opened for reading only", async () => {
    await inTemporaryFolder(async (folder) => {
      const store = new MemoryStore();
      await using log = await WalLog.open(join(folder, "log"), { segmentBytes: 4096 });
      await using reader = await WalLog.open(join(folder, "log"), { readOnly: true });
      await using archiving = archive(reader, store, FAST);
      await write(log, 200);
      await archiving.archived(200);
      await restore(store, join(folder, "restored"));
      await using restored = await WalLog.open(join(folder, "restored"), { readOnly: true });
      assert.equal(fingerprint(restored), fingerprint(log));
    });
  });

  it("is archived to its end after it was closed", async () => {
    await inTemporaryFolder(async (folder) => {
      const store = new FailingStore();
      store.failures = Infinity;
      const log = await WalLog.open(join(folder, "log"), { segmentBytes: 4096 });
      await using archiving = archive(log, store, FAST);
      await write(log, 200);
      log.truncate(150);
      log.append([textEntry(150, 2)]);
      log.compact(100);
      await log.close();
      store.failures = 0;
      await archiving.archived(150);
      while (archiving.lag.entries + archiving.lag.bytes > 0) await setTimeout(1);
      assert.equal(archiving.archivedIndex, 150);
      await restore(store, join(folder, "restored"));
      await using restored = await WalLog.open(join(folder, "restored"), { readOnly: true });
      await using closed = await WalLog.open(join(folder, "log"), { readOnly: true });
      assert.equal(fingerprint(restored), fingerprint(closed));
    });
  });

  it("waits for a new entry at the index of a truncated one", async () => {
    await inTemporaryFolder(async (folder) => {
      const store = new FailingStore();
      await using log = await WalLog.open(join(folder, "log"));
      await using archiving = archive(log, store, FAST);
      await write(log, 10);
      await archiving.archived(10);
      store.failures = Infinity;
      log.truncate(5);
      log.append([5, 6, 7, 8, 9, 10].map((index) => textEntry(index, 2)));
      await log.sync();
      assert.equal(archiving.archivedIndex, 4);
      const waiting = archiving.archived(10);
      store.failures = 0;
      await waiting;
      await restore(store, join(folder, "restored"));
      await using restored = await WalLog.open(join(folder, "restored"), { readOnly: true });
      assert.equal(fingerprint(restored), fingerprint(log));
    });
  });

  it("goes on after failures of the store, and reports them", async () => {
    await inTemporaryFolder(async (folder) => {
      const store = new FailingStore();
      const failures: WalLogEvents["wallog:archive-failure"][] = [];
      const onFailure = (message: unknown) => void failures.push(message as (typeof failures)[number]);
      subscribe("wallog:archive-failure", onFailure);
      await using log = await WalLog.open(join(folder, "log"));
      await using archiving = archive(log, store, FAST);
      store.failures = 3;
      await write(log, 10);
      await archiving.archived(10);
      unsubscribe("wallog:archive-failure", onFailure);
      assert.equal(failures.length, 3);
      assert.deepEqual(failures.map(({ error, willRetry }) => [error.code, willRetry])[0], ["STORE", true]);
      assert.equal(archiving.failure, undefined);
      assert.match(
        prometheusText(archiving.metrics("m")),
        /^wallog_archive_failures_total\{log="m",archive="archive"\} 3$/m,
      );
    });
  });

  it("publishes an event for each step that wrote something", async () => {
    await inTemporaryFolder(async (folder) => {
      const events: WalLogEvents["wallog:archive"][] = [];
      const onArchive = (message: unknown) => void events.push(message as (typeof events)[number]);
      subscribe("wallog:archive", onArchive);
      await using log = await WalLog.open(join(folder, "log"));
      await using archiving = archive(log, new MemoryStore(), FAST);
      await write(log, 10);
      await archiving.archived(10);
      unsubscribe("wallog:archive", onArchive);
      assert.equal(events.at(-1)?.archivedIndex, 10);
      assert.equal(events.at(-1)?.store, "memory://");
    });
  });

  it("reports how far the archive is behind", async () => {
    await inTemporaryFolder(async (folder) => {
      const store = new FailingStore();
      store.failures = Infinity;
      await using log = await WalLog.open(join(folder, "log"));
      await using archiving = archive(log, store, FAST);
      await write(log, 10);
      while (archiving.lag.bytes === 0) await setTimeout(1);
      assert.equal(archiving.lag.entries, 10);
      assert(archiving.lag.seconds > 0);
      assert.match(prometheusText(archiving.metrics("m")), /^wallog_archive_lag_entries\{.*\} 10$/m);
    });
  });

  it("ends waits with their signal, and when archiving ends", async () => {
    await inTemporaryFolder(async (folder) => {
      await using log = await WalLog.open(join(folder, "log"));
      const archiving = archive(log, new MemoryStore(), FAST);
      const ending = new AbortController();
      const aborted = archiving.archived(1, { signal: ending.signal });
      const waiting = archiving.archived(1);
      ending.abort(new Error("enough"));
      await assert.rejects(aborted, { message: "enough" });
      const code = codeOf(waiting);
      await archiving.close();
      assert.equal(await code, "CLOSED");
      assert.equal(await codeOf(archiving.archived(1)), "CLOSED");
      await archiving.closed;
    });
  });

  it("refuses wrong options", async () => {
    await inTemporaryFolder(async (folder) => {
      await using log = await WalLog.open(join(folder, "log"));
      const store = new MemoryStore();
      for (const options of [{ interval: 1 }, { intervalMilliseconds: 0 }, { intervalMilliseconds: NaN }]) {
        assert.throws(() => archive(log, store, options), { code: "INVALID_ARGUMENT" });
      }
      await using first = archive(log, store, FAST);
      assert.throws(() => archive(log, store, FAST), { code: "INVALID_ARGUMENT" });
      await first.close();
    });
  });
});

describe("an archive", () => {
  it("belongs to the archiver that claimed it last", async () => {
    await inTemporaryFolder(async (folder) => {
      const store = new MemoryStore();
      await using log = await WalLog.open(join(folder, "log"));
      await using first = archive(log, store, FAST);
      await write(log, 10);
      await first.archived(10);
      await using second = archive(log, store, { ...FAST, name: "second" });
      assert.equal(await codeOf(first.closed), "FENCED");
      assert.equal(await codeOf(first.archived(11)), "FENCED");
      await write(log, 10);
      await second.archived(20);
      assert.deepEqual(log.retentions.map(({ name }) => name), ["second"]);
    });
  });

  it("refuses another log, and the archiver of its own log goes on", async () => {
    await inTemporaryFolder(async (folder) => {
      const store = new MemoryStore();
      await using log = await WalLog.open(join(folder, "log"));
      await using own = archive(log, store, FAST);
      await write(log, 10);
      await own.archived(10);
      await using other = await WalLog.open(join(folder, "other"));
      await write(other, 20);
      await using foreign = archive(other, store, FAST);
      assert.equal(await codeOf(foreign.closed), "DIVERGED");
      await write(log, 10);
      await own.archived(20);
    });
  });

  it("refuses a copy of its log that has gone another way", async () => {
    await inTemporaryFolder(async (folder) => {
      const store = new MemoryStore();
      const log = await WalLog.open(join(folder, "log"));
      await write(log, 10);
      await log.close();
      cpSync(join(folder, "log"), join(folder, "copy"), { recursive: true });
      cpSync(join(folder, "log"), join(folder, "old"), { recursive: true });
      await using again = await WalLog.open(join(folder, "log"));
      await using own = archive(again, store, FAST);
      await write(again, 10);
      await own.archived(20);
      await using copy = await WalLog.open(join(folder, "copy"));
      copy.append(Array.from({ length: 20 }, (_, i) => textEntry(11 + i, 1, "other")));
      await copy.sync();
      await using reader = await WalLog.open(copy.path, { readOnly: true });
      // The disk must prove more of the copy than is archived.
      for (; reader.durableIndex < 30; await reader.refresh()) await setTimeout(1);
      await using old = await WalLog.open(join(folder, "old"));
      for (const log of [copy, old]) {
        await using wrong = archive(log, store, FAST);
        assert.equal(await codeOf(wrong.closed), "DIVERGED");
      }
      await write(again, 10);
      await own.archived(30);
    });
  });

  it("goes on with the log that was restored from it", async () => {
    await inTemporaryFolder(async (folder) => {
      const store = new MemoryStore();
      {
        await using log = await WalLog.open(join(folder, "log"), { segmentBytes: 4096 });
        await using archiving = archive(log, store, FAST);
        await write(log, 200);
        await archiving.archived(200);
      }
      await restore(store, join(folder, "second"));
      await using second = await WalLog.open(join(folder, "second"), { segmentBytes: 4096 });
      await using archiving = archive(second, store, FAST);
      await write(second, 50);
      await archiving.archived(250);
      await restore(store, join(folder, "third"));
      await using third = await WalLog.open(join(folder, "third"), { readOnly: true });
      assert.equal(fingerprint(third), fingerprint(second));
    });
  });

  it("needs a store that honours the condition", async () => {
    await inTemporaryFolder(async (folder) => {
      await using log = await WalLog.open(join(folder, "log"));
      await using archiving = archive(log, new CarelessStore(), FAST);
      assert.equal(await codeOf(archiving.closed), "INVALID_ARGUMENT");
      await assert.rejects(archiving.closed, { message: /If-None-Match/ });
    });
  });
});
