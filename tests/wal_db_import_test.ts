/** Importing a wal-db log: what is replayed, and how. */

import assert from "node:assert/strict";
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { MemoryLog, type RaftLog } from "../mod.ts";
import { CHUNK_BYTES } from "../src/codec/codec.ts";
import { importWalDb, type WalDbImportOptions } from "../src/wal_db/mod.ts";
import { entryAt } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { assertSameState, bytesOf, stateOf } from "./model.ts";
import { inTemporaryFolder } from "./temporary.ts";
import { concat, FILE, imported, KITCHEN, noLinks, rejection, watchedReads } from "./wal_db_log.ts";
import { record } from "./wal_db_records.ts";
import { systemError, WatchedFileSystem } from "./watched_file_system.ts";

describe("importing a wal-db log", () => {
  it("replays records of each kind, up to the largest numbers", async () => {
    const { log, result } = await imported(KITCHEN.bytes);
    assertSameState(stateOf(log), KITCHEN.states.at(-1)!);
    assert.deepEqual(result, {
      verdict: "clean",
      records: KITCHEN.ends.length - 1,
      bytes: KITCHEN.bytes.length,
      cut: undefined,
    });
  });

  it("imports a file that ends within a record up to that record, and reports it", async () => {
    for (let size = 0; size <= KITCHEN.bytes.length; size++) {
      const whole = KITCHEN.ends.findLastIndex((end) => end <= size);
      const { log, result } = await imported(KITCHEN.bytes.subarray(0, size));
      assertSameState(stateOf(log), KITCHEN.states[whole]!, `${size} bytes`);
      const offset = KITCHEN.ends[whole]!;
      assert.equal(result.verdict, offset === size ? "clean" : "torn", `${size} bytes`);
      assert.equal(result.records, whole);
      if (offset === size) assert.equal(result.cut, undefined);
      else {
        const { reason, ...place } = result.cut!;
        assert.deepEqual(place, { offset, bytes: size - offset, resumesAt: undefined });
        assert.match(reason, /the file ends \d+ bytes into a record/);
      }
    }
  });

  it("drops all entries at a truncation that reaches into the snapshot", async () => {
    const { log } = await imported(concat([
      record.snapshot(5, 2, [], bytesOf(3)),
      record.entry(2, 6, bytesOf(3)),
      record.truncate(3),
      record.entry(3, 6, bytesOf(4)),
      record.truncate(0),
    ]));
    assert.equal(log.lastIndex, 5);
    assert.equal(log.lastTerm, 2);
  });

  it("keeps the entries above a snapshot with an agreeing term, across many terms", async () => {
    const entries = Array.from({ length: 60 }, (_, i) => record.entry(1 + Math.floor(i / 3), i + 1, bytesOf(2)));
    for (const [index, term, lastIndex] of [[30, 10, 60], [30, 9, 30], [31, 11, 60], [60, 20, 60], [61, 21, 61]]) {
      const { log } = await imported(concat([...entries, record.snapshot(index!, term!, [], bytesOf(1))]));
      assert.equal(log.lastIndex, lastIndex, `snapshot at ${index}, term ${term}`);
    }
  });

  it("does not move the list of terms at each snapshot", async () => {
    const indexes = Array.from({ length: 1000 }, (_, i) => i + 1);
    const none = new Uint8Array(0);
    const bytes = concat([
      ...indexes.map((index) => record.entry(index, index, none)),
      ...indexes.map((index) => record.snapshot(index, index, [], none)),
    ]);
    const { splice } = Array.prototype;
    let moved = 0;
    Array.prototype.splice = function (this: unknown[], ...args: Parameters<typeof splice>) {
      moved += this.length;
      return splice.apply(this, args);
    };
    try {
      const { log } = await imported(bytes);
      assert.deepEqual([log.lastIndex, log.snapshotIndex, log.lastTerm], [1000, 1000, 1000]);
    } finally {
      Array.prototype.splice = splice;
    }
    assert.ok(moved < 10 * indexes.length, `${moved}`);
  });

  it("follows a link that the caller names", { skip: noLinks }, async () => {
    await inTemporaryFolder(async (folder) => {
      writeFileSync(join(folder, "file.wal"), KITCHEN.bytes);
      symlinkSync("file.wal", join(folder, "link.wal"));
      const log = new MemoryLog();
      await importWalDb(join(folder, "link.wal"), log);
      assertSameState(stateOf(log), KITCHEN.states.at(-1)!);
    });
  });

  it("refuses a log that is not empty", async () => {
    for (
      const fill of [
        (log: RaftLog) => log.append([entryAt(1)]),
        (log: RaftLog) => log.setHardState({ term: 1, votedFor: null }),
        (log: RaftLog) => log.setHardState({ term: 0, votedFor: 0n }),
        (log: RaftLog) => log.applySnapshot({ index: 1, term: 1, config: [], data: bytesOf(1) }),
      ]
    ) {
      const log = new MemoryLog();
      fill(log);
      const before = stateOf(log);
      const fileSystem = new MemoryDisk(new Map([["source.wal", KITCHEN.bytes]]));
      assert.equal((await rejection(importWalDb(FILE, log, { fileSystem }))).code, "INVALID_ARGUMENT");
      assertSameState(stateOf(log), before);
    }
  });

  it("reports a source that is missing or not a path", async () => {
    assert.match((await rejection(importWalDb("/nowhere/x.wal", new MemoryLog()))).message, /[/\\]nowhere[/\\]x\.wal/);
    assert.equal((await rejection(importWalDb("/nowhere/x.wal", new MemoryLog()))).code, "IO");
    for (const path of ["", "file:///x", 7 as unknown as string]) {
      assert.equal((await rejection(importWalDb(path, new MemoryLog()))).code, "INVALID_ARGUMENT");
    }
    const options = { onDamage: "keep" } as unknown as WalDbImportOptions;
    assert.equal((await rejection(importWalDb("x", new MemoryLog(), options))).code, "INVALID_ARGUMENT");
  });

  it("handles short reads, closes the file, and passes on errors of the disk", async () => {
    const watched = new WatchedFileSystem(new MemoryDisk(new Map([["source.wal", KITCHEN.bytes]])));
    watched.bytesMax = 5;
    const log = new MemoryLog();
    await importWalDb(FILE, log, { fileSystem: watched });
    assertSameState(stateOf(log), KITCHEN.states.at(-1)!);
    assert.equal(watched.openFiles, 0);
    watched.failRead = () => {
      throw systemError("EIO");
    };
    assert.equal((await rejection(importWalDb(FILE, new MemoryLog(), { fileSystem: watched }))).code, "IO");
    assert.equal(watched.openFiles, 0);
  });

  it("holds only a chunk in memory, or a larger record", async () => {
    const sizes = [
      ...Array.from({ length: 30 }, () => 300_000),
      3 * CHUNK_BYTES,
      ...Array.from({ length: 9 }, () => 100),
    ];
    const bytes = concat(sizes.map((size, i) => record.entry(1, i + 1, bytesOf(size))));
    const { disk, buffers } = watchedReads(bytes);
    const log = new MemoryLog();
    await importWalDb(FILE, log, { fileSystem: disk });
    assert.equal(log.lastIndex, sizes.length);
    assert.ok(Math.max(...buffers) <= 3 * CHUNK_BYTES + 8 + 26, `${Math.max(...buffers)}`);
    assert.ok(buffers.filter((size) => size > CHUNK_BYTES).length <= 4, `${buffers}`);
  });

  it("reports progress, and stops when it is aborted", async () => {
    const bytes = concat(Array.from({ length: 2000 }, (_, i) => record.entry(1, i + 1, bytesOf(100))));
    const seen: number[] = [];
    const { result } = await imported(bytes, {
      onProgress: ({ bytesDone, bytesTotal }) => seen.push(bytesDone / bytesTotal),
    });
    assert.equal(result.records, 2000);
    assert.equal(seen.at(-1), 1);
    assert.ok(seen.every((part, i) => part <= 1 && part >= (seen[i - 1] ?? 0)), seen.join());
    const reason = new Error("enough");
    const fileSystem = new MemoryDisk(new Map([["source.wal", bytes]]));
    const aborted = importWalDb(FILE, new MemoryLog(), { fileSystem, signal: AbortSignal.abort(reason) });
    await assert.rejects(aborted, (error) => error === reason);
  });
});
