/**
 * Segments below the snapshot. Compaction deletes the oldest first, and flushes no deletion. So a crash can bring any
 * of them back, which is not damage.
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import { KIND_ENTRIES, KIND_TRUNCATE } from "../src/format/frame.ts";
import { SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";
import { segmentName } from "../src/format/segment_name.ts";
import { entriesAt, entryAt, framesOf } from "./history.ts";
import { type Contents, MemoryDisk } from "./memory_disk.ts";
import { assertSameEntries } from "./model.ts";

const PATH = MemoryDisk.PATH;
const SEGMENT_BYTES = 4096;
/** The snapshot's index. The snapshot covers a part of segment 5. */
const SNAPSHOT = 17;
const LAST = 24;

function openLog(disk: MemoryDisk, options: { readOnly?: boolean; onDamage?: "keep" } = {}): WalLog {
  return WalLog.openSync(PATH, { fileSystem: disk, segmentBytes: SEGMENT_BYTES, ...options });
}

/** The segments of a folder. */
function segmentsOf(disk: MemoryDisk): string[] {
  return [...disk.contents().keys()].filter((name) => name.endsWith(".seg")).sort();
}

/** A log of four entries a segment, before and after a compaction, each copied while its writer has it open. */
function compacted(): { readonly before: Contents; readonly after: Contents } {
  const disk = new MemoryDisk();
  const log = openLog(disk);
  log.setHardState({ term: 1, votedFor: 2n });
  for (const entry of entriesAt(1, LAST, 1, 900)) log.append([entry]);
  log.syncSync();
  const before = new Map(disk.contents());
  log.applySnapshot({ index: SNAPSHOT, term: 1, config: [1n], data: new Uint8Array(10) });
  return { before, after: new Map(disk.contents()) };
}

/** The log after a crash that undid some of the deletions. */
function crashed(numbers: readonly number[]): MemoryDisk {
  const { before, after } = compacted();
  const contents = new Map(after);
  for (const number of numbers) {
    const name = segmentName(number);
    assert(before.has(name) && !after.has(name), `compaction did not delete ${name}`);
    contents.set(name, before.get(name)!);
  }
  return new MemoryDisk(contents);
}

/** Fails unless the log is complete and reports no damage. */
function assertWhole(log: WalLog, when: string): void {
  const { recovery } = log;
  assert.deepEqual([recovery.verdict, recovery.damage, recovery.harmless], ["clean", [], []], when);
  assert.deepEqual([log.snapshotIndex, log.lastIndex, log.hardState], [SNAPSHOT, LAST, { term: 1, votedFor: 2n }]);
  assertSameEntries(log.entries(1, LAST), entriesAt(SNAPSHOT + 1, LAST, 1, 900), when);
}

describe("a segment below the snapshot", () => {
  const needed = [...compacted().after.keys()].filter((name) => name.endsWith(".seg"));
  const deleted = Array.from({ length: Number(needed.sort()[0]!.slice(0, 12)) - 1 }, (_, i) => i + 1);

  it("is not reported when a crash brings back any of them", () => {
    assert(deleted.length >= 3);
    for (let set = 0; set < 2 ** deleted.length; set++) {
      const back = deleted.filter((_, i) => set & 1 << i);
      const disk = crashed(back);
      const before = segmentsOf(disk);
      const reader = openLog(disk, { readOnly: true });
      assertWhole(reader, `read with ${back}`);
      assert.equal(reader.recovery.segments, needed.length);
      assert.deepEqual(segmentsOf(disk), before, "a reader removed a file");
      const log = openLog(disk);
      assertWhole(log, `written with ${back}`);
      assert.deepEqual(segmentsOf(disk).slice(0, needed.length), needed, "a leftover is still there");
      log.closeSync();
      assertWhole(openLog(disk), `opened again with ${back}`);
    }
  });

  it("is removed oldest first", () => {
    const disk = crashed([1, 3]);
    const removed: string[] = [];
    const { remove } = disk;
    disk.remove = (path) => {
      removed.push(path.slice(PATH.length + 1));
      remove.call(disk, path);
    };
    openLog(disk);
    assert.deepEqual(removed, [segmentName(1), segmentName(3)]);
  });

  it("is removed only after the pointer to the newest segment is durable", () => {
    const disk = new MemoryDisk();
    const log = openLog(disk);
    for (const entry of entriesAt(1, 5, 1, 900)) log.append([entry]);
    const previous = disk.contents().get(segmentName(1))!.slice();
    assert.deepEqual(segmentsOf(disk), [segmentName(1), segmentName(2)]);
    log.applySnapshot({ index: 4, term: 1, config: [1n], data: new Uint8Array(10) });
    // Without the pointer to segment 2, a later loss of segment 2 would leave a log that ends with segment 1.
    const crashed = new MemoryDisk(new Map([...disk.contents(), [segmentName(1), previous]]));
    const calls: string[] = [];
    const { remove } = crashed;
    crashed.remove = (path) => {
      calls.push(`remove ${path.slice(PATH.length + 1)}`);
      remove.call(crashed, path);
    };
    const open = crashed.open.bind(crashed);
    crashed.open = (path, mode) => {
      const file = open(path, mode);
      file.sync = () => void calls.push(`sync ${path.slice(PATH.length + 1)}`);
      return file;
    };
    openLog(crashed);
    const own = calls.filter((call) => call.endsWith(segmentName(1)));
    // Each copy of the pointer has its own flush.
    assert.deepEqual(own, [`sync ${segmentName(1)}`, `sync ${segmentName(1)}`, `remove ${segmentName(1)}`]);
  });

  it("is not reported if it is damaged", () => {
    for (const [from, to] of [[0, SEGMENT_HEADER_BYTES], [SEGMENT_HEADER_BYTES, SEGMENT_HEADER_BYTES + 400]] as const) {
      const contents = new Map(crashed([1, 3]).contents());
      contents.set(segmentName(3), contents.get(segmentName(3))!.slice().fill(0xff, from, to));
      assertWhole(openLog(new MemoryDisk(contents)), `damaged from byte ${from}`);
    }
  });

  it("is kept while the log is damaged", () => {
    const disk = crashed([1]);
    const contents = new Map(disk.contents());
    const name = needed[1]!;
    contents.set(name, contents.get(name)!.slice().fill(0, SEGMENT_HEADER_BYTES + 100, SEGMENT_HEADER_BYTES + 200));
    const damaged = new MemoryDisk(contents);
    const log = openLog(damaged, { onDamage: "keep" });
    assert.deepEqual(log.damaged.map(({ path }) => path), [`${PATH}/${name}`]);
    assert(segmentsOf(damaged).includes(segmentName(1)));
  });

  it("is kept if it is the newest one", () => {
    const disk = new MemoryDisk();
    const log = openLog(disk);
    log.append([entryAt(1)]);
    log.applySnapshot({ index: 1, term: 1, config: [1n], data: new Uint8Array(10) });
    log.closeSync();
    const again = openLog(disk);
    assert.deepEqual([again.recovery.verdict, again.snapshotIndex, segmentsOf(disk)], ["clean", 1, [segmentName(1)]]);
  });

  it("is reported while it may have held an unexplained truncation", () => {
    const disk = new MemoryDisk();
    const log = openLog(disk);
    log.applySnapshot({ index: 5, term: 1, config: [1n], data: new Uint8Array(10) });
    log.append(entriesAt(6, 7));
    log.truncate(6);
    log.setHardState({ term: 1, votedFor: null });
    log.syncSync();
    log.setHardState({ term: 1, votedFor: null }); // Its frame proves the flush.
    // Kill the writer, so that no checkpoint follows the gap.
    const contents = new Map(disk.contents());
    const first = contents.get(segmentName(1))!;
    const frames = framesOf(first);
    const from = frames.find(({ kind }) => kind === KIND_ENTRIES)!.offset;
    const to = frames.find(({ kind }) => kind === KIND_TRUNCATE)!.end;
    contents.set(segmentName(1), first.slice().fill(0, from, to));
    const damaged = new MemoryDisk(contents);
    for (let opening = 0; opening < 3; opening++) {
      const again = openLog(damaged, { onDamage: "keep" });
      assert.equal(again.damaged[0]!.path, `${PATH}/${segmentName(1)}`, `opening ${opening}`);
      if (opening === 2) {
        again.setHardState({ term: 2, votedFor: null }, { force: true });
        again.applySnapshot({ index: 9, term: 2, config: [1n], data: new Uint8Array(10) });
      }
      again.closeSync();
    }
    const healed = openLog(damaged);
    assert.deepEqual([healed.recovery.verdict, healed.recovery.harmless], ["clean", []]);
    assert(!segmentsOf(damaged).includes(segmentName(1)));
  });
});

describe("the first segment of a log", () => {
  it("is not reported missing if a crash lost its name in an empty log", () => {
    const disk = new MemoryDisk();
    // The first writer is killed before it has flushed the folder. So is the second one, which created segment 2.
    openLog(disk);
    const killed = new MemoryDisk(disk.contents());
    openLog(killed);
    const contents = new Map(killed.contents());
    assert(contents.delete(segmentName(1)) && contents.delete("IDENTITY"));
    const log = openLog(new MemoryDisk(contents));
    assert.deepEqual([log.recovery.verdict, log.recovery.harmless, log.lastIndex], ["clean", [], 0]);
  });
});
