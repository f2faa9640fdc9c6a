/** The lock: which writer gets it, which one waits, and which files are refused. */

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { WalLog, WalLogError } from "../mod.ts";
import { locateRuntime, RUNTIME_NAMES, type RuntimeName } from "../scripts/runtimes.ts";
import { entryAt } from "./history.ts";
import { onWindows, rejection, unlessRoot, writeLog } from "./log_folder.ts";
import { refusal, withPath, writeSegments } from "./opening.ts";
import { inTemporaryFolder } from "./temporary.ts";

const CHILD = fileURLToPath(new URL("./child.ts", import.meta.url));

describe("the lock", () => {
  it("is refused and unchanged if it is not an empty regular file", () =>
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

  it("reports whether it is held in this process or in another", () =>
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

  it("is waited for at most lockTimeout, and not after the signal", () =>
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

describe("the writer's lock", () => {
  it("refuses a second writer in the same process, by any path", async () => {
    await inTemporaryFolder((folder) => {
      const path = join(folder, "raft.wal");
      const first = WalLog.openSync(path);
      symlinkSync(path, join(folder, "link"), "junction");
      for (const other of [path, `${path}/`, join(path, "..", "raft.wal"), join(folder, "link")]) {
        const error = refusal(() => WalLog.openSync(other), "LOCKED");
        assert.equal(error.isRetryable, true);
        assert.equal(error.isFatal, false);
      }
      first.append([entryAt(1)]);
      assert.equal(first.syncSync(), 1, "the first one still works");
      first.closeSync();
      const second = WalLog.openSync(path);
      assert.equal(second.lastIndex, 1);
      refusal(() => WalLog.openSync(path), "LOCKED");
      second.closeSync();
    });
  });

  it(
    "is free again after a failed opening",
    withPath((path) => {
      const { names } = writeSegments(path);
      renameSync(join(path, names[1]!), join(path, "away"));
      refusal(() => WalLog.openSync(path), "CORRUPT");
      renameSync(join(path, "away"), join(path, names[1]!));
      WalLog.openSync(path).closeSync();
    }),
  );

  it(
    "is free only when closing is complete, however often close is called",
    withPath(
      async (path) => {
        const log = WalLog.openSync(path);
        log.append([entryAt(1)]);
        const synced = log.sync();
        const closing = [log.close(), log.close(), log.close()];
        await closing[1];
        const again = WalLog.openSync(path);
        assert.equal(again.lastIndex, 1);
        assert.equal(again.recovery.closed, true);
        await Promise.all([synced, ...closing]);
        again.closeSync();
      },
    ),
  );

  for (const name of RUNTIME_NAMES) {
    it(
      `excludes ${name} and is excluded by it, and a killed holder leaves it free`,
      withPath(async (path) => {
        const log = WalLog.openSync(path);
        log.append([entryAt(1)]);
        log.syncSync();
        assert.equal(await say(name, "try", path), "LOCKED");
        log.closeSync();
        assert.equal(await say(name, "try", path), "opened");

        const [binary, ...prefix] = locateRuntime(name).run;
        const holder = spawn(binary, [...prefix, CHILD, "hold", path], { stdio: ["pipe", "pipe", "inherit"] });
        const exited = new Promise((resolve) => holder.once("exit", resolve));
        const line = await new Promise((resolve) => holder.stdout.once("data", (data) => resolve(String(data).trim())));
        assert.equal(line, "holding");
        refusal(() => WalLog.openSync(path), "LOCKED");
        const reader = WalLog.openSync(path, { readOnly: true });
        assert.equal(reader.lastIndex, 1, "a reader needs no lock");
        reader.closeSync();
        holder.kill("SIGKILL");
        await exited;
        const after = WalLog.openSync(path);
        assert.equal(after.lastIndex, 1);
        after.closeSync();
      }),
    );
  }

  function say(name: RuntimeName, command: string, path: string): Promise<string> {
    const [binary, ...prefix] = locateRuntime(name).run;
    const child = spawn(binary, [...prefix, CHILD, command, path], { stdio: ["ignore", "pipe", "inherit"] });
    let said = "";
    child.stdout.on("data", (data) => said += data);
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", () => resolve(said.trim()));
    });
  }
});
