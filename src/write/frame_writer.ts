/**
 * Writes frames at the end of the active segment.
 *
 * After an error from this class, the file may differ from the state in memory. {@link FrameWriter.undo} undoes a write
 * that found no space. After any other error, the caller must stop writing for good.
 *
 * @module
 */

import { type Codec, SLOT_LAST_CHECKSUM } from "../codec/codec.ts";
import { leaseCodec, returnCodec } from "../codec/pool.ts";
import type { FileSystem } from "../io/file_system.ts";
import { isNoSpace, writeFull } from "../io/full.ts";
import type { TakenEntry } from "../api/taken.ts";
import type { Index } from "../api/types.ts";
import type { Batch } from "../log/batch.ts";
import { type Checkpoint, CHECKPOINT_BYTES, encodeCheckpoint } from "../format/checkpoint.ts";
import {
  CHANGES_END,
  COUNT_SHIFT,
  FLAG_CLEAR,
  FLAGS_SHIFT,
  FRAME_HEADER_BYTES,
  FRAME_KIND,
  FRAME_LENGTH,
  FRAME_PAYLOAD_CHECKSUM,
  frameBytes,
  isChange,
  KIND_CHECKPOINT,
  KIND_SNAPSHOT,
  KIND_TRUNCATE,
} from "../format/frame.ts";
import type { LogState } from "../format/state.ts";
import { selectSegment } from "../log/select_segment.ts";
import type { ActiveSegment } from "./active_segment.ts";
import { ENTRY_OVERHEAD_BYTES, FrameLayer } from "./frame_layer.ts";
import { entriesWord, WRITE_BYTES_MAX, WriteBuffer } from "./write_buffer.ts";

/** The most bytes to write before the next checkpoint. */
const CHECKPOINT_EVERY_BYTES = 16 * 1024;

/** Builds frames in the write buffer, and writes them to the active segment. */
export class FrameWriter {
  /** The segment that gets the frames. */
  active: ActiveSegment;
  /** The number of truncations, snapshots and hard states of the log so far. */
  changes: number;
  /** The frames that were written last; `undefined` if the log has been idle since. */
  written: WriteBuffer | undefined;
  private readonly fileSystem: FileSystem;

  /**
   * @param fileSystem The machine, which has the clock.
   * @param active Where the frames go.
   * @param changes The number of truncations, snapshots and hard states of the log so far.
   */
  constructor(fileSystem: FileSystem, active: ActiveSegment, changes: number) {
    this.fileSystem = fileSystem;
    this.active = active;
    this.changes = changes;
  }

  /** The buffer in which frames are built. */
  get buffer(): WriteBuffer {
    return this.written ??= new WriteBuffer(leaseCodec(), this.active.segment.endOffset);
  }

  private get codec(): Codec {
    return this.buffer.codec;
  }

  /** Releases the write buffer. Reads go to the file then. */
  release(): void {
    if (this.written === undefined) return;
    returnCodec(this.written.codec);
    this.written = undefined;
  }

  /** Moves to the next segment. */
  moveTo(next: ActiveSegment): void {
    this.active = next;
    this.written?.restart(next.segment.endOffset);
  }

  /**
   * Writes a batch, in a single write if its frames are in the buffer, and adds its entries to the segment's pages.
   *
   * @param batch The batch. Nothing may have been written since it was taken.
   * @param stateAfter Returns the log's state after the batch, for a checkpoint.
   */
  append(batch: Batch, stateAfter: (batch: Batch) => LogState): void {
    const { entries, at: laid, bytes } = batch;
    if (entries !== undefined) {
      this.appendLarge(entries);
      if (this.isCheckpointDue) this.writeCheckpointIfRoom(0, stateAfter(batch));
      this.active.endsWithCheckpoint = false;
      return;
    }
    const { buffer, active } = this;
    const { segment } = active;
    const { codec } = buffer;
    const end = segment.endOffset;
    const isDue = segment.endLsn + bytes - active.drops.positions[0].since >= CHECKPOINT_EVERY_BYTES;
    const total = bytes + (isDue ? CHECKPOINT_BYTES : 0);
    const at = buffer.reserve(total, end);
    // If a new segment was created meanwhile, the buffer has been restarted.
    if (at !== laid) codec.bytes.copyWithin(at, laid, laid + bytes);
    // The checkpoint follows the batch in the same write, so that it costs no extra call.
    if (isDue) this.putCheckpoint(at + bytes, 0, stateAfter(batch), segment.endLsn + bytes);
    this.writeFrames(at, total, end);
    this.push(at, bytes, end);
    segment.endOffset = end + total;
    segment.lastChecksum = codec.get(SLOT_LAST_CHECKSUM);
    if (isDue) this.active.drops.checkpointed(segment.endLsn - CHECKPOINT_BYTES);
    this.active.endsWithCheckpoint = false;
  }

  /** Whether enough was written since the last checkpoint that another one is due. */
  get isCheckpointDue(): boolean {
    return this.active.segment.endLsn - this.active.drops.positions[0].since >= CHECKPOINT_EVERY_BYTES;
  }

  /** The change counter, shifted to its position in the frame's word. */
  get changesByte(): number {
    return this.changes % CHANGES_END << 8;
  }

  /** A checkpoint for the end of the written frames. */
  checkpointOf(state: LogState): Checkpoint {
    return { state, milliseconds: this.fileSystem.now(), dropped: this.active.drops.positions };
  }

  /** Puts an unsealed checkpoint frame at an address. */
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

  /** Adds the entries of written frames to the segment. */
  private push(at: number, bytes: number, end: number): void {
    const { words } = this.codec;
    for (let done = 0; done < bytes;) {
      const word = (at + done) >>> 2;
      const total = frameBytes(words[word + FRAME_LENGTH / 4]!);
      this.active.segment.push(end + done, total, words[word + FRAME_KIND / 4]! >>> COUNT_SHIFT);
      done += total;
    }
  }

  /** Writes entries whose frames do not fit the buffer together. */
  private appendLarge(entries: readonly TakenEntry[]): void {
    const { segment } = this.active;
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
    this.active.endsWithCheckpoint = false;
  }

  /** Writes the entries of a batch from `first` up to `next`, exclusive. Returns the size of their frames in bytes. */
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
   * Writes a frame without entries.
   *
   * @param kind Its kind.
   * @param flags Its flags.
   * @param term Its term, as the kind uses it.
   * @param index Its index, as the kind uses it; any 64 bits.
   */
  writeFrame(kind: number, flags: number, term: number, index: number | bigint): void {
    const { codec } = this;
    const { segment } = this.active;
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
    this.active.endsWithCheckpoint = false;
  }

  /** Records that a frame dropped the entries from an index on. */
  private dropped(from: Index): void {
    this.active.segment.lowestTruncated = Math.min(this.active.segment.lowestTruncated, from);
    this.active.drops.dropped(from);
  }

  /**
   * Undoes a write that found no space: truncates the file to the last complete frame, and flushes it. File systems can
   * do that even when they are full.
   */
  undo(): void {
    const { endOffset } = this.active.segment;
    this.active.file.truncate(endOffset);
    this.active.file.sync();
    this.active.preallocation.restart(endOffset);
    this.written?.restart(endOffset);
  }

  /**
   * Writes a checkpoint, unless the last frame is one. It proves how far the log is durable, and repeats its state. On
   * a full disk, the checkpoint is omitted, because no entry depends on it.
   */
  checkpoint(state: LogState): void {
    if (!this.active.endsWithCheckpoint) this.writeCheckpointIfRoom(0, state);
  }

  /** Writes a checkpoint. Returns whether there was space for it. */
  writeCheckpointIfRoom(flags: number, state: LogState): boolean {
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
    const { codec } = this;
    const { segment } = this.active;
    const lsn = segment.endLsn;
    const at = this.buffer.reserve(CHECKPOINT_BYTES, segment.endOffset);
    this.putCheckpoint(at, flags, state, lsn);
    this.writeFrames(at, CHECKPOINT_BYTES, segment.endOffset);
    segment.endOffset += CHECKPOINT_BYTES;
    segment.lastChecksum = codec.get(SLOT_LAST_CHECKSUM);
    this.active.drops.checkpointed(lsn);
    this.active.endsWithCheckpoint = true;
  }

  /** Seals the frames at an address in the buffer, and writes them. */
  private writeFrames(at: number, bytes: number, end: number): void {
    const { codec } = this;
    const { segment } = this.active;
    selectSegment(codec, segment.header);
    codec.wasm.seal(at, bytes, segment.header.baseLsn + end, this.active.durableLsn);
    writeFull(this.active.file, codec.bytes.subarray(at, at + bytes), end);
    this.buffer.wrote(bytes);
  }

  /** Writes an entry larger than the buffer: its header, then the command directly from the caller's memory. */
  private writeLarge(entry: TakenEntry, end: number, hasMore: boolean): number {
    const { codec } = this;
    const { segment } = this.active;
    const { command, term, index, kind } = entry;
    const sum = codec.hash(command, 0n);
    const at = codec.chunkAt;
    this.buffer.putHeader(at, command.length, term, index, index / 2 ** 32, entriesWord(kind, 1, this.changes));
    if (hasMore) this.buffer.setMore(at);
    new DataView(codec.wasm.memory.buffer).setBigUint64(at + FRAME_PAYLOAD_CHECKSUM, sum, true);
    selectSegment(codec, segment.header);
    codec.wasm.sealHeaderOnly(at, segment.header.baseLsn + end, this.active.durableLsn);
    writeFull(this.active.file, codec.bytes.subarray(at, at + FRAME_HEADER_BYTES), end);
    writeFull(this.active.file, command, end + FRAME_HEADER_BYTES);
    const total = frameBytes(command.length);
    const padding = total - FRAME_HEADER_BYTES - command.length;
    if (padding > 0) writeFull(this.active.file, new Uint8Array(padding), end + total - padding);
    segment.push(end, total, 1);
    return total;
  }
}
