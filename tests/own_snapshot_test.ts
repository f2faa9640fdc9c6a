/** A snapshot of the node's own, whole and as a stream: it takes nothing along that it does not cover. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WalLog, WalLogError } from "../mod.ts";
import { KIND_ENTRY } from "../src/segments/format.ts";
import { snapshotName } from "../src/snapshots.ts";
import { entriesAt, flipped, framesOf } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { assertSameEntries, bytesOf } from "./model.ts";

const PATH = MemoryDisk.PATH;
const FIRST_SEGMENT = "000000000001.seg";

/** A log of 1,000 synced entries of term 1, in many segments. */
function logOf1000(): { disk: MemoryDisk; log: WalLog } {
  const disk = new MemoryDisk();
  const log = WalLog.openSync(PATH, { fileSystem: disk, segmentBytes: 8192 });
  for (let index = 1; index <= 1000; index += 10) log.append(entriesAt(index, index + 9, 1));
  log.syncSync();
  return { disk, log };
}

/** A log of entries 1 to 10 of term 1 and 11 to 20 of term 2; the header of the entry at an index is lost. */
function withHeaderLost(lost: number): { disk: MemoryDisk; log: WalLog } {
  const disk = new MemoryDisk();
  const written = WalLog.openSync(PATH, { fileSystem: disk });
  written.append(entriesAt(1, 10, 1));
  written.append(entriesAt(11, 20, 2));
  written.closeSync();
  const bytes = disk.contents().get(FIRST_SEGMENT)!;
  const frame = framesOf(bytes).find(({ kind, index }) => kind === KIND_ENTRY && index === lost)!;
  const damaged = new MemoryDisk(new Map(disk.contents()).set(FIRST_SEGMENT, flipped(bytes, frame.offset + 17, 3)));
  return { disk: damaged, log: WalLog.openSync(PATH, { fileSystem: damaged, onDamage: "keep" }) };
}

/** Fails unless a call is refused with a code and a message, and the log and its files are as they were. */
function refuses(disk: MemoryDisk, log: WalLog, code: string, message: RegExp, call: () => unknown): void {
  const before = new Map(disk.contents());
  const { lastIndex, snapshotIndex, durableIndex } = log;
  assert.throws(call, (error) => {
    assert.ok(error instanceof WalLogError, `${error}`);
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  });
  assert.deepEqual([log.lastIndex, log.snapshotIndex, log.durableIndex], [lastIndex, snapshotIndex, durableIndex]);
  assert.deepEqual(new Map(disk.contents()), before, "files changed");
}

describe("compacting a log", () => {
  it("deletes the segments that it covers and keeps every entry above, durably", () => {
    const { disk, log } = logOf1000();
    const { segmentsSealed } = log.stats();
    log.append(entriesAt(1001, 1003, 2));
    log.compact(500, { data: bytesOf(100) });
    assert.equal(log.durableIndex, 1003, "what was not flushed is durable as well");
    const { segmentsDeleted, segments } = log.stats();
    assert.ok(segmentsDeleted > 1 && segments < segmentsSealed + 1 - segmentsDeleted / 2);
    const killed = WalLog.openSync(PATH, { fileSystem: new MemoryDisk(disk.contents()) });
    assert.equal(killed.recovery.verdict, "clean");
    assert.deepEqual(killed.snapshot(), { index: 500, term: 1, config: [], data: bytesOf(100) });
    assertSameEntries(killed.entries(1, 2000), [...entriesAt(501, 1000), ...entriesAt(1001, 1003, 2)], "killed");
    log.closeSync();
  });

  it("needs the configuration if the snapshot before is damaged", () => {
    const { disk, log } = logOf1000();
    log.compact(10, { config: [1n, 2n] });
    const name = snapshotName(10, 1);
    const fileSystem = new MemoryDisk(
      new Map(disk.contents()).set(name, flipped(disk.contents().get(name)!, 60, 0)),
    );
    const kept = WalLog.openSync(PATH, { fileSystem, onDamage: "keep" });
    refuses(fileSystem, kept, "CORRUPT", /header checksum mismatch/, () => kept.compact(20));
    kept.compact(20, { config: [3n] });
    assert.deepEqual(kept.snapshotMeta(), { index: 20, term: 1, config: [3n] });
    assert.deepEqual(kept.damaged, []);
    kept.closeSync();
    log.closeSync();
  });

  it("refuses an index whose term is lost with DAMAGED_ENTRY, and takes damaged entries below along", () => {
    const { disk, log } = withHeaderLost(10);
    refuses(disk, log, "DAMAGED_ENTRY", /^Cannot tell the term at index 10: /, () => log.compact(10));
    log.compact(12);
    assert.deepEqual(log.damaged, []);
    log.closeSync();
    const again = WalLog.openSync(PATH, { fileSystem: disk });
    assertSameEntries(again.entries(1, 20), entriesAt(13, 20, 2), "above");
    again.closeSync();
  });
});
