/**
 * How the report looks: for light and dark, wide and narrow, screen and paper.
 *
 * @module
 */

/** The style sheet. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #fcfcfa; --panel: #ffffff; --ink: #1d2126; --soft: #5d6672; --line: #e2e4e8; --track: #f0f1f4;
  --accent: #2f6f8f; --good: #2c7a4b; --warn: #9a6700; --bad: #c02f2f; --bad-soft: #fbe9e7; --warn-soft: #fdf3dc;
  --good-soft: #e4f3ea;
  --mono: ui-monospace, "SF Mono", SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171b; --panel: #1b1f24; --ink: #e4e7eb; --soft: #98a2ae; --line: #2c323a; --track: #23282f;
    --accent: #6cb4d6; --good: #62c48a; --warn: #e0b04a; --bad: #ff7468; --bad-soft: #3a2021; --warn-soft: #352b17;
    --good-soft: #1b3325;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2.5rem 1.5rem 4rem; max-width: 72rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
}
h1 { margin: 0; font-size: 1.35rem; font-weight: 600; overflow-wrap: anywhere; }
h2 { margin: 2.5rem 0 .25rem; font-size: 1.02rem; font-weight: 600; }
p { margin: .25rem 0 .9rem; color: var(--soft); max-width: 48rem; }
header p { margin-top: .35rem; }
code, .mono { font-family: var(--mono); font-size: .86em; font-variant-numeric: tabular-nums; }
.verdict {
  display: inline-block; padding: .1rem .6rem; border-radius: 1rem; font-size: .86rem; font-weight: 600;
  vertical-align: .12em; margin-right: .5rem;
}
.clean { color: var(--good); background: var(--good-soft); }
.torn { color: var(--warn); background: var(--warn-soft); }
.corrupt { color: var(--bad); background: var(--bad-soft); }
.tiles {
  display: grid; grid-template-columns: repeat(6, 1fr); gap: 1px; margin: 1.5rem 0 0;
  background: var(--line); border: 1px solid var(--line); border-radius: .5rem; overflow: hidden;
}
.tiles div { background: var(--panel); padding: .7rem .9rem .75rem; }
.tiles dt { color: var(--soft); font-size: .8rem; }
.tiles dd { margin: 0; font-size: 1.1rem; font-weight: 550; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.tiles small { display: block; color: var(--soft); font-size: .8rem; font-weight: 400; }
.tiles .bad dd { color: var(--bad); }
.key { display: flex; flex-wrap: wrap; gap: .35rem 1.2rem; margin: 0 0 .9rem; color: var(--soft); font-size: .82rem; }
.key span { display: inline-flex; align-items: center; gap: .4rem; }
.key i { display: inline-block; width: 1.1rem; height: .8rem; border-radius: 2px; }
.key .scale { width: 5rem; background: linear-gradient(90deg, var(--track), var(--accent)); }
.key .hole { background: var(--bad); }
.key .cutoff, .torn-off {
  background: repeating-linear-gradient(135deg, var(--warn) 0 2px, transparent 2px 6px);
}
.key .term { width: 1px; background: var(--ink); }
.key .border { width: 2px; background: var(--paper); outline: 1px solid var(--line); }
.key .proven { width: 2px; background: var(--good); }
.row { display: grid; grid-template-columns: 8.5rem 1fr 9.5rem; gap: 0 .9rem; align-items: start; margin: 0 0 .3rem; }
.row > .mono { color: var(--soft); line-height: 1.6rem; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.row > .mono:last-child { text-align: right; }
.bar { position: relative; height: 1.6rem; background: var(--track); border-radius: 3px; min-width: 3px; }
.bar svg { position: absolute; inset: 0; width: 100%; height: 100%; border-radius: 3px; }
.bar rect { fill: var(--accent); }
.bar path { fill: none; stroke: var(--ink); stroke-width: 1; vector-effect: non-scaling-stroke; }
.bar path.border { stroke: var(--paper); stroke-width: 2; }
.bar b { position: absolute; top: 0; bottom: 0; min-width: 3px; border-radius: 1px; }
.hole { background: var(--bad); }
.torn-off { outline: 1px solid var(--warn); outline-offset: -1px; }
.bar .proven { top: -3px; bottom: -3px; width: 2px; min-width: 2px; margin-left: -1px; background: var(--good); }
.names { position: relative; height: 1.05rem; font-size: .72rem; color: var(--soft); }
.names span { position: absolute; white-space: nowrap; font-variant-numeric: tabular-nums; }
.names .end { transform: translateX(-100%); }
.lost { color: var(--bad); font-size: .8rem; line-height: 1.35; font-variant-numeric: tabular-nums; }
.missing .bar { background: var(--bad-soft); outline: 1px dashed var(--bad); }
.strip { display: flex; }
.strip .compacted {
  flex: 0 0 auto; height: 2.1rem; padding: 0 .8rem; border-radius: 4px 0 0 4px; background: var(--line);
  color: var(--soft); font-size: .8rem; line-height: 2.1rem; white-space: nowrap;
}
.strip .compacted.bad { background: var(--bad); color: var(--panel); }
.strip .along { flex: 1; min-width: 0; }
.strip .bands { position: relative; height: 2.1rem; border-radius: 4px; overflow: hidden; background: var(--track); }
.strip .compacted + .along .bands { border-radius: 0 4px 4px 0; }
.strip .bands b {
  position: absolute; top: 0; bottom: 0; overflow: hidden; font-weight: 400; font-size: .78rem; line-height: 2.1rem;
  text-align: center; white-space: nowrap; background: color-mix(in srgb, var(--accent) 34%, var(--panel));
}
.strip .bands b:nth-child(even) { background: color-mix(in srgb, var(--accent) 18%, var(--panel)); }
.strip .bands span { position: relative; z-index: 1; }
.strip .bands b.hole { background: var(--bad); min-width: 3px; }
.strip .bands b.proven { width: 2px; background: var(--good); }
table { border-collapse: collapse; width: 100%; font-size: .88rem; }
th { text-align: left; font-weight: 500; color: var(--soft); font-size: .8rem; }
th, td { padding: .35rem .9rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.what { color: var(--bad); font-weight: 550; white-space: nowrap; }
td .track { background: var(--track); border-radius: 2px; min-width: 6rem; }
td .fill { height: .95rem; background: var(--accent); border-radius: 2px; min-width: 2px; margin-top: .2rem; }
.wide { overflow-x: auto; }
.wide td { white-space: nowrap; }
segment index { margin-top: 3rem; color: var(--soft); font-size: .8rem; }
@media (max-width: 66rem) { .tiles { grid-template-columns: repeat(3, 1fr); } }
@media (max-width: 46rem) {
  body { padding: 1.25rem .9rem 3rem; }
  .row { grid-template-columns: 1fr auto; margin-bottom: .6rem; }
  .row > .track { grid-column: 1 / -1; grid-row: 2; }
  .tiles { grid-template-columns: repeat(2, 1fr); }
}
@media print { body { background: none; } .bar, .strip, .fill, .hole { print-color-adjust: exact; } }
`;
