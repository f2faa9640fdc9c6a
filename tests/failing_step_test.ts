/** Fails every call of a rotation, a snapshot and an opening, one after the other. */

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { WalLog, WalLogError } from "../mod.ts";
import { entriesAt, History } from "./history.ts";
import { contentsOf } from "./memory_disk.ts";
import { assertSameState, bytesOf, stateOf } from "./model.ts";
import { inTemporaryFolder } from "./temporary.ts";
import { type Call, systemError, WatchedFileSystem } from "./watched_file_system.ts";
import { assertPoisoned, assertReopens, close } from "./watched_log.ts";

/** An injected failure. */
interface InjectedFailure {
  /** The number of calls, including the failed one. */
  calls: number;
  which: Call | undefined;
}

/** Makes a call fail, by its number. */
function failAt(fileSystem: WatchedFileSystem, at: number): InjectedFailure {
  const failure: InjectedFailure = { calls: 0, which: undefined };
  fileSystem.fail = (call) => {
    if (++failure.calls !== at) return;
    failure.which = call;
    throw systemError("EIO");
  };
  return failure;
}

function nameOf({ which }: InjectedFailure): string {
  return `${which?.operation} ${which?.name}`;
}

function requirePoisoned(error: unknown, failure: InjectedFailure): void {
  assert.ok(error instanceof WalLogError && error.code === "POISONED", `${nameOf(failure)}: ${error}`);
}

describe("the first failure", () => {
  // Fails every call of a rotation, one after the other. No failure may go unnoticed.
  it("anywhere in a rotation poisons the log, and synced entries survive", async () => {
    let failed = 0;
    const leaks: string[] = [];
    for (let at = 1;; at++) {
      let done = false;
      await inTemporaryFolder(async (folder) => {
        const path = join(folder, "raft.wal");
        const fileSystem = new WatchedFileSystem();
        const log = WalLog.openSync(path, { fileSystem, segmentBytes: 4096 });
        const history = new History(log);
        history.append(...entriesAt(1, 10, 1, 200)).sync();
        history.append(...entriesAt(11, 12, 1, 200));
        const failure = failAt(fileSystem, at);
        const batch = entriesAt(13, 24, 1, 200);
        try {
          log.append(batch);
          done = true;
        } catch (error) {
          requirePoisoned(error, failure);
          failed++;
        }
        fileSystem.fail = () => {};
        if (done) {
          assert.equal(log.stats().segmentsSealed, 1, "the batch made the log rotate");
          log.closeSync();
          return;
        }
        await assertPoisoned(log, "EIO", 12);
        history.model.append(batch);
        history.states.push(stateOf(history.model));
        await assertReopens({ path, fileSystem, log }, history);
        if (fileSystem.openFiles > 0) leaks.push(nameOf(failure));
      });
      if (done) break;
    }
    assert.deepEqual(leaks, [], "failures that leave a file open");
    assert.ok(failed >= 7, `${failed} calls: data, file, header, flush, directory, segment index, next segment`);
  });

  it("anywhere in a snapshot poisons the log, and synced entries survive", async () => {
    let failed = 0;
    const leaks: string[] = [];
    for (let at = 1;; at++) {
      let done = false;
      await inTemporaryFolder(async (folder) => {
        const path = join(folder, "raft.wal");
        const fileSystem = new WatchedFileSystem();
        const log = WalLog.openSync(path, { fileSystem, segmentBytes: 4096 });
        const history = new History(log);
        history.append(...entriesAt(1, 13, 1, 900)).sync();
        const snapshot = { index: 11, term: 1, config: [1n], data: bytesOf(900) };
        history.model.applySnapshot(snapshot);
        history.states.push(stateOf(history.model));
        const failure = failAt(fileSystem, at);
        try {
          log.applySnapshot(snapshot);
          done = true;
        } catch (error) {
          requirePoisoned(error, failure);
          failed++;
        }
        fileSystem.fail = () => {};
        if (!done) {
          await assert.rejects(log.sync(), { code: "POISONED" });
          await close(log);
          if (fileSystem.openFiles > 0) leaks.push(`${nameOf(failure)}`);
        } else log.closeSync();
        const again = WalLog.openSync(path, { fileSystem });
        assert.notEqual(again.recovery.verdict, "corrupt");
        history.stepOf(stateOf(again), history.durable, `${nameOf(failure)} failed`);
        again.closeSync();
        const left = [...contentsOf(path).keys()].filter((name) => name.endsWith(".tmp"));
        assert.deepEqual(left, [], "temporary files are gone after reopening");
      });
      if (done) break;
    }
    assert.deepEqual(leaks, [], "failures that leave a file open");
    assert.ok(failed >= 8, `${failed} calls: file, data, flush, rename, directory, frame, flush, deletion`);
  });

  for (const operation of ["write", "sync"] as const) {
    it(`of the ${operation} of a snapshot's frame leaves the log in memory unchanged`, () =>
      inTemporaryFolder(async (folder) => {
        const fileSystem = new WatchedFileSystem();
        const log = WalLog.openSync(join(folder, "raft.wal"), { fileSystem });
        log.append(entriesAt(1, 13));
        log.syncSync();
        fileSystem.fail = (call) => {
          if (call.operation === operation && call.name.endsWith(".seg")) throw systemError("EIO");
        };
        const snapshot = { index: 20, term: 1, config: [1n], data: bytesOf(900) };
        assert.throws(() => log.applySnapshot(snapshot), { code: "POISONED" });
        assert.deepEqual([log.snapshotIndex, log.lastIndex], [0, 13]);
        fileSystem.fail = () => {};
        await close(log);
      }));
  }

  it("anywhere in opening is reported with its cause, and leaves nothing open or lost", async () => {
    const leaks: string[] = [];
    for (const closed of [true, false]) {
      for (let at = 1;; at++) {
        let done = false;
        await inTemporaryFolder((folder) => {
          const original = join(folder, "original");
          const first = WalLog.openSync(original, { segmentBytes: 4096 });
          const history = new History(first);
          history.append(...entriesAt(1, 13, 1, 900)).sync().append(...entriesAt(14, 15));
          if (closed) first.closeSync();
          const path = join(folder, "raft.wal");
          mkdirSync(path);
          for (const [name, bytes] of contentsOf(original)) writeFileSync(`${path}/${name}`, bytes);
          writeFileSync(join(path, "000000000001-000000000001.snap.00000000000000ff.tmp"), "left behind");
          if (!closed) first.closeSync();
          const fileSystem = new WatchedFileSystem();
          const failure = failAt(fileSystem, at);
          try {
            WalLog.openSync(path, { fileSystem }).closeSync();
            done = failure.calls < at;
          } catch (error) {
            assert.ok(error instanceof WalLogError && (error.code === "IO" || error.code === "POISONED"), `${error}`);
          }
          if (fileSystem.openFiles > 0) leaks.push(`${nameOf(failure)}, closed: ${closed}`);
          fileSystem.fail = () => {};
          const again = WalLog.openSync(path, { fileSystem });
          assertSameState(stateOf(again), history.last, `${nameOf(failure)} failed while opening`);
          again.closeSync();
        });
        if (done) break;
      }
    }
    assert.deepEqual(leaks, [], "failures that leave a file open");
  });
});
