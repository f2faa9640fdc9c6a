/**
 * Snapshots: a file each, beside the segments, written in pieces and never held in memory by the log.
 *
 * ```text
 * INDEX-TERM.snap, all integers little-endian: the header (format/snapshot_header.ts), then pieces. The last piece has
 * flag 1 and holds the number of data bytes as a u64
 *   0  u64 sum     XXH3-64 of what follows, without the padding, seeded with salt XOR the piece's offset
 *   8  u32 length
 *  12  u32 flags
 *  16  data, padded with zeros to 8 bytes
 * ```
 *
 * A snapshot is part of the log if and only if a snapshot frame of the log names it. It is written under a temporary
 * name, flushed, renamed, and its name is flushed before that frame is written.
 *
 * @module
 */

import type { Codec } from "../codec/codec.ts";
import { FORMAT_VERSION } from "../format/segment_header.ts";
import {
  decodeSnapshotHeader,
  encodeSnapshotHeader,
  FIXED_HEADER_BYTES,
  hasSnapshotMagic,
  measureSnapshotHeader,
} from "../format/snapshot_header.ts";
import { snapshotName } from "../format/snapshot_name.ts";
import { WalLogError } from "../api/errors.ts";
import type { Damage } from "../api/report.ts";
import type { File, FileSystem } from "../io/file_system.ts";
import { errorCode, ioError, isNoSpace, readFull, writeFull } from "../io/full.ts";
import { openSized, type SizedFile } from "../io/sized_file.ts";
import { temporaryName } from "../io/temporary.ts";
import type { Index, Snapshot, SnapshotMeta, Term } from "../api/types.ts";

const PIECE_HEADER_BYTES = 16;
const FLAG_LAST = 1;
const LAST_PIECE_BYTES = PIECE_HEADER_BYTES + 8;
/** Data per piece: what is held in memory at once. */
const PIECE_BYTES = 512 * 1024;

const NAME = /^(\d{12,16})-(\d{12,16})\.snap$/;
const TEMPORARY_NAME = /^\d{12,16}-\d{12,16}\.snap\.[0-9a-f]{16}\.tmp$/;

/**
 * What a file of a log that has no segments left says of a snapshot.
 *
 * @param folder The log's folder.
 * @param name The file's name.
 * @returns That it is lost, unless somebody knows that the log had it; `undefined` if the file is no snapshot.
 */
export function orphanedSnapshot(folder: string, name: string): Damage | undefined {
  const [, index, term] = NAME.exec(name) ?? [];
  if (index === undefined) return undefined;
  const reason = "the segments that would say whether the log has it are lost";
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
 * Whether a file is a snapshot of a log, finished or not, other than the one that counts.
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
 * Whether a file begins as a snapshot does. Others may have files of the same name in a folder without a log.
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

/** Writes one snapshot, piece by piece. */
export class SnapshotWriter {
  /** The last index that the snapshot includes. */
  readonly index: Index;
  private readonly term: Term;
  private readonly fileSystem: FileSystem;
  private readonly folder: string;
  private readonly codec: Codec;
  private readonly temporary: string;
  private readonly salt: bigint;
  private readonly file: File;
  private readonly piece = new Uint8Array(PIECE_HEADER_BYTES + PIECE_BYTES);
  private filled = 0;
  private position = 0;
  private dataBytes = 0;
  /** Whether the file has its name. */
  isNamed = false;
  private isOpen = true;
  private isFlushing = false;

  constructor(fileSystem: FileSystem, folder: string, codec: Codec, uuid: Uint8Array, snapshot: SnapshotMeta) {
    this.fileSystem = fileSystem;
    this.folder = folder;
    this.codec = codec;
    const { index, term, config, meta = new Uint8Array(0) } = snapshot;
    this.index = index;
    this.term = term;
    const salt = new BigUint64Array(1);
    fileSystem.random(new Uint8Array(salt.buffer));
    this.salt = salt[0]!;
    this.temporary = `${folder}/${temporaryName(fileSystem, snapshotName(index, term))}`;
    this.file = fileSystem.open(this.temporary, "create");
    try {
      const sum = (bytes: Uint8Array, seed: bigint) => codec.hash(bytes, seed);
      this.put(encodeSnapshotHeader({ index, term, config, meta }, uuid, this.salt, sum));
    } catch (error) {
      if (isNoSpace(error)) this.abort();
      else this.release();
      throw error;
    }
  }

  private put(bytes: Uint8Array): void {
    writeFull(this.file, bytes, this.position);
    this.position += bytes.length;
  }

  private putPiece(flags: number): void {
    const { piece, filled } = this;
    const view = new DataView(piece.buffer);
    view.setUint32(8, filled, true);
    view.setUint32(12, flags, true);
    const end = PIECE_HEADER_BYTES + filled;
    view.setBigUint64(0, this.codec.hash(piece.subarray(8, end), this.salt ^ BigInt(this.position)), true);
    const padded = Math.ceil(end / 8) * 8;
    piece.fill(0, end, padded);
    this.put(piece.subarray(0, padded));
    this.filled = 0;
  }

  /**
   * Adds data.
   *
   * @param data The next bytes of the snapshot.
   */
  write(data: Uint8Array): void {
    for (let done = 0; done < data.length;) {
      const part = data.subarray(done, done + PIECE_BYTES - this.filled);
      this.piece.set(part, PIECE_HEADER_BYTES + this.filled);
      this.filled += part.length;
      done += part.length;
      if (this.filled === PIECE_BYTES) this.putPiece(0);
    }
    this.dataBytes += data.length;
  }

  /** Writes what ends the file. */
  private end(): void {
    if (this.filled > 0) this.putPiece(0);
    new DataView(this.piece.buffer).setBigUint64(PIECE_HEADER_BYTES, BigInt(this.dataBytes), true);
    this.filled = 8;
    this.putPiece(FLAG_LAST);
  }

  /** Flushes the file and gives it its name, durably. */
  publish(): void {
    this.end();
    this.file.sync();
    this.rename();
  }

  /** Ends the file and flushes it, without blocking. {@link SnapshotWriter.rename} then gives it its name. */
  async flushAsync(): Promise<void> {
    this.end();
    this.isFlushing = true;
    try {
      await this.file.syncAsync();
    } finally {
      this.isFlushing = false;
      // A caller that gave up meanwhile could not close the file during the flush.
      if (!this.isOpen) this.file.close();
    }
  }

  /** Gives the file its name, durably. All of it must have been flushed. */
  rename(): void {
    this.closeFile();
    this.fileSystem.rename(this.temporary, `${this.folder}/${snapshotName(this.index, this.term)}`);
    this.isNamed = true;
    this.fileSystem.syncDirectory(this.folder);
  }

  /** Gives the snapshot up, and removes the temporary file. */
  abort(): void {
    this.release();
    if (!this.isNamed) this.fileSystem.remove(this.temporary);
  }

  /** Gives the snapshot up after a failure. The next opening removes the temporary file. */
  release(): void {
    if (this.isOpen) this.closeFile();
  }

  private closeFile(): void {
    this.isOpen = false;
    if (!this.isFlushing) this.file.close();
  }
}

/** Reads one snapshot, piece by piece. */
export class SnapshotReader {
  /** What the snapshot is of. */
  readonly meta: Required<Omit<Snapshot, "data">>;
  /** How many bytes of data it has. */
  readonly dataBytes: number;
  private readonly codec: Codec;
  private readonly path: string;
  private readonly file: SizedFile;
  private readonly salt: bigint;
  private readonly piecesAt: number;

  /**
   * Opens a snapshot and reads what it is of.
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
      this.dataBytes = Number(new DataView(last.data.buffer).getBigUint64(0, true));
      // Believed before it is allocated.
      if (this.dataBytes > size) throw fail(size, `it says that it has ${this.dataBytes} bytes of data`);
    } catch (error) {
      this.file.close();
      throw ioError("Cannot open the snapshot", this.path, error);
    }
  }

  /** The piece at an offset, `undefined` if it is not valid. */
  private readPiece(offset: number): { data: Uint8Array<ArrayBuffer>; isLast: boolean; next: number } | undefined {
    const header = new Uint8Array(PIECE_HEADER_BYTES);
    if (readFull(this.file, header, offset) < PIECE_HEADER_BYTES) return undefined;
    const view = new DataView(header.buffer);
    const length = view.getUint32(8, true);
    const flags = view.getUint32(12, true);
    if (length > PIECE_BYTES || flags > FLAG_LAST) return undefined;
    const bytes = new Uint8Array(8 + length);
    if (readFull(this.file, bytes, offset + 8) < bytes.length) return undefined;
    if (this.codec.hash(bytes, this.salt ^ BigInt(offset)) !== view.getBigUint64(0, true)) return undefined;
    return {
      data: bytes.slice(8),
      isLast: flags === FLAG_LAST,
      next: offset + PIECE_HEADER_BYTES + Math.ceil(length / 8) * 8,
    };
  }

  /**
   * The data, in pieces, each verified. Closes the file at the end.
   *
   * @throws {WalLogError} `CORRUPT` at a damaged piece.
   */
  *pieces(): Generator<Uint8Array<ArrayBuffer>, void> {
    let done = 0;
    try {
      for (let offset = this.piecesAt;;) {
        const piece = this.readPiece(offset);
        const { index, term } = this.meta;
        if (piece === undefined) throw snapshotDamage(this.path, offset, 0, index, term, "checksum mismatch");
        if (piece.isLast) {
          if (done !== this.dataBytes) throw snapshotDamage(this.path, offset, 0, index, term, "pieces are missing");
          return;
        }
        done += piece.data.length;
        if (done > this.dataBytes) throw snapshotDamage(this.path, offset, 0, index, term, "there are too many pieces");
        yield piece.data;
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
