/**
 * The results of a soak, and their presentation.
 *
 * @module
 */

import { lineChart } from "./charts/lines.ts";
import type { Machine } from "./machine.ts";
import { type AddChart, machineText, table } from "./text.ts";
import { quantile } from "./statistics.ts";
import { durationText, short, sizeText } from "./units.ts";

/** The state at one moment of the run. */
export interface SoakPoint {
  readonly minutes: number;
  /** Resident memory. */
  readonly memoryBytes: number;
  /** The number and the total size of the files in the log's folder. */
  readonly files: number;
  readonly diskBytes: number;
  /** The number of entries above the snapshot. */
  readonly entries: number;
  /** The times of the commits since the previous point: the median, and the slowest of a hundred. */
  readonly commitSeconds: number;
  readonly commitP99Seconds: number;
}

/** A run. */
export interface SoakResult {
  readonly kind: "soak";
  readonly machine: Machine;
  readonly runtime: { readonly name: string; readonly title: string; readonly version: string };
  readonly minutes: number;
  /** The counts of actions. */
  readonly done: Readonly<Record<string, number>>;
  readonly points: readonly SoakPoint[];
  /** A remark by the person who ran it. */
  readonly remark?: string;
}

/** A quarter of the points is enough to compare the beginning with the end. */
const PARTS = 4;

const CURVES = [
  ["memory", "Resident memory", sizeText, (point: SoakPoint) => point.memoryBytes],
  ["files", "Files in the log's folder", short, (point: SoakPoint) => point.files],
  ["p99", "Commit, 99th percentile", durationText, (point: SoakPoint) => point.commitP99Seconds],
] as const;

/** The part of the page about the soak. */
export function soakSection(
  { machine, runtime, minutes, done, points, remark }: SoakResult,
  chart: AddChart,
): string[] {
  // The process warms up in the first quarter, so the second quarter is compared with the last.
  const part = (number: number) =>
    points.slice(Math.floor((points.length * number) / PARTS), Math.floor((points.length * (number + 1)) / PARTS));
  const middle = (points: readonly SoakPoint[], of: (point: SoakPoint) => number) => quantile(points.map(of), 0.5);
  const rows = points.length < PARTS ? [] : CURVES.map(([, title, text, of]) => {
    const [early, late] = [middle(part(1), of), middle(part(PARTS - 1), of)];
    return [title, text(early), text(late), `${(late / early).toFixed(2)}x`];
  });
  const counts = Object.entries(done)
    .map(([what, count]) => `${count.toLocaleString("en-US")} ${what}`)
    .join(", ");
  return [
    "## A soak",
    "",
    `${short(minutes)} minutes in ${runtime.title} ${runtime.version}: ${counts}. Recorded on ${machineText(machine)}`,
    ...(remark === undefined ? [] : ["", remark]),
    "",
    ...table(["", "Second quarter", "Last quarter", "Ratio"], rows),
    "",
    ...CURVES.flatMap(([name, title, text, of]) => {
      const x = { label: "minutes", scale: "linear", text: short } as const;
      const series = [{ name: runtime.title, points: points.map((point) => [point.minutes, of(point)] as const) }];
      const svg = lineChart({ title, subtitle: "over a soak", x, y: { label: "", scale: "linear", text }, series });
      return [chart(`soak-${name}`, svg, `${title} over a soak`), ""];
    }),
  ];
}
