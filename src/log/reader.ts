/**
 * Reads entries: from the write buffer if they were written recently, otherwise from their file. Every read from a file
 * verifies the checksums, because the data may have changed since recovery or an earlier read.
 *
 * @module
 */

import { CHUNK_BYTES, type Codec } from "../codec/codec.ts";
import { WalLogError } from "../api/errors.ts";
import type { Damage } from "../api/report.ts";
import type { FileSystem } from "../io/file_system.ts";
import { errorCode, ioError, readFull } from "../io/full.ts";
import type { Index, LogEntry } from "../api/types.ts";
import { FRAME_HEADER_BYTES, FRAME_PAYLOAD_CHECKSUM, frameBytes, LENGTH_BYTES } from "../format/frame.ts";
import { findGap } from "./find_gap.ts";
import { EntryGatherer, EntryList, type EntrySink } from "./entry_groups.ts";
import { commandBytes, entryIn, frameAt, frameOf, FrameView } from "./frame_view.ts";
import { placeDamage } from "./live.ts";
import type { LogIndex } from "./log_index.ts";
import { OpenFiles } from "./open_files.ts";
import { selectSegment } from "./select_segment.ts";
import { OFFSET_LOST, type Page, type Segment } from "./segment.ts";
import type { SegmentWriter } from "../write/writer.ts";

/** The most to read for a single entry before the length of its frame is known, in bytes. */
export const GUESS_BYTES = 64 * 1024;

/** Reads the entries of a log. */
export class EntryReader {
  /** The files that are open for reading. */
  readonly files: OpenFiles;
  /** Called when a read finds damage. */
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
   * @throws {WalLogError} `DAMAGED_ENTRY` if the entry exists but is damaged; `IO` if the file cannot be read.
   */
  entry(index: Index): LogEntry {
    const segment = this.index.locate(index);
    if (segment === undefined) throw describeLoss(index, undefined, undefined);
    const page = this.pageOf(segment, index);
    if (page.offset === OFFSET_LOST) {
      for (const damage of segment.damageAt(index)) this.onDamage(placeDamage(segment, damage));
      throw describeLoss(index, segment, undefined);
    }
    return this.writtenEntry(segment, page, index) ?? this.readOne(segment, page, index);
  }

  /**
   * Reads entries in order.
   *
   * @param from The first index, of the log and above its snapshot.
   * @param to The last index, inclusive.
   * @param maxBytes The most bytes of commands. The first entry is read even if it is larger.
   * @returns The entries.
   * @throws {WalLogError} As {@link EntryReader.entry}.
   */
  entries(from: Index, to: Index, maxBytes: number): LogEntry[] {
    const list = new EntryList();
    const error = this.readUpTo(from, to, maxBytes, list);
    if (error !== undefined) throw error.reason;
    return list.entries;
  }

  /**
   * Reads entries in order, for a caller that asks for the rest later. Returns the entries before a damaged one; fails
   * only if the first entry is damaged.
   *
   * @param from The first index, of the log and above its snapshot.
   * @param to The last index, inclusive.
   * @param maxBytes As {@link EntryReader.entries}.
   * @returns The entries, at least one.
   * @throws {WalLogError} As {@link EntryReader.entry}.
   */
  entriesAhead(from: Index, to: Index, maxBytes: number): LogEntry[] {
    const list = new EntryList();
    this.readAhead(from, to, maxBytes, list);
    return list.entries;
  }

  /**
   * As {@link EntryReader.entriesAhead}, but passes the entries on in groups.
   *
   * @param from The first index, of the log and above its snapshot.
   * @param to The last index, inclusive.
   * @param maxBytes As {@link EntryReader.entries}.
   * @param sink Receives at least one entry.
   * @throws {WalLogError} As {@link EntryReader.entry}.
   */
  readAhead(from: Index, to: Index, maxBytes: number, sink: EntrySink): void {
    const error = this.readUpTo(from, to, maxBytes, sink);
    if (error?.index === from) throw error.reason;
  }

  /** Reads entries up to the first one that cannot be read. Returns the reason, and which one it is. */
  private readUpTo(
    from: Index,
    to: Index,
    maxBytes: number,
    sink: EntrySink,
  ): { readonly index: Index; readonly reason: unknown } | undefined {
    let room = maxBytes;
    for (let index = from; index <= to;) {
      const before = index;
      const segment = this.index.locate(index);
      if (segment !== undefined) {
        const taken = this.readChunk(segment, index, Math.min(to, segment.end - 1), index > from, room, sink);
        room -= taken.bytes;
        index = taken.next;
        if (taken.isFull) return;
      }
      if (index > before) continue;
      // A frame that does not fit a chunk, or is damaged, is left to the read of a single entry.
      let entry: LogEntry;
      try {
        entry = this.entry(index);
      } catch (reason) {
        return { index, reason };
      }
      room -= entry.command.length;
      if (room < 0 && index > from) return;
      sink.addEntry(entry);
      index++;
    }
  }

  /**
   * An entry in the write buffer; `undefined` if it is not there. Its frame needs no check, because this process built
   * it.
   */
  private writtenEntry(segment: Segment, page: Page, index: Index): LogEntry | undefined {
    const buffer = this.writer?.segment === segment ? this.writer.written : undefined;
    const begin = buffer?.addressOf(page.offset);
    if (buffer === undefined || begin === undefined) return undefined;
    const address = frameOf(buffer.codec, begin, begin + page.endOffset - page.offset, index);
    return address === undefined ? undefined : entryIn(buffer.codec, frameAt(buffer.codec, address), index);
  }

  /**
   * Reads as many entries as fit the write buffer or one chunk of their file.
   *
   * @returns The next index, the bytes of the commands, and whether the next command would exceed `room`.
   */
  private readChunk(
    segment: Segment,
    from: Index,
    to: Index,
    isLimited: boolean,
    room: number,
    sink: EntrySink,
  ): { readonly next: Index; readonly bytes: number; readonly isFull: boolean } {
    const { offset: start } = this.pageOf(segment, from);
    if (start === OFFSET_LOST) return { next: from, bytes: 0, isFull: false };
    // The frames in the write buffer always reach to the end of the log.
    const buffer = this.writer?.segment === segment ? this.writer.written : undefined;
    const written = buffer?.addressOf(start);
    const codec = buffer !== undefined && written !== undefined ? buffer.codec : this.codec;
    let filled = segment.endOffset - start;
    if (written === undefined) {
      const most = Math.min(this.pageOf(segment, to).endOffset - start, CHUNK_BYTES);
      const want = Math.min(most, Math.max(room * 1.25, GUESS_BYTES));
      filled = this.read(segment, codec.chunk.subarray(0, want), start);
      selectSegment(codec, segment.header);
    }
    const lsn = segment.header.baseLsn + start;
    const begin = written ?? codec.chunkAt;
    const isValid = (at: number) =>
      written !== undefined || codec.wasm.checkFrame(begin + at, filled - at, lsn + at) === 0;
    const gatherer = new EntryGatherer(codec, sink);
    const table = segment.pageTable();
    const frame = new FrameView();
    let next = from;
    let bytes = 0;
    let isFull = false;
    pages: for (let page = segment.pageBelow(from) * 2; page < table.length && next <= to; page += 2) {
      const end = Math.min(table[page + 2] ?? segment.end, to + 1);
      const offset = table[page + 1]!;
      for (let at = offset - start; next < end;) {
        if (offset === OFFSET_LOST || at + FRAME_HEADER_BYTES > filled || !isValid(at)) break pages;
        frame.moveTo(codec, begin + at);
        at += frameBytes(frame.length);
        if (!frame.isEntries || frame.first + frame.entries <= next) continue;
        if (frame.first > next) break pages;
        let nth = 0;
        let address = frame.commands;
        for (; nth < next - frame.first; nth++) address += commandBytes(codec, frame, nth);
        for (const behind = Math.min(frame.first + frame.entries, end); next < behind; nth++, next++) {
          const length = commandBytes(codec, frame, nth);
          isFull = bytes + length > room && (isLimited || next > from);
          if (isFull) break pages;
          bytes += length;
          gatherer.add(frame, next, address, length);
          address += length;
        }
      }
    }
    gatherer.flush();
    return { next, bytes, isFull };
  }

  /** Reads one entry from its file. */
  private readOne(segment: Segment, page: Page, index: Index): LogEntry {
    const { codec } = this;
    const { wasm, chunkAt } = codec;
    const { baseLsn } = segment.header;
    selectSegment(codec, segment.header);
    for (let at = page.offset;;) {
      const filled = this.read(segment, codec.chunk.subarray(0, Math.min(page.endOffset - at, GUESS_BYTES)), at);
      const found = wasm.find(chunkAt, filled, baseLsn + at, index);
      const offset = at + found;
      if (found + FRAME_HEADER_BYTES <= filled) {
        const frame = frameAt(codec, chunkAt + found);
        const total = frameBytes(frame.length);
        if (offset + total > page.endOffset) throw this.damagedFrame(segment, frame, offset, index);
        if (total > CHUNK_BYTES) return this.readLarge(segment, frame, offset, index);
        const isWhole = found + total <= filled;
        const had = isWhole ? filled - found : this.read(segment, codec.chunk.subarray(0, total), offset);
        const address = isWhole ? frame.address : chunkAt;
        if (wasm.checkFrame(address, had, baseLsn + offset) !== 0) {
          throw this.damagedFrame(segment, frame, offset, index);
        }
        return entryIn(codec, isWhole ? frame : frameAt(codec, address), index);
      }
      if (filled < FRAME_HEADER_BYTES || offset >= page.endOffset) break;
      at = offset;
    }
    const gap = findGap(codec, (into, offset) => this.read(segment, into, offset), segment, page, index);
    this.onDamage(placeDamage(segment, gap));
    throw describeLoss(index, segment, gap.offset);
  }

  /** Reads an entry of a frame that is larger than a chunk. The frame's header is valid. */
  private readLarge(segment: Segment, frame: FrameView, offset: number, index: Index): LogEntry {
    const { codec } = this;
    const header = codec.bytes.slice(frame.address, frame.address + FRAME_HEADER_BYTES);
    // Check before allocating memory for it.
    if (offset + frameBytes(frame.length) > this.files.get(segment.path).size()) {
      throw this.damagedFrame(segment, frame, offset, index);
    }
    const payload = new Uint8Array(frame.length);
    const count = this.read(segment, payload, offset + FRAME_HEADER_BYTES);
    const sum = new DataView(header.buffer).getBigUint64(FRAME_PAYLOAD_CHECKSUM, true);
    if (count < payload.length || codec.hash(payload, 0n) !== sum) {
      throw this.damagedFrame(segment, frame, offset, index);
    }
    const { term, kind } = frame;
    const command = frame.table === 0 ? payload : cutCommand(payload, frame.entries, index - frame.first);
    if (command === undefined) throw this.damagedFrame(segment, frame, offset, index);
    return { term, index, kind, command };
  }

  /** Reads bytes of a segment; returns how many it read. */
  read(segment: Segment, into: Uint8Array, offset: number): number {
    try {
      return readFull(this.files.get(segment.path), into, offset);
    } catch (error) {
      throw this.unreadable(segment, `Cannot read byte ${offset}`, error);
    }
  }

  /** The page of an entry. Reads the segment index from the file if that has not happened yet. */
  pageOf(segment: Segment, index: Index): Page {
    try {
      return segment.pageOf(index);
    } catch (error) {
      throw this.unreadable(segment, "Cannot read the segment index", error);
    }
  }

  /** The error for an entry whose frame has a valid header and a damaged payload. Reports the damage to the log. */
  private damagedFrame(segment: Segment, frame: FrameView, offset: number, index: Index): WalLogError {
    this.onDamage(placeDamage(segment, {
      kind: "entries",
      path: segment.path,
      offset,
      bytes: Math.min(frameBytes(frame.length), segment.endOffset - offset),
      firstIndex: frame.first,
      lastIndex: frame.first + frame.entries - 1,
      term: frame.term,
      reason: "found while reading",
    }));
    return describeLoss(index, segment, offset);
  }

  private unreadable({ path }: Segment, attempt: string, error: unknown): WalLogError {
    if (this.writer === undefined && errorCode(error) === "ENOENT") return goneFromReader(path, error);
    return ioError(attempt, path, error);
  }
}

/** A command from a payload with a table; `undefined` if the table does not fit the payload. */
function cutCommand(
  payload: Uint8Array<ArrayBuffer>,
  entries: number,
  nth: number,
): Uint8Array<ArrayBuffer> | undefined {
  const table = entries * LENGTH_BYTES;
  if (table > payload.length) return undefined;
  const lengths = new Uint32Array(payload.buffer, 0, entries);
  const at = lengths.subarray(0, nth).reduce((sum, length) => sum + length, table);
  return at + lengths[nth]! <= payload.length ? payload.slice(at, at + lengths[nth]!) : undefined;
}

/**
 * The error of a log that is opened for reading only, after its writer has deleted a file.
 *
 * @param path The file.
 * @param cause The error of the file system.
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
    : offset === undefined
    ? `it is missing from ${segment.path}`
    : `its frame at byte ${offset} of ${segment.path} is damaged`;
  return new WalLogError(
    "DAMAGED_ENTRY",
    `Cannot read the entry at index ${index}: ${where}; fetch it from a peer and repair the log`,
    { path: segment?.path, offset },
  );
}
