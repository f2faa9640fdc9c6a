/**
 * Reads the entries of a log as events.
 *
 * @module
 */

import type { LogEntry } from "../api/types.ts";
import type { WalLog } from "../api/wal_log.ts";
import type { EntryWalk } from "../log/iterate.ts";
import type { LogCodec } from "./codec.ts";
import { openEnvelope } from "./envelope.ts";
import { EventTexts, type Undecoded } from "./event_texts.ts";
import { TERM } from "./event_writer.ts";
import { foreignEntry, goneError, undecodable } from "./refusals.ts";
import type { Position, StoredEvent } from "./types.ts";

/** Turns entries into events. */
export class EventReader<E> {
  private readonly wal: WalLog;
  private readonly codec: LogCodec<E>;

  /**
   * @param wal The log underneath.
   * @param codec Decodes events.
   */
  constructor(wal: WalLog, codec: LogCodec<E>) {
    this.wal = wal;
    this.codec = codec;
  }

  /**
   * Decodes an entry.
   *
   * @param entry The entry.
   * @returns The event; `undefined` if the entry is one of the log's own.
   * @throws {WalLogError} `ENCODING` if the codec cannot decode it, or if it is not an entry of an event log.
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
   * @param from The first position.
   * @param to The last position, inclusive.
   * @returns The events.
   * @throws {WalLogError} As {@link EventReader.open}, and as `WalLog.iterate`.
   */
  iterate(from: Position, to: Position): IterableIterator<StoredEvent<E>> {
    const { wal, codec: { parse } } = this;
    return parse === undefined ? this.openEach(wal.iterate(from, to)) : this.parseEach(wal.walk(from, to), parse);
  }

  private *openEach(entries: Iterable<LogEntry>): Generator<StoredEvent<E>, undefined> {
    for (const entry of entries) {
      const event = this.open(entry);
      if (event !== undefined) yield event;
    }
  }

  private *parseEach(walk: EntryWalk, parse: (text: string) => E): Generator<StoredEvent<E>, undefined> {
    for (const read = new EventTexts<E>(); walk.read(read); read.clear()) {
      const { events, texts, last } = read;
      for (let nth = 0; nth < events.length && !walk.isStale; nth++) {
        const event = this.parsed(events[nth]!, texts[nth], parse);
        walk.pass(event.position, TERM);
        yield event;
      }
      // Entries of the log's own can follow the last event.
      if (!walk.isStale) walk.pass(last, TERM);
    }
  }

  /** Decodes an event from its text. If that is not possible, reads it alone, so that it fails with the error of `read`. */
  private parsed(event: Undecoded<E>, text: string | undefined, parse: (text: string) => E): StoredEvent<E> {
    try {
      if (text !== undefined) {
        event.event = parse(text);
        return event;
      }
    } catch {
      // Reading it alone fails, too.
    }
    const { position } = event;
    const entry = this.wal.entry(position);
    const found = entry && this.open(entry);
    if (found === undefined) throw goneError(position, this.wal.firstIndex, this.wal.path);
    return found;
  }
}
