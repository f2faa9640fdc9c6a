/**
 * A file as long as it was when it was opened, so that every loop over it comes to an end.
 *
 * @module
 */

import type { File, FileSystem } from "./file_system.ts";

/** A file to read. Bytes that it gets later are not in it. */
export class SizedFile {
  private readonly file: File;
  private readonly bytes: number;

  constructor(file: File) {
    this.file = file;
    this.bytes = file.size();
  }

  /** The size in bytes, always the same. */
  size(): number {
    return this.bytes;
  }

  /** As {@link File.read}, but for bytes behind the size. */
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
 * Opens a file to read it from one end to the other.
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
