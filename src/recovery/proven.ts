/**
 * What decides between cut and refuse: the proven LSN.
 *
 * Everything below the proven LSN was durable, because something on the disk shows that a flush which covered it has
 * returned. What is invalid there is damage, and the log is refused. What is invalid from there on was never acknowledged
 * as durable: it is a torn write, and is cut.
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
 * The highest counts. No evidence counts for itself: a frame, a slot and a pointer are written after the flush that they
 * prove.
 *
 * @module
 */

import { FRAME_ALIGNMENT } from "../format/frame.ts";

/** LSNs that evidence states. */
export interface DurableEvidence {
  /** The end of the newest segment's header block. */
  readonly headerEnd: number;
  /** What the headers and pointers of other segments state; 0 if none does. */
  readonly chain: number;
  /** The LSN of the durable slot; 0 if there is none. */
  readonly slot: number;
  /** LSN of the checkpoint of a clean close, if that ends the file; `undefined` otherwise. */
  readonly close: number | undefined;
  /** Searches the frame headers, and the header of the segment. A clean close makes that unnecessary. */
  readonly frames: () => number;
}

/** How far a log was durable. */
export interface Proven {
  readonly lsn: number;
  /** Whether the log was closed and nothing was written since. */
  readonly isClosed: boolean;
}

/**
 * Finds the proven LSN.
 *
 * @param evidence What was found.
 * @returns The LSN, a multiple of 8.
 */
export function provenLsn({ headerEnd, chain, slot, close, frames }: DurableEvidence): Proven {
  // A slot behind the closing checkpoint shows that the log was opened again, and that its end is lost.
  const isClosed = close !== undefined && slot <= close;
  const highest = isClosed ? close : Math.max(headerEnd, chain, slot, frames());
  // Frames end at multiples of this. A forged LSN would make every header invalid that is written from here on.
  return { lsn: highest - highest % FRAME_ALIGNMENT, isClosed };
}
