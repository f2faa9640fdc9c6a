/** The alerts and the dashboard of `examples/monitoring`: they use only metrics and labels that a log emits. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { prometheusText, WalLog } from "../mod.ts";
import { entriesAt } from "./history.ts";
import { skipReason } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";

const FOLDER = fileURLToPath(new URL("../examples/monitoring/", import.meta.url));
const ALERTS = readFileSync(`${FOLDER}alerts.yml`, "utf8");
const DASHBOARD = readFileSync(`${FOLDER}dashboard.json`, "utf8");
const GUIDE = readFileSync(new URL("../docs/guides/operating.md", import.meta.url), "utf8");
/** Labels that Prometheus itself adds. */
const OWN_LABELS = ["job", "instance"];
const noPromtool = skipReason(spawnSync("promtool", ["--version"]).status !== 0 && "promtool is not installed");

/** The names of the series and of the labels of a log that has everything: a snapshot, a retention, a flush. */
async function emitted(): Promise<{ readonly series: ReadonlySet<string>; readonly labels: ReadonlySet<string> }> {
  return await inTemporaryFolder((folder) => {
    const log = WalLog.openSync(folder);
    log.append(entriesAt(1, 3));
    log.syncSync();
    log.retain("mailer", 2);
    log.compact(2);
    const free = { name: "wallog_free_bytes", help: "Free bytes on the log's volume.", type: "gauge" } as const;
    // Deno has no permission to ask for the free bytes.
    const metrics = log.metrics("orders").map((one) =>
      one.name === free.name ? { ...free, samples: [{ labels: { log: "orders" }, value: 1 }] } : one
    );
    log.closeSync();
    const lines = prometheusText(metrics).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    return {
      series: new Set(lines.map((line) => line.replace(/[{ ].*$/, ""))),
      labels: new Set(lines.flatMap((line) => [...line.matchAll(/[{,](\w+)="/g)].map(([, label]) => label!))),
    };
  });
}

/** The metrics and the labels that an expression of PromQL uses. */
function usedBy(expression: string): { readonly metrics: string[]; readonly labels: string[] } {
  const labels: string[] = [];
  const list = (text: string) => void labels.push(...text.split(",").map((label) => label.trim()).filter(Boolean));
  const rest = expression
    .replace(/"(?:[^"\\]|\\.)*"/g, '""')
    .replace(/\{([^}]*)\}/g, (_, matchers: string) => {
      list(matchers.replace(/\s*(=~|!~|!=|=)\s*""/g, ""));
      return " ";
    })
    .replace(/\[[^\]]*\]/g, " ")
    .replace(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)/g, (_, names: string) => {
      list(names);
      return " ";
    });
  const words = [...rest.matchAll(/[a-zA-Z_:][\w:]*(\s*\()?/g)];
  const keywords = new Set(["and", "or", "unless", "bool", "offset", "by", "sum"]);
  const metrics = words.filter(([word, call]) => call === undefined && !keywords.has(word)).map(([word]) => word);
  return { metrics, labels };
}

/** The expressions of the alerts: on the line of `expr:`, or on the indented lines after it. */
function alertExpressions(): string[] {
  const blocks = [...ALERTS.matchAll(/^( +)expr: (?:\|\n((?:\1 +.*\n)+)|(.+)\n)/gm)];
  return blocks.map(([, , block, line]) => block ?? line!);
}

/** All values of a key in a document. */
function valuesOf(value: unknown, key: string): unknown[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, one]) => name === key ? [one] : valuesOf(one, key));
}

function requireEmitted(expressions: readonly string[], known: Awaited<ReturnType<typeof emitted>>): void {
  for (const expression of expressions) {
    const { metrics, labels } = usedBy(expression);
    assert.ok(metrics.length > 0, expression);
    for (const metric of metrics) assert.ok(known.series.has(metric), `${metric} in ${expression}`);
    for (const label of labels) {
      assert.ok(known.labels.has(label) || OWN_LABELS.includes(label), `the label ${label} in ${expression}`);
    }
  }
}

describe("examples/monitoring", () => {
  it("is read right: the parser finds metrics and labels in expressions", () => {
    const found = usedBy('sum by (job, le) (rate(a_total{x=~"b}", y!="c"}[5m])) / on (z) group_left () d > bool 1');
    assert.deepEqual(found, { metrics: ["a_total", "d"], labels: ["x", "y", "job", "le", "z"] });
  });

  it("has alerts on metrics that a log emits, each explained in the guide", async () => {
    const names = [...ALERTS.matchAll(/^ +- alert: (\w+)$/gm)].map(([, name]) => name!);
    const expressions = alertExpressions();
    assert.ok(names.length > 6);
    assert.equal(expressions.length, names.length);
    const known = await emitted();
    requireEmitted(expressions, known);
    for (const name of names) assert.ok(GUIDE.includes(`| \`${name}\``), `${name} is not in the guide`);
    for (const [, label] of ALERTS.matchAll(/\$labels\.(\w+)/g)) {
      assert.ok(known.labels.has(label!) || OWN_LABELS.includes(label!), label);
    }
  });

  it("has a dashboard on metrics that a log emits, with panels of different ids", async () => {
    const dashboard = JSON.parse(DASHBOARD);
    const expressions = valuesOf(dashboard, "expr") as string[];
    assert.ok(expressions.length > 12);
    const known = await emitted();
    requireEmitted(expressions, known);
    for (const query of valuesOf(dashboard.templating, "query").filter((one) => typeof one === "object")) {
      const [, metric, label] = /^label_values\((\w+), (\w+)\)$/.exec((query as { query: string }).query)!;
      assert.ok(known.series.has(metric!) && (known.labels.has(label!) || OWN_LABELS.includes(label!)));
    }
    const legends = (valuesOf(dashboard, "legendFormat") as string[]).join();
    for (const [, label] of legends.matchAll(/\{\{(\w+)\}\}/g)) {
      assert.ok(known.labels.has(label!) || OWN_LABELS.includes(label!), label);
    }
    const ids = dashboard.panels.map(({ id }: { id: number }) => id);
    assert.equal(new Set(ids).size, ids.length);
  });

  it("has alerts that promtool accepts and whose unit tests pass", { skip: noPromtool }, () => {
    for (const args of [["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]]) {
      const { status, stdout, stderr } = spawnSync("promtool", args, { cwd: FOLDER, encoding: "utf8" });
      assert.equal(status, 0, stdout + stderr);
    }
  });
});
