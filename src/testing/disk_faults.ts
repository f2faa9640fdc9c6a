/**
 * The faults of a simulated disk.
 *
 * @module
 */

/** The operations that change the disk or can fail. */
export type DiskOperation = "create" | "write" | "truncate" | "sync" | "syncDirectory" | "rename" | "remove" | "read";

/**
 * The faults of an operation. `crash`: the power fails in the middle of it. `EMFILE`: no file can be opened; only
 * `create` and `syncDirectory` can fail so.
 */
export type DiskFault = "EIO" | "ENOSPC" | "EMFILE" | "crash" | "lost" | "misdirected";

/** Thrown by every operation after a power failure, until `SimulatedDisk.restart`. */
export class PowerLoss extends Error {
  /** Always `"PowerLoss"`. */
  override readonly name = "PowerLoss";
}

/**
 * An error like those of an operating system.
 *
 * @param code The code: `ENOENT`.
 * @param operation The operation that failed.
 * @param path The file.
 * @returns The error.
 */
export function systemError(code: string, operation: string, path: string): Error {
  return Object.assign(new Error(`${code}: simulated, ${operation} '${path}'`), { code });
}

/** A planned fault. */
export interface PlannedFault {
  /** The number of operations that succeed before it. */
  readonly at: number;
  readonly fault: DiskFault;
  /** The kind of operations that count and fail; without it, all but reads. */
  readonly only: DiskOperation | undefined;
}

/** The planned fault, if any. */
export class FaultPlan {
  #planned: PlannedFault | undefined;

  /** Whether the planned fault has not happened yet. */
  get isPending(): boolean {
    return this.#planned !== undefined;
  }

  /** Plans a fault, and replaces any planned one. */
  set(planned: PlannedFault): void {
    this.#planned = planned;
  }

  /** Cancels the planned fault. */
  clear(): void {
    this.#planned = undefined;
  }

  /**
   * Counts an operation.
   *
   * @param operation The operation.
   * @returns The fault; `undefined` if the operation succeeds.
   */
  next(operation: DiskOperation): DiskFault | undefined {
    const planned = this.#planned;
    if (planned === undefined) return undefined;
    const { at, fault, only } = planned;
    if (only === undefined ? operation === "read" : only !== operation) return undefined;
    this.#planned = at > 0 ? { ...planned, at: at - 1 } : undefined;
    return at > 0 ? undefined : fault;
  }
}
