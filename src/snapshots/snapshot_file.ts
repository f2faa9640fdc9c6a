/**
 * Finds and reads snapshot files. A snapshot is a file beside the segments. It is read and written in pieces, and the
 * log never holds all of it in memory.
 *
 * `INDEX-TERM.snap` consists of a header (format/snapshot_header.ts) and pieces (format/snapshot_piece.ts), with all
 * integers little-endian. A snapshot is part of the log if and only if a snapshot frame of the log names it.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Damage } from "../api/report.ts";
import type { Index, Snapshot, Term } from "../api/types.ts";
import type { Codec } from "../codec/codec.ts";
import { viewOf } from "../format/numbers.ts";
import { FORMAT_VERSION } from "../format/segment_header.ts";
import {
  decodeSnapshotHeader,
  FIXED_HEADER_BYTES,
  hasSnapshotMagic,
  measureSnapshotHeader,
} from "../format/snapshot_header.ts";
import { snapshotName } from "../format/snapshot_name.ts";
import {
  decodePieceHeader,
  LAST_PIECE_BYTES,
  paddedPieceBytes,
  PIECE_BYTES,
  PIECE_CHECKSUM_BYTES,
  PIECE_HEADER_BYTES,
  type PieceHeader,
} from "../format/snapshot_piece.ts";
import type { FileSystem } from "../io/file_system.ts";
import { errorCode, ioError, readFull } from "../io/full.ts";
import { openSized, type SizedFile } from "../io/sized_file.ts";

const NAME = /^(\d{12,16})-(\d{12,16})\.snap$/;
const TEMPORARY_NAME = /^\d{12,16}-\d{12,16}\.snap\.[0-9a-f]{16}\.tmp$/;

/**
 * Reports a snapshot file of a log that has lost all its segments.
 *
 * @param folder The log's folder.
 * @param name The file's name.
 * @returns The damage; `undefined` if the file is not a snapshot.
 */
export function orphanedSnapshot(folder: string, name: string): Damage | undefined {
  const [, index, term] = NAME.exec(name) ?? [];
  if (index === undefined) return undefined;
  const reason = "the segments that would show whether it is part of the log are lost";
  const [at, of] = [Number(index), Number(term)];
  return {
    kind: "snapshot",
    path: `${folder}/${name}`,
    offset: 0,
    bytes: 0,
    firstIndex: at,
    lastIndex: at,
    term: of,
    reason,
  };
}

/**
 * Whether a file is a snapshot of a log, finished or not, other than the log's current one.
 *
 * @param name The file's name.
 * @param index Index of the log's snapshot; 0 if there is none.
 * @param term Its term.
 * @returns Whether nothing needs the file.
 */
export function isSnapshotLeftover(name: string, index: Index, term: Term): boolean {
  return TEMPORARY_NAME.test(name) || (NAME.test(name) && (index === 0 || name !== snapshotName(index, term)));
}

/**
 * Whether a file begins like a snapshot. In a folder without a log, a file of the same name may belong to another
 * program.
 *
 * @param fileSystem The machine.
 * @param path The file.
 */
export function beginsLikeSnapshot(fileSystem: FileSystem, path: string): boolean {
  const file = fileSystem.open(path, "read");
  try {
    const bytes = new Uint8Array(FIXED_HEADER_BYTES);
    readFull(file, bytes, 0);
    return hasSnapshotMagic(bytes);
  } finally {
    file.close();
  }
}

/** Room for what is read of a piece. In bytes. */
export const PIECE_ROOM_BYTES: number = PIECE_HEADER_BYTES - PIECE_CHECKSUM_BYTES + PIECE_BYTES;

/** A piece that was read. */
interface Piece {
  readonly data: Uint8Array<ArrayBuffer>;
  readonly isLast: boolean;
  /** Offset of the next piece in the file. */
  readonly next: number;
}

/** Reads one snapshot, piece by piece. */
export class SnapshotReader {
  /** The snapshot's index, term, configuration and meta. */
  readonly meta: Required<Omit<Snapshot, "data">>;
  /** The number of bytes of data. */
  readonly dataBytes: number;
  private readonly codec: Codec;
  private readonly path: string;
  private readonly file: SizedFile;
  private readonly salt: bigint;
  /** Offset of the first piece in the file. */
  readonly piecesAt: number;

  /**
   * Opens a snapshot and reads its header.
   *
   * @throws {WalLogError} `CORRUPT` if it is missing or damaged.
   */
  constructor(fileSystem: FileSystem, folder: string, codec: Codec, uuid: Uint8Array, index: Index, term: Term) {
    this.codec = codec;
    this.path = `${folder}/${snapshotName(index, term)}`;
    try {
      this.file = openSized(fileSystem, this.path);
    } catch (error) {
      if (errorCode(error) !== "ENOENT") throw ioError("Cannot open the snapshot", this.path, error);
      throw snapshotDamage(this.path, 0, 0, index, term, "the file is missing");
    }
    try {
      const size = this.file.size();
      const fail = (offset: number, reason: string) =>
        snapshotDamage(this.path, offset, size - offset, index, term, reason);
      const fixed = new Uint8Array(FIXED_HEADER_BYTES);
      readFull(this.file, fixed, 0);
      const length = measureSnapshotHeader(fixed);
      if (typeof length !== "number") throw fail(length.offset, length.reason);
      this.piecesAt = length;
      const bytes = new Uint8Array(length);
      readFull(this.file, bytes, 0);
      const header = decodeSnapshotHeader(bytes, (part, seed) => codec.hash(part, seed));
      if (header === undefined) throw fail(0, "header checksum mismatch");
      if (typeof header === "number") throw otherVersion(this.path, header);
      this.salt = header.salt;
      if (!uuid.every((byte, i) => byte === header.uuid[i])) throw fail(16, "it belongs to another log");
      if (header.index !== BigInt(index) || header.term !== BigInt(term)) {
        throw fail(32, `it is of index ${header.index} and term ${header.term}`);
      }
      this.meta = { index, term, config: header.config, meta: header.meta };
      const last = size >= this.piecesAt + LAST_PIECE_BYTES ? this.readPiece(size - LAST_PIECE_BYTES) : undefined;
      if (last === undefined || !last.isLast || last.data.length !== 8) throw fail(size, "its end is missing");
      this.dataBytes = Number(viewOf(last.data).getBigUint64(0, true));
      // Check the length before allocating memory for it.
      if (this.dataBytes > size) throw fail(size, `it says that it has ${this.dataBytes} bytes of data`);
    } catch (error) {
      this.file.close();
      throw ioError("Cannot open the snapshot", this.path, error);
    }
  }

  private readHeader(offset: number): PieceHeader | undefined {
    const bytes = new Uint8Array(PIECE_HEADER_BYTES);
    return readFull(this.file, bytes, offset) < bytes.length ? undefined : decodePieceHeader(bytes);
  }

  /** The piece at an offset, in `room` if that is given; `undefined` if it is not valid. */
  private readPiece(offset: number, room?: Uint8Array<ArrayBuffer>): Piece | undefined {
    const header = this.readHeader(offset);
    if (header === undefined) return undefined;
    const { checksum, length, isLast } = header;
    // The bytes that the checksum covers.
    const coveredBytes = PIECE_HEADER_BYTES - PIECE_CHECKSUM_BYTES + length;
    const covered = room?.subarray(0, coveredBytes) ?? new Uint8Array(coveredBytes);
    if (readFull(this.file, covered, offset + PIECE_CHECKSUM_BYTES) < covered.length) return undefined;
    if (this.codec.hash(covered, this.salt ^ BigInt(offset)) !== checksum) return undefined;
    const data = covered.subarray(PIECE_HEADER_BYTES - PIECE_CHECKSUM_BYTES);
    return { data, isLast, next: offset + paddedPieceBytes(length) };
  }

  /**
   * The verified data of the piece at an offset.
   *
   * @param offset The offset.
   * @param room {@link PIECE_ROOM_BYTES} bytes to read it into.
   * @throws {WalLogError} `CORRUPT` if it is damaged; `IO`.
   */
  dataAt(offset: number, room: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    const piece = this.attempt(() => this.readPiece(offset, room));
    if (piece === undefined || piece.isLast) throw this.damage(offset, "checksum mismatch");
    return piece.data;
  }

  private attempt<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw ioError("Cannot read the snapshot", this.path, error);
    }
  }

  private damage(offset: number, reason: string): WalLogError {
    return snapshotDamage(this.path, offset, 0, this.meta.index, this.meta.term, reason);
  }

  /**
   * The data in verified pieces. Closes the file at the end.
   *
   * @throws {WalLogError} `CORRUPT` at a damaged piece.
   */
  *pieces(): Generator<Uint8Array<ArrayBuffer>, void> {
    let done = 0;
    try {
      for (let offset = this.piecesAt;;) {
        const piece = this.readPiece(offset);
        if (piece === undefined) throw this.damage(offset, "checksum mismatch");
        if (piece.isLast) {
          if (done !== this.dataBytes) throw this.damage(offset, "pieces are missing");
          return;
        }
        done += piece.data.length;
        if (done > this.dataBytes) throw this.damage(offset, "there are too many pieces");
        yield piece.data.slice();
        offset = piece.next;
      }
    } finally {
      this.close();
    }
  }

  /** Closes the file. */
  close(): void {
    this.file.close();
  }
}

function otherVersion(path: string, version: number): WalLogError {
  return new WalLogError(
    "UNSUPPORTED_VERSION",
    `Cannot open ${path}: it is in format version ${version}, this library reads version ${FORMAT_VERSION}`,
    { path, offset: 8 },
  );
}

function snapshotDamage(
  path: string,
  offset: number,
  bytes: number,
  index: Index,
  term: Term,
  reason: string,
): WalLogError {
  const damage: Damage = { kind: "snapshot", path, offset, bytes, firstIndex: index, lastIndex: index, term, reason };
  return new WalLogError(
    "CORRUPT",
    `Cannot read the snapshot at index ${index}, term ${term} from ${path}: at byte ${offset}, ${reason}; ` +
      `fetch one from a peer`,
    { path, offset, damage: [damage] },
  );
}
