/** Writes during a running flush. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { FileSystem } from "../src/io/file_system.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { CRASH_SEEDS, entry, open } from "./simulated_segments.ts";

describe("a running flush", () => {
  it("proves nothing yet: later frames may reach the disk before earlier ones", async () => {
    for (let seed = 1; seed <= CRASH_SEEDS * 4; seed++) {
      const disk = new SimulatedDisk({ seed });
      const { fileSystem } = disk;
      let isWaiting = false;
      const slow: FileSystem = {
        ...fileSystem,
        open(path, mode) {
          isWaiting = false;
          return { ...fileSystem.open(path, mode), syncAsync: () => new Promise(() => isWaiting = true) };
        },
      };
      const log = open(disk, { fileSystem: slow, segmentBytes: 61_440 });
      for (let index = 1; index <= 6; index++) log.append([entry(index, 700)]);
      void log.sync();
      while (!isWaiting) await Promise.resolve();
      for (let index = 7; index <= 12; index++) log.append([entry(index, 700)]);
      disk.crash();
      assert.notEqual(open(disk, { onDamage: "keep" }).recovery.verdict, "corrupt", `seed ${seed}`);
    }
  });
});

describe("a file that is being flushed", () => {
  it("is closed only after the flush, even if its segment is sealed meanwhile", async () => {
    const disk = new SimulatedDisk();
    const { fileSystem } = disk;
    const flushing = new Set<unknown>();
    let finish = () => {};
    const slow: FileSystem = {
      ...fileSystem,
      open(path, mode) {
        const file = fileSystem.open(path, mode);
        return {
          ...file,
          syncAsync: async () => {
            flushing.add(file);
            await new Promise<void>((resolve) => finish = resolve);
            await file.syncAsync();
            flushing.delete(file);
          },
          close() {
            if (mode !== "read") assert(!flushing.has(file), `${path} was closed under a flush`);
            file.close();
          },
        };
      },
    };
    const log = open(disk, { fileSystem: slow });
    log.append([entry(1, 3000)]);
    const synced = log.sync();
    while (flushing.size === 0) await Promise.resolve();
    for (let index = 2; index <= 8; index++) log.append([entry(index, 3000)]);
    assert(log.stats().segmentsSealed > 0);
    finish();
    assert.equal(await synced, 1);
    assert.equal(log.syncSync(), 8);
  });
});
