/**
 * A file of a simulated disk: its contents in the page cache and on the platter, and the unflushed writes.
 *
 * @module
 */

import type { Random } from "./random.ts";

/** The unit that a disk writes completely or not at all, in bytes. */
export const SECTOR_BYTES = 512;

/** The data that a flush covers. */
interface Flush {
  readonly sectors: Map<number, Uint8Array>;
  readonly size: number;
  /** The number of the flush, in the order of their starts. */
  readonly number: number;
}

/** A file's contents, without its names. */
export class Inode {
  /** The number of flushes that have failed without reporting it yet. Another flush meanwhile fails too. */
  failingFlushes = 0;
  /** The size that programs see. */
  size = 0;
  /** The page cache, which programs read. */
  #cache: Uint8Array = new Uint8Array(0);
  /** The platter, which survives a power failure. */
  #platter: Uint8Array = new Uint8Array(0);
  #platterSize = 0;
  #flushesBegun = 0;
  #flushDone = 0;
  /** The sizes since the last flush. Any of them may be on the platter. */
  #sizes: number[] = [];
  /** The sectors written since the last flush, with all their versions. Any version may be on the platter. */
  #dirty = new Map<number, Uint8Array[]>();

  #room(bytes: number): void {
    if (bytes <= this.#cache.length) return;
    const length = Math.max(Math.ceil(bytes / SECTOR_BYTES) * SECTOR_BYTES, this.#cache.length * 2);
    const cache = new Uint8Array(length);
    cache.set(this.#cache);
    this.#cache = cache;
    const platter = new Uint8Array(length);
    platter.set(this.#platter);
    this.#platter = platter;
  }

  #touch(from: number, to: number): void {
    for (let sector = Math.floor(from / SECTOR_BYTES); sector * SECTOR_BYTES < to; sector++) {
      const at = sector * SECTOR_BYTES;
      const version = this.#cache.slice(at, at + SECTOR_BYTES);
      const versions = this.#dirty.get(sector);
      if (versions === undefined) this.#dirty.set(sector, [version]);
      else versions.push(version);
    }
  }

  #resize(size: number): void {
    if (size === this.size) return;
    this.size = size;
    this.#sizes.push(size);
  }

  read(into: Uint8Array, position: number): number {
    const count = Math.max(0, Math.min(into.length, this.size - position));
    into.set(this.#cache.subarray(position, position + count));
    return count;
  }

  write(from: Uint8Array, position: number): void {
    const end = position + from.length;
    this.#room(end);
    this.#cache.set(from, position);
    this.#touch(position, end);
    if (end > this.size) this.#resize(end);
  }

  truncate(size: number): void {
    this.#room(size);
    if (size < this.size) {
      this.#cache.fill(0, size, this.size);
      this.#touch(size, this.size);
    }
    this.#resize(size);
  }

  /** The data that a flush covers if it begins now. */
  beginFlush(): Flush {
    const sectors = new Map<number, Uint8Array>();
    for (const [sector, versions] of this.#dirty) sectors.set(sector, versions.at(-1)!);
    return { sectors, size: this.size, number: ++this.#flushesBegun };
  }

  /** Completes a successful flush: moves the covered data to the platter. Later writes stay unflushed. */
  endFlush({ sectors, size, number }: Flush): void {
    // A flush that began later and covered all this data has already completed.
    if (number < this.#flushDone) return;
    this.#flushDone = number;
    for (const [sector, version] of sectors) {
      this.#platter.set(version, sector * SECTOR_BYTES);
      const versions = this.#dirty.get(sector);
      const done = versions?.indexOf(version) ?? -1;
      if (done < 0) continue;
      versions!.splice(0, done + 1);
      if (versions!.length === 0) this.#dirty.delete(sector);
    }
    this.#platterSize = size;
    this.#sizes = this.#sizes.slice(this.#sizes.lastIndexOf(size) + 1);
  }

  /**
   * Completes a failed flush. As on Linux, the pages are marked clean nevertheless: some sectors reach the platter, the
   * page cache still shows all of them, and no later flush writes them.
   */
  failFlush(random: Random): void {
    this.#settle(random);
    this.#dirty.clear();
    this.#sizes = [];
  }

  /** Each unflushed sector may or may not reach the platter. */
  #settle(random: Random): void {
    const platterSize = this.#platterSize;
    const some = random.below(3); // none, some or all of them
    const gets = () => some === 2 || (some === 1 && random.chance(0.5));
    for (const size of this.#sizes) if (gets()) this.#platterSize = size;
    for (const [sector, versions] of this.#dirty) {
      const at = sector * SECTOR_BYTES;
      if (gets()) this.#platter.set(random.chance(0.7) ? versions.at(-1)! : random.pick(versions), at);
      // New space of the file may hold zeros, or old contents of the disk.
      else if (at >= platterSize && random.chance(0.2)) random.fill(this.#platter.subarray(at, at + SECTOR_BYTES));
    }
    this.#platter.fill(0, this.#platterSize);
  }

  /** Simulates a power failure: only the platter survives. */
  crash(random: Random): void {
    this.#settle(random);
    this.revert();
  }

  /** Reads the page cache again from the platter. Only for files without unflushed writes. */
  revert(): void {
    this.size = this.#platterSize;
    this.#cache.set(this.#platter);
    this.#dirty.clear();
    this.#sizes = [];
  }

  /** Changes bytes in the page cache and on the platter, like bit rot. */
  damage(position: number, change: (bytes: Uint8Array) => void, length: number): void {
    const end = Math.min(position + length, this.size);
    change(this.#cache.subarray(position, end));
    change(this.#platter.subarray(position, end));
  }
}
