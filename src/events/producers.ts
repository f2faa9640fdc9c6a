/**
 * Idempotent producers: the positions of the latest sequences of each producer.
 *
 * The table is bounded in two ways. The log remembers the highest sequences of each producer. It refuses an unknown lower
 * sequence, because that may have been written and forgotten. And it remembers only the producers that wrote last.
 *
 * @module
 */

import { staleSequence } from "./refusals.ts";
import type { EventId, Position, ProducerState } from "./types.ts";

/** The number of producers that are remembered. */
const PRODUCERS_MAX = 1024;
/** The number of sequences of each producer that are remembered. */
const SEQUENCES_MAX = 128;

/** The remembered state of a producer. */
interface Producer {
  /** The highest sequence that was forgotten; -1 if none was. */
  floor: number;
  /** The position of each sequence that is remembered. All are above the floor. */
  readonly positions: Map<number, Position>;
}

/** A producer as it is stored: name, floor, and pairs of sequence and position. */
export type ProducerData = readonly [name: string, floor: number, positions: readonly (readonly [number, Position])[]];

/** The producers of a log. */
export class Producers {
  /** By name; the one that wrote last is the last. */
  private readonly known = new Map<string, Producer>();

  /** @param data The producers as they were stored, the one that wrote last at the end. */
  constructor(data: readonly ProducerData[] = []) {
    for (const [name, floor, positions] of data) this.known.set(name, { floor, positions: new Map(positions) });
  }

  /**
   * Finds the event with an id.
   *
   * @param id The id.
   * @returns The event's position; `undefined` if it was not written.
   * @throws {WalLogError} `STALE_SEQUENCE` if the sequence is too low to know.
   */
  positionOf(id: EventId): Position | undefined {
    this.forgetOldest();
    const { floor, positions } = this.known.get(id.producer) ?? { floor: -1, positions: new Map() };
    if (id.sequence <= floor) throw staleSequence(id, floor);
    return positions.get(id.sequence);
  }

  /**
   * Remembers an event, and forgets lower sequences of its producer if there are too many. It forgets no producer: when
   * a log is opened, events that were written before the state was stored come again, and more producers can be among
   * them than are remembered in the end.
   *
   * @param id The event's id.
   * @param position Its position.
   */
  note({ producer: name, sequence }: EventId, position: Position): void {
    const producer = this.known.get(name) ?? { floor: -1, positions: new Map() };
    // At the end: it has written last.
    this.known.delete(name);
    this.known.set(name, producer);
    // When a log is opened, a sequence can come again that was forgotten since.
    if (sequence <= producer.floor) return;
    const { positions } = producer;
    positions.set(sequence, position);
    if (positions.size <= SEQUENCES_MAX) return;
    producer.floor = Math.min(...positions.keys());
    positions.delete(producer.floor);
  }

  /**
   * The producers that are remembered.
   *
   * @returns Each with its highest sequence, the one that wrote last at the end.
   */
  list(): ProducerState[] {
    this.forgetOldest();
    return [...this.known].map(([name, { floor, positions }]) => ({
      name,
      sequence: Math.max(floor, ...positions.keys()),
    }));
  }

  /**
   * The producers as they are stored.
   *
   * @param through The last position to include. The floors are the current ones: they may refuse a sequence, and never
   * let one be written twice.
   * @returns The producers, the one that wrote last at the end.
   */
  store(through: Position): ProducerData[] {
    this.forgetOldest();
    return [...this.known].map(([name, { floor, positions }]) =>
      [name, floor, [...positions].filter(([, position]) => position <= through)] as const
    ).filter(([, floor, positions]) => floor >= 0 || positions.length > 0);
  }

  /** Forgets the producers that wrote before those that are remembered. */
  private forgetOldest(): void {
    for (const oldest of this.known.keys()) {
      if (this.known.size <= PRODUCERS_MAX) return;
      this.known.delete(oldest);
    }
  }
}
