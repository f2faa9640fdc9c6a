/** Metrics of a log as values, and as text for Prometheus. */

import assert from "node:assert/strict";
import { utimesSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type Metric, prometheusText, WalLog, WalLogError } from "../mod.ts";
import { entriesAt } from "./history.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { inTemporaryFolder } from "./temporary.ts";

/** A log of 10 entries, of which 9 are durable, after three flushes. */
function usedLog(): WalLog {
  const fileSystem = Object.assign(new MemoryDisk(), { freeBytes: () => 12_345 });
  const log = WalLog.openSync(MemoryDisk.PATH, { fileSystem });
  for (let first = 1; first <= 9; first += 3) {
    log.append(entriesAt(first, first + 2));
    log.syncSync();
  }
  log.append(entriesAt(10, 10));
  return log;
}

/** The samples in a text. Checks its form: one group of lines per metric, headed by HELP and TYPE. */
function samplesOf(text: string): Map<string, number> {
  const values = new Map<string, number>();
  const types = new Map<string, string>();
  let current = "";
  for (const line of text.trimEnd().split("\n")) {
    const [, helped] = /^# HELP (\w+) .+$/.exec(line) ?? [];
    const [, typed, type] = /^# TYPE (\w+) (counter|gauge|histogram)$/.exec(line) ?? [];
    if (helped !== undefined) {
      assert.ok(!types.has(helped), `two groups of ${helped}`);
      current = helped;
    } else if (typed !== undefined) {
      assert.equal(typed, current);
      types.set(typed, type!);
    } else {
      const [, series, name, value] = /^((\w+)(?:\{(?:\w+="(?:[^"\\]|\\.)*",?)*\})?) (\S+)$/.exec(line) ?? [];
      assert.ok(series !== undefined, line);
      const base = types.get(current) === "histogram" ? name!.replace(/_(bucket|sum|count)$/, "") : name;
      assert.equal(base, current, line);
      assert.ok(!values.has(series), `${series} twice`);
      values.set(series, Number(value));
    }
  }
  return values;
}

/** Fails unless writing metrics is refused. */
function refuses(message: RegExp, ...metrics: Metric[]): void {
  assert.throws(() => prometheusText(metrics), (error) => {
    assert.ok(error instanceof WalLogError && error.code === "INVALID_ARGUMENT", `${error}`);
    assert.match(error.message, message);
    return true;
  });
}

describe("the metrics of a log", () => {
  it("include its counters, indexes, space and retentions", () => {
    const log = usedLog();
    log.retain("mailer", 3);
    log.compact(8);
    const values = samplesOf(prometheusText(log.metrics("orders")));
    const expected = {
      wallog_entries_appended_total: 10,
      wallog_snapshots_total: 1,
      wallog_first_index: 3,
      wallog_last_index: 10,
      wallog_durable_index: 10,
      wallog_snapshot_index: 8,
      wallog_damaged_places: 0,
      wallog_writable: 1,
      wallog_poisoned: 0,
      wallog_recovery_seconds: log.recovery.milliseconds / 1000,
      wallog_segments: 1,
      wallog_free_bytes: 12_345,
    };
    for (const [name, value] of Object.entries(expected)) {
      assert.equal(values.get(`${name}{log="orders"}`), value, name);
    }
    assert.equal(values.get('wallog_retained_index{log="orders",retention="mailer"}'), 3);
    const { logBytes, snapshotBytes, bytesWritten, flushes } = log.stats();
    assert.equal(values.get('wallog_log_bytes{log="orders"}'), logBytes);
    assert.equal(values.get('wallog_snapshot_bytes{log="orders"}'), snapshotBytes);
    assert.equal(values.get('wallog_written_bytes_total{log="orders"}'), bytesWritten);
    assert.equal(values.get('wallog_flush_seconds_count{log="orders"}'), flushes);
    log.closeSync();
    assert.equal(samplesOf(prometheusText(log.metrics("orders"))).get('wallog_writable{log="orders"}'), 0);
  });

  it("give the times of the last flush and of the snapshot, and no sample before there is one", async () => {
    await inTemporaryFolder((folder) => {
      const begin = Date.now();
      const log = WalLog.openSync(folder);
      const read = (name: string) => samplesOf(prometheusText(log.metrics("a"))).get(`${name}{log="a"}`);
      assert.equal(read("wallog_last_flush_timestamp_seconds"), undefined);
      log.append(entriesAt(1, 3));
      log.syncSync();
      const flushed = read("wallog_last_flush_timestamp_seconds")! * 1000;
      assert.ok(begin <= flushed && flushed <= Date.now(), `${begin} ${flushed}`);
      assert.equal(read("wallog_snapshot_timestamp_seconds"), undefined);
      log.compact(2);
      utimesSync(join(folder, "000000000002-000000000001.snap"), 1000, 1234);
      assert.equal(read("wallog_snapshot_timestamp_seconds"), 1234);
      log.closeSync();
    });
  });

  it("tell a log that has failed from one that is closed", () => {
    const disk = new SimulatedDisk();
    const log = WalLog.openSync("/raft.wal", { fileSystem: disk.fileSystem });
    const read = (name: string) => samplesOf(prometheusText(log.metrics("a"))).get(`${name}{log="a"}`);
    log.append(entriesAt(1, 3));
    disk.failAfter("EIO", 0, "sync");
    assert.throws(() => log.syncSync(), { code: "POISONED" });
    assert.deepEqual([read("wallog_writable"), read("wallog_poisoned")], [0, 1]);
    assert.throws(() => log.closeSync(), { code: "POISONED" });

    const closed = usedLog();
    closed.closeSync();
    const samples = samplesOf(prometheusText(closed.metrics("a")));
    assert.equal(samples.get('wallog_poisoned{log="a"}'), 0);
  });

  it("have the log's folder as their label unless another is given", () => {
    const log = usedLog();
    for (const { samples } of log.metrics()) {
      for (const { labels } of samples) assert.equal(labels.log, MemoryDisk.PATH);
    }
    log.closeSync();
  });

  it("count flushes by their duration in seconds, in cumulative buckets", () => {
    const log = usedLog();
    const values = samplesOf(prometheusText(log.metrics("a")));
    const { bounds, counts, sum } = log.stats().flushLatency;
    let below = 0;
    for (const [i, bound] of bounds.entries()) {
      below += counts[i]!;
      const le = bound === Infinity ? "+Inf" : String(bound / 1000);
      assert.equal(values.get(`wallog_flush_seconds_bucket{log="a",le="${le}"}`), below, le);
    }
    assert.deepEqual([below, values.get('wallog_flush_seconds_count{log="a"}')], [3, 3]);
    assert.equal(values.get('wallog_flush_seconds_sum{log="a"}'), sum / 1000);
    log.closeSync();
  });

  it("of several logs are merged by name", () => {
    const logs = ["a", "b"].map((name) => ({ name, log: usedLog() }));
    logs[0]!.log.append(entriesAt(11, 12));
    const values = samplesOf(prometheusText(...logs.map(({ name, log }) => log.metrics(name))));
    assert.equal(values.get('wallog_last_index{log="a"}'), 12);
    assert.equal(values.get('wallog_last_index{log="b"}'), 10);
    assert.throws(() => prometheusText(logs[0]!.log.metrics("a"), logs[1]!.log.metrics("a")), /two samples/);
    for (const { log } of logs) log.closeSync();
  });

  it("omit unknown free space, and retentions if there are none", () => {
    const log = WalLog.openSync(MemoryDisk.PATH, { fileSystem: new MemoryDisk() });
    const text = prometheusText(log.metrics());
    assert.ok(text.includes("wallog_last_index"));
    assert.ok(!text.includes("wallog_free_bytes") && !text.includes("wallog_retained_index"), text);
    log.closeSync();
  });
});

describe("text for Prometheus", () => {
  it("has exactly this form", () => {
    const metrics: Metric[] = [
      { name: "a_total", type: "counter", help: 'Ends with \\ and\nquotes ".', samples: [{ labels: {}, value: 1e21 }] },
      {
        name: "b:c",
        type: "gauge",
        help: "Numbers.",
        samples: [
          { labels: { x: 'back\\slash, "quotes"\nand lines' }, value: NaN },
          { labels: { x: "", y_2: "ü" }, value: -Infinity },
          { labels: { x: "0" }, value: 0.00005 },
        ],
      },
      {
        name: "d_seconds",
        type: "histogram",
        help: "Classes.",
        samples: [{ labels: { peer: "7" }, bounds: [0.5, 1, Infinity], counts: [1, 0, 2], sum: 9.25 }],
      },
      { name: "e", type: "gauge", help: "Nothing.", samples: [] },
    ];
    assert.equal(
      prometheusText(metrics.slice(0, 2), metrics.slice(2)),
      `# HELP a_total Ends with \\\\ and\\nquotes ".
# TYPE a_total counter
a_total 1e+21
# HELP b:c Numbers.
# TYPE b:c gauge
b:c{x="back\\\\slash, \\"quotes\\"\\nand lines"} NaN
b:c{x="",y_2="ü"} -Inf
b:c{x="0"} 0.00005
# HELP d_seconds Classes.
# TYPE d_seconds histogram
d_seconds_bucket{peer="7",le="0.5"} 1
d_seconds_bucket{peer="7",le="1"} 1
d_seconds_bucket{peer="7",le="+Inf"} 3
d_seconds_sum{peer="7"} 9.25
d_seconds_count{peer="7"} 3
`,
    );
    assert.equal(prometheusText(), "");
  });

  it("is refused for names that Prometheus refuses", () => {
    const sample = { labels: {}, value: 1 };
    for (const name of ["", "1a", "a-b", "a b", "ä"]) {
      refuses(/the name must be/, { name, type: "gauge", help: "x", samples: [sample] });
    }
    for (const label of ["", "1a", "a-b", "a:b", "__a"]) {
      refuses(/a label cannot be called/, {
        name: "a",
        type: "gauge",
        help: "x",
        samples: [{ ...sample, labels: { [label]: "" } }],
      });
    }
    const histogram = { labels: { le: "1" }, bounds: [Infinity], counts: [1], sum: 1 };
    refuses(/a label cannot be called "le"/, { name: "a", type: "histogram", help: "x", samples: [histogram] });
    assert.ok(prometheusText([{ name: "a", type: "gauge", help: "x", samples: [{ labels: { le: "1" }, value: 1 }] }]));
  });

  it("is refused for metrics and samples that contradict each other", () => {
    const gauge = (help: string, ...values: string[]): Metric => ({
      name: "a",
      type: "gauge",
      help,
      samples: values.map((b) => ({ labels: { b, c: "1" }, value: 1 })),
    });
    refuses(/two samples have the labels {b="1",c="1"}/, gauge("x", "1", "1"));
    refuses(
      /two samples/,
      gauge("x", "1"),
      { ...gauge("x"), samples: [{ labels: { c: "1", b: "1" }, value: 2 }] } as Metric,
    );
    refuses(/different help: \["x","y"\]/, gauge("x", "1"), gauge("y", "2"));
    refuses(/one is a gauge, another a counter/, gauge("x", "1"), { ...gauge("x", "2"), type: "counter" } as Metric);
  });
});
