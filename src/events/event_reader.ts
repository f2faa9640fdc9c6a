/**
 * Reading the entries of a log as events.
 *
 * @module
 */

import type { LogEntry } from "../api/types.ts";
import type { WalLog } from "../api/wal_log.ts";
import type { EventCodec } from "./codec.ts";
import { openEnvelope } from "./envelope.ts";
import { foreignEntry, undecodable } from "./refusals.ts";
import type { StoredEvent } from "./types.ts";

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
   * Iterates over events.
   *
   * @param entries The entries.
   * @returns The events among them.
   * @throws {WalLogError} As {@link EventReader.open}, and as the iteration over the entries.
   */
  *openEach(entries: Iterable<LogEntry>): Generator<StoredEvent<E>, undefined> {
    for (const entry of entries) {
      const event = this.open(entry);
      if (event !== undefined) yield event;
    }
  }
}
