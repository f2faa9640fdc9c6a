/**
 * Temporary names of files that are renamed when they are complete.
 *
 * @module
 */

import type { FileSystem } from "./file_system.ts";

/**
 * A temporary name for a file. Nobody can guess it, so nobody else can have made a file of that name before.
 *
 * @param fileSystem Where the random number comes from.
 * @param name The name that the file is to get.
 * @returns `NAME.`, 16 hexadecimal digits, and `.tmp`.
 */
export function temporaryName(fileSystem: FileSystem, name: string): string {
  const random = new Uint8Array(8);
  fileSystem.random(random);
  return `${name}.${Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("")}.tmp`;
}
