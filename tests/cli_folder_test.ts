/** Folders that are created in one step: races between processes, and leftovers of killed processes. */

import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { makeFolder, withTemporaryFolder } from "../src/cli/aside.ts";
import type { FileLock } from "../src/io/file_system.ts";
import { nodeFileSystem } from "../src/io/node_fs.ts";
import { cli, makeLog } from "./cli.ts";
import { assertSameContents, contentsOf } from "./memory_disk.ts";
import { isWindows, skipReason, skipUnlessRoot } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";

const noModes = skipReason(isWindows && "Windows has no such modes and links");
const notRoot = skipUnlessRoot();

/** Creates the leftover of a killed process. */
function makeLeftover(folder: string, name = "copy"): string {
  const path = mkdtempSync(join(folder, `.${name}.wal-log-`));
  writeFileSync(join(path, "LOCK"), "");
  mkdirSync(join(path, "log"));
  writeFileSync(join(path, "log", "000000000001.seg"), "half");
  return path;
}

/** Creates a folder with one file in it. */
function makeCopy(folder: string, text = "whole"): Promise<void> {
  return makeFolder(join(folder, "copy"), (path) => {
    writeFileSync(join(path, "file"), text);
    return Promise.resolve();
  });
}

describe("makeFolder", () => {
  it("fills a folder that has an unpredictable name and that only its owner can open", { skip: noModes }, async () => {
    await inTemporaryFolder(async (folder) => {
      const names = new Set<string>();
      for (let i = 0; i < 3; i++) {
        await withTemporaryFolder(join(folder, "copy"), (path) => {
          const [name] = readdirSync(folder);
          assert.match(name!, /^\.copy\.wal-log-[0-9A-Za-z]{6}$/);
          names.add(name!);
          assert.equal(statSync(join(folder, name!)).mode & 0o777, 0o700);
          assert.deepEqual(readdirSync(path), []);
          return Promise.resolve();
        });
        assert.deepEqual(readdirSync(folder), []);
      }
      assert.equal(names.size, 3);
    });
  });

  it("leaves nothing if filling fails", async () => {
    await inTemporaryFolder(async (folder) => {
      const failing = makeFolder(join(folder, "copy"), () => Promise.reject(new Error("no")));
      await assert.rejects(failing, /no/);
      assert.deepEqual(readdirSync(folder), []);
    });
  });

  it("lets one of two concurrent calls succeed, and refuses the other", async () => {
    await inTemporaryFolder(async (folder) => {
      let arrived = 0;
      let release = () => {};
      const both = new Promise<void>((resolve) => release = resolve);
      const make = (text: string) =>
        makeFolder(join(folder, "copy"), async (path) => {
          writeFileSync(join(path, `${text}1`), text);
          if (++arrived === 2) release();
          await both;
          writeFileSync(join(path, `${text}2`), text);
        });
      const results = await Promise.allSettled([make("a"), make("b")]);
      const refusals = results.flatMap((result) => result.status === "rejected" ? [result.reason] : []);
      assert.deepEqual(refusals.map(({ code }) => code), ["INVALID_ARGUMENT"]);
      const winner = results[0]!.status === "fulfilled" ? "a" : "b";
      assert.deepEqual(readdirSync(join(folder, "copy")).sort(), [`${winner}1`, `${winner}2`]);
      assert.deepEqual(readdirSync(folder), ["copy"]);
    });
  });

  it("lets one of two concurrent backups succeed, and refuses the other", async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      const copy = join(folder, "copy");
      makeLog(path);
      const runs = await Promise.all([cli("backup", path, copy), cli("backup", path, copy)]);
      assert.deepEqual(runs.map(({ code }) => code).sort(), [0, 3]);
      const refused = runs.find(({ code }) => code === 3)!;
      assert.match(
        refused.stderr,
        /^wal-log: Cannot make .*copy: the folder exists and is not empty; choose another one\n$/,
      );
      assert.equal((await cli("verify", copy)).code, 0);
      assert.deepEqual(readdirSync(folder).sort(), ["copy", "raft.wal"]);
    });
  });

  it("does not replace a file, a link or a folder that is not empty", { skip: noModes }, async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "copy");
      const other = join(folder, "other");
      mkdirSync(other);
      symlinkSync(other, path);
      await assert.rejects(makeCopy(folder), {
        code: "INVALID_ARGUMENT",
        message: /copy: a symbolic link has that name/,
      });
      assert.ok(lstatSync(path).isSymbolicLink());
      const file = join(folder, "file");
      writeFileSync(file, "");
      await assert.rejects(makeFolder(file, () => Promise.resolve()), { code: "INVALID_ARGUMENT" });
      // The same holds if the folder appears while the new one is filled.
      const late = makeFolder(join(folder, "late"), () => {
        mkdirSync(join(folder, "late"));
        writeFileSync(join(folder, "late", "precious"), "");
        return Promise.resolve();
      });
      await assert.rejects(late, { code: "INVALID_ARGUMENT" });
      assert.deepEqual(readdirSync(folder).sort(), ["copy", "file", "late", "other"]);
      assert.deepEqual([readdirSync(other), readdirSync(join(folder, "late"))], [[], ["precious"]]);
    });
  });
});

describe("a leftover of a killed process", () => {
  it("is removed when another process creates the same folder", async () => {
    await inTemporaryFolder(async (folder) => {
      makeLeftover(folder);
      makeLeftover(folder);
      mkdtempSync(join(folder, ".copy.wal-log-"));
      const other = makeLeftover(folder, "another");
      await makeCopy(folder);
      assert.deepEqual(readdirSync(folder).map((name) => join(folder, name)).sort(), [other, join(folder, "copy")]);
      assert.equal(readFileSync(join(folder, "copy", "file"), "utf8"), "whole");
    });
  });

  it("stays while its process runs", async () => {
    await inTemporaryFolder(async (folder) => {
      const path = makeLeftover(folder);
      const lock = nodeFileSystem.lock(join(path, "LOCK")) as FileLock;
      await makeCopy(folder);
      lock.release();
      assert.deepEqual(readdirSync(path).sort(), ["LOCK", "log"]);
    });
  });

  /** Folders that may not be leftovers, but a trap or the data of another user. */
  const strange: [name: string, make: (path: string) => void][] = [
    ["that others can write to", (path) => chmodSync(path, 0o770)],
    ["with a journal beside its lock", (path) => writeFileSync(join(path, "LOCK-journal"), "")],
    ["with a write-ahead log beside its lock", (path) => writeFileSync(join(path, "LOCK-wal"), "")],
    ["with something in its lock", (path) => writeFileSync(join(path, "LOCK"), "SQLite format 3\0")],
    ["with a file of another name", (path) => writeFileSync(join(path, "precious"), "")],
  ];
  for (const [name, make] of strange) {
    it(`stays if it is a folder ${name}`, { skip: noModes }, async () => {
      await inTemporaryFolder(async (folder) => {
        const path = makeLeftover(folder);
        make(path);
        const before = readdirSync(path);
        await makeCopy(folder);
        assert.deepEqual(readdirSync(path), before);
      });
    });
  }

  it("stays if it is a link, or its lock file is one", { skip: noModes }, async () => {
    await inTemporaryFolder(async (folder) => {
      const elsewhere = join(folder, "elsewhere");
      mkdirSync(elsewhere);
      const real = makeLeftover(elsewhere);
      const link = join(folder, ".copy.wal-log-aaaaaa");
      symlinkSync(real, link);
      const path = mkdtempSync(join(folder, ".copy.wal-log-"));
      writeFileSync(join(elsewhere, "file"), "");
      symlinkSync(join(elsewhere, "file"), join(path, "LOCK"));
      const before = contentsOf(join(real, "log"));
      await makeCopy(folder);
      assert.ok(lstatSync(link).isSymbolicLink() && existsSync(path));
      assertSameContents(contentsOf(join(real, "log")), before);
    });
  });

  it("stays if it belongs to another user", { skip: notRoot }, async () => {
    await inTemporaryFolder(async (folder) => {
      const path = makeLeftover(folder);
      chownSync(path, 65534, 65534);
      await makeCopy(folder);
      assert.deepEqual(readdirSync(path).sort(), ["LOCK", "log"]);
    });
  });
});
