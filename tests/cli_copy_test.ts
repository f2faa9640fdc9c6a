/** The commands of the command line that copy a log: backup, import and export. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { WalLog } from "../mod.ts";
import { cli, damageEntry, endOf, startCli } from "./cli.ts";
import { assertCopy, open, withLog } from "./cli_log.ts";
import { entriesAt } from "./history.ts";
import { assertSameContents, contentsOf } from "./memory_disk.ts";
import { bytesOf } from "./model.ts";
import { isWindows, skipReason } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";
import { record, recordsOf } from "./wal_db_records.ts";

const noSignals = skipReason(isWindows && "Windows does not deliver signals to other processes");

describe("wal-log backup", () => {
  it(
    "copies up to an index",
    withLog(async (path, folder) => {
      const copy = join(folder, "copy");
      const { code, stdout } = await cli("backup", path, copy, "--to", "50");
      assert.equal(code, 0);
      assert.match(stdout, /^copied up to index 50, term 4, no vote: /);
      const log = open(copy);
      assert.deepEqual([log.lastIndex, log.snapshotIndex, log.recovery.verdict], [50, 10, "clean"]);
      log.closeSync();
      assert.equal((await cli("backup", path, join(folder, "less"), "--to", "9")).code, 64);
    }),
  );

  it(
    "writes an equal log, closed, and does not overwrite an existing one",
    withLog(async (path, folder) => {
      const copy = join(folder, "copy");
      mkdirSync(copy);
      const log = WalLog.openSync(path);
      log.foundCluster("00112233-4455-6677-8899-aabbccddeeff");
      log.closeSync();
      assert.equal((await cli("backup", path, copy)).code, 0);
      assertCopy(path, copy);
      assert.deepEqual(readdirSync(folder).sort(), ["copy", "raft.wal"]);
      const before = contentsOf(copy);
      const again = await cli("backup", path, copy);
      assert.equal(again.code, 3);
      assert.match(again.stderr, /not empty/);
      assert.equal((await cli("backup", path, join(copy, "IDENTITY"))).code, 3);
      assertSameContents(contentsOf(copy), before);
    }),
  );

  it(
    "refuses a damaged log, and creates no file",
    withLog(async (path, folder) => {
      damageEntry(path, 50, "payload");
      const { code, stderr } = await cli("backup", path, join(folder, "copy"));
      assert.equal(code, 2);
      assert.match(stderr, /damaged in 1 place: index 50/);
      assert.deepEqual(readdirSync(folder), ["raft.wal"]);
    }),
  );

  it("leaves no partial copy when it is interrupted", { skip: noSignals }, async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      const log = WalLog.openSync(path);
      for (let i = 0; i < 24; i++) log.append(entriesAt(i * 4 + 1, i * 4 + 4, 1, 1024 * 1024));
      log.closeSync();
      const child = startCli(["backup", path, join(folder, "copy")]);
      const ended = endOf(child);
      const isBegun = () => readdirSync(folder).some((name) => name.startsWith(".copy.wal-log-"));
      while (child.exitCode === null && !isBegun()) await setTimeout(1);
      // If a signal was sent through a process's handle, Deno reports the process as killed, however it ended.
      process.kill(child.pid!, "SIGINT");
      const { code, stderr } = await ended;
      assert.equal(code, 130, stderr);
      assert.match(stderr, /interrupted; nothing was left behind/);
      assert.deepEqual(readdirSync(folder), ["raft.wal"]);
    });
  });
});

describe("wal-log import and export", () => {
  it(
    "restore an equal log when used one after the other",
    withLog(async (path, folder) => {
      const file = join(folder, "x.wal");
      const out = await cli("export", path, file);
      assert.equal(out.code, 0, out.stderr);
      assert.equal(recordsOf(readFileSync(file)).length, 112);
      const again = join(folder, "again");
      const back = await cli("import", file, again);
      assert.equal(back.code, 0, back.stderr);
      assertCopy(path, again);
      for (
        const args of [["export", path, file], ["import", file, again], [
          "import",
          join(folder, "no.wal"),
          join(folder, "new"),
        ]]
      ) {
        assert.equal((await cli(...args)).code, 3, args.join(" "));
      }
      assert.deepEqual(readdirSync(folder).sort(), ["again", "raft.wal", "x.wal"]);
    }),
  );

  it("refuse damage unless --cut is given, and accept a torn end with a notice", async () => {
    await inTemporaryFolder(async (folder) => {
      const file = join(folder, "x.wal");
      const path = join(folder, "log");
      const first = record.entry(1, 1, bytesOf(10));
      const broken = record.entry(1, 2, bytesOf(10));
      broken[20]! ^= 1;
      writeFileSync(file, Buffer.concat([first, broken, record.hardState(1, null)]));
      const refused = await cli("import", file, path);
      assert.equal(refused.code, 2);
      assert.match(refused.stderr, /x\.wal is damaged at byte 44, 44 bytes \(checksum mismatch\); .*--cut/);
      assert.deepEqual(readdirSync(folder), ["x.wal"]);
      const cut = await cli("import", "--cut", file, path);
      assert.equal(cut.code, 2);
      assert.match(cut.stderr, /corrupt: 70 bytes from byte 44 on were left .*whole records follow from byte 88/);
      assert.equal(open(path).lastIndex, 1);

      writeFileSync(file, Buffer.concat([first, broken.subarray(0, 30)]));
      const torn = await cli("import", file, join(folder, "torn"));
      assert.equal(torn.code, 1);
      assert.match(torn.stderr, /torn: 30 bytes from byte 44 on were left/);
      writeFileSync(file, record.entry(2n ** 60n, 1, bytesOf(1)));
      const large = await cli("import", file, join(folder, "large"));
      assert.equal(large.code, 3);
      assert.match(large.stderr, /1152921504606846976/);
      assert.deepEqual(readdirSync(folder).sort(), ["log", "torn", "x.wal"]);
    });
  });
});
