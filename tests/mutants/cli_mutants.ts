/**
 * Mutants of the command line and of the import of wal-db logs: their checks against crafted files and folders.
 *
 * @module
 */

import type { Mutant } from "./mutant.ts";

const SEARCH = "src/wal_db/search.ts";

/** The import of crafted files. */
const IMPORTS: readonly Mutant[] = [
  {
    name: "the search for a whole record has no budget",
    file: SEARCH,
    edits: [["if (this.budget < 0)", "if (this.budget < -Infinity)"]],
    dies: "wal_db_damage_test",
  },
  {
    name: "the search holds a candidate in one piece",
    file: SEARCH,
    edits: [[
      "const piece = this.piece.subarray(0, Math.min(CHUNK_BYTES, bytes - done));",
      "const piece = new Uint8Array(bytes - done);",
    ]],
    dies: "wal_db_damage_test",
  },
  {
    name: "the search does not let others run",
    file: SEARCH,
    edits: [["if (++work >= STEP_BYTES) {", "if (++work < 0) {"], ["      yield position;\n", ""]],
    dies: "wal_db_damage_test",
  },
  {
    name: "a file in which the search was given up counts as torn",
    file: "src/wal_db/reader.ts",
    edits: [["resumesAt === undefined && givenUpAt === undefined ?", "resumesAt === undefined ?"]],
    dies: "wal_db_damage_test",
  },
];

const TEXT = "src/cli/text.ts";

/** Escapes. */
const OUTPUTS: readonly Mutant[] = [
  {
    name: "JSON contains characters that a terminal obeys",
    file: TEXT,
    edits: [[
      "return harmless(JSON.stringify(value, undefined, indent));",
      "return JSON.stringify(value, undefined, indent);",
    ]],
    dies: "cli_test",
  },
  {
    name: "a character beyond U+FFFF is escaped as one of another value",
    file: TEXT,
    edits: [["{ length: character.length },", "{ length: 1 },"]],
    dies: "cli_test",
  },
  {
    name: "a path in an error breaks the line",
    file: "src/cli/main.ts",
    edits: [["`${PROGRAM}: ${oneLine(text)}\\n`", "`${PROGRAM}: ${harmless(text)}\\n`"]],
    dies: "cli_test",
  },
  {
    name: "a path in the report reorders the page",
    file: "src/cli/report_html.ts",
    edits: [["return oneLine(text).replace(", "return text.replace("]],
    dies: "cli_test",
  },
  {
    name: "entries of a missing segment are shown in the one before it",
    file: "src/cli/inspect.ts",
    edits: [["else if (last >= end - 1) end = first;", ""]],
    dies: "cli_show_test",
  },
  {
    name: "entries of the oldest segment, which is missing, are shown in the next one",
    file: "src/cli/inspect.ts",
    edits: [["if (first <= firstIndex) firstIndex = Math.min(last + 1, end);\n    else if", "if"]],
    dies: "cli_show_test",
  },
  {
    name: "verify does not say how far a log is proven durable",
    file: "src/cli/verify.ts",
    edits: [["report.provenIndex < lastIndex) {", "report.provenIndex > lastIndex) {"]],
    dies: "cli_show_test",
  },
  {
    name: "a vote for a node of a large number is shown rounded",
    file: "src/format/frame.ts",
    edits: [["view.getBigUint64(FRAME_INDEX, true)", "BigInt(safe(view, FRAME_INDEX))"]],
    dies: "cli_dump_test",
  },
];

const ASIDE = "src/cli/aside.ts";

/** Temporary folders. */
const FOLDERS: readonly Mutant[] = [
  {
    name: "the folder of a running process is removed",
    file: ASIDE,
    edits: [[
      'if (typeof lock === "object") remove(path, lock);',
      'remove(path, typeof lock === "object" ? lock : { check() {}, release() {} });',
    ]],
    dies: "cli_folder_test",
  },
  {
    name: "the folder of another user passes for a leftover",
    file: ASIDE,
    edits: [["found.uid !== made.uid || ", ""]],
    dies: "cli_folder_test",
  },
  {
    name: "a folder that others can write to passes for a leftover",
    file: ASIDE,
    edits: [[" || found.mode !== made.mode", ""]],
    dies: "cli_folder_test",
  },
  {
    name: "a folder with files of other names passes for a leftover",
    file: ASIDE,
    edits: [[" || names.some((name) => name !== LOCK_NAME && name !== CONTENT_NAME)", ""]],
    dies: "cli_folder_test",
  },
  {
    name: "a lock file that is a link or a database is opened",
    file: ASIDE,
    edits: [["if (!lockFile.isFile() || lockFile.size !== 0) return;", "void lockFile;"]],
    dies: "cli_folder_test",
  },
  {
    name: "the slower of two processes fails without a clear error",
    file: ASIDE,
    edits: [["      // Another process was faster.\n      requireVacant(target);\n", ""]],
    dies: "cli_folder_test",
  },
];

const LOG_FILES = "src/cli/log_files.ts";

/** Links, devices and FIFOs. */
const LINKS: readonly Mutant[] = [
  {
    name: "a link under a name of the log's is skipped",
    file: LOG_FILES,
    edits: [["else if (isContent(name) || name === LOCK_NAME || UNFINISHED.test(name)) {", "else if (name === '') {"]],
    dies: "cli_files_test",
  },
  {
    name: "the target of a link is copied into the evidence",
    file: LOG_FILES,
    edits: [["if (stats.isFile()) files", "if (stats.isFile() || stats.isSymbolicLink()) files"]],
    dies: "cli_files_test",
  },
  {
    name: "the report overwrites a file without --force",
    file: "src/cli/report.ts",
    edits: [["if (found?.isFile() && !isForced) throw", "if (found?.isDirectory() && !isForced) throw"]],
    dies: "cli_report_test",
  },
  {
    name: "the report overwrites a segment",
    file: "src/cli/report.ts",
    edits: [["if (isOfLog(target, found, path)) throw", "if (isOfLog(target, found, path) && !isForced) throw"]],
    dies: "cli_report_test",
  },
  {
    name: "the report replaces a link that the user names",
    file: "src/cli/report.ts",
    edits: [["if (found !== undefined && !found.isFile())", "if (found?.isDirectory())"]],
    dies: "cli_report_test",
  },
];

const OWNER = "src/cli/owner.ts";

/** Owners and modes. All but the first need root to be noticed. */
const OWNERS: readonly Mutant[] = [
  {
    name: "a file that another user put in the place of a new one is given away",
    file: OWNER,
    edits: [["if (opened.isFile() && (opened.size !== 0 || opened.nlink !== 1)) throw replaced(path);", ""]],
    dies: "cli_files_test",
  },
  {
    name: "a file that root repairs belongs to root",
    file: OWNER,
    edits: [["if (!isOwned) fchownSync(descriptor, like.uid, like.gid);", ""]],
    dies: "cli_files_test",
  },
  {
    name: "a file that root repairs is closed to its service",
    file: OWNER,
    edits: [["fchmodSync(descriptor, like.mode & PERMISSIONS);", ""]],
    dies: "cli_files_test",
  },
  {
    name: "the lock file that a repair makes belongs to root",
    file: LOG_FILES,
    edits: [["if (lock !== undefined) createLike(join(folder, LOCK_NAME), lock);", "void createLike;"]],
    dies: "cli_files_test",
  },
  {
    name: "a repaired segment has the mode of the newest one",
    file: LOG_FILES,
    edits: [["if (isRepairLeftover(name)) replaced", "if (name === '') replaced"]],
    dies: "cli_files_test",
  },
  {
    name: "a new snapshot has the mode of a segment",
    file: LOG_FILES,
    edits: [['if (name.includes(".snap")) replaced', 'if (name === "") replaced']],
    dies: "cli_files_test",
  },
  {
    name: "a copy of a log belongs to no cluster",
    file: "src/maintain/write_anew.ts",
    edits: [
      ["if (cluster !== undefined) log.foundCluster(cluster);", "void cluster;"],
      ["identity.cluster === cluster", "identity !== undefined"],
    ],
    dies: "cli_copy_test",
  },
  {
    name: "the folder of the evidence belongs to root",
    file: "src/cli/mended.ts",
    edits: [["copyFolderOwner: (path, like) => keepOwner(path, statSync(like)),", "copyFolderOwner: () => {},"]],
    dies: "cli_files_test",
  },
];

/** Mutants of the advice. */
const ADVICE: readonly Mutant[] = [
  {
    name: "the advice on damage forgets LOCK and IDENTITY",
    file: "src/cli/advice.ts",
    edits: [["return alsoOnSmallFiles(finding, adviseOnDamage(finding));", "return adviseOnDamage(finding);"]],
    dies: "cli_advice_test",
  },
  {
    name: "if the end is lost, entries before it that a replica has are not refilled",
    file: "src/cli/advice.ts",
    edits: [["if (isEndLost && !isSnapshotLost && refillable.length === 0) {", "if (isEndLost && !isSnapshotLost) {"]],
    dies: "cli_advice_test",
  },
];

/** Mutants of what is dumped. */
const DUMPS: readonly Mutant[] = [
  {
    name: "the last frames are all frames of the last segments",
    file: "src/cli/dump.ts",
    edits: [["last = [...own.slice(-missing), ...last];", "last = [...own, ...last];"]],
    dies: "cli_dump_test",
  },
];

/** All of them. */
export const CLI_MUTANTS: readonly Mutant[] = [
  ...IMPORTS,
  ...OUTPUTS,
  ...FOLDERS,
  ...LINKS,
  ...OWNERS,
  ...DUMPS,
  ...ADVICE,
];
