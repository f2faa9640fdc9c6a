/**
 * Reading entries back: from the write buffer if they were written lately, from their file otherwise, and with
 * every checksum verified, because what recovery or an earlier read saw may not be what the disk holds today.
 *
 * @module
 */

import { CHUNK_BYTES, type Codec } from "../codec/codec.ts";
import { WalLogError } from "../api/errors.ts";
import type { Damage } from "../api/report.ts";
import type { FileSystem } from "../io/file_system.ts";
import { errorCode, ioError, readFull } from "../io/full.ts";
import type { Index, LogEntry } from "../api/types.ts";
import {
  FLAG_CONFIG,
  FLAGS_SHIFT,
  FRAME_HEADER_BYTES,
  FRAME_INDEX,
  FRAME_KIND,
  FRAME_LENGTH,
  FRAME_PAYLOAD_CHECKSUM,
  FRAME_TERM,
  frameBytes,
  KIND_ENTRY,
  KIND_MASK,
} from "../format/frame.ts";
import type { LogIndex } from "./log_index.ts";
import { OpenFiles } from "./open_files.ts";
import { selectSegment } from "./select_segment.ts";
import { OFFSET_LOST, type Segment } from "./segment.ts";
import type { SegmentWriter } from "../write/writer.ts";

/** What one look at a single entry reads at most before its length is known. */
const GUESS_BYTES = 64 * 1024;
/**
 * Commands that are read together share a buffer, because one buffer per command would cost more than the rest of
 * reading. A caller who keeps one command keeps the whole buffer. Its size is at most this many bytes, and at most
 * {@link SHARED_FACTOR} times its smallest command.
 */
const SHARED_BYTES = 4096;
/** Smaller factors read noticeably slower: each buffer costs a runtime one to two microseconds. */
const SHARED_FACTOR = 16;

/** Reads the entries of a log. */
export class EntryReader {
  /** The files that are open for reading. */
  readonly files: OpenFiles;
  /** Told of a damaged entry that was to be read. */
  onDamage: (damage: Damage) => void = () => {};
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
    if (segment === undefined || offset === undefined || offset === OFFSET_LOST) {
      throw this.damaged(index, segment, offset);
    }
    if (this.writer?.segment === segment) {
      const { written } = this.writer;
      const address = written?.addressOf(offset);
      if (written !== undefined && address !== undefined) return this.decode(written.codec, address, index);
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
    let room = maxBytes;
    for (let index = from; index <= to;) {
      const before = found.length;
      const segment = this.index.locate(index);
      if (segment !== undefined) {
        const last = Math.min(to, segment.firstIndex + segment.count - 1);
        const taken = this.readChunk(segment, index, last, room, found);
        room -= taken.bytes;
        index += found.length - before;
        if (taken.isFull) return found;
      }
      // A frame that no chunk holds whole, and one that is damaged, are for the single read to deal with.
      if (found.length === before) {
        const entry = this.entry(index);
        room -= entry.command.length;
        if (room < 0 && found.length > 0) return found;
        found.push(entry);
        index++;
      }
    }
    return found;
  }

  /**
   * Reads as many entries as the write buffer or one chunk of their file holds.
   *
   * @returns The bytes of their commands, and whether the next one's would be more than there is room for.
   */
  private readChunk(
    segment: Segment,
    from: Index,
    to: Index,
    room: number,
    found: LogEntry[],
  ): { readonly bytes: number; readonly isFull: boolean } {
    const start = this.offsetOf(segment, from);
    if (start === OFFSET_LOST) return { bytes: 0, isFull: false };
    // What the writer has sealed and still holds needs no checking, and reaches to the end of the log.
    const buffer = this.writer?.segment === segment ? this.writer.written : undefined;
    const written = buffer?.addressOf(start);
    const codec = buffer !== undefined && written !== undefined ? buffer.codec : this.codec;
    let filled = 0;
    if (written === undefined) {
      const most = Math.min(segment.boundAfter(to) - start, CHUNK_BYTES);
      const want = Math.min(most, room === Infinity ? most : Math.max(room * 2, GUESS_BYTES));
      filled = this.read(segment, codec.chunk.subarray(0, want), start);
      selectSegment(codec, segment.header);
    }
    const bias = (written ?? codec.chunkAt) - start;
    const lsn = segment.header.baseLsn;
    let bytes = 0;
    let isFull = false;
    let end = from;
    for (; end <= to; end++) {
      const offset = segment.offsetOf(end);
      if (written === undefined) {
        const at = offset - start;
        if (offset === OFFSET_LOST || at + FRAME_HEADER_BYTES > filled) break;
        if (codec.wasm.checkFrame(bias + offset, filled - at, lsn + offset) !== 0) break;
      }
      const length = lengthAt(codec, bias + offset);
      isFull = bytes + length > room && found.length + end - from > 0;
      if (isFull) break;
      bytes += length;
    }
    this.decodeRun(codec, segment, from, end, bias, found);
    return { bytes, isFull };
  }

  /**
   * The entries of valid frames.
   *
   * @param codec The codec in whose memory they lie.
   * @param segment Their segment.
   * @param from The first index.
   * @param end The index behind the last.
   * @param bias What to add to a frame's offset in the file to get its address.
   * @param found Where they go.
   */
  private decodeRun(codec: Codec, segment: Segment, from: Index, end: Index, bias: number, found: LogEntry[]): void {
    for (let next = from; next < end;) {
      const first = next;
      const begin = bias + segment.offsetOf(first) + FRAME_HEADER_BYTES;
      let stop = begin;
      let smallest = Infinity;
      for (; next < end; next++) {
        const address = bias + segment.offsetOf(next);
        const length = lengthAt(codec, address);
        const behind = address + FRAME_HEADER_BYTES + length;
        smallest = Math.min(smallest, length);
        if (next > first && behind - begin > SHARED_BYTES + SHARED_FACTOR * smallest) break;
        stop = behind;
      }
      const shared = codec.bytes.slice(begin, stop);
      for (let index = first; index < next; index++) {
        const address = bias + segment.offsetOf(index);
        const at = address + FRAME_HEADER_BYTES - begin;
        const command = next === first + 1 ? shared : shared.subarray(at, at + lengthAt(codec, address));
        found.push(this.decode(codec, address, index, segment, address - bias, command));
      }
    }
  }

  /** Reads one entry from its file. */
  private readOne(segment: Segment, index: Index, offset: number): LogEntry {
    const { codec } = this;
    const bound = segment.boundAfter(index) - offset;
    const lsn = segment.header.baseLsn + offset;
    let filled = this.read(segment, codec.chunk.subarray(0, Math.min(bound, GUESS_BYTES)), offset);
    selectSegment(codec, segment.header);
    if (filled < FRAME_HEADER_BYTES || codec.wasm.checkHeader(codec.chunkAt, lsn) !== 0) {
      throw this.damaged(index, segment, offset);
    }
    const total = frameBytes(codec.words[(codec.chunkAt + FRAME_LENGTH) >>> 2]!);
    if (total > bound) throw this.damaged(index, segment, offset);
    if (total > CHUNK_BYTES) return this.readLarge(segment, index, offset);
    if (total > filled) filled = this.read(segment, codec.chunk.subarray(0, total), offset);
    if (codec.wasm.checkFrame(codec.chunkAt, filled, lsn) !== 0) throw this.damaged(index, segment, offset);
    return this.decode(codec, codec.chunkAt, index, segment, offset);
  }

  /** Reads an entry that exceeds a chunk. Its header is in the chunk, and valid. */
  private readLarge(segment: Segment, index: Index, offset: number): LogEntry {
    const { codec } = this;
    const header = codec.chunk.slice(0, FRAME_HEADER_BYTES);
    const view = new DataView(header.buffer);
    const length = view.getUint32(FRAME_LENGTH, true);
    // Before room is made for it.
    if (offset + frameBytes(length) > this.files.get(segment.path).size()) throw this.damaged(index, segment, offset);
    const command = new Uint8Array(length);
    const count = this.read(segment, command, offset + FRAME_HEADER_BYTES);
    if (count < command.length || codec.hash(command, 0n) !== view.getBigUint64(FRAME_PAYLOAD_CHECKSUM, true)) {
      throw this.damaged(index, segment, offset);
    }
    codec.chunk.set(header);
    return this.decode(codec, codec.chunkAt, index, segment, offset, command);
  }

  private read(segment: Segment, into: Uint8Array, offset: number): number {
    try {
      return readFull(this.files.get(segment.path), into, offset);
    } catch (error) {
      throw this.unreadable(segment, `Cannot read byte ${offset}`, error);
    }
  }

  /** Where an entry lies, which takes a look at the file if its segment index was not read yet. */
  private offsetOf(segment: Segment, index: Index): number {
    try {
      return segment.offsetOf(index);
    } catch (error) {
      throw this.unreadable(segment, "Cannot read the segment index", error);
    }
  }

  /** The error of a damaged entry. Where it is news that it is, the log is told. */
  private damaged(index: Index, segment: Segment | undefined, offset: number | undefined): WalLogError {
    if (segment !== undefined && offset !== undefined && offset !== OFFSET_LOST) {
      this.onDamage({
        kind: "entry",
        path: segment.path,
        offset,
        bytes: segment.boundAfter(index) - offset,
        firstIndex: index,
        lastIndex: index,
        term: this.index.termAt(index),
        reason: "found when it was read",
      });
    }
    return describeLoss(index, segment, offset);
  }

  private unreadable({ path }: Segment, attempt: string, error: unknown): WalLogError {
    if (this.writer === undefined && errorCode(error) === "ENOENT") return goneFromReader(path, error);
    return ioError(attempt, path, error);
  }

  /** The entry whose valid frame lies at an address, with a copy of its command unless there is one already. */
  private decode(
    { words, bytes }: Codec,
    address: number,
    index: Index,
    segment?: Segment,
    offset?: number,
    command?: Uint8Array<ArrayBuffer>,
  ): LogEntry {
    const word = address >>> 2;
    const found = words[word + FRAME_INDEX / 4]! + words[word + FRAME_INDEX / 4 + 1]! * 2 ** 32;
    const kindAndFlags = bytes[address + FRAME_KIND]!;
    if (found !== index || (kindAndFlags & KIND_MASK) !== KIND_ENTRY) throw this.damaged(index, segment, offset);
    const begin = address + FRAME_HEADER_BYTES;
    return {
      term: words[word + FRAME_TERM / 4]! + words[word + FRAME_TERM / 4 + 1]! * 2 ** 32,
      index,
      kind: (kindAndFlags >> FLAGS_SHIFT & FLAG_CONFIG) === 0 ? "normal" : "config",
      command: command ?? bytes.slice(begin, begin + words[word + FRAME_LENGTH / 4]!),
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

function describeLoss(index: Index, segment: Segment | undefined, offset: number | undefined): WalLogError {
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

/** Bytes of the command whose frame lies at an address. */
function lengthAt({ words }: Codec, address: number): number {
  return words[(address + FRAME_LENGTH) >>> 2]!;
}
