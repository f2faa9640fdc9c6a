/** The number and the size of the calls of a write. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import { entriesAt, entryAt, History } from "./history.ts";
import { assertSameState, bytesOf, stateOf } from "./model.ts";
import { inTemporaryFolder } from "./temporary.ts";
import { systemError, WatchedFileSystem } from "./watched_file_system.ts";
import { withLog } from "./watched_log.ts";

describe("a write", () => {
  it(
    "of a batch is one call, up to 4 MiB",
    withLog(({ fileSystem, log }) => {
      for (const entries of [entriesAt(1, 1), entriesAt(2, 500), entriesAt(501, 540, 1, 100_000)]) {
        fileSystem.calls = [];
        log.append(entries);
        assert.deepEqual(fileSystem.trace, ["write 000000000001.seg"], `${entries.length} entries`);
      }
    }),
  );

  it(
    "of an empty list makes no call, and neither does a refused one",
    withLog(({ fileSystem, log }) => {
      log.append([]);
      log.truncate(1);
      assert.throws(() => log.append([entryAt(2)]), { code: "NOT_CONTIGUOUS" });
      assert.throws(() => log.append([entryAt(1), entryAt(3)]), { code: "NOT_CONTIGUOUS" });
      assert.throws(() => log.append([entryAt(1), entryAt(2, 1, 101)]), { code: "ENTRY_TOO_LARGE" });
      assert.deepEqual(fileSystem.trace, []);
    }, { maxEntryBytes: 100 }),
  );

  it(
    "is not covered by preallocation: the next flush flushes both",
    withLog(({ fileSystem, log }) => {
      log.append([entryAt(1)]);
      log.syncSync();
      const flushed = fileSystem.trace.lastIndexOf("sync 000000000001.seg");
      assert.ok(flushed > fileSystem.trace.lastIndexOf("write 000000000001.seg"), fileSystem.trace.join());
    }),
  );

  it("is correct with short writes and interrupted calls", async () => {
    await inTemporaryFolder((folder) => {
      for (const bytesMax of [1, 7, 4095]) {
        const path = join(folder, `short-${bytesMax}`);
        const fileSystem = new WatchedFileSystem();
        fileSystem.bytesMax = bytesMax;
        // Every second call is interrupted before it does anything.
        let calls = 0;
        fileSystem.fail = ({ operation }) => {
          if (operation === "write" && ++calls % 2 === 0) throw systemError("EINTR");
        };
        fileSystem.failRead = () => {
          if (++calls % 2 === 0) throw systemError("EINTR");
        };
        const options = { fileSystem, segmentBytes: 4096 };
        const history = ((log) => {
          const history = new History(log);
          history.append(entryAt(1, 1, 0), ...entriesAt(2, 10, 1, 900), entryAt(11, 2, 5000));
          history.do((log) => log.applySnapshot({ index: 4, term: 1, config: [1n], data: bytesOf(2000) }));
          assertSameState(stateOf(log), history.last, `${bytesMax} bytes a call`);
          log.closeSync();
          return history;
        })(WalLog.openSync(path, bytesMax === 1 ? { fileSystem } : options));
        const again = WalLog.openSync(path, options);
        assertSameState(stateOf(again), history.last, `${bytesMax} bytes a call, reopened`);
        again.closeSync();
        const plain = WalLog.openSync(path);
        assertSameState(stateOf(plain), history.last, `${bytesMax} bytes a call, read at once`);
        plain.closeSync();
      }
    });
  });
});
