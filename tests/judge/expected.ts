/**
 * The states of a log according to the model, in a form that is cheap to keep and to compare.
 *
 * @module
 */

import {
  type HardState,
  type Index,
  type LogEntry,
  MemoryLog,
  type RaftLog,
  type Snapshot,
  type Term,
} from "../../mod.ts";
import { digest, wordOf } from "../simulated_log.ts";

/** Stands for contents that earlier damage destroyed. A read may return anything for them. */
export const UNKNOWN = "unknown";

/** An entry of the model. */
export interface ExpectedEntry {
  readonly index: Index;
  readonly term: Term;
  /** The entry in a word; {@link UNKNOWN} if earlier damage destroyed it. */
  readonly word: string;
  readonly command: Uint8Array;
}

/** A state of the model. */
export interface Expected {
  readonly snapshotIndex: Index;
  /** The snapshot in a word. */
  readonly snapshot: string;
  /** The hard state in a word. */
  readonly hardState: string;
  /** The entries above the snapshot, without a gap. */
  readonly entries: readonly ExpectedEntry[];
}

/** A hard state in a word. */
export function wordOfState({ term, votedFor }: HardState): string {
  return `${term}>${votedFor}`;
}

/** A snapshot in a word. */
export function wordOfSnapshot(snapshot: Snapshot | undefined): string {
  return snapshot === undefined
    ? "none"
    : `${snapshot.index}.${snapshot.term}:${snapshot.config}:${digest(snapshot.data)}`;
}

/** An entry as the model keeps it. */
export function expectedEntry(entry: LogEntry): ExpectedEntry {
  return { index: entry.index, term: entry.term, word: wordOf(entry), command: entry.command };
}

/** The last index of a state. */
export function lastIndexOf({ snapshotIndex, entries }: Expected): Index {
  return snapshotIndex + entries.length;
}

/** The entry of a state at an index. */
export function entryOf({ snapshotIndex, entries }: Expected, index: Index): ExpectedEntry | undefined {
  return entries[index - snapshotIndex - 1];
}

/**
 * The state of a model after a change.
 *
 * @param model The model after the change.
 * @param before The state before the change.
 * @param added The entries that the change appended.
 */
export function expectedAfter(model: RaftLog, before: Expected, added: readonly LogEntry[]): Expected {
  const { snapshotIndex, lastIndex, hardState } = model;
  return {
    snapshotIndex,
    snapshot: snapshotIndex === before.snapshotIndex ? before.snapshot : wordOfSnapshot(model.snapshot()),
    hardState: wordOfState(hardState),
    entries: [...before.entries, ...added.map(expectedEntry)].filter(({ index }) =>
      index > snapshotIndex && index <= lastIndex
    ),
  };
}

/** The state of a log without damage. */
export function expectedOf(log: RaftLog): Expected {
  return {
    snapshotIndex: log.snapshotIndex,
    snapshot: wordOfSnapshot(log.snapshot()),
    hardState: wordOfState(log.hardState),
    entries: log.entries(log.snapshotIndex + 1, log.lastIndex).map(expectedEntry),
  };
}

/** Everything in a state, in one line. */
export function lineOf({ snapshotIndex, snapshot, hardState, entries }: Expected): string {
  return `${snapshotIndex}=${snapshot} ${hardState} ${entries.map(({ word }) => word)}`;
}

/**
 * A model in a given state.
 *
 * @param state Its entries and its snapshot's index.
 * @param hardState Its hard state.
 * @param snapshotTerm The term of its snapshot.
 */
export function modelOf({ snapshotIndex, entries }: Expected, hardState: HardState, snapshotTerm: Term): MemoryLog {
  const model = new MemoryLog();
  model.setHardState(hardState);
  if (snapshotIndex > 0) {
    model.applySnapshot({ index: snapshotIndex, term: snapshotTerm, config: [], data: new Uint8Array() });
  }
  model.append(entries.map(({ index, term, command }) => ({ index, term, kind: "normal", command })));
  return model;
}
