/**
 * The events of a log, on channels of `node:diagnostics_channel`. A channel without subscribers costs only the check
 * for subscribers.
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
  /** The progress of recovery, in bytes. */
  readonly "wallog:recovery": { readonly path: string; readonly bytesDone: number; readonly bytesTotal: number };
  /** Entries were appended; `bytes` of their commands. */
  readonly "wallog:append": {
    readonly path: string;
    readonly firstIndex: Index;
    readonly lastIndex: Index;
    readonly bytes: number;
  };
  /**
   * A flush of the log succeeded. `bytes`: the number of newly durable bytes. `durableIndex`: the log's durable index
   * after this flush.
   */
  readonly "wallog:flush": {
    readonly path: string;
    readonly bytes: number;
    readonly milliseconds: number;
    readonly durableIndex: Index;
  };
  /** A flush took longer than `slowFlushMilliseconds`. Published after its `wallog:flush`, with the same message. */
  readonly "wallog:slow-flush": WalLogEvents["wallog:flush"];
  /** A segment was sealed and the next one created: the new one's number. */
  readonly "wallog:rotation": { readonly path: string; readonly segment: number };
  /** A snapshot was installed. */
  readonly "wallog:snapshot": { readonly path: string; readonly index: Index; readonly term: Term };
  /** Segments that a snapshot replaces were deleted, when it was installed or when a retention released them. */
  readonly "wallog:compaction": { readonly path: string; readonly segmentsDeleted: number };
  /**
   * Less than `lowSpaceBytes` is free on the log's volume. While this has subscribers, the free space is measured when
   * the log is opened for writing, after flushes (at most once a second), and by `stats`. It is published once, and
   * again only after there was enough space in between. If `freeBytes` of `stats` is `undefined`, it is never
   * published.
   */
  readonly "wallog:low-space": { readonly path: string; readonly freeBytes: number; readonly lowSpaceBytes: number };
  /** Damage was found, when the log was opened or scrubbed. */
  readonly "wallog:damage": { readonly path: string; readonly damage: readonly Damage[] };
  /** An archiver has archived what was durable: `archivedIndex` is the last index, `bytes` the size of the objects. */
  readonly "wallog:archive": {
    readonly path: string;
    readonly store: string;
    readonly archivedIndex: Index;
    readonly bytes: number;
    readonly milliseconds: number;
  };
  /** An archiver failed. With `willRetry`, it tries again; otherwise, it has ended. The log is not affected. */
  readonly "wallog:archive-failure": {
    readonly path: string;
    readonly store: string;
    readonly error: WalLogError;
    readonly willRetry: boolean;
  };
  /** A standby has taken what was archived: `lastIndex` is its last index, `entries` how many it still lacks. */
  readonly "wallog:standby": {
    readonly path: string;
    readonly store: string;
    readonly lastIndex: Index;
    readonly entries: number;
    /** Whether a new copy has replaced its log, because the archive no longer had the entries that follow. */
    readonly isNewCopy: boolean;
    readonly milliseconds: number;
  };
  /** An update of a standby failed. With `willRetry`, it tries again; otherwise, it has ended. */
  readonly "wallog:standby-failure": {
    readonly path: string;
    readonly store: string;
    readonly error: WalLogError;
    readonly willRetry: boolean;
  };
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
  "wallog:archive": channel("wallog:archive"),
  "wallog:archive-failure": channel("wallog:archive-failure"),
  "wallog:standby": channel("wallog:standby"),
  "wallog:standby-failure": channel("wallog:standby-failure"),
  "wallog:poison": channel("wallog:poison"),
};

/**
 * Whether a channel has subscribers, so that a message is needed.
 *
 * @param name The channel.
 * @returns Whether it has subscribers.
 */
export function hasSubscribers(name: keyof WalLogEvents): boolean {
  return CHANNELS[name].hasSubscribers;
}

/**
 * Publishes a message. A subscriber that throws does not affect the log: the runtime reports the error as uncaught.
 *
 * @param name The channel.
 * @param message The message.
 */
export function publish<Name extends keyof WalLogEvents>(name: Name, message: WalLogEvents[Name]): void {
  if (CHANNELS[name].hasSubscribers) CHANNELS[name].publish(message);
}
