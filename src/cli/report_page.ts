/**
 * The report as one page that needs nothing but itself: no script, no request.
 *
 * @module
 */

import type { Damage } from "../api/report.ts";
import type { Index } from "../api/types.ts";
import { identityOf } from "./info.ts";
import type { Advice } from "./advice.ts";
import type { MapRow, ReportData, SizeClass } from "./report_data.ts";
import { STYLE } from "./report_style.ts";
import { grouped } from "./terminal.ts";
import { counted, hardStateText, indexes, nameOf, nextLine, oneLine, sized, termText } from "./text.ts";

/** Shades of the map: few enough to be told apart. */
const SHADES = 8;
/** Lines of a table, and marks of a row, beyond which a page says less. */
const LINES_MAX = 200;
/** Places named under a row. */
const NAMED_MAX = 12;
/** The room that a name takes, and where it begins to stand before its place. As parts of what it stands along. */
const NAME_WIDTH = 0.055;
const NAME_END = 0.88;

/**
 * The page.
 *
 * @param data What it shows.
 * @param next The recommended next step.
 * @param now When.
 * @returns HTML.
 */
export function renderPage(data: ReportData, next: Advice, now: Date): string {
  const { found } = data;
  const { report } = found.opened;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escape(nameOf(found.folder))} - ${report.verdict}</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1><span class="verdict ${report.verdict}">${report.verdict}</span>${escape(found.folder)}</h1>
<p>${verdictText(data)}</p><p>${escape(nextLine(next))}</p>
</header>
${tiles(data)}
${strip(data)}
${map(data)}
${
    damageTable(
      report.damage,
      "Damage",
      "Durable data that can no longer be read.",
    )
  }
${sizes(data.sizes)}
${damageTable(report.harmless, "Damage that costs nothing", "To what the log no longer needs.")}
<footer>Log <code>${identityOf(found).log}</code>, as it was on ${
    now.toISOString().slice(0, 16).replace("T", " ")
  } UTC. Made by wal-log report.</footer>
</body>
</html>
`;
}

/** Escapes text for HTML. Invisible characters are escaped too, because some of them reorder or hide text. */
function escape(text: string): string {
  return oneLine(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** A part of 1 as it stands in a style. */
function percent(part: number): string {
  return `${(Math.min(Math.max(part, 0), 1) * 100).toFixed(3)}%`;
}

function verdictText({ found }: ReportData): string {
  const { report } = found.opened;
  const { hardStateLost } = found.opened.state;
  const closed = found.isInUse
    ? "The log is in use."
    : report.closed
    ? "The last writer closed the log."
    : "The last writer did not close the log, or is at work.";
  if (report.verdict === "clean") return `Every checksum was verified, and every byte is accounted for. ${closed}`;
  if (report.cut !== undefined) {
    const { bytes, path, offset } = report.cut;
    return `${counted(bytes, "byte", "bytes")} from byte ${offset} of <code>${
      nameOf(path)
    }</code> on did not survive a ` +
      `crash; nothing proves that they were ever synced, so they were never acknowledged as durable.`;
  }
  const lost = hardStateLost ? " The latest hard state is lost, and with it perhaps a vote." : "";
  return `${counted(report.damage.length, "place", "places")} that had been durable ` +
    `${report.damage.length === 1 ? "is" : "are"} damaged.${lost}`;
}

function tiles({ found, terms }: ReportData): string {
  const { opened, segments, snapshot, firstIndex, lastIndex } = found;
  const { report, index } = opened;
  const { hardState, hardStateLost } = opened.state;
  const bytes = segments.reduce((sum, { fileBytes }) => sum + fileBytes, snapshot?.dataBytes ?? 0);
  const isEmpty = lastIndex < firstIndex;
  const [first, last] = [terms[0]?.[1], terms.at(-1)?.[1]];
  const termRange = first === undefined ? "" : first === last ? `term ${first}` : `terms ${first} to ${last}`;
  const all: [name: string, value: string, more: string, isBad?: boolean][] = [
    ["Entries", grouped(report.entries), termRange],
    ["Indexes", isEmpty ? "none" : `${firstIndex} to ${lastIndex}`, `next: index ${lastIndex + 1}`],
    [
      "Proven durable",
      `up to ${report.provenIndex}`,
      report.provenIndex >= lastIndex ? "all of it" : "the rest is whole",
    ],
    [
      "Hard state",
      hardStateLost ? "lost" : `term ${hardState.term}`,
      hardStateLost
        ? `before: ${hardStateText(hardState)}`
        : hardState.votedFor === null
        ? "no vote"
        : `voted for node ${hardState.votedFor}`,
      hardStateLost,
    ],
    ["Size", sized(bytes), counted(segments.length, "segment", "segments")],
    snapshot === undefined
      ? ["Snapshot", "none", `last: term ${termText(index.lastTerm)}`]
      : snapshot.dataBytes === undefined
      ? ["Snapshot", "damaged", `index ${snapshot.index}`, true]
      : [
        "Snapshot",
        `at ${snapshot.index}`,
        `term ${termText(snapshot.term)}, ${sized(snapshot.dataBytes)}, ${
          counted(snapshot.members!.length, "member", "members")
        }`,
      ],
  ];
  const shown = all.map(([name, value, more, isBad]) =>
    `<div${isBad ? ' class="bad"' : ""}><dt>${name}</dt><dd>${value}<small>${more}</small></dd></div>`
  );
  return `<dl class="tiles">${shown.join("")}</dl>`;
}

function damageTable(damage: readonly Damage[], title: string, about: string): string {
  if (damage.length === 0) return "";
  const rows = damage.slice(0, LINES_MAX).map(({ kind, path, offset, bytes, firstIndex, lastIndex, reason }) => {
    const what = firstIndex === undefined
      ? "-"
      : lastIndex === undefined
      ? `from ${firstIndex} on`
      : indexes(firstIndex, lastIndex);
    return `<tr><td class="what">${what}</td><td>${kind}</td><td><code>${escape(nameOf(path))}</code></td>` +
      `<td class="number">${offset}</td><td class="number">${grouped(bytes)}</td><td>${escape(reason)}</td></tr>`;
  });
  const more = damage.length > LINES_MAX ? `<p>And ${grouped(damage.length - LINES_MAX)} more.</p>` : "";
  return `<section><h2>${title}</h2><p>${about}</p><div class="wide"><table>
<tr><th>entries</th><th>what</th><th>file</th><th class="number">at byte</th><th class="number">bytes</th><th>found</th></tr>
${rows.join("\n")}
</table></div>${more}</section>`;
}

/** The log by index: what the snapshot replaced, terms, holes, and how far the disk proves it. */
function strip({ found, terms }: ReportData): string {
  const { opened, snapshot, firstIndex, lastIndex } = found;
  const { report } = opened;
  if (lastIndex < firstIndex && snapshot === undefined) return "";
  const count = lastIndex - firstIndex + 1;
  const at = (index: Index) => (index - firstIndex) / count;
  const bands: string[] = [];
  // More terms than can be told apart are merged.
  let from = 0;
  for (let i = 0; i < terms.length; i++) {
    const end = terms[i + 1]?.[0] ?? lastIndex + 1;
    if (i + 1 < terms.length && at(end) - at(terms[from]![0]) < 1 / LINES_MAX) continue;
    const [first, last] = [terms[from]!, terms[i]!];
    const width = at(end) - at(first[0]);
    const name = from === i ? `term ${termText(last[1])}` : `terms ${termText(first[1])} to ${termText(last[1])}`;
    const short = from === i ? termText(last[1]) : "";
    bands.push(
      `<b style="left:${percent(at(first[0]))};width:${percent(width)}" title="${name}, ${
        indexes(first[0], end - 1)
      }"><span>${width > 0.09 ? name : width > 0.025 ? short : ""}</span></b>`,
    );
    from = i + 1;
  }
  const names: Named[] = [{ at: 0, text: String(firstIndex) }, { at: 1, text: String(lastIndex) }];
  const marks: string[] = [];
  for (const { firstIndex: first, lastIndex: last = lastIndex, kind } of report.damage.slice(0, LINES_MAX)) {
    if (first === undefined || kind === "snapshot" || first > lastIndex) continue;
    const width = percent(at(last + 1) - at(first));
    marks.push(
      `<b class="hole" style="left:${percent(at(first))};width:${width}" title="damaged: ${indexes(first, last)}"></b>`,
    );
  }
  if (report.provenIndex >= firstIndex && report.provenIndex < lastIndex) {
    marks.push(
      `<b class="proven" style="left:${percent(at(report.provenIndex + 1))}" title="proven durable up to here"></b>`,
    );
    names.push({ at: at(report.provenIndex + 1), text: `proven ${report.provenIndex}` });
  }
  const compacted = snapshot === undefined
    ? ""
    : `<div class="compacted${snapshot.dataBytes === undefined ? " bad" : ""}">snapshot: 1 to ${snapshot.index}</div>`;
  // A log that ends with its snapshot has no band.
  const inner = count > 0
    ? `<div class="along"><div class="bands">${bands.join("")}${marks.join("")}</div>${nameLine(names)}</div>`
    : "";
  return `<section><h2>By index</h2><p>Where terms begin, what a snapshot replaced, and which entries are lost.</p>
<div class="strip">${compacted}${inner}</div></section>`;
}

/** A name at a place along something. */
interface Named {
  readonly at: number;
  readonly text: string;
}

/** Names along a row, but those that would stand on another. */
function nameLine(names: readonly Named[]): string {
  const shown: string[] = [];
  const taken: number[] = [];
  for (const { at, text } of names) {
    // One near the end stands before its place, so that it does not stick out.
    const isEnd = at > NAME_END;
    const start = isEnd ? at - NAME_WIDTH : at;
    if (taken.some((other) => Math.abs(other - start) < NAME_WIDTH)) continue;
    taken.push(start);
    shown.push(`<span${isEnd ? ' class="end"' : ""} style="left:${percent(at)}">${text}</span>`);
  }
  return `<div class="names">${shown.join("")}</div>`;
}

function map({ rows, cellBytes, missing, found }: ReportData): string {
  const densest = Math.max(...rows.flatMap(({ cells }) => cells), 0);
  const { report } = found.opened;
  const perKib = densest / cellBytes * 1024;
  const key = [
    densest > 0
      ? `<span><i class="scale"></i>0 to ${perKib >= 10 ? Math.round(perKib) : perKib.toFixed(1)} entries a KiB</span>`
      : "",
    rows.some(({ terms }) => terms.length > 0) ? `<span><i class="term"></i>a term begins</span>` : "",
    rows.some(({ borders }) => borders.length > 0) ? `<span><i class="border"></i>a segment begins</span>` : "",
    rows.some(({ proven }) => proven !== undefined)
      ? `<span><i class="proven"></i>proven durable up to here</span>`
      : "",
    report.damage.length > 0 ? `<span><i class="hole"></i>damaged</span>` : "",
    report.cut !== undefined ? `<span><i class="cutoff"></i>torn off</span>` : "",
  ];
  const gone = missing.map(({ path, firstIndex, lastIndex, reason }) =>
    `<div class="row missing"><div class="mono">${escape(nameOf(path).replace(".seg", ""))}</div>` +
    `<div class="track"><div class="bar" style="width:100%"></div><div class="lost">${escape(reason)}</div></div>` +
    `<div class="mono">${
      firstIndex === undefined ? "" : lastIndex === undefined ? `${firstIndex} to ?` : `${firstIndex} to ${lastIndex}`
    }</div></div>`
  );
  return `<section><h2>By segment</h2><p>The bytes of each segment, in the order in which they were written; the stronger the colour,
the more entries begin there.</p>
<div class="key">${key.join("")}</div>
${gone.join("\n")}
${rows.map((row) => mapRow(row, densest)).join("\n")}</section>`;
}

function mapRow(
  { label, part, range, cells, borders, terms, damage, torn, proven, bytes }: MapRow,
  densest: number,
): string {
  const rects: string[] = [];
  const shadeOf = (count: number) => count === 0 ? 0 : Math.ceil(Math.sqrt(count / densest) * SHADES);
  for (let at = 0; at < cells.length;) {
    const shade = shadeOf(cells[at]!);
    let end = at + 1;
    while (end < cells.length && shadeOf(cells[end]!) === shade) end++;
    if (shade > 0) {
      rects.push(
        `<rect x="${at}" width="${end - at}" height="10" opacity="${(0.12 + 0.88 * shade / SHADES).toFixed(2)}"/>`,
      );
    }
    at = end;
  }
  const line = (places: readonly number[], style: string) =>
    places.length === 0
      ? ""
      : `<path${style} d="${
        [...new Set(places.map((at) => (at * cells.length).toFixed(2)))].map((x) => `M${x} 0V10`).join("")
      }"/>`;
  const marks = damage.slice(0, LINES_MAX).map(({ from, to, damage: { kind, firstIndex, lastIndex } }) =>
    `<b class="hole" style="left:${percent(from)};width:${percent(to - from)}" title="damaged: ${
      firstIndex === undefined ? kind : indexes(firstIndex, lastIndex ?? firstIndex)
    }"></b>`
  );
  if (torn !== undefined) {
    marks.push(
      `<b class="torn-off" style="left:${percent(torn.from)};width:${
        percent(torn.to - torn.from)
      }" title="torn off"></b>`,
    );
  }
  if (proven !== undefined) {
    marks.push(`<b class="proven" style="left:${percent(proven)}" title="proven durable up to here"></b>`);
  }
  const names = nameLine(terms.map(({ at, term }) => ({ at, text: `t${termText(term)}` })));
  const lost = damage.slice(0, NAMED_MAX).map(({ damage: { kind, firstIndex, lastIndex } }) =>
    firstIndex === undefined
      ? kind
      : lastIndex === undefined
      ? `${firstIndex} and on`
      : firstIndex === lastIndex
      ? String(firstIndex)
      : `${firstIndex} to ${lastIndex}`
  );
  const more = damage.length > NAMED_MAX ? ` and ${grouped(damage.length - NAMED_MAX)} more` : "";
  return `<div class="row"><div class="mono" title="${label}, ${sized(bytes)}">${label}</div>` +
    `<div class="track"><div style="width:${percent(part)}"><div class="bar"><svg viewBox="0 0 ${cells.length} 10" ` +
    `preserveAspectRatio="none" role="img" aria-label="${label}">${rects.join("")}${line(borders, ' class="border"')}` +
    `${line(terms.map(({ at }) => at), "")}</svg>${marks.join("")}</div>${terms.length > 0 ? names : ""}</div>` +
    `${lost.length > 0 ? `<div class="lost">damaged: ${lost.join(", ")}${more}</div>` : ""}</div>` +
    `<div class="mono">${range === undefined ? "no entries" : `${range.first} to ${range.last}`}</div></div>`;
}

function sizes(classes: readonly SizeClass[]): string {
  if (classes.length === 0) return "";
  const most = Math.max(...classes.map(({ entries }) => entries));
  const total = classes.reduce((sum, { entries }) => sum + entries, 0);
  const rows = classes.map(({ least, most: last, entries, bytes }) => {
    const name = last === 0
      ? "none"
      : least === last
      ? String(least)
      : least < 1024
      ? `${least} to ${last}`
      : `${sized(least)} and more`;
    const share = entries / total * 100;
    return `<tr><td class="number">${name}</td>` +
      `<td style="width:60%"><div class="track">${
        entries === 0 ? "" : `<div class="fill" style="width:${percent(entries / most)}"></div>`
      }</div></td>` +
      `<td class="number">${grouped(entries)}</td><td class="number">${
        share >= 0.05 || entries === 0 ? share.toFixed(1) : "&lt;0.1"
      }%</td>` +
      `<td class="number">${sized(bytes)}</td></tr>`;
  });
  return `<section><h2>By size</h2><p>How many bytes the commands of entries have.</p><div class="wide"><table>
<tr><th class="number">bytes</th><th></th><th class="number">entries</th><th class="number">share</th><th class="number">in all</th></tr>
${rows.join("\n")}
</table></div></section>`;
}
