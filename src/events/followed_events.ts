/**
 * Following an event log.
 *
 * @module
 */

import type { LogEntry } from "../api/types.ts";
import type { EventReader } from "./event_reader.ts";
import type { StoredEvent } from "./types.ts";

/** Events that are waited for. Calls that overlap are answered in order, and an error ends the iteration. */
export type AwaitedEvents<T> = AsyncIterableIterator<T, undefined, unknown>;

/**
 * Follows the events of a log, and skips the log's own entries.
 *
 * @param entries The log's entries.
 * @param reader Takes them apart.
 * @returns The events.
 */
export function followEvents<E>(
  entries: AwaitedEvents<LogEntry>,
  reader: EventReader<E>,
): AwaitedEvents<StoredEvent<E>> {
  return endable(openEach(entries, reader), () => void entries.return?.());
}

async function* openEach<E>(
  entries: AwaitedEvents<LogEntry>,
  reader: EventReader<E>,
): AsyncGenerator<StoredEvent<E>, undefined> {
  for await (const entry of entries) {
    const event = reader.open(entry);
    if (event !== undefined) yield event;
  }
}

/**
 * Lets a generator end while it waits. By itself, it would first finish the step that waits.
 *
 * @param generator The generator.
 * @param end Ends its wait.
 * @returns The iterator to use instead of it.
 */
export function endable<T>(generator: AsyncGenerator<T, undefined>, end: () => void): AwaitedEvents<T> {
  return {
    next: () => generator.next(),
    return() {
      end();
      return generator.return(undefined);
    },
    throw(error) {
      end();
      return generator.throw(error);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
