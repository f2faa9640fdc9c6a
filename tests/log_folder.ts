/**
 * A log in a folder, for tests that change the folder.
 *
 * @module
 */

import assert from "node:assert/strict";
import { WalLog, WalLogError, type WalLogErrorCode, type WalLogOptions } from "../mod.ts";
import { entriesAt } from "./history.ts";
import { isWindows, skipReason, skipUnlessRoot } from "./skip.ts";

/** Segments so small that a few entries fill one. */
export const SMALL: WalLogOptions = { segmentBytes: 4096 };

/** Skips a test that deletes or moves open files. */
export const onWindows = skipReason(isWindows && "Windows cannot delete or move a folder or file that is open");

/** Skips a test that gives files to another user. */
export const unlessRoot = skipUnlessRoot();

/** A log of three segments, synced. */
export function writeLog(path: string, term = 1, options: WalLogOptions = {}): WalLog {
  const log = WalLog.openSync(path, { ...SMALL, ...options });
  for (const entry of entriesAt(1, 20, term, 900)) log.append([entry]);
  log.syncSync();
  return log;
}

/** The error of a call that must fail. */
export async function rejection(code: WalLogErrorCode, call: () => unknown): Promise<WalLogError> {
  try {
    await call();
  } catch (error) {
    assert(error instanceof WalLogError, String(error));
    assert.equal(error.code, code, error.message);
    return error;
  }
  return assert.fail(`expected ${code}, nothing was thrown`);
}
