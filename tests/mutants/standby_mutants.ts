/** Mutants of standbys. */

import type { Mutant } from "./mutant.ts";

const FILES = "src/archive/standby_files.ts";
const PLAN = "src/archive/standby_plan.ts";
const UPDATE = "src/archive/standby_update.ts";

/** Mutants of standbys. */
export const STANDBY_MUTANTS: readonly Mutant[] = [
  {
    name: "a standby does not name a segment in the one before it",
    file: UPDATE,
    edits: [["      if (before !== undefined) files.name(before, header);\n", ""]],
    dies: "standby_takeover_test",
  },
  {
    name: "a power cut can leave a hole in the log of a standby",
    file: FILES,
    edits: [[
      "      fileSystem.remove(this.pathOf(number));\n      fileSystem.syncDirectory(folder);\n",
      "      fileSystem.remove(this.pathOf(number));\n",
    ]],
    dies: "standby_test",
  },
  {
    name: "a standby removes covered segments before the ones that they replace",
    file: FILES,
    edits: [[
      "    for (const number of left.sort((a, b) => a - b)) {",
      "    for (const number of left.sort((a, b) => b - a)) {",
    ]],
    dies: "standby_test",
  },
  {
    name: "a standby whose first segments were pruned ends",
    file: PLAN,
    edits: [["    number >= survey.floor.segment &&", "    newest.header.number >= survey.floor.segment &&"]],
    dies: "archive_prune_test",
  },
  {
    name: "a standby appends frames that are not verified",
    file: "src/archive/standby_tail.ts",
    edits: [["      if (invalid === segment.end) break;", "      if (invalid >= from) break;"]],
    dies: "standby_takeover_test",
  },
  {
    name: "a standby follows the archive of another log",
    file: UPDATE,
    edits: [["    if (claimed === 0 || claimed === this.claim) return;\n", "    if (claimed >= 0) return;\n"]],
    dies: "standby_takeover_test",
  },
  {
    name: "a standby may have entries that the archive lacks",
    file: PLAN,
    edits: [["  if (isLast && (kept", "  if (!isLast && (kept"]],
    dies: "standby_takeover_test",
  },
  {
    name: "a standby goes on after a gap",
    file: PLAN,
    edits: [["  if (gap?.isCovered === true) return", "  if (gap?.isCovered === undefined && kept < 0) return"]],
    dies: "standby_takeover_test",
  },
  {
    name: "a standby stays silent about missing objects",
    file: UPDATE,
    edits: [["    if (isIncomplete || finder", "    if (finder"]],
    dies: "standby_takeover_test",
  },
  {
    name: "a standby goes on with a log that was opened for writing",
    file: FILES,
    edits: [[".some((byte) => byte !== 0))) {", ".some((byte) => byte > 255))) {"]],
    dies: "standby_takeover_test",
  },
  {
    name: "a standby keeps its torn end",
    file: FILES,
    edits: [["    this.cutAt(cut);\n    this.removeUnneeded();", "    this.cut = cut;\n    this.removeUnneeded();"]],
    dies: "standby_test",
  },
  {
    name: "a standby keeps segments that its snapshot covers",
    file: FILES,
    edits: [["this.segments.splice(0, Math.max(start, 0));", "this.segments.splice(0, 0 * start);"]],
    dies: "standby_test",
  },
  {
    name: "a standby has the incarnation of zeros",
    file: UPDATE,
    edits: [['      if (typeof found !== "object") fileSystem.random(incarnation);\n', ""]],
    dies: "standby_test",
  },
  {
    name: "a standby whose segments were all replaced ends",
    file: PLAN,
    edits: [["    return own === undefined || isAhead ?", "    return isAhead ?"]],
    dies: "standby_simulation_test",
  },
  {
    name: "a standby goes back only to positions with a snapshot",
    file: UPDATE,
    edits: [["(await files.walk(kepts, segment.end)).reached", "(await files.walk(kepts, segment.end)).cut!"]],
    dies: "standby_simulation_test",
  },
  {
    name: "a standby takes a damaged claim for that of another log",
    file: UPDATE,
    edits: [["      if (await archived() === found) throw", "      if (found !== own) throw"]],
    dies: "standby_simulation_test",
  },
  {
    name: "a standby needs a new folder after a crash during its first copy",
    file: FILES,
    edits: [["return this.unname();", 'throw this.damaged("incomplete");']],
    dies: "standby_test",
  },
  {
    name: "a snapshot that an interrupted restore has left is not flushed",
    file: "src/archive/staging.ts",
    edits: [["      file.sync();\n      this.onBytes(snapshot.size);", "      this.onBytes(snapshot.size);"]],
    dies: "standby_simulation_test",
  },
];
