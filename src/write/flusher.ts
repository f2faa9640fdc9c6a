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
  /** Called after each successful flush of frames, with the number of newly durable bytes and the duration. */
  onFlush: (bytes: number, milliseconds: number) => void = () => {};
  private readonly segmentBytes: number;
  private readonly flushes = new OpenFlushes();

  /** @param segmentBytes The most bytes of a segment, unless a single batch is larger. */
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
   * Flushes everything written so far, without blocking.
   *
   * @param active The segment.
   * @param checkpoint The log's current state, for a durable slot; `undefined` if none is wanted.
   * @param mayWrite Called after the flush. Returns whether the segment may still be written.
   * @returns Resolves when the flush is done and {@link ActiveSegment.durableLsn} has moved.
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

  /** Flushes, blocking, without preallocation and without a slot. */
  sync(active: ActiveSegment): void {
    const { endLsn } = active.segment;
    const started = performance.now();
    const slotsFlushed = active.slots.flushBegins();
    active.file.sync();
    slotsFlushed();
    this.flushed(active, endLsn, started);
  }

  /** Closes a file, after its running flushes. */
  retire(file: File): void {
    this.flushes.retire(file);
  }

  /** Records the success of a flush that began when the log ended at `lsn`. */
  private flushed(active: ActiveSegment, lsn: number, started: number): void {
    const bytes = Math.max(lsn - active.durableLsn, 0);
    active.durableLsn = Math.max(active.durableLsn, lsn);
    this.onFlush(bytes, performance.now() - started);
  }

  /** Writes zeros after the frames. The following flush makes them durable. */
  private preallocate({ preallocation, file, segment, durableLsn }: ActiveSegment): void {
    const { endOffset, endLsn } = segment;
    preallocation.lay(file, endOffset, endLsn - durableLsn, SEGMENT_HEADER_BYTES + this.segmentBytes);
  }
}
