/**
 * Tracks what truncations drop, so that checkpoints and headers can show what a gap in front of them can have dropped.
 *
 * @module
 */

import type { Dropped } from "../format/checkpoint.ts";
import { SEGMENT_HEADER_BYTES } from "../format/header_block.ts";
import type { SegmentHeader } from "../format/segment_header.ts";
import type { Index } from "../api/types.ts";
import type { Segment } from "../log/segment.ts";

/** What was dropped in a segment that is being written. */
export class DropTracker {
  /** Since the last checkpoint, since the one before it, and since the segment's first frame. */
  positions: readonly [Dropped, Dropped, Dropped];

  /**
   * @param segment The segment. Without a checkpoint of this writer all positions are its first frame.
   */
  constructor({ header, lowestTruncated }: Segment) {
    const start = { since: header.baseLsn + SEGMENT_HEADER_BYTES, lowest: lowestTruncated };
    this.positions = [start, start, start];
  }

  /** Notes that a frame has dropped the entries from an index on. */
  dropped(from: Index): void {
    const [last, previous, start] = this.positions.map(({ since, lowest }) => ({
      since,
      lowest: Math.min(lowest, from),
    }));
    this.positions = [last!, previous!, start!];
  }

  /** Notes that a checkpoint was written. */
  checkpointed(lsn: number): void {
    const [last, , start] = this.positions;
    this.positions = [{ since: lsn, lowest: Infinity }, last, start];
  }
}

/**
 * What the header of a segment states: what was dropped since the previous segment began, and since those before it did.
 *
 * @param previous The header of the previous segment.
 * @param lowest The lowest index that the previous segment has dropped.
 * @returns One item for each segment back.
 */
export function droppedBefore(previous: SegmentHeader, lowest: Index): Dropped[] {
  const older = previous.dropped.map((one) => ({ since: one.since, lowest: Math.min(one.lowest, lowest) }));
  return [{ since: previous.baseLsn, lowest }, ...older];
}
