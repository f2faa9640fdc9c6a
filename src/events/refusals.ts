/**
 * The errors of an event log.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import { checkNames } from "../api/option_names.ts";
import { checkSignal, invalid, isObject, show } from "../api/validate.ts";
import type { AppendOptions, EventId, Position } from "./types.ts";

/** The longest name of a producer or a consumer, in UTF-16 units. */
const NAME_LENGTH_MAX = 255;

/**
 * The error of an event that the codec rejects.
 *
 * @param nth The number of the event in the call, from 0.
 * @param cause The codec's error.
 * @returns The error to throw.
 */
export function invalidEvent(nth: number, cause: unknown): WalLogError {
  const which = nth === 0 ? "the event" : `event ${nth} of the list`;
  return new WalLogError("INVALID_EVENT", `Cannot append ${which}: the codec rejects it: ${reasonOf(cause)}`, {
    cause,
  });
}

/**
 * The error of an event that the codec cannot decode.
 *
 * @param index Its position.
 * @param path The log's folder.
 * @param cause The codec's error.
 * @returns The error to throw.
 */
export function undecodable(index: Position, path: string, cause: unknown): WalLogError {
  const message = `Cannot decode the event at position ${index} of the log at ${path}: ${reasonOf(cause)}; open the ` +
    `log with the codec that wrote it, or go on from position ${index + 1}`;
  return new WalLogError("ENCODING", message, { path, index, cause });
}

/**
 * The error of an entry that is not an entry of an event log.
 *
 * @param index Its index.
 * @param path The log's folder.
 * @returns The error to throw.
 */
export function foreignEntry(index: Position, path: string): WalLogError {
  const message = `Cannot read the entry at index ${index} of the log at ${path}: no event log has written it; open ` +
    "the log with WalLog";
  return new WalLogError("ENCODING", message, { path, index });
}

/**
 * The error of a log that is not an event log.
 *
 * @param path The log's folder.
 * @param found The part of it that an event log does not have.
 * @returns The error to throw.
 */
export function foreignLog(path: string, found: string): WalLogError {
  const message = `Cannot open the log at ${path} as an event log: it has ${found}; open it with WalLog`;
  return new WalLogError("ENCODING", message, { path });
}

/**
 * The error of a position that was compacted away.
 *
 * @param position The position.
 * @param first The lowest position that can be read.
 * @param path The log's folder.
 * @returns The error to throw.
 */
export function goneError(position: Position, first: Position, path: string): WalLogError {
  return new WalLogError(
    "COMPACTED",
    `Cannot read position ${position} of the log at ${path}: it begins at position ${first}`,
    { path, index: first },
  );
}

/**
 * Requires that the last event is the expected one.
 *
 * @param expected Its expected position; `undefined` for any.
 * @param last Its position; 0 if there is none.
 * @throws {WalLogError} `CONFLICT`.
 */
export function requireLast(expected: Position | undefined, last: Position): void {
  if (expected === undefined || expected === last) return;
  throw new WalLogError(
    "CONFLICT",
    `Cannot append: expected the last event at position ${expected}, found it at ${last}; read what is new, and try again`,
    { index: last },
  );
}

/**
 * The error of a sequence that is too low to know whether it was written.
 *
 * @param id The id.
 * @param floor The highest sequence of the producer that was forgotten.
 * @returns The error to throw.
 */
export function staleSequence({ producer, sequence }: EventId, floor: number): WalLogError {
  return new WalLogError(
    "STALE_SEQUENCE",
    `Cannot append sequence ${sequence} of producer ${
      show(producer)
    }: the log remembers its sequences above ${floor}, ` +
      "and this one may have been written; find out by reading the log",
  );
}

/**
 * The error of events that are refused because too many bytes wait for a flush.
 *
 * @param bytes Bytes of the events.
 * @param pending Bytes that wait.
 * @param most The limit.
 * @returns The error to throw.
 */
export function overloaded(bytes: number, pending: number, most: number): WalLogError {
  return new WalLogError(
    "OVERLOADED",
    `Cannot append ${bytes} bytes: ${pending} bytes wait for a flush, and at most ${most} may (maxPendingBytes); ` +
      "await flush, and try again",
  );
}

/**
 * Copies and checks the options of writing or appending.
 *
 * @param options The options, as given.
 * @param names The names of all options.
 * @returns A copy.
 * @throws {WalLogError} `INVALID_ARGUMENT`.
 */
export function takeAppendOptions(options: AppendOptions, names: readonly string[]): AppendOptions {
  checkOptions("Cannot append", options, names);
  const { expectedLast, id, signal } = options;
  if (expectedLast !== undefined && !(Number.isSafeInteger(expectedLast) && expectedLast >= 0)) {
    throw invalid(
      `Cannot append: expectedLast must be a safe integer of 0 or more, found ${show(expectedLast)}`,
    );
  }
  checkSignal("Cannot append", signal);
  return { expectedLast, id: id === undefined ? undefined : takeId(id), signal };
}

/**
 * Requires that a value is a position of a log.
 *
 * @param attempt The call, for the message.
 * @param position The value.
 * @param last The last position; 0 is allowed, too.
 * @throws {WalLogError} `INVALID_ARGUMENT`.
 */
export function checkPosition(attempt: string, position: Position, last: Position): void {
  if (Number.isSafeInteger(position) && position >= 0 && position <= last) return;
  throw invalid(`${attempt}: expected a position from 0 to ${last}, found ${show(position)}`);
}

function takeId(id: EventId): EventId {
  checkOptions("Cannot append: id", id, ["producer", "sequence"]);
  const { producer, sequence } = id;
  checkName("Cannot append: the producer", producer);
  if (!Number.isSafeInteger(sequence) || sequence < 0) {
    throw invalid(`Cannot append: the sequence must be a safe integer of 0 or more, found ${show(sequence)}`);
  }
  return { producer, sequence };
}

/**
 * Requires that a value is an object without unknown options.
 *
 * @param attempt The call, for the message.
 * @param options The value.
 * @param names The names of all options.
 * @throws {WalLogError} `INVALID_ARGUMENT`.
 */
export function checkOptions(attempt: string, options: object, names: readonly string[]): void {
  requireObject(attempt, options);
  checkNames(attempt, options, names);
}

/**
 * Requires that a value is an object.
 *
 * @param attempt The call, for the message.
 * @param value The value.
 * @throws {WalLogError} `INVALID_ARGUMENT`.
 */
export function requireObject(attempt: string, value: unknown): void {
  if (!isObject(value)) throw invalid(`${attempt}: expected an object, found ${show(value)}`);
}

/**
 * Requires that a value is `true` or `false`.
 *
 * @param what The option, for the message.
 * @param value The value.
 * @throws {WalLogError} `INVALID_ARGUMENT`.
 */
export function checkBoolean(what: string, value: unknown): void {
  if (typeof value !== "boolean") throw invalid(`${what} must be true or false, found ${show(value)}`);
}

/**
 * Requires that a value can be the name of a producer or a consumer.
 *
 * @param what The kind of name, for the message.
 * @param name The value.
 * @throws {WalLogError} `INVALID_ARGUMENT`.
 */
export function checkName(what: string, name: unknown): asserts name is string {
  if (typeof name === "string" && name !== "" && name.length <= NAME_LENGTH_MAX && name.isWellFormed()) return;
  throw invalid(`${what} must be a well-formed string of 1 to ${NAME_LENGTH_MAX} characters, found ${show(name)}`);
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : show(cause);
}
