/** The codec's CRC32C against another implementation of it, `hash-wasm`, and the published check values. */

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { createCRC32 } from "hash-wasm";
import { CHUNK_BYTES, Codec } from "../src/codec/codec.ts";
import { bytesOf } from "./model.ts";

/** The Castagnoli polynomial with reversed bits, for the other implementation. */
const POLYNOMIAL = 0x82f63b78;
/** Many steps of the algorithm, which have 16 bytes. In bytes. */
const LENGTH_MAX = 1024;

/** The values of RFC 3720 (iSCSI), appendix B.4, and the check value from catalogues of CRCs. */
const PUBLISHED: [name: string, bytes: Uint8Array, crc: number][] = [
  ["nothing", new Uint8Array(0), 0],
  ["123456789", new TextEncoder().encode("123456789"), 0xe3069283],
  ["32 zeros", bytesOf(32, "zeros"), 0x8a9136aa],
  ["32 ones", bytesOf(32, "ones"), 0x62a8ab43],
  ["0 to 31", Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
  ["31 to 0", Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
];

describe("CRC32C", () => {
  const codec = new Codec();
  const content = bytesOf(3 * CHUNK_BYTES + 100);
  let expected: (bytes: Uint8Array) => number;

  before(async () => {
    const hasher = await createCRC32(POLYNOMIAL);
    expected = (bytes) => parseInt(hasher.init().update(bytes).digest("hex"), 16);
  });

  for (const [name, bytes, crc] of PUBLISHED) {
    it(`of ${name} matches the published value`, () => assert.equal(codec.crc32c(bytes), crc));
  }

  it(`agrees with the other implementation on every length up to ${LENGTH_MAX}`, () => {
    for (let length = 0; length <= LENGTH_MAX; length++) {
      const bytes = content.subarray(length % 11, length % 11 + length);
      assert.equal(codec.crc32c(bytes), expected(bytes), `${length} bytes`);
    }
  });

  it("does not depend on the alignment of the bytes", () => {
    for (const length of [1, 15, 16, 17, 31, 33, 100, 5000]) {
      for (let shift = 0; shift < 17; shift++) {
        codec.chunk.set(content.subarray(0, length), shift);
        const found = codec.wasm.crc32c(codec.chunkAt + shift, length, 0) >>> 0;
        assert.equal(found, expected(content.subarray(0, length)), `${length} bytes at ${shift}`);
      }
    }
  });

  it("agrees on inputs larger than a chunk", () => {
    for (const length of [-17, -1, 0, 1, 17].flatMap((more) => [1, 2, 3].map((n) => n * CHUNK_BYTES + more))) {
      assert.equal(codec.crc32c(content.subarray(0, length)), expected(content.subarray(0, length)), `${length} bytes`);
    }
  });

  it("continues from the preceding bytes, wherever the pieces are cut", () => {
    const bytes = content.subarray(0, 100);
    for (let cut = 0; cut <= bytes.length; cut++) {
      assert.equal(codec.crc32c(bytes.subarray(cut), codec.crc32c(bytes.subarray(0, cut))), expected(bytes), `${cut}`);
    }
  });
});
