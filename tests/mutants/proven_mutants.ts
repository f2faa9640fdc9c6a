/**
 * Mutants of the proof that data is durable: durable slots, next-segment pointers and watermarks.
 *
 * @module
 */

import {
  CHAIN,
  DURABILITY,
  DURABLE_SLOT,
  FLUSHER,
  FRAME_WRITER,
  NAME_NEXT,
  NEWEST,
  NEXT_POINTER,
  PROVEN,
  RECOVERY,
  REPLAY_GAPS,
  ROTATION,
  SEGMENT_BOUNDARIES,
  SLOT_WRITER,
  WASM_SCAN,
  WRITER,
} from "./files.ts";
import type { Mutant } from "./mutant.ts";

/** The mutants. */
export const PROVEN_MUTANTS: readonly Mutant[] = [
  {
    name: "a durable slot does not count for the proven LSN",
    file: PROVEN,
    edits: [["Math.max(headerEnd, chain, slot, frames())", "Math.max(headerEnd, chain, frames())"]],
    dies: "proven_test",
  },
  {
    name: "a durable slot does not show the state after a gap",
    file: NEWEST,
    edits: [["if (slot?.lsn === proven.lsn) replay.endGap(head, slot.checkpoint);", ""]],
    dies: "judge_test",
  },
  {
    name: "a durable slot does not show a hard state that was lost in a gap",
    file: REPLAY_GAPS,
    edits: [["replay.setHardState(state.hardState);\n    codec.set(SLOT_HARD_STATES, 1);", ""]],
    dies: "judge_test",
  },
  {
    name: "an idle log writes no durable slot",
    file: WRITER,
    edits: [[
      "this.checkpoint(state);\n    this.active.slots.write({ lsn: this.durableLsn, checkpoint });",
      "this.checkpoint(checkpoint.state);",
    ]],
    dies: "slot_test",
  },
  {
    name: "closing writes no durable slot",
    file: WRITER,
    edits: [["    slots.write(slot);\n", ""], ["    slots.repeat(slot);\n", ""]],
    dies: "judge_test",
  },
  {
    name: "a durable slot claims unflushed frames",
    file: WRITER,
    edits: [[
      "const slot = { lsn: this.durableLsn, checkpoint",
      "const slot = { lsn: segment.endLsn + 160, checkpoint",
    ]],
    dies: "simulation",
  },
  {
    name: "a durable slot is overwritten before the other one is durable",
    file: SLOT_WRITER,
    edits: [["if (this.flushed === this.written) ", ""]],
    dies: "slot_test",
  },
  {
    name: "durable slots are not written alternately",
    file: SLOT_WRITER,
    edits: [["if (this.flushed === this.written) ", "if (false as boolean) "]],
    dies: "slot_test",
  },
  {
    name: "a flush counts for a slot that was written while it ran",
    file: SLOT_WRITER,
    edits: [["this.flushed = Math.max(this.flushed, written);", "this.flushed = this.written + 0 * written;"]],
    dies: "slot_test",
  },
  {
    name: "the slot found at opening is not written again",
    file: SLOT_WRITER,
    edits: [["if (last !== undefined) this.put(last);", ""]],
    dies: "slot_test",
  },
  {
    name: "a full disk ends the log at a durable slot",
    file: SLOT_WRITER,
    edits: [["if (!isNoSpace(error)) throw error;", "throw error;"]],
    dies: "slot_test",
  },
  {
    name: "a durable slot of another offset is accepted",
    file: DURABLE_SLOT,
    edits: [["return salt ^ BigInt(baseLsn + offset);", "return salt ^ BigInt(baseLsn + 0 * offset);"]],
    dies: "slot_test",
  },
  {
    name: "the second copy of a pointer is not written",
    file: ROTATION,
    edits: [["if (writeIfRoom(file, pointer)) return;", "return;"]],
    dies: "slot_test",
  },
  {
    name: "both copies of a pointer share a flush",
    file: NAME_NEXT,
    edits: [[
      "writeFull(file, pointer, offset);\n    file.sync();\n  }",
      "writeFull(file, pointer, offset);\n  }\n  file.sync();",
    ]],
    dies: "leftover_test",
  },
  {
    name: "the second copy of a pointer is never flushed",
    file: ROTATION,
    edits: [["try {\n      file.sync();\n    } finally {", "try {\n      file.size();\n    } finally {"]],
    dies: "slot_test",
  },
  {
    name: "a pointer's LSN does not prove the copies in the next segment",
    file: CHAIN,
    edits: [["next?.durableLsn ?? 0", "0"]],
    dies: "slot_test",
  },
  {
    name: "a pointer with one copy is not completed at opening",
    file: RECOVERY,
    edits: [['nextPointer.kind === "named" && nextPointer.copies === 2', 'nextPointer.kind === "named"']],
    dies: "slot_test",
  },
  {
    name: "of two pointers, the lower number counts",
    file: NEXT_POINTER,
    edits: [["b.number > a.number ? b : a", "b.number > a.number ? a : b"]],
    dies: "slot_test",
  },
  {
    name: "a newest segment truncated within its header block counts as empty",
    file: CHAIN,
    edits: [["newest.size < SEGMENT_HEADER_BYTES && (next", "newest.size < 0 && (next"]],
    dies: "evidence_test",
  },
  {
    name: "a reader overlooks the IDENTITY of a log whose only segment is cut within its header block",
    file: RECOVERY,
    edits: [["isIdentified = identity !== undefined", "isIdentified = !this.isFollowed && identity !== undefined"]],
    dies: "evidence_test",
  },
  {
    name: "a snapshot without segments is no evidence of a log",
    file: RECOVERY,
    edits: [["names.find((name) => this.isSnapshot(name))", "undefined"]],
    dies: "evidence_test",
  },
  {
    name: "the durable slot of a sealed segment does not explain a gap at its end",
    file: SEGMENT_BOUNDARIES,
    edits: [[
      "if (older.joined && slot?.lsn === link.file.header.baseLsn) replay.endGap(segment, slot.checkpoint);",
      "",
    ]],
    dies: "evidence_test",
  },
  {
    name: "closing writes one durable slot only",
    file: WRITER,
    edits: [["slots.repeat(slot);", ""]],
    dies: "evidence_test",
  },
  {
    name: "a failed log writes a durable slot",
    file: WRITER,
    edits: [["active === this.active && mayWrite()", "active === this.active"]],
    dies: "fail_stop_test",
  },
  {
    name: "a reopened log with a lost end counts as closed",
    file: PROVEN,
    edits: [[
      "const isClosed = close !== undefined && slot <= close;",
      "const isClosed = close !== undefined && slot >= 0;",
    ]],
    dies: "proven_test",
  },
  {
    name: "the durable LSN moves when a flush begins",
    file: FLUSHER,
    edits: [[
      "await this.flushes.sync(active.file);\n    slotsFlushed();\n    this.flushed(active, endLsn, started);",
      "this.flushed(active, endLsn, started);\n    await this.flushes.sync(active.file);\n    slotsFlushed();",
    ]],
    dies: "flush_test",
  },
  {
    name: "a flush covers frames written while it ran",
    file: FLUSHER,
    edits: [[
      "await this.flushes.sync(active.file);\n    slotsFlushed();\n    this.flushed(active, endLsn, started);",
      "await this.flushes.sync(active.file);\n    slotsFlushed();\n    this.flushed(active, active.segment.endLsn, started);",
    ]],
    dies: "group_commit_test",
  },
  {
    name: "the durable LSN goes back when an old flush returns",
    file: FLUSHER,
    edits: [["active.durableLsn = Math.max(active.durableLsn, lsn);", "active.durableLsn = lsn;"]],
    dies: "group_commit_test",
  },
  {
    name: "every frame claims that everything before it is durable",
    file: FRAME_WRITER,
    edits: [[
      "codec.wasm.seal(at, bytes, segment.header.baseLsn + end, this.active.durableLsn);",
      "codec.wasm.seal(at, bytes, segment.header.baseLsn + end, segment.header.baseLsn + end);",
    ]],
    dies: "simulation",
  },
  {
    name: "the watermark claims one frame more than was flushed",
    file: FRAME_WRITER,
    edits: [[
      "codec.wasm.seal(at, bytes, segment.header.baseLsn + end, this.active.durableLsn);",
      "codec.wasm.seal(at, bytes, segment.header.baseLsn + end, Math.min(this.active.durableLsn + 40, segment.header.baseLsn + end));",
    ]],
    dies: "simulation",
  },
  {
    name: "the watermark claims nothing",
    file: FRAME_WRITER,
    edits: [[
      "codec.wasm.seal(at, bytes, segment.header.baseLsn + end, this.active.durableLsn);",
      "codec.wasm.seal(at, bytes, segment.header.baseLsn + end, 0);",
    ]],
    dies: "durable_proof_test",
  },
  {
    name: "the header of a new segment claims more than is durable",
    file: ROTATION,
    edits: [["provenLsn: active.durableLsn,", "provenLsn: active.durableLsn + 40,"]],
    dies: "simulation",
  },
  {
    name: "the search for watermarks ends at damage",
    file: WASM_SCAN,
    edits: [[
      "if (load<u8>(frame, FRAME_KIND) == 0 || !headerIsValid(frame, salt ^ (position + done))) {\n      done += 8;\n      continue;",
      "if (load<u8>(frame, FRAME_KIND) == 0 || !headerIsValid(frame, salt ^ (position + done))) {\n      break;",
    ]],
    dies: "durable_proof_test",
  },
  {
    name: "watermarks are not searched",
    file: NEWEST,
    edits: [["files.survey(newest.file, size).provenLsn,", "0,"]],
    dies: "durable_proof_test",
  },
  {
    name: "everything that is in the file counts as proven",
    file: NEWEST,
    edits: [[
      "const provenOffset = proven.lsn - header.baseLsn;",
      "const provenOffset = Math.max(proven.lsn - header.baseLsn, size - size % 8);",
    ]],
    dies: "simulation",
  },
  {
    name: "the durable LSN in an uncommitted successor is ignored",
    file: NEWEST,
    edits: [["chain: chain.provenLsn,", "chain: 0,"]],
    dies: "durable_proof_test",
  },
  {
    name: "the proven LSN is a frame too low",
    file: NEWEST,
    edits: [[
      "const provenOffset = proven.lsn - header.baseLsn;",
      "const provenOffset = Math.max(SEGMENT_HEADER_BYTES, proven.lsn - header.baseLsn - 40);",
    ]],
    dies: "simulation",
  },
  {
    name: "an idle log writes no checkpoint",
    file: DURABILITY,
    edits: [["this.writer!.rest(this.record());", ""]],
    dies: "fail_stop_test",
  },
];
