/** What a log tells of itself: diagnostics channels and counters. */

import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { describe, it } from "node:test";
import { WalLog, type WalLogError, type WalLogEvents } from "../mod.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { entriesAt, entryAt, flipped } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";

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
    const log = WalLog.openSync(PATH, { fileSystem: disk, segmentBytes: 8192 });
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

  it("of opening, of the progress of recovery, and of damage", async () => {
    const disk = new MemoryDisk();
    const log = WalLog.openSync(PATH, { fileSystem: disk });
    log.append(entriesAt(1, 50));
    log.closeSync();
    const [name, bytes] = [...disk.contents()].find(([other]) => other.endsWith(".seg"))!;
    const damaged = new MemoryDisk(new Map(disk.contents()).set(name, flipped(bytes, 4096 + 200, 1)));
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
