/** Exporting to a wal-db log. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { existsSync, lstatSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { MemoryLog, WalLog, type WalLogErrorCode } from "../mod.ts";
import { CHUNK_BYTES } from "../src/codec/codec.ts";
import { SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";
import { exportWalDb, importWalDb } from "../src/wal_db/mod.ts";
import { entriesAt, entryAt } from "./history.ts";
import { assertSameState, bytesOf, stateOf } from "./model.ts";
import { inTemporaryFolder } from "./temporary.ts";
import { MIB, noLinks, rejection } from "./wal_db_log.ts";
import { recordsOf } from "./wal_db_records.ts";
import { systemError, WatchedFileSystem } from "./watched_file_system.ts";

describe("exporting to a wal-db log", () => {
  /** A log with data of all kinds. */
  async function withLog(use: (log: WalLog, folder: string) => Promise<void>): Promise<void> {
    await inTemporaryFolder(async (folder) => {
      const log = await WalLog.open(join(folder, "log"), { segmentBytes: 12 * 1024, maxEntryBytes: 65 * MIB });
      log.setHardState({ term: 3, votedFor: 2n ** 64n - 1n });
      log.append(entriesAt(1, 40, 1, 700));
      log.applySnapshot({ index: 10, term: 1, config: [1n, 2n ** 63n], data: bytesOf(2 * CHUNK_BYTES + 5) });
      log.append(entriesAt(41, 50, 3, 30));
      try {
        await use(log, folder);
      } finally {
        await log.close();
      }
    });
  }

  it("writes records of the hard state, the snapshot and the entries of an open log", async () => {
    await withLog(async (log, folder) => {
      const file = join(folder, "raft.wal");
      const result = await exportWalDb(log, pathToFileURL(file));
      const records = recordsOf(readFileSync(file));
      assert.deepEqual(records.map(({ tag }) => tag), [2, 4, ...Array.from({ length: 40 }, () => 1)]);
      assert.deepEqual(result, { entries: 40, records: 42, bytes: readFileSync(file).length, metaBytes: 0 });
      const again = new MemoryLog();
      await importWalDb(file, again);
      assertSameState(stateOf(again), stateOf(log));
      assert.deepEqual(readdirSync(folder).sort(), ["log", "raft.wal"]);
    });
  });

  it("omits the snapshot's meta, and reports its size", async () => {
    await withLog(async (log, folder) => {
      log.compact(20, { config: [1n], meta: bytesOf(7), data: bytesOf(100) });
      const file = join(folder, "raft.wal");
      assert.equal((await exportWalDb(log, file)).metaBytes, 7);
      const again = new MemoryLog();
      await importWalDb(file, again);
      assert.deepEqual(again.snapshot(), { ...log.snapshot(), meta: new Uint8Array(0) });
    });
  });

  it("writes an empty file for an empty log", async () => {
    await inTemporaryFolder(async (folder) => {
      const log = await WalLog.open(join(folder, "log"));
      assert.deepEqual(await exportWalDb(log, join(folder, "x.wal")), {
        entries: 0,
        records: 0,
        bytes: 0,
        metaBytes: 0,
      });
      await log.close();
      assert.equal(readFileSync(join(folder, "x.wal")).length, 0);
    });
  });

  it("leaves an existing file unchanged", async () => {
    await withLog(async (log, folder) => {
      const file = join(folder, "raft.wal");
      writeFileSync(file, "precious");
      assert.equal((await rejection(exportWalDb(log, file))).code, "INVALID_ARGUMENT");
      assert.equal(readFileSync(file, "utf8"), "precious");
      assert.deepEqual(readdirSync(folder).sort(), ["log", "raft.wal"]);
    });
  });

  it("leaves an existing link unchanged, dangling or not", { skip: noLinks }, async () => {
    await withLog(async (log, folder) => {
      const file = join(folder, "raft.wal");
      symlinkSync("elsewhere", file);
      for (let i = 0; i < 2; i++) {
        assert.equal((await rejection(exportWalDb(log, file))).code, "INVALID_ARGUMENT");
        assert.ok(lstatSync(file).isSymbolicLink());
        writeFileSync(join(folder, "elsewhere"), "precious");
      }
      assert.equal(readFileSync(file, "utf8"), "precious");
    });
  });

  it("replaces the remains of a killed export", async () => {
    await withLog(async (log, folder) => {
      const file = join(folder, "raft.wal");
      writeFileSync(`${file}.wallog-export.tmp`, "half");
      await exportWalDb(log, file);
      recordsOf(readFileSync(file));
      assert.deepEqual(readdirSync(folder).sort(), ["log", "raft.wal"]);
    });
  });

  it("leaves no file when the disk fails or is full, at any call", async () => {
    await withLog(async (log, folder) => {
      const file = join(folder, "raft.wal");
      for (
        const [operation, code] of [["create", "EACCES"], ["write", "ENOSPC"], ["sync", "EIO"], [
          "rename",
          "EIO",
        ]] as const
      ) {
        const fileSystem = new WatchedFileSystem();
        fileSystem.fail = (call) => {
          if (call.operation === operation) throw systemError(code);
        };
        const error = await rejection(exportWalDb(log, file, { fileSystem }));
        assert.equal(error.code, code === "ENOSPC" ? "NO_SPACE" : "IO", operation);
        assert.deepEqual(readdirSync(folder), ["log"], operation);
        assert.equal(fileSystem.openFiles, 0, operation);
      }
    });
  });

  it("flushes the file, renames it, then flushes the name", async () => {
    await withLog(async (log, folder) => {
      const fileSystem = new WatchedFileSystem();
      await exportWalDb(log, join(folder, "raft.wal"), { fileSystem });
      const last = fileSystem.calls.slice(-3).map(({ operation }) => operation);
      assert.deepEqual(last, ["sync", "rename", "syncDirectory"]);
      assert.equal(fileSystem.count("sync"), 1);
    });
  });

  it("refuses an entry or a snapshot whose record exceeds 64 MiB", async () => {
    await withLog(async (log, folder) => {
      const file = join(folder, "raft.wal");
      log.append([entryAt(51, 3, 64 * MIB - 26)]);
      await exportWalDb(log, file);
      assert.equal(recordsOf(readFileSync(file)).at(-1)!.length, 64 * MIB);
      log.append([entryAt(52, 3, 64 * MIB - 25)]);
      const error = await rejection(exportWalDb(log, join(folder, "more.wal")));
      assert.equal(error.code, "ENTRY_TOO_LARGE");
      assert.match(error.message, /index 52/);
      log.applySnapshot({ index: 52, term: 3, config: [1n], data: bytesOf(64 * MIB - 33 - 8 + 1, "ones") });
      assert.match((await rejection(exportWalDb(log, join(folder, "more.wal")))).message, /the snapshot at index 52/);
      assert.deepEqual(readdirSync(folder).sort(), ["log", "raft.wal"]);
      const again = new MemoryLog();
      await importWalDb(file, again);
      assert.equal(Buffer.compare(again.entry(51)!.command, bytesOf(64 * MIB - 26, "noise", 51030)), 0);
    });
  });

  it("refuses a damaged log, which the format cannot express", async () => {
    await withLog(async (log, folder) => {
      await log.close();
      const [segment] = readdirSync(log.path).filter((name) => name.endsWith(".seg"));
      const bytes = readFileSync(join(log.path, segment!));
      bytes[SEGMENT_HEADER_BYTES + 8000]! ^= 1;
      writeFileSync(join(log.path, segment!), bytes);
      const damaged = await WalLog.open(log.path, { readOnly: true, onDamage: "keep" });
      const error = await rejection(exportWalDb(damaged, join(folder, "raft.wal")));
      await damaged.close();
      assert.equal(error.code, "CORRUPT");
      assert.ok(error.damage.length > 0);
      assert.deepEqual(readdirSync(folder), ["log"]);
    });
  });

  it("stops when the log is truncated or compacted meanwhile, instead of mixing two states", async () => {
    const changes: [WalLogErrorCode, (log: WalLog) => void][] = [
      ["NOT_CONTIGUOUS", (log) => log.truncate(log.lastIndex - 2)],
      ["NOT_CONTIGUOUS", (log) => {
        const { lastIndex } = log;
        log.truncate(lastIndex - 2);
        log.append(entriesAt(lastIndex - 2, lastIndex, 9, 10));
      }],
      ["COMPACTED", (log) => log.applySnapshot({ index: 11, term: 1, config: [], data: bytesOf(1) })],
    ];
    for (const [code, change] of changes) {
      await withLog(async (log, folder) => {
        const fileSystem = new WatchedFileSystem();
        let isChanged = false;
        // The first write happens when the snapshot has filled the chunk, before the entries.
        fileSystem.fail = ({ operation }) => {
          if (operation !== "write" || isChanged) return;
          isChanged = true;
          change(log);
        };
        const error = await rejection(exportWalDb(log, join(folder, "raft.wal"), { fileSystem }));
        assert.equal(error.code, code, error.message);
        assert.deepEqual(readdirSync(folder), ["log"]);
      });
    }
  });

  it("continues when entries are appended meanwhile, and leaves them out", async () => {
    await withLog(async (log, folder) => {
      const fileSystem = new WatchedFileSystem();
      fileSystem.fail = ({ operation }) => {
        if (operation === "write" && log.lastIndex === 50) log.append(entriesAt(51, 60, 3));
      };
      const { entries } = await exportWalDb(log, join(folder, "raft.wal"), { fileSystem });
      assert.equal(entries, 40);
      assert.equal(recordsOf(readFileSync(join(folder, "raft.wal"))).length, 42);
    });
  });

  it("stops when it is aborted, and leaves no file", async () => {
    await withLog(async (log, folder) => {
      const reason = new Error("enough");
      const file = join(folder, "raft.wal");
      await assert.rejects(exportWalDb(log, file, { signal: AbortSignal.abort(reason) }), (error) => error === reason);
      log.append(entriesAt(51, 30_050, 3, 200));
      const controller = new AbortController();
      const onProgress = () => controller.abort(reason);
      await assert.rejects(
        exportWalDb(log, file, { onProgress, signal: controller.signal }),
        (error) => error === reason,
      );
      assert.ok(!existsSync(file));
      assert.deepEqual(readdirSync(folder), ["log"]);
    });
  });
});
