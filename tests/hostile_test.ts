/** Hostile folders: files of other users do no harm. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { linkSync, lstatSync, mkdirSync, readFileSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { MemoryLog, WalLog, WalLogError } from "../mod.ts";
import { locateRuntime } from "../scripts/runtimes.ts";
import { inspect } from "../src/cli/inspect.ts";
import { IDENTITY_BYTES } from "../src/format/identity.ts";
import { Random } from "../src/testing/random.ts";
import { importWalDb } from "../src/wal_db/mod.ts";
import { entriesAt } from "./history.ts";
import { pictureOf, PLANTS } from "./hostile.ts";
import type { HostileResult } from "./hostile_child.ts";
import { isWindows, skipReason } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";

const CHILD = fileURLToPath(new URL("./hostile_child.ts", import.meta.url));
/** The number of folders in each runtime. `WALLOG_HOSTILE` sets another number. */
const FOLDERS = Number(process.env.WALLOG_HOSTILE ?? 220);
/** The most processor time and memory for one folder. */
const CPU_MS_MAX = 2000;
const RSS_BYTES_MAX = 200e6;
/** A child that prints nothing for this long hangs. In milliseconds. */
const SILENCE_MS_MAX = 60_000;

/** The runtime that this test runs in. */
function currentRuntime(): "deno" | "bun" | "node" {
  if (process.versions.deno !== undefined) return "deno";
  return process.versions.bun !== undefined ? "bun" : "node";
}

function runChild(root: string, first: number): Promise<HostileResult[]> {
  const [binary, ...prefix] = locateRuntime(currentRuntime()).run;
  // Files in the temporary folder are checked too.
  const env = { ...process.env, TMPDIR: root };
  const child = spawn(binary, [...prefix, CHILD, root, String(first), String(FOLDERS)], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  const hangs = () => child.kill("SIGKILL");
  let silence = setTimeout(hangs, SILENCE_MS_MAX);
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
    clearTimeout(silence);
    silence = setTimeout(hangs, SILENCE_MS_MAX);
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(silence);
      const results = text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as HostileResult);
      if (code === 0) resolve(results);
      else reject(new Error(`seed ${first + results.length} ended the process: ${code ?? signal}`));
    });
  });
}

/** A folder with a closed log, and one outside that must not be touched. */
function withFolders(body: (log: string, outside: string) => void | Promise<void>): () => Promise<void> {
  return () =>
    inTemporaryFolder(async (folder) => {
      const [path, outside] = [join(folder, "raft.wal"), join(folder, "outside")];
      const log = WalLog.openSync(path, { segmentBytes: 4096 });
      for (const entry of entriesAt(1, 20, 1, 900)) log.append([entry]);
      log.closeSync();
      mkdirSync(outside);
      writeFileSync(join(outside, "precious"), "precious");
      const before = pictureOf(outside, "");
      await body(path, outside);
      assert.deepEqual(pictureOf(outside, ""), before);
    });
}

function refuses(call: () => unknown, message: RegExp): void {
  assert.throws(call, (error) => {
    assert(error instanceof WalLogError && error.code === "UNSAFE_FILE", String(error));
    assert.match(error.message, message);
    return true;
  });
}

/** Kinds of files under one of the log's names. */
const KINDS = ["a FIFO", "a device", "a link to a device", "a link to itself", "a folder"];

/** Puts something in a file's place; `undefined` for a device that only root can make. */
function plant(path: string, outside: string, name: string, kind: string): string | undefined {
  const file = join(path, name);
  rmSync(file, { force: true });
  PLANTS[kind]!(file, outside, new Random(1));
  return lstatSync(file, { throwIfNoEntry: false }) === undefined ? undefined : file;
}

const skip = skipReason(isWindows && "Windows has neither these links nor FIFOs");

describe("a file of another user", { skip }, () => {
  it(
    "does not reach SQLite as a LOCK whose journal makes it delete a file",
    withFolders((path, outside) => {
      PLANTS["a database with a hot journal"]!(join(path, "LOCK"), outside, new Random(1));
      refuses(() => WalLog.openSync(path), /expected an empty file, found 4096 bytes/);
      writeFileSync(join(path, "LOCK"), "");
      refuses(() => WalLog.openSync(path), /found LOCK-journal beside it/);
    }),
  );

  it(
    "is not overwritten through IDENTITY as a link or a hard link",
    withFolders((path, outside) => {
      const identity = join(path, "IDENTITY");
      unlinkSync(identity);
      symlinkSync(join(outside, "precious"), identity);
      refuses(() => WalLog.openSync(path), /IDENTITY: expected a regular file, found a symbolic link; .* move it back/);
      unlinkSync(identity);
      linkSync(join(outside, "precious"), identity);
      WalLog.openSync(path).closeSync();
      assert.equal(readFileSync(identity).length, IDENTITY_BYTES);
      assert.equal(readFileSync(join(outside, "precious"), "utf8"), "precious");
    }),
  );

  for (const name of ["000000000002.seg", "000000000009.seg", "IDENTITY", "LOCK"]) {
    for (const kind of KINDS) {
      it(
        `is refused at once as ${name}: ${kind}`,
        withFolders(async (path, outside) => {
          const file = plant(path, outside, name, kind);
          if (file === undefined) return;
          refuses(() => WalLog.openSync(path), /expected a regular file/);
          // A source may be a link, because its user names it.
          await assert.rejects(importWalDb(file, new MemoryLog()), /expected a (regular )?file|ELOOP/);
          // A reader has no use for the lock.
          if (name === "LOCK") return;
          refuses(() => WalLog.openSync(path, { readOnly: true, onDamage: "keep" }), /expected a regular file/);
          await assert.rejects(inspect(path), /expected a regular file/);
        }),
      );
    }
  }

  for (const kind of KINDS) {
    it(
      `is removed unopened as an unused snapshot, unless it is a folder: ${kind}`,
      withFolders((path, outside) => {
        const file = plant(path, outside, "000000000005-000000000001.snap", kind);
        if (file === undefined) return;
        if (kind === "a folder") return refuses(() => WalLog.openSync(path), /it is a directory/);
        WalLog.openSync(path).closeSync();
        assert.equal(lstatSync(file, { throwIfNoEntry: false }), undefined);
      }),
    );
  }
});

describe("a reader", { skip }, () => {
  for (const kind of KINDS) {
    it(
      `opens a log with ${kind} under the name of a snapshot that it does not need`,
      withFolders((path, outside) => {
        if (plant(path, outside, "000000000005-000000000001.snap", kind) === undefined) return;
        const reader = WalLog.openSync(path, { readOnly: true });
        assert.equal(reader.entry(20)!.index, 20);
        reader.closeSync();
      }),
    );
  }
});

describe("a hostile folder", () => {
  it(`opens or fails without harm, quickly and in little memory (${FOLDERS} folders)`, () =>
    inTemporaryFolder(async (folder) => {
      const results = await runChild(join(folder), 1);
      assert.equal(results.length, FOLDERS);
      const failures = results.filter(({ failure, cpuMs, rssBytes }) =>
        failure !== undefined || cpuMs > CPU_MS_MAX || rssBytes > RSS_BYTES_MAX
      );
      assert.deepEqual(failures, []);
      // A generator of folders that always or never open would test nothing.
      const outcomes = new Set(results.flatMap(({ outcomes }) => outcomes));
      for (const outcome of ["ok", "CORRUPT", "UNSAFE_FILE", "NOT_FOUND"]) assert(outcomes.has(outcome), outcome);
    }));
});
