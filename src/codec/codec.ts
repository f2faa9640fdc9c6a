/**
 * The WebAssembly module seen from TypeScript: its memory and its calls.
 *
 * The memory holds the module's static data (state block, tables), then the chunk that files are read into, then the
 * write buffer, once the log writes. Growing the memory detaches every view, so only this class keeps views.
 *
 * @module
 */

import { CODEC_WASM_BASE64 } from "./codec_wasm.ts";

/** The most bytes to read from a file at once: enough to amortise the call, few enough for the second-level cache. */
export const CHUNK_BYTES = 1024 * 1024;

/** Why a scan stopped. */
export const SCAN_MORE = 0;
export const SCAN_EVENT = 1;
export const SCAN_BAD_HEADER = 2;
export const SCAN_BAD_PAYLOAD = 3;
export const SCAN_LARGE = 4;
export const SCAN_OUT_OF_ORDER = 5;
export const SCAN_TABLE_FULL = 6;

/** Slots of the state block, through which numbers are passed. */
export const SLOT_SALT = 0;
export const SLOT_BASE_LSN = 1;
export const SLOT_NEXT_INDEX = 2;
export const SLOT_LAST_TERM = 3;
export const SLOT_HARD_TERM = 4;
export const SLOT_HARD_VOTE = 5;
export const SLOT_HAS_VOTE = 6;
export const SLOT_PROVEN_LSN = 7;
export const SLOT_LAST_CHECKSUM = 8;
export const SLOT_EVENT = 9;
export const SLOT_CONSUMED = 10;
export const SLOT_PAGES = 11;
export const SLOT_RUNS = 12;
export const SLOT_OWN_FRAMES = 13;
export const SLOT_HASH = 14;
export const SLOT_HARD_STATES = 15;
export const SLOT_BATCH_INDEX = 16;
export const SLOT_SNAPSHOT_INDEX = 17;
export const SLOT_CHANGES = 18;
export const SLOT_WANTS_CHECKPOINT = 19;
export const SLOT_PAGE_END = 20;
export const SLOT_ENTRIES_FRAMES = 21;
export const SLOT_BATCH_LSN = 22;
export const SLOTS = 23;
/** The slots that a scan reads or changes. */
export const SCAN_SLOTS: readonly number[] = [
  SLOT_SALT,
  SLOT_BASE_LSN,
  SLOT_NEXT_INDEX,
  SLOT_LAST_TERM,
  SLOT_HARD_TERM,
  SLOT_HARD_VOTE,
  SLOT_HAS_VOTE,
  SLOT_HARD_STATES,
  SLOT_SNAPSHOT_INDEX,
  SLOT_CHANGES,
  SLOT_WANTS_CHECKPOINT,
  SLOT_LAST_CHECKSUM,
  SLOT_PAGE_END,
  SLOT_BATCH_LSN,
];

/** The unit in which memory grows, in bytes. */
export const PAGE_BYTES = 65536;

/** The used part of `WebAssembly.Memory`. Declared here, because TypeScript declares that type only with the DOM. */
interface CodecMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

/** A constant that the module exports: the used part of `WebAssembly.Global`. */
interface CodecConstant {
  readonly value: number;
}

/** The exports of the module: functions on numbers, and constants. */
export interface CodecExports {
  readonly memory: CodecMemory;
  hash(at: number, length: number, seedAt: number): void;
  hashStart(length: number): void;
  hashFeed(at: number, length: number): number;
  crc32c(at: number, length: number, before: number): number;
  checkFrame(at: number, bytes: number, lsn: number): number;
  checkHeader(at: number, lsn: number): number;
  find(at: number, bytes: number, lsn: number, index: number): number;
  resealCopies(at: number, bytes: number, skip: number, lsn: number, provenLsn: number): number;
  seal(at: number, bytes: number, lsn: number, provenLsn: number): void;
  sealHeaderOnly(at: number, lsn: number, provenLsn: number): void;
  nonZeroEnd(at: number, bytes: number): number;
  scan(at: number, bytes: number, room: number, lsn: number): number;
  seek(at: number, bytes: number, lsn: number): number;
  survey(at: number, bytes: number, lsn: number): number;
  readonly STATE: CodecConstant;
  readonly PAGES: CodecConstant;
  readonly PAGES_MAX: CodecConstant;
  readonly RUNS: CodecConstant;
  readonly RUNS_MAX: CodecConstant;
  readonly HEAP: CodecConstant;
}

let compiled: WebAssembly.Module | undefined;

/** The module's bytes, which any thread can compile. */
export function codecBytes(): Uint8Array<ArrayBuffer> {
  const text = atob(CODEC_WASM_BASE64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** The module, compiled once per thread. */
function compile(): WebAssembly.Module {
  return compiled ??= new WebAssembly.Module(codecBytes());
}

/** An instance of the module with its own memory. Calls are synchronous, so they never overlap. */
export class Codec {
  /** The module's functions and constants. */
  readonly wasm: CodecExports;
  /** Address of the chunk. */
  readonly chunkAt: number;
  /** Address of the write buffer, which exists after {@link Codec.makeWriteBuffer} was called. */
  readonly writeBufferAt: number;
  /** All memory, as bytes. */
  bytes!: Uint8Array<ArrayBuffer>;
  /** All memory, as 32-bit words. */
  words!: Uint32Array;
  /** The chunk that files are read into. */
  chunk!: Uint8Array<ArrayBuffer>;
  private state!: Uint32Array;
  private wideState!: BigUint64Array;

  constructor() {
    // The generated module has no imports, so an instance needs nothing from its host.
    this.wasm = new WebAssembly.Instance(compile()).exports as unknown as CodecExports;
    this.chunkAt = Math.ceil(this.wasm.HEAP.value / PAGE_BYTES) * PAGE_BYTES;
    this.writeBufferAt = this.chunkAt + CHUNK_BYTES;
    this.grow(this.writeBufferAt);
  }

  private grow(end: number): void {
    const missing = end - this.wasm.memory.buffer.byteLength;
    if (missing > 0) this.wasm.memory.grow(Math.ceil(missing / PAGE_BYTES));
    const { buffer } = this.wasm.memory;
    this.bytes = new Uint8Array(buffer);
    this.words = new Uint32Array(buffer);
    this.chunk = new Uint8Array(buffer, this.chunkAt, CHUNK_BYTES);
    this.state = new Uint32Array(buffer, this.wasm.STATE.value, SLOTS * 2);
    this.wideState = new BigUint64Array(buffer, this.wasm.STATE.value, SLOTS);
  }

  /**
   * Grows the memory for the write buffer.
   *
   * @param bytes Its size.
   */
  makeWriteBuffer(bytes: number): void {
    this.grow(this.writeBufferAt + bytes);
  }

  /** The number in a slot, at most 2^53 - 1. */
  get(slot: number): number {
    return this.state[slot * 2]! + this.state[slot * 2 + 1]! * 2 ** 32;
  }

  /** Puts a number into a slot. */
  set(slot: number, value: number): void {
    this.state[slot * 2] = value;
    this.state[slot * 2 + 1] = value / 2 ** 32;
  }

  /** All slots: a copy. */
  slots(): BigUint64Array<ArrayBuffer> {
    return new BigUint64Array(this.wideState);
  }

  /** The 64 bits in a slot. */
  getWide(slot: number): bigint {
    return this.wideState[slot]!;
  }

  /** Puts 64 bits into a slot. */
  setWide(slot: number, value: bigint): void {
    this.wideState[slot] = value;
  }

  /**
   * Computes XXH3-64 of bytes. Overwrites the chunk. Used for headers, not on a hot path.
   *
   * @param bytes Any number of bytes.
   * @param seed The seed. It must be 0 for more bytes than a chunk.
   * @returns The hash.
   */
  hash(bytes: Uint8Array, seed: bigint): bigint {
    if (bytes.length <= CHUNK_BYTES) {
      this.chunk.set(bytes);
      this.setWide(SLOT_HASH, seed);
      this.wasm.hash(this.chunkAt, bytes.length, this.wasm.STATE.value + SLOT_HASH * 8);
      return this.getWide(SLOT_HASH);
    }
    if (seed !== 0n) throw new RangeError("a seeded hash covers at most one chunk");
    this.wasm.hashStart(bytes.length);
    for (let done = 0; done < bytes.length;) {
      const piece = bytes.subarray(done, done + CHUNK_BYTES);
      this.chunk.set(piece);
      done += this.wasm.hashFeed(this.chunkAt, piece.length);
    }
    return this.getWide(SLOT_HASH);
  }

  /**
   * Computes CRC32C of bytes. Overwrites the chunk.
   *
   * @param bytes Any number of bytes.
   * @param before The CRC32C of the preceding bytes; 0 if there are none.
   * @returns The CRC32C of both.
   */
  crc32c(bytes: Uint8Array, before = 0): number {
    let crc = before;
    for (let done = 0; done < bytes.length; done += CHUNK_BYTES) {
      const piece = done === 0 && bytes.length <= CHUNK_BYTES ? bytes : bytes.subarray(done, done + CHUNK_BYTES);
      this.chunk.set(piece);
      crc = this.wasm.crc32c(this.chunkAt, piece.length, crc);
    }
    return crc >>> 0;
  }

  /**
   * A view of the pages that scans have put into the table: index and offset, alternating. Copy it before the next
   * call.
   */
  pages(): Float64Array<ArrayBuffer> {
    return new Float64Array(this.wasm.memory.buffer, this.wasm.PAGES.value, this.get(SLOT_PAGES) * 2);
  }

  /** The runs of terms that scans have put into the table. */
  runs(): [index: number, term: number][] {
    const pairs = new BigUint64Array(this.wasm.memory.buffer, this.wasm.RUNS.value, this.get(SLOT_RUNS) * 2);
    return Array.from({ length: pairs.length / 2 }, (_, i) => [Number(pairs[i * 2]), Number(pairs[i * 2 + 1])]);
  }

  /** Empties both tables. */
  clearTables(): void {
    this.set(SLOT_PAGES, 0);
    this.set(SLOT_RUNS, 0);
    this.set(SLOT_ENTRIES_FRAMES, 0);
  }
}
