/**
 * A log under test, and shared parts of the suite.
 *
 * @module
 */

import assert from "node:assert/strict";
import { WalLogError, type WalLogErrorCode } from "../../src/api/errors.ts";
import type { Index, LogEntry, RaftLog, Snapshot, Term } from "../../src/api/types.ts";
import { META_BYTES_MAX } from "../../src/format/snapshot_header.ts";
import { assertSameState, bytesOf, stateOf } from "../model.ts";

/** A log under test. */
export interface Subject {
  /** The log, empty. */
  readonly log: RaftLog;
  /** Closes the log and opens it again. Absent if the log exists in memory only. */
  readonly reopen?: () => RaftLog;
  /** Frees the log's resources. */
  readonly dispose: () => void;
}

/** The default limit for the size of a command. In bytes: 64 MiB. */
export const ENTRY_BYTES_MAX = 64 * 1024 * 1024;

/** The largest possible index and term. */
export const MAX = Number.MAX_SAFE_INTEGER;

/** The largest node identity. */
export const NODE_ID_MAX = 2n ** 64n - 1n;

/** Passes a value where the types forbid it. */
export function forbidden<T>(value: unknown): T {
  return value as T;
}

/** An entry with a unique command of 8 bytes. */
export function entryAt(
  index: Index,
  term: Term = 1,
  command: Uint8Array<ArrayBuffer> = bytesOf(8, "noise", index),
): LogEntry {
  return { term, index, kind: "normal", command };
}

/** The entries of a range, all of one term. */
export function range(from: Index, to: Index, term: Term = 1): LogEntry[] {
  return Array.from({ length: to - from + 1 }, (_, i) => entryAt(from + i, term));
}

/** Options with a meta that no snapshot can have. */
export const REFUSED_META: readonly [{ readonly meta: unknown }, RegExp][] = [
  [{ meta: [1] }, /the meta must be a Uint8Array, found an array$/],
  [{ meta: null }, /the meta must be a Uint8Array, found null$/],
  [{ meta: "meta" }, /the meta must be a Uint8Array, found "meta"$/],
  [{ meta: new ArrayBuffer(3) }, /the meta must be a Uint8Array, found /],
  [{ meta: detachedBytes() }, /the meta's buffer was transferred away$/],
  [
    { meta: new Uint8Array(META_BYTES_MAX + 1) },
    /the meta must have at most 1048576 bytes, found 1048577$/,
  ],
];

export function detachedBytes(): Uint8Array {
  const bytes = new Uint8Array(10);
  structuredClone(bytes, { transfer: [bytes.buffer] });
  return bytes;
}

/** A snapshot with 40 bytes of data and 13 of meta. */
export function snapshotAt(
  index: Index,
  term: Term,
  data: Uint8Array<ArrayBuffer> = bytesOf(40, "noise", index),
): Snapshot {
  return { index, term, config: [1n, 2n, NODE_ID_MAX], meta: bytesOf(13, "noise", term), data };
}

/** A log with a snapshot at 10 and entries 11 to 20: terms 3 to 15 and 4 above. */
export function fill(log: RaftLog): void {
  log.append([...range(1, 5, 1), ...range(6, 15, 3), ...range(16, 20, 4)]);
  log.setHardState({ term: 5, votedFor: 3n });
  log.applySnapshot(snapshotAt(10, 3));
}

/** Fails unless a call throws an error with this code and message, and leaves the log unchanged. */
export function refuses(log: RaftLog, code: WalLogErrorCode, message: RegExp, call: () => unknown): void {
  const before = stateOf(log);
  assert.throws(call, (error) => {
    assert.ok(error instanceof WalLogError, `a WalLogError, found ${error}`);
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    assert.equal(error.isFatal, false, "a refusal is not fatal");
    return true;
  });
  assertSameState(stateOf(log), before, `after a refusal (${message})`);
}

/** Fails unless the log still does its work. */
export function works(log: RaftLog): void {
  const next = log.lastIndex + 1;
  log.append([entryAt(next, log.lastTerm)]);
  assert.equal(log.lastIndex, next);
  assert.equal(log.syncSync(), next);
  log.truncate(next);
  assert.equal(log.lastIndex, next - 1);
}

/** Overwrites bytes, as a caller may do with its own. */
export function scribble(bytes: Uint8Array | undefined): void {
  assert.ok(bytes !== undefined && bytes.byteLength > 0, "nothing to overwrite");
  for (let i = 0; i < bytes.byteLength; i++) bytes[i] = (bytes[i] as number) ^ 0xff;
}

/** The suite for one kind of log. */
export interface Suite {
  /** The name of the log in the tests' names. */
  readonly name: string;
  /** Makes an empty log. */
  readonly make: () => Subject;
  /** Declares a test that gets an empty log, and ends with reopening it. */
  readonly test: (sentence: string, body: (log: RaftLog) => void | Promise<void>) => void;
}
