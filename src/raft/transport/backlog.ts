/**
 * Messages of a peer that were handed on and are unfinished.
 *
 * @module
 */

import type { Message } from "../messages.ts";

/** Messages above which no more are read. */
const MESSAGES_MAX = 256;
/** What they may take in memory, beside one message of any size. In bytes. */
const BYTES_MAX = 16 * 1024 * 1024;
/** What an entry takes once it is decoded, beside its command, roughly. */
const ENTRY_OVERHEAD_BYTES = 200;

/** Says when to read no more of a peer, whichever connection it is on: a new one does not come with room of its own. */
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
