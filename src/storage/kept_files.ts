/**
 * Files that are open before a reader begins, so that it can read to the end what a writer deletes meanwhile.
 *
 * @module
 */

import { delegateTo } from "./delegate.ts";
import type { File, FileSystem } from "./file_system.ts";
import { errorCode } from "./full.ts";

/** Far below any limit on open files. Compaction deletes the oldest files, which are the first that are kept. */
const KEPT_FILES_MAX = 256;

/** Files that are open, by their paths. */
export class KeptFiles {
  /** The machine, on which opening one of the files gives the one that is open. */
  readonly fileSystem: FileSystem;
  private readonly files = new Map<string, File>();

  /**
   * Opens files. One that is gone by now is left out.
   *
   * @param base The machine.
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
      if (errorCode(error) !== "ENOENT") throw error;
    }
  }

  /** Closes the files. What is opened from now on is opened anew. */
  close(): void {
    const files = [...this.files.values()];
    this.files.clear();
    for (const file of files) file.close();
  }
}

/** A file that stays open for whoever asks next when it is closed. */
function stayOpen(file: File): File {
  return {
    size: () => file.size(),
    read: (into, position) => file.read(into, position),
    write: (from, position) => file.write(from, position),
    truncate: (size) => file.truncate(size),
    sync: () => file.sync(),
    syncAsync: () => file.syncAsync(),
    close: () => {},
  };
}
