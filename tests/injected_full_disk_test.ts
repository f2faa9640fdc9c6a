/** A full disk, at each call that may need space. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { WalLog, WalLogError } from "../mod.ts";
import { NEXT_POINTER_OFFSETS, SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";
import { entriesAt, entryAt, History } from "./history.ts";
import { contentsOf } from "./memory_disk.ts";
import { assertSameState, stateOf } from "./model.ts";
import { inTemporaryFolder } from "./temporary.ts";
import { systemError, WatchedFileSystem } from "./watched_file_system.ts";
import { withLog } from "./watched_log.ts";

describe("a full disk", () => {
  it(
    "refuses an append that needs a new segment, and accepts it when there is space",
    withLog(
      ({ path, fileSystem, log }) => {
        const history = new History(log);
        history.append(...entriesAt(1, 6, 1, 500));
        let isFull = true;
        for (const step of ["create", "write", "sync"] as const) {
          fileSystem.fail = ({ operation, name }) => {
            if (isFull && operation === step && name !== "000000000001.seg") throw systemError("ENOSPC");
          };
          isFull = true;
          for (let time = 0; time < 3; time++) {
            const before = stateOf(log);
            const batch = entriesAt(7, 12, 1, 500);
            assert.throws(() => log.append(batch), (error) => {
              assert.ok(error instanceof WalLogError && error.code === "NO_SPACE", `${step}: ${error}`);
              assert.equal(error.isRetryable, true);
              assert.equal(error.isFatal, false);
              return true;
            });
            assertSameState(stateOf(log), before, `${step} refused`);
            assert.deepEqual([...contentsOf(path).keys()].filter((name) => name.endsWith(".seg")), [
              "000000000001.seg",
            ]);
          }
          // Entries that fit the active segment are still accepted.
          history.append(entryAt(log.lastIndex + 1, 1, 20));
          assert.equal(log.syncSync(), log.lastIndex);
          history.do((log) => log.truncate(7));
        }
        isFull = false;
        history.append(...entriesAt(7, 30, 1, 500)).sync();
        assert.ok(log.stats().segments >= 2);
        assertSameState(stateOf(log), history.last);
        log.closeSync();
        const again = WalLog.openSync(path);
        assertSameState(stateOf(again), history.last, "reopened");
        assert.equal(again.recovery.verdict, "clean");
        again.closeSync();
      },
      { segmentBytes: 4096 },
    ),
  );

  it(
    "in the middle of the second copy of a pointer leaves no damage",
    withLog(async ({ fileSystem, log }) => {
      const [, spare] = NEXT_POINTER_OFFSETS;
      fileSystem.fail = ({ operation, name, position }) => {
        if (operation !== "write" || name !== "000000000001.seg") return;
        if (position === spare && fileSystem.bytesMax === Infinity) fileSystem.bytesMax = 11;
        else if (position === spare + 11) throw systemError("ENOSPC");
        else fileSystem.bytesMax = Infinity;
      };
      const history = new History(log);
      history.append(...entriesAt(1, 12, 1, 500)).sync();
      assert.ok(log.stats().segments >= 2);
      assert.deepEqual((await log.scrub()).harmless, []);
      log.closeSync();
    }, { segmentBytes: 4096 }),
  );

  it(
    "costs only the segment index when a segment is sealed",
    withLog(({ path, fileSystem, log }) => {
      const history = new History(log);
      history.append(...entriesAt(1, 7, 1, 500)).sync();
      fileSystem.fail = ({ operation, name, position }) => {
        if (operation === "write" && name === "000000000001.seg" && position > SEGMENT_HEADER_BYTES) {
          throw systemError("ENOSPC");
        }
      };
      history.append(...entriesAt(8, 12, 1, 500));
      fileSystem.fail = () => {};
      log.closeSync();
      for (const verify of ["full", "tail"] as const) {
        const again = WalLog.openSync(path, { verify });
        assertSameState(stateOf(again), history.last, `verify "${verify}"`);
        again.closeSync();
      }
    }, { segmentBytes: 4096 }),
  );

  it("blocks no reader and no closed log; after a crash, it fails with NO_SPACE and cuts zeros", async () => {
    // The zeros after the last frame are freed first. Nothing else may change.
    const usedBy = (path: string) =>
      [...contentsOf(path)].map(([name, bytes]) => {
        const used = bytes.subarray(0, bytes.findLastIndex((byte) => byte !== 0) + 1);
        return `${name} ${Buffer.from(used).toString("base64")}`;
      }).join("\n");
    await inTemporaryFolder((folder) => {
      const path = join(folder, "raft.wal");
      const crashed = join(folder, "crashed");
      const log = WalLog.openSync(path);
      log.append(entriesAt(1, 10));
      log.syncSync();
      log.append(entriesAt(11, 12));
      const expected = stateOf(log);
      mkdirSync(crashed);
      for (const [name, bytes] of contentsOf(path)) writeFileSync(join(crashed, name), bytes);
      log.closeSync();
      const fileSystem = new WatchedFileSystem();
      fileSystem.fail = ({ operation, name }) => {
        if (operation === "create" || (operation === "write" && name !== "000000000001.seg")) {
          throw systemError("ENOSPC");
        }
      };
      const closed = WalLog.openSync(path, { fileSystem });
      assertSameState(stateOf(closed), expected);
      closed.closeSync();
      const reader = WalLog.openSync(crashed, { fileSystem, readOnly: true });
      assertSameState(stateOf(reader), expected);
      reader.closeSync();
      const before = usedBy(crashed);
      assert.throws(() => WalLog.openSync(crashed, { fileSystem }), { code: "NO_SPACE" });
      assert(usedBy(crashed) === before);
      const later = WalLog.openSync(crashed);
      assertSameState(stateOf(later), expected);
      later.closeSync();
    });
  });
});
