/**
 * A durable log of events, for a queue, an event store, an outbox or a change feed. It has no terms, votes or snapshots.
 *
 * **Experimental.** This entry point may change in any release until it has users. So may the envelope of an event. The
 * format of the log below it is frozen from 0.1.0 on.
 *
 * @example
 * ```ts
 * import { EventLog, json } from "@wallog/wallog/events";
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
 *   await using log = await EventLog.open<Deposit>(join(folder, "deposits.wal"), { codec: json });
 *   const position = await log.append({ account: 7, amount: 100 }); // durable
 *   assert.deepEqual(log.read(position)?.event, { account: 7, amount: 100 });
 * }
 * rmSync(folder, { recursive: true });
 * ```
 *
 * @module
 */

export { bytes, type EventCodec, json, type JsonCodec, type SchemaResult, type StandardSchema, text } from "./codec.ts";
export type { ConsumableEvents } from "./consumable_events.ts";
export { EventLog } from "./event_log.ts";
export type { ReadableEvents } from "./readable_events.ts";
export type { WritableEvents } from "./writable_events.ts";
export type {
  AppendOptions,
  ConsumeOptions,
  ConsumerState,
  Delivery,
  EventId,
  EventLogOptions,
  EventRetention,
  FollowEventsOptions,
  Position,
  ProducerState,
  StoredEvent,
  WriteOptions,
} from "./types.ts";
