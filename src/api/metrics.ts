/**
 * Metrics as plain values, and the text format of Prometheus. A log or any other source gives its metrics as a list of
 * {@link Metric}. One writer makes text of any number of lists.
 *
 * @module
 */

import { WalLogError } from "./errors.ts";

/** Labels of a sample: names and values. */
export type MetricLabels = Readonly<Record<string, string>>;

/** One value of a counter or a gauge. */
export interface MetricSample {
  /** The labels. No two samples of a metric have the same labels. */
  readonly labels: MetricLabels;
  /** The value, in the unit of the metric's name. */
  readonly value: number;
}

/** One distribution of a histogram. */
export interface HistogramSample {
  /** The labels. No two samples of a metric have the same labels. */
  readonly labels: MetricLabels;
  /** Upper bounds of the buckets, ascending, in the unit of the metric's name; the last is `Infinity`. */
  readonly bounds: readonly number[];
  /** The number of values in each bucket: above the previous bound, up to and including its own. */
  readonly counts: readonly number[];
  /** The sum of all values. */
  readonly sum: number;
}

/**
 * A metric. Its name ends with its unit, which is a base unit (`bytes`, `seconds`). The name of a counter ends with
 * `_total` after the unit.
 */
export type Metric =
  & {
    /** Letters, digits, underscores and colons; no digit first. */
    readonly name: string;
    /** A sentence that describes the metric. */
    readonly help: string;
  }
  & (
    | {
      /** `counter`: only rises, from 0. `gauge`: rises and falls. */
      readonly type: "counter" | "gauge";
      /** Its values. */
      readonly samples: readonly MetricSample[];
    }
    | {
      /** A distribution of values that were counted by class. */
      readonly type: "histogram";
      /** Its distributions. */
      readonly samples: readonly HistogramSample[];
    }
  );

const METRIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
/** Names that begin with two underscores are Prometheus's own. */
const LABEL_NAME = /^(?!__)[a-zA-Z_][a-zA-Z0-9_]*$/;
/** The label of a histogram's buckets. */
const BOUND_LABEL = "le";

/** A metric as text, gathered from all lists. */
interface Family {
  readonly type: Metric["type"];
  readonly help: string;
  readonly lines: string[];
  /** The labels that samples have so far. */
  readonly labels: Set<string>;
}

/**
 * Writes metrics as text for Prometheus: the answer to `GET /metrics`, with the content type
 * `text/plain; version=0.0.4; charset=utf-8`. Metrics of the same name are merged, so any number of logs can be given, each with
 * its own label.
 *
 * @param lists Metrics, such as `WalLog.metrics` gives.
 * @returns The text. A metric without samples is left out.
 * @throws {WalLogError} `INVALID_ARGUMENT` for a name that Prometheus refuses, two samples of the same name and labels, or
 * two metrics of the same name that differ in type or help.
 *
 * @example
 * ```ts
 * import { prometheusText, WalLog } from "@wallog/wallog";
 * import { mkdtempSync, rmSync } from "node:fs";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import assert from "node:assert/strict";
 *
 * const folder = mkdtempSync(join(tmpdir(), "wallog-"));
 * {
 *   await using orders = await WalLog.open(join(folder, "orders"));
 *   await using payments = await WalLog.open(join(folder, "payments"));
 *   orders.append([{ term: 1, index: 1, command: new Uint8Array(8) }]);
 *   const text = prometheusText(orders.metrics("orders"), payments.metrics("payments"));
 *   assert(text.includes('wallog_entries_appended_total{log="orders"} 1\n'));
 *   assert(text.includes('wallog_entries_appended_total{log="payments"} 0\n'));
 * }
 * rmSync(folder, { recursive: true });
 * ```
 */
export function prometheusText(...lists: readonly (readonly Metric[])[]): string {
  const families = new Map<string, Family>();
  for (const metric of lists.flat()) {
    if (metric.samples.length > 0) addLines(familyOf(families, metric), metric);
  }
  let text = "";
  for (const [name, { type, help, lines }] of families) {
    text += `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n${lines.join("")}`;
  }
  return text;
}

/** The family of a metric; a new one for the first of a name. */
function familyOf(families: Map<string, Family>, { name, type, help }: Metric): Family {
  const known = families.get(name);
  if (known === undefined) {
    if (!METRIC_NAME.test(name)) throw refused(name, "the name must be letters, digits, underscores and colons");
    const family: Family = { type, help, lines: [], labels: new Set() };
    families.set(name, family);
    return family;
  }
  if (known.type !== type) throw refused(name, `one is a ${known.type}, another a ${type}`);
  if (known.help !== help) throw refused(name, `two have different help: ${JSON.stringify([known.help, help])}`);
  return known;
}

function addLines({ lines, labels: seen }: Family, metric: Metric): void {
  const { name } = metric;
  const begin = (labels: MetricLabels) => {
    const pairs = pairsOf(name, labels, metric.type === "histogram");
    const key = [...pairs].sort().join();
    if (seen.has(key)) throw refused(name, `two samples have the labels {${key}}`);
    seen.add(key);
    return pairs;
  };
  if (metric.type !== "histogram") {
    for (const { labels, value } of metric.samples) lines.push(line(name, begin(labels), value));
    return;
  }
  for (const { labels, bounds, counts, sum } of metric.samples) {
    const pairs = begin(labels);
    let below = 0;
    // Each bucket of Prometheus includes the buckets before it.
    for (const [i, bound] of bounds.entries()) {
      below += counts[i]!;
      lines.push(line(`${name}_bucket`, [...pairs, pairOf(BOUND_LABEL, numberText(bound))], below));
    }
    lines.push(line(`${name}_sum`, pairs, sum), line(`${name}_count`, pairs, below));
  }
}

/** The labels of a sample, as text. */
function pairsOf(name: string, labels: MetricLabels, isHistogram: boolean): string[] {
  return Object.entries(labels).map(([label, value]) => {
    if (!LABEL_NAME.test(label) || (isHistogram && label === BOUND_LABEL)) {
      throw refused(name, `a label cannot be called ${JSON.stringify(label)}`);
    }
    return pairOf(label, value);
  });
}

function pairOf(label: string, value: string): string {
  return `${label}="${escapeHelp(value).replaceAll('"', '\\"')}"`;
}

function line(name: string, pairs: readonly string[], value: number): string {
  return `${name}${pairs.length === 0 ? "" : `{${pairs.join()}}`} ${numberText(value)}\n`;
}

/** Escapes help. In the values of labels, quotes are escaped too. */
function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function numberText(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}

function refused(name: string, reason: string): WalLogError {
  return new WalLogError("INVALID_ARGUMENT", `Cannot write metric ${JSON.stringify(name)}: ${reason}`);
}
