/** Mutants of `wal-log report`. */

import type { Mutant } from "./mutant.ts";

const PAGE = "src/cli/report_page.ts";
const DAMAGE = "src/cli/report_damage.ts";
const DATA = "src/cli/report_data.ts";
const LOSS = "src/cli/report_loss.ts";
const MAP = "src/cli/report_map.ts";
const MARKS = "src/cli/report_marks.ts";
const TERMS = "src/cli/report_terms.ts";
const NAMES = "src/cli/report_names.ts";
const STYLE = "src/cli/report_style.ts";

/** The order of the page, and its damage. */
const LOSSES: readonly Mutant[] = [
  {
    name: "the report draws the maps before the damage",
    file: PAGE,
    edits: [["${damageTable(data)}\n${termView(data)}\n", "${termView(data)}\n${damageTable(data)}\n"]],
    dies: "cli_report_page_test",
  },
  {
    name: "the report speaks of the torn end only",
    file: PAGE,
    edits: [["if (report.damage.length > 0) {", "if (report.damage.length > 0 && report.cut === undefined) {"]],
    dies: "cli_report_page_test",
  },
  {
    name: "the report has no tile for the loss",
    file: PAGE,
    edits: [["if (loss.places === 0) return", "if (loss.places < 1e9) return"]],
    dies: "cli_report_page_test",
  },
  {
    name: "the report has no main part",
    file: PAGE,
    edits: [["<main>", "<div>"], ["</main>", "</div>"]],
    dies: "cli_report_page_test",
  },
  {
    name: "overlapping damage is counted twice in the report",
    file: LOSS,
    edits: [["before[1] < first)", "before[1] < Infinity)"]],
    dies: "cli_report_page_test",
  },
  {
    name: "the report does not name a lost vote",
    file: LOSS,
    edits: [['state.hardStateLost ? ["perhaps', 'false ? ["perhaps']],
    dies: "cli_report_page_test",
  },
  {
    name: "a damage leads to the next one's place",
    file: DAMAGE,
    edits: [['kind !== "snapshot" ? placeId(at + 1)', 'kind !== "snapshot" ? placeId(at + 2)']],
    dies: "cli_report_page_test",
  },
  {
    name: "places without a line in the table lead nowhere",
    file: DAMAGE,
    edits: [["number <= LINES_MAX ?", "number <= LINES_MAX + 50 ?"]],
    dies: "cli_report_page_test",
  },
  {
    name: "damage without a link is not drawn",
    file: MAP,
    edits: [["if (lineId(number) !== undefined) continue;", "if (number > 0) continue;"]],
    dies: "cli_report_page_test",
  },
  {
    name: "missing segments come last on the map",
    file: DATA,
    edits: [["path: row.damage.path, row", "path: `~${row.damage.path}`, row"]],
    dies: "cli_report_page_test",
  },
];

/** Marks, terms and names. */
const DRAWING: readonly Mutant[] = [
  {
    name: "the report shows no truncations",
    file: MARKS,
    edits: [["} else if (kind === KIND_TRUNCATE) {", "} else if (kind === KIND_TRUNCATE && at === 0) {"]],
    dies: "cli_report_page_test",
  },
  {
    name: "the report rounds a vote",
    file: MARKS,
    edits: [["votedFor: decodeVote(head)", "votedFor: decodeVote(head) && BigInt(index)"]],
    dies: "cli_report_page_test",
  },
  {
    name: "the report shows no checkpoints",
    file: MARKS,
    edits: [["(flags & FLAG_REPAIRED) === 0", "(flags & FLAG_REPAIRED) !== 0"]],
    dies: "cli_report_page_test",
  },
  {
    name: "changes before a crash are marked twice",
    file: MARKS,
    edits: [["headers, segment.endOffset,", "headers, file.size(),"]],
    dies: "cli_report_page_test",
  },
  {
    name: "marks are merged at any distance",
    file: MARKS,
    edits: [["frame.at - group[0]!.at < distance", "frame.at - group[0]!.at < 2"]],
    dies: "cli_report_page_test",
  },
  {
    name: "the last mark has no room for its number",
    file: MARKS,
    edits: [["last[0]!.at > end - distance", "last[0]!.at > end"]],
    dies: "cli_report_page_test",
  },
  {
    name: "marks cannot have the focus",
    file: "src/cli/report_html.ts",
    edits: [['role="img" tabindex="0"', 'role="img"']],
    dies: "cli_report_page_test",
  },
  {
    name: "many terms are bands",
    file: TERMS,
    edits: [["const BANDS_MAX = 24;", "const BANDS_MAX = 2400;"]],
    dies: "cli_report_page_test",
  },
  {
    name: "the chart of terms is upside down",
    file: TERMS,
    edits: [["(term - lowest) /", "(highest - term) /"]],
    dies: "cli_report_page_test",
  },
  {
    name: "names of terms cover each other",
    file: NAMES,
    edits: [["return isBeside || to + GAP_PX", "return true || to + GAP_PX"]],
    dies: "cli_report_browser_test",
  },
  {
    name: "damage differs from entries by its colour only",
    file: STYLE,
    edits: [[".hole { background: var(--hatch); }", ".hole { background: var(--bad); }"]],
    dies: "cli_report_browser_test",
  },
  {
    name: "the table of damage is too wide for a phone",
    file: STYLE,
    edits: [["  .damage, .damage tbody, .damage tr { display: block; }\n", "  .damage { min-width: 40rem; }\n"]],
    dies: "cli_report_browser_test",
  },
];

/** All of them. */
export const CLI_REPORT_MUTANTS: readonly Mutant[] = [...LOSSES, ...DRAWING];
