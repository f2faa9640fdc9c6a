/**
 * Calls that wait for a state of the node: a change of membership is committed, or another replica leads.
 *
 * @module
 */

import { ended, Request } from "./request.ts";

/** A call that waits. */
interface Waiting {
  readonly attempt: string;
  /** Whether the call is done. Throws if it cannot complete. */
  readonly isDone: () => boolean;
  readonly request: Request<void>;
}

/** Calls that wait. */
export class Conditions {
  readonly #waiting: Set<Waiting> = new Set();
  /** The cause of the replica's end; `undefined` before that. */
  #end: { readonly cause: unknown } | undefined;

  /**
   * Waits for a condition, which is checked after each step of the node.
   *
   * @param attempt The call, for its error if the replica ends.
   * @param isDone The condition. Throws if it can no longer become true.
   * @param signal Ends the wait.
   * @returns Resolves when the condition is true. Rejects if the replica ends first, or has ended.
   */
  wait(attempt: string, isDone: () => boolean, signal: AbortSignal | undefined): Promise<void> {
    const request = new Request<void>(Infinity, signal);
    const waiting = { attempt, isDone, request };
    this.#waiting.add(waiting);
    this.#check(waiting);
    if (this.#end !== undefined) this.end(this.#end.cause);
    return request.promise;
  }

  /** Checks all conditions. */
  check(): void {
    for (const waiting of this.#waiting) this.#check(waiting);
  }

  #check(waiting: Waiting): void {
    const { isDone, request } = waiting;
    try {
      if (isDone()) request.resolve();
    } catch (error) {
      request.reject(error);
    }
    if (request.isSettled) this.#waiting.delete(waiting);
  }

  /** Rejects all waiting and later calls, because the replica ends. */
  end(cause: unknown): void {
    this.#end ??= { cause };
    for (const { attempt, request } of this.#waiting) request.reject(ended(attempt, "unknown", cause));
    this.#waiting.clear();
  }
}
