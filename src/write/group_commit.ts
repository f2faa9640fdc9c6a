/**
 * Group commit: one flush at a time, and everybody who asks while it runs shares the next one.
 *
 * @module
 */

import type { Index } from "../api/types.ts";

/** A flush that callers wait for. */
interface Flush {
  readonly promise: Promise<Index>;
  readonly resolve: (durable: Index) => void;
  readonly reject: (reason: unknown) => void;
  /** What the log's end was when the flush began, less what was truncated since. */
  lastIndex: Index;
}

/** What group commit needs of the log. */
export interface Flushable {
  /** Whether anything is written that no flush covers. */
  isDirty(): boolean;
  /** Index of the last entry written. */
  lastIndex(): Index;
  /** Flushes what is written by now. Rejects once and for all: a flush is never retried. */
  flush(): Promise<void>;
  /** Told after a flush has succeeded. */
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
   * Makes everything durable that is written by now.
   *
   * @returns The last durable index; rejects with the reason of the first failure of the log.
   */
  sync(): Promise<Index> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure.reason);
    if (this.#next === undefined) {
      this.#next = newFlush();
      // Not at once: whoever appends in the same turn of the event loop is to share this flush.
      if (this.#running === undefined) queueMicrotask(() => this.#run());
    }
    return this.#next.promise;
  }

  /** Starts the flush that callers wait for. */
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
      // The callers just answered go on before this does, and what they append joins the flush.
      if (this.#next !== undefined) queueMicrotask(() => this.#run());
    }
  }

  /** Notes that entries from `from` on are gone, so that no flush under way may report them durable. */
  truncated(from: Index): void {
    if (this.#running !== undefined) this.#running.lastIndex = Math.min(this.#running.lastIndex, from - 1);
  }

  /** Ends all: whoever waits, and whoever asks from now on, is told why. */
  fail(reason: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { reason };
    this.#running?.reject(reason);
    this.#next?.reject(reason);
    this.#next = undefined;
  }

  /** Ends all because the log is closed: whoever waits is answered, whoever asks from now on is told why. */
  finish(lastIndex: Index, reason: unknown): void {
    this.#running?.resolve(lastIndex);
    this.#next?.resolve(lastIndex);
    this.fail(reason);
  }

  /** Waits until no flush is under way or asked for; never rejects. */
  async idle(): Promise<void> {
    for (let flush = this.#running ?? this.#next; flush !== undefined; flush = this.#running ?? this.#next) {
      try {
        await flush.promise;
      } catch {
        // Whoever asked for it is told.
      }
      await Promise.resolve();
    }
  }
}

function newFlush(): Flush {
  return { ...Promise.withResolvers<Index>(), lastIndex: 0 };
}
