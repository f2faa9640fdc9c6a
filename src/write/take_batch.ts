/**
 * Batches of entries on their way from the caller's objects to the disk.
 *
 * Each field of an entry is read once, where its frame is laid, and checked there: so that what was checked is what is
 * written, whatever the object answers the next time, and nothing has to be copied on the way. All of a batch is laid
 * before anything of it is written, and what calls the log meanwhile is noticed.
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
 * Takes a batch over from the caller of the log.
 *
 * @param writer What will write it.
 * @param log The log that it is to follow on.
 * @param entries What was given for a list of entries.
 * @param maxEntryBytes The largest command allowed, in bytes.
 * @returns The batch, to be written before anything else is.
 * @throws {WalLogError} `NOT_CONTIGUOUS`, `ENTRY_TOO_LARGE` or `INVALID_ARGUMENT`, for the first entry that is refused.
 */
export function takeBatch(
  writer: SegmentWriter,
  log: LogIndex,
  entries: readonly NewEntry[],
  maxEntryBytes: number,
): Batch {
  const laid = Array.isArray(entries) ? layBatch(writer, log, entries, maxEntryBytes) : undefined;
  if (laid !== undefined) return laid;
  // Whatever is not as it should be is copied first, and then checked against the log as it is by then.
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
 * Lays the frames of a batch in the write buffer.
 *
 * @returns The batch; `undefined` if the buffer is too small for it, if reading it has called the log, or if anything
 * else about it is out of the ordinary.
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
  // With room for a checkpoint behind it.
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
    // The command can be another one than when room was made for it, and an array can lie about its length.
    const { length } = command;
    if (length > maxEntryBytes || length >>> 0 !== length) return undefined;
    if (length === 0 && isDetached(command)) return undefined;
    // From here on nothing of the caller's runs until the entry is laid.
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
