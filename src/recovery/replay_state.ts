/**
 * The state of a replay: the log so far, what of it is lost, and the gap that is open.
 *
 * @module
 */

import {
  type Codec,
  SLOT_CHANGES,
  SLOT_HARD_STATES,
  SLOT_HARD_TERM,
  SLOT_HARD_VOTE,
  SLOT_HAS_VOTE,
  SLOT_LAST_TERM,
  SLOT_NEXT_INDEX,
  SLOT_PAGE_FROM,
  SLOT_SNAPSHOT_INDEX,
  SLOT_WANTS_CHECKPOINT,
} from "../codec/codec.ts";
import type { Damage } from "../api/report.ts";
import type { HardState, Index, Term } from "../api/types.ts";
import { CHANGES_END, type FrameHeader } from "../format/frame.ts";
import { TERM_UNKNOWN } from "../format/numbers.ts";
import type { LogState } from "../format/state.ts";
import type { FoundCheckpoint } from "./evidence.ts";
import { LogIndex } from "../log/log_index.ts";
import type { Segment } from "../log/segment.ts";

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
export interface Gap {
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

/** What is known of the log where a segment ends. */
export interface SegmentEnd {
  readonly nextIndex: Index;
  readonly changes: number | undefined;
  readonly lowestDropped: Index | undefined;
  readonly snapshotIndex: Index | undefined;
}

/** The state of a replay. The scan keeps its part of it in the codec's slots. */
export class ReplayState {
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
  lostHardState = false;
  /** Whether a segment's header says that entries behind its next index are lost, and no hard state was set since. */
  get tailLost(): boolean {
    return this.lostTail && this.codec.get(SLOT_HARD_STATES) === 0;
  }
  lostTail = false;
  /** Whether a truncation or a snapshot was lost, and nothing has told since which snapshot the log has. */
  replacementsLost = false;
  /** Damage of which it is not certain that it held no truncation and no snapshot. */
  readonly doubtful: Set<Damage> = new Set();
  readonly codec: Codec;
  gap: Gap | undefined;
  /** The lowest index that the segment being replayed may have truncated. */
  floor: Index = 1;
  /** The last checkpoint that was sought behind a gap of the segment being replayed. */
  found: FoundCheckpoint | undefined;

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

  setHardState({ term, votedFor }: HardState): void {
    const { codec } = this;
    codec.set(SLOT_HARD_TERM, term);
    codec.setWide(SLOT_HARD_VOTE, votedFor ?? 0n);
    codec.set(SLOT_HAS_VOTE, votedFor === null ? 0 : 1);
  }

  /** Puts the index's state where the scan takes it from. */
  setScanState(): void {
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

  /** Counts the changes up to a frame that is taken outside of the scan. */
  countUpTo({ changes }: FrameHeader): void {
    const before = this.codec.get(SLOT_CHANGES);
    this.codec.set(SLOT_CHANGES, before + moreChanges(before, changes));
  }

  /** Takes over which snapshot the log has. The frame that installed it may be lost. */
  learnSnapshot(snapshotIndex: Index, snapshotTerm: Term): void {
    const { index } = this;
    if (snapshotIndex > index.snapshotIndex) index.compact(snapshotIndex, snapshotTerm, false);
    else if (index.snapshotTerm === TERM_UNKNOWN) {
      // A jump of the index showed that there was one, but neither its term nor the entries above it that were lost.
      index.snapshotIndex = snapshotIndex;
      index.snapshotTerm = snapshotTerm;
    }
  }

  /** Takes the last term from a checkpoint, which knows it though the last entry is lost. */
  learnLastTerm(term: number): void {
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
}

/** How many changes more than before a count modulo 256 shows. */
export function moreChanges(before: number, modulo: number): number {
  return (modulo + CHANGES_END - before % CHANGES_END) % CHANGES_END;
}
