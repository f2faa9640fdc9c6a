/**
 * The figures of the judge, and the comparison behind them.
 *
 * @module
 */

import { entryOf, type Expected, lastIndexOf, UNKNOWN } from "./expected.ts";
import type { Touch } from "./places.ts";
import { DAMAGED, NONE, type Seen } from "./reading.ts";

/** The figures of one case, or of many. */
export interface Figures {
  /** Cases: histories that were damaged. */
  histories: number;
  /** Entries that were acknowledged. */
  acknowledged: number;
  /** Of these, entries whose own bytes the damage changed. */
  hit: number;
  /**
   * Figure 1: entries that read differently or not at all, without a report. An entry that reads as another one counts
   * even if it is reported.
   */
  lostEntries: number;
  /** Figure 1: snapshots, likewise. */
  lostSnapshots: number;
  /** Figure 1: hard states that differ from the acknowledged ones, in logs that do not report them as lost. */
  lostHardStates: number;
  /** Figure 2: undamaged entries within damaged frames that are reported, or do not read. */
  within: number;
  /** Figure 3: undamaged entries elsewhere that are reported, or do not read. */
  elsewhere: number;
  /** Figure 4: logs that report that the latest hard state may be lost. */
  hardStatesUnknown: number;
  /** Logs that report that entries after their last one may be lost, so that no entry is certain. */
  endsUnknown: number;
  /** Entries that read differently or not at all, in such logs. */
  inDoubt: number;
  /** Logs that `onDamage: "keep"` does not open. */
  refused: number;
  /** Openings that ended with neither a report nor `CORRUPT`. */
  failures: number;
}

/** Figures that are all 0. */
export function noFigures(): Figures {
  return {
    histories: 0,
    acknowledged: 0,
    hit: 0,
    lostEntries: 0,
    lostSnapshots: 0,
    lostHardStates: 0,
    within: 0,
    elsewhere: 0,
    hardStatesUnknown: 0,
    endsUnknown: 0,
    inDoubt: 0,
    refused: 0,
    failures: 0,
  };
}

/** Adds figures to others. */
export function addFigures(to: Figures, more: Readonly<Figures>): void {
  for (const name of Object.keys(to) as (keyof Figures)[]) to[name] += more[name];
}

/** Figure 1 as a whole. */
export function lostUnnamed({ lostEntries, lostSnapshots, lostHardStates }: Readonly<Figures>): number {
  return lostEntries + lostSnapshots + lostHardStates;
}

/** An open log compared with one state. */
export interface Comparison {
  readonly state: Expected;
  /** The entries that figure 1 counts, in words. */
  readonly lostEntries: readonly string[];
  readonly lostSnapshot: string | undefined;
  readonly lostHardState: string | undefined;
  /** Entries that do not read correctly, in a log that reports that no entry is certain. */
  readonly inDoubt: number;
  /** Indexes of entries that are reported, or do not read correctly. */
  readonly bad: readonly number[];
  /** The number of entries that read correctly. */
  readonly right: number;
}

/** The losses that figure 1 counts, in words. */
export function notesOf({ lostEntries, lostSnapshot, lostHardState }: Comparison): string[] {
  return [...lostEntries, lostSnapshot, lostHardState].filter((note) => note !== undefined);
}

/** The cost of a comparison: how much it counts against a log. */
function costOf({ lostEntries, lostSnapshot, lostHardState }: Comparison): number {
  return lostEntries.length + (lostSnapshot === undefined ? 0 : 1) + (lostHardState === undefined ? 0 : 1);
}

/**
 * Compares a log with its allowed states, and picks the one that fits best.
 *
 * @param seen The log's contents.
 * @param states The states. Of two that fit equally well, the later one is picked.
 */
export function fit(seen: Seen, states: readonly Expected[]): Comparison {
  let best: Comparison | undefined;
  for (const state of states) {
    const found = compare(seen, state);
    const better = best === undefined ? -1 : costOf(found) - costOf(best) || best.right - found.right;
    if (better <= 0) best = found;
  }
  return best!;
}

/** Compares a log with one state. */
function compare(seen: Seen, state: Expected): Comparison {
  const lost: string[] = [];
  const bad: number[] = [];
  let right = 0;
  let inDoubt = 0;
  const last = Math.max(lastIndexOf(state), seen.lastIndex);
  for (let index = state.snapshotIndex + 1; index <= last; index++) {
    const wanted = entryOf(state, index);
    const found = seen.words[index] ?? NONE;
    const isNamed = seen.isNamed(index);
    const isRight = wanted === undefined ? found === NONE || found === DAMAGED : isAsExpected(seen, index, wanted);
    if (isRight && !isNamed) right++;
    else bad.push(index);
    const isMisread = !isRight && found !== NONE && found !== DAMAGED;
    if (isRight || (isNamed && !isMisread)) continue;
    if (seen.isEndKnown) lost.push(`entry ${index} is ${found}, expected ${wanted?.word ?? NONE}`);
    else inDoubt++;
  }
  return {
    state,
    lostEntries: lost,
    lostSnapshot: lostSnapshot(seen, state),
    lostHardState: seen.hardState === undefined || seen.hardState === state.hardState
      ? undefined
      : `the hard state is ${seen.hardState}, expected ${state.hardState}`,
    inDoubt,
    bad,
    right,
  };
}

/** Whether an entry and its term read correctly. */
function isAsExpected({ words, terms }: Seen, index: number, wanted: { word: string; term: number }): boolean {
  const isTermRight = terms[index] === undefined || terms[index] === wanted.term;
  return wanted.word === UNKNOWN || (words[index] === wanted.word && isTermRight);
}

function lostSnapshot(seen: Seen, state: Expected): string | undefined {
  if (seen.isSnapshotDamaged || !seen.isEndKnown || state.snapshot === UNKNOWN) return undefined;
  if (seen.snapshot === state.snapshot) return undefined;
  return `the snapshot is ${seen.snapshot}, expected ${state.snapshot}`;
}

/**
 * The figures of a case in which the log opened.
 *
 * @param seen The log's contents.
 * @param comparison The comparison with the state that fits best.
 * @param touches The bytes that the damage changed of each acknowledged entry, by the entry's word.
 */
export function figuresOf(seen: Seen, comparison: Comparison, touches: ReadonlyMap<string, Touch>): Figures {
  const figures = noFigures();
  figures.lostEntries = comparison.lostEntries.length;
  figures.lostSnapshots = comparison.lostSnapshot === undefined ? 0 : 1;
  figures.lostHardStates = comparison.lostHardState === undefined ? 0 : 1;
  figures.inDoubt = comparison.inDoubt;
  figures.hardStatesUnknown = seen.hardState === undefined ? 1 : 0;
  figures.endsUnknown = seen.isEndKnown ? 0 : 1;
  for (const index of comparison.bad) {
    const entry = entryOf(comparison.state, index);
    countWhole(figures, entry && touches.get(entry.word));
  }
  return figures;
}

/** The figures of a case in which the log did not open: nothing can be read, and everything is reported. */
export function figuresOfRefusal(touches: ReadonlyMap<string, Touch>): Figures {
  const figures = noFigures();
  figures.refused = figures.hardStatesUnknown = figures.endsUnknown = 1;
  for (const touch of touches.values()) countWhole(figures, touch);
  return figures;
}

function countWhole(figures: Figures, touch: Touch | undefined): void {
  if (touch === "frame") figures.within++;
  else if (touch === "none") figures.elsewhere++;
}
