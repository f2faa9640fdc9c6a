/**
 * The results of `growth.ts`, and their presentation.
 *
 * @module
 */

import { lineChart, type Series } from "./charts/lines.ts";
import type { Machine } from "./machine.ts";
import { type AddChart, machineText } from "./text.ts";
import type { Summary } from "./statistics.ts";
import { durationText, sizeText } from "./units.ts";

/** One log, in one runtime. */
export interface GrowthPoint {
  readonly runtime: string;
  readonly logBytes: number;
  readonly entryBytes: number;
  readonly entries: number;
  /** The time to open it with every checksum verified. */
  readonly recoverySeconds: Summary;
  /** The time to open it with `verify: "tail"`. */
  readonly tailSeconds: Summary;
  /** The memory above that of the bare runtime, when it is open. */
  readonly memoryBytes: Summary;
  /** The time of a commit at its end: the median, and the slowest of a hundred. */
  readonly commitSeconds: Summary;
  readonly commitP99Seconds: Summary;
}

/** A run. */
export interface GrowthResult {
  readonly kind: "growth";
  readonly machine: Machine;
  readonly rounds: number;
  readonly runtimes: readonly { readonly name: string; readonly title: string; readonly version: string }[];
  /** Why the logs are smaller than requested. */
  readonly limit?: string;
  /** Logs with growing numbers of entries of one size. */
  readonly byLogSize: readonly GrowthPoint[];
  /** Logs of one size with growing entries. */
  readonly byEntrySize: readonly GrowthPoint[];
}

/** The curves over log size and over entry size. */
const CURVES = [
  ["recovery", "Recovery, every checksum", "time to open", durationText, (point: GrowthPoint) => point.recoverySeconds],
  ["open", `Open with verify "tail"`, "time to open", durationText, (point: GrowthPoint) => point.tailSeconds],
  ["memory", "Memory over the bare runtime", "peak memory", sizeText, (point: GrowthPoint) => point.memoryBytes],
  ["commit", "Commit: append and syncSync", "median of one", durationText, (point: GrowthPoint) => point.commitSeconds],
] as const;

/** The part of the page about growth. */
export function growthSection(growth: GrowthResult, chart: AddChart): string[] {
  const runtimes = growth.runtimes.map(({ title, version }) => `${title} ${version}`).join(", ");
  const draw = (over: "log" | "entry", points: readonly GrowthPoint[]): string[] =>
    points.length === 0 ? [] : CURVES.flatMap(([name, title, label, text, of]) => {
      const [{ logBytes, entryBytes }] = points as [GrowthPoint];
      const subtitle = over === "log"
        ? `over the size of the log; entries of ${sizeText(entryBytes)}`
        : `over the size of the entries; logs of ${sizeText(logBytes)}`;
      const series = growth.runtimes.map((runtime): Series => ({
        name: runtime.title,
        points: points
          .filter((point) => point.runtime === runtime.name)
          .map((point) => [over === "log" ? point.logBytes : point.entryBytes, of(point).median]),
      }));
      const x = {
        label: `size of ${over === "log" ? "the log" : "an entry"}`,
        scale: "log2",
        text: sizeText,
      } as const;
      const y = { label, scale: name === "memory" ? "log2" : "log10", text } as const;
      const svg = lineChart({ title, subtitle, x, y, series });
      return [chart(`growth-${over}-${name}`, svg, `${title}, ${subtitle}`), ""];
    });
  return [
    "## How cost grows",
    "",
    `Recorded with ${runtimes} on ${machineText(growth.machine)} ${growth.rounds} rounds.` +
    `${growth.limit === undefined ? "" : ` ${growth.limit}`} Both axes are logarithmic, so`,
    "proportional growth is a straight line.",
    "",
    ...draw("log", growth.byLogSize),
    ...draw("entry", growth.byEntrySize),
  ];
}
