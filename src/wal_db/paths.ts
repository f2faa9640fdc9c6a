/**
 * Resolves a path or URL to a file.
 *
 * @module
 */

import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { WalLogError } from "../api/errors.ts";
import { isUrl } from "../api/taken.ts";

/**
 * The path of a file.
 *
 * @param file A path or a `file:` URL.
 * @param attempt The operation, for the error message.
 * @returns The absolute path.
 * @throws {WalLogError} `INVALID_ARGUMENT` if it is neither.
 */
export function filePathOf(file: string | URL, attempt: string): string {
  const path = isUrl(file) && file.protocol === "file:" && file.host === "" ? fileURLToPath(file.href) : file;
  if (typeof path !== "string" || path === "" || path.includes("\0") || path.startsWith("file:")) {
    const found = isUrl(file) ? file.href : typeof file === "string" ? file : typeof file;
    throw new WalLogError("INVALID_ARGUMENT", `${attempt}: expected a path or a file URL, found ${found}`);
  }
  return resolve(path);
}
