/**
 * Decides where a restored log ends: the cut.
 *
 * @module
 */

import type { Index, Term } from "../api/types.ts";
import { FLAG_MORE, KIND_ENTRIES, KIND_SNAPSHOT } from "../format/frame.ts";
import { SEGMENT_HEADER_BYTES } from "../format/header_block.ts";
import type { SegmentHeader } from "../format/segment_header.ts";
import { effectOf, type WalkedFrame } from "./frames.ts";
import type { History } from "./history.ts";

/** The wanted state of a restored log. */
export type RestoreTarget =
  | { readonly kind: "end" }
  | { readonly kind: "index"; readonly index: Index }
  | { readonly kind: "time"; readonly milliseconds: number };

/** A position at which a restored log can end. */
export interface Cut {
  /** The segment's number. */
  readonly number: number;
  /** Offset in its file. */
  readonly offset: number;
  /** The next index there. */
  readonly next: Index;
  /** The snapshot there; index 0 if there is none. */
  readonly snapshot: { readonly index: Index; readonly term: Term };
  /** The lowest index that was written or dropped since the start of the walk. */
  readonly floor: Index;
}

/**
 * Whether a snapshot is archived, was archived and is gone, or never was because a newer one replaced it. One below the
 * archive's floor is gone, because nothing shows whether it was archived. Pieces name
 * snapshots by their indexes alone. So if they name one that only exists with another term, its key was changed.
 */
export type SnapshotState = "archived" | "lost" | "skipped";

/**
 * The state of a snapshot in a history.
 *
 * @param history The history.
 * @param index The snapshot's index.
 * @param term Its term.
 */
export function stateOfSnapshot(
  { snapshots, named, lostSnapshots, floor }: Pick<History, "snapshots" | "named" | "lostSnapshots" | "floor">,
  index: Index,
  term: Term,
): SnapshotState {
  if (snapshots.some((one) => one.index === index && one.term === term)) return "archived";
  const isLost = lostSnapshots.includes(index) || named.has(index);
  return index < floor.snapshot || isLost ? "lost" : "skipped";
}

/** Walks a history, and finds the last position that matches the wanted state. */
export class CutFinder {
  /** The best position so far. */
  cut: Cut | undefined;
  /** The index of the lost snapshot, if the newest matching position needs one; 0 otherwise. */
  lostSnapshot: Index = 0;
  private readonly target: RestoreTarget;
  private readonly stateOf: (index: Index, term: Term) => SnapshotState;
  private next: Index = 1;
  private snapshot: { readonly index: Index; readonly term: Term } = { index: 0, term: 0 };
  /** The lowest index that was written or dropped since the start of the walk. Entries below it come from before. */
  private floor: Index | undefined;
  private number = 0;
  private isInBatch = false;
  /** Whether the wanted index was written, so that the next possible position matches. */
  private isWritten = false;

  /**
   * @param target The wanted state.
   * @param stateOf Whether a snapshot is archived.
   */
  constructor(target: RestoreTarget, stateOf: (index: Index, term: Term) => SnapshotState) {
    this.target = target;
    this.stateOf = stateOf;
  }

  /** A finder of the last possible position after another one. */
  static after(position: Cut, stateOf: (index: Index, term: Term) => SnapshotState): CutFinder {
    const { number, next, snapshot, floor } = position;
    return Object.assign(new CutFinder({ kind: "end" }, stateOf), { number, next, snapshot, floor });
  }

  /** The position that the walk has reached, even if a log cannot end there. `offset`: its offset in the segment. */
  position(offset: number): Cut {
    const { number, next, snapshot, floor } = this;
    return { number, offset, next, snapshot, floor: floor! };
  }

  /** Begins the next segment. */
  begin({ number, state }: SegmentHeader): void {
    this.number = number;
    this.next = state.nextIndex;
    this.snapshot = { index: state.snapshotIndex, term: state.snapshotTerm };
    this.isInBatch = false;
    const { target } = this;
    if (this.floor === undefined && target.kind === "index") this.isWritten = state.snapshotIndex === target.index;
    this.floor ??= state.nextIndex;
    this.reach(SEGMENT_HEADER_BYTES);
  }

  /**
   * Takes the next frame.
   *
   * @returns Whether later frames matter.
   */
  add({ header, time, end }: WalkedFrame): boolean {
    const { target } = this;
    if (target.kind === "time" && time > target.milliseconds) {
      // A log without an entry or a snapshot has not begun.
      if (this.cut?.next === 1 && this.cut.snapshot.index === 0) this.cut = undefined;
      return false;
    }
    const { kind, flags, index, term } = header;
    const { next, snapshot, dropped } = effectOf(header, { next: this.next, snapshot: this.snapshot.index });
    if (target.kind === "index") {
      if (dropped <= target.index) {
        this.cut = undefined;
        this.isWritten = false;
      }
      const isWritten = kind === KIND_ENTRIES
        ? index <= target.index && target.index < next
        : kind === KIND_SNAPSHOT && index === target.index;
      this.isWritten ||= isWritten;
    }
    this.next = next;
    this.floor = Math.min(this.floor!, dropped);
    if (kind === KIND_SNAPSHOT) this.snapshot = { index: snapshot, term };
    this.isInBatch = (flags & FLAG_MORE) !== 0;
    this.reach(end);
    return true;
  }

  /** Considers a position. */
  private reach(offset: number): void {
    const { target, number, next, snapshot } = this;
    if (this.isInBatch) return;
    if (target.kind === "index" && (!this.isWritten || snapshot.index > target.index)) return;
    // The entries from before the walk are not in the restored log, so the snapshot must cover them.
    if (this.floor! > snapshot.index + 1) return;
    const state = snapshot.index === 0 ? "archived" : this.stateOf(snapshot.index, snapshot.term);
    // A newer snapshot follows, or the archiver was stopped before it wrote its frame.
    if (state === "skipped") return;
    this.lostSnapshot = state === "lost" ? snapshot.index : 0;
    if (state === "lost") return;
    this.isWritten = false;
    this.cut = { number, offset, next, snapshot, floor: this.floor! };
  }
}
