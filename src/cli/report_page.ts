/**
 * The report as one self-contained page: no script, no request.
 *
 * @module
 */

import { identityOf } from "./info.ts";
import type { Advice } from "./advice.ts";
import { damageTable, harmlessTable } from "./report_damage.ts";
import type { ReportData, SizeClass } from "./report_data.ts";
import { escape, percent, section } from "./report_html.ts";
import { segmentMap } from "./report_map.ts";
import { STYLE } from "./report_style.ts";
import { termView } from "./report_terms.ts";
import { grouped } from "./terminal.ts";
import { counted, hardStateText, nameOf, nextLine, sized, termText } from "./text.ts";

/**
 * The page.
 *
 * @param data The data of the report.
 * @param next The recommended next step.
 * @param now The time of the report.
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
<main>
<header>
<h1><span class="verdict ${report.verdict}">${report.verdict}</span>${escape(found.folder)}</h1>
<p>${verdictText(data)}</p>
<p class="next ${report.verdict}">${nextText(next)}</p>
</header>
${tiles(data)}
${damageTable(data)}
${termView(data)}
${segmentMap(data)}
${sizes(data.sizes)}
${harmlessTable(data)}
</main>
<footer>Log <code>${identityOf(found).log}</code>, as it was on ${
    now.toISOString().slice(0, 16).replace("T", " ")
  } UTC. Made by wal-log report.</footer>
</body>
</html>
`;
}

/** The next step, with options of commands that no line break divides. */
function nextText(next: Advice): string {
  return escape(nextLine(next)).replace(/(?<= )--[a-z-]+/g, '<span class="option">$&</span>');
}

function verdictText({ found, loss }: ReportData): string {
  const { report } = found.opened;
  const closed = found.isInUse
    ? "The log is in use."
    : report.closed
    ? "The last writer closed the log."
    : "The last writer did not close the log, or is at work.";
  if (report.verdict === "clean") return `Every checksum was verified, and every byte is accounted for. ${closed}`;
  const sentences: string[] = [];
  if (report.damage.length > 0) {
    sentences.push(`Durable data is damaged in ${counted(loss.places, "place", "places")}.`);
    if (loss.parts.length > 0) sentences.push(`Lost: ${loss.parts.join("; ")}.`);
  }
  if (report.cut !== undefined) {
    const { bytes, path, offset } = report.cut;
    sentences.push(
      `${counted(bytes, "byte", "bytes")} from byte ${grouped(offset)} of <code>${
        escape(nameOf(path))
      }</code> on did ` +
        "not survive a crash. Nothing proves that they were ever synced, so they were never acknowledged as durable.",
    );
  }
  return sentences.join(" ");
}

/** The tile that shows what is lost. */
function lossTile({ loss }: ReportData): string {
  if (loss.places === 0) return "";
  const parts = loss.parts.length === 0 ? "unknown" : loss.parts.join("; ");
  const places = counted(loss.places, "damaged place", "damaged places");
  return `<div class="loss"><dt>Lost</dt><dd>${parts}<small>${loss.ranges === "" ? "in " : `${loss.ranges}, in `}` +
    `<a href="#damage">${places}</a></small></dd></div>`;
}

function tiles(data: ReportData): string {
  const { found, terms } = data;
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
      report.provenIndex >= lastIndex ? "all of it" : "the rest is intact",
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
  return `<dl class="tiles">${lossTile(data)}${shown.join("")}</dl>`;
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
      : `from ${sizeName(least)}`;
    const share = entries / total * 100;
    return `<tr><td class="number">${name}</td>` +
      `<td class="bars"><div class="track">${
        entries === 0 ? "" : `<div class="fill" style="width:${percent(entries / most)}"></div>`
      }</div></td>` +
      `<td class="number">${grouped(entries)}</td><td class="number">${
        share >= 0.05 || entries === 0 ? share.toFixed(1) : "&lt;0.1"
      }%</td>` +
      `<td class="number">${sized(bytes)}</td></tr>`;
  });
  const about = "The sizes of the commands of entries.";
  const head = ["Bytes", "", "Entries", "Share", "In all"].map((name) => `<th class="number">${name}</th>`).join("");
  const table = `<table class="sizes"><thead><tr>${head}</tr></thead>
<tbody>${rows.join("\n")}</tbody></table>`;
  return section("by-size", "By size", about, table);
}

/** A power of two from 1024 on. */
function sizeName(bytes: number): string {
  return sized(bytes).replace(".0 ", " ");
}
