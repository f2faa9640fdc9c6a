/**
 * Views of valid entries frames in the codec's memory.
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
  frameBytes,
  KIND_ENTRIES,
  KIND_MASK,
  LENGTH_BYTES,
} from "../format/frame.ts";

/** A frame in memory. */
export class FrameView {
  /** Its address. */
  address = 0;
  /** Bytes of its payload. */
  length = 0;
  /** Whether it is an entries frame. If not, the other fields are meaningless. */
  isEntries = false;
  /** Index of the first entry. */
  first: Index = 0;
  /** The number of entries. */
  entries = 0;
  term: Term = 0;
  kind: EntryKind = "normal";
  /** Address of the table of lengths; 0 if there is none, because the payload is a single command. */
  table = 0;
  /** Address of the first command. */
  commands = 0;

  /**
   * Points the view at a frame.
   *
   * @param codec The codec in whose memory it lies.
   * @param address Its address. The header is valid.
   * @returns This view.
   */
  moveTo({ words }: Codec, address: number): this {
    const word = address >>> 2;
    const kinds = words[word + FRAME_KIND / 4]!;
    const count = kinds >>> COUNT_SHIFT;
    const payload = address + FRAME_HEADER_BYTES;
    this.address = address;
    this.length = words[word + FRAME_LENGTH / 4]!;
    this.isEntries = (kinds & KIND_MASK) === KIND_ENTRIES;
    this.first = words[word + FRAME_INDEX / 4]! + words[word + FRAME_INDEX / 4 + 1]! * 2 ** 32;
    this.entries = count === 0 ? 1 : count;
    this.term = words[word + FRAME_TERM / 4]! + words[word + FRAME_TERM / 4 + 1]! * 2 ** 32;
    this.kind = (kinds >>> FLAGS_SHIFT & FLAG_CONFIG) === 0 ? "normal" : "config";
    this.table = count === 1 ? 0 : payload;
    this.commands = count === 1 ? payload : payload + this.entries * LENGTH_BYTES;
    return this;
  }
}

/**
 * Reads the header of a frame.
 *
 * @param codec The codec in whose memory it lies.
 * @param address Its address. The header is valid.
 * @returns The frame.
 */
export function frameAt(codec: Codec, address: number): FrameView {
  return new FrameView().moveTo(codec, address);
}

/**
 * Walks valid frames to the one that holds an entry.
 *
 * @param codec The codec in whose memory they lie.
 * @param begin Address of the first frame.
 * @param end Address after the last.
 * @param index Index of the entry.
 * @returns Address of its frame, or `undefined` if none holds it.
 */
export function frameOf({ words }: Codec, begin: number, end: number, index: Index): number | undefined {
  for (let address = begin; address < end;) {
    const word = address >>> 2;
    const kinds = words[word + FRAME_KIND / 4]!;
    const nth = index - words[word + FRAME_INDEX / 4]! - words[word + FRAME_INDEX / 4 + 1]! * 2 ** 32;
    if ((kinds & KIND_MASK) === KIND_ENTRIES && nth >= 0 && nth < (kinds >>> COUNT_SHIFT)) return address;
    address += frameBytes(words[word + FRAME_LENGTH / 4]!);
  }
  return undefined;
}

/**
 * Bytes of a command.
 *
 * @param codec The codec in whose memory the frame lies.
 * @param frame The frame.
 * @param nth The entry's position in the frame, from 0.
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
