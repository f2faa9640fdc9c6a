/**
 * Replay: from the frames of segments to the index and the state of the log. The scan itself runs in WASM, a chunk
 * at a time; here are the frames that concern more than their own segment, frames larger than a chunk, and what
 * to do where a frame is not valid.
 *
 * @module
 */

import {
  CHUNK_BYTES,
  type Codec,
  SCAN_BAD_HEADER,
  SCAN_BAD_PAYLOAD,
  SCAN_EVENT,
  SCAN_LARGE,
  SCAN_MORE,
  SCAN_OUT_OF_ORDER,
  SCAN_SLOTS,
  SCAN_TABLE_FULL,
  SLOT_BATCH_INDEX,
  SLOT_BATCH_LSN,
  SLOT_CHANGES,
  SLOT_CONSUMED,
  SLOT_ENTRIES_FRAMES,
  SLOT_EVENT,
  SLOT_HARD_STATES,
  SLOT_HARD_TERM,
  SLOT_HARD_VOTE,
  SLOT_HAS_VOTE,
  SLOT_HASH,
  SLOT_LAST_CHECKSUM,
  SLOT_LAST_TERM,
  SLOT_NEXT_INDEX,
  SLOT_PAGE_FROM,
  SLOT_SNAPSHOT_INDEX,
  SLOT_WANTS_CHECKPOINT,
} from "../codec/codec.ts";
import type { Damage, DamageKind } from "../api/report.ts";
import { readFull } from "../io/full.ts";
import type { SizedFile } from "../io/sized_file.ts";
import type { HardState, Index, Term } from "../api/types.ts";
import { type Checkpoint, CHECKPOINT_PAYLOAD_BYTES, lowestDroppedSince } from "../format/checkpoint.ts";
import {
  CHANGES_END,
  changesBefore,
  decodeFrameHeader,
  entriesIn,
  FLAG_CLEAR,
  FLAG_COPY,
  FLAG_MORE,
  FLAG_REPAIRED,
  FRAME_ALIGNMENT,
  FRAME_HEADER_BYTES,
  FRAME_HEADER_CHECKSUM,
  FRAME_PAYLOAD_CHECKSUM,
  frameBytes,
  type FrameHeader,
  indexBehind,
  isReplacement,
  KIND_CHECKPOINT,
  KIND_ENTRIES,
  KIND_HARD_STATE,
  KIND_SEGMENT_INDEX,
  KIND_SNAPSHOT,
  KIND_TRUNCATE,
  LENGTH_BYTES,
} from "../format/frame.ts";
import { SEGMENT_HEADER_BYTES } from "../format/header_block.ts";
import type { SegmentHeader } from "../format/segment_header.ts";
import { TERM_UNKNOWN } from "../format/numbers.ts";
import { decodeState, type LogState } from "../format/state.ts";
import { findCheckpoint, type FoundCheckpoint } from "./evidence.ts";
import { explainGap, type GapContents } from "./gap.ts";
import { LogIndex } from "../log/log_index.ts";
import { selectSegment } from "../log/select_segment.ts";
import type { Scanned } from "./scan_thread.ts";
import type { Segment } from "../log/segment.ts";

const KIND_NAMES: Record<number, DamageKind> = {
  [KIND_ENTRIES]: "entries",
  [KIND_HARD_STATE]: "hard state",
  [KIND_TRUNCATE]: "truncate",
  [KIND_SNAPSHOT]: "snapshot",
  [KIND_CHECKPOINT]: "checkpoint",
  [KIND_SEGMENT_INDEX]: "segment index",
};

/** Damage while its extent in indexes is still being found out. */
export type OpenDamage = { -readonly [K in keyof Damage]: Damage[K] };

/** Where a replay stopped before its limit, and why. */
export interface Stop {
  readonly offset: number;
  readonly reason: string;
  /** The frame's header, if that much is valid. */
  readonly header: FrameHeader | undefined;
}

/** No number of a log: stands for the term of a lost entry, and for the next index while nothing tells it. */
const UNKNOWN_WIDE = 0xffff_ffff_ffff_ffffn;

/** A gap until a frame behind it shows the next index. */
interface Gap {
  readonly places: OpenDamage[];
  readonly wasHardStateLost: boolean;
  /** How many changes it held, as far as counts behind it show. */
  held: number;
  /** How much of that is known: all of it, or the rest modulo {@link CHANGES_END}, or nothing. */
  known: "exact" | "modulo" | "unknown";
  /** The lowest index dropped since before it, if anything shows that. */
  lowestDropped: Index | undefined;
  /** The snapshot at its end, if anything shows that. */
  snapshotIndex: Index | undefined;
}

/** Replays segments in order into a {@link LogIndex}. */
export class Replay {
  /** Where the entries lie. */
  readonly index: LogIndex;
  /** What was found damaged. */
  readonly damage: OpenDamage[] = [];
  /** Bytes read so far. */
  bytesRead = 0;
  /** Offset of a segment index that ended the last replay; `undefined` if none did. */
  indexOffset: number | undefined;
  /** The highest index of a snapshot file in the folder. A snapshot of which there is no file was never installed. */
  newestSnapshot: Index = Infinity;
  /** The state behind a gap, as the frame behind it told; `undefined` if there was no gap. */
  settledState: LogState | undefined;
  /** The lowest index that gaps may have truncated, as the frames behind them told. */
  settledTruncated: number = Infinity;
  /** Whether frames were lost that may have held the latest hard state, and none was set since. */
  get hardStateLost(): boolean {
    return this.lostHardState && this.codec.get(SLOT_HARD_STATES) === 0;
  }
  private lostHardState = false;
  /** Whether a segment's header says that entries behind its next index are lost, and no hard state was set since. */
  get tailLost(): boolean {
    return this.lostTail && this.codec.get(SLOT_HARD_STATES) === 0;
  }
  private lostTail = false;
  /** Whether a truncation or a snapshot was lost, and nothing has told since which snapshot the log has. */
  replacementsLost = false;
  /** Damage of which it is not certain that it held no truncation and no snapshot. */
  readonly doubtful: Set<Damage> = new Set();
  private readonly codec: Codec;
  private gap: Gap | undefined;
  /** The lowest index that the segment being replayed may have truncated. */
  private floor: Index = 1;
  /** The last checkpoint that was sought behind a gap of the segment being replayed. */
  private found: FoundCheckpoint | undefined;

  /**
   * @param codec The codec, which keeps the state of the scan.
   * @param index Where the entries lie that were replayed before.
   */
  constructor(codec: Codec, index: LogIndex = new LogIndex()) {
    this.codec = codec;
    this.index = index;
  }

  /** The latest hard state. */
  get hardState(): HardState {
    const { codec } = this;
    return {
      term: codec.get(SLOT_HARD_TERM),
      votedFor: codec.get(SLOT_HAS_VOTE) === 0 ? null : codec.getWide(SLOT_HARD_VOTE),
    };
  }

  /** The state of the log where the replay stands. */
  get state(): LogState {
    const { nextIndex, lastTerm, snapshotIndex, snapshotTerm } = this.index;
    const { hardState, hardStateLost, tailLost, replacementsLost } = this;
    const changes = this.codec.get(SLOT_CHANGES);
    return {
      nextIndex,
      lastTerm,
      hardState,
      hardStateLost,
      tailLost,
      snapshotIndex,
      snapshotTerm,
      replacementsLost,
      changes,
    };
  }

  /** Offset from which on frames are lost, headers too, up to where the replay stands; `undefined` if none are. */
  get gapOffset(): number | undefined {
    return this.gap?.places[0]?.offset;
  }

  /** Takes over the state that a segment's header vouches for. */
  begin(state: LogState): void {
    const { codec, index } = this;
    index.begin(state);
    const last = state.nextIndex - 1;
    if (last > state.snapshotIndex) {
      const term = index.termAt(last) ?? TERM_UNKNOWN;
      // A lost last entry's term is the one thing about it that the next segment's header repeats; or does not know,
      // though the entry was repaired since.
      if (term === TERM_UNKNOWN && state.lastTerm !== TERM_UNKNOWN) index.runs.push(last, state.lastTerm);
      else if (state.lastTerm === TERM_UNKNOWN) index.lastTerm = term;
    }
    this.setHardState(state.hardState);
    codec.set(SLOT_HARD_STATES, 0);
    codec.set(SLOT_CHANGES, state.changes);
    this.lostHardState = state.hardStateLost;
    this.lostTail = state.tailLost;
    this.replacementsLost = state.replacementsLost;
    this.gap = undefined;
  }

  /**
   * Adds a segment to the log; what is replayed next is its own.
   *
   * @param segment The segment.
   * @param floor The lowest index that it can have truncated, where the next segment's header tells.
   */
  open(segment: Segment, floor: Index = 1): void {
    this.floor = floor;
    this.found = undefined;
    segment.firstIndex = this.index.nextIndex;
    this.index.segments.push(segment);
    this.enter();
  }

  /**
   * Goes on in the newest segment of the index, behind frames that another replay has taken.
   *
   * @param segment The segment.
   * @param state The log's state there.
   */
  resume(segment: Segment, state: LogState): void {
    this.begin(state);
    this.enter();
    this.codec.set(SLOT_LAST_CHECKSUM, segment.lastChecksum);
  }

  private enter(): void {
    this.codec.set(SLOT_LAST_CHECKSUM, 0);
    this.codec.set(SLOT_BATCH_LSN, 0);
  }

  /**
   * Replays frames.
   *
   * @param segment The segment, the last that was opened.
   * @param file Its file.
   * @param from Offset of the first frame.
   * @param limit Offset at which frames end.
   * @returns Where and why it stopped, `undefined` at the limit or at a segment index. Yields after each chunk.
   */
  *run(segment: Segment, file: SizedFile, from: number, limit: number): Generator<void, Stop | undefined> {
    const { codec } = this;
    const { wasm, chunkAt } = codec;
    this.indexOffset = undefined;
    selectSegment(codec, segment.header);
    this.setScanState();
    // The chunk holds the file's bytes from `start` on, `filled` of them; the scan stands at `at` within them.
    let start = from;
    let at = 0;
    let filled = 0;
    let ended = false;
    try {
      for (;;) {
        const room = CHUNK_BYTES - filled;
        const rest = limit - start - filled;
        if (rest > 0 && (room > 0 || at > 0)) {
          codec.chunk.copyWithin(0, at, filled);
          start += at;
          filled -= at;
          at = 0;
          const count = readFull(file, codec.chunk.subarray(filled, filled + rest), start + filled);
          filled += count;
          this.bytesRead += count;
          ended = count === 0;
        }
        let status = SCAN_MORE;
        // Events and full tables are dealt with in place; the chunk is only moved when more bytes are needed.
        for (;;) {
          status = wasm.scan(chunkAt + at, filled - at, CHUNK_BYTES, segment.header.baseLsn + start + at);
          this.drain(segment);
          const scanned = at;
          at += codec.get(SLOT_CONSUMED);
          if (status === SCAN_EVENT) {
            const frame = scanned + codec.get(SLOT_EVENT);
            if (!this.takeEvent(segment, codec.chunk.subarray(frame, at))) {
              this.indexOffset = start + frame;
              segment.endOffset = start + frame;
              return undefined;
            }
          } else if (status === SCAN_OUT_OF_ORDER && this.gap !== undefined) {
            if (!this.reach(segment, decodeFrameHeader(codec.chunk.subarray(at)))) break;
            if (this.gap === undefined) this.settledState ??= this.state;
          } else if (status !== SCAN_TABLE_FULL) break;
        }
        const offset = start + at;
        // Whoever runs meanwhile can read what was taken so far.
        segment.endOffset = offset;
        yield;
        if (status === SCAN_MORE && !ended && start + filled < limit) continue;
        if (status === SCAN_MORE && offset === limit) return undefined;
        const header = filled - at >= FRAME_HEADER_BYTES && status !== SCAN_BAD_HEADER
          ? decodeFrameHeader(codec.chunk.subarray(at))
          : undefined;
        if (status === SCAN_LARGE) {
          if (yield* this.takeLarge(segment, file, offset, limit, header!)) {
            if (this.indexOffset !== undefined) return undefined;
            start = segment.endOffset;
            at = filled = 0;
            continue;
          }
          return { offset, reason: "payload checksum mismatch", header };
        }
        return { offset, reason: describeStop(status, header !== undefined), header };
      }
    } finally {
      segment.lastChecksum = codec.get(SLOT_LAST_CHECKSUM);
    }
  }

  /** Puts the index's state where the scan takes it from. */
  private setScanState(): void {
    const { codec, index } = this;
    codec.set(SLOT_PAGE_FROM, index.segments.at(-1)?.pageFrom ?? 0);
    // Behind a gap the first frame that knows where the log had come to stops the scan, whatever it says.
    if (this.gap !== undefined) codec.setWide(SLOT_NEXT_INDEX, UNKNOWN_WIDE);
    else codec.set(SLOT_NEXT_INDEX, index.nextIndex);
    if (index.lastTerm === TERM_UNKNOWN) codec.setWide(SLOT_LAST_TERM, UNKNOWN_WIDE);
    else codec.set(SLOT_LAST_TERM, index.lastTerm);
    codec.set(SLOT_SNAPSHOT_INDEX, index.snapshotIndex);
    codec.set(SLOT_WANTS_CHECKPOINT, this.replacementsLost || index.snapshotTerm === TERM_UNKNOWN ? 1 : 0);
  }

  /** Takes what a scan put into the tables. */
  private drain(segment: Segment): void {
    const { codec } = this;
    if (codec.get(SLOT_ENTRIES_FRAMES) === 0) return;
    segment.pushPages(codec.pages(), codec.get(SLOT_NEXT_INDEX));
    this.takeRuns(codec.runs());
    codec.clearTables();
  }

  /** Takes the terms of entries that were scanned, and where the log has come to with them. */
  private takeRuns(runs: readonly (readonly [Index, number])[]): void {
    const { codec, index } = this;
    // A run of the scan begins where the term changes; the first entry behind a snapshot continues its term.
    if (runs[0]?.[0] !== index.nextIndex) index.runs.push(index.nextIndex, index.lastTerm);
    for (const [start, term] of runs) index.runs.push(start, term);
    index.nextIndex = codec.get(SLOT_NEXT_INDEX);
    index.lastTerm = codec.get(SLOT_LAST_TERM);
  }

  /**
   * What a scan of a segment begins with, as far as the segment's header tells.
   *
   * @param header The header.
   * @returns The codec's slots.
   */
  scanStateAt(header: SegmentHeader): BigUint64Array<ArrayBuffer> {
    this.begin(header.state);
    this.enter();
    selectSegment(this.codec, header);
    this.setScanState();
    return this.codec.slots();
  }

  /**
   * Takes what another thread found in the segment that was opened last, as if it had been scanned here.
   *
   * @param segment The segment.
   * @param before The codec's slots that the other thread began with.
   * @param scanned What it found.
   * @returns Whether they are what a scan here would have begun with; if not, nothing was taken.
   */
  takeScanned(segment: Segment, before: BigUint64Array, scanned: Scanned): boolean {
    const { codec } = this;
    selectSegment(codec, segment.header);
    this.setScanState();
    if (this.gap !== undefined || !SCAN_SLOTS.every((slot) => codec.getWide(slot) === before[slot])) return false;
    for (const slot of SCAN_SLOTS) codec.setWide(slot, scanned.state[slot]!);
    if (scanned.pages.length > 0) {
      segment.pushPages(scanned.pages, codec.get(SLOT_NEXT_INDEX));
      const { runs } = scanned;
      this.takeRuns(Array.from({ length: runs.length / 2 }, (_, i) => [Number(runs[i * 2]), Number(runs[i * 2 + 1])]));
    }
    segment.lastChecksum = codec.get(SLOT_LAST_CHECKSUM);
    this.bytesRead += segment.endOffset - SEGMENT_HEADER_BYTES;
    return true;
  }

  /** Takes a frame that concerns more than its segment; `false` for a segment index, which ends the segment. */
  private takeEvent(segment: Segment, frame: Uint8Array): boolean {
    const { index } = this;
    const header = decodeFrameHeader(frame);
    if (header.kind === KIND_SEGMENT_INDEX) return false;
    if (header.kind === KIND_TRUNCATE) {
      if (this.gap !== undefined) {
        // It says that the log had come this far, not how much further. One that a repair wrote has counted nothing.
        this.settleGap(segment, header.index, (header.flags & FLAG_REPAIRED) === 0);
        this.settledState ??= { ...this.state, changes: this.state.changes - 1 };
      }
      segment.lowestTruncated = Math.min(segment.lowestTruncated, header.index);
      index.truncate(header.index, header.term);
      if (header.index === index.nextIndex && header.term !== TERM_UNKNOWN) this.learnLastTerm(header.term);
    } else if (header.kind === KIND_SNAPSHOT) {
      const clears = (header.flags & FLAG_CLEAR) !== 0;
      if (clears) {
        segment.lowestTruncated = 1;
        // Whatever a gap before held, nothing of it is left.
        for (const place of this.gap?.places ?? []) Object.assign(place, { firstIndex: 1, lastIndex: header.index });
        this.gap = undefined;
      }
      index.compact(header.index, header.term, clears);
      this.replacementsLost = false;
    } else {
      // A checkpoint, and the one before it that could have told is lost.
      const view = new DataView(frame.buffer, frame.byteOffset + FRAME_HEADER_BYTES);
      const { snapshotIndex, snapshotTerm, lastTerm } = decodeState(view, 0)!;
      this.learnSnapshot(snapshotIndex, snapshotTerm);
      if ((header.flags & FLAG_COPY) === 0) this.replacementsLost = false;
      this.learnLastTerm(lastTerm);
    }
    this.setScanState();
    return true;
  }

  /** Takes over which snapshot the log has. The frame that installed it may be lost. */
  private learnSnapshot(snapshotIndex: Index, snapshotTerm: Term): void {
    const { index } = this;
    if (snapshotIndex > index.snapshotIndex) index.compact(snapshotIndex, snapshotTerm, false);
    else if (index.snapshotTerm === TERM_UNKNOWN) {
      // A jump of the index showed that there was one, but neither its term nor the entries above it that were lost.
      index.snapshotIndex = snapshotIndex;
      index.snapshotTerm = snapshotTerm;
    }
  }

  /**
   * Takes from a durable slot what the frames before it should have shown and no longer do.
   *
   * @param segment The segment.
   * @param checkpoint What the slot shows of the log where the replay stands.
   */
  settle(segment: Segment, { state, dropped }: Checkpoint): void {
    const { codec, gap } = this;
    if (state.hardStateLost || state.tailLost || state.replacementsLost) return;
    if (gap !== undefined) {
      this.countGap(gap, state.changes);
      gap.lowestDropped = lowestDroppedSince(dropped, segment.header.baseLsn + gap.places[0]!.offset);
      gap.snapshotIndex = state.snapshotIndex;
      this.settleGap(segment, state.nextIndex);
      this.learnSnapshot(state.snapshotIndex, state.snapshotTerm);
    }
    if (this.replacementsLost) {
      this.learnSnapshot(state.snapshotIndex, state.snapshotTerm);
      this.replacementsLost = false;
    }
    if (state.lastTerm !== TERM_UNKNOWN) this.learnLastTerm(state.lastTerm);
    if (this.hardStateLost || this.tailLost) {
      this.setHardState(state.hardState);
      codec.set(SLOT_HARD_STATES, 1);
    }
    this.setScanState();
  }

  private setHardState({ term, votedFor }: HardState): void {
    const { codec } = this;
    codec.set(SLOT_HARD_TERM, term);
    codec.setWide(SLOT_HARD_VOTE, votedFor ?? 0n);
    codec.set(SLOT_HAS_VOTE, votedFor === null ? 0 : 1);
  }

  /** Verifies an entry or a segment index that exceeds a chunk, piece by piece, and takes it if it is valid. */
  private *takeLarge(
    segment: Segment,
    file: SizedFile,
    offset: number,
    limit: number,
    header: FrameHeader,
  ): Generator<void, boolean> {
    const { codec } = this;
    const end = offset + frameBytes(header.length);
    const view = new DataView(new ArrayBuffer(FRAME_HEADER_BYTES));
    readFull(file, new Uint8Array(view.buffer), offset);
    const isSegmentIndex = header.kind === KIND_SEGMENT_INDEX;
    if (end > limit || (header.kind !== KIND_ENTRIES && !isSegmentIndex)) return false;
    if (!isSegmentIndex && !this.lengthsFit(file, offset, header)) return false;
    if (!isSegmentIndex && !this.isInOrder(header) && this.gap === undefined) return false;
    codec.wasm.hashStart(header.length);
    let filled = 0;
    for (let position = offset + FRAME_HEADER_BYTES, left = header.length; left > 0;) {
      const count = readFull(file, codec.chunk.subarray(filled, filled + left - filled), position + filled);
      if (count === 0) return false;
      filled += count;
      const taken = codec.wasm.hashFeed(codec.chunkAt, filled);
      codec.chunk.copyWithin(0, taken, filled);
      filled -= taken;
      position += taken;
      left -= taken;
      yield;
    }
    if (codec.getWide(SLOT_HASH) !== view.getBigUint64(FRAME_PAYLOAD_CHECKSUM, true)) return false;
    this.bytesRead += Math.max(0, end - offset - CHUNK_BYTES);
    if (isSegmentIndex) {
      this.indexOffset = offset;
      return true;
    }
    this.takeEntries(segment, offset, header);
    codec.set(SLOT_LAST_CHECKSUM, view.getUint32(FRAME_HEADER_CHECKSUM, true));
    segment.endOffset = end;
    return true;
  }

  /** Whether the lengths in an entries frame that exceeds a chunk add up to its payload. */
  private lengthsFit(file: SizedFile, offset: number, header: FrameHeader): boolean {
    if (header.count === 1) return true;
    const table = new Uint8Array(entriesIn(header) * LENGTH_BYTES);
    if (table.length > header.length) return false;
    readFull(file, table, offset + FRAME_HEADER_BYTES);
    const sum = new Uint32Array(table.buffer).reduce((all, length) => all + length, table.length);
    return sum === header.length || (sum < header.length && (header.flags & FLAG_REPAIRED) !== 0);
  }

  /** Takes an entries frame outside the scan. */
  private takeEntries(segment: Segment, offset: number, header: FrameHeader): void {
    const { index, codec } = this;
    if (this.gap !== undefined) this.reach(segment, header);
    if ((header.flags & FLAG_MORE) === 0) codec.set(SLOT_BATCH_LSN, 0);
    else if (codec.get(SLOT_BATCH_LSN) === 0) {
      codec.set(SLOT_BATCH_LSN, segment.header.baseLsn + offset);
      codec.set(SLOT_BATCH_INDEX, header.index);
    }
    index.runs.push(header.index, header.term);
    segment.push(offset, entriesIn(header));
    index.nextIndex = indexBehind(header);
    index.lastTerm = header.term;
    this.countUpTo(header);
    this.setScanState();
  }

  /**
   * Drops a batch of entries of which the end is missing. An append is recovered whole, or not at all.
   *
   * @param segment The segment, the last that was opened.
   * @returns Offset of the batch's first frame; `undefined` if the last batch is whole.
   */
  dropOpenBatch(segment: Segment): number | undefined {
    const { codec, index } = this;
    const lsn = codec.get(SLOT_BATCH_LSN);
    if (lsn === 0) return undefined;
    index.truncate(codec.get(SLOT_BATCH_INDEX));
    segment.endOffset = lsn - segment.header.baseLsn;
    codec.set(SLOT_BATCH_LSN, 0);
    return segment.endOffset;
  }

  /** Lets a batch that was begun count as whole: it was proven durable, and so the append had returned. */
  keepOpenBatch(): void {
    this.codec.set(SLOT_BATCH_LSN, 0);
  }

  /** Counts the changes up to a frame that is taken outside of the scan. */
  private countUpTo({ changes }: FrameHeader): void {
    const before = this.codec.get(SLOT_CHANGES);
    this.codec.set(SLOT_CHANGES, before + moreChanges(before, changes));
  }

  /** Whether a frame of which only the header survives can be where it is. */
  private isPossible(header: FrameHeader): boolean {
    if (isReplacement(header.kind) && header.index <= this.index.snapshotIndex) return false;
    return this.gap !== undefined || this.isInOrder(header);
  }

  /** Whether a frame follows on what was replayed. */
  private isInOrder(header: FrameHeader): boolean {
    const isFill = (header.flags & FLAG_REPAIRED) !== 0;
    if (!isFill && moreChanges(this.codec.get(SLOT_CHANGES), changesBefore(header)) !== 0) return false;
    const tellsNext = header.kind === KIND_ENTRIES || (header.kind === KIND_CHECKPOINT && !isFill);
    return !tellsNext || header.index === this.index.nextIndex;
  }

  /**
   * Learns from the header of a frame behind a gap what the gap held.
   *
   * @returns Whether it told anything, so that the scan can go on.
   */
  private reach(segment: Segment, header: FrameHeader): boolean {
    const gap = this.gap!;
    const before = this.codec.get(SLOT_CHANGES);
    const more = moreChanges(before, changesBefore(header));
    this.codec.set(SLOT_CHANGES, before + more);
    gap.held += more;
    if (header.kind === KIND_ENTRIES || header.kind === KIND_CHECKPOINT) {
      this.settleGap(segment, header.index);
      if (header.kind === KIND_CHECKPOINT && header.length === CHECKPOINT_PAYLOAD_BYTES) {
        this.learnLastTerm(header.term);
      }
      return true;
    }
    return more !== 0 && this.gap === gap;
  }

  /**
   * Passes over a frame that is not valid although it lies below what was proven durable: notes the damage and
   * finds the next valid frame.
   *
   * @param segment The segment.
   * @param file Its file.
   * @param stop Where the replay stopped.
   * @param limit Offset below which everything was durable.
   * @returns Offset to go on at, at most `limit`.
   */
  passDamage(segment: Segment, file: SizedFile, stop: Stop, limit: number): number {
    const { header, offset } = stop;
    const next = header === undefined ? limit : offset + frameBytes(header.length);
    // A header that reaches past the limit, or is out of order, does not tell the truth about what is here.
    if (header !== undefined && next <= limit && this.isPossible(header)) {
      const isEntry = header.kind === KIND_ENTRIES;
      const isRange = isEntry || header.kind === KIND_SNAPSHOT;
      this.damage.push({
        kind: KIND_NAMES[header.kind] ?? "frames",
        path: segment.path,
        offset,
        bytes: next - offset,
        firstIndex: isRange ? header.index : undefined,
        lastIndex: isRange ? indexBehind(header) - 1 : undefined,
        term: isRange ? header.term : undefined,
        reason: stop.reason,
      });
      // The header survives, so that index, term and effect are known; only the payload is lost.
      const head = new Uint8Array(FRAME_HEADER_BYTES);
      readFull(file, head, offset);
      this.codec.set(SLOT_LAST_CHECKSUM, new DataView(head.buffer).getUint32(FRAME_HEADER_CHECKSUM, true));
      segment.lastChecksum = this.codec.get(SLOT_LAST_CHECKSUM);
      if (isEntry) {
        // A page of its own, and another one behind it, so that the damage is to the entries of this frame alone.
        segment.breakPage();
        this.takeEntries(segment, offset, header);
        segment.breakPage();
        this.setScanState();
      } else {
        if (this.gap !== undefined) this.reach(segment, header);
        if (isReplacement(header.kind)) this.takeEvent(segment, head);
        this.countUpTo(header);
      }
      return next;
    }
    const resume = this.seek(segment, file, offset + FRAME_ALIGNMENT, limit);
    const place: OpenDamage = {
      kind: "frames",
      path: segment.path,
      offset,
      bytes: resume - offset,
      firstIndex: undefined,
      lastIndex: undefined,
      term: undefined,
      reason: stop.reason,
    };
    this.damage.push(place);
    segment.breakPage();
    this.openGap(segment, file, place, limit);
    this.setScanState();
    if (resume - offset >= FRAME_HEADER_BYTES) {
      this.lostHardState = true;
      this.codec.set(SLOT_HARD_STATES, 0);
    }
    return resume;
  }

  /** Notes a gap, or that the last one goes on, and what the next checkpoint shows of it. */
  private openGap(segment: Segment, file: SizedFile, place: OpenDamage, limit: number): void {
    const { codec } = this;
    const end = place.offset + place.bytes;
    this.gap ??= {
      places: [],
      wasHardStateLost: this.hardStateLost,
      held: 0,
      known: "modulo",
      lowestDropped: undefined,
      snapshotIndex: undefined,
    };
    const { gap } = this;
    gap.places.push(place);
    gap.known = "modulo";
    gap.lowestDropped = gap.snapshotIndex = undefined;
    if (end >= limit) return;
    if (this.found === undefined || this.found.offset < end) {
      this.found = findCheckpoint(codec, segment, file, end, limit);
    }
    const { checkpoint, contiguousFrom, changes } = this.found;
    if (checkpoint === undefined) return;
    gap.lowestDropped = lowestDroppedSince(checkpoint.dropped, segment.header.baseLsn + gap.places[0]!.offset);
    if (contiguousFrom > end || changes === undefined) return;
    gap.snapshotIndex = checkpoint.state.snapshotIndex;
    this.countGap(gap, checkpoint.state.changes - changes);
  }

  /** Counts the changes that a gap held, from how many there were up to its end. */
  private countGap(gap: Gap, changes: number): void {
    gap.held += changes - this.codec.get(SLOT_CHANGES);
    gap.known = "exact";
    this.codec.set(SLOT_CHANGES, changes);
  }

  /** The next valid frame header below a limit, or the limit. */
  private seek(segment: Segment, file: SizedFile, from: number, limit: number): number {
    const { codec } = this;
    selectSegment(codec, segment.header);
    for (let at = from; limit - at >= FRAME_HEADER_BYTES;) {
      const count = readFull(file, codec.chunk.subarray(0, limit - at), at);
      const found = codec.wasm.seek(codec.chunkAt, count, segment.header.baseLsn + at);
      if (found + FRAME_HEADER_BYTES <= count) return at + found;
      if (count < CHUNK_BYTES) break;
      at += found;
    }
    return limit;
  }

  /**
   * Says which entries a gap held, from the index that is next behind it.
   *
   * @param segment The segment.
   * @param next The index.
   * @param isAtLeast Whether the log may have come further: what it had above is gone by now.
   */
  private settleGap(segment: Segment, next: Index, isAtLeast = false): void {
    const { index } = this;
    const gap = this.gap!;
    const { places, held, known, lowestDropped, snapshotIndex: snapshotBehind } = gap;
    this.gap = undefined;
    const bytes = places.reduce((sum, place) => sum + place.bytes, 0);
    const { nextIndex, snapshotIndex } = index;
    const canHaveSnapshot = this.newestSnapshot > snapshotIndex;
    const contents = explainGap({ nextIndex, snapshotIndex, canHaveSnapshot }, bytes, {
      nextIndex: next,
      isAtLeast,
      changes: known === "unknown" ? known : known === "exact" ? { exact: held } : { modulo: held },
      lowestDropped,
      snapshotIndex: snapshotBehind,
      floor: this.floor,
    });
    this.applyGap(segment, gap, contents, next);
  }

  /** Takes what a gap held out of the index. */
  private applyGap(segment: Segment, { places, wasHardStateLost }: Gap, contents: GapContents, next: Index): void {
    const { index, codec } = this;
    let first = index.nextIndex;
    if (contents.kind === "quiet") {
      if (codec.get(SLOT_HARD_STATES) === 0) this.lostHardState = wasHardStateLost;
    } else if (contents.kind !== "hard states") {
      for (const place of places) this.doubtful.add(place);
      this.replacementsLost = true;
    }
    if (contents.kind === "jumped") {
      index.compact(next - 1, TERM_UNKNOWN, true);
      for (const place of places) Object.assign(place, { firstIndex: first, lastIndex: next - 1 });
      return this.setScanState();
    }
    if (contents.kind === "replaced") {
      first = contents.from;
      segment.lowestTruncated = Math.min(segment.lowestTruncated, first);
      this.settledTruncated = Math.min(this.settledTruncated, first);
      index.truncate(first);
    }
    this.loseEntries(segment, next);
    if (next > first) { for (const place of places) Object.assign(place, { firstIndex: first, lastIndex: next - 1 }); }
    this.setScanState();
  }

  /** Takes the last term from a checkpoint, which knows it though the last entry is lost. */
  private learnLastTerm(term: number): void {
    const { index } = this;
    if (index.lastTerm !== TERM_UNKNOWN) return;
    index.lastTerm = term;
    index.runs.push(index.nextIndex - 1, term);
    this.setScanState();
  }

  /** Notes that the entries from the next index up to `next`, exclusive, are lost. */
  loseEntries(segment: Segment, next: number): void {
    const { index } = this;
    if (next <= index.nextIndex) return;
    index.runs.push(index.nextIndex, TERM_UNKNOWN);
    segment.pushLost(next - index.nextIndex);
    index.nextIndex = next;
    index.lastTerm = TERM_UNKNOWN;
  }

  /**
   * Ends a segment's replay: what a gap at its end held is known only from what follows.
   *
   * @param segment The segment.
   * @param next The next segment's header, or as much of it as is known; `undefined` if there is none.
   */
  close(segment: Segment, next?: SegmentEnd): void {
    const { gap } = this;
    if (gap === undefined) return;
    if (next !== undefined) {
      const { nextIndex, changes, lowestDropped } = next;
      if (changes === undefined) gap.known = "unknown";
      else this.countGap(gap, changes);
      // The header shows what the whole segment dropped, and so what the gap at most did.
      gap.lowestDropped = lowestDropped;
      gap.snapshotIndex = next.snapshotIndex;
      return this.settleGap(segment, nextIndex);
    }
    for (const place of gap.places) {
      place.firstIndex = this.index.nextIndex;
      this.doubtful.add(place);
    }
    this.replacementsLost = true;
    this.gap = undefined;
  }
}

/** What is known of the log where a segment ends. */
export interface SegmentEnd {
  readonly nextIndex: Index;
  readonly changes: number | undefined;
  readonly lowestDropped: Index | undefined;
  readonly snapshotIndex: Index | undefined;
}

/** How many changes more than before a count modulo 256 shows. */
function moreChanges(before: number, modulo: number): number {
  return (modulo + CHANGES_END - before % CHANGES_END) % CHANGES_END;
}

function describeStop(status: number, headerIsValid: boolean): string {
  switch (status) {
    case SCAN_BAD_HEADER:
      return "header checksum mismatch";
    case SCAN_BAD_PAYLOAD:
      return "payload checksum mismatch";
    case SCAN_OUT_OF_ORDER:
      return "frame out of order";
    default:
      return headerIsValid ? "payload cut off" : "header cut off";
  }
}
