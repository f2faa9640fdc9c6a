/**
 * Entries that were handed on and are not acknowledged.
 *
 * @module
 */

import type { Index } from "../types.ts";

/** Entries that were handed on together. */
interface Part {
  /** The last of them. */
  readonly last: Index;
  /** What they count as. */
  readonly bytes: number;
}

/**
 * Entries that were handed on and are not acknowledged, oldest first: messages on their way to a node, or proposals that
 * are not committed. Whoever hands on more looks at their number and their bytes first.
 */
export class Outstanding {
  #parts: Part[] = [];
  /** The first that is not acknowledged. */
  #head = 0;
  #bytes = 0;

  /** How many parts there are. */
  get count(): number {
    return this.#parts.length - this.#head;
  }

  /** The bytes of all parts. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Adds a part.
   *
   * @param last Its last entry, which comes after those of the parts before it.
   * @param bytes What its entries count as.
   */
  add(last: Index, bytes: number): void {
    this.#parts.push({ last, bytes });
    this.#bytes += bytes;
  }

  /** Removes the parts of which every entry is at or below an index. */
  freeTo(index: Index): void {
    while (this.#head < this.#parts.length && this.#parts[this.#head]!.last <= index) {
      this.#bytes -= this.#parts[this.#head++]!.bytes;
    }
    if (this.#head * 2 <= this.#parts.length) return;
    this.#parts = this.#parts.slice(this.#head);
    this.#head = 0;
  }

  /** Removes all: they were lost, or it does not matter any more. */
  clear(): void {
    this.#parts = [];
    this.#head = this.#bytes = 0;
  }
}
