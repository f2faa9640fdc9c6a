/**
 * Replay: builds the index and the state of the log from the frames of its segments. The scan itself runs in WASM, a
 * chunk at a time. This module takes frames that concern more than their own segment, frames larger than a chunk, and
 * invalid frames.
 *
 * @module
 */

import {
  CHUNK_BYTES,
  SCAN_BAD_HEADER,
  SCAN_BAD_PAYLOAD,
  SCAN_EVENT,
  SCAN_LARGE,
  SCAN_MORE,
  SCAN_OUT_OF_ORDER,
  SCAN_SLOTS,
  SCAN_TABLE_FULL,
  SLOT_BATCH_INDEX,
  SLOT_BATCH_LSN,
  SLOT_CONSUMED,
  SLOT_ENTRIES_FRAMES,
  SLOT_EVENT,
  SLOT_LAST_CHECKSUM,
  SLOT_LAST_TERM,
  SLOT_NEXT_INDEX,
} from "../codec/codec.ts";
import { readFull } from "../io/full.ts";
import type { SizedFile } from "../io/sized_file.ts";
import type { Index } from "../api/types.ts";
import type { Checkpoint } from "../format/checkpoint.ts";
import { decodeFrameHeader, FRAME_HEADER_BYTES } from "../format/frame.ts";
import { SEGMENT_HEADER_BYTES } from "../format/header_block.ts";
import type { SegmentHeader } from "../format/segment_header.ts";
import type { LogState } from "../format/state.ts";
import { selectSegment } from "../log/select_segment.ts";
import type { Scanned } from "./scan_thread.ts";
import type { Segment } from "../log/segment.ts";
import { ReplayState, type SegmentEnd, type Stop } from "./replay_state.ts";
import { closeGap, endGapFromSlot, reach } from "./replay_gaps.ts";
import { takeEvent, takeLarge } from "./replay_frames.ts";
import { passDamage } from "./pass_damage.ts";

/** Replays segments in order into a {@link LogIndex}. */
export class Replay extends ReplayState {
  /**
   * Adds a segment to the log. The frames replayed next belong to it.
   *
   * @param segment The segment.
   * @param floor The lowest index that it can have truncated, if the next segment's header gives it.
   */
  open(segment: Segment, floor: Index = 1): void {
    this.floor = floor;
    this.found = undefined;
    segment.firstIndex = this.index.nextIndex;
    this.index.segments.push(segment);
    this.enter();
  }

  /**
   * Continues in the newest segment of the index, after the frames of an earlier replay.
   *
   * @param segment The segment.
   * @param state The log's state there.
   */
  resume(segment: Segment, state: LogState): void {
    this.begin(state);
    this.enter();
    this.codec.set(SLOT_LAST_CHECKSUM, segment.lastChecksum);
  }

  private enter(): void {
    this.codec.set(SLOT_LAST_CHECKSUM, 0);
    this.codec.set(SLOT_BATCH_LSN, 0);
  }

  /**
   * Replays frames.
   *
   * @param segment The segment, the last that was opened.
   * @param file Its file.
   * @param from Offset of the first frame.
   * @param limit Offset at which frames end.
   * @returns Where and why the replay stopped; `undefined` at the limit or at a segment index. Yields after each chunk.
   */
  *run(segment: Segment, file: SizedFile, from: number, limit: number): Generator<void, Stop | undefined> {
    const { codec } = this;
    const { wasm, chunkAt } = codec;
    this.indexOffset = undefined;
    selectSegment(codec, segment.header);
    this.setScanState();
    // The chunk holds `filled` bytes of the file, from offset `start` on. The scan is at position `at` in the chunk.
    let start = from;
    let at = 0;
    let filled = 0;
    let ended = false;
    try {
      for (;;) {
        const room = CHUNK_BYTES - filled;
        const rest = limit - start - filled;
        if (rest > 0 && (room > 0 || at > 0)) {
          codec.chunk.copyWithin(0, at, filled);
          start += at;
          filled -= at;
          at = 0;
          const count = readFull(file, codec.chunk.subarray(filled, filled + rest), start + filled);
          filled += count;
          this.bytesRead += count;
          ended = count === 0;
        }
        let status = SCAN_MORE;
        // Events and full tables are handled in place. The chunk moves only when more bytes are needed.
        for (;;) {
          status = wasm.scan(chunkAt + at, filled - at, CHUNK_BYTES, segment.header.baseLsn + start + at);
          this.drain(segment);
          const scanned = at;
          at += codec.get(SLOT_CONSUMED);
          if (status === SCAN_EVENT) {
            const frame = scanned + codec.get(SLOT_EVENT);
            if (!takeEvent(this, segment, codec.chunk.subarray(frame, at))) {
              this.indexOffset = start + frame;
              segment.endOffset = start + frame;
              return undefined;
            }
          } else if (status === SCAN_OUT_OF_ORDER && this.gap !== undefined) {
            if (!reach(this, segment, decodeFrameHeader(codec.chunk.subarray(at)))) break;
            if (this.gap === undefined) this.stateAfterGap ??= this.state;
          } else if (status !== SCAN_TABLE_FULL) break;
        }
        const offset = start + at;
        // Code that runs meanwhile can read the frames taken so far.
        segment.endOffset = offset;
        yield;
        if (status === SCAN_MORE && !ended && start + filled < limit) continue;
        if (status === SCAN_MORE && offset === limit) return undefined;
        const header = filled - at >= FRAME_HEADER_BYTES && status !== SCAN_BAD_HEADER
          ? decodeFrameHeader(codec.chunk.subarray(at))
          : undefined;
        if (status === SCAN_LARGE) {
          if (yield* takeLarge(this, segment, file, offset, limit, header!)) {
            if (this.indexOffset !== undefined) return undefined;
            start = segment.endOffset;
            at = filled = 0;
            continue;
          }
          return { offset, reason: "payload checksum mismatch", header };
        }
        return { offset, reason: describeStop(status, header !== undefined), header };
      }
    } finally {
      segment.lastChecksum = codec.get(SLOT_LAST_CHECKSUM);
    }
  }

  /** Takes the pages and runs that a scan put into the tables. */
  private drain(segment: Segment): void {
    const { codec } = this;
    if (codec.get(SLOT_ENTRIES_FRAMES) === 0) return;
    segment.pushPages(codec.pages(), codec.get(SLOT_NEXT_INDEX));
    this.takeRuns(codec.runs());
    codec.clearTables();
  }

  /** Takes the terms of scanned entries, and the next index after them. */
  private takeRuns(runs: readonly (readonly [Index, number])[]): void {
    const { codec, index } = this;
    // The scan begins a run only where the term changes. The first entry after a snapshot can continue the snapshot's
    // term.
    if (runs[0]?.[0] !== index.nextIndex) index.runs.push(index.nextIndex, index.lastTerm);
    for (const [start, term] of runs) index.runs.push(start, term);
    index.nextIndex = codec.get(SLOT_NEXT_INDEX);
    index.lastTerm = codec.get(SLOT_LAST_TERM);
  }

  /**
   * The initial state of a scan of a segment, from the segment's header.
   *
   * @param header The header.
   * @returns The codec's slots.
   */
  scanStateAt(header: SegmentHeader): BigUint64Array<ArrayBuffer> {
    this.begin(header.state);
    this.enter();
    selectSegment(this.codec, header);
    this.setScanState();
    return this.codec.slots();
  }

  /**
   * Takes the scan result of another thread for the segment that was opened last.
   *
   * @param segment The segment.
   * @param before The codec's slots at the start of the other thread's scan.
   * @param scanned The result.
   * @returns Whether a scan here would have started with the same slots. If not, nothing was taken.
   */
  takeScanned(segment: Segment, before: BigUint64Array, scanned: Scanned): boolean {
    const { codec } = this;
    selectSegment(codec, segment.header);
    this.setScanState();
    if (this.gap !== undefined || !SCAN_SLOTS.every((slot) => codec.getWide(slot) === before[slot])) return false;
    for (const slot of SCAN_SLOTS) codec.setWide(slot, scanned.state[slot]!);
    if (scanned.pages.length > 0) {
      segment.pushPages(scanned.pages, codec.get(SLOT_NEXT_INDEX));
      const { runs } = scanned;
      this.takeRuns(Array.from({ length: runs.length / 2 }, (_, i) => [Number(runs[i * 2]), Number(runs[i * 2 + 1])]));
    }
    segment.lastChecksum = codec.get(SLOT_LAST_CHECKSUM);
    this.bytesRead += segment.endOffset - SEGMENT_HEADER_BYTES;
    return true;
  }

  /**
   * Drops a batch whose end is missing. An append is recovered completely or not at all.
   *
   * @param segment The segment, the last that was opened.
   * @returns Offset of the batch's first frame; `undefined` if the last batch is complete.
   */
  dropOpenBatch(segment: Segment): number | undefined {
    const { codec, index } = this;
    const lsn = codec.get(SLOT_BATCH_LSN);
    if (lsn === 0) return undefined;
    index.truncate(codec.get(SLOT_BATCH_INDEX));
    segment.endOffset = lsn - segment.header.baseLsn;
    codec.set(SLOT_BATCH_LSN, 0);
    return segment.endOffset;
  }

  /** Treats an open batch as complete: it is proven durable, so its append had returned. */
  keepOpenBatch(): void {
    this.codec.set(SLOT_BATCH_LSN, 0);
  }

  /** As {@link passDamage}. */
  passDamage(segment: Segment, file: SizedFile, stop: Stop, limit: number): number {
    return passDamage(this, segment, file, stop, limit);
  }

  /** As {@link endGapFromSlot}. */
  endGap(segment: Segment, checkpoint: Checkpoint): void {
    endGapFromSlot(this, segment, checkpoint);
  }

  /** As {@link closeGap}. */
  close(segment: Segment, next?: SegmentEnd): void {
    closeGap(this, segment, next);
  }
}

function describeStop(status: number, headerIsValid: boolean): string {
  switch (status) {
    case SCAN_BAD_HEADER:
      return "header checksum mismatch";
    case SCAN_BAD_PAYLOAD:
      return "payload checksum mismatch";
    case SCAN_OUT_OF_ORDER:
      return "frame out of order";
    default:
      return headerIsValid ? "payload cut off" : "header cut off";
  }
}
