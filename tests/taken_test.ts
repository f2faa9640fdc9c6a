/**
 * Arguments that change while they are read: objects with accessors, proxies, arrays with a fake length. A log must
 * write exactly the values that it checked, and read them after a restart.
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type CompactOptions,
  type LogEntry,
  MemoryLog,
  type RaftLog,
  type Snapshot,
  type SnapshotMeta,
  WalLog,
  WalLogError,
} from "../mod.ts";
import { KIND_ENTRIES } from "../src/format/frame.ts";
import { TERM_UNKNOWN } from "../src/format/numbers.ts";
import type { HardState, Index } from "../src/api/types.ts";
import { checkAppend } from "../src/api/validate.ts";
import { entryAt, flipped, framesOf } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { assertSameEntries, assertSameState, stateOf } from "./model.ts";

const PATH = MemoryDisk.PATH;
/** So small that batches fill segments. In bytes. */
const SEGMENT_BYTES = 4096;
/** Larger than the write buffer, in bytes. */
const LARGE_BYTES = 5 * 1024 * 1024;

/** An object whose fields return the listed values one after the other, and then the last one repeatedly. */
function fickle<T extends object>(answers: Readonly<Record<keyof T, readonly unknown[]>>): T {
  const fields = Object.entries<readonly unknown[]>(answers).map(([name, values]) => {
    let asked = 0;
    return [name, { enumerable: true, get: () => values[Math.min(asked++, values.length - 1)] }] as const;
  });
  return Object.defineProperties({}, Object.fromEntries(fields)) as T;
}

/** An entry that runs a function when its term is read. */
function entryThat(index: Index, act: () => void, bytes = 8): LogEntry {
  const entry = entryAt(index, 1, bytes);
  return Object.defineProperty({ ...entry }, "term", { get: () => (act(), 1) });
}

/** A log, and a way to close and open it again. */
interface Subject {
  readonly log: RaftLog;
  readonly reopen: () => RaftLog;
}

function onDisk(segmentBytes: number): Subject {
  const disk = new MemoryDisk();
  const open = () => WalLog.openSync(PATH, { fileSystem: disk, segmentBytes });
  const log = open();
  return { log, reopen: () => (log.closeSync(), open()) };
}

function inMemory(): Subject {
  const log = new MemoryLog();
  return { log, reopen: () => log };
}

const SUBJECTS: readonly (readonly [name: string, make: () => Subject])[] = [
  ["MemoryLog", inMemory],
  ["WalLog", () => onDisk(64 * 1024 * 1024)],
  ["WalLog with small segments", () => onDisk(SEGMENT_BYTES)],
];

for (const [name, make] of SUBJECTS) {
  /** Runs a test that ends with reopening the log. */
  const test = (sentence: string, body: (log: RaftLog) => void): void => {
    it(sentence, () => {
      const { log, reopen } = make();
      body(log);
      const before = stateOf(log);
      assertSameState(stateOf(reopen()), before, "after reopening");
    });
  };

  describe(`${name}: each argument is read once`, () => {
    for (const bytes of [10, LARGE_BYTES]) {
      test(`the fields of an entry of ${bytes} bytes`, (log) => {
        const { command } = entryAt(2, 1, bytes);
        const second = fickle<LogEntry>({
          term: [3, -5, 2 ** 53],
          index: [2, 7, NaN],
          kind: ["config", "normal", "snapshot"],
          command: [command],
        });
        log.append([entryAt(1, 1), second, entryAt(3, 4)]);
        assertSameEntries(log.entries(2, 2), [{ term: 3, index: 2, kind: "config", command }], "read");
      });
    }

    test("a command that changes with each read has the length of its bytes", (log) => {
      const commands = [8, 3000, 0, 100].map((length) => new Uint8Array(length).fill(length));
      for (let i = 0; i < commands.length; i++) {
        const entry = fickle<LogEntry>({ term: [1], index: [i + 1], kind: ["normal"], command: commands.slice(i) });
        log.append([entry]);
        assert.ok(commands.some(({ length }) => length === log.entry(i + 1)!.command.length));
      }
      log.append([entryAt(5)]);
    });

    test("a list with a wrong length or iterator", (log) => {
      const fields = {
        get: (target: LogEntry[], key: keyof LogEntry[]) => key === "length" ? lengths.shift() ?? 2 : target[key],
      };
      let lengths = [2, 1, 3];
      log.append(new Proxy([entryAt(1), entryAt(2)], fields as ProxyHandler<LogEntry[]>));
      const next = log.lastIndex + 1;
      lengths = [NaN, 2];
      log.append(new Proxy([entryAt(next), entryAt(next + 1)], fields as ProxyHandler<LogEntry[]>));
      const list = [entryAt(log.lastIndex + 1)];
      list[Symbol.iterator] = () => [entryAt(1)].values();
      try {
        log.append(list);
      } catch (error) {
        assert.equal((error as WalLogError).code, "NOT_CONTIGUOUS");
      }
    });

    test("an array's wrong length never makes a frame unreadable", (log) => {
      for (const length of [2, -3, 2.5, NaN, 2 ** 32 + 8, "8"]) {
        const command = Object.defineProperty(new Uint8Array(8).fill(7), "length", { value: length });
        try {
          log.append([{ term: 1, index: log.lastIndex + 1, kind: "normal", command }]);
        } catch (error) {
          assert.ok(error instanceof WalLogError && !error.isFatal, String(error));
        }
      }
      log.append([entryAt(log.lastIndex + 1)]);
    });

    test("a proxy of bytes is refused", (log) => {
      const proxy = new Proxy(new Uint8Array(8), {});
      for (const command of [proxy, Object.create(Uint8Array.prototype)]) {
        const message = /: Cannot append at index 1: the command must be a Uint8Array, found an object \(Object\)$/;
        assert.throws(() => log.append([{ ...entryAt(1), command }]), message);
      }
      const snapshot = { index: 1, term: 1, config: [], data: proxy };
      assert.throws(() => log.applySnapshot(snapshot), /at index 1: the data must be a Uint8Array, found an object/);
    });

    test("the hard state", (log) => {
      log.setHardState(fickle<HardState>({ term: [3, -5, "3"], votedFor: [7n, -1n, 2n ** 64n] }));
      assert.deepEqual({ ...log.hardState }, { term: 3, votedFor: 7n });
      log.setHardState(fickle<HardState>({ term: [4], votedFor: [null, 9n] }));
      assert.deepEqual({ ...log.hardState }, { term: 4, votedFor: null });
    });

    test("a snapshot", (log) => {
      const data = new Uint8Array(100).fill(1);
      log.applySnapshot(fickle<Snapshot>({
        index: [5, 6, -1],
        term: [2, -5, 0.5],
        config: [[1n, 2n], [-1n], "none"],
        meta: [data.subarray(0, 9), "none"],
        data: [data, "none", new Uint8Array(3)],
      }));
      assert.deepEqual(log.snapshot(), { index: 5, term: 2, config: [1n, 2n], meta: data.slice(0, 9), data });
      const config = [3n];
      config[Symbol.iterator] = () => [4n].values();
      const lying = Object.defineProperty(data.slice(), "length", { value: 7 });
      log.applySnapshot({ index: 6, term: 2, config, meta: lying, data: lying });
      assert.deepEqual([log.snapshot()?.data, log.snapshot()?.meta], [data, data]);
    });
  });

  describe(`${name}: reading the options of compact`, () => {
    test("reads each option once", (log) => {
      log.append([entryAt(1), entryAt(2), entryAt(3)]);
      const data = new Uint8Array(100).fill(1);
      log.compact(
        2,
        fickle<Required<CompactOptions>>({
          data: [data, "none", undefined],
          config: [[1n, 2n], "none"],
          meta: [data, "none"],
        }),
      );
      assert.deepEqual(log.snapshot(), { index: 2, term: 1, config: [1n, 2n], meta: data, data });
    });

    test("checks the index against the log after a getter has changed it", (log) => {
      log.append([entryAt(1), entryAt(2), entryAt(3)]);
      const options = Object.defineProperty({}, "data", { get: () => (log.truncate(3), undefined) });
      assert.throws(() => log.compact(3, options), /: Cannot compact through index 3: the log ends at index 2$/);
      assert.equal(log.snapshotIndex, 0);
    });
  });

  describe(`${name}: reading an argument calls the log`, () => {
    for (const bytes of [8, LARGE_BYTES]) {
      test(`to append, so that an entry of ${bytes} bytes is no longer the next one`, (log) => {
        let nested = 0;
        const entry = entryThat(1, () => nested++ === 0 && log.append([entryAt(1, 1, 20)]), bytes);
        assert.throws(() => log.append([entry]), /: Cannot append at index 1: expected index 2$/);
        assertSameEntries(log.entries(1, 9), [entryAt(1, 1, 20)], "what came first");
      });
    }

    test("to append without success", (log) => {
      const entries = [
        entryAt(1, 1, 100),
        entryThat(2, () => assert.throws(() => log.append([entryAt(1, 1, 8), entryAt(3)])), 30),
        entryAt(3, 1, 50),
      ];
      log.append(entries);
      assertSameEntries(log.entries(1, 9), [1, 2, 3].map((i) => entryAt(i, 1, [0, 100, 30, 50][i]!)), "read");
    });

    test("to set the hard state, to truncate, to install a snapshot", (log) => {
      log.append([entryAt(1), entryAt(2), entryAt(3)]);
      log.append([entryAt(4), entryThat(5, () => log.setHardState({ term: 9, votedFor: 1n }))]);
      assert.throws(() => log.append([entryAt(6), entryThat(7, () => log.truncate(5))]), /expected index 5$/);
      const snapshot = { index: 20, term: 5, config: [1n], data: new Uint8Array(10) };
      assert.throws(() => log.append([entryThat(5, () => log.applySnapshot(snapshot))]), /expected index 21$/);
      log.append([entryAt(21, 5)]);
      assert.equal(log.hardState.term, 9);
    });

    test("with many entries, so that it rotates in between", (log) => {
      for (let round = 0; round < 40; round++) {
        const next = log.lastIndex + 1;
        const nested = entryThat(next + 1, () => log.syncSync(), 700);
        log.append([entryAt(next, 1, 600), nested, entryAt(next + 2, 1, 800)]);
      }
      assert.equal(log.lastIndex, 120);
      for (let index = 1; index <= 120; index++) {
        assert.equal(log.entry(index)!.command.length, [800, 600, 700][index % 3]);
      }
    });
  });
}

describe("WalLog: an argument", () => {
  it("needs a valid term, even if the previous term is lost", () => {
    const entry = { ...entryAt(6), term: -1 };
    assert.throws(() => checkAppend([entry], 5, TERM_UNKNOWN, 100), /must be a safe integer of 0 or more, found -1$/);
    assert.equal(checkAppend([entryAt(6)], 5, TERM_UNKNOWN, 100), entryAt(6).command.length);
  });

  it("can close the log, which then rejects it", async () => {
    const disk = new MemoryDisk();
    for (const close of [(log: WalLog) => log.closeSync(), (log: WalLog) => void log.close()]) {
      const log = WalLog.openSync(PATH, { fileSystem: disk });
      const hardState = Object.defineProperty({ votedFor: null }, "term", { get: () => (close(log), 3) });
      const code = { code: "CLOSED" };
      const index = log.lastIndex + 1;
      if (log.hardState.term === 0) assert.throws(() => log.append([entryThat(index, () => close(log))]), code);
      assert.throws(() => log.setHardState(hardState as never), code);
      await log.close();
    }
    const again = WalLog.openSync(PATH, { fileSystem: disk });
    assert.deepEqual([again.lastIndex, again.hardState.term, again.recovery.verdict], [0, 0, "clean"]);
  });

  it("for a streamed snapshot is read once", async () => {
    const disk = new MemoryDisk();
    const log = WalLog.openSync(PATH, { fileSystem: disk });
    const data = new Uint8Array(1000).fill(1);
    const lying = Object.defineProperty(data.slice(), "length", { value: 7 });
    const of = { term: [2, -5], config: [[1n], [-1n]], meta: [data, "none"] };
    const meta = (index: Index) => fickle<SnapshotMeta>({ index: [index, -1], ...of });
    const received = log.receiveSnapshot(meta(5)).getWriter();
    await received.write(lying);
    await received.close();
    assert.deepEqual(log.snapshot(), { index: 5, term: 2, config: [1n], meta: data, data });
    log.append([entryAt(6, 2), entryAt(7, 2)]);
    const created = log.createSnapshot(meta(6)).getWriter();
    await created.write(lying);
    await created.close();
    log.closeSync();
    const again = WalLog.openSync(PATH, { fileSystem: disk });
    assert.deepEqual(again.snapshot(), { index: 6, term: 2, config: [1n], meta: data, data });
  });

  it("for a repair is read once", () => {
    const disk = new MemoryDisk();
    const entries = [1, 2, 3, 4].map((index) => entryAt(index, 1, 3000));
    const written = WalLog.openSync(PATH, { fileSystem: disk, segmentBytes: SEGMENT_BYTES });
    for (const entry of entries) written.append([entry]);
    written.closeSync();
    const first = "000000000001.seg";
    const bytes = disk.contents().get(first)!;
    const damaged = framesOf(bytes).find(({ kind }) => kind === KIND_ENTRIES)!;
    const holed = new MemoryDisk(new Map(disk.contents()).set(first, flipped(bytes, damaged.end - 100, 0)));
    const log = WalLog.openSync(PATH, { fileSystem: holed, onDamage: "keep" });
    assert.equal(log.damaged.length, 1);
    const { command } = entries[0]!;
    const other = new Uint8Array(command.length);
    log.repair([
      fickle<LogEntry>({ term: [1, -5], index: [1, 2], kind: ["normal", "config"], command: [command, other] }),
    ]);
    log.closeSync();
    assertSameEntries(WalLog.openSync(PATH, { fileSystem: holed }).entries(1, 4), entries, "repaired");
  });
});
