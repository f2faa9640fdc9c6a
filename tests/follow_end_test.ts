/** Followers in the process of the writer: how they end. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import { codeOf, open, outcome, take } from "./followed_log.ts";
import { entriesAt, entryAt } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { temporaryFolder } from "./temporary.ts";
import { systemError, WatchedFileSystem } from "./watched_file_system.ts";

const PATH = MemoryDisk.PATH;

describe("a follower ends", () => {
  it("with the reason of its signal, waiting or not", async () => {
    const log = open();
    log.append(entriesAt(1, 2));
    log.syncSync();
    const controller = new AbortController();
    const { signal } = controller;
    const [waiting, ahead] = [log.follow({ signal }), log.follow({ from: 1, signal })];
    const pending = waiting.next();
    assert.deepEqual(await take(ahead, 1), ["1.1"]);
    const reason = new Error("enough");
    controller.abort(reason);
    await assert.rejects(pending, reason);
    await assert.rejects(ahead.next(), reason);
    assert.deepEqual(await ahead.next(), { done: true, value: undefined });
    await assert.rejects(log.follow({ signal }).next(), reason);
  });

  it("when the log is closed, waiting or not", async () => {
    const log = open();
    log.append(entriesAt(1, 2));
    log.syncSync();
    const [waiting, ahead] = [log.follow(), log.follow({ from: 1 })];
    const pending = waiting.next();
    await take(ahead, 1);
    await log.close();
    assert.deepEqual(await pending, { done: true, value: undefined });
    assert.deepEqual(await take(ahead, 1), ["end"]);
    assert.equal(await codeOf(() => log.follow()), "CLOSED");
  });

  it("when its loop is left, even with a waiting call", async () => {
    const log = open();
    log.append(entriesAt(1, 2));
    log.syncSync();
    const followed = log.follow({ from: 1 });
    for await (const { index } of followed) if (index === 1) break;
    assert.deepEqual(await take(followed, 1), ["end"]);
    const waiting = log.follow();
    const pending = waiting.next();
    await waiting.return!();
    assert.deepEqual(await pending, { done: true, value: undefined });
  });

  it("with COMPACTED and the next index when a snapshot has replaced its next entry", async () => {
    const log = open();
    log.append(entriesAt(1, 60));
    log.syncSync();
    const followed = log.follow({ from: 1, maxBytes: 0 });
    assert.deepEqual(await take(followed, 2), ["1.1", "2.1"]);
    log.compact(50);
    await assert.rejects(followed.next(), { code: "COMPACTED", index: 51 });
    assert.throws(() => log.follow({ from: 50 }), { code: "COMPACTED", index: 51 });
    assert.deepEqual(await take(log.follow({ from: 51 }), 2), ["51.1", "52.1"]);
  });

  it("with COMPACTED when a leader's snapshot passes it while it waits", async () => {
    const log = open();
    log.append(entriesAt(1, 3));
    log.syncSync();
    const pending = log.follow().next();
    log.applySnapshot({ index: 90, term: 4, config: [], data: new Uint8Array(1) });
    await assert.rejects(pending, { code: "COMPACTED", index: 91 });
  });

  it("not with compaction, if a retention holds its entries", async () => {
    const log = open();
    log.append(entriesAt(1, 60));
    log.syncSync();
    log.retain("follower", 3);
    const followed = log.follow({ from: 1, maxBytes: 0 });
    await take(followed, 2);
    log.compact(50);
    assert.deepEqual(await take(followed, 2), ["3.1", "4.1"]);
  });

  for (const term of [1, 2]) {
    it(`with NOT_CONTIGUOUS when yielded entries were replaced by others of term ${term}`, async () => {
      const log = open();
      log.append(entriesAt(1, 50));
      log.syncSync();
      const followed = log.follow({ from: 20 });
      await take(followed, 11);
      log.truncate(25);
      log.append(entriesAt(25, 80, term, 24, 1));
      log.syncSync();
      await assert.rejects(followed.next(), { code: "NOT_CONTIGUOUS", index: 25 });
      const [again, other] = [log.follow({ from: 25 }), log.follow({ from: 20 })];
      assert.deepEqual((await again.next()).value, entryAt(25, term, 24, "normal", 1));
      assert.deepEqual(await take(other, 6), ["20.1", "21.1", "22.1", "23.1", "24.1", `25.${term}`]);
    });
  }

  it("with NOT_CONTIGUOUS while it waits and yielded entries are truncated", async () => {
    const log = open();
    log.append(entriesAt(1, 5));
    log.syncSync();
    const followed = log.follow({ from: 4 });
    await take(followed, 2);
    const pending = followed.next();
    log.truncate(2);
    await assert.rejects(pending, { code: "NOT_CONTIGUOUS", index: 2 });
  });

  it("with NOT_CONTIGUOUS when the log is truncated below its start, before any entry", async () => {
    const log = open();
    log.append(entriesAt(1, 5));
    log.syncSync();
    const [behind, ahead] = [log.follow(), log.follow({ from: 9 })];
    log.truncate(4);
    log.append(entriesAt(4, 9, 2));
    log.syncSync();
    await assert.rejects(behind.next(), { code: "NOT_CONTIGUOUS", index: 4 });
    await assert.rejects(ahead.next(), { code: "NOT_CONTIGUOUS", index: 4 });
    // Entries that were not durable when it started may be truncated.
    const later = log.follow({ from: 12 });
    log.append(entriesAt(10, 11, 2));
    log.truncate(10);
    log.append(entriesAt(10, 12, 3));
    log.syncSync();
    assert.deepEqual(await take(later, 1), ["12.3"]);
  });

  it("with NOT_CONTIGUOUS when the previous entry has another term than the caller knows", async () => {
    const log = open();
    log.append(entriesAt(1, 5));
    log.append(entriesAt(6, 9, 2));
    log.syncSync();
    assert.deepEqual(await take(log.follow({ from: 6, previousTerm: 1 }), 1), ["6.2"]);
    await assert.rejects(log.follow({ from: 8, previousTerm: 1 }).next(), { code: "NOT_CONTIGUOUS", index: 7 });
    await assert.rejects(log.follow({ from: 12, previousTerm: 2 }).next(), { code: "NOT_CONTIGUOUS", index: 10 });
    log.compact(7);
    assert.deepEqual(await take(log.follow({ from: 8, previousTerm: 2 }), 1), ["8.2"]);
    await assert.rejects(log.follow({ from: 8, previousTerm: 1 }).next(), { code: "NOT_CONTIGUOUS", index: 7 });
  });

  it("not with a truncation of unflushed entries, if the entry of the known term replaces them", async () => {
    const log = open();
    log.append(entriesAt(1, 2));
    log.syncSync();
    log.append([entryAt(3)]);
    const next = log.follow({ from: 4, previousTerm: 2 }).next();
    log.truncate(3);
    log.append(entriesAt(3, 4, 2));
    await log.sync();
    assert.equal((await next).value?.index, 4);
  });

  it("not with a truncation above the yielded entries: it drops those read ahead", async () => {
    const log = open();
    log.append(entriesAt(1, 50));
    log.syncSync();
    const followed = log.follow({ from: 20 });
    await take(followed, 5);
    log.truncate(25);
    assert.equal(log.durableIndex, 24);
    log.append(entriesAt(25, 26, 2));
    const next = followed.next();
    assert.equal(await outcome(next), "waiting");
    await log.sync();
    assert.deepEqual((await next).value, entryAt(25, 2));
  });

  it("with POISONED when a flush fails, after all durable entries", async () => {
    const folder = temporaryFolder();
    try {
      const fileSystem = new WatchedFileSystem();
      const log = WalLog.openSync(folder.path, { fileSystem });
      log.append(entriesAt(1, 2));
      log.syncSync();
      const [waiting, behind] = [log.follow(), log.follow({ from: 1 })];
      const pending = waiting.next();
      log.append([entryAt(3)]);
      fileSystem.fail = ({ operation }) => {
        if (operation === "syncAsync") throw systemError("EIO");
      };
      const failed = codeOf(() => log.sync());
      assert.equal(await codeOf(() => pending), "POISONED");
      assert.equal(await failed, "POISONED");
      assert.deepEqual(await take(behind, 2), ["1.1", "2.1"]);
      assert.equal(await codeOf(() => behind.next()), "POISONED");
      await log.close().catch(() => {});
    } finally {
      folder.remove();
    }
  });

  it("not before it has yielded the entries before a damaged one", async () => {
    const disk = new MemoryDisk();
    const writer = WalLog.openSync(PATH, { fileSystem: disk, segmentBytes: 2 ** 20 });
    // Each entry has its own frame.
    for (let index = 1; index <= 6; index++) writer.append([entryAt(index, 1, 5000)]);
    writer.closeSync();
    const contents = new Map(disk.contents());
    const bytes = contents.get("000000000001.seg")!.slice();
    bytes[16_384 + 160 + 4 * 5040 + 1000]! ^= 1;
    contents.set("000000000001.seg", bytes);
    const log = WalLog.openSync(PATH, { fileSystem: new MemoryDisk(contents), onDamage: "keep" });
    assert.equal(log.damaged.length, 1);
    const damaged = log.damaged[0]!.firstIndex!;
    const followed = log.follow({ from: 1 });
    assert.deepEqual(await take(followed, damaged - 1), Array.from({ length: damaged - 1 }, (_, i) => `${i + 1}.1`));
    assert.equal(await codeOf(() => followed.next()), "DAMAGED_ENTRY");
  });
});
