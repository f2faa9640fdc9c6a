/**
 * The writer: appends frames to the newest segment, flushes, lays zeros ahead, and starts the next segment.
 *
 * Frames are built in a window of WASM memory and written to the file straight out of it. The window goes on
 * holding the last few MiB that were written, so that reading what was just appended touches no file.
 *
 * After an error from this class, the file may differ from what memory says, so the caller stops writing for good.
 * `NO_SPACE` and `CORRUPT` from {@link SegmentWriter.rotate} are the exceptions.
 *
 * @module
 */

import { CHUNK_BYTES, type Codec, SLOT_LAST_CHECKSUM } from "../codec/codec.ts";
import { WalLogError } from "../errors.ts";
import type { File, FileSystem } from "../storage/file_system.ts";
import { errorCode, isNoSpace, readFull, writeFull } from "../storage/full.ts";
import type { TakenEntry } from "../taken.ts";
import type { EntryKind, Index, Term } from "../types.ts";
import type { Batch } from "./batch.ts";
import { createSegment } from "./create.ts";
import { type Checkpoint, CHECKPOINT_BYTES, encodeCheckpoint } from "../format/checkpoint.ts";
import {
  CHANGES_END,
  FLAG_CLEAR,
  FLAG_CLOSE,
  FLAG_CONFIG,
  FLAGS_SHIFT,
  FRAME_ALIGNMENT,
  FRAME_HEADER_BYTES,
  FRAME_LENGTH,
  FRAME_PAYLOAD_CHECKSUM,
  frameBytes,
  isChange,
  KIND_CHECKPOINT,
  KIND_ENTRY,
  KIND_SEGMENT_INDEX,
  KIND_SNAPSHOT,
  KIND_TRUNCATE,
} from "../format/frame.ts";
import { decodeNextPointer, encodeNextPointer } from "../format/next_pointer.ts";
import type { PlacedSlot } from "../format/durable_slot.ts";
import { HEADER_OFFSETS, NEXT_POINTER_OFFSETS, SEGMENT_HEADER_BYTES } from "../format/header_block.ts";
import { encodeSegmentHeader } from "../format/segment_header.ts";
import { encodeSegmentIndex } from "../format/segment_index.ts";
import type { LogState } from "../format/state.ts";
import type { TermRuns } from "./index.ts";
import { selectSegment } from "./select_segment.ts";
import type { Segment } from "./segment.ts";
import { droppedBefore, DropTracker } from "./drops.ts";
import { SlotWriter } from "./slot_writer.ts";

/** A checkpoint follows at the latest when this much was written since the last one. In bytes. */
const CHECKPOINT_EVERY_BYTES = 16 * 1024;
/** What the window holds on to of what was written. */
const WINDOW_KEPT_BYTES = 4 * 1024 * 1024;
/** The most that is written at once; a larger frame goes to the file from where it lies. */
export const WRITE_BYTES_MAX = 4 * 1024 * 1024;
const WINDOW_BYTES_MAX = WINDOW_KEPT_BYTES + WRITE_BYTES_MAX;
/** What the window begins with: a log that is little written takes little memory. */
const WINDOW_BYTES_MIN = 256 * 1024;
/** Of writes from here on the window holds the last one only. */
const WINDOW_BATCH_MAX = 48 * 1024;

/**
 * Zeros ahead of the writer spare a flush the file's new size. They begin small, so that a small log stays a small
 * file, and double up to 4 MiB, where the cost per commit no longer shows.
 */
const ZERO_AHEAD_BYTES_MIN = 256 * 1024;
const ZERO_AHEAD_BYTES_MAX = 4 * 1024 * 1024;
/**
 * Zeros are written in pieces of this size. Linux caches what is written at once as one large folio, and each small
 * write into that one later costs as much as all its blocks: entries appended one by one were half as fast. In bytes.
 */
const ZERO_PIECE_BYTES = 64 * 1024;
/** Whoever writes more than this between two flushes is bound by the data, and zeros would only double it. */
const ZERO_AHEAD_BATCH_MAX = 512 * 1024;

/** Kind, flags and count of an entry's frame, as the word at {@link FRAME_KIND} has them. */
const ENTRY_WORD = {
  normal: KIND_ENTRY | 1 << 16,
  config: KIND_ENTRY | FLAG_CONFIG << FLAGS_SHIFT | 1 << 16,
} as const;

let zeros: Uint8Array | undefined;

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
  private readonly codec: Codec;
  private readonly segmentBytes: number;
  private file: File;
  private slots: SlotWriter;
  private drops: DropTracker;
  /** Flushes under way, by file: such a file is closed when they are done. */
  private readonly flushing = new Map<File, number>();
  private readonly retired = new Set<File>();
  /** Offset in the file of the window's first byte, and how many it holds. */
  private windowStart: number;
  private windowFilled = 0;
  private windowBytes = WINDOW_BYTES_MIN;
  /** How often room was made in it: whether what was laid there is still what lies there. */
  reservations = 0;
  /** Where the beginning of the segment's next-segment pointer is read. */
  private readonly probe = new Uint8Array(1);
  /** Offset up to which the file is known to hold zeros ahead. */
  private zeroedTo: number;
  private zeroAhead = ZERO_AHEAD_BYTES_MIN;
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
    codec: Codec,
    segmentBytes: number,
    { segment, file, endsWithCheckpoint, slot, numberUsed, changes }: WriterStart,
  ) {
    this.fileSystem = fileSystem;
    this.folder = folder;
    this.codec = codec;
    this.segmentBytes = segmentBytes;
    this.segment = segment;
    this.file = file;
    this.slots = new SlotWriter(file, codec, segment.header, slot);
    this.drops = new DropTracker(segment);
    this.durableLsn = segment.endLsn;
    this.windowStart = segment.endOffset;
    this.zeroedTo = segment.endOffset;
    this.endsWithCheckpoint = endsWithCheckpoint;
    this.numberUsed = numberUsed;
    this.changes = changes;
    codec.makeWindow(this.windowBytes);
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
   * Writes a batch, as one write if its frames lie in the window, and notes the offsets of its entries.
   *
   * @param batch The batch, taken since anything else was written.
   * @param stateBehind Gives the log's state behind the batch, for a checkpoint.
   */
  append({ entries, count, at: laid, bytes }: Batch, stateBehind: () => LogState): void {
    if (entries !== undefined) {
      this.appendLarge(entries);
      if (this.isCheckpointDue) this.writeCheckpointIfRoom(0, stateBehind());
      this.endsWithCheckpoint = false;
      return;
    }
    const { codec, segment } = this;
    const end = segment.endOffset;
    const isDue = segment.endLsn + bytes - this.drops.positions[0].since >= CHECKPOINT_EVERY_BYTES;
    const total = bytes + (isDue ? CHECKPOINT_BYTES : 0);
    const at = this.reserve(total);
    // A segment that was begun meanwhile has begun the window anew.
    if (at !== laid) codec.bytes.copyWithin(at, laid, laid + bytes);
    const table = segment.stage(count);
    const { words } = codec;
    let { staged } = segment;
    for (let done = 0; done < bytes; done += frameBytes(words[(at + done + FRAME_LENGTH) >>> 2]!)) {
      table[staged++] = (end + done) / FRAME_ALIGNMENT;
    }
    // Behind the batch and in the same write, so that it costs no call of its own.
    if (isDue) this.putCheckpoint(at + bytes, 0, stateBehind(), segment.endLsn + bytes);
    this.writeWindow(at, total, end);
    segment.commit(count);
    segment.endOffset = end + total;
    segment.lastChecksum = codec.get(SLOT_LAST_CHECKSUM);
    if (isDue) this.drops.checkpointed(segment.endLsn - CHECKPOINT_BYTES);
    this.endsWithCheckpoint = false;
  }

  /** Whether so much was written since the last checkpoint that another one is due. */
  get isCheckpointDue(): boolean {
    return this.segment.endLsn - this.drops.positions[0].since >= CHECKPOINT_EVERY_BYTES;
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
    this.putHeader(at, payload.length, Math.max(lastTerm, 0), nextIndex, nextIndex / 2 ** 32, kinds);
    this.codec.bytes.set(payload, at + FRAME_HEADER_BYTES);
  }

  /** Writes entries of which the frames do not fit the window together. */
  private appendLarge(entries: readonly TakenEntry[]): void {
    const { codec, segment } = this;
    const table = segment.stage(entries.length);
    let { staged } = segment;
    let end = segment.endOffset;
    for (let next = 0; next < entries.length;) {
      const first = next;
      let bytes = 0;
      for (; next < entries.length; next++) {
        const total = frameBytes(entries[next]!.command.length);
        if (bytes + total > WRITE_BYTES_MAX) break;
        table[staged++] = (end + bytes) / FRAME_ALIGNMENT;
        bytes += total;
      }
      if (next === first) {
        table[staged++] = end / FRAME_ALIGNMENT;
        end += this.writeLarge(entries[next++]!, end);
      } else {
        let at = this.reserve(bytes, end);
        for (let i = first; i < next; i++) {
          const { command, term, index, kind } = entries[i]!;
          this.putEntry(at, term, index, kind, command, command.length);
          at += frameBytes(command.length);
        }
        this.writeWindow(at - bytes, bytes, end);
        end += bytes;
      }
    }
    segment.commit(entries.length);
    segment.endOffset = end;
    segment.lastChecksum = codec.get(SLOT_LAST_CHECKSUM);
    this.endsWithCheckpoint = false;
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
    const at = this.reserve(total, segment.endOffset);
    const kinds = kind | flags << FLAGS_SHIFT;
    const { changes } = this;
    if (isChange(kind)) this.changes = changes + 1;
    this.putHeader(at, 0, term, Number(BigInt(index) & 0xffffffffn), Number(BigInt(index) >> 32n), kinds);
    try {
      this.writeWindow(at, total, segment.endOffset);
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
    this.zeroedTo = this.windowStart = endOffset;
    this.windowFilled = 0;
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
    this.putCheckpoint(this.reserve(CHECKPOINT_BYTES), flags, state, lsn);
    this.writeWindow(codec.windowAt + this.windowFilled, CHECKPOINT_BYTES, segment.endOffset);
    segment.endOffset += CHECKPOINT_BYTES;
    segment.lastChecksum = codec.get(SLOT_LAST_CHECKSUM);
    this.drops.checkpointed(lsn);
    this.endsWithCheckpoint = true;
  }

  /**
   * Makes room in the window for the next write.
   *
   * @param bytes How much, at most {@link WRITE_BYTES_MAX}.
   * @param end Offset in the file that it is for.
   * @returns The address.
   */
  reserve(bytes: number, end: number = this.segment.endOffset): number {
    const { codec } = this;
    this.reservations++;
    // Large writes all go through the same few pages, which stay in the processor's cache that way.
    if (this.windowStart + this.windowFilled !== end || bytes >= WINDOW_BATCH_MAX) {
      this.windowStart = end;
      this.windowFilled = 0;
    }
    if (this.windowFilled + bytes > this.windowBytes && this.windowBytes < WINDOW_BYTES_MAX) {
      this.windowBytes = Math.min(Math.max(this.windowBytes * 2, this.windowFilled + bytes), WINDOW_BYTES_MAX);
      codec.makeWindow(this.windowBytes);
    }
    if (this.windowFilled + bytes > this.windowBytes) {
      const kept = Math.min(this.windowFilled, WINDOW_KEPT_BYTES);
      const from = codec.windowAt + this.windowFilled - kept;
      codec.bytes.copyWithin(codec.windowAt, from, from + kept);
      this.windowStart += this.windowFilled - kept;
      this.windowFilled = kept;
    }
    return codec.windowAt + this.windowFilled;
  }

  private putHeader(
    at: number,
    length: number,
    term: number,
    indexLow: number,
    indexHigh: number,
    kinds: number,
  ): void {
    const { words } = this.codec;
    const word = at >>> 2;
    words[word + 1] = length;
    words[word + 4] = term;
    words[word + 5] = term / 2 ** 32;
    words[word + 6] = indexLow;
    words[word + 7] = indexHigh;
    words[word + 8] = kinds | this.changes % CHANGES_END << 8;
  }

  /**
   * Puts an entry's frame at an address, unsealed.
   *
   * @param at The address.
   * @param length Bytes of the command.
   */
  putEntry(at: number, term: Term, index: Index, kind: EntryKind, command: Uint8Array, length: number): void {
    this.putHeader(at, length, term, index, index / 2 ** 32, ENTRY_WORD[kind]);
    this.codec.bytes.set(command, at + FRAME_HEADER_BYTES);
  }

  /** Seals the frames at an address of the window and writes them. */
  private writeWindow(at: number, bytes: number, end: number): void {
    const { codec, segment } = this;
    selectSegment(codec, segment.header);
    codec.wasm.seal(at, bytes, segment.header.baseLsn + end, this.durableLsn);
    writeFull(this.file, codec.bytes.subarray(at, at + bytes), end);
    this.windowFilled += bytes;
  }

  /** Writes an entry that exceeds the window: its header, then the command from where it lies. */
  private writeLarge(entry: TakenEntry, end: number): number {
    const { codec, segment } = this;
    const { command, term, index, kind } = entry;
    const sum = codec.hash(command, 0n);
    const at = codec.chunkAt;
    this.putHeader(at, command.length, term, index, index / 2 ** 32, ENTRY_WORD[kind]);
    new DataView(codec.wasm.memory.buffer).setBigUint64(at + FRAME_PAYLOAD_CHECKSUM, sum, true);
    selectSegment(codec, segment.header);
    codec.wasm.sealHeaderOnly(at, segment.header.baseLsn + end, this.durableLsn);
    writeFull(this.file, codec.bytes.subarray(at, at + FRAME_HEADER_BYTES), end);
    writeFull(this.file, command, end + FRAME_HEADER_BYTES);
    const total = frameBytes(command.length);
    const padding = total - FRAME_HEADER_BYTES - command.length;
    if (padding > 0) writeFull(this.file, new Uint8Array(padding), end + total - padding);
    return total;
  }

  /**
   * Where the bytes at an offset of the newest segment lie in the window.
   *
   * @param offset Offset in the file, of a frame.
   * @returns Their address, or `undefined` if the window has moved on.
   */
  addressOf(offset: number): number | undefined {
    return offset >= this.windowStart && offset < this.windowStart + this.windowFilled
      ? this.codec.windowAt + offset - this.windowStart
      : undefined;
  }

  /**
   * Fails if another writer has gone on with the log. That one names its segment in the active one, whatever has become of
   * the lock meanwhile: it was moved away and put back, or the segment is a hard link in a copy of the folder.
   */
  private requireActive(): void {
    const { probe } = this;
    readFull(this.file, probe, NEXT_POINTER_OFFSETS[0]);
    if (probe[0] !== 0) requireUnnamed(this.file, this.codec, this.segment, undefined);
  }

  /**
   * Flushes, blocking.
   *
   * @param state The log's state, to be noted in a durable slot; `undefined` if that is not wanted.
   */
  flush(state?: LogState): void {
    this.requireActive();
    this.layZeros();
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
   * @returns Settles when it is done; {@link SegmentWriter.durableLsn} has moved then.
   */
  async flushAsync(state?: LogState): Promise<void> {
    this.requireActive();
    this.layZeros();
    const { endLsn } = this.segment;
    const { file, slots } = this;
    const checkpoint = state && this.checkpointOf(state);
    const started = performance.now();
    const slotsFlushed = slots.flushBegins();
    await this.syncOpen(file);
    slotsFlushed();
    this.flushed(endLsn, started);
    // The segment may have been sealed meanwhile, and then needs none.
    if (checkpoint !== undefined && slots === this.slots) slots.write({ lsn: endLsn, checkpoint });
  }

  /** Flushes a file without blocking, and keeps it open meanwhile. */
  private async syncOpen(file: File): Promise<void> {
    this.flushing.set(file, (this.flushing.get(file) ?? 0) + 1);
    try {
      await file.syncAsync();
    } finally {
      const left = this.flushing.get(file)! - 1;
      if (left > 0) this.flushing.set(file, left);
      else {
        this.flushing.delete(file);
        if (this.retired.delete(file)) file.close();
      }
    }
  }

  /** A flush that began when the log ended at `lsn` has returned success. */
  private flushed(lsn: number, started: number): void {
    const bytes = Math.max(lsn - this.durableLsn, 0);
    this.durableLsn = Math.max(this.durableLsn, lsn);
    this.onFlush(bytes, performance.now() - started);
  }

  /** Writes zeros ahead, where that pays, for the flush that follows to make durable. */
  private layZeros(): void {
    const { segment } = this;
    const batch = segment.endLsn - this.durableLsn;
    if (batch > ZERO_AHEAD_BATCH_MAX || this.zeroedTo - segment.endOffset > batch) return;
    const from = Math.max(this.zeroedTo, segment.endOffset);
    const to = Math.min(from + this.zeroAhead, SEGMENT_HEADER_BYTES + this.segmentBytes);
    if (to <= from) return;
    zeros ??= new Uint8Array(ZERO_PIECE_BYTES);
    try {
      for (let at = from; at < to; at += zeros.length) writeFull(this.file, zeros.subarray(0, to - at), at);
      this.zeroedTo = to;
      this.zeroAhead = Math.min(this.zeroAhead * 2, ZERO_AHEAD_BYTES_MAX);
    } catch (error) {
      // Zeros are there for speed, and no byte of the log is at stake: on a full disk the log does without them.
      if (!isNoSpace(error)) throw error;
      this.zeroAhead = 0;
    }
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
    const { segment, file } = createSegment(this.fileSystem, this.folder, this.codec, this.numberUsed, {
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
    const pointer = encodePointer(this.codec, old, segment, old.endLsn);
    writeFull(this.file, pointer, NEXT_POINTER_OFFSETS[0]);
    this.file.sync();
    // The copies share no flush, so a torn one costs one copy at most.
    this.copyPointer(pointer);
    this.unflushedPointer = old;
    this.retire(this.file);
    old.trim();
    this.segment = segment;
    this.file = file;
    this.slots = new SlotWriter(file, this.codec, segment.header, undefined);
    this.drops = new DropTracker(segment);
    this.durableLsn = segment.endLsn;
    this.windowStart = this.zeroedTo = segment.endOffset;
    this.windowFilled = 0;
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
        offsets: segment.liveOffsets(),
        runs: runs.between(segment.firstIndex, segment.firstIndex + segment.count - 1),
        lowestTruncated: segment.lowestTruncated,
      },
      segment.header.salt,
      (bytes, seed) => codec.hash(bytes, seed),
    );
    const sum = codec.hash(payload, 0n);
    const at = codec.chunkAt;
    this.putHeader(at, payload.length, 0, 0, 0, KIND_SEGMENT_INDEX);
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
    this.slots.write({ lsn: this.durableLsn, checkpoint: this.checkpointOf(state) });
    // Without room for the checkpoint, the next opening reads the log as after a kill. Nothing is lost.
    if (!this.writeCheckpointIfRoom(FLAG_CLOSE, state)) return;
    // Not with `flush`, which would lay zeros behind the checkpoint.
    this.syncFile();
  }

  /** Closes the file, at once or when the flushes under way are done. */
  close(): void {
    this.retire(this.file);
  }

  private retire(file: File): void {
    if (this.flushing.has(file)) this.retired.add(file);
    else file.close();
  }
}

/** Writes a segment's header once more, flushed. */
function rewriteHeader(fileSystem: FileSystem, codec: Codec, { path, header }: Segment): void {
  const file = fileSystem.open(path, "write");
  try {
    const sector = encodeSegmentHeader(header, (bytes, seed) => codec.hash(bytes, seed));
    for (const offset of HEADER_OFFSETS) writeFull(file, sector, offset);
    file.sync();
  } finally {
    file.close();
  }
}

/**
 * Fails if a segment names another one as the next than this writer knows: another writer has gone on with the log.
 *
 * @param file The segment's file.
 * @param codec The codec.
 * @param segment The segment.
 * @param known The number that it may name; `undefined` if it must name none.
 * @throws {WalLogError} `LOCK_LOST`.
 */
function requireUnnamed(file: File, codec: Codec, { path, header }: Segment, known: number | undefined): void {
  const block = new Uint8Array(SEGMENT_HEADER_BYTES);
  readFull(file, block, 0);
  const naming = decodeNextPointer(block, true, header.salt, (bytes, seed) => codec.hash(bytes, seed));
  if (naming.kind !== "named" || naming.next.number === known) return;
  const { number } = naming.next;
  const message = `Another writer has gone on with the log: ${path} names segment ${number} as the next one`;
  throw new WalLogError("LOCK_LOST", message, { path });
}

/** Makes the pointer from a segment to the next one, all of which has been flushed. */
function encodePointer(codec: Codec, { header }: Segment, next: Segment, endLsn: number): Uint8Array {
  const pointer = { number: next.header.number, endLsn, durableLsn: next.endLsn };
  return encodeNextPointer(pointer, header.salt, (bytes, seed) => codec.hash(bytes, seed));
}

/** Writes both copies of a pointer, each with a flush of its own. */
function writePointer(file: File, pointer: Uint8Array): void {
  for (const offset of NEXT_POINTER_OFFSETS) {
    writeFull(file, pointer, offset);
    file.sync();
  }
}

/**
 * Makes a segment part of the log, durably, by naming it in the one before.
 *
 * @param fileSystem The machine.
 * @param codec The codec.
 * @param segment The one before.
 * @param next The segment.
 * @param durableLsn The LSN below which the segment is known to be durable.
 */
export function nameNextSegment(
  fileSystem: FileSystem,
  codec: Codec,
  segment: Segment,
  { header: { number, baseLsn } }: Segment,
  durableLsn: number,
): void {
  const file = fileSystem.open(segment.path, "write");
  try {
    file.requireNamed?.();
    requireUnnamed(file, codec, segment, number);
    const pointer = { number, endLsn: baseLsn, durableLsn };
    writePointer(file, encodeNextPointer(pointer, segment.header.salt, (bytes, seed) => codec.hash(bytes, seed)));
  } finally {
    file.close();
  }
}

/**
 * Goes on after a crash, in a new segment: never behind an old tail, where frames that were cut could come back to
 * life, and with everything that was only read, not flushed, written and flushed anew.
 *
 * @param fileSystem The machine.
 * @param folder The log's folder.
 * @param codec The codec.
 * @param head The newest segment, as it was recovered.
 * @param proven The position up to which the log was proven durable, and there: its state, the sum of its last frame, and
 * the lowest index that the head had truncated by then, and the lowest that it has truncated since. Also the number of a
 * segment that the head names and that is missing.
 * @param numberUsed The highest number that the log has used.
 * @param keptBytes How much of the old file holds anything; zeros behind are given back.
 * @returns The new segment, which the head's unproven entries have moved to, and its open file.
 */
export function continueAfterCrash(
  fileSystem: FileSystem,
  folder: string,
  codec: Codec,
  head: Segment,
  proven: {
    readonly lsn: number;
    readonly state: LogState;
    readonly sum: number;
    readonly lowestTruncated: number;
    readonly truncatedSince: number;
    readonly missingNumber: number | undefined;
  },
  numberUsed: number,
  keptBytes: number,
): { segment: Segment; file: File } {
  const provenOffset = proven.lsn - head.header.baseLsn;
  // The header was read, which does not say that it is on the disk, unless a frame behind it was proven durable.
  if (provenOffset === SEGMENT_HEADER_BYTES) rewriteHeader(fileSystem, codec, head);
  const { segment, file } = createSegment(fileSystem, folder, codec, numberUsed, {
    uuid: head.header.uuid,
    baseLsn: proven.lsn,
    previous: head.header.number,
    previousChecksum: proven.sum,
    state: proven.state,
    provenLsn: proven.lsn,
    floor: Math.min(head.header.state.nextIndex, proven.lowestTruncated),
    dropped: droppedBefore(head.header, proven.lowestTruncated),
  });
  const old = fileSystem.open(head.path, "write");
  let named = false;
  try {
    copyFrames(codec, old, provenOffset, head, file, segment, proven.lsn);
    segment.endOffset = head.endOffset - provenOffset + SEGMENT_HEADER_BYTES;
    segment.lastChecksum = segment.endOffset > SEGMENT_HEADER_BYTES ? codec.get(SLOT_LAST_CHECKSUM) : 0;
    file.sync();
    fileSystem.syncDirectory(folder);
    named = true;
    if (old.size() > keptBytes) old.truncate(keptBytes);
    old.requireNamed?.();
    requireUnnamed(old, codec, head, proven.missingNumber);
    writePointer(old, encodePointer(codec, head, segment, proven.lsn));
  } catch (error) {
    file.close();
    // Nothing knows of the new segment yet, and on a full disk its room is needed.
    if (!named) fileSystem.remove(segment.path);
    throw error;
  } finally {
    old.close();
  }
  moveEntries(head, segment, provenOffset);
  head.lowestTruncated = proven.lowestTruncated;
  segment.lowestTruncated = proven.truncatedSince;
  return { segment, file };
}

/** Copies the frames behind an offset, sealed anew for their place in the new segment. */
function copyFrames(
  codec: Codec,
  from: File,
  start: number,
  head: Segment,
  to: File,
  segment: Segment,
  provenLsn: number,
): void {
  const { header } = segment;
  let skip = 0;
  for (let at = start; at < head.endOffset;) {
    const count = readFull(from, codec.chunk.subarray(0, Math.min(CHUNK_BYTES, head.endOffset - at)), at);
    if (count === 0) throw new Error(`${head.path} ends at byte ${at}, it had frames up to byte ${head.endOffset}`);
    const target = at - start + SEGMENT_HEADER_BYTES;
    selectSegment(codec, header);
    const done = codec.wasm.resealCopies(codec.chunkAt, count, skip, header.baseLsn + target, provenLsn);
    const whole = Math.min(done, count);
    writeFull(to, codec.chunk.subarray(0, whole), target);
    skip = done - whole;
    at += whole;
  }
}

/** Moves the entries behind an offset from one segment's table to the next one's. */
function moveEntries(head: Segment, segment: Segment, provenOffset: number): void {
  const first = head.firstIndex + head.countBelow(provenOffset);
  segment.clear(first);
  for (const [, offset] of head.located(first, Infinity)) segment.push(offset - provenOffset + SEGMENT_HEADER_BYTES);
  head.cut(first);
  head.endOffset = provenOffset;
}
