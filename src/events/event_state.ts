/**
 * What an event log keeps in memory about itself: the result of all its entries. It is stored in the snapshot of a
 * compaction and, from time to time, in an entry of the log, so that opening the log reads only the entries behind that.
 *
 * @module
 */

import { isObject } from "../api/validate.ts";
import type { Envelope, EventEnvelope } from "./envelope.ts";
import { type ProducerData, Producers } from "./producers.ts";
import type { Intervals, Mark } from "./retention.ts";
import type { Position } from "./types.ts";

/** The state as it is stored. What an older version did not store has a default. */
interface StateData {
  readonly last?: Position;
  readonly producers?: readonly ProducerData[];
  readonly consumers?: readonly (readonly [name: string, position: Position])[];
  readonly count?: number;
  readonly bytes?: number;
  readonly marks?: readonly Mark[];
}

/**
 * More marks than this are thinned out, in the older half. So many there are only if a consumer keeps the log from
 * dropping events, or while a log is opened.
 */
const MARKS_MAX = 64;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** The state of an event log. */
export class EventState {
  /** The position of the last event; 0 if there never was one. */
  last: Position;
  /** The producers that are remembered. */
  readonly producers: Producers;
  /** The position up to which each consumer has acknowledged all events. */
  readonly consumers: Map<string, Position>;
  /** Events so far, and their bytes, encoded. Only differences count. */
  count: number;
  bytes: number;
  /** Places up to which events can be dropped, in order. */
  marks: readonly Mark[];
  /** Events up to here are dropped, although some may still be in files. */
  dropped: Position = 0;
  /** Since the state was stored: entries, and bytes of their commands. Stored states are left out. */
  unstoredEntries = 0;
  unstoredBytes = 0;
  /** Since the last mark: entries, and bytes of events. */
  entriesSince = 0;
  bytesSince = 0;
  /** When the first event since the last mark was written, in milliseconds since 1970; `undefined` if there is none. */
  eventsSinceTime: number | undefined;
  /** Size of the state without its marks when it was last stored or read. In bytes. */
  storedBytes = 0;

  /** @param data The state as it was stored. Default: that of an empty log. */
  constructor({ last = 0, producers = [], consumers = [], count = 0, bytes = 0, marks = [] }: StateData = {}) {
    this.last = last;
    this.count = count;
    this.bytes = bytes;
    this.marks = marks;
    this.consumers = new Map(consumers);
    this.producers = new Producers(producers);
  }

  /**
   * Reads a stored state.
   *
   * @param bytes Its bytes.
   * @returns The state.
   * @throws {SyntaxError | TypeError} If it is none.
   */
  static parse(bytes: Uint8Array): EventState {
    const data: unknown = JSON.parse(decoder.decode(bytes));
    if (!isStateData(data)) throw new TypeError("this is not the state of an event log");
    const state = new EventState(data);
    state.storedBytes = bytes.length - JSON.stringify(state.marks).length;
    return state;
  }

  /**
   * Makes a mark behind the last entry.
   *
   * @param position The last entry.
   * @param time The wall clock, in milliseconds since 1970.
   */
  mark(position: Position, time: number): void {
    const { marks, count, bytes } = this;
    const isKept = (_: Mark, nth: number) => nth % 2 === 1 || nth >= MARKS_MAX / 2;
    const kept = marks.length < MARKS_MAX ? marks : marks.filter(isKept);
    this.marks = [...kept, { position, count, bytes, time }];
    this.entriesSince = this.bytesSince = 0;
    this.eventsSinceTime = undefined;
  }

  /**
   * Whether a mark is due before an event.
   *
   * @param intervals How far apart marks are.
   * @param time When the event is written, in milliseconds since 1970.
   */
  isMarkDue({ entries, bytes, milliseconds }: Intervals, time: number): boolean {
    return this.entriesSince >= entries || this.bytesSince >= bytes ||
      time - (this.eventsSinceTime ?? Infinity) >= milliseconds;
  }

  /**
   * Drops events.
   *
   * @param through The last position to drop. Events that a consumer has not acknowledged stay.
   */
  drop(through: Position): void {
    this.dropped = Math.max(this.dropped, Math.min(through, ...this.consumers.values()));
    // The mark at which the log begins stays: when the log is opened, it begins there again.
    this.marks = this.marks.filter(({ position }) => position >= this.dropped);
  }

  /**
   * Stores the state behind the last entry.
   *
   * @returns Its bytes.
   */
  store(): Uint8Array<ArrayBuffer> {
    const { count, bytes, marks } = this;
    const stored = encoder.encode(JSON.stringify({ ...this.data(Infinity), count, bytes, marks }));
    this.storedBytes = stored.length - JSON.stringify(marks).length;
    this.unstoredEntries = this.unstoredBytes = 0;
    return stored;
  }

  /**
   * Stores the state behind another entry, without marks.
   *
   * @param through The entry. Those behind it are applied again when the state is loaded.
   * @returns Its bytes.
   */
  storeThrough(through: Position): Uint8Array<ArrayBuffer> {
    return encoder.encode(JSON.stringify(this.data(through)));
  }

  private data(through: Position): StateData {
    return {
      last: Math.min(this.last, through),
      producers: this.producers.store(through),
      consumers: [...this.consumers].map(([name, position]) => [name, Math.min(position, through)]),
    };
  }

  /**
   * Takes account of an entry.
   *
   * @param index Its index.
   * @param envelope The entry.
   * @param bytes Bytes of its command.
   */
  apply(index: Position, envelope: Envelope, bytes: number): void {
    switch (envelope.kind) {
      case "state":
        return;
      case "event":
        return this.applyEvent(index, envelope, envelope.payload.length, bytes);
      case "acknowledgement": {
        const { consumer, position } = envelope;
        this.consumers.set(consumer, Math.max(position, this.consumers.get(consumer) ?? 0));
        break;
      }
      case "consumer end":
        this.consumers.delete(envelope.consumer);
        break;
    }
    this.countEntry(bytes);
  }

  /**
   * Takes account of an event.
   *
   * @param index Its index.
   * @param event When it was written, and its id.
   * @param payloadBytes Bytes of the event, encoded.
   * @param bytes Bytes of its command.
   */
  applyEvent(
    index: Position,
    { time, id }: Pick<EventEnvelope, "time" | "id">,
    payloadBytes: number,
    bytes: number,
  ): void {
    this.last = index;
    this.count++;
    this.bytes += payloadBytes;
    this.bytesSince += payloadBytes;
    this.eventsSinceTime ??= time;
    if (id !== undefined) this.producers.note(id, index);
    this.countEntry(bytes);
  }

  private countEntry(bytes: number): void {
    this.entriesSince++;
    this.unstoredEntries++;
    this.unstoredBytes += bytes;
  }
}

/** Whether a value has the form of a stored state. Every state that was ever stored has `last`. */
function isStateData(value: unknown): value is StateData {
  if (!isObject(value)) return false;
  const { last, producers = [], consumers = [], count = 0, bytes = 0, marks = [] } = value as Record<string, unknown>;
  return [last, count, bytes].every(isNatural) && isListOf(producers, isProducerData) && isListOf(consumers, isPlace) &&
    isListOf(marks, isMark);
}

function isProducerData(value: unknown): boolean {
  if (!isListOf(value, () => true)) return false;
  const [name, floor, positions] = value;
  return typeof name === "string" && Number.isSafeInteger(floor) &&
    isListOf(positions, (pair) => isListOf(pair, isNatural) && pair.length === 2);
}

/** Whether a value is a consumer's name and position. */
function isPlace(value: unknown): boolean {
  return isListOf(value, () => true) && typeof value[0] === "string" && isNatural(value[1]);
}

function isMark(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { position, count, bytes } = value as Record<string, unknown>;
  return [position, count, bytes].every(isNatural);
}

function isListOf(value: unknown, isItem: (item: unknown) => boolean): value is readonly unknown[] {
  return Array.isArray(value) && value.every(isItem);
}

function isNatural(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
