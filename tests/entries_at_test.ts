/** Reads of scattered indexes: the same results as single reads, with fewer reads of the file. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import { Random } from "../src/testing/random.ts";
import { entriesAt, entryAt } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { temporaryFolder } from "./temporary.ts";
import { WatchedFileSystem } from "./watched_file_system.ts";

const PATH = MemoryDisk.PATH;

/** Entries of all sizes, in frames of one and of several, over several segments. */
function writeVaried(log: WalLog, random: Random): void {
  while (log.lastIndex < 600) {
    const first = log.lastIndex + 1;
    if (random.chance(0.02)) log.append([entryAt(first, 1, 1_200_000)]);
    else if (random.chance(0.3)) log.append([entryAt(first, 1, random.below(9000))]);
    else log.append(entriesAt(first, first + random.below(12), 1, random.below(300)));
  }
}

describe("entriesAt", () => {
  it("returns what entry returns, in the order of the indexes and each once", () => {
    const random = new Random(7);
    const disk = new MemoryDisk();
    const writer = WalLog.openSync(PATH, { fileSystem: disk, segmentBytes: 256 * 1024 });
    writeVaried(writer, random);
    writer.compact(40);
    const check = (log: WalLog) => {
      for (let round = 0; round < 60; round++) {
        const step = 1 + random.below(40);
        const indexes = Array.from({ length: 1 + random.below(60) }, (_, i) => 1 + (i * step * 7919) % 650);
        const expected = [...new Set(indexes)].sort((a, b) => a - b).filter((index) =>
          index > 40 && index <= log.lastIndex
        );
        assert.deepEqual(log.entriesAt(indexes), expected.map((index) => log.entry(index)));
        assert.deepEqual(log.entriesAt(new Set(indexes)).length, expected.length);
      }
    };
    check(writer);
    check(WalLog.openSync(PATH, { fileSystem: disk, readOnly: true }));
  });

  it("reads entries that lie near each other in one call", () => {
    const folder = temporaryFolder();
    try {
      const writer = WalLog.openSync(folder.path);
      writer.append(entriesAt(1, 2000, 1, 200));
      writer.closeSync();
      const fileSystem = new WatchedFileSystem();
      const log = WalLog.openSync(folder.path, { fileSystem, readOnly: true });
      let reads = 0;
      fileSystem.failRead = () => reads++;
      const indexes = Array.from({ length: 100 }, (_, i) => 1 + i * 20);
      assert.equal(log.entriesAt(indexes).length, 100);
      assert(reads <= 3, `${reads} reads`);
      log.closeSync();
    } finally {
      folder.remove();
    }
  });

  it("returns at most maxBytes, but at least one entry", () => {
    const log = WalLog.openSync(PATH, { fileSystem: new MemoryDisk() });
    log.append(entriesAt(1, 50, 1, 100));
    assert.deepEqual(log.entriesAt([9, 3, 30], { maxBytes: 250 }).map(({ index }) => index), [3, 9]);
    assert.deepEqual(log.entriesAt([9, 3, 30], { maxBytes: 0 }).map(({ index }) => index), [3]);
    assert.deepEqual(log.entriesAt([]), []);
    assert.throws(() => log.entriesAt([1.5]), { code: "INVALID_ARGUMENT" });
    assert.throws(() => log.entriesAt([1], { maxByte: 1 } as never), { code: "INVALID_ARGUMENT" });
  });

  it("reports a damaged entry among others", () => {
    const disk = new MemoryDisk();
    const writer = WalLog.openSync(PATH, { fileSystem: disk });
    for (let index = 1; index <= 30; index++) writer.append([entryAt(index, 1, 4000)]);
    writer.closeSync();
    const log = WalLog.openSync(PATH, { fileSystem: disk, readOnly: true });
    const [name] = [...disk.contents().keys()].filter((one) => one.endsWith(".seg"));
    const bytes = disk.contents().get(name!)!.slice();
    const text = entryAt(17, 1, 4000).command;
    const at = bytes.findIndex((_, i) => text.every((byte, j) => bytes[i + j] === byte));
    bytes[at + 5]! ^= 1;
    disk.put(name!, bytes);
    const again = WalLog.openSync(PATH, { fileSystem: disk, readOnly: true, onDamage: "keep", verify: "tail" });
    assert.throws(() => again.entriesAt([15, 16, 17, 18]), { code: "DAMAGED_ENTRY" });
    assert.deepEqual(again.entriesAt([15, 16, 18, 19]), [15, 16, 18, 19].map((index) => entryAt(index, 1, 4000)));
    log.closeSync();
  });
});
