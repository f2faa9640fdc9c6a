/**
 * The unfinished files of a log that is being restored. Each has the bytes of archived objects, at the same offsets. So
 * after a crash, a file is checked piece by piece, and only missing pieces are read again.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Codec } from "../codec/codec.ts";
import { leaseCodec, returnCodec } from "../codec/pool.ts";
import { HEADER_OFFSETS, NEXT_POINTER_OFFSETS, SECTOR_BYTES, SEGMENT_HEADER_BYTES } from "../format/header_block.ts";
import { encodeNextPointer } from "../format/next_pointer.ts";
import { decodeSegmentHeader, type SegmentHeader } from "../format/segment_header.ts";
import { segmentName } from "../format/segment_name.ts";
import { snapshotName } from "../format/snapshot_name.ts";
import type { File, FileSystem } from "../io/file_system.ts";
import { errorCode, readFull, writeFull } from "../io/full.ts";
import { Ahead } from "./ahead.ts";
import { fetchObject, fetchSnapshot } from "./fetch_object.ts";
import type { CutFinder } from "./cut.ts";
import { walkFrames } from "./frames.ts";
import type { HistorySegment } from "./history.ts";
import type { ArchivedSnapshot, Piece } from "./keys.ts";
import type { ObjectStore, RequestOptions } from "./object_store.ts";
import { PieceFile } from "./piece_file.ts";
import { inSlices } from "./slices.ts";
import { openSnapshotFile } from "./snapshot_body.ts";

/** The number of frames to walk before other tasks may run. */
const SLICE_FRAMES = 256;

/** Options of restoring files. */
export interface StagingOptions extends RequestOptions {
  /** The most objects to read at the same time. */
  readonly concurrency: number;
}

/** Writes the files of a restored log. */
export class Staging {
  private readonly store: ObjectStore;
  private readonly fileSystem: FileSystem;
  private readonly folder: string;
  private readonly options: StagingOptions;
  private readonly onBytes: (bytes: number) => void;

  /**
   * @param store The archive.
   * @param fileSystem The machine, with the names of unfinished files.
   * @param folder The folder.
   * @param options A signal, and the number of objects to read at the same time.
   * @param onBytes Called with the bytes that were restored since the last call.
   */
  constructor(
    store: ObjectStore,
    fileSystem: FileSystem,
    folder: string,
    options: StagingOptions,
    onBytes: (bytes: number) => void,
  ) {
    this.store = store;
    this.fileSystem = fileSystem;
    this.folder = folder;
    this.options = options;
    this.onBytes = onBytes;
  }

  private pathOf(number: number): string {
    return `${this.folder}/${segmentName(number)}`;
  }

  /**
   * Restores the files of segments, and walks their frames. Later pieces are read while the frames of earlier ones are
   * walked.
   *
   * @param segments The segments, oldest first.
   * @param finder Takes the headers and the frames.
   * @returns The headers of the segments that matter, and whether later segments matter.
   */
  async restoreSegments(
    segments: readonly HistorySegment[],
    finder: CutFinder,
  ): Promise<{ readonly headers: readonly SegmentHeader[]; readonly goOn: boolean }> {
    const pieces = segments.flatMap(({ chain }) => chain);
    const { concurrency, signal } = this.options;
    const ahead = new Ahead(pieces, concurrency, (piece, signal) => this.restorePiece(piece, { signal }), signal);
    const headers: SegmentHeader[] = [];
    let used = 0;
    try {
      for (const segment of segments) {
        const { header, goOn } = await this.walkSegment(segment, finder, () => ahead.use(used++));
        headers.push(header);
        if (!goOn) return { headers, goOn };
      }
      return { headers, goOn: true };
    } finally {
      await ahead.end();
    }
  }

  /** Walks the frames of a segment. `next` waits until its next piece is in the file. */
  private async walkSegment({ id, chain, end }: HistorySegment, finder: CutFinder, next: () => Promise<void>) {
    await next();
    const file = this.fileSystem.open(this.pathOf(id.number), "read");
    const codec = leaseCodec();
    try {
      const header = readHeader(file, codec, chain[0]!, this.store);
      finder.begin(header);
      for (const [i, piece] of chain.entries()) {
        if (i > 0) await next();
        const from = Math.max(piece.from, SEGMENT_HEADER_BYTES);
        const to = Math.min(piece.to, end);
        const goOn = await inSlices(walk(codec, header, file, from, to, finder, piece));
        if (!goOn) return { header, goOn };
      }
      return { header, goOn: true };
    } finally {
      returnCodec(codec);
      file.close();
    }
  }

  /** Restores the bytes of a piece, unless the file has them already. */
  private async restorePiece(piece: Piece, options: RequestOptions): Promise<void> {
    const path = this.pathOf(piece.segment.number);
    const size = piece.to - piece.from;
    const file = openOrCreate(this.fileSystem, path);
    try {
      if (!await this.hasPiece(file, path, piece)) {
        const take = (part: Uint8Array, offset: number) => writeFull(file, part, piece.from + offset);
        await fetchObject(this.store, piece, size, take, options);
      }
      this.onBytes(size);
    } finally {
      file.close();
    }
  }

  private async hasPiece(file: File, path: string, { from, to, checksum }: Piece): Promise<boolean> {
    if (file.size() < to) return false;
    const found = new PieceFile(this.fileSystem, { path }, from, to);
    const codec = leaseCodec();
    try {
      if (await inSlices(found.checksum(codec)) !== checksum) return false;
      // The header block may have one intact copy of the header, and pointers.
      if (from === 0) writeFull(file, found.read(0, SEGMENT_HEADER_BYTES), 0);
      return true;
    } finally {
      returnCodec(codec);
      found.close();
    }
  }

  /** Restores a snapshot file. */
  async restoreSnapshot(snapshot: ArchivedSnapshot): Promise<void> {
    const path = `${this.folder}/${snapshotName(snapshot.index, snapshot.term)}`;
    const file = openOrCreate(this.fileSystem, path);
    try {
      const { body, checksum } = await openSnapshotFile(this.fileSystem, path);
      body.close();
      if (body.size !== snapshot.size || checksum !== snapshot.checksum) {
        file.truncate(0);
        const take = (part: Uint8Array, offset: number) => writeFull(file, part, offset);
        await fetchSnapshot(this.store, snapshot, take, this.options);
      }
      // Also if the bytes were there: the process that wrote them may have been killed before it flushed them.
      file.sync();
      this.onBytes(snapshot.size);
    } finally {
      file.close();
    }
  }
}

/**
 * Completes the files of segments: cuts each one at its end, and writes its header block.
 *
 * @param fileSystem The machine, with the names of unfinished files.
 * @param folder The folder.
 * @param headers The headers of the segments, oldest first.
 * @param offset Offset in the file of the last segment at which the log ends.
 * @param names Whether each segment names the next one. Default: true.
 */
export function finishFiles(
  fileSystem: FileSystem,
  folder: string,
  headers: readonly SegmentHeader[],
  offset: number,
  names = true,
): void {
  const codec = leaseCodec();
  try {
    for (const [i, header] of headers.entries()) {
      const next = headers[i + 1];
      const file = fileSystem.open(`${folder}/${segmentName(header.number)}`, "write");
      try {
        writeFull(file, headerBlock(codec, file, header, names ? next : undefined), 0);
        file.truncate(next === undefined ? offset : next.baseLsn - header.baseLsn);
        file.sync();
      } finally {
        file.close();
      }
    }
    fileSystem.syncDirectory(folder);
  } finally {
    returnCodec(codec);
  }
}

/** The header block of a restored segment. It names the next segment, and proves nothing. */
function headerBlock(codec: Codec, file: File, header: SegmentHeader, next: SegmentHeader | undefined): Uint8Array {
  const sector = new Uint8Array(SECTOR_BYTES);
  readFull(file, sector, HEADER_OFFSETS[0]);
  const sum = (bytes: Uint8Array, seed: bigint) => codec.hash(bytes, seed);
  const block = new Uint8Array(SEGMENT_HEADER_BYTES);
  for (const at of HEADER_OFFSETS) block.set(sector, at);
  if (next === undefined) return block;
  const { number, baseLsn } = next;
  const pointer = encodeNextPointer({ number, endLsn: baseLsn, durableLsn: baseLsn }, header.salt, sum);
  for (const at of NEXT_POINTER_OFFSETS) block.set(pointer, at);
  return block;
}

function openOrCreate(fileSystem: FileSystem, path: string): File {
  try {
    return fileSystem.open(path, "write");
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
    return fileSystem.open(path, "create");
  }
}

function readHeader(file: File, codec: Codec, { key, segment }: Piece, store: ObjectStore): SegmentHeader {
  const block = new Uint8Array(SEGMENT_HEADER_BYTES);
  readFull(file, block, 0);
  const header = decodeSegmentHeader(block, 0, (bytes, seed) => codec.hash(bytes, seed));
  if (header?.number === segment.number && header.baseLsn === segment.baseLsn && header.salt === segment.salt) {
    return header;
  }
  throw new WalLogError("CORRUPT", `Cannot restore ${key} in ${store.name}: it does not begin with its header`);
}

/** Walks the frames of a piece; returns whether later frames matter. */
function* walk(
  codec: Codec,
  header: SegmentHeader,
  file: File,
  from: number,
  to: number,
  finder: CutFinder,
  { key }: Piece,
): Generator<void, boolean> {
  const frames = walkFrames(codec, header, file, from, to);
  for (let count = 1;; count++) {
    const step = frames.next();
    if (step.done && step.value === to) return true;
    if (step.done) throw new WalLogError("CORRUPT", `Cannot restore ${key}: the frame at ${step.value} is damaged`);
    if (!finder.add(step.value)) return false;
    if (count % SLICE_FRAMES === 0) yield;
  }
}
