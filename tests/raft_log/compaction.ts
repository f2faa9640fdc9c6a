/**
 * The suite's tests of snapshots of the node's own state.
 *
 * @module
 */

import assert from "node:assert/strict";
import { describe } from "node:test";
import type { CompactOptions, Index } from "../../src/api/types.ts";
import { assertSameState, bytesOf, stateOf } from "../model.ts";
import {
  detachedBytes,
  entryAt,
  fill,
  forbidden,
  MAX,
  NODE_ID_MAX,
  range,
  REFUSED_META,
  refuses,
  scribble,
  snapshotAt,
  type Suite,
  works,
} from "./subject.ts";

/** Compaction. */
export function compaction({ name, test }: Suite): void {
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

    test("never drops an entry above the index, for any terms", (log) => {
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

    test("refuses an invalid index or invalid options, also below the snapshot", (log) => {
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
}
