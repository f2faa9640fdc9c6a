/**
 * How operations of a simulated disk go wrong.
 *
 * @module
 */

/** What the log can ask of a disk that changes something, or can fail. */
export type DiskOperation = "create" | "write" | "truncate" | "sync" | "syncDirectory" | "rename" | "remove" | "read";

/** How an operation goes wrong. `crash`: the power goes in the middle of it. */
export type DiskFault = "EIO" | "ENOSPC" | "crash" | "lost" | "misdirected";

/** Thrown by every operation of a machine whose power is gone, until `SimulatedDisk.restart`. */
export class PowerLoss extends Error {
  /** Always `"PowerLoss"`. */
  override readonly name = "PowerLoss";
}

/**
 * An error as an operating system gives it.
 *
 * @param code The code: `ENOENT`.
 * @param operation What was attempted.
 * @param path On which file.
 * @returns The error.
 */
export function systemError(code: string, operation: string, path: string): Error {
  return Object.assign(new Error(`${code}: simulated, ${operation} '${path}'`), { code });
}

/** An operation that will go wrong. */
export interface PlannedFault {
  /** How many operations succeed before. */
  readonly at: number;
  readonly fault: DiskFault;
  /** Counts and fails only operations of this kind; any but reads if there is none. */
  readonly only: DiskOperation | undefined;
}

/** The fault that is planned, if there is one. */
export class FaultPlan {
  #planned: PlannedFault | undefined;

  /** Whether a fault has not happened yet. */
  get isPending(): boolean {
    return this.#planned !== undefined;
  }

  /** Plans a fault, in place of the one that was planned. */
  set(planned: PlannedFault): void {
    this.#planned = planned;
  }

  /** Takes back what is planned. */
  clear(): void {
    this.#planned = undefined;
  }

  /**
   * Counts an operation.
   *
   * @param operation The operation.
   * @returns How it goes wrong, `undefined` if it does not.
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
