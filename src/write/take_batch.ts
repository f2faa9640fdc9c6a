/**
 * Takes batches of entries from the caller's objects into the write buffer.
 *
 * Each field of an entry is read only once, when its frame is built, and checked there. So the checked values are the
 * written ones, even if an object returns other values later, and nothing is copied in between. The whole batch is
 * built before any of it is written. If reading an entry calls the log meanwhile, that is detected.
 *
 * @module
 */

import { isBytes, isDetached, takeEntries, unsigned } from "../api/taken.ts";
import type { Index, NewEntry, Term } from "../api/types.ts";
import { checkAppend, isAcceptable } from "../api/validate.ts";
import { CHECKPOINT_BYTES } from "../format/checkpoint.ts";
import type { Batch } from "../log/batch.ts";
import type { LogIndex } from "../log/log_index.ts";
import { ENTRY_OVERHEAD_BYTES, FrameLayer } from "./frame_layer.ts";
import { WRITE_BYTES_MAX } from "./write_buffer.ts";
import type { SegmentWriter } from "./writer.ts";

/**
 * Takes a batch from the caller of the log.
 *
 * @param writer The writer.
 * @param log The index of the log that the batch continues.
 * @param entries The caller's argument, which may be anything.
 * @param maxEntryBytes The largest command allowed, in bytes.
 * @returns The batch. It must be written before anything else.
 * @throws {WalLogError} `NOT_CONTIGUOUS`, `ENTRY_TOO_LARGE` or `INVALID_ARGUMENT`, for the first invalid entry.
 */
export function takeBatch(
  writer: SegmentWriter,
  log: LogIndex,
  entries: readonly NewEntry[],
  maxEntryBytes: number,
): Batch {
  const laid = Array.isArray(entries) ? layBatch(writer, log, entries, maxEntryBytes) : undefined;
  if (laid !== undefined) return laid;
  // Unusual input is copied first, and then checked against the current state of the log.
  const taken = takeEntries(entries);
  const commandBytes = checkAppend(taken, log.nextIndex - 1, log.lastTerm, maxEntryBytes);
  const firstTerm = taken[0]?.term ?? 0;
  const changes: [Index, Term][] = [];
  let lastTerm = firstTerm;
  for (const { index, term } of taken) {
    if (term !== lastTerm) changes.push([index, lastTerm = term]);
  }
  return { count: taken.length, commandBytes, firstTerm, lastTerm, changes, at: 0, bytes: 0, entries: taken };
}

/**
 * Builds the frames of a batch in the write buffer.
 *
 * @returns The batch; `undefined` if the buffer is too small, if reading an entry has called the log, or if the input
 * is unusual in another way.
 */
function layBatch(
  writer: SegmentWriter,
  log: LogIndex,
  entries: readonly NewEntry[],
  maxEntryBytes: number,
): Batch | undefined {
  const { length: count } = entries;
  if (count >>> 0 !== count) return undefined;
  let room = count * ENTRY_OVERHEAD_BYTES;
  for (let i = 0; i < count; i++) {
    const command = entries[i]?.command;
    room += isBytes(command) ? command.length : NaN;
  }
  if (room >>> 0 !== room || room > WRITE_BYTES_MAX - CHECKPOINT_BYTES) return undefined;
  const { buffer } = writer;
  // Reserve room for a checkpoint after the batch.
  const start = buffer.reserve(room + CHECKPOINT_BYTES, writer.segment.endOffset);
  const { reservations } = buffer;
  const { nextIndex } = log;
  const layer = new FrameLayer(buffer, writer.changes, start, room);
  let commandBytes = 0;
  let firstTerm = 0;
  let lastTerm = log.lastTerm;
  let changes: [Index, Term][] | undefined;
  for (let i = 0; i < count; i++) {
    const entry = entries[i]!;
    if (typeof entry !== "object" || entry === null) return undefined;
    const { term: given, index, kind = "normal", command } = entry;
    const term = unsigned(given);
    if (!isAcceptable(term, index, kind, command, nextIndex + i, lastTerm)) return undefined;
    // The command may differ from the one that room was reserved for, and an array can report a wrong length.
    const { length } = command;
    if (length > maxEntryBytes || length >>> 0 !== length) return undefined;
    if (length === 0 && isDetached(command)) return undefined;
    // From here on, no code of the caller runs until the entry is in its frame.
    if (buffer.reservations !== reservations) return undefined;
    if (!layer.add(term, index, kind, command, length, count - i)) return undefined;
    if (i === 0) firstTerm = term;
    else if (term !== lastTerm) (changes ??= []).push([index, term]);
    lastTerm = term;
    commandBytes += length;
  }
  const bytes = layer.finish(false);
  return { count, commandBytes, firstTerm, lastTerm, changes, at: start, bytes, entries: undefined };
}
