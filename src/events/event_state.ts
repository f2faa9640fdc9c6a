/**
 * What an event log keeps in memory about itself: the result of all its entries. It is stored in the snapshot of a
 * compaction and, from time to time, in an entry of the log, so that opening the log reads only the entries behind that.
 *
 * @module
 */

import type { Envelope } from "./envelope.ts";
import { type ProducerData, Producers } from "./producers.ts";
import type { Position } from "./types.ts";

/** The state as it is stored. What an older version did not store has a default. */
interface StateData {
  readonly last?: Position;
  readonly producers?: readonly ProducerData[];
  readonly consumers?: readonly (readonly [name: string, position: Position])[];
}

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
  /** Entries since the state was stored in one, and bytes of their commands. */
  entriesSince = 0;
  bytesSince = 0;

  /** @param data The state as it was stored. Default: that of an empty log. */
  constructor({ last = 0, producers = [], consumers = [] }: StateData = {}) {
    this.last = last;
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
    return new EventState(JSON.parse(decoder.decode(bytes)));
  }

  /**
   * Stores the state.
   *
   * @param through The last entry to include. The entries behind it are applied again when the state is loaded.
   * @returns Its bytes.
   */
  store(through: Position): Uint8Array<ArrayBuffer> {
    const data: StateData = {
      last: Math.min(this.last, through),
      producers: this.producers.store(through),
      consumers: [...this.consumers].map(([name, position]) => [name, Math.min(position, through)]),
    };
    return encoder.encode(JSON.stringify(data));
  }

  /**
   * Takes account of an entry.
   *
   * @param index Its index.
   * @param envelope The entry.
   * @param bytes Bytes of its command.
   */
  apply(index: Position, envelope: Envelope, bytes: number): void {
    this.entriesSince++;
    this.bytesSince += bytes;
    switch (envelope.kind) {
      case "event":
        this.last = index;
        if (envelope.id !== undefined) this.producers.note(envelope.id, index);
        break;
      case "acknowledgement": {
        const { consumer, position } = envelope;
        this.consumers.set(consumer, Math.max(position, this.consumers.get(consumer) ?? 0));
        break;
      }
      case "consumer end":
        this.consumers.delete(envelope.consumer);
        break;
    }
  }
}
