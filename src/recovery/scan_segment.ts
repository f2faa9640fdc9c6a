/**
 * Scans a single segment, starting with the state in its header, to find its damage and the positions of its entries.
 *
 * @module
 */

import type { Codec } from "../codec/codec.ts";
import { SEGMENT_HEADER_BYTES } from "../format/header_block.ts";
import type { SizedFile } from "../io/sized_file.ts";
import type { LogIndex } from "../log/log_index.ts";
import { Segment } from "../log/segment.ts";
import { endOf } from "./segment_boundaries.ts";
import { Replay } from "./replay.ts";
import type { SegmentEnd } from "./replay_state.ts";

/** The result of a scan. */
export interface SegmentScan {
  /** The replay. Its damage includes entries that the log has discarded since. */
  readonly replay: Replay;
  /** The segment, with pages from its frames. */
  readonly scanned: Segment;
}

/**
 * Scans a segment. The whole segment was durable, so invalid frames are damage.
 *
 * @param codec The codec. Its state is overwritten.
 * @param segment The segment.
 * @param file Its file.
 * @param limit Offset at which its frames end.
 * @param end The known state of the log there; `undefined` for a scan that stops before the segment's end.
 * @returns The result. Yields the bytes read after each chunk.
 */
export function* scanSegment(
  codec: Codec,
  segment: Segment,
  file: SizedFile,
  limit: number,
  end: SegmentEnd | undefined,
): Generator<number, SegmentScan> {
  const replay = new Replay(codec);
  const scanned = new Segment(segment.path, segment.header, limit);
  replay.begin(segment.header.state);
  replay.open(scanned);
  for (const _ of replayThroughDamage(replay, scanned, file, limit)) yield replay.bytesRead;
  if (end !== undefined) replay.close(scanned, end);
  return { replay, scanned };
}

/**
 * The known state of an open log at the end of a segment.
 *
 * @param index The log's index.
 * @param segment The segment.
 * @param changes The number of changes of the log so far; `undefined` if unknown.
 * @returns The state from the next segment's header; for the newest segment, the log's current state.
 */
export function endingOf(index: LogIndex, segment: Segment, changes: number | undefined): SegmentEnd {
  const next = index.segments[index.segments.indexOf(segment) + 1];
  if (next?.header.previous === segment.header.number) return endOf(next.header);
  const unknown = { changes: undefined, lowestDropped: undefined, snapshotIndex: undefined };
  if (next !== undefined) return { ...unknown, nextIndex: segment.end };
  const { nextIndex, snapshotIndex } = index;
  return { ...unknown, nextIndex, changes, snapshotIndex };
}

/** Runs a scan to its end. */
export function scanAtOnce(scanning: Generator<number, SegmentScan>): SegmentScan {
  for (;;) {
    const step = scanning.next();
    if (step.done) return step.value;
  }
}

/**
 * Replays up to a limit below which everything was durable, so that invalid frames are damage. Yields after each chunk.
 *
 * @param replay The replay.
 * @param segment The segment, the last that was opened.
 * @param file Its file.
 * @param limit Offset of the limit.
 * @param start Offset of the first frame.
 */
export function* replayThroughDamage(
  replay: Replay,
  segment: Segment,
  file: SizedFile,
  limit: number,
  start: number = SEGMENT_HEADER_BYTES,
): Generator<void> {
  for (let from = start; from < limit;) {
    const stop = yield* replay.run(segment, file, from, limit);
    if (stop === undefined) break;
    from = replay.passDamage(segment, file, stop, limit);
  }
}
