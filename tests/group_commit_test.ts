/** Group commit: which callers share a flush, and the durable index. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import { entriesAt, entryAt } from "./history.ts";
import { gated, turn, withLog } from "./watched_log.ts";

/** Whether a promise has settled. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const note = (): void => void (settled = true);
  promise.then(note, note);
  await turn();
  return settled;
}

describe("group commit", () => {
  it(
    "shares one flush among all calls in one turn",
    withLog(async ({ fileSystem, log }) => {
      const syncs = Array.from({ length: 100 }, (_, i) => {
        log.append([entryAt(i + 1)]);
        return log.sync();
      });
      const durable = await Promise.all(syncs);
      assert.equal(fileSystem.count("syncAsync"), 1);
      assert.equal(fileSystem.count("sync"), 0);
      assert.ok(durable.every((index, i) => index > i), "each is told of at least its own entry");
      assert.equal(log.durableIndex, 100);
      const { flushLatency, bytesWritten, lastFlushTime, ...stats } = log.stats();
      const { logBytes, snapshotBytes, snapshotTime, freeBytes, ...counts } = stats;
      assert.deepEqual(counts, {
        ...{ entriesAppended: 100, flushes: 1, syncs: 100, slowFlushes: 0 },
        ...{ segmentsSealed: 0, segmentsDeleted: 0, snapshots: 0, segments: 1 },
      });
      assert.ok(bytesWritten > 0 && logBytes >= bytesWritten);
      assert.deepEqual([snapshotBytes, snapshotTime, freeBytes], [0, undefined, undefined]);
      assert.notEqual(lastFlushTime, undefined);
      assert.equal(flushLatency.count, 1);
    }),
  );

  it(
    "shares flushes among a hundred callers that each continue after their own",
    withLog(
      async ({ fileSystem, log }) => {
        const caller = async (): Promise<void> => {
          for (let round = 0; round < 5; round++) {
            const index = log.lastIndex + 1;
            log.append([entryAt(index)]);
            assert.ok(await log.sync() >= index);
            assert.ok(log.durableIndex >= index);
          }
        };
        await Promise.all(Array.from({ length: 100 }, caller));
        assert.equal(log.durableIndex, 500);
        assert.ok(fileSystem.count("syncAsync") <= 10, `${fileSystem.count("syncAsync")} flushes for 500 commits`);
      },
    ),
  );

  it(
    "runs one flush at a time, and one more for all calls meanwhile",
    withLog(
      async ({ fileSystem, log }) => {
        const flushes = gated(fileSystem);
        log.append([entryAt(1)]);
        const first = log.sync();
        await turn();
        assert.equal(flushes.begun, 1);
        const later: Promise<number>[] = [];
        for (let index = 2; index <= 10; index++) {
          log.append([entryAt(index)]);
          later.push(log.sync());
          await turn();
        }
        assert.equal(flushes.begun, 1, "one at a time");
        await flushes.release();
        assert.equal(await first, 1);
        assert.equal(log.durableIndex, 1);
        assert.equal(flushes.begun, 2);
        for (const sync of later) assert.equal(await isSettled(sync), false);
        await flushes.release();
        assert.deepEqual(await Promise.all(later), later.map(() => 10));
        assert.equal(flushes.begun, 2);
      },
    ),
  );

  it(
    "does not cover entries written after the flush began",
    withLog(async ({ fileSystem, log }) => {
      const flushes = gated(fileSystem);
      log.append([entryAt(1)]);
      const first = log.sync();
      await turn();
      log.append([entryAt(2)]);
      await flushes.release();
      assert.equal(await first, 1);
      assert.equal(log.durableIndex, 1);
      const second = log.sync();
      await turn();
      assert.equal(flushes.begun, 2, "entry 2 needs a flush of its own");
      assert.equal(await isSettled(second), false);
      await flushes.release();
      assert.equal(await second, 2);
    }),
  );

  it(
    "asks for no flush when everything is durable",
    withLog(async ({ fileSystem, log }) => {
      assert.equal(await log.sync(), 0);
      assert.equal(log.syncSync(), 0);
      log.append([entryAt(1)]);
      await log.sync();
      fileSystem.rest(); // a checkpoint is written
      assert.ok(fileSystem.count("write") >= 2);
      const before = fileSystem.count("sync", "syncAsync");
      assert.equal(await log.sync(), 1);
      assert.equal(log.syncSync(), 1);
      assert.equal(fileSystem.count("sync", "syncAsync"), before);
    }),
  );

  it(
    "never reports an entry as durable that was truncated during the flush",
    withLog(
      async ({ fileSystem, log }) => {
        const flushes = gated(fileSystem);
        log.append(entriesAt(1, 10));
        const first = log.sync();
        await turn();
        log.truncate(5);
        log.append(entriesAt(5, 7, 2));
        await flushes.release();
        assert.equal(await first, 4);
        assert.equal(log.durableIndex, 4);
        const second = log.sync();
        await turn();
        await flushes.release();
        assert.equal(await second, 7);
      },
    ),
  );

  it(
    "lowers the durable index when durable entries are truncated",
    withLog(async ({ log }) => {
      log.append(entriesAt(1, 10));
      assert.equal(await log.sync(), 10);
      log.truncate(4);
      assert.equal(log.durableIndex, 3);
      log.append(entriesAt(4, 5, 2));
      assert.equal(log.durableIndex, 3);
      assert.equal(log.syncSync(), 5);
      assert.equal(log.durableIndex, 5);
    }),
  );

  it(
    "is overtaken by a blocking flush, which covers everything written so far",
    withLog(async ({ fileSystem, log }) => {
      const flushes = gated(fileSystem);
      log.append([entryAt(1)]);
      const first = log.sync();
      await turn();
      log.append([entryAt(2)]);
      const second = log.sync();
      assert.equal(log.syncSync(), 2);
      assert.equal(log.durableIndex, 2);
      await flushes.release();
      assert.ok(await first >= 1);
      assert.equal(await second, 2);
      assert.equal(flushes.begun, 1, "nothing was left for a second flush");
      assert.equal(log.durableIndex, 2);
    }),
  );

  it(
    "survives a rotation during a flush",
    withLog(async ({ path, fileSystem, log }) => {
      const flushes = gated(fileSystem);
      log.append(entriesAt(1, 5, 1, 500));
      const first = log.sync();
      await turn();
      log.append(entriesAt(6, 30, 1, 500));
      assert.ok(log.stats().segments >= 2);
      log.append(entriesAt(31, 50, 1, 500));
      const durable = log.durableIndex;
      assert.ok(durable >= 5, "sealing a segment makes it durable");
      const second = log.sync();
      await flushes.release();
      assert.ok(await first >= 5);
      await turn();
      assert.ok(flushes.begun === 2, "the new segment needs a flush of its own");
      assert.ok(fileSystem.trace.includes("syncAsync 000000000001.seg"));
      assert.equal(fileSystem.trace.filter((call) => call.startsWith("syncAsync")).at(-1)!.includes("001.seg"), false);
      await flushes.release();
      assert.equal(await second, 50);
      const reader = WalLog.openSync(path, { readOnly: true });
      assert.equal(reader.lastIndex, 50);
      reader.closeSync();
    }, { segmentBytes: 4096 }),
  );

  it("answers waiting calls when the log is closed, blocking or not", async () => {
    for (const blocking of [true, false]) {
      await withLog(async ({ fileSystem, log }) => {
        const flushes = gated(fileSystem);
        log.append([entryAt(1)]);
        const first = log.sync();
        await turn();
        log.append([entryAt(2)]);
        const second = log.sync();
        if (blocking) {
          log.closeSync();
          assert.deepEqual(await Promise.all([first, second]), [2, 2]);
          await flushes.release();
        } else {
          const closing = log.close();
          await assert.rejects(log.sync(), { code: "CLOSED" });
          await flushes.release();
          assert.equal(await first, 1);
          await flushes.release();
          assert.equal(await second, 2);
          await closing;
        }
        await turn();
      })();
    }
  });
});
