/**
 * Following an event log.
 *
 * @module
 */

import type { LogEntry } from "../api/types.ts";
import type { StoredEvent } from "./types.ts";

/** Returns the events of a log as they become durable, and skips the log's own entries. */
export class FollowedEvents<E> implements AsyncIterableIterator<StoredEvent<E>, undefined, unknown> {
  private readonly entries: AsyncIterableIterator<LogEntry, undefined, unknown>;
  private readonly open: (entry: LogEntry) => StoredEvent<E> | undefined;
  /** Settles when the calls so far are answered. */
  private answered: Promise<unknown> = Promise.resolve();

  /**
   * @param entries The log's entries.
   * @param open Takes an entry apart; returns `undefined` for one of the log's own. It may throw.
   */
  constructor(
    entries: AsyncIterableIterator<LogEntry, undefined, unknown>,
    open: (entry: LogEntry) => StoredEvent<E> | undefined,
  ) {
    this.entries = entries;
    this.open = open;
  }

  /** The next event, when it is durable. Calls that overlap are answered in order. */
  next(): Promise<IteratorResult<StoredEvent<E>, undefined>> {
    const step = this.answered.then(() => this.step());
    this.answered = step.catch(() => {});
    return step;
  }

  private async step(): Promise<IteratorResult<StoredEvent<E>, undefined>> {
    for (;;) {
      const { done, value } = await this.entries.next();
      if (done) return { done, value };
      try {
        const event = this.open(value);
        if (event !== undefined) return { done, value: event };
      } catch (error) {
        await this.return();
        throw error;
      }
    }
  }

  /** Ends the iteration, also one that waits. */
  async return(): Promise<IteratorResult<StoredEvent<E>, undefined>> {
    await this.entries.return?.();
    return { done: true, value: undefined };
  }

  /** Ends the iteration, and rejects. */
  async throw(error: unknown): Promise<IteratorResult<StoredEvent<E>, undefined>> {
    await this.return();
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
