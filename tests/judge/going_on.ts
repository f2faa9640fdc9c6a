/**
 * Continues writing a damaged log.
 *
 * @module
 */

import type { HardState, LogEntry, WalLog } from "../../mod.ts";
import type { Random, SimulatedDisk } from "../../src/testing/mod.ts";
import type { CaseResult, Damaged } from "./case.ts";
import { diskOf, FOLDER } from "./contents.ts";
import {
  entryOf,
  type Expected,
  type ExpectedEntry,
  expectedEntry,
  modelOf,
  UNKNOWN,
  wordOfState,
} from "./expected.ts";
import { figuresOf, figuresOfRefusal, fit, lostUnnamed, noFigures, notesOf } from "./figures.ts";
import { DAMAGED, NONE, openLog, type Seen } from "./reading.ts";
import { type End, HistoryWriter, type Open, type Written } from "./writing.ts";

const ENDS: readonly End[] = ["closed", "killed", "power cut"];
/** The most openings of the log, and the most steps after each opening. */
const PHASES_MAX = 3;
const STEPS_MAX = 12;

/**
 * Opens a damaged log, writes it and ends it, once or a few times.
 *
 * @param damaged The log.
 * @param random Random decisions.
 * @param open Opens logs.
 * @returns The log's history so far. Or the result of the case, if the log did not open or has lost something.
 */
export function goOn(damaged: Damaged, random: Random, open: Open): Written | CaseResult {
  const disk = diskOf(damaged.after, random.next());
  let { written } = damaged;
  for (let phase = random.below(PHASES_MAX); phase >= 0; phase--) {
    const found = writeOn(damaged, written, disk, random, open);
    if ("figures" in found) return found;
    written = found;
  }
  return written;
}

/** Opens the log, writes it and ends it. */
function writeOn(
  { touches }: Damaged,
  { segmentBytes, states }: Written,
  disk: SimulatedDisk,
  random: Random,
  open: Open,
): Written | CaseResult {
  const { fileSystem } = disk;
  const opened = openLog(() => open(FOLDER, { fileSystem, segmentBytes, onDamage: "keep" }), "keep");
  const totals = { histories: 1, acknowledged: states[0]!.entries.length };
  if (opened.outcome === "refused") {
    return { figures: { ...figuresOfRefusal(touches), ...totals }, notes: [], refusal: opened.message };
  }
  if (opened.outcome === "failed") {
    return { figures: { ...noFigures(), ...totals, failures: 1 }, notes: [opened.message] };
  }
  const { log, seen } = opened;
  const comparison = fit(seen, states);
  const figures = { ...figuresOf(seen, comparison, touches), ...totals };
  if (lostUnnamed(figures) > 0) return { figures, notes: notesOf(comparison).map((note) => `in between: ${note}`) };
  const hardState = settleHardState(log, seen);
  const state = { ...acceptedState(log, seen, comparison.state), hardState: wordOfState(hardState) };
  const model = modelOf(state, hardState, termOrZero(log, state.snapshotIndex));
  const writer = new HistoryWriter(random, disk, segmentBytes, model, state);
  writer.take(log);
  for (let step = random.below(STEPS_MAX); step >= 0; step--) writer.change();
  return writer.end(random.pick(ENDS));
}

/** Forces a hard state of a later term if the log has lost its own, or its end is unknown. */
function settleHardState(log: WalLog, seen: Seen): HardState {
  if (seen.hardState !== undefined && seen.isEndKnown) return log.hardState;
  const state = { term: log.hardState.term + 1, votedFor: 3n };
  log.setHardState(state, { force: true });
  return state;
}

/** The accepted state of the log. An entry that cannot be read stays as in the model. */
function acceptedState(log: WalLog, seen: Seen, state: Expected): Expected {
  const { snapshotIndex } = seen;
  const snapshotTerm = termOrZero(log, snapshotIndex);
  const entries: ExpectedEntry[] = [];
  for (let index = snapshotIndex + 1; index <= seen.lastIndex; index++) {
    const isRead = seen.words[index] !== DAMAGED && seen.words[index] !== NONE;
    const before = seen.isEndKnown ? entryOf(state, index) : undefined;
    const entry = isRead ? expectedEntry(log.entry(index) as LogEntry) : before ?? {
      index,
      term: seen.terms[index] ?? 0,
      word: UNKNOWN,
      command: new Uint8Array(),
    };
    // The term of a lost entry may be unknown. It is at least the previous term.
    entries.push({ ...entry, term: Math.max(entry.term, entries.at(-1)?.term ?? snapshotTerm) });
  }
  const isSame = snapshotIndex === state.snapshotIndex;
  const snapshot = isSame ? state.snapshot : seen.snapshot === DAMAGED ? UNKNOWN : seen.snapshot;
  return { snapshotIndex, snapshot, hardState: state.hardState, entries };
}

function termOrZero(log: WalLog, index: number): number {
  try {
    return log.termAt(index) ?? 0;
  } catch {
    return 0;
  }
}
