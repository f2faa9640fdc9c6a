/**
 * The envelope: the contents of an entry besides the event. All numbers are little-endian.
 *
 * ```text
 *  0        1                                      7
 *  ┌────────┬──────────────────────────────────────┬────────────────────────────────────
 *  │ kind   │ time, in milliseconds since 1970     │ by kind
 *  └────────┴──────────────────────────────────────┴────────────────────────────────────
 *
 *  1  event                   the event, as the codec encodes it
 *  2  event with an id        length of the producer's name (2 bytes), the name, the sequence (8 bytes), the event
 *  3  state of the log        JSON
 *  4  acknowledgement         length of the consumer's name (2 bytes), the name, the position (8 bytes)
 *  5  end of a consumer       as 4
 * ```
 *
 * Readers skip the kinds 6 to 15, which are reserved for later versions. They refuse all others.
 *
 * @module
 */

import { safe, setSafe, viewOf } from "../format/numbers.ts";
import type { EventId, Position } from "./types.ts";

const KIND_EVENT = 1;
const KIND_IDENTIFIED = 2;
const KIND_STATE = 3;
const KIND_ACKNOWLEDGEMENT = 4;
const KIND_CONSUMER_END = 5;
/** The last kind that a later version may write. The first byte of JSON or other text is higher. */
const KIND_LAST = 15;
const KIND_OFFSET = 0;
const TIME_OFFSET = 1;
/** The size of the kind and the time, in bytes. */
const HEADER_BYTES = 7;
/** Offset of the payload of an event without an id. */
export const PLAIN_EVENT_OFFSET = HEADER_BYTES;
const NAME_LENGTH_BYTES = 2;
const NUMBER_BYTES = 8;
/** The last time that six bytes hold. In milliseconds since 1970. */
const TIME_MAX = 2 ** 48 - 1;

/** An event in its envelope, with its id if it has one. */
export interface EventEnvelope {
  readonly kind: "event";
  readonly time: number;
  readonly id: EventId | undefined;
  readonly payload: Uint8Array<ArrayBuffer>;
}

/** A parsed entry of an event log. */
export type Envelope =
  | EventEnvelope
  /** The state of the log at this point. */
  | { readonly kind: "state"; readonly payload: Uint8Array<ArrayBuffer> }
  /** A consumer has acknowledged all events up to a position. */
  | { readonly kind: "acknowledgement"; readonly consumer: string; readonly position: Position }
  /** A consumer was forgotten. */
  | { readonly kind: "consumer end"; readonly consumer: string }
  /** An entry of a kind that a later version defines. */
  | { readonly kind: "other" }
  /** Not an entry of an event log. */
  | { readonly kind: "foreign" };

const NOTHING = new Uint8Array(0);
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Allocates memory, which is not zeroed. */
type Allocate = (length: number) => Uint8Array<ArrayBuffer>;

const allocate: Allocate = (length) => new Uint8Array(length);

/**
 * Puts an event into its envelope.
 *
 * @param time The time of writing, in milliseconds since 1970.
 * @param payload The event, encoded.
 * @param id The event's id; `undefined` if it has none.
 * @param take Allocates memory for the command. Default: new memory.
 * @returns The entry's command.
 */
export function sealEvent(time: number, payload: Uint8Array, id?: EventId, take = allocate): Uint8Array<ArrayBuffer> {
  if (id === undefined) return seal(KIND_EVENT, time, payload, HEADER_BYTES, take);
  return sealNamed(KIND_IDENTIFIED, time, id.producer, id.sequence, payload, take);
}

/**
 * Puts the state of the log into its envelope.
 *
 * @param time The time of writing, in milliseconds since 1970.
 * @param payload The state, encoded.
 * @returns The entry's command.
 */
export function sealState(time: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  return seal(KIND_STATE, time, payload);
}

/**
 * Makes an entry for an acknowledgement.
 *
 * @param time The time of writing, in milliseconds since 1970.
 * @param consumer The consumer's name.
 * @param position The position up to which it has acknowledged all events.
 * @returns The entry's command.
 */
export function sealAcknowledgement(time: number, consumer: string, position: Position): Uint8Array<ArrayBuffer> {
  return sealNamed(KIND_ACKNOWLEDGEMENT, time, consumer, position, NOTHING);
}

/**
 * Makes an entry for the end of a consumer.
 *
 * @param time The time of writing, in milliseconds since 1970.
 * @param consumer The consumer's name.
 * @returns The entry's command.
 */
export function sealConsumerEnd(time: number, consumer: string): Uint8Array<ArrayBuffer> {
  return sealNamed(KIND_CONSUMER_END, time, consumer, 0, NOTHING);
}

/**
 * Parses an entry.
 *
 * @param command The entry's command.
 * @returns Its contents. The payload shares the command's buffer.
 */
export function openEnvelope(command: Uint8Array<ArrayBuffer>): Envelope {
  if (command.length < HEADER_BYTES) return { kind: "foreign" };
  const kind = command[KIND_OFFSET]!;
  switch (kind) {
    case KIND_EVENT:
      return { kind: "event", time: timeOf(command), id: undefined, payload: command.subarray(HEADER_BYTES) };
    case KIND_STATE:
      return { kind: "state", payload: command.subarray(HEADER_BYTES) };
    case KIND_IDENTIFIED:
    case KIND_ACKNOWLEDGEMENT:
    case KIND_CONSUMER_END:
      return openNamed(kind, command);
    default:
      return { kind: isReserved(kind) ? "other" : "foreign" };
  }
}

/**
 * Whether an entry is an event without an id. Its payload begins at {@link PLAIN_EVENT_OFFSET}.
 *
 * @param bytes Memory with the entry's command.
 * @param begin Offset of the command.
 * @param end Offset after it.
 */
export function isPlainEvent(bytes: Uint8Array, begin: number, end: number): boolean {
  return bytes[begin + KIND_OFFSET] === KIND_EVENT && end - begin >= HEADER_BYTES;
}

/**
 * The time in an entry, in milliseconds since 1970.
 *
 * @param bytes Memory with the entry's command.
 * @param at Offset of the command.
 */
export function timeOf(bytes: Uint8Array, at = 0): number {
  const low = bytes[at + 1]! | bytes[at + 2]! << 8 | bytes[at + 3]! << 16;
  return low + bytes[at + 4]! * 2 ** 24 + (bytes[at + 5]! | bytes[at + 6]! << 8) * 2 ** 32;
}

/** Whether an unknown kind is reserved for later versions. */
function isReserved(kind: number): boolean {
  return kind > KIND_CONSUMER_END && kind <= KIND_LAST;
}

function seal(
  kind: number,
  time: number,
  payload: Uint8Array,
  headerBytes = HEADER_BYTES,
  take = allocate,
): Uint8Array<ArrayBuffer> {
  const command = take(headerBytes + payload.length);
  command[KIND_OFFSET] = kind;
  const bounded = Math.min(Math.max(Math.trunc(time), 0), TIME_MAX);
  const low = bounded % 2 ** 32;
  command[TIME_OFFSET] = low;
  command[TIME_OFFSET + 1] = low >>> 8;
  command[TIME_OFFSET + 2] = low >>> 16;
  command[TIME_OFFSET + 3] = low >>> 24;
  const high = (bounded - low) / 2 ** 32;
  command[TIME_OFFSET + 4] = high;
  command[TIME_OFFSET + 5] = high >>> 8;
  command.set(payload, headerBytes);
  return command;
}

/** Makes an entry with a name and a number before its payload. */
function sealNamed(
  kind: number,
  time: number,
  name: string,
  number: number,
  payload: Uint8Array,
  take = allocate,
): Uint8Array<ArrayBuffer> {
  const bytes = encoder.encode(name);
  const numberAt = HEADER_BYTES + NAME_LENGTH_BYTES + bytes.length;
  const command = seal(kind, time, payload, numberAt + NUMBER_BYTES, take);
  const view = viewOf(command);
  view.setUint16(HEADER_BYTES, bytes.length, true);
  command.set(bytes, HEADER_BYTES + NAME_LENGTH_BYTES);
  setSafe(view, numberAt, number);
  return command;
}

/** Parses an entry that has a name and a number before its payload. */
function openNamed(kind: number, command: Uint8Array<ArrayBuffer>): Envelope {
  const nameAt = HEADER_BYTES + NAME_LENGTH_BYTES;
  if (command.length < nameAt) return { kind: "foreign" };
  const view = viewOf(command);
  const numberAt = nameAt + view.getUint16(HEADER_BYTES, true);
  const end = numberAt + NUMBER_BYTES;
  if (command.length < end) return { kind: "foreign" };
  const number = safe(view, numberAt);
  if (!Number.isSafeInteger(number)) return { kind: "foreign" };
  const name = decoder.decode(command.subarray(nameAt, numberAt));
  if (kind === KIND_ACKNOWLEDGEMENT) return { kind: "acknowledgement", consumer: name, position: number };
  if (kind === KIND_CONSUMER_END) return { kind: "consumer end", consumer: name };
  const id = { producer: name, sequence: number };
  return { kind: "event", time: timeOf(command), id, payload: command.subarray(end) };
}
