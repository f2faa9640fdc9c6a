/** Mutants of archiving a log. */

import type { Mutant } from "./mutant.ts";

const ARCHIVER = "src/archive/archiver.ts";
const BEGIN = "src/archive/begin.ts";
const CLAIMS = "src/archive/claims.ts";
const TAKEOVER = "src/archive/takeover.ts";
const ARCHIVE = "src/archive/archive.ts";

/** Mutants of archiving a log. */
export const ARCHIVER_MUTANTS: readonly Mutant[] = [
  {
    name: "an archiver continues an upload that needs the snapshot of another copy",
    file: "src/archive/begin.ts",
    edits: [["floor - 1 > view.snapshot.index", "floor - 1 > Infinity"]],
    dies: "archive_begin_test",
  },
  {
    name: "an archiver that starts never forgets deleted segments",
    file: "src/archive/begin.ts",
    edits: [["      if (isDeleted) view.recoverNext();\n", ""]],
    dies: "archive_begin_test",
  },
  {
    name: "a generation is claimed that has more digits than its key",
    file: CLAIMS,
    edits: [["generation <= GENERATION_MAX;", ";"]],
    dies: "archive_folder_test",
  },
  {
    name: "a claim of any size is read",
    file: CLAIMS,
    edits: [["{ offset: 0, length: CLAIM_BYTES_MAX }", "undefined"], ["found.size > CLAIM_BYTES_MAX ?", "false ?"]],
    dies: "archive_folder_test",
  },
  {
    name: "a file that is not regular counts as an object",
    file: "src/archive/folder_object.ts",
    edits: [["if (!stats.isFile()) throw", "if (false) throw"]],
    dies: "archive_folder_test",
  },
  {
    name: "a store may be in the log's folder through a symbolic link",
    file: "src/cli/archive.ts",
    edits: [["    return realpathSync(path);", "    return path;"]],
    dies: "archive_cli_test",
  },
  {
    name: "a restore to a file says nothing about it",
    file: "src/archive/restored_folder.ts",
    edits: [["    if (!isFile) throw cause;", "    throw cause;"]],
    dies: "archive_folder_test",
  },
  {
    name: "a store in a folder reads more than fits in memory",
    file: "src/archive/folder_object.ts",
    edits: [["length > READ_BYTES_MAX", "length > 2 ** 50"]],
    dies: "archive_folder_test",
  },
  {
    name: "another store may take the place of the claimed one",
    file: CLAIMS,
    edits: [["generation + 1, options)) return await requireClaim(own);", "generation + 1, options)) return;"]],
    dies: "archive_test",
  },
  {
    name: "an archiver reports an index without looking for another archiver",
    file: ARCHIVER,
    edits: [["    await requireUnfenced(this.claim);\n    this.reported", "    this.reported"]],
    dies: "archive_test",
  },
  {
    name: "merged pieces are deleted without looking for another archiver",
    file: ARCHIVER,
    edits: [[
      "    await requireUnfenced(this.claim);\n    for (const { key } of pieces)",
      "    for (const { key } of pieces)",
    ]],
    dies: "archive_takeover_test",
  },
  {
    name: "the log is read before the objects are listed",
    file: BEGIN,
    edits: [[
      "    const survey = await surveyStore(store, options);\n    await view.advance();\n",
      "    await view.advance();\n    const survey = await surveyStore(store, options);\n",
    ]],
    dies: "archive_begin_test",
  },
  {
    name: "an archive is compared once with a log that changes",
    file: BEGIN,
    edits: [["const COMPARISONS_MAX = 2;", "const COMPARISONS_MAX = 1;"]],
    dies: "archive_begin_test",
  },
  {
    name: "a snapshot that was replaced before it was archived counts as archived",
    file: ARCHIVER,
    edits: [["at === snapshot.index ? at : position.archived", "at > 0 ? at : position.archived"]],
    dies: "archive_snapshots_test",
  },
  {
    name: "a merged piece does not show that a snapshot was archived",
    file: ARCHIVER,
    edits: [["() => parts.at(-1)!.after.archived, true", "() => 0, true"]],
    dies: "archive_snapshots_test",
  },
  {
    name: "an upload that was interrupted begins anew",
    file: BEGIN,
    edits: [["number > newest && pieces.length > 0", "number > newest && pieces.length < 0"]],
    dies: "archive_begin_test",
  },
  {
    name: "an upload goes on although another archiver has taken over",
    file: ARCHIVER,
    edits: [["        if (i > 0) await requireUnfenced(this.claim);\n", ""]],
    dies: "archive_begin_test",
  },
  {
    name: "an upload that does not match the log stops the archiver",
    file: BEGIN,
    edits: [[
      "      if (!isDiverged(error)) throw error;\n    }\n  }\n  // A restored",
      "      throw error;\n    }\n  }\n  // A restored",
    ]],
    dies: "archive_begin_test",
  },
  {
    name: "a claim without a log's id is taken",
    file: CLAIMS,
    edits: [["return isWhole ? claim : undefined;", "return claim;"]],
    dies: "archive_begin_test",
  },
  {
    name: "a restored log must have the pieces of a step that has not ended",
    file: BEGIN,
    edits: [['historyOf(survey, newest, "left out")', 'historyOf(survey, newest, "included")']],
    dies: "archive_begin_test",
  },
  {
    name: "a generation gets a second base",
    file: BEGIN,
    edits: [["Math.max(claimed, starter.tried)", "claimed"]],
    dies: "archive_begin_test",
  },
  {
    name: "an entry that was replaced in another process counts as archived",
    file: ARCHIVE,
    edits: [["current === undefined ? this.archivedIndex", "current !== this ? this.archivedIndex"]],
    dies: "archive_release_test",
  },
  {
    name: "a truncation does not lower the archived index",
    file: ARCHIVER,
    edits: [[
      "return Math.min(index, view.truncatedSince(truncations) - 1);",
      "return Math.min(index, truncations + view.durableIndex);",
    ]],
    dies: "archive_release_test",
  },
  {
    name: "a generation that had nothing to archive does not count",
    file: ARCHIVER,
    edits: [["    if (pending.length === 0) await this.putEnd();\n", ""]],
    dies: "archive_begin_test",
  },
  {
    name: "a damaged frame is passed over although the log needs it",
    file: ARCHIVER,
    edits: [["return header.state.nextIndex - 1 <= this.snapshot.index;", "return header.state.nextIndex > 0;"]],
    dies: "archive_damage_test",
  },
  {
    name: "a damaged frame stops archiving although a snapshot covers it",
    file: ARCHIVER,
    edits: [["if (!isDamage(error) || next", "if (isDamage(error) || next"]],
    dies: "archive_damage_test",
  },
  {
    name: "probes of other archivers are deleted",
    file: CLAIMS,
    edits: [['probeKey(Date.now() - PROBE_MS_MAX, "")', 'probeKey(Date.now() + PROBE_MS_MAX, "")']],
    dies: "archive_folder_test",
  },
  {
    name: "archived frames that the disk no longer proves are missing",
    file: TAKEOVER,
    edits: [[
      "    if (isNewest && await hasUnproven(",
      "    if (isNewest && segments.length < 0 && await hasUnproven(",
    ]],
    dies: "archive_takeover_test",
  },
  {
    name: "a generation counts before it has everything",
    file: ARCHIVER,
    edits: [["segment.endOffset, next === undefined)", "segment.endOffset, true)"]],
    dies: "archive_begin_test",
  },
  {
    name: "a snapshot is archived after the frame that names it",
    file: ARCHIVER,
    edits: [
      ["    if (pending.length > 0) await this.putSnapshot();\n", ""],
      [
        "    if (pending.length === 0) await this.putEnd();\n",
        "    if (pending.length > 0) await this.putSnapshot();\n    if (pending.length === 0) await this.putEnd();\n",
      ],
    ],
    dies: "archive_takeover_test",
  },
  {
    name: "the archive of another log is taken over",
    file: BEGIN,
    edits: [["  if (claim?.uuid === uuidOf(view)) return;\n", "  if (claim !== undefined) return;\n"]],
    dies: "archive_takeover_test",
  },
  {
    name: "a store that ignores the condition is used",
    file: CLAIMS,
    edits: [['  if (second.kind === "exists") return;\n', "  if (second.kind) return;\n"]],
    dies: "archive_test",
  },
  {
    name: "a claim whose reply was lost counts as another archiver's",
    file: CLAIMS,
    edits: [[
      "    if ((await readClaim(store, generation, options))?.token === claim.token) return generation;\n",
      "",
    ]],
    dies: "archive_takeover_test",
  },
  {
    name: "the pieces of the last segment are not compared with the log",
    file: TAKEOVER,
    edits: [[
      "        if (await inSlices(file.checksum(codec)) === checksum) continue;",
      "        if (checksum >= 0n) continue;",
    ]],
    dies: "archive_test",
  },
  {
    name: "archived frames after the end of the log are not looked for",
    file: TAKEOVER,
    edits: [[
      "        if (!copy.done && isCopy(copy.value, frame)) continue;",
      "        if (copy !== undefined) continue;",
    ]],
    dies: "archive_test",
  },
  {
    name: "entries are released that the log has replaced since",
    file: ARCHIVE,
    edits: [[
      "      if (log.termAt(archivedIndex) === view.termAt(archivedIndex)) retention",
      "      if (log.termAt(1) !== view.termAt(0)) retention",
    ]],
    dies: "archive_release_test",
  },
  {
    name: "a closed log is never archived to its end",
    file: ARCHIVE,
    edits: [["      this.isLogFinal = this.isLogClosed;\n", ""]],
    dies: "archive_test",
  },
  {
    name: "all probes of an archiver have the same name",
    file: ARCHIVER,
    edits: [["`${token}-${++this.probes}`", "`${token}-${this.probes}`"]],
    dies: "archive_takeover_test",
  },
  {
    name: "the beginning of a piece that reaches beyond the log is not compared",
    file: TAKEOVER,
    edits: [["  if (from >= end) return true;\n", "  if (from >= 0) return true;\n"]],
    dies: "archive_simulation_test",
  },
  {
    name: "a snapshot of a copy counts as the log's own",
    file: ARCHIVER,
    edits: [[" && one.checksum === checksum;", " && (one.checksum === checksum || true);"]],
    dies: "archive_begin_test",
  },
  {
    name: "a piece that was merged meanwhile ends the archive",
    file: TAKEOVER,
    edits: [[
      "      const bytes = await fetchPiece(store, piece, options).catch((error) => {\n        throw isGone(error) ? changing(store, view, error) : error;\n      });\n",
      "      const bytes = await fetchPiece(store, piece, options);\n",
    ]],
    dies: "archive_takeover_test",
  },
  {
    name: "a segment may replace the last archived one whatever it follows",
    file: TAKEOVER,
    edits: [[
      "  if (!isSame) throw diverged(store, view, `segment ${header.number} does",
      "  if (!isSame && !last) throw diverged(store, view, `segment ${header.number} does",
    ]],
    dies: "archive_takeover_test",
  },
];
