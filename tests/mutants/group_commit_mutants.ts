/**
 * Mutants of shared flushes.
 *
 * @module
 */

import { COMMIT, DURABILITY } from "./files.ts";
import type { Mutant } from "./mutant.ts";

/** The mutants. */
export const GROUP_COMMIT_MUTANTS: readonly Mutant[] = [
  {
    name: "a call during a flush shares that flush",
    file: COMMIT,
    edits: [[
      "if (this.#next === undefined) {",
      "if (this.#running !== undefined) return this.#running.promise;\n    if (this.#next === undefined) {",
    ]],
    dies: "group_commit_test",
  },
  {
    name: "a flush reports entries that were written while it ran",
    file: COMMIT,
    edits: [[
      "this.#log.flushed(flush.lastIndex);\n      flush.resolve(flush.lastIndex);",
      "this.#log.flushed(this.#log.lastIndex());\n      flush.resolve(this.#log.lastIndex());",
    ]],
    dies: "group_commit_test",
  },
  {
    name: "a truncation during a flush is ignored",
    file: COMMIT,
    edits: [["this.#running.lastIndex = Math.min(this.#running.lastIndex, from - 1);", "void from;"]],
    dies: "group_commit_test",
  },
  {
    name: "two flushes run at once",
    file: COMMIT,
    edits: [[
      "if (flush === undefined || this.#running !== undefined || this.#failure !== undefined) return;",
      "if (flush === undefined || this.#failure !== undefined) return;",
    ], ["if (this.#running === undefined) queueMicrotask", "queueMicrotask"]],
    dies: "group_commit_test",
  },
  {
    name: "a failed flush is not remembered",
    file: COMMIT,
    edits: [["if (this.#failure !== undefined) return Promise.reject(this.#failure.reason);", ""]],
    dies: "group_commit_test",
    equivalent:
      "nobody gets there: the log refuses with the same error before it asks, once it has failed or is closed",
  },
  {
    name: "the durable index stays above a truncation",
    file: DURABILITY,
    edits: [["this.durableIndex = Math.min(this.durableIndex, from - 1);", ""]],
    dies: "simulation",
  },
];
