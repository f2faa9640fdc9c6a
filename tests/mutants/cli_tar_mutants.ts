/**
 * Mutants of the backup as a tar archive.
 *
 * @module
 */

import type { Mutant } from "./mutant.ts";

const TAR = "src/cli/tar.ts";
const FOLDER = "src/cli/tar_folder.ts";
const ARCHIVE = "src/cli/tar_backup.ts";

/** The archive of a log. */
export const CLI_TAR_MUTANTS: readonly Mutant[] = [
  {
    name: "the size of a file of 8 GiB has no room in its tar header, and gets no pax record",
    file: TAR,
    edits: [["records.push(paxRecord(key, String(value)));", ""]],
    dies: "cli_tar_test",
  },
  {
    name: "the length of a pax record does not count its own digits",
    file: TAR,
    edits: [["  return `${length}${rest}`;", "  return `${restBytes}${rest}`;"]],
    dies: "cli_tar_test",
  },
  {
    name: "the checksum of a tar header counts its field as zeros",
    file: TAR,
    edits: [['  put(148, " ".repeat(8));\n', ""]],
    dies: "cli_tar_test",
  },
  {
    name: "a segment is archived while it is written",
    file: FOLDER,
    edits: [["isEnd ? segments : segments.slice(0, -1)", "segments"]],
    dies: "cli_tar_backup_test",
  },
  {
    name: "an archive has the first segment before IDENTITY",
    file: FOLDER,
    edits: [["if (name !== IDENTITY_NAME) this.archive(IDENTITY_NAME);", ""], [
      "    if (!isEnd) return;\n",
      "    if (!isEnd) return;\n    this.archive(IDENTITY_NAME);\n",
    ], ["    this.archive(IDENTITY_NAME);\n    this.begin(name, bytes);", "    this.begin(name, bytes);"]],
    dies: "cli_tar_backup_test",
  },
  {
    name: "a snapshot is copied without waiting for the archive, or for anything else",
    file: "src/maintain/write_anew.ts",
    edits: [[
      "      await afterPart();\n      signal?.throwIfAborted();\n    }\n    await target",
      "    }\n    await target",
    ]],
    dies: "cli_tar_backup_test",
  },
  {
    name: "entries are read without waiting for the archive",
    file: ARCHIVE,
    edits: [["        folder.seal(false);\n        await drain();", "        await setImmediate();"]],
    dies: "cli_tar_backup_test",
  },
  {
    name: "the archive's folder has the name of the log",
    file: ARCHIVE,
    edits: [['|| "log"}.backup`', '|| "log"}`']],
    dies: "cli_tar_backup_test",
  },
  {
    name: "an archive that nobody reads is no failure",
    file: ARCHIVE,
    edits: [["if (error instanceof ReaderGone) {", "if (error === undefined) {"]],
    dies: "cli_tar_backup_test",
  },
  {
    name: "files that the writer deletes are missing from an archive",
    file: "src/cli/backup.ts",
    edits: [["{ note, signal, fileSystem: kept.fileSystem }", "{ note, signal }"]],
    dies: "cli_tar_backup_test",
  },
  {
    name: "the progress of a copy goes on in one line after the snapshot",
    file: "src/cli/progress.ts",
    edits: [["if (progress.part !== part) {", "if (part === undefined) {"]],
    dies: "cli_progress_test",
  },
  {
    name: "a full disk behind standard output is named as the runtime names it",
    file: "src/cli/output.ts",
    edits: [["standard output: ${reasonOf(error)}`", "standard output: ${error.message}`"]],
    dies: "cli_tar_backup_test",
  },
  {
    name: "an archive is written to a terminal",
    file: "src/cli/backup.ts",
    edits: [["if (out.isTerminal) throw", "if (out === undefined) throw"]],
    dies: "cli_tar_backup_test",
  },
];
