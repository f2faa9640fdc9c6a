/**
 * Mutants of repair and scrubbing.
 *
 * @module
 */

import { PLAN_FRAME, REPAIR, REPAIR_FRAMES, SCRUB } from "./files.ts";
import type { Mutant } from "./mutant.ts";

/** The mutants. */
export const REPAIR_MUTANTS: readonly Mutant[] = [
  {
    name: "a scrub reports damage that was repaired meanwhile",
    file: "src/maintain/repair_log.ts",
    edits: [["state.repairs++;", ""]],
    dies: "scrub_test",
  },
  {
    name: "a scrub reports a segment index that a crash tore before the next segment held a frame",
    file: SCRUB,
    edits: [[" && nextEnd > SEGMENT_HEADER_BYTES;", " && nextEnd > 0;"]],
    dies: "scrub_test",
  },
  {
    name: "a scrub reports a segment index that a crash tore before the log continued elsewhere",
    file: SCRUB,
    edits: [["return next.header.number === header.number + 1 && ", "return next.header.number > header.number && "]],
    dies: "scrub_test",
  },
  {
    name: "a repair allocates any distance that a header claims",
    file: REPAIR_FRAMES,
    edits: [["room < 0 || room > ROOM_BYTES_MAX", "room < 0 || room > 2 ** 12 * ROOM_BYTES_MAX"]],
    dies: "claims_test",
  },
  {
    name: "a repaired segment is not flushed before it replaces the damaged one",
    file: REPAIR,
    edits: [["copy.sync();", ""]],
    dies: "repair_test",
  },
  {
    name: "the renaming of a repaired segment is not flushed",
    file: REPAIR,
    edits: [["this.fileSystem.syncDirectory(this.folder);", ""]],
    dies: "repair_test",
  },
  {
    name: "a good copy is not compared with the surviving checksum",
    file: PLAN_FRAME,
    edits: [["payload !== undefined && codec.hash(payload, 0n) === sum", "payload !== undefined"]],
    dies: "repair_test",
  },
  {
    name: "a good copy is not compared with the surviving term",
    file: PLAN_FRAME,
    edits: [["if (header.term !== one.term)", "if (header.term < 0)"]],
    dies: "repair_test",
    equivalent: "the term of an entry whose header survives is in the index, and `checkRepair` has compared it by then",
  },
];
