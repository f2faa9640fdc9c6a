/**
 * A log with snapshots, and their files.
 *
 * @module
 */

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { WalLog, type WalLogOptions } from "../mod.ts";
import { entriesAt } from "./history.ts";
import { inTemporaryFolder } from "./temporary.ts";
import { WatchedFileSystem } from "./watched_file_system.ts";

/** Bytes of a segment that a few entries fill. */
export const SMALL = 4096;

/** A log on a file system that is watched. */
interface Subject {
  readonly path: string;
  readonly fileSystem: WatchedFileSystem;
  readonly log: WalLog;
}

/** Runs a test with a log of entries 1 to 20 in some segments. */
export function withLog(
  body: (subject: Subject) => void | Promise<void>,
  options: WalLogOptions = {},
): () => Promise<void> {
  return () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      const fileSystem = new WatchedFileSystem();
      const log = WalLog.openSync(path, { segmentBytes: SMALL, ...options, fileSystem });
      for (const entry of entriesAt(1, 20, 1, 500)) log.append([entry]);
      log.syncSync();
      fileSystem.calls = [];
      try {
        await body({ path, fileSystem, log });
      } finally {
        await log.close();
      }
      assert.equal(fileSystem.openFiles, 0, "files left open");
    });
}

/** The files of a folder that are snapshots, or were to be. */
export function snapshotFiles(path: string): string[] {
  return readdirSync(path).filter((name) => name.includes(".snap")).sort();
}
