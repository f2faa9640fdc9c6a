/**
 * Names of files that get their own when they are whole.
 *
 * @module
 */

import type { FileSystem } from "./file_system.ts";

/**
 * A temporary name for a file. Nobody can guess it, so nobody else can have made a file of that name before.
 *
 * @param fileSystem Where the random number comes from.
 * @param name The name that the file is to get.
 * @returns `NAME.` and 16 hexadecimal digits, with `.tmp` behind.
 */
export function temporaryName(fileSystem: FileSystem, name: string): string {
  const random = new Uint8Array(8);
  fileSystem.random(random);
  return `${name}.${Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("")}.tmp`;
}
