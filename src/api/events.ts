/**
 * What a log tells of itself while it works, through `node:diagnostics_channel`. A channel that nobody has subscribed to
 * costs a look at whether anybody has.
 *
 * @module
 */

import { channel } from "node:diagnostics_channel";
import type { WalLogError } from "./errors.ts";
import type { Damage, RecoveryReport } from "./report.ts";
import type { Index, Term } from "./types.ts";

/**
 * The events of a log, by the name of their channel. Each message has the `path` of its log.
 *
 * @example
 * ```ts
 * import { WalLog, type WalLogEvents } from "@wallog/wallog";
 * import { subscribe, unsubscribe } from "node:diagnostics_channel";
 * import { mkdtempSync, rmSync } from "node:fs";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import assert from "node:assert/strict";
 *
 * const durable: number[] = [];
 * const onFlush = (message: unknown) => durable.push((message as WalLogEvents["wallog:flush"]).durableIndex);
 * subscribe("wallog:flush", onFlush);
 *
 * const folder = mkdtempSync(join(tmpdir(), "wallog-"));
 * {
 *   await using log = await WalLog.open(join(folder, "raft.wal"));
 *   log.append([{ term: 1, index: 1, kind: "normal", command: new Uint8Array(100) }]);
 *   await log.sync();
 * }
 * assert.equal(durable[0], 1);
 * unsubscribe("wallog:flush", onFlush);
 * rmSync(folder, { recursive: true });
 * ```
 */
export interface WalLogEvents {
  /** A log was opened. */
  readonly "wallog:open": { readonly path: string; readonly readOnly: boolean; readonly report: RecoveryReport };
  /** Recovery has come so far, in bytes. */
  readonly "wallog:recovery": { readonly path: string; readonly bytesDone: number; readonly bytesTotal: number };
  /** Entries were appended; `bytes` of their commands. */
  readonly "wallog:append": {
    readonly path: string;
    readonly firstIndex: Index;
    readonly lastIndex: Index;
    readonly bytes: number;
  };
  /**
   * A flush of the log succeeded. `bytes`: how many it made durable. `durableIndex`: the log's, which includes this
   * flush already.
   */
  readonly "wallog:flush": {
    readonly path: string;
    readonly bytes: number;
    readonly milliseconds: number;
    readonly durableIndex: Index;
  };
  /** A flush took longer than `slowFlushMilliseconds`. Published after its `wallog:flush`, with the same message. */
  readonly "wallog:slow-flush": WalLogEvents["wallog:flush"];
  /** A segment was sealed, and the next one begun: the new one's number. */
  readonly "wallog:rotation": { readonly path: string; readonly segment: number };
  /** A snapshot was installed. */
  readonly "wallog:snapshot": { readonly path: string; readonly index: Index; readonly term: Term };
  /** Segments were deleted that a snapshot replaces, when it was installed or when a retention gave them up. */
  readonly "wallog:compaction": { readonly path: string; readonly segmentsDeleted: number };
  /**
   * Less than `lowSpaceBytes` is free on the log's volume. While this has subscribers, the free space is measured when the
   * log is opened for writing, after flushes (at most once a second), and by `stats`. It is published once, and again only
   * after there was enough space in between. Where `freeBytes` of `stats` is `undefined`, it is never published.
   */
  readonly "wallog:low-space": { readonly path: string; readonly freeBytes: number; readonly lowSpaceBytes: number };
  /** Damage was found, when the log was opened or scrubbed. */
  readonly "wallog:damage": { readonly path: string; readonly damage: readonly Damage[] };
  /** A write or flush failed: the log rejects every later change. Published once. */
  readonly "wallog:poison": { readonly path: string; readonly error: WalLogError };
}

const CHANNELS = {
  "wallog:open": channel("wallog:open"),
  "wallog:recovery": channel("wallog:recovery"),
  "wallog:append": channel("wallog:append"),
  "wallog:flush": channel("wallog:flush"),
  "wallog:slow-flush": channel("wallog:slow-flush"),
  "wallog:rotation": channel("wallog:rotation"),
  "wallog:snapshot": channel("wallog:snapshot"),
  "wallog:compaction": channel("wallog:compaction"),
  "wallog:low-space": channel("wallog:low-space"),
  "wallog:damage": channel("wallog:damage"),
  "wallog:poison": channel("wallog:poison"),
};

/**
 * Whether anybody listens, so that it is worth making a message.
 *
 * @param name The channel.
 * @returns Whether it has subscribers.
 */
export function isHeard(name: keyof WalLogEvents): boolean {
  return CHANNELS[name].hasSubscribers;
}

/**
 * Tells whoever listens. A subscriber that throws is no matter to the log: the runtime reports it as uncaught.
 *
 * @param name The channel.
 * @param message What happened.
 */
export function tell<Name extends keyof WalLogEvents>(name: Name, message: WalLogEvents[Name]): void {
  if (CHANNELS[name].hasSubscribers) CHANNELS[name].publish(message);
}
