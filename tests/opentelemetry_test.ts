/** The example that exports a log's counters to OpenTelemetry. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { otlpMetrics } from "../examples/metrics/opentelemetry.ts";
import { WalLog } from "../mod.ts";
import { entriesAt } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";

describe("metrics for OpenTelemetry", () => {
  it("have a histogram with one bucket more than bounds, and integers as strings", () => {
    const log = WalLog.openSync(MemoryDisk.PATH, { fileSystem: new MemoryDisk() });
    for (let first = 1; first <= 9; first += 3) {
      log.append(entriesAt(first, first + 2));
      log.syncSync();
    }
    log.append(entriesAt(10, 10));
    const request = JSON.parse(JSON.stringify(otlpMetrics(log, 1_000, 2_000)));
    log.closeSync();
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
