/**
 * The metrics of an archive.
 *
 * @module
 */

import type { Metric, MetricLabels } from "../api/metrics.ts";
import type { Index } from "../api/types.ts";
import { type FigureTable, metricsOf } from "./figures.ts";

/** The figures of an archive. */
export interface ArchiveFigures {
  readonly archivedIndex: Index;
  readonly generation: number;
  readonly entries: number;
  readonly bytesBehind: number;
  readonly seconds: number;
  readonly objects: number;
  readonly bytes: number;
  readonly merged: number;
  readonly failures: number;
}

const METRICS: FigureTable<ArchiveFigures> = [
  ["archivedIndex", "gauge", "wallog_archived_index", "The last index that is archived."],
  ["generation", "gauge", "wallog_archive_generation", "The generation that the archiver has claimed; 0 before."],
  ["entries", "gauge", "wallog_archive_lag_entries", "Durable entries that are not archived."],
  ["bytesBehind", "gauge", "wallog_archive_lag_bytes", "Durable bytes of the log that are not archived."],
  ["seconds", "gauge", "wallog_archive_lag_seconds", "Time since everything durable was archived; 0 if everything is."],
  ["objects", "counter", "wallog_archive_objects_total", "Objects written."],
  ["bytes", "counter", "wallog_archive_written_bytes_total", "Bytes of the objects written."],
  ["merged", "counter", "wallog_archive_merged_objects_total", "Objects deleted because a larger one replaces them."],
  ["failures", "counter", "wallog_archive_failures_total", "Steps that failed."],
];

/**
 * The metrics of an archive.
 *
 * @param labels The labels of all samples.
 * @param figures The figures.
 * @returns The metrics.
 */
export function archiveMetrics(labels: MetricLabels, figures: ArchiveFigures): Metric[] {
  return metricsOf(METRICS, labels, figures);
}
