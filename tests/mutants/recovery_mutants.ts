/**
 * Mutants of recovery: the files of a log, its end, and its continuation after a crash.
 *
 * @module
 */

import {
  CHAIN,
  CONTINUE,
  INDEX,
  JUDGE,
  NEWEST,
  NEXT_POINTER,
  OPEN,
  PROVEN,
  RECOVERY,
  REPLAY_FRAMES,
  RESUME,
  ROTATION,
  SEALED,
  SEGMENT_BOUNDARIES,
  SEGMENT_FILES,
  STATE,
  WASM_FRAME,
  WASM_SCAN,
} from "./files.ts";
import type { Mutant } from "./mutant.ts";

/** The mutants. */
export const RECOVERY_MUTANTS: readonly Mutant[] = [
  {
    name: "superseded segments are not removed durably",
    file: RESUME,
    edits: [["if (paths.length > 0) fileSystem.syncDirectory(folder);", ""]],
    dies: "rotation_test",
  },
  {
    name: "after a crash, the log continues after the old tail",
    file: RESUME,
    edits: [["return closed && cut === undefined &&", "return cut === undefined &&"]],
    dies: "simulation",
  },
  {
    name: "after a torn write, the log continues where it was cut",
    file: RESUME,
    edits: [["return closed && cut === undefined &&", "return head.endOffset > SEGMENT_HEADER_BYTES &&"]],
    dies: "simulation",
  },
  {
    name: "the checkpoint of a clean close is accepted without writing it again",
    file: RESUME,
    edits: [["writeFull(file, checkpoint, head.endOffset - checkpoint.length);", ""]],
    dies: "close_test",
  },
  {
    name: "the pointer to the newest segment is accepted without writing it again",
    file: RESUME,
    edits: [["  nameHead(resumed, head);\n  if (previous", "  if (previous"]],
    dies: "strace_test",
    equivalent:
      "the slot of the segment before last matters only until the newest one names its own next segment, durably, " +
      "which the same opening does next: a segment that names one belongs to the log by that. Until then nothing was " +
      "acknowledged in the newest segment, whose beginning had failed",
  },
  {
    name: "the unproven frames are not copied",
    file: CONTINUE,
    edits: [["copyFrames(codec, old, provenOffset, head, file, segment, proven.lsn);", "void copyFrames;"]],
    dies: "simulation",
  },
  {
    name: "copied frames have no copy flag",
    file: WASM_FRAME,
    edits: [[
      "(load<u8>(frame, FRAME_KIND) as u32) | (FLAG_COPY << FLAGS_SHIFT)",
      "(load<u8>(frame, FRAME_KIND) as u32) & ~(FLAG_COPY << FLAGS_SHIFT)",
    ]],
    dies: "simulation",
  },
  {
    name: "the copy flag of frames is ignored",
    file: WASM_SCAN,
    edits: [["own += (((load<u8>(frame, FRAME_KIND) as u32) & (FLAG_COPY << FLAGS_SHIFT)) == 0) as u64;", "own += 1;"]],
    dies: "durable_proof_test",
  },
  {
    name: "a copied checkpoint keeps the flag of a clean close",
    file: WASM_FRAME,
    edits: [["if ((kind & KIND_MASK) == KIND_CHECKPOINT) kind &= ~(FLAG_CLOSE << FLAGS_SHIFT);", ""]],
    dies: "close_test",
  },
  {
    name: "every segment file counts as part of the log",
    file: CHAIN,
    edits: [[
      "valid.findLastIndex((file) => isCommitted(facts, file, byNumber.get(file.header.previous), valid));",
      "valid.length - 1;\n  void isCommitted;",
    ]],
    dies: "simulation",
  },
  {
    name: "only the pointer decides whether a segment is committed, even if it is lost",
    file: SEGMENT_FILES,
    edits: [["return this.survey(file, file.size).ownFrames > 0;", "return false;"]],
    dies: "pointer_test",
  },
  {
    name: "a pointer that names another segment is ignored",
    file: CHAIN,
    edits: [["return previous.nextPointer.next.number === file.number;", "return true;"]],
    dies: "durable_proof_test",
  },
  {
    name: "the next-segment pointer is not written when a segment is sealed",
    file: ROTATION,
    edits: [["writeFull(file, pointer, NEXT_POINTER_OFFSETS[0]);", ""]],
    dies: "rotation_test",
  },
  {
    name: "a writer leaves a newest segment without a pointer to it",
    file: RESUME,
    edits: [["if (!recovered.isHeadNamed) nameHead(resumed, head);", ""]],
    dies: "pointer_test",
  },
  {
    name: "a missing newest segment is not reported",
    file: CHAIN,
    edits: [[
      'newest?.nextPointer.kind === "named" && !byNumber.has(newest.nextPointer.next.number)',
      'newest?.nextPointer.kind === "named" && false as boolean',
    ]],
    dies: "simulation",
  },
  {
    name: "a missing newest segment is not reported if the pointer to it is damaged",
    file: CHAIN,
    edits: [[
      'if (newest?.nextPointer.kind === "damaged" && !nextBegun',
      'if (false as boolean && newest?.nextPointer.kind === "damaged" && !nextBegun',
    ]],
    dies: "pointer_test",
  },
  {
    name: "an uncommitted segment stands in for a missing one",
    file: CHAIN,
    edits: [[" && !successors.some(({ header }) => header.state.tailLost)", ""]],
    dies: "torn_pointer_test",
  },
  {
    name: "a segment below the snapshot stays in the log",
    file: JUDGE,
    edits: [["index.segments.splice(0, index.covered)", "index.segments.splice(0, 0 * index.covered)"]],
    dies: "leftover_test",
  },
  {
    name: "a segment below the snapshot is not removed",
    file: JUDGE,
    edits: [["covered.map((segment) => segment.path)", "covered.slice(covered.length).map((segment) => segment.path)"]],
    dies: "leftover_test",
  },
  {
    name: "a segment below the snapshot does not name the newest one again",
    file: RECOVERY,
    edits: [["    const previous = replay.index.segments.at(-2);\n", ""], [
      "      previous,\n",
      "      previous: replay.index.segments.at(-2),\n",
    ]],
    dies: "leftover_test",
  },
  {
    name: "damage below the snapshot is reported",
    file: JUDGE,
    edits: [["else if (!isBelow) harmless.push(one);", "else harmless.push(one);"]],
    dies: "simulation",
  },
  {
    name: "damage below the snapshot is dropped although it may have held a truncation",
    file: JUDGE,
    edits: [[
      "    const isBelow = one.path < path;",
      "    const isBelow = one.path < path;\n    if (isBelow) continue;",
    ]],
    dies: "leftover_test",
  },
  {
    name: "the newest segment is removed if the snapshot covers it",
    file: INDEX,
    edits: [["i === this.segments.length - 1 || ", "i > this.segments.length || "]],
    dies: "simulation",
  },
  {
    name: "a first segment that held nothing is reported missing",
    file: JUDGE,
    edits: [["return previous > 0 && !isEmpty;", "return previous > 0 || isEmpty;"]],
    dies: "leftover_test",
  },
  {
    name: "a log with a torn pointer is continued after its checkpoint",
    file: NEWEST,
    edits: [[' && newest.file.nextPointer.kind === "none",', ","]],
    dies: "torn_pointer_test",
  },
  {
    name: "an empty pointer in a damaged page shows that no segment was named",
    file: NEXT_POINTER,
    edits: [['(first === "empty" && isPage0Whole)', '(first === "empty" && !isPage0Whole)']],
    dies: "format_test",
  },
  {
    name: "a sealed segment without its next segment and pointer counts as the newest",
    file: JUDGE,
    edits: [["if (replay.indexOffset !== undefined && !chain.nextBegun", "if (false as boolean && !chain.nextBegun"]],
    dies: "pointer_test",
  },
  {
    name: "a folder that has lost all its segments counts as a new log",
    file: RECOVERY,
    edits: [[
      "if (evidence !== undefined && damage.length === 0) {",
      "if (false as boolean) {",
    ]],
    dies: "simulation",
  },
  {
    name: "a torn log counts as clean",
    file: NEWEST,
    edits: [["cut: torn === undefined ? undefined : describeCut(codec, head, file, torn, size),", "cut: undefined,"]],
    dies: "torn_test",
  },
  {
    name: "a log that was not closed counts as closed",
    file: NEWEST,
    edits: [[
      "return checkpoint.kind === KIND_CHECKPOINT && (checkpoint.flags & FLAG_CLOSE) !== 0 &&\n    checkpoint.length === CHECKPOINT_PAYLOAD_BYTES;",
      "return checkpoint.kind === KIND_CHECKPOINT && checkpoint.length === CHECKPOINT_PAYLOAD_BYTES;",
    ]],
    dies: "close_test",
  },
  {
    name: "a clean close is not recognized",
    file: PROVEN,
    edits: [[
      "const isClosed = close !== undefined && slot <= close;",
      "const isClosed = close !== undefined && slot < 0;",
    ]],
    dies: "proven_test",
  },
  {
    name: "truncations are not replayed",
    file: REPLAY_FRAMES,
    edits: [["index.truncate(header.index, header.term);", ""]],
    dies: "simulation",
  },
  {
    name: "the flag of a snapshot that clears the log is ignored",
    file: REPLAY_FRAMES,
    edits: [["const clears = (header.flags & FLAG_CLEAR) !== 0;", "const clears = false as boolean;"]],
    dies: "simulation",
  },
  {
    name: "a header that claims more entries than fit is accepted",
    file: SEGMENT_BOUNDARIES,
    edits: [["if (entries <= entriesThatFit(bytes)) return;", "if (entries <= bytes) return;"]],
    dies: "claims_test",
  },
  {
    name: "a file is read beyond the size that it had when it was opened",
    file: "src/io/sized_file.ts",
    edits: [["const rest = this.bytes - position;", "const rest = Infinity + 0 * position;"]],
    dies: "endless_test",
  },
  {
    name: "a segment index of another place is accepted",
    file: SEALED,
    edits: [[" || segmentIndex.trailer.indexOffset !== link.endOffset", ""]],
    dies: "sealed_test",
  },
  {
    name: "a lost hard state is replaced by a default",
    file: STATE,
    edits: [["this.hardStateLost = state.hardStateLost;", "this.hardStateLost = false;"]],
    dies: "damage_kept_test",
  },
  {
    name: "a second writer gets in",
    file: OPEN,
    edits: [[
      'if (typeof lock === "object") return lock;',
      'return typeof lock === "object" ? lock : { check() {}, release() {} };',
    ]],
    dies: "lock_test",
  },
  {
    name: "a crash while a log is created counts as a lost segment",
    file: CHAIN,
    edits: [[
      "if (!isIdentified && newest.header.previous === 0 && !hasOwnFrames(newest)) return",
      "if (false as boolean) return",
    ]],
    dies: "chain_test",
  },
];
