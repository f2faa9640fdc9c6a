/** Batches: their entries share frames, and recovery takes a batch completely or not at all. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type LogEntry, type NewEntry, WalLog, type WalLogOptions } from "../mod.ts";
import { Codec } from "../src/codec/codec.ts";
import {
  FLAG_MORE,
  FLAG_REPAIRED,
  FRAME_HEADER_BYTES,
  FRAME_HEADER_CHECKSUM,
  FRAME_LENGTH,
  FRAME_PAYLOAD_CHECKSUM,
  KIND_ENTRIES,
} from "../src/format/frame.ts";
import { decodeSegmentHeader } from "../src/format/segment_header.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { framesOf } from "./history.ts";

const PATH = "/raft.wal";
const SEGMENT = `${PATH}/000000000001.seg`;
const codec = new Codec();
const sum = (bytes: Uint8Array, seed: bigint) => codec.hash(bytes, seed);

function open(disk: SimulatedDisk, options: WalLogOptions = {}): WalLog {
  return WalLog.openSync(PATH, { fileSystem: disk.fileSystem, ...options });
}

function entry(index: number, bytes: number, term = 1, kind: LogEntry["kind"] = "normal"): LogEntry {
  return { term, index, kind, command: new Uint8Array(bytes).fill(index) };
}

function entries(first: number, sizes: readonly number[]): LogEntry[] {
  return sizes.map((bytes, i) => entry(first + i, bytes));
}

/** The entries frames of the first segment: the number of entries, and whether the batch continues. */
function shapes(disk: SimulatedDisk): (readonly [count: number, hasMore: boolean])[] {
  return framesOf(disk.content(SEGMENT)).filter(({ kind }) => kind === KIND_ENTRIES)
    .map(({ count, flags }) => [count, (flags & FLAG_MORE) !== 0] as const);
}

describe("the entries of a batch", () => {
  const cases: Record<string, { readonly batch: readonly NewEntry[]; readonly frames: ReturnType<typeof shapes> }> = {
    "share a frame": { batch: entries(1, [10, 0, 300]), frames: [[3, false]] },
    "have the frame alone if there is one": { batch: entries(1, [10]), frames: [[1, false]] },
    "fill frames of 4 KiB, lengths included": {
      batch: entries(1, new Array<number>(33).fill(252)),
      frames: [[16, true], [16, true], [1, false]],
    },
    "have a frame of their own if they are larger": {
      batch: entries(1, [10, 5000, 10, 10]),
      frames: [[1, true], [1, true], [2, false]],
    },
    "share frames by term": {
      batch: [entry(1, 8, 1), entry(2, 8, 1), entry(3, 8, 2), entry(4, 8, 2)],
      frames: [[2, true], [2, false]],
    },
    "share frames by kind": {
      batch: [entry(1, 8), entry(2, 8, 1, "config"), entry(3, 8)],
      frames: [[1, true], [1, true], [1, false]],
    },
    "fill frames with their lengths if they are empty": {
      batch: entries(1, new Array<number>(1100).fill(0)),
      frames: [[1024, true], [76, false]],
    },
  };
  for (const [name, { batch, frames }] of Object.entries(cases)) {
    it(name, () => {
      const disk = new SimulatedDisk();
      const log = open(disk, { segmentBytes: 64 * 1024 });
      log.append(batch);
      assert.deepEqual(log.entries(1, batch.length), batch, "from the write buffer");
      log.closeSync();
      assert.deepEqual(shapes(disk), frames);
      const again = open(disk);
      assert.deepEqual(again.entries(1, batch.length), batch, "from the file");
      for (const one of batch) assert.deepEqual(again.entry(one.index), one);
      assert.deepEqual(again.entries(2, Math.min(batch.length, 3)), batch.slice(1, 3), "from within a frame");
    });
  }

  it("keep their order and bytes at all sizes", () => {
    const disk = new SimulatedDisk();
    const log = open(disk, { segmentBytes: 32 * 1024 });
    const all: LogEntry[] = [];
    for (let round = 0; round < 60; round++) {
      const batch = entries(
        all.length + 1,
        Array.from({ length: 1 + round % 7 * 5 }, (_, i) => (round * 37 + i * i * 11) % 700),
      );
      log.append(batch);
      all.push(...batch);
    }
    assert.deepEqual([...log.iterate()], all);
    log.closeSync();
    for (const verify of ["full", "tail"] as const) {
      const again = open(disk, { verify, readOnly: true });
      assert.deepEqual([...again.iterate()], all, verify);
      for (const one of all) assert.deepEqual(again.entry(one.index), one, verify);
    }
  });

  it("are removed by a truncation in the middle of a frame, and the others stay", () => {
    const disk = new SimulatedDisk();
    const log = open(disk);
    log.append(entries(1, [10, 20, 30, 40]));
    log.truncate(3);
    log.append([entry(3, 7, 2)]);
    const expected = [entry(1, 10), entry(2, 20), entry(3, 7, 2)];
    assert.deepEqual(log.entries(1, 3), expected);
    log.closeSync();
    const again = open(disk);
    assert.deepEqual([again.entries(1, 3), again.lastIndex], [expected, 3]);
  });

  it("stay readable if a snapshot covers a part of their frame", () => {
    const disk = new SimulatedDisk();
    const log = open(disk);
    log.append(entries(1, [10, 20, 30, 40]));
    log.compact(2, { data: new Uint8Array(3), config: [1n] });
    assert.deepEqual([log.firstIndex, log.entries(3, 4)], [3, entries(3, [30, 40])]);
    log.closeSync();
    const again = open(disk);
    assert.deepEqual([again.firstIndex, again.entry(3), again.entry(4)], [3, entry(3, 30), entry(4, 40)]);
  });
});

describe("a batch of several frames", () => {
  /** A log with a flushed batch, and an unflushed batch after it. */
  function logWithTail(): { readonly disk: SimulatedDisk; readonly begin: number } {
    const disk = new SimulatedDisk();
    const log = open(disk);
    log.append(entries(1, [10, 20]));
    log.syncSync();
    const begin = disk.content(SEGMENT).findLastIndex((byte) => byte !== 0) + 1;
    log.append(entries(3, new Array<number>(5).fill(3000)));
    disk.restart();
    return { disk, begin };
  }

  it("is recovered completely", () => {
    const { disk } = logWithTail();
    assert.equal(open(disk).lastIndex, 7);
  });

  it("is cut if any of its frames is missing, and the log is torn", () => {
    const { disk: whole, begin } = logWithTail();
    const frames = framesOf(whole.content(SEGMENT)).filter(({ kind, offset }) =>
      kind === KIND_ENTRIES && offset > begin - 8
    );
    assert.equal(frames.length, 5);
    for (const { offset } of frames) {
      const { disk } = logWithTail();
      disk.zero(SEGMENT, offset, disk.content(SEGMENT).length - offset);
      const reader = open(disk, { readOnly: true });
      assert.equal(reader.lastIndex, 2, `cut at ${offset}`);
      const log = open(disk);
      assert.equal(log.recovery.verdict, offset === frames[0]!.offset ? "clean" : "torn");
      assert.equal(log.recovery.cut?.offset, offset === frames[0]!.offset ? undefined : frames[0]!.offset);
      log.append(entries(3, [1]));
      log.closeSync();
      assert.deepEqual(open(disk).entries(1, 3), [...entries(1, [10, 20]), entry(3, 1)]);
    }
  });

  it("larger than one write is also recovered completely or not at all", () => {
    const disk = new SimulatedDisk();
    const log = open(disk);
    log.append(entries(1, [5]));
    log.syncSync();
    // The first entry is larger than the write buffer.
    const large = entries(2, [5_000_000, 3_000_000, 3_000_000, 10]);
    log.append(large);
    assert.deepEqual(log.entries(2, 5), large);
    disk.restart();
    const length = disk.content(SEGMENT).length;
    assert.equal(open(disk, { readOnly: true }).lastIndex, 5);
    disk.zero(SEGMENT, length - 2_000_000, 2_000_000);
    assert.equal(open(disk, { readOnly: true }).lastIndex, 1);
  });

  it("counts as complete below the proven LSN", () => {
    const { disk } = logWithTail();
    const log = open(disk);
    log.syncSync();
    log.closeSync();
    assert.equal(open(disk).recovery.verdict, "clean");
  });
});

describe("damage to a frame that entries share", () => {
  function damagedLog(at: "header" | "payload"): { readonly disk: SimulatedDisk; readonly offset: number } {
    const disk = new SimulatedDisk();
    const log = open(disk);
    log.append(entries(1, [10, 20]));
    log.append(entries(3, [30, 40, 50]));
    log.append(entries(6, [60]));
    log.closeSync();
    const { offset } = framesOf(disk.content(SEGMENT)).find(({ index, kind }) => kind === KIND_ENTRIES && index === 3)!;
    disk.flip(SEGMENT, offset + (at === "header" ? 16 : 60), 4);
    return { disk, offset };
  }

  for (const at of ["header", "payload"] as const) {
    it(`in its ${at} is reported with the frame's entries, and a repair restores them`, () => {
      const { disk, offset } = damagedLog(at);
      const log = open(disk, { onDamage: "keep" });
      const [damage] = log.recovery.damage;
      assert.deepEqual([damage!.firstIndex, damage!.lastIndex, damage!.offset], [3, 5, offset]);
      for (const index of [3, 4, 5]) assert.throws(() => log.entry(index), { code: "DAMAGED_ENTRY" });
      assert.deepEqual([log.entries(1, 2), log.entry(6)], [entries(1, [10, 20]), entry(6, 60)]);
      assert.throws(() => log.repair(entries(3, [30])), { code: "INVALID_ARGUMENT" });
      log.repair(entries(3, [30, 40, 50]));
      assert.deepEqual(log.entries(1, 6), entries(1, [10, 20, 30, 40, 50, 60]));
      log.closeSync();
      assert.deepEqual(open(disk).entries(1, 6), entries(1, [10, 20, 30, 40, 50, 60]));
    });
  }

  it("in its length leaves the frames after it readable", () => {
    const disk = new SimulatedDisk();
    const log = open(disk);
    for (const one of entries(1, [10, 20, 30, 40, 50])) log.append([one]);
    log.closeSync();
    const reader = open(disk, { readOnly: true });
    const { offset } = framesOf(disk.content(SEGMENT)).find(({ index, kind }) => kind === KIND_ENTRIES && index === 2)!;
    for (const [byte, mask] of [[FRAME_LENGTH, 16], [FRAME_LENGTH + 3, 64], [24, 7]] as const) {
      disk.flip(SEGMENT, offset + byte, mask);
      for (const index of [1, 3, 4, 5]) assert.deepEqual(reader.entry(index), entry(index, index * 10), `byte ${byte}`);
      assert.throws(() => reader.entry(2), { code: "DAMAGED_ENTRY" });
      disk.flip(SEGMENT, offset + byte, mask);
    }
  });

  it("is repaired from the remaining entries if some were dropped", () => {
    const disk = new SimulatedDisk();
    const log = open(disk);
    log.append(entries(1, [30, 40, 50, 60]));
    log.truncate(3);
    log.append([entry(3, 300, 2)]);
    log.closeSync();
    const { offset } = framesOf(disk.content(SEGMENT)).find(({ kind }) => kind === KIND_ENTRIES)!;
    disk.flip(SEGMENT, offset + 70, 4);
    const damaged = open(disk, { onDamage: "keep" });
    assert.deepEqual(damaged.lost.ranges, [[1, 2]]);
    assert.throws(() => damaged.repair(entries(1, [30])), { code: "INVALID_ARGUMENT" });
    const expected = [...entries(1, [30, 40]), entry(3, 300, 2)];
    damaged.repair(expected);
    damaged.closeSync();
    assert.deepEqual(open(disk).entries(1, 3), expected);
  });

  it("is reported with the frame's entries when a read finds it", () => {
    const disk = new SimulatedDisk();
    const log = open(disk);
    log.append(entries(1, [10, 20]));
    log.append(entries(3, [30, 40, 50]));
    log.append(entries(6, [60]));
    log.closeSync();
    for (const at of [16, 60]) {
      const reader = open(disk, { readOnly: true });
      const { offset } = framesOf(disk.content(SEGMENT)).find(({ index, kind }) =>
        kind === KIND_ENTRIES && index === 3
      )!;
      disk.flip(SEGMENT, offset + at, 4);
      assert.throws(() => reader.entry(4), { code: "DAMAGED_ENTRY" });
      const [damage] = reader.damaged;
      assert.deepEqual([damage!.firstIndex, damage!.lastIndex, damage!.offset], [3, 5, offset]);
      assert.deepEqual([reader.entry(2), reader.entry(6)], [entry(2, 20), entry(6, 60)]);
      disk.flip(SEGMENT, offset + at, 4);
    }
  });

  it("that a read finds is repaired", () => {
    const disk = new SimulatedDisk();
    const log = open(disk, { segmentBytes: 4096 });
    for (const batch of [entries(1, [10, 20]), entries(3, [30, 40, 50]), entries(6, [60, 9000])]) log.append(batch);
    log.append(entries(8, [80])); // which starts the next segment
    const { offset } = framesOf(disk.content(SEGMENT)).find(({ index, kind }) => kind === KIND_ENTRIES && index === 3)!;
    disk.flip(SEGMENT, offset + 16, 4);
    assert.throws(() => log.entry(4), { code: "DAMAGED_ENTRY" });
    log.repair(entries(3, [30, 40, 50]));
    assert.deepEqual(log.entries(1, 6), entries(1, [10, 20, 30, 40, 50, 60]));
    log.closeSync();
    assert.equal(open(disk).recovery.verdict, "clean");
  });

  it("is reported if its lengths do not add up to its payload", () => {
    for (const wrong of [1, -1, 2 ** 32 - 10]) {
      const { disk, offset } = damagedLog("payload");
      const bytes = disk.content(SEGMENT);
      bytes[offset + 60]! ^= 4;
      const view = new DataView(bytes.buffer);
      const at = offset + FRAME_HEADER_BYTES;
      view.setUint32(at, view.getUint32(at, true) + wrong, true);
      view.setBigUint64(
        offset + FRAME_PAYLOAD_CHECKSUM,
        sum(bytes.subarray(at, at + view.getUint32(offset + FRAME_LENGTH, true)), 0n),
        true,
      );
      const { salt, baseLsn } = decodeSegmentHeader(bytes, 0, sum)!;
      const seed = BigInt.asUintN(64, salt ^ (BigInt(baseLsn) + BigInt(offset)));
      const checksum = sum(bytes.subarray(offset + FRAME_LENGTH, at), seed);
      view.setUint32(offset + FRAME_HEADER_CHECKSUM, Number(checksum & 0xffff_ffffn), true);
      disk.zero(SEGMENT, 0, bytes.length);
      const file = disk.fileSystem.open(SEGMENT, "write");
      file.write(bytes, 0);
      file.close();
      const log = open(disk, { onDamage: "keep", readOnly: true });
      assert.deepEqual(log.lost.ranges, [[3, 5]], `off by ${wrong}`);
    }
  });

  it("leaves slack in the repaired frame if the remaining entries are shorter", () => {
    const cases: readonly (readonly [sizes: readonly number[], kept: number, asBatch: boolean])[] = [
      [[0, 0], 2, false], // a header less
      [[10, 20], 1, true], // of a frame of which the log has dropped an entry
    ];
    for (const [sizes, kept, asBatch] of cases) {
      const disk = new SimulatedDisk();
      const log = open(disk);
      const all = entries(1, sizes);
      if (asBatch) log.append(all);
      else for (const one of all) log.append([one]);
      log.truncate(kept + 1);
      log.append([entry(kept + 1, 5)]);
      log.closeSync();
      const frames = framesOf(disk.content(SEGMENT)).filter(({ kind, index }) =>
        kind === KIND_ENTRIES && index <= kept
      );
      const [begin, end] = [frames[0]!.offset, frames.at(-1)!.end];
      disk.zero(SEGMENT, begin, end - begin);
      const damaged = open(disk, { onDamage: "keep" });
      damaged.repair(all.slice(0, kept));
      damaged.closeSync();
      const again = open(disk);
      assert.deepEqual(again.entries(1, kept + 1), [...all.slice(0, kept), entry(kept + 1, 5)]);
      const { length, flags } = framesOf(disk.content(SEGMENT)).find(({ offset }) => offset === begin)!;
      assert.deepEqual([FRAME_HEADER_BYTES + length, flags & FLAG_REPAIRED], [end - begin, FLAG_REPAIRED]);
    }
  });
});
