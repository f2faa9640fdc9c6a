/** Mutants of a store in a folder. */

import type { Mutant } from "./mutant.ts";

const FOLDER = "src/archive/folder_store.ts";

/** The mutants. */
export const FOLDER_STORE_MUTANTS: readonly Mutant[] = [
  {
    name: "a folder replaces an object that exists",
    file: FOLDER,
    edits: [["inFolder(path, () => link(temporary, path))", "inFolder(path, () => rename(temporary, path))"]],
    dies: "object_store_test",
  },
  {
    name: "unfinished files of killed programs stay",
    file: FOLDER,
    edits: [["    if (!this.#isClean) await removeLeftovers(folder);\n", ""]],
    dies: "archive_folder_test",
  },
  {
    name: "an object in a folder is not flushed",
    file: FOLDER,
    edits: [["      await file.sync();\n", ""]],
    dies: "archive_folder_test",
  },
  {
    name: "the name of an object in a folder is not flushed",
    file: FOLDER,
    edits: [["      await flushFolder(folder);\n      if (folder", "      if (folder"]],
    dies: "archive_folder_test",
  },
  {
    name: "the name of a store's new folder is not flushed",
    file: FOLDER,
    edits: [["await flushMade(this.name, this.#made);", "void flushMade;"]],
    dies: "archive_folder_test",
  },
  {
    name: "the folders above a store's new folder are not flushed",
    file: FOLDER,
    edits: [["folder = store; folder.length >= made.length;", "folder = store; folder === store && made.length > 0;"]],
    dies: "archive_folder_test",
  },
  {
    name: "files that another program is writing are removed",
    file: FOLDER,
    edits: [[".mtimeMs < Date.now() - LEFTOVER_MS)", ".mtimeMs < Date.now() + LEFTOVER_MS)"]],
    dies: "archive_folder_test",
  },
  {
    name: "the folder of a URL loses the part after #",
    file: FOLDER,
    edits: [['folder.hash + folder.search !== ""', 'folder.hash + folder.search === "#"']],
    dies: "archive_folder_test",
  },
  {
    name: "a folder that another program removes fails a write",
    file: FOLDER,
    edits: [['if (errorCode(error) !== "ENOENT" || attempt ===', "if (attempt > 0 || attempt ==="]],
    dies: "archive_folder_test",
  },
  {
    name: "empty folders of a store stay",
    file: FOLDER,
    edits: [["at = dirname(at)) await rmdir(at);", "at = dirname(at)) void rmdir;"]],
    dies: "archive_folder_test",
  },
];
