/** A log that is opened for reading only. */

import assert from "node:assert/strict";
import { mkdirSync, readdirSync } from "node:fs";
import { describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import { MemoryLog } from "../src/api/memory_log.ts";
import { entriesAt, entryAt } from "./history.ts";
import { assertSameContents, contentsOf } from "./memory_disk.ts";
import { assertSameState, bytesOf, stateOf } from "./model.ts";
import { refusal, SMALL, withPath, writeSegments } from "./opening.ts";
import { WatchedFileSystem } from "./watched_file_system.ts";

describe("reading only", () => {
  it(
    "sees a consistent prefix beside a live writer, and writes nothing",
    withPath((path) => {
      const writer = WalLog.openSync(path, SMALL);
      for (let round = 0; round < 30; round++) {
        const from = writer.lastIndex + 1;
        writer.append(entriesAt(from, from + 6, round + 1, 300));
        if (round % 3 === 0) writer.syncSync();
        if (round % 4 === 0) writer.truncate(from + 3);
        if (round % 10 === 9) {
          writer.applySnapshot({ index: from, term: round + 1, config: [1n], data: bytesOf(round * 10) });
        }
        const before = contentsOf(path);
        for (const verify of ["full", "tail"] as const) {
          const reader = WalLog.openSync(path, { readOnly: true, verify });
          assertSameState(stateOf(reader), stateOf(writer), `round ${round}`);
          assert.equal(reader.recovery.verdict, "clean");
          assert.equal(reader.recovery.closed, false);
          assert.ok(reader.durableIndex <= writer.durableIndex, "a reader reports only durable entries as durable");
          reader.closeSync();
        }
        assertSameContents(contentsOf(path), before, "a reader writes nothing");
      }
      writer.closeSync();
    }),
  );

  it(
    "makes no writing calls on closed, unclosed and torn logs",
    withPath((path) => {
      const fileSystem = new WatchedFileSystem();
      fileSystem.fail = (call) => {
        throw new Error(`a reader called ${call.operation} ${call.name}`);
      };
      const writer = WalLog.openSync(path, SMALL);
      writer.append(entriesAt(1, 40, 1, 300));
      writer.syncSync();
      writer.append(entriesAt(41, 42, 1, 300));
      for (let time = 0; time < 2; time++) {
        const reader = WalLog.openSync(path, { readOnly: true, fileSystem });
        stateOf(reader);
        fileSystem.rest();
        reader.closeSync();
        writer.closeSync();
      }
      assert.equal(fileSystem.openFiles, 0);
    }),
  );

  it(
    "opens an empty folder as an empty log and creates nothing",
    withPath((path) => {
      mkdirSync(path);
      const reader = WalLog.openSync(path, { readOnly: true });
      assertSameState(stateOf(reader), stateOf(new MemoryLog()));
      assert.equal(reader.snapshotMeta(), undefined);
      reader.closeSync();
      assert.deepEqual(readdirSync(path), []);
    }),
  );

  it(
    "refuses every mutation with READ_ONLY",
    withPath(async (path) => {
      writeSegments(path);
      const log = await WalLog.open(path, { readOnly: true });
      const before = stateOf(log);
      const snapshot = { index: 10, term: 1, config: [], data: bytesOf(5) };
      for (
        const call of [
          () => log.append([entryAt(61)]),
          () => log.append([]),
          () => log.truncate(60),
          () => log.setHardState({ term: 9, votedFor: null }),
          () => log.setHardState({ term: 9, votedFor: null }, { force: true }),
          () => log.applySnapshot(snapshot),
          () => log.createSnapshot(snapshot),
          () => log.receiveSnapshot(snapshot),
          () => log.compact(10),
          () => log.syncSync(),
        ]
      ) refusal(call, "READ_ONLY");
      await assert.rejects(log.sync(), { code: "READ_ONLY" });
      assertSameState(stateOf(log), before);
      await log.close();
    }),
  );
});
