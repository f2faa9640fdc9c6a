/**
 * What a log accepts. Every log checks its arguments here, all of them before anything changes, so that a
 * refused call leaves the log as it was and every implementation refuses the same things in the same words.
 * What is checked was taken over from the caller (`taken.ts`), so that it is still the same when it is written.
 * Snapshots are checked in `validate_snapshot.ts`.
 *
 * The checks hold at run time what the types promise at compile time: a value that slips past them would be
 * written, and would come back as something else after a restart.
 *
 * @module
 */

import { WalLogError } from "./errors.ts";
import { checkNames } from "./option_names.ts";
import { isBytes, isDetached, type TakenEntry } from "./taken.ts";
import type { EntriesOptions, EntryKind, HardState, Index, NodeId, Term } from "./types.ts";

/** The largest command that a log takes unless told otherwise. In bytes: 64 MiB. */
export const ENTRY_BYTES_MAX_DEFAULT = 64 * 1024 * 1024;

/** The last index there can be: 2^53 - 1. Beyond it two indexes would round to one. */
const INDEX_MAX = Number.MAX_SAFE_INTEGER;

/** The largest node identity: all 64 bits set. */
const NODE_ID_MAX = 2n ** 64n - 1n;

/** How much of a string an error message repeats. In UTF-16 units. */
const QUOTE_LENGTH_MAX = 40;

/** A value as an error message names it. Never throws, whatever the value is. */
export function show(value: unknown): string {
  switch (typeof value) {
    case "string":
      return value.length <= QUOTE_LENGTH_MAX
        ? JSON.stringify(value)
        : `a string of ${value.length} characters that begins ${JSON.stringify(value.slice(0, QUOTE_LENGTH_MAX))}`;
    case "bigint":
      return `the bigint ${value}`;
    case "function":
      return "a function";
    case "object":
      if (value === null) return "null";
      return Array.isArray(value) ? "an array" : `an object (${Object.prototype.toString.call(value).slice(8, -1)})`;
    default:
      return Object.is(value, -0) ? "-0" : String(value);
  }
}

/** Whether a value can be an object with fields. */
export function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

/** Whether a value is a term. */
export function isTerm(value: unknown): value is Term {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Whether a value is a node's identity. */
export function isNodeId(value: unknown): value is NodeId {
  return typeof value === "bigint" && value >= 0n && value <= NODE_ID_MAX;
}

/** An `INVALID_ARGUMENT` error. */
export function invalid(message: string): WalLogError {
  return new WalLogError("INVALID_ARGUMENT", message);
}

/**
 * Checks a list of entries that is to be appended.
 *
 * @param entries The entries, of which each must follow on the one before.
 * @param lastIndex Index of the log's last entry; 0 if the log is empty.
 * @param lastTerm Term of that entry; 0 if the log is empty.
 * @param maxEntryBytes The largest command allowed, in bytes.
 * @returns The bytes of all commands together.
 * @throws {WalLogError} `NOT_CONTIGUOUS`, `ENTRY_TOO_LARGE` or `INVALID_ARGUMENT`, for the first entry that
 * is refused.
 */
export function checkAppend(
  entries: readonly TakenEntry[],
  lastIndex: Index,
  lastTerm: Term,
  maxEntryBytes: number,
): number {
  if (!Array.isArray(entries)) throw invalid(`Cannot append: expected an array of entries, found ${show(entries)}`);
  let index = lastIndex;
  let term = lastTerm;
  let bytes = 0;
  for (const entry of entries as readonly TakenEntry[]) {
    index++;
    checkEntry(entry, index, term, maxEntryBytes);
    term = entry.term;
    bytes += entry.command.byteLength;
  }
  return bytes;
}

/**
 * Whether an entry can be appended, but for the size of its command. Called for each entry of each append: it compares
 * and allocates nothing.
 *
 * @param term The entry's term.
 * @param index Its index.
 * @param kind Its kind.
 * @param command Its command.
 * @param expectedIndex The index that it must have.
 * @param previousTerm Term of the entry before it, below which its own term must not be: terms never
 * decrease along a Raft log.
 */
export function isAcceptable(
  term: Term,
  index: Index,
  kind: EntryKind,
  command: Uint8Array,
  expectedIndex: Index,
  previousTerm: Term,
): boolean {
  return index === expectedIndex && expectedIndex <= INDEX_MAX &&
    // Both: the previous term can be lost, and is then below 0.
    Number.isSafeInteger(term) && term >= 0 && term >= previousTerm &&
    (kind === "normal" || kind === "config") && isBytes(command);
}

/**
 * Checks one entry.
 *
 * @param entry The entry.
 * @param expectedIndex The index that it must have.
 * @param previousTerm Term of the entry before it.
 * @param maxEntryBytes The largest command allowed, in bytes.
 * @throws {WalLogError} `NOT_CONTIGUOUS`, `ENTRY_TOO_LARGE` or `INVALID_ARGUMENT`.
 */
export function checkEntry(entry: TakenEntry, expectedIndex: Index, previousTerm: Term, maxEntryBytes: number): void {
  if (isObject(entry)) {
    const { term, index, kind, command } = entry;
    if (
      isAcceptable(term, index, kind, command, expectedIndex, previousTerm) &&
      !isDetached(command) && command.byteLength <= maxEntryBytes
    ) return;
  }
  throw refusal(entry, expectedIndex, previousTerm, maxEntryBytes);
}

/** Why {@link checkEntry} refuses an entry. */
function refusal(entry: TakenEntry, expectedIndex: Index, previousTerm: Term, maxEntryBytes: number): WalLogError {
  const at = `Cannot append at index ${expectedIndex}`;
  if (!isObject(entry)) return invalid(`${at}: expected an entry, found ${show(entry)}`);
  const { term, index, kind, command } = entry;
  if (!Number.isSafeInteger(index) || index < 1) {
    return invalid(`${at}: the entry's index must be a safe integer of 1 or more, found ${show(index)}`);
  }
  if (index !== expectedIndex) {
    return new WalLogError("NOT_CONTIGUOUS", `Cannot append at index ${index}: expected index ${expectedIndex}`);
  }
  if (!isTerm(term)) return invalid(`${at}: the term must be a safe integer of 0 or more, found ${show(term)}`);
  if (term < previousTerm) {
    return invalid(`${at}: terms never decrease, found term ${term} after term ${previousTerm}`);
  }
  if (kind !== "normal" && kind !== "config") {
    return invalid(`${at}: the kind must be "normal" or "config", found ${show(kind)}`);
  }
  if (!isBytes(command)) {
    return invalid(`${at}: the command must be a Uint8Array, found ${show(command)}`);
  }
  if (command.byteLength > maxEntryBytes) {
    return new WalLogError(
      "ENTRY_TOO_LARGE",
      `${at}: the command has ${command.byteLength} bytes, at most ${maxEntryBytes} are allowed (maxEntryBytes)`,
    );
  }
  return invalid(`${at}: the command's buffer was transferred away`);
}

/**
 * Checks where a truncation begins.
 *
 * @param from The first index to drop.
 * @param snapshotIndex Index of the log's snapshot; 0 if there is none.
 * @throws {WalLogError} `INVALID_ARGUMENT` for anything but a safe integer of 1 or more, `COMPACTED` at or
 * below the snapshot.
 */
export function checkTruncate(from: Index, snapshotIndex: Index): void {
  if (!Number.isSafeInteger(from) || from < 1) {
    throw invalid(`Cannot truncate: the first index to drop must be a safe integer of 1 or more, found ${show(from)}`);
  }
  if (from <= snapshotIndex) {
    throw new WalLogError(
      "COMPACTED",
      `Cannot truncate from index ${from}: the snapshot at index ${snapshotIndex} includes it`,
      { index: snapshotIndex + 1 },
    );
  }
}

/**
 * Checks a hard state.
 *
 * @param state The hard state.
 * @throws {WalLogError} `INVALID_ARGUMENT` for a term that is no safe integer or below 0, or a vote that is
 * neither `null` nor an unsigned 64-bit number.
 */
export function checkHardState(state: HardState): void {
  if (!isObject(state)) throw invalid(`Cannot set the hard state: expected a term and a vote, found ${show(state)}`);
  if (!isTerm(state.term)) {
    throw invalid(
      `Cannot set the hard state: the term must be a safe integer of 0 or more, found ${show(state.term)}`,
    );
  }
  if (state.votedFor !== null && !isNodeId(state.votedFor)) {
    throw invalid(
      `Cannot set the hard state: the vote must be null or a bigint from 0 to 2^64 - 1, found ${show(state.votedFor)}`,
    );
  }
}

/**
 * Checks an index that is to be read. An index with no entry is no error, a value that cannot be an index is.
 *
 * @param index The index.
 * @throws {WalLogError} `INVALID_ARGUMENT` for anything but a safe integer of 0 or more, or the one behind the last.
 */
export function checkReadIndex(index: Index): void {
  if (!Number.isSafeInteger(index) && index !== Number.MAX_SAFE_INTEGER + 1 || index < 0) {
    throw invalid(`Cannot read the log: an index must be a safe integer of 0 or more, found ${show(index)}`);
  }
}

/**
 * Checks the bound on a read.
 *
 * @param options The options of the read.
 * @returns The most bytes of commands to return; `Infinity` if there is no bound.
 * @throws {WalLogError} `INVALID_ARGUMENT` for a `maxBytes` that is no number, `NaN`, or below 0, and for an unknown
 * option.
 */
export function checkMaxBytes(options: EntriesOptions | undefined): number {
  checkNames("Cannot read the log", options, ["maxBytes"]);
  const maxBytes = options?.maxBytes;
  if (maxBytes === undefined) return Infinity;
  // Written so that NaN, which is neither above nor below 0, is refused.
  if (typeof maxBytes !== "number" || !(maxBytes >= 0)) {
    throw invalid(`Cannot read the log: maxBytes must be a number of 0 or more, found ${show(maxBytes)}`);
  }
  return maxBytes;
}

/**
 * Checks a list of entries that are to replace damaged ones.
 *
 * @param entries The entries, each once, in any order.
 * @param first The first index that the log has.
 * @param last The last.
 * @param termAt The terms that the log knows: `undefined` where it does not.
 * @returns The entries by index.
 * @throws {WalLogError} `INVALID_ARGUMENT`.
 */
export function checkRepair(
  entries: readonly TakenEntry[],
  first: Index,
  last: Index,
  termAt: (index: Index) => Term | undefined,
): Map<Index, TakenEntry> {
  if (!Array.isArray(entries)) throw invalid(`Cannot repair: expected an array of entries, found ${show(entries)}`);
  const found = new Map<Index, TakenEntry>();
  for (const entry of entries as readonly TakenEntry[]) {
    if (!isObject(entry)) throw invalid(`Cannot repair: expected an entry, found ${show(entry)}`);
    const { index } = entry;
    if (!Number.isSafeInteger(index) || index < first || index > last || found.has(index)) {
      throw invalid(`Cannot repair index ${show(index)}: expected each index from ${first} to ${last} at most once`);
    }
    checkEntry(entry, index, 0, Infinity);
    found.set(index, entry);
  }
  for (const { index, term } of found.values()) {
    const known = termAt(index);
    const low = known ?? found.get(index - 1)?.term ?? termAt(index - 1) ?? 0;
    const high = known ?? found.get(index + 1)?.term ?? termAt(index + 1) ?? Infinity;
    if (term < low || term > high) {
      const expected = low === high ? `term ${low}` : `a term from ${low} to ${high}`;
      throw invalid(`Cannot repair the entry at index ${index}: expected ${expected}, found term ${term}`);
    }
  }
  return found;
}
