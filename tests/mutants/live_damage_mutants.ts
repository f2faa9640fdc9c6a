/** Mutants of finding and repairing damage to an open log. */

import { NEWEST, READER, STATE } from "./files.ts";
import type { Mutant } from "./mutant.ts";

/** Mutants of finding and repairing damage to an open log. */
export const LIVE_DAMAGE_MUTANTS: readonly Mutant[] = [
  {
    name: "a scan of one segment does not know where the segment ends",
    file: "src/recovery/scan_segment.ts",
    edits: [["if (end !== undefined) replay.close(scanned, end);", ""]],
    dies: "simulation",
  },
  {
    name: "entries found lost while pages are rebuilt are not reported",
    file: READER,
    edits: [["for (const damage of segment.damageAt(index)) this.onDamage(placeDamage(segment, damage));", ""]],
    dies: "simulation",
  },
  {
    name: "a report of a part of a gap suppresses that of the whole gap",
    file: STATE,
    edits: [[
      "path !== other.path || other.offset < one.offset || end(other) > end(one)",
      "path !== other.path || other.offset < one.offset || other.offset >= end(one)",
    ], [
      "  return firstIndex <= other.firstIndex && (other.lastIndex ?? Infinity) <= lastIndex;",
      "  return firstIndex >= lastIndex || true;",
    ]],
    dies: "scrub_test",
  },
  {
    name: "pages that began within repaired frames stay",
    file: "src/maintain/repair_log.ts",
    edits: [["for (const at of repair.laid) repair.segment.removePage(at);", ""]],
    dies: "simulation",
  },
  {
    name: "entries rewritten after the last proof count as proven",
    file: NEWEST,
    edits: [["replay.index.nextIndex, unprovenTruncated) - 1", "replay.index.nextIndex) - 1"]],
    dies: "proven_index_test",
  },
];
