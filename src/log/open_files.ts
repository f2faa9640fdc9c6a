/**
 * A bounded number of files that are open for reading.
 *
 * @module
 */

import type { File, FileSystem } from "../io/file_system.ts";

/** If a log has more segments than this, they are reopened as needed. Far below the usual limits on open files. */
const OPEN_FILES_MAX = 64;

/** Keeps the most recently read files open. */
export class OpenFiles {
  private readonly fileSystem: FileSystem;
  /** In the order of their last use. */
  private readonly files = new Map<string, File>();
  /** Other files that are closed with the log. */
  readonly others: Set<{ close(): void }> = new Set();

  constructor(fileSystem: FileSystem) {
    this.fileSystem = fileSystem;
  }

  /**
   * Opens a file for reading, or finds it open.
   *
   * @param path The file.
   * @returns The open file, valid until the next call.
   */
  get(path: string): File {
    let file = this.files.get(path);
    if (file !== undefined && this.files.size > 1) this.files.delete(path);
    file ??= this.fileSystem.open(path, "read");
    this.files.set(path, file);
    if (this.files.size > OPEN_FILES_MAX) {
      const [oldest] = this.files.keys();
      this.drop(oldest!);
    }
    return file;
  }

  /** Closes a file that is about to be deleted. */
  drop(path: string): void {
    this.files.get(path)?.close();
    this.files.delete(path);
  }

  /** Closes all. */
  close(): void {
    for (const file of this.files.values()) file.close();
    this.files.clear();
    for (const other of this.others) other.close();
  }
}
