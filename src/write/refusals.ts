/**
 * The errors of a log that does not accept writes.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import { reasonOf } from "../io/full.ts";
import type { LiveState } from "../log/live_state.ts";

/**
 * The error of a log that is closed.
 *
 * @param attempt The attempted operation.
 * @param path The log's folder.
 * @returns `CLOSED`.
 */
export function closedError(attempt: string, path: string): WalLogError {
  return new WalLogError("CLOSED", `Cannot ${attempt}: the log at ${path} is closed`, { path });
}

/**
 * The error of a log that is opened for reading only.
 *
 * @param attempt The attempted operation.
 * @param path The log's folder.
 * @returns `READ_ONLY`.
 */
export function readOnlyError(attempt: string, path: string): WalLogError {
  return new WalLogError("READ_ONLY", `Cannot ${attempt}: the log at ${path} was opened for reading only`, { path });
}

/**
 * The error of a log whose latest hard state is lost.
 *
 * @param attempt The attempted operation.
 * @param state The log.
 * @returns `CORRUPT`.
 */
export function hardStateLostError(attempt: string, { path, damaged }: LiveState): WalLogError {
  return new WalLogError(
    "CORRUPT",
    `Cannot ${attempt}: the latest hard state of the log at ${path} is damaged, so a vote may be lost; ` +
      `find out the hard state and call setHardState with force`,
    { path, damage: damaged },
  );
}

/**
 * The error of a log that has lost entries at its end.
 *
 * @param attempt The attempted operation.
 * @param state The log.
 * @returns `CORRUPT`.
 */
export function tailLostError(attempt: string, { path, damaged }: LiveState): WalLogError {
  return new WalLogError(
    "CORRUPT",
    `Cannot ${attempt}: acknowledged entries after the last one of the log at ${path} may be lost; ` +
      "call setHardState with force to continue without them",
    { path, damage: damaged },
  );
}

/**
 * The error of a log after its first failure.
 *
 * @param attempt The operation that failed.
 * @param path The log's folder.
 * @param cause The cause.
 * @returns `POISONED`.
 */
export function poisonedError(attempt: string, path: string, cause: unknown): WalLogError {
  const isLockLost = cause instanceof WalLogError && cause.code === "LOCK_LOST";
  return new WalLogError(
    "POISONED",
    `Cannot ${attempt} at ${path}: ${reasonOf(cause)}; ` +
      (isLockLost
        ? "the log rejects every later write; close it, and open it at its current path"
        : "the state on the disk is uncertain, so the log rejects every later write; close it and open it again"),
    { path, cause },
  );
}
