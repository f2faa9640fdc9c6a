/**
 * Consumers of an event log.
 *
 * @module
 */

import { checkSignal, invalid, show } from "../api/validate.ts";
import { readOnlyError } from "../write/refusals.ts";
import { Consumers } from "./consumers.ts";
import type { EventParts } from "./readable_events.ts";
import { checkBoolean, checkName, checkOptions, checkPosition } from "./refusals.ts";
import { expired } from "./retention.ts";
import type { ConsumeOptions, Delivery, Position } from "./types.ts";
import { WritableEvents } from "./writable_events.ts";

/** A log with consumers. Every `EventLog` is one. */
export abstract class ConsumableEvents<E> extends WritableEvents<E> {
  readonly #parts: EventParts<E>;
  /** `undefined` in a log that was opened for reading only. */
  readonly #consumers: Consumers | undefined;

  /** @internal */
  protected constructor(parts: EventParts<E>) {
    super(parts);
    this.#parts = parts;
    this.#consumers = parts.isReadOnly ? undefined : new Consumers(parts.wal, parts.state, parts.writer);
    if (parts.isReadOnly) return;
    parts.writer.onMark = (isStored) => this.#dropExpired(isStored);
    this.#dropExpired(true);
  }

  /**
   * Consumes the log: returns each durable event, in order, at least once. The log stores the position of the consumer,
   * up to which it has acknowledged all events. The consumer begins after that position, also after a restart or a
   * crash. A new consumer begins at {@link ReadableEvents.first}. If a retention keeps compacted events, it begins after
   * the last compaction.
   *
   * Call `ack` when an event is processed. It returns at once, and is flushed soon; {@link ConsumableEvents.flush} waits
   * for it. Events that are not acknowledged are delivered again when the consumer is restarted. At most `maxInFlight`
   * events are in flight, counted from the first that is not acknowledged. With the default of 1, each event must be
   * acknowledged before the next one is delivered.
   *
   * Leaving the loop ends the consumer, and so do aborting the signal and closing the log. Events that it has delivered
   * can be acknowledged until the consumer is forgotten or the log is closed; after that, `ack` does nothing.
   *
   * @param name Name of the consumer: 1 to 255 characters. No retention of the log may have the same name.
   * @param options How many events may be in flight, and when to stop.
   * @returns The events. Waiting for one rejects as {@link ReadableEvents.follow} does. After `ENCODING`, the event can
   * be skipped with {@link ConsumableEvents.acknowledge}. That also acknowledges all events in flight before it.
   * @throws {WalLogError} `BUSY` if a consumer of that name is running; `INVALID_ARGUMENT`; `READ_ONLY`, `POISONED`,
   * `CLOSED`; `NO_SPACE` if there is no room to record a new consumer.
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
   *   await log.appendAll(["a", "b", "c"]);
   *   for await (const { event, ack } of log.consume("mailer")) {
   *     ack();
   *     if (event === "b") break;
   *   }
   *   assert.deepEqual(log.consumers(), [{ name: "mailer", position: 2, lag: 1 }]);
   * }
   * rmSync(folder, { recursive: true });
   * ```
   */
  consume(name: string, options: ConsumeOptions = {}): AsyncIterableIterator<Delivery<E>, undefined, unknown> {
    checkName("Cannot consume: the name", name);
    const taken = takeConsumeOptions(options);
    const follow = (from: Position) => this.follow({ from, signal: taken.signal });
    return this.#require("consume").serve(name, follow, taken);
  }

  /**
   * Acknowledges all events up to a position on behalf of a consumer: to skip an event that it cannot process, or to
   * let a new consumer begin later than at the first event. A running loop skips them too. At or below the position of
   * the consumer, the call changes nothing. It returns at once, and is flushed soon; {@link ConsumableEvents.flush} waits
   * for it.
   *
   * @param name Name of the consumer; a new one is added.
   * @param through The position, at most {@link ReadableEvents.last}.
   * @throws {WalLogError} `INVALID_ARGUMENT`; `READ_ONLY`, `POISONED`, `CLOSED`; `NO_SPACE` if there is no room to
   * record a new consumer.
   */
  acknowledge(name: string, through: Position): void {
    checkName("Cannot acknowledge: the name", name);
    checkPosition("Cannot acknowledge", through, this.last);
    const consumers = this.#require("acknowledge");
    consumers.add(name);
    consumers.acknowledge(name, through);
  }

  /**
   * Forgets a consumer: the log no longer keeps events for it. The next flush makes this durable.
   *
   * @param name Name of the consumer. If there is none of that name, nothing changes.
   * @throws {WalLogError} `BUSY` if it is running; `NO_SPACE`: it is not forgotten. `READ_ONLY`, `POISONED`, `CLOSED`.
   */
  forget(name: string): void {
    checkName("Cannot forget: the name", name);
    this.#require("forget a consumer").forget(name);
  }

  /**
   * Drops the events up to and including a position, but none that a consumer has not acknowledged. Files without
   * any other entries are deleted. Below the first position, the call changes nothing. It blocks for the flushes.
   *
   * @param through The last position to drop.
   * @param options `passConsumers`: also drops events that consumers have not acknowledged. These consumers continue
   * after the dropped events; a running one fails with `COMPACTED`.
   * @throws {WalLogError} `INVALID_ARGUMENT` for a position above the last one, or for anything but a safe integer of 0
   * or more; `NO_SPACE`: the log is as it was. `POISONED`, `READ_ONLY`, `CLOSED`.
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
   *   await log.appendAll(["a", "b", "c"]);
   *   log.compact(2);
   *   assert.equal(log.first, 3);
   *   assert.throws(() => log.read(1), { code: "COMPACTED", index: 3 });
   * }
   * rmSync(folder, { recursive: true });
   * ```
   */
  compact(through: Position, options: { readonly passConsumers?: boolean } = {}): void {
    checkOptions("Cannot compact the log", options, ["passConsumers"]);
    const { passConsumers: passes = false } = options;
    checkBoolean("Cannot compact the log: passConsumers", passes);
    const consumers = this.#require("compact the log");
    this.#parts.writer.compact(through, passes);
    if (passes) consumers.pass(through);
  }

  /**
   * Makes everything that was written or acknowledged before the call durable. Calls share flushes. If the disk has no
   * room for an acknowledgement, it is written with a later one.
   *
   * @returns The last durable position. Rejects with `POISONED` if a flush failed; `READ_ONLY`; `CLOSED`.
   */
  override flush(): Promise<Position> {
    this.#consumers?.write();
    return super.flush();
  }

  /** Ends the consumers, and stores the state. The log is about to be closed. */
  protected finish(): void {
    this.#consumers?.finish();
    this.#parts.writer.finish();
  }

  /**
   * Drops the events that are beyond a limit of the log. `isWorthIt`: whether files may be deleted, which stores the
   * state again.
   */
  #dropExpired(isWorthIt: boolean): void {
    const { state, retention, now } = this.#parts;
    const through = expired(state, retention, now());
    state.drop(through);
    try {
      if (through > 0 && isWorthIt) this.compact(through, { passConsumers: retention.passConsumers === true });
    } catch {
      // They are dropped later. If the log has failed, its next call reports that.
    }
  }

  #require(attempt: string): Consumers {
    if (this.#consumers === undefined) throw readOnlyError(attempt, this.wal.path);
    return this.#consumers;
  }
}

function takeConsumeOptions(options: ConsumeOptions): { maxInFlight: number; signal: AbortSignal | undefined } {
  checkOptions("Cannot consume", options, ["maxInFlight", "signal"]);
  const { maxInFlight = 1, signal } = options;
  if (!(Number.isSafeInteger(maxInFlight) && maxInFlight >= 1)) {
    throw invalid(`Cannot consume: maxInFlight must be a safe integer of 1 or more, found ${show(maxInFlight)}`);
  }
  checkSignal("Cannot consume", signal);
  return { maxInFlight, signal };
}
