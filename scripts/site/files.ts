/**
 * Lists files.
 *
 * @module
 */

import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/**
 * The files in a folder, and in the folders in it.
 *
 * @param folder The folder.
 * @returns Their paths from the folder, with slashes, in a stable order.
 */
export function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).map((path) => path.replaceAll("\\", "/"))
    .filter((path) => statSync(join(folder, path)).isFile()).sort();
}
