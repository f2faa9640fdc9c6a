/** The commands for archives. */

import assert from "node:assert/strict";
import { existsSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { WalLog } from "../mod.ts";
import { textEntry } from "./archived_log.ts";
import { cliHere, endOf, startCli } from "./cli.ts";
import { fingerprint } from "./simulated_log.ts";
import { isWindows, skipReason } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";

const noSignals = skipReason(isWindows && "Windows does not deliver signals to other processes");
const noLinks = skipReason(isWindows && "Windows needs a privilege for symbolic links");

/** Runs a test with a log of 300 entries in several segments, and the URL of a store. */
function withArchive(body: (path: string, store: string, folder: string) => Promise<void>): () => Promise<void> {
  return () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      const log = await WalLog.open(path, { segmentBytes: 4096 });
      log.setHardState({ term: 1, votedFor: 7n });
      for (let i = 1; i <= 300; i++) log.append([textEntry(i)]);
      await log.close();
      await body(path, pathToFileURL(join(folder, "store")).href, folder);
    });
}

/** Compacts a log. */
async function compactLog(path: string, index: number): Promise<void> {
  const log = await WalLog.open(path, { segmentBytes: 4096 });
  log.compact(index, { data: new Uint8Array(10) });
  await log.close();
}

/** The files of a store. */
function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true }).map((name) => join(folder, String(name)))
    .filter((path) => statSync(path).isFile());
}

describe("wal-log archive", () => {
  it(
    "archives a log, which restore makes again",
    withArchive(async (path, store, folder) => {
      const run = await cliHere("archive", "run", path, store);
      assert.equal(run.code, 0, run.stderr);
      assert.match(run.stdout, /^archived up to index 300, generation 1: wrote \d+ objects, /);
      const restored = await cliHere("restore", store, join(folder, "again"));
      assert.equal(restored.code, 0, restored.stderr);
      assert.match(restored.stdout, /^restored up to index 300, term 1, voted for node 7: /);
      await using before = await WalLog.open(path, { readOnly: true });
      await using after = await WalLog.open(join(folder, "again"), { readOnly: true });
      assert.equal(after.recovery.verdict, "clean");
      assert.equal(fingerprint(after), fingerprint(before));
      const less = await cliHere("restore", store, join(folder, "less"), "--to", "100");
      assert.match(less.stdout, /^restored up to index 100, /);
      const later = new Date(Date.now() + 3_600_000).toISOString();
      const timed = await cliHere("restore", store, join(folder, "timed"), "--to", later);
      assert.match(timed.stdout, /^restored up to index 300, /);
    }),
  );

  it(
    "refuses a store in the log's folder, also through a symbolic link",
    { skip: noLinks },
    withArchive(async (path, _, folder) => {
      symlinkSync(path, join(folder, "link"));
      const before = readdirSync(path);
      const link = join(folder, "link");
      for (const [log, store] of [[path, link], [path, join(link, "a/b")], [link, join(path, "a")], [path, path]]) {
        const run = await cliHere("archive", "run", log!, pathToFileURL(store!).href);
        assert.equal(run.code, 64, run.stdout);
        assert.match(run.stderr, /STORE must not be in the log's folder/);
      }
      assert.deepEqual(readdirSync(path), before);
    }),
  );

  it(
    "lists generations, and the second continues where the first ended",
    withArchive(async (path, store) => {
      await cliHere("archive", "run", path, store);
      const log = await WalLog.open(path, { segmentBytes: 4096 });
      log.append([textEntry(301)]);
      await log.close();
      await cliHere("archive", "run", path, store);
      const { code, stdout } = await cliHere("archive", "list", store);
      assert.equal(code, 0);
      const lines = stdout.trim().split("\n");
      assert.match(lines[0]!, /^generation 1: indexes 1 to 300, until /);
      assert.match(lines[1]!, /^generation 2: indexes 1 to 301, after generation 1, until /);
      assert.equal(lines.length, 2);
    }),
  );

  it(
    "finds a damaged and a missing object, with the indexes of their entries",
    withArchive(async (path, store, folder) => {
      await cliHere("archive", "run", path, store);
      assert.match((await cliHere("archive", "verify", store)).stdout, /^clean: generation 1, up to index 300, /);
      const pieces = filesIn(join(folder, "store")).filter((name) => name.includes("segments")).sort();
      writeFileSync(pieces[1]!, new Uint8Array(statSync(pieces[1]!).size));
      rmSync(pieces[2]!);
      const { code, stdout } = await cliHere("archive", "verify", store);
      assert.equal(code, 2);
      const lines = stdout.trim().split("\n");
      assert.match(lines[0]!, /^corrupt: /);
      assert.match(lines[1]!, /^ {2}damaged indexes \d+ to \d+: generations\/00000001\/segments\/000000000002-/);
      assert.match(lines[2]!, /^ {2}missing indexes \d+ to \d+: generations\/00000001\/segments\/000000000003-/);
      assert.equal((await cliHere("restore", store, join(folder, "again"))).code, 2);
      assert(!existsSync(join(folder, "again", "IDENTITY")));
    }),
  );

  it(
    "prunes old states, and says which are left",
    withArchive(async (path, store, folder) => {
      await cliHere("archive", "run", path, store);
      await compactLog(path, 290);
      await cliHere("archive", "run", path, store);
      const objects = filesIn(join(folder, "store")).length;
      const kept = await cliHere("archive", "prune", store, "--older-than", "1h", "--keep", "2");
      assert.match(kept.stdout, /^deleted 0 objects, 0 bytes, from /);
      const dry = await cliHere("archive", "prune", store, "--older-than", "0s", "--dry-run");
      assert.match(dry.stdout, /^would delete \d+ objects, \d.* from \S+; the oldest state is at index 290/);
      assert.equal(filesIn(join(folder, "store")).length, objects);
      const { code, stdout } = await cliHere("archive", "prune", store, "--older-than", "0s");
      assert.equal(code, 0);
      assert.equal(stdout, dry.stdout.replace("would delete", "deleted"));
      assert(filesIn(join(folder, "store")).length < objects);
      const list = await cliHere("archive", "list", store);
      assert.match(list.stdout, /^generation 2: indexes 290 to 300, after generation 1, snapshots at 290, until /m);
      assert.match((await cliHere("archive", "verify", store)).stdout, /^clean: generation 2, up to index 300, /);
      const old = await cliHere("restore", store, join(folder, "old"), "--to", "100");
      assert.equal(old.code, 3);
      assert.match(old.stderr, /the archive was pruned, and has no state before index 290/);
      assert.equal((await cliHere("restore", store, join(folder, "again"))).code, 0);
    }),
  );

  it(
    "does not prune an archive that lacks an object, or whose archiver is starting",
    withArchive(async (path, store, folder) => {
      await cliHere("archive", "run", path, store);
      await compactLog(path, 290);
      await cliHere("archive", "run", path, store);
      const claim = join(folder, "store", "claims", "00000003");
      writeFileSync(claim, "");
      const starting = await cliHere("archive", "prune", store, "--older-than", "0s");
      assert.equal(starting.code, 3);
      assert.match(starting.stderr, /generation 3 was claimed, and its archiver has not finished a step; try again/);
      rmSync(claim);
      const [snapshot] = filesIn(join(folder, "store")).filter((name) => name.includes("snapshots"));
      writeFileSync(snapshot!, new Uint8Array(statSync(snapshot!).size));
      const damaged = await cliHere("archive", "prune", store, "--older-than", "0s");
      assert.equal(damaged.code, 2);
      assert.match(damaged.stderr, /is damaged, so older objects may be needed; nothing was deleted/);
    }),
  );

  it(
    "goes on with --follow until it is interrupted",
    { skip: noSignals },
    withArchive(async (path, store, folder) => {
      const child = startCli(["archive", "run", path, store, "--follow", "--interval", "10"]);
      const ended = endOf(child);
      await using log = await WalLog.open(path, { segmentBytes: 4096 });
      for (const index of [301, 302]) {
        log.append([textEntry(index)]);
        await log.sync();
        const list = async () => (await cliHere("archive", "list", store)).stdout;
        while (!(await list()).includes(`indexes 1 to ${index},`)) {
          assert.equal(child.exitCode, null, "it ended");
          await setTimeout(50);
        }
      }
      process.kill(child.pid!, "SIGTERM");
      const { code, stdout, stderr } = await ended;
      assert.equal(code, 0, stderr);
      // The step that was interrupted does not count.
      assert.match(stdout, /^archived up to index 30[12], generation 1: /);
      await cliHere("restore", store, join(folder, "again"));
      await using again = await WalLog.open(join(folder, "again"), { readOnly: true });
      assert.equal(again.lastIndex, 302);
    }),
  );

  it(
    "ends --follow with exit code 3 when another archiver takes over",
    { timeout: 60_000 },
    withArchive(async (path, store) => {
      const child = startCli(["archive", "run", path, store, "--follow", "--interval", "10"]);
      const ended = endOf(child);
      try {
        while (!(await cliHere("archive", "list", store)).stdout.includes("generation 1")) {
          assert.equal(child.exitCode, null, "it ended");
          await setTimeout(50);
        }
        assert.equal((await cliHere("archive", "run", path, store)).code, 0);
        const { code, stderr } = await ended;
        assert.equal(code, 3);
        assert.match(stderr, /another archiver has taken over/);
      } finally {
        child.kill("SIGKILL");
      }
    }),
  );

  it(
    "goes on with a restore that was interrupted",
    withArchive(async (path, store, folder) => {
      await cliHere("archive", "run", path, store);
      const again = join(folder, "again");
      const interrupt = () => process.emit("SIGTERM", "SIGTERM");
      const running = cliHere("restore", store, again);
      // The command listens from its first turn on.
      interrupt();
      const { code, stderr } = await running;
      assert.equal(code, 130);
      assert.match(stderr, /interrupted; repeat the command to continue/);
      assert.equal((await cliHere("restore", store, again)).code, 0);
    }),
  );

  it("lists its commands", async () => {
    for (const args of [["archive", "--help"], ["help", "archive"]]) {
      const { code, stdout } = await cliHere(...args);
      assert.equal(code, 0);
      for (const name of ["run", "list", "verify", "prune"]) assert(stdout.includes(`  archive ${name} `), stdout);
      assert(!stdout.includes("  backup "));
    }
    const { code, stderr } = await cliHere("archive");
    assert.equal(code, 64);
    assert.match(stderr, /which command\? archive run, archive list, archive verify, archive prune/);
  });

  it(
    "refuses wrong arguments",
    withArchive(async (path, store, folder) => {
      const wrong = [
        ["archive"],
        ["archive", "walk", path, store],
        ["archive", "run", path],
        ["archive", "run", path, folder],
        ["archive", "run", path, "s4://bucket/prefix"],
        ["archive", "run", path, pathToFileURL(path).href],
        ["archive", "run", path, pathToFileURL(join(path, "inside")).href],
        ["archive", "run", path, store, "--interval", "0"],
        ["restore", store, join(folder, "again"), "--to", "yesterday"],
        ["archive", "list"],
        ["archive", "prune", store],
        ["archive", "prune", store, "--keep", "0"],
        ["archive", "prune", store, "--older-than", "30"],
        ["archive", "prune", store, "--older-than", "-1d"],
      ];
      for (const args of wrong) assert.equal((await cliHere(...args)).code, 64, args.join(" "));
      for (const args of [["archive", "list", store], ["archive", "verify", store], ["restore", store, folder]]) {
        assert.equal((await cliHere(...args)).code, 3, args.join(" "));
      }
      assert.equal((await cliHere("archive", "run", join(folder, "none"), store)).code, 3);
      assert.equal((await cliHere("archive", "run", path, pathToFileURL(`${path}.archive`).href)).code, 0);
      assert(process.exitCode === undefined || process.exitCode === 0);
    }),
  );
});
