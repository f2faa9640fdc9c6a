/**
 * Mutants of the explanation of gaps: what the damaged part of a log can have held.
 *
 * @module
 */

import {
  BORDERS,
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
    name: "a gap that dropped nothing has replaced as much as fits in it",
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
    name: "a gap holds entries that do not fit in it",
    file: GAP,
    edits: [['if (entries > entriesThatFit(bytes)) return { kind: "jumped" };', ""]],
    dies: "explain_gap_test",
  },
  {
    name: "a gap behind which the log has gone back is quiet",
    file: GAP,
    edits: [["if (changes === 0 && !wentBack)", "if (changes === 0)"]],
    dies: "explain_gap_test",
  },
  {
    name: "a snapshot that a gap can have held is forgotten",
    file: GAP,
    edits: [['? "untouched" : "hard states";', '? "hard states" : "hard states";']],
    dies: "explain_gap_test",
  },
  {
    name: "a snapshot of which there is a file was never installed",
    file: RECOVERY,
    edits: [["Math.max(highest, snapshotIndexOf(name))", "Math.max(highest, 0 * snapshotIndexOf(name))"]],
    dies: "simulation",
  },
  {
    name: "a position behind the beginning of a gap reaches it",
    file: CHECKPOINT,
    edits: [["since <= lsn)", "since <= lsn + 2 ** 52)"]],
    dies: "explain_gap_test",
  },
  {
    name: "what was dropped is forgotten at a checkpoint",
    file: DROPS,
    edits: [[
      "this.positions = [{ since: lsn, lowest: Infinity }, last, start];",
      "this.positions = [{ since: lsn, lowest: Infinity }, { since: lsn, lowest: Infinity }, start];",
    ]],
    dies: "explain_gap_test",
  },
  {
    name: "what the previous segment dropped is not added to what those before it did",
    file: DROPS,
    edits: [["lowest: Math.min(one.lowest, lowest) }));", "lowest: one.lowest }));"]],
    dies: "explain_gap_test",
  },
  {
    name: "changes in front of the next checkpoint count as the gap's",
    file: EVIDENCE_FILE,
    edits: [["changes++;", "changes += 0;"]],
    dies: "explain_gap_test",
  },
  {
    name: "a checkpoint behind another gap shows all changes of this one",
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
    name: "a lost truncation is not noticed by the count behind it",
    file: REPLAY_GAPS,
    edits: [["gap.held += more;", "gap.held += 0 * more;"]],
    dies: "gap_test",
  },
  {
    name: "a lost truncation at a segment's end is not noticed by the next segment's count",
    file: REPLAY_GAPS,
    edits: [["else countGap(replay, gap, changes);", ""]],
    dies: "gap_histories_test",
  },
  {
    name: "a gap with nothing behind it that counts changes counts for one without changes",
    file: GAP,
    edits: [['if (held === "unknown") return undefined;', 'if (held === "unknown") return 0;']],
    dies: "explain_gap_test",
  },
  {
    name: "a truncation that was lost in front of the end is forgotten once the log goes on behind it",
    file: NEWEST,
    edits: [["Math.min(truncatedThere, replay.settledTruncated)", "truncatedThere"]],
    dies: "gap_histories_test",
  },
  {
    name: "the state behind a gap at the end is that in front of it if a truncation follows",
    file: REPLAY_FRAMES,
    edits: [["replay.settledState ??= { ...replay.state, changes: replay.state.changes - 1 };", ""]],
    dies: "gap_histories_test",
  },
  {
    name: "an entry behind a gap is taken before it is known what the gap held",
    file: REPLAY_STATE,
    edits: [["if (this.gap !== undefined) codec.setWide(SLOT_NEXT_INDEX, UNKNOWN_WIDE);\n    else ", ""]],
    dies: "gap_test",
  },
  {
    name: "a checkpoint does not tell of a snapshot whose frame is lost",
    file: REPLAY_STATE,
    edits: [["index.compact(snapshotIndex, snapshotTerm, false);", ""]],
    dies: "gap_test",
  },
  {
    name: "a checkpoint does not tell the hard state",
    file: WASM_SCAN,
    edits: [[
      "takeHardState(load<u64>(state, STATE_HARD_TERM), load<u64>(state, STATE_HARD_VOTE), stateFlags != 0, isOwn);",
      "",
    ]],
    dies: "gap_test",
  },
  {
    name: "damage that had room for no entry is said to have held some",
    file: BORDERS,
    edits: [["if (state.nextIndex > one.firstIndex) one.lastIndex", "if (true as boolean) one.lastIndex"]],
    dies: "missing_segment_test",
  },
  {
    name: "segments that are missing in a row are taken for one",
    file: BORDERS,
    edits: [["const isOne = previous", "const isOne = true || previous"]],
    dies: "missing_segment_test",
  },
  {
    name: "a gap in front of a missing segment is taken to have replaced nothing",
    file: BORDERS,
    edits: [["isOne && replay.gapOffset === undefined", "isOne"]],
    dies: "missing_segment_test",
  },
  {
    name: "a snapshot in place of the last entry leaves that one's term",
    file: INDEX,
    edits: [["if (index === this.nextIndex - 1) this.lastTerm = term;", "if (clear) this.lastTerm = term;"]],
    dies: "gap_test",
  },
  {
    name: "a lost entry of the oldest segment counts as one that was never there",
    file: INDEX,
    edits: [["return this.runs.at(index) ?? TERM_UNKNOWN;", "return this.runs.at(index);"]],
    dies: "missing_segment_test",
  },
  {
    name: "what a gap held behind a snapshot that was lost in it is sought in front of the segment",
    file: JUDGE,
    edits: [["  takeBack(found, oldest, link, replay, borders);\n", ""]],
    dies: "gap_test",
  },
  {
    name: "a first segment that held a hard state is not reported missing",
    file: JUDGE,
    edits: [["return previous > 0 && !isEmpty;", "return previous < 0 && !isEmpty;"]],
    dies: "missing_segment_test",
  },
  {
    name: "a snapshot's term that was lost is not taken from the next checkpoint",
    file: REPLAY_STATE,
    edits: [["this.replacementsLost || index.snapshotTerm === TERM_UNKNOWN ? 1 : 0", "this.replacementsLost ? 1 : 0"]],
    dies: "gap_test",
  },
];
