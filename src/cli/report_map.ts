/**
 * The report's map of the segments.
 *
 * @module
 */

import { lineId, nameOfDamage, placeId } from "./report_damage.ts";
import type { LostRow, MapRow, ReportData } from "./report_data.ts";
import { escape, mark, percent, section } from "./report_html.ts";
import type { Mark } from "./report_marks.ts";
import { CHARACTER_PX, type Item, nameLine } from "./report_names.ts";
import { grouped } from "./terminal.ts";
import { nameOf, sized, termText } from "./text.ts";

/** The number of shades of the map. There are few, so that they can be told apart. */
const SHADES = 8;
/** Damaged places that are named under a row. */
const NAMED_MAX = 12;
/** Beginnings of terms that are drawn on a row. With more, the text beside it says which. */
const TERMS_MAX = 40;
/** Positions of checkpoints that are told apart. */
const TICKS = 400;
/** The width of a mark, with the space after it, in pixels. */
const MARK_PX = 12;
/** A term that begins this close to a vote begins with it. In bytes. */
const NEAR_BYTES = 1024;

const ABOUT = `The bytes of each segment, in the order in which they were written. The stronger the colour, the more
entries begin there. Point at a mark, or move the focus to it, to read its meaning.`;

/** The map, with its key. */
export function segmentMap(data: ReportData): string {
  const rows = data.rows.filter((row) => row.kind === "segments");
  const densest = Math.max(...rows.flatMap(({ cells }) => cells), 0);
  const drawn = data.rows.map((row) => row.kind === "lost" ? lostRow(row) : mapRow(row, densest));
  return section("by-segment", "By segment", ABOUT, `${keyOf(data, rows, densest)}\n${drawn.join("\n")}`);
}

function keyOf({ cellBytes, found }: ReportData, rows: readonly MapRow[], densest: number): string {
  const { report } = found.opened;
  const perKib = densest / cellBytes * 1024;
  const [most, unit] = perKib >= 1 ? [perKib, "KiB"] : [perKib * 1024, "MiB"];
  const has = (kind: Mark["kind"]) => rows.some(({ marks }) => marks.some((one) => one.kind === kind));
  const drawn: readonly [isShown: boolean, style: string, text: string][] = [
    [densest > 0, "scale", `0 to ${most >= 10 ? Math.round(most) : most.toFixed(1)} entries a ${unit}`],
    [report.damage.length > 0, "hole", "damaged"],
    [report.cut !== undefined, "torn-off", "torn off"],
    [rows.some(({ terms }) => terms.length > 0), "term", "a term begins"],
    [has("vote"), "vote", "hard state (term and vote)"],
    [has("truncation"), "truncation", "truncation"],
    [rows.some(({ checkpoints }) => checkpoints !== undefined), "checkpoint", "checkpoint"],
    [rows.some(({ borders }) => borders.length > 0), "border", "a segment begins"],
    [rows.some(({ proven }) => proven !== undefined), "proven", "proven durable up to here"],
  ];
  const shown = drawn.filter(([isShown]) => isShown);
  return `<ul class="key">${shown.map(([, style, text]) => `<li><i class="${style}"></i>${text}</li>`).join("")}</ul>`;
}

/** A row for a file that is missing or cannot be read at all. */
function lostRow({ damage, number }: LostRow): string {
  const { path, firstIndex, lastIndex, reason } = damage;
  const range = firstIndex === undefined
    ? ""
    : lastIndex === undefined
    ? `${firstIndex} to ?`
    : `${firstIndex} to ${lastIndex}`;
  const place = { at: 0, width: 1, text: `Damaged: ${nameOfDamage(damage)}`, id: placeId(number) };
  const link = lineId(number);
  return `<div class="row missing"><div class="mono">${escape(nameOf(path).replace(".seg", ""))}</div>` +
    `<div class="track"><div class="bar">${mark("gone", link === undefined ? place : { ...place, link })}</div>` +
    `<div class="lost">${escape(reason)}</div></div><div class="mono">${range}</div></div>`;
}

function mapRow(row: MapRow, densest: number): string {
  const { label, part, range, damage, bytes, terms } = row;
  const indexes = range === undefined ? "no entries" : `${range.first} to ${range.last}`;
  const termRange = terms.length > TERMS_MAX ? `<br>terms ${terms[0]!.term} to ${terms.at(-1)!.term}` : "";
  return `<div class="row"><div class="mono" title="${sized(bytes)}">${label}</div>` +
    `<div class="track"><div style="width:${percent(part)}">` +
    `<div class="bar">${picture(row, densest)}${places(row)}</div>${ticks(row)}${lane(row)}</div>` +
    `${damage.length === 0 ? "" : `<div class="lost">${damageText(row)}</div>`}</div>` +
    `<div class="mono">${indexes}${termRange}</div></div>`;
}

/** The checkpoints, as ticks below the bar. */
function ticks({ checkpoints, part }: MapRow): string {
  if (checkpoints === undefined) return "";
  const places = new Set(checkpoints.places.map((at) => Math.round(at * TICKS)));
  const drawn = `<svg viewBox="0 0 ${TICKS} 10" preserveAspectRatio="none" aria-hidden="true"><path d="${
    [...places].map((x) => `M${x} 0V10`).join("")
  }"/></svg>`;
  return `<div class="ticks">${
    mark("checkpoints", { at: 0, part, width: 1, text: checkpoints.text, label: drawn })
  }</div>`;
}

/** Votes and truncations, with the names of the terms that begin there, and the names of other terms. */
function lane({ marks, terms, part, bytes }: MapRow): string {
  const items = new Map<number, Item>();
  for (const { kind, at, text, count } of marks) {
    const { marks: others = "", marksPx = 0 } = items.get(at) ?? {};
    const label = count === 1 ? "" : grouped(count);
    items.set(at, {
      at,
      marks: others + mark(kind, { at, part, text, label }),
      marksPx: marksPx + MARK_PX + CHARACTER_PX * label.length,
      name: undefined,
    });
  }
  for (const { at, term } of terms.length > TERMS_MAX ? [] : terms) {
    const name = `t${termText(term)}`;
    const near = [...items.values()].find((item) => item.marks !== "" && Math.abs(item.at - at) * bytes < NEAR_BYTES);
    if (near === undefined) items.set(at, { at, marks: "", marksPx: 0, name });
    else if (near.name === undefined) items.set(near.at, { ...near, name });
  }
  return items.size === 0 ? "" : nameLine([...items.values()], part);
}

/** The density of entries, the segments, the terms, and the damage that is too much to be linked. */
function picture({ label, cells, borders, terms, bytes, range, damage }: MapRow, densest: number): string {
  const rects: string[] = [];
  const shadeOf = (count: number) => count === 0 ? 0 : Math.ceil(Math.sqrt(count / densest) * SHADES);
  for (let at = 0; at < cells.length;) {
    const shade = shadeOf(cells[at]!);
    let end = at + 1;
    while (end < cells.length && shadeOf(cells[end]!) === shade) end++;
    const opacity = (0.12 + 0.88 * shade / SHADES).toFixed(2);
    if (shade > 0) rects.push(`<rect x="${at}" width="${end - at}" height="10" opacity="${opacity}"/>`);
    at = end;
  }
  for (const { from, to, number } of damage) {
    if (lineId(number) !== undefined) continue;
    rects.push(
      `<rect class="more" x="${from * cells.length}" width="${Math.max(to - from, 1e-3) * cells.length}" height="10"/>`,
    );
  }
  const line = (places: readonly number[], style: string) => {
    const lines = new Set(places.map((at) => `M${(at * cells.length).toFixed(2)} 0V10`));
    return lines.size === 0 ? "" : `<path class="${style}" d="${[...lines].join("")}"/>`;
  };
  const entries = range === undefined ? "no entries" : `indexes ${range.first} to ${range.last}`;
  return `<svg viewBox="0 0 ${cells.length} 10" preserveAspectRatio="none" role="img" ` +
    `aria-label="${label}: ${sized(bytes)}, ${entries}">${rects.join("")}${line(borders, "border")}` +
    `${terms.length > TERMS_MAX ? "" : line(terms.map(({ at }) => at), "term")}</svg>`;
}

/** The damage, the torn end and the proven position on a row. */
function places({ part, damage, torn, proven }: MapRow): string {
  const marks = damage.flatMap(({ from, to, damage: one, number }) => {
    const link = lineId(number);
    if (link === undefined) return [];
    return mark("hole", {
      at: from,
      part,
      width: to - from,
      text: `Damaged: ${nameOfDamage(one)}`,
      link,
      id: placeId(number),
    });
  });
  if (torn !== undefined) {
    marks.push(
      mark("torn-off", {
        at: torn.from,
        part,
        width: torn.to - torn.from,
        text: "Torn off: never acknowledged as durable",
      }),
    );
  }
  if (proven !== undefined) marks.push(mark("proven", { at: proven, part, text: "Proven durable up to here" }));
  return marks.join("");
}

/** The damaged entries of a row. */
function damageText({ damage }: MapRow): string {
  const named = damage.slice(0, NAMED_MAX).map(({ damage: { kind, firstIndex, lastIndex } }) =>
    firstIndex === undefined
      ? kind
      : lastIndex === undefined
      ? `from ${firstIndex} on`
      : firstIndex === lastIndex
      ? String(firstIndex)
      : `${firstIndex} to ${lastIndex}`
  );
  const more = damage.length > NAMED_MAX ? ` and ${grouped(damage.length - NAMED_MAX)} more` : "";
  return `damaged: ${named.join(", ")}${more}`;
}
