/** Installing a snapshot: the order of its steps, and the log after a crash. */

import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { snapshotName } from "../src/format/snapshot_name.ts";
import { entriesAt, entryAt, History } from "./history.ts";
import { type Contents, MemoryDisk } from "./memory_disk.ts";
import { bytesOf, stateOf } from "./model.ts";
import { SMALL, snapshotFiles, withLog } from "./snapshot_log.ts";
import { WatchedFileSystem } from "./watched_file_system.ts";

describe("installing a snapshot", () => {
  for (const way of ["applySnapshot", "receiveSnapshot", "compact", "createSnapshot"] as const) {
    it(
      `with ${way} is durable before anything is deleted, oldest first`,
      withLog(async ({ path, fileSystem, log }) => {
        log.applySnapshot({ index: 2, term: 1, config: [], data: bytesOf(10) });
        const segments = readdirSync(path).filter((name) => name.endsWith(".seg")).sort();
        fileSystem.calls = [];
        const snapshot = { index: 18, term: 1, config: [], data: bytesOf(1000) };
        if (way === "applySnapshot") log.applySnapshot(snapshot);
        else if (way === "compact") log.compact(18, { data: snapshot.data, config: snapshot.config });
        else {
          const writer = log[way](snapshot).getWriter();
          await writer.write(snapshot.data);
          await writer.close();
        }

        const { calls } = fileSystem;
        const index = (what: string, test: (call: typeof calls[number]) => boolean, from = 0): number => {
          const found = calls.findIndex((call, i) => i >= from && test(call));
          assert.ok(found >= 0, `${what} from ${from} on in ${fileSystem.trace.join(", ")}`);
          return found;
        };
        const isFlush = (operation: string): boolean => operation === "sync" || operation === "syncAsync";
        const lastData = calls.findLastIndex(({ operation, name }) => operation === "write" && name.endsWith(".tmp"));
        const flushed = index(
          "a flush of the data",
          ({ operation, name }) => isFlush(operation) && name.endsWith(".tmp"),
          lastData,
        );
        const renamed = index("the rename", ({ operation }) => operation === "rename", flushed);
        const directory = index("a flush of the directory", ({ operation }) => operation === "syncDirectory", renamed);
        const record = index(
          "the record",
          ({ operation, name }) => operation === "write" && name.endsWith(".seg"),
          directory,
        );
        const recordFlushed = index(
          "a flush of the record",
          ({ operation, name }) => isFlush(operation) && name.endsWith(".seg"),
          record,
        );
        const firstRemoval = index("a deletion", ({ operation }) => operation === "remove");
        assert.ok(firstRemoval > recordFlushed, "nothing is deleted before the record is durable");
        assert.ok(
          calls.slice(0, directory).every(({ operation, name }) => operation !== "write" || !name.endsWith(".seg")),
          "the record is not written before the file has its name",
        );
        const removed = calls.filter(({ operation, name }) => operation === "remove" && name.endsWith(".seg"))
          .map(({ name }) => name);
        assert.ok(removed.length >= 1);
        assert.deepEqual(removed, segments.slice(0, removed.length), "oldest first");
        assert.deepEqual(snapshotFiles(path), ["000000000018-000000000001.snap"]);
      }),
    );
  }

  it("leaves a correct log after a kill at any call", () => {
    const disk = new MemoryDisk();
    const fileSystem = new WatchedFileSystem(disk);
    const log = WalLog.openSync(MemoryDisk.PATH, { fileSystem, segmentBytes: SMALL });
    const history = new History(log);
    history.append(...entriesAt(1, 20, 1, 500)).sync();
    const left: { contents: Contents; steps: number; call: string }[] = [];
    fileSystem.fail = ({ operation, name }) => {
      const contents = new Map([...disk.contents()].map(([name, bytes]) => [name, bytes.slice()]));
      left.push({ contents, steps: history.states.length - 1, call: `${operation} ${name}` });
    };
    const at = (index: number, term: number) => ({ index, term, config: [BigInt(index)], data: bytesOf(index * 100) });
    history.do((log) => log.applySnapshot(at(5, 1)), (log) => log.applySnapshot(at(12, 1)));
    history.append(entryAt(21, 2, 500));
    history.do((log) => log.applySnapshot(at(18, 7))); // disagrees: clears the log
    history.append(...entriesAt(19, 24, 8, 500));
    history.do((log) => log.applySnapshot(at(40, 9))); // ahead of the log
    history.append(...entriesAt(41, 43, 9, 500));
    log.closeSync();
    assert.ok(left.length > 60, `${left.length} calls`);
    for (const { contents, steps, call } of left) {
      const when = `killed before ${call}`;
      for (const verify of ["full", "tail"] as const) {
        const killed = new MemoryDisk(contents);
        const again = WalLog.openSync(MemoryDisk.PATH, { fileSystem: killed, segmentBytes: SMALL, verify });
        assert.notEqual(again.recovery.verdict, "corrupt", when);
        const state = stateOf(again);
        history.stepOf(state, steps, when);
        again.closeSync();
        const names = [...killed.contents().keys()].filter((name) => name.includes(".snap"));
        const { snapshot } = state;
        assert.deepEqual(
          names,
          snapshot === undefined ? [] : [snapshotName(snapshot.index, snapshot.term)],
          `${when}: what no one needs is gone`,
        );
      }
    }
  });

  it(
    "removes only leftovers of other snapshots when the log is opened for writing",
    withLog(
      ({ path, log }) => {
        log.applySnapshot({ index: 10, term: 1, config: [], data: bytesOf(10) });
        log.closeSync();
        const leftovers = [
          "000000000005-000000000001.snap",
          "000000000099-000000000004.snap",
          "000000000010-000000000002.snap",
          "000000000010-000000000001.snap.0123456789abcdef.tmp",
          "000000000099-000000000004.snap.fedcba9876543210.tmp",
        ];
        const foreign = ["10-1.snap", "000000000010-000000000001.snap.bak", "000000000010-000000000001.snap.tmp"];
        for (const name of [...leftovers, ...foreign]) writeFileSync(`${path}/${name}`, name);
        const reader = WalLog.openSync(path, { readOnly: true });
        assert.equal(snapshotFiles(path).length, 1 + leftovers.length + foreign.length, "a reader removes nothing");
        reader.closeSync();
        const again = WalLog.openSync(path);
        assert.deepEqual(snapshotFiles(path), ["000000000010-000000000001.snap", ...foreign].sort());
        assert.deepEqual(again.snapshot()!.data, bytesOf(10));
        again.closeSync();
      },
    ),
  );

  for (const way of ["applySnapshot", "receiveSnapshot"] as const) {
    it(`with ${way} replaces the log's own snapshot if that is damaged`, async () => {
      const disk = new SimulatedDisk();
      const { fileSystem } = disk;
      const open = () => WalLog.openSync("/raft.wal", { fileSystem, onDamage: "keep" });
      const log = open();
      log.append(entriesAt(1, 5));
      const snapshot = { index: 3, term: 1, config: [1n], data: bytesOf(1000) };
      log.applySnapshot(snapshot);
      log.closeSync();
      disk.flip(disk.files().find((name) => name.endsWith(".snap"))!, 900);
      const damaged = open();
      assert.deepEqual(damaged.damaged.map(({ kind }) => kind), ["snapshot"]);
      if (way === "applySnapshot") damaged.applySnapshot(snapshot);
      else {
        const { data, ...meta } = snapshot;
        const writer = damaged.receiveSnapshot(meta).getWriter();
        await writer.write(data);
        await writer.close();
      }
      assert.deepEqual(damaged.damaged, []);
      assert.deepEqual(damaged.entries(4, 5), entriesAt(4, 5));
      damaged.closeSync();
      assert.deepEqual(open().snapshot()?.data, snapshot.data);
    });
  }
});
