/**
 * The metrics of a log.
 *
 * @module
 */

import type { WalLogStats } from "./live_state.ts";
import type { Metric } from "../api/metrics.ts";
import type { Damage, RecoveryReport } from "../api/report.ts";
import type { RetentionState } from "../api/retention.ts";
import type { Index } from "../api/types.ts";

/** The measured parts of a log. */
export interface MeasuredLog {
  readonly firstIndex: Index;
  readonly lastIndex: Index;
  readonly durableIndex: Index;
  readonly snapshotIndex: Index;
  readonly damaged: readonly Damage[];
  readonly retentions: readonly RetentionState[];
  readonly recovery: Pick<RecoveryReport, "milliseconds">;
  stats(): WalLogStats;
}

/** The state of a log's writer. */
export interface WriterState {
  /** Whether the log accepts writes. */
  readonly canWrite: boolean;
  /** Whether a write or a flush has failed. */
  readonly hasFailed: boolean;
}

/** Keys of the statistics that are numbers. */
type Figure = { [K in keyof WalLogStats]: WalLogStats[K] extends number | undefined ? K : never }[keyof WalLogStats];

const COUNTERS: readonly (readonly [figure: Figure, name: string, help: string])[] = [
  ["entriesAppended", "wallog_entries_appended_total", "Entries appended since the log was opened."],
  ["bytesWritten", "wallog_written_bytes_total", "Bytes of frames and headers written."],
  ["syncs", "wallog_syncs_total", "Calls of sync; many share one flush."],
  ["flushes", "wallog_flushes_total", "Flushes that succeeded."],
  ["slowFlushes", "wallog_slow_flushes_total", "Flushes that took longer than slowFlushMilliseconds."],
  ["segmentsSealed", "wallog_segments_sealed_total", "Segments sealed."],
  ["segmentsDeleted", "wallog_segments_deleted_total", "Segments deleted because a snapshot covers them."],
  ["snapshots", "wallog_snapshots_total", "Snapshots installed."],
];

const GAUGES: readonly (readonly [figure: Figure, name: string, help: string])[] = [
  ["segments", "wallog_segments", "Number of segments."],
  ["logBytes", "wallog_log_bytes", "Bytes of all segments, each up to its last frame."],
  ["snapshotBytes", "wallog_snapshot_bytes", "Bytes of the snapshot's file; 0 if there is none."],
  ["freeBytes", "wallog_free_bytes", "Free bytes on the log's volume."],
];

const INDEXES = [
  ["firstIndex", "wallog_first_index", "The lowest index with a readable entry."],
  ["lastIndex", "wallog_last_index", "Index of the last entry."],
  ["durableIndex", "wallog_durable_index", "The last index on stable storage."],
  ["snapshotIndex", "wallog_snapshot_index", "Index of the snapshot; 0 if there is none."],
] as const;

const TIMES = [
  ["lastFlushTime", "wallog_last_flush_timestamp_seconds", "Unix time of the last flush that succeeded."],
  ["snapshotTime", "wallog_snapshot_timestamp_seconds", "Unix time at which the snapshot was written."],
] as const;

/**
 * The metrics of a log.
 *
 * @param log The log.
 * @param name Value of the label `log` of all samples.
 * @param writer The state of its writer.
 * @returns The metrics. An unknown metric has no samples.
 */
export function logMetrics(log: MeasuredLog, name: string, { canWrite, hasFailed }: WriterState): Metric[] {
  const stats = log.stats();
  const labels = { log: name };
  const single = (type: "counter" | "gauge", name: string, help: string, value: number | undefined): Metric => ({
    name,
    type,
    help,
    samples: value === undefined ? [] : [{ labels, value }],
  });
  const { bounds, counts, sum } = stats.flushLatency;
  const writable = "1 if the log accepts writes; 0 if it failed, is closed, or is opened for reading only.";
  const poisoned = "1 if a write or a flush failed, so that the log rejects every later change; 0 otherwise.";
  const seconds = (milliseconds: number | undefined) => milliseconds === undefined ? undefined : milliseconds / 1000;
  return [
    ...COUNTERS.map(([figure, name, help]) => single("counter", name, help, stats[figure])),
    ...GAUGES.map(([figure, name, help]) => single("gauge", name, help, stats[figure])),
    ...INDEXES.map(([index, name, help]) => single("gauge", name, help, log[index])),
    {
      name: "wallog_retained_index",
      type: "gauge",
      help: "The lowest index that a retention holds.",
      samples: log.retentions.map(({ name: retention, from }) => ({ labels: { ...labels, retention }, value: from })),
    },
    single("gauge", "wallog_damaged_places", "Damaged places that are not repaired.", log.damaged.length),
    single("gauge", "wallog_writable", writable, canWrite ? 1 : 0),
    single("gauge", "wallog_poisoned", poisoned, hasFailed ? 1 : 0),
    single("gauge", "wallog_recovery_seconds", "Duration of the recovery.", seconds(log.recovery.milliseconds)),
    ...TIMES.map(([time, name, help]) => single("gauge", name, help, seconds(stats[time]))),
    {
      name: "wallog_flush_seconds",
      type: "histogram",
      help: "Latency of flushes.",
      samples: [{ labels, bounds: bounds.map((bound) => bound / 1000), counts, sum: sum / 1000 }],
    },
  ];
}
