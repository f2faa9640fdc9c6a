/**
 * Memory that is used again for each write. Allocating bytes for each event takes longer than to copy it.
 *
 * @module
 */

/** Its size. Events that do not fit get memory of their own. In bytes. */
const SCRATCH_BYTES = 64 * 1024;

/** Memory for the commands of a write, until the log has copied them. */
export class Scratch {
  private readonly bytes = new Uint8Array(SCRATCH_BYTES);
  private used = 0;

  /**
   * Runs an action, and frees what it has taken. Actions can be nested: a codec can write to the log.
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
   * @returns The memory. It can hold anything.
   */
  readonly take = (length: number): Uint8Array<ArrayBuffer> => {
    const end = this.used + length;
    if (end > SCRATCH_BYTES) return new Uint8Array(length);
    const taken = this.bytes.subarray(this.used, end);
    this.used = end;
    return taken;
  };
}
