/**
 * Reads new entries of a log beside its writer: from the newest segment, as far as the disk proves the log durable.
 *
 * Proven data never changes, so nothing that was read has to be taken back. The evidence is that of `proven.ts`:
 *
 * | evidence                               | everything below is durable |
 * | -------------------------------------- | --------------------------- |
 * | the segment names a next one           | the end of the segment      |
 * | the pointer to the segment             | the LSN that it states      |
 * | a durable slot                         | its LSN                     |
 * | the header of an unproven frame        | its LSN less `unproven`     |
 *
 * It reports if it cannot continue, and then the log is recovered again. That happens if compaction deleted a segment
 * before it was read, if the next segment starts at an earlier frame, or if something is damaged.
 *
 * @module
 */

import type { Damage } from "../api/report.ts";
import type { Index } from "../api/types.ts";
import type { Codec } from "../codec/codec.ts";
import { lowestDroppedSince } from "../format/checkpoint.ts";
import {
  decodeFrameHeader,
  FLAG_CLEAR,
  FRAME_HEADER_BYTES,
  FRAME_KIND,
  frameBytes,
  type FrameHeader,
  isChange,
  isReplacement,
  KIND_TRUNCATE,
  UNPROVEN_UNKNOWN,
} from "../format/frame.ts";
import { SEGMENT_HEADER_BYTES } from "../format/header_block.ts";
import type { Identity } from "../format/identity.ts";
import type { NextPointer } from "../format/next_pointer.ts";
import { segmentNumber } from "../format/segment_name.ts";
import type { SegmentHeader } from "../format/segment_header.ts";
import type { LogState } from "../format/state.ts";
import type { FileSystem } from "../io/file_system.ts";
import { errorCode, readFull } from "../io/full.ts";
import { openSized, type SizedFile } from "../io/sized_file.ts";
import type { LogIndex } from "../log/log_index.ts";
import { Segment } from "../log/segment.ts";
import { selectSegment } from "../log/select_segment.ts";
import { Truncations } from "../log/truncations.ts";
import { sameState } from "./segment_boundaries.ts";
import { type SegmentFile, SegmentFiles } from "./segment_files.ts";
import type { ProvenContents } from "./recovered.ts";
import { Replay } from "./replay.ts";

/** The amount to read at once in a search for new frames, in bytes. */
const WALK_BYTES = 64 * 1024;

/** `current`: the log was read as far as it is proven. `lost`: it has to be recovered again. */
export type ReadOn = "current" | "lost";

/** The entries and the state of a log, including those that are not proven durable. */
export interface ReadContents {
  readonly index: LogIndex;
  readonly state: LogState;
  /** The last index that the disk proves durable. */
  readonly durableIndex: Index;
}

/** A log as a reader sees it. */
export interface View extends ReadContents {
  /** The log's UUID; `undefined` while there is no log. */
  readonly uuid: Uint8Array | undefined;
  /** The contents of `IDENTITY`; `undefined` if the file is missing or damaged. */
  readonly identity: Identity | undefined;
  /** The damage that the last recovery found. */
  readonly damage: readonly Damage[];
}

/** The proven part of a log, which grows. */
export class ProvenLog {
  /** The positions of its entries. */
  readonly index: LogIndex;
  /** The truncations since it was first read. */
  readonly truncations: Truncations = new Truncations();
  private readonly fileSystem: FileSystem;
  private readonly folder: string;
  private state: LogState;
  /** The proven LSN from evidence outside the frames of the newest segment. */
  private named = 0;
  /** Offset in the newest segment of the last frame header that was checked. */
  private walked = 0;
  /** The highest LSN that these headers prove. */
  private witnessed = 0;

  /**
   * @param fileSystem The machine.
   * @param folder The log's folder.
   * @param proven The proven part of the log.
   */
  constructor(fileSystem: FileSystem, folder: string, { index, state }: ProvenContents) {
    this.fileSystem = fileSystem;
    this.folder = folder;
    this.index = index;
    this.state = state;
  }

  /**
   * Reads new entries. Yields after each chunk; the entries read so far are in the index then.
   *
   * @param codec A codec that nothing else uses meanwhile.
   * @returns Whether the log was read as far as it is proven, or has to be recovered again.
   */
  *readOn(codec: Codec): Generator<void, ReadOn> {
    const { index } = this;
    const files = new SegmentFiles(this.fileSystem, this.folder, codec);
    for (;;) {
      const head = index.segments.at(-1);
      const found = head && readSegment(files, head.header.number);
      if (head === undefined || found?.header?.salt !== head.header.salt) return "lost";
      const { nextPointer } = found;
      const { baseLsn } = head.header;
      if (nextPointer.kind === "damaged" && this.hasNewer(head)) return "lost";
      const endLsn = nextPointer.kind === "named" ? nextPointer.next.endLsn : this.provenLsn(codec, head, found);
      if (endLsn < head.endLsn || !(yield* this.take(codec, head, endLsn - baseLsn))) return "lost";
      if (nextPointer.kind !== "named") return "current";
      if (!this.pass(codec, files, head, nextPointer.next)) return "lost";
    }
  }

  /** Whether there is a segment after the newest known one. */
  private hasNewer({ header: { number } }: Segment): boolean {
    return this.fileSystem.list(this.folder).some((name) => (segmentNumber(name) ?? 0) > number);
  }

  /** The LSN up to which the newest segment is proven durable. */
  private provenLsn(codec: Codec, head: Segment, { slot, size }: SegmentFile): number {
    if (size > head.endOffset) {
      const file = openSized(this.fileSystem, head.path);
      try {
        this.walk(codec, head, file, Math.max(this.walked, head.endOffset));
        // The header may be gone because a write that found no space was undone, and another one is there now.
        if (this.walked === 0) this.walk(codec, head, file, head.endOffset);
      } finally {
        file.close();
      }
    }
    return Math.max(head.endLsn, this.named, slot?.lsn ?? 0, this.witnessed);
  }

  /** Collects the evidence in the headers of consecutive frames. */
  private walk(codec: Codec, { header }: Segment, file: SizedFile, from: number): void {
    this.walked = 0;
    for (const [offset, { unproven }] of headersFrom(codec, header, file, from)) {
      this.walked = offset;
      if (unproven !== UNPROVEN_UNKNOWN) this.witnessed = Math.max(this.witnessed, header.baseLsn + offset - unproven);
    }
  }

  /** Replays frames up to an offset; returns whether all are valid. */
  private *take(codec: Codec, head: Segment, limit: number): Generator<void, boolean> {
    if (limit <= head.endOffset) return true;
    const replay = new Replay(codec, this.index);
    replay.resume(head, this.state);
    const file = openSized(this.fileSystem, head.path);
    let { lowestTruncated } = head;
    const frames = replay.run(head, file, head.endOffset, limit);
    try {
      for (;;) {
        head.lowestTruncated = Infinity;
        const step = frames.next();
        if (head.lowestTruncated !== Infinity) this.truncations.add(head.lowestTruncated);
        lowestTruncated = Math.min(lowestTruncated, head.lowestTruncated);
        if (step.done) return step.value === undefined && head.endOffset === limit;
        yield;
      }
    } finally {
      head.lowestTruncated = lowestTruncated;
      this.state = replay.state;
      file.close();
    }
  }

  /** Moves to the next segment; returns whether it is the one that was created to follow. */
  private pass(codec: Codec, files: SegmentFiles, older: Segment, { number, durableLsn }: NextPointer): boolean {
    const { index } = this;
    const found = readSegment(files, number);
    if (found?.header === undefined) return false;
    const { header, path } = found;
    const { previous, baseLsn, uuid, previousChecksum } = header;
    const follows = previous === older.header.number && baseLsn === older.endLsn &&
      uuid.join() === older.header.uuid.join() && sameState(this.state, header.state) &&
      (previousChecksum === 0 || previousChecksum === older.lastChecksum);
    if (!follows) return false;
    older.trim();
    const replay = new Replay(codec, index);
    replay.begin(header.state);
    replay.open(new Segment(path, header, SEGMENT_HEADER_BYTES));
    this.state = replay.state;
    this.named = Math.max(header.provenLsn, durableLsn);
    this.walked = this.witnessed = 0;
    return true;
  }

  /**
   * Takes over a recovered log.
   *
   * @param codec A codec that nothing else uses meanwhile.
   * @param proven The proven part of the log.
   */
  recovered(codec: Codec, { index, state }: ProvenContents): void {
    const lowest = this.droppedSince(codec, index, state);
    this.index.become(index);
    this.state = state;
    this.named = this.walked = this.witnessed = 0;
    if (lowest !== Infinity) this.truncations.add(lowest);
  }

  /**
   * The lowest index that was or may have been dropped since. The change counters show which truncations are already
   * known.
   */
  private droppedSince(codec: Codec, { segments }: LogIndex, { changes }: LogState): Index {
    const head = this.index.segments.at(-1);
    const [oldest] = segments;
    const known = this.state.changes;
    if (head === undefined || oldest === undefined || changes === known) return Infinity;
    let lowest = Infinity;
    for (const [i, segment] of segments.entries()) {
      if ((segments[i + 1]?.header.state.changes ?? changes) <= known) continue;
      lowest = Math.min(lowest, this.droppedIn(codec, segment, known));
    }
    if (oldest.header.state.changes <= known) return lowest;
    // The segments with these truncations are deleted. The header of the next segment still lists them.
    return Math.min(lowest, lowestDroppedSince(oldest.header.dropped, head.endLsn) ?? 1);
  }

  /** The lowest index that a segment dropped after a number of changes. */
  private droppedIn(codec: Codec, segment: Segment, known: number): Index {
    const { header, lowestTruncated, path, endOffset } = segment;
    if (header.state.changes >= known || lowestTruncated === Infinity) return lowestTruncated;
    let { changes } = header.state;
    let lowest = Infinity;
    let walked = SEGMENT_HEADER_BYTES;
    const file = openSized(this.fileSystem, path);
    try {
      for (const [offset, frame] of headersFrom(codec, header, file, SEGMENT_HEADER_BYTES)) {
        walked = offset + frameBytes(frame.length);
        if (isChange(frame.kind)) changes++;
        if (!isReplacement(frame.kind) || changes <= known) continue;
        if (frame.kind === KIND_TRUNCATE) lowest = Math.min(lowest, frame.index);
        else if ((frame.flags & FLAG_CLEAR) !== 0) lowest = 1;
      }
    } finally {
      file.close();
    }
    return walked < endOffset ? lowestTruncated : lowest;
  }

  /**
   * Removes the segments that a snapshot covers from the index.
   *
   * @returns Their paths.
   */
  forget(): string[] {
    const { index } = this;
    return index.segments.splice(0, index.covered).map(({ path }) => path);
  }

  /**
   * The log including the unproven entries. A crash of the machine could still remove these. Yields after each chunk.
   *
   * @param codec A codec that nothing else uses meanwhile.
   * @returns The log.
   */
  *view(codec: Codec): Generator<void, ReadContents> {
    const index = this.index.copy();
    const head = index.segments.at(-1);
    const proven = index.nextIndex - 1;
    if (head === undefined) return { index, state: this.state, durableIndex: proven };
    const replay = new Replay(codec, index);
    replay.resume(head, this.state);
    head.lowestTruncated = Infinity;
    const file = openSized(this.fileSystem, head.path);
    try {
      yield* replay.run(head, file, head.endOffset, file.size());
      replay.dropOpenBatch(head);
      const kept = Math.min(proven, head.lowestTruncated - 1);
      return { index, state: replay.state, durableIndex: Math.max(kept, this.index.snapshotIndex) };
    } finally {
      file.close();
    }
  }
}

/** The headers of consecutive frames, with their offsets, up to the first invalid one. */
function* headersFrom(
  codec: Codec,
  header: SegmentHeader,
  file: SizedFile,
  from: number,
): Generator<readonly [number, FrameHeader]> {
  selectSegment(codec, header);
  for (let at = from;;) {
    const count = readFull(file, codec.chunk.subarray(0, WALK_BYTES), at);
    let frame = 0;
    while (frame + FRAME_HEADER_BYTES <= count) {
      if (codec.chunk[frame + FRAME_KIND] === 0) return;
      if (codec.wasm.checkHeader(codec.chunkAt + frame, header.baseLsn + at + frame) !== 0) return;
      const found = decodeFrameHeader(codec.chunk.subarray(frame));
      yield [at + frame, found];
      frame += frameBytes(found.length);
    }
    if (count < WALK_BYTES) return;
    at += frame;
  }
}

/** Reads the header block of a segment; `undefined` if the file is gone. */
function readSegment(files: SegmentFiles, number: number): SegmentFile | undefined {
  try {
    return files.readFile(number);
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
    return undefined;
  }
}
