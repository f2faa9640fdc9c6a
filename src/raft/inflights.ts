/**
 * Messages on their way to a node.
 *
 * @module
 */

import type { Index } from "../types.ts";

/** A message that was sent and not answered. */
interface Sent {
  /** Its last entry. */
  readonly last: Index;
  /** The bytes of its commands. */
  readonly bytes: number;
}

/**
 * Messages that were sent and not acknowledged, oldest first. A leader sends a node nothing more while these are as many,
 * or as large, as the configuration allows.
 */
export class Inflights {
  #sent: Sent[] = [];
  /** The first that is not acknowledged. */
  #head = 0;
  #bytes = 0;

  /** How many messages there are. */
  get count(): number {
    return this.#sent.length - this.#head;
  }

  /** The bytes of their commands. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Adds a message.
   *
   * @param last Its last entry, which no message before it has.
   * @param bytes The bytes of its commands.
   */
  add(last: Index, bytes: number): void {
    this.#sent.push({ last, bytes });
    this.#bytes += bytes;
  }

  /** Removes the messages of which every entry is at or below an index. */
  freeTo(index: Index): void {
    while (this.#head < this.#sent.length && this.#sent[this.#head]!.last <= index) {
      this.#bytes -= this.#sent[this.#head++]!.bytes;
    }
    if (this.#head * 2 <= this.#sent.length) return;
    this.#sent = this.#sent.slice(this.#head);
    this.#head = 0;
  }

  /** Removes all: they were lost, or it does not matter any more. */
  clear(): void {
    this.#sent = [];
    this.#head = this.#bytes = 0;
  }
}
