/** The examples of metrics: what they make of a log's counters. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { otlpMetrics } from "../examples/metrics/opentelemetry.ts";
import { prometheusText } from "../examples/metrics/prometheus.ts";
import { WalLog } from "../mod.ts";
import { entriesAt } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";

function usedLog(): WalLog {
  const log = WalLog.openSync(MemoryDisk.PATH, { fileSystem: new MemoryDisk() });
  for (let first = 1; first <= 9; first += 3) {
    log.append(entriesAt(first, first + 2));
    log.syncSync();
  }
  log.append(entriesAt(10, 10));
  return log;
}

describe("metrics", () => {
  it("for Prometheus are well formed, and say what the log does", () => {
    const text = prometheusText(usedLog());
    const values = new Map<string, number>();
    const types = new Map<string, string>();
    for (const line of text.trimEnd().split("\n")) {
      const [, name, type] = /^# TYPE (\w+) (counter|gauge|histogram)$/.exec(line) ?? [];
      if (name !== undefined) types.set(name, type!);
      if (line.startsWith("#")) continue;
      const [, series, value] = /^(\w+(?:\{le="[^"]+"\})?) (\S+)$/.exec(line) ?? [];
      assert(series !== undefined, line);
      assert(Number.isFinite(Number(value)), line);
      assert(!values.has(series), `${series} twice`);
      values.set(series, Number(value));
    }
    assert.equal(values.get("wallog_entries_appended_total"), 10);
    assert.equal(values.get("wallog_last_index"), 10);
    assert.equal(values.get("wallog_durable_index"), 9);
    assert.equal(values.get("wallog_flush_seconds_count"), 3);
    assert.equal(values.get('wallog_flush_seconds_bucket{le="+Inf"}'), 3);
    assert.equal(types.get("wallog_flush_seconds"), "histogram");
    const classes = [...values].filter(([name]) => name.startsWith("wallog_flush_seconds_bucket")).map(([, n]) => n);
    assert.deepEqual(classes, [...classes].sort((a, b) => a - b), "each class holds those before it");
  });

  it("for OpenTelemetry have a histogram with one class more than bounds, and integers as strings", () => {
    const request = JSON.parse(JSON.stringify(otlpMetrics(usedLog(), 1_000, 2_000)));
    const { metrics } = request.resourceMetrics[0].scopeMetrics[0];
    const named = (name: string) => metrics.find((metric: { name: string }) => metric.name === name);
    const [appended] = named("wallog.entries.appended").sum.dataPoints;
    assert.equal(appended.asInt, "10");
    assert.equal(appended.startTimeUnixNano, "1000000000");
    assert.equal(appended.timeUnixNano, "2000000000");
    const [latency] = named("wallog.flush.duration").histogram.dataPoints;
    assert.equal(latency.count, "3");
    assert.equal(latency.bucketCounts.length, latency.explicitBounds.length + 1);
    assert.equal(latency.bucketCounts.reduce((sum: number, one: string) => sum + Number(one), 0), 3);
  });
});
