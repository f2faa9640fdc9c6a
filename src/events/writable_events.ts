/**
 * The writing half of an event log.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { EventWriter } from "./event_writer.ts";
import { type EventParts, ReadableEvents } from "./readable_events.ts";
import { takeAppendOptions } from "./refusals.ts";
import type { AppendOptions, Position, WriteOptions } from "./types.ts";

const WRITE_OPTIONS = ["expectedLast", "id"];
const APPEND_OPTIONS = [...WRITE_OPTIONS, "signal"];

/** A log that events can be appended to. Every `EventLog` is one. */
export abstract class WritableEvents<E> extends ReadableEvents<E> {
  readonly #writer: EventWriter<E>;

  /** @internal */
  protected constructor(parts: EventParts<E>) {
    super(parts);
    this.#writer = parts.writer;
  }

  /** Bytes of events that were written and are not durable yet. {@link WritableEvents.flush} makes it 0. */
  get pendingBytes(): number {
    return this.#writer.pendingBytes;
  }

  /**
   * Appends an event.
   *
   * @param event The event.
   * @param options The expected last position, and a signal that ends the wait.
   * @returns The event's position, when it is durable. Calls share flushes. Rejects with `INVALID_EVENT` if the codec
   * rejects the event; `CONFLICT`; `STALE_SEQUENCE`; `OVERLOADED` if more than `maxPendingBytes` would wait for a flush;
   * `ENTRY_TOO_LARGE`; `NO_SPACE`; `INVALID_ARGUMENT`: nothing was written. Rejects with `POISONED` if a write or flush failed, so that it is unknown whether the event is durable; `READ_ONLY`; `CLOSED`; or
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
    const position = this.#writer.write(events, taken);
    await abortable(this.#writer.sync(), taken.signal);
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
    return this.#writer.write([event], takeAppendOptions(options, WRITE_OPTIONS));
  }

  /**
   * Makes everything that was written before the call durable. Calls share flushes.
   *
   * @returns The last durable position. Rejects with `POISONED` if a flush failed; `READ_ONLY`; `CLOSED`.
   */
  async flush(): Promise<Position> {
    await this.#writer.sync();
    return this.durable;
  }

  /**
   * A stream that appends events. Writing to it waits while too many bytes wait for a flush. Closing it waits until
   * everything is durable. A rejected event fails the stream; those before it stay written.
   *
   * @returns The stream. Several streams can be open at the same time.
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
   *   await new Response("a b c").body!.pipeThrough(new TextDecoderStream()).pipeTo(log.writable());
   *   assert.deepEqual([log.read(1)?.event, log.durable], ["a b c", 1]);
   * }
   * rmSync(folder, { recursive: true });
   * ```
   */
  writable(): WritableStream<E> {
    const writer = this.#writer;
    const write = async (event: E): Promise<void> => {
      try {
        writer.write([event], {});
      } catch (error) {
        if (!(error instanceof WalLogError && error.code === "OVERLOADED")) throw error;
        await writer.sync();
        return write(event);
      }
      await writer.drain();
    };
    const close = async () => void await writer.sync();
    return new WritableStream<E>({ write, close });
  }
}

/** Waits for a promise, which goes on if the signal is aborted: then this rejects with the signal's reason. */
function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  const { promise: first, resolve, reject } = Promise.withResolvers<T>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  return first;
}
