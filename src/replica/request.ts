/**
 * A call that waits for the cluster.
 *
 * @module
 */

import { ReplicaError } from "./errors.ts";

/** Options of a call that waits. */
export interface WaitOptions {
  /** Ends the wait, and undoes nothing: the call rejects with the signal's reason, and its outcome is unknown. */
  readonly signal?: AbortSignal;
}

/** A call that waits. */
export class Request<T> {
  /** The result. */
  readonly promise: Promise<T>;
  /** The time at which to give up, on the clock of `performance.now()`. */
  readonly deadline: number;
  #resolve!: (value: T) => void;
  #reject!: (error: unknown) => void;
  #signal: AbortSignal | undefined;
  #abort: (() => void) | undefined;
  #isSettled = false;

  /**
   * @param timeout The longest wait, in milliseconds.
   * @param signal Ends the wait.
   */
  constructor(timeout: number, signal: AbortSignal | undefined) {
    this.deadline = performance.now() + timeout;
    this.promise = new Promise<T>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    if (signal === undefined) return;
    this.#signal = signal;
    this.#abort = () => this.reject(signal.reason);
    if (signal.aborted) this.#abort();
    else signal.addEventListener("abort", this.#abort, { once: true });
  }

  /** Whether the call has ended. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Ends it with a result. */
  resolve(value: T): void {
    if (this.#settle()) this.#resolve(value);
  }

  /** Ends it with an error. */
  reject(error: unknown): void {
    if (this.#settle()) this.#reject(error);
  }

  #settle(): boolean {
    if (this.#isSettled) return false;
    this.#isSettled = true;
    if (this.#abort !== undefined) this.#signal?.removeEventListener("abort", this.#abort);
    return true;
  }
}

/**
 * The error of a call to a replica that has ended.
 *
 * @param attempt The call.
 * @param outcome Its outcome.
 * @param cause The failure that ended the replica; `undefined` if it was closed.
 * @returns The error.
 */
export function ended(attempt: string, outcome: ReplicaError["outcome"], cause: unknown): ReplicaError {
  if (cause === undefined) return new ReplicaError("CLOSED", outcome, `Cannot ${attempt}: the replica was closed`);
  const message = cause instanceof Error ? cause.message : String(cause);
  return new ReplicaError("CLOSED", outcome, `Cannot ${attempt}: the replica has ended: ${message}`, { cause });
}
