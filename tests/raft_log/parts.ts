/**
 * The suite's tests of snapshots that are read and written piece by piece.
 *
 * @module
 */

import assert from "node:assert/strict";
import { describe } from "node:test";
import type { RaftLog, SnapshotTarget } from "../../src/api/types.ts";
import { WalLogError } from "../../src/api/errors.ts";
import { assertSameState, bytesOf, stateOf } from "../model.ts";
import { fill, forbidden, MAX, range, refuses, scribble, snapshotAt, type Suite, works } from "./subject.ts";

const SIZES = [0, 1, 8, 100, 512 * 1024 - 1, 512 * 1024, 512 * 1024 + 1, 1_500_000];

/** A target with this data in it, written in pieces of growing size. */
function written(log: RaftLog, index: number, data: Uint8Array, meta: object = {}): SnapshotTarget {
  const target = log.createSnapshotTarget({ index, term: 1, config: [1n], ...meta });
  for (let at = 0, step = 1; at < data.length; at += step, step = step * 3 % 300_007 + 1) {
    target.write(data.subarray(at, at + step));
  }
  return target;
}

/** Fails unless a call throws that the snapshot is closed. */
function closed(call: () => unknown): void {
  assert.throws(call, (error) => error instanceof WalLogError && error.code === "CLOSED");
}

/** Snapshots by parts. */
export function snapshotParts({ name, test }: Suite): void {
  describe(`${name}: a snapshot that is written a piece at a time`, () => {
    for (const size of SIZES) {
      test(`of ${size} bytes is read as it was written`, (log) => {
        const data = bytesOf(size);
        const config = [1n, 2n ** 64n - 1n];
        const target = written(log, 5, data, { config, meta: bytesOf(13) });
        assert.deepEqual([target.index, target.dataBytes, target.isOpen], [5, size, true]);
        assert.equal(log.snapshotIndex, 0, "it is not installed");
        target.install();
        assert.equal(target.isOpen, false);
        assert.deepEqual(log.snapshot(), { index: 5, term: 1, config, meta: bytesOf(13), data });
      });
    }

    test("is a copy of what was given", (log) => {
      const [data, meta] = [bytesOf(100), bytesOf(20)];
      const config = [1n, 2n];
      const target = log.createSnapshotTarget({ index: 5, term: 1, config, meta });
      target.write(data);
      scribble(data);
      scribble(meta);
      config.pop();
      target.install();
      assert.deepEqual(log.snapshot(), {
        index: 5,
        term: 1,
        config: [1n, 2n],
        meta: bytesOf(20),
        data: bytesOf(100),
      });
    });

    test("keeps the entries above it if the log has its entry, and clears the log otherwise", (log) => {
      log.append(range(1, 20));
      written(log, 10, bytesOf(10)).install();
      assert.deepEqual([log.snapshotIndex, log.lastIndex], [10, 20]);
      written(log, 15, bytesOf(10), { term: 7 }).install();
      assert.deepEqual([log.snapshotIndex, log.lastIndex, log.lastTerm], [15, 15, 7]);
    });

    test("is given up if a later one was installed meanwhile", (log) => {
      fill(log);
      const stale = written(log, 10, bytesOf(10), { term: 9 });
      const overtaken = written(log, 12, bytesOf(10));
      log.applySnapshot(snapshotAt(15, 3));
      const before = stateOf(log);
      for (const target of [stale, overtaken]) {
        target.install();
        assert.equal(target.isOpen, false);
      }
      assertSameState(stateOf(log), before, "after stale ones");
    });

    test("changes nothing if it is aborted, and takes nothing more", (log) => {
      fill(log);
      const before = stateOf(log);
      const target = written(log, 15, bytesOf(1_000_000));
      target.abort();
      target.abort();
      closed(() => target.write(bytesOf(1)));
      closed(() => target.install());
      assertSameState(stateOf(log), before, "after it was given up");
      const installed = written(log, 16, bytesOf(10));
      installed.install();
      installed.abort();
      closed(() => installed.write(bytesOf(1)));
      assert.equal(log.snapshotIndex, 16);
      works(log);
    });

    test("can be written while entries are appended, and beside another", (log) => {
      const [one, other] = [5, 6].map((index) => log.createSnapshotTarget({ index, term: 1, config: [] }));
      log.append(range(1, 8));
      one!.write(bytesOf(10));
      other!.write(bytesOf(20));
      one!.install();
      assert.deepEqual(log.snapshot()?.data, bytesOf(10));
      other!.install();
      assert.deepEqual(log.snapshot()?.data, bytesOf(20));
      assert.equal(log.lastIndex, 8);
    });

    test("refuses what is no snapshot and no piece", (log) => {
      fill(log);
      const begin = (meta: unknown) => () => log.createSnapshotTarget(forbidden(meta));
      refuses(log, "INVALID_ARGUMENT", /expected a snapshot, found null$/, begin(null));
      refuses(log, "INVALID_ARGUMENT", /the index must be/, begin({ index: 0, term: 1, config: [] }));
      const target = log.createSnapshotTarget({ index: 15, term: 1, config: [] });
      refuses(log, "INVALID_ARGUMENT", /must be a Uint8Array/, () => target.write(forbidden("data")));
      refuses(log, "INVALID_ARGUMENT", /force/, () => target.install(forbidden({ forced: true })));
      target.write(bytesOf(3));
      target.install();
      assert.deepEqual(log.snapshot()?.data, bytesOf(3));
    });
  });

  readParts({ name, test });
}

function readParts({ name, test }: Pick<Suite, "name" | "test">): void {
  describe(`${name}: a snapshot that is read a part at a time`, () => {
    test("is none if there is none", (log) => assert.equal(log.openSnapshotSource(), undefined));

    for (const size of SIZES) {
      test(`of ${size} bytes has the same bytes wherever it is read`, (log) => {
        const data = bytesOf(size);
        log.applySnapshot({ index: 5, term: 1, config: [7n], meta: bytesOf(9), data });
        const source = log.openSnapshotSource()!;
        const { index, term, config, meta, dataBytes } = source;
        assert.deepEqual({ index, term, config, meta, dataBytes }, {
          ...{ index: 5, term: 1, config: [7n], meta: bytesOf(9), dataBytes: size },
        });
        // Forwards, backwards, over borders of pieces, and beyond the end.
        const places = [0, size - 1, size >> 1, 1, (size >> 1) - 7, 512 * 1024 - 3, size].filter((at) =>
          at >= 0 && at <= size
        );
        for (const offset of places) {
          for (const length of [0, 1, 10, 700_000, MAX]) {
            const expected = data.slice(offset, Math.min(offset + length, size));
            assert.deepEqual(source.read(offset, length), expected, `${length} bytes from ${offset} on`);
          }
        }
        source.close();
      });
    }

    test("is a copy, and the same while later ones replace it", (log) => {
      log.applySnapshot(snapshotAt(5, 1, bytesOf(1_000_000)));
      const source = log.openSnapshotSource()!;
      scribble(source.read(0, 100));
      log.applySnapshot(snapshotAt(6, 1, bytesOf(10)));
      assert.deepEqual(source.read(0, MAX), bytesOf(1_000_000));
      assert.equal(source.index, 5);
      source.close();
    });

    test("is not read once it is closed, nor elsewhere than in its data", (log) => {
      log.applySnapshot(snapshotAt(5, 1, bytesOf(100)));
      const source = log.openSnapshotSource()!;
      for (const [offset, length] of [[-1, 1], [0, -1], [1.5, 1], [101, 1], [NaN, 1], [0, Infinity]] as const) {
        refuses(log, "INVALID_ARGUMENT", /Cannot read a snapshot/, () => source.read(offset, length));
      }
      source.close();
      source.close();
      closed(() => source.read(0, 1));
    });
  });
}
