/**
 * Folders for tests.
 *
 * @module
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder of a test's own. */
export interface TemporaryFolder {
  /** Where it is. */
  readonly path: string;
  /** Removes it with everything in it. */
  remove(): void;
}

/**
 * Makes an empty folder.
 *
 * @returns The folder; the caller removes it.
 */
export function temporaryFolder(): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), "wallog-test-"));
  const remove = () => {
    try {
      // Retries: Windows refuses to delete what a virus scanner has open.
      rmSync(path, { recursive: true, force: true, maxRetries: 3 });
    } catch (error) {
      // A test that failed, or one of an unclosed log, has files open: that is no second failure.
      if (process.platform !== "win32") throw error;
    }
  };
  return { path, remove };
}

/**
 * Runs a test in a folder that is there for it alone, and removed whether it passes or fails.
 *
 * @param body The test, given the folder's path.
 * @returns What the test returns.
 */
export async function inTemporaryFolder<T>(body: (path: string) => T | Promise<T>): Promise<T> {
  const folder = temporaryFolder();
  try {
    return await body(folder.path);
  } finally {
    folder.remove();
  }
}
