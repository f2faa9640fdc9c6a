/** An interrupted repair: the next repair completes it, and then does what it was asked to do. */

import assert from "node:assert/strict";
import { cpSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import { type Disk, exchange } from "../src/cli/exchange.ts";
import { stateOfFiles } from "../src/cli/log_files.ts";
import { nodeFileSystem } from "../src/io/node_fs.ts";
import { contentsOf, writeAnew } from "../src/maintain/write_anew.ts";
import { STAGING_NAME } from "../src/recovery/interrupted_repair.ts";
import { cliHere, damageEntry } from "./cli.ts";
import { makeDamageLog, makePeer } from "./cli_damages.ts";
import { skipWithoutLinks } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";

const noLinks = skipWithoutLinks();

/** Cuts a log behind index 49, and fails when it has moved one of the old files. */
async function interrupt(path: string): Promise<void> {
  let moves = 0;
  const rename = (from: string, to: string) => {
    if (to.includes(".damaged-1/") && to.endsWith(".seg") && ++moves === 2) throw new Error("interrupted");
    nodeFileSystem.rename(from, to);
  };
  const fileSystem = { ...nodeFileSystem, rename };
  const folders: Disk = {
    fileSystem,
    stateOf: stateOfFiles,
    copyFolderOwner() {},
    removeFolder() {},
    requireFolder() {},
  };
  const source = WalLog.openSync(path, { readOnly: true, onDamage: "keep" });
  const fill = async (staging: string) => {
    const log = await WalLog.open(staging);
    await writeAnew(log, contentsOf(source, 49));
    await log.close();
    await source.close();
  };
  await assert.rejects(exchange(folders, path, fill, true), /interrupted/);
}

describe("an interrupted repair", () => {
  it("is completed in a folder that was moved, and through a link to it", { skip: noLinks }, async () => {
    await inTemporaryFolder(async (folder) => {
      for (const how of ["moved", "link"]) {
        const path = join(folder, how, "raft.wal");
        makeDamageLog(path);
        damageEntry(path, 50, "payload");
        await interrupt(path);
        if (how === "moved") renameSync(join(folder, how), join(folder, "elsewhere"));
        else symlinkSync(path, join(folder, "link.wal"));
        const at = how === "moved" ? join(folder, "elsewhere", "raft.wal") : join(folder, "link.wal");
        assert.match((await cliHere("verify", at)).stdout, /Next: wal-log repair \S+ --resume, which completes/);
        const { code, stdout, stderr } = await cliHere("repair", at, "--resume");
        assert.equal(code, 0, stdout + stderr);
        assert.match(
          stdout,
          /^completed the interrupted repair; the old files are in .*raft\.wal\.damaged-1\ncut: the log is clean, /,
        );
        assert.match((await cliHere("verify", at)).stdout, /^clean: 39 entries up to index 49, /);
      }
    });
  });

  it("is completed first, and then the repair that was asked for is done", async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      makeDamageLog(path);
      damageEntry(path, 50, "payload");
      await interrupt(path);
      // The new log of the interrupted repair is damaged too.
      damageEntry(join(path, STAGING_NAME), 11, "payload");
      const peer = join(folder, "peer");
      makePeer(peer);
      cpSync(folder, `${folder}-resume`, { recursive: true, preserveTimestamps: true });
      const resumed = await cliHere("repair", join(`${folder}-resume`, "raft.wal"), "--resume");
      rmSync(`${folder}-resume`, { recursive: true });
      assert.equal(resumed.code, 2, resumed.stdout);
      assert.match(resumed.stdout, /^completed the interrupted repair; [^\n]+\nstill damaged indexes 11 to/);
      assert.match(
        resumed.stdout,
        /\nNext: let its node rejoin the cluster as a new member, with an empty folder, /,
      );
      const { code, stdout } = await cliHere("repair", path, "--from", peer);
      assert.equal(code, 0, stdout);
      assert.match(
        stdout,
        /^completed the interrupted repair; .*\ndamaged indexes 11 to .*\nwill refill [^]*\nrepaired: /,
      );
      assert.match(stdout, /\nNext: let its node rejoin the cluster /, "the completed repair was a cut");
    });
  });

  it("that does not exist: --resume reports the state of the log, and fails if there is no log", async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      const missing = await cliHere("repair", path, "--resume");
      assert.deepEqual([missing.code, missing.stdout], [3, ""]);
      makeDamageLog(path);
      const sound = await cliHere("repair", path, "--resume");
      assert.deepEqual([sound.code, sound.stdout], [0, "no repair was interrupted\nNext: nothing to do\n"]);
      damageEntry(path, 50, "payload");
      const { code, stdout } = await cliHere("repair", path, "--resume");
      assert.equal(code, 2);
      assert.match(stdout, /^no repair was interrupted\ndamaged index 50: [^\n]+\nNext: /);
    });
  });
});
