/** The space that a log uses, the free space, and the event for low space. */

import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { WalLog, WalLogError } from "../mod.ts";
import { snapshotName } from "../src/format/snapshot_name.ts";
import { nodeFileSystem } from "../src/io/node_fs.ts";
import { entriesAt, entryAt } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { inTemporaryFolder } from "./temporary.ts";

const PATH = MemoryDisk.PATH;

/** A disk that reports its free space. */
class SmallDisk extends MemoryDisk {
  free: number | undefined = 10_000;
  asked = 0;

  freeBytes(): number | undefined {
    this.asked++;
    return this.free;
  }
}

/** Runs a function with a different global `Deno`. */
function withDeno<T>(deno: unknown, work: () => T): T {
  const before = Object.getOwnPropertyDescriptor(globalThis, "Deno");
  Object.defineProperty(globalThis, "Deno", { value: deno, configurable: true });
  try {
    return work();
  } finally {
    if (before === undefined) delete (globalThis as { Deno?: unknown }).Deno;
    else Object.defineProperty(globalThis, "Deno", before);
  }
}

/** Runs a function, and returns the free bytes of each event meanwhile. */
function published(work: () => void): number[] {
  const found: number[] = [];
  const listen = (message: unknown) => {
    const { path, freeBytes, lowSpaceBytes } = message as { path: string; freeBytes: number; lowSpaceBytes: number };
    assert.deepEqual([path, lowSpaceBytes], [PATH, 5000]);
    found.push(freeBytes);
  };
  subscribe("wallog:low-space", listen);
  try {
    work();
  } finally {
    unsubscribe("wallog:low-space", listen);
  }
  return found;
}

describe("the space of a log", () => {
  it("includes segments and the snapshot, and shrinks with compaction", () =>
    inTemporaryFolder((folder) => {
      const path = join(folder, "raft.wal");
      let log = WalLog.openSync(path, { segmentBytes: 4096 });
      const empty = log.stats();
      assert.equal(empty.snapshotBytes, 0);
      for (let index = 1; index <= 50; index++) log.append([entryAt(index, 1, 1000)]);
      const full = log.stats();
      const files = readdirSync(path).filter((name) => name.endsWith(".seg")).map((name) =>
        statSync(join(path, name)).size
      );
      assert.equal(files.length, full.segments);
      const onDisk = files.reduce((sum, size) => sum + size, 0);
      assert.ok(full.logBytes > 50_000 && full.logBytes <= onDisk, `${full.logBytes}, on disk ${onDisk}`);
      log.compact(45, { data: new Uint8Array(3000) });
      const { logBytes, snapshotBytes } = log.stats();
      assert.ok(logBytes < full.logBytes / 2, `${logBytes} of ${full.logBytes}`);
      assert.equal(snapshotBytes, statSync(join(path, snapshotName(45, 1))).size);
      log.compact(46, { data: new Uint8Array(7000) });
      assert.ok(log.stats().snapshotBytes >= snapshotBytes + 4000, "a later snapshot");
      log.compact(47, { data: new Uint8Array(3000) });
      assert.equal(log.stats().snapshotBytes, snapshotBytes);
      log.closeSync();
      assert.equal(log.stats().snapshotBytes, snapshotBytes, "closed");
      log = WalLog.openSync(path, { readOnly: true });
      assert.equal(log.stats().snapshotBytes, snapshotBytes, "reopened");
      log.closeSync();
    }));

  it("that is free is known, but not requested without Deno's permission", () =>
    inTemporaryFolder((folder) => {
      for (const state of ["granted", "prompt", "denied"]) {
        const asked: unknown[] = [];
        const querySync = (what: unknown) => {
          asked.push(what);
          return { state };
        };
        const freeBytes = withDeno({ permissions: { querySync } }, () => nodeFileSystem.freeBytes!(folder));
        assert.deepEqual(asked, [{ name: "sys", kind: "statfs" }]);
        // Deno itself may lack the permission that the test pretends to have.
        if (state !== "granted") assert.equal(freeBytes, undefined, state);
        else if (process.versions.deno === undefined) assert.ok(freeBytes! > 0, `${freeBytes}`);
      }
      if (process.versions.deno === undefined) assert.ok(nodeFileSystem.freeBytes!(folder)! > 0);
      assert.equal(nodeFileSystem.freeBytes!(join(folder, "missing")), undefined);
    }));

  it("that is free is unknown if the file system does not give it", () => {
    const log = WalLog.openSync(PATH, { fileSystem: new MemoryDisk() });
    assert.equal(log.stats().freeBytes, undefined);
    log.closeSync();
  });
});

describe("low free space", () => {
  it("is reported once below the threshold, and again only after there was more", () => {
    const fileSystem = new SmallDisk();
    const log = WalLog.openSync(PATH, { fileSystem, lowSpaceBytes: 5000 });
    const found = published(() => {
      for (const free of [5000, 4999, 4000, undefined, 3000, 5000, 2000]) {
        fileSystem.free = free;
        assert.equal(log.stats().freeBytes, free);
      }
    });
    assert.deepEqual(found, [4999, 2000]);
    log.closeSync();
  });

  it("is reported when a log is opened for writing, but not for reading only", () => {
    const fileSystem = new SmallDisk();
    fileSystem.free = 7;
    const open = (readOnly: boolean) => {
      const log = WalLog.openSync(PATH, { fileSystem, lowSpaceBytes: 5000, readOnly });
      assert.equal(log.stats().freeBytes, 7);
      log.closeSync();
    };
    assert.deepEqual(published(() => open(false)), [7]);
    assert.deepEqual(published(() => open(true)), []);
  });

  it("is reported after a flush, and measured only for subscribers", () => {
    const fileSystem = new SmallDisk();
    const log = WalLog.openSync(PATH, { fileSystem, lowSpaceBytes: 5000 });
    fileSystem.free = 10;
    log.append(entriesAt(1, 5));
    log.syncSync();
    assert.equal(fileSystem.asked, 0, "nobody listens");
    const found = published(() => {
      for (let index = 6; index < 100; index++) {
        log.append([entryAt(index)]);
        log.syncSync();
      }
    });
    assert.deepEqual(found, [10]);
    assert.ok(fileSystem.asked < 94, "not after every flush");
    log.closeSync();
  });

  it("has a threshold that must be a number of 0 or more", () => {
    for (const lowSpaceBytes of [-1, NaN, "1"]) {
      assert.throws(
        () => WalLog.openSync(PATH, { fileSystem: new MemoryDisk(), lowSpaceBytes: lowSpaceBytes as number }),
        (error) => error instanceof WalLogError && error.code === "INVALID_ARGUMENT",
      );
    }
  });
});
