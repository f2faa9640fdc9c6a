/**
 * The event log: a durable log of events, without the vocabulary of Raft.
 *
 * @module
 */

import { isBytes } from "../api/taken.ts";
import type { LogEntry } from "../api/types.ts";
import { invalid, show } from "../api/validate.ts";
import { WalLog } from "../api/wal_log.ts";
import { nodeFileSystem } from "../io/node_fs.ts";
import { abortable } from "./abortable.ts";
import { codecOf, type EventCodec, json } from "./codec.ts";
import { type Envelope, openEnvelope, sealEvent } from "./envelope.ts";
import { FollowedEvents } from "./followed_events.ts";
import { foreignEntry, goneError, invalidEvent, requireLast, takeAppendOptions, undecodable } from "./refusals.ts";
import type {
  AppendOptions,
  EventLogOptions,
  FollowEventsOptions,
  Position,
  StoredEvent,
  WriteOptions,
} from "./types.ts";

/** The term of all entries. */
const TERM = 1;
const WRITE_OPTIONS = ["expectedLast"];
const APPEND_OPTIONS = [...WRITE_OPTIONS, "signal"];

/**
 * A durable log of events in a folder: for a queue, an event store, an outbox or a change feed.
 *
 * It is a thin layer over `WalLog` and keeps its promises. {@link EventLog.append} resolves when the event is on stable
 * storage, and callers share flushes. The log stops at the first write or flush that fails (`POISONED`). A full disk
 * does not stop it (`NO_SPACE`). One process writes; others can read beside it with `readOnly`.
 *
 * @example
 * ```ts
 * import { EventLog } from "@wallog/wallog/events";
 * import { mkdtempSync, rmSync } from "node:fs";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import assert from "node:assert/strict";
 *
 * interface Deposit {
 *   readonly account: number;
 *   readonly amount: number;
 * }
 *
 * const folder = mkdtempSync(join(tmpdir(), "wallog-"));
 * {
 *   await using log = await EventLog.open<Deposit>(join(folder, "deposits.wal"));
 *   assert.equal(await log.append({ account: 7, amount: 100 }), 1);
 * }
 * {
 *   await using log = await EventLog.open<Deposit>(join(folder, "deposits.wal"));
 *   for (const { event } of log.iterate()) assert.deepEqual(event, { account: 7, amount: 100 });
 * }
 * rmSync(folder, { recursive: true });
 * ```
 */
export class EventLog<E> implements AsyncDisposable {
  /**
   * The log underneath: for `backup`, `scrub`, `stats`, `metrics`, `recovery` and `retain`. Do not change it: append
   * and compact with the event log.
   */
  readonly wal: WalLog;
  readonly #codec: EventCodec<E>;
  readonly #now: () => number;

  private constructor(wal: WalLog, codec: EventCodec<E>, now: () => number) {
    this.wal = wal;
    this.#codec = codec;
    this.#now = now;
  }

  /**
   * Opens an event log, and makes one if the folder holds none.
   *
   * @param folder The log's folder.
   * @param options The codec, and how to open the log.
   * @returns The log.
   * @throws {WalLogError} As `WalLog.open`. `ENCODING` if the folder holds a log that no event log has written.
   */
  static async open<E>(folder: string | URL, options: EventLogOptions<E> = {}): Promise<EventLog<E>> {
    if (typeof options !== "object" || options === null) {
      throw invalid(`Cannot open an event log: options must be an object, found ${show(options)}`);
    }
    const { codec = json, ...how } = options;
    const taken = codecOf<E>(codec);
    const wal = await WalLog.open(folder, how);
    const { fileSystem = nodeFileSystem } = how;
    const log = new EventLog(wal, taken, () => fileSystem.now());
    try {
      // The last entry of a damaged log may not be readable.
      const entry = how.onDamage === "keep" ? undefined : wal.entry(wal.lastIndex);
      if (entry !== undefined) log.#require(entry);
    } catch (error) {
      await wal.close();
      throw error;
    }
    return log;
  }

  /** The lowest position that can be read. Above {@link EventLog.last} if there are no events. */
  get first(): Position {
    return this.wal.firstIndex;
  }

  /** The position of the last event; 0 if there never was one. It may not be durable yet. */
  get last(): Position {
    return this.wal.lastIndex;
  }

  /** Events up to this position are on stable storage. */
  get durable(): Position {
    return this.wal.durableIndex;
  }

  /**
   * Appends an event.
   *
   * @param event The event.
   * @param options The expected last position, and a signal that ends the wait.
   * @returns The event's position, when it is durable. Calls share flushes. Rejects with `INVALID_EVENT` if the codec
   * rejects the event; `CONFLICT`; `ENTRY_TOO_LARGE`; `NO_SPACE`; `INVALID_ARGUMENT`: nothing was written. Rejects with
   * `POISONED` if a write or flush failed, so that it is unknown whether the event is durable; `READ_ONLY`; `CLOSED`; or
   * the reason of the signal.
   */
  append(event: E, options: AppendOptions = {}): Promise<Position> {
    return this.appendAll([event], options);
  }

  /**
   * Appends events. All of them are written, or none, also across a crash.
   *
   * @param events The events.
   * @param options The expected last position, and a signal that ends the wait.
   * @returns The position of the last of them, when all are durable; the events have consecutive positions. For an empty
   * list, the position of the log's last event. Rejects as {@link EventLog.append} does.
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
   *   assert.equal(await log.appendAll(["debit", "credit"]), 2);
   *   await assert.rejects(log.append("late", { expectedLast: 1 }), { code: "CONFLICT", index: 2 });
   * }
   * rmSync(folder, { recursive: true });
   * ```
   */
  async appendAll(events: readonly E[], options: AppendOptions = {}): Promise<Position> {
    const taken = takeAppendOptions(options, APPEND_OPTIONS);
    taken.signal?.throwIfAborted();
    const position = this.#write(events, taken);
    await abortable(this.wal.sync(), taken.signal);
    return position;
  }

  /**
   * Writes an event without waiting for the disk. When this returns, the operating system has the event: killing the
   * process does not lose it, but a power cut can, until a flush.
   *
   * @param event The event.
   * @param options The expected last position.
   * @returns The event's position.
   * @throws {WalLogError} As {@link EventLog.append}.
   */
  write(event: E, options: WriteOptions = {}): Position {
    return this.#write([event], takeAppendOptions(options, WRITE_OPTIONS));
  }

  /**
   * Makes everything durable that was written before the call. Calls share flushes.
   *
   * @returns The last durable position. Rejects with `POISONED` if a flush failed; `READ_ONLY`; `CLOSED`.
   */
  async flush(): Promise<Position> {
    await this.wal.sync();
    return this.durable;
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
    if (entry !== undefined) return this.#stored(entry);
    if (position > 0 && position < this.first) throw goneError(position, this.first, this.wal.path);
    return undefined;
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
  iterate(from: Position = this.first, to?: Position): IterableIterator<StoredEvent<E>> {
    if (from > 0 && from < this.first) throw goneError(from, this.first, this.wal.path);
    return this.#walk(this.wal.iterate(from, to));
  }

  *#walk(entries: Iterable<LogEntry>): Generator<StoredEvent<E>, undefined> {
    for (const entry of entries) {
      const event = this.#stored(entry);
      if (event !== undefined) yield event;
    }
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
    const { from } = options;
    if (from !== undefined && from > 0 && from < this.first) throw goneError(from, this.first, this.wal.path);
    return new FollowedEvents(this.wal.follow(options), (entry) => this.#stored(entry));
  }

  /**
   * Flushes, closes the log and releases its lock. Closing it again does nothing.
   *
   * @returns Resolves when everything is durable and closed. Rejects with `POISONED` if a write or flush failed; the log
   * is closed even then.
   */
  close(): Promise<void> {
    return this.wal.close();
  }

  /** Closes the log: what `await using` calls. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Writes events in one batch, which recovery takes whole or not at all. Returns the position of the last event. */
  #write(events: readonly E[], { expectedLast }: WriteOptions): Position {
    if (!Array.isArray(events)) throw invalid(`Cannot append: expected an array of events, found ${show(events)}`);
    const time = this.#now();
    const commands = Array.from(events as readonly E[], (event, nth) => sealEvent(time, this.#encode(event, nth)));
    // A codec can write to the log: only now is it known what the events follow on.
    const { wal } = this;
    requireLast(expectedLast, this.last);
    const term = Math.max(TERM, wal.lastTerm);
    const { lastIndex } = wal;
    wal.append(commands.map((command, nth) => ({ term, index: lastIndex + 1 + nth, command })));
    return this.last;
  }

  #encode(event: E, nth: number): Uint8Array {
    try {
      const payload: unknown = this.#codec.encode(event);
      if (isBytes(payload)) return payload;
      throw new TypeError(`encode returned ${show(payload)} instead of a Uint8Array`);
    } catch (error) {
      throw invalidEvent(nth, error);
    }
  }

  /** The event of an entry; `undefined` if the entry is the log's own. */
  #stored(entry: LogEntry): StoredEvent<E> | undefined {
    const envelope = this.#require(entry);
    if (envelope.kind !== "event") return undefined;
    const { index: position } = entry;
    try {
      return { position, time: envelope.time, event: this.#codec.decode(envelope.payload) };
    } catch (error) {
      throw undecodable(position, this.wal.path, error);
    }
  }

  #require({ index, kind, command }: LogEntry): Exclude<Envelope, { readonly kind: "foreign" }> {
    const envelope = openEnvelope(command);
    if (kind === "config" || envelope.kind === "foreign") throw foreignEntry(index, this.wal.path);
    return envelope;
  }
}
