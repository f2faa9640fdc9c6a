/**
 * Mutants of checks: checksums, seeds, and the fields that a frame, a header or a snapshot must have.
 *
 * @module
 */

import {
  FRAME_WRITER,
  NEWEST,
  NEXT_POINTER,
  READ_INDEX,
  READER,
  REPLAY_FRAMES,
  SEGMENT_BOUNDARIES,
  SEGMENT_FILES,
  SEGMENT_HEADER,
  SEGMENT_INDEX,
  SELECT,
  SNAPSHOT_FILE,
  SNAPSHOT_HEADER,
  WASM_FRAME,
  WASM_SCAN,
} from "./files.ts";
import type { Mutant } from "./mutant.ts";

/** The mutants. */
export const CHECKSUM_MUTANTS: readonly Mutant[] = [
  {
    name: "a frame's header checksum is not compared",
    file: WASM_FRAME,
    edits: [["if (load<u32>(frame, FRAME_HEADER_CHECKSUM) != headerChecksum(frame, seed)) return false;", ""]],
    dies: "simulation",
  },
  {
    name: "a frame's payload checksum is not compared when it is read",
    file: WASM_FRAME,
    edits: [[
      "bytes < frameBytes(length) || xxh3(frame + FRAME_HEADER_BYTES, length) != load<u64>(frame, FRAME_PAYLOAD_CHECKSUM)",
      "bytes < frameBytes(length)",
    ]],
    dies: "simulation",
  },
  {
    name: "a frame's payload checksum is not compared when the log is opened",
    file: WASM_SCAN,
    edits: [["if (xxh3(at + FRAME_HEADER_BYTES, length) != load<u64>(at, FRAME_PAYLOAD_CHECKSUM)) {", "if (false) {"]],
    dies: "simulation",
  },
  {
    name: "the payload checksum of a frame larger than a chunk is not compared when the log is opened",
    file: REPLAY_FRAMES,
    edits: [["if (codec.getWide(SLOT_HASH) !== view.getBigUint64(FRAME_PAYLOAD_CHECKSUM, true)) return false;", ""]],
    dies: "torn_test",
  },
  {
    name: "the payload checksum of a frame larger than a chunk is not compared when it is read",
    file: READER,
    edits: [[
      "count < payload.length || codec.hash(payload, 0n) !== sum",
      "count < payload.length",
    ]],
    dies: "damaged_read_test",
  },
  {
    name: "a single read does not check the frame",
    file: READER,
    edits: [["if (wasm.checkFrame(address, had, baseLsn + offset) !== 0) {", "if (false as boolean) {"]],
    dies: "simulation",
  },
  {
    name: "a read of many does not check the frames",
    file: READER,
    edits: [[
      "written !== undefined || codec.wasm.checkFrame(begin + at, filled - at, lsn + at) === 0",
      "true as boolean",
    ]],
    dies: "simulation",
  },
  {
    name: "a read of many mistakes the next frame for the requested entry's",
    file: READER,
    edits: [["if (frame.first > next) break pages;", ""]],
    dies: "damaged_read_test",
  },
  {
    name: "entries are accepted in any order",
    file: WASM_SCAN,
    edits: [["load<u64>(at, FRAME_INDEX) != next || ", ""]],
    dies: "simulation",
  },
  {
    name: "changes are not counted",
    file: FRAME_WRITER,
    edits: [["if (isChange(kind)) this.changes = changes + 1;", "if (isChange(kind)) this.changes = changes;"]],
    dies: "simulation",
  },
  {
    name: "the salt is not in the seed",
    file: SELECT,
    edits: [["codec.setWide(SLOT_SALT, header.salt);", "codec.setWide(SLOT_SALT, 0n * header.salt);"]],
    dies: "misplaced_test",
  },
  {
    name: "the LSN is not in the seed",
    file: WASM_FRAME,
    edits: [[
      "return xxh3Header(frame + FRAME_LENGTH, seed) as u32;",
      "return xxh3Header(frame + FRAME_LENGTH, slot(SLOT_SALT)) as u32;",
    ]],
    dies: "misplaced_test",
  },
  {
    name: "a segment header's checksum is not compared",
    file: SEGMENT_HEADER,
    edits: [[
      "if (view.getBigUint64(CHECKED_BYTES, true) !== sum(copy.subarray(0, CHECKED_BYTES), 0n)) return undefined;",
      "",
    ]],
    dies: "damage_test",
  },
  {
    name: "the second copy of a segment's header is not read",
    file: SEGMENT_FILES,
    edits: [["const valid = first ?? second;", "const valid = first ?? (second && undefined);"]],
    dies: "sealed_test",
  },
  {
    name: "a segment under another one's name is taken for it",
    file: SEGMENT_FILES,
    edits: [["valid !== undefined && valid.number !== number;", "valid !== undefined && valid.number < 0;"]],
    dies: "missing_file_test",
  },
  {
    name: "a segment of another log is taken for this one's",
    file: SEGMENT_FILES,
    edits: [["file.header === undefined || file.header.uuid.join() === own", "own === undefined || own !== undefined"]],
    dies: "missing_file_test",
  },
  {
    name: "a next-segment pointer's checksum is not compared",
    file: NEXT_POINTER,
    edits: [["view.getBigUint64(CHECKED_BYTES, true) !== sum(sector.subarray(0, CHECKED_BYTES), salt)", "false"]],
    dies: "pointer_test",
  },
  {
    name: "a segment index's trailer checksum is not compared",
    file: SEGMENT_INDEX,
    edits: [[
      "view.getBigUint64(TRAILER_SUMMED_BYTES, true) !== sum(trailer.subarray(0, TRAILER_SUMMED_BYTES), salt)",
      "false",
    ]],
    dies: "sealed_test",
  },
  {
    name: "the checksum of a segment index's runs is not compared",
    file: READ_INDEX,
    edits: [["sum(runs, 0n) === trailer.runsChecksum", "(runs.length >= 0)"]],
    dies: "damage_test",
  },
  {
    name: "the checksum of a segment index's pages is not compared",
    file: READ_INDEX,
    edits: [["codec.hash(bytes, 0n) === trailer.pagesChecksum", "(bytes.length >= 0)"]],
    dies: "sealed_test",
  },
  {
    name: "a snapshot's header checksum is not compared",
    file: SNAPSHOT_HEADER,
    edits: [["if (view.getBigUint64(end, true) !== sum(header.subarray(0, end), 0n)) return undefined;", ""]],
    dies: "simulation",
  },
  {
    name: "the checksum of a snapshot's piece is not compared",
    file: SNAPSHOT_FILE,
    edits: [[
      "if (this.codec.hash(covered, this.salt ^ BigInt(offset)) !== checksum) return undefined;",
      "",
    ]],
    dies: "simulation",
  },
  {
    name: "a snapshot of another log is taken for this one's",
    file: SNAPSHOT_FILE,
    edits: [["if (!uuid.every((byte, i) => byte === header.uuid[i]))", "if (uuid.length === 0)"]],
    dies: "misplaced_test",
  },
  {
    name: "a snapshot of another index is taken for the one that the log names",
    file: SNAPSHOT_FILE,
    edits: [[
      "if (header.index !== BigInt(index) || header.term !== BigInt(term)) {",
      "if (false as boolean) {",
    ]],
    dies: "misplaced_test",
  },
  {
    name: "a snapshot without its end passes",
    file: SNAPSHOT_FILE,
    edits: [["if (done !== this.dataBytes)", "if (done < 0)"]],
    dies: "misplaced_test",
  },
  {
    name: "a segment is not compared with the state in the next header",
    file: SEGMENT_BOUNDARIES,
    edits: [["!sameState(replay.state, state) || ", ""]],
    dies: "sealed_test",
  },
  {
    name: "a segment's last checksum is not compared with the one in the next header",
    file: SEGMENT_BOUNDARIES,
    edits: [["segment.lastChecksum !== previousChecksum", "segment.lastChecksum < 0"]],
    dies: "sealed_test",
  },
  {
    name: "the last readable checksum is mistaken for that of the last frame",
    file: NEWEST,
    edits: [["replay.gapOffset !== undefined ? 0 : head.lastChecksum", "head.lastChecksum"]],
    dies: "damage_healed_test",
  },
];
