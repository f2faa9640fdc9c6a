/**
 * Memory that each write reuses. Allocating bytes for each event takes longer than copying it.
 *
 * @module
 */

/** Its size, in bytes. Events that do not fit get their own memory. */
const SCRATCH_BYTES = 64 * 1024;

/** Memory for the commands of a write, until the log has copied them. */
export class Scratch {
  private readonly bytes = new Uint8Array(SCRATCH_BYTES);
  private used = 0;

  /**
   * Runs an action, and frees the memory that it took. Actions can be nested, because a codec can write to the log.
   *
   * @param action The action.
   * @returns Its result.
   */
  during<T>(action: () => T): T {
    const { used } = this;
    try {
      return action();
    } finally {
      this.used = used;
    }
  }

  /**
   * Takes memory.
   *
   * @param length Its size in bytes.
   * @returns The memory. It is not zeroed.
   */
  readonly take = (length: number): Uint8Array<ArrayBuffer> => {
    const end = this.used + length;
    if (end > SCRATCH_BYTES) return new Uint8Array(length);
    const taken = this.bytes.subarray(this.used, end);
    this.used = end;
    return taken;
  };
}
