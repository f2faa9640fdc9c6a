/** Verifies a log that is in use by another process. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { WalLog } from "../mod.ts";
import { locateRuntime, type RuntimeName } from "../scripts/runtimes.ts";
import { isInUse } from "../src/cli/in_use.ts";
import { stateOfFiles } from "../src/cli/log_files.ts";
import { cli, makeLog, segmentsOf } from "./cli.ts";
import { entriesAt } from "./history.ts";
import { skipReason } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";

const own: RuntimeName = process.versions.deno ? "deno" : process.versions.bun ? "bun" : "node";
const noLocks = skipReason(
  process.platform !== "linux"
    ? "only Linux lists the locks of other processes"
    : own === "deno" && "Deno lets a program read the list of locks with --allow-all only",
);

describe("a log in use", () => {
  it("is reported as in use and healthy while its writer is busy", async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      const writer = fileURLToPath(new URL("busy_writer.ts", import.meta.url));
      const [binary, ...args] = [...locateRuntime(own).run, writer, path, "120000"];
      const child = spawn(binary!, args, { stdio: ["ignore", "pipe", "inherit"] });
      await new Promise((resolve) => child.stdout!.once("data", resolve));
      try {
        let isSeen = false;
        // On systems where the locks of other processes cannot be read, only a changing file shows a writer. It changes
        // only if the writer gets CPU time meanwhile.
        for (let looks = 0; looks < 20 && !isSeen; looks++) {
          const { code, stdout, stderr } = await cli("verify", path);
          assert.deepEqual([code, stderr], [0, ""], stdout);
          isSeen = /^clean: .* verified; in use\n/.test(stdout);
        }
        assert.ok(isSeen, "said to be in use");
      } finally {
        child.kill("SIGKILL");
        await new Promise((resolve) => child.once("close", resolve));
      }
      assert.doesNotMatch((await cli("verify", path)).stdout, /in use/);
    });
  });

  it("is reported as in use while its writer is idle", { skip: noLocks }, async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      makeLog(path);
      const log = WalLog.openSync(path);
      log.append(entriesAt(121, 121, 5));
      await log.sync();
      await setTimeout(100);
      const [info, json] = [await cli("info", path), await cli("info", path, "--json")];
      assert.match(info.stdout, /verdict +clean; in use\n/);
      assert.equal(JSON.parse(json.stdout).inUse, true);
      log.closeSync();
      assert.match((await cli("info", path)).stdout, /verdict +clean; the last writer closed the log\n/);
    });
  });

  it("is recognized by a growing file", async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      makeLog(path);
      const log = WalLog.openSync(path, { readOnly: true });
      const report = { ...log.recovery, closed: false, verdict: "torn" } as const;
      log.closeSync();
      const before = stateOfFiles(path);
      assert.equal(await isInUse(path, report, before), false);
      const looking = isInUse(path, report, before);
      appendFileSync(join(path, segmentsOf(path).at(-1)!), "more");
      assert.equal(await looking, true);
    });
  });
});
