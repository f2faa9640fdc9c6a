/** `wal-log restore --follow`. */

import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { WalLog } from "../mod.ts";
import { archive, FolderStore } from "../src/archive/mod.ts";
import { textEntry } from "./archived_log.ts";
import { cliHere, endOf, startCli } from "./cli.ts";
import { fingerprint } from "./simulated_log.ts";
import { isWindows, skipReason } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";

const noSignals = skipReason(isWindows && "Windows does not deliver signals to other processes");

/** The lines of JSON that a process writes, as they come. */
async function* linesOf(child: ChildProcess): AsyncGenerator<Record<string, unknown>, void> {
  for await (const line of createInterface({ input: child.stdout! })) yield JSON.parse(line);
}

/** Reads lines until one has an index. */
async function readUntil(lines: AsyncGenerator<Record<string, unknown>, void>, index: number): Promise<void> {
  for (;;) {
    const { value, done } = await lines.next();
    assert(done !== true, `it ended before index ${index}`);
    assert(typeof value!.lagEntries === "number");
    if (value!.lastIndex === index) return;
  }
}

describe("wal-log restore --follow", () => {
  it(
    "follows an archive, goes on after a kill, and leaves a log that can be promoted",
    { skip: noSignals, timeout: 60_000 },
    () =>
      inTemporaryFolder(async (folder) => {
        const store = join(folder, "store");
        const warm = join(folder, "warm.wal");
        const args = ["restore", pathToFileURL(store).href, warm, "--follow", "--interval", "5"];
        const log = await WalLog.open(join(folder, "raft.wal"), { segmentBytes: 4096 });
        const archiving = archive(log, new FolderStore(store), { intervalMilliseconds: 5 });
        for (let round = 1; round <= 3; round++) {
          const child = startCli([...args, "--json"]);
          const lines = linesOf(child);
          for (let i = 0; i < 3; i++) {
            for (let one = 0; one < 40; one++) log.append([textEntry(log.lastIndex + 1)]);
            await log.sync();
            await readUntil(lines, log.lastIndex);
          }
          const ended = once(child, "exit");
          process.kill(child.pid!, "SIGKILL");
          await ended;
          const copy = await WalLog.open(warm, { readOnly: true, create: false });
          assert.equal(copy.recovery.verdict, "clean");
          assert.equal(fingerprint(copy), fingerprint(log));
          await copy.close();
        }
        log.append([textEntry(log.lastIndex + 1)]);
        await log.sync();
        await archiving.archived(log.lastIndex);
        await archiving.close();
        const child = startCli([...args, "--json"]);
        const ended = endOf(child);
        await readUntil(linesOf(child), log.lastIndex);
        process.kill(child.pid!, "SIGTERM");
        assert.equal((await ended).code, 0);
        const expected = fingerprint(log);
        await log.close();
        const promoted = await WalLog.open(warm, { create: false });
        assert.equal(fingerprint(promoted), expected);
        await promoted.close();
        const { code, stderr } = await cliHere(...args);
        assert.equal(code, 3);
        assert.match(stderr, /was opened for writing/);
      }),
  );

  it(
    "says where it stopped, and what fails meanwhile",
    { skip: noSignals, timeout: 60_000 },
    () =>
      inTemporaryFolder(async (folder) => {
        const child = startCli(["restore", pathToFileURL(join(folder, "none")).href, join(folder, "warm.wal"), "-f"]);
        const ended = endOf(child);
        await once(child.stderr!, "data");
        process.kill(child.pid!, "SIGTERM");
        const { code, stdout, stderr } = await ended;
        assert.equal(code, 0);
        assert.match(stdout, /^stopped: up to index 0, 0 entries behind the archive, in /);
        assert.match(stderr, /there is no archive; trying again/);
      }),
  );

  it("refuses options that need a restore up to a position", () =>
    inTemporaryFolder(async (folder) => {
      const args = ["restore", pathToFileURL(folder).href, join(folder, "warm.wal")];
      for (const more of [["--to", "5"], ["--generation", "1"], ["--interval", "0"]]) {
        assert.equal((await cliHere(...args, "--follow", ...more)).code, 64, more.join(" "));
      }
      assert.equal((await cliHere(...args, "--interval", "5")).code, 64);
    }));
});
