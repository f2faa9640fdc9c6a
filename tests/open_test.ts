/** Opening a log: what is refused, what is left alone, and that a refusal leaves nothing behind. */

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { WalLog, type WalLogOptions } from "../mod.ts";
import { HEADER_OFFSETS } from "../src/format/header_block.ts";
import { entriesAt, entryAt } from "./history.ts";
import { assertSameContents, contentsOf } from "./memory_disk.ts";
import { bytesOf } from "./model.ts";
import { refusal, refusesToOpen, SMALL, withPath, writeSegments } from "./opening.ts";
import { inTemporaryFolder } from "./temporary.ts";
import { systemError, WatchedFileSystem } from "./watched_file_system.ts";

describe("a path", () => {
  it("that is a file is refused and unchanged", async () => {
    await inTemporaryFolder((folder) => {
      const path = join(folder, "file");
      writeFileSync(path, "not a log");
      refusal(() => WalLog.openSync(path), "INVALID_ARGUMENT");
      refusal(() => WalLog.openSync(path, { readOnly: true }), "INVALID_ARGUMENT");
      refusal(() => WalLog.openSync(join(path, "below")), "INVALID_ARGUMENT");
      assert.equal(readFileSync(path, "utf8"), "not a log");
      assert.deepEqual(readdirSync(folder), ["file"]);
    });
  });

  it("may be a file URL, and may have spaces, symbols and other scripts", async () => {
    await inTemporaryFolder(async (folder) => {
      // Windows allows no question mark in a name, and no space at its end.
      const path = join(folder, process.platform === "win32" ? "a b%20c#d" : "a b%20c#d?e ", "лог 日本");
      const log = WalLog.openSync(pathToFileURL(path));
      assert.equal(log.path, path);
      log.append([entryAt(1)]);
      await log.close();
      const again = await WalLog.open(path + "/");
      assert.equal(again.path, path);
      assert.equal(again.lastIndex, 1);
      again.closeSync();
    });
  });

  it("that is not a path is refused", () => {
    for (const path of ["", "a\0b", undefined, null, 7, {}, new URL("https://example.org/log")]) {
      refusal(() => WalLog.openSync(path as string), "INVALID_ARGUMENT");
    }
  });

  it(
    "that does not exist is created with its parents for a writer, and refused for a reader",
    withPath((path) => {
      const deep = join(path, "a", "b");
      const error = refusal(() => WalLog.openSync(deep, { readOnly: true }), "NOT_FOUND");
      assert.equal((error.cause as { code?: string }).code, "ENOENT");
      assert.equal(existsSync(path), false);
      WalLog.openSync(deep).closeSync();
      assert.ok(existsSync(deep));
    }),
  );

  it(
    "may contain other files and folders, which are left alone",
    withPath((path) => {
      mkdirSync(join(path, "folder.seg"), { recursive: true });
      const foreign = [
        "notes.txt",
        "1.seg",
        "000000000000.seg",
        "0000000000001.seg",
        "000000000001.seg.bak",
        // On a case-insensitive file system, it is the name of a segment.
        ...(process.platform === "linux" ? ["000000000001.SEG"] : []),
        "x000000000002.seg",
        "1-1.snap",
        "000000000001-000000000001.snap.tmp",
        "000000000001-000000000001.snap.x.tmp",
        ".hidden",
        "LOCK-journal.old",
      ];
      for (const name of foreign) writeFileSync(`${path}/${name}`, `this is ${name}`);
      for (let time = 1; time <= 2; time++) {
        const log = WalLog.openSync(path, SMALL);
        for (const entry of entriesAt(log.lastIndex + 1, log.lastIndex + 40, 1, 400)) log.append([entry]);
        log.applySnapshot({ index: log.lastIndex - 5, term: 1, config: [], data: bytesOf(100) });
        log.closeSync();
      }
      for (const name of foreign) assert.equal(readFileSync(`${path}/${name}`, "utf8"), `this is ${name}`);
      assert.ok(existsSync(join(path, "folder.seg")));
      const log = WalLog.openSync(path);
      assert.equal(log.lastIndex, 80);
      assert.equal(log.recovery.verdict, "clean");
      log.closeSync();
    }),
  );
});

describe("options", () => {
  it(
    "that are invalid are refused before anything is changed",
    withPath((path) => {
      const wrong: Record<string, unknown>[] = [
        ...[0, -1, 1.5, NaN, Infinity, 4095, 2 ** 34 + 1, "4096", null, 8192n].map((segmentBytes) => ({
          segmentBytes,
        })),
        ...[0, -1, 0.5, NaN, 2 ** 30 + 1, "1", null].map((maxEntryBytes) => ({ maxEntryBytes })),
        ...["FULL", "", null, true, 0].map((verify) => ({ verify })),
        ...["repair", null, false].map((onDamage) => ({ onDamage })),
        ...["yes", 1, null].map((readOnly) => ({ readOnly })),
      ];
      for (const options of wrong) {
        const error = refusal(() => WalLog.openSync(path, options as WalLogOptions), "INVALID_ARGUMENT");
        assert.match(error.message, new RegExp(Object.keys(options)[0]!));
        assert.equal(existsSync(path), false, JSON.stringify(Object.keys(options)));
      }
    }),
  );

  it(
    "that should be functions or signals are refused if they are not",
    withPath((path) => {
      for (const options of [{ onProgress: 5 }, { signal: {} }, { fileSystem: {} }, null]) {
        refusal(() => WalLog.openSync(path, options as unknown as WalLogOptions), "INVALID_ARGUMENT");
      }
      assert.equal(existsSync(path), false);
    }),
  );
});

describe("a log of another version", () => {
  it(
    "is refused and not changed",
    withPath(async (path) => {
      const { names } = writeSegments(path);
      for (const name of [names[0]!, names[2]!, names.at(-1)!]) {
        const file = `${path}/${name}`;
        const original = readFileSync(file);
        const patched = new Uint8Array(original);
        for (const copy of HEADER_OFFSETS) {
          new DataView(patched.buffer).setUint32(copy + 8, 3, true);
        }
        writeFileSync(file, patched);
        const error = await refusesToOpen(path, "UNSUPPORTED_VERSION");
        assert.equal(error.path, file);
        assert.match(error.message, /version 3/);
        refusal(() => WalLog.openSync(path, { onDamage: "keep" }), "UNSUPPORTED_VERSION");
        writeFileSync(file, original);
      }
      WalLog.openSync(path).closeSync();
    }),
  );
});

describe("opening a long log", () => {
  /** A log that takes some chunks to read. */
  function writeLong(path: string): void {
    const log = WalLog.openSync(path, { segmentBytes: 3 * 2 ** 20 });
    log.append(entriesAt(1, 80, 1, 100_000));
    log.append(entriesAt(81, 82, 1, 2_500_000));
    log.applySnapshot({ index: 5, term: 1, config: [], data: bytesOf(1_500_000) });
    log.closeSync();
  }

  it(
    "reports progress that grows to the total",
    withPath(async (path) => {
      writeLong(path);
      const seen: { bytesDone: number; bytesTotal: number }[] = [];
      const check = (): void => {
        assert.ok(seen.length >= 10, `${seen.length} reports`);
        for (const [i, { bytesDone, bytesTotal }] of seen.entries()) {
          assert.ok(bytesDone >= (seen[i - 1]?.bytesDone ?? 0), `${bytesDone} after ${seen[i - 1]?.bytesDone}`);
          assert.ok(bytesDone <= bytesTotal, `${bytesDone} of ${bytesTotal}`);
        }
        assert.ok(seen.at(-1)!.bytesDone >= 12_000_000, `ends at ${seen.at(-1)!.bytesDone}`);
        seen.length = 0;
      };
      await (await WalLog.open(path, { onProgress: (progress) => seen.push(progress) })).close();
      check();
      WalLog.openSync(path, { onProgress: (progress) => seen.push(progress), readOnly: true }).closeSync();
      check();
    }),
  );

  it(
    "ends with the signal's reason, and leaves nothing open",
    withPath(async (path) => {
      writeLong(path);
      const before = contentsOf(path);
      const reason = new Error("enough");
      await assert.rejects(WalLog.open(path, { signal: AbortSignal.abort(reason) }), reason);
      assert.throws(() => WalLog.openSync(path, { signal: AbortSignal.abort(reason) }), reason);

      const fileSystem = new WatchedFileSystem();
      const controller = new AbortController();
      // Reading is so slow that opening returns to the event loop after each chunk.
      fileSystem.failRead = () => {
        for (const start = performance.now(); performance.now() - start < 10;);
      };
      let reports = 0;
      const onProgress = (): void => void (++reports === 3 && controller.abort(reason));
      await assert.rejects(WalLog.open(path, { fileSystem, signal: controller.signal, onProgress }), reason);
      assert.equal(reports, 3);
      assert.equal(fileSystem.openFiles, 0, "files left open");
      assertSameContents(contentsOf(path), before);
      (await WalLog.open(path)).closeSync(); // the lock is free
    }),
  );

  it(
    "ends when onProgress throws, and leaves nothing open",
    withPath(async (path) => {
      writeLong(path);
      const fileSystem = new WatchedFileSystem();
      const onProgress = (): never => {
        throw new Error("not now");
      };
      await assert.rejects(WalLog.open(path, { fileSystem, onProgress }), /not now/);
      assert.throws(() => WalLog.openSync(path, { fileSystem, onProgress }), /not now/);
      assert.equal(fileSystem.openFiles, 0);
      WalLog.openSync(path).closeSync();
    }),
  );

  it(
    "ends with the cause when a read fails, and frees the lock",
    withPath((path) => {
      writeLong(path);
      const fileSystem = new WatchedFileSystem();
      let reads = 0;
      for (const at of [1, 2, 5, 9]) {
        reads = 0;
        fileSystem.failRead = () => {
          if (++reads === at) throw systemError("EIO");
        };
        const error = refusal(() => WalLog.openSync(path, { fileSystem }), "IO");
        assert.equal((error.cause as { code?: string }).code, "EIO");
        assert.equal(fileSystem.openFiles, 0, "files left open");
      }
      fileSystem.failRead = () => {};
      WalLog.openSync(path, { fileSystem }).closeSync();
      assert.equal(fileSystem.openFiles, 0, "files left open by a log that was closed");
    }),
  );

  it(
    "returns to the event loop regularly",
    withPath(async (path) => {
      writeLong(path);
      const fileSystem = new WatchedFileSystem();
      fileSystem.failRead = () => {
        for (const start = performance.now(); performance.now() - start < 10;);
      };
      let turns = 0;
      const timer = setInterval(() => turns++, 0);
      const log = await WalLog.open(path, { fileSystem, readOnly: true });
      clearInterval(timer);
      assert.ok(turns >= 3, `${turns} turns`);
      log.closeSync();
    }),
  );
});
