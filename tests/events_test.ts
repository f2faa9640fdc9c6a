/** What a log tells of itself: diagnostics channels and counters. */

import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { describe, it } from "node:test";
import { WalLog, type WalLogError, type WalLogEvents } from "../mod.ts";
import { SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { entriesAt, entryAt, flipped } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { systemError, WatchedFileSystem } from "./watched_file_system.ts";

const PATH = MemoryDisk.PATH;

const NAMES = [
  "wallog:open",
  "wallog:recovery",
  "wallog:append",
  "wallog:flush",
  "wallog:slow-flush",
  "wallog:rotation",
  "wallog:snapshot",
  "wallog:compaction",
  "wallog:low-space",
  "wallog:damage",
  "wallog:poison",
] as const satisfies (keyof WalLogEvents)[];

/** Runs something, and returns what was told meanwhile. */
async function told(work: () => void | Promise<void>): Promise<[name: string, message: Record<string, unknown>][]> {
  const found: [string, Record<string, unknown>][] = [];
  const listeners = NAMES.map((name) => {
    const listener = (message: unknown) => void found.push([name, message as Record<string, unknown>]);
    subscribe(name, listener);
    return () => unsubscribe(name, listener);
  });
  try {
    await work();
  } finally {
    for (const stop of listeners) stop();
  }
  return found;
}

describe("a log tells", () => {
  it("of appends, flushes, rotations, snapshots and compaction, each when it is done", async () => {
    const disk = new MemoryDisk();
    const log = WalLog.openSync(PATH, { fileSystem: disk, segmentBytes: 4096 });
    const found = await told(async () => {
      log.append(entriesAt(1, 3));
      await log.sync();
      for (let index = 4; index <= 40; index++) log.append([entryAt(index, 1, 500)]);
      log.syncSync();
      log.applySnapshot({ index: 35, term: 1, config: [], data: new Uint8Array(5) });
      log.closeSync();
    });
    for (const [, message] of found) assert.equal(message.path, PATH);
    const named = (name: string) => found.filter(([other]) => other === name).map(([, message]) => message);
    const appends = named("wallog:append") as unknown as WalLogEvents["wallog:append"][];
    assert.deepEqual([appends[0]!.firstIndex, appends[0]!.lastIndex], [1, 3]);
    assert.equal(appends[0]!.bytes, entriesAt(1, 3).reduce((sum, { command }) => sum + command.length, 0));
    assert.equal(appends.at(-1)!.lastIndex, 40);
    assert.deepEqual(named("wallog:snapshot").map(({ index, term }) => [index, term]), [[35, 1]]);
    const { segmentsSealed, segmentsDeleted, flushLatency } = log.stats();
    assert(segmentsSealed > 1);
    assert.deepEqual(
      named("wallog:rotation").map(({ segment }) => segment),
      Array.from({ length: segmentsSealed }, (_, i) => 2 + i),
    );
    assert.deepEqual(named("wallog:compaction").map((message) => message.segmentsDeleted), [segmentsDeleted]);
    const flushes = named("wallog:flush") as unknown as WalLogEvents["wallog:flush"][];
    assert.equal(flushes.length, flushLatency.count);
    assert(flushes[0]!.bytes > appends[0]!.bytes);
    assert.equal(flushLatency.counts.reduce((sum, count) => sum + count, 0), flushLatency.count);
    assert(Math.abs(flushes.reduce((sum, { milliseconds }) => sum + milliseconds, 0) - flushLatency.sum) < 1e-6);
    assert.equal(flushLatency.max, Math.max(...flushes.map(({ milliseconds }) => milliseconds)));
  });

  describe("of flushes, published after the durable index has moved", () => {
    /** Runs `work` on a log. Returns the durable index in the message of each flush, and the log's own at that time. */
    async function flushesOf(
      work: (log: WalLog, fileSystem: WatchedFileSystem) => void | Promise<void>,
    ): Promise<{ readonly durable: number; readonly answered: number; readonly lastIndex: number }[]> {
      const fileSystem = new WatchedFileSystem(new MemoryDisk());
      const log = WalLog.openSync(PATH, { fileSystem, segmentBytes: 4096, slowFlushMilliseconds: 0 });
      const seen: { durable: number; answered: number; lastIndex: number }[] = [];
      const slow: unknown[] = [];
      const onFlush = (message: unknown) => {
        const { durableIndex } = message as WalLogEvents["wallog:flush"];
        seen.push({ durable: durableIndex, answered: log.durableIndex, lastIndex: log.lastIndex });
      };
      const onSlow = (message: unknown) => {
        const { durableIndex } = message as WalLogEvents["wallog:slow-flush"];
        slow.push({ durable: durableIndex, answered: log.durableIndex, lastIndex: log.lastIndex });
      };
      subscribe("wallog:flush", onFlush);
      subscribe("wallog:slow-flush", onSlow);
      try {
        await work(log, fileSystem);
      } finally {
        unsubscribe("wallog:flush", onFlush);
        unsubscribe("wallog:slow-flush", onSlow);
      }
      // A flush in memory may take no time at all.
      assert.equal(slow.length, log.stats().slowFlushes);
      if (slow.length === seen.length) assert.deepEqual(slow, seen, "slow flushes");
      assert.equal(seen.length, log.stats().flushes, "a flush was not published");
      for (const { durable, answered } of seen) assert.equal(durable, answered, "the message against the log");
      return seen;
    }

    /** Fails unless the whole log was durable whenever one of its flushes was published. */
    function assertWhole(seen: Awaited<ReturnType<typeof flushesOf>>, indexes: readonly number[]): void {
      assert.deepEqual(seen.map(({ durable }) => durable), indexes);
      assert.deepEqual(seen.map(({ lastIndex }) => lastIndex), indexes);
    }

    it("by sync and syncSync, after a truncation too", async () => {
      const seen = await flushesOf(async (log) => {
        log.append(entriesAt(1, 3));
        await log.sync();
        log.append(entriesAt(4, 5));
        log.syncSync();
        log.truncate(2);
        await log.sync();
      });
      assertWhole(seen, [3, 5, 1]);
    });

    it("by sync, without what was appended since it began", async () => {
      const seen = await flushesOf(async (log, fileSystem) => {
        log.append(entriesAt(1, 3));
        fileSystem.gate = () => Promise.resolve(log.append(entriesAt(4, 9)));
        await log.sync();
      });
      assert.deepEqual(seen, [{ durable: 3, answered: 3, lastIndex: 9 }]);
    });

    it("by beginning a segment", async () => {
      let expected: number[] = [];
      const seen = await flushesOf((log) => {
        let sealed = 0;
        for (let index = 1; index <= 40; index++) {
          log.append([entryAt(index, 1, 500)]);
          if (log.stats().segmentsSealed > sealed) expected = [...expected, index - 1];
          sealed = log.stats().segmentsSealed;
        }
      });
      assert(expected.length > 1);
      assertWhole(seen, expected);
    });

    it("by beginning a segment for which there is no room", async () => {
      const seen = await flushesOf((log, fileSystem) => {
        fileSystem.fail = ({ operation }) => {
          if (operation === "create") throw systemError("ENOSPC");
        };
        const fill = () => {
          for (let index = 1;; index++) log.append([entryAt(index, 1, 500)]);
        };
        assert.throws(fill, { code: "NO_SPACE" });
        assert.equal(log.durableIndex, log.lastIndex);
      });
      assert.equal(seen.length, 1);
      assertWhole(seen, [seen[0]!.lastIndex]);
    });

    it("by installing a snapshot of either kind", async () => {
      const seen = await flushesOf(async (log) => {
        log.append(entriesAt(1, 10));
        log.compact(4);
        log.applySnapshot({ index: 20, term: 3, config: [], data: new Uint8Array(5) });
        log.append(entriesAt(21, 25, 3));
        await log.createSnapshot({ index: 22, term: 3, config: [] }).close();
        log.applySnapshot({ index: 23, term: 9, config: [], data: new Uint8Array(5) });
      });
      assertWhole(seen, [10, 20, 25, 23]);
    });

    for (const way of ["close", "closeSync"] as const) {
      it(`by ${way}`, async () => {
        const seen = await flushesOf(async (log) => {
          log.append(entriesAt(1, 3));
          await log[way]();
          assert.equal(log.durableIndex, 3);
        });
        assertWhole(seen, [3, 3]);
      });
    }

    it("also of a flush that succeeds around a failure, or after the log is closed", async () => {
      const failing = await flushesOf((log, fileSystem) => {
        fileSystem.fail = ({ operation }) => {
          if (operation === "create") throw systemError("EIO");
        };
        const fill = () => {
          for (let index = 1;; index++) log.append([entryAt(index, 1, 500)]);
        };
        assert.throws(fill, { code: "POISONED" });
      });
      assert.equal(failing.length, 1);
      for (const end of ["fail", "close"]) {
        const late = await flushesOf(async (log, fileSystem) => {
          const { promise, resolve } = Promise.withResolvers<void>();
          fileSystem.gate = () => promise;
          log.append(entriesAt(1, 3));
          const sync = log.sync().catch(() => {});
          while (fileSystem.count("syncAsync") === 0) await Promise.resolve();
          if (end === "close") log.closeSync();
          else {
            fileSystem.fail = ({ operation }) => {
              if (operation === "write") throw systemError("EIO");
            };
            assert.throws(() => log.append([entryAt(4)]), { code: "POISONED" });
          }
          resolve();
          await sync;
          await new Promise((resolve) => setTimeout(resolve, 0));
        });
        assert.equal(late.length, end === "close" ? 3 : 1);
      }
    });
  });

  it("of opening, of the progress of recovery, and of damage", async () => {
    const disk = new MemoryDisk();
    const log = WalLog.openSync(PATH, { fileSystem: disk });
    log.append(entriesAt(1, 50));
    log.closeSync();
    const [name, bytes] = [...disk.contents()].find(([other]) => other.endsWith(".seg"))!;
    const damaged = new MemoryDisk(new Map(disk.contents()).set(name, flipped(bytes, SEGMENT_HEADER_BYTES + 200, 1)));
    const found = await told(() => {
      WalLog.openSync(PATH, { fileSystem: damaged, onDamage: "keep", readOnly: true });
    });
    const progress = found.filter(([other]) => other === "wallog:recovery").map(([, message]) => message);
    assert(progress.length > 0);
    for (const { bytesDone, bytesTotal } of progress as unknown as WalLogEvents["wallog:recovery"][]) {
      assert(bytesDone > 0 && bytesDone <= bytesTotal);
    }
    const opened = found.find(([other]) => other === "wallog:open")![1] as unknown as WalLogEvents["wallog:open"];
    assert.equal(opened.readOnly, true);
    assert.equal(opened.report.verdict, "corrupt");
    const damage = found.find(([other]) => other === "wallog:damage")![1] as unknown as WalLogEvents["wallog:damage"];
    assert.deepEqual(damage.damage, opened.report.damage);
  });

  it("of the failure that ended it, once", async () => {
    const disk = new SimulatedDisk();
    const log = WalLog.openSync("/raft.wal", { fileSystem: disk.fileSystem });
    const found = await told(() => {
      disk.failAfter("EIO", 0, "write");
      assert.throws(() => log.append(entriesAt(1, 2)));
      assert.throws(() => log.append(entriesAt(1, 2)));
      assert.throws(() => log.syncSync());
    });
    assert.deepEqual(found.map(([name]) => name), ["wallog:poison"]);
    assert.equal((found[0]![1].error as WalLogError).code, "POISONED");
  });

  it("of slow flushes, by the threshold it was opened with", async () => {
    for (const [slowFlushMilliseconds, slow] of [[0, 1], [Infinity, 0]] as const) {
      const log = WalLog.openSync(PATH, { fileSystem: new MemoryDisk(), slowFlushMilliseconds });
      const found = await told(() => {
        log.append(entriesAt(1, 2));
        log.syncSync();
      });
      assert.equal(found.filter(([name]) => name === "wallog:slow-flush").length, slow);
      assert.equal(log.stats().slowFlushes, slow);
    }
    for (const wrong of [-1, Number.NaN, "1" as unknown as number]) {
      assert.throws(
        () => WalLog.openSync(PATH, { fileSystem: new MemoryDisk(), slowFlushMilliseconds: wrong }),
        (error) => (error as WalLogError).code === "INVALID_ARGUMENT",
      );
    }
  });
});
