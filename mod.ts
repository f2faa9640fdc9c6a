/**
 * A durable Raft log for Deno, Bun and Node: entries, hard state and snapshots that survive a crash, a power cut and a
 * full disk, with no native addon.
 *
 * The format of a log on disk is frozen: every later version opens a log of 0.1.0.
 *
 * @example
 * ```ts
 * import { WalLog } from "@wallog/wallog";
 * import { mkdtempSync, rmSync } from "node:fs";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import assert from "node:assert/strict";
 *
 * const folder = mkdtempSync(join(tmpdir(), "wallog-"));
 * {
 *   await using log = await WalLog.open(join(folder, "raft.wal"));
 *   log.setHardState({ term: 1, votedFor: 1n });
 *   log.append([{ term: 1, index: 1, command: new TextEncoder().encode("x = 1") }]);
 *   assert.equal(await log.sync(), 1); // on stable storage
 * }
 * {
 *   await using log = await WalLog.open(join(folder, "raft.wal"));
 *   assert.equal(log.recovery.verdict, "clean");
 *   assert.deepEqual(log.hardState, { term: 1, votedFor: 1n });
 *   assert.equal(new TextDecoder().decode(log.entry(1)?.command), "x = 1");
 * }
 * rmSync(folder, { recursive: true });
 * ```
 *
 * @module
 */

export type { CompactableLog } from "./src/api/compactable_log.ts";
export { WalLogError, type WalLogErrorCode, type WalLogErrorDetails } from "./src/api/errors.ts";
export type { WalLogEvents } from "./src/api/events.ts";
export type { LatencyHistogram } from "./src/log/latency.ts";
export type { SpaceStats } from "./src/io/disk_space.ts";
export type { Lost } from "./src/api/lost.ts";
export type { WalLogStats } from "./src/log/live_state.ts";
export type { LogIdentity } from "./src/api/log_identity.ts";
export { MemoryLog } from "./src/api/memory_log.ts";
export {
  type HistogramSample,
  type Metric,
  type MetricLabels,
  type MetricSample,
  prometheusText,
} from "./src/api/metrics.ts";
export type { Progress, WalLogOptions } from "./src/api/options.ts";
export {
  type Cut,
  type Damage,
  type DamageKind,
  describeDamage,
  describeRecovery,
  type RecoveryReport,
} from "./src/api/report.ts";
export type { FollowableLog } from "./src/api/followable_log.ts";
export type { ReadableLog } from "./src/api/readable_log.ts";
export type { Retention, RetentionState } from "./src/api/retention.ts";
export type { BackupOptions, BackupReport } from "./src/maintain/backup.ts";
export type { ScrubOptions, ScrubReport } from "./src/maintain/scrub.ts";
export type {
  File,
  FileLock,
  FileSystem,
  FolderStatus,
  LockHolder,
  OpenMode,
  ThreadFiles,
  Threads,
} from "./src/io/file_system.ts";
export type {
  CompactOptions,
  EntriesOptions,
  EntryKind,
  EntryStream,
  FollowOptions,
  HardState,
  Index,
  LogEntry,
  NewEntry,
  NewSnapshot,
  NodeId,
  RaftLog,
  Snapshot,
  SnapshotMeta,
  SnapshotSource,
  SnapshotStream,
  SnapshotTarget,
  Term,
} from "./src/api/types.ts";
export { WalLog } from "./src/api/wal_log.ts";
