/**
 * What every log must do, whatever it is made of: one suite, run against each implementation.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { META_BYTES_MAX } from "../src/format/snapshot_header.ts";
import { WalLogError, type WalLogErrorCode } from "../src/api/errors.ts";
import type { CompactOptions, HardState, Index, LogEntry, RaftLog, Snapshot, Term } from "../src/api/types.ts";
import { assertSameState, bytesOf, type Filling, stateOf } from "./model.ts";

/** A log under test. */
export interface Subject {
  /** The log, empty. */
  readonly log: RaftLog;
  /** Closes the log and opens it again. Absent if it does not outlive its object. */
  readonly reopen?: () => RaftLog;
  /** Frees what the log holds. */
  readonly dispose: () => void;
}

/** The largest command that a log takes by default. In bytes: 64 MiB. */
const ENTRY_BYTES_MAX = 64 * 1024 * 1024;

/** The last index and the largest term there can be. */
const MAX = Number.MAX_SAFE_INTEGER;

/** The largest node identity. */
const NODE_ID_MAX = 2n ** 64n - 1n;

/** Sizes around those of copies, vectors, hash blocks, sectors, pages and buffers. In bytes. */
const SIZES = [
  ...Array.from({ length: 101 }, (_, size) => size),
  ...[127, 128, 129, 239, 240, 241, 242, 255, 256, 257, 511, 512, 513, 1023, 1024, 1025, 2047, 2048, 2049],
  ...[4055, 4056, 4057, 4095, 4096, 4097, 8191, 8192, 8193, 65_535, 65_536, 65_537],
  ...[1024 * 1024 - 1, 1024 * 1024, 1024 * 1024 + 1, 3 * 1024 * 1024],
];

/** Passes a value where the types forbid it. */
function forbidden<T>(value: unknown): T {
  return value as T;
}

/** An entry of 8 bytes, no two of which are alike. */
function entryAt(
  index: Index,
  term: Term = 1,
  command: Uint8Array<ArrayBuffer> = bytesOf(8, "noise", index),
): LogEntry {
  return { term, index, kind: "normal", command };
}

/** The entries of a range, all of one term. */
function range(from: Index, to: Index, term: Term = 1): LogEntry[] {
  return Array.from({ length: to - from + 1 }, (_, i) => entryAt(from + i, term));
}

/** Options with a meta that no snapshot can have. */
const REFUSED_META: readonly [{ readonly meta: unknown }, RegExp][] = [
  [{ meta: [1] }, /the meta must be a Uint8Array, found an array$/],
  [{ meta: null }, /the meta must be a Uint8Array, found null$/],
  [{ meta: "meta" }, /the meta must be a Uint8Array, found "meta"$/],
  [{ meta: new ArrayBuffer(3) }, /the meta must be a Uint8Array, found /],
  [{ meta: detachedBytes() }, /the meta's buffer was transferred away$/],
  [
    { meta: new Uint8Array(META_BYTES_MAX + 1) },
    /the meta must have at most 1048576 bytes, found 1048577$/,
  ],
];

function detachedBytes(): Uint8Array {
  const bytes = new Uint8Array(10);
  structuredClone(bytes, { transfer: [bytes.buffer] });
  return bytes;
}

/** A snapshot with 40 bytes of data and 13 of meta. */
function snapshotAt(index: Index, term: Term, data: Uint8Array<ArrayBuffer> = bytesOf(40, "noise", index)): Snapshot {
  return { index, term, config: [1n, 2n, NODE_ID_MAX], meta: bytesOf(13, "noise", term), data };
}

/** A log with a snapshot at 10 and entries 11 to 20: terms 3 to 15 and 4 above. */
function fill(log: RaftLog): void {
  log.append([...range(1, 5, 1), ...range(6, 15, 3), ...range(16, 20, 4)]);
  log.setHardState({ term: 5, votedFor: 3n });
  log.applySnapshot(snapshotAt(10, 3));
}

/** Fails unless a call is refused with a code and a message, and the log is exactly as it was. */
function refuses(log: RaftLog, code: WalLogErrorCode, message: RegExp, call: () => unknown): void {
  const before = stateOf(log);
  assert.throws(call, (error) => {
    assert.ok(error instanceof WalLogError, `a WalLogError, found ${error}`);
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    assert.equal(error.isFatal, false, "a refusal is not fatal");
    return true;
  });
  assertSameState(stateOf(log), before, `after a refusal (${message})`);
}

/** Fails unless the log still does its work. */
function works(log: RaftLog): void {
  const next = log.lastIndex + 1;
  log.append([entryAt(next, log.lastTerm)]);
  assert.equal(log.lastIndex, next);
  assert.equal(log.syncSync(), next);
  log.truncate(next);
  assert.equal(log.lastIndex, next - 1);
}

/** Overwrites bytes as a caller may who thinks them its own. */
function scribble(bytes: Uint8Array | undefined): void {
  assert.ok(bytes !== undefined && bytes.byteLength > 0, "nothing to overwrite");
  for (let i = 0; i < bytes.byteLength; i++) bytes[i] = (bytes[i] as number) ^ 0xff;
}

/**
 * Declares the suite for one kind of log. Each test gets a log of its own, and ends with the check that
 * reopening the log, where it can be, changes nothing.
 *
 * @param name What the log is called in the tests' names.
 * @param make Makes an empty log.
 */
export function raftLogSuite(name: string, make: () => Subject): void {
  const test = (sentence: string, body: (log: RaftLog) => void | Promise<void>): void => {
    it(sentence, async () => {
      const subject = make();
      try {
        await body(subject.log);
        if (subject.reopen !== undefined) {
          const before = stateOf(subject.log);
          assertSameState(stateOf(subject.reopen()), before, "after reopening");
        }
      } finally {
        subject.dispose();
      }
    });
  };

  describe(`${name}: an empty log`, () => {
    test("has nothing in it", (log) => {
      assert.equal(log.lastIndex, 0);
      assert.equal(log.lastTerm, 0);
      assert.equal(log.snapshotIndex, 0);
      assert.equal(log.firstIndex, 1);
      assert.deepEqual(log.retentions, []);
      assert.equal(log.hardState.term, 0);
      assert.equal(log.hardState.votedFor, null);
      assert.equal(log.termAt(0), 0);
      assert.equal(log.termAt(1), undefined);
      assert.equal(log.entry(0), undefined);
      assert.equal(log.entry(1), undefined);
      assert.equal(log.snapshot(), undefined);
      assert.deepEqual(log.entries(0, 10), []);
      assert.deepEqual(log.entries(1, 1, { maxBytes: 0 }), []);
      stateOf(log);
    });

    test("can be synced and truncated, which changes nothing", async (log) => {
      assert.equal(await log.sync(), 0);
      assert.equal(log.syncSync(), 0);
      log.truncate(1);
      log.truncate(MAX);
      log.append([]);
      assert.equal(log.lastIndex, 0);
    });
  });

  describe(`${name}: appending and reading`, () => {
    test("returns what was appended, field by field", (log) => {
      log.append([
        { term: 0, index: 1, kind: "config", command: new Uint8Array([1, 2, 3]) },
        { term: 2, index: 2, kind: "normal", command: new Uint8Array([4]) },
      ]);
      const [first, second] = log.entries(1, 2);
      assert.deepEqual(first, { term: 0, index: 1, kind: "config", command: new Uint8Array([1, 2, 3]) });
      assert.deepEqual(second, { term: 2, index: 2, kind: "normal", command: new Uint8Array([4]) });
      assert.deepEqual(log.entry(1), first);
      assert.deepEqual(log.entry(2), second);
      assert.equal(log.lastIndex, 2);
      assert.equal(log.lastTerm, 2);
    });

    test("takes an entry without a kind as a normal one", (log) => {
      log.append([{ term: 1, index: 1, command: bytesOf(8) }, { ...entryAt(2), kind: undefined }]);
      log.append([{ term: 1, index: 3, command: bytesOf(3 * 1024 * 1024) }]);
      assert.deepEqual(log.entries(1, 3).map(({ kind }) => kind), ["normal", "normal", "normal"]);
    });

    test("changes nothing for an empty list", (log) => {
      fill(log);
      const before = stateOf(log);
      log.append([]);
      assertSameState(stateOf(log), before);
    });

    test("knows the term of each index, and none outside", (log) => {
      log.append([...range(1, 3, 1), ...range(4, 4, 2), ...range(5, 6, MAX)]);
      assert.deepEqual([0, 1, 2, 3, 4, 5, 6, 7, MAX].map((index) => log.termAt(index)), [
        ...[0, 1, 1, 1, 2, MAX, MAX],
        ...[undefined, undefined],
      ]);
      assert.equal(log.lastTerm, MAX);
    });

    for (const filling of ["noise", "zeros", "ones"] satisfies Filling[]) {
      test(`keeps commands of every size, in one batch, made of ${filling}`, (log) => {
        log.append(SIZES.map((size, i) => entryAt(i + 1, 1, bytesOf(size, filling))));
        for (const [i, size] of SIZES.entries()) {
          const command = log.entry(i + 1)?.command;
          assert.ok(command && Buffer.compare(command, bytesOf(size, filling)) === 0, `${size} bytes`);
        }
      });
    }

    test("keeps commands of every size, one by one", (log) => {
      for (const [i, size] of SIZES.entries()) log.append([entryAt(i + 1, 1, bytesOf(size))]);
      for (const [i, size] of SIZES.entries()) {
        const command = log.entry(i + 1)?.command;
        assert.ok(command && Buffer.compare(command, bytesOf(size)) === 0, `${size} bytes`);
      }
    });

    test("is the same for one batch as for many", (log) => {
      const other = make();
      try {
        const entries = range(1, 1000);
        log.append(entries);
        for (let i = 0; i < entries.length; i += 1 + i % 7) other.log.append(entries.slice(i, i + 1 + i % 7));
        assertSameState(stateOf(log), stateOf(other.log));
      } finally {
        other.dispose();
      }
    });

    test("clips a range at both ends", (log) => {
      fill(log);
      const indexes = (from: Index, to: Index) => log.entries(from, to).map((entry) => entry.index);
      const all = [11, 12, 13, 14, 15, 16, 17, 18, 19, 20];
      assert.deepEqual(indexes(0, MAX), all);
      assert.deepEqual(indexes(1, 20), all);
      assert.deepEqual(indexes(11, 20), all);
      assert.deepEqual(indexes(5, 12), [11, 12]);
      assert.deepEqual(indexes(13, 15), [13, 14, 15]);
      assert.deepEqual(indexes(15, 15), [15]);
      assert.deepEqual(indexes(20, 21), [20]);
      assert.deepEqual(indexes(0, 0), []);
      assert.deepEqual(indexes(1, 10), []);
      assert.deepEqual(indexes(21, 30), []);
      assert.deepEqual(indexes(MAX, MAX), []);
      assert.deepEqual(indexes(14, 13), []);
      assert.deepEqual(indexes(20, 1), []);
    });

    test("returns no more than maxBytes, but at least one entry", (log) => {
      log.append([10, 0, 20, 30, 0, 5].map((size, i) => entryAt(i + 1, 1, bytesOf(size))));
      const count = (from: Index, maxBytes: number) => log.entries(from, 6, { maxBytes }).length;
      assert.equal(count(1, 0), 1);
      assert.equal(count(1, 1), 1);
      assert.equal(count(1, 10), 2, "an entry of no bytes fits what is full");
      assert.equal(count(1, 29), 2);
      assert.equal(count(1, 29.5), 2);
      assert.equal(count(1, 30), 3);
      assert.equal(count(1, 59), 3, "the first that does not fit is the end, even if a later one would");
      assert.equal(count(1, 60), 5);
      assert.equal(count(1, 64), 5);
      assert.equal(count(1, 65), 6);
      assert.equal(count(1, Infinity), 6);
      assert.equal(count(1, forbidden<number>(undefined)), 6);
      assert.equal(count(2, 0), 1);
      assert.equal(count(4, 0), 1, "the first is returned, however large");
      assert.equal(count(7, 0), 0);
      assert.equal(log.entries(1, 2, { maxBytes: 1000 }).length, 2);
      assert.equal(log.entries(1, 2, {}).length, 2);
    });

    test("takes every Uint8Array: views, Buffers, shared memory", (log) => {
      const backing = bytesOf(100);
      const shared = new Uint8Array(new SharedArrayBuffer(10));
      shared.set(bytesOf(10));
      log.append([
        entryAt(1, 1, backing.subarray(7, 20)),
        entryAt(2, 1, Buffer.from(backing)),
        { ...entryAt(3), command: shared },
      ]);
      assert.deepEqual(log.entry(1)?.command, backing.slice(7, 20));
      assert.deepEqual(log.entry(2)?.command, backing);
      assert.deepEqual(log.entry(3)?.command, bytesOf(10));
    });

    test("takes a command of the largest size there may be", (log) => {
      log.append([entryAt(1, 1, new Uint8Array(ENTRY_BYTES_MAX).fill(7))]);
      const command = log.entry(1)?.command;
      assert.equal(command?.byteLength, ENTRY_BYTES_MAX);
      assert.ok(command.every((byte) => byte === 7));
      // Not to be read back again after reopening: that would only be slow.
      log.truncate(1);
    });
  });

  describe(`${name}: copies, not views`, () => {
    test("is not changed through what was passed to append", (log) => {
      const command = bytesOf(30);
      const entries = [entryAt(1, 1, command), entryAt(2, 1, Buffer.from(bytesOf(30)))];
      log.append(entries);
      const before = stateOf(log);
      for (const entry of entries) scribble(entry.command);
      Object.assign(entries[0] as object, { term: 9, index: 9, kind: "config" });
      entries.length = 0;
      assertSameState(stateOf(log), before);
      assert.deepEqual(log.entry(1)?.command, bytesOf(30));
    });

    test("is not changed through what entry and entries returned", (log) => {
      log.append(range(1, 5));
      const before = stateOf(log);
      scribble(log.entry(2)?.command);
      const entries = log.entries(1, 5);
      for (const entry of entries) {
        scribble(entry.command);
        try {
          Object.assign(entry, { term: 9, index: 9, kind: "config" });
        } catch {
          // Frozen is as good as copied.
        }
      }
      entries.length = 0;
      assertSameState(stateOf(log), before);
    });

    test("returns entries that do not share bytes with each other", (log) => {
      log.append(range(1, 3));
      const [first, second, third] = log.entries(1, 3);
      scribble(second?.command);
      assert.deepEqual(first?.command, entryAt(1).command);
      assert.deepEqual(third?.command, entryAt(3).command);
      log.append(range(4, 100));
      log.entries(1, 100);
      assert.deepEqual(first?.command, entryAt(1).command, "after later calls");
    });

    test("is not changed through a hard state passed or returned", (log) => {
      const state = { term: 3, votedFor: 4n };
      log.setHardState(state);
      state.term = 9;
      state.votedFor = 9n;
      try {
        Object.assign(log.hardState, { term: 9, votedFor: 9n });
      } catch {
        // Frozen is as good as copied.
      }
      assert.equal(log.hardState.term, 3);
      assert.equal(log.hardState.votedFor, 4n);
    });

    test("is not changed through a snapshot passed or returned", (log) => {
      for (const data of [bytesOf(50), Buffer.from(bytesOf(50))]) {
        const config = [1n, 2n];
        const index = log.snapshotIndex + 1;
        const meta = Buffer.from(bytesOf(30));
        log.applySnapshot({ index, term: 1, config, meta, data });
        scribble(data);
        scribble(meta);
        config.push(3n);
        const returned = log.snapshot();
        assert.deepEqual(returned, { index, term: 1, config: [1n, 2n], meta: bytesOf(30), data: bytesOf(50) });
        scribble(returned.data);
        scribble(returned.meta!);
        try {
          forbidden<bigint[]>(returned.config).push(3n);
          Object.assign(returned, { index: 9, term: 9 });
        } catch {
          // Frozen is as good as copied.
        }
        assert.deepEqual(log.snapshot(), { index, term: 1, config: [1n, 2n], meta: bytesOf(30), data: bytesOf(50) });
      }
    });
  });

  describe(`${name}: truncate`, () => {
    test("drops the entry at the index and all above", (log) => {
      log.append(range(1, 10));
      log.truncate(7);
      assert.equal(log.lastIndex, 6);
      assert.equal(log.entry(7), undefined);
      assert.equal(log.termAt(7), undefined);
      assert.deepEqual(log.entry(6), entryAt(6));
    });

    test("drops everything from the first entry on", (log) => {
      log.append(range(1, 10, 3));
      log.truncate(1);
      assert.equal(log.lastIndex, 0);
      assert.equal(log.lastTerm, 0);
      log.append([entryAt(1, 1)]);
      assert.equal(log.lastTerm, 1);
    });

    test("changes nothing above the last entry", (log) => {
      fill(log);
      const before = stateOf(log);
      for (const from of [21, 22, 1000, MAX]) log.truncate(from);
      assertSameState(stateOf(log), before);
    });

    test("brings back the term of the entry before, also for what may follow", (log) => {
      log.append([...range(1, 3, 1), ...range(4, 6, 5)]);
      log.truncate(4);
      assert.equal(log.lastTerm, 1);
      log.append(range(4, 5, 2));
      assert.deepEqual([3, 4, 5, 6].map((index) => log.termAt(index)), [1, 2, 2, undefined]);
    });

    test("leaves the snapshot's index and term when the last entry above goes", (log) => {
      fill(log);
      log.truncate(11);
      assert.equal(log.lastIndex, 10);
      assert.equal(log.lastTerm, 3);
      assert.equal(log.termAt(10), 3);
      log.append(range(11, 12, 3));
      assert.equal(log.lastIndex, 12);
    });

    test("never lets a discarded entry return, however often the tail is rewritten", (log) => {
      log.append(range(1, 10));
      for (let round = 2; round < 12; round++) {
        const from = 12 - round;
        log.truncate(from);
        const command = bytesOf(8, "noise", 100 * round);
        log.append([entryAt(from, round, command)]);
        assert.deepEqual(log.entries(from, MAX), [entryAt(from, round, command)]);
      }
    });
  });

  describe(`${name}: hard state`, () => {
    const states: HardState[] = [
      { term: 0, votedFor: 1n },
      { term: 1, votedFor: null },
      { term: 1, votedFor: 0n },
      { term: 2, votedFor: 2n ** 53n + 1n },
      { term: 2 ** 32 + 1, votedFor: 2n ** 63n },
      { term: MAX, votedFor: NODE_ID_MAX },
    ];
    // One test each, as only the last state a log was given is still there when it is reopened.
    for (const { term, votedFor } of states) {
      test(`keeps term ${term} with a vote for ${votedFor ?? "nobody"}`, (log) => {
        log.setHardState({ term: 9, votedFor: 9n });
        log.setHardState({ term, votedFor });
        assert.equal(log.hardState.term, term);
        assert.equal(log.hardState.votedFor, votedFor);
      });
    }

    test("is replaced, whatever it was", (log) => {
      log.setHardState({ term: 7, votedFor: 1n });
      log.setHardState({ term: 7, votedFor: null });
      log.setHardState({ term: 3, votedFor: 2n });
      assert.equal(log.hardState.term, 3);
      assert.equal(log.hardState.votedFor, 2n);
    });

    test("has nothing to do with entries, truncation and snapshots", (log) => {
      log.setHardState({ term: 7, votedFor: 1n });
      log.append(range(1, 10, 9));
      log.truncate(5);
      log.applySnapshot(snapshotAt(3, 9));
      log.applySnapshot(snapshotAt(30, 12));
      assert.equal(log.hardState.term, 7);
      assert.equal(log.hardState.votedFor, 1n);
    });
  });

  describe(`${name}: snapshots`, () => {
    test("returns what was applied, and none of the entries below", (log) => {
      fill(log);
      assert.equal(log.snapshotIndex, 10);
      assert.deepEqual(log.snapshot(), snapshotAt(10, 3));
      assert.equal(log.termAt(10), 3);
      assert.equal(log.termAt(9), undefined);
      assert.equal(log.termAt(0), undefined);
      assert.equal(log.entry(10), undefined);
      assert.equal(log.entry(1), undefined);
      assert.deepEqual(log.entry(11), entryAt(11, 3));
    });

    test("changes nothing at or below the last one", (log) => {
      fill(log);
      const before = stateOf(log);
      for (const [index, term] of [[10, 3], [10, 4], [10, 1], [9, 3], [1, 1], [1, 9]] as const) {
        log.applySnapshot(snapshotAt(index, term, bytesOf(99)));
        assertSameState(stateOf(log), before, `after a stale snapshot of index ${index}`);
      }
    });

    test("keeps the entries above if it agrees with the entry at its index", (log) => {
      fill(log);
      const tail = log.entries(13, 20);
      log.applySnapshot(snapshotAt(12, 3));
      assert.equal(log.snapshotIndex, 12);
      assert.equal(log.lastIndex, 20);
      assert.equal(log.lastTerm, 4);
      assert.deepEqual(log.entries(0, MAX), tail);
      log.append([entryAt(21, 4)]);
      assert.deepEqual(log.entry(21), entryAt(21, 4));
    });

    test("replaces the last entry if it agrees with that", (log) => {
      fill(log);
      log.applySnapshot(snapshotAt(20, 4));
      assert.equal(log.lastIndex, 20);
      assert.equal(log.lastTerm, 4);
      assert.deepEqual(log.entries(0, MAX), []);
      log.append([entryAt(21, 4)]);
    });

    test("clears the log if it disagrees with the entry at its index", (log) => {
      fill(log);
      log.applySnapshot(snapshotAt(12, 4));
      assert.equal(log.snapshotIndex, 12);
      assert.equal(log.lastIndex, 12);
      assert.equal(log.lastTerm, 4);
      assert.deepEqual(log.entries(0, MAX), []);
      assert.equal(log.termAt(13), undefined);
      log.append([entryAt(13, 5)]);
      assert.deepEqual(log.entries(0, MAX), [entryAt(13, 5)]);
    });

    test("clears the log if it disagrees with the last entry", (log) => {
      fill(log);
      log.applySnapshot(snapshotAt(20, 6));
      assert.equal(log.lastIndex, 20);
      assert.equal(log.lastTerm, 6);
      assert.equal(log.termAt(20), 6);
      assert.deepEqual(log.entries(0, MAX), []);
      refuses(log, "INVALID_ARGUMENT", /found term 5 after term 6$/, () => log.append([entryAt(21, 5)]));
      log.append([entryAt(21, 6)]);
    });

    test("clears the log if its term is below that of the entry at its index", (log) => {
      fill(log);
      log.applySnapshot(snapshotAt(18, 3));
      assert.equal(log.lastIndex, 18);
      assert.equal(log.lastTerm, 3);
      log.append([entryAt(19, 3)]);
    });

    test("clears the log if it is ahead of it, and the log goes on above", (log) => {
      fill(log);
      log.applySnapshot(snapshotAt(1000, 4));
      assert.equal(log.snapshotIndex, 1000);
      assert.equal(log.lastIndex, 1000);
      assert.equal(log.lastTerm, 4);
      assert.deepEqual(log.entries(0, MAX), []);
      assert.equal(log.termAt(20), undefined);
      log.append(range(1001, 1003, 4));
      assert.equal(log.entries(0, MAX).length, 3);
    });

    test("clears the log if it is one ahead of it", (log) => {
      log.append(range(1, 5));
      log.applySnapshot(snapshotAt(6, 1));
      assert.equal(log.lastIndex, 6);
      assert.deepEqual(log.entries(0, MAX), []);
    });

    test("does not agree with an entry that was truncated", (log) => {
      log.append(range(1, 10));
      log.truncate(5);
      log.applySnapshot(snapshotAt(7, 1));
      assert.equal(log.lastIndex, 7);
      assert.deepEqual(log.entries(0, MAX), []);
    });

    test("can be the first thing a log gets", (log) => {
      log.applySnapshot(snapshotAt(1, 0));
      assert.equal(log.snapshotIndex, 1);
      assert.equal(log.lastIndex, 1);
      assert.equal(log.lastTerm, 0);
      assert.equal(log.termAt(1), 0);
      assert.equal(log.termAt(0), undefined);
    });

    for (const size of [0, 1, 7, 8, 9, 4095, 4096, 4097, 70_000, 3 * 1024 * 1024]) {
      test(`keeps data of ${size} bytes`, (log) => {
        log.append(range(1, 3));
        log.applySnapshot(snapshotAt(2, 1, bytesOf(size)));
        const data = log.snapshot()?.data;
        assert.ok(data && Buffer.compare(data, bytesOf(size)) === 0);
      });
    }

    const configs = {
      "no members": [],
      "one member": [0n],
      "the largest identities": [NODE_ID_MAX, 2n ** 63n, 2n ** 53n + 1n],
      "a thousand members": Array.from({ length: 1000 }, (_, i) => BigInt(i)),
    };
    for (const [what, config] of Object.entries(configs)) {
      test(`keeps a configuration of ${what}`, (log) => {
        log.applySnapshot({ index: 1, term: 1, config, data: new Uint8Array() });
        assert.deepEqual(log.snapshot()?.config, config);
      });
    }

    for (const size of [0, 1, 7, 8, 9, 4097, META_BYTES_MAX]) {
      test(`keeps meta of ${size} bytes`, (log) => {
        log.applySnapshot({ ...snapshotAt(1, 1, bytesOf(9)), meta: bytesOf(size) });
        const { meta, data } = log.snapshot()!;
        assert.ok(meta !== undefined && Buffer.compare(meta, bytesOf(size)) === 0);
        assert.deepEqual(data, bytesOf(9));
      });
    }

    test("has no bytes of meta if none are given", (log) => {
      for (const [i, none] of [{}, { meta: undefined }, { meta: new Uint8Array(0) }].entries()) {
        log.applySnapshot({ index: i + 1, term: 1, config: [1n], ...none, data: bytesOf(3) });
        assert.deepEqual(log.snapshot()?.meta, new Uint8Array(0));
      }
    });

    test("can follow each other with entries between", (log) => {
      for (let i = 1; i <= 10; i++) {
        log.append(range(log.lastIndex + 1, i * 10, i));
        log.applySnapshot(snapshotAt(i * 10 - 5, i));
        assert.equal(log.lastIndex, i * 10);
        assert.equal(log.entries(0, MAX).length, 5);
      }
    });
  });

  describe(`${name}: compact`, () => {
    test("drops the entries through an index and keeps those above", (log) => {
      log.append([...range(1, 5, 1), ...range(6, 10, 3)]);
      log.compact(6);
      assert.equal(log.snapshotIndex, 6);
      assert.deepEqual(log.snapshot(), {
        index: 6,
        term: 3,
        config: [],
        meta: new Uint8Array(0),
        data: new Uint8Array(0),
      });
      assert.equal(log.termAt(6), 3);
      assert.equal(log.entry(6), undefined);
      assert.deepEqual(log.entries(0, MAX), range(7, 10, 3));
      log.append([entryAt(11, 3)]);
      assert.equal(log.lastIndex, 11);
    });

    test("never drops an entry above the index, whatever the terms", (log) => {
      const entries = [0, 0, 1, 1, 2, 5, 5, 5, 9, MAX].map((term, i) => entryAt(i + 1, term));
      log.append(entries);
      for (let index = 1; index <= 10; index++) {
        log.compact(index);
        assert.equal(log.termAt(index), entries[index - 1]!.term, `the term at index ${index}`);
        assert.deepEqual(log.entries(0, MAX), entries.slice(index), `above index ${index}`);
      }
    });

    test("keeps the data, the configuration and the meta given, as copies", (log) => {
      log.append(range(1, 10, 2));
      const data = bytesOf(50);
      const config = [1n, NODE_ID_MAX];
      const meta = bytesOf(20);
      log.compact(4, { data, config, meta });
      scribble(data);
      scribble(meta);
      config.push(3n);
      assert.deepEqual(log.snapshot(), {
        index: 4,
        term: 2,
        config: [1n, NODE_ID_MAX],
        meta: bytesOf(20),
        data: bytesOf(50),
      });
    });

    test("keeps the configuration of the previous snapshot unless one is given", (log) => {
      fill(log);
      log.compact(11, { data: bytesOf(3) });
      assert.deepEqual(log.snapshot(), { ...snapshotAt(11, 3), data: bytesOf(3) });
      log.compact(12, { config: [7n] });
      log.compact(13);
      assert.deepEqual(log.snapshot()?.config, [7n]);
      log.compact(14, { config: [] });
      assert.deepEqual(log.snapshot()?.config, []);
    });

    test("keeps the meta of the previous snapshot if its configuration is kept and no meta is given", (log) => {
      fill(log);
      const metaAfter = (options: CompactOptions) => {
        log.compact(log.snapshotIndex + 1, options);
        return log.snapshot()?.meta;
      };
      const before = log.snapshot()!.meta;
      assert.deepEqual(metaAfter({}), before);
      assert.deepEqual(metaAfter({ meta: undefined, config: undefined }), before);
      assert.deepEqual(metaAfter({ meta: bytesOf(5) }), bytesOf(5));
      assert.deepEqual(log.snapshot()?.config, [1n, 2n, NODE_ID_MAX]);
      assert.deepEqual(metaAfter({ config: [7n] }), new Uint8Array(0), "it belongs to another configuration");
      assert.deepEqual(metaAfter({ config: [8n], meta: bytesOf(6) }), bytesOf(6));
      assert.deepEqual(metaAfter({ meta: new Uint8Array(0) }), new Uint8Array(0));
    });

    test("drops every entry at the last index, and the log can be appended to", (log) => {
      fill(log);
      log.compact(20);
      assert.deepEqual([log.snapshotIndex, log.lastIndex, log.lastTerm], [20, 20, 4]);
      assert.deepEqual(log.entries(0, MAX), []);
      refuses(log, "INVALID_ARGUMENT", /found term 3 after term 4$/, () => log.append([entryAt(21, 3)]));
      log.append([entryAt(21, 4)]);
      log.compact(21);
      assert.equal(log.lastIndex, 21);
    });

    test("changes nothing at or below the snapshot", (log) => {
      log.compact(0);
      log.compact(-0, { data: bytesOf(9), config: [9n] });
      assert.equal(log.snapshot(), undefined);
      fill(log);
      const before = stateOf(log);
      for (const index of [10, 9, 1, 0]) {
        log.compact(index, { data: bytesOf(9), config: [9n] });
        assertSameState(stateOf(log), before, `after compacting through index ${index}`);
      }
    });

    test("can follow truncations, and a leader's snapshot can follow it", (log) => {
      for (let round = 1; round <= 8; round++) {
        log.append(range(log.lastIndex + 1, round * 10, round));
        log.truncate(round * 10 - 2);
        log.compact(round * 10 - 5);
        assert.equal(log.lastIndex, round * 10 - 3);
        assert.deepEqual(log.entries(0, MAX), range(round * 10 - 4, round * 10 - 3, round));
      }
      log.applySnapshot(snapshotAt(76, 9));
      assert.deepEqual([log.snapshotIndex, log.lastIndex, log.lastTerm], [76, 76, 9]);
    });

    test("refuses an index above the last", (log) => {
      const message = (index: Index, last: Index) =>
        new RegExp(`^Cannot compact through index ${index}: the log ends at index ${last}$`);
      refuses(log, "INVALID_ARGUMENT", message(1, 0), () => log.compact(1));
      fill(log);
      refuses(log, "INVALID_ARGUMENT", message(21, 20), () => log.compact(21));
      refuses(log, "INVALID_ARGUMENT", message(MAX, 20), () => log.compact(MAX));
      works(log);
    });

    test("refuses an index or options out of their domain, also below the snapshot", (log) => {
      fill(log);
      for (const index of [-1, 12.5, NaN, Infinity, 2 ** 53, 12n, "12", null, undefined]) {
        const message = /^Cannot compact: the index must be a safe integer of 0 or more, found /;
        refuses(log, "INVALID_ARGUMENT", message, () => log.compact(forbidden<Index>(index)));
      }
      const detached = detachedBytes();
      const refused: [unknown, RegExp][] = [
        [null, /expected an object with data and config, found null$/],
        [bytesOf(5), /expected an object with data and config, found an object/],
        [{ data: [1] }, /the data must be a Uint8Array, found an array$/],
        [{ data: null }, /the data must be a Uint8Array, found null$/],
        [{ data: detached }, /the data's buffer was transferred away$/],
        [{ config: new Set([1n]) }, /the configuration must be an array, found /],
        [{ config: [1n, 1] }, /the members must be bigints from 0 to 2\^64 - 1, found 1$/],
        [{ config: Array(65_537).fill(1n) }, /at most 65536 members can be named, found 65537$/],
        ...REFUSED_META,
      ];
      for (const index of [12, 5]) {
        for (const [options, message] of refused) {
          refuses(log, "INVALID_ARGUMENT", message, () => log.compact(index, forbidden<CompactOptions>(options)));
        }
      }
      log.compact(12, {});
      works(log);
    });
  });

  describe(`${name}: retentions`, () => {
    /** Fails unless the log holds exactly these entries. */
    const holds = (log: RaftLog, entries: readonly LogEntry[]) => {
      const { firstIndex, lastIndex } = log;
      assert.deepEqual(log.entries(0, MAX), entries, `entries ${firstIndex} to ${lastIndex}`);
      stateOf(log);
    };

    test("keep entries readable that a snapshot covers, from their index on", (log) => {
      const entries = [...range(1, 5, 1), ...range(6, 15, 3), ...range(16, 20, 4)];
      log.append(entries);
      const retention = log.retain("follower 2", 4);
      assert.deepEqual([retention.name, retention.from, retention.clearedAt], ["follower 2", 4, 0]);
      assert.equal(log.firstIndex, 1, "before a snapshot");
      log.compact(10);
      assert.deepEqual([log.snapshotIndex, log.firstIndex, log.lastIndex], [10, 4, 20]);
      holds(log, entries.slice(3));
      assert.equal(log.entry(3), undefined);
      assert.deepEqual([2, 3, 4, 5, 6, 10].map((index) => log.termAt(index)), [undefined, 1, 1, 1, 3, 3]);
      log.applySnapshot(snapshotAt(17, 4));
      assert.deepEqual([log.snapshotIndex, log.firstIndex], [17, 4]);
      holds(log, entries.slice(3));
      retention.release();
      assert.equal(log.firstIndex, 18);
      holds(log, entries.slice(17));
    });

    test("give up entries when they are advanced, and the rest when they are released", (log) => {
      log.append(range(1, 20));
      const retention = log.retain("mailer", 1);
      log.compact(10);
      for (const to of [3, 10, 11, 12]) {
        retention.advance(to);
        assert.equal(retention.from, to);
        assert.equal(log.firstIndex, Math.min(to, 11));
        holds(log, range(Math.min(to, 11), 20));
      }
      log.compact(15);
      assert.equal(log.firstIndex, 12);
      holds(log, range(12, 20));
      retention.release();
      assert.equal(log.firstIndex, 16);
    });

    test("know the term before their first entry, as a leader must name it", (log) => {
      log.append([...range(1, 5, 2), ...range(6, 20, 7)]);
      const first = log.retain("from the start", 1);
      log.compact(5);
      assert.equal(log.termAt(0), 0);
      const behind = log.retain("behind the snapshot", 6);
      first.release();
      assert.deepEqual([log.firstIndex, log.termAt(5), log.termAt(4)], [6, 2, undefined]);
      log.compact(12);
      assert.deepEqual([log.firstIndex, log.termAt(5), log.termAt(4)], [6, 2, undefined]);
      log.compact(13);
      behind.advance(7);
      assert.deepEqual([log.firstIndex, log.termAt(6), log.termAt(5)], [7, 7, undefined]);
      behind.release();
      assert.deepEqual([log.firstIndex, log.termAt(13), log.termAt(12)], [14, 7, undefined]);
    });

    test("know the term of a leader's snapshot below their first entry", (log) => {
      log.append(range(1, 3));
      log.applySnapshot(snapshotAt(10, 5));
      log.append(range(11, 20, 6));
      const retention = log.retain("follower", 11);
      log.compact(15);
      assert.deepEqual([log.firstIndex, log.termAt(10), log.termAt(11)], [11, 5, 6]);
      holds(log, range(11, 20, 6));
      retention.release();
    });

    test("hold back as far as the lowest of them", (log) => {
      log.append(range(1, 20));
      const [low, high] = [log.retain("low", 3), log.retain("high", 8)];
      log.compact(10);
      assert.equal(log.firstIndex, 3);
      high.advance(9);
      assert.equal(log.firstIndex, 3);
      low.advance(20);
      assert.equal(log.firstIndex, 9);
      assert.deepEqual(log.retentions, [
        { name: "low", from: 20, clearedAt: 0 },
        { name: "high", from: 9, clearedAt: 0 },
      ]);
      high.release();
      assert.equal(log.firstIndex, 11);
      low.release();
      assert.deepEqual(log.retentions, []);
    });

    test("can begin above the last entry, and hold back what comes there", (log) => {
      log.append(range(1, 5));
      const retention = log.retain("reader", 8);
      log.append(range(6, 10));
      log.compact(9);
      assert.equal(log.firstIndex, 8);
      holds(log, range(8, 10));
      retention.release();
      works(log);
    });

    test("can be made below the snapshot where another one holds the entries", (log) => {
      log.append(range(1, 10));
      const archive = log.retain("archive", 2);
      log.compact(9);
      const follower = log.retain("follower", 4);
      archive.release();
      assert.equal(log.firstIndex, 4);
      holds(log, range(4, 10));
      follower.release();
    });

    test("change nothing when they are moved back, or after their release", (log) => {
      log.append(range(1, 10));
      const retention = log.retain("reader", 5);
      retention.advance(3);
      assert.equal(retention.from, 5);
      retention.advance(5);
      assert.equal(retention.from, 5);
      log.compact(8);
      holds(log, range(5, 10));
      retention.release();
      retention.release();
      retention.advance(9);
      assert.equal(retention.from, 5);
      const again = log.retain("reader", 9);
      retention.release();
      assert.deepEqual(log.retentions, [{ name: "reader", from: 9, clearedAt: 0 }]);
      again[Symbol.dispose]();
      assert.deepEqual(log.retentions, []);
    });

    test("move down to a truncation, behind which all entries are new", (log) => {
      log.append(range(1, 10));
      const [above, below] = [log.retain("above", 8), log.retain("below", 2)];
      log.truncate(11);
      assert.equal(above.from, 8);
      log.truncate(5);
      assert.deepEqual([above.from, below.from], [5, 2]);
      log.append(range(5, 10, 2));
      below.release();
      log.compact(9);
      assert.equal(log.firstIndex, 5);
      holds(log, range(5, 10, 2));
      above.release();
    });

    test("do not keep a truncation at or below the snapshot from being refused", (log) => {
      fill(log);
      const retention = log.retain("reader", 11);
      log.compact(15);
      for (const from of [15, 11]) {
        refuses(log, "COMPACTED", /the snapshot at index 15 includes it$/, () => log.truncate(from));
      }
      log.truncate(16);
      assert.deepEqual([log.firstIndex, log.lastIndex, log.lastTerm], [11, 15, 3]);
      holds(log, range(11, 15, 3));
      log.append([entryAt(16, 9)]);
      retention.release();
    });

    test("lose their entries to a snapshot that clears the log, and report it", (log) => {
      log.append(range(1, 20));
      const [low, high, far] = [log.retain("low", 3), log.retain("high", 14), log.retain("far", 100)];
      log.compact(8);
      log.applySnapshot(snapshotAt(12, 2));
      assert.deepEqual([log.firstIndex, log.lastIndex, log.snapshotIndex], [13, 12, 12]);
      for (const one of [low, high, far]) assert.deepEqual([one.from, one.clearedAt], [13, 12], one.name);
      holds(log, []);
      assert.equal(log.termAt(12), 2);
      log.append(range(13, 20, 3));
      log.compact(16);
      assert.deepEqual([log.firstIndex, log.termAt(12)], [13, 2]);
      holds(log, range(13, 20, 3));
      for (const one of [low, high, far]) one.release();
    });

    test("outlive snapshots that leave no entry above", (log) => {
      log.append(range(1, 10, 3));
      const retention = log.retain("reader", 6);
      log.compact(10);
      assert.deepEqual([log.firstIndex, log.lastIndex, log.lastTerm], [6, 10, 3]);
      holds(log, range(6, 10, 3));
      refuses(log, "INVALID_ARGUMENT", /found term 2 after term 3$/, () => log.append([entryAt(11, 2)]));
      log.append([entryAt(11, 4)]);
      holds(log, [...range(6, 10, 3), entryAt(11, 4)]);
      retention.release();
    });

    test("are refused where the entries are gone", (log) => {
      fill(log);
      for (const from of [10, 1]) {
        assert.throws(() => log.retain("late", from), (error) => {
          assert.ok(error instanceof WalLogError);
          assert.equal(
            error.message,
            `Cannot retain entries for "late" from index ${from}: the log begins at index 11`,
          );
          assert.deepEqual([error.code, error.index], ["COMPACTED", 11]);
          return true;
        });
      }
      assert.deepEqual(log.retentions, []);
      log.retain("just in time", 11).release();
    });

    test("are refused for an index or a name out of its domain, or a name that is held", (log) => {
      fill(log);
      for (const from of [0, -1, 11.5, NaN, Infinity, 2 ** 53 + 2, 11n, "11", null, undefined]) {
        const message = /^Cannot retain entries for "a": the index must be a safe integer of 1 or more, found /;
        refuses(log, "INVALID_ARGUMENT", message, () => log.retain("a", forbidden<Index>(from)));
      }
      for (const name of ["", "x".repeat(256), 7, null, undefined]) {
        const message = /^Cannot retain entries: the name must be a string of 1 to 255 characters, found /;
        refuses(log, "INVALID_ARGUMENT", message, () => log.retain(forbidden<string>(name), 11));
      }
      const retention = log.retain("a", 12);
      const message =
        /^Cannot retain entries for "a": a retention of that name is held from index 12; release it first$/;
      refuses(log, "INVALID_ARGUMENT", message, () => log.retain("a", 12));
      for (const to of [0, 12.5, NaN, "13", undefined]) {
        const message = /^Cannot advance "a": the index must be a safe integer of 1 or more, found /;
        refuses(log, "INVALID_ARGUMENT", message, () => retention.advance(forbidden<Index>(to)));
      }
      assert.equal(retention.from, 12);
      retention.release();
      works(log);
    });
  });

  describe(`${name}: sync`, () => {
    test("resolves to the last index", async (log) => {
      log.append(range(1, 3));
      assert.equal(await log.sync(), 3);
      log.append(range(4, 5));
      assert.equal(log.syncSync(), 5);
      log.truncate(3);
      assert.equal(await log.sync(), 2);
      log.applySnapshot(snapshotAt(9, 1));
      assert.equal(await log.sync(), 9);
      assert.equal(await log.sync(), 9);
    });

    test("may be called many times at once", async (log) => {
      const syncs: Promise<Index>[] = [];
      for (let index = 1; index <= 20; index++) {
        log.append([entryAt(index)]);
        syncs.push(log.sync());
      }
      const durable = await Promise.all(syncs);
      for (const [i, index] of durable.entries()) assert.ok(index >= i + 1, `sync after index ${i + 1}: ${index}`);
      assert.equal(await log.sync(), 20);
    });
  });

  describe(`${name}: bad input`, () => {
    test("refuses a gap or an overlap and names the expected index", (log) => {
      const gap = (index: Index, expected: Index) =>
        refuses(
          log,
          "NOT_CONTIGUOUS",
          new RegExp(`^Cannot append at index ${index}: expected index ${expected}$`),
          () => log.append([entryAt(index, 5)]),
        );
      gap(2, 1);
      gap(7, 1);
      gap(MAX, 1);
      fill(log);
      gap(22, 21);
      gap(20, 21);
      gap(11, 21);
      gap(10, 21);
      gap(1, 21);
      works(log);
    });

    test("refuses a gap inside a batch, and all of the batch", (log) => {
      fill(log);
      const message = /^Cannot append at index (24|22|21): expected index (23|22)$/;
      refuses(log, "NOT_CONTIGUOUS", message, () => log.append([...range(21, 22, 4), entryAt(24, 4)]));
      refuses(log, "NOT_CONTIGUOUS", message, () => log.append([...range(21, 22, 4), entryAt(22, 4)]));
      refuses(log, "NOT_CONTIGUOUS", message, () => log.append([entryAt(21, 4), entryAt(21, 4)]));
      works(log);
    });

    test("refuses a batch for its last entry, and writes nothing of it", (log) => {
      fill(log);
      const good = range(21, 120, 4);
      const bad: [WalLogErrorCode, RegExp, unknown][] = [
        ["NOT_CONTIGUOUS", /at index 122: expected index 121/, entryAt(122, 4)],
        ["INVALID_ARGUMENT", /at index 121: terms never decrease, found term 3 after term 4/, entryAt(121, 3)],
        ["INVALID_ARGUMENT", /at index 121: the term must be/, entryAt(121, NaN)],
        ["INVALID_ARGUMENT", /at index 121: expected an entry, found undefined/, undefined],
        ["ENTRY_TOO_LARGE", /at index 121: the command has/, entryAt(121, 4, new Uint8Array(ENTRY_BYTES_MAX + 1))],
      ];
      for (const [code, message, entry] of bad) {
        refuses(log, code, message, () => log.append([...good, forbidden<LogEntry>(entry)]));
      }
      log.append(good);
      assert.equal(log.lastIndex, 120);
    });

    test("refuses a command over the limit", (log) => {
      fill(log);
      const message = /at index 21: the command has 67108865 bytes, at most 67108864 are allowed \(maxEntryBytes\)/;
      const command = new Uint8Array(ENTRY_BYTES_MAX + 1);
      refuses(log, "ENTRY_TOO_LARGE", message, () => log.append([entryAt(21, 4, command)]));
      assert.equal(log.maxEntryBytes, ENTRY_BYTES_MAX);
      works(log);
    });

    test("refuses a term below that of the entry before, or of the snapshot", (log) => {
      fill(log);
      const message = /at index \d+: terms never decrease, found term \d after term \d$/;
      refuses(log, "INVALID_ARGUMENT", message, () => log.append([entryAt(21, 3)]));
      refuses(log, "INVALID_ARGUMENT", message, () => log.append([entryAt(21, 0)]));
      refuses(log, "INVALID_ARGUMENT", message, () => log.append([entryAt(21, 6), entryAt(22, 5)]));
      log.truncate(11);
      refuses(log, "INVALID_ARGUMENT", message, () => log.append([entryAt(11, 2)]));
      works(log);
    });

    test("refuses an index that is no safe integer or below 1", (log) => {
      fill(log);
      for (const index of [0, -1, 1.5, 21.5, NaN, Infinity, -Infinity, 2 ** 53, 21n, "21", null, undefined, {}]) {
        refuses(
          log,
          "INVALID_ARGUMENT",
          /^Cannot append at index 21: the entry's index must be a safe integer of 1 or more, found /,
          () => log.append([{ ...entryAt(21, 4), index: forbidden<number>(index) }]),
        );
      }
      works(log);
    });

    test("refuses a term that is no safe integer or below 0", (log) => {
      fill(log);
      for (const term of [-1, 4.5, NaN, Infinity, -Infinity, 2 ** 53, 4n, "4", null, undefined, {}]) {
        refuses(
          log,
          "INVALID_ARGUMENT",
          /^Cannot append at index 21: the term must be a safe integer of 0 or more, found /,
          () => log.append([{ ...entryAt(21), term: forbidden<number>(term) }]),
        );
      }
      works(log);
    });

    test("refuses a kind that is none", (log) => {
      fill(log);
      for (const kind of ["", "Normal", "snapshot", 0, 1, null, "x".repeat(1000)]) {
        refuses(
          log,
          "INVALID_ARGUMENT",
          /^Cannot append at index 21: the kind must be "normal" or "config", found .{1,100}$/,
          () => log.append([{ ...entryAt(21, 4), kind: forbidden<"normal">(kind) }]),
        );
      }
      works(log);
    });

    test("refuses a command that is no Uint8Array", (log) => {
      fill(log);
      const values = ["bytes", [1, 2], new ArrayBuffer(4), new DataView(new ArrayBuffer(4)), new Uint16Array(2)];
      for (const command of [...values, new Uint8ClampedArray(4), { length: 4 }, 4, null, undefined]) {
        refuses(
          log,
          "INVALID_ARGUMENT",
          /^Cannot append at index 21: the command must be a Uint8Array, found /,
          () => log.append([{ ...entryAt(21, 4), command: forbidden<Uint8Array>(command) }]),
        );
      }
      works(log);
    });

    test("refuses bytes whose buffer was transferred away, instead of storing none", (log) => {
      fill(log);
      const bytes = new Uint8Array(10);
      structuredClone(bytes, { transfer: [bytes.buffer] });
      refuses(log, "INVALID_ARGUMENT", /transferred away/, () => log.append([entryAt(21, 4, bytes)]));
      refuses(log, "INVALID_ARGUMENT", /transferred away/, () => log.applySnapshot(snapshotAt(12, 3, bytes)));
      works(log);
    });

    test("refuses what is no list of entries", (log) => {
      fill(log);
      for (const entry of [undefined, null, 1, "entry", () => {}, Symbol("entry")]) {
        refuses(
          log,
          "INVALID_ARGUMENT",
          /^Cannot append at index 21: expected an entry, found /,
          () => log.append([forbidden<LogEntry>(entry)]),
        );
      }
      for (const entries of [undefined, null, entryAt(21), "entries", { length: 0 }, new Set([entryAt(21)])]) {
        refuses(
          log,
          "INVALID_ARGUMENT",
          /^Cannot append: expected an array of entries, found /,
          () => log.append(forbidden<LogEntry[]>(entries)),
        );
      }
      works(log);
    });

    test("refuses to truncate at or below the snapshot", (log) => {
      fill(log);
      for (const from of [10, 9, 1]) {
        refuses(
          log,
          "COMPACTED",
          new RegExp(`^Cannot truncate from index ${from}: the snapshot at index 10 includes it$`),
          () => log.truncate(from),
        );
      }
      works(log);
    });

    test("refuses to truncate from what is no index", (log) => {
      const message = /^Cannot truncate: the first index to drop must be a safe integer of 1 or more, found /;
      for (let round = 0; round < 2; round++) {
        for (const from of [0, -1, 1.5, NaN, Infinity, 2 ** 53, 11n, "11", null, undefined]) {
          refuses(log, "INVALID_ARGUMENT", message, () => log.truncate(forbidden<number>(from)));
        }
        if (round === 0) fill(log);
      }
      works(log);
    });

    test("refuses a hard state whose term or vote is out of its domain", (log) => {
      fill(log);
      for (const term of [-1, 1.5, NaN, Infinity, 2 ** 53, 6n, "6", null, undefined]) {
        refuses(
          log,
          "INVALID_ARGUMENT",
          /^Cannot set the hard state: the term must be a safe integer of 0 or more, found /,
          () => log.setHardState({ term: forbidden<number>(term), votedFor: null }),
        );
      }
      for (const votedFor of [-1n, 2n ** 64n, 1, 0, "1", undefined, {}]) {
        refuses(
          log,
          "INVALID_ARGUMENT",
          /^Cannot set the hard state: the vote must be null or a bigint from 0 to 2\^64 - 1, found /,
          () => log.setHardState({ term: 6, votedFor: forbidden<bigint>(votedFor) }),
        );
      }
      for (const state of [undefined, null, 6, "state"]) {
        refuses(
          log,
          "INVALID_ARGUMENT",
          /^Cannot set the hard state: expected a term and a vote, found /,
          () => log.setHardState(forbidden<HardState>(state)),
        );
      }
      log.setHardState({ term: 6, votedFor: null });
      works(log);
    });

    test("refuses a snapshot that is none, also where it would be stale", (log) => {
      fill(log);
      const apply = (message: RegExp, fields: Record<string, unknown>) => {
        for (const index of [12, 5]) {
          const snapshot = forbidden<Snapshot>({ ...snapshotAt(index, 3), ...fields });
          refuses(log, "INVALID_ARGUMENT", message, () => log.applySnapshot(snapshot));
        }
      };
      for (const index of [0, -1, 12.5, NaN, Infinity, 2 ** 53, 12n, "12", undefined]) {
        apply(/^Cannot apply the snapshot: the index must be a safe integer of 1 or more, found /, { index });
      }
      for (const term of [-1, 3.5, NaN, Infinity, 2 ** 53, 3n, "3", undefined]) {
        apply(/at index \d+: the term must be a safe integer of 0 or more, found /, { term });
      }
      for (const config of [undefined, null, 1n, "1", new Set([1n])]) {
        apply(/at index \d+: the configuration must be an array, found /, { config });
      }
      for (const member of [-1n, 2n ** 64n, 1, "1", undefined]) {
        apply(/at index \d+: the members must be bigints from 0 to 2\^64 - 1, found /, { config: [1n, member] });
      }
      apply(/at index \d+: at most 65536 members can be named, found 65537/, { config: Array(65_537).fill(1n) });
      for (const data of [undefined, null, "data", [1], new ArrayBuffer(3), new Uint16Array(3)]) {
        apply(/at index \d+: the data must be a Uint8Array, found /, { data });
      }
      for (const [fields, message] of REFUSED_META) apply(message, fields);
      for (const snapshot of [undefined, null, 12, "snapshot"]) {
        refuses(
          log,
          "INVALID_ARGUMENT",
          /^Cannot apply the snapshot: expected a snapshot, found /,
          () => log.applySnapshot(forbidden<Snapshot>(snapshot)),
        );
      }
      log.applySnapshot(snapshotAt(12, 3));
      assert.equal(log.lastIndex, 20);
      works(log);
    });

    test("refuses to read at what is no index", (log) => {
      fill(log);
      const message = /^Cannot read the log: an index must be a safe integer of 0 or more, found /;
      for (const value of [-1, 11.5, NaN, Infinity, -Infinity, 2 ** 53 + 2, 11n, "11", null, undefined]) {
        const index = forbidden<number>(value);
        refuses(log, "INVALID_ARGUMENT", message, () => log.entry(index));
        refuses(log, "INVALID_ARGUMENT", message, () => log.termAt(index));
        refuses(log, "INVALID_ARGUMENT", message, () => log.entries(index, 20));
        refuses(log, "INVALID_ARGUMENT", message, () => log.entries(11, index));
      }
      works(log);
    });

    test("refuses a maxBytes that bounds nothing", (log) => {
      fill(log);
      const message = /^Cannot read the log: maxBytes must be a number of 0 or more, found /;
      for (const value of [-1, NaN, -Infinity, 10n, "10", null]) {
        const maxBytes = forbidden<number>(value);
        refuses(log, "INVALID_ARGUMENT", message, () => log.entries(11, 20, { maxBytes }));
        refuses(log, "INVALID_ARGUMENT", message, () => log.entries(30, 20, { maxBytes }));
      }
      works(log);
    });
  });

  describe(`${name}: at the end of the numbers`, () => {
    test("knows no zero with a sign, which a restart would take from it", (log) => {
      log.setHardState({ term: -0, votedFor: null });
      assert.ok(Object.is(log.hardState.term, 0), "hard state");
      log.append([entryAt(1, -0), { ...entryAt(2, -0), command: new Uint8Array(5 * 1024 * 1024) }]);
      log.append([entryAt(3, -0)]);
      assert.ok([log.lastTerm, ...[1, 2, 3].map((index) => log.termAt(index))].every((term) => Object.is(term, 0)));
      assert.ok(log.entries(1, 3).every(({ term }) => Object.is(term, 0)), "entries");
      log.applySnapshot(snapshotAt(4, -0));
      assert.ok([log.lastTerm, log.termAt(4), log.snapshot()?.term].every((term) => Object.is(term, 0)), "snapshot");
    });

    test("keeps indexes and terms up to 2^53 - 1, and refuses what would be rounded", (log) => {
      log.applySnapshot(snapshotAt(MAX - 4, MAX - 2));
      log.append([entryAt(MAX - 3, MAX - 2), entryAt(MAX - 2, MAX - 1)]);
      log.append([entryAt(MAX - 1, MAX), entryAt(MAX, MAX)]);
      assert.equal(log.lastIndex, MAX);
      assert.equal(log.lastTerm, MAX);
      assert.deepEqual(log.entries(MAX - 1, MAX), [entryAt(MAX - 1, MAX), entryAt(MAX, MAX)]);
      assert.deepEqual(
        [MAX - 4, MAX - 3, MAX - 2, MAX - 1, MAX].map((index) => log.termAt(index)),
        [MAX - 2, MAX - 2, MAX - 1, MAX, MAX],
      );
      const message = /the entry's index must be a safe integer of 1 or more, found 9007199254740992$/;
      refuses(log, "INVALID_ARGUMENT", message, () => log.append([entryAt(MAX + 1, MAX)]));
      log.truncate(MAX);
      assert.equal(log.lastIndex, MAX - 1);
      log.append([entryAt(MAX, MAX)]);
    });

    test("is compacted through 2^53 - 1, and then has no entries", (log) => {
      log.applySnapshot(snapshotAt(MAX - 2, MAX));
      log.append([entryAt(MAX - 1, MAX), entryAt(MAX, MAX)]);
      const retention = log.retain("reader", MAX);
      log.compact(MAX);
      assert.deepEqual([log.firstIndex, log.entries(0, MAX)], [MAX, [entryAt(MAX, MAX)]]);
      retention.advance(MAX + 1);
      assert.deepEqual([log.snapshotIndex, log.lastIndex, log.lastTerm], [MAX, MAX, MAX]);
      assert.deepEqual(log.entry(MAX + 1), undefined);
    });

    test("keeps a snapshot at 2^53 - 1, after which there is nothing", (log) => {
      log.append(range(1, 3));
      log.applySnapshot(snapshotAt(MAX, MAX));
      assert.equal(log.lastIndex, MAX);
      assert.equal(log.lastTerm, MAX);
      refuses(log, "INVALID_ARGUMENT", /found 9007199254740992$/, () => log.append([entryAt(MAX + 1, MAX)]));
      refuses(log, "COMPACTED", /includes it$/, () => log.truncate(MAX));
      assert.deepEqual(log.entries(log.snapshotIndex + 1, log.lastIndex), []);
      assert.deepEqual([log.entry(MAX + 1), log.termAt(MAX + 1)], [undefined, undefined]);
      assert.equal(log.syncSync(), MAX);
    });
  });
}
