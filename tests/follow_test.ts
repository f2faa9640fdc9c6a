/** Followers in the process of the writer: what they give, when they wait, and what ends them. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type LogEntry, WalLog, WalLogError } from "../mod.ts";
import { entriesAt, entryAt } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { temporaryFolder } from "./temporary.ts";
import { systemError, WatchedFileSystem } from "./watched_file_system.ts";

const PATH = MemoryDisk.PATH;

function open(options: { readonly segmentBytes?: number } = {}): WalLog {
  return WalLog.openSync(PATH, { fileSystem: new MemoryDisk(), ...options });
}

/** What a promise has come to by now: its value, `waiting`, or the code of its error. */
async function outcome<T>(promise: Promise<T>): Promise<T | "waiting" | string> {
  let found: T | string = "waiting";
  promise.then(
    (value) => found = value,
    (error) => found = error instanceof WalLogError ? error.code : String(error.message ?? error),
  );
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  return found;
}

/** The next entries, as `index.term`. */
async function take(followed: AsyncIterator<LogEntry, undefined>, count: number): Promise<string[]> {
  const taken: string[] = [];
  for (let i = 0; i < count; i++) {
    const { value } = await followed.next();
    taken.push(value === undefined ? "end" : `${value.index}.${value.term}`);
  }
  return taken;
}

async function codeOf(call: () => unknown): Promise<string | undefined> {
  try {
    await call();
  } catch (error) {
    return (error as WalLogError).code;
  }
  return undefined;
}

describe("a follower beside its writer", () => {
  it("gives entries only once a flush has made them durable", async () => {
    const log = open();
    log.append(entriesAt(1, 3));
    const next = log.follow({ from: 1 }).next();
    assert.equal(await outcome(next), "waiting");
    await log.sync();
    assert.deepEqual((await next).value, entryAt(1));
  });

  it("gives every entry once and in order, whatever the writer's batches are, and waits at the end", async () => {
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
    while (given.length < lastIndex) await Promise.resolve();
    assert(log.stats().segmentsSealed > 2);
    assert.equal(await outcome(following), "waiting");
    await log.close();
    await following;
    assert.deepEqual(given, entriesAt(1, lastIndex, 1, 200));
  });

  it("begins behind the last durable entry unless it is told where", async () => {
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

  it("answers calls that overlap in order", async () => {
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

  it("gives each of many followers an entry of its own", async () => {
    const log = open();
    const followers = Array.from({ length: 50 }, () => log.follow());
    const calls = followers.map((one) => one.next());
    log.append([entryAt(1)]);
    await log.sync();
    for (const { value } of await Promise.all(calls)) {
      assert.deepEqual(value, entryAt(1));
      value!.command.fill(0);
    }
  });
});

describe("a follower ends", () => {
  it("with the reason of its signal, when it waits and when it does not", async () => {
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

  it("when the log is closed, also one that waits", async () => {
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

  it("when its loop is left, also with a call that waits", async () => {
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

  it("with COMPACTED when a snapshot has replaced its next entry, which says where to go on", async () => {
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
    it(`with NOT_CONTIGUOUS when entries that it gave were replaced by others of term ${term}`, async () => {
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

  it("with NOT_CONTIGUOUS while it waits behind the entries that are truncated", async () => {
    const log = open();
    log.append(entriesAt(1, 5));
    log.syncSync();
    const followed = log.follow({ from: 4 });
    await take(followed, 2);
    const pending = followed.next();
    log.truncate(2);
    await assert.rejects(pending, { code: "NOT_CONTIGUOUS", index: 2 });
  });

  it("with NOT_CONTIGUOUS when the log is truncated below where it began, and nothing was given yet", async () => {
    const log = open();
    log.append(entriesAt(1, 5));
    log.syncSync();
    const [behind, ahead] = [log.follow(), log.follow({ from: 9 })];
    log.truncate(4);
    log.append(entriesAt(4, 9, 2));
    log.syncSync();
    await assert.rejects(behind.next(), { code: "NOT_CONTIGUOUS", index: 4 });
    await assert.rejects(ahead.next(), { code: "NOT_CONTIGUOUS", index: 4 });
    // What was not durable when it began is nobody's loss.
    const later = log.follow({ from: 12 });
    log.append(entriesAt(10, 11, 2));
    log.truncate(10);
    log.append(entriesAt(10, 12, 3));
    log.syncSync();
    assert.deepEqual(await take(later, 1), ["12.3"]);
  });

  it("with NOT_CONTIGUOUS when the entry before the first has another term than its reader knows", async () => {
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

  it("not with a truncation above what it gave: it drops what it had read ahead", async () => {
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

  it("with POISONED when a flush fails, after it has given all that is durable", async () => {
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

  it("never before the entries in front of a damaged one", async () => {
    const disk = new MemoryDisk();
    const writer = WalLog.openSync(PATH, { fileSystem: disk, segmentBytes: 2 ** 20 });
    // Each in a frame of its own.
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
  it("gives them, and is closed with the log", async () => {
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

  it("fails with the reason of the signal, and is ended by cancelling it", async () => {
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
  it("is told of each new position once, outside of any call of the log", async () => {
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

  it("may append, and is not told anything after the log is closed", async () => {
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
