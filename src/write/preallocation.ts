/**
 * Preallocation: zeros are laid ahead of the writer, for the flush that follows to make durable.
 *
 * @module
 */

import type { File } from "../io/file_system.ts";
import { isNoSpace, writeFull } from "../io/full.ts";

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

let zeros: Uint8Array | undefined;

/** Lays zeros behind the frames of a segment. */
export class Preallocation {
  /** Offset up to which the file is known to hold zeros. */
  private zeroedTo: number;
  private ahead = ZERO_AHEAD_BYTES_MIN;

  /**
   * @param end Offset behind the last frame.
   */
  constructor(end: number) {
    this.zeroedTo = end;
  }

  /** Notes that the file ends at an offset, with no zeros behind it. */
  restart(end: number): void {
    this.zeroedTo = end;
  }

  /**
   * Lays zeros, where that pays.
   *
   * @param file The segment's file.
   * @param end Offset behind the last frame.
   * @param batch How many bytes the flush will cover.
   * @param limit Offset behind which no frame will lie.
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
      // Zeros are there for speed, and no byte of the log is at stake: on a full disk the log does without them.
      if (!isNoSpace(error)) throw error;
      this.ahead = 0;
    }
  }
}
