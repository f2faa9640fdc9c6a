/**
 * The errors of a log that cannot be written any more, or not yet.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import { reasonOf } from "../io/full.ts";
import type { LiveState } from "../log/live_state.ts";

/**
 * The error of a log that is closed.
 *
 * @param attempt What was asked.
 * @param path The log's folder.
 * @returns `CLOSED`.
 */
export function closedError(attempt: string, path: string): WalLogError {
  return new WalLogError("CLOSED", `Cannot ${attempt}: the log at ${path} is closed`, { path });
}

/**
 * The error of a log that has no writer.
 *
 * @param attempt What was asked.
 * @param path The log's folder.
 * @returns `READ_ONLY`.
 */
export function readOnlyError(attempt: string, path: string): WalLogError {
  return new WalLogError("READ_ONLY", `Cannot ${attempt}: the log at ${path} was opened for reading only`, { path });
}

/**
 * The error of a log whose latest hard state is lost.
 *
 * @param attempt What was asked.
 * @param state The log.
 * @returns `CORRUPT`.
 */
export function hardStateLostError(attempt: string, { path, damaged }: LiveState): WalLogError {
  return new WalLogError(
    "CORRUPT",
    `Cannot ${attempt}: the latest hard state of the log at ${path} is damaged, so that a vote may be forgotten; ` +
      `find out what it was and call setHardState with force`,
    { path, damage: damaged },
  );
}

/**
 * The error of a log that has lost entries at its end.
 *
 * @param attempt What was asked.
 * @param state The log.
 * @returns `CORRUPT`.
 */
export function tailLostError(attempt: string, { path, damaged }: LiveState): WalLogError {
  return new WalLogError(
    "CORRUPT",
    `Cannot ${attempt}: entries behind the last one of the log at ${path} may be lost, and what was acknowledged with ` +
      "them; call setHardState with force to go on without",
    { path, damage: damaged },
  );
}

/**
 * The error of a log that a failure has ended.
 *
 * @param attempt What failed.
 * @param path The log's folder.
 * @param cause Why.
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
