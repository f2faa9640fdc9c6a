/**
 * The writer: appends frames to the active segment, flushes it, and begins the next one.
 *
 * After an error from this class, the file may differ from what memory says, so the caller stops writing for good.
 * `NO_SPACE` and `CORRUPT` from {@link SegmentWriter.rotate} are the exceptions.
 *
 * @module
 */

import { type Codec, SLOT_LAST_CHECKSUM } from "../codec/codec.ts";
import { leaseCodec, returnCodec, sharedCodec } from "../codec/pool.ts";
import type { File, FileSystem } from "../io/file_system.ts";
import { errorCode, isNoSpace, readFull, writeFull } from "../io/full.ts";
import type { TakenEntry } from "../api/taken.ts";
import type { Index } from "../api/types.ts";
import type { Batch } from "../log/batch.ts";
import { createSegment } from "./create.ts";
import { type Checkpoint, CHECKPOINT_BYTES, encodeCheckpoint } from "../format/checkpoint.ts";
import {
  CHANGES_END,
  COUNT_SHIFT,
  FLAG_CLEAR,
  FLAG_CLOSE,
  FLAGS_SHIFT,
  FRAME_HEADER_BYTES,
  FRAME_KIND,
  FRAME_LENGTH,
  FRAME_PAYLOAD_CHECKSUM,
  frameBytes,
  isChange,
  KIND_CHECKPOINT,
  KIND_SEGMENT_INDEX,
  KIND_SNAPSHOT,
  KIND_TRUNCATE,
} from "../format/frame.ts";
import type { PlacedSlot } from "../format/durable_slot.ts";
import { NEXT_POINTER_OFFSETS, SEGMENT_HEADER_BYTES } from "../format/header_block.ts";
import { encodeSegmentIndex } from "../format/segment_index.ts";
import type { LogState } from "../format/state.ts";
import type { TermRuns } from "../log/log_index.ts";
import { selectSegment } from "../log/select_segment.ts";
import { encodePointer, requireUnnamed } from "./name_next.ts";
import { OpenFlushes } from "./open_flushes.ts";
import { Preallocation } from "./preallocation.ts";
import type { Segment } from "../log/segment.ts";
import { ENTRY_OVERHEAD_BYTES, FrameLayer } from "./frame_layer.ts";
import { entriesWord, WRITE_BYTES_MAX, WriteBuffer } from "./write_buffer.ts";
import { droppedBefore, DropTracker } from "./drops.ts";
import { SlotWriter } from "./slot_writer.ts";

/** A checkpoint follows at the latest when this much was written since the last one. In bytes. */
const CHECKPOINT_EVERY_BYTES = 16 * 1024;
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
  /** The segment being written. */
  segment: Segment;
  /** LSN up to which a flush has returned success. Moves in {@link SegmentWriter.flushed} and nowhere else. */
  durableLsn: number;
  private readonly fileSystem: FileSystem;
  private readonly folder: string;
  private readonly segmentBytes: number;
  private file: File;
  private slots: SlotWriter;
  private drops: DropTracker;
  private readonly flushes = new OpenFlushes();
  /** What was written last; `undefined` if the log has rested since. */
  written: WriteBuffer | undefined;
  private readonly preallocation: Preallocation;
  /** Where the beginning of the segment's next-segment pointer is read. */
  private readonly probe = new Uint8Array(1);
  /** The sealed segment whose second copy of the pointer is written and not flushed yet. */
  private unflushedPointer: Segment | undefined;
  /** Truncations, snapshots and hard states of the log so far. */
  changes: number;
  /** Whether the last frame is a checkpoint that a flush had nothing to cover for, so that another would say nothing. */
  private endsWithCheckpoint: boolean;
  /** Told of each flush of frames that succeeded: how many bytes no flush had covered before, and how long it took. */
  onFlush: (bytes: number, milliseconds: number) => void = () => {};
  /** The highest number that this log has used, also where creation failed: no number is used twice. */
  private numberUsed: number;

  constructor(
    fileSystem: FileSystem,
    folder: string,
    segmentBytes: number,
    { segment, file, endsWithCheckpoint, slot, numberUsed, changes }: WriterStart,
  ) {
    this.fileSystem = fileSystem;
    this.folder = folder;
    this.segmentBytes = segmentBytes;
    this.segment = segment;
    this.file = file;
    this.slots = new SlotWriter(file, sharedCodec(), segment.header, slot);
    this.drops = new DropTracker(segment);
    this.durableLsn = segment.endLsn;
    this.preallocation = new Preallocation(segment.endOffset);
    this.endsWithCheckpoint = endsWithCheckpoint;
    this.numberUsed = numberUsed;
    this.changes = changes;
  }

  /** Where frames are built. */
  get buffer(): WriteBuffer {
    return this.written ??= new WriteBuffer(leaseCodec(), this.segment.endOffset);
  }

  private get codec(): Codec {
    return this.buffer.codec;
  }

  /** Gives back the memory in which frames are built, and forgets what was written last. */
  release(): void {
    if (this.written === undefined) return;
    returnCodec(this.written.codec);
    this.written = undefined;
  }

  /** Whether something was written that no flush covers. A checkpoint alone is not worth one. */
  get isDirty(): boolean {
    return this.durableLsn < this.segment.endLsn - (this.endsWithCheckpoint ? CHECKPOINT_BYTES : 0);
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
   * Writes a batch, as one write if its frames lie in the buffer, and notes the pages of its entries.
   *
   * @param batch The batch, taken since anything else was written.
   * @param stateBehind Gives the log's state behind the batch, for a checkpoint.
   */
  append(batch: Batch, stateBehind: (batch: Batch) => LogState): void {
    const { entries, at: laid, bytes } = batch;
    if (entries !== undefined) {
      this.appendLarge(entries);
      if (this.isCheckpointDue) this.writeCheckpointIfRoom(0, stateBehind(batch));
      this.endsWithCheckpoint = false;
      return;
    }
    const { buffer, segment } = this;
    const { codec } = buffer;
    const end = segment.endOffset;
    const isDue = segment.endLsn + bytes - this.drops.positions[0].since >= CHECKPOINT_EVERY_BYTES;
    const total = bytes + (isDue ? CHECKPOINT_BYTES : 0);
    const at = buffer.reserve(total, end);
    // A segment that was begun meanwhile has begun the buffer anew.
    if (at !== laid) codec.bytes.copyWithin(at, laid, laid + bytes);
    // Behind the batch and in the same write, so that it costs no call of its own.
    if (isDue) this.putCheckpoint(at + bytes, 0, stateBehind(batch), segment.endLsn + bytes);
    this.writeFrames(at, total, end);
    this.push(at, bytes, end);
    segment.endOffset = end + total;
    segment.lastChecksum = codec.get(SLOT_LAST_CHECKSUM);
    if (isDue) this.drops.checkpointed(segment.endLsn - CHECKPOINT_BYTES);
    this.endsWithCheckpoint = false;
  }

  /** Whether so much was written since the last checkpoint that another one is due. */
  get isCheckpointDue(): boolean {
    return this.segment.endLsn - this.drops.positions[0].since >= CHECKPOINT_EVERY_BYTES;
  }

  /** The count of changes, where a frame's word has it. */
  private get changesByte(): number {
    return this.changes % CHANGES_END << 8;
  }

  /** A checkpoint for the end of what was written. */
  private checkpointOf(state: LogState): Checkpoint {
    return { state, milliseconds: this.fileSystem.now(), dropped: this.drops.positions };
  }

  /** Puts a checkpoint's frame at an address, unsealed. */
  private putCheckpoint(at: number, flags: number, state: LogState, lsn: number): void {
    const payload = encodeCheckpoint(this.checkpointOf(state), lsn);
    const kinds = KIND_CHECKPOINT | flags << FLAGS_SHIFT;
    const { nextIndex, lastTerm } = state;
    this.buffer.putHeader(
      at,
      payload.length,
      Math.max(lastTerm, 0),
      nextIndex,
      nextIndex / 2 ** 32,
      kinds | this.changesByte,
    );
    this.codec.bytes.set(payload, at + FRAME_HEADER_BYTES);
  }

  /** Adds the entries of frames to the segment, once they are written. */
  private push(at: number, bytes: number, end: number): void {
    const { words } = this.codec;
    for (let done = 0; done < bytes;) {
      const word = (at + done) >>> 2;
      this.segment.push(end + done, words[word + FRAME_KIND / 4]! >>> COUNT_SHIFT);
      done += frameBytes(words[word + FRAME_LENGTH / 4]!);
    }
  }

  /** Writes entries of which the frames do not fit the buffer together. */
  private appendLarge(entries: readonly TakenEntry[]): void {
    const { segment } = this;
    let end = segment.endOffset;
    try {
      for (let next = 0; next < entries.length;) {
        const first = next;
        let room = 0;
        for (; next < entries.length; next++) {
          const most = ENTRY_OVERHEAD_BYTES + entries[next]!.command.length;
          if (room + most > WRITE_BYTES_MAX) break;
          room += most;
        }
        if (next === first) end += this.writeLarge(entries[next++]!, end, next < entries.length);
        else end += this.writeSome(entries, first, next, room, end);
      }
    } catch (error) {
      segment.cut(entries[0]!.index);
      throw error;
    }
    segment.endOffset = end;
    segment.lastChecksum = this.codec.get(SLOT_LAST_CHECKSUM);
    this.endsWithCheckpoint = false;
  }

  /** Writes the entries of a batch from `first` up to `next`, exclusive; returns how many bytes their frames have. */
  private writeSome(entries: readonly TakenEntry[], first: number, next: number, room: number, end: number): number {
    const at = this.buffer.reserve(room, end);
    const layer = new FrameLayer(this.buffer, this.changes, at, room);
    for (let i = first; i < next; i++) {
      const { term, index, kind, command } = entries[i]!;
      layer.add(term, index, kind, command, command.length, next - i);
    }
    const bytes = layer.finish(next < entries.length);
    this.writeFrames(at, bytes, end);
    this.push(at, bytes, end);
    return bytes;
  }

  /**
   * Writes a frame that is no entry.
   *
   * @param kind Its kind.
   * @param flags Its flags.
   * @param term Its term, as the kind uses it.
   * @param index Its index, as the kind uses it; any 64 bits.
   */
  writeFrame(kind: number, flags: number, term: number, index: number | bigint): void {
    const { segment, codec } = this;
    const total = FRAME_HEADER_BYTES;
    const at = this.buffer.reserve(total, segment.endOffset);
    const kinds = kind | flags << FLAGS_SHIFT;
    const { changes } = this;
    if (isChange(kind)) this.changes = changes + 1;
    this.buffer.putHeader(
      at,
      0,
      term,
      Number(BigInt(index) & 0xffffffffn),
      Number(BigInt(index) >> 32n),
      kinds | this.changesByte,
    );
    try {
      this.writeFrames(at, total, segment.endOffset);
    } catch (error) {
      this.changes = changes;
      throw error;
    }
    segment.endOffset += total;
    segment.lastChecksum = codec.get(SLOT_LAST_CHECKSUM);
    if (kind === KIND_TRUNCATE) this.dropped(Number(index));
    if (kind === KIND_SNAPSHOT && (flags & FLAG_CLEAR) !== 0) this.dropped(1);
    this.endsWithCheckpoint = false;
  }

  /** Notes that a frame has dropped the entries from an index on. */
  private dropped(from: Index): void {
    this.segment.lowestTruncated = Math.min(this.segment.lowestTruncated, from);
    this.drops.dropped(from);
  }

  /**
   * Takes back a write that found no room: the file ends behind the last whole frame again, durably. File systems can
   * shorten a file and flush that when they are full.
   */
  undo(): void {
    const { endOffset } = this.segment;
    this.file.truncate(endOffset);
    this.file.sync();
    this.preallocation.restart(endOffset);
    this.written?.restart(endOffset);
  }

  /**
   * Writes a checkpoint, unless the last frame is one: it carries how far the log is durable, and its state. On a full disk
   * the log does without, because no entry depends on it.
   */
  checkpoint(state: LogState): void {
    if (!this.endsWithCheckpoint) this.writeCheckpointIfRoom(0, state);
  }

  /**
   * Writes down, while the log rests, that the last flush has succeeded: in a checkpoint and in a durable slot.
   *
   * @param state The log's state, all of which is durable.
   */
  rest(state: LogState): void {
    const checkpoint = this.checkpointOf(state);
    this.checkpoint(state);
    this.slots.write({ lsn: this.durableLsn, checkpoint });
  }

  /** Writes a checkpoint; returns whether there was room for it. */
  private writeCheckpointIfRoom(flags: number, state: LogState): boolean {
    try {
      this.writeCheckpoint(flags, state);
      return true;
    } catch (error) {
      if (!isNoSpace(error)) throw error;
      this.undo();
      return false;
    }
  }

  private writeCheckpoint(flags: number, state: LogState): void {
    const { segment, codec } = this;
    const lsn = segment.endLsn;
    const at = this.buffer.reserve(CHECKPOINT_BYTES, segment.endOffset);
    this.putCheckpoint(at, flags, state, lsn);
    this.writeFrames(at, CHECKPOINT_BYTES, segment.endOffset);
    segment.endOffset += CHECKPOINT_BYTES;
    segment.lastChecksum = codec.get(SLOT_LAST_CHECKSUM);
    this.drops.checkpointed(lsn);
    this.endsWithCheckpoint = true;
  }

  /** Seals the frames at an address of the buffer and writes them. */
  private writeFrames(at: number, bytes: number, end: number): void {
    const { codec, segment } = this;
    selectSegment(codec, segment.header);
    codec.wasm.seal(at, bytes, segment.header.baseLsn + end, this.durableLsn);
    writeFull(this.file, codec.bytes.subarray(at, at + bytes), end);
    this.buffer.wrote(bytes);
  }

  /** Writes an entry that exceeds the buffer: its header, then the command from where it lies. */
  private writeLarge(entry: TakenEntry, end: number, hasMore: boolean): number {
    const { codec, segment } = this;
    const { command, term, index, kind } = entry;
    const sum = codec.hash(command, 0n);
    const at = codec.chunkAt;
    this.buffer.putHeader(at, command.length, term, index, index / 2 ** 32, entriesWord(kind, 1, this.changes));
    if (hasMore) this.buffer.setMore(at);
    new DataView(codec.wasm.memory.buffer).setBigUint64(at + FRAME_PAYLOAD_CHECKSUM, sum, true);
    selectSegment(codec, segment.header);
    codec.wasm.sealHeaderOnly(at, segment.header.baseLsn + end, this.durableLsn);
    writeFull(this.file, codec.bytes.subarray(at, at + FRAME_HEADER_BYTES), end);
    writeFull(this.file, command, end + FRAME_HEADER_BYTES);
    const total = frameBytes(command.length);
    const padding = total - FRAME_HEADER_BYTES - command.length;
    if (padding > 0) writeFull(this.file, new Uint8Array(padding), end + total - padding);
    segment.push(end, 1);
    return total;
  }

  /**
   * Fails if another writer has gone on with the log. That one names its segment in the active one, whatever has become of
   * the lock meanwhile: it was moved away and put back, or the segment is a hard link in a copy of the folder.
   */
  private requireActive(): void {
    const { probe } = this;
    readFull(this.file, probe, NEXT_POINTER_OFFSETS[0]);
    if (probe[0] !== 0) requireUnnamed(this.file, sharedCodec(), this.segment, undefined);
  }

  /**
   * Flushes, blocking.
   *
   * @param state The log's state, to be noted in a durable slot; `undefined` if that is not wanted.
   */
  flush(state?: LogState): void {
    this.requireActive();
    this.preallocate();
    this.syncFile();
    if (state !== undefined) this.slots.write({ lsn: this.durableLsn, checkpoint: this.checkpointOf(state) });
  }

  /**
   * Flushes the second copy of the last pointer. No commit waits for it: the next rotation and closing do it. The operating
   * system has usually written it by then.
   */
  private syncPointer(): void {
    const segment = this.unflushedPointer;
    if (segment === undefined) return;
    this.unflushedPointer = undefined;
    let file: File;
    try {
      file = this.fileSystem.open(segment.path, "write");
    } catch (error) {
      // Compaction has deleted the segment.
      if (errorCode(error) === "ENOENT") return;
      throw error;
    }
    try {
      file.sync();
    } finally {
      file.close();
    }
  }

  private syncFile(): void {
    const { endLsn } = this.segment;
    const started = performance.now();
    const slotsFlushed = this.slots.flushBegins();
    this.file.sync();
    slotsFlushed();
    this.flushed(endLsn, started);
  }

  /**
   * Flushes what is written by now, without blocking.
   *
   * @param state The log's state by now, to be noted in a durable slot; `undefined` if that is not wanted.
   * @param mayWrite Whether the log may still be written when the flush is done.
   * @returns Settles when it is done; {@link SegmentWriter.durableLsn} has moved then.
   */
  async flushAsync(state: LogState | undefined, mayWrite: () => boolean): Promise<void> {
    this.requireActive();
    this.preallocate();
    const { endLsn } = this.segment;
    const { file, slots } = this;
    const checkpoint = state && this.checkpointOf(state);
    const started = performance.now();
    const slotsFlushed = slots.flushBegins();
    await this.flushes.sync(file);
    slotsFlushed();
    this.flushed(endLsn, started);
    // The segment may have been sealed meanwhile, and then needs none.
    if (checkpoint !== undefined && slots === this.slots && mayWrite()) slots.write({ lsn: endLsn, checkpoint });
  }

  /** A flush that began when the log ended at `lsn` has returned success. */
  private flushed(lsn: number, started: number): void {
    const bytes = Math.max(lsn - this.durableLsn, 0);
    this.durableLsn = Math.max(this.durableLsn, lsn);
    this.onFlush(bytes, performance.now() - started);
  }

  /** Lays zeros behind the frames, for the flush that follows to make durable. */
  private preallocate(): void {
    const { endOffset, endLsn } = this.segment;
    const limit = SEGMENT_HEADER_BYTES + this.segmentBytes;
    this.preallocation.lay(this.file, endOffset, endLsn - this.durableLsn, limit);
  }

  /**
   * Seals the segment and goes on in a new one. In this order, so that a crash between any two steps is seen for what
   * it is: this segment's data; the new segment with its header; its name; then, in one flush, what says that it
   * follows. The new segment belongs to the log from that flush on.
   *
   * @param state The log's state.
   * @param runs The terms of its entries.
   * @throws {WalLogError} `NO_SPACE` if there is no room for the new segment; `CORRUPT` if no reader would accept its
   * number or its LSN. The log is then as it was.
   */
  rotate(state: LogState, runs: TermRuns): void {
    const old = this.segment;
    if (this.durableLsn < old.endLsn) this.syncFile();
    const { header } = old;
    const { segment, file } = createSegment(this.fileSystem, this.folder, sharedCodec(), this.numberUsed, {
      uuid: header.uuid,
      baseLsn: old.endLsn,
      previous: header.number,
      previousChecksum: old.lastChecksum,
      state,
      provenLsn: this.durableLsn,
      floor: old.floor,
      dropped: droppedBefore(old.header, old.lowestTruncated),
    }, (number) => this.numberUsed = number);
    this.fileSystem.syncDirectory(this.folder);
    this.writeSegmentIndex(runs);
    this.file.requireNamed?.();
    this.requireActive();
    this.syncPointer();
    const pointer = encodePointer(sharedCodec(), old, segment, old.endLsn);
    writeFull(this.file, pointer, NEXT_POINTER_OFFSETS[0]);
    this.file.sync();
    // The copies share no flush, so a torn one costs one copy at most.
    this.copyPointer(pointer);
    this.unflushedPointer = old;
    this.flushes.retire(this.file);
    old.trim();
    this.segment = segment;
    this.file = file;
    this.slots = new SlotWriter(file, sharedCodec(), segment.header, undefined);
    this.drops = new DropTracker(segment);
    this.durableLsn = segment.endLsn;
    this.preallocation.restart(segment.endOffset);
    this.written?.restart(segment.endOffset);
    this.endsWithCheckpoint = false;
  }

  /** Writes the second copy of a pointer. On a full disk the segment does without until the log is opened again. */
  private copyPointer(pointer: Uint8Array): void {
    try {
      writeFull(this.file, pointer, NEXT_POINTER_OFFSETS[1]);
    } catch (error) {
      if (!isNoSpace(error)) throw error;
    }
  }

  /** Ends the file with a segment index and nothing behind it. */
  private writeSegmentIndex(runs: TermRuns): void {
    const { segment, codec } = this;
    const offset = segment.endOffset;
    const payload = encodeSegmentIndex(
      {
        indexOffset: offset,
        firstIndex: segment.firstIndex,
        nextIndex: segment.end,
        pages: segment.pageTable(),
        runs: runs.between(segment.firstIndex, segment.end - 1),
        lowestTruncated: segment.lowestTruncated,
      },
      segment.header.salt,
      (bytes, seed) => codec.hash(bytes, seed),
    );
    const sum = codec.hash(payload, 0n);
    const at = codec.chunkAt;
    this.buffer.putHeader(at, payload.length, 0, 0, 0, KIND_SEGMENT_INDEX | this.changesByte);
    new DataView(codec.wasm.memory.buffer).setBigUint64(at + FRAME_PAYLOAD_CHECKSUM, sum, true);
    selectSegment(codec, segment.header);
    codec.wasm.sealHeaderOnly(at, segment.header.baseLsn + offset, this.durableLsn);
    try {
      writeFull(this.file, codec.bytes.subarray(at, at + FRAME_HEADER_BYTES), offset);
      writeFull(this.file, payload, offset + FRAME_HEADER_BYTES);
      this.file.truncate(offset + frameBytes(payload.length));
    } catch (error) {
      // A segment index is a copy: on a full disk the segment does without one, and is scanned instead.
      if (!isNoSpace(error)) throw error;
      this.file.truncate(offset);
    }
  }

  /**
   * Ends the log with a checkpoint that says that it was closed, as the last bytes of the file, and flushes. What was written
   * before must have been flushed: the checkpoint vouches for it.
   */
  finish(state: LogState): void {
    const { segment } = this;
    this.syncPointer();
    this.file.truncate(segment.endOffset);
    const slot = { lsn: this.durableLsn, checkpoint: this.checkpointOf(state) };
    this.slots.write(slot);
    // Without room for the checkpoint, the next opening reads the log as after a kill. Nothing is lost.
    if (!this.writeCheckpointIfRoom(FLAG_CLOSE, state)) return;
    // Not with `flush`, which would lay zeros behind the checkpoint.
    this.syncFile();
    // No flush follows: a power cut that loses this loses a spare.
    this.slots.repeat(slot);
  }

  /** Closes the file, at once or when the flushes under way are done. */
  close(): void {
    this.release();
    this.flushes.retire(this.file);
  }
}
