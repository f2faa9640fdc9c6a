/**
 * Folders for tests.
 *
 * @module
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A temporary folder. */
export interface TemporaryFolder {
  /** Its path. */
  readonly path: string;
  /** Removes it with everything in it. */
  remove(): void;
}

/**
 * Makes an empty folder.
 *
 * @returns The folder. The caller must remove it.
 */
export function temporaryFolder(): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), "wallog-test-"));
  const remove = () => {
    try {
      // Retries, because Windows refuses to delete files that a virus scanner has open.
      rmSync(path, { recursive: true, force: true, maxRetries: 3 });
    } catch (error) {
      // A failed test, or a test of an unclosed log, has files open. That is not a second failure.
      if (process.platform !== "win32") throw error;
    }
  };
  return { path, remove };
}

/**
 * Runs a test in its own temporary folder, which is always removed.
 *
 * @param body The test, given the folder's path.
 * @returns The test's result.
 */
export async function inTemporaryFolder<T>(body: (path: string) => T | Promise<T>): Promise<T> {
  const folder = temporaryFolder();
  try {
    return await body(folder.path);
  } finally {
    folder.remove();
  }
}
