/**
 * Commands to write. They are made before the measurement, differ from each other, and do not compress.
 *
 * @module
 */

/** The size of the pool of different commands, which repeat, in bytes. */
const POOL_BYTES = 8 * 1024 * 1024;
const POOL_COMMANDS_MAX = 65_536;

/** Batches of commands of one size. */
export class Commands {
  readonly #batches: (readonly Uint8Array[])[] = [];
  #next = 0;

  /**
   * @param commandBytes Size of each command.
   * @param batch The number of commands in a batch.
   */
  constructor(commandBytes: number, batch: number) {
    const distinct = Math.max(Math.min(Math.floor(POOL_BYTES / commandBytes), POOL_COMMANDS_MAX), batch);
    const bytes = noise(distinct * commandBytes);
    const commands = Array.from({ length: distinct }, (_, i) => bytes.slice(i * commandBytes, (i + 1) * commandBytes));
    for (let first = 0; first + batch <= distinct; first += batch) {
      this.#batches.push(commands.slice(first, first + batch));
    }
  }

  /** The next batch, or its first commands, without a copy. */
  batch(count: number): readonly Uint8Array[] {
    const batch = this.#batches[this.#next]!;
    this.#next = (this.#next + 1) % this.#batches.length;
    return count === batch.length ? batch : batch.slice(0, count);
  }
}

/** Bytes that look random and are the same in every run: xorshift32. */
function noise(length: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = 0x9e3779b9;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, length);
}
