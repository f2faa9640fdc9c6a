/**
 * The history of a run as JSON lines, for another program that checks linearizability.
 *
 * ```text
 * {"at":1,"op":0,"event":"call","kind":"put","key":"key-3","value":"2.1"}
 * {"at":2,"op":1,"event":"call","kind":"cas","key":"key-3","expected":null,"value":"5.2"}
 * {"at":3,"op":0,"event":"return"}
 * {"at":4,"op":1,"event":"return","found":"2.1"}
 * {"at":5,"op":2,"event":"call","kind":"get","key":"key-3"}
 * {"at":6,"op":2,"event":"return","found":"2.1"}
 * ```
 *
 * `at` orders the lines. `op` is the number of the operation. `get` reads a key, `put` writes it, and `cas` writes it if
 * its text is `expected`. `found` is the text before the operation, `null` if there was none. All keys are empty at
 * first. An operation without a return may have happened at any time after its call, or never. Operations that certainly
 * did not happen are left out.
 *
 * @module
 */

import type { Operation } from "./linearizability.ts";

/**
 * Writes a history.
 *
 * @param history All operations, in any order.
 * @returns The lines, each with a line feed.
 */
export function historyText(history: readonly Operation[]): string {
  const events = history.flatMap((operation, op) => {
    const { called, returned, key, kind } = operation;
    const asked = kind === "get"
      ? {}
      : kind === "put"
      ? { value: operation.value }
      : { expected: operation.expected, value: operation.value };
    const call = { at: called, op, event: "call", kind, key, ...asked };
    if (returned === Infinity) return [call];
    return [call, { at: returned, op, event: "return", ...kind === "put" ? {} : { found: operation.found } }];
  });
  return events.sort((a, b) => a.at - b.at).map((event) => `${JSON.stringify(event)}\n`).join("");
}
