/**
 * A log's counters as Prometheus reads them: the text to answer `GET /metrics` with.
 *
 * @module
 */

import type { WalLog, WalLogStats } from "../../mod.ts";

/** Counters by the field that they come from, with what they count. */
const COUNTERS: readonly (readonly [field: keyof WalLogStats, name: string, help: string])[] = [
  ["entriesAppended", "wallog_entries_appended_total", "Entries appended."],
  ["bytesWritten", "wallog_written_bytes_total", "Bytes of log written."],
  ["syncs", "wallog_syncs_total", "Calls of sync; many share one flush."],
  ["flushes", "wallog_flushes_total", "Flushes that answered them."],
  ["slowFlushes", "wallog_slow_flushes_total", "Flushes slower than the threshold."],
  ["segmentsSealed", "wallog_segments_sealed_total", "Segments sealed."],
  ["segmentsDeleted", "wallog_segments_deleted_total", "Segments deleted by compaction."],
  ["snapshots", "wallog_snapshots_total", "Snapshots installed."],
];

function metric(name: string, type: string, help: string, lines: readonly string[]): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("\n")}\n`;
}

/**
 * The metrics of a log.
 *
 * @param log The log.
 * @returns Text in Prometheus' exposition format, version 0.0.4.
 */
export function prometheusText(log: WalLog): string {
  const stats = log.stats();
  const { bounds, counts, sum, count } = stats.flushLatency;
  let below = 0;
  // Prometheus counts in seconds, and each class holds those before it.
  const classes = bounds.map((bound, i) => {
    below += counts[i]!;
    const le = bound === Infinity ? "+Inf" : String(bound / 1000);
    return `wallog_flush_seconds_bucket{le="${le}"} ${below}`;
  });
  return [
    ...COUNTERS.map(([field, name, help]) => metric(name, "counter", help, [`${name} ${stats[field]}`])),
    metric("wallog_segments", "gauge", "Segments that the log has.", [`wallog_segments ${stats.segments}`]),
    metric("wallog_last_index", "gauge", "Index of the last entry.", [`wallog_last_index ${log.lastIndex}`]),
    metric("wallog_durable_index", "gauge", "The last index on stable storage.", [
      `wallog_durable_index ${log.durableIndex}`,
    ]),
    metric("wallog_damaged_places", "gauge", "Places that wait for repair.", [
      `wallog_damaged_places ${log.damaged.length}`,
    ]),
    metric("wallog_flush_seconds", "histogram", "How long flushes took.", [
      ...classes,
      `wallog_flush_seconds_sum ${sum / 1000}`,
      `wallog_flush_seconds_count ${count}`,
    ]),
  ].join("");
}
