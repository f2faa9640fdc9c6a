/**
 * Reads entries at scattered indexes. Entries near each other in a file are read in one call.
 *
 * @module
 */

import { CHUNK_BYTES, type Codec } from "../codec/codec.ts";
import type { Index, LogEntry } from "../api/types.ts";
import { FRAME_HEADER_BYTES } from "../format/frame.ts";
import { entryIn, frameAt } from "./frame_view.ts";
import type { LogIndex } from "./log_index.ts";
import { type EntryReader, GUESS_BYTES } from "./reader.ts";
import { selectSegment } from "./select_segment.ts";
import { OFFSET_LOST, type Segment } from "./segment.ts";
import type { SegmentWriter } from "../write/writer.ts";

/**
 * Pages with at most this many bytes between them are read together: reading these bytes costs less than another call.
 */
const NEAR_BYTES = 16 * 1024;

/** A stretch of a segment, from `start` on, that is in the chunk. It holds the next `count` wanted entries. */
interface Near {
  readonly segment: Segment | undefined;
  readonly start: number;
  /** 0 if nothing was read. */
  readonly filled: number;
  readonly count: number;
}

/** Reads entries at scattered indexes. */
export class ScatteredReader {
  private readonly reader: EntryReader;
  private readonly codec: Codec;
  private readonly index: LogIndex;
  private readonly writer: SegmentWriter | undefined;

  /**
   * @param reader Reads single entries.
   * @param codec The codec. Nothing else may use it during a call.
   * @param index The positions of the entries.
   * @param writer The writer, whose buffer holds the last entries.
   */
  constructor(reader: EntryReader, codec: Codec, index: LogIndex, writer: SegmentWriter | undefined) {
    this.reader = reader;
    this.codec = codec;
    this.index = index;
    this.writer = writer;
  }

  /**
   * Reads entries at scattered indexes.
   *
   * @param indexes Indexes of the log, above its snapshot, ascending.
   * @param maxBytes A bound on the bytes of their commands; the first entry is read whatever it has.
   * @returns The entries, in the order of the indexes.
   * @throws {WalLogError} As {@link EntryReader.entry}.
   */
  entries(indexes: readonly Index[], maxBytes: number): LogEntry[] {
    const found: LogEntry[] = [];
    let bytes = 0;
    for (let next = 0; next < indexes.length;) {
      const near = this.near(indexes, next, maxBytes - bytes);
      for (let i = 0; i < near.count; i++, next++) {
        const entry = this.entryNear(near, indexes[next]!);
        bytes += entry.command.length;
        if (bytes > maxBytes && found.length > 0) return found;
        found.push(entry);
      }
    }
    return found;
  }

  /** Reads the pages of the next entries that lie near each other, unless they are in the write buffer. */
  private near(indexes: readonly Index[], at: number, room: number): Near {
    const segment = this.index.locate(indexes[at]!);
    const alone: Near = { segment, start: 0, filled: 0, count: 1 };
    if (segment === undefined) return alone;
    const first = this.reader.pageOf(segment, indexes[at]!);
    const { offset: start } = first;
    const buffer = this.writer?.segment === segment ? this.writer.written : undefined;
    if (start === OFFSET_LOST || buffer?.addressOf(start) !== undefined) return alone;
    const most = Math.min(CHUNK_BYTES, Math.max(room * 2, GUESS_BYTES));
    let end = first.endOffset;
    let count = 1;
    for (; at + count < indexes.length && indexes[at + count]! < segment.end; count++) {
      const page = this.reader.pageOf(segment, indexes[at + count]!);
      if (page.offset === OFFSET_LOST || page.offset > end + NEAR_BYTES || page.endOffset - start > most) break;
      end = Math.max(end, page.endOffset);
    }
    if (count === 1) return alone;
    const filled = this.reader.read(segment, this.codec.chunk.subarray(0, end - start), start);
    return { segment, start, filled, count };
  }

  /** One of several entries that were read together. It is read separately if it is incomplete or invalid there. */
  private entryNear({ segment, start, filled }: Near, index: Index): LogEntry {
    const { codec } = this;
    if (segment === undefined || filled === 0) return this.reader.entry(index);
    const { baseLsn } = segment.header;
    const begin = segment.pageOf(index).offset - start;
    selectSegment(codec, segment.header);
    const found = begin + codec.wasm.find(codec.chunkAt + begin, filled - begin, baseLsn + start + begin, index);
    if (found + FRAME_HEADER_BYTES > filled) return this.reread(segment, start, filled, index);
    const address = codec.chunkAt + found;
    if (codec.wasm.checkFrame(address, filled - found, baseLsn + start + found) !== 0) {
      return this.reread(segment, start, filled, index);
    }
    return entryIn(codec, frameAt(codec, address), index);
  }

  /** Reads one entry separately, which overwrites the chunk. Then reads the stretch into the chunk again. */
  private reread(segment: Segment, start: number, filled: number, index: Index): LogEntry {
    const entry = this.reader.entry(index);
    this.reader.read(segment, this.codec.chunk.subarray(0, filled), start);
    return entry;
  }
}
