/** `refresh` of a log that was opened for reading only. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import { delegateTo } from "../src/io/delegate.ts";
import { Pair, pause, SharedDisk, SlowDisk } from "./followed_log.ts";
import { entriesAt, entryAt } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";

const PATH = MemoryDisk.PATH;

describe("refresh", () => {
  it("shows entries that were never synced, and the durableIndex", async () => {
    const pair = new Pair();
    const { reader } = pair;
    pair.prove(entriesAt(1, 3));
    pair.writer.append(entriesAt(4, 5, 2));
    assert.equal(reader.lastIndex, 0);
    assert.equal(await reader.refresh(), 5);
    assert.deepEqual([reader.lastIndex, reader.lastTerm, reader.durableIndex], [5, 2, 3]);
    assert.deepEqual(reader.entries(1, 9), [...entriesAt(1, 3), ...entriesAt(4, 5, 2)]);
    assert.deepEqual(reader.hardState, { term: 100, votedFor: null });
  });

  it("shows each state of a log that is truncated, compacted and rotated", async () => {
    const pair = new Pair();
    const { reader } = pair;
    for (let round = 1; round <= 30; round++) {
      const { writer } = pair;
      const first = writer.lastIndex + 1;
      writer.append(entriesAt(first, first + 9, round, 300));
      if (round % 2 === 0) writer.syncSync();
      if (round % 3 === 0) writer.truncate(writer.lastIndex - 4);
      if (round % 5 === 0) writer.setHardState({ term: round, votedFor: BigInt(round) });
      if (round % 7 === 0) writer.compact(writer.lastIndex - 12);
      if (round % 11 === 0) pair.succeed();
      await reader.refresh();
      const now = pair.writer;
      assert.deepEqual(
        [reader.firstIndex, reader.lastIndex, reader.lastTerm, reader.snapshotIndex, reader.hardState],
        [now.firstIndex, now.lastIndex, now.lastTerm, now.snapshotIndex, now.hardState],
      );
      assert(reader.durableIndex <= now.durableIndex);
      assert.deepEqual([...reader.iterate()], [...now.iterate()]);
      for (let index = now.firstIndex - 1; index <= now.lastIndex; index++) {
        assert.equal(reader.termAt(index), now.termAt(index));
      }
    }
  });

  it("drops entries that were shown but lost in a crash", async () => {
    const disk = new SharedDisk();
    const writer = WalLog.openSync(PATH, { fileSystem: disk });
    writer.append(entriesAt(1, 3));
    writer.syncSync();
    writer.append([entryAt(4)]);
    const before = new Map([...disk.contents()].map(([name, bytes]) => [name, bytes.slice()]));
    writer.truncate(2);
    writer.append(entriesAt(2, 9, 2));
    const reader = WalLog.openSync(PATH, { fileSystem: disk, readOnly: true });
    await reader.refresh();
    assert.deepEqual([reader.lastIndex, reader.durableIndex], [9, 1]);
    // The machine lost all unflushed data.
    for (const [name, bytes] of before) disk.put(name, bytes);
    assert.equal(await reader.refresh(), 4);
    assert.deepEqual([...reader.iterate()], entriesAt(1, 4));
    assert.equal(reader.durableIndex, 3);
  });

  it("shows no part of an incomplete batch", async () => {
    const pair = new Pair();
    pair.prove(entriesAt(1, 3));
    pair.writer.append(entriesAt(4, 6, 1, 3000));
    const [name] = [...pair.disk.contents().keys()].filter((one) => one.endsWith(".seg")).sort().slice(-1);
    const bytes = pair.disk.contents().get(name!)!;
    const written = bytes.findLastIndex((byte) => byte !== 0);
    pair.disk.put(name!, bytes.slice().fill(0, written - 2000));
    assert.equal(await pair.reader.refresh(), 3);
    pair.disk.put(name!, bytes.slice());
    assert.equal(await pair.reader.refresh(), 6);
    assert.deepEqual(pair.reader.entries(4, 6), entriesAt(4, 6, 1, 3000));
  });

  it("does not hide entries from followers that only an unproven change has replaced", async () => {
    const pair = new Pair();
    const writer = pair.openWriter({ segmentBytes: 2 ** 20 });
    writer.append(entriesAt(1, 50, 1, 500));
    writer.syncSync();
    writer.setHardState({ term: 1, votedFor: null });
    const reader = pair.openReader();
    writer.truncate(20);
    writer.append(entriesAt(20, 30, 2, 700));
    await reader.refresh();
    assert.deepEqual([reader.lastIndex, reader.durableIndex], [30, 19]);
    assert.deepEqual(reader.entries(20, 30), entriesAt(20, 30, 2, 700));
    const followed = reader.follow({ from: 1 });
    for (const entry of entriesAt(1, 50, 1, 500)) assert.deepEqual((await followed.next()).value, entry);
  });

  it("changes nothing until it is complete, and iterations notice it", async () => {
    const pair = new Pair();
    pair.prove(entriesAt(1, 50));
    const reader = pair.openReader();
    const walk = reader.iterate(40);
    assert.equal(walk.next().value?.index, 40);
    pair.writer.truncate(42);
    pair.prove(entriesAt(42, 45, 2));
    const refreshed = reader.refresh();
    assert.equal(reader.lastIndex, 50);
    await refreshed;
    assert.deepEqual([...walk].map(({ index, term }) => `${index}.${term}`), ["41.1", "42.2", "43.2", "44.2", "45.2"]);
  });

  it("gets its turn beside a follower of a writer that is never idle", async () => {
    const disk = new SlowDisk();
    const writer = WalLog.openSync(PATH, { fileSystem: disk });
    const watch = (_: string, __: number, callback: () => void) => {
      const timer = setInterval(() => {
        writer.append([entryAt(writer.lastIndex + 1)]);
        writer.syncSync();
        callback();
      }, 1);
      return () => clearInterval(timer);
    };
    const reader = WalLog.openSync(PATH, { fileSystem: { ...delegateTo(disk), watch }, readOnly: true });
    const next = reader.follow({ from: 10 ** 6 }).next();
    await pause(100);
    const { lastIndex } = writer;
    const refreshed = await Promise.race([reader.refresh(), pause(5000)]);
    assert(Number(refreshed) >= lastIndex);
    await reader.close();
    assert.equal((await next).done, true);
  });

  it("tells listeners the new durable index", async () => {
    const pair = new Pair();
    const seen: number[] = [];
    pair.reader.onDurable((index) => seen.push(index));
    pair.prove(entriesAt(1, 3));
    await pair.reader.refresh();
    await pair.reader.refresh();
    assert.deepEqual(seen, [3]);
  });

  it("does nothing for a writer, and is refused by a closed log", async () => {
    const pair = new Pair();
    pair.writer.append([entryAt(1)]);
    assert.equal(await pair.writer.refresh(), 1);
    const refreshing = pair.reader.refresh();
    pair.reader.closeSync();
    await assert.rejects(refreshing, { code: "CLOSED" });
    await assert.rejects(pair.reader.refresh(), { code: "CLOSED" });
  });
});
