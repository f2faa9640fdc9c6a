/**
 * A queue of entries and their sizes.
 *
 * @module
 */

import type { Index } from "../api/types.ts";

/** The entries of one message or one proposal, or a single entry. */
interface Part {
  /** The index of its last entry. */
  readonly last: Index;
  /** The size of its entries. */
  readonly bytes: number;
}

/**
 * A queue of entries, oldest first, with a limit on their number and size: messages in flight to a node, uncommitted
 * proposals, or entries kept after a snapshot.
 */
export class Outstanding {
  #parts: Part[] = [];
  /** The first part that was not removed. */
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
   * @param last The index of its last entry, above those of the earlier parts.
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

  /** Removes all parts. */
  clear(): void {
    this.#parts = [];
    this.#head = this.#bytes = 0;
  }
}
