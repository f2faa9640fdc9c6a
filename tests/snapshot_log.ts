/**
 * A log with snapshots, and their files.
 *
 * @module
 */

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import type { WalLogOptions } from "../mod.ts";
import { entriesAt } from "./history.ts";
import { type Subject, withLog as withEmptyLog } from "./watched_log.ts";

/** A segment size that a few entries fill. */
export const SMALL = 4096;

/** Runs a test with a log of entries 1 to 20 in some segments. Closing the log must succeed. */
export function withLog(
  body: (subject: Subject) => void | Promise<void>,
  options: WalLogOptions = {},
): () => Promise<void> {
  return withEmptyLog(async (subject) => {
    const { log, fileSystem } = subject;
    for (const entry of entriesAt(1, 20, 1, 500)) log.append([entry]);
    log.syncSync();
    fileSystem.calls = [];
    try {
      await body(subject);
    } finally {
      await log.close();
    }
    assert.equal(fileSystem.openFiles, 0, "files left open");
  }, { segmentBytes: SMALL, ...options });
}

/** The snapshot files of a folder, including unfinished ones. */
export function snapshotFiles(path: string): string[] {
  return readdirSync(path).filter((name) => name.includes(".snap")).sort();
}
