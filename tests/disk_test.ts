/** The simulated disk behaves like the worst real disks, and not worse. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SimulatedDisk } from "../src/testing/mod.ts";

const PATH = "/folder/file";
const SEEDS = 400;
const DATA = new Uint8Array(3 * 512).fill(7);

/** A disk with a file on the platter, of zeros. */
function diskWithFile(seed: number) {
  const disk = new SimulatedDisk({ seed });
  const file = disk.fileSystem.open(PATH, "create");
  file.write(new Uint8Array(DATA.length), 0);
  file.sync();
  disk.fileSystem.syncDirectory("/folder");
  return { disk, file };
}

/** The contents of the file's sectors, one number each. */
function sectors(disk: SimulatedDisk): number[] {
  const content = disk.content(PATH);
  return [0, 1, 2].map((sector) => content[sector * 512]!);
}

/** The contents of the file after a crash, in many histories. */
function afterCrash(write: (file: ReturnType<typeof diskWithFile>["file"], disk: SimulatedDisk) => void): Set<string> {
  const found = new Set<string>();
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { disk, file } = diskWithFile(seed);
    write(file, disk);
    disk.crash();
    found.add(sectors(disk).join());
  }
  return found;
}

const EIO = { code: "EIO" };

describe("a simulated disk", () => {
  it("keeps flushed data in every crash", () => {
    const found = afterCrash((file) => {
      file.write(DATA, 0);
      file.sync();
    });
    assert.deepEqual([...found], ["7,7,7"]);
  });

  it("keeps any unflushed sectors, in any order", () => {
    const found = afterCrash((file) => void file.write(DATA, 0));
    assert.equal(found.size, 8, [...found].join("; "));
  });

  it("may lose the data of a failed flush although a later flush succeeds", () => {
    const found = afterCrash((file, disk) => {
      file.write(DATA, 0);
      disk.failAfter("EIO", 0, "sync");
      assert.throws(() => file.sync(), EIO);
      file.sync();
      assert.deepEqual(sectors(disk), [7, 7, 7], "the page cache goes on showing it");
    });
    assert.equal(found.size, 8, [...found].join("; "));
  });

  it("reads the platter when the page cache is dropped after a failed flush", () => {
    const found = new Set<string>();
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { disk, file } = diskWithFile(seed);
      file.write(DATA, 0);
      disk.failAfter("EIO", 0, "sync");
      assert.throws(() => file.sync(), EIO);
      disk.evict();
      const shown = sectors(disk).join();
      found.add(shown);
      disk.crash();
      assert.equal(sectors(disk).join(), shown);
    }
    assert.equal(found.size, 8, [...found].join("; "));
  });

  it("fails each flush that overlaps with a failed one, but none of a later process", async () => {
    const { disk, file } = diskWithFile(1);
    file.write(DATA, 0);
    disk.failAfter("EIO", 0, "sync");
    const flush = file.syncAsync();
    assert.throws(() => file.sync(), EIO);
    await assert.rejects(flush, EIO);
    file.sync();

    disk.failAfter("EIO", 0, "sync");
    const unheard = assert.rejects(file.syncAsync(), { name: "PowerLoss" });
    disk.restart();
    disk.fileSystem.open(PATH, "write").sync();
    await unheard;
    disk.fileSystem.open(PATH, "write").sync();
  });

  it("covers with a flush only data written before it began", async () => {
    const found = new Set<string>();
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { disk, file } = diskWithFile(seed);
      file.write(DATA.subarray(0, 512), 0);
      const flush = file.syncAsync();
      file.write(DATA.subarray(0, 512), 512);
      await flush;
      disk.crash();
      found.add(sectors(disk).join());
    }
    assert.deepEqual([...found].sort(), ["7,0,0", "7,7,0"]);
  });

  it("is full at its capacity, and accepts as much as fits", () => {
    const disk = new SimulatedDisk({ capacityBytes: 1000 });
    const file = disk.fileSystem.open(PATH, "create");
    assert.equal(file.write(DATA, 0), 1000);
    assert.throws(() => file.write(DATA, 1000), { code: "ENOSPC" });
    assert.equal(file.write(DATA.subarray(0, 10), 990), 10, "what is there can be written again");
  });

  it("keeps or forgets names that no flush of their folder covers", () => {
    const kept = new Set<number>();
    for (let seed = 1; seed <= SEEDS; seed++) {
      const disk = new SimulatedDisk({ seed });
      disk.fileSystem.open(PATH, "create").sync();
      disk.crash();
      kept.add(disk.files().length);
    }
    assert.deepEqual([...kept].sort(), [0, 1]);
  });

  it("does the same with the same seed", () => {
    const run = () => {
      const { disk, file } = diskWithFile(5);
      file.write(DATA, 0);
      disk.crash();
      return sectors(disk);
    };
    assert.deepEqual(run(), run());
  });
});
