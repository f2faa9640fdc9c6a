/**
 * Mutants of segments: their pages in memory, their numbers and their limits.
 *
 * @module
 */

import { CHAIN, CREATE, DURABILITY, ROTATION, SEGMENT, SEGMENT_HEADER, WASM_SCAN } from "./files.ts";
import type { Mutant } from "./mutant.ts";

/** The mutants. */
export const SEGMENT_MUTANTS: readonly Mutant[] = [
  {
    name: "an entries frame after lost entries does not begin a page",
    file: SEGMENT,
    edits: [["    this.count += howMany;\n    this.breakPage();", "    this.count += howMany;"]],
    dies: "segment_test",
  },
  {
    name: "a page does not end where entries were dropped",
    file: SEGMENT,
    edits: [["    this.table.dropFrom(this.end);\n    this.breakPage();", "    this.table.dropFrom(this.end);"]],
    dies: "segment_test",
  },
  {
    name: "a frame that fills a page exactly begins the next one",
    file: SEGMENT,
    edits: [["if (offset + bytes > this.pageEnd) {", "if (offset + bytes >= this.pageEnd) {"]],
    dies: "segment_test",
  },
  {
    name: "recovery begins a page with a frame that starts behind the last one",
    file: WASM_SCAN,
    edits: [["offset + (frameBytes(load<u32>(at, FRAME_LENGTH)) as u64) > pageEnd", "offset >= pageEnd"]],
    dies: "rotation_test",
  },
  {
    name: "pages after the last entry stay",
    file: SEGMENT,
    edits: [["    this.table.dropFrom(this.end);\n    this.breakPage();", "    this.breakPage();"]],
    dies: "segment_test",
  },
  {
    name: "a truncated page continues in the segment to which it moves",
    file: SEGMENT,
    edits: [["to.pageEnd = this.pageEnd === 0 ? 0 : this.pageEnd + toOffset - offset;", ""]],
    dies: "segment_test",
  },
  {
    name: "a segment number is reused",
    file: ROTATION,
    edits: [["(number) => this.numberUsed = number)", "() => {})"], [
      "this.numberUsed, {",
      "header.number, {",
    ]],
    dies: "rotation_test",
  },
  {
    name: "a file that is not the log's decides the number of the next segment",
    file: CHAIN,
    edits: [[
      "Math.max(highest, number), missing.number);",
      "Math.max(highest, number), Math.max(missing.number, files.at(-1)?.number ?? 0));",
    ]],
    dies: "limits_test",
  },
  {
    name: "a next-segment pointer does not show that a number is used",
    file: CHAIN,
    edits: [["Math.max(number, nextPointer.next.number)", "Math.max(number, 0 * nextPointer.next.number)"]],
    dies: "limits_test",
  },
  {
    name: "a file with the next segment's name ends the log",
    file: CREATE,
    edits: [['if (errorCode(error) === "EEXIST") continue;', ""]],
    dies: "limits_test",
  },
  {
    name: "a segment gets a number that no reader accepts",
    file: CREATE,
    edits: [["number < SEGMENT_NUMBER_END; number++", "number < 2 * SEGMENT_NUMBER_END; number++"]],
    dies: "limits_test",
  },
  {
    name: "a segment begins at an LSN that no reader accepts",
    file: CREATE,
    edits: [["if (header.baseLsn >= BASE_LSN_END) {", "if (header.baseLsn >= 4 * BASE_LSN_END) {"]],
    dies: "limits_test",
  },
  {
    name: "a refused segment ends the log",
    file: DURABILITY,
    edits: [['(error.code === "NO_SPACE" || error.code === "CORRUPT")', 'error.code === "NO_SPACE"']],
    dies: "limits_test",
  },
  {
    name: "a segment is read although LSNs in it are not exact",
    file: SEGMENT_HEADER,
    edits: [["if (!isSegmentBoundary(view, 40) || ", "if (!areSafe(view, [40]) || "]],
    dies: "limits_test",
  },
];
