/**
 * The report's view of a log by index: its snapshot, its terms, and the entries that are lost.
 *
 * @module
 */

import type { Index } from "../api/types.ts";
import type { ReportData } from "./report_data.ts";
import { lineId, SNAPSHOT_ID } from "./report_damage.ts";
import { LINES_MAX, mark, percent, section } from "./report_html.ts";
import { type Item, nameLine } from "./report_names.ts";
import { counted, indexes } from "./text.ts";

/** With more terms, a chart of the term by index shows more than bands. */
const BANDS_MAX = 24;
/** The size of the chart's own coordinates. */
const CHART_WIDTH = 1000;
const CHART_HEIGHT = 100;
/** The height of the first term in the chart, so that it can be seen. */
const CHART_BASE = 6;

/** The log by index. Empty for a log without entries and snapshot. */
export function termView(data: ReportData): string {
  const { found: { snapshot, firstIndex, lastIndex }, terms } = data;
  const isEmpty = lastIndex < firstIndex;
  if (isEmpty && snapshot === undefined) return "";
  const isChart = terms.length > BANDS_MAX;
  const compacted = snapshot === undefined
    ? ""
    : `<div id="${SNAPSHOT_ID}" class="compacted${
      snapshot.dataBytes === undefined ? " lost" : ""
    }">snapshot: 1 to ${snapshot.index}</div>`;
  const [marks, names] = isEmpty ? ["", []] : places(data);
  const drawn = isChart ? chart(data) + marks : bands(data) + marks + labels(data);
  // A log that ends with its snapshot has no entries to draw.
  const inner = isEmpty
    ? ""
    : `<div class="along"><div class="${isChart ? "chart" : "bands"}">${drawn}</div><div class="names">${
      nameLine(names)
    }</div></div>`;
  const about = isChart
    ? chartText(data)
    : "The terms of the entries, the entries that a snapshot replaced, and lost entries.";
  return section("by-index", "By index", about, `<div class="strip">${compacted}${inner}</div>`);
}

/** The position of an index among the entries, from 0 to 1. */
function scaleOf({ found: { firstIndex, lastIndex } }: ReportData): (index: Index) => number {
  return (index) => (index - firstIndex) / (lastIndex - firstIndex + 1);
}

/** The terms with their first and last entries. */
function runsOf({ terms, found: { lastIndex } }: ReportData) {
  return terms.map(([first, term], at) => ({ term, first, last: (terms[at + 1]?.[0] ?? lastIndex + 1) - 1 }));
}

/** A band for each term. */
function bands(data: ReportData): string {
  const at = scaleOf(data);
  return runsOf(data).map(({ term, first, last }, i) =>
    `<b class="band${i % 2 === 0 ? "" : " even"}" style="left:${percent(at(first))};width:${
      percent(at(last + 1) - at(first))
    }" ` +
    `title="term ${term}, ${indexes(first, last)}"></b>`
  ).join("");
}

/** The names of the bands, above everything that lies on them. The style sheet hides those without enough room. */
function labels(data: ReportData): string {
  const at = scaleOf(data);
  return runsOf(data).map(({ term, first, last }, i) =>
    `<b class="label${i % 2 === 0 ? "" : " even"}" style="left:${percent(at(first))};width:${
      percent(at(last + 1) - at(first))
    }">` +
    `<i></i><span><span class="word">term </span>${term}</span></b>`
  ).join("");
}

/** The term by index, as a line that rises where a term begins. */
function chart(data: ReportData): string {
  const at = scaleOf(data);
  const { terms } = data;
  const [lowest, highest] = [terms[0]![1], terms.at(-1)![1]];
  // Of the terms that begin in the same place, the last one counts.
  const steps = new Map(terms.map(([index, term]) => [Math.round(at(index) * CHART_WIDTH), term]));
  const heightOf = (term: number) =>
    CHART_HEIGHT - CHART_BASE - (CHART_HEIGHT - CHART_BASE) * (term - lowest) / Math.max(highest - lowest, 1);
  const line = [...steps].map(([x, term], i) => `${i === 0 ? `M${x} ` : `H${x}V`}${heightOf(term).toFixed(1)}`).join(
    "",
  );
  const label = `Terms ${lowest} to ${highest} by index`;
  return `<svg viewBox="0 0 ${CHART_WIDTH} ${CHART_HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${label}">` +
    `<path class="area" d="${line}H${CHART_WIDTH}V${CHART_HEIGHT}H${[...steps.keys()][0]}Z"/>` +
    `<path class="line" d="${line}H${CHART_WIDTH}"/></svg>` +
    `<span class="highest">term ${highest}</span><span class="lowest">term ${lowest}</span>`;
}

/** Sums up many terms. */
function chartText(data: ReportData): string {
  const runs = runsOf(data).map(({ term, first, last }) => ({ term, entries: last - first + 1 }))
    .sort((a, b) => a.entries - b.entries);
  const longest = runs.at(-1)!;
  const median = runs[Math.floor((runs.length - 1) / 2)]!.entries;
  return `${counted(runs.length, "term", "terms")}. The line rises where a term begins: where it is steep, elections ` +
    `followed each other within few entries. Half of the terms have at most ${counted(median, "entry", "entries")}; ` +
    `term ${longest.term} has the most, ${counted(longest.entries, "entry", "entries")}.`;
}

/** The lost entries and the proven position, with the names below. */
function places(data: ReportData): [marks: string, names: Item[]] {
  const { found: { opened: { report }, firstIndex, lastIndex } } = data;
  const at = scaleOf(data);
  const name = (at: number, text: string): Item => ({ at, marks: "", marksPx: 0, name: text });
  const names = [name(0, String(firstIndex)), name(1, String(lastIndex))];
  const marks = report.damage.slice(0, LINES_MAX).flatMap((
    { firstIndex: first, lastIndex: last = lastIndex, kind },
    i,
  ) =>
    first === undefined || kind === "snapshot" || first > lastIndex ? [] : mark("hole", {
      at: at(first),
      width: at(last + 1) - at(first),
      text: `Lost: ${indexes(first, last)}`,
      link: lineId(i + 1)!,
    })
  );
  if (report.provenIndex >= firstIndex && report.provenIndex < lastIndex) {
    const place = at(report.provenIndex + 1);
    marks.push(mark("proven", { at: place, text: `Proven durable up to index ${report.provenIndex}` }));
    names.push(name(place, `proven ${report.provenIndex}`));
  }
  return [marks.join(""), names];
}
