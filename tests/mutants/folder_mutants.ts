/**
 * Mutants of the code that protects a log from other processes: the lock, the folder, hostile files, and readers beside
 * a writer.
 *
 * @module
 */

import { RESUME } from "./files.ts";
import type { Mutant } from "./mutant.ts";

const GUARD = "src/io/guard.ts";
const LOCK = "src/io/lock.ts";
const NODE = "src/io/node_fs.ts";
const NODE_FILE = "src/io/node_file.ts";
const OPEN = "src/recovery/open.ts";
const RECOVER = "src/recovery/recover.ts";

/** The mutants. */
export const FOLDER_MUTANTS: readonly Mutant[] = [
  {
    name: "the lock is not checked when a file is opened",
    file: GUARD,
    edits: [["lock.check();\n      const file = fileSystem.open", "const file = fileSystem.open"]],
    dies: "folder_test",
  },
  {
    name: "the lock is not checked before a file is renamed",
    file: GUARD,
    edits: [["lock.check();\n      fileSystem.rename", "fileSystem.rename"]],
    dies: "folder_test",
  },
  {
    name: "the lock is not checked before a file is deleted",
    file: GUARD,
    edits: [["lock.check();\n      try {", "try {"]],
    dies: "folder_test",
  },
  {
    name: "the lock is not checked with a flush",
    file: GUARD,
    edits: [["const folder = lock.check();\n    file.requireNamed?.(folder);", "file.requireNamed?.();"]],
    dies: "folder_test",
  },
  {
    name: "a flush does not notice that the file lost its name",
    file: GUARD,
    edits: [["file.requireNamed?.(folder);", ""]],
    dies: "folder_test",
  },
  {
    name: "a change in the same tick of the clock as the last check is not noticed",
    file: "src/io/folder_names.ts",
    edits: [["this.seen = isSettled ? folder : undefined;", "this.seen = folder;"]],
    dies: "folder_names_test",
  },
  {
    name: "whole seconds count as exact times of a folder",
    file: "src/io/folder_names.ts",
    edits: [["folder.mtimeNs % SECOND_NS === 0n ? SETTLED_COARSE_NS : SETTLED_NS", "SETTLED_NS"]],
    dies: "folder_names_test",
  },
  {
    name: "a folder's time that was set back hides a change",
    file: "src/io/folder_names.ts",
    edits: [[" &&\n      ctimeNs === seen.ctimeNs", ""]],
    dies: "folder_names_test",
  },
  {
    name: "each flush looks at the segment",
    file: "src/io/node_file.ts",
    edits: [["if (folder !== undefined && this.names.areUnchanged(folder)) return;", ""]],
    dies: "folder_names_test",
  },
  {
    name: "each flush looks at the lock",
    file: "src/io/lock.ts",
    edits: [["if (this.names.areUnchanged(home)) return home;", ""]],
    dies: "folder_names_test",
  },
  {
    name: "removing a file that is already gone fails",
    file: GUARD,
    edits: [['if (errorCode(error) !== "ENOENT") throw error;', "throw error;"]],
    dies: "folder_test",
  },
  {
    name: "a sync that has nothing to flush does not check the lock",
    file: "src/write/durability.ts",
    edits: [["this.lock?.check()", "undefined"]],
    dies: "folder_test",
  },
  {
    name: "the lock does not notice that the folder is another one",
    file: LOCK,
    edits: [["if (home === undefined || !isSameFile(this.home, home)) {", "if (home === undefined) {"]],
    dies: "folder_test",
  },
  {
    name: "the lock does not notice that LOCK is another one",
    file: LOCK,
    edits: [["if (isSameFile(this.file, file)) {", "if (file !== undefined) {"]],
    dies: "folder_test",
  },
  {
    name: "a LOCK with bytes in it reaches SQLite",
    file: LOCK,
    edits: [["if (stats.size > 0n) {", "if (stats.size < 0n) {"]],
    dies: "lock_test",
  },
  {
    name: "a LOCK with a journal beside it reaches SQLite",
    file: LOCK,
    edits: [["if (look(path + companion) === undefined) continue;", "continue;"]],
    dies: "lock_test",
  },
  {
    name: "a LOCK that is not a regular file reaches SQLite",
    file: LOCK,
    edits: [["requireRegular(path, stats);\n  if", "if"]],
    dies: "lock_test",
  },
  {
    name: "a LOCK that cannot be written excludes nobody",
    file: LOCK,
    edits: [["; CREATE TABLE held (x)", ""]],
    dies: "lock_test",
  },
  {
    name: "a path that is too long for SQLite gets no hard link",
    file: LOCK,
    edits: [["if (length <= SQLITE_PATH_BYTES_MAX) return path;", "if (length > 0) return path;"]],
    dies: "lock_test",
  },
  {
    name: "the link that is a shorter name for LOCK is left behind",
    file: LOCK,
    edits: [["if (reachable !== path) fs.unlinkSync(reachable);", ""]],
    dies: "lock_test",
  },
  {
    name: "the path is resolved again with each call",
    file: NODE,
    edits: [["return isAllowed ? resolved : path;", "return path;"]],
    dies: "folder_test",
  },
  {
    name: "a file of any kind is opened",
    file: NODE_FILE,
    edits: [["if (stats.isFile()) return;", "if (stats.size >= 0n) return;"]],
    dies: "hostile_test",
  },
  {
    name: "a file that root creates stays root's",
    file: NODE_FILE,
    edits: [["if (owner.uid === stats.uid) return;", "return;"]],
    dies: "create_option_test",
  },
  {
    name: "a repaired file gets the permissions of a new one",
    file: NODE_FILE,
    edits: [["if ((found.mode & 0o777n) !== (wanted.mode & 0o777n))", "if (found.mode < 0n)"]],
    dies: "create_option_test",
  },
  {
    name: "the identity is written in place",
    file: "src/recovery/identity.ts",
    edits: [
      [
        'fileSystem.open(temporary, "create");',
        'fileSystem.open(path, fileSystem.list(folder).includes(IDENTITY_NAME) ? "write" : "create");',
      ],
      ["fileSystem.rename(temporary, path);", ""],
      ["fileSystem.copyOwner?.(temporary, path);", ";"],
    ],
    dies: "hostile_test",
  },
  {
    name: "files are created readable for others",
    file: GUARD,
    edits: [["fileSystem.open(path, mode, permissions);", "fileSystem.open(path, mode, 0o644);"]],
    dies: "create_option_test",
  },
  {
    name: "create: false is not checked before the lock is taken",
    file: OPEN,
    edits: [["if (!options.create) requireLog(options.fileSystem, folder);", ""]],
    dies: "create_option_test",
  },
  {
    name: "create: false completes a creation that a crash interrupted",
    file: OPEN,
    edits: [[
      "if (!options.create && recovered.head === undefined && report.damage.length === 0) throw notFound(home);",
      "",
    ]],
    dies: "create_option_test",
  },
  {
    name: "the lock is not waited for",
    file: OPEN,
    edits: [["if (left <= 0) {", "if (left < Infinity) {"]],
    dies: "lock_test",
  },
  {
    name: "a log that is open still looks closed",
    file: RESUME,
    edits: [["file.truncate(head.endOffset + OPEN_BYTES);", ""]],
    dies: "folder_test",
  },
  {
    name: "a flush does not notice that another writer has continued the log",
    file: "src/write/active_segment.ts",
    edits: [["if (probe[0] !== 0) requireUnnamed(", "if (probe[0] === 256) requireUnnamed("]],
    dies: "folder_test",
  },
  {
    name: "numbers in a checkpoint are not checked",
    file: "wasm/scan.ts",
    edits: [["if (length != CHECKPOINT_PAYLOAD_BYTES || !checkpointIsSane(at, next)) return SCAN_BAD_PAYLOAD;", ""]],
    dies: "limits_test",
  },
  {
    name: "a durable position between two frames is believed",
    file: "src/recovery/proven.ts",
    edits: [["highest - highest % FRAME_ALIGNMENT", "highest"]],
    dies: "limits_test",
  },
  {
    name: "a reader's scrub reports files that the writer deleted as damage",
    file: "src/maintain/scrub.ts",
    edits: [["writer === undefined && report.damage.length === 0 ? goneFromReader : undefined", "undefined"]],
    dies: "scrub_test",
  },
  {
    name: "a repair replaces files although the lock is lost",
    file: "src/cli/mended.ts",
    edits: [["fileSystem: guard(fileSystem, lock, FILE_PERMISSIONS) }", "fileSystem }"]],
    dies: "cli_files_test",
  },
  {
    name: "a reader does not keep files open",
    file: "src/io/kept_files.ts",
    edits: [["const KEPT_FILES_MAX = 256;", "const KEPT_FILES_MAX = 0;"]],
    dies: "reader_test",
    equivalent: "a reader begins again when a file is gone, so it only takes longer",
  },
  {
    name: "a reader reports damage after one attempt",
    file: RECOVER,
    edits: [["if (repeated >= (isSettled ? 2 : SAME_DAMAGE_MAX)) return recovered;", "return recovered;"]],
    dies: "reader_test",
  },
];
