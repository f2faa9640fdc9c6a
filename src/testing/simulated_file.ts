/**
 * One file of a simulated disk: what the page cache holds, what the platter holds, and what is on its way.
 *
 * @module
 */

import type { Random } from "./random.ts";

/** What a disk writes as a whole or not at all. */
export const SECTOR_BYTES = 512;

/** What a flush covers. */
interface Flush {
  readonly sectors: Map<number, Uint8Array>;
  readonly size: number;
  /** Counts the flushes of a file by when they began. */
  readonly number: number;
}

/** A file's content, apart from its names. */
export class Inode {
  /** Flushes that have failed and not said so yet: another one in the meantime hears of it too. */
  failingFlushes = 0;
  /** The size that programs see. */
  size = 0;
  /** What programs read: the page cache. */
  #cache: Uint8Array = new Uint8Array(0);
  /** What survives a power cut. */
  #platter: Uint8Array = new Uint8Array(0);
  #platterSize = 0;
  #flushesBegun = 0;
  #flushDone = 0;
  /** Sizes since the last flush, any of which may be on the platter. */
  #sizes: number[] = [];
  /** Sectors written since the last flush, with each version that they had: the disk may hold any of them. */
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

  /** What a flush that begins now covers. */
  beginFlush(): Flush {
    const sectors = new Map<number, Uint8Array>();
    for (const [sector, versions] of this.#dirty) sectors.set(sector, versions.at(-1)!);
    return { sectors, size: this.size, number: ++this.#flushesBegun };
  }

  /** The flush has succeeded: what it covered is on the platter, whatever was written since is not. */
  endFlush({ sectors, size, number }: Flush): void {
    // One that began later, and covered all that this one does, is done already.
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
   * The flush has failed, and as Linux does, the pages are marked clean all the same: some sectors got to the platter,
   * the page cache goes on showing all of them, and no later flush will write them.
   */
  failFlush(random: Random): void {
    this.#settle(random);
    this.#dirty.clear();
    this.#sizes = [];
  }

  /** Whatever was on its way gets to the platter, or does not, sector by sector. */
  #settle(random: Random): void {
    const platterSize = this.#platterSize;
    const some = random.below(3); // none, some or all of them
    const gets = () => some === 2 || (some === 1 && random.chance(0.5));
    for (const size of this.#sizes) if (gets()) this.#platterSize = size;
    for (const [sector, versions] of this.#dirty) {
      const at = sector * SECTOR_BYTES;
      if (gets()) this.#platter.set(random.chance(0.7) ? versions.at(-1)! : random.pick(versions), at);
      // Room that the file did not have before holds zeros at best, and what was there before at worst.
      else if (at >= platterSize && random.chance(0.2)) random.fill(this.#platter.subarray(at, at + SECTOR_BYTES));
    }
    this.#platter.fill(0, this.#platterSize);
  }

  /** The power goes: only the platter is left. */
  crash(random: Random): void {
    this.#settle(random);
    this.revert();
  }

  /** The page cache is dropped and read again from the platter. Only for files with nothing on its way. */
  revert(): void {
    this.size = this.#platterSize;
    this.#cache.set(this.#platter);
    this.#dirty.clear();
    this.#sizes = [];
  }

  /** Changes bytes where they lie, as a disk that rots does. */
  damage(position: number, change: (bytes: Uint8Array) => void, length: number): void {
    const end = Math.min(position + length, this.size);
    change(this.#cache.subarray(position, end));
    change(this.#platter.subarray(position, end));
  }
}
