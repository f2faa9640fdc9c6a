/**
 * Temporary names of files that are renamed when they are complete.
 *
 * @module
 */

import type { FileSystem } from "./file_system.ts";

/**
 * A temporary name for a file. It is random, so nobody can create a file of that name first.
 *
 * @param fileSystem The source of random numbers.
 * @param name The final name of the file.
 * @returns `NAME.`, 16 hexadecimal digits, and `.tmp`.
 */
export function temporaryName(fileSystem: FileSystem, name: string): string {
  const random = new Uint8Array(8);
  fileSystem.random(random);
  return `${name}.${Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("")}.tmp`;
}
