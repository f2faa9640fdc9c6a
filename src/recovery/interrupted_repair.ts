/**
 * Detects an interrupted repair that was exchanging the log's files (`cli/exchange.ts`).
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { FileSystem } from "../io/file_system.ts";
import { errorCode } from "../io/full.ts";
import { IDENTITY_NAME } from "./identity.ts";

/** The subfolder of the log's folder that holds the new log. */
export const STAGING_NAME = ".wal-log-repair";
/** The file in that folder with the plan of the exchange. */
export const PLAN_NAME = "PLAN";

/**
 * Whether the exchange of a log's files was planned and is not complete.
 *
 * @param fileSystem The machine.
 * @param folder The log's folder.
 * @returns `true` from the plan until the new `IDENTITY` is in place.
 */
export function isRepairInterrupted(fileSystem: FileSystem, folder: string): boolean {
  try {
    const names = fileSystem.list(`${folder}/${STAGING_NAME}`);
    return names.includes(PLAN_NAME) && names.includes(IDENTITY_NAME);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(errorCode(error) ?? "")) return false;
    throw error;
  }
}

/**
 * Fails if a repair was interrupted. Otherwise a writer would acknowledge entries and votes that the completed repair
 * then removes.
 *
 * @param fileSystem The machine. The caller holds the log's lock.
 * @param folder The log's folder.
 * @throws {WalLogError} `CORRUPT`: the repair must be completed first.
 */
export function requireNoInterruptedRepair(fileSystem: FileSystem, folder: string): void {
  if (!isRepairInterrupted(fileSystem, folder)) return;
  throw new WalLogError(
    "CORRUPT",
    `Cannot open the log at ${folder} for writing: a repair was interrupted; complete it with wal-log repair --resume`,
    { path: folder },
  );
}
