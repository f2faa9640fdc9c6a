/**
 * Mutants of reports and events.
 *
 * @module
 */

import { DURABILITY } from "./files.ts";
import type { Mutant } from "./mutant.ts";

/** The mutants. */
export const EVENT_MUTANTS: readonly Mutant[] = [
  {
    name: "a report leaves out the range of a loss whose end is unknown",
    file: "src/api/report.ts",
    edits: [["if (last === undefined) return `from index ${first} on`;", 'if (last === undefined) return "";']],
    dies: "report_test",
  },
  {
    name: "a flush is published before the durable index has moved",
    file: DURABILITY,
    edits: [[
      "this.durableIndex = Math.max(this.durableIndex, lastIndex);\n    this.tellFlushes();",
      "this.tellFlushes();\n    this.durableIndex = Math.max(this.durableIndex, lastIndex);",
    ]],
    dies: "events_test",
  },
  {
    name: "the flush of a new segment is published before the durable index has moved",
    file: DURABILITY,
    edits: [[
      "this.durableIndex = this.state.lastIndex;\n      this.tellFlushes();",
      "this.tellFlushes();\n      this.durableIndex = this.state.lastIndex;",
    ]],
    dies: "events_test",
  },
  {
    name: "closing a log leaves the durable index where it was",
    file: DURABILITY,
    edits: [["this.flushed(this.state.lastIndex);\n      this.commit.finish(", "this.commit.finish("]],
    dies: "events_test",
  },
  {
    name: "a flush that a failure or closing overtakes is never published",
    file: DURABILITY,
    edits: [["if (this.poison !== undefined || this.isFinished) this.tellFlushes();", ""]],
    dies: "events_test",
  },
];
