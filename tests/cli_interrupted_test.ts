/** An interrupted repair: the next repair completes it, and then does what it was asked to do. */

import assert from "node:assert/strict";
import {
  cpSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { WalLog } from "../mod.ts";
import { type Disk, exchange, interruptedPlan } from "../src/cli/exchange.ts";
import { stateOfFiles } from "../src/cli/log_files.ts";
import { nodeFileSystem } from "../src/io/node_fs.ts";
import { contentsOf, writeAnew } from "../src/maintain/write_anew.ts";
import { STAGING_NAME } from "../src/recovery/interrupted_repair.ts";
import { cliHere, damageEntry, segmentsOf } from "./cli.ts";
import { makeDamageLog, makePeer } from "./cli_damages.ts";
import { assertSameContents } from "./memory_disk.ts";
import { entriesAt } from "./history.ts";
import { skipWithoutLinks } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";

const noLinks = skipWithoutLinks();

/** Cuts a log behind index 49. It ends as if killed when it has moved this many of the old files. */
async function interrupt(path: string, moved = 1): Promise<void> {
  let moves = 0;
  let isKilled = false;
  const die = () => {
    isKilled = true;
    throw new Error("killed");
  };
  const fileSystem = {
    ...nodeFileSystem,
    rename(from: string, to: string) {
      if (isKilled || (to.includes(".damaged-1/") && to.endsWith(".seg") && ++moves > moved)) die();
      nodeFileSystem.rename(from, to);
    },
    remove: (name: string) => isKilled ? die() : nodeFileSystem.remove(name),
  };
  const folders: Disk = {
    fileSystem,
    stateOf: stateOfFiles,
    copyFolderOwner() {},
    removeFolder: (name) => rmSync(name, { recursive: true, force: true }),
    requireFolder() {},
  };
  const source = WalLog.openSync(path, { readOnly: true, onDamage: "keep" });
  const fill = async (staging: string) => {
    const log = await WalLog.open(staging);
    await writeAnew(log, contentsOf(source, 49));
    await log.close();
    await source.close();
  };
  await assert.rejects(exchange(folders, path, fill, true), /killed/);
  assert.notEqual(interruptedPlan(nodeFileSystem, path), undefined);
}

/** Makes a log, a copy of it as a backup, and damage that an interrupted repair was to cut. */
async function interrupted(folder: string, moved = 1): Promise<{ readonly path: string; readonly backup: string }> {
  const [path, backup] = [join(folder, "raft.wal"), join(folder, "backup")];
  makeDamageLog(path);
  for (const name of segmentsOf(path)) utimesSync(join(path, name), 1, 1);
  cpSync(path, backup, { recursive: true, preserveTimestamps: true });
  damageEntry(path, 50, "payload");
  for (const name of segmentsOf(path)) utimesSync(join(path, name), 1, 1);
  await interrupt(path, moved);
  return { path, backup };
}

/** All files of a folder and of the folders in it. */
function filesIn(path: string): Map<string, Uint8Array> {
  const names = readdirSync(path, { recursive: true }).map(String);
  const files = names.filter((name) => statSync(join(path, name)).isFile() && !/LOCK|RESERVE/.test(name));
  return new Map(files.map((name) => [name, new Uint8Array(readFileSync(join(path, name)))]));
}

/** Puts a file back as `cp -p` does: over the one that is there, if there is one. */
function putBack(name: string, backup: string, path: string): void {
  writeFileSync(join(path, name), readFileSync(join(backup, name)));
  utimesSync(join(path, name), 1, 1);
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

  for (const moved of [0, 1, 3]) {
    it(`is dropped if its old files were put back after ${moved} had moved`, async () => {
      await inTemporaryFolder(async (folder) => {
        const { path, backup } = await interrupted(folder, moved);
        // Deno gives the time of the last change in seconds.
        await setTimeout(1100);
        for (const name of segmentsOf(backup)) putBack(name, backup, path);
        const dry = await cliHere("repair", path, "--cut", "--dry-run");
        assert.deepEqual([dry.code, dry.stdout.split("\n")[1]], [0, "nothing to repair"]);
        assert.match(dry.stdout, /^will drop the interrupted repair: the log has changed since\n/);
        const { code, stdout } = await cliHere("repair", path, "--resume");
        assert.equal(code, 0, stdout);
        assert.match(stdout, /^dropped the interrupted repair: [^\n]+\nNext: nothing to do\n$/);
        assert.match((await cliHere("verify", path)).stdout, /^clean: 130 entries up to index 140, /);
      });
    });
  }

  it("is not completed over a file that was put back", async () => {
    await inTemporaryFolder(async (folder) => {
      const { path, backup } = await interrupted(folder, 2);
      const [first] = segmentsOf(backup);
      putBack(first!, backup, path);
      const before = filesIn(path);
      for (const how of [["--resume"], ["--cut"], ["--cut", "--dry-run"]]) {
        const { code, stderr } = await cliHere("repair", path, ...how);
        assert.equal(code, 3);
        assert.match(stderr, /: 000000000001\.seg came into the folder after it was interrupted; move them out; /);
      }
      assertSameContents(filesIn(path), before);
      rmSync(join(path, first!));
      const dry = await cliHere("repair", path, "--cut", "--dry-run");
      assert.deepEqual(
        [dry.code, dry.stdout],
        [0, "will complete the interrupted repair; the remaining steps depend on its result\n"],
      );
      assert.equal((await cliHere("repair", path, "--resume")).code, 0);
    });
  });

  it("is neither completed nor dropped while the folder with its old files is elsewhere", async () => {
    await inTemporaryFolder(async (folder) => {
      const { path, backup } = await interrupted(folder, 4);
      const renamed = join(folder, "renamed");
      renameSync(path, renamed);
      const before = filesIn(renamed);
      for (const found of ["nothing", "the files of another log"]) {
        const { code, stderr } = await cliHere("repair", renamed, "--resume");
        assert.equal(code, 3);
        assert.match(stderr, new RegExp(`expected its old files in \\S+, found ${found}; put that folder back, or`));
        assertSameContents(filesIn(renamed), before);
        if (found === "nothing") makeDamageLog(`${renamed}.damaged-1`);
      }
      renameSync(renamed, path);
      assert.equal((await cliHere("repair", path, "--resume")).code, 0);
      assert.deepEqual(segmentsOf(`${path}.damaged-1`), segmentsOf(backup));
    });
  });

  it("is completed if old files are lost, and nothing was put in their place", async () => {
    for (const moved of [0, 3]) {
      await inTemporaryFolder(async (folder) => {
        const { path } = await interrupted(folder, moved);
        for (const name of readdirSync(`${path}.damaged-1`)) rmSync(join(`${path}.damaged-1`, name));
        rmSync(join(path, segmentsOf(path)[0]!));
        const { code, stdout } = await cliHere("repair", path, "--resume");
        assert.equal(code, 0, stdout);
        assert.match(stdout, /^completed the interrupted repair; /);
        assert.match((await cliHere("verify", path)).stdout, /^clean: 39 entries up to index 49, /);
      });
    }
  });

  it("is dropped if a shorter log was put in the place of the old one", async () => {
    await inTemporaryFolder(async (folder) => {
      const { path } = await interrupted(folder, 0);
      for (const name of segmentsOf(path)) rmSync(join(path, name));
      for (const name of readdirSync(path)) if (name.endsWith(".snap")) rmSync(join(path, name));
      const log = WalLog.openSync(join(folder, "short"));
      log.append(entriesAt(1, 5));
      log.closeSync();
      for (const name of ["000000000001.seg", "IDENTITY"]) cpSync(join(folder, "short", name), join(path, name));
      const { code, stdout } = await cliHere("repair", path, "--resume");
      assert.equal(code, 0, stdout);
      assert.match(stdout, /^dropped the interrupted repair: /);
      assert.match((await cliHere("verify", path)).stdout, /^clean: 5 entries up to index 5, /);
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
