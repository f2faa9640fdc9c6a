/** Followers beside a writer, on a log that was opened for reading only. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type LogEntry, WalLog, WalLogError } from "../mod.ts";
import { delegateTo } from "../src/io/delegate.ts";
import type { FileSystem } from "../src/io/file_system.ts";
import { isWaiting, named, Pair, SharedDisk, SlowDisk, take } from "./followed_log.ts";
import { entriesAt, entryAt } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";

const PATH = MemoryDisk.PATH;

describe("a follower on a log opened for reading only", () => {
  it("yields entries only when the disk proves them durable", async () => {
    const { writer, reader } = new Pair();
    const followed = reader.follow({ from: 1 });
    writer.append([entryAt(1)]);
    assert(await isWaiting(followed.next()));
    writer.syncSync();
    assert(await isWaiting(reader.follow({ from: 1 }).next()));
    // The header of this frame proves the flush before it.
    writer.append([entryAt(2)]);
    const again = reader.follow({ from: 1 });
    assert.deepEqual((await again.next()).value, entryAt(1));
    const second = again.next();
    assert(await isWaiting(second));
    writer.closeSync();
    assert.deepEqual((await reader.follow({ from: 2 }).next()).value, entryAt(2));
  });

  it("yields every entry once and in order over many segments", async () => {
    const pair = new Pair();
    const followed = pair.reader.follow({ from: 1, maxBytes: 500 });
    for (let round = 0; round < 10; round++) {
      pair.prove(entriesAt(round * 30 + 1, round * 30 + 30, 1, 200));
      const given: LogEntry[] = [];
      for (let i = 0; i < 30; i++) given.push((await followed.next()).value!);
      assert.deepEqual(given, entriesAt(round * 30 + 1, round * 30 + 30, 1, 200));
    }
    assert(pair.writer.stats().segmentsSealed > 10);
  });

  it("reads entries written after the reader was opened, from any index", async () => {
    const pair = new Pair();
    pair.prove(entriesAt(1, 20, 1, 500));
    const late = pair.openReader();
    pair.prove(entriesAt(21, 90, 1, 500));
    assert.deepEqual(await take(late.follow(), 70), named(21, 90));
    assert.deepEqual(await take(late.follow({ from: 15 }), 76), named(15, 90));
    assert.equal(late.lastIndex, 20);
  });

  it("yields the entries read so far while it reads more", async () => {
    const disk = new SlowDisk();
    const writer = WalLog.openSync(PATH, { fileSystem: disk, segmentBytes: 4096 });
    const reader = WalLog.openSync(PATH, { fileSystem: disk, readOnly: true });
    writer.append(entriesAt(1, 4, 1, 1000));
    writer.append(entriesAt(5, 9, 1, 1000));
    writer.syncSync();
    writer.setHardState({ term: 1, votedFor: null });
    assert.deepEqual(await take(reader.follow({ from: 1 }), 9), named(1, 9));
  });

  it("waits for a log that does not exist yet", async () => {
    const disk = new SharedDisk();
    const reader = WalLog.openSync(PATH, { fileSystem: disk, readOnly: true });
    assert(await isWaiting(reader.follow({ from: 1 }).next()));
    const writer = WalLog.openSync(PATH, { fileSystem: disk });
    writer.append(entriesAt(1, 3));
    writer.closeSync();
    assert.deepEqual(await take(reader.follow({ from: 1 }), 3), named(1, 3));
  });

  it("continues with the next writer, after a close and after a crash", async () => {
    const pair = new Pair();
    const followed = pair.reader.follow({ from: 1 });
    pair.prove(entriesAt(1, 5));
    assert.deepEqual(await take(followed, 5), named(1, 5));
    pair.writer.closeSync();
    pair.succeed();
    pair.prove(entriesAt(6, 9));
    assert.deepEqual(await take(followed, 4), named(6, 9));
    for (let crash = 0; crash < 5; crash++) {
      const first = pair.writer.lastIndex + 1;
      pair.prove(entriesAt(first, first + 3));
      // Unflushed entries survive a crash of the process: the next writer copies them.
      pair.writer.append(entriesAt(first + 4, first + 5));
      if (crash % 2 === 0) assert.deepEqual(await take(followed, 2), named(first, first + 1));
      pair.succeed();
      assert.deepEqual(
        await take(followed, crash % 2 === 0 ? 4 : 6),
        named(crash % 2 === 0 ? first + 2 : first, first + 5),
      );
    }
  });

  it("ends with its log, and with the reason of its signal", async () => {
    const { reader } = new Pair();
    const controller = new AbortController();
    const [first, second] = [reader.follow().next(), reader.follow({ signal: controller.signal }).next()];
    const reason = new Error("enough");
    controller.abort(reason);
    await assert.rejects(second, reason);
    reader.closeSync();
    assert.equal((await first).done, true);
  });

  it("ends with COMPACTED and the next index when a snapshot has replaced its next entry", async () => {
    const pair = new Pair();
    const followed = pair.reader.follow({ from: 1 });
    pair.prove(entriesAt(1, 60, 1, 500));
    assert.deepEqual(await take(followed, 1), named(1, 1));
    pair.prove(entriesAt(61, 200, 1, 500));
    pair.writer.compact(150);
    const error = await (async () => {
      for await (const { index } of followed) assert(index < 151);
    })().catch((error) => error);
    assert(error instanceof WalLogError);
    assert.deepEqual([error.code, error.index], ["COMPACTED", 151]);
    assert.deepEqual(await take(pair.reader.follow({ from: 151 }), 50), named(151, 200));
  });

  it("continues when compaction has deleted the segment that it has just read", async () => {
    const pair = new Pair();
    pair.prove(entriesAt(1, 60, 1, 500));
    const followed = pair.reader.follow({ from: 1 });
    assert.deepEqual(await take(followed, 60), named(1, 60));
    pair.prove(entriesAt(61, 200, 1, 500));
    pair.writer.compact(60);
    assert.deepEqual(await take(followed, 140), named(61, 200));
  });

  for (const term of [1, 2]) {
    it(`ends with NOT_CONTIGUOUS when yielded entries were replaced by entries of term ${term}`, async () => {
      const pair = new Pair();
      pair.prove(entriesAt(1, 50));
      const followed = pair.reader.follow({ from: 20 });
      await take(followed, 11);
      pair.writer.truncate(25);
      pair.prove(entriesAt(25, 80, term, 24, 1));
      await assert.rejects(
        (async () => {
          for await (const { index } of followed) assert(index <= 50);
        })(),
        { code: "NOT_CONTIGUOUS", index: 25 },
      );
      const { value } = await pair.reader.follow({ from: 25 }).next();
      assert.deepEqual(value, entryAt(25, term, 24, "normal", 1));
    });
  }

  it("learns of a truncation from a log that it had to recover again", async () => {
    const pair = new Pair();
    pair.prove(entriesAt(1, 60, 1, 500));
    const [followed, above] = [pair.reader.follow({ from: 1 }), pair.reader.follow({ from: 1 })];
    await take(followed, 60);
    await take(above, 50);
    pair.writer.truncate(58);
    pair.prove(entriesAt(58, 200, 1, 500));
    // Compaction deletes the segment with the truncation.
    pair.writer.compact(60);
    await assert.rejects(followed.next(), { code: "NOT_CONTIGUOUS", index: 58 });
  });

  it("remembers the truncations that it has read when it has to recover the log again", async () => {
    const pair = new Pair();
    let isGone = false;
    const fileSystem: FileSystem = {
      ...delegateTo(pair.disk),
      open: (path, mode) => {
        if (isGone && path.endsWith(".seg")) {
          isGone = false;
          throw Object.assign(new Error("gone"), { code: "ENOENT" });
        }
        return pair.disk.open(path, mode);
      },
    };
    const reader = pair.openReader({ fileSystem });
    pair.prove(entriesAt(1, 9));
    pair.writer.truncate(4);
    pair.prove(entriesAt(4, 9, 1, 24, 1));
    const followed = reader.follow({ from: 1 });
    assert.deepEqual(await take(followed, 9), named(1, 9));
    for (let index = 10; index <= 15; index++) {
      pair.prove([entryAt(index)]);
      isGone = true;
      assert.deepEqual(await take(followed, 1), named(index, index));
      assert.equal(isGone, false);
    }
    pair.writer.truncate(8);
    pair.prove(entriesAt(8, 20, 1, 24, 2));
    isGone = true;
    await assert.rejects(followed.next(), { code: "NOT_CONTIGUOUS", index: 8 });
  });

  it("compares the term that the caller knows when the entry is proven", async () => {
    const pair = new Pair();
    pair.prove(entriesAt(1, 5));
    pair.writer.append([entryAt(6, 2)]);
    const followers = [1, 2].map((previousTerm) => pair.reader.follow({ from: 7, previousTerm }));
    const [other, same] = followers.map((one) => one.next());
    assert(await isWaiting(other!));
    pair.prove([entryAt(7, 2)]);
    await pair.reader.refresh();
    await assert.rejects(other!, { code: "NOT_CONTIGUOUS", index: 6 });
    assert.deepEqual((await same!).value, entryAt(7, 2));
  });

  it("does not yield the old entries after a truncation that it has read", async () => {
    const pair = new Pair();
    pair.prove(entriesAt(1, 50));
    const followed = pair.reader.follow({ from: 20 });
    await take(followed, 5);
    pair.writer.truncate(25);
    pair.prove(entriesAt(25, 40, 2));
    await pair.reader.refresh();
    assert.deepEqual(await take(followed, 16), named(25, 40, 2));
  });

  it("fails with NOT_FOUND when its log is gone or replaced by another one", async () => {
    for (const isReplaced of [false, true]) {
      const pair = new Pair();
      pair.prove(entriesAt(1, 5));
      const followed = pair.reader.follow({ from: 1 });
      await take(followed, 5);
      for (const name of pair.disk.contents().keys()) pair.disk.remove(`${PATH}/${name}`);
      if (isReplaced) WalLog.openSync(PATH, { fileSystem: pair.disk }).closeSync();
      await assert.rejects(followed.next(), { code: "NOT_FOUND" });
      await assert.rejects(pair.reader.refresh(), { code: "NOT_FOUND" });
    }
  });

  it("fails with CORRUPT when proven data is damaged", async () => {
    const pair = new Pair();
    pair.prove(entriesAt(1, 5));
    const followed = pair.reader.follow({ from: 1 });
    await take(followed, 5);
    pair.prove(entriesAt(6, 9, 1, 100));
    const [name] = [...pair.disk.contents().keys()].filter((one) => one.endsWith(".seg")).sort().slice(-1);
    const bytes = pair.disk.contents().get(name!)!.slice();
    const text = entryAt(7, 1, 100).command;
    for (let i = 0; i + text.length < bytes.length; i++) {
      if (text.every((byte, j) => j === 50 || bytes[i + j] === byte)) bytes[i + 50]! = text[50]! ^ 1;
    }
    pair.disk.put(name!, bytes);
    await assert.rejects(followed.next(), { code: "CORRUPT" });
  });
});
