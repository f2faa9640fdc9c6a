/**
 * The types of an event log.
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

/** The id of a write. The log writes it once, however often the call is repeated. */
export interface EventId {
  /** The name of the producer: 1 to 255 characters. */
  readonly producer: string;
  /** A number that the producer uses for one write only: a safe integer of 0 or more. Later writes have higher ones. */
  readonly sequence: number;
}

/** An event, as the log returns it. */
export interface StoredEvent<E> {
  /** Its position. */
  readonly position: Position;
  /** The time at which it was written, by the wall clock, in milliseconds since 1970. The clock can go back. */
  readonly time: number;
  /** The id of its write, if any. Of a list that was written with one call, only the last event has it. */
  readonly id: EventId | undefined;
  /** The event. */
  readonly event: E;
}

/**
 * The limits of a log. Above a limit, the log drops its oldest events: when it is opened, and while it is written. It
 * drops an eighth of the limit at a time. So it keeps at least the limit, and at most a quarter more. The log frees disk
 * space later, one file at a time. If many producers use ids, the log stores a large table of them. It then deletes files
 * only after it has written as many bytes as the table has. An idle log drops nothing.
 */
export interface EventRetention {
  /** Bytes of events, encoded. */
  readonly maxBytes?: number;
  /** Age of events, in milliseconds, by the wall clock. */
  readonly maxAgeMs?: number;
  /** Number of events. */
  readonly maxCount?: number;
  /**
   * Whether events are dropped that a consumer has not acknowledged. The consumer continues after them; if it is
   * running, it fails with `COMPACTED`. Default: `false`, so the log grows while a consumer does not progress.
   */
  readonly passConsumers?: boolean;
}

/**
 * Options of opening an event log: those of any log, and a codec. An event can have `maxEntryBytes` bytes, less 7 for its
 * envelope; with an id, less 17 and the bytes of the producer's name.
 */
export interface EventLogOptions<E> extends WalLogOptions {
  /**
   * Turns events into bytes and back: `json`, `text`, `bytes`, an object with `encode` and `decode`, or a Standard Schema
   * validator. A validator stores JSON, and validates each event before it is written and after it is read. Default:
   * `json`.
   */
  readonly codec?: EventCodec<E> | StandardSchema<E>;
  /**
   * The limits beyond which the log drops its oldest events. Default: none. With `maxBytes`, the default of
   * `segmentBytes` is an eighth of it, from 64 KiB to 64 MiB.
   */
  readonly retention?: EventRetention;
  /**
   * The most bytes of events that may wait for a flush. Beyond it, writing fails with `OVERLOADED`, unless nothing else
   * waits. Default: 64 MiB.
   */
  readonly maxPendingBytes?: number;
}

/** Options of writing events. */
export interface WriteOptions {
  /**
   * The expected position of the last event; 0 for an empty log. If the last event is another one, the call fails with
   * `CONFLICT`, and nothing is written.
   */
  readonly expectedLast?: Position;
  /**
   * Makes a repeated call safe: if the log has a write with this id, nothing is written, and the call returns the
   * position of that write. The log remembers the last 128 sequences of each of the 1,024 producers that wrote last,
   * also across restarts and compaction. A lower sequence fails with `STALE_SEQUENCE`. The id of a list covers all of
   * its events: a repeat writes none of them, even if they differ.
   */
  readonly id?: EventId;
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

/** An event that is delivered to a consumer. */
export interface Delivery<E> extends StoredEvent<E> {
  /**
   * Acknowledges the event: it is processed, and will not be delivered again. Calling it again changes nothing. Events
   * can be acknowledged in any order. The function does not need `this`. After the log is closed, it does nothing.
   */
  readonly ack: () => void;
}

/** Options of consuming an event log. */
export interface ConsumeOptions {
  /**
   * The most events in flight, counted from the first that is not acknowledged. Default: 1.
   */
  readonly maxInFlight?: number;
  /** Ends the iteration: a pending wait for an event rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** A producer of a log. */
export interface ProducerState {
  /** Its name. */
  readonly name: string;
  /** The highest sequence that it has written. */
  readonly sequence: number;
}

/** A consumer at one moment. */
export interface ConsumerState {
  /** Its name. */
  readonly name: string;
  /** It has acknowledged all events up to this position. */
  readonly position: Position;
  /**
   * The distance to the last event, in positions: 0 if it has acknowledged all events. Otherwise it can be higher than
   * the number of events that are left, because the log's own entries have positions too.
   */
  readonly lag: number;
}
