/** The files that a repair from the command line replaces and copies: links among them, their owners, their modes. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  cpSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { listFiles } from "../src/cli/log_files.ts";
import { cli, damageEntry, makeLog } from "./cli.ts";
import { contentsOf } from "./memory_disk.ts";
import { inTemporaryFolder } from "./temporary.ts";

const noLinks = process.platform === "win32" && "making links needs a privilege on Windows";

/** Runs a test with a log that is damaged, and one like it that is not. */
function withDamaged(test: (paths: { path: string; other: string; folder: string }) => Promise<void>) {
  return () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      const other = join(folder, "other");
      makeLog(path);
      cpSync(path, other, { recursive: true });
      damageEntry(path, 50, "payload");
      await test({ path, other, folder });
    });
}

describe("wal-log repair --cut", () => {
  it(
    "copies no link, no FIFO and no folder, and says so",
    { skip: noLinks },
    withDamaged(async ({ path, folder }) => {
      writeFileSync(join(folder, "secret"), "secret");
      symlinkSync(join(folder, "secret"), join(path, "link"));
      assert.equal(spawnSync("mkfifo", [join(path, "pipe")]).status, 0);
      mkdirSync(join(path, "sub"));
      writeFileSync(join(path, "notes"), "of somebody");
      const names = readdirSync(path);
      const { code, stdout, stderr } = await cli("repair", path, "--cut");
      assert.equal(code, 0, stderr);
      for (const [name, kind] of [["link", "a symbolic link"], ["pipe", "a FIFO"], ["sub", "a folder"]] as const) {
        assert.ok(stdout.includes(`will not copy ${name}: it is ${kind}\n`), stdout);
        assert.ok(lstatSync(join(path, name)), "it stays where it is");
      }
      const evidence = readdirSync(`${path}.damaged-1`);
      assert.deepEqual(evidence, names.filter((name) => !["link", "pipe", "sub", "LOCK"].includes(name)));
      assert.equal(readFileSync(join(`${path}.damaged-1`, "notes"), "utf8"), "of somebody");
    }),
  );

  for (const name of ["000000000001.seg", "IDENTITY"]) {
    it(
      `refuses a log of which ${name} is a link, and changes nothing`,
      { skip: noLinks },
      withDamaged(async ({ path, folder }) => {
        renameSync(join(path, name), join(folder, "elsewhere"));
        symlinkSync(join(folder, "elsewhere"), join(path, name));
        const before = contentsOf(path);
        const { code, stderr } = await cli("repair", path, "--cut");
        assert.equal(code, 3, stderr);
        assert.ok(stderr.includes(name), stderr);
        assert.throws(() => listFiles(path), {
          code: "INVALID_ARGUMENT",
          message: /is a symbolic link, not a regular/,
        });
        assert.deepEqual(contentsOf(path), before);
        assert.ok(lstatSync(join(path, name)).isSymbolicLink());
        assert.deepEqual(readdirSync(folder).sort(), ["elsewhere", "other", "raft.wal"]);
      }),
    );
  }
});
