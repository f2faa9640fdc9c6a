/**
 * What single flushes, checks and orders are there for, where random histories seldom get to: each of these tests was
 * written because a mutant (`tests/mutants`) had survived without it.
 */

import assert from "node:assert/strict";
import { resolve } from "node:path";
import { describe, it } from "node:test";
import { type LogEntry, WalLog, WalLogError, type WalLogOptions } from "../mod.ts";
import { Codec } from "../src/codec/codec.ts";
import { CHECKPOINT_BYTES } from "../src/format/checkpoint.ts";
import {
  decodeFrameHeader,
  FRAME_HEADER_BYTES,
  FRAME_HEADER_CHECKSUM,
  FRAME_KIND,
  FRAME_LENGTH,
  FRAME_PAYLOAD_CHECKSUM,
  FRAME_UNPROVEN,
  frameBytes,
  KIND_CHECKPOINT,
  KIND_ENTRIES,
  KIND_SEGMENT_INDEX,
  KIND_SNAPSHOT,
} from "../src/format/frame.ts";
import { decodeNextPointer } from "../src/format/next_pointer.ts";
import { HEADER_OFFSETS, NEXT_POINTER_OFFSETS, SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";
import { decodeSegmentHeader, type SegmentHeader } from "../src/format/segment_header.ts";
import { decodeTrailer, encodeSegmentIndex, TRAILER_BYTES } from "../src/format/segment_index.ts";
import { segmentName } from "../src/format/segment_name.ts";
import type { FileSystem } from "../src/io/file_system.ts";
import { snapshotName } from "../src/format/snapshot_name.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";

const FOLDER = resolve("/raft.wal");
/** Crashes differ in what of the unflushed gets to the disk. */
const CRASH_SEEDS = 12;
/** More operations than any one step of a log takes. */
const OPERATIONS_MAX = 40;

function entry(index: number, bytes = 40, term = 1): LogEntry {
  return { term, index, kind: "normal", command: new Uint8Array(bytes).fill(index) };
}

function open(disk: SimulatedDisk, options: WalLogOptions = {}): WalLog {
  return WalLog.openSync(FOLDER, { fileSystem: disk.fileSystem, segmentBytes: 4096, ...options });
}

function segmentPath(number: number): string {
  return `${FOLDER}/${segmentName(number)}`;
}

const codec = new Codec();
const sum = (bytes: Uint8Array, seed: bigint) => codec.hash(bytes, seed);

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function headerOf(bytes: Uint8Array): SegmentHeader {
  const header = decodeSegmentHeader(bytes, 0, sum);
  assert(header !== undefined);
  return header;
}

/** The frames of a segment file. */
function framesOf(bytes: Uint8Array): { offset: number; kind: number; index: number; length: number }[] {
  const found = [];
  for (let offset = SEGMENT_HEADER_BYTES; offset + FRAME_HEADER_BYTES <= bytes.length;) {
    const { kind, index, length } = decodeFrameHeader(bytes.subarray(offset));
    if (kind === 0) break;
    found.push({ offset, kind, index, length });
    offset += frameBytes(length);
  }
  return found;
}

/** Puts the checksum of a frame's header right. */
function seal(bytes: Uint8Array, offset: number): void {
  const { salt, baseLsn } = headerOf(bytes);
  const header = bytes.subarray(offset + FRAME_LENGTH, offset + FRAME_HEADER_BYTES);
  const value = sum(header, salt ^ BigInt(baseLsn + offset));
  viewOf(bytes).setUint32(offset + FRAME_HEADER_CHECKSUM, Number(value & 0xffffffffn), true);
}

/** Puts other bytes in a file's place, durably. */
function replace(disk: SimulatedDisk, path: string, bytes: Uint8Array): void {
  const file = disk.fileSystem.open(path, "write");
  file.write(bytes, 0);
  file.sync();
}

function isCorrupt(error: unknown): boolean {
  return error instanceof WalLogError && error.code === "CORRUPT" && error.damage.length > 0;
}

/** Does something with the power going at each of its operations in turn, and looks at what is there then. */
function crashingAtEach(
  prepare: (seed: number) => SimulatedDisk,
  act: (disk: SimulatedDisk) => void,
  look: (disk: SimulatedDisk, when: string) => void,
): void {
  for (let seed = 1; seed <= CRASH_SEEDS; seed++) {
    for (let operation = 0;; operation++) {
      assert(operation < OPERATIONS_MAX);
      const disk = prepare(seed * 1000 + operation);
      disk.failAfter("crash", operation);
      try {
        act(disk);
      } catch { /* the power went, or what that led to */ }
      const done = disk.hasPower;
      disk.crash();
      look(disk, `seed ${seed}, operation ${operation}`);
      if (done) break;
    }
  }
}

describe("closing", () => {
  it("leaves a checkpoint that is on the disk when it returns", () => {
    for (let seed = 1; seed <= CRASH_SEEDS; seed++) {
      const disk = new SimulatedDisk({ seed });
      const log = open(disk);
      log.append([entry(1), entry(2)]);
      log.closeSync();
      disk.crash();
      const again = open(disk);
      assert.equal(again.lastIndex, 2);
      assert(again.recovery.closed, `seed ${seed}`);
    }
  });

  it("that failed at its last flush leaves a checkpoint that is only in memory: the next writer puts it on the disk", () => {
    for (let seed = 1; seed <= CRASH_SEEDS * 30; seed++) {
      const disk = new SimulatedDisk({ seed });
      const log = open(disk);
      // The checkpoint is to end with a sector, so that what is written behind it does not take it along.
      log.append([entry(1, 4)]);
      const { offset, length } = framesOf(disk.content(segmentPath(1))).at(-1)!;
      const end = offset + frameBytes(length);
      log.append([entry(2, 4096 - 512 - FRAME_HEADER_BYTES - CHECKPOINT_BYTES - (end - SEGMENT_HEADER_BYTES))]);
      log.syncSync();
      disk.failAfter("EIO", 0, "sync");
      assert.throws(() => log.closeSync());
      disk.restart();
      assert.equal(disk.content(segmentPath(1)).length % 512, 0);
      const again = open(disk);
      assert(again.recovery.closed);
      again.append([entry(3, 200)]);
      const syncs = seed % 2 === 0;
      if (syncs) again.syncSync();
      disk.crash();
      const last = open(disk);
      assert.equal(last.recovery.damage.length, 0, `seed ${seed}`);
      assert(last.lastIndex >= (syncs ? 3 : 2), `seed ${seed}`);
    }
  });

  it("with the power going in the middle never looks like damage", () => {
    crashingAtEach(
      (seed) => new SimulatedDisk({ seed }),
      (disk) => {
        const log = open(disk);
        log.append([1, 2, 3, 4, 5].map((index) => entry(index, 700)));
        log.closeSync();
      },
      (disk, when) => assert.notEqual(open(disk).recovery.verdict, "corrupt", when),
    );
  });
});

describe("a log that was not closed", () => {
  it("is not taken for one that was, though its file ends with a checkpoint", () => {
    const disk = new SimulatedDisk();
    open(disk).append([entry(1)]);
    disk.restart();
    open(disk);
    disk.restart();
    const bytes = disk.content(segmentPath(2));
    const last = framesOf(bytes).at(-1)!;
    assert.equal(last.kind, KIND_CHECKPOINT);
    assert.equal(last.offset + CHECKPOINT_BYTES, bytes.length);
    assert(!open(disk, { readOnly: true }).recovery.closed);
  });

  it("is not taken for one that was because of a checkpoint that recovery has copied", () => {
    crashingAtEach(
      (seed) => {
        const disk = new SimulatedDisk({ seed });
        const log = open(disk);
        log.append([entry(1)]);
        log.closeSync();
        // The cut that went before the checkpoint did not get to the disk.
        const file = disk.fileSystem.open(segmentPath(1), "write");
        file.truncate(file.size() + 4096);
        file.sync();
        return disk;
      },
      (disk) => open(disk),
      (disk, when) => {
        // Until the new segment is named, the old one is the newest, and may end with its own checkpoint again.
        const bytes = disk.content(segmentPath(1));
        if (decodeNextPointer(bytes, true, headerOf(bytes).salt, sum).kind === "named") {
          assert(!open(disk, { readOnly: true }).recovery.closed, when);
        }
      },
    );
  });
});

describe("making a log", () => {
  it("with the power going in the middle leaves a log or none, and never looks like damage", () => {
    crashingAtEach(
      (seed) => new SimulatedDisk({ seed }),
      (disk) => open(disk),
      (disk, when) => {
        const log = open(disk);
        assert.equal(log.lastIndex, 0, when);
        assert.equal(log.recovery.damage.length, 0, when);
      },
    );
  });

  it("leaves an identity that is on the disk, so that losing every segment is noticed", () => {
    for (let seed = 1; seed <= CRASH_SEEDS; seed++) {
      const disk = new SimulatedDisk({ seed });
      const log = open(disk);
      log.append([entry(1)]);
      log.syncSync();
      const identity = disk.content(`${FOLDER}/IDENTITY`);
      disk.crash();
      assert.deepEqual(disk.content(`${FOLDER}/IDENTITY`), identity);
      for (const path of disk.files()) if (path.endsWith(".seg")) disk.lose(path);
      assert.throws(() => open(disk), isCorrupt, `seed ${seed}`);
    }
  });
});

describe("a segment that was begun in vain", () => {
  it("never takes the place of the newest, when that is lost, also if the log was damaged when it was left behind", () => {
    let left = 0;
    for (let seed = 1; seed <= CRASH_SEEDS; seed++) {
      for (let operation = 0; operation < OPERATIONS_MAX; operation++) {
        const disk = new SimulatedDisk({ seed });
        const log = open(disk);
        log.setHardState({ term: 1, votedFor: 1n });
        log.append([1, 2, 3, 4, 5].map((index) => entry(index)));
        log.closeSync();
        const { offset } = framesOf(disk.content(segmentPath(1))).find(({ kind }) => kind === KIND_ENTRIES)!;
        disk.flip(segmentPath(1), offset + 50);
        disk.failAfter("crash", operation);
        let isOpen = false;
        try {
          open(disk, { onDamage: "keep" });
          isOpen = true;
        } catch { /* the power went */ }
        disk.heal();
        disk.crash();
        if (isOpen) break;
        if (disk.files().includes(segmentPath(2))) left++;
        open(disk, { onDamage: "keep" });
        disk.restart();
        const healing = open(disk, { onDamage: "keep" });
        healing.applySnapshot({ index: 6, term: 2, config: [1n], data: new Uint8Array(4) });
        healing.setHardState({ term: 7, votedFor: 9n });
        healing.closeSync();
        disk.lose(disk.files().filter((path) => path.endsWith(".seg")).at(-1)!);
        const kept = open(disk, { onDamage: "keep" });
        assert.throws(() => kept.setHardState({ term: 7, votedFor: 2n }), { code: "CORRUPT" }, `${seed}, ${operation}`);
        kept.closeSync();
      }
    }
    assert(left > 0);
  });
});

describe("what vouches", () => {
  it("for a streamed snapshot is there when the stream is closed, and so is the snapshot", async () => {
    for (let seed = 1; seed <= CRASH_SEEDS; seed++) {
      const disk = new SimulatedDisk({ seed });
      const log = open(disk);
      const data = new Uint8Array(3000).fill(seed);
      const writer = log.receiveSnapshot({ index: 10, term: 1, config: [1n] }).getWriter();
      await writer.write(data);
      await writer.close();
      disk.crash();
      assert.deepEqual(open(disk).snapshot()?.data, data, `seed ${seed}`);
    }
  });

  it("for a snapshot that cleared the log is there when it is installed: damage to its frame is no torn write", () => {
    const disk = new SimulatedDisk();
    const log = open(disk);
    log.append([entry(1), entry(2), entry(3)]);
    log.applySnapshot({ index: 10, term: 1, config: [1n], data: new Uint8Array(9) });
    disk.restart();
    const frame = framesOf(disk.content(segmentPath(1))).find(({ kind }) => kind === KIND_SNAPSHOT)!;
    disk.flip(segmentPath(1), frame.offset);
    const again = open(disk);
    assert.deepEqual([again.snapshotIndex, again.lastIndex, again.lastTerm], [10, 10, 1]);
    assert.equal(again.snapshot()?.data.length, 9);
    assert.deepEqual(again.recovery.harmless.map(({ kind }) => kind), ["frames"]);
  });

  it("for what a rotation has flushed that found no room comes when the log rests", () => {
    const disk = new SimulatedDisk();
    const log = open(disk);
    disk.idle();
    for (const index of [1, 2, 3]) log.append([entry(index, 1000)]);
    disk.failAfter("ENOSPC", 0, "create");
    assert.throws(() => log.append([entry(4, 5000)]), { code: "NO_SPACE" });
    disk.heal();
    assert.equal(log.syncSync(), 3);
    disk.idle();
    disk.restart();
    const { offset } = framesOf(disk.content(segmentPath(1))).find(({ kind, index }) =>
      kind === KIND_ENTRIES && index === 3
    )!;
    disk.flip(segmentPath(1), offset + 100);
    assert.throws(() => open(disk), isCorrupt);
  });

  it("is done without on a full disk, and the log goes on when there is room", () => {
    const disk = new SimulatedDisk();
    const log = open(disk);
    log.append([entry(1)]);
    log.syncSync();
    disk.failAfter("ENOSPC", 0, "write");
    disk.idle();
    disk.heal();
    log.append([entry(2)]);
    assert.equal(log.syncSync(), 2);
    log.closeSync();
    assert.equal(open(disk).recovery.verdict, "clean");
  });

  it("for what recovery has copied is there when the log is open: damage to it is no torn write", () => {
    const disk = new SimulatedDisk();
    const log = open(disk);
    for (const index of [1, 2, 3]) log.append([entry(index)]);
    disk.restart();
    assert.equal(open(disk).durableIndex, 3);
    disk.restart();
    const frame = framesOf(disk.content(segmentPath(2))).findLast(({ kind }) => kind === KIND_ENTRIES)!;
    assert.equal(frame.index, 3);
    disk.flip(segmentPath(2), frame.offset);
    assert.throws(() => open(disk), isCorrupt);
  });

  /** A log of which the power goes while a segment is begun. */
  function cutOff(seed: number, operation: number): SimulatedDisk {
    const disk = new SimulatedDisk({ seed });
    const log = open(disk);
    for (let index = 1; index <= 5; index++) log.append([entry(index, 700)]);
    log.syncSync();
    disk.failAfter("crash", operation);
    try {
      log.append([entry(6, 3000)]);
    } catch { /* the power went */ }
    disk.crash();
    return disk;
  }

  /** Whether a segment that was begun is there, readable, and not yet named. */
  function isBegun(disk: SimulatedDisk): boolean {
    const bytes = disk.files().includes(segmentPath(2)) ? disk.content(segmentPath(2)) : new Uint8Array(0);
    const slot = disk.content(segmentPath(1)).subarray(NEXT_POINTER_OFFSETS[0], NEXT_POINTER_OFFSETS[0] + 512);
    return decodeSegmentHeader(bytes, 0, sum) !== undefined && slot.every((byte) => byte === 0);
  }

  it("is a segment that was begun as well, before anything else names it", () => {
    let tried = 0;
    for (let seed = 1; seed <= CRASH_SEEDS; seed++) {
      for (let operation = 0; operation < 9; operation++) {
        const disk = cutOff(seed, operation);
        if (!isBegun(disk)) continue;
        tried++;
        const last = framesOf(disk.content(segmentPath(1))).findLast(({ kind }) => kind === KIND_ENTRIES)!;
        disk.flip(segmentPath(1), last.offset);
        assert.throws(() => open(disk), isCorrupt, `seed ${seed}, operation ${operation}`);
      }
    }
    assert(tried > 0);
  });

  it("for the newest segment is never what recovery had begun to copy: of those copies any may be lost", () => {
    for (let round = 0; round < 8; round++) {
      crashingAtEach(
        (seed) => {
          const disk = new SimulatedDisk({ seed: seed + round * 100_000 });
          const log = open(disk);
          for (let index = 1; index <= 12; index++) log.append([entry(index, 300)]);
          // On the disk, and nothing there says so yet.
          log.syncSync();
          disk.restart();
          return disk;
        },
        (disk) => open(disk),
        (disk, when) => assert.equal(open(disk).lastIndex, 12, `round ${round}, ${when}`),
      );
    }
  });

  it("for the newest segment is the slot: one that was begun in vain and comes back does not take its place", () => {
    let tried = 0;
    for (let seed = 1; seed <= CRASH_SEEDS; seed++) {
      for (let operation = 0; operation < 9; operation++) {
        const disk = cutOff(seed, operation);
        if (!isBegun(disk)) continue;
        tried++;
        const begun = disk.content(segmentPath(2));
        const log = open(disk);
        log.append([entry(log.lastIndex + 1)]);
        log.syncSync();
        disk.restart();
        disk.lose(segmentPath(3));
        disk.fileSystem.open(segmentPath(2), "create");
        replace(disk, segmentPath(2), begun);
        assert.throws(() => open(disk), isCorrupt, `seed ${seed}, operation ${operation}`);
      }
    }
    assert(tried > 0);
  });

  it("never becomes less by a crash in recovery", () => {
    for (let seed = 1; seed <= CRASH_SEEDS; seed++) {
      for (let operation = 0; operation < 9; operation++) {
        const proven = open(cutOff(seed, operation), { readOnly: true }).recovery.provenIndex;
        for (let step = 0; step < OPERATIONS_MAX; step++) {
          const disk = cutOff(seed, operation);
          disk.failAfter("crash", step);
          try {
            open(disk);
          } catch { /* the power went */ }
          const done = disk.hasPower;
          disk.crash();
          const { recovery } = open(disk, { readOnly: true });
          assert(recovery.provenIndex >= proven, `seed ${seed}, operations ${operation} and ${step}`);
          if (done) break;
        }
      }
    }
  });
});

describe("a frame that exceeds a chunk", () => {
  it("is verified when it is read, not only when the log is opened", () => {
    const disk = new SimulatedDisk();
    const log = open(disk);
    log.append([entry(1, 3 * 2 ** 20), entry(2)]);
    log.closeSync();
    const reader = open(disk, { readOnly: true });
    assert.equal(reader.entry(1)?.command.length, 3 * 2 ** 20);
    const path = disk.files().find((path) => path.endsWith(".seg") && disk.content(path).length > 3 * 2 ** 20)!;
    disk.flip(path, 2 * 2 ** 20);
    assert.throws(() => reader.entry(1), { code: "DAMAGED_ENTRY" });
    assert.throws(() => reader.entries(1, 2), { code: "DAMAGED_ENTRY" });
    assert.equal(reader.entry(2)?.index, 2);
  });
});

describe("a segment that rots behind an open reader's back", () => {
  it("gives no wrong entry, one at a time or many at once", () => {
    const disk = new SimulatedDisk();
    const log = open(disk);
    for (const index of [1, 2, 3]) log.append([entry(index, 100)]);
    log.closeSync();
    const reader = open(disk, { readOnly: true });
    const [, second] = framesOf(disk.content(segmentPath(1))).filter(({ kind }) => kind === KIND_ENTRIES);
    disk.flip(segmentPath(1), second!.offset + FRAME_HEADER_BYTES + 50);
    assert.throws(() => reader.entry(2), { code: "DAMAGED_ENTRY" });
    assert.throws(() => reader.entries(1, 3), { code: "DAMAGED_ENTRY" });
    assert.deepEqual(reader.entry(3), entry(3, 100));
  });
});

describe("a flush that is under way", () => {
  it("vouches for nothing yet: what is written meanwhile may get to the disk without what came before", async () => {
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
  it("is closed when that is done and not before, also if its segment is sealed meanwhile", async () => {
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

describe("a log at the last index", () => {
  const last = Number.MAX_SAFE_INTEGER;

  it("is what it was after resting, closing, rotating and a crash", () => {
    for (const covered of [last - 1, last]) {
      const disk = new SimulatedDisk();
      let log = open(disk);
      log.applySnapshot({ index: covered, term: 1, config: [1n], data: new Uint8Array(1) });
      if (covered < last) log.append([entry(last)]);
      log.syncSync();
      disk.idle(); // which leaves a checkpoint with the next index
      for (let term = 2; term < 300; term++) log.setHardState({ term, votedFor: 7n });
      log.syncSync();
      disk.idle();
      assert(log.stats().segmentsSealed > 0);
      disk.crash();
      for (const end of ["crash", "close", "look"]) {
        log = open(disk);
        assert.notEqual(log.recovery.verdict, "corrupt", end);
        assert.deepEqual([log.lastIndex, log.hardState.term], [last, 299], end);
        assert.equal([...log.iterate()].length, last - covered, end);
        if (end === "crash") disk.crash();
        else log.closeSync();
      }
      assert(log.recovery.closed);
    }
  });
});

describe("a repair", () => {
  it("is on the disk when it returns", () => {
    for (let seed = 1; seed <= CRASH_SEEDS; seed++) {
      const disk = longLog(seed);
      const damaged = framesOf(disk.content(segmentPath(2))).find(({ kind }) => kind === KIND_ENTRIES)!;
      disk.flip(segmentPath(2), damaged.offset + FRAME_HEADER_BYTES + 9);
      const log = open(disk, { onDamage: "keep" });
      log.repair([entry(damaged.index, 600)]);
      disk.crash();
      const again = open(disk);
      assert.deepEqual(again.entries(1, 40), Array.from({ length: 40 }, (_, i) => entry(i + 1, 600)), `seed ${seed}`);
    }
  });

  it("takes no copy with another command or another term than what survives tells of", () => {
    const disk = new SimulatedDisk();
    const writer = open(disk);
    writer.append([entry(1, 600, 1), entry(2, 600, 3), entry(3, 600, 5)]);
    writer.closeSync();
    const damaged = framesOf(disk.content(segmentPath(1))).find(({ kind, index }) =>
      kind === KIND_ENTRIES && index === 2
    )!;
    disk.flip(segmentPath(1), damaged.offset + FRAME_HEADER_BYTES + 9);
    const log = open(disk, { onDamage: "keep" });
    const refused = { code: "INVALID_ARGUMENT" };
    const otherwise = { ...entry(2, 600, 3), command: new Uint8Array(600) };
    assert.throws(() => log.repair([otherwise]), { ...refused, message: /index 2.* the checksum of its command was/ });
    assert.throws(() => log.repair([entry(2, 600, 2)]), refused);
    assert.throws(() => log.repair([entry(2, 600, 4)]), refused);
    log.repair([entry(2, 600, 3)]);
    assert.deepEqual(log.entry(2), entry(2, 600, 3));
  });
});

describe("a snapshot file", () => {
  const path = (index: number) => `${FOLDER}/${snapshotName(index, 1)}`;
  const withSnapshots = (seed: number, ...indexes: number[]): { disk: SimulatedDisk; contents: Uint8Array[] } => {
    const disk = new SimulatedDisk({ seed });
    const log = open(disk);
    const contents = indexes.map((index) => {
      log.applySnapshot({ index, term: 1, config: [1n], data: new Uint8Array(100).fill(seed) });
      return disk.content(path(index));
    });
    log.closeSync();
    return { disk, contents };
  };

  it("of another log, of the same index and term, is not taken for this one's", () => {
    const { disk } = withSnapshots(1, 3);
    replace(disk, path(3), withSnapshots(2, 3).contents[0]!);
    assert.throws(() => open(disk), isCorrupt);
  });

  it("of another index, under the name of the one that counts, is not taken for it", () => {
    const { disk, contents } = withSnapshots(1, 3, 5);
    replace(disk, path(5), contents[0]!);
    assert.throws(() => open(disk), isCorrupt);
  });

  it("that holds more or less than its end says is damaged", () => {
    for (const difference of [-1n, 1n]) {
      const { disk, contents } = withSnapshots(1, 3);
      const bytes = contents[0]!;
      const view = viewOf(bytes);
      const at = bytes.length - 24;
      view.setBigUint64(at + 16, view.getBigUint64(at + 16, true) + difference, true);
      view.setBigUint64(at, sum(bytes.subarray(at + 8), view.getBigUint64(48, true) ^ BigInt(at)), true);
      replace(disk, path(3), bytes);
      assert.throws(() => open(disk), isCorrupt);
    }
  });
});

describe("a block that was meant for another place", () => {
  const closed = (fill: number): SimulatedDisk => {
    const disk = new SimulatedDisk({ seed: fill });
    const log = open(disk);
    for (const index of [1, 2, 3]) log.append([{ ...entry(index), command: new Uint8Array(472).fill(fill) }]);
    log.closeSync();
    return disk;
  };

  it("in another log, at the same offset, is not taken for this log's", () => {
    const disk = closed(1);
    const bytes = disk.content(segmentPath(1));
    const [, second] = framesOf(bytes).filter(({ kind }) => kind === KIND_ENTRIES);
    const other = closed(2).content(segmentPath(1));
    bytes.set(other.subarray(second!.offset, second!.offset + 512), second!.offset);
    replace(disk, segmentPath(1), bytes);
    assert.throws(() => open(disk), isCorrupt);
  });

  it("elsewhere in the segment, with an entry of the same index that was discarded, is not taken for the entry", () => {
    const disk = new SimulatedDisk();
    const log = open(disk);
    for (const index of [1, 2, 3]) log.append([entry(index, 472)]);
    log.truncate(3);
    log.append([{ ...entry(3, 472), command: new Uint8Array(472).fill(77) }]);
    log.closeSync();
    const bytes = disk.content(segmentPath(1));
    const [discarded, kept] = framesOf(bytes).filter(({ kind, index }) => kind === KIND_ENTRIES && index === 3);
    bytes.copyWithin(kept!.offset, discarded!.offset, discarded!.offset + 512);
    replace(disk, segmentPath(1), bytes);
    assert.throws(() => open(disk), isCorrupt);
  });
});

/** A log of at least three segments, closed, the first of them sealed. */
function longLog(seed = 1): SimulatedDisk {
  const disk = new SimulatedDisk({ seed });
  const log = open(disk);
  for (let index = 1; index <= 40; index++) log.append([entry(index, 600)]);
  log.closeSync();
  return disk;
}

describe("a sealed segment", () => {
  it("whose last frame is valid and not the one that the next segment follows on is damaged", () => {
    const disk = longLog();
    const bytes = disk.content(segmentPath(2));
    const last = framesOf(bytes).findLast(({ kind }) => kind !== KIND_SEGMENT_INDEX)!;
    viewOf(bytes).setUint32(last.offset + FRAME_UNPROVEN, 8, true);
    seal(bytes, last.offset);
    replace(disk, segmentPath(2), bytes);
    assert.throws(() => open(disk), isCorrupt);
  });

  it("that does not come to the state that the next segment repeats is damaged", () => {
    const disk = longLog();
    const bytes = disk.content(segmentPath(3));
    const view = viewOf(bytes);
    view.setBigUint64(96, 3n, true); // the hard state's term
    view.setBigUint64(400, sum(bytes.subarray(0, 400), 0n), true);
    bytes.copyWithin(HEADER_OFFSETS[1], 0, 512);
    replace(disk, segmentPath(3), bytes);
    assert.throws(() => open(disk), isCorrupt);
  });

  for (const baseLsn of [0x10000n, 2n ** 52n - 8n]) {
    it(`is damaged, and takes no memory, where the next one at ${baseLsn} claims that trillions of entries came before`, () => {
      const disk = longLog();
      const bytes = disk.content(segmentPath(3));
      const view = viewOf(bytes);
      view.setBigUint64(40, baseLsn, true);
      view.setBigUint64(80, 2n ** 42n, true); // the next index
      view.setBigUint64(400, sum(bytes.subarray(0, 400), 0n), true);
      bytes.copyWithin(HEADER_OFFSETS[1], 0, 512);
      replace(disk, segmentPath(3), bytes);
      for (const onDamage of ["fail", "keep"] as const) assert.throws(() => open(disk, { onDamage }), isCorrupt);
    });
  }

  for (const claims of ["less than", "all that"]) {
    it(`is scanned, and found damaged, where a segment index in an entry's place tells of ${claims} the next follows on`, () => {
      const disk = longLog();
      const bytes = disk.content(segmentPath(1));
      const entries = framesOf(bytes).filter(({ kind }) => kind === KIND_ENTRIES);
      const indexOffset = entries.at(-1)!.offset;
      if (claims === "less than") entries.pop();
      const segmentIndex = encodeSegmentIndex(
        {
          indexOffset,
          firstIndex: entries[0]!.index,
          nextIndex: entries.at(-1)!.index + 1,
          pages: Float64Array.from(entries.flatMap(({ index, offset }) => [index, offset])),
          runs: [[entries[0]!.index, 1]],
          lowestTruncated: Infinity,
        },
        headerOf(bytes).salt,
        sum,
      );
      const shorter = new Uint8Array(indexOffset + FRAME_HEADER_BYTES + segmentIndex.length);
      shorter.set(bytes.subarray(0, indexOffset));
      shorter.set(segmentIndex, indexOffset + FRAME_HEADER_BYTES);
      const view = viewOf(shorter);
      view.setUint32(indexOffset + FRAME_LENGTH, segmentIndex.length, true);
      view.setUint8(indexOffset + FRAME_KIND, KIND_SEGMENT_INDEX);
      view.setBigUint64(indexOffset + FRAME_PAYLOAD_CHECKSUM, sum(segmentIndex, 0n), true);
      seal(shorter, indexOffset);
      disk.lose(segmentPath(1));
      disk.fileSystem.open(segmentPath(1), "create");
      replace(disk, segmentPath(1), shorter);
      assert.throws(() => open(disk, { verify: "tail", readOnly: true }), isCorrupt);
    });
  }

  it("of which the next-segment pointer rots still has its next segment", () => {
    for (let byte = 0; byte < 40; byte++) {
      for (const mask of [1, 2, 4, 128]) {
        const disk = longLog();
        const path = disk.files().filter((path) => path.endsWith(".seg")).at(-2)!;
        for (const copy of NEXT_POINTER_OFFSETS) disk.flip(path, copy + byte, mask);
        const log = open(disk, { readOnly: true });
        assert.equal(log.lastIndex, 40, `byte ${byte}, bits ${mask}`);
        assert.deepEqual(log.entry(40), entry(40, 600));
      }
    }
  });

  it("is named anew by the next writer where what names it was lost, so that it is missed after that", () => {
    const disk = new SimulatedDisk();
    const log = open(disk);
    log.append([entry(1, 100)]);
    log.syncSync();
    disk.restart();
    open(disk).closeSync();
    for (const copy of NEXT_POINTER_OFFSETS) disk.zero(segmentPath(1), copy, 512);
    const again = open(disk);
    again.setHardState({ term: 2, votedFor: 3n });
    again.closeSync();
    disk.lose(segmentPath(2));
    assert.throws(() => open(disk), isCorrupt);
  });

  it("that is lost after what names it was damaged is missed; of one that never was, a bit does not tell", () => {
    for (const isNamed of [true, false]) {
      for (let byte = 0; byte < 40; byte++) {
        const disk = new SimulatedDisk();
        const log = open(disk);
        log.append([entry(1, 100), entry(2, 100)]);
        log.syncSync();
        log.setHardState({ term: 1, votedFor: 2n });
        if (isNamed) {
          // As after a kill: the next one goes on behind what has no segment index, and holds what was promised since.
          disk.restart();
          const again = open(disk);
          again.setHardState({ term: 2, votedFor: 3n });
          again.closeSync();
        } else log.closeSync();
        for (const copy of isNamed ? NEXT_POINTER_OFFSETS : [NEXT_POINTER_OFFSETS[byte % 2]!]) {
          disk.flip(segmentPath(1), copy + byte, 4);
        }
        if (!isNamed) assert.deepEqual(open(disk, { readOnly: true }).hardState, { term: 1, votedFor: 2n });
        else {
          assert.equal(open(disk, { readOnly: true }).hardState.term, 2, `byte ${byte}`);
          disk.lose(segmentPath(2));
          assert.throws(() => open(disk), isCorrupt, `byte ${byte}`);
          const kept = open(disk, { onDamage: "keep" });
          assert.throws(() => kept.setHardState({ term: 2, votedFor: 4n }), isCorrupt);
          assert.deepEqual(open(disk, { readOnly: true, onDamage: "keep" }).recovery.verdict, "corrupt");
        }
      }
    }
  });

  it("that is the newest, because the next one and what names it are lost, is missed", () => {
    const disk = longLog();
    const segments = disk.files().filter((path) => path.endsWith(".seg"));
    disk.lose(segments.at(-1)!);
    for (const copy of NEXT_POINTER_OFFSETS) disk.zero(segments.at(-2)!, copy, 512);
    assert.throws(() => open(disk), isCorrupt);
    assert.throws(() => open(disk, { verify: "tail" }), isCorrupt);
  });

  it("is scanned where any bit of its segment index's trailer has turned over", () => {
    const disk = new SimulatedDisk();
    const log = open(disk);
    while (log.stats().segmentsSealed === 0) log.append([entry(log.lastIndex + 1, 600)]);
    // What the second segment drops lies in the first.
    log.truncate(log.lastIndex - 3);
    while (log.stats().segmentsSealed < 2) log.append([entry(log.lastIndex + 1, 600)]);
    const good = log.entries(1, log.lastIndex);
    log.closeSync();
    const size = disk.content(segmentPath(2)).length;
    for (let offset = size - TRAILER_BYTES; offset < size; offset++) {
      for (const mask of [1, 2, 4, 128]) {
        disk.flip(segmentPath(2), offset, mask);
        const again = open(disk, { verify: "tail", readOnly: true });
        assert.deepEqual(again.entries(1, again.lastIndex), good, `byte ${offset - size}, mask ${mask}`);
        disk.flip(segmentPath(2), offset, mask);
      }
    }
  });

  it("is scanned where its segment index is of another place, or has pages that cannot be", () => {
    const wrongs: Record<string, (view: DataView, pagesAt: number, trailerAt: number) => void> = {
      "the place of another": (view, _, trailerAt) => add(view, trailerAt + 8, -8n),
      "a page behind the next": (view, pagesAt) => add(view, pagesAt + 8, 8192n),
      "a page of no frame": (view, pagesAt) => add(view, pagesAt + 8, 4n),
      "a page that begins below the segment": (view, pagesAt) => add(view, pagesAt, -1n),
      "a page behind the last entry": (view, _, trailerAt) => add(view, trailerAt + 24, -30n),
    };
    for (const [wrong, make] of Object.entries(wrongs)) {
      const log = open(indexedWrongly(make), { verify: "tail", readOnly: true });
      assert.deepEqual(log.entries(1, 40), Array.from({ length: 40 }, (_, i) => entry(i + 1, 600)), wrong);
    }
  });

  it("does not give another entry where its segment index says that one lies", () => {
    const log = open(indexedWrongly((view, pagesAt) => add(view, pagesAt + 8, 640n)), {
      verify: "tail",
      readOnly: true,
    });
    assert.throws(() => log.entry(1), { code: "DAMAGED_ENTRY" });
    assert.throws(() => log.entries(1, 3), { code: "DAMAGED_ENTRY" });
    assert.deepEqual(log.entry(2), entry(2, 600));
  });
});

function add(view: DataView, at: number, more: bigint): void {
  view.setBigUint64(at, view.getBigUint64(at, true) + more, true);
}

/** A log of which the first segment has a segment index that was changed, with the checksums of what it says. */
function indexedWrongly(make: (view: DataView, pagesAt: number, trailerAt: number) => void): SimulatedDisk {
  const disk = longLog();
  const bytes = disk.content(segmentPath(1));
  const { salt } = headerOf(bytes);
  const trailerAt = bytes.length - TRAILER_BYTES;
  const trailer = decodeTrailer(bytes.subarray(trailerAt), salt, sum)!;
  const view = viewOf(bytes);
  const pagesAt = trailer.indexOffset + FRAME_HEADER_BYTES;
  make(view, pagesAt, trailerAt);
  view.setBigUint64(trailerAt + 56, sum(bytes.subarray(pagesAt, pagesAt + trailer.pages * 16), 0n), true);
  view.setBigUint64(trailerAt + 64, sum(bytes.subarray(trailerAt, trailerAt + 64), salt), true);
  replace(disk, segmentPath(1), bytes);
  return disk;
}
