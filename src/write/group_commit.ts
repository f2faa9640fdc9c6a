/**
 * Group commit: one flush runs at a time. All callers that ask while it runs share the next one.
 *
 * @module
 */

import type { Index } from "../api/types.ts";

/** A flush that callers wait for. */
interface Flush {
  readonly promise: Promise<Index>;
  readonly resolve: (durable: Index) => void;
  readonly reject: (reason: unknown) => void;
  /** The log's last index when the flush began, lowered by later truncations. */
  lastIndex: Index;
}

/** The log, as group commit needs it. */
export interface Flushable {
  /** Whether there are frames that no flush covers. */
  isDirty(): boolean;
  /** Index of the last entry written. */
  lastIndex(): Index;
  /** Flushes everything written so far. A rejection is final: a flush is never retried. */
  flush(): Promise<void>;
  /** Called after a flush has succeeded. */
  flushed(lastIndex: Index): void;
}

/** Shares flushes among callers. */
export class GroupCommit {
  readonly #log: Flushable;
  #running: Flush | undefined;
  #next: Flush | undefined;
  #failure: { readonly reason: unknown } | undefined;

  constructor(log: Flushable) {
    this.#log = log;
  }

  /**
   * Makes everything written so far durable.
   *
   * @returns The last durable index. Rejects with the reason of the log's first failure.
   */
  sync(): Promise<Index> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure.reason);
    if (this.#next === undefined) {
      this.#next = newFlush();
      // Start in a microtask, so that appends in the same turn of the event loop share this flush.
      if (this.#running === undefined) queueMicrotask(() => this.#run());
    }
    return this.#next.promise;
  }

  /** Runs the flush that callers wait for. */
  async #run(): Promise<void> {
    const flush = this.#next;
    if (flush === undefined || this.#running !== undefined || this.#failure !== undefined) return;
    this.#next = undefined;
    this.#running = flush;
    flush.lastIndex = this.#log.lastIndex();
    try {
      if (this.#log.isDirty()) await this.#log.flush();
      if (this.#failure !== undefined) return;
      this.#log.flushed(flush.lastIndex);
      flush.resolve(flush.lastIndex);
    } catch (error) {
      this.fail(error);
    } finally {
      this.#running = undefined;
      // The callers that were just answered run first, so their next appends join this flush.
      if (this.#next !== undefined) queueMicrotask(() => this.#run());
    }
  }

  /** Records a truncation from `from` on, so that a running flush does not report the removed entries as durable. */
  truncated(from: Index): void {
    if (this.#running !== undefined) this.#running.lastIndex = Math.min(this.#running.lastIndex, from - 1);
  }

  /** Rejects all waiting and all later calls. */
  fail(reason: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { reason };
    this.#running?.reject(reason);
    this.#next?.reject(reason);
    this.#next = undefined;
  }

  /** Ends group commit because the log is closed: resolves waiting calls, and rejects later ones. */
  finish(lastIndex: Index, reason: unknown): void {
    this.#running?.resolve(lastIndex);
    this.#next?.resolve(lastIndex);
    this.fail(reason);
  }

  /** Waits until no caller waits for a flush. After a failure, nobody does, even if a flush is still running. Never rejects. */
  async idle(): Promise<void> {
    for (;;) {
      const flush = this.#running ?? this.#next;
      if (flush === undefined || this.#failure !== undefined) return;
      try {
        await flush.promise;
      } catch {
        // The caller of `sync` gets the error.
      }
      await Promise.resolve();
    }
  }
}

function newFlush(): Flush {
  return { ...Promise.withResolvers<Index>(), lastIndex: 0 };
}
