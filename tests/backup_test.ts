/** Backups of a log in use: each is a copy of one moment, complete or absent. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { WalLog, type WalLogOptions } from "../mod.ts";
import type { FileSystem } from "../src/io/file_system.ts";
import { backupLog } from "../src/maintain/backup.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { appendEach, entriesAt } from "./history.ts";
import { assertSameState, bytesOf, stateOf } from "./model.ts";

const CLUSTER = "5e14d2b3-2688-89cd-e2a3-98a722e0ab5d";

/** A simulated disk with an open log of several segments. */
function openLog(seed = 1, size = 400): { disk: SimulatedDisk; log: WalLog } {
  const disk = new SimulatedDisk({ seed });
  const log = WalLog.openSync("/raft.wal", { fileSystem: disk.fileSystem, segmentBytes: 8 * 1024 });
  log.foundCluster(CLUSTER);
  log.setHardState({ term: 3, votedFor: 2n });
  appendEach(log, entriesAt(1, 60, 3, size));
  log.applySnapshot({ index: 5, term: 3, config: [1n], data: bytesOf(100) });
  return { disk, log };
}

function openCopy(disk: SimulatedDisk, path = "/copy"): WalLog {
  return WalLog.openSync(path, { fileSystem: disk.fileSystem, create: false });
}

describe("WalLog.backup", () => {
  it("copies everything, and gives the copy a new identity", async () => {
    const { disk, log } = openLog();
    const report = await log.backup("/copy");
    assert.deepEqual(report, { lastIndex: 60, snapshotIndex: 5, hardState: { term: 3, votedFor: 2n } });
    const copy = openCopy(disk);
    assertSameState(stateOf(copy), stateOf(log));
    assert.ok(copy.recovery.closed && copy.recovery.verdict === "clean");
    assert.equal(copy.identity.cluster, CLUSTER);
    assert.notEqual(copy.identity.log, log.identity.log);
    assert.notEqual(copy.identity.incarnation, log.identity.incarnation);
    assert.deepEqual(log.retentions, [], "compaction is held back no longer");
    log.append(entriesAt(61, 61, 3));
    log.closeSync();
  });

  it("copies up to an index, and not below the snapshot's", async () => {
    const { disk, log } = openLog();
    assert.equal((await log.backup("/copy", { to: 20 })).lastIndex, 20);
    const copy = openCopy(disk);
    assert.deepEqual(copy.entries(1, 99), log.entries(1, 20));
    copy.closeSync();
    assert.equal((await log.backup("/all", { to: 1000 })).lastIndex, 60);
    assert.equal((await log.backup("/none", { to: 5 })).lastIndex, 5);
    await assert.rejects(log.backup("/less", { to: 4 }), { code: "INVALID_ARGUMENT" });
    await assert.rejects(log.backup("/copy"), { code: "INVALID_ARGUMENT", message: /holds IDENTITY|holds 0+/ });
    log.closeSync();
  });

  it("copies one moment of a log that is compacted, truncated and appended to meanwhile", async () => {
    for (let seed = 1; seed <= 12; seed++) {
      // Large enough to be read in several batches.
      const { disk, log } = openLog(seed, 100_000);
      const copying = log.backup("/copy");
      let term = 3;
      for (let step = 0; step <= seed; step++) {
        await setImmediate();
        if (step === 2) log.compact(20 + seed, { data: bytesOf(50) });
        if (step === seed && seed % 2 === 0 && seed < 8) {
          log.truncate(55);
          log.setHardState({ term: ++term, votedFor: null });
          log.append(entriesAt(55, 62, term));
        }
        if (step === 8) log.applySnapshot({ index: 58, term, config: [], data: bytesOf(9) });
      }
      await copying;
      log.closeSync();
      const copy = openCopy(disk);
      for (const entry of copy.entries(1, 999)) {
        const isRewritten = entry.term > 3;
        const [expected] = isRewritten
          ? entriesAt(entry.index, entry.index, entry.term)
          : entriesAt(entry.index, entry.index, 3, 100_000);
        assert.deepEqual(entry, expected, `seed ${seed}, entry ${entry.index}`);
        assert.ok(entry.term <= copy.hardState.term, `seed ${seed}: an entry of a term that the node has not entered`);
      }
      copy.closeSync();
    }
  });

  it("leaves a complete copy or nothing that opens, if the power fails at any operation", async () => {
    let complete = 0;
    let at = 0;
    for (let isDone = false; !isDone; at++) {
      const { disk, log } = openLog(at + 1);
      await log.sync();
      disk.failAfter("crash", at);
      // In small segments, so that several must be renamed.
      const open = (path: string, how: WalLogOptions) => WalLog.open(path, { ...how, segmentBytes: 8 * 1024 });
      await backupLog({ log, fileSystem: disk.fileSystem, isWriter: true, open }, "/copy", {}).catch(() => {});
      isDone = disk.isFaultPending;
      disk.crash();
      await setImmediate();
      try {
        const copy = openCopy(disk);
        assert.deepEqual([copy.lastIndex, copy.snapshotIndex, copy.recovery.verdict], [60, 5, "clean"]);
        copy.closeSync();
        complete++;
      } catch (error) {
        assert.match((error as { code: string }).code, /^(NOT_FOUND|CORRUPT)$/, `operation ${at}: ${error}`);
      }
      assert.equal(openCopy(disk, "/raft.wal").lastIndex, 60, "the log is as it was");
    }
    assert.ok(at > 40 && complete > 0 && complete < at / 2, `${complete} of ${at}`);
  });

  it("stops when it is aborted, refuses a damaged log, and leaves no copy", async () => {
    const { disk, log } = openLog();
    const controller = new AbortController();
    const copying = log.backup("/copy", { signal: controller.signal });
    controller.abort(new Error("enough"));
    await assert.rejects(copying, /enough/);
    assert.throws(() => openCopy(disk), { code: "NOT_FOUND" });
    log.closeSync();
    await assert.rejects(log.backup("/copy"), { code: "CLOSED" });
    disk.flip("/raft.wal/000000000002.seg", 20_000);
    const damaged = WalLog.openSync("/raft.wal", { fileSystem: disk.fileSystem, onDamage: "keep" });
    await assert.rejects(damaged.backup("/copy"), { code: "CORRUPT" });
    assert.throws(() => openCopy(disk), { code: "NOT_FOUND" });
    damaged.closeSync();
  });

  it("copies no reserve, and leaves no file if it fails at any operation", async () => {
    for (let at = 0;; at++) {
      const { disk, log: writer } = openLog();
      writer.closeSync();
      let open = 0;
      let calls = 0;
      const base = disk.fileSystem;
      const step = <Result>(path: string, action: () => Result): Result => {
        if (path.startsWith("/copy/") && calls++ === at) throw Object.assign(new Error("EIO"), { code: "EIO" });
        return action();
      };
      const fileSystem: FileSystem = {
        ...base,
        reserveBytes: 512,
        rename: (from, to) => step(to, () => base.rename(from, to)),
        open: (path, mode, permissions) =>
          step(path, () => {
            const file = base.open(path, mode, permissions);
            open++;
            return { ...file, close: () => (open--, file.close()) };
          }),
      };
      const log = WalLog.openSync("/raft.wal", { fileSystem, readOnly: true });
      const before = open;
      const failure = await log.backup("/copy").then(() => undefined, (error: unknown) => error);
      log.closeSync();
      assert.ok(open <= before, `${open} files are open after a failure at call ${at}`);
      const left = disk.files().filter((path) => path.startsWith("/copy/") && !path.endsWith("LOCK"));
      assert.equal(left.some((path) => path.endsWith("RESERVE")), false);
      if (failure === undefined) return assert.ok(at > 8 && calls <= at, `${calls} calls`);
      assert.deepEqual(left, [], `a failure at call ${at}`);
    }
  });

  it("reports that a new snapshot covers its last entry", async () => {
    const { log } = openLog();
    const copying = log.backup("/copy", { to: 8 });
    log.compact(9);
    await assert.rejects(copying, { code: "INVALID_ARGUMENT", message: /its snapshot is at index 9/ });
    log.closeSync();
  });
});
