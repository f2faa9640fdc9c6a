/**
 * The events that a consumer gets, and what it has acknowledged of them.
 *
 * @module
 */

import { type AwaitedEvents, endable } from "./followed_events.ts";
import type { Delivery, Position, StoredEvent } from "./types.ts";

/** What {@link Deliveries} needs of the log. */
export interface Delivering<E> {
  /** The events behind the consumer's position. The signal ends them. */
  readonly events: AwaitedEvents<StoredEvent<E>>;
  /** How many events can be delivered ahead of the first that is not acknowledged. */
  readonly maxInFlight: number;
  /** Ends the iteration. */
  readonly signal: AbortSignal | undefined;
  /** Called when all events up to a position are acknowledged. Leads to {@link Deliveries.passed} while it is running. */
  readonly acknowledge: (through: Position) => void;
}

/** An event that was delivered. */
interface InFlight {
  readonly position: Position;
  isAcknowledged: boolean;
}

/** Delivers events, a bounded number ahead of the first that is not acknowledged. */
export class Deliveries<E> {
  private readonly log: Delivering<E>;
  /** Events from the first on that is not acknowledged, in order. */
  private readonly inFlight: InFlight[] = [];
  /** All events up to here are acknowledged. */
  private through: Position = 0;
  private wake: () => void = () => {};
  private isEnded = false;
  /** The events, as the consumer gets them. */
  readonly iterator: AwaitedEvents<Delivery<E>> = endable(this.deliver(), () => this.end());

  /** @param log The log, and how to deliver. */
  constructor(log: Delivering<E>) {
    this.log = log;
  }

  /** Whether it can still deliver events. */
  get isRunning(): boolean {
    return !this.isEnded && !this.log.signal?.aborted;
  }

  /**
   * Makes room: events in flight need not be waited for, and those that come need not be delivered.
   *
   * @param through The position up to which all events are acknowledged.
   */
  passed(through: Position): void {
    this.through = through;
    while (this.inFlight.length > 0 && this.inFlight[0]!.position <= through) this.inFlight.shift();
    this.wake();
  }

  /** Ends the iteration, also one that waits. Events that were delivered can still be acknowledged. */
  end(): void {
    this.isEnded = true;
    this.wake();
    void this.log.events.return?.();
  }

  private async *deliver(): AsyncGenerator<Delivery<E>, undefined> {
    try {
      for (;;) {
        await this.room();
        const { done, value } = await this.log.events.next();
        if (done || this.isEnded) return;
        if (value.position > this.through) yield this.sent(value);
      }
    } finally {
      this.end();
    }
  }

  /** Waits until fewer events are in flight than may be, or until the iteration ends. */
  private async room(): Promise<void> {
    const { signal, maxInFlight } = this.log;
    const wake = () => this.wake();
    signal?.addEventListener("abort", wake);
    while (this.isRunning && this.inFlight.length >= maxInFlight) {
      await new Promise<void>((resolve) => this.wake = resolve);
    }
    signal?.removeEventListener("abort", wake);
  }

  private sent(event: StoredEvent<E>): Delivery<E> {
    const one: InFlight = { position: event.position, isAcknowledged: false };
    this.inFlight.push(one);
    const ack = () => {
      one.isAcknowledged = true;
      let through = 0;
      while (this.inFlight[0]?.isAcknowledged) through = this.inFlight.shift()!.position;
      if (through > 0) this.log.acknowledge(through);
    };
    return { ...event, ack };
  }
}
