/**
 * The file that a caller means.
 *
 * @module
 */

import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { WalLogError } from "../errors.ts";

/**
 * The path of a file.
 *
 * @param file A path or a `file:` URL.
 * @param attempt What is attempted, for the message.
 * @returns The path, absolute.
 * @throws {WalLogError} `INVALID_ARGUMENT` if it is neither.
 */
export function filePathOf(file: string | URL, attempt: string): string {
  const path = file instanceof URL && file.protocol === "file:" && file.host === "" ? fileURLToPath(file) : file;
  if (typeof path !== "string" || path === "" || path.includes("\0") || path.startsWith("file:")) {
    const found = typeof file === "string" || file instanceof URL ? String(file) : typeof file;
    throw new WalLogError("INVALID_ARGUMENT", `${attempt}: expected a path or a file URL, found ${found}`);
  }
  return resolve(path);
}
