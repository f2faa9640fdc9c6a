/**
 * Checks the arguments of calls. Every implementation of a log uses these checks, so all refuse the same arguments with
 * the same messages. All arguments are checked before anything changes, so a refused call leaves the log unchanged. The
 * log has already copied the arguments (`taken.ts`), so the caller cannot change them between the check and the write.
 * `validate_snapshot.ts` checks snapshots.
 *
 * The checks enforce the types at run time. A value of a wrong type would be written, and would be read as a different
 * value after a restart.
 *
 * @module
 */

import { WalLogError } from "./errors.ts";
import { checkNames } from "./option_names.ts";
import { isBytes, isDetached, isSignal, type TakenEntry } from "./taken.ts";
import type { EntriesOptions, EntryKind, HardState, Index, NodeId, Term } from "./types.ts";

/** The default limit for the size of a command. In bytes: 64 MiB. */
export const ENTRY_BYTES_MAX_DEFAULT = 64 * 1024 * 1024;

/** The largest possible index: 2^53 - 1. Above it, two indexes would round to the same number. */
const INDEX_MAX = Number.MAX_SAFE_INTEGER;

/** The largest node identity: all 64 bits set. */
const NODE_ID_MAX = 2n ** 64n - 1n;

/** The length at which an error message cuts a quoted string. In UTF-16 units. */
const QUOTE_LENGTH_MAX = 40;

/** Describes a value for an error message. Never throws, for any value. */
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

/**
 * Checks the signal among the options of a call.
 *
 * @param attempt The call, for the message.
 * @param signal The value; `undefined` if there is none.
 * @throws {WalLogError} `INVALID_ARGUMENT` for anything but an `AbortSignal`.
 */
export function checkSignal(attempt: string, signal: unknown): void {
  if (signal === undefined || isSignal(signal)) return;
  throw invalid(`${attempt}: signal must be an AbortSignal, found ${show(signal)}`);
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
 * Checks a list of entries before they are appended.
 *
 * @param entries The entries. Each index must be one more than the previous one.
 * @param lastIndex Index of the log's last entry; 0 if the log is empty.
 * @param lastTerm Term of that entry; 0 if the log is empty.
 * @param maxEntryBytes The largest command allowed, in bytes.
 * @returns The total size of the commands, in bytes.
 * @throws {WalLogError} `NOT_CONTIGUOUS`, `ENTRY_TOO_LARGE` or `INVALID_ARGUMENT`, for the first invalid entry.
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
 * Whether an entry can be appended, apart from the size of its command. It is called for every appended entry, so it
 * allocates nothing.
 *
 * @param term The entry's term.
 * @param index Its index.
 * @param kind Its kind.
 * @param command Its command.
 * @param expectedIndex The index that it must have.
 * @param previousTerm Term of the previous entry. The entry's term must not be lower: terms never decrease along a Raft
 * log.
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
    // Both comparisons are needed: a lost previous term is represented by a number below 0.
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
 * Checks the first index of a truncation.
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
 * @throws {WalLogError} `INVALID_ARGUMENT` for a term that is not a safe integer of 0 or more, or a vote that is
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
 * Checks an index before its entry is read. An index without an entry is valid. A value that cannot be an index is not.
 *
 * @param index The index.
 * @throws {WalLogError} `INVALID_ARGUMENT` for anything but a safe integer of 0 or more, or 2^53.
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
 * @returns The largest total size of the returned commands, in bytes; `Infinity` if there is no bound.
 * @throws {WalLogError} `INVALID_ARGUMENT` for a `maxBytes` that is not a number of 0 or more, and for an unknown
 * option.
 */
export function checkMaxBytes(options: EntriesOptions | undefined): number {
  checkNames("Cannot read the log", options, ["maxBytes"]);
  const maxBytes = options?.maxBytes;
  if (maxBytes === undefined) return Infinity;
  // Negated, because this also refuses NaN.
  if (typeof maxBytes !== "number" || !(maxBytes >= 0)) {
    throw invalid(`Cannot read the log: maxBytes must be a number of 0 or more, found ${show(maxBytes)}`);
  }
  return maxBytes;
}

/**
 * Checks a list of entries that replace damaged ones.
 *
 * @param entries The entries, each once, in any order.
 * @param first The first index that the log has.
 * @param last The last.
 * @param termAt The terms that the log knows; `undefined` for an unknown term.
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
