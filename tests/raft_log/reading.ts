/**
 * The suite's tests of appending and reading entries.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe } from "node:test";
import type { Index } from "../../src/api/types.ts";
import { assertSameState, bytesOf, type Filling, stateOf } from "../model.ts";
import { ENTRY_BYTES_MAX, entryAt, fill, forbidden, MAX, range, scribble, type Suite } from "./subject.ts";

/** Sizes around those of copies, vectors, hash blocks, sectors, pages and buffers. In bytes. */
const SIZES = [
  ...Array.from({ length: 101 }, (_, size) => size),
  ...[127, 128, 129, 239, 240, 241, 242, 255, 256, 257, 511, 512, 513, 1023, 1024, 1025, 2047, 2048, 2049],
  ...[4055, 4056, 4057, 4095, 4096, 4097, 8191, 8192, 8193, 65_535, 65_536, 65_537],
  ...[1024 * 1024 - 1, 1024 * 1024, 1024 * 1024 + 1, 3 * 1024 * 1024],
];

/** An empty log. */
export function emptyLog({ name, test }: Suite): void {
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
}

/** Appending and reading. */
export function appendingAndReading({ name, make, test }: Suite): void {
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

    test("treats an entry without a kind as normal", (log) => {
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

    test("accepts every Uint8Array: views, Buffers, shared memory", (log) => {
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

    test("accepts a command of the largest size", (log) => {
      log.append([entryAt(1, 1, new Uint8Array(ENTRY_BYTES_MAX).fill(7))]);
      const command = log.entry(1)?.command;
      assert.equal(command?.byteLength, ENTRY_BYTES_MAX);
      assert.ok(command.every((byte) => byte === 7));
      // Remove the entry, because reading it again after reopening would only be slow.
      log.truncate(1);
    });
  });
}

/** A log copies its inputs and outputs. */
export function copies({ name, test }: Suite): void {
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
          // A frozen value is as good as a copy.
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
        // A frozen value is as good as a copy.
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
          // A frozen value is as good as a copy.
        }
        assert.deepEqual(log.snapshot(), { index, term: 1, config: [1n, 2n], meta: bytesOf(30), data: bytesOf(50) });
      }
    });
  });
}
