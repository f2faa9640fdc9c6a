/**
 * Callers that wait until an index is archived.
 *
 * @module
 */

import type { Index } from "../api/types.ts";

interface Waiter {
  readonly index: Index;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** Callers that wait for an index. */
export class Waiters {
  private readonly waiting = new Set<Waiter>();
  private end_: { readonly reason: unknown } | undefined;

  /**
   * Waits for an index.
   *
   * @param index The index.
   * @param signal Ends the wait.
   * @returns Resolves when the index is archived. Rejects with the signal's reason, or when all waits end.
   */
  wait(index: Index, signal: AbortSignal | undefined): Promise<void> {
    if (this.end_ !== undefined) return Promise.reject(this.end_.reason);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const abort = () => settle(() => reject(signal?.reason));
    const waiter: Waiter = {
      index,
      resolve: () => settle(resolve),
      reject: (reason) => settle(() => reject(reason)),
    };
    const settle = (how: () => void) => {
      this.waiting.delete(waiter);
      signal?.removeEventListener("abort", abort);
      how();
    };
    this.waiting.add(waiter);
    signal?.addEventListener("abort", abort, { once: true });
    return promise;
  }

  /** Whether a caller waits. */
  get isWaiting(): boolean {
    return this.waiting.size > 0;
  }

  /** Resolves the waits up to an index. */
  reached(index: Index): void {
    for (const waiter of [...this.waiting]) if (waiter.index <= index) waiter.resolve();
  }

  /** Rejects all waits, and all later ones. */
  end(reason: unknown): void {
    this.end_ = { reason };
    for (const waiter of [...this.waiting]) waiter.reject(reason);
  }
}
