/**
 * Entries that are read in order, and come in groups. The commands of a group share memory, because memory for each
 * command would cost more than the rest of the read.
 *
 * @module
 */

import type { Codec } from "../codec/codec.ts";
import type { EntryKind, Index, LogEntry, Term } from "../api/types.ts";
import type { FrameView } from "./frame_view.ts";

/** Consecutive entries of one term and kind. */
export interface EntryGroup {
  /** Index of the first entry. */
  readonly first: Index;
  /** Term of all entries. */
  readonly term: Term;
  /** Kind of all entries. */
  readonly kind: EntryKind;
  /** Memory with the commands, valid until the next read. The bytes between two commands have no meaning. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The beginning and the end of each command in the memory, alternating. */
  readonly places: readonly number[];
}

/** Receives entries that are read in order. */
export interface EntrySink {
  /** The most bytes of a group's memory, plus {@link EntrySink.sharedFactor} times its smallest command. */
  readonly sharedBytes: number;
  /** See {@link EntrySink.sharedBytes}. */
  readonly sharedFactor: number;
  /** Receives a group. */
  addGroup(group: EntryGroup): void;
  /** Receives an entry that was read by itself. */
  addEntry(entry: LogEntry): void;
}

/** Copies entries out of the memory of their groups. The commands of a group share the copy. */
export class EntryList implements EntrySink {
  /** The entries. */
  readonly entries: LogEntry[] = [];
  /** A caller that keeps one command keeps the memory of its group. So that is limited. */
  readonly sharedBytes = 4096;
  /** With smaller factors, reading is noticeably slower: each buffer takes a runtime one to two microseconds. */
  readonly sharedFactor = 16;

  addGroup({ first, term, kind, bytes, places }: EntryGroup): void {
    const shared = bytes.slice();
    const count = places.length / 2;
    for (let nth = 0; nth < count; nth++) {
      const command = count === 1 ? shared : shared.subarray(places[nth * 2], places[nth * 2 + 1]);
      this.entries.push({ term, index: first + nth, kind, command });
    }
  }

  addEntry(entry: LogEntry): void {
    this.entries.push(entry);
  }
}

/** Puts entries of frames into groups. */
export class EntryGatherer {
  private readonly codec: Codec;
  private readonly sink: EntrySink;
  /** The places of the current group. */
  private places: number[] = [];
  /** Address of its first command. */
  private begin = 0;
  private first: Index = 0;
  private term: Term = 0;
  private kind: EntryKind = "normal";
  private smallest = Infinity;

  /**
   * @param codec The codec in whose memory the frames lie.
   * @param sink Receives the groups; the last one when {@link EntryGatherer.flush} is called.
   */
  constructor(codec: Codec, sink: EntrySink) {
    this.codec = codec;
    this.sink = sink;
  }

  /** Adds an entry. Its command must lie after that of the previous entry. */
  add({ term, kind }: FrameView, index: Index, address: number, length: number): void {
    const { sink } = this;
    const room = sink.sharedBytes + sink.sharedFactor * Math.min(this.smallest, length);
    if (address + length - this.begin > room || term !== this.term || kind !== this.kind) this.flush();
    if (this.places.length === 0) {
      this.begin = address;
      this.first = index;
      this.term = term;
      this.kind = kind;
    }
    this.smallest = Math.min(this.smallest, length);
    this.places.push(address - this.begin, address - this.begin + length);
  }

  /** Ends the current group. */
  flush(): void {
    const { first, term, kind, begin, places } = this;
    if (places.length === 0) return;
    const bytes = this.codec.bytes.subarray(begin, begin + places.at(-1)!);
    this.sink.addGroup({ first, term, kind, bytes, places });
    this.places = [];
    this.smallest = Infinity;
  }
}
