/**
 * Mutants of the commands that mend a log: the exchange of its files, salvage, and the advice.
 *
 * @module
 */

import type { Mutant } from "./mutant.ts";

const EXCHANGE = "src/cli/exchange.ts";
const EVIDENCE = "src/cli/evidence.ts";

/** The exchange of a log's files. */
const EXCHANGES: readonly Mutant[] = [
  {
    name: "a repair completes an interrupted one, and does not do its own work",
    file: "src/cli/repair.ts",
    edits: [['if (earlier === "planned") return', 'if (earlier !== "none" && options.resume !== true) return']],
    dies: "cli_interrupted_test",
  },
  {
    name: "the end of an interrupted repair counts as success though the log is still damaged",
    file: "src/cli/repair.ts",
    edits: [[
      'return await conclude(run, earlier.isShortened ? "cut" : "repaired");',
      'return (await conclude(run, earlier.isShortened ? "cut" : "repaired")) * 0;',
    ]],
    dies: "cli_interrupted_test",
  },
  {
    name: "an exchange leaves a folder on the move without IDENTITY",
    file: EXCHANGE,
    edits: [["  requireIdentity(fileSystem, folder, staging);\n", ""]],
    dies: "cli_exchange_test",
  },
  {
    name: "an interrupted exchange is completed though the log has changed since",
    file: EXCHANGE,
    edits: [[" && stateOf(folder) === plan.state", " && stateOf(folder) !== undefined"]],
    dies: "cli_exchange_test",
  },
  {
    name: "an interrupted exchange is completed over files that were put back",
    file: EXCHANGE,
    edits: [["if (others.length === 0) return true;", "if (others.length >= 0) return true;"]],
    dies: "cli_interrupted_test",
  },
  {
    name: "an interrupted exchange is completed though all old files were put back",
    file: EXCHANGE,
    edits: [["isThere(fileSystem, evidence) && !hasMoved && stateOf", "isThere(fileSystem, evidence) && stateOf"], [
      "if (areAllInPlace(fileSystem, folder, plan)) {\n    return",
      "if (areAllInPlace(fileSystem, folder, plan)) {\n    return hasMoved ||",
    ]],
    dies: "cli_interrupted_test",
  },
  {
    name: "an interrupted exchange whose old files are elsewhere is dropped",
    file: EXCHANGE,
    edits: [["  requireEvidence(fileSystem, folder, plan);\n", ""]],
    dies: "cli_interrupted_test",
  },
  {
    name: "an interrupted exchange is dropped though old files are lost",
    file: EXCHANGE,
    edits: [["return areUnchanged(stateOf(folder), plan);", "return false;"]],
    dies: "cli_interrupted_test",
  },
  {
    name: "an interrupted exchange is completed over another log",
    file: EXCHANGE,
    edits: [["return areUnchanged(stateOf(folder), plan);", "return true;"]],
    dies: "cli_interrupted_test",
  },
  {
    name: "the old files of another log count as the moved ones",
    file: EXCHANGE,
    edits: [["if (isThere(fileSystem, evidence) && !isForeign) return;", "if (isThere(fileSystem, evidence)) return;"]],
    dies: "cli_interrupted_test",
  },
  {
    name: "a file that was restored with its size and times counts as unchanged",
    file: "src/cli/log_files.ts",
    edits: [[" ${stats?.mtimeMs} ${stats?.ctimeMs}`", " ${stats?.mtimeMs}`"]],
    dies: "cli_interrupted_test",
  },
  {
    name: "an exchange of which no file can move leaves its plan",
    file: EXCHANGE,
    edits: [[
      "if (areAllInPlace(fileSystem, folder, plan)) removeStaging",
      "if (!areAllInPlace(fileSystem, folder, plan)) removeStaging",
    ]],
    dies: "cli_exchange_test",
  },
  {
    name: "a writer opens a log whose files are on the move",
    file: "src/recovery/open.ts",
    edits: [["    if (lock !== undefined) requireNoInterruptedRepair(fileSystem, home);\n", ""]],
    dies: "cli_exchange_test",
  },
  {
    name: "a completed exchange moves new files to the evidence",
    file: EXCHANGE,
    edits: [["(name) => there.has(name) && !moved.has(name)", "(name) => there.has(name)"]],
    dies: "cli_exchange_test",
  },
  {
    name: "an exchange does not flush the evidence before the new files come",
    file: EXCHANGE,
    edits: [[
      "  fileSystem.syncDirectory(plan.evidence);\n  fileSystem.syncDirectory(folder);\n  for",
      "  for",
    ]],
    dies: "cli_exchange_test",
  },
  {
    name: "a plan is written before the new log's names are durable",
    file: EXCHANGE,
    edits: [["  fileSystem.syncDirectory(plan.evidence);\n  fileSystem.syncDirectory(staging);\n", ""]],
    dies: "cli_exchange_test",
  },
  {
    name: "an exchange that is begun anew makes another evidence",
    file: EVIDENCE,
    edits: [[
      "namesIn(fileSystem, path).every((name) => name === IDENTITY_NAME || name === PROBE_NAME)",
      "namesIn(fileSystem, path).length === 0",
    ]],
    dies: "cli_exchange_test",
  },
  {
    name: "an exchange does not try first whether files can move",
    file: EVIDENCE,
    edits: [["    fileSystem.rename(path, `${evidence}/${PROBE_NAME}`);\n", ""], [
      "    fileSystem.remove(`${evidence}/${PROBE_NAME}`);\n",
      "    fileSystem.remove(path);\n",
    ]],
    dies: "cli_exchange_test",
  },
  {
    name: "a plan whose exchange is done is carried out once more",
    file: "src/recovery/interrupted_repair.ts",
    edits: [["names.includes(PLAN_NAME) && names.includes(IDENTITY_NAME)", "names.includes(PLAN_NAME)"]],
    dies: "cli_exchange_test",
  },
];

const MATCHING = "src/cli/matching.ts";

/** Mutants of the checks of another replica's log. */
const MATCHINGS: readonly Mutant[] = [
  {
    name: "entries are taken though the next whole entry differs",
    file: MATCHING,
    edits: [["  if (isSame === false) return differ(behind);\n", ""], [
      "return isSame ? undefined",
      "return isSame !== undefined ? undefined",
    ]],
    dies: "cli_repair_test",
  },
  {
    name: "entries are taken with nothing behind them that proves them",
    file: "src/cli/mend_plan.ts",
    edits: [["refusal !== undefined && !(isWeak && provesItself(means, known))", "refusal !== undefined && !isWeak"]],
    dies: "cli_mend_test",
  },
  {
    name: "unconfirmed entries are kept though another replica has the true ones",
    file: "src/cli/mend_plan.ts",
    edits: [['pieces.push({ from: "other", first: from,', 'pieces.push({ from: "own", first: from,']],
    dies: "cli_mend_test",
  },
  {
    name: "a hard state is set without --force",
    file: "src/cli/repair.ts",
    edits: [["if (options.force !== true) throw", "if (options.force === false) throw"]],
    dies: "cli_mend_test",
  },
  {
    name: "a snapshot takes the place of a later one",
    file: "src/cli/mend_plan.ts",
    edits: [["if (snapshotIndex < own.snapshotIndex) {", "if (snapshotIndex < 0) {"]],
    dies: "cli_mend_test",
  },
  {
    name: "a snapshot of another history takes the place of the log's own",
    file: "src/cli/mend_plan.ts",
    edits: [[" || term === known) return undefined;", " || term > 0) return undefined;"]],
    dies: "cli_mend_test",
  },
  {
    name: "a snapshot of another cluster takes the place of the log's own",
    file: "src/cli/mend_plan.ts",
    edits: [["if (common?.isSame === false) {", "if (common === null) {"]],
    dies: "cli_mend_test",
  },
  {
    name: "entries that do not follow on another replica's snapshot go without a word",
    file: "src/cli/mend_plan.ts",
    edits: [[" || (isForeign && own.lastIndex > base)", ""]],
    dies: "cli_mend_test",
  },
  {
    name: "entries of another cluster are taken",
    file: "src/cli/repair.ts",
    edits: [["    requireSameCluster(found, log);\n", ""]],
    dies: "cli_mend_test",
  },
  {
    name: "a log that a writer has changed meanwhile is replaced",
    file: "src/cli/mended.ts",
    edits: [["if (stateOfFiles(folder) !== before) {", "if (stateOfFiles(folder) === undefined) {"]],
    dies: "cli_files_test",
  },
];

/** The incarnation of a log that was written anew. */
const INCARNATIONS: readonly Mutant[] = [
  {
    name: "a log that was cut keeps its incarnation",
    file: "src/cli/mend.ts",
    edits: [["isShortened ? undefined : found", "found"]],
    dies: "cli_repaired_member_test",
  },
  {
    name: "a log that was restored whole gets a new incarnation",
    file: "src/cli/mended.ts",
    edits: [["      if (incarnation !== undefined) setIncarnation(fileSystem, staging, incarnation);\n", ""]],
    dies: "cli_repaired_member_test",
  },
];

const BACKUP = "src/maintain/backup.ts";

/** The backup of a log that is written. */
const BACKUPS: readonly Mutant[] = [
  {
    name: "a backup mixes what was before a truncation with what came after it",
    file: BACKUP,
    edits: [["if (log.termAt(contents.lastIndex) !== term) throw", "if (term === undefined) throw"]],
    dies: "backup_test",
  },
  {
    name: "a backup of a damaged log is made",
    file: BACKUP,
    edits: [["  requireWhole(log);\n", ""]],
    dies: "backup_test",
  },
];

/** The commands that mend a log. */
export const CLI_MENDING_MUTANTS: readonly Mutant[] = [
  ...EXCHANGES,
  ...MATCHINGS,
  ...BACKUPS,
  ...INCARNATIONS,
  {
    name: "a text file lacks what a short write left over",
    file: "src/cli/line_writer.ts",
    edits: [["writeFull(this.file, bytes, this.position);", "this.file.write(bytes, this.position);"]],
    dies: "cli_line_writer_test",
  },
  {
    name: "salvage takes unconfirmed entries that nobody asked for",
    file: "src/cli/salvage_plan.ts",
    edits: [['!(kind === "unconfirmed" && found.unconfirmed) &&', 'kind !== "unconfirmed" &&']],
    dies: "cli_salvage_test",
  },
];
