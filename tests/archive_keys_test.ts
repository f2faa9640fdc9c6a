/** The keys of an archive, as docs/ARCHIVE.md defines them. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  baseKey,
  claimedGeneration,
  claimKey,
  identityKey,
  pieceKey,
  readKey,
  sizeInKey,
  snapshotKey,
} from "../src/archive/keys.ts";
import { addToChecksum } from "../src/archive/object_checksum.ts";
import { sharedCodec } from "../src/codec/pool.ts";
import { Random } from "../src/testing/mod.ts";

const SEGMENT = { number: 12, baseLsn: 65536, first: 7, salt: 0x0123456789abcdefn };
const SPAN = {
  from: 16384,
  to: 20480,
  floor: 5,
  next: 120,
  snapshot: 3,
  archived: 2,
  ended: true,
  time: 1767225600037,
};

describe("the keys of an archive", () => {
  it("name a piece and everything about it", () => {
    const key = pieceKey(3, SEGMENT, SPAN, 0xfedcn);
    assert.equal(
      key,
      "generations/00000003/segments/000000000012-0000000000065536-0000000000000007-0123456789abcdef/" +
        "0000000000016384-0000000000020480-0000000000000005-0000000000000120-0000000000000003-" +
        "0000000000000002-1-001767225600037-000000000000fedc",
    );
    const piece = { key, generation: 3, segment: SEGMENT, ...SPAN, checksum: 0xfedcn };
    assert.deepEqual(readKey(key, 4096), { kind: "piece", piece });
    assert.equal(sizeInKey(readKey(key, 4096)), 4096);
  });

  it("name claims, bases, identities and snapshots", () => {
    assert.equal(claimKey(7), "claims/00000007");
    assert.equal(claimedGeneration("claims/00000007"), 7);
    for (const key of ["claims/7", "claims/00000007/x", "probes/00000007"]) {
      assert.equal(claimedGeneration(key), undefined);
    }
    const base = { parent: 6, number: 12, salt: 0xabcn, end: 16384 };
    const limit = "00000006-000000000012-0000000000000abc-0000000000016384";
    assert.equal(baseKey(7, base), `generations/00000007/base/${limit}`);
    assert.deepEqual(readKey(baseKey(7, base), 0), { kind: "base", generation: 7, base });
    assert.equal(sizeInKey(readKey(baseKey(7, base), 0)), 0);
    assert.deepEqual(readKey(baseKey(7, undefined), 0), { kind: "base", generation: 7, base: undefined });
    const cluster = "0123456789abcdef".repeat(2);
    const key = identityKey(7, "f".repeat(32), cluster);
    assert.deepEqual(readKey(key, 72), { kind: "identity", identity: { key, generation: 7, cluster } });
    assert.equal(sizeInKey(readKey(key, 72)), 72);
    const id = { index: 4711, term: 9, previous: 4700, checksum: 1n };
    const snapshot = snapshotKey(7, id);
    assert.equal(
      snapshot,
      "generations/00000007/snapshots/0000000000004711-0000000000000009-0000000000004700-0000000000000001",
    );
    assert.deepEqual(readKey(snapshot, 152), {
      kind: "snapshot",
      snapshot: { key: snapshot, generation: 7, ...id, size: 152 },
    });
  });

  it("sort like their numbers", () => {
    const keys = [9, 10, 99, 100].map((from) => pieceKey(1, SEGMENT, { ...SPAN, from }, 0n));
    assert.deepEqual([...keys].sort(), keys);
  });

  it("can be of no other form", () => {
    const key = pieceKey(3, SEGMENT, SPAN, 0xfedcn);
    for (
      const other of [
        `${key}0`,
        `x${key}`,
        key.replace("fedc", "FEDC"),
        `${baseKey(3, undefined)}0`,
        "generations/3/base",
      ]
    ) {
      assert.deepEqual(readKey(other, 4096), { kind: "other" });
    }
  });
});

describe("the checksum of an object", () => {
  it("is that of the last MiB, seeded with the checksum of the MiB before it", () => {
    const codec = sharedCodec();
    const block = 1024 * 1024;
    const bytes = new Uint8Array(2 * block + 5);
    new Random(1).fill(bytes);
    const first = codec.hash(bytes.subarray(0, block), 0n);
    const second = codec.hash(bytes.subarray(block, 2 * block), first);
    const third = codec.hash(bytes.subarray(2 * block), second);
    assert.equal(addToChecksum(codec, 0n, bytes), third);
    assert.equal(
      addToChecksum(codec, addToChecksum(codec, 0n, bytes.subarray(0, block)), bytes.subarray(block)),
      third,
    );
    assert.equal(addToChecksum(codec, 0n, bytes.subarray(0, 9)), codec.hash(bytes.subarray(0, 9), 0n));
  });
});
