/**
 * Mutants of writes that find no space.
 *
 * @module
 */

import { CREATE, DURABILITY, FRAME_WRITER } from "./files.ts";
import type { Mutant } from "./mutant.ts";

/** The mutants. */
export const FULL_DISK_MUTANTS: readonly Mutant[] = [
  {
    name: "the flush of a failed rotation is never proven",
    file: DURABILITY,
    edits: [[
      "if (!writer.isDirty) this.flushed(this.state.lastIndex);",
      "if (!writer.isDirty) this.durableIndex = this.state.lastIndex;",
    ]],
    dies: "durable_proof_test",
  },
  {
    name: "a full disk without space for a checkpoint ends the log",
    file: FRAME_WRITER,
    edits: [["if (!isNoSpace(error)) throw error;\n      this.undo();", "throw error;"]],
    dies: "durable_proof_test",
  },
  {
    name: "a write that finds no space is not undone",
    file: DURABILITY,
    edits: [["() => writer.undo()", "() => {}"]],
    dies: "simulation",
  },
  {
    name: "undoing a write is not flushed",
    file: FRAME_WRITER,
    edits: [[
      "this.active.file.truncate(endOffset);\n    this.active.file.sync();",
      "this.active.file.truncate(endOffset);",
    ]],
    dies: "fail_stop_test",
  },
  {
    name: "the change counter is not restored after a write that finds no space",
    file: FRAME_WRITER,
    edits: [["} catch (error) {\n      this.changes = changes;", "} catch (error) {"]],
    dies: "simulation",
  },
  {
    name: "a snapshot that finds no space leaves its file",
    file: DURABILITY,
    edits: [[
      "() => file.abort()",
      "() => file.release()",
    ]],
    dies: "full_disk_test",
  },
  {
    name: "a flush that reports no space is refused instead of ending the log",
    file: DURABILITY,
    edits: [[
      "    this.orFail(attempt, () => this.writer!.flush(this.timing.isSlotDue() ? this.record() : undefined));",
      "    try {\n      this.writer!.flush();\n    } catch (error) {\n      throw this.refuse(attempt, error, () => this.writer!.undo());\n    }",
    ]],
    dies: "fail_stop_test",
  },
  {
    name: "a segment that finds no space leaves its file",
    file: CREATE,
    edits: [["fileSystem.remove(path);\n    } catch (second)", "void path;\n    } catch (second)"]],
    dies: "injected_full_disk_test",
  },
];
