/**
 * Fuzzing of the WebAssembly module's exports.
 *
 * @module
 */

import assert from "node:assert/strict";
import { CHUNK_BYTES, Codec, SLOT_BASE_LSN, SLOT_CONSUMED, SLOT_EVENT, SLOT_SALT } from "../../src/codec/codec.ts";
import { FRAME_HEADER_BYTES } from "../../src/format/frame.ts";
import { Random } from "../../src/testing/mod.ts";
import { fillWithFrames } from "./frames.ts";
import { U64_EXTREMES } from "./mutated_log.ts";
import { describe, type FuzzCounts } from "./use.ts";

let sharedCodec: Codec | undefined;

/** Memory with random contents, at the very end of the module's memory, so that reading one byte too far is a trap. */
interface MutatedMemory {
  readonly codec: Codec;
  readonly random: Random;
  /** Address and size of the memory, in bytes. */
  readonly at: number;
  readonly size: number;
  readonly lsn: number;
  /** Gives the module a random state. */
  readonly state: () => void;
}

/** The exports. Each runs on the memory, and its result is checked. */
const CALLS: Readonly<Record<string, (memory: MutatedMemory) => void>> = {
  scan: scanAll,
  survey({ codec, at, size, lsn, state }) {
    state();
    const done = codec.wasm.survey(at, size, lsn);
    assert(done >= 0 && (size < FRAME_HEADER_BYTES || done > size - FRAME_HEADER_BYTES), `done ${done} of ${size}`);
  },
  find({ codec, random, at, size, lsn, state }) {
    state();
    const { wasm } = codec;
    const done = wasm.find(at, size, lsn, random.pick([0, 1, 7, 2 ** 53, random.below(100)]));
    assert(done >= 0 && (done <= size - FRAME_HEADER_BYTES || done > size - FRAME_HEADER_BYTES), `done ${done}`);
    if (done + FRAME_HEADER_BYTES <= size) assert.equal(wasm.checkHeader(at + done, lsn + done), 0);
  },
  seek({ codec, at, size, lsn, state }) {
    state();
    const { wasm } = codec;
    const found = wasm.seek(at, size, lsn);
    assert(found <= size, `found ${found} of ${size}`);
    if (found + FRAME_HEADER_BYTES <= size) assert.equal(wasm.checkHeader(at + found, lsn + found), 0);
  },
  checkFrame({ codec, at, size, lsn, state }) {
    state();
    const { wasm } = codec;
    for (let offset = 0; offset <= size; offset += 8) {
      const rest = size - offset;
      const status = wasm.checkFrame(at + offset, rest, lsn + offset);
      assert(status === 0 || status === 2 || status === 3, `status ${status}`);
      if (rest >= FRAME_HEADER_BYTES) assert.equal(wasm.checkHeader(at + offset, lsn + offset) === 0, status !== 2);
    }
  },
  nonZeroEnd({ codec, at, size }) {
    const expected = codec.bytes.subarray(at, at + size).findLastIndex((byte) => byte !== 0) + 1;
    assert.equal(codec.wasm.nonZeroEnd(at, size), expected);
  },
  resealCopies({ codec, random, at, size, lsn, state }) {
    state();
    const skip = random.pick([0, 0, 8, 40, size, size + 80, 2 ** 31]);
    const done = codec.wasm.resealCopies(at, size, skip, lsn, random.pick([0, lsn, lsn + 4096, 2 ** 53]));
    assert(done >= skip && (done + FRAME_HEADER_BYTES > size), `done ${done} of ${size}, skipped ${skip}`);
  },
};

/** Scans the memory to its end, or until the module stops. */
function scanAll({ codec, random, at, size, lsn, state }: MutatedMemory): void {
  state();
  let position = 0;
  // Each call advances or ends the scan: at most a frame per 40 bytes, and a full table per call.
  for (let steps = 0;; steps++) {
    assert(steps <= size / FRAME_HEADER_BYTES + 2, "does not come to an end");
    const status = codec.wasm.scan(at + position, size - position, random.pick([size, CHUNK_BYTES]), lsn + position);
    const consumed = codec.get(SLOT_CONSUMED);
    assert(consumed <= size - position, `consumed ${consumed} of ${size - position}`);
    assert(codec.pages().length <= 2 * 512 && codec.get(12) <= 2048, "tables overflow");
    if (status === 1) {
      assert(codec.get(SLOT_EVENT) + FRAME_HEADER_BYTES <= consumed, "event outside what was consumed");
    }
    position += consumed;
    if (status === 6) codec.clearTables();
    else if (status !== 1) return;
  }
}

/** Fills memory, with a random salt and a random state. */
function mutatedMemory(random: Random, codec: Codec): MutatedMemory {
  const bytes = 8 * random.below(random.chance(0.8) ? 600 : 8000) + (random.chance(0.2) ? random.below(8) : 0);
  const end = codec.chunkAt + CHUNK_BYTES;
  const at = (end - bytes) & ~7;
  const salt = BigInt(random.next()) << 32n | BigInt(random.next());
  const lsn = random.pick([0, 4096, 2 ** 32 - 64, 2 ** 40, 2 ** 53 - 2 ** 20, 2 ** 64, 8 * random.below(2 ** 30)]);
  fillWithFrames(codec, random, codec.bytes.subarray(at, end), salt, lsn);
  const state = () => {
    codec.clearTables();
    codec.setWide(SLOT_SALT, salt);
    codec.set(SLOT_BASE_LSN, random.pick([0, lsn, lsn - 4096]));
    // The slots that a scan reads may hold any number.
    for (const slot of [2, 3, 4, 5, 6, 7, 8, 13, 15, 20, 22]) codec.setWide(slot, random.pick(U64_EXTREMES));
  };
  return { codec, random, at, size: end - at, lsn, state };
}

/**
 * Runs the WebAssembly exports on memory with random contents, at the very end of their memory, so that reading one
 * byte too far is a trap.
 *
 * @param seed The seed of the case.
 * @param counts Added to.
 */
export function fuzzCodec(seed: number, counts: FuzzCounts = {}): void {
  const random = new Random(seed ^ 0x3c6ef372);
  const codec = sharedCodec ??= new Codec();
  const memory = mutatedMemory(random, codec);
  const { at, size, lsn } = memory;
  const before = codec.bytes.slice(0, at);
  const notes = `seed ${seed}: ${size} bytes at LSN ${lsn}`;
  for (const [name, call] of Object.entries(CALLS)) {
    try {
      call(memory);
    } catch (error) {
      throw new Error(`${notes}, ${name}: ${describe(error)}`, { cause: error });
    }
    counts[name] = (counts[name] ?? 0) + 1;
  }
  // No export may write before its input, except to the state block and the tables.
  for (let i = codec.wasm.HEAP.value; i < at; i++) {
    if (before[i] !== codec.bytes[i]) throw new Error(`${notes}: memory changed at ${i}, before ${at}`);
  }
}
