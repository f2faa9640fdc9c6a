/**
 * The suite's tests of truncations, hard states and flushes.
 *
 * @module
 */

import assert from "node:assert/strict";
import { describe } from "node:test";
import type { HardState, Index } from "../../src/api/types.ts";
import { assertSameState, bytesOf, stateOf } from "../model.ts";
import { entryAt, fill, MAX, NODE_ID_MAX, range, snapshotAt, type Suite } from "./subject.ts";

/** Truncations. */
export function truncations({ name, test }: Suite): void {
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

    test("restores the term of the previous entry, also for the next append", (log) => {
      log.append([...range(1, 3, 1), ...range(4, 6, 5)]);
      log.truncate(4);
      assert.equal(log.lastTerm, 1);
      log.append(range(4, 5, 2));
      assert.deepEqual([3, 4, 5, 6].map((index) => log.termAt(index)), [1, 2, 2, undefined]);
    });

    test("keeps the snapshot's index and term when the last entry above it is removed", (log) => {
      fill(log);
      log.truncate(11);
      assert.equal(log.lastIndex, 10);
      assert.equal(log.lastTerm, 3);
      assert.equal(log.termAt(10), 3);
      log.append(range(11, 12, 3));
      assert.equal(log.lastIndex, 12);
    });

    test("never brings back a discarded entry, however often the tail is rewritten", (log) => {
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
}

/** Hard states. */
export function hardStates({ name, test }: Suite): void {
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

    test("is replaced by any other one", (log) => {
      log.setHardState({ term: 7, votedFor: 1n });
      log.setHardState({ term: 7, votedFor: null });
      log.setHardState({ term: 3, votedFor: 2n });
      assert.equal(log.hardState.term, 3);
      assert.equal(log.hardState.votedFor, 2n);
    });

    test("is independent of entries, truncations and snapshots", (log) => {
      log.setHardState({ term: 7, votedFor: 1n });
      log.append(range(1, 10, 9));
      log.truncate(5);
      log.applySnapshot(snapshotAt(3, 9));
      log.applySnapshot(snapshotAt(30, 12));
      assert.equal(log.hardState.term, 7);
      assert.equal(log.hardState.votedFor, 1n);
    });
  });
}

/** Flushes. */
export function flushes({ name, test }: Suite): void {
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
}
