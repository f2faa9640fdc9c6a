/**
 * Carries out the plans of `mend_plan.ts`.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import { PAYLOAD_BYTES_MAX } from "../format/frame.ts";
import type { LogEntry } from "../api/types.ts";
import { WalLog } from "../api/wal_log.ts";
import { type Contents, snapshotOf } from "../maintain/write_anew.ts";
import { listFiles, prepareRepair } from "./log_files.ts";
import type { Anew, Means, Refill } from "./mend_plan.ts";
import { replaceLog } from "./mended.ts";
import { progressLine } from "./progress.ts";

/**
 * Replaces damaged entries with those of another log.
 *
 * @param path The log's folder.
 * @param refills The entries, by segment. Each segment is repaired in one step, durably.
 * @param signal Aborts between two segments.
 * @returns The reason that the entries do not fit after all; `undefined` if they do.
 */
export async function refill(
  path: string,
  refills: readonly Refill[],
  signal: AbortSignal,
): Promise<string | undefined> {
  const fileSystem = prepareRepair(path, listFiles(path));
  const line = progressLine("reading");
  const options = { onDamage: "keep", maxEntryBytes: PAYLOAD_BYTES_MAX, fileSystem, signal } as const;
  const log = await WalLog.open(path, { ...options, onProgress: line.show }).finally(() => line.clear());
  try {
    for (const { entries } of refills) {
      log.repair(entries);
      signal.throwIfAborted();
    }
  } catch (error) {
    if (error instanceof WalLogError && error.code === "INVALID_ARGUMENT") return error.message;
    throw error;
  } finally {
    await log.close();
  }
}

/**
 * Writes a log anew, and replaces the old one.
 *
 * @param means The sources.
 * @param anew The contents of the new log.
 * @param before The state of the log's files before they were read.
 * @param signal Aborts, until the old files move.
 * @returns The folder with the old files.
 */
export async function writeLogAnew(means: Means, anew: Anew, before: string, signal: AbortSignal): Promise<string> {
  const { found, own, other, snapshotFrom } = means;
  const source = anew.snapshot === "other" ? snapshotFrom! : own;
  const contents: Contents = {
    cluster: own.identity.cluster ?? other?.identity.cluster ?? snapshotFrom?.identity.cluster,
    snapshot: anew.snapshot === undefined ? undefined : snapshotOf(source),
    lastIndex: anew.lastIndex,
    hardState: anew.hardState,
    *entries(): Generator<LogEntry> {
      for (const { from, first, last } of anew.pieces) yield* (from === "own" ? own : other!).iterate(first, last);
    },
  };
  const close = async () => {
    for (const log of [own, other, snapshotFrom]) await log?.close();
  };
  const isShortened = anew.cutFrom !== undefined;
  const incarnation = isShortened ? undefined : found.opened.identity?.incarnation;
  const { evidence } = await replaceLog(found.folder, { contents, isShortened, incarnation, before, close }, signal);
  return evidence;
}
