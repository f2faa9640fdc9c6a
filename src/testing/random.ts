/**
 * Reproducible pseudo-random numbers.
 *
 * @module
 */

/** A small generator of pseudo-random numbers: SplitMix32, after Guy Steele's SplitMix (OOPSLA 2014). */
export class Random {
  #state: number;

  /**
   * Makes a generator.
   *
   * @param seed Any number. Only its low 32 bits count.
   */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /**
   * The next 32 bits.
   *
   * @returns An integer from 0 to 2^32 - 1.
   */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  }

  /**
   * A number below a bound.
   *
   * @param bound The bound, exclusive, at most 2^32.
   * @returns An integer from 0 to `bound - 1`.
   */
  below(bound: number): number {
    return Math.floor(this.next() / 2 ** 32 * bound);
  }

  /**
   * Decides at random.
   *
   * @param probability From 0 to 1.
   * @returns `true` with this probability.
   */
  chance(probability: number): boolean {
    return this.next() < probability * 2 ** 32;
  }

  /**
   * Picks one of several values.
   *
   * @param choices The values, at least one.
   * @returns One of the values.
   */
  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T;
  }

  /**
   * Fills an array with random bytes.
   *
   * @param into The array.
   */
  fill(into: Uint8Array): void {
    for (let i = 0; i < into.length; i++) into[i] = this.next() >>> 24;
  }
}
