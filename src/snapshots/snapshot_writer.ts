/**
 * Writes snapshot files, in pieces.
 *
 * A snapshot is written under a temporary name, flushed and renamed, and the new name is flushed. Only then does a
 * frame make it part of the log.
 *
 * @module
 */

import type { Index, SnapshotMeta, Term } from "../api/types.ts";
import type { Codec } from "../codec/codec.ts";
import { encodeSnapshotHeader } from "../format/snapshot_header.ts";
import { snapshotName } from "../format/snapshot_name.ts";
import { PIECE_BYTES, PIECE_HEADER_BYTES, sealPiece } from "../format/snapshot_piece.ts";
import type { File, FileSystem } from "../io/file_system.ts";
import { isNoSpace, isOutOfFiles, writeFull } from "../io/full.ts";
import { temporaryName } from "../io/temporary.ts";

/** Writes one snapshot, piece by piece. */
export class SnapshotWriter {
  /** The last index that the snapshot includes. */
  readonly index: Index;
  private readonly term: Term;
  private readonly fileSystem: FileSystem;
  private readonly folder: string;
  private readonly codec: Codec;
  /** The path of the file before it has its final name. */
  readonly temporary: string;
  private readonly salt: bigint;
  private readonly file: File;
  private readonly piece = new Uint8Array(PIECE_HEADER_BYTES + PIECE_BYTES);
  private filled = 0;
  private position = 0;
  /** Bytes of data written so far. */
  dataBytes = 0;
  /** Whether all data is written. */
  isEnded = false;
  /** Whether the file has its final name. */
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

  private putPiece(isLast: boolean): void {
    const sum = (bytes: Uint8Array, seed: bigint) => this.codec.hash(bytes, seed);
    this.put(sealPiece(this.piece, this.filled, isLast, this.salt ^ BigInt(this.position), sum));
    this.filled = 0;
  }

  /**
   * Adds data.
   *
   * @param data The next bytes of the snapshot.
   */
  write(data: Uint8Array): void {
    for (let done = 0; done < data.length;) {
      // A piece that found no space is still in memory. Write it now.
      if (this.filled === PIECE_BYTES) this.putPiece(false);
      const part = data.subarray(done, done + PIECE_BYTES - this.filled);
      this.piece.set(part, PIECE_HEADER_BYTES + this.filled);
      this.filled += part.length;
      this.dataBytes += part.length;
      done += part.length;
      if (this.filled === PIECE_BYTES) this.putPiece(false);
    }
  }

  /** Writes the last piece. If it finds no space, it can be called again. */
  end(): void {
    if (!this.isEnded) {
      if (this.filled > 0) this.putPiece(false);
      new DataView(this.piece.buffer).setBigUint64(PIECE_HEADER_BYTES, BigInt(this.dataBytes), true);
      this.filled = 8;
      this.isEnded = true;
    }
    if (this.filled > 0) this.putPiece(true);
  }

  /** Flushes everything written so far. */
  sync(): void {
    this.file.sync();
  }

  /** Flushes the file and durably gives it its final name. */
  publish(): void {
    this.end();
    this.sync();
    this.rename();
  }

  /** Ends the file and flushes it without blocking. {@link SnapshotWriter.rename} then gives it its final name. */
  async flushAsync(): Promise<void> {
    this.end();
    this.isFlushing = true;
    try {
      await this.file.syncAsync();
    } finally {
      this.isFlushing = false;
      // A caller that aborted meanwhile could not close the file during the flush.
      if (!this.isOpen) this.file.close();
    }
  }

  /**
   * Durably gives the file its final name. The whole file must already be flushed. If the folder cannot be opened to
   * flush it, takes the name back, and can be called again.
   */
  rename(): void {
    this.release();
    this.fileSystem.rename(this.temporary, `${this.folder}/${snapshotName(this.index, this.term)}`);
    this.isNamed = true;
    try {
      this.fileSystem.syncDirectory(this.folder);
    } catch (error) {
      if (isOutOfFiles(error)) this.unname();
      throw error;
    }
  }

  /** Takes the final name back. No frame may name the file yet. {@link SnapshotWriter.rename} can follow. */
  unname(): void {
    this.fileSystem.rename(`${this.folder}/${snapshotName(this.index, this.term)}`, this.temporary);
    this.isNamed = false;
  }

  /** Abandons the snapshot, and removes the temporary file. */
  abort(): void {
    this.release();
    if (!this.isNamed) this.fileSystem.remove(this.temporary);
  }

  /** Abandons the snapshot after a failure. The next opening removes the temporary file. */
  release(): void {
    if (this.isOpen) this.closeFile();
  }

  private closeFile(): void {
    this.isOpen = false;
    if (!this.isFlushing) this.file.close();
  }
}
