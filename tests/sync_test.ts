/**
 * What reaches the disk when, and what happens when it does not: group commit, the durable index, and fail-stop on the
 * first I/O error.
 */

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { WalLog, WalLogError, type WalLogOptions } from "../mod.ts";
import { SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { entriesAt, entryAt, History } from "./history.ts";
import { contentsOf } from "./memory_disk.ts";
import { assertSameState, bytesOf, stateOf } from "./model.ts";
import { inTemporaryFolder } from "./temporary.ts";
import { type Call, systemError, WatchedFileSystem } from "./watched_file_system.ts";

/** A log on a file system that is watched. */
interface Subject {
  readonly path: string;
  readonly fileSystem: WatchedFileSystem;
  readonly log: WalLog;
}

/** Runs a test with an open log; the calls that opening made are forgotten. */
function withLog(
  body: (subject: Subject) => void | Promise<void>,
  options: WalLogOptions = {},
): () => Promise<void> {
  return () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      const fileSystem = new WatchedFileSystem();
      const log = WalLog.openSync(path, { ...options, fileSystem });
      fileSystem.calls = [];
      try {
        await body({ path, fileSystem, log });
      } finally {
        fileSystem.fail = () => {};
        fileSystem.gate = () => Promise.resolve();
        await close(log);
        // A file is closed when the flush of it that is under way is done, which may be after the log is.
        for (let wait = 0; fileSystem.openFiles > 0 && wait < 200; wait++) {
          await new Promise((done) => setTimeout(done, 5));
        }
        assert.equal(fileSystem.openFiles, 0, "files left open");
      }
    });
}

/** Closes a log, which says so if it is poisoned. */
async function close(log: WalLog): Promise<void> {
  await log.close().catch((error) => assert.equal(error.code, "POISONED", `closing: ${error}`));
}

/** Flushes that wait until they are let go, one by one. */
function gated(fileSystem: WatchedFileSystem): { readonly begun: number; release(error?: Error): Promise<void> } {
  const waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];
  let begun = 0;
  fileSystem.gate = () => {
    begun++;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    waiting.push({ resolve, reject });
    return promise;
  };
  return {
    get begun() {
      return begun;
    },
    async release(error?: Error) {
      const next = waiting.shift();
      assert.ok(next, "no flush is under way");
      if (error === undefined) next.resolve();
      else next.reject(error);
      await turn();
    },
  };
}

/** Lets everything go on that can. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}

/** Whether a promise has settled. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const note = (): void => void (settled = true);
  promise.then(note, note);
  await turn();
  return settled;
}

describe("group commit", () => {
  it(
    "shares one flush among all who ask in one turn",
    withLog(async ({ fileSystem, log }) => {
      const syncs = Array.from({ length: 100 }, (_, i) => {
        log.append([entryAt(i + 1)]);
        return log.sync();
      });
      const durable = await Promise.all(syncs);
      assert.equal(fileSystem.count("syncAsync"), 1);
      assert.equal(fileSystem.count("sync"), 0);
      assert.ok(durable.every((index, i) => index > i), "each is told of at least its own entry");
      assert.equal(log.durableIndex, 100);
      const { flushLatency, bytesWritten, logBytes, snapshotBytes, freeBytes, ...counts } = log.stats();
      assert.deepEqual(counts, {
        ...{ entriesAppended: 100, flushes: 1, syncs: 100, slowFlushes: 0 },
        ...{ segmentsSealed: 0, segmentsDeleted: 0, snapshots: 0, segments: 1 },
      });
      assert.ok(bytesWritten > 0 && logBytes >= bytesWritten);
      assert.deepEqual([snapshotBytes, freeBytes], [0, undefined]);
      assert.equal(flushLatency.count, 1);
    }),
  );

  it(
    "shares flushes among a hundred callers that each go on when theirs is done",
    withLog(
      async ({ fileSystem, log }) => {
        const caller = async (): Promise<void> => {
          for (let round = 0; round < 5; round++) {
            const index = log.lastIndex + 1;
            log.append([entryAt(index)]);
            assert.ok(await log.sync() >= index);
            assert.ok(log.durableIndex >= index);
          }
        };
        await Promise.all(Array.from({ length: 100 }, caller));
        assert.equal(log.durableIndex, 500);
        assert.ok(fileSystem.count("syncAsync") <= 10, `${fileSystem.count("syncAsync")} flushes for 500 commits`);
      },
    ),
  );

  it(
    "has one flush under way at a time, and one more for all who asked meanwhile",
    withLog(
      async ({ fileSystem, log }) => {
        const flushes = gated(fileSystem);
        log.append([entryAt(1)]);
        const first = log.sync();
        await turn();
        assert.equal(flushes.begun, 1);
        const later: Promise<number>[] = [];
        for (let index = 2; index <= 10; index++) {
          log.append([entryAt(index)]);
          later.push(log.sync());
          await turn();
        }
        assert.equal(flushes.begun, 1, "one at a time");
        await flushes.release();
        assert.equal(await first, 1);
        assert.equal(log.durableIndex, 1);
        assert.equal(flushes.begun, 2);
        for (const sync of later) assert.equal(await isSettled(sync), false);
        await flushes.release();
        assert.deepEqual(await Promise.all(later), later.map(() => 10));
        assert.equal(flushes.begun, 2);
      },
    ),
  );

  it(
    "does not cover what was written after the flush began",
    withLog(async ({ fileSystem, log }) => {
      const flushes = gated(fileSystem);
      log.append([entryAt(1)]);
      const first = log.sync();
      await turn();
      log.append([entryAt(2)]);
      await flushes.release();
      assert.equal(await first, 1);
      assert.equal(log.durableIndex, 1);
      const second = log.sync();
      await turn();
      assert.equal(flushes.begun, 2, "entry 2 needs a flush of its own");
      assert.equal(await isSettled(second), false);
      await flushes.release();
      assert.equal(await second, 2);
    }),
  );

  it(
    "asks for no flush when everything is durable",
    withLog(async ({ fileSystem, log }) => {
      assert.equal(await log.sync(), 0);
      assert.equal(log.syncSync(), 0);
      log.append([entryAt(1)]);
      await log.sync();
      fileSystem.rest(); // a checkpoint is written
      assert.ok(fileSystem.count("write") >= 2);
      const before = fileSystem.count("sync", "syncAsync");
      assert.equal(await log.sync(), 1);
      assert.equal(log.syncSync(), 1);
      assert.equal(fileSystem.count("sync", "syncAsync"), before);
    }),
  );

  it(
    "never reports a truncated entry durable, cut while the flush was under way",
    withLog(
      async ({ fileSystem, log }) => {
        const flushes = gated(fileSystem);
        log.append(entriesAt(1, 10));
        const first = log.sync();
        await turn();
        log.truncate(5);
        log.append(entriesAt(5, 7, 2));
        await flushes.release();
        assert.equal(await first, 4);
        assert.equal(log.durableIndex, 4);
        const second = log.sync();
        await turn();
        await flushes.release();
        assert.equal(await second, 7);
      },
    ),
  );

  it(
    "lowers the durable index when durable entries are truncated",
    withLog(async ({ log }) => {
      log.append(entriesAt(1, 10));
      assert.equal(await log.sync(), 10);
      log.truncate(4);
      assert.equal(log.durableIndex, 3);
      log.append(entriesAt(4, 5, 2));
      assert.equal(log.durableIndex, 3);
      assert.equal(log.syncSync(), 5);
      assert.equal(log.durableIndex, 5);
    }),
  );

  it(
    "is overtaken by a blocking flush, which covers what is written by then",
    withLog(async ({ fileSystem, log }) => {
      const flushes = gated(fileSystem);
      log.append([entryAt(1)]);
      const first = log.sync();
      await turn();
      log.append([entryAt(2)]);
      const second = log.sync();
      assert.equal(log.syncSync(), 2);
      assert.equal(log.durableIndex, 2);
      await flushes.release();
      assert.ok(await first >= 1);
      assert.equal(await second, 2);
      assert.equal(flushes.begun, 1, "nothing was left for a second flush");
      assert.equal(log.durableIndex, 2);
    }),
  );

  it(
    "survives rotation while a flush is under way",
    withLog(async ({ path, fileSystem, log }) => {
      const flushes = gated(fileSystem);
      log.append(entriesAt(1, 5, 1, 500));
      const first = log.sync();
      await turn();
      log.append(entriesAt(6, 30, 1, 500));
      assert.ok(log.stats().segments >= 2);
      log.append(entriesAt(31, 50, 1, 500));
      const durable = log.durableIndex;
      assert.ok(durable >= 5, "sealing a segment makes it durable");
      const second = log.sync();
      await flushes.release();
      assert.ok(await first >= 5);
      await turn();
      assert.ok(flushes.begun === 2, "the new segment needs a flush of its own");
      assert.ok(fileSystem.trace.includes("syncAsync 000000000001.seg"));
      assert.equal(fileSystem.trace.filter((call) => call.startsWith("syncAsync")).at(-1)!.includes("001.seg"), false);
      await flushes.release();
      assert.equal(await second, 50);
      const reader = WalLog.openSync(path, { readOnly: true });
      assert.equal(reader.lastIndex, 50);
      reader.closeSync();
    }, { segmentBytes: 4096 }),
  );

  it("answers those who wait when the log is closed, blocking or not", async () => {
    for (const blocking of [true, false]) {
      await withLog(async ({ fileSystem, log }) => {
        const flushes = gated(fileSystem);
        log.append([entryAt(1)]);
        const first = log.sync();
        await turn();
        log.append([entryAt(2)]);
        const second = log.sync();
        if (blocking) {
          log.closeSync();
          assert.deepEqual(await Promise.all([first, second]), [2, 2]);
          await flushes.release();
        } else {
          const closing = log.close();
          await assert.rejects(log.sync(), { code: "CLOSED" });
          await flushes.release();
          assert.equal(await first, 1);
          await flushes.release();
          assert.equal(await second, 2);
          await closing;
        }
        await turn();
      })();
    }
  });
});

describe("a write", () => {
  it(
    "of a batch is one call, of whatever size up to 4 MiB",
    withLog(({ fileSystem, log }) => {
      for (const entries of [entriesAt(1, 1), entriesAt(2, 500), entriesAt(501, 540, 1, 100_000)]) {
        fileSystem.calls = [];
        log.append(entries);
        assert.deepEqual(fileSystem.trace, ["write 000000000001.seg"], `${entries.length} entries`);
      }
    }),
  );

  it(
    "of an empty list is no call, and neither is what is refused",
    withLog(({ fileSystem, log }) => {
      log.append([]);
      log.truncate(1);
      assert.throws(() => log.append([entryAt(2)]), { code: "NOT_CONTIGUOUS" });
      assert.throws(() => log.append([entryAt(1), entryAt(3)]), { code: "NOT_CONTIGUOUS" });
      assert.throws(() => log.append([entryAt(1), entryAt(2, 1, 101)]), { code: "ENTRY_TOO_LARGE" });
      assert.deepEqual(fileSystem.trace, []);
    }, { maxEntryBytes: 100 }),
  );

  it(
    "is not covered by zeros laid ahead: a flush that follows flushes both",
    withLog(({ fileSystem, log }) => {
      log.append([entryAt(1)]);
      log.syncSync();
      const flushed = fileSystem.trace.lastIndexOf("sync 000000000001.seg");
      assert.ok(flushed > fileSystem.trace.lastIndexOf("write 000000000001.seg"), fileSystem.trace.join());
    }),
  );

  it("comes out right however few bytes a call moves, and however often it is interrupted", async () => {
    await inTemporaryFolder((folder) => {
      for (const bytesMax of [1, 7, 4095]) {
        const path = join(folder, `short-${bytesMax}`);
        const fileSystem = new WatchedFileSystem();
        fileSystem.bytesMax = bytesMax;
        // Every other call is interrupted before it does anything.
        let calls = 0;
        fileSystem.fail = ({ operation }) => {
          if (operation === "write" && ++calls % 2 === 0) throw systemError("EINTR");
        };
        fileSystem.failRead = () => {
          if (++calls % 2 === 0) throw systemError("EINTR");
        };
        const options = { fileSystem, segmentBytes: 4096 };
        const history = ((log) => {
          const history = new History(log);
          history.append(entryAt(1, 1, 0), ...entriesAt(2, 10, 1, 900), entryAt(11, 2, 5000));
          history.do((log) => log.applySnapshot({ index: 4, term: 1, config: [1n], data: bytesOf(2000) }));
          assertSameState(stateOf(log), history.last, `${bytesMax} bytes a call`);
          log.closeSync();
          return history;
        })(WalLog.openSync(path, bytesMax === 1 ? { fileSystem } : options));
        const again = WalLog.openSync(path, options);
        assertSameState(stateOf(again), history.last, `${bytesMax} bytes a call, reopened`);
        again.closeSync();
        const plain = WalLog.openSync(path);
        assertSameState(stateOf(plain), history.last, `${bytesMax} bytes a call, read at once`);
        plain.closeSync();
      }
    });
  });
});

describe("the first failure", () => {
  /** A log with durable entries 1 to 10, and 11 to 13 that no flush covers. */
  async function prepare(log: WalLog): Promise<void> {
    log.setHardState({ term: 1, votedFor: 1n });
    log.append(entriesAt(1, 10));
    await log.sync();
    log.append(entriesAt(11, 13));
  }

  /** Fails unless the log takes nothing more, with the cause, and still reads. */
  async function assertPoisoned(log: WalLog, cause: string, entries: number): Promise<void> {
    const snapshot = { index: 2, term: 1, config: [], data: bytesOf(4) };
    const calls: (() => unknown)[] = [
      () => log.append([entryAt(log.lastIndex + 1, 9)]),
      () => log.append([]),
      () => log.truncate(log.lastIndex),
      () => log.setHardState({ term: 9, votedFor: null }),
      () => log.setHardState({ term: 9, votedFor: null }, { force: true }),
      () => log.applySnapshot(snapshot),
      () => log.createSnapshot(snapshot),
      () => log.receiveSnapshot(snapshot),
      () => log.compact(2),
      () => log.compact(0),
      () => log.syncSync(),
      () => log.sync(),
    ];
    for (const call of calls) {
      await assert.rejects(async () => await call(), (error) => {
        assert.ok(error instanceof WalLogError, `${error}`);
        assert.equal(error.code, "POISONED", `${call}: ${error.message}`);
        assert.equal(error.isFatal, true);
        assert.equal(error.isRetryable, false);
        const found = error.cause as { code?: string; cause?: { code?: string } };
        assert.ok(found.code === cause || found.cause?.code === cause, `the cause of ${call}: ${error.cause}`);
        return true;
      });
    }
    assert.equal(log.lastIndex, entries);
    assert.equal(log.entries(1, entries).length, entries, "reads go on");
    assert.equal(log.entry(5)?.index, 5);
  }

  /** Fails unless closing gives up the lock and the reopened log has at least what was durable. */
  async function assertReopens({ path, fileSystem, log }: Subject, history: History, least = 10): Promise<WalLog> {
    fileSystem.fail = () => {};
    fileSystem.gate = () => Promise.resolve();
    await assert.rejects(log.close(), { code: "POISONED" }, "closing says that not everything was saved");
    await log.close();
    const again = WalLog.openSync(path, { segmentBytes: 4096 });
    assert.ok(again.lastIndex >= least, `lastIndex ${again.lastIndex}, synced ${least}`);
    assert.notEqual(again.recovery.verdict, "corrupt");
    history.stepOf(stateOf(again), history.durable, "after the failure");
    again.append([entryAt(again.lastIndex + 1, 9)]);
    again.syncSync();
    again.closeSync();
    const last = WalLog.openSync(path);
    assert.equal(last.recovery.verdict, "clean");
    last.closeSync();
    return again;
  }

  function recorded(log: WalLog): History {
    const history = new History(log);
    history.do((log) => log.setHardState({ term: 1, votedFor: 1n }));
    history.append(...entriesAt(1, 10)).sync();
    return history.append(...entriesAt(11, 13));
  }

  it(
    "of a flush rejects all who wait, with the cause, and no flush is tried again",
    withLog(async (subject) => {
      const { fileSystem, log } = subject;
      const history = recorded(log);
      const flushes = gated(fileSystem);
      const first = log.sync();
      await turn();
      log.append([entryAt(14)]);
      history.model.append([entryAt(14)]);
      history.states.push(stateOf(history.model));
      const later = [log.sync(), log.sync()];
      const outcomes = Promise.allSettled([first, ...later]);
      await flushes.release(systemError("EIO"));
      for (const outcome of await outcomes) {
        assert.equal(outcome.status, "rejected");
        assert.equal((outcome as PromiseRejectedResult).reason.code, "POISONED");
      }
      assert.equal(log.durableIndex, 10);
      fileSystem.calls = [];
      await assertPoisoned(log, "EIO", 14);
      fileSystem.rest();
      assert.deepEqual(fileSystem.trace, [], "nothing is written or flushed any more");
      await assertReopens(subject, history);
      assert.equal(fileSystem.count("sync", "syncAsync", "write"), 0, "closing tries nothing either");
    }),
  );

  it("never returns a wrong entry after the page cache dropped entries not durable", () => {
    const found = { same: 0, damaged: 0 };
    for (let seed = 1; seed <= 20; seed++) {
      const disk = new SimulatedDisk({ seed });
      const log = WalLog.openSync("/raft.wal", { fileSystem: disk.fileSystem });
      // Larger than the writer keeps in memory: they are read from the file.
      const entries = entriesAt(1, 10, 1, 60_000);
      for (const entry of entries.slice(0, 5)) log.append([entry]);
      log.syncSync();
      for (const entry of entries.slice(5)) log.append([entry]);
      disk.failAfter("EIO", 0, "sync");
      assert.throws(() => log.syncSync(), { code: "POISONED" });
      disk.evict();
      assert.equal(log.lastIndex, 10);
      for (const entry of entries) {
        try {
          assert.deepEqual(log.entry(entry.index), entry);
          found.same++;
        } catch (error) {
          assert.ok(error instanceof WalLogError && error.code === "DAMAGED_ENTRY", `${error}`);
          assert.ok(entry.index > log.durableIndex, `entry ${entry.index} was durable`);
          found.damaged++;
        }
      }
      assert.equal(log.durableIndex, 5);
      assert.throws(() => log.closeSync(), { code: "POISONED" });
    }
    assert.ok(found.damaged > 0 && found.same >= 100, JSON.stringify(found));
  });

  it(
    "of a blocking flush throws, and poisons as well",
    withLog(async (subject) => {
      const { fileSystem, log } = subject;
      const history = recorded(log);
      fileSystem.fail = ({ operation }) => {
        if (operation === "sync") throw systemError("EIO");
      };
      assert.throws(() => log.syncSync(), { code: "POISONED" });
      fileSystem.fail = () => {};
      assert.equal(log.durableIndex, 10);
      await assertPoisoned(log, "EIO", 13);
      await assertReopens(subject, history);
    }),
  );

  for (const code of ["ENOSPC", "EDQUOT", "EFBIG"]) {
    it(
      `is none if a write finds no room, ${code}: it is refused, and works when there is room`,
      withLog((subject) => {
        const { fileSystem, log } = subject;
        const history = recorded(log);
        const calls: Record<string, () => void> = {
          append: () => history.append(entryAt(14)),
          truncate: () => history.do((log) => log.truncate(14)),
          "hard state": () => history.do((log) => log.setHardState({ term: 9, votedFor: 9n })),
          "append of many MiB": () => history.do((log) => log.append(entriesAt(14, 60, 1, 200_000))),
          "append of a large entry": () => history.do((log) => log.append(entriesAt(61, 62, 1, 5_000_000))),
        };
        for (const [name, call] of Object.entries(calls)) {
          const before = stateOf(log);
          let isFull = true;
          fileSystem.fail = ({ operation }) => {
            if (isFull && operation === "write") throw systemError(code);
          };
          const steps = history.states.length;
          assert.throws(call, { code: "NO_SPACE" }, name);
          assertSameState(stateOf(log), before);
          assert.equal(history.states.length, steps);
          isFull = false;
          call();
        }
        fileSystem.fail = () => {};
        history.sync();
        log.closeSync();
        const again = WalLog.openSync(subject.path, { segmentBytes: 4096 });
        assert.ok(again.recovery.closed);
        assertSameState(stateOf(again), history.last);
        again.closeSync();
      }),
    );
  }

  for (const operation of ["truncate", "sync"] as const) {
    it(
      `of the ${operation} that takes a write back, which found no room, poisons the log`,
      withLog(async (subject) => {
        const { fileSystem, log } = subject;
        const history = recorded(log);
        fileSystem.fail = (call) => {
          if (call.operation === "write") throw systemError("ENOSPC");
          if (call.operation === operation) throw systemError("EIO");
        };
        assert.throws(() => log.append([entryAt(14)]), { code: "POISONED" });
        fileSystem.fail = () => {};
        await assertPoisoned(log, "EIO", 13);
        await assertReopens(subject, history);
      }),
    );
  }

  it(
    "of a flush for lack of room poisons the log, because nobody knows what of it is durable",
    withLog(({ fileSystem, log }) => {
      log.append([entryAt(1)]);
      fileSystem.fail = ({ operation }) => {
        if (operation === "sync") throw systemError("ENOSPC");
      };
      assert.throws(() => log.syncSync(), { code: "POISONED" });
      fileSystem.fail = () => {};
      assert.throws(() => log.append([entryAt(2)]), { code: "POISONED" });
    }),
  );

  for (const code of ["EIO", "EROFS"]) {
    it(
      `of a write, ${code}, leaves memory as it was`,
      withLog(async (subject) => {
        const { fileSystem, log } = subject;
        const history = recorded(log);
        const before = stateOf(log);
        fileSystem.fail = ({ operation }) => {
          if (operation === "write") throw systemError(code);
        };
        assert.throws(() => log.append([entryAt(14)]), { code: "POISONED" });
        fileSystem.fail = () => {};
        assertSameState(stateOf(log), before);
        await assertPoisoned(log, code, 13);
        await assertReopens(subject, history);
      }),
    );
  }

  for (
    const [what, call] of Object.entries<(log: WalLog) => void>({
      "of a truncation": (log) => log.truncate(12),
      "of a hard state": (log) => log.setHardState({ term: 2, votedFor: 2n }),
    })
  ) {
    it(
      `${what} leaves memory as it was`,
      withLog(async (subject) => {
        const { fileSystem, log } = subject;
        const history = recorded(log);
        const before = stateOf(log);
        fileSystem.fail = ({ operation }) => {
          if (operation === "write") throw systemError("EIO");
        };
        assert.throws(() => call(log), { code: "POISONED" });
        fileSystem.fail = () => {};
        assertSameState(stateOf(log), before);
        await assertPoisoned(log, "EIO", 13);
        await assertReopens(subject, history);
      }),
    );
  }

  it(
    "of a checkpoint poisons when it happens, and not the one who comes next",
    withLog(async (subject) => {
      const { fileSystem, log } = subject;
      const history = new History(log);
      history.append(...entriesAt(1, 13)).sync();
      fileSystem.fail = ({ operation }) => {
        if (operation === "write") throw systemError("EIO");
      };
      fileSystem.rest();
      fileSystem.fail = () => {};
      await assertPoisoned(log, "EIO", 13);
      await assertReopens(subject, history);
    }),
  );

  it("in closing is reported, and the log is closed all the same", async () => {
    for (const operation of ["write", "sync", "truncate"] as const) {
      await inTemporaryFolder(async (folder) => {
        const path = join(folder, "raft.wal");
        const fileSystem = new WatchedFileSystem();
        const log = WalLog.openSync(path, { fileSystem });
        await prepare(log);
        fileSystem.fail = (call) => {
          if (call.operation === operation) throw systemError("EIO");
        };
        await assert.rejects(log.close(), { code: "POISONED" });
        assert.equal(fileSystem.openFiles, 0);
        const again = WalLog.openSync(path);
        assert.ok(again.lastIndex >= 10);
        again.closeSync();
      });
    }
  });

  // Every call of a rotation, failed one after the other: none of them may go unnoticed.
  it("anywhere in a rotation poisons, and what was synced is there after reopening", async () => {
    let failed = 0;
    for (let at = 1;; at++) {
      let done = false;
      await inTemporaryFolder(async (folder) => {
        const path = join(folder, "raft.wal");
        const fileSystem = new WatchedFileSystem();
        const log = WalLog.openSync(path, { fileSystem, segmentBytes: 4096 });
        const history = new History(log);
        history.append(...entriesAt(1, 10, 1, 200)).sync();
        history.append(...entriesAt(11, 12, 1, 200));
        let calls = 0;
        let which: Call | undefined;
        fileSystem.fail = (call) => {
          if (++calls !== at) return;
          which = call;
          throw systemError("EIO");
        };
        const batch = entriesAt(13, 24, 1, 200);
        try {
          log.append(batch);
          done = true;
        } catch (error) {
          assert.ok(error instanceof WalLogError && error.code === "POISONED", `${at} ${which?.operation}: ${error}`);
          failed++;
        }
        fileSystem.fail = () => {};
        if (done) {
          assert.equal(log.stats().segmentsSealed, 1, "the batch made the log rotate");
          log.closeSync();
          return;
        }
        await assertPoisoned(log, "EIO", 12);
        history.model.append(batch);
        history.states.push(stateOf(history.model));
        await assertReopens({ path, fileSystem, log }, history);
      });
      if (done) break;
    }
    assert.ok(failed >= 7, `${failed} calls: data, file, header, flush, directory, segment index, next segment`);
  });

  it("anywhere in a snapshot poisons, and what was synced is there after reopening", async () => {
    let failed = 0;
    const leaks: string[] = [];
    for (let at = 1;; at++) {
      let done = false;
      await inTemporaryFolder(async (folder) => {
        const path = join(folder, "raft.wal");
        const fileSystem = new WatchedFileSystem();
        const log = WalLog.openSync(path, { fileSystem, segmentBytes: 4096 });
        const history = new History(log);
        history.append(...entriesAt(1, 13, 1, 900)).sync();
        const snapshot = { index: 11, term: 1, config: [1n], data: bytesOf(900) };
        history.model.applySnapshot(snapshot);
        history.states.push(stateOf(history.model));
        let calls = 0;
        let which: Call | undefined;
        fileSystem.fail = (call) => {
          if (++calls !== at) return;
          which = call;
          throw systemError("EIO");
        };
        try {
          log.applySnapshot(snapshot);
          done = true;
        } catch (error) {
          assert.ok(error instanceof WalLogError && error.code === "POISONED", `${at} ${which?.operation}: ${error}`);
          failed++;
        }
        fileSystem.fail = () => {};
        if (!done) {
          await assert.rejects(log.sync(), { code: "POISONED" });
          await close(log);
          if (fileSystem.openFiles > 0) leaks.push(`${which?.operation} ${which?.name}`);
        } else log.closeSync();
        const again = WalLog.openSync(path, { fileSystem });
        assert.notEqual(again.recovery.verdict, "corrupt");
        history.stepOf(stateOf(again), history.durable, `${which?.operation} ${which?.name} failed`);
        again.closeSync();
        const left = [...contentsOf(path).keys()].filter((name) => name.endsWith(".tmp"));
        assert.deepEqual(left, [], "temporary files are gone after reopening");
      });
      if (done) break;
    }
    assert.deepEqual(leaks, [], "failures that leave a file open");
    assert.ok(failed >= 8, `${failed} calls: file, data, flush, rename, directory, frame, flush, deletion`);
  });

  it("anywhere in opening is an error with its cause, with nothing open and nothing lost", async () => {
    const leaks: string[] = [];
    for (const closed of [true, false]) {
      for (let at = 1;; at++) {
        let done = false;
        await inTemporaryFolder((folder) => {
          const original = join(folder, "original");
          const first = WalLog.openSync(original, { segmentBytes: 4096 });
          const history = new History(first);
          history.append(...entriesAt(1, 13, 1, 900)).sync().append(...entriesAt(14, 15));
          if (closed) first.closeSync();
          const path = join(folder, "raft.wal");
          mkdirSync(path);
          for (const [name, bytes] of contentsOf(original)) writeFileSync(`${path}/${name}`, bytes);
          writeFileSync(join(path, "000000000001-000000000001.snap.00000000000000ff.tmp"), "left behind");
          if (!closed) first.closeSync();
          const fileSystem = new WatchedFileSystem();
          let calls = 0;
          let which: Call | undefined;
          fileSystem.fail = (call) => {
            if (++calls !== at) return;
            which = call;
            throw systemError("EIO");
          };
          try {
            WalLog.openSync(path, { fileSystem }).closeSync();
            done = calls < at;
          } catch (error) {
            assert.ok(error instanceof WalLogError && (error.code === "IO" || error.code === "POISONED"), `${error}`);
          }
          if (fileSystem.openFiles > 0) leaks.push(`${which?.operation} ${which?.name}, closed: ${closed}`);
          fileSystem.fail = () => {};
          const again = WalLog.openSync(path, { fileSystem });
          assertSameState(stateOf(again), history.last, `${which?.operation} ${which?.name} failed while opening`);
          again.closeSync();
        });
        if (done) break;
      }
    }
    assert.deepEqual(leaks, [], "failures that leave a file open");
  });
});

describe("a full disk", () => {
  it(
    "refuses the append that needs a new segment, whole, and takes it when there is space",
    withLog(
      ({ path, fileSystem, log }) => {
        const history = new History(log);
        history.append(...entriesAt(1, 6, 1, 500));
        let isFull = true;
        for (const step of ["create", "write", "sync"] as const) {
          fileSystem.fail = ({ operation, name }) => {
            if (isFull && operation === step && name !== "000000000001.seg") throw systemError("ENOSPC");
          };
          isFull = true;
          for (let time = 0; time < 3; time++) {
            const before = stateOf(log);
            const batch = entriesAt(7, 12, 1, 500);
            assert.throws(() => log.append(batch), (error) => {
              assert.ok(error instanceof WalLogError && error.code === "NO_SPACE", `${step}: ${error}`);
              assert.equal(error.isRetryable, true);
              assert.equal(error.isFatal, false);
              return true;
            });
            assertSameState(stateOf(log), before, `${step} refused`);
            assert.deepEqual([...contentsOf(path).keys()].filter((name) => name.endsWith(".seg")), [
              "000000000001.seg",
            ]);
          }
          // What fits the segment there is still goes in.
          history.append(entryAt(log.lastIndex + 1, 1, 20));
          assert.equal(log.syncSync(), log.lastIndex);
          history.do((log) => log.truncate(7));
        }
        isFull = false;
        history.append(...entriesAt(7, 30, 1, 500)).sync();
        assert.ok(log.stats().segments >= 2);
        assertSameState(stateOf(log), history.last);
        log.closeSync();
        const again = WalLog.openSync(path);
        assertSameState(stateOf(again), history.last, "reopened");
        assert.equal(again.recovery.verdict, "clean");
        again.closeSync();
      },
      { segmentBytes: 4096 },
    ),
  );

  it(
    "that is full when a segment is sealed costs the segment index, which is a copy",
    withLog(({ path, fileSystem, log }) => {
      const history = new History(log);
      history.append(...entriesAt(1, 7, 1, 500)).sync();
      fileSystem.fail = ({ operation, name, position }) => {
        if (operation === "write" && name === "000000000001.seg" && position > SEGMENT_HEADER_BYTES) {
          throw systemError("ENOSPC");
        }
      };
      history.append(...entriesAt(8, 12, 1, 500));
      fileSystem.fail = () => {};
      log.closeSync();
      for (const verify of ["full", "tail"] as const) {
        const again = WalLog.openSync(path, { verify });
        assertSameState(stateOf(again), history.last, `verify "${verify}"`);
        again.closeSync();
      }
    }, { segmentBytes: 4096 }),
  );

  it("does not keep a reader out, nor a log that was closed; after a crash it says NO_SPACE and changes nothing", async () => {
    await inTemporaryFolder((folder) => {
      const path = join(folder, "raft.wal");
      const crashed = join(folder, "crashed");
      const log = WalLog.openSync(path);
      log.append(entriesAt(1, 10));
      log.syncSync();
      log.append(entriesAt(11, 12));
      const expected = stateOf(log);
      mkdirSync(crashed);
      for (const [name, bytes] of contentsOf(path)) writeFileSync(join(crashed, name), bytes);
      log.closeSync();
      const fileSystem = new WatchedFileSystem();
      fileSystem.fail = ({ operation, name }) => {
        if (operation === "create" || (operation === "write" && name !== "000000000001.seg")) {
          throw systemError("ENOSPC");
        }
      };
      const closed = WalLog.openSync(path, { fileSystem });
      assertSameState(stateOf(closed), expected);
      closed.closeSync();
      const reader = WalLog.openSync(crashed, { fileSystem, readOnly: true });
      assertSameState(stateOf(reader), expected);
      reader.closeSync();
      const before = contentsOf(crashed);
      assert.throws(() => WalLog.openSync(crashed, { fileSystem }), { code: "NO_SPACE" });
      assert.deepEqual(contentsOf(crashed), before);
      const later = WalLog.openSync(crashed);
      assertSameState(stateOf(later), expected);
      later.closeSync();
    });
  });
});
