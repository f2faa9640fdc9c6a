/**
 * A log's counters as OpenTelemetry metrics: the body to POST to a collector's `/v1/metrics`, in OTLP's JSON encoding. So
 * that it needs no package; with the OpenTelemetry SDK at hand, give the same numbers to its observable instruments.
 *
 * @module
 */

import type { WalLog } from "../../mod.ts";

/** `AGGREGATION_TEMPORALITY_CUMULATIVE`: counted since the log was opened. */
const CUMULATIVE = 2;

/**
 * The metrics of a log.
 *
 * @param log The log.
 * @param openedAt When it was opened, as `Date.now()` gives it.
 * @param now Now.
 * @returns An `ExportMetricsServiceRequest`, to be sent as JSON.
 */
export function otlpMetrics(log: WalLog, openedAt: number, now: number = Date.now()): Record<string, unknown> {
  const stats = log.stats();
  const { bounds, counts, sum, count, max } = stats.flushLatency;
  const attributes = [{ key: "wallog.path", value: { stringValue: log.path } }];
  // 64-bit integers are strings in OTLP's JSON, and times are in nanoseconds.
  const point = { attributes, startTimeUnixNano: `${openedAt}000000`, timeUnixNano: `${now}000000` };
  const counter = (name: string, unit: string, value: number) => ({
    name,
    unit,
    sum: {
      aggregationTemporality: CUMULATIVE,
      isMonotonic: true,
      dataPoints: [{ ...point, asInt: String(value) }],
    },
  });
  const gauge = (name: string, unit: string, value: number) => ({
    name,
    unit,
    gauge: { dataPoints: [{ ...point, asInt: String(value) }] },
  });
  const metrics = [
    counter("wallog.entries.appended", "{entry}", stats.entriesAppended),
    counter("wallog.written", "By", stats.bytesWritten),
    counter("wallog.syncs", "{call}", stats.syncs),
    counter("wallog.flushes", "{flush}", stats.flushes),
    counter("wallog.flushes.slow", "{flush}", stats.slowFlushes),
    counter("wallog.segments.sealed", "{segment}", stats.segmentsSealed),
    counter("wallog.segments.deleted", "{segment}", stats.segmentsDeleted),
    counter("wallog.snapshots", "{snapshot}", stats.snapshots),
    gauge("wallog.segments", "{segment}", stats.segments),
    gauge("wallog.index.last", "{entry}", log.lastIndex),
    gauge("wallog.index.durable", "{entry}", log.durableIndex),
    gauge("wallog.damaged", "{place}", log.damaged.length),
    {
      name: "wallog.flush.duration",
      unit: "ms",
      histogram: {
        aggregationTemporality: CUMULATIVE,
        dataPoints: [{
          ...point,
          count: String(count),
          sum,
          max,
          // The last class has no bound of its own.
          explicitBounds: bounds.slice(0, -1),
          bucketCounts: counts.map(String),
        }],
      },
    },
  ];
  const resource = { attributes: [{ key: "service.name", value: { stringValue: "wallog" } }] };
  return { resourceMetrics: [{ resource, scopeMetrics: [{ scope: { name: "@wallog/wallog" }, metrics }] }] };
}
