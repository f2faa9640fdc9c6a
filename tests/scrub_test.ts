import assert from "node:assert/strict";
import { resolve } from "node:path";
import { describe, it } from "node:test";
import { type LogEntry, WalLog } from "../mod.ts";
import { FRAME_HEADER_BYTES, KIND_SEGMENT_INDEX } from "../src/format/frame.ts";
import { DURABLE_SLOT_OFFSETS, NEXT_POINTER_OFFSETS, SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { framesOf } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";

const FOLDER = resolve("/raft.wal");

function entryAt(index: number): LogEntry {
  return { term: 1 + Math.floor(index / 50), index, kind: "normal", command: new Uint8Array(100).fill(index) };
}

/** A log of several segments, open, on a disk of its own. */
function makeLog(): { readonly disk: SimulatedDisk; readonly log: WalLog } {
  const disk = new SimulatedDisk();
  const log = WalLog.openSync(FOLDER, { fileSystem: disk.fileSystem, segmentBytes: 4096 });
  log.setHardState({ term: 3, votedFor: 1n });
  for (let index = 1; index <= 120; index++) log.append([entryAt(index)]);
  log.syncSync();
  disk.idle();
  return { disk, log };
}

/** The position of an entry's frame in a file. Its command repeats one byte. */
function payloadOf(disk: SimulatedDisk, index: number): { readonly path: string; readonly offset: number } {
  const command = entryAt(index).command;
  for (const path of disk.files().filter((name) => name.endsWith(".seg"))) {
    const content = disk.content(path);
    for (let at = 4096; at + 140 <= content.length; at += 8) {
      if (command.every((byte, i) => content[at + 40 + i] === byte) && content[at + 32] === 1) {
        return { path, offset: at + 40 };
      }
    }
  }
  throw new Error(`entry ${index} is in no file`);
}

describe("scrubbing", () => {
  it("finds nothing in an undamaged log, and reports progress", async () => {
    const { log } = makeLog();
    let last = 0;
    const report = await log.scrub({
      onProgress: ({ bytesDone, bytesTotal }) => {
        assert(bytesDone >= last && bytesDone <= bytesTotal, `${last}, ${bytesDone} of ${bytesTotal}`);
        last = bytesDone;
      },
    });
    assert.equal(report.verdict, "clean");
    assert.deepEqual([report.damage, report.harmless], [[], []]);
    assert(report.segments > 2);
    assert.equal(last, report.bytes);
  });

  it("reports an entry with a rotten payload, which a repair then restores", async () => {
    const { disk, log } = makeLog();
    const { path, offset } = payloadOf(disk, 10);
    disk.flip(path, offset + 50);
    const report = await log.scrub();
    assert.equal(report.verdict, "corrupt");
    assert.deepEqual(report.damage.map(({ kind, firstIndex, lastIndex }) => [kind, firstIndex, lastIndex]), [[
      "entries",
      10,
      10,
    ]]);
    assert.throws(() => log.entry(10), { code: "DAMAGED_ENTRY" });
    assert.deepEqual(log.damaged, report.damage);
    assert.throws(() => log.repair([{ ...entryAt(10), command: new Uint8Array(100) }]), { code: "INVALID_ARGUMENT" });
    assert.throws(() => log.repair([{ ...entryAt(10), term: 2 }]), { code: "INVALID_ARGUMENT" });
    log.repair([entryAt(10)]);
    assert.deepEqual(log.entry(10), entryAt(10));
    assert.deepEqual(log.damaged, []);
    assert.equal((await log.scrub()).verdict, "clean");
  });

  it("reports an entry with a rotten header, which a repair then restores", async () => {
    const { disk, log } = makeLog();
    const { path, offset } = payloadOf(disk, 20);
    disk.flip(path, offset - 10);
    const { damage } = await log.scrub();
    assert.deepEqual(damage.map(({ kind, firstIndex, lastIndex }) => [kind, firstIndex, lastIndex]), [[
      "frames",
      20,
      20,
    ]]);
    log.repair([entryAt(20)]);
    assert.equal((await log.scrub()).verdict, "clean");
    log.closeSync();
    const again = WalLog.openSync(FOLDER, { fileSystem: disk.fileSystem });
    assert.equal(again.recovery.verdict, "clean");
    assert.deepEqual(again.recovery.harmless, []);
    assert.deepEqual(again.entry(20), entryAt(20));
  });

  it("reports the rest of a gap after a read has found a part of it", async () => {
    const { disk, log } = makeLog();
    const [first, second] = [payloadOf(disk, 10), payloadOf(disk, 11)];
    assert.equal(first.path, second.path);
    disk.flip(first.path, first.offset - 20);
    assert.throws(() => log.entry(10), { code: "DAMAGED_ENTRY" });
    assert.deepEqual(log.damaged.map(({ firstIndex, lastIndex }) => [firstIndex, lastIndex]), [[10, 10]]);
    disk.flip(second.path, second.offset - 20);
    await log.scrub();
    assert.deepEqual(log.damaged.map(({ firstIndex, lastIndex }) => [firstIndex, lastIndex]), [[10, 11]]);
  });

  it("reports damage to redundant data as harmless: a header copy, a slot, a segment index", async () => {
    const { disk, log } = makeLog();
    const [path] = disk.files().filter((name) => name.endsWith(".seg"));
    disk.flip(path!, 100);
    disk.flip(path!, 1030);
    disk.flip(path!, disk.content(path!).length - 96);
    const report = await log.scrub();
    assert.equal(report.verdict, "clean");
    assert.deepEqual(report.harmless.map(({ kind, offset }) => [kind, offset >= SEGMENT_HEADER_BYTES]), [
      ["segment header", false],
      ["segment header", false],
      ["segment index", true],
    ]);
  });

  it("does not report a segment index that a crash tore before the next segment held a frame", async () => {
    const { disk, log } = makeLog();
    log.closeSync();
    const paths = disk.files().filter((name) => name.endsWith(".seg"));
    const [sealed, next] = [paths.at(-2)!, paths.at(-1)!];
    const segmentIndex = framesOf(disk.content(sealed)).find(({ kind }) => kind === KIND_SEGMENT_INDEX)!;
    const pages = segmentIndex.offset + FRAME_HEADER_BYTES;
    for (const isNamed of [true, false]) {
      const torn = disk.content(sealed).fill(0, pages, pages + 16);
      for (const offset of isNamed ? [] : NEXT_POINTER_OFFSETS) torn.fill(0, offset, offset + 512);
      const begun = disk.content(next).slice(0, SEGMENT_HEADER_BYTES);
      for (const offset of DURABLE_SLOT_OFFSETS) begun.fill(0, offset, offset + 512);
      const contents = new Map(paths.map((path) => [path.slice(FOLDER.length + 1), disk.content(path)]));
      contents.set(sealed.slice(FOLDER.length + 1), torn);
      contents.set(next.slice(FOLDER.length + 1), begun);
      const fileSystem = new MemoryDisk(contents);
      const reader = WalLog.openSync(MemoryDisk.PATH, { fileSystem, readOnly: true });
      const crashed = WalLog.openSync(MemoryDisk.PATH, { fileSystem: new MemoryDisk(contents), segmentBytes: 4096 });
      crashed.append([{ ...entryAt(crashed.lastIndex + 1), term: 3 }]);
      crashed.syncSync();
      for (const log of [reader, crashed]) {
        const { verdict, damage, harmless } = await log.scrub();
        assert.deepEqual([verdict, damage, harmless], ["clean", [], []], isNamed ? "named" : "not named");
      }
    }
  });

  it("reports a rotten snapshot and a missing segment", async () => {
    const { disk, log } = makeLog();
    log.applySnapshot({ index: 5, term: 1, config: [1n], data: new Uint8Array(5000).fill(7) });
    const snapshot = disk.files().find((name) => name.endsWith(".snap"))!;
    disk.flip(snapshot, 2000);
    const [, gone] = disk.files().filter((name) => name.endsWith(".seg"));
    disk.lose(gone!);
    const { damage } = await log.scrub();
    assert.deepEqual(damage.map(({ kind, path }) => [kind, path]), [["segment", gone], ["snapshot", snapshot]]);
  });

  it("works while entries are appended, truncated and compacted", async () => {
    const { log } = makeLog();
    const scrubbing = log.scrub({
      onProgress: () => {
        const next = log.lastIndex + 1;
        log.append([{ ...entryAt(next), term: 3 }]);
        if (next % 3 === 0) log.truncate(next);
        if (log.snapshotIndex === 0) log.applySnapshot({ index: 100, term: 3, config: [1n], data: new Uint8Array(10) });
      },
    });
    assert.equal((await scrubbing).verdict, "clean");
  });

  it("does not report damage that was repaired meanwhile", async () => {
    const { disk, log } = makeLog();
    const { path, offset } = payloadOf(disk, 10);
    disk.flip(path, offset + 50);
    assert.throws(() => log.entry(10), { code: "DAMAGED_ENTRY" });
    let isMended = false;
    const report = await log.scrub({
      onProgress: ({ bytesDone }) => {
        if (isMended || bytesDone < 20_000) return;
        isMended = true;
        log.repair([entryAt(10)]);
      },
    });
    assert(isMended);
    assert.deepEqual([report.verdict, report.damage, log.damaged], ["clean", [], []]);
  });

  it("ends with the signal's reason, and with the log", async () => {
    const { log } = makeLog();
    const reason = new Error("enough");
    await assert.rejects(log.scrub({ signal: AbortSignal.abort(reason) }), reason);
    const controller = new AbortController();
    const slow = log.scrub({
      bytesPerSecond: 1,
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    });
    await assert.rejects(slow, reason);
    const orphan = log.scrub({ bytesPerSecond: 1 });
    log.closeSync();
    await assert.rejects(orphan, { code: "CLOSED" });
    await assert.rejects(log.scrub(), { code: "CLOSED" });
  });

  it("ends with COMPACTED, without damage, if the writer has deleted a file", async () => {
    const { disk, log } = makeLog();
    const reader = WalLog.openSync(FOLDER, { fileSystem: disk.fileSystem, readOnly: true });
    log.compact(80);
    await assert.rejects(reader.scrub(), { code: "COMPACTED" });
    assert.deepEqual(reader.damaged, []);
    reader.closeSync();
    const later = WalLog.openSync(FOLDER, { fileSystem: disk.fileSystem, readOnly: true });
    log.compact(81);
    await assert.rejects(later.scrub(), { code: "COMPACTED" });
    assert.deepEqual(later.damaged, []);
    later.closeSync();
    log.closeSync();
  });

  it("refuses an invalid rate", async () => {
    const { log } = makeLog();
    for (const bytesPerSecond of [0, -1, NaN]) {
      await assert.rejects(log.scrub({ bytesPerSecond }), { code: "INVALID_ARGUMENT" });
    }
  });
});
