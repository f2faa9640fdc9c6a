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

/** The id of a write: it is written once, however often it is tried. */
export interface EventId {
  /** Who writes: 1 to 255 characters. */
  readonly producer: string;
  /** A number that the producer uses for one write only: a safe integer of 0 or more. Later writes have higher ones. */
  readonly sequence: number;
}

/** An event, as the log returns it. */
export interface StoredEvent<E> {
  /** Its position. */
  readonly position: Position;
  /** When it was written, by the wall clock, in milliseconds since 1970. The clock can go back. */
  readonly time: number;
  /** The id that it was written with, if any. Of events that were written together, the last one has it. */
  readonly id: EventId | undefined;
  /** The event. */
  readonly event: E;
}

/**
 * Limits beyond which a log drops its oldest events. It drops them when it is opened and while it is written, in steps of
 * an eighth of a limit. So it keeps at least what the limits allow, and up to a quarter more. Disk space is freed later, a
 * file at a time. If many producers use ids, the log stores a large table of them, and it deletes files only when as many
 * bytes were written as that table has. A log at rest drops nothing.
 */
export interface EventRetention {
  /** Bytes of events, encoded. */
  readonly maxBytes?: number;
  /** Age of events, in milliseconds, by the wall clock. */
  readonly maxAgeMs?: number;
  /** Number of events. */
  readonly maxCount?: number;
  /**
   * Whether events are dropped that a consumer has not acknowledged. The consumer continues behind them; if it is
   * running, it fails with `COMPACTED`. Default: `false`: a consumer that stands still keeps the log growing.
   */
  readonly passConsumers?: boolean;
}

/**
 * How to open an event log: as any log, and with a codec. An event can have `maxEntryBytes` bytes, less 7 for its
 * envelope; with an id, less 17 and the bytes of the producer's name.
 */
export interface EventLogOptions<E> extends WalLogOptions {
  /**
   * How events become bytes: `json`, `text`, `bytes`, an object with `encode` and `decode`, or a Standard Schema
   * validator. A validator stores JSON, and validates each event before it is written and after it is read. Default:
   * `json`.
   */
  readonly codec?: EventCodec<E> | StandardSchema<E>;
  /**
   * When the log drops its oldest events. Default: never. With `maxBytes`, the default of `segmentBytes` is an eighth of
   * it, from 64 KiB to 64 MiB.
   */
  readonly retention?: EventRetention;
  /**
   * How many bytes of events may wait for a flush. Beyond it, writing fails with `OVERLOADED`, unless nothing else
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
   * Makes it safe to try again: if the log has a write with this id, nothing is written, and the call returns the
   * position of that write. The log remembers the last 128 sequences of each of the 1,024 producers that wrote last,
   * also across restarts and compaction. A lower sequence fails with `STALE_SEQUENCE`. The id of a list covers all of
   * its events: a repeat writes none of them, whatever they are.
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

/** An event, as a consumer gets it. */
export interface Delivery<E> extends StoredEvent<E> {
  /**
   * Acknowledges the event: it is dealt with, and need not be delivered again. Calling it again changes nothing. Events
   * can be acknowledged in any order, and without `this`. After the log was closed it does nothing.
   */
  readonly ack: () => void;
}

/** Options of consuming an event log. */
export interface ConsumeOptions {
  /**
   * How many events can be in flight: delivered, from the first on that is not acknowledged. Default: 1.
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
  /** How far it is behind the last event, in positions: 0 if it has acknowledged all, else at least the events left. */
  readonly lag: number;
}
