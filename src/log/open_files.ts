/**
 * Files open for reading, a bounded number of them.
 *
 * @module
 */

import type { File, FileSystem } from "../io/file_system.ts";

/** More segments than this are reopened as they are read; far below any limit on descriptors. */
const OPEN_FILES_MAX = 64;

/** Keeps the files that were read last open. */
export class OpenFiles {
  private readonly fileSystem: FileSystem;
  /** In the order of their last use. */
  private readonly files = new Map<string, File>();

  constructor(fileSystem: FileSystem) {
    this.fileSystem = fileSystem;
  }

  /**
   * A file, open for reading.
   *
   * @param path The file.
   * @returns The open file, good until the next call.
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

  /** Closes a file, which is about to be deleted. */
  drop(path: string): void {
    this.files.get(path)?.close();
    this.files.delete(path);
  }

  /** Closes all. */
  close(): void {
    for (const file of this.files.values()) file.close();
    this.files.clear();
  }
}
