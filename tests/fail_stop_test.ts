/** Fail-stop on the first I/O error: which errors end the writer, and what the log still does. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { WalLog, WalLogError } from "../mod.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { entriesAt, entryAt, History } from "./history.ts";
import { assertSameState, stateOf } from "./model.ts";
import { inTemporaryFolder } from "./temporary.ts";
import { systemError, WatchedFileSystem } from "./watched_file_system.ts";
import { assertPoisoned, assertReopens, gated, turn, withLog } from "./watched_log.ts";

/** Longer than the time between two durable slots, in milliseconds. */
const SLOT_DUE_MS = 1100;

/** A log with durable entries 1 to 10, and 11 to 13 that no flush covers. */
async function prepare(log: WalLog): Promise<void> {
  log.setHardState({ term: 1, votedFor: 1n });
  log.append(entriesAt(1, 10));
  await log.sync();
  log.append(entriesAt(11, 13));
}

function recorded(log: WalLog): History {
  const history = new History(log);
  history.do((log) => log.setHardState({ term: 1, votedFor: 1n }));
  history.append(...entriesAt(1, 10)).sync();
  return history.append(...entriesAt(11, 13));
}

describe("the first failure", () => {
  it(
    "of a flush rejects all waiting callers, and no flush is retried",
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

  it(
    "during a flush keeps the flush from writing a durable slot",
    withLog(async ({ fileSystem, log }) => {
      const flushes = gated(fileSystem);
      const flush = async (fails: boolean) => {
        log.append([entryAt(log.lastIndex + 1)]);
        const flushed = log.sync().catch(() => {});
        await turn();
        if (fails) {
          fileSystem.fail = ({ operation }) => {
            if (operation === "write") throw systemError("EIO");
          };
          assert.throws(() => log.append([entryAt(log.lastIndex + 1)]), { code: "POISONED" });
        }
        fileSystem.fail = () => {};
        fileSystem.calls = [];
        await flushes.release();
        await flushed;
        // The flush itself goes on for a few turns after its callers were rejected.
        for (let i = 0; i < 5; i++) await turn();
        return fileSystem.count("write");
      };
      // A slot is due once a second.
      await sleep(SLOT_DUE_MS);
      assert.equal(await flush(false), 1, "a log that has not failed writes one");
      await sleep(SLOT_DUE_MS);
      assert.equal(await flush(true), 0);
    }),
  );

  it(
    "of a write rejects all waiting callers and allows closing, even if the running flush never ends",
    withLog(async (subject) => {
      const { fileSystem, log } = subject;
      const history = recorded(log);
      const flushes = gated(fileSystem);
      const waiting = log.sync();
      const outcome = waiting.then(() => "durable", (error) => error.code);
      await turn();
      assert.equal(flushes.begun, 1);
      fileSystem.fail = ({ operation }) => {
        if (operation === "write") throw systemError("EIO");
      };
      assert.throws(() => log.append([entryAt(14)]), { code: "POISONED" });
      await turn();
      assert.equal(await Promise.race([outcome, "still waiting"]), "POISONED");
      await assertPoisoned(log, "EIO", 13);
      await assertReopens(subject, history);
      await flushes.release();
    }),
  );

  it("never returns a wrong entry after the page cache dropped unflushed entries", () => {
    const found = { same: 0, damaged: 0 };
    for (let seed = 1; seed <= 20; seed++) {
      const disk = new SimulatedDisk({ seed });
      const log = WalLog.openSync("/raft.wal", { fileSystem: disk.fileSystem });
      // Larger than the write buffer, so that they are read from the file.
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
    "of a blocking flush throws, and poisons the log too",
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
      `is not a write without space, ${code}: it is refused, and works when there is space`,
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
      `of the ${operation} that undoes a write without space poisons the log`,
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
    "of a flush for lack of space poisons the log",
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
      `of a write, ${code}, leaves memory unchanged`,
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
      `${what} leaves memory unchanged`,
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
    "of a checkpoint poisons the log at once, not at the next call",
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

  it("while closing is reported, and the log is closed nevertheless", async () => {
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
});
