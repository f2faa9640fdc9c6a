/**
 * The envelope: what an entry of an event log holds besides the event. All numbers are little-endian.
 *
 * ```text
 *  0        1                                      7
 *  ┌────────┬──────────────────────────────────────┬───────────────────────────
 *  │ kind   │ time, in milliseconds since 1970     │ the event, as the codec has it
 *  └────────┴──────────────────────────────────────┴───────────────────────────
 * ```
 *
 * Kind 1 is an event. Readers skip kinds that they do not know.
 *
 * @module
 */

import { viewOf } from "../format/numbers.ts";

/** The kind of an event. */
const KIND_EVENT = 1;
const KIND_OFFSET = 0;
const TIME_OFFSET = 1;
/** Bytes before the event. */
const HEADER_BYTES = 7;
/** The last time that six bytes hold. In milliseconds since 1970. */
const TIME_MAX = 2 ** 48 - 1;

/** An entry of an event log, taken apart. */
export type Envelope =
  /** An event. */
  | { readonly kind: "event"; readonly time: number; readonly payload: Uint8Array<ArrayBuffer> }
  /** An entry of a kind that this version does not know. */
  | { readonly kind: "other" }
  /** No entry of an event log. */
  | { readonly kind: "foreign" };

/**
 * Puts an event into its envelope.
 *
 * @param time The time of writing, in milliseconds since 1970.
 * @param payload The event, encoded.
 * @returns The entry's command.
 */
export function sealEvent(time: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const command = new Uint8Array(HEADER_BYTES + payload.length);
  command[KIND_OFFSET] = KIND_EVENT;
  setTime(command, Math.min(Math.max(Math.trunc(time), 0), TIME_MAX));
  command.set(payload, HEADER_BYTES);
  return command;
}

/**
 * Takes an entry apart.
 *
 * @param command The entry's command.
 * @returns What it is. The payload shares the command's buffer.
 */
export function openEnvelope(command: Uint8Array<ArrayBuffer>): Envelope {
  const kind = command[KIND_OFFSET] ?? 0;
  if (command.length < HEADER_BYTES || kind === 0) return { kind: "foreign" };
  if (kind !== KIND_EVENT) return { kind: "other" };
  return { kind: "event", time: timeOf(command), payload: command.subarray(HEADER_BYTES) };
}

function setTime(command: Uint8Array, time: number): void {
  const view = viewOf(command);
  view.setUint32(TIME_OFFSET, time, true);
  view.setUint16(TIME_OFFSET + 4, time / 2 ** 32, true);
}

function timeOf(command: Uint8Array): number {
  const low = command[1]! | command[2]! << 8 | command[3]! << 16;
  return low + command[4]! * 2 ** 24 + (command[5]! | command[6]! << 8) * 2 ** 32;
}
