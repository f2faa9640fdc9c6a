/**
 * The state of a log as text, to be compared between processes and kept in files.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { RaftLog } from "../src/api/types.ts";
import { stateOf } from "./model.ts";

/**
 * The complete state of a log as JSON: bytes in hexadecimal, identities as decimal strings.
 *
 * @param log The log.
 * @returns The text, the same for the same state.
 */
export function stateJson(log: RaftLog): string {
  return JSON.stringify(
    stateOf(log),
    (_key, value) =>
      typeof value === "bigint"
        ? String(value)
        : value instanceof Uint8Array
        ? Buffer.from(value).toString("hex")
        : value,
    1,
  );
}
