/**
 * Log sequence numbers: positions of bytes in the log.
 *
 * @module
 */

import { FRAME_ALIGNMENT } from "./frame.ts";
import { areSafe, safe } from "./numbers.ts";

/**
 * A segment begins below this LSN, so that every LSN in it is below 2^53 and exact. A log that writes a gigabyte a
 * second reaches it after 140 years.
 */
export const BASE_LSN_END = 2 ** 52;

/** Whether a 64-bit number is an LSN at which this library can begin or end a segment. */
export function isBorder(view: DataView, offset: number): boolean {
  return areSafe(view, [offset], BASE_LSN_END) && safe(view, offset) % FRAME_ALIGNMENT === 0;
}
