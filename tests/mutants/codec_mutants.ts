/**
 * Mutants of the instances of the codec, and of the second recovery thread.
 *
 * @module
 */

import { POOL, RECOVERY, REPLAY, WRITER } from "./files.ts";
import type { Mutant } from "./mutant.ts";

/** The mutants. */
export const CODEC_MUTANTS: readonly Mutant[] = [
  {
    name: "an instance is given to two users",
    file: POOL,
    edits: [["return idle.pop() ?? new Codec();", "return idle.at(-1) ?? new Codec();"]],
    dies: "pool_test",
  },
  {
    name: "an idle log keeps its instance",
    file: WRITER,
    edits: [["this.prove(state);\n    this.frames.release();", "this.prove(state);"]],
    dies: "pool_test",
  },
  {
    name: "a closed log keeps its instance",
    file: WRITER,
    edits: [[
      "this.frames.release();\n    this.flusher.retire(this.active.file);",
      "this.flusher.retire(this.active.file);",
    ]],
    dies: "pool_test",
  },
  {
    name: "another thread skips frames that are not entirely valid",
    file: "src/recovery/scan_thread_text.ts",
    edits: [["status !== SCAN_MORE && status !== SCAN_TABLE_FULL || consumed === 0", "consumed === 0"]],
    dies: "scan_ahead_test",
  },
  {
    name: "the initial state of another thread's scan is not compared",
    file: REPLAY,
    edits: [["!SCAN_SLOTS.every((slot) => codec.getWide(slot) === before[slot])", "before.length === 0"]],
    dies: "scan_ahead_test",
    equivalent: "replay begins each segment with what its header says, which is what the other thread was given",
  },
  {
    name: "the other thread is never ended",
    file: RECOVERY,
    edits: [["sealed.ahead?.close();", ""]],
    dies: "scan_ahead_test",
  },
];
