/**
 * Entries as a `ReadableStream`.
 *
 * @module
 */

import type { EntryStream, LogEntry } from "../api/types.ts";

/**
 * Makes a stream that pulls one entry from an iterator for each read.
 *
 * @param entries The entries. Cancelling the stream ends them.
 * @returns The stream.
 */
export function streamOf(entries: AsyncIterator<LogEntry, undefined>): EntryStream {
  const stream = new ReadableStream<LogEntry>({
    async pull(controller) {
      const step = await entries.next();
      if (step.done) controller.close();
      else controller.enqueue(step.value);
    },
    async cancel() {
      await entries.return?.();
    },
  }, { highWaterMark: 0 });
  return stream as EntryStream;
}
