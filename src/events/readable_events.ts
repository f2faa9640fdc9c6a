/**
 * The reading half of an event log.
 *
 * @module
 */

import type { WalLog } from "../api/wal_log.ts";
import type { EventReader } from "./event_reader.ts";
import type { EventState } from "./event_state.ts";
import type { EventWriter, EventWriting } from "./event_writer.ts";
import { followEvents } from "./followed_events.ts";
import { loadState } from "./load_state.ts";
import { goneError, requireObject } from "./refusals.ts";
import type { ConsumerState, FollowEventsOptions, Position, ProducerState, StoredEvent } from "./types.ts";

/** The parts of an open event log. */
export interface EventParts<E> extends EventWriting<E> {
  /** The state of the log. A log that was opened for reading only gets a new one when it is brought up to date. */
  state: EventState;
  /** Turns entries into events. */
  readonly reader: EventReader<E>;
  /** Writes events. */
  readonly writer: EventWriter<E>;
  /** Whether the log was opened for reading only. */
  readonly isReadOnly: boolean;
}

/** The reading half of an event log. Every `EventLog` is one. */
export abstract class ReadableEvents<E> {
  /**
   * The log underneath: for `backup`, `scrub`, `stats`, `metrics`, `recovery` and `retain`. Do not change it: append
   * and compact with the event log.
   */
  readonly wal: WalLog;
  readonly #parts: EventParts<E>;

  /** @internal */
  protected constructor(parts: EventParts<E>) {
    this.wal = parts.wal;
    this.#parts = parts;
  }

  /** The lowest position that can be read. Above {@link EventLog.last} if there are no events. */
  get first(): Position {
    return Math.max(this.wal.firstIndex, this.#parts.state.dropped + 1);
  }

  /**
   * The position of the last event; 0 if there never was one. It may not be durable yet. It leaves out the log's own
   * entries behind the event, such as acknowledgements.
   */
  get last(): Position {
    return this.#parts.state.last;
  }

  /** Events up to this position are on stable storage. */
  get durable(): Position {
    return Math.min(this.wal.durableIndex, this.last);
  }

  /**
   * The event at a position.
   *
   * @param position The position.
   * @returns The event, durable or not; `undefined` if there is none at this position.
   * @throws {WalLogError} `COMPACTED` below {@link EventLog.first}; `ENCODING` if the codec cannot decode it;
   * `DAMAGED_ENTRY`; `INVALID_ARGUMENT`; `IO`; `CLOSED`.
   */
  read(position: Position): StoredEvent<E> | undefined {
    const entry = this.wal.entry(position);
    if (position > 0 && position < this.first) throw goneError(position, this.first, this.wal.path);
    return entry && this.#parts.reader.open(entry);
  }

  /**
   * Iterates over events in order, durable ones and others. It reads a chunk at a time, so the log can have any size.
   *
   * @param from The first position. Default: {@link EventLog.first}.
   * @param to The last position, inclusive. Default: the last event there is when it is reached.
   * @returns The events.
   * @throws {WalLogError} `COMPACTED` at once if `from` is below {@link EventLog.first}, or later if compaction
   * overtakes the iteration; `index` is the place to continue from. `ENCODING` at an event that the codec cannot decode;
   * `index` is its position. Otherwise as {@link EventLog.read}.
   */
  iterate(from: Position = this.first, to: Position = Number.MAX_SAFE_INTEGER): IterableIterator<StoredEvent<E>> {
    if (from > 0 && from < this.first) throw goneError(from, this.first, this.wal.path);
    return this.#parts.reader.iterate(from, to);
  }

  /**
   * Follows the log: returns its durable events in order, each once, and waits at the end for more. Any number of
   * followers can run side by side. On a log opened with `readOnly`, also beside a writer in another process. Closing the
   * log ends the iteration, and so does leaving the loop.
   *
   * @param options Where to begin, and when to stop.
   * @returns The events. Waiting for one rejects with the reason of the signal; with `COMPACTED` if the next event was
   * compacted away; with `ENCODING` at an event that the codec cannot decode (`index` is its position); with `POISONED`
   * if the writer failed, after all durable events.
   * @throws {WalLogError} `COMPACTED` if `from` is below {@link EventLog.first}; `INVALID_ARGUMENT`; `CLOSED`.
   *
   * @example
   * ```ts
   * import { EventLog } from "@wallog/wallog/events";
   * import { mkdtempSync, rmSync } from "node:fs";
   * import { tmpdir } from "node:os";
   * import { join } from "node:path";
   * import assert from "node:assert/strict";
   *
   * const folder = mkdtempSync(join(tmpdir(), "wallog-"));
   * {
   *   await using log = await EventLog.open<string>(join(folder, "events.wal"));
   *   await log.appendAll(["a", "b"]);
   *   for await (const { position, event } of log.follow({ from: 1 })) {
   *     if (position === 2) break;
   *     assert.equal(event, "a");
   *   }
   * }
   * rmSync(folder, { recursive: true });
   * ```
   */
  follow(options: FollowEventsOptions = {}): AsyncIterableIterator<StoredEvent<E>, undefined, unknown> {
    requireObject("Cannot follow the log", options);
    const { from } = options;
    if (from !== undefined && from > 0 && from < this.first) throw goneError(from, this.first, this.wal.path);
    return followEvents(this.wal.follow(options), this.#parts.reader);
  }

  /**
   * The consumers of the log.
   *
   * @returns Each with its position, and how far it is behind. A log that was opened with `readOnly` shows the
   * acknowledgements that were written when it was opened or brought up to date.
   */
  consumers(): readonly ConsumerState[] {
    const { consumers, last } = this.#parts.state;
    return [...consumers].map(([name, position]) => ({ name, position, lag: Math.max(last - position, 0) }));
  }

  /**
   * The producers that the log remembers: those whose events have ids, at most 1,024. A producer that starts again
   * continues after its highest sequence.
   *
   * @returns Each with its highest sequence. A log that was opened with `readOnly` shows them as {@link ReadableEvents.consumers} does.
   */
  producers(): readonly ProducerState[] {
    return this.#parts.state.producers.list();
  }

  /**
   * Brings a log that was opened with `readOnly` up to date with its writer. It then shows everything that was written,
   * also events that are not durable yet. A log that is open for writing is always up to date.
   *
   * @returns The position of the last event. Rejects as `WalLog.refresh` does.
   */
  async refresh(): Promise<Position> {
    await this.wal.refresh();
    if (this.#parts.isReadOnly) this.#parts.state = loadState(this.wal, {});
    return this.last;
  }
}
