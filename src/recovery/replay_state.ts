/**
 * The state of a replay: the log so far, its losses, and the open gap.
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
  SLOT_PAGE_END,
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

/** Damage whose range of indexes is not known yet. */
export type OpenDamage = { -readonly [K in keyof Damage]: Damage[K] };

/** The place where a replay stopped before its limit, and the reason. */
export interface Stop {
  readonly offset: number;
  readonly reason: string;
  /** The frame's header, if it is valid. */
  readonly header: FrameHeader | undefined;
}

/** An invalid number. It stands for the term of a lost entry, and for an unknown next index. */
const UNKNOWN_WIDE = 0xffff_ffff_ffff_ffffn;

/** A gap, as long as no frame after it has shown the next index. */
export interface Gap {
  readonly places: OpenDamage[];
  readonly wasHardStateLost: boolean;
  /** The number of changes in it, as far as counters after it show. */
  held: number;
  /** The precision of this number: exact, modulo {@link CHANGES_END}, or unknown. */
  known: "exact" | "modulo" | "unknown";
  /** The lowest index dropped since its start or earlier; `undefined` if unknown. */
  lowestDropped: Index | undefined;
  /** The log's snapshot at its end; `undefined` if unknown. */
  snapshotIndex: Index | undefined;
}

/** The known state of the log at the end of a segment. */
export interface SegmentEnd {
  readonly nextIndex: Index;
  readonly changes: number | undefined;
  readonly lowestDropped: Index | undefined;
  readonly snapshotIndex: Index | undefined;
}

/** The state of a replay. The scan keeps its part of it in the codec's slots. */
export class ReplayState {
  /** The positions of the entries. */
  readonly index: LogIndex;
  /** The damage found so far. */
  readonly damage: OpenDamage[] = [];
  /** Bytes read so far. */
  bytesRead = 0;
  /** Offset of a segment index that ended the last replay; `undefined` if none did. */
  indexOffset: number | undefined;
  /** The highest index of a snapshot file in the folder. A snapshot without a file was never installed. */
  newestSnapshot: Index = Infinity;
  /** The state after a gap, from the first frame that shows it; `undefined` if there was no gap. */
  stateAfterGap: LogState | undefined;
  /** The lowest index that gaps may have truncated, from the frames after them. */
  truncatedInGaps: number = Infinity;
  /** Whether lost frames may have held the latest hard state, and no later one was found. */
  get hardStateLost(): boolean {
    return this.lostHardState && this.codec.get(SLOT_HARD_STATES) === 0;
  }
  lostHardState = false;
  /**
   * Whether a segment's header states that entries after its next index are lost, and no hard state was set after that.
   */
  get tailLost(): boolean {
    return this.lostTail && this.codec.get(SLOT_HARD_STATES) === 0;
  }
  lostTail = false;
  /** Whether a truncation or a snapshot was lost, and no later frame has shown the log's snapshot. */
  replacementsLost = false;
  /** Damage that may have held a truncation or a snapshot. */
  readonly mayHaveReplaced: Set<Damage> = new Set();
  readonly codec: Codec;
  gap: Gap | undefined;
  /** The lowest index that the segment being replayed may have truncated. */
  floor: Index = 1;
  /** The result of the last search for a checkpoint after a gap of this segment. */
  found: FoundCheckpoint | undefined;

  /**
   * @param codec The codec, which keeps the state of the scan.
   * @param index The index of entries that were replayed before.
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

  /** The state of the log at the current point of the replay. */
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

  /**
   * Start of an open gap; `undefined` if there is none. From there to the current point, frames and their headers are
   * lost.
   */
  get gapOffset(): number | undefined {
    return this.gap?.places[0]?.offset;
  }

  /** Takes over the state in a segment's header. */
  begin(state: LogState): void {
    const { codec, index } = this;
    index.begin(state);
    const last = state.nextIndex - 1;
    if (last > state.snapshotIndex) {
      const term = index.termAt(last) ?? TERM_UNKNOWN;
      // If the last entry is lost, the next segment's header may still give its term. If the header does not know the
      // term, the entry may have been repaired since, and the index knows it.
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

  /** Copies the index's state into the codec, for the scan. */
  setScanState(): void {
    const { codec, index } = this;
    codec.set(SLOT_PAGE_END, index.segments.at(-1)?.pageEnd ?? 0);
    // After a gap, the next index is unknown, so the first frame that states it must stop the scan.
    if (this.gap !== undefined) codec.setWide(SLOT_NEXT_INDEX, UNKNOWN_WIDE);
    else codec.set(SLOT_NEXT_INDEX, index.nextIndex);
    if (index.lastTerm === TERM_UNKNOWN) codec.setWide(SLOT_LAST_TERM, UNKNOWN_WIDE);
    else codec.set(SLOT_LAST_TERM, index.lastTerm);
    codec.set(SLOT_SNAPSHOT_INDEX, index.snapshotIndex);
    codec.set(SLOT_WANTS_CHECKPOINT, this.replacementsLost || index.snapshotTerm === TERM_UNKNOWN ? 1 : 0);
  }

  /** Counts the changes up to a frame that is taken outside the scan. */
  countUpTo({ changes }: FrameHeader): void {
    const before = this.codec.get(SLOT_CHANGES);
    this.codec.set(SLOT_CHANGES, before + moreChanges(before, changes));
  }

  /** Takes over the log's snapshot from a checkpoint or slot. The frame that installed it may be lost. */
  learnSnapshot(snapshotIndex: Index, snapshotTerm: Term): void {
    const { index } = this;
    if (snapshotIndex > index.snapshotIndex) index.compact(snapshotIndex, snapshotTerm, false);
    else if (index.snapshotTerm === TERM_UNKNOWN) {
      // A jump of the index showed that there is a snapshot, but not its term, and not which lost entries were above
      // it.
      index.snapshotIndex = snapshotIndex;
      index.snapshotTerm = snapshotTerm;
    }
  }

  /** Takes the last term from a checkpoint, which states it even if the last entry is lost. */
  learnLastTerm(term: number): void {
    const { index } = this;
    if (index.lastTerm !== TERM_UNKNOWN) return;
    index.lastTerm = term;
    index.runs.push(index.nextIndex - 1, term);
    this.setScanState();
  }

  /** Records the entries from the next index up to `next`, exclusive, as lost. */
  loseEntries(segment: Segment, next: number): void {
    const { index } = this;
    if (next <= index.nextIndex) return;
    index.runs.push(index.nextIndex, TERM_UNKNOWN);
    segment.pushLost(next - index.nextIndex);
    index.nextIndex = next;
    index.lastTerm = TERM_UNKNOWN;
  }
}

/** The number of changes since `before`, from a counter modulo {@link CHANGES_END}. */
export function moreChanges(before: number, modulo: number): number {
  return (modulo + CHANGES_END - before % CHANGES_END) % CHANGES_END;
}
