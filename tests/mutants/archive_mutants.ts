/** Mutants of restoring and verifying an archive, and of its commands. */

import type { Mutant } from "./mutant.ts";

const HISTORY = "src/archive/history.ts";
const SURVEY = "src/archive/survey.ts";
const CUT = "src/archive/cut.ts";
const RESTORE = "src/archive/restore.ts";
const STAGING = "src/archive/staging.ts";
const FETCH = "src/archive/fetch_object.ts";
const FRAMES = "src/archive/frames.ts";
const CLI = "src/cli/archive.ts";
const VERIFY = "src/archive/verify_archive.ts";
const CLAIMS_LISTED = "  const claims = new Set<number>();\n" +
  "  for await (const { key } of store.list(CLAIMS, options)) claims.add(claimedGeneration(key) ?? 0);\n";

/** Mutants of restoring and verifying an archive, and of its commands. */
export const ARCHIVE_MUTANTS: readonly Mutant[] = [
  {
    name: "a snapshot that no later piece names covers a gap",
    file: HISTORY,
    edits: [[" && named.has(index)", ""]],
    dies: "archive_history_test",
  },
  {
    name: "a snapshot of replaced entries makes another one at its index lost",
    file: CUT,
    edits: [["named.has(index)", "snapshots.some((one) => one.index === index)"]],
    dies: "archive_history_test",
  },
  {
    name: "claims are listed before generations",
    file: SURVEY,
    edits: [
      ["  const keys: GenerationKey[] = [];\n", CLAIMS_LISTED + "  const keys: GenerationKey[] = [];\n"],
      [CLAIMS_LISTED + "  const survey", "  const survey"],
    ],
    dies: "archive_begin_test",
  },
  {
    name: "a generation has all pieces of the one before it",
    file: HISTORY,
    edits: [["    limits.push(found.base);\n", ""]],
    dies: "archive_history_test",
  },
  {
    name: "a later segment does not end an earlier one",
    file: HISTORY,
    edits: [["next === undefined ? Infinity : next.baseLsn - id.baseLsn;", "Infinity;"]],
    dies: "archive_history_test",
  },
  {
    name: "a gap goes unnoticed",
    file: HISTORY,
    edits: [["hasGap: next !== undefined && reach < limit", "hasGap: false"]],
    dies: "archive_history_test",
  },
  {
    name: "an index that was dropped is restored",
    file: CUT,
    edits: [["      if (dropped <= target.index) {", "      if (dropped < 0) {"]],
    dies: "archive_restore_test",
  },
  {
    name: "a log is cut within a batch",
    file: CUT,
    edits: [["    if (this.isInBatch) return;\n", ""]],
    dies: "archive_restore_test",
  },
  {
    name: "a later checkpoint is restored",
    file: CUT,
    edits: [["time > target.milliseconds) {", "time > target.milliseconds + 1e9) {"]],
    dies: "archive_restore_test",
  },
  {
    name: "entries above the wanted index stay",
    file: RESTORE,
    edits: [['    if (target.kind === "index") log.truncate(target.index + 1);\n', ""]],
    dies: "archive_restore_test",
  },
  {
    name: "the incarnation of a restored log is the old one",
    file: RESTORE,
    edits: [["    partial.random(incarnation);\n", ""]],
    dies: "archive_restore_test",
  },
  {
    name: "a piece in a file is not compared with its checksum",
    file: STAGING,
    edits: [["      if (await inSlices(found.checksum(codec)) !== checksum) return false;\n", ""]],
    dies: "archive_restore_test",
  },
  {
    name: "a damaged object is restored",
    file: FETCH,
    edits: [["    if (found === checksum) return;", "    if (found !== undefined) return;"]],
    dies: "archive_restore_test",
  },
  {
    name: "a clearing snapshot drops nothing",
    file: FRAMES,
    edits: [[
      "  return isClear ? { next: index + 1, snapshot: index, dropped: 1 } :",
      "  return isClear ? { next: index + 1, snapshot: index, dropped: Infinity } :",
    ]],
    dies: "archive_restore_test",
  },
  {
    name: "a missing object goes unnoticed",
    file: "src/archive/verify_archive.ts",
    edits: [["    if (isCovered) gaps", "    if (isCovered || true) gaps"]],
    dies: "archive_cli_test",
  },
  {
    name: "the time of --to is taken for an index",
    file: "src/cli/restore.ts",
    edits: [[
      "if (Number.isFinite(time)) return { toTime: time };",
      "if (Number.isFinite(time)) return { toIndex: time };",
    ]],
    dies: "archive_cli_test",
  },
  {
    name: "the snapshot of the oldest generation counts",
    file: RESTORE,
    edits: [["snapshots.find((one) => one.index === index", "snapshots.findLast((one) => one.index === index"]],
    dies: "archive_begin_test",
  },
  {
    name: "a header block with one intact copy is kept",
    file: STAGING,
    edits: [["      if (from === 0) writeFull(file, found.read(0, SEGMENT_HEADER_BYTES), 0);\n", ""]],
    dies: "archive_resume_test",
  },
  {
    name: "a log is restored up to a gap, although more is wanted",
    file: "src/archive/restore_errors.ts",
    edits: [[
      '  if (target.kind === "index" ? target.index < floor : isCovered) return;',
      '  if (target.kind !== "index" || target.index < floor) return;',
    ]],
    dies: "archive_restore_test",
  },
  {
    name: "the first list of an archive in use counts",
    file: SURVEY,
    edits: [[
      "    if (isCertain && old.every((key) => keys.has(key))) return survey;",
      "    if (keys.size >= 0) return before;",
    ]],
    dies: "archive_restore_test",
  },
  {
    name: "archive run --follow keeps a timer after another archiver has taken over",
    file: CLI,
    edits: [[
      "    await archiving.closed;\n",
      "    globalThis.setTimeout(() => {}, 2 ** 31 - 1);\n    await archiving.closed;\n",
    ]],
    dies: "archive_cli_test",
  },
  {
    name: "entries may be missing before the first archived segment",
    file: VERIFY,
    edits: [["  if (before !== undefined) {\n", "  if (before !== undefined && before.firstIndex > 1) {\n"]],
    dies: "archive_verify_test",
  },
  {
    name: "entries before the first archived segment are missing even if a snapshot covers them",
    file: HISTORY,
    edits: [["  if (isCovered(history, 0, floor)) return undefined;\n", ""]],
    dies: "archive_verify_test",
  },
  {
    name: "a missing segment has the number of the one before it",
    file: HISTORY,
    edits: [["next.id.number > before.id.number + 1 ? 1 : 0", "next.id.number > before.id.number + 1 ? 0 : 0"]],
    dies: "archive_verify_test",
  },
  {
    name: "pieces that no chain reaches prove nothing",
    file: HISTORY,
    edits: [["    ...beyond.map(({ segment }) => segment.number),\n", ""]],
    dies: "archive_verify_test",
  },
  {
    name: "a base proves nothing about the generation before it",
    file: HISTORY,
    edits: [["    ...lostBases.map((base) => base.number),\n", ""]],
    dies: "archive_history_test",
  },
  {
    name: "a piece that is written while the objects are listed proves a loss",
    file: SURVEY,
    edits: [["    const isCertain = keys.size === old.length ||", "    const isCertain = keys.size > 0 ||"]],
    dies: "archive_verify_test",
  },
  {
    name: "archive without a command does not list its commands",
    file: "src/cli/main.ts",
    edits: [["name.startsWith(`${word} `)", "name === `${word} `"]],
    dies: "archive_cli_test",
  },
  {
    name: "a log can be restored as of a time before it began",
    file: CUT,
    edits: [["      if (this.cut?.next === 1 &&", "      if (this.cut?.next === 0 &&"]],
    dies: "archive_restore_test",
  },
  {
    name: "an earlier state is restored in place of one whose snapshot is lost",
    file: CUT,
    edits: [['    this.lostSnapshot = state === "lost" ? snapshot.index : 0;\n', ""]],
    dies: "archive_snapshots_test",
  },
  {
    name: "a snapshot that was never archived counts as lost",
    file: CUT,
    edits: [[
      '    if (state === "skipped") return;\n',
      '    if (state === "skipped") this.lostSnapshot = snapshot.index;\n',
    ]],
    dies: "archive_snapshots_test",
  },
  {
    name: "a log as of a time can begin after it",
    file: RESTORE,
    edits: [["const until = later < 0 ? history :", "const until = later < 1e9 ? history :"]],
    dies: "archive_snapshots_test",
  },
  {
    name: "a piece does not show that a snapshot was archived",
    file: HISTORY,
    edits: [["  for (const { archived } of pieces) missing.add(archived);\n", ""]],
    dies: "archive_snapshots_test",
  },
  {
    name: "a snapshot does not show that an older one was archived",
    file: HISTORY,
    edits: [["  for (const { previous } of snapshots) missing.add(previous);\n", ""]],
    dies: "archive_snapshots_test",
  },
  {
    name: "an object that was merged meanwhile is missing",
    file: VERIFY,
    edits: [
      ['    if (finding === "missing") isComplete = false;\n    else findings', "    findings"],
      [
        '    if (findings.get(key) === "damaged") damage.push({ key, firstIndex, lastIndex, reason: "damaged" });',
        '    if (findings.get(key) !== "intact") damage.push({ key, firstIndex, lastIndex, reason: "missing" });',
      ],
    ],
    dies: "archive_snapshots_test",
  },
  {
    name: "a generation whose base is lost is restored",
    file: HISTORY,
    edits: [['lostKeys.find(({ kind }) => kind === "base")', 'lostKeys.find(({ kind }) => kind === "claim")']],
    dies: "archive_verify_test",
  },
  {
    name: "the generation of a lost claim is claimed again",
    file: SURVEY,
    edits: [["highest([...claims, ...generations.keys()])", "highest([...claims])"]],
    dies: "archive_verify_test",
  },
  {
    name: "the lowest of many numbers is found with a call of as many arguments",
    file: HISTORY,
    edits: [[
      "return numbers.reduce((low, number) => Math.min(low, number), Infinity);",
      "return Math.min(...numbers);",
    ]],
    dies: "archive_history_test",
  },
  {
    name: "a restore locks a folder that it refuses",
    file: RESTORE,
    edits: [["  isPublishing(fileSystem, path);\n  const lock", "  const lock"]],
    dies: "archive_folder_test",
  },
  {
    name: "the pieces of a step that has not ended count",
    file: HISTORY,
    edits: [['unended === "included" ? all : endedPieces(all)', "unended !== undefined ? all : endedPieces(all)"]],
    dies: "archive_history_test",
  },
  {
    name: "the size of a restored log includes everything that was read",
    file: RESTORE,
    edits: [["restored: { headers: kept, cut, bytes }", "restored: { headers: kept, cut, bytes: bytes + bytesDone }"]],
    dies: "archive_restore_test",
  },
  {
    name: "an archive can be in the folder of its log",
    file: CLI,
    edits: [["store !== log && !store.startsWith(log + sep)", "store !== log"]],
    dies: "archive_cli_test",
  },
  {
    name: "a missing IDENTITY goes unnoticed",
    file: VERIFY,
    edits: [["if (segments.length > 0 && identities.length === 0)", "if (segments.length < 0)"]],
    dies: "archive_verify_test",
  },
  {
    name: "a restore completes the files of another log",
    file: RESTORE,
    edits: [["await requireSameLog(work);\n    else", "void requireSameLog;\n    else"]],
    dies: "archive_leftover_test",
  },
  {
    name: "objects are restored one after another",
    file: "src/archive/ahead.ts",
    edits: [["Math.min(at + this.width, this.items.length)", "at + 1"]],
    dies: "archive_resume_test",
  },
  {
    name: "a restore that has failed goes on reading",
    file: "src/archive/ahead.ts",
    edits: [["    await Promise.allSettled(this.tasks);\n", ""]],
    dies: "archive_resume_test",
  },
];
