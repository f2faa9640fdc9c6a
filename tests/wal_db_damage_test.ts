/** Importing a damaged wal-db log: what is refused, and the search for records after the damage. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers";
import { MemoryLog } from "../mod.ts";
import { CHUNK_BYTES, Codec } from "../src/codec/codec.ts";
import { importWalDb } from "../src/wal_db/mod.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { assertSameState, bytesOf, stateOf } from "./model.ts";
import { concat, FILE, imported, KITCHEN, LARGEST, MIB, refused, rejection, watchedReads } from "./wal_db_log.ts";
import { framed, plausibleHeaders, record, u64 } from "./wal_db_records.ts";

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

describe("importing a damaged wal-db log", () => {
  it("refuses a file with a bit flipped anywhere, and reports the record's offset", async () => {
    let torn = 0;
    const last = KITCHEN.ends.at(-2)!;
    for (let at = 0; at < KITCHEN.bytes.length; at++) {
      const bytes = KITCHEN.bytes.slice();
      bytes[at]! ^= 1 << at % 8;
      const hit = KITCHEN.ends.findLastIndex((end) => end <= at);
      const offset = KITCHEN.ends[hit]!;
      const isLength = at >= last + 4 && at < last + 8;
      if (isLength && new DataView(bytes.buffer).getUint32(last + 4, true) > bytes.length - last - 8) {
        // Only a last record that claims to be longer than the file looks like a torn one.
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

  it("refuses zeros after the last record, which do not prove an end", async () => {
    for (const count of [8, 9, 100, 5000]) {
      const error = await refused(concat([KITCHEN.bytes, new Uint8Array(count)]), "CORRUPT");
      assert.equal(error.offset, KITCHEN.bytes.length);
    }
  });

  it("finds complete records after damage or a record longer than a chunk", async () => {
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

  it("finds a complete record of several chunks, and one inside a damaged record's range", async () => {
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

  it("stops the search in a file of plausible headers, and reports damage", async () => {
    const size = 4 * MIB;
    const torn = plausibleHeaders(size);
    // The first record claims to extend past the end of the file.
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

  it("reports progress while it searches, returns to the event loop, and can be aborted", async () => {
    const reason = new Error("enough");
    const controller = new AbortController();
    let checksums = 0;
    const onChecksum = () => {
      checksums++;
      assert.ok(checksums < 20, "the search continues after it was aborted");
      // Simulate checksums that take longer than a slice of the import's work.
      for (const end = performance.now() + 10; performance.now() < end;);
    };
    const fileSystem = new MemoryDisk(new Map([["source.wal", plausibleHeaders(2 * MIB)]]));
    const onProgress = () => {
      // The first checksums are of the damaged record itself.
      if (checksums > 3) setImmediate(() => controller.abort(reason));
    };
    const importing = watchingChecksums(
      onChecksum,
      () => importWalDb(FILE, new MemoryLog(), { fileSystem, onProgress, signal: controller.signal }),
    );
    await assert.rejects(importing, (error) => error === reason);
  });

  it("refuses a record of more than 64 MiB without reading it", async () => {
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
    it(`refuses a record ${name}, although its checksum is valid`, async () => {
      const before = record.entry(1, 1, bytesOf(4));
      const error = await refused(concat([before, bytes, record.hardState(1, null)]), "CORRUPT");
      assert.equal(error.offset, before.length);
      assert.match(error.message, reason);
      const { log, result } = await imported(concat([before, bytes]), { onDamage: "cut" });
      assert.equal(result.verdict, "corrupt");
      assert.equal(log.lastIndex, 1);
    });
  }

  it("refuses numbers above 2^53 - 1, and accepts identities of 64 bits", async () => {
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
});
