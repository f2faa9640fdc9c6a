/**
 * The report's tables of damage, and the places on its maps to which they lead.
 *
 * @module
 */

import type { Damage } from "../api/report.ts";
import type { ReportData } from "./report_data.ts";
import { escape, LINES_MAX, section } from "./report_html.ts";
import { grouped } from "./terminal.ts";
import { indexes, nameOf } from "./text.ts";

/** The id of the snapshot on the page. */
export const SNAPSHOT_ID = "snapshot";

/** The id of a damage's line in the table; `undefined` if the table is too long for it. */
export function lineId(number: number): string | undefined {
  return number <= LINES_MAX ? `damage-${number}` : undefined;
}

/** The id of a damage's place on the map of segments. */
export function placeId(number: number): string {
  return `place-${number}`;
}

/** The entries that a damaged place held, or else its kind. */
export function nameOfDamage({ firstIndex, lastIndex, kind }: Damage): string {
  if (firstIndex === undefined) return kind;
  return lastIndex === undefined ? `from index ${firstIndex} on` : indexes(firstIndex, lastIndex);
}

/** The table of the damage to what the log needs. Each line leads to its place on the map. */
export function damageTable({ found }: ReportData): string {
  const { damage } = found.opened.report;
  if (damage.length === 0) return "";
  const places = damage.map(({ kind }, at) =>
    kind !== "snapshot" ? placeId(at + 1) : found.snapshot === undefined ? undefined : SNAPSHOT_ID
  );
  return section("damage", "Damage", "Durable data that can no longer be read.", table(damage, places));
}

/** The table of the damage to what the log no longer needs. */
export function harmlessTable({ found }: ReportData): string {
  const { harmless } = found.opened.report;
  if (harmless.length === 0) return "";
  const about = "The log no longer needs this data.";
  return section("harmless", "Damage that costs nothing", about, table(harmless, undefined));
}

/** A table of damage. Its roles are explicit, because a narrow screen shows it as a list of cards. */
function table(damage: readonly Damage[], places: readonly (string | undefined)[] | undefined): string {
  const head = ["Entries", "Found", "Contents", "File"].map((name) => `<th role="columnheader">${name}</th>`);
  for (const name of ["At byte", "Bytes"]) head.push(`<th role="columnheader" class="number">${name}</th>`);
  const rows = damage.slice(0, LINES_MAX).map((one, at) => {
    const { kind, path, offset, bytes, firstIndex, reason } = one;
    const name = firstIndex === undefined ? "none" : nameOfDamage(one);
    const place = places?.[at];
    const cell = (label: string, text: string, style = "") =>
      `<td role="cell" class="${style}" data-label="${label}">${text}</td>`;
    // Nothing is left of a file that is missing.
    const size = (label: string, number: number) =>
      bytes === 0 ? cell(label, "-", "number absent") : cell(label, grouped(number), "number");
    return `<tr role="row"${places === undefined ? "" : ` id="${lineId(at + 1)}"`}>` +
      cell("Entries", place === undefined ? name : `<a href="#${place}">${name}</a>`, "entries") +
      cell("Found", escape(reason)) + cell("Contents", kind) + cell("File", `<code>${escape(nameOf(path))}</code>`) +
      size("At byte", offset) + size("Bytes", bytes) + "</tr>";
  });
  const more = damage.length > LINES_MAX ? `<p>And ${grouped(damage.length - LINES_MAX)} more.</p>` : "";
  return `<table class="damage${places === undefined ? " harmless" : ""}" role="table"><thead role="rowgroup">` +
    `<tr role="row">${head.join("")}</tr></thead>
<tbody role="rowgroup">
${rows.join("\n")}
</tbody></table>${more}`;
}
