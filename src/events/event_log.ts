/**
 * The event log: a durable log of events, without terms, votes and snapshots.
 *
 * @module
 */

import { invalid, show } from "../api/validate.ts";
import { WalLog } from "../api/wal_log.ts";
import { nodeFileSystem } from "../io/node_fs.ts";
import { codecOf, json } from "./codec.ts";
import { ConsumableEvents } from "./consumable_events.ts";
import { EventReader } from "./event_reader.ts";
import { EventWriter } from "./event_writer.ts";
import { loadState, requireNoRaft } from "./load_state.ts";
import type { EventParts } from "./readable_events.ts";
import { segmentBytesOf, takeRetention } from "./retention.ts";
import { requireObject } from "./refusals.ts";
import type { EventLogOptions } from "./types.ts";

/** The default of `maxPendingBytes`: the size of the largest event, in bytes. */
const PENDING_BYTES_DEFAULT = 64 * 1024 * 1024;

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
 *
 * @experimental
 */
export class EventLog<E> extends ConsumableEvents<E> implements AsyncDisposable {
  private constructor(parts: EventParts<E>) {
    super(parts);
  }

  /**
   * Opens an event log, or creates it if the folder has none.
   *
   * @param folder The log's folder.
   * @param options The codec, and how to open the log.
   * @returns The log.
   * @throws {WalLogError} As `WalLog.open`. `ENCODING` if the folder has another kind of log.
   */
  static async open<E>(folder: string | URL, options: EventLogOptions<E> = {}): Promise<EventLog<E>> {
    requireObject("Cannot open an event log", options);
    const { codec: given = json, retention: limits, maxPendingBytes = PENDING_BYTES_DEFAULT, ...how } = options;
    const { fileSystem = nodeFileSystem, readOnly: isReadOnly = false } = how;
    const codec = codecOf<E>(given);
    const retention = takeRetention(limits);
    if (typeof maxPendingBytes !== "number" || !(maxPendingBytes > 0)) {
      throw invalid(
        `Cannot open an event log: maxPendingBytes must be a number above 0, found ${show(maxPendingBytes)}`,
      );
    }
    const wal = await WalLog.open(folder, { segmentBytes: segmentBytesOf(retention), ...how });
    try {
      requireNoRaft(wal);
      const state = loadState(wal, retention);
      const log = { wal, codec, state, retention, maxPendingBytes, now: () => fileSystem.now() };
      const reader = new EventReader(wal, codec);
      return new EventLog({ ...log, reader, writer: new EventWriter(log), isReadOnly });
    } catch (error) {
      await wal.close();
      throw error;
    }
  }

  /**
   * Flushes, closes the log and releases its lock. Closing it again does nothing.
   *
   * @returns Resolves when everything is durable and closed. Rejects with `POISONED` if a write or flush failed; the log
   * is closed even then.
   */
  async close(): Promise<void> {
    this.finish();
    await this.wal.close();
  }

  /** Closes the log at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
