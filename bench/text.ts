/**
 * Pieces of the page that several sections use.
 *
 * @module
 */

import type { Machine } from "./machine.ts";
import { type Outcome, targetNumber } from "./results.ts";
import { sizeText } from "./units.ts";

/** Adds a chart to the page: takes its file name, the picture, and its title. */
export type AddChart = (name: string, svg: string, title: string) => string;

/** The machine of a run, as a paragraph. */
export function machineText({ date, cpu, cores, memoryBytes, system, fileSystem, commit, load }: Machine): string {
  return (
    `${date}, commit ${commit}. ${cpu}, ${cores} cores, ${sizeText(memoryBytes)} of memory, ${system}, ` +
    `${fileSystem}; load before the run: ${load}.`
  );
}

/** The median and the extremes of a target's number. */
export function measuredText({ target, measured }: Outcome): string {
  if (measured === undefined) return "not measured: nothing to compare with";
  const [median, min, max] = [measured.median, measured.min, measured.max].map((value) => targetNumber(target, value));
  return `${median} (${min} to ${max})`;
}

/** Whether a target is met, in words. */
export function verdict({ isMet, isGoalMet }: Outcome): string {
  if (isMet === undefined) return "not measured";
  if (!isMet) return "no";
  return isGoalMet === undefined ? "yes" : isGoalMet ? "yes, and the goal" : "yes; not the goal";
}

/** A table with aligned columns, so that the source text is readable. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const cells = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll("|", "\\|")));
  const widths = head.map((_, i) => Math.max(3, ...cells.map((row) => row[i]!.length)));
  const format = (row: readonly string[]) => `| ${row.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`;
  return [
    format(cells[0]!),
    `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`,
    ...cells.slice(1).map(format),
  ];
}
