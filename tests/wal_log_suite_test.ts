/** Runs the suite for all logs on `WalLog` with real files. Each test ends with closing and reopening the log. */

import { join } from "node:path";
import { WalLog, type WalLogOptions } from "../mod.ts";
import type { Subject } from "./raft_log/subject.ts";
import { raftLogSuite } from "./raft_log_suite.ts";
import { temporaryFolder } from "./temporary.ts";

/** A log in its own folder. */
function onFiles(options: WalLogOptions): Subject {
  const folder = temporaryFolder();
  const path = join(folder.path, "raft.wal");
  let log = WalLog.openSync(path, options);
  return {
    log,
    reopen() {
      log.closeSync();
      log = WalLog.openSync(path, options);
      return log;
    },
    dispose() {
      try {
        log.closeSync();
      } finally {
        folder.remove();
      }
    },
  };
}

raftLogSuite("WalLog", () => onFiles({}));

// So small that nearly every test rotates, and that one entry can be larger than a segment.
raftLogSuite("WalLog with segments of 12 KiB", () => onFiles({ segmentBytes: 12 * 1024 }));
