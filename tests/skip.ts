/**
 * Reasons to skip tests. Only Node prints the reason of a skipped test, so they are printed here.
 *
 * @module
 */

import { statSync } from "node:fs";
import process from "node:process";
import { temporaryFolder } from "./temporary.ts";

const printed = new Set<string>();

/**
 * Prints why a test is skipped, once per process.
 *
 * @param reason The reason as a clause, such as "only root can give files to another user". Falsy if the test can run.
 * @returns The value for the option `skip` of a test: the reason, or `false` if the test can run.
 */
export function skipReason(reason: string | false | undefined): string | false {
  if (reason === false || reason === undefined) return false;
  if (!printed.has(reason)) console.log(`Some tests are skipped: ${reason}`);
  printed.add(reason);
  return reason;
}

/** Whether this is Windows. */
export const isWindows: boolean = process.platform === "win32";

/**
 * Skips a test that gives files to another user, unless root runs it.
 *
 * @returns The reason, or `false` if the test can run.
 */
export function skipUnlessRoot(): string | false {
  return skipReason((isWindows || !isRoot()) && "only root can give files to another user");
}

/**
 * Skips a test that makes links, on Windows.
 *
 * @returns The reason, or `false` if the test can run.
 */
export function skipWithoutLinks(): string | false {
  return skipReason(isWindows && "making links needs a privilege on Windows");
}

/** Deno needs a separate permission for the user's id, so this checks the owner of a new folder. */
function isRoot(): boolean {
  const folder = temporaryFolder();
  try {
    return statSync(folder.path).uid === 0;
  } finally {
    folder.remove();
  }
}
