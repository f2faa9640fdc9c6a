/** Snapshots as files and as streams: in which order they reach the disk, what they replace, and what is left of one cut off. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { WalLog, WalLogError, type WalLogOptions } from "../mod.ts";
import { Codec } from "../src/codec/codec.ts";
import { FORMAT_VERSION } from "../src/format/segment_header.ts";
import {
  decodeSnapshotHeader,
  encodeSnapshotHeader,
  measureSnapshotHeader,
  META_BYTES_MAX,
} from "../src/format/snapshot_header.ts";
import { snapshotName } from "../src/format/snapshot_name.ts";
import { entriesAt, entryAt, flipped, History } from "./history.ts";
import { type Contents, MemoryDisk } from "./memory_disk.ts";
import { assertSameState, bytesOf, stateOf } from "./model.ts";
import { inTemporaryFolder } from "./temporary.ts";
import { WatchedFileSystem } from "./watched_file_system.ts";

const SMALL = 4096;
/** More than any piece of a snapshot that may be held in memory. In bytes. */
const PIECE_BYTES_MAX = 512 * 1024;

interface Subject {
  readonly path: string;
  readonly fileSystem: WatchedFileSystem;
  readonly log: WalLog;
}

/** Runs a test with a log of entries 1 to 20 in some segments. */
function withLog(body: (subject: Subject) => void | Promise<void>, options: WalLogOptions = {}): () => Promise<void> {
  return () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      const fileSystem = new WatchedFileSystem();
      const log = WalLog.openSync(path, { segmentBytes: SMALL, ...options, fileSystem });
      for (const entry of entriesAt(1, 20, 1, 500)) log.append([entry]);
      log.syncSync();
      fileSystem.calls = [];
      try {
        await body({ path, fileSystem, log });
      } finally {
        await log.close();
      }
      assert.equal(fileSystem.openFiles, 0, "files left open");
    });
}

/** The files of a folder that are snapshots, or were to be. */
function snapshotFiles(path: string): string[] {
  return readdirSync(path).filter((name) => name.includes(".snap")).sort();
}

async function collect(stream: ReadableStream<Uint8Array> | undefined): Promise<Uint8Array[]> {
  assert.ok(stream, "no snapshot");
  const pieces: Uint8Array[] = [];
  for (const reader = stream.getReader();;) {
    const { done, value } = await reader.read();
    if (done) return pieces;
    pieces.push(value);
  }
}

function concatenate(pieces: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

for (const way of ["createSnapshot", "receiveSnapshot"] as const) {
  describe(`a snapshot that is streamed with ${way}`, () => {
    it(
      "is read as it was written, whatever its size and its pieces",
      withLog(async ({ path, log }) => {
        const sizes = [0, 1, 7, 8, 100, PIECE_BYTES_MAX - 1, PIECE_BYTES_MAX, PIECE_BYTES_MAX + 1, 3_333_333];
        for (const [i, size] of sizes.entries()) {
          const data = bytesOf(size);
          const meta = { index: i + 1, term: 1, config: [1n, 2n ** 64n - 1n], meta: bytesOf(i * 5) };
          const writer = log[way](meta).getWriter();
          for (let at = 0, step = 1; at < size; at += step, step = step * 3 % 300_007 + 1) {
            await writer.write(data.subarray(at, at + step));
          }
          await writer.write(new Uint8Array(0));
          await writer.close();
          assert.equal(log.snapshotIndex, i + 1);
          assert.deepEqual(log.snapshotMeta(), meta);
          const pieces = await collect(log.openSnapshot());
          assert.ok(pieces.every(({ length }) => length <= PIECE_BYTES_MAX), "no piece is large");
          assert.deepEqual(concatenate(pieces), data, `${size} bytes`);
          assert.deepEqual(log.snapshot()!.data, data);
          assert.equal(snapshotFiles(path).length, 1, "the one before is gone");
          const reader = WalLog.openSync(path, { readOnly: true });
          assert.deepEqual(reader.snapshot(), { ...meta, data });
          reader.closeSync();
        }
      }),
    );

    it(
      "refuses a piece whose buffer was transferred away",
      withLog(async ({ log }) => {
        const writer = log[way]({ index: 5, term: 1, config: [] }).getWriter();
        const piece = bytesOf(10);
        structuredClone(piece.buffer, { transfer: [piece.buffer as ArrayBuffer] });
        await assert.rejects(writer.write(piece), { code: "INVALID_ARGUMENT" });
        assert.equal(log.snapshotIndex, 0);
      }),
    );

    it(
      "is written piece by piece, and no piece is read again",
      withLog(async ({ fileSystem, log }) => {
        const writer = log[way]({ index: 5, term: 1, config: [] }).getWriter();
        const piece = bytesOf(2 ** 20);
        for (let i = 0; i < 8; i++) {
          await writer.write(piece);
          const written = fileSystem.calls.filter(({ name }) => name.endsWith(".tmp"))
            .reduce((sum, { bytes }) => sum + bytes, 0);
          assert.ok(written >= (i + 1) * 2 ** 20 - PIECE_BYTES_MAX, `${written} bytes of ${i + 1} MiB`);
          piece.fill(i);
        }
        await writer.close();
        const data = log.snapshot()!.data;
        assert.deepEqual(data.subarray(0, 2 ** 20), bytesOf(2 ** 20));
        assert.equal(data[3 * 2 ** 20 + 5], 2);
      }),
    );

    it(
      "is not installed before it is closed, and entries can be appended meanwhile",
      withLog(async ({ path, log }) => {
        const writer = log[way]({ index: 15, term: 1, config: [7n] }).getWriter();
        await writer.write(bytesOf(1000));
        assert.equal(log.snapshotIndex, 0);
        log.append(entriesAt(21, 25, 2, 500));
        await log.sync();
        const reader = WalLog.openSync(path, { readOnly: true });
        assert.equal(reader.snapshotIndex, 0);
        assert.equal(reader.recovery.verdict, "clean");
        reader.closeSync();
        await writer.close();
        assert.equal(log.snapshotIndex, 15);
        assert.equal(log.lastIndex, 25);
        assert.equal(log.entry(15), undefined);
        assert.equal(log.entry(16)?.index, 16);
      }),
    );

    it(
      "leaves no file and the log as it was if it is aborted",
      withLog(async ({ path, log }) => {
        const before = stateOf(log);
        const writer = log[way]({ index: 15, term: 1, config: [7n] }).getWriter();
        await writer.write(bytesOf(1_500_000));
        assert.equal(snapshotFiles(path).length, 1);
        await writer.abort(new Error("changed my mind"));
        assert.deepEqual(snapshotFiles(path), []);
        assertSameState(stateOf(log), before);
        log.append([entryAt(21)]);
        assert.equal(await log.sync(), 21);
      }),
    );

    it(
      "is dropped if a later one was installed meanwhile",
      withLog(async ({ path, log }) => {
        const writers = [5, 10, 8].map((index) => log[way]({ index, term: 1, config: [] }).getWriter());
        for (const [i, writer] of writers.entries()) await writer.write(bytesOf(100 + i));
        await writers[1]!.close();
        assert.equal(log.snapshotIndex, 10);
        await writers[0]!.close();
        await writers[2]!.close();
        assert.equal(log.snapshotIndex, 10);
        assert.deepEqual(log.snapshot()!.data, bytesOf(101));
        assert.deepEqual(snapshotFiles(path), ["000000000010-000000000001.snap"]);
      }),
    );

    it(
      "may be written twice at the same time for one index",
      withLog(async ({ path, log }) => {
        const [a, b] = [1, 2].map(() => log[way]({ index: 5, term: 1, config: [] }).getWriter());
        await a!.write(bytesOf(10));
        await b!.write(bytesOf(20));
        await Promise.all([a!.close(), b!.close()]);
        assert.ok([10, 20].includes(log.snapshot()!.data.length));
        assert.deepEqual(snapshotFiles(path).filter((name) => !name.endsWith(".tmp")).length, 1);
        assert.equal(log.recovery.verdict, "clean");
      }),
    );

    it("is aborted and leaves no file if the log is closed", async () => {
      for (const blocking of [true, false]) {
        await withLog(async ({ path, log }) => {
          const writer = log[way]({ index: 15, term: 1, config: [] }).getWriter();
          writer.closed.catch(() => {});
          await writer.write(bytesOf(600_000));
          if (blocking) log.closeSync();
          else await log.close();
          assert.deepEqual(snapshotFiles(path), []);
          await assert.rejects(writer.write(bytesOf(1)), { code: "CLOSED" });
          const again = WalLog.openSync(path);
          assert.equal(again.snapshotIndex, 0);
          assert.equal(again.lastIndex, 20);
          again.closeSync();
        })();
      }
    });

    it(
      "touches nothing if the log is closed just before it is installed",
      withLog(
        async ({ path, fileSystem, log }) => {
          const { promise, resolve } = Promise.withResolvers<void>();
          fileSystem.gate = () => promise;
          const writer = log[way]({ index: 15, term: 1, config: [] }).getWriter();
          writer.closed.catch(() => {});
          await writer.write(bytesOf(600_000));
          const installing = writer.close();
          const outcome = installing.then(() => "installed", (error) => (error as WalLogError).code);
          for (let turns = 0; fileSystem.count("syncAsync") === 0; turns++) {
            assert.ok(turns < 1000, "the data is not flushed");
            await new Promise((resolve) => setTimeout(resolve, 1));
          }
          log.closeSync();
          fileSystem.calls = [];
          const next = WalLog.openSync(path);
          const files = readdirSync(path).sort();
          resolve();
          assert.equal(await outcome, "CLOSED");
          assert.deepEqual(fileSystem.trace.filter((call) => !call.startsWith("syncAsync")), [], "calls after closing");
          assert.deepEqual(readdirSync(path).sort(), files, "the folder is another writer's by now");
          next.closeSync();
        },
      ),
    );

    it(
      "refuses anything but an array of bytes, and leaves the log as it was",
      withLog(async ({ path, log }) => {
        for (const wrong of ["text", 5, null, [1, 2], new ArrayBuffer(4), {}]) {
          const writer = log[way]({ index: 15, term: 1, config: [] }).getWriter();
          writer.closed.catch(() => {});
          await assert.rejects(writer.write(wrong as Uint8Array), { code: "INVALID_ARGUMENT" });
          await writer.abort().catch(() => {});
        }
        log.append([entryAt(21)]);
        assert.equal(await log.sync(), 21);
        await log.close();
        WalLog.openSync(path).closeSync();
        assert.deepEqual(snapshotFiles(path), []);
      }),
    );
  });
}

describe("a leader's snapshot that is streamed", () => {
  it(
    "of a stale index changes nothing when it is closed",
    withLog(async ({ path, log }) => {
      log.applySnapshot({ index: 10, term: 1, config: [1n], data: bytesOf(5) });
      const before = stateOf(log);
      for (const index of [1, 9, 10]) {
        const writer = log.receiveSnapshot({ index, term: 1, config: [] }).getWriter();
        await writer.write(bytesOf(9));
        await writer.close();
        assertSameState(stateOf(log), before);
        assert.equal(snapshotFiles(path).length, 1);
      }
    }),
  );
});

describe("a snapshot that is read", () => {
  it(
    "stays good while newer ones replace its file",
    withLog(async ({ path, log }) => {
      const data = bytesOf(3_000_001);
      log.applySnapshot({ index: 5, term: 1, config: [], data });
      const stream = log.openSnapshot()!;
      const reader = stream.getReader();
      const first = (await reader.read()).value!;
      log.applySnapshot({ index: 10, term: 1, config: [], data: bytesOf(10) });
      log.applySnapshot({ index: 11, term: 1, config: [], data: bytesOf(11) });
      assert.deepEqual(snapshotFiles(path), ["000000000011-000000000001.snap"]);
      const pieces = [first];
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        pieces.push(value);
      }
      assert.deepEqual(concatenate(pieces), data);
      assert.deepEqual(concatenate(await collect(log.openSnapshot())), bytesOf(11));
    }),
  );

  it(
    "leaves no file open when the stream is cancelled, before or after the first piece",
    withLog(
      async ({ fileSystem, log }) => {
        log.applySnapshot({ index: 5, term: 1, config: [], data: bytesOf(2_000_000) });
        const open = fileSystem.openFiles;
        await log.openSnapshot()!.cancel();
        assert.equal(fileSystem.openFiles, open);
        const reader = log.openSnapshot()!.getReader();
        await reader.read();
        assert.equal(fileSystem.openFiles, open + 1);
        await reader.cancel();
        assert.equal(fileSystem.openFiles, open);
        log.snapshot();
        log.snapshotMeta();
        await collect(log.openSnapshot());
        assert.equal(fileSystem.openFiles, open);
      },
    ),
  );

  it(
    "fails at a damaged piece with CORRUPT and the index, having given only what is right",
    withLog(
      async ({ path, log, fileSystem }) => {
        const data = bytesOf(2_000_000);
        log.applySnapshot({ index: 5, term: 1, config: [3n], data });
        const file = `${path}/${snapshotFiles(path)[0]!}`;
        const whole = new Uint8Array(readFileSync(file));
        const open = fileSystem.openFiles;
        for (const at of [80, 100, 600_000, 1_100_000, 1_900_000]) {
          writeFileSync(file, flipped(whole, at, 2));
          const given: Uint8Array[] = [];
          const reader = log.openSnapshot()!.getReader();
          await assert.rejects(async () => {
            for (;;) {
              const { done, value } = await reader.read();
              if (done) break;
              given.push(value);
            }
          }, (error) => {
            assert.ok(error instanceof WalLogError && error.code === "CORRUPT", `${error}`);
            assert.deepEqual([error.damage[0]!.kind, error.damage[0]!.firstIndex, error.path], ["snapshot", 5, file]);
            return true;
          });
          const right = concatenate(given);
          assert.deepEqual(right, data.subarray(0, right.length));
          assert.throws(() => log.snapshot(), { code: "CORRUPT" });
          assert.equal(fileSystem.openFiles, open, "files left open");
        }
        writeFileSync(file, whole);
        assert.deepEqual(log.snapshot()!.data, data);
        log.append([entryAt(21)]); // a damaged snapshot is no failure of the writer
      },
    ),
  );
});

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

  it("leaves a right log whichever of its calls is the last", () => {
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
    "takes away what a crash left of others, and nothing else, when the log is opened for writing",
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
});

describe("the header of a snapshot file", () => {
  const NAME = snapshotName(3, 1);
  const codec = new Codec();
  const sum = (bytes: Uint8Array, seed: bigint) => codec.hash(bytes, seed);
  const snapshot = { index: 3, term: 1, config: [1n, 2n], meta: bytesOf(21), data: bytesOf(50) };

  /** The files of a log with the snapshot. */
  const makeFiles = (): Map<string, Uint8Array> => {
    const disk = new MemoryDisk();
    const log = WalLog.openSync(MemoryDisk.PATH, { fileSystem: disk });
    log.applySnapshot(snapshot);
    log.closeSync();
    return new Map([...disk.contents()].map(([name, bytes]) => [name, bytes.slice()]));
  };

  /** What becomes of the log if the header is changed, and its checksum is right again if it is to be. */
  const openChanged = (change: (view: DataView) => void, isSummed: boolean, verify: "full" | "tail") => {
    const files = makeFiles();
    const bytes = files.get(NAME)!;
    const view = new DataView(bytes.buffer);
    const end = (measureSnapshotHeader(bytes) as number) - 8;
    change(view);
    if (isSummed) view.setBigUint64(end, sum(bytes.subarray(0, end), 0n), true);
    return () => WalLog.openSync(MemoryDisk.PATH, { fileSystem: new MemoryDisk(files), verify }).snapshot();
  };

  it("is laid out as documented, and read back", () => {
    const bytes = makeFiles().get(NAME)!;
    const view = new DataView(bytes.buffer);
    assert.equal(new TextDecoder().decode(bytes.subarray(0, 8)), "WALLOGSN");
    assert.deepEqual([8, 12, 56, 60].map((at) => view.getUint32(at, true)), [FORMAT_VERSION, 2, 21, 0]);
    assert.deepEqual([64, 72].map((at) => view.getBigUint64(at, true)), [1n, 2n]);
    assert.deepEqual(bytes.slice(80, 101), bytesOf(21));
    assert.equal(measureSnapshotHeader(bytes), 112);
    const header = decodeSnapshotHeader(bytes.slice(0, 112), sum);
    assert.ok(typeof header === "object");
    assert.deepEqual([header.config, header.meta], [snapshot.config, snapshot.meta]);
    const again = encodeSnapshotHeader(snapshot, header.uuid, header.salt, sum);
    assert.deepEqual(again, bytes.slice(0, 112));
  });

  for (const verify of ["full", "tail"] as const) {
    it(`is corrupt if any bit of it is flipped, meta and padding included, verify "${verify}"`, () => {
      for (let at = 0; at < 112; at++) {
        const flipped = openChanged((view) => view.setUint8(at, view.getUint8(at) ^ 4), false, verify);
        assert.throws(flipped, { code: "CORRUPT" }, `at byte ${at}`);
      }
    });

    it(`is corrupt if it gives more meta than there can be, verify "${verify}"`, () => {
      for (const length of [META_BYTES_MAX + 1, 2 ** 32 - 1]) {
        const message = new RegExp(`it says that it has ${length} bytes of meta`);
        assert.throws(openChanged((view) => view.setUint32(56, length, true), true, verify), (error) => {
          assert.ok(error instanceof WalLogError && error.code === "CORRUPT");
          assert.match(error.damage[0]!.reason, message);
          return true;
        });
      }
      assert.throws(openChanged((view) => view.setUint32(56, META_BYTES_MAX, true), false, verify), {
        code: "CORRUPT",
      });
    });

    it(`is refused if its version is another one, verify "${verify}"`, () => {
      for (const version of [1, 3]) {
        assert.throws(openChanged((view) => view.setUint32(8, version, true), true, verify), {
          code: "UNSUPPORTED_VERSION",
          message: new RegExp(`${NAME}: it is in format version ${version}, this library reads version 2`),
        });
      }
    });
  }

  for (const way of ["createSnapshot", "receiveSnapshot"] as const) {
    it(
      `has the meta as it was when ${way} was called`,
      withLog(async ({ path, log }) => {
        const meta = bytesOf(META_BYTES_MAX);
        const writer = log[way]({ index: 5, term: 1, config: [1n], meta }).getWriter();
        meta.fill(0);
        await writer.write(bytesOf(10));
        await writer.close();
        const reader = WalLog.openSync(path, { readOnly: true });
        for (const one of [log, reader]) {
          assert.deepEqual(one.snapshotMeta(), { index: 5, term: 1, config: [1n], meta: bytesOf(META_BYTES_MAX) });
          assert.deepEqual(one.snapshot()!.data, bytesOf(10));
        }
        reader.closeSync();
      }),
    );

    it(
      `is not written if ${way} is given meta that is too long, or none`,
      withLog(({ path, log }) => {
        for (const meta of [new Uint8Array(META_BYTES_MAX + 1), null, "meta", [1]]) {
          const refused = () => log[way]({ index: 5, term: 1, config: [], meta: meta as Uint8Array });
          assert.throws(refused, { code: "INVALID_ARGUMENT", message: /at index 5: the meta must/ });
        }
        assert.deepEqual(snapshotFiles(path), []);
      }),
    );
  }
});
