/** Mistakes in what the writer does beside appending: going on after a crash, preallocation, full disks. */

import { RESUME } from "./files.ts";
import type { Mutant } from "./mutant.ts";

const CHAIN = "src/recovery/chain.ts";
const REPLACE = "src/write/replace.ts";

/** Mutants of the replacement of the newest segment. */
export const WRITER_MUTANTS: readonly Mutant[] = [
  {
    name: "a crash loop adds a segment each time",
    file: RESUME,
    edits: [["!leftovers.includes(previous.path) && isReplaceable(", "previous.path === '' && isReplaceable("]],
    dies: "crash_loop_test",
  },
  {
    name: "a replacement is named before it is flushed",
    file: REPLACE,
    edits: [["    file.sync();\n", ""]],
    dies: "crash_loop_test",
  },
  {
    name: "a replacement is named before its name is flushed",
    file: REPLACE,
    edits: [["    fileSystem.syncDirectory(folder);\n", ""]],
    dies: "crash_loop_test",
  },
  {
    name: "a replaced segment does not name its replacement",
    file: REPLACE,
    edits: [["writeFull(old, encodePointer(codec, newest, segment, newest.endLsn), NEXT_POINTER_OFFSETS[0]);", ""]],
    dies: "crash_loop_test",
  },
  {
    name: "a replaced segment names its replacement last",
    file: REPLACE,
    edits: [
      [
        "    writeFull(old, encodePointer(codec, newest, segment, newest.endLsn), NEXT_POINTER_OFFSETS[0]);\n    old.sync();\n",
        "",
      ],
      [
        "segment.endLsn, newest.header.number);\n",
        "segment.endLsn, newest.header.number);\n" +
        "    writeFull(old, encodePointer(codec, newest, segment, newest.endLsn), NEXT_POINTER_OFFSETS[0]);\n",
      ],
    ],
    dies: "crash_loop_test",
  },
  {
    name: "an unfinished replacement is taken for the newest segment",
    file: CHAIN,
    edits: [['other.naming.kind === "none" &&', 'other.naming.kind === "damaged" &&']],
    dies: "crash_loop_test",
  },
  {
    name: "an unfinished replacement is taken for the newest segment if the one before has no header",
    file: CHAIN,
    edits: [[
      'if (file.naming.kind === "named") return true;',
      'if (file.naming.kind === "named" || previous === undefined) return true;',
    ]],
    dies: "crash_loop_test",
  },
  {
    name: "a damaged newest segment is replaced",
    file: RESUME,
    edits: [[
      "return damage.length === 0 && harmless.length === 0 && previous",
      "return harmless.length === 0 && previous",
    ]],
    dies: "crash_loop_test",
  },
  {
    name: "a newest segment is replaced however full it is",
    file: REPLACE,
    edits: [["Math.min(segmentBytes / 2, REPLACED_BYTES_MAX)", "Math.min(segmentBytes, CHUNK_BYTES)"]],
    dies: "crash_loop_test",
  },
  {
    name: "a replaced segment is not removed",
    file: RESUME,
    edits: [["const isReplaced = head !== undefined && ", "const isReplaced = head === undefined && "]],
    dies: "crash_loop_test",
  },
  {
    name: "the truncations of a replaced segment are forgotten",
    file: REPLACE,
    edits: [["  segment.lowestTruncated = newest.lowestTruncated;\n", ""]],
    dies: "simulation",
  },
  {
    name: "a replacement ends with a checkpoint whatever its last frame is",
    file: REPLACE,
    edits: [["endsWithCheckpoint: lastKind === KIND_CHECKPOINT", "endsWithCheckpoint: true"]],
    dies: "crash_loop_test",
  },
];
