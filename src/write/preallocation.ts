/**
 * Preallocation: writes zeros ahead of the frames. The following flush makes them durable.
 *
 * @module
 */

import type { File } from "../io/file_system.ts";
import { isNoSpace, writeFull } from "../io/full.ts";

/**
 * With zeros ahead of the frames, a flush does not have to write a new file size. The amount begins small, so that a
 * small log stays a small file. It doubles up to 4 MiB, where the cost per commit is negligible.
 */
const ZERO_AHEAD_BYTES_MIN = 256 * 1024;
const ZERO_AHEAD_BYTES_MAX = 4 * 1024 * 1024;
/**
 * Zeros are written in pieces of this size, in bytes. Linux caches a large write as one large folio. Each small write
 * into it later costs as much as writing all its blocks: single appends were half as fast.
 */
const ZERO_PIECE_BYTES = 64 * 1024;
/** With more than this many bytes per flush, the data itself dominates the cost, and zeros would double it. */
const ZERO_AHEAD_BATCH_MAX = 512 * 1024;

let zeros: Uint8Array | undefined;

/** Writes zeros after the frames of a segment. */
export class Preallocation {
  /** Offset up to which the file is known to hold zeros. */
  private zeroedTo: number;
  private ahead = ZERO_AHEAD_BYTES_MIN;

  /** @param end Offset after the last frame. */
  constructor(end: number) {
    this.zeroedTo = end;
  }

  /** Records that the file now ends at an offset, without zeros after it. */
  restart(end: number): void {
    this.zeroedTo = end;
  }

  /**
   * Writes zeros if that makes flushes cheaper.
   *
   * @param file The segment's file.
   * @param end Offset after the last frame.
   * @param batch The number of bytes that the flush will cover.
   * @param limit Offset after which no frame will lie.
   */
  lay(file: File, end: number, batch: number, limit: number): void {
    if (batch > ZERO_AHEAD_BATCH_MAX || this.zeroedTo - end > batch) return;
    const from = Math.max(this.zeroedTo, end);
    const to = Math.min(from + this.ahead, limit);
    if (to <= from) return;
    zeros ??= new Uint8Array(ZERO_PIECE_BYTES);
    try {
      for (let at = from; at < to; at += zeros.length) writeFull(file, zeros.subarray(0, to - at), at);
      this.zeroedTo = to;
      this.ahead = Math.min(this.ahead * 2, ZERO_AHEAD_BYTES_MAX);
    } catch (error) {
      // Zeros only save time. On a full disk, the log does without them.
      if (!isNoSpace(error)) throw error;
      this.ahead = 0;
    }
  }
}
