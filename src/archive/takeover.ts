/**
 * Compares an archive with a log, and finds the position at which an archiver continues.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Codec } from "../codec/codec.ts";
import { leaseCodec, returnCodec } from "../codec/pool.ts";
import { KIND_ENTRIES } from "../format/frame.ts";
import { SECTOR_BYTES, SEGMENT_HEADER_BYTES } from "../format/header_block.ts";
import { decodeSegmentHeader, type SegmentHeader } from "../format/segment_header.ts";
import { openSized } from "../io/sized_file.ts";
import type { Segment } from "../log/segment.ts";
import { type WalkedFrame, walkFrames } from "./frames.ts";
import type { History, HistorySegment } from "./history.ts";
import type { Piece, SegmentId } from "./keys.ts";
import type { LogView } from "./log_view.ts";
import type { ObjectStore, RequestOptions } from "./object_store.ts";
import { fetchPiece } from "./fetch_object.ts";
import { PieceFile } from "./piece_file.ts";
import { inSlices } from "./slices.ts";

/** The position in a log up to which it is archived. */
export interface Position {
  /** The segment; `undefined` if nothing is archived. */
  readonly segment: SegmentId | undefined;
  /** Offset in that segment's file. */
  readonly end: number;
  /** The next index there. */
  readonly next: number;
  /** Index of the snapshot there; 0 if there is none. */
  readonly snapshot: number;
  /** Index of the newest snapshot there that is archived; 0 if there is none. */
  readonly archived: number;
}

/** The start of a log. */
export const NOTHING_ARCHIVED: Position = { segment: undefined, end: 0, next: 1, snapshot: 0, archived: 0 };

/**
 * The beginning of an archiver. `continue`: at a position in the archived history. `restart`: with a history of its
 * own, because the log was compacted before all of it was archived.
 */
export type Beginning = { readonly kind: "continue"; readonly position: Position } | { readonly kind: "restart" };

/**
 * Finds the position in a log at which an archive ends. The log must have the archived frames, or a snapshot of them.
 *
 * @param store The store.
 * @param history The history of the archive.
 * @param view The log.
 * @param options A signal.
 * @returns The position.
 * @throws {WalLogError} `DIVERGED` if the log does not have them.
 */
export async function findBeginning(
  store: ObjectStore,
  history: History,
  view: LogView,
  options?: RequestOptions,
): Promise<Beginning> {
  const last = history.segments.at(-1);
  if (last === undefined) return { kind: "restart" };
  const { id: { number, salt, baseLsn }, chain, end } = last;
  const { next, snapshot, archived } = chain.at(-1)!;
  const position = { segment: last.id, end, next, snapshot, archived };
  const { segments } = view;
  const same = segments.findIndex(({ header }) => header.number === number && header.salt === salt);
  // After a crash, a new segment can replace the newest one, and begins at the same position.
  const replacement = segments.findIndex(({ header }) => header.number > number && header.baseLsn === baseLsn);
  if (same < 0 && replacement < 0) {
    if (isCompactedBeyond(view, last)) return { kind: "restart" };
    throw diverged(store, view, `it does not have the archived segment ${number}`);
  }
  if (same < 0) await requireReplacement(store, view, history, replacement, options);
  const localEnd = same < 0 ? SEGMENT_HEADER_BYTES : segments[same]!.endOffset;
  if (same >= 0) await requireSamePieces(store, view, segments[same]!, last, localEnd);
  if (end > localEnd) {
    const following = segments.slice(same < 0 ? replacement : same + 1);
    const isNewest = same >= 0 && following.length === 0;
    if (isNewest && await hasUnproven(view, segments[same]!, last, localEnd)) return { kind: "continue", position };
    await requireCopies(store, view, last, { segment: segments[same], end: localEnd }, following, options);
  }
  return { kind: "continue", position };
}

/** Fails unless a segment of the log has the same predecessor as the archived one that it replaces. */
async function requireReplacement(
  store: ObjectStore,
  view: LogView,
  { segments }: History,
  replacement: number,
  options: RequestOptions | undefined,
): Promise<void> {
  const last = segments.at(-1)!;
  const archived = await fetchHeader(store, last.chain[0]!, options).catch((error) => {
    throw isGone(error) ? changing(store, view, error) : error;
  });
  const { header } = view.segments[replacement]!;
  const before = segments.at(-2);
  const localBefore = view.segments[replacement - 1];
  const isSame = header.previous === archived.previous && header.previousChecksum === archived.previousChecksum &&
    (before === undefined || localBefore === undefined || before.id.salt === localBefore.header.salt);
  if (!isSame) throw diverged(store, view, `segment ${header.number} does not follow the same segment`);
}

/** Reads the header of an archived segment. */
async function fetchHeader(
  store: ObjectStore,
  { key }: Piece,
  options: RequestOptions | undefined,
): Promise<SegmentHeader> {
  const found = await store.get(key, { offset: 0, length: SECTOR_BYTES }, options);
  if (found.kind === "absent") {
    throw new WalLogError("NOT_FOUND", `Cannot read ${key} in ${store.name}: there is no such object`, { path: key });
  }
  const codec = leaseCodec();
  const sum = (bytes: Uint8Array, seed: bigint) => codec.hash(bytes, seed);
  const header = decodeSegmentHeader(found.bytes, 0, sum);
  returnCodec(codec);
  if (header !== undefined) return header;
  throw new WalLogError("CORRUPT", `Cannot read the header of ${key} in ${store.name}: it is damaged`, { path: key });
}

/** Whether the log's snapshot covers the archived entries, and its segments come after the archived ones. */
function isCompactedBeyond({ segments, snapshot }: LogView, { id, chain }: HistorySegment): boolean {
  const oldest = segments[0];
  return oldest !== undefined && oldest.header.number > id.number && snapshot.index >= chain.at(-1)!.next - 1;
}

/** Fails unless the log's file has the same bytes as the pieces that lie before an offset. */
async function requireSamePieces(
  store: ObjectStore,
  view: LogView,
  segment: Segment,
  { chain }: HistorySegment,
  localEnd: number,
): Promise<void> {
  const codec = leaseCodec();
  try {
    for (const { from, to, checksum } of chain) {
      if (to > localEnd) return;
      const file = new PieceFile(view.fileSystem, segment, from, to);
      try {
        if (await inSlices(file.checksum(codec)) === checksum) continue;
      } finally {
        file.close();
      }
      throw diverged(store, view, `segment ${segment.header.number} differs between offsets ${from} and ${to}`);
    }
  } finally {
    returnCodec(codec);
  }
}

/**
 * Whether the log's file has the archived frames after its proven end. A power cut can destroy the proof of a flush,
 * but not the flushed data. The log keeps such frames when it is opened for writing.
 */
async function hasUnproven(
  { fileSystem }: LogView,
  segment: Segment,
  { chain }: HistorySegment,
  localEnd: number,
): Promise<boolean> {
  const codec = leaseCodec();
  try {
    for (const { from, to, checksum } of chain) {
      if (to <= localEnd) continue;
      if (sizeOf(fileSystem, segment.path) < to) return false;
      const file = new PieceFile(fileSystem, segment, from, to);
      try {
        if (await inSlices(file.checksum(codec)) !== checksum) return false;
      } finally {
        file.close();
      }
    }
    return true;
  } finally {
    returnCodec(codec);
  }
}

/** The size of a file. */
function sizeOf(fileSystem: LogView["fileSystem"], path: string): number {
  const file = openSized(fileSystem, path);
  try {
    return file.size();
  } finally {
    file.close();
  }
}

/**
 * Fails unless the log has copies of archived frames. After a crash, a log continues in a new segment, which begins
 * with copies of the unproven frames.
 */
async function requireCopies(
  store: ObjectStore,
  view: LogView,
  { id, chain, end }: HistorySegment,
  local: { readonly segment: Segment | undefined; readonly end: number },
  following: readonly Segment[],
  options: RequestOptions | undefined,
): Promise<void> {
  const codec = leaseCodec();
  const copies = framesOf(view, codec, following);
  const fetched = leaseCodec();
  try {
    for (const piece of chain) {
      if (piece.to <= local.end) continue;
      const bytes = await fetchPiece(store, piece, options).catch((error) => {
        throw isGone(error) ? changing(store, view, error) : error;
      });
      if (local.segment !== undefined && !beginsAs(view, local.segment, piece.from, local.end, bytes)) {
        throw diverged(store, view, `segment ${id.number} differs between offsets ${piece.from} and ${local.end}`);
      }
      const file = readerAt(bytes, piece.from);
      const from = Math.max(piece.from, SEGMENT_HEADER_BYTES);
      for (const frame of walkFrames(fetched, id, file, from, Math.min(piece.to, end))) {
        if (frame.offset < local.end) continue;
        const copy = copies.next();
        if (!copy.done && isCopy(copy.value, frame)) continue;
        throw diverged(store, view, `it lacks an archived frame of segment ${id.number}, at offset ${frame.offset}`);
      }
    }
  } finally {
    copies.return();
    returnCodec(codec);
    returnCodec(fetched);
  }
}

/** Whether the log's file has the same bytes as a piece, up to the end of the file's frames. */
function beginsAs({ fileSystem }: LogView, segment: Segment, from: number, end: number, bytes: Uint8Array): boolean {
  if (from >= end) return true;
  const file = new PieceFile(fileSystem, segment, from, end);
  try {
    return file.read(0, file.size).every((byte, i) => byte === bytes[i]);
  } finally {
    file.close();
  }
}

/** The frames of segments, in order. */
function* framesOf(view: LogView, codec: Codec, segments: readonly Segment[]): Generator<WalkedFrame, void> {
  for (const { path, header, endOffset } of segments) {
    const file = openSized(view.fileSystem, path);
    try {
      yield* walkFrames(codec, header, file, SEGMENT_HEADER_BYTES, endOffset);
    } finally {
      file.close();
    }
  }
}

/** A file that has bytes at an offset. */
function readerAt(bytes: Uint8Array, from: number) {
  return {
    read(into: Uint8Array, position: number): number {
      const part = bytes.subarray(position - from, position - from + into.length);
      into.set(part);
      return part.length;
    },
  };
}

/** Whether a frame is a copy of another one. A copy has another position, and may have other flags. */
function isCopy({ header, payloadChecksum }: WalkedFrame, original: WalkedFrame): boolean {
  const { kind, length, term, index, count } = original.header;
  const isSame = header.kind === kind && header.length === length && header.term === term && header.index === index &&
    header.count === count;
  return isSame && (kind !== KIND_ENTRIES || payloadChecksum === original.payloadChecksum);
}

/** Whether an object was deleted. The previous archiver may have merged pieces after they were listed. */
function isGone(error: unknown): boolean {
  return error instanceof WalLogError && error.code === "NOT_FOUND";
}

function changing({ name }: ObjectStore, { folder }: LogView, cause: unknown): WalLogError {
  const message =
    `Cannot archive the log at ${folder} to ${name} yet: another archiver has merged objects there meanwhile`;
  return new WalLogError("CHANGING", message, { path: folder, cause });
}

function diverged({ name }: ObjectStore, { folder }: LogView, reason: string): WalLogError {
  const message =
    `Cannot archive the log at ${folder} to ${name}: the archive is not of this log, or is ahead of it: ` +
    `${reason}; restore the archive, or archive to another prefix`;
  return new WalLogError("DIVERGED", message, { path: folder });
}
