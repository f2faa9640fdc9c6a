/**
 * A disk with a volatile write cache. A read returns what was written last. A flush makes all earlier writes durable.
 * When the power fails, a seeded choice decides for each unflushed write whether it reached the disk.
 *
 * Sectors of 512 bytes that hold data of the log are kept or lost one by one. All other blocks, which belong to the
 * file system, are kept or lost in pieces of 4 KiB: file systems assume that the disk writes their blocks as a whole.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { readSync } from "node:fs";
import { COMMAND_MARKER } from "./marker.ts";
import type { Random } from "./random.ts";

/** The unit in which the disk keeps its contents, in bytes. */
export const BLOCK_BYTES = 4096;
/** The unit that a disk writes as a whole, in bytes. */
export const SECTOR_BYTES = 512;
/** The size of one read of an image, in bytes. */
const READ_BYTES = 2 ** 20;

/** The kinds of log data in a block, with the text that identifies each. */
const LOG_DATA: readonly (readonly [kind: string, text: string])[] = [
  ["segment header", "WALLOGSG"],
  ["next-segment pointer", "WALLOGNX"],
  ["durable slot", "WALLOGDU"],
  ["segment index", "WALLOGFT"],
  ["snapshot", "WALLOGSN"],
  ["identity", "WALLOGID"],
  ["entries", COMMAND_MARKER],
];

/** The modes in which the choice treats the unflushed writes of a cut. */
export const CUT_MODES = ["lose all", "keep all", "in order", "lose few", "keep few", "half"] as const;
/** One of {@link CUT_MODES}. */
export type CutMode = (typeof CUT_MODES)[number];

/** The effect of a cut on the unflushed writes. */
export interface CutReport {
  /** The mode of the choice. */
  readonly mode: CutMode;
  /** Blocks with unflushed writes. */
  readonly blocks: number;
  /** Blocks that hold data of the log, and were kept or lost sector by sector. */
  readonly dataBlocks: number;
  /** Blocks that kept some sectors and lost others. */
  readonly tornBlocks: number;
  /** Kinds of log data among the unflushed writes. */
  readonly kinds: readonly string[];
}

/** One unflushed write of a block. */
interface Version {
  /** Its place in the order of all writes. */
  readonly order: number;
  /** The block after it. */
  readonly bytes: Uint8Array;
}

const ZEROS = new Uint8Array(BLOCK_BYTES);

/** The kinds of log data in a block. */
function kindsOf(bytes: Uint8Array): string[] {
  const text = new TextDecoder("latin1").decode(bytes);
  return LOG_DATA.filter(([, part]) => text.includes(part)).map(([kind]) => kind);
}

/** A disk with a volatile write cache. */
export class VolatileDisk {
  /** Its size in bytes. */
  readonly size: number;
  readonly #durable = new Map<number, Uint8Array>();
  readonly #current = new Map<number, Uint8Array>();
  readonly #unflushed = new Map<number, Version[]>();
  #writes = 0;

  /**
   * Makes a disk of zeros.
   *
   * @param size Its size in bytes, a multiple of 4 KiB.
   */
  constructor(size: number) {
    if (size % BLOCK_BYTES !== 0) throw new Error(`Cannot make a disk of ${size} bytes: not a multiple of 4 KiB`);
    this.size = size;
  }

  /** The number of blocks with unflushed writes. */
  get unflushedBlocks(): number {
    return this.#unflushed.size;
  }

  /**
   * Reads the image of a disk. All of it is durable.
   *
   * @param descriptor The open file, as long as the disk.
   */
  load(descriptor: number): void {
    const piece = new Uint8Array(READ_BYTES);
    for (let at = 0; at < this.size; at += READ_BYTES) {
      const length = readSync(descriptor, piece, 0, Math.min(READ_BYTES, this.size - at), at);
      for (let offset = 0; offset < length; offset += BLOCK_BYTES) {
        const bytes = piece.slice(offset, offset + BLOCK_BYTES);
        if (Buffer.compare(bytes, ZEROS) !== 0) this.#durable.set((at + offset) / BLOCK_BYTES, bytes);
      }
    }
  }

  /**
   * Copies the durable contents.
   *
   * @returns A disk of its own.
   */
  copy(): VolatileDisk {
    const disk = new VolatileDisk(this.size);
    // A block never changes: a write makes another one.
    for (const [block, bytes] of this.#durable) disk.#durable.set(block, bytes);
    return disk;
  }

  #at(block: number): Uint8Array {
    return this.#current.get(block) ?? this.#durable.get(block) ?? ZEROS;
  }

  /**
   * Reads what was written last.
   *
   * @param offset The first byte.
   * @param length The number of bytes.
   * @returns The bytes.
   */
  read(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.#walk(offset, length, (block, from, to, at) => bytes.set(this.#at(block).subarray(from, to), at));
    return bytes;
  }

  /**
   * Writes into the cache.
   *
   * @param offset The first byte.
   * @param bytes The bytes.
   * @param isForced Whether the blocks are durable at once (FUA).
   */
  write(offset: number, bytes: Uint8Array, isForced = false): void {
    const order = this.#writes++;
    this.#walk(offset, bytes.length, (block, from, to, at) => {
      const whole = this.#at(block).slice();
      whole.set(bytes.subarray(at, at + to - from), from);
      this.#current.set(block, whole);
      const versions = this.#unflushed.get(block) ?? [];
      this.#unflushed.set(block, [...versions, { order, bytes: whole }]);
      if (isForced) this.#flushBlock(block);
    });
  }

  /** Makes everything durable that was written before. */
  flush(): void {
    for (const block of [...this.#unflushed.keys()]) this.#flushBlock(block);
  }

  #flushBlock(block: number): void {
    this.#durable.set(block, this.#at(block));
    this.#unflushed.delete(block);
    this.#current.delete(block);
  }

  /**
   * Cuts the power. Each unflushed write is kept or lost. The remaining contents are durable.
   *
   * @param random Makes the choices.
   * @returns The effect.
   */
  cut(random: Random): CutReport {
    const mode = CUT_MODES[random.below(CUT_MODES.length)]!;
    const orders = [...new Set([...this.#unflushed.values()].flat().map(({ order }) => order))].sort((a, b) => a - b);
    const last = orders[random.below(orders.length + 1)] ?? Infinity;
    const kinds = new Set<string>();
    let [dataBlocks, tornBlocks] = [0, 0];
    for (const [block, versions] of this.#unflushed) {
      const found = versions.map(({ bytes }) => kindsOf(bytes));
      found.flat().forEach((kind) => kinds.add(kind));
      const isData = found.every(({ length }) => length > 0);
      const before = this.#durable.get(block) ?? ZEROS;
      const after = new Uint8Array(BLOCK_BYTES);
      const chosen = new Set<number>();
      const piece = isData ? SECTOR_BYTES : BLOCK_BYTES;
      for (let at = 0; at < BLOCK_BYTES; at += piece) {
        const kept = keptVersions(versions, mode, last, random);
        chosen.add(kept);
        const source = kept === 0 ? before : versions[kept - 1]!.bytes;
        after.set(source.subarray(at, at + piece), at);
      }
      this.#durable.set(block, after);
      dataBlocks += Number(isData);
      tornBlocks += Number(chosen.size > 1);
    }
    const blocks = this.#unflushed.size;
    this.#unflushed.clear();
    this.#current.clear();
    return { mode, blocks, dataBlocks, tornBlocks, kinds: [...kinds].sort() };
  }

  #walk(
    offset: number,
    length: number,
    visit: (block: number, from: number, to: number, at: number) => void,
  ): void {
    for (let at = 0; at < length;) {
      const [block, from] = [Math.floor((offset + at) / BLOCK_BYTES), (offset + at) % BLOCK_BYTES];
      const to = Math.min(BLOCK_BYTES, from + length - at);
      visit(block, from, to, at);
      at += to - from;
    }
  }
}

/** The number of a block's unflushed writes that reach the disk: from none to all. */
function keptVersions(versions: readonly Version[], mode: CutMode, last: number, random: Random): number {
  if (mode === "lose all") return 0;
  if (mode === "keep all") return versions.length;
  if (mode === "in order") return versions.filter(({ order }) => order < last).length;
  const some = random.below(versions.length);
  const probability = mode === "lose few" ? 0.9 : mode === "keep few" ? 0.1 : 0.5;
  return random.chance(probability) ? versions.length : some;
}
