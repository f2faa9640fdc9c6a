/**
 * The suite's tests of retentions.
 *
 * @module
 */

import assert from "node:assert/strict";
import { describe } from "node:test";
import { WalLogError } from "../../src/api/errors.ts";
import type { Index, LogEntry, RaftLog } from "../../src/api/types.ts";
import { stateOf } from "../model.ts";
import { entryAt, fill, forbidden, MAX, range, refuses, snapshotAt, type Suite, works } from "./subject.ts";

/** Retentions. */
export function retentions({ name, test }: Suite): void {
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

    test("release entries when they are advanced, and the rest when they are released", (log) => {
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

    test("hold compaction back at the lowest of them", (log) => {
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

    test("can begin above the last entry, and keep later entries", (log) => {
      log.append(range(1, 5));
      const retention = log.retain("reader", 8);
      log.append(range(6, 10));
      log.compact(9);
      assert.equal(log.firstIndex, 8);
      holds(log, range(8, 10));
      retention.release();
      works(log);
    });

    test("can be made below the snapshot if another one keeps the entries", (log) => {
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

    test("move down to a truncation, after which all entries are new", (log) => {
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

    test("do not allow a truncation at or below the snapshot", (log) => {
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

    test("survive snapshots that leave no entry above", (log) => {
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

    test("are refused if the entries are gone", (log) => {
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

    test("are refused for an invalid index or name, or a name in use", (log) => {
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
}
