/** Every call of a rotation, a snapshot and an opening, made to fail one after the other. */

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

describe("the first failure", () => {
  // Every call of a rotation, failed one after the other: none of them may go unnoticed.
  it("anywhere in a rotation poisons, and what was synced is there after reopening", async () => {
    let failed = 0;
    for (let at = 1;; at++) {
      let done = false;
      await inTemporaryFolder(async (folder) => {
        const path = join(folder, "raft.wal");
        const fileSystem = new WatchedFileSystem();
        const log = WalLog.openSync(path, { fileSystem, segmentBytes: 4096 });
        const history = new History(log);
        history.append(...entriesAt(1, 10, 1, 200)).sync();
        history.append(...entriesAt(11, 12, 1, 200));
        let calls = 0;
        let which: Call | undefined;
        fileSystem.fail = (call) => {
          if (++calls !== at) return;
          which = call;
          throw systemError("EIO");
        };
        const batch = entriesAt(13, 24, 1, 200);
        try {
          log.append(batch);
          done = true;
        } catch (error) {
          assert.ok(error instanceof WalLogError && error.code === "POISONED", `${at} ${which?.operation}: ${error}`);
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
      });
      if (done) break;
    }
    assert.ok(failed >= 7, `${failed} calls: data, file, header, flush, directory, segment index, next segment`);
  });

  it("anywhere in a snapshot poisons, and what was synced is there after reopening", async () => {
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
        let calls = 0;
        let which: Call | undefined;
        fileSystem.fail = (call) => {
          if (++calls !== at) return;
          which = call;
          throw systemError("EIO");
        };
        try {
          log.applySnapshot(snapshot);
          done = true;
        } catch (error) {
          assert.ok(error instanceof WalLogError && error.code === "POISONED", `${at} ${which?.operation}: ${error}`);
          failed++;
        }
        fileSystem.fail = () => {};
        if (!done) {
          await assert.rejects(log.sync(), { code: "POISONED" });
          await close(log);
          if (fileSystem.openFiles > 0) leaks.push(`${which?.operation} ${which?.name}`);
        } else log.closeSync();
        const again = WalLog.openSync(path, { fileSystem });
        assert.notEqual(again.recovery.verdict, "corrupt");
        history.stepOf(stateOf(again), history.durable, `${which?.operation} ${which?.name} failed`);
        again.closeSync();
        const left = [...contentsOf(path).keys()].filter((name) => name.endsWith(".tmp"));
        assert.deepEqual(left, [], "temporary files are gone after reopening");
      });
      if (done) break;
    }
    assert.deepEqual(leaks, [], "failures that leave a file open");
    assert.ok(failed >= 8, `${failed} calls: file, data, flush, rename, directory, frame, flush, deletion`);
  });

  it("anywhere in opening is an error with its cause, with nothing open and nothing lost", async () => {
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
          let calls = 0;
          let which: Call | undefined;
          fileSystem.fail = (call) => {
            if (++calls !== at) return;
            which = call;
            throw systemError("EIO");
          };
          try {
            WalLog.openSync(path, { fileSystem }).closeSync();
            done = calls < at;
          } catch (error) {
            assert.ok(error instanceof WalLogError && (error.code === "IO" || error.code === "POISONED"), `${error}`);
          }
          if (fileSystem.openFiles > 0) leaks.push(`${which?.operation} ${which?.name}, closed: ${closed}`);
          fileSystem.fail = () => {};
          const again = WalLog.openSync(path, { fileSystem });
          assertSameState(stateOf(again), history.last, `${which?.operation} ${which?.name} failed while opening`);
          again.closeSync();
        });
        if (done) break;
      }
    }
    assert.deepEqual(leaks, [], "failures that leave a file open");
  });
});
