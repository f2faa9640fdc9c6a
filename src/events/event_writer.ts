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
import { invalidEvent, overloaded, requireLast } from "./refusals.ts";
import type { Intervals } from "./retention.ts";
import { Scratch } from "./scratch.ts";
import type { EventId, Position, WriteOptions } from "./types.ts";

/** The term of all entries. */
export const TERM = 1;
/** From how many entries on the state is also stored when the log is closed. */
const STATE_ENTRIES_AT_CLOSE = 1024;

/** Writes to an event log. */
export class EventWriter<E> {
  private readonly wal: WalLog;
  private readonly codec: EventCodec<E>;
  private readonly state: EventState;
  private readonly now: () => number;
  private readonly intervals: Intervals;
  private readonly maxPendingBytes: number;
  /** The last entry of each write that was not seen durable, and bytes written up to it, in order. */
  private readonly unflushed: { readonly last: Position; readonly commandBytes: number }[] = [];
  private readonly scratch = new Scratch();
  /** Bytes written up to the last write that was seen durable. */
  private flushedBytes: number;
  /** Called after a mark, before what is written next, with whether the state was stored. */
  onMark: (isStored: boolean) => void = () => {};
  /** Called before a flush, to write what it is to cover. */
  onSync: () => void = () => {};

  /**
   * @param wal The log underneath.
   * @param codec Encodes events.
   * @param state The state of the log.
   * @param now The wall clock.
   * @param limits When the state is stored, and how many bytes may wait for a flush.
   */
  constructor(
    wal: WalLog,
    codec: EventCodec<E>,
    state: EventState,
    now: () => number,
    { intervals, maxPendingBytes }: { readonly intervals: Intervals; readonly maxPendingBytes: number },
  ) {
    this.wal = wal;
    this.codec = codec;
    this.state = state;
    this.now = now;
    this.intervals = intervals;
    this.maxPendingBytes = maxPendingBytes;
    this.flushedBytes = state.commandBytes;
  }

  /** Bytes that were written, and that no flush covers. */
  get pendingBytes(): number {
    this.noteFlushed();
    return this.state.commandBytes - this.flushedBytes;
  }

  /** Makes everything durable that is written by now. */
  sync(): Promise<unknown> {
    this.onSync();
    return this.wal.sync();
  }

  /**
   * Waits until there is room for more events. The flush that makes room goes on in any case.
   *
   * @returns Resolves at once if less than half of what may wait for a flush does.
   */
  async drain(): Promise<void> {
    const flushed = this.sync();
    if (this.pendingBytes * 2 >= this.maxPendingBytes) await flushed;
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
    const { take } = this.scratch;
    const time = this.now();
    const end = list.length - 1;
    // Each event is copied before the next one is encoded: a codec can use one buffer for all.
    const commands = list.map((event, nth) =>
      sealEvent(time, this.encode(event, nth), nth === end ? id : undefined, take)
    );
    // A codec can write to the log: only now is it known what the events follow on.
    const { state } = this;
    const known = id && state.producers.positionOf(id);
    if (known !== undefined) return known;
    requireLast(expectedLast, state.last);
    if (commands.length === 0) return state.last;
    this.requireRoom(commands);
    if (state.isMarkDue(this.intervals, time)) this.mark(time);
    this.add(commands);
    return state.last;
  }

  /**
   * Writes an acknowledgement.
   *
   * @param name The consumer.
   * @param position The position up to which it has acknowledged all events.
   * @throws {WalLogError} As `WalLog.append`.
   */
  acknowledge(name: string, position: Position): void {
    this.add([sealAcknowledgement(this.now(), name, position)]);
  }

  /**
   * Writes that a consumer is to be forgotten.
   *
   * @param name The consumer.
   * @throws {WalLogError} As `WalLog.append`.
   */
  forget(name: string): void {
    this.add([sealConsumerEnd(this.now(), name)]);
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
    const { wal, state } = this;
    if (!Number.isSafeInteger(position) || position < 0 || position > wal.lastIndex) {
      throw invalid(`Cannot compact: expected a position from 0 to ${wal.lastIndex}, found ${show(position)}`);
    }
    const through = passConsumers ? position : Math.min(position, ...state.consumers.values());
    const stored = state.storeThrough(through);
    // On a full disk, the log has room for a snapshot without data.
    wal.compact(through, { ...(stored.length > META_BYTES_MAX ? { data: stored } : { meta: stored }), config: [] });
    state.marks = state.marks.filter((mark) => mark.position > through);
  }

  /** Stores the state before the log is closed, so that the next opening need not read the last entries. */
  finish(): void {
    if (this.state.unstoredEntries >= STATE_ENTRIES_AT_CLOSE) this.tryToStore(this.now());
  }

  /** Makes a mark. A large state is stored less often, so that states take no more room than the other entries. */
  private mark(time: number): void {
    const { state, intervals: { milliseconds } } = this;
    const isOld = time - (state.eventsSinceTime ?? Infinity) >= milliseconds;
    state.mark(this.wal.lastIndex, time);
    const isStored = isOld || state.unstoredBytes >= state.storedBytes;
    if (isStored) this.tryToStore(time);
    this.onMark(isStored);
  }

  /** Stores the state in an entry if it fits into one. */
  private tryToStore(time: number): void {
    const { wal, state } = this;
    try {
      const command = sealState(time, state.store());
      if (command.length <= wal.maxEntryBytes) this.add([command]);
    } catch {
      // It only shortens the next opening. A log that cannot be written says so in the call that follows.
    }
  }

  private requireRoom(commands: readonly Uint8Array[]): void {
    const { pendingBytes, maxPendingBytes } = this;
    const bytes = commands.reduce((sum, { length }) => sum + length, 0);
    if (pendingBytes > 0 && pendingBytes + bytes > maxPendingBytes) {
      throw overloaded(bytes, pendingBytes, maxPendingBytes);
    }
  }

  private add(commands: readonly Uint8Array<ArrayBuffer>[]): void {
    const { wal, state } = this;
    const first = wal.lastIndex + 1;
    wal.append(commands.map((command, nth) => ({ term: TERM, index: first + nth, command })));
    commands.forEach((command, nth) => state.apply(first + nth, openEnvelope(command), command.length));
    this.noteFlushed();
    this.unflushed.push({ last: wal.lastIndex, commandBytes: state.commandBytes });
  }

  /** Takes account of what is durable by now, whoever asked for the flush. */
  private noteFlushed(): void {
    const { wal: { durableIndex }, unflushed } = this;
    const waiting = unflushed.findIndex(({ last }) => last > durableIndex);
    const flushed = unflushed.splice(0, waiting < 0 ? unflushed.length : waiting);
    this.flushedBytes = flushed.at(-1)?.commandBytes ?? this.flushedBytes;
  }

  private encode(event: E, nth: number): Uint8Array {
    try {
      const payload: unknown = this.codec.encode(event);
      if (!isBytes(payload)) throw new TypeError(`encode returned ${show(payload)} instead of a Uint8Array`);
      if (isDetached(payload)) throw new TypeError("the buffer of the encoded bytes was transferred away");
      return payload;
    } catch (error) {
      throw invalidEvent(nth, error);
    }
  }
}
