/**
 * A log with everything that a log can contain.
 *
 * @module
 */

import type { LogEntry, RaftLog } from "../src/api/types.ts";
import { entriesAt, entryAt } from "./history.ts";
import { bytesOf } from "./model.ts";

/** The next entry of a log. */
function following(log: RaftLog, size: number, kind: LogEntry["kind"] = "normal", term = log.lastTerm): LogEntry {
  return entryAt(log.lastIndex + 1, term, size, kind);
}

/**
 * Writes entries of both kinds and many sizes, hard states with and without a vote, truncations within a segment and
 * into earlier ones, and snapshots at, below and above the last entry. With segments of 8 KiB it makes several.
 *
 * @param log An empty log.
 */
export function writeEverything(log: RaftLog): void {
  log.setHardState({ term: 1, votedFor: 2n ** 64n - 1n });
  log.append([following(log, 0, "config", 1)]);
  for (const size of [0, 1, 7, 8, 9, 39, 40, 41, 255, 256, 257, 511, 512, 513, 1024, 1025, 2047, 2049]) {
    log.append([following(log, size)]);
  }
  log.setHardState({ term: 2, votedFor: null });
  log.append(entriesAt(log.lastIndex + 1, log.lastIndex + 20, 2, 333));
  log.syncSync();
  log.truncate(30);
  log.append(entriesAt(30, 50, 3, 100));
  log.setHardState({ term: 3, votedFor: 0n });
  log.applySnapshot({ index: 20, term: 2, config: [1n, 2n, 2n ** 64n - 1n], meta: bytesOf(8), data: bytesOf(3000) });
  log.append([following(log, 9000), entryAt(log.lastIndex + 2, 3, 10, "config")]);
  log.syncSync();
  log.truncate(log.lastIndex - 5);
  log.append(entriesAt(log.lastIndex + 1, log.lastIndex + 30, Number.MAX_SAFE_INTEGER - 1, 200));
  log.applySnapshot({ index: 35, term: 3, config: [5n], meta: bytesOf(123), data: bytesOf(1234) });
  log.setHardState({ term: Number.MAX_SAFE_INTEGER, votedFor: 2n ** 53n + 1n });
  log.append([following(log, 12_000, "normal", Number.MAX_SAFE_INTEGER)]);
  log.append(entriesAt(log.lastIndex + 1, log.lastIndex + 8, Number.MAX_SAFE_INTEGER, 64));
}
