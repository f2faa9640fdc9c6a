/**
 * The consumers of an event log: how far each has come, and who is being served. Acknowledgements are entries of the log,
 * so they are backed up and restored with it. All that are made while a flush is under way share one entry for each
 * consumer, and the next flush.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Retention } from "../api/retention.ts";
import type { WalLog } from "../api/wal_log.ts";
import { Deliveries, type Delivering } from "./deliveries.ts";
import type { EventState } from "./event_state.ts";
import type { EventWriter } from "./event_writer.ts";
import type { AwaitedEvents } from "./followed_events.ts";
import type { Delivery, Position, StoredEvent } from "./types.ts";

/** A consumer. One of the same name that comes after it was forgotten is another one. */
interface Consumer {
  /** Keeps the events that it has not acknowledged. */
  readonly retention: Retention;
  /** The deliveries to the last loop that served it. */
  deliveries: Deliveries<unknown> | undefined;
}

/** The consumers of a log that is open for writing. */
export class Consumers {
  private readonly wal: WalLog;
  private readonly state: EventState;
  private readonly writer: EventWriter<unknown>;
  private readonly known = new Map<string, Consumer>();
  /** Names of consumers with an acknowledgement that is not written. */
  private readonly unwritten = new Set<string>();
  private isWriting = false;
  private isFinished = false;

  /**
   * @param wal The log underneath.
   * @param state The state of the log, which has the position of each consumer.
   * @param writer Writes acknowledgements.
   */
  constructor(wal: WalLog, state: EventState, writer: EventWriter<unknown>) {
    this.wal = wal;
    this.state = state;
    this.writer = writer;
    // What found no room. While acknowledgements are flushed, those that came since wait for their turn.
    writer.onSync = () => void (this.isWriting || this.write());
    for (const [name, position] of state.consumers) this.retain(name, position);
  }

  /**
   * Adds a consumer, if there is none of that name. It has acknowledged nothing.
   *
   * @param name Its name.
   * @throws {WalLogError} As `WalLog.append`.
   */
  add(name: string): void {
    if (this.state.consumers.has(name)) return;
    // Entries up to the snapshot can still be there, kept by a retention. They are dropped for all others.
    const position = Math.max(this.wal.firstIndex - 1, this.wal.snapshotIndex, this.state.dropped);
    this.retain(name, position);
    try {
      this.writer.acknowledge(name, position);
    } catch (error) {
      this.release(name);
      throw error;
    }
  }

  /**
   * Begins to serve a consumer, which is added if there is none of that name.
   *
   * @param name The consumer.
   * @param follow Follows the log from a position on.
   * @param options How many events can be in flight, and the signal that ends the events.
   * @returns Its events.
   * @throws {WalLogError} `BUSY` if it is served already; as `WalLog.append`.
   */
  serve<E>(
    name: string,
    follow: (from: Position) => AwaitedEvents<StoredEvent<E>>,
    options: Pick<Delivering<E>, "maxInFlight" | "signal">,
  ): AwaitedEvents<Delivery<E>> {
    this.requireIdle("consume", name);
    this.add(name);
    const consumer = this.known.get(name)!;
    const events = follow(this.state.consumers.get(name)! + 1);
    const acknowledge = (through: Position) => {
      if (this.known.get(name) === consumer) this.acknowledge(name, through);
    };
    const deliveries = new Deliveries<E>({ events, acknowledge, ...options });
    consumer.deliveries = deliveries;
    return deliveries.iterator;
  }

  /**
   * Moves a consumer forward. The acknowledgement is written soon, and durable with the flush that follows.
   *
   * @param name The consumer.
   * @param through The last position that it has acknowledged. At or below the one before it changes nothing.
   */
  acknowledge(name: string, through: Position): void {
    const position = this.state.consumers.get(name);
    if (position === undefined || through <= position || this.isFinished) return;
    this.state.consumers.set(name, through);
    this.unwritten.add(name);
    const { retention, deliveries } = this.known.get(name)!;
    try {
      retention.advance(through + 1);
    } catch {
      // A file could not be deleted. The log has failed, and its next call says so.
    }
    deliveries?.passed(through);
    void this.writeAll();
  }

  /**
   * Moves all consumers forward to a position at least.
   *
   * @param through The position.
   */
  pass(through: Position): void {
    for (const name of this.state.consumers.keys()) this.acknowledge(name, through);
  }

  /**
   * Forgets a consumer. Its events are not kept for it any more.
   *
   * @param name The consumer.
   * @throws {WalLogError} `BUSY` if it is being served; as `WalLog.append`.
   */
  forget(name: string): void {
    this.requireIdle("forget", name);
    if (!this.state.consumers.has(name)) return;
    this.writer.forget(name);
    this.unwritten.delete(name);
    this.release(name);
  }

  /** Ends all that are served, and writes what they have acknowledged. The log is about to be closed. */
  finish(): void {
    for (const { deliveries } of this.known.values()) deliveries?.end();
    this.write();
    this.isFinished = true;
  }

  /** Writes acknowledgements and flushes them, again and again while there are any. */
  private async writeAll(): Promise<void> {
    if (this.isWriting) return;
    this.isWriting = true;
    // Those of the same turn of the event loop share an entry.
    await Promise.resolve();
    try {
      while (this.unwritten.size > 0 && this.write()) await this.wal.sync();
    } catch {
      // The log has failed, and its next call says so. What is not acknowledged is delivered again.
    } finally {
      this.isWriting = false;
    }
  }

  /**
   * Writes acknowledgements, one entry for each consumer, so that the flush that follows covers them. On a full disk, or
   * if an entry is too large for the log, they are written later, with the next one or before the next flush.
   *
   * @returns Whether none is left, or at least one was written.
   */
  write(): boolean {
    const before = this.unwritten.size;
    for (const name of this.unwritten) {
      try {
        this.writer.acknowledge(name, this.state.consumers.get(name)!);
        this.unwritten.delete(name);
      } catch {
        // The others are written. A log that has failed says so in its next call.
      }
    }
    return this.unwritten.size === 0 || this.unwritten.size < before;
  }

  private retain(name: string, position: Position): void {
    const retention = this.wal.retain(name, Math.max(position + 1, this.wal.firstIndex));
    this.known.set(name, { retention, deliveries: undefined });
  }

  private release(name: string): void {
    const consumer = this.known.get(name);
    this.known.delete(name);
    consumer?.retention.release();
  }

  private requireIdle(attempt: string, name: string): void {
    if (!this.known.get(name)?.deliveries?.isRunning) return;
    throw new WalLogError(
      "BUSY",
      `Cannot ${attempt} as ${JSON.stringify(name)}: a consumer of that name is running; end its loop first`,
    );
  }
}
