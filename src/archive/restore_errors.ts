/**
 * Errors of restoring a log: its archive does not have the wanted state.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Index } from "../api/types.ts";
import type { RestoreTarget } from "./cut.ts";
import type { Gap, History } from "./history.ts";
import type { ObjectStore } from "./object_store.ts";

/** A restore: the archive, and the wanted state. */
interface Restoring {
  readonly store: ObjectStore;
  readonly target: RestoreTarget;
}

/**
 * Fails if the wanted time is before a checkpoint that was pruned. The state then was before that checkpoint.
 *
 * @throws {WalLogError} `NOT_FOUND`.
 */
export function requireUnpruned(restoring: Restoring, history: History): void {
  const { target } = restoring;
  if (target.kind === "time" && target.milliseconds < history.floor.time) throw pruned(restoring, history);
}

/** The error for a state that needs a snapshot that is gone. */
export function lost(restoring: Restoring, history: History, index: Index): WalLogError {
  if (index < history.floor.snapshot) return pruned(restoring, history);
  const message =
    `Cannot restore the log in ${restoring.store.name}: the snapshot at index ${index} is missing; restore to an ` +
    "earlier index or time to get the log before that snapshot";
  return new WalLogError("CORRUPT", message);
}

/** The error for a state that the archive does not have. */
export function notFound(restoring: Restoring, history: History): WalLogError {
  const { store, target } = restoring;
  if (target.kind === "index" && target.index < history.floor.snapshot) return pruned(restoring, history);
  const why = "it is not in the archive, or entries that it needs are missing";
  return new WalLogError("NOT_FOUND", `Cannot restore the log in ${store.name} to ${wanted(target)}: ${why}`);
}

/** The error for a state that was pruned. */
function pruned({ store, target }: Restoring, { floor: { snapshot, time } }: History): WalLogError {
  const since = time === 0 ? "" : `, and no state as of a time before ${new Date(time).toISOString()}`;
  const message = `Cannot restore the log in ${store.name} to ${wanted(target)}: the archive was pruned, and has no ` +
    `state before index ${snapshot}${since}`;
  return new WalLogError("NOT_FOUND", message);
}

function wanted(target: RestoreTarget): string {
  return target.kind === "index" ? `index ${target.index}` : target.kind === "time" ? "that time" : "any index";
}

/**
 * Fails if a gap prevents a restore to the wanted state.
 *
 * @throws {WalLogError} `CORRUPT`.
 */
export function requireUnaffected(
  { store, target }: Restoring,
  { firstIndex, lastIndex, floor, isCovered }: Gap,
): void {
  if (target.kind === "index" ? target.index < floor : isCovered) return;
  const message =
    `Cannot restore the log in ${store.name}: the objects with the entries ${firstIndex} to ${lastIndex} ` +
    `are missing; restore to an index below ${Math.min(firstIndex, floor)} to get the entries before them`;
  throw new WalLogError("CORRUPT", message);
}
