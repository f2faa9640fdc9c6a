/**
 * Checks the keys of objects.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import { show } from "../api/validate.ts";

const KEY = /^[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/;
/** The longest key of Amazon S3, in bytes. */
const KEY_LENGTH_MAX = 1024;

/**
 * Fails unless every store can hold a key. A key is also the path of a file, which must stay within its folder.
 *
 * @param key The key.
 * @throws {WalLogError} `INVALID_ARGUMENT`.
 */
export function checkKey(key: string): void {
  if (typeof key === "string" && key.length <= KEY_LENGTH_MAX && KEY.test(key)) return;
  const expected = "letters, digits, -, _, and . within names, separated by slashes";
  throw new WalLogError("INVALID_ARGUMENT", `Cannot use ${show(key)} as the key of an object: expected ${expected}`);
}
