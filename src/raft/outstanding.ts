/**
 * Entries in a queue, and their size.
 *
 * @module
 */

import type { Index } from "../api/types.ts";

/** Entries of one message, of one proposal, or a single one. */
interface Part {
  /** The last of them. */
  readonly last: Index;
  /** Their size. */
  readonly bytes: number;
}

/**
 * A queue of entries, oldest first, with a limit on their number and size: messages on their way to a node, uncommitted
 * proposals, or entries kept behind a snapshot.
 */
export class Outstanding {
  #parts: Part[] = [];
  /** The first that was not removed. */
  #head = 0;
  #bytes = 0;

  /** The number of parts. */
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
   * @param bytes The size of its entries.
   */
  add(last: Index, bytes: number): void {
    this.#parts.push({ last, bytes });
    this.#bytes += bytes;
  }

  /** Removes the parts whose entries are all at or below an index. */
  freeTo(index: Index): void {
    while (this.#head < this.#parts.length && this.#parts[this.#head]!.last <= index) {
      this.#bytes -= this.#parts[this.#head++]!.bytes;
    }
    if (this.#head * 2 <= this.#parts.length) return;
    this.#parts = this.#parts.slice(this.#head);
    this.#head = 0;
  }

  /** Removes all. */
  clear(): void {
    this.#parts = [];
    this.#head = this.#bytes = 0;
  }
}
