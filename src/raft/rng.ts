/**
 * A seeded random number generator. Every implementation of it returns the same numbers.
 *
 * @module
 */

const MASK = 2n ** 64n - 1n;

/** SplitMix64, after Guy Steele's SplitMix (OOPSLA 2014). */
export class SplitMix64 {
  #state: bigint;

  /**
   * Makes a generator.
   *
   * @param seed Any number. Only its low 64 bits count.
   */
  constructor(seed: bigint) {
    this.#state = seed & MASK;
  }

  /**
   * Returns the next 64 bits.
   *
   * @returns A number from 0 to 2^64 - 1.
   */
  next(): bigint {
    this.#state = (this.#state + 0x9e3779b97f4a7c15n) & MASK;
    let mixed = this.#state;
    mixed = ((mixed ^ (mixed >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
    mixed = ((mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn) & MASK;
    return mixed ^ (mixed >> 31n);
  }

  /**
   * Returns a number in a range.
   *
   * @param minimum The minimum, a safe integer.
   * @param maximum The maximum, a safe integer.
   * @returns A number from `minimum` to `maximum`.
   */
  between(minimum: number, maximum: number): number {
    return minimum + Number(this.next() % BigInt(maximum - minimum + 1));
  }
}

/**
 * Returns a random number for requests, independent of the seed. An answer to a request from before the node's last
 * crash may be outdated, and the node must not accept it as an answer to a new request.
 *
 * @returns A number from 0 to 2^52 - 1, so that the next 2^52 numbers are safe integers too.
 */
export function unpredictable(): number {
  const [high, low] = crypto.getRandomValues(new Uint32Array(2)) as unknown as [number, number];
  return (high >>> 12) * 2 ** 32 + low;
}
