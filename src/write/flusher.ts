/**
 * Flushes the active segment.
 *
 * @module
 */

import type { Checkpoint } from "../format/checkpoint.ts";
import { SEGMENT_HEADER_BYTES } from "../format/header_block.ts";
import type { File } from "../io/file_system.ts";
import type { ActiveSegment } from "./active_segment.ts";
import { OpenFlushes } from "./open_flushes.ts";

/** Flushes, and moves the durable LSN. */
export class Flusher {
  /** Called after each flush of frames that succeeded: how many bytes no flush had covered before, and how long it took. */
  onFlush: (bytes: number, milliseconds: number) => void = () => {};
  private readonly segmentBytes: number;
  private readonly flushes = new OpenFlushes();

  /** @param segmentBytes What a segment holds at most, unless a single batch is larger. */
  constructor(segmentBytes: number) {
    this.segmentBytes = segmentBytes;
  }

  /**
   * Flushes, blocking.
   *
   * @param active The segment.
   * @param checkpoint The log's state, for a durable slot; `undefined` if none is wanted.
   */
  flush(active: ActiveSegment, checkpoint: Checkpoint | undefined): void {
    active.requireActive();
    this.preallocate(active);
    this.sync(active);
    if (checkpoint !== undefined) active.slots.write({ lsn: active.durableLsn, checkpoint });
  }

  /**
   * Flushes what is written by now, without blocking.
   *
   * @param active The segment.
   * @param checkpoint The log's state by now, for a durable slot; `undefined` if none is wanted.
   * @param mayWrite Whether the segment may still be written when the flush is done.
   * @returns Settles when it is done; {@link ActiveSegment.durableLsn} has moved then.
   */
  async flushAsync(
    active: ActiveSegment,
    checkpoint: Checkpoint | undefined,
    mayWrite: () => boolean,
  ): Promise<void> {
    active.requireActive();
    this.preallocate(active);
    const { endLsn } = active.segment;
    const started = performance.now();
    const slotsFlushed = active.slots.flushBegins();
    await this.flushes.sync(active.file);
    slotsFlushed();
    this.flushed(active, endLsn, started);
    if (checkpoint !== undefined && mayWrite()) active.slots.write({ lsn: endLsn, checkpoint });
  }

  /** Flushes, blocking, and nothing else. */
  sync(active: ActiveSegment): void {
    const { endLsn } = active.segment;
    const started = performance.now();
    const slotsFlushed = active.slots.flushBegins();
    active.file.sync();
    slotsFlushed();
    this.flushed(active, endLsn, started);
  }

  /** Closes a file, at once or when the flushes under way are done. */
  retire(file: File): void {
    this.flushes.retire(file);
  }

  /** A flush that began when the log ended at `lsn` has returned success. */
  private flushed(active: ActiveSegment, lsn: number, started: number): void {
    const bytes = Math.max(lsn - active.durableLsn, 0);
    active.durableLsn = Math.max(active.durableLsn, lsn);
    this.onFlush(bytes, performance.now() - started);
  }

  /** Lays zeros behind the frames, for the flush that follows to make durable. */
  private preallocate({ preallocation, file, segment, durableLsn }: ActiveSegment): void {
    const { endOffset, endLsn } = segment;
    preallocation.lay(file, endOffset, endLsn - durableLsn, SEGMENT_HEADER_BYTES + this.segmentBytes);
  }
}
