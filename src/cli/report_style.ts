/**
 * The style sheet of the report, for light and dark, wide and narrow, screen and paper.
 *
 * @module
 */

const COLOURS = `
:root {
  color-scheme: light dark;
  --paper: #fcfcfa; --panel: #ffffff; --ink: #1d2126; --soft: #5d6672; --line: #e2e4e8; --track: #eef0f3;
  --accent: #2f6f8f; --good: #2c7a4b; --warn: #8a5c00; --bad: #c02f2f; --bad-soft: #fbe9e7; --warn-soft: #fdf3dc;
  --good-soft: #e4f3ea; --loss: #b3261e; --loss-ink: #ffffff;
  --mono: ui-monospace, "SF Mono", SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  --hatch: repeating-linear-gradient(45deg, var(--bad) 0 4px, var(--panel) 4px 6px);
  --torn: repeating-linear-gradient(135deg, var(--warn) 0 2px, transparent 2px 6px);
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #14171b; --panel: #1b1f24; --ink: #e4e7eb; --soft: #98a2ae; --line: #2c323a; --track: #23282f;
    --accent: #6cb4d6; --good: #62c48a; --warn: #e0b04a; --bad: #ff7468; --bad-soft: #3a2021; --warn-soft: #352b17;
    --good-soft: #1b3325;
  }
}`;

const TEXT = `
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2.5rem 1.5rem 3rem; max-width: 72rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
  -webkit-text-size-adjust: 100%;
}
h1 { margin: 0; font-size: 1.35rem; font-weight: 600; overflow-wrap: anywhere; }
h2 { margin: 2.75rem 0 .2rem; font-size: 1.05rem; font-weight: 600; }
p { margin: .2rem 0 .9rem; color: var(--soft); max-width: 46rem; overflow-wrap: anywhere; }
header p { margin: .5rem 0 0; }
header .next {
  margin-top: .9rem; padding: .55rem .9rem; max-width: none; border-left: 3px solid; border-radius: 0 .3rem .3rem 0;
  color: var(--ink);
}
code, .mono { font-family: var(--mono); font-size: .86em; font-variant-numeric: tabular-nums; }
a { color: inherit; text-underline-offset: .18em; }
:focus-visible { outline: 2px solid var(--ink); outline-offset: 2px; }
.option { white-space: nowrap; }
.verdict {
  display: inline-block; padding: .1rem .65rem; border-radius: 1rem; font-size: .86rem; font-weight: 600;
  vertical-align: .12em; margin-right: .55rem;
}
.clean { color: var(--good); background: var(--good-soft); }
.torn { color: var(--warn); background: var(--warn-soft); }
.corrupt { color: var(--bad); background: var(--bad-soft); }
header .next.clean, header .next.torn, header .next.corrupt { color: var(--ink); }
header .next.clean { border-color: var(--good); }
header .next.torn { border-color: var(--warn); }
header .next.corrupt { border-color: var(--bad); }
footer { margin-top: 2.75rem; color: var(--soft); font-size: .8rem; overflow-wrap: anywhere; }`;

const TILES = `
.tiles {
  display: grid; grid-template-columns: repeat(6, 1fr); gap: 1px; margin: 1.5rem 0 0;
  background: var(--line); border: 1px solid var(--line); border-radius: .5rem; overflow: hidden;
}
.tiles div { background: var(--panel); padding: .7rem .9rem .75rem; }
.tiles dt { color: var(--soft); font-size: .8rem; }
.tiles dd { margin: 0; font-size: 1.1rem; font-weight: 550; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.tiles small { display: block; color: var(--soft); font-size: .8rem; font-weight: 400; }
.tiles .bad dd { color: var(--bad); }
.tiles .loss { grid-column: 1 / -1; background: var(--loss); color: var(--loss-ink); padding: .85rem .9rem .9rem; }
.tiles .loss dt, .tiles .loss small { color: inherit; }
.tiles .loss dd { font-size: 1.5rem; line-height: 1.3; }
.tiles .loss small { margin-top: .15rem; font-size: .86rem; }`;

const TABLES = `
table { border-collapse: collapse; width: 100%; font-size: .88rem; }
th { text-align: left; font-weight: 500; color: var(--soft); font-size: .8rem; }
th, td { padding: .4rem 1rem .4rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th:last-child, td:last-child { padding-right: 0; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.damage td.entries { color: var(--bad); font-weight: 550; white-space: nowrap; }
.damage.harmless td.entries { color: inherit; font-weight: 400; }
.damage tr { scroll-margin-top: 3rem; }
.damage tr:target td { background: var(--bad-soft); }
.sizes td, .sizes th { white-space: nowrap; }
.sizes .bars { width: 60%; }
.sizes .track { background: var(--track); border-radius: 2px; min-width: 2.5rem; margin-top: .2rem; }
.sizes .fill { height: .95rem; background: var(--accent); border-radius: 2px; min-width: 2px; }`;

/** Marks differ in shape, not only in colour. */
const MARKS = `
.hole { background: var(--hatch); }
.torn-off { background: var(--torn); outline: 1px solid var(--warn); outline-offset: -1px; }
.mark { position: absolute; scroll-margin-top: 8rem; color: inherit; text-decoration: none; font-weight: 400; }
.mark::after {
  content: attr(aria-label); display: none; position: absolute; z-index: 9; bottom: calc(100% + .45rem); left: -.3rem;
  width: max-content; max-width: min(17rem, 40vw); padding: .3rem .55rem; border-radius: .3rem; pointer-events: none;
  background: var(--ink); color: var(--paper); font-size: .8rem; line-height: 1.35; text-align: left;
  white-space: normal;
}
.mark.end::after { left: auto; right: -.3rem; }
.mark:hover::after, .mark:focus::after { display: block; }
.mark:hover, .mark:focus { z-index: 8; }
.mark:target { outline: 3px solid var(--ink); outline-offset: 3px; }
.bar .mark, .bands .mark, .chart .mark { top: 0; bottom: 0; }
a.hole { top: -4px !important; bottom: -4px !important; min-width: 5px; margin-left: -1px; border: solid var(--bad); border-width: 2px 0; }
a.hole i::before, a.hole i::after {
  content: ""; position: absolute; left: 50%; margin-left: -5px; width: 10px; height: 3px; background: var(--bad);
}
a.hole i::before { top: -3px; }
a.hole i::after { bottom: -3px; }
a.hole::before { content: ""; position: absolute; inset: -.25rem -.6rem; }
.bar .gone { left: 0; width: 100%; border-radius: 3px; border: 1px dashed var(--bad); background:
  repeating-linear-gradient(45deg, var(--bad-soft) 0 6px, transparent 6px 12px); }
.mark.proven { top: -4px !important; bottom: -4px !important; width: 2px; margin-left: -1px; background: var(--good); }
.mark.proven i { position: absolute; top: 0; left: 2px; border: solid transparent; border-width: 4px 0 4px 6px; border-left-color: var(--good); }
.names .mark { position: relative; left: 0 !important; display: inline-flex; align-items: center; gap: 2px; padding-right: 4px; line-height: 1; }
.names .end .mark { padding: 0 0 0 4px; }
.mark i, .key i { flex: none; }
i.vote, .vote > i { width: 7px; height: 7px; border-radius: 50%; background: var(--ink); }
i.truncation, .truncation > i {
  width: 8px; height: 9px; background: var(--warn); clip-path: polygon(100% 0, 0 50%, 100% 100%);
}
.ticks { position: relative; height: 7px; margin-top: 1px; }
.ticks .mark { top: 0; bottom: 0; }
.ticks svg { display: block; width: 100%; height: 5px; }
.ticks path { fill: none; stroke: var(--soft); stroke-width: 1; vector-effect: non-scaling-stroke; }
.key .checkpoint { width: 8px; height: 6px; background: repeating-linear-gradient(90deg, var(--soft) 0 1px, transparent 1px 3.5px); }
.key { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; margin: 0 0 1rem; padding: 0; list-style: none; color: var(--soft); font-size: .82rem; }
.key li { display: inline-flex; align-items: center; gap: .45rem; }
.key .scale { width: 5rem; height: .8rem; border-radius: 2px; background: linear-gradient(90deg, var(--track), var(--accent)); }
.key .hole, .key .torn-off { width: 1.1rem; height: .8rem; border-radius: 1px; }
.key .hole { border: solid var(--bad); border-width: 2px 0; }
.key .term { width: 1px; height: .9rem; background: var(--ink); }
.key .border { width: 4px; height: .9rem; background: var(--paper); border: solid var(--soft); border-width: 0 1px; }
.key .proven { width: 8px; height: .9rem; border-left: 2px solid var(--good);
  background: linear-gradient(var(--good), var(--good)) 0 0 / 6px 5px no-repeat; clip-path: polygon(0 0, 30% 0, 100% 20%, 30% 45%, 30% 100%, 0 100%); }`;

const MAP = `
.row { display: grid; grid-template-columns: 8.5rem 1fr 9.5rem; gap: 0 .9rem; align-items: start; margin: 0 0 .5rem; }
.row > .mono { color: var(--soft); line-height: 1.25rem; padding-top: .18rem; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.row > .mono:last-child { text-align: right; }
.row > .track { min-width: 0; }
.bar { position: relative; height: 1.6rem; background: var(--track); border-radius: 3px; min-width: 3px; }
.bar svg { position: absolute; inset: 0; width: 100%; height: 100%; border-radius: 3px; }
.bar rect { fill: var(--accent); }
.bar rect.more { fill: var(--bad); }
.bar path { fill: none; stroke: var(--ink); stroke-width: 1; vector-effect: non-scaling-stroke; }
.bar path.border { stroke: var(--paper); stroke-width: 3; }
.names { position: relative; height: 1.15rem; margin-top: 1px; font-size: .72rem; line-height: 1.15rem; color: var(--soft); }
.names { font-variant-numeric: tabular-nums; }
.names .item { position: absolute; display: inline-flex; align-items: center; height: 100%; white-space: nowrap; margin-left: -3.5px; }
.names .item.end { transform: translateX(-100%); flex-direction: row-reverse; margin-left: 3.5px; }
.strip .names .item { margin-left: 0; }
.lost { color: var(--bad); font-size: .8rem; line-height: 1.4; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.strip { display: flex; }
.strip .compacted {
  flex: 0 0 auto; height: 2.3rem; padding: 0 .8rem; border-radius: 4px 0 0 4px; background: var(--line);
  color: var(--soft); font-size: .8rem; line-height: 2.3rem; white-space: nowrap; overflow: hidden; text-overflow: ellipsis;
}
.strip .compacted.lost { background: var(--loss); color: var(--loss-ink); }
.strip .compacted:target { outline: 3px solid var(--ink); outline-offset: 3px; }
.strip .along { flex: 1; min-width: 0; }
.strip .bands { position: relative; height: 2.3rem; background: var(--track); }
.strip .band, .strip .label { position: absolute; top: 0; bottom: 0; font-weight: 400; }
.strip .band, .strip .label { --fill: color-mix(in srgb, var(--accent) 36%, var(--panel)); }
.strip .band { background: var(--fill); }
.strip .even.even { --fill: color-mix(in srgb, var(--accent) 18%, var(--panel)); }
.strip .label {
  display: flex; flex-wrap: wrap; align-content: flex-start; justify-content: center; overflow: hidden;
  container-type: inline-size; pointer-events: none; font-size: .78rem; line-height: 2.3rem;
}
.strip .label i { width: 0; height: 2.3rem; }
.strip .label > span { align-self: center; padding: 0 .25rem; border-radius: .2rem; background: var(--fill); line-height: 1.25rem; white-space: nowrap; pointer-events: auto; }
.strip .label .word { display: none; }
@container (min-width: 4.5rem) { .strip .label .word { display: inline; } }
.strip .chart { position: relative; height: 8.5rem; background: var(--track); }
.strip .chart svg { position: absolute; inset: 0; width: 100%; height: 100%; }
.chart .area { fill: color-mix(in srgb, var(--accent) 22%, transparent); }
.chart .line { fill: none; stroke: var(--accent); stroke-width: 2; vector-effect: non-scaling-stroke; }
.chart span { position: absolute; left: .5rem; font-size: .78rem; color: var(--soft); line-height: 1.2; }
.chart .highest { top: .4rem; }
.chart .lowest { bottom: .75rem; }`;

const SIZES = `
@media screen and (max-width: 66rem) {
  .tiles { grid-template-columns: repeat(3, 1fr); }
  .roomy { display: none; }
}
@media screen and (max-width: 46rem) {
  body { padding: 1.25rem .9rem 2.5rem; }
  h2 { margin-top: 2.25rem; }
  .row { grid-template-columns: 1fr auto; margin-bottom: .9rem; }
  .row > .track { grid-column: 1 / -1; grid-row: 2; }
  .tiles { grid-template-columns: repeat(2, 1fr); }
  .strip { flex-direction: column; }
  .strip .compacted { border-radius: 4px 4px 0 0; height: 1.9rem; line-height: 1.9rem; }
  .sizes th, .sizes td { padding-right: .6rem; }
  .sizes .bars { width: auto; }
  .damage, .damage tbody, .damage tr { display: block; }
  .damage thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .damage tr { display: flex; flex-wrap: wrap; gap: .1rem .9rem; border: solid var(--line); border-width: 1px 0 0; padding: .6rem 0 .65rem; }
  .damage td { border: 0; padding: 0; text-align: left !important; overflow-wrap: anywhere; }
  .damage td:nth-child(-n + 2) { flex: 0 0 100%; }
  .damage td:nth-child(n + 3) { font-size: .8rem; }
  .damage td:nth-child(n + 3)::before { content: attr(data-label) " "; color: var(--soft); }
  .damage td.absent { display: none; }
  .damage td.entries { font-size: 1rem; white-space: normal; }
}
@media screen and (max-width: 24rem) {
  .sizes { font-size: .78rem; }
  .sizes th, .sizes td { padding-right: .45rem; }
}
@media print {
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { background: none; padding: 0; max-width: none; }
  h2, .key, section > p { break-after: avoid; }
  .row, .strip, .tiles, tr { break-inside: avoid; }
  .row { grid-template-columns: 7rem 1fr 8rem; }
  .tiles { grid-template-columns: repeat(3, 1fr); }
  .roomy { display: none; }
}`;

/** The style sheet. */
export const STYLE = [COLOURS, TEXT, TILES, TABLES, MARKS, MAP, SIZES].join("\n");
