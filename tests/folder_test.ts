/** Changes around an open log: folders that move, locks that are deleted, links that change, and permissions. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { WalLog, WalLogError, type WalLogOptions } from "../mod.ts";
import { guard } from "../src/io/guard.ts";
import { nodeFileSystem } from "../src/io/node_fs.ts";
import { entriesAt } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { inTemporaryFolder } from "./temporary.ts";
import { WatchedFileSystem } from "./watched_file_system.ts";
import { onWindows, rejection, SMALL, writeLog } from "./log_folder.ts";

/** Large, so that two writers would write to the same segment. */
const ROOMY: WalLogOptions = { segmentBytes: 61_440 };

/** The bytes of a folder's files. */
function bytesOf(folder: string): Map<string, string> {
  return new Map(readdirSync(folder).sort().map((name) => [name, readFileSync(join(folder, name), "hex")]));
}

/** Fails unless a writer that lost its lock rejects a call with the right error. */
async function assertLost(ask: (log: WalLog) => unknown, log: WalLog, message: RegExp): Promise<void> {
  const error = await rejection("POISONED", () => ask(log));
  assert.equal((error.cause as WalLogError).code, "LOCK_LOST");
  assert.match(error.message, message);
  assert.equal(log.entry(20)!.index, 20, "an entry that was read recently can still be read");
  await rejection("POISONED", () => log.append(entriesAt(21, 21)));
  await rejection("POISONED", () => log.close());
}

const QUESTIONS: Record<string, (log: WalLog) => unknown> = {
  "sync of new entries": (log) => {
    log.append(entriesAt(21, 21));
    return log.sync();
  },
  "syncSync of new entries": (log) => {
    log.append(entriesAt(21, 21));
    log.syncSync();
  },
  "sync of nothing": (log) => log.sync(),
  "syncSync of nothing": (log) => log.syncSync(),
  "a rotation": (log) => {
    for (let index = 21; index < 40; index++) log.append(entriesAt(index, index, 1, 900));
  },
  "a snapshot": (log) => log.applySnapshot({ index: 15, term: 1, config: [], data: new Uint8Array(9) }),
  "a snapshot as a stream": (log) => log.receiveSnapshot({ index: 15, term: 1, config: [] }).close(),
  "close": (log) => log.close(),
};

/** Changes to a log's folder, and the writer's message for each. */
const ACCIDENTS: Record<string, { readonly happen: (path: string) => void; readonly message: RegExp }> = {
  "the folder is moved": {
    happen: (path) => renameSync(path, `${path}.old`),
    message: /the folder was moved or deleted/,
  },
  "the folder is deleted": {
    happen: (path) => rmSync(path, { recursive: true }),
    message: /the folder was moved or deleted/,
  },
  "another log takes the folder's place": {
    happen: (path) => {
      renameSync(path, `${path}.old`);
      writeLog(path, 2).closeSync();
    },
    message: /the folder was replaced by another folder/,
  },
  "a copy with hard links takes the folder's place": {
    happen: (path) => {
      renameSync(path, `${path}.old`);
      spawnSync("cp", ["-al", `${path}.old`, path]);
    },
    message: /the folder was replaced by another folder/,
  },
  "LOCK is deleted": { happen: (path) => unlinkSync(join(path, "LOCK")), message: /its LOCK was deleted/ },
  "LOCK is replaced": {
    happen: (path) => {
      writeFileSync(join(path, "LOCK.new"), "");
      renameSync(join(path, "LOCK.new"), join(path, "LOCK"));
    },
    message: /its LOCK was replaced/,
  },
};

describe("under an open log", { skip: onWindows }, () => {
  for (const [accident, { happen, message }] of Object.entries(ACCIDENTS)) {
    for (const [question, ask] of Object.entries(QUESTIONS)) {
      it(`${accident}: ${question} is refused`, () =>
        inTemporaryFolder(async (folder) => {
          const path = join(folder, "raft.wal");
          const log = writeLog(path);
          happen(path);
          const before = existsSync(path) ? bytesOf(path) : undefined;
          if (question === "close") await rejection("POISONED", () => log.close());
          else await assertLost(ask, log, message);
          if (accident === "another log takes the folder's place") assert.deepEqual(bytesOf(path), before);
        }));
    }
  }

  it("the newest segment is deleted or replaced: sync is refused", () =>
    inTemporaryFolder(async (folder) => {
      for (const happen of [unlinkSync, (path: string) => cpSync(path, `${path}.x`), unlinkSync]) {
        const path = join(folder, `${Math.random()}`);
        const log = writeLog(path);
        const newest = join(path, readdirSync(path).filter((name) => name.endsWith(".seg")).sort().at(-1)!);
        happen(newest);
        if (existsSync(`${newest}.x`)) renameSync(`${newest}.x`, newest);
        await assertLost(QUESTIONS["sync of new entries"]!, log, /was moved, deleted or replaced/);
      }
    }));

  /** Ways for another writer to take over a log that was opened but not written yet. */
  const TAKEOVERS: Record<string, (path: string, takeOver: (path: string) => void) => void> = {
    "LOCK is deleted": (path, takeOver) => {
      unlinkSync(join(path, "LOCK"));
      takeOver(path);
    },
    "LOCK is moved away and back": (path, takeOver) => {
      renameSync(join(path, "LOCK"), `${path}.lock`);
      takeOver(path);
      renameSync(`${path}.lock`, join(path, "LOCK"));
    },
    "a copy with hard links has no LOCK": (path, takeOver) => {
      spawnSync("cp", ["-al", path, `${path}.copy`]);
      unlinkSync(join(`${path}.copy`, "LOCK"));
      takeOver(`${path}.copy`);
    },
  };

  for (const [accident, happen] of Object.entries(TAKEOVERS)) {
    for (const isClosed of [true, false]) {
      const state = isClosed ? "a log that was closed" : "a log that is being written";
      it(`${accident}: the writer of ${state} acknowledges nothing more, and does no harm`, () =>
        inTemporaryFolder(async (folder) => {
          const path = join(folder, "raft.wal");
          let first = writeLog(path, 1, ROOMY);
          if (isClosed) {
            first.closeSync();
            first = WalLog.openSync(path, ROOMY);
          }
          let taken = path;
          happen(path, (at) => {
            taken = at;
            const second = WalLog.openSync(at, ROOMY);
            second.append(entriesAt(21, 24, 7));
            second.setHardState({ term: 9, votedFor: 3n });
            second.syncSync();
            second.closeSync();
          });
          const write = (log: WalLog) => {
            log.setHardState({ term: 1, votedFor: 2n });
            log.append(entriesAt(21, 22, 5));
            return log.sync();
          };
          const error = await rejection("POISONED", () => write(first));
          assert.equal((error.cause as WalLogError).code, "LOCK_LOST", error.message);
          await rejection("POISONED", () => first.close());
          const reopened = WalLog.openSync(taken, ROOMY);
          assert.deepEqual(reopened.hardState, { term: 9, votedFor: 3n });
          assert.deepEqual([21, 22, 24].map((index) => reopened.termAt(index)), [7, 7, 7]);
          assert.equal(reopened.lastIndex, 24);
          reopened.closeSync();
        }));
    }
  }

  it("LOCK is deleted: a second writer opens, and keeps what both acknowledged", () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      const first = writeLog(path);
      unlinkSync(join(path, "LOCK"));
      const second = WalLog.openSync(path, SMALL);
      second.truncate(19);
      second.append(entriesAt(19, 22, 7));
      await second.sync();
      first.append(entriesAt(21, 21, 5));
      await rejection("POISONED", () => first.sync());
      await rejection("POISONED", () => first.close());
      second.closeSync();
      const reopened = WalLog.openSync(path, SMALL);
      assert.equal(reopened.recovery.verdict, "clean");
      assert.deepEqual([18, 19, 22].map((index) => reopened.termAt(index)), [1, 7, 7]);
      reopened.closeSync();
    }));

  for (const byName of [false, true]) {
    const way = byName ? "only the link's name may be used" : "the link is resolved once";
    it(`a link is changed: the other log keeps its files (${way})`, () =>
      inTemporaryFolder(async (folder) => {
        for (const release of ["r1", "r2"]) mkdirSync(join(folder, release));
        const current = join(folder, "current");
        symlinkSync("r1", current);
        const options = byName ? { fileSystem: { ...nodeFileSystem, resolve: (path: string) => path } } : {};
        const old = writeLog(join(current, "raft"), 1, options);
        unlinkSync(current);
        symlinkSync("r2", current);
        writeLog(join(current, "raft"), 2).closeSync();
        const before = bytesOf(join(folder, "r2", "raft"));
        const write = () => {
          QUESTIONS["a rotation"]!(old);
          QUESTIONS["a snapshot"]!(old);
        };
        if (byName) await assertLost(write, old, /the folder was replaced by another folder/);
        else {
          write();
          await old.close();
          const reopened = WalLog.openSync(join(folder, "r1", "raft"), { readOnly: true });
          assert.deepEqual([reopened.lastIndex, reopened.snapshotIndex], [39, 15]);
          reopened.closeSync();
        }
        assert.deepEqual(bytesOf(join(folder, "r2", "raft")), before);
      }));
  }

  it("an old segment is deleted: a snapshot that covers it can be installed", () =>
    inTemporaryFolder((folder) => {
      const log = writeLog(join(folder, "raft.wal"));
      unlinkSync(join(folder, "raft.wal", "000000000001.seg"));
      log.applySnapshot({ index: 15, term: 1, config: [], data: new Uint8Array(5) });
      log.append(entriesAt(21, 21));
      assert.equal(log.syncSync(), 21);
      log.closeSync();
    }));
});

describe("a writer that has lost its lock", () => {
  const gone = new WalLogError("LOCK_LOST", "lost");

  it("creates, renames, deletes and flushes nothing", async () => {
    const watched = new WatchedFileSystem(new MemoryDisk());
    let isHeld = true;
    const check = () => {
      if (!isHeld) throw gone;
      return undefined;
    };
    const fileSystem = guard(watched, { check, release: () => {} }, 0o600);
    const path = `${MemoryDisk.PATH}/file`;
    const file = fileSystem.open(path, "create");
    isHeld = false;
    watched.calls = [];
    const calls: Record<string, () => unknown> = {
      create: () => fileSystem.open(`${path}-2`, "create"),
      "open for writing": () => fileSystem.open(path, "write"),
      "open for reading": () => fileSystem.open(path, "read"),
      rename: () => fileSystem.rename(path, `${path}-2`),
      remove: () => fileSystem.remove(path),
      "flush the folder": () => fileSystem.syncDirectory(MemoryDisk.PATH),
      truncate: () => file.truncate(0),
      flush: () => file.sync(),
    };
    for (const [name, call] of Object.entries(calls)) assert.throws(call, (error) => error === gone, name);
    assert.deepEqual(watched.calls, []);
    // An asynchronous flush is checked while the disk works.
    await assert.rejects(file.syncAsync(), (error) => error === gone);
  });
});
