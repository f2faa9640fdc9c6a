/**
 * The one error type of the library.
 *
 * @module
 */

import type { Damage } from "./report.ts";
import type { Index, NodeId } from "./types.ts";

/**
 * The kinds of failure, for programs:
 *
 * | Code | Meaning |
 * |---|---|
 * | `NOT_CONTIGUOUS` | entries to append leave a gap or overlap; or entries already read were truncated |
 * | `ENTRY_TOO_LARGE` | an entry exceeds `maxEntryBytes`; nothing was written |
 * | `INVALID_ARGUMENT` | an argument is out of its domain; nothing was written |
 * | `COMPACTED` | the index was replaced by a snapshot; `index` is the lowest that the call accepts |
 * | `CORRUPT` | acknowledged data is damaged; `damage` lists it; or a repair of the log was interrupted |
 * | `DAMAGED_ENTRY` | the entry exists and cannot be read; fetch it from a peer and `repair` |
 * | `LOCKED` | another writer has the log open; the message says whether it is in this process |
 * | `LOCK_LOST` | the log's folder or its `LOCK` was moved, deleted or replaced under the writer |
 * | `NOT_FOUND` | there is no log, and `create` is `false`; a reader's folder does not exist; or its log is gone |
 * | `UNSAFE_FILE` | a link, a device or another kind of file has the name of one of the log's files |
 * | `CHANGING` | a writer changes the log faster than a reader can open it; try again |
 * | `POISONED` | an earlier write or flush failed; `cause` is that failure; reopen to continue |
 * | `CLOSED` | the log was closed |
 * | `READ_ONLY` | the log was opened for reading only |
 * | `NO_SPACE` | the disk or a quota is full, a file would be too large, or too many are open; nothing was written, retry later |
 * | `UNSUPPORTED_VERSION` | a newer version of the library wrote the log |
 * | `IO` | the operating system refused an operation; `cause` is its error |
 * | `NOT_LEADER` | only a leader accepts this, and the node is none or is handing over; `leader` names the leader |
 * | `OVERLOADED` | the leader has `maxUncommittedBytes` of uncommitted commands, or an event log `maxPendingBytes`; retry later |
 * | `CONFIG_IN_PROGRESS` | the leader cannot change the cluster yet; retry once its appended entries are committed |
 * | `DIVERGED` | a leader contradicts an entry that this node knows to be committed; or an archive is not of this log |
 * | `BUSY` | steps of `stepAsync` are under way, and `step` would overtake them; or a consumer of this name is running |
 * | `ENCODING` | a message cannot be encoded, or bytes are not a valid message; or a codec cannot decode an event |
 * | `INVALID_EVENT` | the codec of an event log rejects an event; nothing was written; `cause` is its error |
 * | `CONFLICT` | the last event is not the expected one; nothing was written; `index` is the position of the last event |
 * | `STALE_SEQUENCE` | a producer's or client's sequence is too low to know whether it was written; nothing was written |
 * | `TIMEOUT` | a replica found no leader, or a command was not committed, in time; `outcome` says whether it may be applied |
 * | `STATE_MACHINE` | the state machine of a replica failed, and the replica has ended; `cause` is its error |
 * | `ANSWER_LOST` | a command with an id was applied earlier, and its answer is no longer kept |
 * | `FENCED` | another archiver has taken over the archive; this one has stopped; its log is not affected |
 * | `STORE` | an object store failed; it is unknown whether the request takes effect; `cause` is its error; retry later |
 *
 * After `POISONED` the log can still be read, but entries that were not durable may fail to read, with `DAMAGED_ENTRY`
 * or `IO`.
 */
export type WalLogErrorCode =
  | "NOT_CONTIGUOUS"
  | "ENTRY_TOO_LARGE"
  | "INVALID_ARGUMENT"
  | "COMPACTED"
  | "CORRUPT"
  | "DAMAGED_ENTRY"
  | "LOCKED"
  | "LOCK_LOST"
  | "NOT_FOUND"
  | "UNSAFE_FILE"
  | "CHANGING"
  | "POISONED"
  | "CLOSED"
  | "READ_ONLY"
  | "NO_SPACE"
  | "UNSUPPORTED_VERSION"
  | "IO"
  | "NOT_LEADER"
  | "OVERLOADED"
  | "CONFIG_IN_PROGRESS"
  | "DIVERGED"
  | "BUSY"
  | "ENCODING"
  | "INVALID_EVENT"
  | "CONFLICT"
  | "STALE_SEQUENCE"
  | "TIMEOUT"
  | "STATE_MACHINE"
  | "ANSWER_LOST"
  | "FENCED"
  | "STORE";

/** The details of an error beyond its code and message. */
export interface WalLogErrorDetails {
  /** The failure underneath. */
  readonly cause?: unknown;
  /** The file or directory concerned. */
  readonly path?: string;
  /** Offset in that file, in bytes. */
  readonly offset?: number;
  /** The damage, if the error reports any. */
  readonly damage?: readonly Damage[];
  /** The leader, as far as the node knows. */
  readonly leader?: NodeId | null;
  /**
   * With `COMPACTED`: the lowest index that the call accepts. With `NOT_CONTIGUOUS` of a follower: the first index that
   * was truncated after the follower returned it. With `CONFLICT`: the position of the last event. With `ENCODING` of an
   * event log: the position of the event.
   */
  readonly index?: Index;
}

/** Codes after which the same call can succeed later, with nothing else done. */
const RETRYABLE: ReadonlySet<WalLogErrorCode> = new Set([
  "LOCKED",
  "CHANGING",
  "NO_SPACE",
  "NOT_LEADER",
  "OVERLOADED",
  "CONFIG_IN_PROGRESS",
  "BUSY",
  "STORE",
  "TIMEOUT",
]);

/** Codes after which this log object accepts no further mutation. */
const FATAL: ReadonlySet<WalLogErrorCode> = new Set([
  "CORRUPT",
  "LOCK_LOST",
  "POISONED",
  "DIVERGED",
  "STATE_MACHINE",
  "CLOSED",
  "UNSUPPORTED_VERSION",
]);

/**
 * The error of every failure that the library reports. `code` is stable. The message is for people: it says what
 * failed, on what, why, and what to do.
 *
 * @example
 * ```ts
 * import { MemoryLog, WalLogError } from "@wallog/wallog";
 * import assert from "node:assert/strict";
 *
 * const log = new MemoryLog();
 * try {
 *   log.append([{ term: 1, index: 7, kind: "normal", command: new Uint8Array() }]);
 * } catch (error) {
 *   assert(error instanceof WalLogError);
 *   assert.equal(error.code, "NOT_CONTIGUOUS");
 *   assert.equal(error.message, "Cannot append at index 7: expected index 1");
 * }
 * ```
 */
export class WalLogError extends Error {
  /** Always `"WalLogError"`. */
  override readonly name = "WalLogError";
  /** The kind of failure, for programs. */
  readonly code: WalLogErrorCode;
  /** The file or directory concerned, if there is one. */
  readonly path: string | undefined;
  /** Offset in {@link WalLogError.path} in bytes, if there is one. */
  readonly offset: number | undefined;
  /** The damage; empty if the error reports none. */
  readonly damage: readonly Damage[];
  /** The leader, as far as the node knows; `null` if it is unknown or the error is a different one. */
  readonly leader: NodeId | null;
  /**
   * With `COMPACTED`: the lowest index that the call accepts; continue from there. With `NOT_CONTIGUOUS` of a follower:
   * the first index that was truncated after the follower returned it. With `CONFLICT`: the position of the last event.
   * With `ENCODING` of an event log: the position of the event. `undefined` if it is unknown.
   */
  readonly index: Index | undefined;

  /**
   * Makes an error.
   *
   * @param code The kind of failure.
   * @param message What failed, on what, why, and what to do.
   * @param details The cause and the place.
   */
  constructor(code: WalLogErrorCode, message: string, details: WalLogErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.path = details.path;
    this.offset = details.offset;
    this.damage = details.damage ?? [];
    this.leader = details.leader ?? null;
    this.index = details.index;
  }

  /** Whether the same call can succeed later with nothing else done. */
  get isRetryable(): boolean {
    return RETRYABLE.has(this.code);
  }

  /** Whether the log object that threw accepts no further mutation. */
  get isFatal(): boolean {
    return FATAL.has(this.code);
  }
}
