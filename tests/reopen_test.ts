/** A closed log, and a log that is opened repeatedly. */

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import { CHECKPOINT_BYTES } from "../src/format/checkpoint.ts";
import { writeEverything } from "./everything.ts";
import { entriesAt, entryAt } from "./history.ts";
import { contentsOf } from "./memory_disk.ts";
import { assertSameState, bytesOf, stateOf } from "./model.ts";
import { refusal, SMALL, withPath, writeSegments } from "./opening.ts";

describe("a closed log", () => {
  it(
    "refuses every use with CLOSED, and closing it again does nothing",
    withPath(async (path) => {
      for (const readOnly of [false, true]) {
        const log = await WalLog.open(path, { readOnly });
        if (!readOnly) log.append(entriesAt(1, 3));
        const iteration = log.iterate();
        iteration.next();
        await log.close();
        const snapshot = { index: 2, term: 1, config: [], data: bytesOf(5) };
        for (
          const call of [
            () => log.entry(1),
            () => log.entries(1, 3),
            () => log.termAt(1),
            () => log.iterate(),
            () => log.snapshot(),
            () => log.snapshotMeta(),
            () => log.openSnapshot(),
            () => log.append([entryAt(4)]),
            () => log.append([]),
            () => log.truncate(1),
            () => log.setHardState({ term: 9, votedFor: null }),
            () => log.applySnapshot(snapshot),
            () => log.createSnapshot(snapshot),
            () => log.receiveSnapshot(snapshot),
            () => log.compact(2),
            () => log.syncSync(),
          ]
        ) assert.equal(refusal(call, "CLOSED").isFatal, true);
        await assert.rejects(log.sync(), { code: "CLOSED" });
        await log.close();
        log.closeSync();
        await log[Symbol.asyncDispose]();
        log[Symbol.dispose]();
        assert.equal(log.lastIndex, 3);
        assert.equal(log.recovery.verdict, "clean");
      }
      const log = WalLog.openSync(path);
      assert.equal(log.recovery.closed, true);
      assert.equal(log.lastIndex, 3);
      log.closeSync();
    }),
  );
});

describe("a log that is opened repeatedly", () => {
  it(
    "is the same from segment indexes as from scanning",
    withPath((path) => {
      const log = WalLog.openSync(path, SMALL);
      writeEverything(log);
      const expected = stateOf(log);
      log.closeSync();
      for (let time = 1; time <= 3; time++) {
        for (const verify of ["tail", "full"] as const) {
          for (const readOnly of [true, false]) {
            const again = WalLog.openSync(path, { verify, readOnly, ...SMALL });
            assertSameState(stateOf(again), expected, `verify "${verify}", readOnly ${readOnly}`);
            assert.equal(again.recovery.entries, expected.entries.length);
            again.closeSync();
          }
        }
      }
    }),
  );

  it(
    "has no more files than before, closed each time",
    withPath((path) => {
      writeSegments(path);
      WalLog.openSync(path).closeSync();
      const before = readdirSync(path).sort();
      const sizes = contentsOf(path);
      for (let time = 0; time < 20; time++) WalLog.openSync(path, { verify: time % 2 ? "full" : "tail" }).closeSync();
      assert.deepEqual(readdirSync(path).sort(), before);
      const bytes = (files: ReadonlyMap<string, Uint8Array>): number =>
        [...files.values()].reduce((sum, { length }) => sum + length, 0);
      assert.ok(bytes(contentsOf(path)) - bytes(sizes) <= 20 * CHECKPOINT_BYTES, "a checkpoint each time at most");
    }),
  );

  it(
    "is the same when it is never closed, and compaction removes the leftovers",
    withPath((path) => {
      // A copy of the folder stands for each kill of the process.
      const first = WalLog.openSync(path, SMALL);
      writeEverything(first);
      const expected = stateOf(first);
      let from = path;
      const open: WalLog[] = [first];
      for (let time = 1; time <= 12; time++) {
        const copy = `${path}-${time}`;
        mkdirSync(copy);
        for (const [name, bytes] of contentsOf(from)) writeFileSync(join(copy, name), bytes);
        const log = WalLog.openSync(copy, SMALL);
        open.push(log);
        assertSameState(stateOf(log), expected, `opened ${time} times`);
        assert.equal(log.recovery.verdict, "clean");
        assert.equal(log.recovery.closed, false);
        assert.equal(log.durableIndex, expected.lastIndex);
        from = copy;
      }
      const last = open.at(-1)!;
      last.append([entryAt(last.lastIndex + 1, last.lastTerm)]);
      last.applySnapshot({ index: last.lastIndex, term: last.lastTerm, config: [], data: bytesOf(1) });
      assert.equal(last.stats().segments, 1);
      assert.equal(readdirSync(from).filter((name) => name.endsWith(".seg")).length, 1);
      for (const log of open) log.closeSync();
    }),
  );
});
