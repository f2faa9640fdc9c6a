/**
 * Mutants of the analysis of gaps: which frames the damaged part of a log can have held.
 *
 * @module
 */

import {
  CHECKPOINT,
  DROPS,
  EVIDENCE_FILE,
  FRAME_WRITER,
  GAP,
  INDEX,
  JUDGE,
  NEWEST,
  RECOVERY,
  REPLAY_FRAMES,
  REPLAY_GAPS,
  REPLAY_STATE,
  SEGMENT_BOUNDARIES,
  WASM_SCAN,
} from "./files.ts";
import type { Mutant } from "./mutant.ts";

/** The mutants. */
export const GAP_MUTANTS: readonly Mutant[] = [
  {
    name: "equal counts around a large gap prove that nothing changed in it",
    file: GAP,
    edits: [[
      "return bytes < CHANGES_END * FRAME_HEADER_BYTES ? held.modulo % CHANGES_END : undefined;",
      "return held.modulo % CHANGES_END;",
    ]],
    dies: "explain_gap_test",
  },
  {
    name: "a gap that dropped nothing is assumed to have replaced as many entries as fit",
    file: GAP,
    edits: [["after.lowestDropped === Infinity && !wentBack", "false as boolean && !wentBack"]],
    dies: "explain_gap_test",
  },
  {
    name: "the lowest index that a gap dropped does not count",
    file: GAP,
    edits: [["after.lowestDropped ?? 0, after.floor", "0 * (after.lowestDropped ?? 0), after.floor"]],
    dies: "explain_gap_test",
  },
  {
    name: "a gap is assumed to hold more entries than fit in it",
    file: GAP,
    edits: [['if (entries > entriesThatFit(bytes)) return { kind: "jumped" };', ""]],
    dies: "explain_gap_test",
  },
  {
    name: "a gap counts as quiet although the next index is lower after it",
    file: GAP,
    edits: [["if (changes === 0 && !wentBack)", "if (changes === 0)"]],
    dies: "explain_gap_test",
  },
  {
    name: "a snapshot that a gap may have held is forgotten",
    file: GAP,
    edits: [['? "untouched" : "hard states";', '? "hard states" : "hard states";']],
    dies: "explain_gap_test",
  },
  {
    name: "a snapshot with a file counts as never installed",
    file: RECOVERY,
    edits: [["Math.max(highest, snapshotIndexOf(name))", "Math.max(highest, 0 * snapshotIndexOf(name))"]],
    dies: "gap_test",
  },
  {
    name: "a position after the start of a gap counts as reaching it",
    file: CHECKPOINT,
    edits: [["since <= lsn)", "since <= lsn + 2 ** 52)"]],
    dies: "explain_gap_test",
  },
  {
    name: "dropped indexes are forgotten at a checkpoint",
    file: DROPS,
    edits: [[
      "this.positions = [{ since: lsn, lowest: Infinity }, last, start];",
      "this.positions = [{ since: lsn, lowest: Infinity }, { since: lsn, lowest: Infinity }, start];",
    ]],
    dies: "explain_gap_test",
  },
  {
    name: "the indexes that the previous segment dropped are not added to the older ones",
    file: DROPS,
    edits: [["lowest: Math.min(one.lowest, lowest) }));", "lowest: one.lowest }));"]],
    dies: "explain_gap_test",
  },
  {
    name: "changes before the next checkpoint count as the gap's",
    file: EVIDENCE_FILE,
    edits: [["changes++;", "changes += 0;"]],
    dies: "explain_gap_test",
  },
  {
    name: "a checkpoint after another gap shows all changes of this one",
    file: REPLAY_GAPS,
    edits: [["if (contiguousFrom > end || changes === undefined) return;", "if (changes === undefined) return;"]],
    dies: "explain_gap_test",
  },
  {
    name: "no checkpoint is written while the log is busy",
    file: FRAME_WRITER,
    edits: [["const isDue = ", "const isDue = false as boolean && "]],
    dies: "explain_gap_test",
  },
  {
    name: "a lost truncation is not noticed by the next change counter",
    file: REPLAY_GAPS,
    edits: [["gap.held += more;", "gap.held += 0 * more;"]],
    dies: "gap_test",
  },
  {
    name: "a lost truncation at a segment's end is not noticed by the next segment's counter",
    file: REPLAY_GAPS,
    edits: [["else countGap(replay, gap, changes);", ""]],
    dies: "gap_histories_test",
  },
  {
    name: "a gap without a change counter after it counts as one without changes",
    file: GAP,
    edits: [['if (held === "unknown") return undefined;', 'if (held === "unknown") return 0;']],
    dies: "explain_gap_test",
  },
  {
    name: "a truncation lost before the end is forgotten once the log continues",
    file: NEWEST,
    edits: [["Math.min(truncatedThere, replay.truncatedInGaps)", "truncatedThere"]],
    dies: "gap_histories_test",
  },
  {
    name: "after a gap at the end and a truncation, the state before the gap is used",
    file: REPLAY_FRAMES,
    edits: [["replay.stateAfterGap ??= { ...replay.state, changes: replay.state.changes - 1 };", ""]],
    dies: "gap_histories_test",
  },
  {
    name: "an entry after a gap is taken before the gap is explained",
    file: REPLAY_STATE,
    edits: [["if (this.gap !== undefined) codec.setWide(SLOT_NEXT_INDEX, UNKNOWN_WIDE);\n    else ", ""]],
    dies: "gap_test",
  },
  {
    name: "a checkpoint does not show a snapshot whose frame is lost",
    file: REPLAY_STATE,
    edits: [["index.compact(snapshotIndex, snapshotTerm, false);", ";"]],
    dies: "gap_test",
  },
  {
    name: "a checkpoint does not show the hard state",
    file: WASM_SCAN,
    edits: [[
      "takeHardState(load<u64>(state, STATE_HARD_TERM), load<u64>(state, STATE_HARD_VOTE), stateFlags != 0, isOwn);",
      "",
    ]],
    dies: "gap_test",
  },
  {
    name: "damage too small for an entry is reported with entries",
    file: SEGMENT_BOUNDARIES,
    edits: [["if (state.nextIndex > one.firstIndex) one.lastIndex", "if (true as boolean) one.lastIndex"]],
    dies: "missing_segment_test",
  },
  {
    name: "adjacent missing segments count as one",
    file: SEGMENT_BOUNDARIES,
    edits: [["const isOne = previous", "const isOne = true || previous"]],
    dies: "missing_segment_test",
  },
  {
    name: "a gap before a missing segment is assumed to have replaced nothing",
    file: SEGMENT_BOUNDARIES,
    edits: [["isOne && replay.gapOffset === undefined", "isOne"]],
    dies: "missing_segment_test",
  },
  {
    name: "a snapshot over the last entry keeps the entry's term",
    file: INDEX,
    edits: [["if (index === this.nextIndex - 1) this.lastTerm = term;", "if (clear) this.lastTerm = term;"]],
    dies: "gap_test",
  },
  {
    name: "a lost entry of the oldest segment counts as never written",
    file: INDEX,
    edits: [["return this.runs.at(index) ?? TERM_UNKNOWN;", "return this.runs.at(index);"]],
    dies: "missing_segment_test",
  },
  {
    name: "entries that a gap held after a lost snapshot are attributed to an earlier segment",
    file: JUDGE,
    edits: [["  takeBack(found, oldest, link, replay, boundaries);\n", ""]],
    dies: "gap_test",
  },
  {
    name: "a first segment that held a hard state is not reported missing",
    file: JUDGE,
    edits: [["return previous > 0 && !isEmpty;", "return previous < 0 && !isEmpty;"]],
    dies: "missing_segment_test",
  },
  {
    name: "a snapshot's lost term is not taken from the next checkpoint",
    file: REPLAY_STATE,
    edits: [["this.replacementsLost || index.snapshotTerm === TERM_UNKNOWN ? 1 : 0", "this.replacementsLost ? 1 : 0"]],
    dies: "gap_test",
  },
];
