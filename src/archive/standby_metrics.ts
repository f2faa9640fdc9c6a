/**
 * The metrics of a standby.
 *
 * @module
 */

import type { Metric, MetricLabels } from "../api/metrics.ts";
import type { Index } from "../api/types.ts";
import { type FigureTable, metricsOf } from "./figures.ts";

/** The figures of a standby. */
export interface StandbyFigures {
  readonly lastIndex: Index;
  readonly generation: number;
  readonly entries: number;
  readonly seconds: number;
  readonly failures: number;
}

const METRICS: FigureTable<StandbyFigures> = [
  ["lastIndex", "gauge", "wallog_standby_last_index", "The last index of the standby's log."],
  ["generation", "gauge", "wallog_standby_generation", "The generation that the standby follows; 0 before."],
  ["entries", "gauge", "wallog_standby_lag_entries", "Archived entries that the standby does not have."],
  ["seconds", "gauge", "wallog_standby_lag_seconds", "Time since the standby had everything that was archived."],
  ["failures", "counter", "wallog_standby_failures_total", "Updates that failed."],
];

/**
 * The metrics of a standby.
 *
 * @param labels The labels of all samples.
 * @param figures The figures.
 * @returns The metrics.
 */
export function standbyMetrics(labels: MetricLabels, figures: StandbyFigures): Metric[] {
  return metricsOf(METRICS, labels, figures);
}
