/** Mutants of the writer besides appending: continuing after a crash, preallocation, full disks. */

import { RESUME } from "./files.ts";
import type { Mutant } from "./mutant.ts";

const CHAIN = "src/recovery/chain.ts";
const REPLACE = "src/write/replace.ts";
const RESERVE = "src/write/reserve.ts";

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
    dies: "strace_test",
  },
  {
    name: "an unfinished replacement counts as the newest segment",
    file: CHAIN,
    edits: [['other.nextPointer.kind === "none" &&', 'other.nextPointer.kind === "damaged" &&']],
    dies: "crash_loop_test",
  },
  {
    name: "an unfinished replacement counts as the newest segment if the previous one has no header",
    file: CHAIN,
    edits: [[
      'if (file.nextPointer.kind === "named") return true;',
      'if (file.nextPointer.kind === "named" || previous === undefined) return true;',
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
    name: "a newest segment is replaced even if it is full",
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
    dies: "crash_loop_test",
  },
  {
    name: "a replacement always counts as ending with a checkpoint",
    file: REPLACE,
    edits: [["endsWithCheckpoint: lastKind === KIND_CHECKPOINT", "endsWithCheckpoint: true"]],
    dies: "crash_loop_test",
  },
  {
    name: "a full disk never gets the space of the reserve",
    file: RESERVE,
    edits: [["isReleased = isShortage(error) && this.release();", "isReleased = false;"]],
    dies: "reserve_test",
  },
  {
    name: "closing does not use the space of the reserve",
    file: "src/write/writer.ts",
    edits: [["(release() && this.frames", "(false && this.frames"]],
    dies: "reserve_test",
  },
  {
    name: "a snapshot without data does not use the space of the reserve",
    file: "src/snapshots/snapshot_store.ts",
    edits: [["if (snapshot.data.length > 0) write();", "if (snapshot.data.length >= 0) write();"]],
    dies: "reserve_test",
  },
  {
    name: "the reserve is released at a limit on the size of files",
    file: RESERVE,
    edits: [['errorCode(error.cause) !== "EFBIG" && ', ""]],
    dies: "reserve_test",
  },
  {
    name: "the reserve is created again while space is low",
    file: RESERVE,
    edits: [["if (free < this.bytes * SPARE_FACTOR) return;", "void free;"]],
    dies: "reserve_test",
  },
  {
    name: "the reserve is not created again while the log is open",
    file: "src/write/durability.ts",
    edits: [["        this.reserve.make();\n", ""]],
    dies: "reserve_test",
  },
  {
    name: "a file that is not the log's counts as its reserve",
    file: RESERVE,
    edits: [["return isOurs(file) ? file.size() : undefined;", "return file.size();"]],
    dies: "reserve_test",
  },
  {
    name: "a failure to delete the reserve does not end the writer",
    file: RESERVE,
    edits: [["throw fail(failure);", "throw error;"]],
    dies: "reserve_test",
  },
  {
    name: "a full disk keeps the zeros of a log that continues after a crash",
    file: "src/recovery/resume.ts",
    edits: [["    cutZeros(fileSystem, recovered, head);\n", ""]],
    dies: "full_disk_test",
  },
  {
    name: "a log that finds no space is not recovered again before it retries",
    file: "src/recovery/resume.ts",
    edits: [["const again = yield* recover(recovering);", "const again = recovered;"]],
    dies: "simulation",
  },
  {
    name: "a copied segment looks closed while it is written",
    file: REPLACE,
    edits: [["    file.truncate(segment.endOffset + OPEN_BYTES);\n", ""]],
    dies: "reopened_test",
  },
];
