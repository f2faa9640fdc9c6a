/**
 * Writing events, and the log's own entries.
 *
 * @module
 */

import { isBytes, isDetached } from "../api/taken.ts";
import { invalid, show } from "../api/validate.ts";
import type { WalLog } from "../api/wal_log.ts";
import { META_BYTES_MAX } from "../format/snapshot_header.ts";
import type { EventCodec } from "./codec.ts";
import { openEnvelope, sealAcknowledgement, sealConsumerEnd, sealEvent, sealState } from "./envelope.ts";
import type { EventState } from "./event_state.ts";
import { checkPosition, invalidEvent, overloaded, requireLast } from "./refusals.ts";
import { type Intervals, intervalsOf } from "./retention.ts";
import { Scratch } from "./scratch.ts";
import type { EventId, EventRetention, Position, WriteOptions } from "./types.ts";

/** The term of all entries. */
export const TERM = 1;
/** From how many entries on the state is also stored when the log is closed. */
const STATE_ENTRIES_AT_CLOSE = 1024;

/** An event in its envelope. */
interface SealedEvent {
  readonly time: number;
  readonly id: EventId | undefined;
  readonly payloadBytes: number;
  readonly command: Uint8Array<ArrayBuffer>;
}

/** What {@link EventWriter} needs. */
export interface EventWriting<E> {
  /** The log underneath. */
  readonly wal: WalLog;
  /** Encodes events. */
  readonly codec: EventCodec<E>;
  /** The state of the log. */
  readonly state: EventState;
  /** Limits beyond which events are dropped. */
  readonly retention: EventRetention;
  /** How many bytes may wait for a flush. */
  readonly maxPendingBytes: number;
  /** The wall clock, in milliseconds since 1970. */
  readonly now: () => number;
}

/** Writes to an event log. */
export class EventWriter<E> {
  private readonly log: EventWriting<E>;
  private readonly intervals: Intervals;
  private readonly scratch = new Scratch();
  /** The writes that were not seen durable, in order: the last entry of each, and the bytes of its commands. */
  private unflushed: { readonly last: Position; readonly bytes: number }[] = [];
  /** The bytes of all of them. */
  private unflushedBytes = 0;
  /** Called after a mark, before what is written next, with whether the state was stored. */
  onMark: (isStored: boolean) => void = () => {};
  /** Called before a flush, to write what it is to cover. */
  onSync: () => void = () => {};

  /** @param log The log, and how to write to it. */
  constructor(log: EventWriting<E>) {
    this.log = log;
    this.intervals = intervalsOf(log.retention);
  }

  /** Bytes that were written, and that no flush covers, whoever asked for it. */
  get pendingBytes(): number {
    const { durableIndex } = this.log.wal;
    const isFlushed = this.unflushed.length > 0 && this.unflushed[0]!.last <= durableIndex;
    if (isFlushed) {
      this.unflushed = this.unflushed.filter(({ last }) => last > durableIndex);
      this.unflushedBytes = this.unflushed.reduce((sum, { bytes }) => sum + bytes, 0);
    }
    return this.unflushedBytes;
  }

  /** Makes everything durable that is written by now. */
  sync(): Promise<unknown> {
    this.onSync();
    return this.log.wal.sync();
  }

  /**
   * Waits until there is room for more events. The flush that makes room goes on in any case.
   *
   * @returns Resolves at once if less than half of what may wait for a flush does.
   */
  async drain(): Promise<void> {
    const flushed = this.sync();
    if (this.pendingBytes * 2 >= this.log.maxPendingBytes) await flushed;
    // A flush that fails ends the log, and its next call says so.
    else flushed.catch(() => {});
  }

  /**
   * Writes events in one batch, which recovery takes whole or not at all. A batch with an id that the log has is not
   * written again.
   *
   * @param events The events.
   * @param options The expected last position, and the id of the batch.
   * @returns The position of the last event; for an empty list, that of the log's last event.
   * @throws {WalLogError} `INVALID_EVENT`, `CONFLICT`, `STALE_SEQUENCE`, `OVERLOADED`, and as `WalLog.append`. Nothing was written.
   */
  write(events: readonly E[], { expectedLast, id }: WriteOptions): Position {
    if (!Array.isArray(events)) throw invalid(`Cannot append: expected an array of events, found ${show(events)}`);
    return this.scratch.during(() => this.writeAll(Array.from(events as readonly E[]), expectedLast, id));
  }

  private writeAll(list: readonly E[], expectedLast: Position | undefined, id: EventId | undefined): Position {
    const { state, now } = this.log;
    const time = now();
    const end = list.length - 1;
    const sealed = list.map((event, nth) => this.seal(event, nth, time, nth === end ? id : undefined));
    // A codec can write to the log: only now is it known what the events follow on.
    const known = id && state.producers.positionOf(id);
    if (known !== undefined) return known;
    requireLast(expectedLast, state.last);
    if (sealed.length === 0) return state.last;
    const bytes = sealed.reduce((sum, { command }) => sum + command.length, 0);
    this.requireRoom(bytes);
    if (state.isMarkDue(this.intervals, time)) this.mark(time);
    const first = this.append(sealed, bytes);
    sealed.forEach((event, nth) => state.applyEvent(first + nth, event, event.payloadBytes, event.command.length));
    return state.last;
  }

  /** Encodes an event and copies it into its envelope, before the next one is encoded: a codec can use one buffer for all. */
  private seal(event: E, nth: number, time: number, id: EventId | undefined): SealedEvent {
    const payload = this.encode(event, nth);
    return { time, id, payloadBytes: payload.length, command: sealEvent(time, payload, id, this.scratch.take) };
  }

  /**
   * Writes an acknowledgement.
   *
   * @param name The consumer.
   * @param position The position up to which it has acknowledged all events.
   * @throws {WalLogError} As `WalLog.append`.
   */
  acknowledge(name: string, position: Position): void {
    this.add(sealAcknowledgement(this.log.now(), name, position));
  }

  /**
   * Writes that a consumer is to be forgotten.
   *
   * @param name The consumer.
   * @throws {WalLogError} As `WalLog.append`.
   */
  forget(name: string): void {
    this.add(sealConsumerEnd(this.log.now(), name));
  }

  /**
   * Drops events.
   *
   * @param position The last position to drop.
   * @param passConsumers Whether events are dropped that a consumer has not acknowledged. It is to be moved forward
   * afterwards.
   * @throws {WalLogError} As `WalLog.compact`.
   */
  compact(position: Position, passConsumers: boolean): void {
    const { wal, state } = this.log;
    checkPosition("Cannot compact", position, wal.lastIndex);
    const through = passConsumers ? position : Math.min(position, ...state.consumers.values());
    const stored = state.storeThrough(through);
    // On a full disk, the log has room for a snapshot without data.
    wal.compact(through, { ...(stored.length > META_BYTES_MAX ? { data: stored } : { meta: stored }), config: [] });
    state.marks = state.marks.filter((mark) => mark.position > through);
  }

  /** Stores the state before the log is closed, so that the next opening need not read the last entries. */
  finish(): void {
    const { state, now } = this.log;
    if (state.unstoredEntries >= STATE_ENTRIES_AT_CLOSE) this.tryToStore(now());
  }

  /** Makes a mark. A large state is stored less often, so that states take no more room than the other entries. */
  private mark(time: number): void {
    const { wal, state } = this.log;
    const isOld = time - (state.eventsSinceTime ?? Infinity) >= this.intervals.milliseconds;
    state.mark(wal.lastIndex, time);
    const isStored = isOld || state.unstoredBytes >= state.storedBytes;
    if (isStored) this.tryToStore(time);
    this.onMark(isStored);
  }

  /** Stores the state in an entry if it fits into one. */
  private tryToStore(time: number): void {
    const { wal, state } = this.log;
    try {
      const command = sealState(time, state.store());
      if (command.length <= wal.maxEntryBytes) this.add(command);
    } catch {
      // It only shortens the next opening. A log that cannot be written says so in the call that follows.
    }
  }

  private requireRoom(bytes: number): void {
    const { pendingBytes, log: { maxPendingBytes } } = this;
    if (pendingBytes > 0 && pendingBytes + bytes > maxPendingBytes) {
      throw overloaded(bytes, pendingBytes, maxPendingBytes);
    }
  }

  /** Writes an entry of the log's own. */
  private add(command: Uint8Array<ArrayBuffer>): void {
    const index = this.append([{ command }], command.length);
    this.log.state.apply(index, openEnvelope(command), command.length);
  }

  /** Writes commands, and returns the index of the first. */
  private append(commands: readonly { readonly command: Uint8Array }[], bytes: number): Position {
    const { wal } = this.log;
    const first = wal.lastIndex + 1;
    wal.append(commands.map(({ command }, nth) => ({ term: TERM, index: first + nth, command })));
    this.unflushed.push({ last: wal.lastIndex, bytes });
    this.unflushedBytes += bytes;
    return first;
  }

  private encode(event: E, nth: number): Uint8Array {
    try {
      const payload: unknown = this.log.codec.encode(event);
      if (!isBytes(payload)) throw new TypeError(`encode returned ${show(payload)} instead of a Uint8Array`);
      if (isDetached(payload)) throw new TypeError("the buffer of the encoded bytes was transferred away");
      return payload;
    } catch (error) {
      throw invalidEvent(nth, error);
    }
  }
}
