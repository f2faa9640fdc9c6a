/**
 * Rotation: seals the active segment, and creates the next one.
 *
 * @module
 */

import { sharedCodec } from "../codec/pool.ts";
import { NEXT_POINTER_OFFSETS } from "../format/header_block.ts";
import type { LogState } from "../format/state.ts";
import type { File, FileSystem } from "../io/file_system.ts";
import { errorCode, isNoSpace, isOutOfFiles, refusedError, writeFull } from "../io/full.ts";
import type { TermRuns } from "../log/log_index.ts";
import type { Segment } from "../log/segment.ts";
import { ActiveSegment } from "./active_segment.ts";
import { createSegment, undoCreation } from "./create.ts";
import { droppedBefore } from "./drops.ts";
import type { Flusher } from "./flusher.ts";
import type { FrameWriter } from "./frame_writer.ts";
import { encodePointer } from "./name_next.ts";
import { writeSegmentIndex } from "./write_segment_index.ts";

/** Creates the segments of a log. */
export class Rotation {
  private readonly fileSystem: FileSystem;
  private readonly folder: string;
  /** The highest number that this log has used, even if creation failed. No number is used twice. */
  private numberUsed: number;
  /** The sealed segment whose second pointer copy is written but not flushed. */
  private unflushedPointer: Segment | undefined;

  /**
   * @param fileSystem The machine.
   * @param folder The log's folder.
   * @param numberUsed The highest number that the log has used.
   */
  constructor(fileSystem: FileSystem, folder: string, numberUsed: number) {
    this.fileSystem = fileSystem;
    this.folder = folder;
    this.numberUsed = numberUsed;
  }

  /**
   * Seals the segment and creates the next one. The order lets recovery recognize a crash between any two steps: flush
   * this segment's frames; create the new segment and flush its header; flush its name; then write the segment index
   * and the pointer to the new segment, and flush both. From that flush on, the new segment belongs to the log. The
   * steps that open a file come first, because they can be refused and undone.
   *
   * @param active The segment.
   * @param frames Writes its segment index.
   * @param flusher Flushes it.
   * @param state The log's state.
   * @param runs The terms of its entries.
   * @returns The new segment.
   * @throws {WalLogError} `NO_SPACE` if there is no space for the new segment, or no file can be opened; `CORRUPT` if no
   * reader would accept its number or its LSN. The log is unchanged then.
   */
  begin(
    active: ActiveSegment,
    frames: FrameWriter,
    flusher: Flusher,
    state: LogState,
    runs: TermRuns,
  ): ActiveSegment {
    const { segment: old, file } = active;
    if (active.durableLsn < old.endLsn) flusher.sync(active);
    const { header } = old;
    try {
      this.syncPointer();
    } catch (error) {
      throw isOutOfFiles(error) ? refusedError("Cannot flush a segment", this.folder, error) : error;
    }
    const next = createSegment(this.fileSystem, this.folder, sharedCodec(), this.numberUsed, {
      uuid: header.uuid,
      baseLsn: old.endLsn,
      previous: header.number,
      previousChecksum: old.lastChecksum,
      state,
      provenLsn: active.durableLsn,
      floor: old.floor,
      dropped: droppedBefore(old.header, old.lowestTruncated),
    }, (number) => this.numberUsed = number);
    try {
      this.fileSystem.syncDirectory(this.folder);
      this.seal(active, next.segment, frames, runs);
    } catch (error) {
      next.file.close();
      // Only flushing the folder opens a file. Nothing names the new segment yet.
      throw isOutOfFiles(error) ? undoCreation(this.fileSystem, next.segment.path, error) : error;
    }
    flusher.retire(file);
    old.trim();
    return new ActiveSegment(next.segment, next.file, false, undefined);
  }

  /** Ends the old segment, and names the new one in it. */
  private seal(active: ActiveSegment, next: Segment, frames: FrameWriter, runs: TermRuns): void {
    const { segment: old, file } = active;
    writeSegmentIndex(frames, runs);
    file.requireNamed?.();
    active.requireActive();
    const pointer = encodePointer(sharedCodec(), old, next, old.endLsn);
    writeFull(file, pointer, NEXT_POINTER_OFFSETS[0]);
    file.sync();
    // The copies do not share a flush, so a torn write damages at most one of them.
    copyPointer(file, pointer);
    this.unflushedPointer = old;
  }

  /**
   * Flushes the second copy of the last pointer. No commit waits for it: the next rotation or closing flushes it. By
   * then, the operating system has usually written it anyway.
   */
  syncPointer(): void {
    const segment = this.unflushedPointer;
    if (segment === undefined) return;
    let file: File | undefined;
    try {
      file = this.fileSystem.open(segment.path, "write");
    } catch (error) {
      // Compaction has deleted the segment.
      if (errorCode(error) !== "ENOENT") throw error;
    }
    this.unflushedPointer = undefined;
    if (file === undefined) return;
    try {
      file.sync();
    } finally {
      file.close();
    }
  }
}

/** Writes the second copy of a pointer. On a full disk, the copy is missing until the log is opened again. */
function copyPointer(file: File, pointer: Uint8Array): void {
  if (writeIfRoom(file, pointer)) return;
  // A part of it may be written, which would look like damage.
  writeIfRoom(file, new Uint8Array(pointer.length));
}

/** Writes to the place of the second copy. Returns `false` if the disk is full. */
function writeIfRoom(file: File, bytes: Uint8Array): boolean {
  try {
    writeFull(file, bytes, NEXT_POINTER_OFFSETS[1]);
    return true;
  } catch (error) {
    if (!isNoSpace(error)) throw error;
    return false;
  }
}
