/** A log that runs out of file descriptors refuses what needs a new file, and goes on. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { WalLog, WalLogError } from "../mod.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { locateRuntime, type RuntimeName } from "../scripts/runtimes.ts";
import { entriesAt, entryAt } from "./history.ts";
import { bytesOf, stateOf } from "./model.ts";
import { isWindows, skipReason } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";
import { systemError, type WatchedFileSystem } from "./watched_file_system.ts";
import { withLog } from "./watched_log.ts";

const PROGRAM = fileURLToPath(new URL("./real/few_files.ts", import.meta.url));
const own: RuntimeName = process.versions.deno ? "deno" : process.versions.bun ? "bun" : "node";
const PATH = "/raft.wal";
const META = { index: 5, term: 1, config: [1n] };

function refuses(call: () => unknown): void {
  assert.throws(call, (error) => {
    assert.ok(error instanceof WalLogError && error.code === "NO_SPACE", `${error}`);
    assert.match(error.message, /too many open files; raise `ulimit -n` \(EMFILE: /);
    assert.deepEqual([error.isRetryable, error.isFatal], [true, false]);
    return true;
  });
}

function open(disk: SimulatedDisk): WalLog {
  return WalLog.openSync(PATH, { fileSystem: disk.fileSystem, segmentBytes: 4096 });
}

/** Makes every call of one kind fail for lack of descriptors, until the result is called. */
function withoutDescriptors(fileSystem: WatchedFileSystem, only: "create" | "syncDirectory" | "write"): () => void {
  fileSystem.fail = ({ operation }) => {
    if (operation === only) throw systemError("EMFILE");
  };
  return () => fileSystem.fail = () => {};
}

describe("a log without file descriptors", () => {
  for (const operation of ["create", "syncDirectory"] as const) {
    it(`refuses an append that needs a new segment, and accepts it later (${operation})`, () => {
      const disk = new SimulatedDisk();
      const log = open(disk);
      log.append(entriesAt(1, 6, 1, 500));
      const files = disk.files();
      const before = stateOf(log);
      for (let time = 0; time < 3; time++) {
        disk.failAfter("EMFILE", 0, operation);
        refuses(() => log.append(entriesAt(7, 12, 1, 500)));
        assert.equal(disk.isFaultPending, false);
        assert.deepEqual([stateOf(log), disk.files()], [before, files]);
      }
      log.append([entryAt(7, 1, 20)]);
      log.setHardState({ term: 1, votedFor: 2n });
      log.append(entriesAt(8, 30, 1, 500));
      assert.equal(log.syncSync(), 30);
      disk.crash();
      const again = open(disk);
      assert.deepEqual([again.lastIndex, again.hardState.votedFor, again.damaged], [30, 2n, []]);
      again.closeSync();
    });
  }

  it(
    "refuses a rotation that cannot flush the previous one, and closes as after a kill",
    withLog(({ path, fileSystem, log }) => {
      log.append(entriesAt(1, 6, 1, 500));
      log.append(entriesAt(7, 12, 1, 500));
      const base = fileSystem.open.bind(fileSystem);
      let isOut = true;
      fileSystem.open = (file, mode, permissions) => {
        if (isOut && mode === "write") throw systemError("EMFILE");
        return base(file, mode, permissions);
      };
      refuses(() => log.append(entriesAt(13, 18, 1, 500)));
      isOut = false;
      fileSystem.calls = [];
      log.append(entriesAt(13, 18, 1, 500));
      assert.ok(fileSystem.trace.includes("sync 000000000001.seg"), "the flush is not forgotten");
      isOut = true;
      log.closeSync();
      const again = WalLog.openSync(path, { readOnly: true });
      assert.deepEqual([again.lastIndex, again.recovery.closed, again.damaged], [18, false, []]);
      again.closeSync();
    }, { segmentBytes: 4096 }),
  );

  for (const operation of ["create", "syncDirectory"] as const) {
    it(
      `refuses a snapshot, and installs it later (${operation})`,
      withLog(async ({ fileSystem, log }) => {
        log.append(entriesAt(1, 20));
        const heal = withoutDescriptors(fileSystem, operation);
        refuses(() => log.applySnapshot({ ...META, data: bytesOf(9) }));
        refuses(() => log.compact(5, { data: bytesOf(9) }));
        await assert.rejects(async () => {
          const stream = log.createSnapshot(META).getWriter();
          stream.closed.catch(() => {});
          await stream.close();
        }, { code: "NO_SPACE" });
        assert.deepEqual([log.snapshotIndex, fileSystem.calls.at(-1)!.operation === "rename"], [0, false]);
        heal();
        log.applySnapshot({ ...META, data: bytesOf(9) });
        assert.deepEqual(log.snapshot()!.data, bytesOf(9));
      }),
    );
  }

  it(
    "keeps a complete snapshot until its folder can be flushed",
    withLog(({ fileSystem, log }) => {
      log.append(entriesAt(1, 20));
      const target = log.createSnapshotTarget(META);
      target.write(bytesOf(9));
      const heal = withoutDescriptors(fileSystem, "syncDirectory");
      for (let time = 0; time < 3; time++) refuses(() => target.install());
      assert.deepEqual([target.isOpen, log.snapshotIndex], [true, 0]);
      heal();
      target.install();
      assert.deepEqual(log.snapshot()!.data, bytesOf(9));
    }),
  );

  it("refuses to found a cluster, and founds it later", () => {
    const disk = new SimulatedDisk();
    const log = open(disk);
    const cluster = "11111111-0000-4000-8000-000000000000";
    disk.failAfter("EMFILE", 0, "create");
    refuses(() => log.foundCluster(cluster));
    assert.equal(log.identity.cluster, undefined);
    log.foundCluster(cluster);
    disk.crash();
    assert.equal(open(disk).identity.cluster, cluster);
  });

  it("keeps its reserve", () => {
    const disk = new SimulatedDisk();
    const fileSystem = { ...disk.fileSystem, reserveBytes: 65_536 };
    const log = WalLog.openSync(PATH, { fileSystem, segmentBytes: 4096 });
    log.append(entriesAt(1, 8, 1, 500));
    log.syncSync();
    disk.idle();
    assert.ok(disk.files().includes(`${PATH}/RESERVE`));
    let refusals = 0;
    for (let term = 2; term < 100; term++) {
      disk.failAfter("EMFILE", 0, "create");
      try {
        log.setHardState({ term, votedFor: 1n });
      } catch {
        refusals++;
      }
    }
    assert.ok(refusals > 0);
    assert.ok(disk.files().includes(`${PATH}/RESERVE`));
  });

  it("refuses and goes on under a real limit", {
    skip: skipReason(isWindows && "Windows has no limit on descriptors"),
  }, () =>
    inTemporaryFolder((folder) => {
      const limit = 'ulimit -n 256 && exec "$@"';
      const args = ["-c", limit, "sh", ...locateRuntime(own).run, PROGRAM, folder];
      const { status, stdout, stderr } = spawnSync("bash", args, { encoding: "utf8" });
      assert.equal(status, 0, `${stdout}${stderr}`);
      assert.deepEqual(stdout.trim().split("\n"), ["ok a segment", "ok a snapshot", "ok a node"]);
    }));
});
