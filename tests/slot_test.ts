/** Evidence outside the frames: durable slots and next-segment pointers, two copies of each. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WalLog, type WalLogOptions } from "../mod.ts";
import { Codec } from "../src/codec/codec.ts";
import { decodeDurableSlots, encodeDurableSlot } from "../src/format/durable_slot.ts";
import { DURABLE_SLOT_OFFSETS, NEXT_POINTER_OFFSETS, SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";
import { decodeNextPointer, encodeNextPointer, type NextPointerResult } from "../src/format/next_pointer.ts";
import { decodeSegmentHeader, type SegmentHeader } from "../src/format/segment_header.ts";
import { segmentName } from "../src/format/segment_name.ts";
import { EMPTY_STATE } from "../src/format/state.ts";
import { SlotWriter } from "../src/write/slot_writer.ts";
import { appendEach, entriesAt, entryAt, framesOf } from "./history.ts";
import { type Contents, MemoryDisk } from "./memory_disk.ts";
import { systemError, WatchedFileSystem } from "./watched_file_system.ts";

const FOLDER = MemoryDisk.PATH;
const FIRST = segmentName(1);
const SALT = 0x1234_5678_9abc_def0n;
const HEADER: SegmentHeader = {
  uuid: new Uint8Array(16),
  number: 1,
  baseLsn: 0,
  salt: SALT,
  previous: 0,
  previousChecksum: 0,
  state: EMPTY_STATE,
  provenLsn: 0,
  floor: 1,
  dropped: [],
};
const codec = new Codec();
const sum = (bytes: Uint8Array, seed: bigint) => codec.hash(bytes, seed);

function open(fileSystem: MemoryDisk | WatchedFileSystem, options: WalLogOptions = {}): WalLog {
  return WalLog.openSync(FOLDER, { fileSystem, segmentBytes: 4096, ...options });
}

/** A changed copy of one file among others. */
function changed(contents: Contents, name: string, change: (bytes: Uint8Array) => void): MemoryDisk {
  const bytes = contents.get(name)!.slice();
  change(bytes);
  return new MemoryDisk(new Map(contents).set(name, bytes));
}

describe("a next-segment pointer", () => {
  const pointer = (number: number) => encodeNextPointer({ number, endLsn: 800, durableLsn: 900 }, SALT, sum);
  const fills = {
    "valid": pointer(2),
    "valid, of a higher number": pointer(3),
    "empty": new Uint8Array(512),
    "damaged": pointer(2).fill(0xff, 9, 10),
  };
  const named = (number: number, copies: 1 | 2): NextPointerResult => ({
    kind: "named",
    next: { number, endLsn: 800, durableLsn: 900 },
    copies,
  });
  type Fill = keyof typeof fills;
  const rows: readonly (readonly [Fill, Fill, boolean, NextPointerResult])[] = [
    ["valid", "valid", true, named(2, 2)],
    ["valid", "valid", false, named(2, 2)],
    ["valid", "empty", true, named(2, 1)],
    ["valid", "damaged", true, named(2, 1)],
    ["empty", "valid", true, named(2, 1)],
    ["damaged", "valid", false, named(2, 1)],
    ["valid", "valid, of a higher number", true, named(3, 1)],
    ["valid, of a higher number", "valid", true, named(3, 1)],
    ["empty", "empty", true, { kind: "none" }],
    ["empty", "empty", false, { kind: "none" }],
    ["damaged", "empty", true, { kind: "none" }],
    ["damaged", "empty", false, { kind: "none" }],
    ["empty", "damaged", true, { kind: "none" }],
    ["empty", "damaged", false, { kind: "damaged" }],
    ["damaged", "damaged", true, { kind: "damaged" }],
    ["damaged", "damaged", false, { kind: "damaged" }],
  ];
  for (const [first, second, isPage0Whole, expected] of rows) {
    const header = isPage0Whole ? "valid" : "damaged";
    it(`${first} in page 0 with a ${header} header, and ${second} in page 3, is ${expected.kind}`, () => {
      const block = new Uint8Array(SEGMENT_HEADER_BYTES);
      block.set(fills[first], NEXT_POINTER_OFFSETS[0]);
      block.set(fills[second], NEXT_POINTER_OFFSETS[1]);
      assert.deepEqual(decodeNextPointer(block, isPage0Whole, SALT, sum), expected);
    });
  }

  it("of another segment is damaged", () => {
    const block = new Uint8Array(SEGMENT_HEADER_BYTES);
    for (const offset of NEXT_POINTER_OFFSETS) block.set(fills.valid, offset);
    assert.deepEqual(decodeNextPointer(block, true, SALT + 1n, sum), { kind: "damaged" });
  });

  it("gets its second copy after a flush, and flushes it before the next rotation", () => {
    const fileSystem = new WatchedFileSystem(new MemoryDisk());
    const log = open(fileSystem);
    while (log.stats().segmentsSealed < 2) log.append([entryAt(log.lastIndex + 1, 1, 600)]);
    const calls = fileSystem.calls.filter(({ name, operation, position }) =>
      name === FIRST && (operation === "sync" || NEXT_POINTER_OFFSETS.some((offset) => offset === position))
    ).map(({ operation, position }) => `${operation} ${position}`);
    const [first, second] = NEXT_POINTER_OFFSETS;
    assert.deepEqual(calls.slice(calls.indexOf(`write ${first}`)), [
      `write ${first}`,
      "sync 0",
      `write ${second}`,
      "sync 0",
    ]);
    log.closeSync();
  });

  it("is completed by the next writer if one copy is missing or damaged", () => {
    const disk = new MemoryDisk();
    const log = open(disk);
    while (log.stats().segmentsSealed < 1) log.append([entryAt(log.lastIndex + 1, 1, 600)]);
    log.closeSync();
    for (const offset of NEXT_POINTER_OFFSETS) {
      for (const byte of [0, 0xff]) {
        const damaged = changed(disk.contents(), FIRST, (bytes) => bytes.fill(byte, offset, offset + 512));
        open(damaged).closeSync();
        const bytes = damaged.contents().get(FIRST)!;
        const { salt } = decodeSegmentHeader(bytes, 0, sum)!;
        const naming = decodeNextPointer(bytes, true, salt, sum);
        assert(naming.kind === "named", `byte ${byte} at ${offset}`);
        assert.deepEqual([naming.next.number, naming.copies], [2, 2], `byte ${byte} at ${offset}`);
      }
    }
  });

  it("proves the copies in the next segment, so that damage to them is not a torn write", () => {
    const disk = new MemoryDisk();
    const log = open(disk);
    appendEach(log, entriesAt(1, 5));
    // Not closed, so that the next writer copies unflushed frames.
    const killed = new MemoryDisk(disk.contents());
    open(killed);
    const next = segmentName(2);
    const frames = framesOf(killed.contents().get(next)!);
    const damaged = changed(killed.contents(), next, (bytes) => bytes.fill(0, frames[2]!.offset));
    assert.throws(() => open(damaged), { code: "CORRUPT" });
    const kept = open(damaged, { onDamage: "keep", readOnly: true });
    assert.deepEqual(kept.damaged.map(({ firstIndex }) => firstIndex), [2]);
  });
});

describe("a durable slot", () => {
  const home = { baseLsn: 8000, salt: SALT };
  const [first, second] = DURABLE_SLOT_OFFSETS;
  const slot = (lsn: number) => ({
    lsn,
    checkpoint: {
      state: { ...EMPTY_STATE, nextIndex: lsn },
      milliseconds: 7,
      dropped: [1, 2, 3].map((back) => ({ since: lsn - 8 * back, lowest: back === 2 ? Infinity : back })),
    },
  });

  function block(...slots: readonly (readonly [at: number, encodedFor: number, lsn: number])[]): Uint8Array {
    const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
    for (const [at, encodedFor, lsn] of slots) bytes.set(encodeDurableSlot(slot(lsn), home, encodedFor, sum), at);
    return bytes;
  }

  it("counts if it has the higher LSN of two", () => {
    const found = { ...slot(9008), offset: second };
    assert.deepEqual(decodeDurableSlots(block([first, first, 9000], [second, second, 9008]), home, sum), found);
    const other = { ...slot(9008), offset: first };
    assert.deepEqual(decodeDurableSlots(block([first, first, 9008], [second, second, 9000]), home, sum), other);
  });

  it("does not count if it is damaged, misplaced, of another segment, or below its segment", () => {
    assert.equal(decodeDurableSlots(block(), home, sum), undefined);
    assert.equal(decodeDurableSlots(block([first, first, 9000]).fill(1, first + 20, first + 21), home, sum), undefined);
    assert.equal(decodeDurableSlots(block([first, first, 9000]), { ...home, salt: 1n }, sum), undefined);
    assert.equal(decodeDurableSlots(block([first, second, 9000]), home, sum), undefined);
    assert.equal(decodeDurableSlots(block([first, first, 7992]), home, sum), undefined);
    assert.equal(decodeDurableSlots(block([first, first, 9001]), home, sum), undefined);
  });

  /** The offsets of slots written since the last call. */
  function slotsWritten(fileSystem: WatchedFileSystem): number[] {
    const found = fileSystem.calls.filter(({ operation, position }) =>
      operation === "write" && DURABLE_SLOT_OFFSETS.some((offset) => offset === position)
    );
    fileSystem.calls = [];
    return found.map(({ position }) => position);
  }

  it("is written by an idle or closing log, and overwritten only when the other one is durable", async () => {
    const fileSystem = new WatchedFileSystem(new MemoryDisk());
    const log = open(fileSystem);
    let next = 1;
    const change = () => log.append([entryAt(next++, 1, 10)]);
    change();
    log.syncSync();
    assert.deepEqual(slotsWritten(fileSystem), [], "not before it is idle");
    fileSystem.rest();
    assert.deepEqual(slotsWritten(fileSystem), [first]);
    fileSystem.rest();
    assert.deepEqual(slotsWritten(fileSystem), [], "it has nothing new to prove");
    change();
    log.syncSync();
    fileSystem.rest();
    assert.deepEqual(slotsWritten(fileSystem), [second]);
    // A running flush does not cover a slot that is written meanwhile.
    const { promise, resolve } = Promise.withResolvers<void>();
    fileSystem.gate = () => promise;
    change();
    const flushed = log.sync();
    await Promise.resolve();
    resolve();
    await flushed;
    fileSystem.gate = () => Promise.resolve();
    fileSystem.rest();
    assert.deepEqual(slotsWritten(fileSystem), [first]);
    change();
    log.closeSync();
    // The second one repeats the first, for damage to its page.
    assert.deepEqual(slotsWritten(fileSystem), [second, first]);
  });

  it("is written to the same place again if no flush has begun since", async () => {
    const fileSystem = new WatchedFileSystem(new MemoryDisk());
    const log = open(fileSystem);
    log.append([entryAt(1)]);
    log.syncSync();
    fileSystem.rest();
    assert.deepEqual(slotsWritten(fileSystem), [first]);
    // A flush begins and takes so long that another slot is due. That slot is written while no flush covers the first
    // one.
    log.append([entryAt(2)]);
    log.syncSync();
    fileSystem.rest();
    log.append([entryAt(3)]);
    await log.sync();
    fileSystem.rest();
    assert.deepEqual(slotsWritten(fileSystem), [second, first]);
    log.closeSync();
  });

  it("found at opening is rewritten in place, and so is the next one until a flush", () => {
    const disk = new MemoryDisk();
    const made = open(disk);
    made.append([entryAt(1)]);
    made.closeSync();
    const fileSystem = new WatchedFileSystem(disk);
    const log = open(fileSystem);
    assert.deepEqual(slotsWritten(fileSystem), [first]);
    log.append([entryAt(2)]);
    log.syncSync();
    fileSystem.rest();
    assert.deepEqual(slotsWritten(fileSystem), [second]);
    log.closeSync();
  });

  it("keeps its place until a flush that began after it has succeeded", () => {
    const written: number[] = [];
    const file = {
      size: () => 0,
      read: () => 0,
      write: ({ length }: Uint8Array, position: number) => {
        written.push(position);
        return length;
      },
      truncate() {},
      sync() {},
      syncAsync: () => Promise.resolve(),
      close() {},
    };
    const header = { ...HEADER, baseLsn: home.baseLsn, salt: home.salt };
    const slots = new SlotWriter(file, codec, header, undefined);
    const before = slots.flushBegins();
    slots.write(slot(9000));
    before();
    slots.write(slot(9008));
    const after = slots.flushBegins();
    slots.write(slot(9016));
    after();
    slots.write(slot(9024));
    slots.flushBegins()();
    slots.write(slot(9032));
    slots.write(slot(9032));
    assert.deepEqual(written, [first, first, first, first, second]);
  });

  it("is omitted on a full disk", () => {
    const fileSystem = new WatchedFileSystem(new MemoryDisk());
    const log = open(fileSystem);
    log.append([entryAt(1)]);
    log.syncSync();
    fileSystem.fail = ({ operation, position }) => {
      if (operation === "write" && DURABLE_SLOT_OFFSETS.some((offset) => offset === position)) {
        throw systemError("ENOSPC");
      }
    };
    fileSystem.rest();
    log.append([entryAt(2)]);
    log.closeSync();
    assert.equal(open(fileSystem, { readOnly: true }).recovery.verdict, "clean");
  });

  it("proves frames that were lost with the end of the file", () => {
    const disk = new MemoryDisk();
    const log = open(disk);
    log.setHardState({ term: 3, votedFor: 2n });
    log.append(entriesAt(1, 5, 3));
    log.setHardState({ term: 4, votedFor: 9n });
    log.closeSync();
    const frames = framesOf(disk.contents().get(FIRST)!);
    // The slot repeats the hard state. Damage to that frame alone costs nothing.
    const lastHardState = frames.at(-2)!.offset;
    for (const { offset } of frames.slice(0, -1)) {
      const contents = new Map(disk.contents());
      const cut = new MemoryDisk(contents.set(FIRST, contents.get(FIRST)!.slice(0, offset)));
      if (offset < lastHardState) assert.throws(() => open(cut), { code: "CORRUPT" }, `cut at ${offset}`);
      else assert.equal(open(cut, { readOnly: true }).recovery.verdict, "clean");
      const kept = open(cut, { onDamage: "keep", readOnly: true });
      assert.deepEqual([kept.hardState, kept.lastIndex], [{ term: 4, votedFor: 9n }, 5], `cut at ${offset}`);
    }
    // Without the closing checkpoint, nothing is lost.
    const contents = new Map(disk.contents());
    const whole = contents.get(FIRST)!.slice(0, frames.at(-1)!.offset);
    assert.equal(open(new MemoryDisk(contents.set(FIRST, whole))).recovery.verdict, "clean");
  });
});
