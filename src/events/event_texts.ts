/**
 * Extracts events and their texts from entries, for a codec that decodes text. It decodes the UTF-8 of many events at
 * once and then slices the text, which costs far less than decoding each event.
 *
 * @module
 */

import type { EntryKind, LogEntry } from "../api/types.ts";
import type { EntryGroup, EntrySink } from "../log/entry_groups.ts";
import { isPlainEvent, openEnvelope, PLAIN_EVENT_OFFSET, timeOf } from "./envelope.ts";
import type { Position, StoredEvent } from "./types.ts";

/** Replaces all bytes that do not belong to an event, so that each of them decodes to one character. */
const SPACE = " ".charCodeAt(0);
/** The character to which invalid UTF-8 decodes. */
const REPLACEMENT = "\ufffd";
/** The most bytes of a text. Bun takes twice as long for each byte of a larger one. */
const TEXT_BYTES = 16_000;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** An event that is not decoded yet. */
export type Undecoded<E> = { -readonly [K in keyof StoredEvent<E>]: StoredEvent<E>[K] };

/** Receives entries, and holds their events and texts. */
export class EventTexts<E> implements EntrySink {
  readonly sharedBytes = TEXT_BYTES;
  readonly sharedFactor = 0;
  /** The events, not decoded. */
  readonly events: Undecoded<E>[] = [];
  /** The text of each event; `undefined` if its entry must be read alone. */
  readonly texts: (string | undefined)[] = [];
  /** The last entry. */
  last: Position = 0;
  private readonly memory = new Uint8Array(TEXT_BYTES);

  /** Forgets the events. */
  clear(): void {
    this.events.length = this.texts.length = 0;
  }

  addGroup({ first, kind, bytes, places }: EntryGroup): void {
    this.last = first + places.length / 2 - 1;
    const copy = bytes.length > TEXT_BYTES ? new Uint8Array(bytes.length) : this.memory.subarray(0, bytes.length);
    copy.set(bytes);
    const payloads: number[] = [];
    let at = 0;
    for (let nth = 0; nth < places.length; nth += 2) {
      const end = places[nth + 1]!;
      const begin = this.addEvent(first + nth / 2, kind, copy, places[nth]!, end);
      if (begin === undefined) continue;
      copy.fill(SPACE, at, begin);
      payloads.push(begin, end);
      at = end;
    }
    const text = decoder.decode(copy.fill(SPACE, at));
    // Bytes never decode to more characters than there are bytes. If the numbers are equal, each byte is a character.
    const isExact = text.length === copy.length;
    for (let nth = 0; nth < payloads.length; nth += 2) {
      const [begin, end] = [payloads[nth]!, payloads[nth + 1]!];
      const one = isExact ? text.slice(begin, end) : decoder.decode(copy.subarray(begin, end));
      this.texts.push(one.includes(REPLACEMENT) ? undefined : one);
    }
  }

  addEntry({ index, term, kind, command }: LogEntry): void {
    this.addGroup({ first: index, term, kind, bytes: command, places: [0, command.length] });
  }

  /** Adds the event of an entry, and returns where its payload begins; `undefined` if the entry has no event. */
  private addEvent(
    position: Position,
    kind: EntryKind,
    bytes: Uint8Array<ArrayBuffer>,
    begin: number,
    end: number,
  ): number | undefined {
    const event = undefined as E;
    if (kind === "normal" && isPlainEvent(bytes, begin, end)) {
      this.events.push({ position, time: timeOf(bytes, begin), id: undefined, event });
      return begin + PLAIN_EVENT_OFFSET;
    }
    const envelope = openEnvelope(bytes.subarray(begin, end));
    if (kind === "normal" && envelope.kind === "event") {
      this.events.push({ position, time: envelope.time, id: envelope.id, event });
      return end - envelope.payload.length;
    }
    // Its empty text is not JSON. Reading the entry alone then fails.
    if (kind === "config" || envelope.kind === "foreign") {
      this.events.push({ position, time: 0, id: undefined, event });
      return end;
    }
  }
}
