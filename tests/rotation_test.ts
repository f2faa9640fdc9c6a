/** Rotation: the order of its steps, and the log after a kill between any two of them. */

import assert from "node:assert/strict";
import { basename } from "node:path";
import { describe, it } from "node:test";
import { WalLog, WalLogError } from "../mod.ts";
import { FRAME_HEADER_BYTES, frameBytes, indexAfter, KIND_ENTRIES, KIND_SEGMENT_INDEX } from "../src/format/frame.ts";
import { NEXT_POINTER_OFFSETS } from "../src/format/header_block.ts";
import { TRAILER_BYTES } from "../src/format/segment_index.ts";
import { segmentName } from "../src/format/segment_name.ts";
import { entriesAt, entryAt, flipped, framesOf, History } from "./history.ts";
import { type Contents, MemoryDisk } from "./memory_disk.ts";
import { assertSameState, bytesOf, stateOf } from "./model.ts";
import { systemError, WatchedFileSystem } from "./watched_file_system.ts";

const PATH = MemoryDisk.PATH;
const SEGMENT_BYTES = 4096;

function openMemory(disk = new MemoryDisk()): { disk: MemoryDisk; fileSystem: WatchedFileSystem; log: WalLog } {
  const fileSystem = new WatchedFileSystem(disk);
  const log = WalLog.openSync(PATH, { fileSystem, segmentBytes: SEGMENT_BYTES });
  fileSystem.calls = [];
  return { disk, fileSystem, log };
}

function copyOf(disk: MemoryDisk): Map<string, Uint8Array> {
  return new Map([...disk.contents()].map(([name, bytes]) => [name, bytes.slice()]));
}

/** The names of a disk's segments, oldest first. */
function segmentsOf(contents: Contents): string[] {
  return [...contents.keys()].filter((name) => name.endsWith(".seg")).sort();
}

/** The index and offset of each page, from a segment's index. */
function pagesIn(segment: Uint8Array): [index: number, offset: number][] {
  const { offset } = framesOf(segment).at(-1)!;
  const view = new DataView(segment.buffer, segment.byteOffset, segment.length);
  const count = view.getUint32(segment.length - TRAILER_BYTES + 40, true);
  const at = (nth: number) => Number(view.getBigUint64(offset + FRAME_HEADER_BYTES + nth * 8, true));
  return Array.from({ length: count }, (_, page) => [at(page * 2), at(page * 2 + 1)]);
}

/** The pages of a segment's frames: each is the longest run of frames that fits into 4 KiB. */
function expectedPages(segment: Uint8Array): [index: number, offset: number][] {
  const pages: [number, number][] = [];
  for (const { kind, index, offset, end } of framesOf(segment)) {
    if (kind === KIND_ENTRIES && end - (pages.at(-1)?.[1] ?? -Infinity) > 4096) pages.push([index, offset]);
  }
  return pages;
}

/** Opens a log after a kill, for reading and for writing, and compares it with the allowed states. */
function assertSurvives(contents: Contents, history: History, least: number, when: string): void {
  for (const verify of ["full", "tail"] as const) {
    const reader = WalLog.openSync(PATH, { fileSystem: new MemoryDisk(contents), readOnly: true, verify });
    history.stepOf(stateOf(reader), least, `${when}, verify "${verify}"`);
    assert.notEqual(reader.recovery.verdict, "corrupt");
    reader.closeSync();
  }
  const disk = new MemoryDisk(contents);
  const log = WalLog.openSync(PATH, { fileSystem: disk, segmentBytes: SEGMENT_BYTES });
  const state = stateOf(log);
  history.stepOf(state, least, `${when}, for writing`);
  const killed = new MemoryDisk(copyOf(disk));
  log.append([entryAt(log.lastIndex + 1, state.lastTerm)]);
  log.closeSync();
  for (const again of [disk, killed]) {
    const log = WalLog.openSync(PATH, { fileSystem: again, segmentBytes: SEGMENT_BYTES });
    if (again === disk) log.truncate(log.lastIndex);
    assertSameState(stateOf(log), state, `${when}, opened again`);
    log.closeSync();
  }
}

describe("a rotation", () => {
  it("flushes the old data, the new file, its name, and then the pointer", () => {
    const { fileSystem, log } = openMemory();
    log.append(entriesAt(1, 7, 1, 500));
    fileSystem.calls = [];
    log.append([entryAt(8, 1, 500)]);
    const [old, next] = [segmentName(1), segmentName(2)];
    const at = (wanted: string, from = 0): number => {
      const found = fileSystem.trace.indexOf(wanted, from);
      assert.ok(found >= 0, `no "${wanted}" from ${from} on in ${fileSystem.trace.join(", ")}`);
      return found;
    };
    const data = at(`sync ${old}`);
    const created = at(`create ${next}`, data);
    const header = at(`write ${next}`, created);
    const headerFlushed = at(`sync ${next}`, header);
    const nameFlushed = at(`syncDirectory ${basename(PATH)}`, headerFlushed);
    const slot = fileSystem.calls.findIndex(({ name, operation, position }) =>
      name === old && operation === "write" && position === NEXT_POINTER_OFFSETS[0]
    );
    assert.ok(slot > nameFlushed, "the slot is written once the new segment's name is durable");
    const slotFlushed = at(`sync ${old}`, slot);
    const entry = at(`write ${next}`, slotFlushed);
    assert.equal(entry, fileSystem.calls.length - 1, "the entry is written last, once");
    const firstWriteToOld = fileSystem.trace.indexOf(`write ${old}`);
    assert.ok(firstWriteToOld > nameFlushed, "the old segment is not sealed before the new one is there");
    log.closeSync();
  });

  it("leaves a correct log after a kill at any call", () => {
    const { disk, fileSystem, log } = openMemory();
    const history = new History(log);
    history.append(...entriesAt(1, 6, 1, 500)).sync().append(entryAt(7, 1, 500));
    history.do((log) => log.setHardState({ term: 2, votedFor: 2n }));
    const left: { contents: Contents; steps: number; call: string }[] = [];
    fileSystem.fail = ({ operation, name }) => {
      left.push({ contents: copyOf(disk), steps: history.states.length - 1, call: `${operation} ${name}` });
    };
    for (const entry of entriesAt(8, 16, 2, 500)) history.append(entry);
    history.do((log) => log.truncate(5)); // into the first segment
    for (const entry of entriesAt(5, 12, 3, 600)) history.append(entry);
    fileSystem.rest();
    log.closeSync();
    assert.ok(left.length > 40, `${left.length} calls`);
    // A kill loses no completed call. Only the running call may or may not have taken effect.
    for (const { contents, steps, call } of left) assertSurvives(contents, history, steps, `killed before ${call}`);
    assertSurvives(disk.contents(), history, history.states.length - 1, "closed");
  });

  it("is completed by recovery after a kill at any call, even if recovery is killed too", () => {
    const { disk, log } = openMemory();
    const history = new History(log);
    history.append(...entriesAt(1, 10, 1, 500)).sync();
    history.do((log) => log.truncate(9));
    history.append(...entriesAt(9, 11, 2, 500));
    let contents: Contents = copyOf(disk);
    // Each recovery is killed one call later than the previous one, and the next one starts from its state.
    for (let at = 1; at <= 60; at++) {
      const next = new MemoryDisk(contents);
      const fileSystem = new WatchedFileSystem(next);
      let calls = 0;
      fileSystem.fail = () => {
        if (++calls === 1 + at % 14) throw systemError("EIO");
      };
      try {
        WalLog.openSync(PATH, { fileSystem, segmentBytes: SEGMENT_BYTES });
      } catch (error) {
        assert.ok(error instanceof WalLogError && error.code === "IO", `${error}`);
      }
      contents = copyOf(next);
      const reader = WalLog.openSync(PATH, { fileSystem: new MemoryDisk(contents), readOnly: true });
      assertSameState(stateOf(reader), history.last, `after ${at} recoveries`);
      reader.closeSync();
    }
    assertSurvives(contents, history, history.states.length - 1, "after all");
  });

  it("happens exactly when the next frames do not fit, and never splits a batch", () => {
    const room = SEGMENT_BYTES;
    for (const more of [-16, -8, 0, 8]) {
      const { disk, log } = openMemory();
      log.append([entryAt(1, 1, 1000)]);
      const size = room - frameBytes(1000) - frameBytes(0) + more;
      log.append([entryAt(2, 1, size)]);
      const { segments } = log.stats();
      log.closeSync();
      const [first] = segmentsOf(disk.contents());
      const held = framesOf(disk.contents().get(first!)!).filter(({ kind }) => kind === KIND_ENTRIES).length;
      assert.equal(held, segments === 1 ? 2 : 1, `${more} bytes beyond what fits`);
      if (more > 0) assert.equal(segments, 2);
    }
    const { disk, log } = openMemory();
    log.append(entriesAt(1, 3, 1, 100));
    log.append(entriesAt(4, 60, 1, 1000)); // larger than a segment
    log.append(entriesAt(61, 63, 1, 100));
    log.closeSync();
    const batches = segmentsOf(disk.contents()).map((name) =>
      framesOf(disk.contents().get(name)!).filter(({ kind }) => kind === KIND_ENTRIES)
    );
    const ranges = batches.map((frames) => [frames[0]!.index, indexAfter(frames.at(-1)!) - 1]);
    assert.deepEqual(ranges, [[1, 3], [4, 60], [61, 63]]);
  });

  it("also happens for hard states, truncations and snapshots", () => {
    const { disk, log } = openMemory();
    const history = new History(log);
    history.append(...entriesAt(1, 5));
    for (let term = 1; term <= 250; term++) {
      history.do((log) => log.setHardState({ term, votedFor: BigInt(term) }));
    }
    assert.ok(log.stats().segmentsSealed >= 2, "hard states");
    const sealed = log.stats().segmentsSealed;
    for (let time = 1; time <= 100; time++) {
      history.do((log) => log.truncate(5), (log) => log.append([entryAt(5, time)]));
    }
    assert.ok(log.stats().segmentsSealed >= sealed + 2, "truncations");
    log.closeSync();
    assertSurvives(disk.contents(), history, history.states.length - 1, "closed");
  });

  it("seals a segment with a segment index at the very end of the file", () => {
    const { disk, log } = openMemory();
    for (const entry of entriesAt(1, 40, 1, 500)) log.append([entry]);
    log.closeSync();
    const contents = disk.contents();
    const names = segmentsOf(contents);
    assert.ok(names.length >= 5);
    for (const name of names.slice(0, -1)) {
      const bytes = contents.get(name)!;
      const segmentIndex = framesOf(bytes).at(-1)!;
      assert.equal(segmentIndex.kind, KIND_SEGMENT_INDEX, name);
      assert.equal(segmentIndex.end, bytes.length, name);
      assert.equal(new TextDecoder().decode(bytes.subarray(-TRAILER_BYTES, -TRAILER_BYTES + 8)), "WALLOGFT", name);
    }
  });

  for (const restarts of [false, true]) {
    it(`lists the pages of the frames${restarts ? " that recovery scanned" : ""} in the segment index`, () => {
      const disk = new MemoryDisk();
      const options = { fileSystem: disk, segmentBytes: 2 ** 17 };
      let log = WalLog.openSync(PATH, options);
      for (let batch = 0; segmentsOf(disk.contents()).length < 2; batch++) {
        if (restarts && batch === 6) {
          log.closeSync();
          log = WalLog.openSync(PATH, options);
        }
        const size = [0, 100, 1024, 2024, 2025, 4096][batch % 6]!;
        log.append(entriesAt(log.lastIndex + 1, log.lastIndex + 7, 1, size));
      }
      log.closeSync();
      const bytes = disk.contents().get(segmentName(1))!;
      assert.deepEqual(pagesIn(bytes), expectedPages(bytes));
    });
  }

  it("needs no segment index: a damaged one is ignored", () => {
    const { disk, log } = openMemory();
    const history = new History(log);
    history.append(...entriesAt(1, 7, 1, 500), ...entriesAt(8, 12, 2, 500));
    history.do((log) => log.truncate(6));
    history.append(...entriesAt(6, 20, 3, 500));
    log.closeSync();
    const contents = copyOf(disk);
    for (const name of segmentsOf(contents).slice(0, 2)) {
      const bytes = contents.get(name)!;
      const segmentIndex = framesOf(bytes).at(-1)!;
      for (let at = segmentIndex.offset; at < bytes.length; at += 3) {
        const damaged = new Map(contents).set(name, flipped(bytes, at, at % 8));
        for (const verify of ["full", "tail"] as const) {
          const reader = WalLog.openSync(PATH, { fileSystem: new MemoryDisk(damaged), readOnly: true, verify });
          assertSameState(stateOf(reader), history.last, `byte ${at} of ${name}, verify "${verify}"`);
          reader.closeSync();
        }
      }
    }
  });

  it("never reuses a number, not even after a failure, a compaction or a crash", () => {
    const { disk, fileSystem, log } = openMemory();
    log.append(entriesAt(1, 7, 1, 500));
    let failures = 3;
    fileSystem.fail = ({ operation, name }) => {
      if (operation === "create" && name.endsWith(".seg") && failures-- > 0) throw systemError("ENOSPC");
    };
    for (let time = 0; time < 3; time++) assert.throws(() => log.append([entryAt(8, 1, 500)]), { code: "NO_SPACE" });
    const created: string[] = [];
    const fail = fileSystem.fail;
    fileSystem.fail = (call) => {
      fail(call);
      if (call.operation === "create" && call.name.endsWith(".seg")) created.push(call.name);
    };
    log.append([entryAt(8, 1, 500)]);
    assert.deepEqual(created, [segmentName(5)]);
    log.applySnapshot({ index: 8, term: 1, config: [], data: bytesOf(3) });
    for (const entry of entriesAt(9, 30, 1, 500)) log.append([entry]);
    log.applySnapshot({ index: 30, term: 1, config: [], data: bytesOf(3) });
    const again = openMemory(new MemoryDisk(copyOf(disk)));
    for (const entry of entriesAt(31, 50, 1, 500)) again.log.append([entry]);
    created.push(...segmentsOf(again.disk.contents()).filter((name) => !created.includes(name)));
    assert.equal(new Set(created).size, created.length);
    assert.deepEqual(created, [...created].sort());
    again.log.closeSync();
    log.closeSync();
  });
});

describe("an unfinished segment of an opening", () => {
  it("is removed durably after its replacement, so that no crash brings it back", () => {
    const { disk, fileSystem, log } = openMemory();
    log.append(entriesAt(1, 3));
    log.syncSync();
    const killed = new MemoryDisk(copyOf(disk));
    fileSystem.calls = [];
    const watched = new WatchedFileSystem(killed);
    watched.fail = ({ operation, name }) => {
      if (operation === "truncate" && name === segmentName(1)) throw systemError("EIO");
    };
    assert.throws(() => WalLog.openSync(PATH, { fileSystem: watched }), { code: "IO" });
    assert.deepEqual(segmentsOf(killed.contents()), [segmentName(1), segmentName(2)]);
    watched.fail = () => {};
    watched.calls = [];
    const again = WalLog.openSync(PATH, { fileSystem: watched });
    assert.deepEqual(segmentsOf(killed.contents()), [segmentName(1), segmentName(3)]);
    const removed = watched.trace.indexOf(`remove ${segmentName(2)}`);
    assert.equal(watched.calls[removed + 1]!.operation, "syncDirectory");
    again.closeSync();
    log.closeSync();
  });
});

describe("a truncation", () => {
  it("over several sealed segments survives reopening, in every way of reading", () => {
    for (const from of [1, 2, 7, 8, 9, 15, 20, 29]) {
      const { disk, log } = openMemory();
      const history = new History(log);
      history.append(...entriesAt(1, 30, 1, 500));
      history.do((log) => log.truncate(from));
      const killed = copyOf(disk);
      assertSurvives(killed, history, history.states.length - 1, `truncated from ${from}`);
      history.append(...entriesAt(from, from + 20, 2, 500));
      history.do((log) => log.truncate(from + 3));
      history.append(...entriesAt(from + 3, from + 9, 3, 500));
      log.closeSync();
      assertSurvives(
        disk.contents(),
        history,
        history.states.length - 1,
        `truncated from ${from} and from ${from + 3}`,
      );
    }
  });
});
