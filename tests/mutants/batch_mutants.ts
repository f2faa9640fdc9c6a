/**
 * Mutants of batches: entries that share frames, and batches of several frames.
 *
 * @module
 */

import {
  BATCH,
  FRAME_WRITER,
  LAYER,
  LIVE,
  NEWEST,
  PASS_DAMAGE,
  PLAN_FRAME,
  REPAIR_FRAMES,
  WASM_FRAME,
  WASM_SCAN,
} from "./files.ts";
import type { Mutant } from "./mutant.ts";

/** The mutants. */
export const BATCH_MUTANTS: readonly Mutant[] = [
  {
    name: "recovery keeps a part of a batch",
    file: NEWEST,
    edits: [["replay.dropOpenBatch(head) ?? step.value?.offset", "step.value?.offset"]],
    dies: "batch_test",
  },
  {
    name: "frames do not state that the batch continues",
    file: LAYER,
    edits: [["if (hasMore) buffer.setMore(at);", ""]],
    dies: "batch_test",
  },
  {
    name: "a frame larger than the buffer does not state that the batch continues",
    file: FRAME_WRITER,
    edits: [["if (hasMore) this.buffer.setMore(at);", ""]],
    dies: "batch_test",
  },
  {
    name: "the last frame of a batch states that the batch continues",
    file: BATCH,
    edits: [["layer.finish(false)", "layer.finish(true)"]],
    dies: "batch_test",
  },
  {
    name: "entries of different terms share a frame",
    file: LAYER,
    edits: [["term === this.term && kind", "kind"]],
    dies: "batch_test",
  },
  {
    name: "entries of different kinds share a frame",
    file: LAYER,
    edits: [["kind === this.kind && this", "this"]],
    dies: "batch_test",
  },
  {
    name: "commands are not moved after a table that was too large",
    file: LAYER,
    edits: [["if (unused > 0) {", "if (unused < 0) {"]],
    dies: "batch_test",
  },
  {
    name: "the lengths of a frame's entries are not added up",
    file: WASM_FRAME,
    edits: [["return sum == length || (sum < length && (flags & FLAG_REPAIRED) != 0);", "return true;"]],
    dies: "batch_test",
  },
  {
    name: "a damaged frame has no page of its own",
    file: PASS_DAMAGE,
    edits: [[
      "segment.breakPage();\n      takeEntries(replay, segment, offset, header);",
      "takeEntries(replay, segment, offset, header);",
    ]],
    dies: "batch_test",
  },
  {
    name: "the page of a damaged frame also holds the frames after it",
    file: PASS_DAMAGE,
    edits: [[
      "takeEntries(replay, segment, offset, header);\n      segment.breakPage();",
      "takeEntries(replay, segment, offset, header);",
    ]],
    dies: "simulation",
  },
  {
    name: "damage that a read finds has no page of its own",
    file: LIVE,
    edits: [["  if (lowest.offset !== OFFSET_LOST) segment.setPage(first, Math.max(offset, lowest.offset));\n", ""]],
    dies: "batch_test",
  },
  {
    name: "a search within a page gives up where a header before the frame is damaged",
    file: WASM_SCAN,
    edits: [["return walk(at, bytes, position, salt, wanted, true) as f64;", "return guess as f64;"]],
    dies: "batch_test",
  },
  {
    name: "a repair leaves slack without the flag for it",
    file: REPAIR_FRAMES,
    edits: [["const count = more > 0 && some.length === 1 ? 0 : some.length;", "const count = some.length;"]],
    dies: "batch_test",
  },
  {
    name: "a repair of a shared frame accepts only some of its entries",
    file: PLAN_FRAME,
    edits: [["if (missing !== undefined) throw needsAll(segment.path, offset, live.indexes);", ""]],
    dies: "batch_test",
  },
  {
    name: "a repair writes dropped entries into a frame",
    file: PLAN_FRAME,
    edits: [["one !== undefined && isLive.has(header.index + nth) ? one : NO_ENTRY", "one ?? NO_ENTRY"]],
    dies: "batch_test",
  },
];
