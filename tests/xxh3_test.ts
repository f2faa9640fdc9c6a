/** Compares the codec's XXH3-64 with another implementation, `hash-wasm`: all lengths up to 2,048, and large ones. */

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { createXXHash3 } from "hash-wasm";
import { CHUNK_BYTES, Codec, SLOT_HASH } from "../src/codec/codec.ts";
import { bytesOf } from "./model.ts";

/** The algorithm has different paths at 16, 128, 240 and 1,024 bytes. In bytes. */
const LENGTH_MAX = 2048;

const SEEDS = [
  0n,
  1n,
  0xffff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0x0000_0001_0000_0000n,
  ...new BigUint64Array(bytesOf(5 * 8, "noise", 7).buffer),
];

/** Lengths around multiples of blocks, stripes and chunks, in bytes. */
const LARGE = [
  ...[3 * 1024, 16 * 1024, 64 * 1024, CHUNK_BYTES - 1024, CHUNK_BYTES, CHUNK_BYTES + 1024, CHUNK_BYTES + 2048],
  ...[2 * CHUNK_BYTES - 1024, 2 * CHUNK_BYTES, 2 * CHUNK_BYTES + 1024, 3 * CHUNK_BYTES, 5 * CHUNK_BYTES],
].flatMap((size) => [-65, -64, -63, -1, 0, 1, 63, 64, 65, 500].map((more) => size + more));

/** The other implementation. */
async function oracle(seed: bigint): Promise<(bytes: Uint8Array) => bigint> {
  const hasher = await createXXHash3(Number(seed & 0xffff_ffffn), Number(seed >> 32n));
  return (bytes) => BigInt("0x" + hasher.init().update(bytes).digest("hex"));
}

/** Compares hashes, with a message that identifies the input. */
function assertHash(found: bigint, expected: bigint, length: number, seed: bigint): void {
  if (found === expected) return;
  assert.fail(`XXH3-64 of ${length} bytes, seed ${seed}: ${found.toString(16)}, expected ${expected.toString(16)}`);
}

describe("XXH3-64", () => {
  const codec = new Codec();
  const content = bytesOf(LARGE.reduce((a, b) => Math.max(a, b)) + 16);
  let unseeded: (bytes: Uint8Array) => bigint;

  before(async () => {
    unseeded = await oracle(0n);
  });

  for (const seed of SEEDS) {
    it(`matches the published algorithm for every length up to ${LENGTH_MAX}, seed 0x${seed.toString(16)}`, async () => {
      const expected = await oracle(seed);
      for (let length = 0; length <= LENGTH_MAX; length++) {
        const bytes = content.subarray(0, length);
        assertHash(codec.hash(bytes, seed), expected(bytes), length, seed);
      }
    });
  }

  it("matches the published algorithm for all zeros and all ones", () => {
    for (const filling of ["zeros", "ones"] as const) {
      for (let length = 0; length <= LENGTH_MAX; length += length < 300 ? 1 : 31) {
        const bytes = bytesOf(length, filling);
        assertHash(codec.hash(bytes, 0n), unseeded(bytes), length, 0n);
      }
    }
  });

  it("does not depend on the alignment of the bytes", () => {
    for (const length of [0, 3, 8, 16, 17, 36, 128, 129, 240, 241, 1024, 1025, 5000]) {
      const bytes = content.subarray(0, length);
      const expected = unseeded(bytes);
      for (let shift = 0; shift < 16; shift++) {
        const moved = new Uint8Array(length + 32);
        moved.set(bytes, shift);
        assertHash(codec.hash(moved.subarray(shift, shift + length), 0n), expected, length, 0n);
        codec.chunk.set(bytes, shift);
        codec.setWide(SLOT_HASH, 0n);
        codec.wasm.hash(codec.chunkAt + shift, length, codec.wasm.STATE.value + SLOT_HASH * 8);
        assertHash(codec.getWide(SLOT_HASH), expected, length, 0n);
      }
    }
  });

  it("matches the published algorithm for large inputs, also in pieces", () => {
    for (const length of LARGE) {
      const bytes = content.subarray(length % 7, length % 7 + length);
      assertHash(codec.hash(bytes, 0n), unseeded(bytes), length, 0n);
    }
  });

  it("matches the published algorithm for large inputs with a seed, up to a chunk", async () => {
    for (const seed of SEEDS.slice(1, 4)) {
      const expected = await oracle(seed);
      for (const length of [4096, 65_537, CHUNK_BYTES - 1, CHUNK_BYTES]) {
        assertHash(codec.hash(content.subarray(0, length), seed), expected(content.subarray(0, length)), length, seed);
      }
    }
  });

  it("refuses a seed for inputs larger than a chunk", () => {
    assert.throws(() => codec.hash(content.subarray(0, CHUNK_BYTES + 1), 1n), RangeError);
  });

  it("does not depend on the sizes of the pieces", () => {
    for (const length of [1025, 1088, 2047, 2048, 2049, 5000, 10_240, 10_241, 70_000]) {
      const bytes = content.subarray(1, 1 + length);
      const expected = unseeded(bytes);
      for (const step of [1024, 1025, 1500, 2048, 3000, 4096, 100_000]) {
        codec.wasm.hashStart(length);
        // Like replay: the rest moves to the front, and the next piece follows it.
        for (let done = 0, filled = 0; done < length;) {
          const more = Math.min(step, length - done - filled);
          codec.chunk.set(bytes.subarray(done + filled, done + filled + more), filled);
          filled += more;
          const taken = codec.wasm.hashFeed(codec.chunkAt, filled);
          codec.chunk.copyWithin(0, taken, filled);
          filled -= taken;
          done += taken;
          assert.ok(more > 0 || taken > 0, `stuck at ${done} of ${length}, pieces of ${step}`);
        }
        assertHash(codec.getWide(SLOT_HASH), expected, length, 0n);
      }
    }
  });
});
