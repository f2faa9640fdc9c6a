/**
 * Entries frames as they lie in the codec's memory, valid.
 *
 * @module
 */

import type { Codec } from "../codec/codec.ts";
import type { EntryKind, Index, LogEntry, Term } from "../api/types.ts";
import {
  COUNT_SHIFT,
  FLAG_CONFIG,
  FLAGS_SHIFT,
  FRAME_HEADER_BYTES,
  FRAME_INDEX,
  FRAME_KIND,
  FRAME_LENGTH,
  FRAME_TERM,
  KIND_ENTRIES,
  KIND_MASK,
  LENGTH_BYTES,
} from "../format/frame.ts";

/** A frame in memory. */
export interface FrameView {
  /** Its address. */
  readonly address: number;
  /** Bytes of its payload. */
  readonly length: number;
  /** Whether it is an entries frame. The rest is meaningless if not. */
  readonly isEntries: boolean;
  /** Index of the first entry. */
  readonly first: Index;
  /** How many entries it holds. */
  readonly entries: number;
  readonly term: Term;
  readonly kind: EntryKind;
  /** Address of the table of lengths; 0 if there is none, because the payload is the one command. */
  readonly table: number;
  /** Address of the first command. */
  readonly commands: number;
}

/**
 * Reads the header of a frame.
 *
 * @param codec The codec in whose memory it lies.
 * @param address Its address. The header is valid.
 * @returns The frame.
 */
export function frameAt({ words }: Codec, address: number): FrameView {
  const word = address >>> 2;
  const kinds = words[word + FRAME_KIND / 4]!;
  const count = kinds >>> COUNT_SHIFT;
  const entries = count === 0 ? 1 : count;
  const payload = address + FRAME_HEADER_BYTES;
  return {
    address,
    length: words[word + FRAME_LENGTH / 4]!,
    isEntries: (kinds & KIND_MASK) === KIND_ENTRIES,
    first: words[word + FRAME_INDEX / 4]! + words[word + FRAME_INDEX / 4 + 1]! * 2 ** 32,
    entries,
    term: words[word + FRAME_TERM / 4]! + words[word + FRAME_TERM / 4 + 1]! * 2 ** 32,
    kind: (kinds >>> FLAGS_SHIFT & FLAG_CONFIG) === 0 ? "normal" : "config",
    table: count === 1 ? 0 : payload,
    commands: count === 1 ? payload : payload + entries * LENGTH_BYTES,
  };
}

/**
 * Bytes of a command.
 *
 * @param codec The codec in whose memory the frame lies.
 * @param frame The frame.
 * @param nth Which of its entries, from 0 on.
 */
export function commandBytes({ words }: Codec, frame: FrameView, nth: number): number {
  return frame.table === 0 ? frame.length : words[frame.table / LENGTH_BYTES + nth]!;
}

/**
 * Reads one entry of a frame.
 *
 * @param codec The codec in whose memory the frame lies.
 * @param frame The frame.
 * @param index Index of the entry, one that the frame holds.
 * @returns The entry, with a copy of its command.
 */
export function entryIn(codec: Codec, frame: FrameView, index: Index): LogEntry {
  const nth = index - frame.first;
  let at = frame.commands;
  for (let i = 0; i < nth; i++) at += commandBytes(codec, frame, i);
  const command = codec.bytes.slice(at, at + commandBytes(codec, frame, nth));
  return { term: frame.term, index, kind: frame.kind, command };
}

/**
 * Commands that are read together share a buffer, because one buffer per command would cost more than the rest of
 * reading. A caller who keeps one command keeps the whole buffer. Its size is at most this many bytes, and at most
 * {@link SHARED_FACTOR} times its smallest command.
 */
const SHARED_BYTES = 4096;
/** Smaller factors read noticeably slower: each buffer costs a runtime one to two microseconds. */
const SHARED_FACTOR = 16;

/** Gathers entries that are read in order. */
export class EntryGatherer {
  private readonly codec: Codec;
  private readonly found: LogEntry[];
  /** The entries that are to share a buffer: their frame, address and length in turn. */
  private frames: FrameView[] = [];
  private indexes: Index[] = [];
  private places: number[] = [];
  private smallest = Infinity;

  /**
   * @param codec The codec in whose memory the frames lie.
   * @param found Where the entries go.
   */
  constructor(codec: Codec, found: LogEntry[]) {
    this.codec = codec;
    this.found = found;
  }

  /** Adds an entry whose command lies behind that of the one before. */
  add(frame: FrameView, index: Index, address: number, length: number): void {
    const smallest = Math.min(this.smallest, length);
    if (this.places.length > 0 && address + length - this.places[0]! > SHARED_BYTES + SHARED_FACTOR * smallest) {
      this.flush();
    }
    this.smallest = Math.min(this.smallest, length);
    this.frames.push(frame);
    this.indexes.push(index);
    this.places.push(address, length);
  }

  /** Copies the commands that have been added out of the codec's memory. */
  flush(): void {
    const { frames, indexes, places, found } = this;
    if (frames.length === 0) return;
    const begin = places[0]!;
    const shared = this.codec.bytes.slice(begin, places.at(-2)! + places.at(-1)!);
    frames.forEach(({ term, kind }, i) => {
      const at = places[i * 2]! - begin;
      const command = frames.length === 1 ? shared : shared.subarray(at, at + places[i * 2 + 1]!);
      found.push({ term, index: indexes[i]!, kind, command });
    });
    frames.length = indexes.length = places.length = 0;
    this.smallest = Infinity;
  }
}
