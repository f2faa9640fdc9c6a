/**
 * Mutants of the order of disk and memory, and of a log that has failed.
 *
 * @module
 */

import {
  ACCESS,
  BATCH,
  DURABILITY,
  FLUSHER,
  FRAME_WRITER,
  FULL,
  LOG,
  OPEN_FLUSHES,
  PREALLOCATION,
  ROTATION,
  SNAPSHOT_STORE,
} from "./files.ts";
import type { Mutant } from "./mutant.ts";

/** The mutants. */
export const FAIL_STOP_MUTANTS: readonly Mutant[] = [
  {
    name: "frames overwrite those that were written while the batch was read",
    file: BATCH,
    edits: [["if (buffer.reservations !== reservations) return undefined;", ""]],
    dies: "taken_test",
  },
  {
    name: "built frames stay in place when a new segment is created",
    file: FRAME_WRITER,
    edits: [["if (at !== laid) codec.bytes.copyWithin(at, laid, laid + bytes);", ""]],
    dies: "simulation",
  },
  {
    name: "memory changes before the disk in append",
    file: LOG,
    edits: [
      [
        'this.#durability.write(\n      "append",',
        'const firstIndex = index.nextIndex;\n    index.append(batch);\n    this.#durability.write(\n      "append",',
      ],
      ["const firstIndex = index.nextIndex;\n    index.append(batch);\n    this.#state", "this.#state"],
    ],
    dies: "simulation",
  },
  {
    name: "memory changes before the disk in truncate",
    file: LOG,
    edits: [[
      'this.#durability.writeFrame("truncate",',
      'this.#index.truncate(from, term);\n    this.#durability.writeFrame("truncate",',
    ]],
    dies: "simulation",
  },
  {
    name: "memory changes before the disk in setHardState",
    file: LOG,
    edits: [[
      'this.#durability.writeFrame("set the hard state",',
      'this.#state.hardState = Object.freeze({ term, votedFor });\n    this.#durability.writeFrame("set the hard state",',
    ]],
    dies: "simulation",
  },
  {
    name: "memory changes before the disk when a snapshot is installed",
    file: SNAPSHOT_STORE,
    edits: [[
      "const clears = log.keepsTail(index, term) !== true;",
      "const clears = log.keepsTail(index, term) !== true;\n    log.compact(index, term, clears);",
    ]],
    dies: "failing_step_test",
  },
  {
    name: "a failed log accepts writes",
    file: ACCESS,
    edits: [[
      "this.requireOpen(attempt);\n    if (this.poison !== undefined) throw this.poison;",
      "this.requireOpen(attempt);",
    ]],
    dies: "simulation",
  },
  {
    name: "a log that has failed closes cleanly",
    file: DURABILITY,
    edits: [[
      "if (this.poison !== undefined) throw this.poison;\n      if (writer.durableLsn",
      "if (writer.durableLsn",
    ]],
    dies: "simulation",
  },
  {
    name: "a failed write does not reject callers that wait for a flush",
    file: DURABILITY,
    edits: [["this.commit.fail(this.poison);", ""]],
    dies: "fail_stop_test",
  },
  {
    name: "closing a failed log waits for the running flush",
    file: "src/write/group_commit.ts",
    edits: [["if (flush === undefined || this.#failure !== undefined) return;", "if (flush === undefined) return;"]],
    dies: "fail_stop_test",
  },
  {
    name: "a failed flush is retried",
    file: FLUSHER,
    edits: [[
      "active.file.sync();\n    slotsFlushed();",
      "try {\n      active.file.sync();\n    } catch {\n      active.file.sync();\n    }\n    slotsFlushed();",
    ]],
    dies: "simulation",
  },
  {
    name: "a failed asynchronous flush is retried",
    file: OPEN_FLUSHES,
    edits: [["await file.syncAsync();", "await file.syncAsync().catch(() => file.syncAsync());"]],
    dies: "fail_stop_test",
  },
  {
    name: "a failed flush of a directory is ignored when a segment is begun",
    file: ROTATION,
    edits: [[
      "this.fileSystem.syncDirectory(this.folder);\n",
      "try {\n      this.fileSystem.syncDirectory(this.folder);\n    } catch { /* later */ }\n",
    ]],
    dies: "simulation",
  },
  {
    name: "a short write counts as complete",
    file: FULL,
    edits: [["done += count;\n  }\n}", "done += rest.byteLength;\n  }\n}"]],
    dies: "simulation",
  },
  {
    name: "a short read counts as the end of the file",
    file: FULL,
    edits: [["while (done < into.byteLength) {", "while (done < 0) {"]],
    dies: "full_test",
  },
  {
    name: "preallocation overwrites frames",
    file: PREALLOCATION,
    edits: [["const from = Math.max(this.zeroedTo, end);", "const from = this.zeroedTo;"]],
    dies: "simulation",
  },
  {
    name: "a flush that covers a closed segment closes its file too early",
    file: OPEN_FLUSHES,
    edits: [["if (this.flushing.has(file)) this.retired.add(file);\n    else file.close();", "file.close();"]],
    dies: "flush_test",
  },
];
