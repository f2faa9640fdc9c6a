/**
 * Mutants of writes that find no space.
 *
 * @module
 */

import { CREATE, DURABILITY, FRAME_WRITER, IDENTITY, RESERVE, ROTATION, SNAPSHOT_WRITER } from "./files.ts";
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
    name: "a part of the second copy of a pointer stays",
    file: "src/write/rotation.ts",
    edits: [["  writeIfRoom(file, new Uint8Array(pointer.length));\n", ""]],
    dies: "injected_full_disk_test",
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
    dies: "fail_stop_test",
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
    edits: [["    fileSystem.remove(path);\n", "    void path;\n"]],
    dies: "injected_full_disk_test",
  },
  {
    name: "a segment that cannot be created for lack of descriptors ends the log",
    file: CREATE,
    edits: [["throw isRefused(error) ? refusedError(ATTEMPT, path, error) : error;", "throw error;"]],
    dies: "few_files_test",
  },
  {
    name: "a folder that cannot be opened for a flush ends the log",
    file: ROTATION,
    edits: [[
      "throw isOutOfFiles(error) ? undoCreation(this.fileSystem, next.segment.path, error) : error;",
      "throw error;",
    ]],
    dies: "few_files_test",
  },
  {
    name: "the flush of a pointer is forgotten if its segment cannot be opened",
    file: ROTATION,
    edits: [[
      "    let file: File | undefined;\n",
      "    this.unflushedPointer = undefined;\n    let file: File | undefined;\n",
    ]],
    dies: "few_files_test",
  },
  {
    name: "a snapshot whose folder cannot be opened for a flush ends the log",
    file: SNAPSHOT_WRITER,
    edits: [["if (isOutOfFiles(error)) this.unname();", ""]],
    dies: "few_files_test",
  },
  {
    name: "too many open files release the reserve",
    file: RESERVE,
    edits: [[" && !isOutOfFiles(error.cause);", ";"]],
    dies: "few_files_test",
  },
  {
    name: "an identity that cannot be written for lack of descriptors ends the log",
    file: IDENTITY,
    edits: [["if (!isRefused(error)) throw error;", "if (!isNoSpace(error)) throw error;"], [
      "errorCode, isRefused,",
      "errorCode, isNoSpace,",
    ]],
    dies: "few_files_test",
  },
];
