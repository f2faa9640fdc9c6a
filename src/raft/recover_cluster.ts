/**
 * Recovery of a cluster that has lost a majority of its members for good.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Index, NodeId, Term } from "../api/types.ts";
import type { WalLog } from "../api/wal_log.ts";
import { contentsOf, type CopyProgress, writeAnew } from "../maintain/write_anew.ts";
import { isNodeId } from "./config.ts";
import { encodeMembership, sortedIds } from "./membership.ts";

/** The new cluster. */
export interface RecoverClusterOptions {
  /** Its members: one or a few nodes that get a copy of the recovered log. */
  readonly members: readonly NodeId[];
  /** Its id, a new UUID. The new cluster refuses nodes of the old cluster that return. */
  readonly cluster: string;
  /** Cancels the recovery. */
  readonly signal?: AbortSignal;
  /** Called with the progress of the copy. */
  readonly onProgress?: (progress: CopyProgress) => void;
}

/** The end of the recovered log. */
export interface RecoveredCluster {
  /** The index of the new configuration, the log's last entry. */
  readonly index: Index;
  /** Its term, later than any that the log has seen. */
  readonly term: Term;
}

/**
 * Makes the log of a new cluster from the log of a surviving member, for a cluster that has permanently lost its
 * majority. The new log has the same entries and snapshot, followed by a configuration with the remaining members.
 * **Acknowledged entries that are not in this log are lost. Entries in it become committed, even if they were never
 * acknowledged.** So use the log of the surviving member with the highest last term, and among those, with the highest
 * last index. If a majority can be restored, restore it instead.
 *
 * @param source The log of a stopped surviving member. It is only read.
 * @param target An empty log without a cluster, open for writing. It is durable when this returns.
 * @param options The new cluster.
 * @returns The end of the new log.
 * @throws {WalLogError} `INVALID_ARGUMENT` for options out of their range, a source without entries, or a target that
 * is not empty; `CORRUPT` if the source is damaged; any error from reading or writing.
 *
 * @example
 * ```ts
 * import { WalLog } from "@wallog/wallog";
 * import { recoverCluster } from "@wallog/wallog/raft";
 * import { mkdtempSync, rmSync } from "node:fs";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import assert from "node:assert/strict";
 *
 * const folder = mkdtempSync(join(tmpdir(), "wallog-"));
 * {
 *   await using source = await WalLog.open(join(folder, "left.wal"));
 *   source.append([{ term: 7, index: 1, kind: "normal", command: new TextEncoder().encode("x = 1") }]);
 *   await using target = await WalLog.open(join(folder, "recovered.wal"));
 *   const recovered = await recoverCluster(source, target, { members: [2n], cluster: crypto.randomUUID() });
 *   assert.deepEqual(recovered, { index: 2, term: 8 });
 * }
 * rmSync(folder, { recursive: true });
 * ```
 */
export async function recoverCluster(
  source: WalLog,
  target: WalLog,
  { members, cluster, signal, onProgress }: RecoverClusterOptions,
): Promise<RecoveredCluster> {
  requireMembers(members);
  requireLogs(source, target, cluster);
  // An invalid cluster id, or a target that belongs to another cluster, is rejected before anything is written.
  target.foundCluster(cluster);
  const contents = { ...contentsOf(source), cluster: undefined, hardState: { term: 0, votedFor: null } };
  await writeAnew(target, contents, { signal, onProgress });
  const index = target.lastIndex + 1;
  const term = Math.max(source.hardState.term, source.lastTerm) + 1;
  const command = encodeMembership({ members: sortedIds(members), learners: [] });
  target.append([{ term, index, kind: "config", command }]);
  // The node votes for nobody, in a term in which no candidate can have requested votes.
  target.setHardState({ term, votedFor: null });
  await target.sync();
  return { index, term };
}

function requireMembers(members: readonly NodeId[]): void {
  const isList = Array.isArray(members) && members.length > 0 && members.every(isNodeId);
  if (isList && new Set(members).size === members.length) return;
  throw invalid("expected one or more members, each once, as bigints from 0 to 2^64 - 1");
}

function requireLogs(source: WalLog, target: WalLog, cluster: string): void {
  if (source.damaged.length > 0) {
    throw new WalLogError(
      "CORRUPT",
      `Cannot recover the cluster: the log at ${source.path} is damaged; repair it first`,
      {
        path: source.path,
        damage: source.damaged,
      },
    );
  }
  if (source.lastIndex === 0) throw invalid(`the log at ${source.path} is empty`);
  if (source.identity.cluster === String(cluster).toLowerCase()) throw invalid("the new id equals the old one");
  const { lastIndex, hardState: { term } } = target;
  if (lastIndex > 0 || term > 0) throw invalid(`the log at ${target.path} is not empty`);
}

function invalid(reason: string): WalLogError {
  return new WalLogError("INVALID_ARGUMENT", `Cannot recover the cluster: ${reason}`);
}
