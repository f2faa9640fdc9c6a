/**
 * Reading entries back: from the writer's window if they were written lately, from their file otherwise, and with
 * every checksum verified, because what recovery or an earlier read saw may not be what the disk holds today.
 *
 * @module
 */

import { CHUNK_BYTES, type Codec } from "../codec/codec.ts";
import { WalLogError } from "../errors.ts";
import type { FileSystem } from "../storage/file_system.ts";
import { errorCode, ioError, readFull } from "../storage/full.ts";
import type { Index, LogEntry } from "../types.ts";
import {
  FLAG_CONFIG,
  FRAME_FLAGS,
  FRAME_HEADER_BYTES,
  FRAME_INDEX,
  FRAME_KIND,
  FRAME_LENGTH,
  FRAME_PAYLOAD_SUM,
  FRAME_TERM,
  frameBytes,
  KIND_ENTRY,
} from "./format.ts";
import type { LogIndex } from "./index.ts";
import { OpenFiles } from "./open_files.ts";
import { selectSegment } from "./replay.ts";
import { OFFSET_LOST, type Segment } from "./segment.ts";
import type { SegmentWriter } from "./writer.ts";

/** What one look at a single entry reads at most before its length is known. */
const GUESS_BYTES = 64 * 1024;

/** Reads the entries of a log. */
export class EntryReader {
  /** The files that are open for reading. */
  readonly files: OpenFiles;
  private readonly codec: Codec;
  private readonly index: LogIndex;
  private readonly writer: SegmentWriter | undefined;

  constructor(fileSystem: FileSystem, codec: Codec, index: LogIndex, writer: SegmentWriter | undefined) {
    this.files = new OpenFiles(fileSystem);
    this.codec = codec;
    this.index = index;
    this.writer = writer;
  }

  /**
   * Reads one entry.
   *
   * @param index An index of the log above its snapshot.
   * @returns The entry, with a copy of its command.
   * @throws {WalLogError} `DAMAGED_ENTRY` if it is there and cannot be read; `IO` if the file cannot be.
   */
  entry(index: Index): LogEntry {
    const segment = this.index.locate(index);
    const offset = segment === undefined ? undefined : this.offsetOf(segment, index);
    if (segment === undefined || offset === undefined || offset === OFFSET_LOST) throw damaged(index, segment, offset);
    if (this.writer?.segment === segment) {
      const address = this.writer.addressOf(offset);
      if (address !== undefined) return this.decode(address, index);
    }
    return this.readOne(segment, index, offset);
  }

  /**
   * Reads entries in order.
   *
   * @param from The first index, of the log and above its snapshot.
   * @param to The last index, inclusive.
   * @param maxBytes A bound on the bytes of their commands; the first entry is read whatever it has.
   * @returns The entries.
   * @throws {WalLogError} As {@link EntryReader.entry}.
   */
  entries(from: Index, to: Index, maxBytes: number): LogEntry[] {
    const found: LogEntry[] = [];
    let bytes = 0;
    for (let index = from; index <= to;) {
      const before = found.length;
      const segment = this.index.locate(index);
      if (segment !== undefined && this.writer?.segment !== segment) {
        const last = Math.min(to, segment.firstIndex + segment.count - 1);
        bytes = this.readChunk(segment, index, last, maxBytes - bytes, found) + bytes;
        index += found.length - before;
        if (bytes >= maxBytes && index <= to && found.length > before) return this.bounded(found, maxBytes);
      }
      if (found.length === before) {
        const entry = this.entry(index);
        bytes += entry.command.length;
        if (bytes > maxBytes && found.length > 0) return found;
        found.push(entry);
        index++;
      }
    }
    return this.bounded(found, maxBytes);
  }

  /** Drops what exceeds a bound, but for the first. */
  private bounded(found: LogEntry[], maxBytes: number): LogEntry[] {
    let bytes = 0;
    const end = found.findIndex(({ command }, i) => (bytes += command.length) > maxBytes && i > 0);
    return end < 0 ? found : found.slice(0, end);
  }

  /** Reads as many entries as one chunk of their file holds; returns the bytes of their commands. */
  private readChunk(segment: Segment, from: Index, to: Index, maxBytes: number, found: LogEntry[]): number {
    const { codec } = this;
    const start = this.offsetOf(segment, from);
    if (start === OFFSET_LOST) return 0;
    const most = Math.min(segment.boundAfter(to) - start, CHUNK_BYTES);
    const want = Math.min(most, maxBytes === Infinity ? most : Math.max(maxBytes * 2, GUESS_BYTES));
    const filled = this.read(segment, codec.chunk.subarray(0, want), start);
    selectSegment(codec, segment.header);
    const lsn = segment.header.baseLsn;
    let bytes = 0;
    for (let index = from; index <= to && bytes < maxBytes; index++) {
      const offset = segment.offsetOf(index);
      const at = offset - start;
      if (offset === OFFSET_LOST || at + FRAME_HEADER_BYTES > filled) break;
      // A frame that the chunk does not hold whole, and one that is damaged, are for the single read to deal with.
      if (codec.wasm.checkFrame(codec.chunkAt + at, filled - at, lsn + offset) !== 0) break;
      const entry = this.decode(codec.chunkAt + at, index);
      bytes += entry.command.length;
      found.push(entry);
    }
    return bytes;
  }

  /** Reads one entry from its file. */
  private readOne(segment: Segment, index: Index, offset: number): LogEntry {
    const { codec } = this;
    const bound = segment.boundAfter(index) - offset;
    const lsn = segment.header.baseLsn + offset;
    let filled = this.read(segment, codec.chunk.subarray(0, Math.min(bound, GUESS_BYTES)), offset);
    selectSegment(codec, segment.header);
    if (filled < FRAME_HEADER_BYTES || codec.wasm.checkHeader(codec.chunkAt, lsn) !== 0) {
      throw damaged(index, segment, offset);
    }
    const total = frameBytes(codec.words[(codec.chunkAt + FRAME_LENGTH) >>> 2]!);
    if (total > CHUNK_BYTES) return this.readLarge(segment, index, offset);
    if (total > filled) filled = this.read(segment, codec.chunk.subarray(0, total), offset);
    if (codec.wasm.checkFrame(codec.chunkAt, filled, lsn) !== 0) throw damaged(index, segment, offset);
    return this.decode(codec.chunkAt, index, segment, offset);
  }

  /** Reads an entry that exceeds a chunk. Its header is in the chunk, and valid. */
  private readLarge(segment: Segment, index: Index, offset: number): LogEntry {
    const { codec } = this;
    const header = codec.chunk.slice(0, FRAME_HEADER_BYTES);
    const view = new DataView(header.buffer);
    const command = new Uint8Array(view.getUint32(FRAME_LENGTH, true));
    const count = this.read(segment, command, offset + FRAME_HEADER_BYTES);
    if (count < command.length || codec.hash(command, 0n) !== view.getBigUint64(FRAME_PAYLOAD_SUM, true)) {
      throw damaged(index, segment, offset);
    }
    codec.chunk.set(header);
    return { ...this.decode(codec.chunkAt, index, segment, offset, false), command };
  }

  private read(segment: Segment, into: Uint8Array, offset: number): number {
    try {
      return readFull(this.files.get(segment.path), into, offset);
    } catch (error) {
      throw this.unreadable(segment, `Cannot read byte ${offset}`, error);
    }
  }

  /** Where an entry lies, which takes a look at the file if its footer was not read yet. */
  private offsetOf(segment: Segment, index: Index): number {
    try {
      return segment.offsetOf(index);
    } catch (error) {
      throw this.unreadable(segment, "Cannot read the footer", error);
    }
  }

  private unreadable({ path }: Segment, attempt: string, error: unknown): WalLogError {
    if (this.writer === undefined && errorCode(error) === "ENOENT") return goneFromReader(path, error);
    return ioError(attempt, path, error);
  }

  /** The entry whose valid frame lies at an address. */
  private decode(address: number, index: Index, segment?: Segment, offset?: number, copy = true): LogEntry {
    const { words, bytes } = this.codec;
    const word = address >>> 2;
    const found = words[word + FRAME_INDEX / 4]! + words[word + FRAME_INDEX / 4 + 1]! * 2 ** 32;
    if (found !== index || bytes[address + FRAME_KIND] !== KIND_ENTRY) throw damaged(index, segment, offset);
    const begin = address + FRAME_HEADER_BYTES;
    return {
      term: words[word + FRAME_TERM / 4]! + words[word + FRAME_TERM / 4 + 1]! * 2 ** 32,
      index,
      kind: (bytes[address + FRAME_FLAGS]! & FLAG_CONFIG) === 0 ? "normal" : "config",
      command: copy ? bytes.slice(begin, begin + words[word + FRAME_LENGTH / 4]!) : bytes.subarray(0, 0),
    };
  }
}

/**
 * The error of a log opened for reading only, of which the writer has deleted a file in the meantime.
 *
 * @param path The file.
 * @param cause How that showed.
 * @returns The error to throw.
 */
export function goneFromReader(path: string, cause: unknown): WalLogError {
  return new WalLogError(
    "COMPACTED",
    `Cannot read ${path}: the log's writer has deleted it, because a later snapshot replaces it; open the log again`,
    { path, cause },
  );
}

function damaged(index: Index, segment: Segment | undefined, offset: number | undefined): WalLogError {
  const where = segment === undefined
    ? "no segment holds it"
    : offset === undefined || offset === OFFSET_LOST
    ? `it is lost from ${segment.path}`
    : `its frame at byte ${offset} of ${segment.path} is damaged`;
  return new WalLogError(
    "DAMAGED_ENTRY",
    `Cannot read the entry at index ${index}: it was written and ${where}; fetch it from a peer and repair the log`,
    { path: segment?.path, offset },
  );
}
