/**
 * The suite's tests of a leader's snapshots.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe } from "node:test";
import { META_BYTES_MAX } from "../../src/format/snapshot_header.ts";
import { assertSameState, bytesOf, stateOf } from "../model.ts";
import { entryAt, fill, MAX, NODE_ID_MAX, range, refuses, snapshotAt, type Suite } from "./subject.ts";

/** A leader's snapshots. */
export function snapshots({ name, test }: Suite): void {
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

    test("replaces the last entry if it agrees with it", (log) => {
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

    test("clears the log if it is ahead of it, and the log continues above", (log) => {
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
}
