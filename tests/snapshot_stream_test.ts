/** Snapshots that are written and read as streams. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { WalLog, WalLogError } from "../mod.ts";
import { entriesAt, entryAt, flipped } from "./history.ts";
import { assertSameState, bytesOf, stateOf } from "./model.ts";
import { snapshotFiles, withLog } from "./snapshot_log.ts";

/** The largest piece of a snapshot in memory, in bytes. */
const PIECE_BYTES_MAX = 512 * 1024;

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
      "is read as it was written, with any size and any pieces",
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
          assert.equal(snapshotFiles(path).length, 1, "the previous one is gone");
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
      "is written piece by piece, without reading any piece again",
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
      "is installed only when it is closed, and entries can be appended meanwhile",
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
      "leaves no file and an unchanged log if it is aborted",
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
      "is discarded if a later one was installed meanwhile",
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
      "can be written twice concurrently for one index",
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
      "changes nothing if the log is closed just before it is installed",
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
      "refuses pieces that are not byte arrays, and leaves the log unchanged",
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
    "stays readable while newer ones replace its file",
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
    "fails at a damaged piece with CORRUPT and the index, after correct pieces only",
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
