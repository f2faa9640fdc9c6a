/**
 * Tracks the lowest indexes that truncations drop. Checkpoints and headers state them, so that recovery can tell what a
 * gap before them may have dropped.
 *
 * @module
 */

import type { Dropped } from "../format/checkpoint.ts";
import { SEGMENT_HEADER_BYTES } from "../format/header_block.ts";
import type { SegmentHeader } from "../format/segment_header.ts";
import type { Index } from "../api/types.ts";
import type { Segment } from "../log/segment.ts";

/** The dropped indexes of the active segment. */
export class DropTracker {
  /**
   * The lowest index dropped since the last checkpoint, since the one before it, and since the segment's first frame.
   */
  positions: readonly [Dropped, Dropped, Dropped];

  /** @param segment The segment. Before this writer's first checkpoint, all positions are at its first frame. */
  constructor({ header, lowestTruncated }: Segment) {
    const start = { since: header.baseLsn + SEGMENT_HEADER_BYTES, lowest: lowestTruncated };
    this.positions = [start, start, start];
  }

  /** Records that a frame dropped the entries from an index on. */
  dropped(from: Index): void {
    const [last, previous, start] = this.positions.map(({ since, lowest }) => ({
      since,
      lowest: Math.min(lowest, from),
    }));
    this.positions = [last!, previous!, start!];
  }

  /** Records a new checkpoint. */
  checkpointed(lsn: number): void {
    const [last, , start] = this.positions;
    this.positions = [{ since: lsn, lowest: Infinity }, last, start];
  }
}

/**
 * The dropped indexes for the header of a new segment: the lowest index dropped since the start of the previous
 * segment, and since the starts of the segments before it.
 *
 * @param previous The header of the previous segment.
 * @param lowest The lowest index that the previous segment has dropped.
 * @returns One item for each earlier segment, newest first.
 */
export function droppedBefore(previous: SegmentHeader, lowest: Index): Dropped[] {
  const older = previous.dropped.map((one) => ({ since: one.since, lowest: Math.min(one.lowest, lowest) }));
  return [{ since: previous.baseLsn, lowest }, ...older];
}
