/**
 * The figures that matter most to each user, at the beginning of the page.
 *
 * @module
 */

import type { ClusterResult } from "./cluster_report.ts";
import { medianText, type PartResult } from "./part_report.ts";
import { type BenchResult, METRICS } from "./results.ts";
import { table } from "./text.ts";
import { rateText } from "./units.ts";

/** The results that the figures come from. */
export interface GlanceResults {
  readonly bench?: BenchResult;
  readonly cluster?: ClusterResult;
  readonly events?: PartResult;
  readonly replica?: PartResult;
}

const RUNTIMES = ["Deno", "Bun", "Node"] as const;
type Row = readonly [user: string, figure: string, ...values: string[]];

/** The section with three figures for each user. A figure that was not recorded is left out. */
export function glanceSection(results: GlanceResults): string[] {
  const rows = [...eventRows(results), ...logRows(results), ...replicaRows(results)];
  if (rows.length === 0) return [];
  return [
    "## At a glance",
    "",
    "The machine and the work of each figure are in its section below.",
    "",
    ...table(["For", "Figure", ...RUNTIMES], rows),
    "",
  ];
}

function eventRows({ events, bench }: GlanceResults): Row[] {
  const user = "A log for everyone: `EventLog`";
  return [
    partRow(user, events, "append, 64 producers", "EventLog, 64 producers"),
    partRow(user, events, "replay, over the time of `JSON.parse`", "iterate / JSON.parse of strings"),
    caseRow(user, bench, "durable commit of 1 KiB, one caller", "commit-1k"),
  ].flat();
}

function logRows({ bench }: GlanceResults): Row[] {
  const user = "Raft storage: `WalLog`";
  return [
    caseRow(user, bench, "durable commits of 1 KiB, 128 callers", "group-commit"),
    caseRow(user, bench, "recovery of 128 B entries, verified", "recovery-128"),
    caseRow(user, bench, "random read of 1 KiB", "entry-any"),
  ].flat();
}

function replicaRows({ replica, cluster }: GlanceResults): Row[] {
  const user = "A replicated service: `Replica`";
  return [
    partRow(user, replica, "commands, 256 callers, in one process", "256 callers of the leader"),
    clusterRow(user, cluster, 256),
    clusterRow(user, cluster, 1),
  ].flat();
}

/** The row of a figure of a part; none if it was not recorded. */
function partRow(user: string, part: PartResult | undefined, title: string, name: string): Row[] {
  const values = RUNTIMES.map((runtime) => {
    const run = part?.runs.find((one) => one.runtime.startsWith(runtime));
    const found = run?.figures.find((one) => one.name === name);
    return found === undefined ? "" : medianText(found);
  });
  return rowOf(user, title, values);
}

/** The row of the first side of a case; none if it was not recorded. */
function caseRow(user: string, bench: BenchResult | undefined, title: string, name: string): Row[] {
  const values = RUNTIMES.map((runtime) => {
    const found = bench?.cases.find((one) => one.name === name && one.runtime === runtime.toLowerCase());
    const summary = found?.sides[0]?.summary;
    return found === undefined || summary === undefined ? "" : METRICS[found.metric].text(summary.median);
  });
  return rowOf(user, title, values);
}

/** The row of a number of clients over HTTP; none if it was not recorded. */
function clusterRow(user: string, cluster: ClusterResult | undefined, clients: number): Row[] {
  const values = RUNTIMES.map((runtime) => {
    const point = cluster?.points.find((one) => one.runtime.startsWith(runtime) && one.clients === clients);
    return point === undefined ? "" : `${rateText(point.writesPerSecond)}/s`;
  });
  return rowOf(user, `writes over HTTP, ${clients === 1 ? "one client" : `${clients} clients`}`, values);
}

function rowOf(user: string, title: string, values: readonly string[]): Row[] {
  return values.every((value) => value === "") ? [] : [[user, title, ...values]];
}
