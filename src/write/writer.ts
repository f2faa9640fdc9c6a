/**
 * The writer: appends frames to the active segment, flushes it, and begins the next one.
 *
 * After an error from this class, the file may differ from what memory says, so the caller stops writing for good.
 * `NO_SPACE` and `CORRUPT` from {@link SegmentWriter.rotate} are the exceptions.
 *
 * @module
 */

import type { File, FileSystem } from "../io/file_system.ts";
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

/** Where a writer goes on. */
export interface WriterStart {
  readonly segment: Segment;
  readonly file: File;
  /** Whether the last frame is a checkpoint, so that another would say nothing. */
  readonly endsWithCheckpoint: boolean;
  /** The durable slot of the segment with the highest LSN; `undefined` if it has none. */
  readonly slot: PlacedSlot | undefined;
  /** The highest number that this log has used. */
  readonly numberUsed: number;
  /** Truncations, snapshots and hard states of the log so far. */
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

  /** LSN up to which a flush has returned success. */
  get durableLsn(): number {
    return this.active.durableLsn;
  }

  /** Whether something was written that no flush covers. A checkpoint alone is not worth one. */
  get isDirty(): boolean {
    return this.active.isDirty;
  }

  /** Truncations, snapshots and hard states of the log so far. */
  get changes(): number {
    return this.frames.changes;
  }

  /** Where frames are built. */
  get buffer(): WriteBuffer {
    return this.frames.buffer;
  }

  /** What was written last; `undefined` if the log has rested since. */
  get written(): WriteBuffer | undefined {
    return this.frames.written;
  }

  /** Whether so much was written since the last checkpoint that another one is due. */
  get isCheckpointDue(): boolean {
    return this.frames.isCheckpointDue;
  }

  /** Called after each flush of frames that succeeded: how many bytes no flush had covered before, and how long it took. */
  set onFlush(onFlush: (bytes: number, milliseconds: number) => void) {
    this.flusher.onFlush = onFlush;
  }

  /**
   * Whether a batch asks for a new segment first. A batch is never split over segments, so that it is one write and
   * is refused whole; one that is larger than a segment gets a segment that is larger than others.
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
   * @param batch The batch, taken since anything else was written.
   * @param stateBehind Gives the log's state behind the batch, for a checkpoint.
   */
  append(batch: Batch, stateBehind: (batch: Batch) => LogState): void {
    this.frames.append(batch, stateBehind);
  }

  /**
   * Writes a frame that is no entry, as {@link FrameWriter.writeFrame}.
   *
   * @param kind Its kind.
   * @param flags Its flags.
   * @param term Its term, as the kind uses it.
   * @param index Its index, as the kind uses it; any 64 bits.
   */
  writeFrame(kind: number, flags: number, term: number, index: number | bigint): void {
    this.frames.writeFrame(kind, flags, term, index);
  }

  /** Takes back a write that found no room, as {@link FrameWriter.undo}. */
  undo(): void {
    this.frames.undo();
  }

  /** Writes a checkpoint, as {@link FrameWriter.checkpoint}. */
  checkpoint(state: LogState): void {
    this.frames.checkpoint(state);
  }

  /**
   * Writes down that the last flush has succeeded: in a checkpoint and in a durable slot.
   *
   * @param state The log's state, all of which is durable.
   */
  prove(state: LogState): void {
    const checkpoint = this.frames.checkpointOf(state);
    this.checkpoint(state);
    this.active.slots.write({ lsn: this.durableLsn, checkpoint });
  }

  /**
   * As {@link SegmentWriter.prove}, while the log rests. Then gives back the write buffer.
   *
   * @param state The log's state, all of which is durable.
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
   * Flushes what is written by now, without blocking.
   *
   * @param state The log's state by now, for a durable slot; `undefined` if none is wanted.
   * @param mayWrite Whether the log may still be written when the flush is done.
   * @returns Settles when it is done; {@link SegmentWriter.durableLsn} has moved then.
   */
  async flushAsync(state: LogState | undefined, mayWrite: () => boolean): Promise<void> {
    const { active } = this;
    // The segment may have been sealed meanwhile, and then needs no slot.
    const mayWriteHere = () => active === this.active && mayWrite();
    await this.flusher.flushAsync(active, state && this.frames.checkpointOf(state), mayWriteHere);
  }

  /**
   * Seals the segment and goes on in a new one, as {@link Rotation.begin}.
   *
   * @param state The log's state.
   * @param runs The terms of its entries.
   * @throws {WalLogError} `NO_SPACE` or `CORRUPT`: the log is as it was.
   */
  rotate(state: LogState, runs: TermRuns): void {
    this.frames.moveTo(this.rotation.begin(this.active, this.frames, this.flusher, state, runs));
  }

  /**
   * Ends the log with a checkpoint that says that it was closed, as the last bytes of the file, and flushes. What was written
   * before must have been flushed: the checkpoint vouches for it.
   *
   * @param state The log's state.
   * @param release Frees room for the checkpoint if there is none; returns whether it did.
   */
  finish(state: LogState, release: () => boolean): void {
    const { file, slots, segment } = this.active;
    this.rotation.syncPointer();
    file.truncate(segment.endOffset);
    const slot = { lsn: this.durableLsn, checkpoint: this.frames.checkpointOf(state) };
    slots.write(slot);
    const isWritten = this.frames.writeCheckpointIfRoom(FLAG_CLOSE, state) ||
      (release() && this.frames.writeCheckpointIfRoom(FLAG_CLOSE, state));
    // Without room for the checkpoint, the next opening reads the log as after a kill. Nothing is lost.
    if (!isWritten) return;
    // Not with `flush`, which would lay zeros behind the checkpoint.
    this.flusher.sync(this.active);
    // No flush follows: a power cut that loses this loses a spare.
    slots.repeat(slot);
  }

  /** Closes the file, at once or when the flushes under way are done. */
  close(): void {
    this.frames.release();
    this.flusher.retire(this.active.file);
  }
}
