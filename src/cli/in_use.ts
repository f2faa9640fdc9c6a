/**
 * Detects whether a log has a running writer. It takes no lock, because that could make a starting writer fail.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { RecoveryReport } from "../api/report.ts";
import { statOf } from "./aside.ts";
import { LOCK_NAME, stateOfFiles } from "./log_files.ts";

/** The file in which Linux lists the locks that processes hold. */
const LOCKS = "/proc/locks";
/** The bytes of a database that SQLite locks. */
const SQLITE_LOCKS_FROM = 0x4000_0000;
const SQLITE_LOCKS_TO = SQLITE_LOCKS_FROM + 512;
/** The time to wait for a writer to change something, in milliseconds. */
const CHANGE_MS = 40;

/**
 * Checks whether a log has a running writer.
 *
 * @param folder The log's folder.
 * @param report The report of opening the log.
 * @param before The state of its files before it was opened.
 * @returns `true` if a writer holds the lock, or has changed a file. `false` if there is no sign of one. On a system
 * that does not list its locks, there may still be one.
 */
export async function isInUse(folder: string, report: RecoveryReport, before: string): Promise<boolean> {
  if (report.closed) return false;
  if (isLockHeld(join(folder, LOCK_NAME)) || stateOfFiles(folder) !== before) return true;
  // A torn end may be a write in progress.
  if (report.verdict !== "torn") return false;
  await setTimeout(CHANGE_MS);
  return stateOfFiles(folder) !== before;
}

/** Whether this process may read a file. Deno would ask on a terminal. */
function mayRead(path: string): boolean {
  const { Deno } = globalThis as {
    Deno?: { permissions?: { querySync(what: { name: "read"; path: string }): { readonly state: string } } };
  };
  return Deno?.permissions === undefined || Deno.permissions.querySync({ name: "read", path }).state === "granted";
}

/** Whether a process holds a lock on a lock file, if the system shows that. */
function isLockHeld(path: string): boolean {
  const stats = statOf(path);
  if (stats?.isFile() !== true || !mayRead(LOCKS)) return false;
  let text: string;
  try {
    text = readFileSync(LOCKS, "utf8");
  } catch {
    // Not on this system.
    return false;
  }
  const { ino } = stats;
  // `1: POSIX ADVISORY WRITE 4711 08:01:131073 1073741824 1073742335`; the device differs on some file systems.
  return [...text.matchAll(/POSIX +ADVISORY +WRITE +\d+ +[0-9a-f]+:[0-9a-f]+:(\d+) +(\d+) /g)].some(([, inode, from]) =>
    Number(inode) === ino && Number(from) >= SQLITE_LOCKS_FROM && Number(from) < SQLITE_LOCKS_TO
  );
}
