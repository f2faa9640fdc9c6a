/** Changes around an open log: folders that move, locks that are deleted, links that change, and permissions. */

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { WalLog, WalLogError, type WalLogErrorCode, type WalLogOptions } from "../mod.ts";
import { locateRuntime, RUNTIME_NAMES } from "../scripts/runtimes.ts";
import { guard } from "../src/io/guard.ts";
import { nodeFileSystem } from "../src/io/node_fs.ts";
import { entriesAt } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { isWindows, skipReason, skipUnlessRoot } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";
import { WatchedFileSystem } from "./watched_file_system.ts";

const CHILD = fileURLToPath(new URL("./child.ts", import.meta.url));
const SMALL: WalLogOptions = { segmentBytes: 4096 };
/** Two writers would go on in the same segment. */
const ROOMY: WalLogOptions = { segmentBytes: 61_440 };
const onWindows = skipReason(isWindows && "Windows cannot delete or move a folder or file that is open");
const unlessRoot = skipUnlessRoot();

/** A log of three segments, synced. */
function writeLog(path: string, term = 1, options: WalLogOptions = {}): WalLog {
  const log = WalLog.openSync(path, { ...SMALL, ...options });
  for (const entry of entriesAt(1, 20, term, 900)) log.append([entry]);
  log.syncSync();
  return log;
}

/** The bytes of a folder's files. */
function bytesOf(folder: string): Map<string, string> {
  return new Map(readdirSync(folder).sort().map((name) => [name, readFileSync(join(folder, name), "hex")]));
}

async function rejection(code: WalLogErrorCode, call: () => unknown): Promise<WalLogError> {
  try {
    await call();
  } catch (error) {
    assert(error instanceof WalLogError, String(error));
    assert.equal(error.code, code, error.message);
    return error;
  }
  return assert.fail(`expected ${code}, nothing was thrown`);
}

/** Fails unless a writer that lost its lock rejects a call with the right error. */
async function assertLost(ask: (log: WalLog) => unknown, log: WalLog, message: RegExp): Promise<void> {
  const error = await rejection("POISONED", () => ask(log));
  assert.equal((error.cause as WalLogError).code, "LOCK_LOST");
  assert.match(error.message, message);
  assert.equal(log.entry(20)!.index, 20, "an entry that was read lately can still be read");
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

  /** What another writer does to a log that was opened and not written yet, and how it is undone. */
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
      it(`${accident}: the writer of ${state} acknowledges nothing more, and harms nothing`, () =>
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

  it("makes, renames, deletes and flushes nothing", async () => {
    const watched = new WatchedFileSystem(new MemoryDisk());
    let isHeld = true;
    const check = () => {
      if (!isHeld) throw gone;
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
    // This one is checked while the disk works.
    await assert.rejects(file.syncAsync(), (error) => error === gone);
  });
});

describe("the lock", () => {
  it("is refused and left as it is if it is not an empty regular file", () =>
    inTemporaryFolder((folder) => {
      const outside = join(folder, "outside");
      writeFileSync(outside, "mine");
      const cases: Record<
        string,
        { readonly make: (lock: string) => void; readonly says: RegExp; readonly only?: true }
      > = {
        "a directory": { make: (lock) => mkdirSync(lock), says: /LOCK: expected a regular file, found a directory/ },
        "a file with bytes": {
          make: (lock) => writeFileSync(lock, "pid 17"),
          says: /expected an empty file, found 6 bytes/,
        },
        "a journal beside it": {
          make: (lock) => {
            writeFileSync(lock, "");
            writeFileSync(`${lock}-journal`, "x");
          },
          says: /found LOCK-journal beside it/,
        },
      };
      if (!onWindows) {
        cases["a link"] = { make: (lock) => symlinkSync(outside, lock), says: /found a symbolic link/ };
        cases["a link to nothing"] = {
          make: (lock) => symlinkSync(join(folder, "new"), lock),
          says: /found a symbolic link/,
        };
        cases["a FIFO"] = { make: (lock) => spawnSync("mkfifo", [lock]), says: /found a FIFO/ };
      }
      for (const [name, { make, says }] of Object.entries(cases)) {
        const path = join(folder, name);
        mkdirSync(path);
        make(join(path, "LOCK"));
        const before = readdirSync(path);
        assert.throws(() => WalLog.openSync(path), (error) => {
          assert(error instanceof WalLogError && error.code === "UNSAFE_FILE", `${name}: ${error}`);
          assert.match(error.message, says);
          return true;
        });
        assert.deepEqual(readdirSync(path), before, name);
      }
      assert.equal(readFileSync(outside, "utf8"), "mine");
      assert(!existsSync(join(folder, "new")));
    }));

  it("is refused if it may be read but not written", { skip: unlessRoot }, () =>
    inTemporaryFolder((folder) => {
      const path = join(folder, "raft.wal");
      writeLog(path).closeSync();
      chmodSync(folder, 0o755);
      for (const name of ["", ...readdirSync(path)]) chownSync(join(path, name), 65534, 65534);
      chownSync(join(path, "LOCK"), 0, 0);
      chmodSync(join(path, "LOCK"), 0o644);
      // Deno cannot become another user. The other runtimes cover the shared code.
      const [binary, ...prefix] = locateRuntime("node").run;
      const { stdout, stderr } = spawnSync(binary, [...prefix, CHILD, "try-as", path, "65534"], { encoding: "utf8" });
      assert.equal(stderr, "");
      assert.match(stdout, /^IO .*it can be read but not written/);
    }));

  it("says whether it is held in this process or in another", () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      const log = writeLog(path);
      const here = await rejection("LOCKED", () => WalLog.open(path));
      assert.match(here.message, /: this process has it open/);
      assert(here.isRetryable);
      log.closeSync();
      const [binary, ...prefix] = locateRuntime("node").run;
      const holder = spawn(binary, [...prefix, CHILD, "hold", path], { stdio: ["pipe", "pipe", "inherit"] });
      await new Promise((resolve) => holder.stdout.once("data", resolve));
      const elsewhere = await rejection("LOCKED", () => WalLog.open(path));
      assert.match(elsewhere.message, /: another process, or another thread of this one, has it open/);
      holder.stdin.end();
      await new Promise((resolve) => holder.once("close", resolve));
    }));

  for (const runtime of RUNTIME_NAMES) {
    it(`can be waited for while a process of ${runtime} ends`, () =>
      inTemporaryFolder(async (folder) => {
        const path = join(folder, "raft.wal");
        const [binary, ...prefix] = locateRuntime(runtime).run;
        for (const open of [WalLog.open, WalLog.openSync]) {
          const child = spawn(binary, [...prefix, CHILD, "hold-for", path, "300"], {
            stdio: ["ignore", "pipe", "inherit"],
          });
          await new Promise((resolve) => child.stdout.once("data", resolve));
          const ended = new Promise((resolve) => child.once("close", resolve));
          const log = await open(path, { lockTimeout: 60_000 });
          log.closeSync();
          await ended;
        }
      }));
  }

  it("is not waited for longer than lockTimeout, nor after the signal", () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      const log = writeLog(path);
      await rejection("LOCKED", () => WalLog.open(path, { lockTimeout: 30 }));
      await rejection("LOCKED", () => WalLog.openSync(path, { lockTimeout: 30 }));
      const controller = new AbortController();
      const waiting = WalLog.open(path, { lockTimeout: 60_000, signal: controller.signal });
      controller.abort(new Error("enough"));
      await assert.rejects(waiting, /enough/);
      const later = WalLog.open(path, { lockTimeout: 60_000 });
      log.closeSync();
      await (await later).close();
      for (const lockTimeout of [-1, NaN, Infinity, "5" as unknown as number]) {
        await rejection("INVALID_ARGUMENT", () => WalLog.open(path, { lockTimeout }));
      }
    }));

  it("works in a folder whose path is longer than SQLite accepts", () =>
    inTemporaryFolder(async (folder) => {
      let path = folder;
      while (path.length < 600) path = join(path, "d".repeat(60));
      const log = writeLog(path);
      await rejection("LOCKED", () => WalLog.open(path));
      const [binary, ...prefix] = locateRuntime("node").run;
      const tried = spawnSync(binary, [...prefix, CHILD, "try", path], { encoding: "utf8" });
      assert.equal(tried.stdout, "LOCKED\n", tried.stderr);
      log.closeSync();
      const left = (readdirSync(folder, { recursive: true }) as string[]).filter((name) =>
        name.includes("wallog-lock")
      );
      assert.deepEqual(left, []);
    }));
});

describe("create: false", () => {
  it("refuses a folder without a log, and makes nothing", () =>
    inTemporaryFolder(async (folder) => {
      mkdirSync(join(folder, "empty"));
      for (const name of ["empty", "missing", "missing/below"]) {
        for (const readOnly of [false, true]) {
          const path = join(folder, name);
          const error = await rejection("NOT_FOUND", () => WalLog.open(path, { create: false, readOnly }));
          assert.match(error.message, /no log found; check the path, and that its volume is mounted/);
          await rejection("NOT_FOUND", () => WalLog.openSync(path, { create: false, readOnly }));
        }
      }
      assert.deepEqual(readdirSync(folder, { recursive: true }), ["empty"]);
    }));

  it("opens an existing log, and reports a damaged one as CORRUPT", () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      writeLog(path).closeSync();
      const log = await WalLog.open(path, { create: false });
      assert.equal(log.lastIndex, 20);
      log.closeSync();
      for (const name of readdirSync(path)) if (name.endsWith(".seg")) unlinkSync(join(path, name));
      await rejection("CORRUPT", () => WalLog.open(path, { create: false }));
    }));

  it("reports NOT_FOUND if a crash interrupted the creation of the log", () =>
    inTemporaryFolder(async (folder) => {
      writeFileSync(join(folder, "000000000001.seg"), new Uint8Array(4096));
      await rejection("NOT_FOUND", () => WalLog.open(folder, { create: false }));
      assert.equal(statSync(join(folder, "000000000001.seg")).size, 4096);
      (await WalLog.open(folder)).closeSync();
    }));
});

describe("permissions", { skip: onWindows }, () => {
  const modeOf = (path: string) => statSync(path).mode & 0o777;

  it("are the owner's alone unless fileMode allows more", () =>
    inTemporaryFolder((folder) => {
      const cases: readonly (readonly [WalLogOptions, file: number, folder: number])[] = [
        [{}, 0o600, 0o700],
        [{ fileMode: 0o640 }, 0o640, 0o750],
        [{ fileMode: 0o644 }, 0o644, 0o755],
      ];
      for (const [i, [options, fileMode, folderMode]] of cases.entries()) {
        const path = join(folder, `${i}`, "raft.wal");
        const log = writeLog(path, 1, options);
        log.applySnapshot({ index: 10, term: 1, config: [], data: new Uint8Array(9) });
        log.closeSync();
        assert.equal(modeOf(path), folderMode);
        for (const name of readdirSync(path)) assert.equal(modeOf(join(path, name)), fileMode, name);
      }
      for (const fileMode of [0o400, 0o700, 0o1600, -1, 1.5, "600" as unknown as number]) {
        assert.throws(() => WalLog.openSync(join(folder, "never"), { fileMode }), /fileMode must be permission bits/);
      }
      assert(!existsSync(join(folder, "never")));
    }));

  it(
    "and owner of a damaged file are kept when a repair replaces it",
    { skip: unlessRoot },
    () =>
      inTemporaryFolder((folder) => {
        const path = join(folder, "raft.wal");
        const log = writeLog(path);
        const good = log.entries(1, 20);
        log.closeSync();
        const oldest = join(path, "000000000001.seg");
        const bytes = readFileSync(oldest);
        bytes[bytes.indexOf(good[2]!.command.subarray(0, 16)) + 100]! ^= 1;
        writeFileSync(oldest, bytes);
        for (const name of readdirSync(path)) {
          chownSync(join(path, name), 65534, 65534);
          chmodSync(join(path, name), 0o640);
        }
        chownSync(path, 65534, 65534);
        const damaged = WalLog.openSync(path, { ...SMALL, onDamage: "keep" });
        assert.equal(damaged.damaged.length, 1);
        damaged.repair([good[2]!]);
        for (let index = 21; index < 40; index++) damaged.append(entriesAt(index, index, 1, 900));
        damaged.closeSync();
        assert.equal(modeOf(oldest), 0o640);
        for (const name of readdirSync(path)) assert.equal(statSync(join(path, name)).uid, 65534, name);
      }),
  );
});
