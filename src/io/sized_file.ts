/**
 * A file whose size is fixed when it is opened, so that every loop over it ends.
 *
 * @module
 */

import type { File, FileSystem } from "./file_system.ts";

/** A file to read. Bytes that are appended later are not visible. */
export class SizedFile {
  private readonly file: File;
  private readonly bytes: number;

  constructor(file: File) {
    this.file = file;
    this.bytes = file.size();
  }

  /** The size in bytes. It never changes. */
  size(): number {
    return this.bytes;
  }

  /** Reads like {@link File.read}, but no bytes after the fixed size. */
  read(into: Uint8Array, position: number): number {
    const rest = this.bytes - position;
    if (rest <= 0) return 0;
    return this.file.read(into.length > rest ? into.subarray(0, rest) : into, position);
  }

  /** Closes the file. */
  close(): void {
    this.file.close();
  }
}

/**
 * Opens a file with a fixed size.
 *
 * @param fileSystem The machine.
 * @param path The file.
 * @returns The open file.
 */
export function openSized(fileSystem: FileSystem, path: string): SizedFile {
  const file = fileSystem.open(path, "read");
  try {
    return new SizedFile(file);
  } catch (error) {
    file.close();
    throw error;
  }
}
