/**
 * Small files, read and written whole.
 *
 * @module
 */

import type { FileSystem } from "../io/file_system.ts";
import { errorCode, readFull, writeFull } from "../io/full.ts";

/** The most that is read of a file, in bytes. */
const FILE_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Whether a folder exists.
 *
 * @param fileSystem The machine.
 * @param path The folder.
 * @returns Whether it does.
 */
export function isThere(fileSystem: FileSystem, path: string): boolean {
  try {
    fileSystem.list(path);
    return true;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
}

/**
 * The names in a folder.
 *
 * @param fileSystem The machine.
 * @param path The folder.
 * @returns The names; none if it does not exist.
 */
export function namesIn(fileSystem: FileSystem, path: string): string[] {
  try {
    return fileSystem.list(path);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw error;
  }
}

/**
 * Reads a file.
 *
 * @param fileSystem The machine.
 * @param path The file.
 * @returns Its bytes, at most 64 MiB.
 */
export function readFile(fileSystem: FileSystem, path: string): Uint8Array {
  const file = fileSystem.open(path, "read");
  try {
    const bytes = new Uint8Array(Math.min(file.size(), FILE_BYTES_MAX));
    return bytes.subarray(0, readFull(file, bytes, 0));
  } finally {
    file.close();
  }
}

/**
 * Writes a file, durably but for its name.
 *
 * @param fileSystem The machine.
 * @param path The file, which must not exist.
 * @param bytes Its bytes.
 */
export function writeFile(fileSystem: FileSystem, path: string, bytes: Uint8Array): void {
  const file = fileSystem.open(path, "create");
  try {
    writeFull(file, bytes, 0);
    file.sync();
  } finally {
    file.close();
  }
}
