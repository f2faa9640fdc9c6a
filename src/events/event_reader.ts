/**
 * Reading the entries of a log as events.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { LogEntry } from "../api/types.ts";
import type { WalLog } from "../api/wal_log.ts";
import type { EventCodec } from "./codec.ts";
import { type EventEnvelope, openEnvelope } from "./envelope.ts";
import { foreignEntry, goneError, undecodable } from "./refusals.ts";
import type { Position, StoredEvent } from "./types.ts";

/** What is read and decoded at once. */
const CHUNK_BYTES = 256 * 1024;
const CHUNK_ENTRIES = 4096;

/** Turns entries into events. */
export class EventReader<E> {
  private readonly wal: WalLog;
  private readonly codec: EventCodec<E>;

  /**
   * @param wal The log underneath.
   * @param codec Decodes events.
   */
  constructor(wal: WalLog, codec: EventCodec<E>) {
    this.wal = wal;
    this.codec = codec;
  }

  /**
   * Takes an entry apart.
   *
   * @param entry The entry.
   * @returns The event; `undefined` if the entry is one of the log's own.
   * @throws {WalLogError} `ENCODING` if the codec cannot decode it, or if no event log has written it.
   */
  open({ index, kind, command }: LogEntry): StoredEvent<E> | undefined {
    const envelope = openEnvelope(command);
    if (kind === "config" || envelope.kind === "foreign") throw foreignEntry(index, this.wal.path);
    if (envelope.kind !== "event") return undefined;
    const { time, id, payload } = envelope;
    try {
      return { position: index, time, id, event: this.codec.decode(payload) };
    } catch (error) {
      throw undecodable(index, this.wal.path, error);
    }
  }

  /**
   * Iterates over events. It reads and decodes a chunk at a time.
   *
   * @param from The first position.
   * @param to The last position, inclusive.
   * @returns The events.
   * @throws {WalLogError} As `WalLog.iterate`, and as {@link EventReader.open}.
   */
  *iterate(from: Position, to: Position): Generator<StoredEvent<E>, undefined> {
    const { wal } = this;
    for (let next = from; next <= Math.min(to, wal.lastIndex);) {
      if (next < wal.firstIndex) throw goneError(next, wal.firstIndex, wal.path);
      const entries = this.chunk(next, Math.min(to, next + CHUNK_ENTRIES - 1));
      // Something is damaged in there: what lies before it comes first.
      if (entries === undefined) return yield* this.openEach(wal.iterate(next, to));
      yield* this.openAll(entries);
      next = entries.at(-1)!.index + 1;
    }
  }

  private chunk(from: Position, to: Position): LogEntry[] | undefined {
    try {
      return this.wal.entries(from, to, { maxBytes: CHUNK_BYTES });
    } catch (error) {
      if (error instanceof WalLogError && error.code === "DAMAGED_ENTRY") return undefined;
      throw error;
    }
  }

  /** Takes entries apart, and decodes their events together if the codec can. */
  private openAll(entries: readonly LogEntry[]): Iterable<StoredEvent<E>> {
    const { codec } = this;
    if (codec.decodeAll === undefined) return this.openEach(entries);
    const positions: Position[] = [];
    const envelopes: EventEnvelope[] = [];
    for (const { index, kind, command } of entries) {
      const envelope = openEnvelope(command);
      if (kind === "config" || envelope.kind === "foreign") return this.openEach(entries);
      if (envelope.kind !== "event") continue;
      positions.push(index);
      envelopes.push(envelope);
    }
    try {
      const events = codec.decodeAll(envelopes.map(({ payload }) => payload));
      return envelopes.map(({ time, id }, nth) => ({ position: positions[nth]!, time, id, event: events[nth]! }));
    } catch {
      // One of them cannot be decoded: those before it come first.
      return this.openEach(entries);
    }
  }

  private *openEach(entries: Iterable<LogEntry>): Generator<StoredEvent<E>, undefined> {
    for (const entry of entries) {
      const event = this.open(entry);
      if (event !== undefined) yield event;
    }
  }
}
