/**
 * The errors of a replica.
 *
 * @module
 */

import { WalLogError, type WalLogErrorCode, type WalLogErrorDetails } from "../api/errors.ts";
import type { Index, NodeId } from "../api/types.ts";

/**
 * The outcome of a failed request. `not-applied`: it was not applied, and will not be. `unknown`: it may have been
 * applied, or may still be. `applied`: it was applied, but its answer is no longer known.
 */
export type Outcome = "not-applied" | "unknown" | "applied";

/**
 * A request to a replica failed.
 *
 * @example
 * ```ts
 * import { ReplicaError } from "@wallog/wallog/replica";
 * import assert from "node:assert/strict";
 *
 * const error = new ReplicaError("TIMEOUT", "unknown", "Cannot propose a command: no answer within 5000 ms");
 * assert.equal(error.outcome, "unknown");
 * assert.equal(error.isRetryable, false);
 * ```
 */
export class ReplicaError extends WalLogError {
  /** The outcome of the request. */
  readonly outcome: Outcome;

  /**
   * Makes an error.
   *
   * @param code The kind of failure.
   * @param outcome The outcome of the request.
   * @param message What failed, on what, why, and what to do.
   * @param details The cause, and the leader.
   */
  constructor(code: WalLogErrorCode, outcome: Outcome, message: string, details: WalLogErrorDetails = {}) {
    super(code, message, details);
    this.outcome = outcome;
  }

  /** Whether the same request can succeed later and cannot happen twice. */
  override get isRetryable(): boolean {
    return super.isRetryable && this.outcome === "not-applied";
  }
}

/** Codes of errors after which the node and its log are unchanged. */
const REFUSALS: ReadonlySet<WalLogErrorCode> = new Set([
  "INVALID_ARGUMENT",
  "ENTRY_TOO_LARGE",
  "NO_SPACE",
  "NOT_LEADER",
  "OVERLOADED",
  "CONFIG_IN_PROGRESS",
]);

/**
 * Whether an error refuses a request: nothing has changed, and the node continues. After any other error, the progress of
 * the request is unknown: a failed write may be on the disk.
 *
 * @param error The error.
 */
export function isRefusal(error: unknown): error is WalLogError {
  return error instanceof WalLogError && REFUSALS.has(error.code);
}

/**
 * An error for a request that the node or the log rejected.
 *
 * @param error The error.
 * @param outcome The outcome of the request if the error refuses it.
 * @returns The error.
 */
export function refusal(error: unknown, outcome: Outcome): ReplicaError {
  if (!(error instanceof WalLogError)) throw error;
  const { code, message, leader } = error;
  return new ReplicaError(code, isRefusal(error) ? outcome : "unknown", message, { cause: error, leader });
}

/**
 * The error of a membership change whose leader no longer leads.
 *
 * @param name The change.
 * @param leader The present leader; `null` if it is not known.
 * @returns The error. The change may be in the log, and the next leader may commit it.
 */
export function notLeader(name: string, leader: NodeId | null): ReplicaError {
  const hint = leader === null ? "no leader is known" : `ask replica ${leader}`;
  return new ReplicaError("NOT_LEADER", "unknown", `Cannot ${name}: this replica does not lead; ${hint}`, { leader });
}

/**
 * The error of a failed start.
 *
 * @param index The last index that the snapshot includes.
 * @param cause The error of `restore`, or of the log while the snapshot was read.
 * @returns An error of the log is returned unchanged, for example `CORRUPT`; any other becomes `STATE_MACHINE`.
 */
export function restoreFailure(index: Index, cause: unknown): WalLogError {
  if (cause instanceof WalLogError) return cause;
  const message = cause instanceof Error ? cause.message : String(cause);
  return new WalLogError(
    "STATE_MACHINE",
    `Cannot restore the snapshot at index ${index}: the state machine failed: ${message}; correct it and start the replica again`,
    { cause },
  );
}

/**
 * The error of a change that another change has undone while it waited.
 *
 * @param name The change.
 */
export function cancelled(name: string): ReplicaError {
  const message =
    `Cannot ${name}: another change has removed a replica that it needs; look at the members, and begin again`;
  return new ReplicaError("INVALID_ARGUMENT", "unknown", message);
}

/**
 * Checks arguments.
 *
 * @param check The check.
 * @returns Its result.
 * @throws {ReplicaError} Its error. Nothing has happened.
 */
export function attempt<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    throw refusal(error, "not-applied");
  }
}
