/**
 * The writer: appends frames to the active segment, flushes it, and creates the next one.
 *
 * After an error from this class, the file may differ from the state in memory, so the caller must stop writing for
 * good. `NO_SPACE` and `CORRUPT` from {@link SegmentWriter.rotate} are the exceptions.
 *
 * @module
 */

import type { File, FileSystem } from "../io/file_system.ts";
import { isOutOfFiles } from "../io/full.ts";
import type { Batch } from "../log/batch.ts";
import type { PlacedSlot } from "../format/durable_slot.ts";
import { FLAG_CLOSE } from "../format/frame.ts";
import { SEGMENT_HEADER_BYTES } from "../format/header_block.ts";
import type { LogState } from "../format/state.ts";
import type { TermRuns } from "../log/log_index.ts";
import type { Segment } from "../log/segment.ts";
import { ActiveSegment } from "./active_segment.ts";
import { Flusher } from "./flusher.ts";
import { FrameWriter } from "./frame_writer.ts";
import { Rotation } from "./rotation.ts";
import type { WriteBuffer } from "./write_buffer.ts";

/** The state from which a writer continues. */
export interface WriterStart {
  readonly segment: Segment;
  readonly file: File;
  /** Whether the last frame is a checkpoint. Then another checkpoint would add nothing. */
  readonly endsWithCheckpoint: boolean;
  /** The durable slot of the segment with the highest LSN; `undefined` if it has none. */
  readonly slot: PlacedSlot | undefined;
  /** The highest number that this log has used. */
  readonly numberUsed: number;
  /** The number of truncations, snapshots and hard states of the log so far. */
  readonly changes: number;
}

/** Writes the newest segment of a log. */
export class SegmentWriter {
  private readonly segmentBytes: number;
  private readonly frames: FrameWriter;
  private readonly flusher: Flusher;
  private readonly rotation: Rotation;

  constructor(
    fileSystem: FileSystem,
    folder: string,
    segmentBytes: number,
    { segment, file, endsWithCheckpoint, slot, numberUsed, changes }: WriterStart,
  ) {
    this.segmentBytes = segmentBytes;
    this.frames = new FrameWriter(fileSystem, new ActiveSegment(segment, file, endsWithCheckpoint, slot), changes);
    this.flusher = new Flusher(segmentBytes);
    this.rotation = new Rotation(fileSystem, folder, numberUsed);
  }

  private get active(): ActiveSegment {
    return this.frames.active;
  }

  /** The segment being written. */
  get segment(): Segment {
    return this.active.segment;
  }

  /** LSN up to which a flush has succeeded. */
  get durableLsn(): number {
    return this.active.durableLsn;
  }

  /** Whether there are frames that no flush covers. A checkpoint alone does not count. */
  get isDirty(): boolean {
    return this.active.isDirty;
  }

  /** The number of truncations, snapshots and hard states of the log so far. */
  get changes(): number {
    return this.frames.changes;
  }

  /** The buffer in which frames are built. */
  get buffer(): WriteBuffer {
    return this.frames.buffer;
  }

  /** The frames that were written last; `undefined` if the log has been idle since. */
  get written(): WriteBuffer | undefined {
    return this.frames.written;
  }

  /** Whether enough was written since the last checkpoint that another one is due. */
  get isCheckpointDue(): boolean {
    return this.frames.isCheckpointDue;
  }

  /** Called after each successful flush of frames, with the number of newly durable bytes and the duration. */
  set onFlush(onFlush: (bytes: number, milliseconds: number) => void) {
    this.flusher.onFlush = onFlush;
  }

  /**
   * Whether a batch needs a new segment. A batch is never split across segments, so that it is written or refused as a
   * whole. A batch larger than a segment gets a segment that is larger than usual.
   *
   * @param bytes Bytes of the batch's frames.
   */
  needsRotation(bytes: number): boolean {
    const used = this.segment.endOffset - SEGMENT_HEADER_BYTES;
    return used > 0 && used + bytes > this.segmentBytes;
  }

  /**
   * Writes a batch, as {@link FrameWriter.append}.
   *
   * @param batch The batch. Nothing may have been written since it was taken.
   * @param stateAfter Returns the log's state after the batch, for a checkpoint.
   */
  append(batch: Batch, stateAfter: (batch: Batch) => LogState): void {
    this.frames.append(batch, stateAfter);
  }

  /**
   * Writes a frame without entries, as {@link FrameWriter.writeFrame}.
   *
   * @param kind Its kind.
   * @param flags Its flags.
   * @param term Its term, as the kind uses it.
   * @param index Its index, as the kind uses it; any 64 bits.
   */
  writeFrame(kind: number, flags: number, term: number, index: number | bigint): void {
    this.frames.writeFrame(kind, flags, term, index);
  }

  /** Undoes a write that found no space, as {@link FrameWriter.undo}. */
  undo(): void {
    this.frames.undo();
  }

  /** Writes a checkpoint, as {@link FrameWriter.checkpoint}. */
  checkpoint(state: LogState): void {
    this.frames.checkpoint(state);
  }

  /**
   * Proves that the last flush has succeeded, with a checkpoint and a durable slot.
   *
   * @param state The log's state, which must be durable.
   */
  prove(state: LogState): void {
    const checkpoint = this.frames.checkpointOf(state);
    this.checkpoint(state);
    this.active.slots.write({ lsn: this.durableLsn, checkpoint });
  }

  /**
   * Does the same as {@link SegmentWriter.prove} for an idle log, and then releases the write buffer.
   *
   * @param state The log's state, which must be durable.
   */
  rest(state: LogState): void {
    this.prove(state);
    this.frames.release();
  }

  /**
   * Flushes, blocking.
   *
   * @param state The log's state, for a durable slot; `undefined` if none is wanted.
   */
  flush(state?: LogState): void {
    this.flusher.flush(this.active, state && this.frames.checkpointOf(state));
  }

  /**
   * Flushes everything written so far, without blocking.
   *
   * @param state The log's current state, for a durable slot; `undefined` if none is wanted.
   * @param mayWrite Called after the flush. Returns whether the log may still be written.
   * @returns Resolves when the flush is done and {@link SegmentWriter.durableLsn} has moved.
   */
  async flushAsync(state: LogState | undefined, mayWrite: () => boolean): Promise<void> {
    const { active } = this;
    // If the segment was sealed meanwhile, it needs no slot.
    const mayWriteHere = () => active === this.active && mayWrite();
    await this.flusher.flushAsync(active, state && this.frames.checkpointOf(state), mayWriteHere);
  }

  /**
   * Seals the segment and creates the next one, as {@link Rotation.begin}.
   *
   * @param state The log's state.
   * @param runs The terms of its entries.
   * @throws {WalLogError} `NO_SPACE` or `CORRUPT`: the log is unchanged.
   */
  rotate(state: LogState, runs: TermRuns): void {
    this.frames.moveTo(this.rotation.begin(this.active, this.frames, this.flusher, state, runs));
  }

  /**
   * Ends the file with the checkpoint of a clean close, and flushes. All frames before it must have been flushed,
   * because the checkpoint proves them durable.
   *
   * @param state The log's state.
   * @param release Frees space for the checkpoint; returns whether it freed any.
   */
  finish(state: LogState, release: () => boolean): void {
    const { file, slots, segment } = this.active;
    try {
      this.rotation.syncPointer();
    } catch (error) {
      if (!isOutOfFiles(error)) throw error;
      // As without space for the checkpoint.
      return;
    }
    file.truncate(segment.endOffset);
    const slot = { lsn: this.durableLsn, checkpoint: this.frames.checkpointOf(state) };
    slots.write(slot);
    const isWritten = this.frames.writeCheckpointIfRoom(FLAG_CLOSE, state) ||
      (release() && this.frames.writeCheckpointIfRoom(FLAG_CLOSE, state));
    // Without space for the checkpoint, the next opening treats the log like one whose process was killed. Nothing is
    // lost.
    if (!isWritten) return;
    // Do not use `flush`, which would write zeros after the checkpoint.
    this.flusher.sync(this.active);
    // No flush follows, because this copy is only a spare.
    slots.repeat(slot);
  }

  /** Closes the file, after its running flushes. */
  close(): void {
    this.frames.release();
    this.flusher.retire(this.active.file);
  }
}
