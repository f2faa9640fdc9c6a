/**
 * Metrics with a single value.
 *
 * @module
 */

import type { Metric, MetricLabels } from "../api/metrics.ts";

/** Metrics, each with the name of its figure. */
export type FigureTable<F> = readonly (readonly [
  figure: keyof F,
  type: "counter" | "gauge",
  name: string,
  help: string,
])[];

/**
 * Makes metrics of figures.
 *
 * @param table The metrics.
 * @param labels The labels of all samples.
 * @param figures The figures.
 * @returns The metrics, each with one sample.
 */
export function metricsOf<F extends Readonly<Record<keyof F, number>>>(
  table: FigureTable<F>,
  labels: MetricLabels,
  figures: F,
): Metric[] {
  return table.map(([figure, type, name, help]) => ({
    name,
    type,
    help,
    samples: [{ labels, value: figures[figure] }],
  }));
}
