/** The possible contents of a gap, row by row, and the evidence that a log writes. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import { Codec } from "../src/codec/codec.ts";
import { CHECKPOINT_BYTES, decodeCheckpoint, lowestDroppedSince } from "../src/format/checkpoint.ts";
import { FLAG_COPY, FRAME_HEADER_BYTES, KIND_CHECKPOINT, KIND_ENTRIES, KIND_HARD_STATE } from "../src/format/frame.ts";
import { HEADER_OFFSETS, SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";
import { decodeSegmentHeader } from "../src/format/segment_header.ts";
import { findCheckpoint } from "../src/recovery/evidence.ts";
import { Segment } from "../src/log/segment.ts";
import { SizedFile } from "../src/io/sized_file.ts";
import { type AfterGap, type BeforeGap, explainGap, type GapContents } from "../src/recovery/gap.ts";
import { withoutSlots, zeroed } from "./gapped_log.ts";
import { appendEach, entriesAt, entryAt, framesOf } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { WatchedFileSystem } from "./watched_file_system.ts";

const codec = new Codec();
const sum = (bytes: Uint8Array, seed: bigint) => codec.hash(bytes, seed);

const BEFORE: BeforeGap = { nextIndex: 100, snapshotIndex: 40, canHaveSnapshot: true };
const AFTER: AfterGap = {
  nextIndex: 105,
  isAtLeast: false,
  changes: { modulo: 3 },
  lowestDropped: undefined,
  snapshotIndex: undefined,
  floor: 1,
};
const ROOM = 10;

interface Row {
  readonly title: string;
  readonly before?: Partial<BeforeGap>;
  readonly after?: Partial<AfterGap>;
  readonly room?: number;
  readonly contents: GapContents;
}

const ROWS: readonly Row[] = [
  { title: "no changes", after: { changes: { modulo: 0 } }, contents: { kind: "quiet" } },
  { title: "nobody knows how many changes", after: { changes: "unknown" }, contents: { kind: "replaced", from: 41 } },
  { title: "no changes, all counted", after: { changes: { exact: 0 } }, room: 5000, contents: { kind: "quiet" } },
  {
    title: "no changes modulo 256, with room for 256",
    after: { changes: { modulo: 0 } },
    room: 256,
    contents: { kind: "replaced", from: 41 },
  },
  {
    title: "no changes modulo 256, with room for 255",
    after: { changes: { modulo: 0 } },
    room: 255,
    contents: { kind: "quiet" },
  },
  {
    title: "256 changes, all counted",
    after: { changes: { exact: 256 } },
    room: 300,
    contents: { kind: "replaced", from: 41 },
  },
  {
    title: "changes, nothing dropped, and the same snapshot",
    after: { lowestDropped: Infinity, snapshotIndex: 40 },
    contents: { kind: "hard states" },
  },
  {
    title: "changes, nothing dropped, and no later snapshot file",
    before: { canHaveSnapshot: false },
    after: { lowestDropped: Infinity },
    contents: { kind: "hard states" },
  },
  {
    title: "changes, nothing dropped, and another snapshot",
    after: { lowestDropped: Infinity, snapshotIndex: 60 },
    contents: { kind: "untouched" },
  },
  { title: "changes and nothing dropped", after: { lowestDropped: Infinity }, contents: { kind: "untouched" } },
  { title: "entries dropped from an index on", after: { lowestDropped: 98 }, contents: { kind: "replaced", from: 98 } },
  {
    title: "entries dropped from an index on, of which fewer fit",
    after: { lowestDropped: 50 },
    room: 6,
    contents: { kind: "replaced", from: 63 },
  },
  {
    title: "entries dropped from below the snapshot on",
    after: { lowestDropped: 0 },
    room: 200,
    contents: { kind: "replaced", from: 41 },
  },
  {
    title: "changes, and no evidence of what was dropped",
    room: 4,
    contents: { kind: "replaced", from: 83 },
  },
  {
    title: "changes, where the segment drops nothing below an index",
    after: { floor: 99 },
    contents: { kind: "replaced", from: 99 },
  },
  {
    title: "a change that has no room to replace an entry, and no later snapshot file",
    before: { canHaveSnapshot: false },
    after: { nextIndex: 100 },
    room: 1,
    contents: { kind: "hard states" },
  },
  {
    title: "a change that has no room to replace an entry, and a later snapshot file",
    after: { nextIndex: 100 },
    room: 1,
    contents: { kind: "replaced", from: 100 },
  },
  { title: "more entries than fit", after: { nextIndex: 193 }, contents: { kind: "jumped" } },
  { title: "as many entries as fit", after: { nextIndex: 192, changes: { modulo: 0 } }, contents: { kind: "quiet" } },
  {
    title: "a next index that has gone back",
    after: { nextIndex: 90, changes: { modulo: 0 } },
    room: 2,
    contents: { kind: "replaced", from: 88 },
  },
  {
    title: "a next index that a truncation behind the gap shows, which may have been higher",
    after: { nextIndex: 90, isAtLeast: true, changes: { modulo: 0 } },
    contents: { kind: "quiet" },
  },
];

describe("a gap", () => {
  for (const { title, before, after, room = ROOM, contents } of ROWS) {
    it(`with ${title} is ${contents.kind}`, () => {
      const bytes = room * FRAME_HEADER_BYTES + 8;
      assert.deepEqual(explainGap({ ...BEFORE, ...before }, bytes, { ...AFTER, ...after }), contents);
    });
  }

  it("is explained by the nearest position that reaches it", () => {
    const dropped = [{ since: 300, lowest: Infinity }, { since: 200, lowest: 9 }, { since: 100, lowest: 5 }];
    const found = [400, 300, 299, 200, 150, 100, 99].map((lsn) => lowestDroppedSince(dropped, lsn));
    assert.deepEqual(found, [Infinity, Infinity, 9, 9, 5, 5, undefined]);
  });
});

describe("the evidence that a log writes", () => {
  /** The checkpoints of the first segment, and its end. */
  function checkpointsOf(disk: MemoryDisk) {
    const bytes = disk.contents().get("000000000001.seg")!;
    const { baseLsn } = decodeSegmentHeader(bytes, HEADER_OFFSETS[0], sum)!;
    return framesOf(bytes).filter(({ kind }) => kind === KIND_CHECKPOINT).map(({ offset }) => ({
      lsn: baseLsn + offset,
      ...decodeCheckpoint(bytes.subarray(offset + FRAME_HEADER_BYTES, offset + CHECKPOINT_BYTES), baseLsn + offset)!,
    }));
  }

  it("is a checkpoint at least every 16 KiB, with the indexes dropped since the last ones", () => {
    const disk = new MemoryDisk();
    const log = WalLog.openSync(MemoryDisk.PATH, { fileSystem: disk });
    const write = (upTo: number) => {
      while (log.lastIndex < upTo) log.append([entryAt(log.lastIndex + 1, 1, 1000)]);
    };
    write(40);
    log.truncate(35);
    write(60);
    log.truncate(50);
    write(120);
    for (let term = 2; term < 900; term++) log.setHardState({ term, votedFor: null });
    log.closeSync();
    const found = checkpointsOf(disk);
    for (const [i, { lsn, state, dropped }] of found.entries()) {
      const start = SEGMENT_HEADER_BYTES;
      const positions = [found[i - 1]?.lsn ?? start, found[i - 2]?.lsn ?? start, start];
      assert.deepEqual(dropped.map(({ since }) => since), positions);
      assert(lsn - positions[0]! <= 16 * 1024 + 1100, `checkpoint ${i}`);
      assert(state.nextIndex <= 121);
    }
    const dropped = (count: number) => found.filter((one) => one.dropped[0]!.lowest === count).length;
    assert.deepEqual([dropped(35), dropped(50)], [1, 1]);
    const at = found.findIndex((one) => one.dropped[0]!.lowest === 50);
    assert.deepEqual(found[at + 1]!.dropped.map(({ lowest }) => lowest), [Infinity, 50, 35]);
    assert.deepEqual(found[at + 2]!.dropped.map(({ lowest }) => lowest), [Infinity, Infinity, 35]);
    assert.equal(found.at(-1)!.state.changes, 900);
  });

  it("is in the header of each segment, for the segments before it", () => {
    const disk = new MemoryDisk();
    const log = WalLog.openSync(MemoryDisk.PATH, { fileSystem: disk, segmentBytes: 4096 });
    const write = (segments: number) => {
      while (log.stats().segmentsSealed < segments) log.append([entryAt(log.lastIndex + 1, 1, 1000)]);
    };
    write(2);
    log.truncate(3);
    write(4);
    const second = log.lastIndex - 1;
    log.truncate(second);
    write(5);
    log.closeSync();
    const headers = [...disk.contents()].filter(([name]) => name.endsWith(".seg")).sort()
      .map(([, bytes]) => decodeSegmentHeader(bytes, HEADER_OFFSETS[0], sum)!);
    const bases = headers.map(({ baseLsn }) => baseLsn);
    for (const [i, { dropped }] of headers.entries()) {
      assert.deepEqual(dropped.map(({ since }) => since), bases.slice(0, i).reverse());
    }
    const lowest = headers.at(-1)!.dropped.map((one) => one.lowest);
    assert.deepEqual(lowest, [second, second, 3, 3, 3].slice(0, lowest.length));
  });

  it("is found after a gap, with the changes before it", () => {
    const disk = new MemoryDisk();
    const log = WalLog.openSync(MemoryDisk.PATH, { fileSystem: disk });
    appendEach(log, entriesAt(1, 9));
    log.setHardState({ term: 2, votedFor: null });
    log.truncate(8);
    log.append([entryAt(8, 2)]);
    log.closeSync();
    const [name, bytes] = [...disk.contents()].find(([name]) => name.endsWith(".seg"))!;
    const header = decodeSegmentHeader(bytes, HEADER_OFFSETS[0], sum)!;
    const frames = framesOf(bytes);
    const segment = new Segment(name, header, bytes.length);
    const find = (from: number) => {
      const file = new SizedFile(disk.open(`${MemoryDisk.PATH}/${name}`, "read"));
      const { offset, contiguousFrom, changes, checkpoint } = findCheckpoint(codec, segment, file, from, bytes.length);
      return [offset, contiguousFrom, changes, checkpoint?.state.changes];
    };
    const close = frames.at(-1)!;
    for (const { offset, kind } of frames.slice(1, -1)) {
      const changes = frames.filter((one) => one.offset >= offset && [2, 3].includes(one.kind)).length;
      assert.deepEqual(find(offset), [close.offset, offset, changes, 2], `from kind ${kind} at ${offset}`);
    }
    // A search that starts within a frame finds the next valid frame.
    assert.deepEqual(find(frames[1]!.offset + 8), [close.offset, frames[2]!.offset, 2, 2]);
  });

  /** A log of entries and hard states with idle times in between, and some lost frames. */
  function holed(pick: (frames: ReturnType<typeof framesOf>) => readonly [from: number, to: number][]): WalLog {
    const disk = new MemoryDisk();
    const fileSystem = new WatchedFileSystem(disk);
    const log = WalLog.openSync(MemoryDisk.PATH, { fileSystem });
    log.setHardState({ term: 1, votedFor: 1n });
    appendEach(log, entriesAt(1, 20));
    log.setHardState({ term: 2, votedFor: 2n });
    appendEach(log, entriesAt(21, 30));
    log.syncSync();
    fileSystem.rest();
    appendEach(log, entriesAt(31, 40));
    log.syncSync();
    fileSystem.rest();
    const contents = new Map(disk.contents());
    const [name, bytes] = [...contents].find(([name]) => name.endsWith(".seg"))!;
    const damaged = bytes.slice();
    for (const [from, to] of pick(framesOf(bytes))) damaged.fill(0, from, to);
    contents.set(name, damaged);
    return WalLog.openSync(MemoryDisk.PATH, { fileSystem: new MemoryDisk(contents), onDamage: "keep", readOnly: true });
  }
  const entry = (frames: ReturnType<typeof framesOf>, index: number) =>
    frames.find((frame) => frame.kind === KIND_ENTRIES && frame.index === index)!;

  it("shows that a gap before a hard state held only entries", () => {
    const log = holed((frames) => [[entry(frames, 5).offset, entry(frames, 10).end]]);
    assert.deepEqual(log.damaged.map(({ firstIndex, lastIndex }) => [firstIndex, lastIndex]), [[5, 10]]);
    assert.deepEqual(log.hardState, { term: 2, votedFor: 2n });
  });

  it("shows that a gap with a hard state replaced no entry before it", () => {
    const log = holed((frames) => {
      const hardState = frames.filter(({ kind }) => kind === KIND_HARD_STATE)[1]!;
      return [[entry(frames, 15).offset, hardState.end]];
    });
    assert.deepEqual(log.damaged.map(({ firstIndex, lastIndex }) => [firstIndex, lastIndex]), [[15, 20]]);
    assert.deepEqual(log.hardState, { term: 2, votedFor: 2n });
  });

  it("does not show the changes of a gap if another gap follows before a checkpoint", () => {
    const log = holed((frames) => {
      const hardState = frames.filter(({ kind }) => kind === KIND_HARD_STATE)[1]!;
      return [[entry(frames, 5).offset, entry(frames, 6).end], [hardState.offset, hardState.end]];
    });
    assert.deepEqual(log.damaged.map(({ firstIndex, lastIndex }) => [firstIndex, lastIndex]), [[5, 6]]);
    assert.deepEqual(log.hardState, { term: 2, votedFor: 2n });
  });

  it("does not show a lost hard state if another gap follows before a copied checkpoint", () => {
    const written = new MemoryDisk();
    const log = WalLog.openSync(MemoryDisk.PATH, { fileSystem: written });
    appendEach(log, entriesAt(1, 6));
    log.setHardState({ term: 2, votedFor: 2n });
    appendEach(log, [...entriesAt(7, 12), ...[13, 14, 15].map((index) => entryAt(index, 1, 9000))]);
    // Copied while it is open, as after a kill: the second segment begins with copies of frames and a checkpoint.
    const killed = new MemoryDisk(written.contents());
    WalLog.openSync(MemoryDisk.PATH, { fileSystem: killed });
    const second = "000000000002.seg";
    const frames = framesOf(killed.contents().get(second)!);
    assert(frames.filter(({ kind, flags }) => kind === KIND_CHECKPOINT && (flags & FLAG_COPY) !== 0).length === 2);
    // A copy does not replace a lost hard state. The segment's own checkpoint would, so it is lost too.
    const disk = [entry(frames, 3), entry(frames, 8), frames.at(-1)!].reduce(
      (rest, { offset, end }) => zeroed(rest, second, offset, end),
      withoutSlots(new MemoryDisk(killed.contents())),
    );
    const reader = WalLog.openSync(MemoryDisk.PATH, { fileSystem: disk, onDamage: "keep", readOnly: true });
    assert.deepEqual([reader.lost.ranges, reader.lost.hardState], [[[3, 3], [8, 8]], false]);
    assert.deepEqual(reader.hardState, { term: 2, votedFor: 2n });
  });
});
