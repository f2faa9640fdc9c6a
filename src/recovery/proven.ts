/**
 * The proven LSN decides between cut and refuse.
 *
 * Everything below the proven LSN was durable, because data on the disk shows that a flush that covered it has
 * returned. Invalid data there is damage, and the log does not open. Data from the proven LSN on may never have been
 * acknowledged as durable. If it is invalid, it is a torn write, and is cut.
 *
 * | evidence                                        | everything below is durable     |
 * | ----------------------------------------------- | ------------------------------- |
 * | the newest segment is there                     | the end of its header block     |
 * | the header of the newest segment                | the durable LSN that it states  |
 * | the pointer to the newest segment               | the durable LSN that it states  |
 * | the header of a segment begun to follow it      | the durable LSN that it states  |
 * | a durable slot of the newest segment            | its LSN                         |
 * | any valid frame header of the newest segment    | its LSN less `unproven`         |
 * | the checkpoint of a clean close ends the file   | the LSN of that checkpoint      |
 *
 * The highest LSN counts. Evidence does not prove itself durable: a frame, a slot and a pointer are written after the
 * flush that they prove.
 *
 * @module
 */

import { FRAME_ALIGNMENT } from "../format/frame.ts";

/** The LSNs that the evidence states. */
export interface DurableEvidence {
  /** The end of the newest segment's header block. */
  readonly headerEnd: number;
  /** The LSN from the headers and pointers of other segments; 0 if there is none. */
  readonly chain: number;
  /** The LSN of the durable slot; 0 if there is none. */
  readonly slot: number;
  /** LSN of the checkpoint of a clean close, if it is at the end of the file; `undefined` otherwise. */
  readonly close: number | undefined;
  /** Searches the frame headers and the segment's header. Not needed after a clean close. */
  readonly frames: () => number;
}

/** The proven part of a log. */
export interface Proven {
  readonly lsn: number;
  /** Whether the log was closed and nothing was written since. */
  readonly isClosed: boolean;
}

/**
 * Finds the proven LSN.
 *
 * @param evidence The evidence.
 * @returns The LSN, a multiple of 8.
 */
export function provenLsn({ headerEnd, chain, slot, close, frames }: DurableEvidence): Proven {
  // A slot with an LSN after the closing checkpoint shows that the log was opened again and that its end is lost.
  const isClosed = close !== undefined && slot <= close;
  const highest = isClosed ? close : Math.max(headerEnd, chain, slot, frames());
  // Frames end at multiples of this. With a forged LSN that is not aligned, every header written from here on would be
  // invalid.
  return { lsn: highest - highest % FRAME_ALIGNMENT, isClosed };
}
