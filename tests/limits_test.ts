/**
 * The largest numbers of a log. A writer keeps the limits that a reader enforces. File names and headers with absurd
 * numbers and valid checksums must not make a log lose acknowledged entries.
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WalLog, type WalLogError, type WalLogOptions } from "../mod.ts";
import { Codec } from "../src/codec/codec.ts";
import { CHECKPOINT_BYTES } from "../src/format/checkpoint.ts";
import { STATE_HARD_TERM, STATE_LAST_TERM, STATE_SNAPSHOT_INDEX, STATE_SNAPSHOT_TERM } from "../src/format/state.ts";
import { FRAME_HEADER_BYTES, FRAME_LENGTH, FRAME_PAYLOAD_CHECKSUM, FRAME_UNPROVEN } from "../src/format/frame.ts";
import { BASE_LSN_END } from "../src/format/lsn.ts";
import { SEGMENT_NUMBER_END, segmentName } from "../src/format/segment_name.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { forgeSegment } from "./forge.ts";
import { entryAt, framesOf } from "./history.ts";
import { type Contents, MemoryDisk } from "./memory_disk.ts";
import { assertSameEntries } from "./model.ts";
import { entry, isCorrupt, open } from "./simulated_segments.ts";

const PATH = MemoryDisk.PATH;
const FIRST = segmentName(1);
const SEGMENT_BYTES = 4096;
/** Four entries of this size fill a segment. */
const ENTRY_BYTES = 900;

function openLog(disk: MemoryDisk, readOnly = false): WalLog {
  return WalLog.openSync(PATH, { fileSystem: disk, segmentBytes: SEGMENT_BYTES, readOnly });
}

function segmentsOf(disk: MemoryDisk): string[] {
  return [...disk.contents().keys()].filter((name) => name.endsWith(".seg")).sort();
}

/** Appends and flushes entry after entry, until the log refuses one. */
function fill(log: WalLog, entries: number): WalLogError | undefined {
  for (let i = 0; i < entries; i++) {
    try {
      log.append([entryAt(log.lastIndex + 1, 1, ENTRY_BYTES)]);
    } catch (error) {
      assert(isCorrupt(error), error as Error);
      return error;
    }
    assert.equal(log.syncSync(), log.lastIndex);
  }
  return undefined;
}

/** Fails unless a log has the entries from 1 on up to an index. */
function assertHolds(log: WalLog, lastIndex: number, when: string): void {
  assert.equal(log.lastIndex, lastIndex, when);
  const expected = Array.from({ length: lastIndex }, (_, i) => entryAt(i + 1, 1, ENTRY_BYTES));
  assertSameEntries(log.entries(1, lastIndex), expected, when);
}

describe("a blank file with a segment's name", () => {
  const numbers = [2, 3, 5, SEGMENT_NUMBER_END - 1, SEGMENT_NUMBER_END, 2 ** 52 - 1, 2 ** 53];
  for (const bytes of [0, 6000]) {
    for (const number of numbers) {
      it(`does not change the next segment's number: number ${number}, ${bytes} bytes`, () => {
        let disk = new MemoryDisk();
        disk.put(segmentName(number), new Uint8Array(bytes));
        let lastIndex = 0;
        for (const end of ["killed", "closed", "killed"]) {
          const log = openLog(disk);
          assertHolds(log, lastIndex, `before it was ${end}`);
          assert.equal(fill(log, 12), undefined);
          ({ lastIndex } = log);
          if (end === "closed") log.closeSync();
          disk = new MemoryDisk(disk.contents());
        }
        const log = openLog(disk);
        assert.deepEqual([log.recovery.damage, log.recovery.harmless], [[], []]);
        assertHolds(log, lastIndex, "at last");
        const used = segmentsOf(disk).filter((name) => name !== segmentName(number));
        assert(used.length > 8 && used.at(-1)! <= segmentName(30), used.join(" "));
      });
    }
  }

  it("does not end the log and is not overwritten if it appears while the log is open", () => {
    const disk = new MemoryDisk();
    const log = openLog(disk);
    for (const number of [2, 3, 5]) disk.put(segmentName(number), new Uint8Array(100));
    assert.equal(fill(log, 15), undefined);
    for (const number of [2, 3, 5]) assert.equal(disk.contents().get(segmentName(number))!.length, 100);
    assertHolds(openLog(new MemoryDisk(disk.contents())), 15, "opened again");
  });
});

it("a number that a next-segment pointer names is not used again", () => {
  const disk = new MemoryDisk();
  const log = openLog(disk);
  fill(log, 7);
  log.closeSync();
  const names = segmentsOf(disk);
  disk.remove(`${PATH}/${names.at(-1)}`);
  WalLog.openSync(PATH, { fileSystem: disk, segmentBytes: SEGMENT_BYTES, onDamage: "keep" }).closeSync();
  assert(!segmentsOf(disk).includes(names.at(-1)!));
});

describe("a header with valid checksums and absurd numbers", () => {
  const numbers = [2, SEGMENT_NUMBER_END - 2, SEGMENT_NUMBER_END - 1, SEGMENT_NUMBER_END, 2 ** 52 - 1, 2 ** 53 - 1];
  const lsns = [BASE_LSN_END - 16_384, BASE_LSN_END - 8, BASE_LSN_END, 2 ** 53 - 8192, 2 ** 53 - 8, 2 ** 53 - 1];
  const forged = [
    ...numbers.map((number) => ({ number, baseLsn: 0 })),
    ...lsns.map((baseLsn) => ({ number: 1, baseLsn })),
    { number: SEGMENT_NUMBER_END - 1, baseLsn: BASE_LSN_END - 8 },
  ];
  /** A log of one segment, closed or killed. */
  const original = (isClosed: boolean): Contents => {
    const disk = new MemoryDisk();
    const log = openLog(disk);
    fill(log, 3);
    if (isClosed) log.closeSync();
    return disk.contents();
  };

  for (const isClosed of [true, false]) {
    for (const claim of forged) {
      const what = `number ${claim.number}, LSN ${claim.baseLsn}, ${isClosed ? "closed" : "killed"}`;
      it(`is refused, or no acknowledged entry is lost: ${what}`, () => {
        const contents = new Map(original(isClosed));
        const segment = forgeSegment(contents.get(FIRST)!, claim);
        contents.delete(FIRST);
        contents.set(segmentName(claim.number), segment);
        let disk = new MemoryDisk(contents);
        let acknowledged = 3;
        for (let opening = 0; opening < 4; opening++) {
          let log: WalLog;
          try {
            log = openLog(disk);
          } catch (error) {
            assert(isCorrupt(error), error as Error);
            break;
          }
          assertHolds(log, acknowledged, `opening ${opening}`);
          const refusal = fill(log, 9);
          // After a refusal, the log is open and unchanged.
          if (refusal !== undefined) {
            assert.match(refusal.message, /Cannot create a segment/);
            assert.throws(() => log.append([entryAt(log.lastIndex + 1, 1, ENTRY_BYTES)]), isCorrupt);
            assertHolds(log, log.lastIndex, "after a refusal");
          }
          acknowledged = log.syncSync();
          if (opening % 2 === 0) log.closeSync();
          disk = new MemoryDisk(disk.contents());
        }
        // If the log opens for reading, nothing may be missing.
        let reader: WalLog;
        try {
          reader = openLog(disk, true);
        } catch (error) {
          assert(isCorrupt(error), error as Error);
          assert.equal(acknowledged, 3, "the log accepted entries, and no longer opens");
          return;
        }
        assertHolds(reader, acknowledged, "read at last");
      });
    }
  }

  it("is accepted up to the limits, and the next segment is refused", () => {
    for (const claim of [{ number: SEGMENT_NUMBER_END - 1, baseLsn: 0 }, { number: 1, baseLsn: BASE_LSN_END - 8 }]) {
      const contents = new Map(original(true));
      contents.set(segmentName(claim.number), forgeSegment(contents.get(FIRST)!, claim));
      if (claim.number > 1) contents.delete(FIRST);
      const disk = new MemoryDisk(contents);
      const log = openLog(disk);
      const before = segmentsOf(disk);
      const refusal = fill(log, 9);
      assert.match(refusal!.message, /no log grows that far/);
      assert.deepEqual(segmentsOf(disk), before);
      log.closeSync();
      assertHolds(openLog(disk), log.lastIndex, "closed and opened again");
    }
  });

  it("is refused beyond the limits", () => {
    for (const baseLsn of [BASE_LSN_END, 2 ** 53 - 8192]) {
      const contents = new Map(original(true));
      contents.set(FIRST, forgeSegment(contents.get(FIRST)!, { baseLsn }));
      assert.throws(() => openLog(new MemoryDisk(contents)), isCorrupt);
    }
  });
});

/** Recomputes the checksums of a frame. */
function seal(bytes: Uint8Array, at: number): void {
  const codec = new Codec();
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const payload = at + FRAME_HEADER_BYTES;
  const length = view.getUint32(at + FRAME_LENGTH, true);
  view.setBigUint64(at + FRAME_PAYLOAD_CHECKSUM, codec.hash(bytes.subarray(payload, payload + length), 0n), true);
  const seed = view.getBigUint64(48, true) ^ (view.getBigUint64(40, true) + BigInt(at));
  view.setUint32(at, Number(codec.hash(bytes.subarray(at + FRAME_LENGTH, payload), seed) & 0xffff_ffffn), true);
}

describe("a checkpoint with valid checksums", () => {
  const fields = {
    "last term": STATE_LAST_TERM,
    "hard state's term": STATE_HARD_TERM,
    "snapshot's index": STATE_SNAPSHOT_INDEX,
    "snapshot's term": STATE_SNAPSHOT_TERM,
  };
  for (const [name, field] of Object.entries(fields)) {
    for (const value of [2n ** 53n, 2n ** 63n, 2n ** 64n - 2n]) {
      it(`and an absurd ${name}, ${value}, makes no log lose what it acknowledges later`, () => {
        for (const onDamage of ["fail", "keep"] as const) {
          const disk = new MemoryDisk();
          const log = openLog(disk);
          log.append([entryAt(1, 1, ENTRY_BYTES)]);
          log.closeSync();
          const bytes = disk.contents().get(FIRST)!.slice();
          const at = bytes.length - CHECKPOINT_BYTES;
          new DataView(bytes.buffer).setBigUint64(at + FRAME_HEADER_BYTES + field, value, true);
          seal(bytes, at);
          disk.put(FIRST, bytes);
          let forged: WalLog;
          try {
            forged = WalLog.openSync(PATH, { fileSystem: disk, segmentBytes: SEGMENT_BYTES, onDamage });
          } catch (error) {
            assert(isCorrupt(error), error as Error);
            continue;
          }
          assert(Number.isSafeInteger(forged.hardState.term) && Number.isSafeInteger(forged.snapshotIndex));
          forged.setHardState({ term: 7, votedFor: 2n }, { force: true });
          fill(forged, 20);
          const { lastIndex } = forged;
          forged.closeSync();
          const again = WalLog.openSync(PATH, { fileSystem: disk, segmentBytes: SEGMENT_BYTES, onDamage });
          assert.equal(again.lastIndex, lastIndex);
          assert.deepEqual(again.hardState, { term: 7, votedFor: 2n });
          again.closeSync();
        }
      });
    }
  }
});

describe("a frame with valid checksums", () => {
  it("and a durable position between two frames makes no log lose what it acknowledges later", () => {
    const disk = new MemoryDisk();
    const log = openLog(disk);
    for (let i = 1; i <= 3; i++) {
      log.append([entryAt(i, 1, 100)]);
      log.syncSync();
    }
    const killed = new MemoryDisk(new Map([...disk.contents()].map(([name, bytes]) => [name, bytes.slice()])));
    const bytes = killed.contents().get(FIRST)!.slice();
    const { offset } = framesOf(bytes).at(-1)!;
    new DataView(bytes.buffer).setUint32(offset + FRAME_UNPROVEN, 12, true);
    seal(bytes, offset);
    killed.put(FIRST, bytes);
    const options: WalLogOptions = { fileSystem: killed, segmentBytes: SEGMENT_BYTES, onDamage: "keep" };
    const forged = WalLog.openSync(PATH, options);
    forged.setHardState({ term: 7, votedFor: 2n }, { force: true });
    fill(forged, 20);
    const { lastIndex } = forged;
    forged.closeSync();
    const again = WalLog.openSync(PATH, options);
    assert.equal(again.lastIndex, lastIndex);
    assert.deepEqual(again.hardState, { term: 7, votedFor: 2n });
    again.closeSync();
    log.closeSync();
  });
});

describe("a log at the last index", () => {
  const last = Number.MAX_SAFE_INTEGER;

  it("is unchanged after idle time, a close, a rotation and a crash", () => {
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
