/**
 * The vocabulary of an event log.
 *
 * @module
 */

import type { WalLogOptions } from "../api/options.ts";
import type { EventCodec, StandardSchema } from "./codec.ts";

/**
 * The place of an event in its log: a safe integer of 1 or more. Each event has a higher position than the one before
 * it. Positions can have gaps, because the log also stores entries of its own.
 */
export type Position = number;

/** An event, as the log returns it. */
export interface StoredEvent<E> {
  /** Its position. */
  readonly position: Position;
  /** When it was written, by the wall clock, in milliseconds since 1970. The clock can go back. */
  readonly time: number;
  /** The event. */
  readonly event: E;
}

/** How to open an event log: as any log, and with a codec. */
export interface EventLogOptions<E> extends WalLogOptions {
  /**
   * How events become bytes: `json`, `text`, `bytes`, an object with `encode` and `decode`, or a Standard Schema
   * validator. A validator stores JSON, and validates each event before it is written and after it is read. Default:
   * `json`.
   */
  readonly codec?: EventCodec<E> | StandardSchema<E>;
}

/** Options of writing events. */
export interface WriteOptions {
  /**
   * The expected position of the last event; 0 for an empty log. If the last event is another one, the call fails with
   * `CONFLICT`, and nothing is written.
   */
  readonly expectedLast?: Position;
}

/** Options of appending events. */
export interface AppendOptions extends WriteOptions {
  /**
   * Ends the wait: the call rejects with the signal's reason. Events that were written stay written. If the signal is
   * aborted before the call, nothing is written.
   */
  readonly signal?: AbortSignal;
}

/** Options of following an event log. */
export interface FollowEventsOptions {
  /** The first position to return. It may be above the last one. Default: `durable` + 1. */
  readonly from?: Position;
  /** Ends the iteration: a pending wait for an event rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}
