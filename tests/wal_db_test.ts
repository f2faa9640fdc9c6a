/**
 * Logs of wal-db, read and written: those of the reference, against the state that the implementation which wrote them
 * recovers; and damaged ones, of which nothing is taken in silence.
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { existsSync, lstatSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers";
import { pathToFileURL } from "node:url";
import { MemoryLog, type RaftLog, WalLog, WalLogError, type WalLogErrorCode } from "../mod.ts";
import { SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";
import { CHUNK_BYTES, Codec } from "../src/codec/codec.ts";
import { exportWalDb, importWalDb, type WalDbImport, type WalDbImportOptions } from "../src/wal_db/mod.ts";
import { entriesAt, entryAt } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { assertSameState, bytesOf, type LogState, stateOf } from "./model.ts";
import { skipReason, skipWithoutLinks } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";
import {
  framed,
  plausibleHeaders,
  record,
  recordsOf,
  type Reference,
  references,
  stateAsExpected,
  u64,
} from "./wal_db_records.ts";
import { systemError, WatchedFileSystem } from "./watched_file_system.ts";

const MIB = 1024 * 1024;
const FILE = `${MemoryDisk.PATH}/source.wal`;
const LARGEST = Number.MAX_SAFE_INTEGER;
const noLinks = skipWithoutLinks();

/** Imports bytes; what comes of it, and the log. */
async function imported(
  bytes: Uint8Array,
  options: WalDbImportOptions = {},
): Promise<{ log: MemoryLog; result: WalDbImport }> {
  const log = new MemoryLog();
  const fileSystem = new MemoryDisk(new Map([["source.wal", bytes]]));
  return { log, result: await importWalDb(FILE, log, { fileSystem, ...options }) };
}

/** Fails unless importing bytes is refused, and the log left as it was; returns the error. */
async function refused(
  bytes: Uint8Array,
  code: WalLogErrorCode,
  options: WalDbImportOptions = {},
): Promise<WalLogError> {
  const log = new MemoryLog();
  const fileSystem = new MemoryDisk(new Map([["source.wal", bytes]]));
  const error = await rejection(importWalDb(FILE, log, { fileSystem, ...options }));
  assert.equal(error.code, code, error.message);
  assertSameState(stateOf(log), stateOf(new MemoryLog()), "a refused import");
  return error;
}

async function rejection(promise: Promise<unknown>): Promise<WalLogError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof WalLogError, String(error));
    return error;
  }
  assert.fail("expected a rejection");
}

/** A disk with a source on it that records the size of each buffer read into, and the sum of bytes requested. */
function watchedReads(bytes: Uint8Array): { disk: MemoryDisk; buffers: number[]; read: () => number } {
  const disk = new MemoryDisk(new Map([["source.wal", bytes]]));
  const buffers: number[] = [];
  let total = 0;
  disk.open = ((open) => (path, mode) => {
    const file = open.call(disk, path, mode);
    const { read } = file;
    return Object.assign(file, {
      read: (into: Uint8Array, position: number) => {
        buffers.push(into.buffer.byteLength);
        total += into.length;
        return read.call(file, into, position);
      },
    });
  })(disk.open);
  return { disk, buffers, read: () => total };
}

/** Runs `body`, and calls back before each CRC32C that a codec computes meanwhile. */
async function watchingChecksums<Result>(
  onChecksum: (bytes: number) => void,
  body: () => Promise<Result>,
): Promise<Result> {
  const { crc32c } = Codec.prototype;
  Codec.prototype.crc32c = function (bytes, before) {
    onChecksum(bytes.length);
    return crc32c.call(this, bytes, before);
  };
  try {
    return await body();
  } finally {
    Codec.prototype.crc32c = crc32c;
  }
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** Records with everything in them, the file that they make, where each ends, and the state behind each. */
function everything(): { bytes: Uint8Array; ends: number[]; states: LogState[] } {
  const model = new MemoryLog();
  const parts: Uint8Array[] = [];
  const ends = [0];
  const states = [stateOf(model)];
  const step = (bytes: Uint8Array, apply: (log: RaftLog) => void) => {
    parts.push(bytes);
    ends.push(ends.at(-1)! + bytes.length);
    apply(model);
    states.push(stateOf(model));
  };
  const append = (index: number, term: number, size: number, kind: 0 | 1 = 0) => {
    const entry = entryAt(index, term, size, kind === 0 ? "normal" : "config");
    step(record.entry(term, index, entry.command, kind), (log) => log.append([entry]));
  };
  const hardState = (term: number, votedFor: bigint | null) =>
    step(record.hardState(term, votedFor), (log) => log.setHardState({ term, votedFor }));
  const snapshot = (index: number, term: number, config: bigint[], size: number) =>
    step(
      record.snapshot(index, term, config, bytesOf(size)),
      (log) => log.applySnapshot({ index, term, config, data: bytesOf(size) }),
    );
  hardState(1, 2n ** 64n - 1n);
  for (const size of [0, 1, 13]) append(size === 0 ? 1 : size === 1 ? 2 : 3, 1, size, size === 1 ? 1 : 0);
  hardState(2, null);
  append(4, 2, 40);
  step(record.truncate(3), (log) => log.truncate(3));
  append(3, 2, 20);
  append(4, 3, 21);
  snapshot(3, 2, [1n, 2n ** 63n], 30);
  append(5, 3, 10);
  // Behind the log, with another term than the entry there: it clears.
  snapshot(4, 4, [], 0);
  append(5, 4, 9);
  snapshot(9, 5, [3n], 7);
  append(10, LARGEST, 5);
  hardState(LARGEST, 0n);
  return { bytes: concat(parts), ends, states };
}

const KITCHEN = everything();

describe("the logs of the reference", () => {
  const found = references();
  if (found.length === 0) {
    it("are imported", { skip: skipReason("the recorded logs of wal-db are not beside this repository") }, () => {});
    return;
  }
  const isTooLarge = ({ expected }: Reference) => BigInt(expected.last_term) > BigInt(LARGEST);

  it("are all there", () => {
    const scenarios = new Set(found.map(({ name }) => name.replace(/-\d+$/, "")));
    assert.ok(scenarios.size >= 14, [...scenarios].join());
    assert.ok(found.some(isTooLarge) && found.filter((one) => !isTooLarge(one)).length > 20);
  });

  for (const reference of found) {
    if (isTooLarge(reference)) {
      it(`${reference.name}: is refused, for its numbers, and names the first of them`, async () => {
        const error = await refused(readFileSync(reference.path), "INVALID_ARGUMENT");
        const [, number] = /is (\d+), which is past 9007199254740991/.exec(error.message) ?? [];
        assert.ok(BigInt(number!) > BigInt(LARGEST), error.message);
        assert.equal(typeof error.offset, "number");
        await refused(readFileSync(reference.path), "INVALID_ARGUMENT", { onDamage: "cut" });
      });
      continue;
    }
    it(`${reference.name}: is imported to its state, exported, and imported again to the same`, async () => {
      await inTemporaryFolder(async (folder) => {
        const model = new MemoryLog();
        const first = await importWalDb(reference.path, model);
        assert.deepEqual(stateAsExpected(model), reference.expected);
        assert.equal(first.verdict, "clean");
        assert.equal(first.cut, undefined);
        assert.equal(first.bytes, readFileSync(reference.path).length);
        assert.equal(first.records, recordsOf(readFileSync(reference.path)).length);

        const path = join(folder, "log");
        const file = join(folder, "again.wal");
        const log = await WalLog.open(path, { segmentBytes: 64 * 1024 });
        await importWalDb(pathToFileURL(reference.path), log);
        assert.equal(log.durableIndex, log.lastIndex);
        await log.close();

        const reopened = await WalLog.open(path, { readOnly: true });
        assert.equal(reopened.recovery.verdict, "clean");
        assertSameState(stateOf(reopened), stateOf(model), "imported into a WalLog");
        const exported = await exportWalDb(reopened, file);
        await reopened.close();
        const records = recordsOf(readFileSync(file));
        assert.equal(exported.records, records.length);
        assert.equal(exported.entries, reference.expected.entries.length);
        assert.equal(exported.bytes, readFileSync(file).length);

        const again = new MemoryLog();
        assert.equal((await importWalDb(file, again)).verdict, "clean");
        assertSameState(stateOf(again), stateOf(model), "imported again");
      });
    });
  }
});

describe("importing a wal-db log", () => {
  it("replays records of each kind, up to the largest numbers that there are", async () => {
    const { log, result } = await imported(KITCHEN.bytes);
    assertSameState(stateOf(log), KITCHEN.states.at(-1)!);
    assert.deepEqual(result, {
      verdict: "clean",
      records: KITCHEN.ends.length - 1,
      bytes: KITCHEN.bytes.length,
      cut: undefined,
    });
  });

  it("takes a file that ends within a record up to that record, wherever it ends, and says so", async () => {
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

  it("refuses a file with a bit turned over, wherever that is, naming the record's offset", async () => {
    let torn = 0;
    const last = KITCHEN.ends.at(-2)!;
    for (let at = 0; at < KITCHEN.bytes.length; at++) {
      const bytes = KITCHEN.bytes.slice();
      bytes[at]! ^= 1 << at % 8;
      const hit = KITCHEN.ends.findLastIndex((end) => end <= at);
      const offset = KITCHEN.ends[hit]!;
      const isLength = at >= last + 4 && at < last + 8;
      if (isLength && new DataView(bytes.buffer).getUint32(last + 4, true) > bytes.length - last - 8) {
        // A last record that states to be longer, with nothing behind, is what a torn one is. No other is.
        if (new DataView(bytes.buffer).getUint32(last + 4, true) <= 64 * MIB) {
          torn++;
          assert.equal((await imported(bytes)).result.verdict, "torn", `bit at byte ${at}`);
          continue;
        }
      }
      const error = await refused(bytes, "CORRUPT");
      assert.equal(error.offset, offset, `bit at byte ${at}: ${error.message}`);
      assert.equal(error.damage[0]?.offset, offset);
      const next = KITCHEN.ends[hit + 1]!;
      if (next < bytes.length) assert.match(error.message, new RegExp(`next whole record begins at byte ${next};`));
      const { log, result } = await imported(bytes, { onDamage: "cut" });
      assertSameState(stateOf(log), KITCHEN.states[hit]!, `cut at byte ${at}`);
      assert.equal(result.verdict, "corrupt");
      assert.equal(result.cut?.offset, offset);
      assert.equal(result.cut?.bytes, bytes.length - offset);
      assert.equal(result.cut?.resumesAt, next < bytes.length ? next : undefined);
    }
    assert.ok(torn > 0 && torn < 4 * 8, `${torn}`);
  });

  it("refuses zeros behind the last record, which are no proof of an end", async () => {
    for (const count of [8, 9, 100, 5000]) {
      const error = await refused(concat([KITCHEN.bytes, new Uint8Array(count)]), "CORRUPT");
      assert.equal(error.offset, KITCHEN.bytes.length);
    }
  });

  it("finds whole records behind damage that is longer than a chunk, and behind a record that claims to be", async () => {
    const head = record.hardState(3, 1n);
    const tail = record.hardState(4, 2n);
    for (
      const [i, middle] of [bytesOf(3 * CHUNK_BYTES + 13), bytesOf(CHUNK_BYTES - 26), bytesOf(CHUNK_BYTES - 20)]
        .entries()
    ) {
      const error = await refused(concat([head, middle, tail, head]), "CORRUPT");
      assert.equal(error.offset, head.length);
      assert.equal(error.damage[0]?.bytes, middle.length, `${i}: ${error.message}`);
    }
    const large = record.entry(1, 1, bytesOf(2 * CHUNK_BYTES));
    large[4]! ^= 8;
    assert.equal((await refused(concat([head, large, tail]), "CORRUPT")).damage[0]?.bytes, large.length);
  });

  it("finds a whole record of several chunks, and one inside a damaged record's span", async () => {
    const head = record.hardState(3, 1n);
    const large = record.entry(1, 1, bytesOf(2 * CHUNK_BYTES + 77));
    const broken = large.slice();
    broken[broken.length - 1]! ^= 1;
    for (
      const [bytes, resumesAt] of [[[broken, large], broken.length], [
        [u64(7), broken, head],
        8 + broken.length,
      ]] as const
    ) {
      const { result } = await imported(concat(bytes), { onDamage: "cut" });
      assert.deepEqual([result.cut?.offset, result.cut?.resumesAt], [0, resumesAt]);
    }
    broken.set(head, 5000);
    const { result } = await imported(broken, { onDamage: "cut" });
    assert.deepEqual([result.cut?.offset, result.cut?.resumesAt], [0, 5000]);
  });

  it("gives up the search in a file of plausible headers, and reports damage", async () => {
    const size = 4 * MIB;
    const torn = plausibleHeaders(size);
    // The first record claims to go on past the end of the file.
    new DataView(torn.buffer).setUint32(4, size, true);
    for (const [bytes, reason] of [[plausibleHeaders(size), /checksum mismatch/], [torn, /the file ends/]] as const) {
      const { disk, buffers, read } = watchedReads(bytes);
      let summed = 0;
      const onChecksum = (count: number) => {
        summed += count;
        assert.ok(summed <= 9 * size, "more than the record itself and 8 times the size of the file was checksummed");
      };
      const error = await watchingChecksums(
        onChecksum,
        () => rejection(importWalDb(FILE, new MemoryLog(), { fileSystem: disk })),
      );
      assert.deepEqual([error.code, error.offset, error.damage[0]?.bytes], ["CORRUPT", 0, size]);
      assert.match(error.message, reason);
      assert.match(
        error.message,
        /the search for later whole records was given up at byte \d+\), and whole records may/,
      );
      assert.ok(read() <= 10 * size, `${read()}`);
      if (bytes === torn) assert.ok(Math.max(...buffers) <= CHUNK_BYTES, "a candidate is checksummed in pieces");
      const { log, result } = await imported(bytes, { onDamage: "cut" });
      assert.deepEqual([result.verdict, result.records, log.lastIndex], ["corrupt", 0, 0]);
      assert.equal(result.cut?.resumesAt, undefined);
      assert.match(result.cut!.reason, /given up/);
    }
  });

  it("reports progress while it searches, lets others run, and can be aborted", async () => {
    const reason = new Error("enough");
    const controller = new AbortController();
    let checksums = 0;
    const onChecksum = () => {
      checksums++;
      assert.ok(checksums < 20, "the search goes on after it was told to end");
      // As if each took longer than the import works at a stretch.
      for (const end = performance.now() + 10; performance.now() < end;);
    };
    const fileSystem = new MemoryDisk(new Map([["source.wal", plausibleHeaders(2 * MIB)]]));
    const onProgress = () => {
      // The first ones are of the damaged record itself.
      if (checksums > 3) setImmediate(() => controller.abort(reason));
    };
    const importing = watchingChecksums(
      onChecksum,
      () => importWalDb(FILE, new MemoryLog(), { fileSystem, onProgress, signal: controller.signal }),
    );
    await assert.rejects(importing, (error) => error === reason);
  });

  it("refuses a record of more than 64 MiB, and reads none of it", async () => {
    const bytes = new Uint8Array(100);
    new DataView(bytes.buffer).setUint32(4, 64 * MIB + 1, true);
    assert.match((await refused(bytes, "CORRUPT")).message, /a record of 67108865 bytes/);
  });

  const wrong: [name: string, bytes: Uint8Array, reason: RegExp][] = [
    ["of no bytes", framed(), /a record of no bytes/],
    ["of an unknown kind", framed([5], u64(1)), /a record of unknown kind 5/],
    ["that is an entry cut short", framed([1], u64(1), u64(2)), /an entry of 17 bytes/],
    ["that is an entry of an unknown kind", record.entry(1, 2, bytesOf(3), 2), /an entry of kind 2/],
    [
      "that states another length than it has",
      framed([1], u64(1), u64(2), [0], u64(4), [1, 2, 3]),
      /states 4 bytes where it has 3/,
    ],
    [
      "that is a hard state with a byte too many",
      framed([2], u64(1), [1], u64(1), [0]),
      /a hard state has 18 bytes, this one 19/,
    ],
    ["that is a hard state with half a vote", framed([2], u64(1), [2], u64(1)), /vote is marked 2/],
    ["that is a truncation cut short", framed([3], [1]), /a truncation has 9 bytes, this one 2/],
    ["that is a snapshot cut short", framed([4], u64(1)), /a snapshot of 9 bytes/],
    [
      "that is a snapshot of more members than it has",
      framed([4], u64(2), u64(1), u64(9), u64(0)),
      /a snapshot of 9 members/,
    ],
    ["that leaves a gap", record.entry(1, 3, bytesOf(1)), /an entry at index 3, expected index 2/],
    ["that overlaps", record.entry(1, 1, bytesOf(1)), /an entry at index 1, expected index 2/],
    ["of a term below the one before", record.entry(0, 2, bytesOf(1)), /an entry of term 0 after one of term 1/],
    [
      "that is a snapshot at index 0",
      record.snapshot(0, 0, [], bytesOf(1)),
      /a snapshot at index 0 after one at index 0/,
    ],
  ];
  for (const [name, bytes, reason] of wrong) {
    it(`refuses a record ${name}, although its checksum is right`, async () => {
      const before = record.entry(1, 1, bytesOf(4));
      const error = await refused(concat([before, bytes, record.hardState(1, null)]), "CORRUPT");
      assert.equal(error.offset, before.length);
      assert.match(error.message, reason);
      const { log, result } = await imported(concat([before, bytes]), { onDamage: "cut" });
      assert.equal(result.verdict, "corrupt");
      assert.equal(log.lastIndex, 1);
    });
  }

  it("refuses a number past 2^53 - 1 wherever there is one, and takes identities of 64 bits", async () => {
    const large = 2n ** 53n;
    const cases: [what: string, bytes: Uint8Array][] = [
      ["the term of an entry", record.entry(large, 1, bytesOf(1))],
      ["the index of an entry", record.entry(1, large, bytesOf(1))],
      ["the term of a hard state", record.hardState(large, null)],
      ["the index of a truncation", record.truncate(large)],
      ["the index of a snapshot", record.snapshot(large, 1, [], bytesOf(1))],
      ["the term of a snapshot", record.snapshot(1, large, [], bytesOf(1))],
    ];
    for (const [what, bytes] of cases) {
      const before = record.hardState(LARGEST, 2n ** 64n - 1n);
      const error = await refused(concat([before, bytes]), "INVALID_ARGUMENT");
      assert.match(error.message, new RegExp(`${what} at byte ${before.length} is 9007199254740992, which is past`));
    }
  });

  it("drops every entry for a truncation that reaches into the snapshot", async () => {
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

  it("keeps the entries above a snapshot whose term they agree with, across many terms", async () => {
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

  it("says of a source that is not there, or no path, what it was", async () => {
    assert.match((await rejection(importWalDb("/nowhere/x.wal", new MemoryLog()))).message, /[/\\]nowhere[/\\]x\.wal/);
    assert.equal((await rejection(importWalDb("/nowhere/x.wal", new MemoryLog()))).code, "IO");
    for (const path of ["", "file:///x", 7 as unknown as string]) {
      assert.equal((await rejection(importWalDb(path, new MemoryLog()))).code, "INVALID_ARGUMENT");
    }
    const options = { onDamage: "keep" } as unknown as WalDbImportOptions;
    assert.equal((await rejection(importWalDb("x", new MemoryLog(), options))).code, "INVALID_ARGUMENT");
  });

  it("gets along with reads that give a few bytes, closes the file, and passes on what the disk says", async () => {
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

  it("holds a chunk, or a record where that is larger", async () => {
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

  it("tells how far it is, and ends when it is told to", async () => {
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

describe("exporting to a wal-db log", () => {
  /** A log with some of everything. */
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

  it("writes one record of hard state and snapshot each, and the entries, of a log that is open", async () => {
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

  it("leaves out the snapshot's meta, and says how much", async () => {
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

  it("leaves a file that is there as it is", async () => {
    await withLog(async (log, folder) => {
      const file = join(folder, "raft.wal");
      writeFileSync(file, "precious");
      assert.equal((await rejection(exportWalDb(log, file))).code, "INVALID_ARGUMENT");
      assert.equal(readFileSync(file, "utf8"), "precious");
      assert.deepEqual(readdirSync(folder).sort(), ["log", "raft.wal"]);
    });
  });

  it("leaves an existing link as it is, dangling or not", { skip: noLinks }, async () => {
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

  it("takes the place of what an export that was killed has left", async () => {
    await withLog(async (log, folder) => {
      const file = join(folder, "raft.wal");
      writeFileSync(`${file}.wallog-export.tmp`, "half");
      await exportWalDb(log, file);
      recordsOf(readFileSync(file));
      assert.deepEqual(readdirSync(folder).sort(), ["log", "raft.wal"]);
    });
  });

  it("leaves no file when the disk fails or is full, at whatever call", async () => {
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

  it("is flushed, then named, then the name is flushed", async () => {
    await withLog(async (log, folder) => {
      const fileSystem = new WatchedFileSystem();
      await exportWalDb(log, join(folder, "raft.wal"), { fileSystem });
      const last = fileSystem.calls.slice(-3).map(({ operation }) => operation);
      assert.deepEqual(last, ["sync", "rename", "syncDirectory"]);
      assert.equal(fileSystem.count("sync"), 1);
    });
  });

  it("refuses an entry and a snapshot that make a record of more than 64 MiB, and takes the largest that do not", async () => {
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

  it("gives up when the log is truncated or compacted meanwhile, rather than mix two states", async () => {
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
        // The first write comes when the snapshot has filled the chunk: with entries to go.
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

  it("goes on when entries are appended meanwhile, and leaves them out", async () => {
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

  it("ends when it is told to, and leaves no file", async () => {
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
