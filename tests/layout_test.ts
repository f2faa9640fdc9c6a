/** The format is defined on both sides of the WebAssembly boundary. This compares the two definitions. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as codecModule from "../src/codec/codec.ts";
import * as checkpoint from "../src/format/checkpoint.ts";
import * as frame from "../src/format/frame.ts";
import * as headerBlock from "../src/format/header_block.ts";
import * as segmentHeader from "../src/format/segment_header.ts";
import * as state from "../src/format/state.ts";
import * as segmentIndex from "../src/format/segment_index.ts";
import { INDEX_PAGE_BYTES } from "../src/log/segment.ts";

const { CHUNK_BYTES, Codec } = codecModule;
const format = { ...checkpoint, ...frame, ...headerBlock, ...segmentHeader, ...segmentIndex, ...state };

/** Exports with addresses in the module's memory, which the codec reads at run time. */
const MEMORY_MAP = ["STATE", "PAGES", "PAGES_MAX", "RUNS", "RUNS_MAX", "HEAP"];
/** Constants with a different name, or none, in TypeScript. */
const OTHERWISE = ["SLOTS", "SAFE_INTEGER_MAX"];
/** Constants in TypeScript that both sides need. */
const SHARED = /^(FRAME|KIND|FLAGS?|SCAN|SLOT)_|^UNPROVEN_UNKNOWN$|^PAYLOAD_BYTES_MAX$/;
/** Constants of the header block, which WebAssembly never uses. */
const TYPESCRIPT_ONLY = ["NEXT_POINTER_OFFSET"];

const codec = new Codec();
const wasm = new Map<string, number>();
for (const [name, value] of Object.entries(codec.wasm as unknown as Record<string, unknown>)) {
  // In JavaScript, an i32 is signed, and an i64 is a bigint.
  if (value instanceof WebAssembly.Global) {
    wasm.set(name, typeof value.value === "bigint" ? Number(value.value) : value.value >>> 0);
  }
}
const typescript = new Map<string, number>([["INDEX_PAGE_BYTES", INDEX_PAGE_BYTES]]);
for (const [name, value] of [...Object.entries(format), ...Object.entries(codecModule)]) {
  if (typeof value === "number") typescript.set(name, value);
}

describe("the layout", () => {
  it("has every constant of the WebAssembly module in TypeScript, with the same value", () => {
    const names = [...wasm.keys()].filter((name) => !MEMORY_MAP.includes(name) && !OTHERWISE.includes(name));
    assert.ok(names.length > 40, `found only ${names.length} constants`);
    for (const name of names) assert.equal(typescript.get(name), wasm.get(name), name);
  });

  it("has every constant of frames, scans and slots in the WebAssembly module", () => {
    const names = [...typescript.keys()].filter((name) => SHARED.test(name) && !TYPESCRIPT_ONLY.includes(name));
    assert.ok(names.length > 40, `found only ${names.length} constants`);
    for (const name of names) assert.equal(wasm.get(name), typescript.get(name), name);
  });

  it("uses no number twice for kinds, scans and slots", () => {
    for (const prefix of ["KIND_", "SCAN_", "SLOT_"]) {
      const numbers = [...wasm].filter(([name]) => name.startsWith(prefix)).map(([, value]) => value);
      assert.equal(new Set(numbers).size, numbers.length, prefix);
    }
    const slots = [...wasm.keys()].filter((name) => name.startsWith("SLOT_"));
    assert.equal(wasm.get("SLOTS"), slots.length);
  });

  it("gives each flag its own bit, and one bit to all flags that depend on the kind", () => {
    const { FLAG_COPY, FLAG_REPAIRED, FLAG_CONFIG, FLAG_VOTE, FLAG_CLEAR, FLAG_CLOSE, FLAG_MORE } = format;
    assert.deepEqual([FLAG_COPY, FLAG_REPAIRED, FLAG_CONFIG, FLAG_MORE], [1, 2, 4, 8]);
    assert.deepEqual([FLAG_VOTE, FLAG_CLEAR, FLAG_CLOSE], [FLAG_CONFIG, FLAG_CONFIG, FLAG_CONFIG]);
  });

  it("accepts integers exactly up to the largest safe integer", () => {
    assert.equal(wasm.get("SAFE_INTEGER_MAX"), Number.MAX_SAFE_INTEGER);
  });

  it("keeps the regions of the module's memory apart", () => {
    const at = (name: string): number => wasm.get(name)!;
    const regions = [
      { name: "STATE", start: at("STATE"), end: at("STATE") + at("SLOTS") * 8 },
      { name: "PAGES", start: at("PAGES"), end: at("PAGES") + at("PAGES_MAX") * 16 },
      { name: "RUNS", start: at("RUNS"), end: at("RUNS") + at("RUNS_MAX") * 16 },
      { name: "chunk", start: codec.chunkAt, end: codec.chunkAt + CHUNK_BYTES },
      { name: "window", start: codec.writeBufferAt, end: codec.writeBufferAt + 1 },
    ].sort((a, b) => a.start - b.start);
    for (const [i, region] of regions.slice(1).entries()) {
      assert.ok(regions[i]!.end <= region.start, `${regions[i]!.name} reaches into ${region.name}`);
    }
    assert.ok(at("HEAP") <= codec.chunkAt, "the chunk lies in the module's own memory");
    for (const { name, start } of regions) assert.equal(start % 8, 0, `alignment of ${name}`);
  });

  it("has room for all pages of a chunk, so that the table never stops a scan", () => {
    assert.ok((wasm.get("PAGES_MAX")! - 1) * INDEX_PAGE_BYTES > CHUNK_BYTES);
  });

  it("is that of format version 2: changing these numbers needs a new version", () => {
    assert.equal(format.FORMAT_VERSION, 2);
    const fields = [
      "HEADER_CHECKSUM",
      "LENGTH",
      "PAYLOAD_CHECKSUM",
      "TERM",
      "INDEX",
      "KIND",
      "CHANGES",
      "COUNT",
      "UNPROVEN",
    ];
    assert.deepEqual(fields.map((name) => wasm.get(`FRAME_${name}`)), [0, 4, 8, 16, 24, 32, 33, 34, 36]);
    const kinds = ["ENTRIES", "HARD_STATE", "TRUNCATE", "SNAPSHOT", "CHECKPOINT", "SEGMENT_INDEX"];
    assert.deepEqual(kinds.map((name) => wasm.get(`KIND_${name}`)), [1, 2, 3, 4, 5, 6]);
    assert.equal(format.SEGMENT_HEADER_BYTES, 16_384);
    assert.deepEqual(format.HEADER_OFFSETS, [0, 12_288]);
    assert.deepEqual(format.NEXT_POINTER_OFFSETS, [1024, 13_312]);
    assert.deepEqual(format.DURABLE_SLOT_OFFSETS, [4096, 8192]);
    assert.equal(format.TRAILER_BYTES, 72);
  });
});
