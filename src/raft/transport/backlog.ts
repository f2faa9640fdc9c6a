/**
 * Unprocessed messages of a peer: received, and not finished by the node.
 *
 * @module
 */

import type { Message } from "../messages.ts";

/** The number of unprocessed messages above which the transport reads no more. */
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

  /** Whether the transport must stop reading. */
  get isFull(): boolean {
    return this.#messages >= MESSAGES_MAX || this.#bytes >= BYTES_MAX;
  }

  /** Whether there are no unprocessed messages. */
  get isEmpty(): boolean {
    return this.#messages === 0;
  }

  /**
   * Counts a message.
   *
   * @param message The message.
   * @param length Its size as received, in bytes.
   * @returns A function to call when the message is processed.
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
