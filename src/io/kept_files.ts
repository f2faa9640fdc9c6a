/**
 * Opens files before a reader starts, so that it can read files that a writer deletes meanwhile.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import { delegateTo, delegateToFile } from "./delegate.ts";
import type { File, FileSystem } from "./file_system.ts";
import { errorCode } from "./full.ts";

/**
 * The most files to keep open: far below the usual limits. The oldest files come first, because compaction deletes
 * those.
 */
const KEPT_FILES_MAX = 256;

/** Files that stay open, by their paths. */
export class KeptFiles {
  /** The file system, except that opening one of the files returns the open one. */
  readonly fileSystem: FileSystem;
  private readonly files = new Map<string, File>();

  /**
   * Opens files. Skips files that no longer exist.
   *
   * @param base The file system.
   * @param folder Their folder.
   * @param names Their names, oldest first.
   */
  constructor(base: FileSystem, folder: string, names: readonly string[]) {
    this.fileSystem = {
      ...delegateTo(base),
      open: (path, mode) => {
        const file = this.files.get(path);
        return file === undefined ? base.open(path, mode) : stayOpen(file);
      },
    };
    try {
      for (const name of names.slice(0, KEPT_FILES_MAX)) this.keep(`${folder}/${name}`, base);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  private keep(path: string, base: FileSystem): void {
    try {
      this.files.set(path, base.open(path, "read"));
    } catch (error) {
      // A file that is not regular is refused later, and only if the log needs it.
      const isUnsafe = error instanceof WalLogError && error.code === "UNSAFE_FILE";
      if (errorCode(error) !== "ENOENT" && !isUnsafe) throw error;
    }
  }

  /** Closes the files. After that, opening one opens it again. */
  close(): void {
    const files = [...this.files.values()];
    this.files.clear();
    for (const file of files) file.close();
  }
}

/** A file that ignores `close`, so that it can be opened again. */
function stayOpen(file: File): File {
  return { ...delegateToFile(file), close: () => {} };
}
