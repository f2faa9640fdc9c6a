/**
 * The contents of a log in one line.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { RaftLog } from "../../src/api/types.ts";

/**
 * A cryptographic digest of a log's contents. It is the same in every runtime.
 *
 * @param log The log.
 * @returns The last index, the snapshot's index, and the digest.
 */
export function digestOf(log: RaftLog): string {
  const hash = createHash("sha256");
  const put = (value: unknown) => hash.update(`${value}\n`);
  const { hardState, lastIndex, lastTerm, snapshotIndex } = log;
  put([lastIndex, lastTerm, snapshotIndex, log.termAt(snapshotIndex), hardState.term, hardState.votedFor]);
  const snapshot = log.snapshot();
  if (snapshot !== undefined) {
    put([snapshot.index, snapshot.term, snapshot.config, snapshot.data.length]);
    hash.update(snapshot.data);
  }
  for (const { term, index, kind, command } of log.entries(snapshotIndex + 1, lastIndex)) {
    put([term, index, kind, command.length]);
    hash.update(command);
  }
  return `${lastIndex}/${snapshotIndex}/${hash.digest("hex").slice(0, 32)}`;
}
