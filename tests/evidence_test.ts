/** Damage that destroys most of the evidence, and evidence that must survive from one opening to the next. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WalLog, type WalLogOptions } from "../mod.ts";
import { DURABLE_SLOT_OFFSETS, SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";
import { segmentName } from "../src/format/segment_name.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { entriesAt, entryAt, framesOf } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { WatchedFileSystem } from "./watched_file_system.ts";

const PATH = MemoryDisk.PATH;

function open(fileSystem: MemoryDisk | WatchedFileSystem, options: WalLogOptions = {}): WalLog {
  return WalLog.openSync(PATH, { fileSystem, segmentBytes: 4096, ...options });
}

/** A copy of a disk with one file changed or removed. */
function changed(disk: MemoryDisk, name: string, change: (bytes: Uint8Array) => Uint8Array | undefined): MemoryDisk {
  const contents = new Map(disk.contents());
  const bytes = change(contents.get(name)!.slice());
  if (bytes === undefined) contents.delete(name);
  else contents.set(name, bytes);
  return new MemoryDisk(contents);
}

describe("a newest segment that is cut within its header block", () => {
  it("is damage, and the log does not fall back to an earlier vote or entries", () => {
    const disk = new MemoryDisk();
    const log = open(disk);
    log.setHardState({ term: 1, votedFor: 7n });
    while (log.stats().segmentsSealed < 1) log.append([entryAt(log.lastIndex + 1, 1, 500)]);
    log.truncate(3);
    log.setHardState({ term: 9, votedFor: 3n });
    log.append([entryAt(3, 9)]);
    log.closeSync();
    for (const size of [0, 100, 408, 512, 4096, 8192, 12_288, SEGMENT_HEADER_BYTES - 1]) {
      const cut = changed(disk, segmentName(2), (bytes) => bytes.slice(0, size));
      for (const readOnly of [true, false]) {
        assert.throws(() => open(cut, { readOnly }), { code: "CORRUPT" }, `${size} bytes`);
      }
      const kept = open(cut, { onDamage: "keep" });
      // A durable slot repeats the hard state, if the cut leaves one.
      if (size > DURABLE_SLOT_OFFSETS[0] + 512) {
        assert.deepEqual([kept.hardState, kept.lastIndex], [{ term: 9, votedFor: 3n }, 3], `${size} bytes`);
        continue;
      }
      assert.equal(kept.lost.hardState, true, `${size} bytes`);
      assert.throws(() => kept.setHardState({ term: 2, votedFor: 1n }), { code: "CORRUPT" }, `${size} bytes`);
    }
  });

  it("is damage if it is the only segment of a created log", () => {
    const disk = new MemoryDisk();
    const log = open(disk);
    log.append(entriesAt(1, 3));
    log.closeSync();
    for (const size of [408, 4096, 8192]) {
      const cut = changed(disk, segmentName(1), (bytes) => bytes.slice(0, size));
      for (const readOnly of [true, false]) {
        assert.throws(() => open(cut, { readOnly }), { code: "CORRUPT" }, `${size} bytes`);
      }
    }
    // Without IDENTITY, the creation was interrupted, and nothing was acknowledged.
    const begun = changed(changed(disk, segmentName(1), (bytes) => bytes.slice(0, 408)), "IDENTITY", () => undefined);
    assert.equal(open(begun, { readOnly: true }).lastIndex, 0);
    assert.equal(open(begun).lastIndex, 0);
  });
});

describe("the snapshot of a log that has lost everything else", () => {
  it("shows that there was a log, and is not deleted", () => {
    const disk = new MemoryDisk();
    const log = open(disk);
    log.append(entriesAt(1, 3));
    log.compact(2, { data: new Uint8Array(9) });
    log.closeSync();
    const contents = new Map([...disk.contents()].filter(([name]) => name.endsWith(".snap")));
    const left = new MemoryDisk(contents);
    for (let times = 0; times < 2; times++) {
      assert.throws(() => open(left), { code: "CORRUPT" });
      assert.deepEqual([...left.contents().keys()].filter((name) => name.endsWith(".snap")).length, 1);
    }
  });
});

describe("a gap that a durable slot explains", () => {
  it("has the same explanation after more writes and earlier truncations", () => {
    for (const early of ["nothing", "a truncation", "a clearing snapshot"]) {
      const disk = new MemoryDisk();
      const log = WalLog.openSync(PATH, { fileSystem: disk });
      log.append(entriesAt(1, 10));
      if (early === "a truncation") log.truncate(6);
      else if (early !== "nothing") log.applySnapshot({ index: 30, term: 9, config: [1n], data: new Uint8Array(3) });
      const first = log.lastIndex + 1;
      // The closing slot reaches back to a checkpoint after the truncation.
      log.append(entriesAt(first, first + 59, 9, 600));
      for (let term = 10; term < 14; term++) log.setHardState({ term, votedFor: 6n });
      log.closeSync();
      const frames = framesOf(disk.contents().get(segmentName(1))!);
      const damaged = changed(disk, segmentName(1), (bytes) => bytes.fill(0, frames.at(-5)!.offset));
      for (let opening = 1; opening <= 3; opening++) {
        const again = WalLog.openSync(PATH, { fileSystem: damaged });
        const when = `${early}, opening ${opening}`;
        assert.deepEqual([again.recovery.verdict, again.lastIndex], ["clean", first + 58 + opening], when);
        assert.deepEqual(again.hardState, { term: 13, votedFor: 6n }, when);
        again.append([entryAt(again.lastIndex + 1, 13)]);
        again.closeSync();
      }
    }
  });
});

describe("a closed log", () => {
  it("states its durable LSN in both slots, so that damage to one slot and the end shows", () => {
    const disk = new MemoryDisk();
    const log = open(disk);
    log.append(entriesAt(1, 20));
    log.setHardState({ term: 9, votedFor: 3n });
    log.closeSync();
    for (const offset of DURABLE_SLOT_OFFSETS) {
      const damaged = changed(disk, segmentName(1), (bytes) => bytes.fill(0, offset, offset + 4096).fill(0, -400));
      assert.throws(() => open(damaged), { code: "CORRUPT" });
      assert.deepEqual(open(damaged, { onDamage: "keep", readOnly: true }).hardState, { term: 9, votedFor: 3n });
    }
  });
});

describe("a truncation that no flush covers", () => {
  it("keeps segments that a power failure could need when a retention is released", () => {
    for (const giveUp of ["release", "advance"] as const) {
      for (let seed = 1; seed <= 20; seed++) {
        const disk = new SimulatedDisk({ seed });
        const options = { fileSystem: disk.fileSystem, segmentBytes: 4096 };
        const log = WalLog.openSync("/raft.wal", options);
        const retention = log.retain("mailer", 1);
        for (let index = 1; index <= 4; index++) log.append([entryAt(index, 1, 900)]);
        log.compact(2, { data: new Uint8Array(9) });
        for (let index = 5; index <= 7; index++) log.append([entryAt(index, 1, 900)]);
        log.syncSync();
        disk.idle();
        log.truncate(3);
        if (giveUp === "release") retention.release();
        else retention.advance(3);
        disk.crash();
        const again = WalLog.openSync("/raft.wal", options);
        assert.equal(again.recovery.verdict, "clean", `${giveUp}, seed ${seed}`);
        assert([2, 7].includes(again.lastIndex), `${giveUp}, seed ${seed}`);
        assert.equal([...again.iterate()].length, again.lastIndex - 2);
      }
    }
  });
});

describe("a log that has failed", () => {
  it("writes no durable slot when a running flush succeeds later", async () => {
    const fileSystem = new WatchedFileSystem(new MemoryDisk());
    const log = open(fileSystem);
    const now = performance.now;
    // More than a second since the last slot.
    performance.now = () => now.call(performance) + 5000;
    try {
      log.append([entryAt(1)]);
      const { promise, resolve } = Promise.withResolvers<void>();
      fileSystem.gate = () => promise;
      const flushed = log.sync();
      await Promise.resolve();
      await Promise.resolve();
      log.append([entryAt(2)]);
      fileSystem.fail = ({ operation }) => {
        if (operation === "sync") throw Object.assign(new Error("EIO"), { code: "EIO" });
      };
      assert.throws(() => log.syncSync(), { code: "POISONED" });
      fileSystem.calls = [];
      resolve();
      await flushed.catch(() => {});
      assert.deepEqual(fileSystem.calls.filter(({ operation }) => operation === "write"), []);
    } finally {
      performance.now = now;
    }
  });
});
