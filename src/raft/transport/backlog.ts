/**
 * Messages of a peer that were handed on and are unfinished.
 *
 * @module
 */

import type { Message } from "../messages.ts";

/** Messages above which no more are read. */
const MESSAGES_MAX = 256;
/** The most memory for them, besides one message of any size. In bytes. */
const BYTES_MAX = 16 * 1024 * 1024;
/** The approximate memory of a decoded entry besides its command, in bytes. */
const ENTRY_OVERHEAD_BYTES = 200;

/**
 * Decides when to stop reading from a peer. It counts all of the peer's connections, so a new one gives no more memory.
 */
export class Backlog {
  #messages = 0;
  #bytes = 0;

  /** Whether no more is to be read. */
  get isFull(): boolean {
    return this.#messages >= MESSAGES_MAX || this.#bytes >= BYTES_MAX;
  }

  /** Whether nothing is unfinished. */
  get isEmpty(): boolean {
    return this.#messages === 0;
  }

  /**
   * Counts a message.
   *
   * @param message The message.
   * @param length Its bytes, as they arrived.
   * @returns To be called when it is finished.
   */
  add(message: Message, length: number): () => void {
    const entries = "entries" in message ? message.entries.length : 0;
    const bytes = length + entries * ENTRY_OVERHEAD_BYTES;
    this.#messages++;
    this.#bytes += bytes;
    return () => {
      this.#messages--;
      this.#bytes -= bytes;
    };
  }
}
