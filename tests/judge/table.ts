/**
 * The judge's figures as a table, for a terminal and for the documentation.
 *
 * @module
 */

import { addFigures, type Figures, noFigures } from "./figures.ts";
import type { Kind } from "./kinds.ts";

/** The figures of a kind. */
export interface Row {
  readonly kind: Pick<Kind, "id" | "title" | "weakness">;
  readonly figures: Readonly<Figures>;
}

const COLUMNS: readonly (readonly [string, (row: Row) => string | number])[] = [
  ["Kind", ({ kind }) => kind.id === "" ? kind.title : `\`${kind.id}\`: ${kind.title}`],
  ["Histories", ({ figures }) => figures.histories],
  ["Entries", ({ figures }) => figures.acknowledged],
  ["Hit", ({ figures }) => figures.hit],
  ["1: lost, not named", ({ figures }) => figures.lostEntries + figures.lostSnapshots],
  ["1: wrong hard states", ({ figures }) => figures.lostHardStates],
  ["2: whole, within", ({ figures }) => figures.within],
  ["3: whole, elsewhere", ({ figures }) => figures.elsewhere],
  ["4: hard states unknown", ({ figures }) => figures.hardStatesUnknown],
  ["Ends unknown", ({ figures }) => figures.endsUnknown],
  ["In doubt", ({ figures }) => figures.inDoubt],
];

/**
 * A Markdown table.
 *
 * @param rows A row for each kind. Their sum is added.
 */
export function tableOf(rows: readonly Row[]): string {
  const sum = noFigures();
  for (const { figures } of rows) addFigures(sum, figures);
  const cells = [...rows, { kind: { id: "", title: "all" }, figures: sum }].map((row) =>
    COLUMNS.map(([, read]) => {
      const value = read(row);
      return typeof value === "number" ? value.toLocaleString("en-US") : value;
    })
  );
  const titles = COLUMNS.map(([title]) => title);
  const widths = titles.map((title, i) => Math.max(title.length, ...cells.map((row) => row[i]!.length)));
  const lineOf = (row: readonly string[]) =>
    `| ${row.map((cell, i) => i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)).join(" | ")} |`;
  const rule = `| ${widths.map((width, i) => i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`).join(" | ")} |`;
  return [lineOf(titles), rule, ...cells.map(lineOf)].join("\n");
}
