/**
 * The results of the parts around the log (event log, replicas, archive), and their presentation. Each of them is
 * measured by a program of its own, in one runtime at a time.
 *
 * @module
 */

import { bold } from "../src/cli/terminal.ts";
import type { Machine } from "./machine.ts";
import { summarize, type Summary } from "./statistics.ts";
import { machineText, table } from "./text.ts";
import { durationText, rateText, short } from "./units.ts";

/** How the numbers of a figure are written. */
const TEXTS = {
  perSecond: (value: number) => `${rateText(value)}/s`,
  mibPerSecond: (value: number) => `${short(value)} MiB/s`,
  ratio: (value: number) => `${value.toFixed(2)}x`,
  seconds: durationText,
} as const satisfies Record<string, (value: number) => string>;

/** A figure of a part. */
export interface Figure {
  /** What was measured, the same in all runtimes. */
  readonly name: string;
  readonly unit: keyof typeof TEXTS;
  readonly summary: Summary;
  /** What is wanted, in words. */
  readonly target?: string;
}

/** The parts. */
export const PART_TITLES = {
  events: "An event log",
  replica: "Three replicas in one process",
  archive: "An archive",
} as const;

/** The name of a part. */
export type PartKind = keyof typeof PART_TITLES;

/** A run in one runtime. */
export interface PartRun {
  /** The runtime and its version. */
  readonly runtime: string;
  readonly machine: Machine;
  /** The work, as a sentence. */
  readonly work: string;
  readonly figures: readonly Figure[];
}

/** The runs of a part, one for each runtime. */
export interface PartResult {
  readonly kind: PartKind;
  readonly runs: readonly PartRun[];
}

/**
 * A figure from its samples.
 *
 * @param name What was measured.
 * @param unit How the numbers are written.
 * @param samples At least one.
 * @param target What is wanted, in words.
 */
export function figure(name: string, unit: Figure["unit"], samples: readonly number[], target?: string): Figure {
  return { name, unit, summary: summarize(samples), ...target === undefined ? {} : { target } };
}

/** The median of a figure as text. */
export function medianText({ unit, summary }: Figure): string {
  return TEXTS[unit](summary.median);
}

/** A figure as text: the median, and the least and the greatest. */
export function figureText({ unit, summary }: Figure): string {
  const [median, min, max] = [summary.median, summary.min, summary.max].map(TEXTS[unit]);
  return `${median} (${min} to ${max})`;
}

/**
 * Adds a run to the earlier runs of its part.
 *
 * @param earlier The earlier runs; `undefined` if there are none.
 * @param kind The part.
 * @param run The run. It replaces one of the same runtime, in any version.
 * @returns All runs, in the order of the names of their runtimes.
 */
export function withRun(earlier: PartResult | undefined, kind: PartKind, run: PartRun): PartResult {
  const nameOf = ({ runtime }: PartRun) => runtime.split(" ")[0]!;
  const others = (earlier?.runs ?? []).filter((other) => nameOf(other) !== nameOf(run));
  return { kind, runs: [...others, run].sort((a, b) => nameOf(a) < nameOf(b) ? -1 : 1) };
}

/** Prints a run. */
export function showRun({ runtime, work, figures }: PartRun): void {
  console.log(bold(`${runtime}. ${work}`));
  const width = Math.max(...figures.map(({ name }) => name.length)) + 2;
  for (const one of figures) {
    console.log(
      `  ${one.name.padEnd(width)}${figureText(one)}${one.target === undefined ? "" : `; target: ${one.target}`}`,
    );
  }
}

/** The section of the page about a part. */
export function partSection({ kind, runs }: PartResult): string[] {
  return [
    `## ${PART_TITLES[kind]}`,
    "",
    ...new Set(runs.map(({ work }) => work)),
    "",
    ...runs.map(({ runtime, machine }) => `- ${runtime}: recorded on ${machineText(machine)}`),
    "",
    ...table(
      ["Figure", "Runtime", "Median (least to greatest)", "Target"],
      runs.flatMap(({ runtime, figures }) =>
        figures.map((one) => [one.name, runtime, figureText(one), one.target ?? ""])
      ),
    ),
    "",
  ];
}
