/**
 * The suite's tests at the largest index and the largest term.
 *
 * @module
 */

import assert from "node:assert/strict";
import { describe } from "node:test";
import { entryAt, MAX, range, refuses, snapshotAt, type Suite } from "./subject.ts";

/** The last index and the largest term. */
export function endOfNumbers({ name, test }: Suite): void {
  describe(`${name}: at the end of the numbers`, () => {
    test("never returns a negative zero, which a restart would change", (log) => {
      log.setHardState({ term: -0, votedFor: null });
      assert.ok(Object.is(log.hardState.term, 0), "hard state");
      log.append([entryAt(1, -0), { ...entryAt(2, -0), command: new Uint8Array(5 * 1024 * 1024) }]);
      log.append([entryAt(3, -0)]);
      assert.ok([log.lastTerm, ...[1, 2, 3].map((index) => log.termAt(index))].every((term) => Object.is(term, 0)));
      assert.ok(log.entries(1, 3).every(({ term }) => Object.is(term, 0)), "entries");
      log.applySnapshot(snapshotAt(4, -0));
      assert.ok([log.lastTerm, log.termAt(4), log.snapshot()?.term].every((term) => Object.is(term, 0)), "snapshot");
    });

    test("keeps indexes and terms up to 2^53 - 1, and refuses larger ones", (log) => {
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
