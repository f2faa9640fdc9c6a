/** Opening a log: what is refused and how, what is left alone, and what a refusal leaves behind, which is nothing. */

import assert from "node:assert/strict";
import { HEADER_OFFSETS } from "../src/format/header_block.ts";
import { spawn } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { WalLog, WalLogError, type WalLogErrorCode, type WalLogOptions } from "../mod.ts";
import { locateRuntime, RUNTIME_NAMES, type RuntimeName } from "../scripts/runtimes.ts";
import { CHECKPOINT_BYTES } from "../src/format/checkpoint.ts";
import { MemoryLog } from "../src/api/memory_log.ts";
import { writeEverything } from "./everything.ts";
import { entriesAt, entryAt, framesOf } from "./history.ts";
import { contentsOf } from "./memory_disk.ts";
import { assertSameState, bytesOf, stateOf } from "./model.ts";
import { inTemporaryFolder } from "./temporary.ts";
import { systemError, WatchedFileSystem } from "./watched_file_system.ts";

const CHILD = fileURLToPath(new URL("./child.ts", import.meta.url));
const SMALL: WalLogOptions = { segmentBytes: 4096 };

/** Runs a test with the path of a log that does not exist yet. */
function withPath(body: (path: string) => void | Promise<void>): () => Promise<void> {
  return () => inTemporaryFolder((folder) => body(join(folder, "raft.wal")));
}

/** Makes a log of several segments and closes it. */
function writeSegments(path: string): { names: string[]; lastIndex: number } {
  const log = WalLog.openSync(path, SMALL);
  log.setHardState({ term: 1, votedFor: 1n });
  for (const entry of entriesAt(1, 60, 1, 400)) log.append([entry]);
  log.closeSync();
  const names = readdirSync(path).filter((name) => name.endsWith(".seg")).sort();
  assert.ok(names.length >= 4, names.join());
  return { names, lastIndex: 60 };
}

/** What a call throws. */
function refusal(call: () => unknown, code: WalLogErrorCode): WalLogError {
  try {
    const log = call();
    if (log instanceof WalLog) log.closeSync();
  } catch (error) {
    assert.ok(error instanceof WalLogError, `a WalLogError, found ${error}`);
    assert.equal(error.code, code, error.message);
    return error;
  }
  throw new assert.AssertionError({ message: `nothing was thrown, expected ${code}` });
}

/** Fails unless opening is refused in every way there is, with nothing changed and nothing locked. */
async function refusesToOpen(path: string, code: WalLogErrorCode): Promise<WalLogError> {
  const before = contentsOf(path);
  let first: WalLogError | undefined;
  for (const options of [{}, { readOnly: true }, { verify: "tail" as const }]) {
    const error = refusal(() => WalLog.openSync(path, options), code);
    await assert.rejects(WalLog.open(path, options), { name: "WalLogError", code });
    assert.deepEqual(contentsOf(path), before, "a refusal changes nothing");
    assert.ok(error.path?.startsWith(path), `path of the error: ${error.path}`);
    first ??= error;
  }
  return first!;
}

/** Whether the damage names an index. */
function names({ damage }: WalLogError, index: number): boolean {
  return damage.some(({ firstIndex, lastIndex }) =>
    firstIndex !== undefined && firstIndex <= index && index <= (lastIndex ?? Infinity)
  );
}

describe("a path", () => {
  it("that is a file is refused and left as it is", async () => {
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

  it("may be a file URL, and may have names with spaces, signs and other scripts", async () => {
    await inTemporaryFolder(async (folder) => {
      // Windows has no names with a question checkpoint, or a space at their end.
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

  it("that is no path is refused", () => {
    for (const path of ["", "a\0b", undefined, null, 7, {}, new URL("https://example.org/log")]) {
      refusal(() => WalLog.openSync(path as string), "INVALID_ARGUMENT");
    }
  });

  it(
    "that does not exist is made for a writer, with what is missing above it, and refused to a reader",
    withPath((path) => {
      const deep = join(path, "a", "b");
      const error = refusal(() => WalLog.openSync(deep, { readOnly: true }), "IO");
      assert.equal((error.cause as { code?: string }).code, "ENOENT");
      assert.equal(existsSync(path), false);
      WalLog.openSync(deep).closeSync();
      assert.ok(existsSync(deep));
    }),
  );

  it(
    "may have files and folders in it that are not the log's, which are left alone",
    withPath((path) => {
      mkdirSync(join(path, "folder.seg"), { recursive: true });
      const foreign = [
        "notes.txt",
        "1.seg",
        "000000000000.seg",
        "0000000000001.seg",
        "000000000001.seg.bak",
        // Elsewhere it is the name of a segment.
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
    "out of their domain are refused before anything is touched",
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
    "that are no functions and no signals are refused, not called",
    withPath((path) => {
      for (const options of [{ onProgress: 5 }, { signal: {} }, { fileSystem: {} }, null]) {
        refusal(() => WalLog.openSync(path, options as unknown as WalLogOptions), "INVALID_ARGUMENT");
      }
      assert.equal(existsSync(path), false);
    }),
  );
});

describe("the writer's lock", () => {
  it("refuses a second writer in the same process, by whatever path it comes", async () => {
    await inTemporaryFolder((folder) => {
      const path = join(folder, "raft.wal");
      const first = WalLog.openSync(path);
      symlinkSync(path, join(folder, "link"), "junction");
      for (const other of [path, `${path}/`, join(path, "..", "raft.wal"), join(folder, "link")]) {
        const error = refusal(() => WalLog.openSync(other), "LOCKED");
        assert.equal(error.isRetryable, true);
        assert.equal(error.isFatal, false);
      }
      first.append([entryAt(1)]);
      assert.equal(first.syncSync(), 1, "the first one is none the worse");
      first.closeSync();
      const second = WalLog.openSync(path);
      assert.equal(second.lastIndex, 1);
      refusal(() => WalLog.openSync(path), "LOCKED");
      second.closeSync();
    });
  });

  it(
    "is free again after an open that failed",
    withPath((path) => {
      const { names } = writeSegments(path);
      renameSync(join(path, names[1]!), join(path, "away"));
      refusal(() => WalLog.openSync(path), "CORRUPT");
      renameSync(join(path, "away"), join(path, names[1]!));
      WalLog.openSync(path).closeSync();
    }),
  );

  it(
    "is free only when a log that is being closed is closed, however many times that is asked for",
    withPath(
      async (path) => {
        const log = WalLog.openSync(path);
        log.append([entryAt(1)]);
        const synced = log.sync();
        const closing = [log.close(), log.close(), log.close()];
        await closing[1];
        const again = WalLog.openSync(path);
        assert.equal(again.lastIndex, 1);
        assert.equal(again.recovery.closed, true);
        await Promise.all([synced, ...closing]);
        again.closeSync();
      },
    ),
  );

  for (const name of RUNTIME_NAMES) {
    it(
      `is held against and by ${name}, and a killed holder leaves nothing to clean up`,
      withPath(async (path) => {
        const log = WalLog.openSync(path);
        log.append([entryAt(1)]);
        log.syncSync();
        assert.equal(await say(name, "try", path), "LOCKED");
        log.closeSync();
        assert.equal(await say(name, "try", path), "opened");

        const [binary, ...prefix] = locateRuntime(name).run;
        const holder = spawn(binary, [...prefix, CHILD, "hold", path], { stdio: ["pipe", "pipe", "inherit"] });
        const exited = new Promise((resolve) => holder.once("exit", resolve));
        const line = await new Promise((resolve) => holder.stdout.once("data", (data) => resolve(String(data).trim())));
        assert.equal(line, "holding");
        refusal(() => WalLog.openSync(path), "LOCKED");
        const reader = WalLog.openSync(path, { readOnly: true });
        assert.equal(reader.lastIndex, 1, "a reader needs no lock");
        reader.closeSync();
        holder.kill("SIGKILL");
        await exited;
        const after = WalLog.openSync(path);
        assert.equal(after.lastIndex, 1);
        after.closeSync();
      }),
    );
  }

  function say(name: RuntimeName, command: string, path: string): Promise<string> {
    const [binary, ...prefix] = locateRuntime(name).run;
    const child = spawn(binary, [...prefix, CHILD, command, path], { stdio: ["ignore", "pipe", "inherit"] });
    let said = "";
    child.stdout.on("data", (data) => said += data);
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", () => resolve(said.trim()));
    });
  }
});

describe("a log of another version", () => {
  it(
    "is refused and not touched",
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

describe("segments that are not where they belong", () => {
  /** Indexes that the segment file holds. */
  function indexesIn(path: string, name: string): number[] {
    return framesOf(new Uint8Array(readFileSync(`${path}/${name}`))).filter(({ kind }) => kind === 1)
      .map(({ index }) => index);
  }

  it(
    "the first, a middle one or the last missing: the indexes are named",
    withPath(async (path) => {
      const { names: files } = writeSegments(path);
      for (const name of files) {
        const file = `${path}/${name}`;
        const lost = indexesIn(path, name);
        renameSync(file, join(path, "..", "away"));
        const error = await refusesToOpen(path, "CORRUPT");
        for (const index of lost) assert.ok(names(error, index), `without ${name}: ${index} in ${error.message}`);
        const others = files.filter((other) => other !== name).flatMap((other) => indexesIn(path, other));
        for (const index of others) assert.ok(!names(error, index), `without ${name}: ${index} is there`);
        assert.ok(error.damage.some((one) => one.path === file), error.message);
        renameSync(join(path, "..", "away"), file);
      }
      WalLog.openSync(path).closeSync();
    }),
  );

  it(
    "several missing, and all of them",
    withPath(async (path) => {
      const { names: files, lastIndex } = writeSegments(path);
      const held = new Map(files.map((name) => [name, indexesIn(path, name)]));
      for (const missing of [files.slice(0, 2), files.slice(1, 3), [files[0]!, files[2]!], files.slice(-2), files]) {
        mkdirSync(join(path, "away"));
        for (const name of missing) renameSync(`${path}/${name}`, join(path, "away", name));
        const aside = join(path, "..", "aside");
        renameSync(join(path, "away"), aside);
        const error = await refusesToOpen(path, "CORRUPT");
        const lost = missing.flatMap((name) => held.get(name)!);
        for (const index of lost) assert.ok(names(error, index), `without ${missing.join()}: ${index}`);
        assert.equal(error.damage.every(({ reason }) => reason.length > 0), true);
        for (const name of missing) renameSync(join(aside, name), `${path}/${name}`);
        renameSync(aside, `${aside}-${missing.length}-${missing[0]}-${missing.at(-1)}`);
      }
      const log = WalLog.openSync(path);
      assert.equal(log.lastIndex, lastIndex);
      log.closeSync();
    }),
  );

  it(
    "two swapped",
    withPath(async (path) => {
      const { names: files } = writeSegments(path);
      const swap = (a: string, b: string): void => {
        renameSync(join(path, a), join(path, "swap"));
        renameSync(join(path, b), join(path, a));
        renameSync(join(path, "swap"), join(path, b));
      };
      for (const [a, b] of [[0, 1], [1, 2], [0, -1], [-2, -1]] as const) {
        swap(files.at(a)!, files.at(b)!);
        const error = await refusesToOpen(path, "CORRUPT");
        const swapped = [files.at(a)!, files.at(b)!];
        assert.ok(error.damage.some((one) => swapped.some((name) => one.path === `${path}/${name}`)), error.message);
        for (const name of swapped) {
          for (const index of indexesIn(path, name)) assert.ok(names(error, index), `${name}: ${index}`);
        }
        swap(files.at(a)!, files.at(b)!);
      }
      WalLog.openSync(path).closeSync();
    }),
  );

  it("one of another log, or an older copy of the same, in the place of one", async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      const other = join(folder, "other.wal");
      const { names: files } = writeSegments(path);
      writeSegments(other);
      for (const name of files) {
        const lost = indexesIn(path, name);
        copyFileSync(`${path}/${name}`, join(folder, "away"));
        copyFileSync(join(other, name), `${path}/${name}`);
        const error = await refusesToOpen(path, "CORRUPT");
        assert.ok(error.damage.some((one) => one.path === `${path}/${name}`), `${name}: ${error.message}`);
        for (const index of lost) assert.ok(names(error, index), `${name}: ${index}`);
        copyFileSync(join(folder, "away"), `${path}/${name}`);
      }
      // Copied to a name of its own, one belongs to nothing.
      copyFileSync(join(path, files[1]!), join(path, "000000000099.seg"));
      await refusesToOpen(path, "CORRUPT");
    });
  });

  it(
    "one that is cut, at a frame's boundary too: all but the newest know how long they are",
    withPath(async (path) => {
      const { names: files } = writeSegments(path);
      for (const name of [files[0]!, files[1]!, files.at(-2)!]) {
        const file = `${path}/${name}`;
        const whole = readFileSync(file);
        const frames = framesOf(new Uint8Array(whole)).filter(({ kind }) => kind === 1);
        for (const frame of [frames[0]!, frames[3]!, frames.at(-1)!]) {
          for (const size of [frame.offset, frame.offset + 8, frame.end - 1]) {
            truncateSync(file, size);
            const error = await refusesToOpen(path, "CORRUPT");
            for (const { index } of frames.filter(({ offset }) => offset >= frame.offset)) {
              assert.ok(names(error, index), `${name} cut at ${size}: ${index} is not named`);
            }
            for (const { index } of frames.filter(({ end }) => end <= frame.offset)) {
              assert.ok(!names(error, index), `${name} cut at ${size}: ${index} is there`);
            }
            writeFileSync(file, whole);
          }
        }
        for (const size of [0, 100, 512, 2048, 4095, 4096]) {
          truncateSync(file, size);
          const error = await refusesToOpen(path, "CORRUPT");
          for (const { index } of frames) assert.ok(names(error, index), `${name} cut at ${size}: ${index}`);
          writeFileSync(file, whole);
        }
      }
      // Without its segment index it is complete.
      const file = join(path, files[1]!);
      const frames = framesOf(new Uint8Array(readFileSync(file)));
      truncateSync(file, frames.find(({ kind }) => kind === 6)!.offset);
      const log = WalLog.openSync(path, { verify: "tail" });
      assert.equal(stateOf(log).lastIndex, 60);
      log.closeSync();
    }),
  );

  it(
    "the newest cut within its header is not taken for one that was never begun",
    withPath(async (path) => {
      const { names: files } = writeSegments(path);
      const file = join(path, files.at(-1)!);
      const whole = readFileSync(file);
      for (const size of [0, 100, 512, 2048, 4095]) {
        truncateSync(file, size);
        if (size < 144) await refusesToOpen(path, "CORRUPT");
        writeFileSync(file, whole);
      }
      writeFileSync(file, new Uint8Array(4096));
      await refusesToOpen(path, "CORRUPT");
    }),
  );
});

describe("a snapshot's file", () => {
  it(
    "missing or damaged anywhere is named with its index, and nothing is changed",
    withPath(async (path) => {
      const log = WalLog.openSync(path, SMALL);
      for (const entry of entriesAt(1, 50, 1, 400)) log.append([entry]);
      log.applySnapshot({ index: 40, term: 1, config: [1n, 2n], data: bytesOf(1_200_000) });
      log.closeSync();
      const name = readdirSync(path).find((name) => name.endsWith(".snap"))!;
      const file = `${path}/${name}`;
      const whole = new Uint8Array(readFileSync(file));
      const expected = (error: WalLogError): void => {
        assert.ok(error.damage.some((one) => one.kind === "snapshot" && one.path === file), error.message);
        assert.ok(names(error, 40), error.message);
      };
      unlinkSync(file);
      expected(await refusesToOpen(path, "CORRUPT"));
      const reader = WalLog.openSync(path, { readOnly: true, onDamage: "keep" });
      refusal(() => reader.snapshot(), "CORRUPT");
      refusal(() => reader.openSnapshot(), "CORRUPT");
      assert.equal(reader.entry(41)?.index, 41);
      assert.equal(reader.snapshotIndex, 40);
      reader.closeSync();

      for (const at of [0, 9, 12, 16, 32, 40, 48, 56, 70, 80, 100_000, 600_000, whole.length - 30, whole.length - 1]) {
        const damaged = whole.slice();
        damaged[at] = damaged[at]! ^ 1;
        writeFileSync(file, damaged);
        expected(refusal(() => WalLog.openSync(path), "CORRUPT"));
        assert.deepEqual(contentsOf(path).get(name), damaged);
      }
      for (const size of [0, 10, 56, 100, 600_000, whole.length - 24, whole.length - 1]) {
        writeFileSync(file, whole.subarray(0, size));
        expected(await refusesToOpen(path, "CORRUPT"));
      }
      writeFileSync(file, whole);
      const again = WalLog.openSync(path);
      assert.deepEqual(again.snapshot()?.data, bytesOf(1_200_000));
      again.closeSync();
    }),
  );
});

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
          assert.ok(reader.durableIndex <= writer.durableIndex, "a reader knows of nothing durable that is not");
          reader.closeSync();
        }
        assert.deepEqual(contentsOf(path), before, "a reader writes nothing");
      }
      writer.closeSync();
    }),
  );

  it(
    "asks for nothing that writes, on closed, unclosed and torn logs",
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
    "an empty folder gives an empty log and makes nothing",
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
    "ends when its signal says so, with the signal's reason and nothing left open",
    withPath(async (path) => {
      writeLong(path);
      const before = contentsOf(path);
      const reason = new Error("enough");
      await assert.rejects(WalLog.open(path, { signal: AbortSignal.abort(reason) }), reason);
      assert.throws(() => WalLog.openSync(path, { signal: AbortSignal.abort(reason) }), reason);

      const fileSystem = new WatchedFileSystem();
      const controller = new AbortController();
      // Reading is made so slow that opening lets others run between any two chunks.
      fileSystem.failRead = () => {
        for (const start = performance.now(); performance.now() - start < 10;);
      };
      let reports = 0;
      const onProgress = (): void => void (++reports === 3 && controller.abort(reason));
      await assert.rejects(WalLog.open(path, { fileSystem, signal: controller.signal, onProgress }), reason);
      assert.equal(reports, 3);
      assert.equal(fileSystem.openFiles, 0, "files left open");
      assert.deepEqual(contentsOf(path), before);
      (await WalLog.open(path)).closeSync(); // the lock is free
    }),
  );

  it(
    "ends when a report of progress throws, with nothing left open",
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
    "ends when a read fails, with the cause, and the lock is free",
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
    "lets others run",
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

describe("a log opened again and again", () => {
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
    "is the same when it is never closed, and compaction takes what that leaves behind",
    withPath((path) => {
      // Each time a process is killed its folder is as it is: a copy of it is taken.
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
