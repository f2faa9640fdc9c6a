/**
 * Log sequence numbers: positions of bytes in the log.
 *
 * @module
 */

import { FRAME_ALIGNMENT } from "./frame.ts";
import { areSafe, safe } from "./numbers.ts";

/**
 * Every segment begins below this LSN, so that every LSN in it is below 2^53 and exact. At one gigabyte per second, a
 * log reaches it after 140 years.
 */
export const BASE_LSN_END = 2 ** 52;

/** Whether a 64-bit number is an LSN at which a segment can begin or end. */
export function isSegmentBoundary(view: DataView, offset: number): boolean {
  return areSafe(view, [offset], BASE_LSN_END) && safe(view, offset) % FRAME_ALIGNMENT === 0;
}
