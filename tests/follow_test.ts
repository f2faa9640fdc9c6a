/** Followers in the process of the writer: what they yield, and when they wait. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { type LogEntry, WalLog, type WalLogError } from "../mod.ts";
import { open, outcome, take } from "./followed_log.ts";
import { entriesAt, entryAt } from "./history.ts";
import { temporaryFolder } from "./temporary.ts";
import { WatchedFileSystem } from "./watched_file_system.ts";

describe("a follower beside its writer", () => {
  it("yields entries only when a flush has made them durable", async () => {
    const log = open();
    log.append(entriesAt(1, 3));
    const next = log.follow({ from: 1 }).next();
    assert.equal(await outcome(next), "waiting");
    await log.sync();
    assert.deepEqual((await next).value, entryAt(1));
  });

  it("yields every entry once and in order, and waits at the end", async () => {
    const log = open({ segmentBytes: 4096 });
    const given: LogEntry[] = [];
    const following = (async () => {
      for await (const entry of log.follow()) given.push(entry);
    })();
    for (let batch = 1; batch <= 40; batch++) {
      log.append(entriesAt(log.lastIndex + 1, log.lastIndex + 1 + batch % 7, 1, 200));
      if (batch % 3 === 0) await log.sync();
    }
    await log.sync();
    const { lastIndex } = log;
    while (given.length < lastIndex) await setImmediate();
    assert(log.stats().segmentsSealed > 2);
    assert.equal(await outcome(following), "waiting");
    await log.close();
    await following;
    assert.deepEqual(given, entriesAt(1, lastIndex, 1, 200));
  });

  it("begins after the last durable entry by default", async () => {
    const log = open();
    log.append(entriesAt(1, 5));
    log.syncSync();
    log.append([entryAt(6)]);
    const [after, third, ahead] = [log.follow(), log.follow({ from: 3 }), log.follow({ from: 8 })];
    assert.deepEqual(await take(third, 3), ["3.1", "4.1", "5.1"]);
    log.append(entriesAt(7, 9));
    log.syncSync();
    assert.deepEqual(await take(after, 4), ["6.1", "7.1", "8.1", "9.1"]);
    assert.deepEqual(await take(ahead, 2), ["8.1", "9.1"]);
  });

  it("reads nothing before it is asked, and at most maxBytes at once", async () => {
    const folder = temporaryFolder();
    try {
      const fileSystem = new WatchedFileSystem();
      const write = WalLog.openSync(folder.path, { segmentBytes: 2 ** 20 });
      write.append(entriesAt(1, 400, 1, 2000));
      write.closeSync();
      const log = WalLog.openSync(folder.path, { fileSystem });
      const followed = log.follow({ from: 1, maxBytes: 4000 });
      let reads = 0;
      fileSystem.failRead = () => reads++;
      await Promise.resolve();
      assert.equal(reads, 0);
      assert.deepEqual(await take(followed, 2), ["1.1", "2.1"]);
      const first = reads;
      assert(first > 0);
      assert.deepEqual(await take(followed, 2), ["3.1", "4.1"]);
      assert(reads > first, "more than maxBytes was read ahead");
      log.closeSync();
    } finally {
      folder.remove();
    }
  });

  it("answers overlapping calls in order", async () => {
    const log = open();
    const followed = log.follow();
    const calls = [followed.next(), followed.next(), followed.next()];
    log.append(entriesAt(1, 2));
    await log.sync();
    assert.deepEqual((await calls[0]!).value, entryAt(1));
    assert.deepEqual((await calls[1]!).value, entryAt(2));
    assert.equal(await outcome(calls[2]!), "waiting");
    log.append([entryAt(3)]);
    await log.sync();
    assert.deepEqual((await calls[2]!).value, entryAt(3));
  });

  it("is woken after the callers of the flush, whatever these await", async () => {
    const log = open();
    const order: string[] = [];
    const followed = log.follow().next().then(() => order.push("follower"));
    const called = (async () => {
      log.append([entryAt(1)]);
      await log.sync();
      for (let turn = 0; turn < 100; turn++) await Promise.resolve();
      order.push("caller");
    })();
    await Promise.all([followed, called]);
    assert.deepEqual(order, ["caller", "follower"]);
  });

  it("is not woken by a flush after it has ended", async () => {
    const log = open();
    const followed = log.follow();
    const pending = followed.next();
    await followed.return?.();
    log.append([entryAt(1)]);
    await log.sync();
    assert.equal((await pending).done, true);
    assert.equal((await followed.next()).done, true);
  });
});

describe("a follower of batches", () => {
  const batches = async (followed: AsyncIterator<readonly LogEntry[], undefined>, count: number) => {
    const found: (string | undefined)[] = [];
    for (let nth = 0; nth < count; nth++) {
      const { value } = await followed.next();
      found.push(value?.map(({ index, term }) => `${index}.${term}`).join(" "));
    }
    return found;
  };

  it("yields all that is durable at once, and waits at the end", async () => {
    const log = open();
    log.append(entriesAt(1, 3));
    log.syncSync();
    log.append([entryAt(4)]);
    const followed = log.followBatches({ from: 2 });
    assert.deepEqual(await batches(followed, 1), ["2.1 3.1"]);
    const next = batches(followed, 1);
    assert.equal(await outcome(next), "waiting");
    log.append([entryAt(5)]);
    await log.sync();
    assert.deepEqual(await next, ["4.1 5.1"]);
    log.closeSync();
    assert.deepEqual(await batches(followed, 1), [undefined]);
  });

  it("yields at most maxBytes at once, but always an entry", async () => {
    const log = open();
    log.append(entriesAt(1, 5, 1, 2000));
    log.syncSync();
    assert.deepEqual(await batches(log.followBatches({ from: 1, maxBytes: 4100 }), 3), ["1.1 2.1", "3.1 4.1", "5.1"]);
    assert.deepEqual(await batches(log.followBatches({ from: 1, maxBytes: 0 }), 2), ["1.1", "2.1"]);
  });

  it("ends when an entry that it has yielded is truncated", async () => {
    const log = open();
    log.append(entriesAt(1, 3));
    log.syncSync();
    const followed = log.followBatches({ from: 1 });
    await followed.next();
    log.truncate(3);
    await assert.rejects(followed.next(), { code: "NOT_CONTIGUOUS", index: 3 });
  });

  it("refuses what follow refuses", () => {
    const log = open();
    assert.throws(() => log.followBatches({ from: 0 }), { code: "INVALID_ARGUMENT" });
    log.closeSync();
    assert.throws(() => log.followBatches(), { code: "CLOSED" });
  });
});

describe("followers side by side", () => {
  /** The next entry of a follower. */
  const next = async (followed: AsyncIterator<LogEntry, undefined>) => (await followed.next()).value;

  it("share the entries of a flush", async () => {
    const log = open();
    const calls = Array.from({ length: 50 }, () => next(log.follow()));
    log.append([entryAt(1)]);
    await log.sync();
    const entries = await Promise.all(calls);
    assert.deepEqual(entries[0], entryAt(1));
    assert.equal(new Set(entries).size, 1);
  });

  it("share a read from the disk, also one that begins before the next entry", async () => {
    const folder = temporaryFolder();
    try {
      const fileSystem = new WatchedFileSystem();
      const write = WalLog.openSync(folder.path, { segmentBytes: 2 ** 20 });
      write.append(entriesAt(1, 400, 1, 200));
      write.closeSync();
      const log = WalLog.openSync(folder.path, { fileSystem });
      let reads = 0;
      fileSystem.failRead = () => reads++;
      const first = log.follow({ from: 1 });
      const entries = [await next(first), await next(first), await next(first)];
      const alone = reads;
      assert(alone > 0);
      assert.equal(await next(log.follow({ from: 3 })), entries[2]);
      assert.equal(await next(log.follow({ from: 1 })), entries[0]);
      assert.equal(reads, alone);
      log.closeSync();
    } finally {
      folder.remove();
    }
  });

  it("read as much at once as their own maxBytes allows", async () => {
    const log = open();
    log.append(entriesAt(1, 5, 1, 2000));
    log.syncSync();
    const whole = log.followBatches({ from: 1 });
    assert.equal((await whole.next()).value?.length, 5);
    assert.equal((await log.followBatches({ from: 1, maxBytes: 4100 }).next()).value?.length, 2);
    assert.equal((await log.followBatches({ from: 1 }).next()).value?.length, 5);
  });

  it("do not share entries that were truncated", async () => {
    const log = open();
    log.append(entriesAt(1, 3));
    log.syncSync();
    const before = log.follow({ from: 2 });
    assert.deepEqual(await next(before), entryAt(2));
    log.truncate(2);
    log.append(entriesAt(2, 3, 2));
    log.syncSync();
    assert.deepEqual(await next(log.follow({ from: 2 })), entryAt(2, 2));
    await assert.rejects(before.next(), { code: "NOT_CONTIGUOUS", index: 2 });
  });

  it("leave no more than four chunks in memory in a turn, and none after it", async () => {
    const log = open();
    log.append(entriesAt(1, 50, 1, 100));
    log.syncSync();
    // Each chunk has one entry.
    const read = async (index: number) => await next(log.follow({ from: index, maxBytes: 1 }));
    const first = await read(1);
    assert.equal(await read(1), first);
    const others = [await read(2), await read(3), await read(4), await read(5)];
    assert.notEqual(await read(1), first);
    assert.equal(await read(5), others[3]);
    await setImmediate();
    assert.notEqual(await read(5), others[3]);
  });

  it("have lists of their own", async () => {
    const log = open();
    log.append(entriesAt(1, 3));
    log.syncSync();
    const [one, other] = [log.followBatches({ from: 1 }), log.followBatches({ from: 1 })];
    (await one.next() as { value: LogEntry[] }).value.length = 0;
    assert.deepEqual((await other.next()).value, entriesAt(1, 3));
  });
});

describe("follow refuses", () => {
  const log = open();
  const cases: [string, object, string][] = [
    ["an unknown option", { form: 1 }, 'unknown option "form"; did you mean from?'],
    ["an index below 1", { from: 0 }, "from must be a safe integer of 1 or more, found 0"],
    ["an index that is no integer", { from: 1.5 }, "found 1.5"],
    ["a term that is none", { previousTerm: -1 }, "previousTerm must be a safe integer of 0 or more, found -1"],
    ["a bound that is no number", { maxBytes: NaN }, "maxBytes must be a number of 0 or more, found NaN"],
    ["a signal that is none", { signal: {} }, "signal must be an AbortSignal"],
  ];
  for (const [name, options, message] of cases) {
    it(name, () =>
      assert.throws(() => log.follow(options as never), (error: WalLogError) => {
        assert.equal(error.code, "INVALID_ARGUMENT");
        assert(error.message.includes(message), error.message);
        return true;
      }));
  }
});

describe("a stream of entries", () => {
  it("yields the entries, and is closed with the log", async () => {
    const log = open();
    log.append(entriesAt(1, 3));
    log.syncSync();
    const reader = log.followStream({ from: 2 }).getReader();
    assert.deepEqual((await reader.read()).value, entryAt(2));
    assert.deepEqual((await reader.read()).value, entryAt(3));
    const pending = reader.read();
    log.closeSync();
    assert.equal((await pending).done, true);
  });

  it("fails with the reason of the signal, and ends when it is cancelled", async () => {
    const log = open();
    const controller = new AbortController();
    const reader = log.followStream({ signal: controller.signal }).getReader();
    const pending = reader.read();
    const reason = new Error("enough");
    controller.abort(reason);
    await assert.rejects(pending, reason);
    const cancelled = log.followStream().getReader();
    const last = cancelled.read();
    await cancelled.cancel();
    assert.equal((await last).done, true);
  });
});

describe("a listener for durable entries", () => {
  it("is called once for each new position, outside of any call of the log", async () => {
    const log = open();
    const seen: number[] = [];
    let isInside = false;
    const stop = log.onDurable((index) => {
      assert(!isInside);
      seen.push(index);
    });
    isInside = true;
    log.append(entriesAt(1, 2));
    log.syncSync();
    log.append([entryAt(3)]);
    log.syncSync();
    isInside = false;
    await Promise.resolve();
    assert.deepEqual(seen, [3]);
    log.truncate(2);
    await Promise.resolve();
    assert.deepEqual(seen, [3, 1]);
    stop();
    log.append([entryAt(2)]);
    await log.sync();
    assert.deepEqual(seen, [3, 1]);
  });

  it("may append, and is not called after the log is closed", async () => {
    const log = open({ segmentBytes: 4096 });
    const seen: number[] = [];
    log.onDurable((index) => {
      seen.push(index);
      if (index < 5) log.append([entryAt(index + 1, 1, 3000)]), log.syncSync();
    });
    log.append([entryAt(1, 1, 3000)]);
    log.syncSync();
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    assert.deepEqual(seen, [1, 2, 3, 4, 5]);
    log.append([entryAt(6)]);
    log.closeSync();
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    assert.deepEqual(seen, [1, 2, 3, 4, 5]);
  });
});
