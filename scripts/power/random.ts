/**
 * Pseudo-random numbers from a text. The library has a generator of its own; this one shares no code with it.
 *
 * @module
 */

import { createHash } from "node:crypto";

/** Numbers that follow from a text: SHA-256 of the text and a counter. */
export class Random {
  readonly #key: string;
  #counter = 0;
  #block = new Uint8Array(0);
  #at = 0;

  /**
   * Makes a generator.
   *
   * @param key Any text. The same text gives the same numbers.
   */
  constructor(key: string) {
    this.#key = key;
  }

  /**
   * The next bytes.
   *
   * @param length The number of bytes.
   * @returns The bytes.
   */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) {
      if (this.#at === this.#block.length) {
        this.#block = createHash("sha256").update(`${this.#key}/${this.#counter++}`).digest();
        this.#at = 0;
      }
      bytes[i] = this.#block[this.#at++]!;
    }
    return bytes;
  }

  /**
   * A number below a bound.
   *
   * @param bound The bound, exclusive, at most 2^32.
   * @returns An integer from 0 to `bound - 1`.
   */
  below(bound: number): number {
    return Math.floor(new DataView(this.bytes(4).buffer).getUint32(0) / 2 ** 32 * bound);
  }

  /**
   * Decides at random.
   *
   * @param probability From 0 to 1.
   * @returns `true` with this probability.
   */
  chance(probability: number): boolean {
    return this.below(1_000_000) < probability * 1_000_000;
  }
}
