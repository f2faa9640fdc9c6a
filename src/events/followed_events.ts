/**
 * Following an event log.
 *
 * @module
 */

import type { LogEntry } from "../api/types.ts";
import type { EventReader } from "./event_reader.ts";
import { DONE, OrderedIterator } from "./ordered_iterator.ts";
import type { StoredEvent } from "./types.ts";

/** Returns the events of a log as they become durable, and skips the log's own entries. */
export class FollowedEvents<E> extends OrderedIterator<StoredEvent<E>> {
  private readonly entries: AsyncIterableIterator<LogEntry, undefined, unknown>;
  private readonly reader: EventReader<E>;

  /**
   * @param entries The log's entries.
   * @param reader Takes them apart.
   */
  constructor(entries: AsyncIterableIterator<LogEntry, undefined, unknown>, reader: EventReader<E>) {
    super();
    this.entries = entries;
    this.reader = reader;
  }

  protected override async step(): Promise<IteratorResult<StoredEvent<E>, undefined>> {
    for (;;) {
      const { done, value } = await this.entries.next();
      if (done) return DONE;
      const event = this.reader.open(value);
      if (event !== undefined) return { done, value: event };
    }
  }

  protected override end(): void {
    void this.entries.return?.();
  }
}
