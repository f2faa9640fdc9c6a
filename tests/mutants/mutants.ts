/**
 * The mutants: one mistake each, as somebody tired could make it, put into the source where durability depends on it.
 * `deno task mutants` makes them one at a time and runs the simulation and the tests; none may survive.
 */

import { FOLDER_MUTANTS } from "./folder_mutants.ts";
import { CLI_MUTANTS } from "./cli_mutants.ts";
import { RAFT_MUTANTS } from "./raft_mutants.ts";
import { RAFT_TRAILING_MUTANTS } from "./raft_trailing_mutants.ts";
import { RAFT_WIRE_MUTANTS } from "./raft_wire_mutants.ts";
import { METRIC_MUTANTS, RETENTION_MUTANTS, SPACE_MUTANTS } from "./retention_mutants.ts";

/** One mistake. */
export interface Mutant {
  /** What is wrong with it. */
  readonly name: string;
  /** The file, from the root of the repository. */
  readonly file: string;
  /** Texts that occur exactly once in the file, and what they are replaced with, in this order. */
  readonly edits: readonly (readonly [find: string, replacement: string])[];
  /** Which check is expected to notice: `simulation`, `raft simulation`, or a test file. */
  readonly dies: string;
  /** Why nothing can notice, if nothing can. */
  readonly equivalent?: string;
}

const BATCH = "src/write/take_batch.ts";
const NAME_NEXT = "src/write/name_next.ts";
const OPEN_FLUSHES = "src/write/open_flushes.ts";
const CONTINUE = "src/write/continue.ts";
const PREALLOCATION = "src/write/preallocation.ts";
const WRITER = "src/write/writer.ts";
const SLOT_WRITER = "src/write/slot_writer.ts";
const DURABLE_SLOT = "src/format/durable_slot.ts";
const CREATE = "src/write/create.ts";
const SNAPSHOTS = "src/snapshots/snapshot_file.ts";
const IDENTITY = "src/recovery/identity.ts";
const IDENTITY_FORMAT = "src/format/identity.ts";
const LOG_IDENTITY = "src/api/log_identity.ts";
const OPEN = "src/recovery/open.ts";
const LOG = "src/api/wal_log.ts";
const COMPACTABLE_LOG = "src/api/compactable_log.ts";
const SCRUB = "src/maintain/scrub.ts";
const STATE = "src/log/live_state.ts";
const DURABILITY = "src/write/durability.ts";
const SNAPSHOT_STORE = "src/snapshots/snapshot_store.ts";
const SNAPSHOT_HEADER = "src/format/snapshot_header.ts";
const TAKEN = "src/api/taken.ts";
const VALIDATE_SNAPSHOT = "src/api/validate_snapshot.ts";
const SNAPSHOT_STREAM = "src/snapshots/snapshot_stream.ts";
const SEGMENT_HEADER = "src/format/segment_header.ts";
const NEXT_POINTER = "src/format/next_pointer.ts";
const SEGMENT_INDEX = "src/format/segment_index.ts";
const READ_INDEX = "src/recovery/read_index.ts";
const CHAIN = "src/recovery/chain.ts";
const RECOVERY = "src/recovery/recovery.ts";
const JUDGE = "src/recovery/judge.ts";
const INDEX = "src/log/log_index.ts";
const BORDERS = "src/recovery/borders.ts";
const SEALED = "src/recovery/sealed.ts";
const SEGMENT = "src/log/segment.ts";
const REPLAY = "src/recovery/replay.ts";
const PROVEN = "src/recovery/proven.ts";
const POOL = "src/codec/pool.ts";
const SELECT = "src/log/select_segment.ts";
const GAP = "src/recovery/gap.ts";
const EVIDENCE_FILE = "src/recovery/evidence.ts";
const CHECKPOINT = "src/format/checkpoint.ts";
const DROPS = "src/write/drops.ts";
const READER = "src/log/reader.ts";
const LIVE = "src/log/live.ts";
const COMMIT = "src/write/group_commit.ts";
const NODE = "src/io/node_fs.ts";
const NODE_FILE = "src/io/node_file.ts";
const FULL = "src/io/full.ts";
const REPAIR = "src/maintain/segment_repairer.ts";
const REPAIR_FRAMES = "src/maintain/repair_frames.ts";
const LAYER = "src/write/frame_layer.ts";
const WASM_FRAME = "wasm/frame.ts";
const WASM_SCAN = "wasm/scan.ts";

const EVIDENCE: Mutant[] = [
  {
    name: "a durable slot does not count for the proven LSN",
    file: PROVEN,
    edits: [["Math.max(headerEnd, chain, slot, frames())", "Math.max(headerEnd, chain, frames())"]],
    dies: "proven_test",
  },
  {
    name: "a durable slot does not show the state behind a gap",
    file: RECOVERY,
    edits: [["if (slot?.lsn === proven.lsn) replay.settle(head, slot.checkpoint);", ""]],
    dies: "judge_test",
  },
  {
    name: "a durable slot does not show a hard state that a gap took",
    file: REPLAY,
    edits: [["this.setHardState(state.hardState);\n      codec.set(SLOT_HARD_STATES, 1);", ""]],
    dies: "judge_test",
  },
  {
    name: "a log at rest writes no durable slot",
    file: WRITER,
    edits: [[
      "this.checkpoint(state);\n    this.slots.write({ lsn: this.durableLsn, checkpoint });",
      "this.checkpoint(checkpoint.state);",
    ]],
    dies: "slot_test",
  },
  {
    name: "closing writes no durable slot",
    file: WRITER,
    edits: [["    this.slots.write(slot);\n", ""], ["    this.slots.repeat(slot);\n", ""]],
    dies: "judge_test",
  },
  {
    name: "a durable slot claims what no flush has covered",
    file: WRITER,
    edits: [[
      "const slot = { lsn: this.durableLsn, checkpoint",
      "const slot = { lsn: segment.endLsn + 160, checkpoint",
    ]],
    dies: "judge_test",
  },
  {
    name: "a durable slot is overwritten before the other one is durable",
    file: SLOT_WRITER,
    edits: [["if (this.flushed === this.written) ", ""]],
    dies: "slot_test",
  },
  {
    name: "durable slots are never written in turn",
    file: SLOT_WRITER,
    edits: [["if (this.flushed === this.written) ", "if (false as boolean) "]],
    dies: "slot_test",
  },
  {
    name: "a flush counts for a slot that was written while it ran",
    file: SLOT_WRITER,
    edits: [["this.flushed = Math.max(this.flushed, written);", "this.flushed = this.written + 0 * written;"]],
    dies: "slot_test",
  },
  {
    name: "the slot that opening found is not written once more",
    file: SLOT_WRITER,
    edits: [["if (last !== undefined) this.put(last);", ""]],
    dies: "slot_test",
  },
  {
    name: "a full disk stops a log over a durable slot",
    file: SLOT_WRITER,
    edits: [["if (!isNoSpace(error)) throw error;", "throw error;"]],
    dies: "slot_test",
  },
  {
    name: "a durable slot of another place is believed",
    file: DURABLE_SLOT,
    edits: [["return salt ^ BigInt(baseLsn + offset);", "return salt ^ BigInt(baseLsn + 0 * offset);"]],
    dies: "slot_test",
  },
  {
    name: "the second copy of a pointer is not written",
    file: WRITER,
    edits: [["writeFull(this.file, pointer, NEXT_POINTER_OFFSETS[1]);", ""]],
    dies: "slot_test",
  },
  {
    name: "both copies of a pointer share a flush",
    file: NAME_NEXT,
    edits: [[
      "writeFull(file, pointer, offset);\n    file.sync();\n  }",
      "writeFull(file, pointer, offset);\n  }\n  file.sync();",
    ]],
    dies: "leftover_test",
  },
  {
    name: "the second copy of a pointer is never flushed",
    file: WRITER,
    edits: [["try {\n      file.sync();\n    } finally {", "try {\n      file.size();\n    } finally {"]],
    dies: "slot_test",
  },
  {
    name: "a pointer's LSN does not prove the copies in the next segment",
    file: CHAIN,
    edits: [["provenLsn = Math.max(provenLsn, naming.next.durableLsn);", ""]],
    dies: "slot_test",
  },
  {
    name: "a pointer with one copy is not completed at opening",
    file: RECOVERY,
    edits: [['naming.kind === "named" && naming.copies === 2', 'naming.kind === "named"']],
    dies: "slot_test",
  },
  {
    name: "of two pointers the lower number counts",
    file: NEXT_POINTER,
    edits: [["b.number > a.number ? b : a", "b.number > a.number ? a : b"]],
    dies: "slot_test",
  },
];

/** Frames that entries share, and batches of several frames. */
const BATCHES: Mutant[] = [
  {
    name: "recovery keeps the part of a batch that is there",
    file: RECOVERY,
    edits: [["replay.dropOpenBatch(head) ?? step.value?.offset", "step.value?.offset"]],
    dies: "batch_test",
  },
  {
    name: "frames do not say that the batch goes on",
    file: LAYER,
    edits: [["if (hasMore) buffer.setMore(at);", ""]],
    dies: "batch_test",
  },
  {
    name: "a frame larger than the buffer does not say that the batch goes on",
    file: WRITER,
    edits: [["if (hasMore) this.buffer.setMore(at);", ""]],
    dies: "batch_test",
  },
  {
    name: "the last frame of a batch says that the batch goes on",
    file: BATCH,
    edits: [["layer.finish(false)", "layer.finish(true)"]],
    dies: "batch_test",
  },
  {
    name: "entries of different terms share a frame",
    file: LAYER,
    edits: [["term === this.term && kind", "kind"]],
    dies: "batch_test",
  },
  {
    name: "entries of different kinds share a frame",
    file: LAYER,
    edits: [["kind === this.kind && this", "this"]],
    dies: "batch_test",
  },
  {
    name: "commands stay behind a table that was too large",
    file: LAYER,
    edits: [["if (unused > 0) {", "if (unused < 0) {"]],
    dies: "batch_test",
  },
  {
    name: "the lengths of a frame's entries are not added up",
    file: WASM_FRAME,
    edits: [["return sum == length || (sum < length && (flags & FLAG_REPAIRED) != 0);", "return true;"]],
    dies: "batch_test",
  },
  {
    name: "a damaged frame has no page of its own",
    file: REPLAY,
    edits: [[
      "        segment.breakPage();\n        this.takeEntries(segment, offset, header);",
      "        this.takeEntries(segment, offset, header);",
    ]],
    dies: "batch_test",
  },
  {
    name: "the page of a damaged frame holds what follows it too",
    file: REPLAY,
    edits: [[
      "this.takeEntries(segment, offset, header);\n        segment.breakPage();",
      "this.takeEntries(segment, offset, header);",
    ]],
    dies: "simulation",
  },
  {
    name: "what a read finds damaged has no page of its own",
    file: LIVE,
    edits: [["  segment.setPage(first, Math.max(offset, pages[0]!.offset));\n", ""]],
    dies: "batch_test",
  },
  {
    name: "a search within a page gives up where a header in front of the frame is damaged",
    file: WASM_SCAN,
    edits: [["return walk(at, bytes, position, salt, wanted, true) as f64;", "return guess as f64;"]],
    dies: "batch_test",
  },
  {
    name: "a repair leaves slack without saying so",
    file: REPAIR_FRAMES,
    edits: [["const count = more > 0 && some.length === 1 ? 0 : some.length;", "const count = some.length;"]],
    dies: "batch_test",
  },
  {
    name: "a repair of a shared frame takes some of its entries",
    file: REPAIR,
    edits: [["if (missing !== undefined) throw this.needsAll(segment.path, offset, live.indexes);", ""]],
    dies: "batch_test",
  },
  {
    name: "a repair puts entries into a frame that the log has dropped from it",
    file: REPAIR,
    edits: [["one !== undefined && isLive.has(header.index + nth) ? one : NO_ENTRY", "one ?? NO_ENTRY"]],
    dies: "batch_test",
  },
];

const GAPS: Mutant[] = [
  {
    name: "a retention that is given up deletes what a truncation emptied that no flush covers",
    file: SNAPSHOT_STORE,
    edits: [["if (state.index.covered > 0 && this.opened.writer!.isDirty) {", "if (false as boolean) {"]],
    dies: "evidence_test",
  },
  {
    name: "a newest segment that is cut within its header block is an empty one",
    file: CHAIN,
    edits: [["newest.size < SEGMENT_HEADER_BYTES && (isNamed || isIdentified)", "newest.size < 0"]],
    dies: "evidence_test",
  },
  {
    name: "a snapshot without segments is no evidence of a log",
    file: RECOVERY,
    edits: [["names.find((name) => this.isSnapshot(name))", "undefined"]],
    dies: "evidence_test",
  },
  {
    name: "the durable slot of a sealed segment does not explain a gap at its end",
    file: BORDERS,
    edits: [[
      "if (older.joined && slot?.lsn === link.file.header.baseLsn) replay.settle(segment, slot.checkpoint);",
      "",
    ]],
    dies: "evidence_test",
  },
  {
    name: "closing writes one durable slot only",
    file: WRITER,
    edits: [["this.slots.repeat(slot);", ""]],
    dies: "evidence_test",
  },
  {
    name: "a failed log writes a durable slot",
    file: WRITER,
    edits: [["slots === this.slots && mayWrite()", "slots === this.slots"]],
    dies: "evidence_test",
  },
  {
    name: "a log that was opened again is taken for a closed one, because its end is lost",
    file: PROVEN,
    edits: [[
      "const isClosed = close !== undefined && slot <= close;",
      "const isClosed = close !== undefined && slot >= 0;",
    ]],
    dies: "proven_test",
  },
  {
    name: "an instance is given to two users",
    file: POOL,
    edits: [["return idle.pop() ?? new Codec();", "return idle.at(-1) ?? new Codec();"]],
    dies: "pool_test",
  },
  {
    name: "a log at rest keeps its instance",
    file: DURABILITY,
    edits: [["writer.release();", ""]],
    dies: "pool_test",
  },
  {
    name: "a closed log keeps its instance",
    file: WRITER,
    edits: [["this.release();\n    this.flushes.retire(this.file);", "this.flushes.retire(this.file);"]],
    dies: "pool_test",
  },
  {
    name: "equal counts around a large gap prove that nothing changed in it",
    file: GAP,
    edits: [[
      "return bytes < CHANGES_END * FRAME_HEADER_BYTES ? held.modulo % CHANGES_END : undefined;",
      "return held.modulo % CHANGES_END;",
    ]],
    dies: "explain_gap_test",
  },
  {
    name: "a gap that dropped nothing has replaced as much as fits in it",
    file: GAP,
    edits: [["after.lowestDropped === Infinity && !wentBack", "false as boolean && !wentBack"]],
    dies: "explain_gap_test",
  },
  {
    name: "the lowest index that a gap dropped does not count",
    file: GAP,
    edits: [["after.lowestDropped ?? 0, after.floor", "0 * (after.lowestDropped ?? 0), after.floor"]],
    dies: "explain_gap_test",
  },
  {
    name: "a gap holds entries that do not fit in it",
    file: GAP,
    edits: [['if (entries > entriesThatFit(bytes)) return { kind: "jumped" };', ""]],
    dies: "explain_gap_test",
  },
  {
    name: "a gap behind which the log has gone back is quiet",
    file: GAP,
    edits: [["if (changes === 0 && !wentBack)", "if (changes === 0)"]],
    dies: "explain_gap_test",
  },
  {
    name: "a snapshot that a gap can have held is forgotten",
    file: GAP,
    edits: [['? "untouched" : "hard states";', '? "hard states" : "hard states";']],
    dies: "explain_gap_test",
  },
  {
    name: "a snapshot of which there is a file was never installed",
    file: RECOVERY,
    edits: [["Math.max(highest, snapshotIndexOf(name))", "Math.max(highest, 0 * snapshotIndexOf(name))"]],
    dies: "simulation",
  },
  {
    name: "a position behind the beginning of a gap reaches it",
    file: CHECKPOINT,
    edits: [["since <= lsn)", "since <= lsn + 2 ** 52)"]],
    dies: "explain_gap_test",
  },
  {
    name: "what was dropped is forgotten at a checkpoint",
    file: DROPS,
    edits: [[
      "this.positions = [{ since: lsn, lowest: Infinity }, last, start];",
      "this.positions = [{ since: lsn, lowest: Infinity }, { since: lsn, lowest: Infinity }, start];",
    ]],
    dies: "explain_gap_test",
  },
  {
    name: "what the previous segment dropped is not added to what those before it did",
    file: DROPS,
    edits: [["lowest: Math.min(one.lowest, lowest) }));", "lowest: one.lowest }));"]],
    dies: "explain_gap_test",
  },
  {
    name: "changes in front of the next checkpoint count as the gap's",
    file: EVIDENCE_FILE,
    edits: [["changes++;", "changes += 0;"]],
    dies: "explain_gap_test",
  },
  {
    name: "a checkpoint behind another gap shows all changes of this one",
    file: REPLAY,
    edits: [["if (contiguousFrom > end || changes === undefined) return;", "if (changes === undefined) return;"]],
    dies: "explain_gap_test",
  },
  {
    name: "no checkpoint is written while the log is busy",
    file: WRITER,
    edits: [["const isDue = ", "const isDue = false as boolean && "]],
    dies: "explain_gap_test",
  },
];

const FLUSHES: Mutant[] = [
  {
    name: "syncSync does not flush",
    file: WRITER,
    edits: [[
      "this.preallocate();\n    this.syncFile();",
      "this.preallocate();\n    this.flushed(this.segment.endLsn, performance.now());",
    ]],
    dies: "simulation",
  },
  {
    name: "sync does not flush",
    file: OPEN_FLUSHES,
    edits: [["await file.syncAsync();", "await Promise.resolve();"]],
    dies: "simulation",
  },
  {
    name: "a segment's data is not flushed before its next segment is created",
    file: WRITER,
    edits: [["if (this.durableLsn < old.endLsn) this.syncFile();", "this.flushed(old.endLsn, performance.now());"]],
    dies: "simulation",
  },
  {
    name: "a new segment's header is not flushed",
    file: CREATE,
    edits: [["codec.hash(bytes, seed)), 0);\n    file.sync();", "codec.hash(bytes, seed)), 0);"]],
    dies: "simulation",
  },
  {
    name: "a new segment's name is not flushed",
    file: WRITER,
    edits: [["this.fileSystem.syncDirectory(this.folder);\n", ""]],
    dies: "simulation",
  },
  {
    name: "the next-segment pointer is not flushed when a segment is sealed",
    file: WRITER,
    edits: [[
      "writeFull(this.file, pointer, NEXT_POINTER_OFFSETS[0]);\n    this.file.sync();",
      "writeFull(this.file, pointer, NEXT_POINTER_OFFSETS[0]);",
    ]],
    dies: "simulation",
  },
  {
    name: "the checkpoint of a clean close is not flushed",
    file: WRITER,
    edits: [[
      "zeros behind the checkpoint.\n    this.syncFile();",
      "zeros behind the checkpoint.\n    this.flushed(segment.endLsn, performance.now());",
    ]],
    dies: "checks_test",
  },
  {
    name: "a next-segment pointer is not flushed at opening",
    file: NAME_NEXT,
    edits: [["writeFull(file, pointer, offset);\n    file.sync();", "writeFull(file, pointer, offset);"]],
    dies: "strace_test",
  },
  {
    name: "copied frames are not flushed before the new segment is named",
    file: CONTINUE,
    edits: [[
      "file.sync();\n    fileSystem.syncDirectory(folder);\n    named = true;",
      "fileSystem.syncDirectory(folder);\n    named = true;",
    ]],
    dies: "simulation",
  },
  {
    name: "the name of a segment that continues after a crash is not flushed",
    file: CONTINUE,
    edits: [["fileSystem.syncDirectory(folder);\n    named = true;", "named = true;"]],
    dies: "simulation",
  },
  {
    name: "a snapshot is not flushed before it is renamed",
    file: SNAPSHOTS,
    edits: [["this.file.sync();\n    this.rename();", "this.rename();"]],
    dies: "simulation",
  },
  {
    name: "a streamed snapshot is not flushed before it is renamed",
    file: SNAPSHOTS,
    edits: [["await this.file.syncAsync();", "await Promise.resolve();"]],
    dies: "checks_test",
  },
  {
    name: "a snapshot's name is not flushed",
    file: SNAPSHOTS,
    edits: [["this.fileSystem.syncDirectory(this.folder);", ""]],
    dies: "simulation",
  },
  {
    name: "the frame that names a snapshot is not flushed before what it replaces is deleted",
    file: SNAPSHOT_STORE,
    edits: [['durability.flush("install a snapshot");', ""]],
    dies: "simulation",
  },
  {
    name: "the identity file is not flushed",
    file: IDENTITY,
    edits: [["file.sync();", ""]],
    dies: "checks_test",
  },
  {
    name: "the identity file's name is not flushed",
    file: IDENTITY,
    edits: [["fileSystem.syncDirectory(folder);", ""]],
    dies: "checks_test",
  },
  {
    name: "a log that has lost all segments gets its new incarnation behind a segment",
    file: OPEN,
    edits: [
      ["      if (identity !== undefined && recovered.head === undefined) renew(identity.cluster);\n", ""],
      [
        "      if (identity === undefined) renew(new Uint8Array(ID_BYTES));",
        "      if (identity === undefined || recovered.head === undefined) renew(identity?.cluster ?? new Uint8Array(ID_BYTES));",
      ],
    ],
    dies: "identity_test",
  },
  {
    name: "the name of a log's first segment is not flushed",
    file: OPEN,
    edits: [["try {\n      fileSystem.syncDirectory(folder);", "try {"]],
    dies: "checks_test",
  },
  {
    name: "the checkpoint of a clean close is rewritten at opening, and not flushed",
    file: OPEN,
    edits: [["file.sync();", ""]],
    dies: "checks_test",
  },
  {
    name: "fdatasync is not called",
    file: NODE_FILE,
    edits: [["fs.fdatasyncSync(this.descriptor);", ""]],
    dies: "strace_test",
  },
  {
    name: "fdatasync is not called in a flush that does not block",
    file: NODE_FILE,
    edits: [[
      "fs.fdatasync(this.flushDescriptor ?? this.descriptor, (error) => error === null ? resolve() : reject(error))",
      "resolve()",
    ]],
    dies: "strace_test",
  },
  {
    name: "fsync of a directory is not called",
    file: NODE,
    edits: [["fs.fsyncSync(descriptor);", ""]],
    dies: "strace_test",
  },
];

const ORDERS: Mutant[] = [
  {
    name: "the pointer is written before the new segment's name is flushed",
    file: WRITER,
    edits: [
      ["this.fileSystem.syncDirectory(this.folder);\n", ""],
      [
        "writeFull(this.file, pointer, NEXT_POINTER_OFFSETS[0]);\n    this.file.sync();",
        "writeFull(this.file, pointer, NEXT_POINTER_OFFSETS[0]);\n    this.file.sync();\n" +
        "    this.fileSystem.syncDirectory(this.folder);",
      ],
    ],
    dies: "simulation",
  },
  {
    name: "the pointer to a segment that continues after a crash is flushed before its frames",
    file: CONTINUE,
    edits: [
      [
        "file.sync();\n    fileSystem.syncDirectory(folder);\n    named = true;",
        "fileSystem.syncDirectory(folder);\n    named = true;",
      ],
      [
        "writePointer(old, encodePointer(codec, head, segment, proven.lsn));",
        "writePointer(old, encodePointer(codec, head, segment, proven.lsn));\n    file.sync();",
      ],
    ],
    dies: "simulation",
  },
  {
    name: "a snapshot is renamed before it is flushed",
    file: SNAPSHOTS,
    edits: [["this.file.sync();\n    this.rename();", "this.rename();\n    this.file.sync();"]],
    dies: "snapshot_file_test",
  },
  {
    name: "the frame that names a snapshot is written before the snapshot",
    file: SNAPSHOT_STORE,
    edits: [
      [
        "file.write(snapshot.data);\n      file.publish();",
        "this.install(snapshot);\n      file.write(snapshot.data);\n      file.publish();",
      ],
      [
        'throw this.durability.giveUp("write a snapshot", file, error);\n    }\n    this.install(snapshot);',
        'throw this.durability.giveUp("write a snapshot", file, error);\n    }',
      ],
    ],
    dies: "simulation",
  },
  {
    name: "what a snapshot replaces is deleted before the frame that names it is flushed",
    file: SNAPSHOT_STORE,
    edits: [[
      "const clears = log.keepsTail(index, term) !== true;",
      "const clears = log.keepsTail(index, term) !== true;\n" +
      "    while (log.segments[0] !== writer.segment && log.segments[0]!.firstIndex + log.segments[0]!.count - 1 <= index) {\n" +
      "      this.opened.fileSystem.remove(log.segments.shift()!.path);\n    }",
    ]],
    dies: "simulation",
  },
  {
    name: "what a snapshot replaces is deleted newest first",
    file: SNAPSHOT_STORE,
    edits: [
      [
        "for (let left = covered; left > 0; left--) {",
        "const gone: string[] = [];\n    for (let left = covered; left > 0; left--) {",
      ],
      ["fileSystem.remove(oldest!.path);", "gone.unshift(oldest!.path);"],
      [
        "for (const name of fileSystem.list(folder)) {",
        "for (const path of gone) fileSystem.remove(path);\n    for (const name of fileSystem.list(folder)) {",
      ],
    ],
    dies: "snapshot_file_test",
  },
  {
    name: "nothing vouches for a snapshot's frame before what it replaces is deleted",
    file: SNAPSHOT_STORE,
    edits: [[
      "writer.checkpoint(state.record(writer.changes));\n      this.deleteSegments();",
      "this.deleteSegments();",
    ]],
    dies: "checks_test",
  },
  {
    name: "nothing vouches for copied frames before what a crash left is removed",
    file: OPEN,
    edits: [["writer.checkpoint(recovered.state);", ""]],
    dies: "checks_test",
  },
  {
    name: "what a crash left is removed before the log goes on, and what it vouches for with it",
    file: OPEN,
    edits: [
      ["removeSuperseded(fileSystem, home, recovered);\n", "\n"],
      ["writer = startWriter(", "removeSuperseded(fileSystem, home, recovered);\n      writer = startWriter("],
    ],
    dies: "checks_test",
  },
  {
    name: "the identity file is written before the first segment",
    file: OPEN,
    edits: [
      ["writeIdentity(fileSystem, home, identity, (bytes, seed) => codec.hash(bytes, seed));", ""],
      [
        "writer = startWriter(",
        "if (identity === undefined) writeIdentity(fileSystem, home, { uuid, incarnation: uuid, cluster: uuid }, (bytes, seed) => codec.hash(bytes, seed));\n      writer = startWriter(",
      ],
    ],
    dies: "checks_test",
  },
  {
    name: "a close leaves its checkpoint in the flush that covers the data",
    file: DURABILITY,
    edits: [["if (writer.durableLsn < writer.segment.endLsn) writer.flush();", ""]],
    dies: "checks_test",
  },
];

const WATERMARKS: Mutant[] = [
  {
    name: "the durable position moves when a flush begins",
    file: WRITER,
    edits: [[
      "await this.flushes.sync(file);\n    slotsFlushed();\n    this.flushed(endLsn, started);",
      "this.flushed(endLsn, started);\n    await this.flushes.sync(file);\n    slotsFlushed();",
    ]],
    dies: "checks_test",
  },
  {
    name: "a flush counts what was written while it ran",
    file: WRITER,
    edits: [[
      "await this.flushes.sync(file);\n    slotsFlushed();\n    this.flushed(endLsn, started);",
      "await this.flushes.sync(file);\n    slotsFlushed();\n    this.flushed(this.segment.endLsn, started);",
    ]],
    dies: "sync_test",
  },
  {
    name: "the durable position goes back when an old flush returns",
    file: WRITER,
    edits: [["this.durableLsn = Math.max(this.durableLsn, lsn);", "this.durableLsn = lsn;"]],
    dies: "sync_test",
  },
  {
    name: "every frame claims that everything before it is durable",
    file: WRITER,
    edits: [[
      "codec.wasm.seal(at, bytes, segment.header.baseLsn + end, this.durableLsn);",
      "codec.wasm.seal(at, bytes, segment.header.baseLsn + end, segment.header.baseLsn + end);",
    ]],
    dies: "simulation",
  },
  {
    name: "the watermark claims one frame more than was flushed",
    file: WRITER,
    edits: [[
      "codec.wasm.seal(at, bytes, segment.header.baseLsn + end, this.durableLsn);",
      "codec.wasm.seal(at, bytes, segment.header.baseLsn + end, Math.min(this.durableLsn + 40, segment.header.baseLsn + end));",
    ]],
    dies: "simulation",
  },
  {
    name: "the watermark claims nothing",
    file: WRITER,
    edits: [[
      "codec.wasm.seal(at, bytes, segment.header.baseLsn + end, this.durableLsn);",
      "codec.wasm.seal(at, bytes, segment.header.baseLsn + end, 0);",
    ]],
    dies: "simulation",
  },
  {
    name: "the header of a new segment claims more than is durable",
    file: WRITER,
    edits: [["provenLsn: this.durableLsn,", "provenLsn: this.durableLsn + 40,"]],
    dies: "simulation",
  },
  {
    name: "the search for watermarks ends at damage",
    file: WASM_SCAN,
    edits: [[
      "if (load<u8>(frame, FRAME_KIND) == 0 || !headerIsValid(frame, salt ^ (position + done))) {\n      done += 8;\n      continue;",
      "if (load<u8>(frame, FRAME_KIND) == 0 || !headerIsValid(frame, salt ^ (position + done))) {\n      break;",
    ]],
    dies: "checks_test",
  },
  {
    name: "watermarks are not looked for",
    file: RECOVERY,
    edits: [["this.chainReader.survey(newest.file, size).provenLsn,", ""]],
    dies: "simulation",
  },
  {
    name: "everything that is in the file counts as proven",
    file: RECOVERY,
    edits: [[
      "const provenOffset = proven.lsn - baseLsn;",
      "const provenOffset = Math.max(proven.lsn - baseLsn, size - size % 8);",
    ]],
    dies: "simulation",
  },
  {
    name: "what a segment that was about to follow vouches for is not heard",
    file: RECOVERY,
    edits: [["chain.provenLsn,", ""]],
    dies: "checks_test",
  },
  {
    name: "the proven position is a frame too low",
    file: RECOVERY,
    edits: [[
      "const provenOffset = proven.lsn - baseLsn;",
      "const provenOffset = Math.max(SEGMENT_HEADER_BYTES, proven.lsn - baseLsn - 40);",
    ]],
    dies: "simulation",
  },
  {
    name: "a log at rest leaves no checkpoint",
    file: DURABILITY,
    edits: [["writer.rest(this.state.record(writer.changes));", ""]],
    dies: "sync_test",
  },
];

const CHECKSUMS: Mutant[] = [
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
    file: REPLAY,
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
    dies: "checks_test",
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
    name: "a read of many takes the next frame for the one of the entry that was asked for",
    file: READER,
    edits: [["if (frame.first > next) break pages;", ""]],
    dies: "checks_test",
  },
  {
    name: "entries are taken in any order",
    file: WASM_SCAN,
    edits: [["load<u64>(at, FRAME_INDEX) != next || ", ""]],
    dies: "simulation",
  },
  {
    name: "changes are not counted",
    file: WRITER,
    edits: [["if (isChange(kind)) this.changes = changes + 1;", "if (isChange(kind)) this.changes = changes;"]],
    dies: "simulation",
  },
  {
    name: "a lost truncation is not noticed by the count behind it",
    file: REPLAY,
    edits: [["gap.held += more;", "gap.held += 0 * more;"]],
    dies: "gap_test",
  },
  {
    name: "a lost truncation at a segment's end is not noticed by the next segment's count",
    file: REPLAY,
    edits: [["if (changes !== undefined) this.countGap(gap, changes);", ""]],
    dies: "gap_test",
  },
  {
    name: "a truncation that was lost in front of the end is forgotten once the log goes on behind it",
    file: RECOVERY,
    edits: [["      provenTruncated = Math.min(provenTruncated, replay.settledTruncated);\n", ""]],
    dies: "gap_test",
  },
  {
    name: "the state behind a gap at the end is that in front of it if a truncation follows",
    file: REPLAY,
    edits: [["this.settledState ??= { ...this.state, changes: this.state.changes - 1 };", ""]],
    dies: "gap_test",
  },
  {
    name: "an entry behind a gap is taken before it is known what the gap held",
    file: REPLAY,
    edits: [["if (this.gap !== undefined) codec.setWide(SLOT_NEXT_INDEX, UNKNOWN_WIDE);\n    else ", ""]],
    dies: "gap_test",
  },
  {
    name: "a checkpoint does not tell of a snapshot whose frame is lost",
    file: REPLAY,
    edits: [["index.compact(snapshotIndex, snapshotTerm, false);", ""]],
    dies: "gap_test",
  },
  {
    name: "a checkpoint does not tell the hard state",
    file: WASM_SCAN,
    edits: [[
      "takeHardState(load<u64>(state, STATE_HARD_TERM), load<u64>(state, STATE_HARD_VOTE), stateFlags != 0, isOwn);",
      "",
    ]],
    dies: "gap_test",
  },
  {
    name: "a checkpoint proves a hard state that was lost when it was written",
    file: WASM_SCAN,
    edits: [["if (stateFlags > STATE_FLAG_VOTE) return SCAN_MORE;", ""]],
    dies: "damage_test",
  },
  {
    name: "the salt is not in the seed",
    file: SELECT,
    edits: [["codec.setWide(SLOT_SALT, header.salt);", "codec.setWide(SLOT_SALT, 0n * header.salt);"]],
    dies: "checks_test",
  },
  {
    name: "the LSN is not in the seed",
    file: WASM_FRAME,
    edits: [[
      "return xxh3Header(frame + FRAME_LENGTH, seed) as u32;",
      "return xxh3Header(frame + FRAME_LENGTH, slot(SLOT_SALT)) as u32;",
    ]],
    dies: "checks_test",
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
    file: CHAIN,
    edits: [["const valid = first ?? second;", "const valid = first ?? (second && undefined);"]],
    dies: "simulation",
  },
  {
    name: "a segment under another one's name is taken for it",
    file: CHAIN,
    edits: [["valid !== undefined && valid.number !== number;", "valid !== undefined && valid.number < 0;"]],
    dies: "open_test",
  },
  {
    name: "a segment of another log is taken for this one's",
    file: CHAIN,
    edits: [["file.header === undefined || file.header.uuid.join() === own", "own === undefined || own !== undefined"]],
    dies: "open_test",
  },
  {
    name: "a next-segment pointer's checksum is not compared",
    file: NEXT_POINTER,
    edits: [["view.getBigUint64(CHECKED_BYTES, true) !== sum(sector.subarray(0, CHECKED_BYTES), salt)", "false"]],
    dies: "checks_test",
  },
  {
    name: "a segment index's trailer checksum is not compared",
    file: SEGMENT_INDEX,
    edits: [[
      "view.getBigUint64(TRAILER_SUMMED_BYTES, true) !== sum(trailer.subarray(0, TRAILER_SUMMED_BYTES), salt)",
      "false",
    ]],
    dies: "checks_test",
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
    dies: "damage_test",
  },
  {
    name: "a snapshot's header checksum is not compared",
    file: SNAPSHOT_HEADER,
    edits: [["if (view.getBigUint64(end, true) !== sum(header.subarray(0, end), 0n)) return undefined;", ""]],
    dies: "simulation",
  },
  {
    name: "the checksum of a snapshot's piece is not compared",
    file: SNAPSHOTS,
    edits: [[
      "if (this.codec.hash(bytes, this.salt ^ BigInt(offset)) !== view.getBigUint64(0, true)) return undefined;",
      "",
    ]],
    dies: "simulation",
  },
  {
    name: "a snapshot of another log is taken for this one's",
    file: SNAPSHOTS,
    edits: [["if (!uuid.every((byte, i) => byte === header.uuid[i]))", "if (uuid.length === 0)"]],
    dies: "checks_test",
  },
  {
    name: "a snapshot of another index is taken for the one that the log names",
    file: SNAPSHOTS,
    edits: [[
      "if (header.index !== BigInt(index) || header.term !== BigInt(term)) {",
      "if (false as boolean) {",
    ]],
    dies: "checks_test",
  },
  {
    name: "a snapshot without its end passes",
    file: SNAPSHOTS,
    edits: [["if (done !== this.dataBytes)", "if (done < 0)"]],
    dies: "checks_test",
  },
  {
    name: "the identity file's checksum is not compared",
    file: IDENTITY_FORMAT,
    edits: [["if (view.getBigUint64(end, true) !== sum(bytes.subarray(0, end), 0n)) return undefined;", ""]],
    dies: "identity_test",
  },
  {
    name: "the length of the identity file is not compared",
    file: IDENTITY_FORMAT,
    edits: [["if (bytes.length !== IDENTITY_BYTES) return undefined;", ""]],
    dies: "identity_test",
  },
  {
    name: "an identity of another version is taken for a damaged one",
    file: IDENTITY_FORMAT,
    edits: [["return version;", "return undefined;"]],
    dies: "identity_test",
  },
  {
    name: "a log that has lost all its segments keeps its incarnation",
    file: OPEN,
    edits: [["if (identity !== undefined && recovered.head === undefined) renew(identity.cluster);", ""]],
    dies: "identity_test",
  },
  {
    name: "a log that has lost all its segments loses its cluster",
    file: OPEN,
    edits: [["renew(identity.cluster);", "renew(new Uint8Array(ID_BYTES));"]],
    dies: "identity_test",
  },
  {
    name: "a log gets the cluster's id in memory before the disk has it",
    file: LOG_IDENTITY,
    edits: [
      ["  state.identity = founded;\n", ""],
      ["const founded = { ...identity, cluster };", "const founded = state.identity = { ...identity, cluster };"],
    ],
    dies: "identity_test",
  },
  {
    name: "founding a cluster changes the incarnation",
    file: LOG_IDENTITY,
    edits: [["{ ...identity, cluster }", "{ ...identity, incarnation: cluster, cluster }"]],
    dies: "identity_test",
  },
  {
    name: "the cluster's id can be replaced",
    file: LOG_IDENTITY,
    edits: [["if (!isZero(identity.cluster)) {", "if (false as boolean) {"]],
    dies: "identity_test",
  },
  {
    name: "a failed founding of a cluster does not end the writer",
    file: LOG_IDENTITY,
    edits: [['durability.fail("found the cluster", error)', "error"]],
    dies: "identity_test",
  },
  {
    name: "an identity that found no room leaves its temporary file",
    file: IDENTITY,
    edits: [["    fileSystem.remove(temporary);\n", ""]],
    dies: "identity_test",
  },
  {
    name: "a segment is not held against the state that the next one repeats",
    file: BORDERS,
    edits: [["!sameState(replay.state, state) || ", ""]],
    dies: "checks_test",
  },
  {
    name: "a truncation leaves what it dropped on the list of what is damaged",
    file: STATE,
    edits: [["lastIndex !== undefined && firstIndex >= from", "lastIndex !== undefined && firstIndex > from"]],
    dies: "repair_test",
  },
  {
    name: "damage that had room for no entry is said to have held some",
    file: BORDERS,
    edits: [["if (state.nextIndex > one.firstIndex) one.lastIndex", "if (true as boolean) one.lastIndex"]],
    dies: "gap_test",
  },
  {
    name: "a lost hard state stays on the list of what is damaged",
    file: STATE,
    edits: [["this.strike(({ firstIndex, lastIndex }) => firstIndex === undefined || lastIndex === undefined);", ""]],
    dies: "repair_test",
  },
  {
    name: "segments that are missing in a row are taken for one",
    file: BORDERS,
    edits: [["const isOne = previous", "const isOne = true || previous"]],
    dies: "gap_test",
  },
  {
    name: "a gap in front of a missing segment is taken to have replaced nothing",
    file: BORDERS,
    edits: [["isOne && replay.gapOffset === undefined", "isOne"]],
    dies: "gap_test",
  },
  {
    name: "a segment's last checksum is not held against the one that the next segment repeats",
    file: BORDERS,
    edits: [["segment.lastChecksum !== previousChecksum", "segment.lastChecksum < 0"]],
    dies: "checks_test",
  },
  {
    name: "a snapshot in place of the last entry leaves that one's term",
    file: INDEX,
    edits: [["if (index === this.nextIndex - 1) this.lastTerm = term;", "if (clear) this.lastTerm = term;"]],
    dies: "gap_test",
  },
  {
    name: "a lost entry of the oldest segment counts as one that was never there",
    file: INDEX,
    edits: [["return this.runs.at(index) ?? TERM_UNKNOWN;", "return this.runs.at(index);"]],
    dies: "gap_test",
  },
  {
    name: "a snapshot of a lost entry takes all above it along",
    file: SNAPSHOT_STORE,
    edits: [["log.keepsTail(index, term) !== true", "log.termAt(index) !== term"]],
    dies: "damage_test",
  },
  {
    name: "a snapshot of a lost entry takes along what may belong to it",
    file: SNAPSHOT_STORE,
    edits: [["if (!force) this.requireTold(snapshot);", ""]],
    dies: "damage_test",
  },
  {
    name: "a snapshot that is streamed takes along what may belong to it",
    file: SNAPSHOT_STORE,
    edits: [["if (!force) this.requireTold(meta);", ""]],
    dies: "damage_test",
  },
  {
    name: "what a snapshot covers is listed as damaged until the log is opened again",
    file: SNAPSHOT_STORE,
    edits: [["state.damaged = state.damaged.filter(", "void state.damaged.filter("]],
    dies: "damage_test",
  },
  {
    name: "a segment that was begun in vain stays as long as the log is damaged",
    file: OPEN,
    edits: [[
      "removeSuperseded(fileSystem, home, recovered);",
      "if (report.damage.length === 0) removeSuperseded(fileSystem, home, recovered);",
    ]],
    dies: "checks_test",
  },
  {
    name: "the last checksum that can be read is taken for that of the last frame",
    file: RECOVERY,
    edits: [["replay.gapOffset !== undefined ? 0 : head.lastChecksum", "head.lastChecksum"]],
    dies: "damage_test",
  },
  {
    name: "a term that was repaired is forgotten where the next header did not know it",
    file: REPLAY,
    edits: [["else if (state.lastTerm === TERM_UNKNOWN) index.lastTerm = term;", ""]],
    dies: "damage_test",
  },
  {
    name: "looking for lost offsets takes the state of the replay with it",
    file: SEALED,
    edits: [[
      "const replay = new Replay(codec);\n      replay.begin(segment.header.state);",
      "const replay = new Replay(this.codec);\n      replay.begin(segment.header.state);",
    ]],
    dies: "damage_test",
  },
  {
    name: "a header that is lost matters for ever",
    file: JUDGE,
    edits: [[
      'if (one.kind === "hard state" && !isBelow) return true;',
      'if (one.kind === "hard state" || one.kind === "segment header") return true;',
    ]],
    dies: "damage_test",
  },
  {
    name: "a hard state makes the log forget that nobody knows where it ended",
    file: LOG,
    edits: [['if (options.force !== true) this.#durability.requireTail("set the hard state");', ""]],
    dies: "damage_test",
  },
  {
    name: "what a rotation flushed that found no room is never vouched for",
    file: DURABILITY,
    edits: [[
      "if (!writer.isDirty) this.flushed(this.state.lastIndex);",
      "if (!writer.isDirty) this.durableIndex = this.state.lastIndex;",
    ]],
    dies: "checks_test",
  },
  {
    name: "a full disk that has no room for a checkpoint ends the log",
    file: WRITER,
    edits: [["if (!isNoSpace(error)) throw error;\n      this.undo();", "throw error;"]],
    dies: "checks_test",
  },
  {
    name: "a write that finds no room is not taken back",
    file: DURABILITY,
    edits: [["this.writer!.undo();", ""]],
    dies: "simulation",
  },
  {
    name: "taking back a write is not flushed",
    file: WRITER,
    edits: [["this.file.truncate(endOffset);\n    this.file.sync();", "this.file.truncate(endOffset);"]],
    dies: "sync_test",
  },
  {
    name: "the count of changes is not taken back with a write that finds no room",
    file: WRITER,
    edits: [["} catch (error) {\n      this.changes = changes;", "} catch (error) {"]],
    dies: "simulation",
  },
  {
    name: "a snapshot that finds no room leaves its file",
    file: DURABILITY,
    edits: [[
      "file.abort();\n    } catch (error) {\n      return this.fail(attempt",
      "file.release();\n    } catch (error) {\n      return this.fail(attempt",
    ]],
    dies: "full_disk_test",
  },
  {
    name: "a flush that reports no space is refused instead of ending the log",
    file: DURABILITY,
    edits: [[
      "      this.writer!.flush(this.stateForSlot());\n    } catch (error) {\n      throw this.fail(attempt, error);",
      "      this.writer!.flush(this.stateForSlot());\n    } catch (error) {\n      throw this.refuse(attempt, error);",
    ]],
    dies: "sync_test",
  },
  {
    name: "superseded segments are not removed durably",
    file: OPEN,
    edits: [["if (superseded.length > 0) fileSystem.syncDirectory(folder);", ""]],
    dies: "rotation_test",
  },
  {
    name: "a scrub names what was repaired meanwhile",
    file: "src/maintain/repair_log.ts",
    edits: [["state.repairs++;", ""]],
    dies: "scrub_test",
  },
];

const RECOVERIES: Mutant[] = [
  {
    name: "after a crash the log goes on behind the old tail",
    file: OPEN,
    edits: [["recovered.closed && recovered.cut === undefined &&", "recovered.cut === undefined &&"]],
    dies: "simulation",
  },
  {
    name: "after a torn write the log goes on where it was cut",
    file: OPEN,
    edits: [["recovered.closed && recovered.cut === undefined &&", "head.endOffset > SEGMENT_HEADER_BYTES &&"]],
    dies: "simulation",
  },
  {
    name: "the checkpoint of a clean close is believed without being written once more",
    file: OPEN,
    edits: [["writeFull(file, checkpoint, head.endOffset - checkpoint.length);", ""]],
    dies: "checks_test",
  },
  {
    name: "what makes the newest segment part of the log is believed without being written once more",
    file: OPEN,
    edits: [[
      "  nameHead();\n  const keptBytes",
      "  const keptBytes",
    ]],
    dies: "strace_test",
    equivalent:
      "the slot of the segment before last matters only until the newest one names its own next segment, durably, " +
      "which the same opening does next: a segment that names one belongs to the log by that. Until then nothing was " +
      "acknowledged in the newest segment, whose beginning had failed",
  },
  {
    name: "the unproven frames are not copied",
    file: CONTINUE,
    edits: [["copyFrames(codec, old, provenOffset, head, file, segment, proven.lsn);", "void copyFrames;"]],
    dies: "simulation",
  },
  {
    name: "copied frames do not say so",
    file: WASM_FRAME,
    edits: [[
      "(load<u8>(frame, FRAME_KIND) as u32) | (FLAG_COPY << FLAGS_SHIFT)",
      "(load<u8>(frame, FRAME_KIND) as u32) & ~(FLAG_COPY << FLAGS_SHIFT)",
    ]],
    dies: "simulation",
  },
  {
    name: "that frames are copies is not looked at",
    file: WASM_SCAN,
    edits: [["own += (((load<u8>(frame, FRAME_KIND) as u32) & (FLAG_COPY << FLAGS_SHIFT)) == 0) as u64;", "own += 1;"]],
    dies: "checks_test",
  },
  {
    name: "a copied checkpoint of a clean close goes on saying that the log was closed",
    file: WASM_FRAME,
    edits: [["if ((kind & KIND_MASK) == KIND_CHECKPOINT) kind &= ~(FLAG_CLOSE << FLAGS_SHIFT);", ""]],
    dies: "checks_test",
  },
  {
    name: "a segment is part of the log because it is there",
    file: CHAIN,
    edits: [[
      "if (previous === undefined || this.isCommitted(file, previous)) break;",
      "void this.isCommitted; break;",
    ]],
    dies: "simulation",
  },
  {
    name: "the slot alone says which segment is part of the log, and a lost one says none",
    file: CHAIN,
    edits: [["return this.survey(file, file.size).ownFrames > 0;", "return false;"]],
    dies: "simulation",
  },
  {
    name: "a pointer that names another segment is not heard",
    file: CHAIN,
    edits: [["return previous.naming.next.number === file.number;", "return true;"]],
    dies: "checks_test",
  },
  {
    name: "the next-segment pointer is not written when a segment is sealed",
    file: WRITER,
    edits: [["writeFull(this.file, pointer, NEXT_POINTER_OFFSETS[0]);", ""]],
    dies: "checks_test",
  },
  {
    name: "a writer leaves a newest segment without what names it",
    file: OPEN,
    edits: [["if (!recovered.isHeadNamed) nameHead();", ""]],
    dies: "checks_test",
  },
  {
    name: "a newest segment that is missing is not missed",
    file: CHAIN,
    edits: [[
      'behindNewest?.kind === "named" && !byNumber.has(behindNewest.next.number)',
      'behindNewest?.kind === "named" && false as boolean',
    ]],
    dies: "simulation",
  },
  {
    name: "a newest segment that is missing is not missed if the pointer to it is damaged",
    file: CHAIN,
    edits: [[
      'if (newest?.naming.kind === "damaged" && !nextBegun',
      'if (false as boolean && newest?.naming.kind === "damaged" && !nextBegun',
    ]],
    dies: "checks_test",
  },
  {
    name: "a segment that was begun in the place of a missing one stands in for it",
    file: CHAIN,
    edits: [[" && !successors.some(({ header }) => header.state.tailLost)", ""]],
    dies: "torn_test",
  },
  {
    name: "what a gap held behind a snapshot that was lost in it is sought in front of the segment",
    file: JUDGE,
    edits: [["  takeBack(found, oldest, link, replay, borders);\n", ""]],
    dies: "gap_test",
  },
  {
    name: "a segment below the snapshot stays in the log",
    file: JUDGE,
    edits: [["index.segments.splice(0, index.covered)", "index.segments.splice(0, 0 * index.covered)"]],
    dies: "leftover_test",
  },
  {
    name: "a segment below the snapshot is not removed",
    file: JUDGE,
    edits: [["covered.map((segment) => segment.path)", "covered.slice(covered.length).map((segment) => segment.path)"]],
    dies: "leftover_test",
  },
  {
    name: "a segment below the snapshot does not name the newest one anew",
    file: RECOVERY,
    edits: [
      ["      const previous = replay.index.segments.at(-2);\n", ""],
      ["        previous,\n", "        previous: replay.index.segments.at(-2),\n"],
    ],
    dies: "leftover_test",
  },
  {
    name: "damage below the snapshot is reported",
    file: JUDGE,
    edits: [["else if (!isBelow) harmless.push(one);", "else harmless.push(one);"]],
    dies: "simulation",
  },
  {
    name: "damage below the snapshot is dropped although it may have held a truncation that is not settled",
    file: JUDGE,
    edits: [[
      "    const isBelow = one.path < path;",
      "    const isBelow = one.path < path;\n    if (isBelow) continue;",
    ]],
    dies: "leftover_test",
  },
  {
    name: "the newest segment is removed if the snapshot covers it",
    file: INDEX,
    edits: [["i === this.segments.length - 1 || ", "i > this.segments.length || "]],
    dies: "simulation",
  },
  {
    name: "a first segment that held nothing is reported missing",
    file: JUDGE,
    edits: [["return previous > 0 && !isEmpty;", "return previous > 0 || isEmpty;"]],
    dies: "leftover_test",
  },
  {
    name: "a first segment that held a hard state is not reported missing",
    file: JUDGE,
    edits: [["return previous > 0 && !isEmpty;", "return previous < 0 && !isEmpty;"]],
    dies: "gap_test",
  },
  {
    name: "a snapshot's term that was lost is not taken from the next checkpoint",
    file: REPLAY,
    edits: [["this.replacementsLost || index.snapshotTerm === TERM_UNKNOWN ? 1 : 0", "this.replacementsLost ? 1 : 0"]],
    dies: "gap_test",
  },
  {
    name: "a log whose pointer a crash tore is gone on with behind its checkpoint",
    file: RECOVERY,
    edits: [[' && newest.file.naming.kind === "none",', ","]],
    dies: "torn_test",
  },
  {
    name: "an empty pointer in a damaged page shows that no segment was named",
    file: NEXT_POINTER,
    edits: [['(first === "empty" && isPage0Whole)', '(first === "empty" && !isPage0Whole)']],
    dies: "format_test",
  },
  {
    name: "a sealed segment whose next segment and pointer are gone is taken for the newest",
    file: RECOVERY,
    edits: [[
      "if (replay.indexOffset !== undefined && !chain.nextBegun",
      "if (false as boolean && !chain.nextBegun",
    ]],
    dies: "checks_test",
  },
  {
    name: "a folder that has lost all its segments is a new log",
    file: RECOVERY,
    edits: [[
      "if (evidence !== undefined && damage.length === 0) {",
      "if (false as boolean) {",
    ]],
    dies: "simulation",
  },
  {
    name: "a torn log is clean",
    file: RECOVERY,
    edits: [["cut: stop === undefined ? undefined : this.describeCut(head, file, stop, size),", "cut: undefined,"]],
    dies: "torn_test",
  },
  {
    name: "a log that was not closed is taken for one that was",
    file: RECOVERY,
    edits: [[
      "return checkpoint.kind === KIND_CHECKPOINT && (checkpoint.flags & FLAG_CLOSE) !== 0 &&\n      checkpoint.length === CHECKPOINT_PAYLOAD_BYTES;",
      "return checkpoint.kind === KIND_CHECKPOINT && checkpoint.length === CHECKPOINT_PAYLOAD_BYTES;",
    ]],
    dies: "checks_test",
  },
  {
    name: "a clean close is not seen",
    file: PROVEN,
    edits: [[
      "const isClosed = close !== undefined && slot <= close;",
      "const isClosed = close !== undefined && slot < 0;",
    ]],
    dies: "proven_test",
  },
  {
    name: "truncations are not replayed",
    file: REPLAY,
    edits: [["index.truncate(header.index, header.term);", ""]],
    dies: "simulation",
  },
  {
    name: "that a snapshot clears the log is not replayed",
    file: REPLAY,
    edits: [["const clears = (header.flags & FLAG_CLEAR) !== 0;", "const clears = false as boolean;"]],
    dies: "simulation",
  },
  {
    name: "a scrub reports a segment index that a crash tore before the next segment held a frame",
    file: SCRUB,
    edits: [[" && nextEnd > SEGMENT_HEADER_BYTES;", " && nextEnd > 0;"]],
    dies: "scrub_test",
  },
  {
    name: "a scrub reports a segment index that a crash tore before the log went on in another segment",
    file: SCRUB,
    edits: [["return next.header.number === header.number + 1 && ", "return next.header.number > header.number && "]],
    dies: "scrub_test",
  },
  {
    name: "a header that claims more entries than there was room for is believed",
    file: BORDERS,
    edits: [["if (entries <= entriesThatFit(bytes)) return;", "if (entries <= bytes) return;"]],
    dies: "claims_test",
  },
  {
    name: "an entries frame behind lost entries does not begin a page",
    file: SEGMENT,
    edits: [["    this.count += howMany;\n    this.breakPage();", "    this.count += howMany;"]],
    dies: "segment_test",
  },
  {
    name: "a page does not end where entries were dropped",
    file: SEGMENT,
    edits: [["    this.dropPages();\n    this.breakPage();", "    this.dropPages();"]],
    dies: "segment_test",
  },
  {
    name: "pages behind the last entry stay",
    file: SEGMENT,
    edits: [["    this.dropPages();\n    this.breakPage();", "    this.breakPage();"]],
    dies: "segment_test",
  },
  {
    name: "a page that was cut goes on in the segment to which it moves",
    file: SEGMENT,
    edits: [["to.pageFrom = this.pageFrom === 0 ? 0 : this.pageFrom + toOffset - offset;", ""]],
    dies: "segment_test",
  },
  {
    name: "a repair makes room for whatever distance a header claims",
    file: REPAIR_FRAMES,
    edits: [["room < 0 || room > ROOM_BYTES_MAX", "room < 0 || room > 2 ** 12 * ROOM_BYTES_MAX"]],
    dies: "claims_test",
  },
  {
    name: "a file is read behind the size that it had when it was opened",
    file: "src/io/sized_file.ts",
    edits: [["const rest = this.bytes - position;", "const rest = Infinity + 0 * position;"]],
    dies: "endless_test",
  },
  {
    name: "a segment index of another place is believed",
    file: SEALED,
    edits: [[" || segmentIndex.trailer.indexOffset !== link.endOffset", ""]],
    dies: "checks_test",
  },
  {
    name: "a lost hard state is defaulted",
    file: STATE,
    edits: [["this.hardStateLost = state.hardStateLost;", "this.hardStateLost = false;"]],
    dies: "open_test",
  },
  {
    name: "a number of a segment is used again",
    file: WRITER,
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
      "Math.max(highest, number), named);",
      "Math.max(highest, number), Math.max(named, files.at(-1)?.number ?? 0));",
    ]],
    dies: "limits_test",
  },
  {
    name: "a next-segment pointer does not show that a number is used",
    file: CHAIN,
    edits: [["Math.max(number, naming.next.number)", "Math.max(number, 0 * naming.next.number)"]],
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
    name: "a segment that is refused ends the log",
    file: DURABILITY,
    edits: [['(error.code === "NO_SPACE" || error.code === "CORRUPT")', 'error.code === "NO_SPACE"']],
    dies: "limits_test",
  },
  {
    name: "a segment is read although LSNs in it are not exact",
    file: SEGMENT_HEADER,
    edits: [["if (!isBorder(view, 40) || ", "if (!areSafe(view, [40]) || "]],
    dies: "limits_test",
  },
  {
    name: "a second writer gets in",
    file: OPEN,
    edits: [[
      'if (typeof lock === "object") return lock;',
      'return typeof lock === "object" ? lock : { check() {}, release() {} };',
    ]],
    dies: "open_test",
  },
];

const MEMORY: Mutant[] = [
  {
    name: "frames are laid over those that reading the batch has written",
    file: BATCH,
    edits: [["if (buffer.reservations !== reservations) return undefined;", ""]],
    dies: "taken_test",
  },
  {
    name: "frames that were laid stay where they are when a segment is begun",
    file: WRITER,
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
    dies: "sync_test",
  },
  {
    name: "a log that has failed goes on",
    file: DURABILITY,
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
    name: "a failed write does not reject who waits for a flush",
    file: DURABILITY,
    edits: [["this.commit.fail(this.poison);", ""]],
    dies: "sync_test",
  },
  {
    name: "a failed flush is tried again",
    file: WRITER,
    edits: [[
      "this.file.sync();\n    slotsFlushed();",
      "try {\n      this.file.sync();\n    } catch {\n      this.file.sync();\n    }\n    slotsFlushed();",
    ]],
    dies: "simulation",
  },
  {
    name: "a failed flush that does not block is tried again",
    file: OPEN_FLUSHES,
    edits: [["await file.syncAsync();", "await file.syncAsync().catch(() => file.syncAsync());"]],
    dies: "sync_test",
  },
  {
    name: "a failed flush of a directory is ignored when a segment is begun",
    file: WRITER,
    edits: [[
      "this.fileSystem.syncDirectory(this.folder);\n",
      "try {\n      this.fileSystem.syncDirectory(this.folder);\n    } catch { /* later */ }\n",
    ]],
    dies: "simulation",
  },
  {
    name: "whoever asks while a flush runs shares it",
    file: COMMIT,
    edits: [[
      "if (this.#next === undefined) {",
      "if (this.#running !== undefined) return this.#running.promise;\n    if (this.#next === undefined) {",
    ]],
    dies: "sync_test",
  },
  {
    name: "a flush answers with what was written while it ran",
    file: COMMIT,
    edits: [[
      "this.#log.flushed(flush.lastIndex);\n      flush.resolve(flush.lastIndex);",
      "this.#log.flushed(this.#log.lastIndex());\n      flush.resolve(this.#log.lastIndex());",
    ]],
    dies: "sync_test",
  },
  {
    name: "a truncation during a flush is not heard",
    file: COMMIT,
    edits: [["this.#running.lastIndex = Math.min(this.#running.lastIndex, from - 1);", "void from;"]],
    dies: "sync_test",
  },
  {
    name: "two flushes run at once",
    file: COMMIT,
    edits: [[
      "if (flush === undefined || this.#running !== undefined || this.#failure !== undefined) return;",
      "if (flush === undefined || this.#failure !== undefined) return;",
    ], ["if (this.#running === undefined) queueMicrotask", "queueMicrotask"]],
    dies: "sync_test",
  },
  {
    name: "a flush that fails is not remembered",
    file: COMMIT,
    edits: [["if (this.#failure !== undefined) return Promise.reject(this.#failure.reason);", ""]],
    dies: "sync_test",
    equivalent:
      "nobody gets there: the log refuses with the same error before it asks, once it has failed or is closed",
  },
  {
    name: "the durable index stays above a truncation",
    file: DURABILITY,
    edits: [["this.durableIndex = Math.min(this.durableIndex, from - 1);", ""]],
    dies: "simulation",
  },
  {
    name: "a short write passes for a whole one",
    file: FULL,
    edits: [["done += count;\n  }\n}", "done += rest.byteLength;\n  }\n}"]],
    dies: "simulation",
  },
  {
    name: "a short read passes for the end of the file",
    file: FULL,
    edits: [["while (done < into.byteLength) {", "while (done < 0) {"]],
    dies: "open_test",
  },
  {
    name: "a segment with no room to be leaves its file",
    file: CREATE,
    edits: [["fileSystem.remove(path);\n    } catch (second)", "void path;\n    } catch (second)"]],
    dies: "sync_test",
  },
  {
    name: "zeros are laid over frames",
    file: PREALLOCATION,
    edits: [["const from = Math.max(this.zeroedTo, end);", "const from = this.zeroedTo;"]],
    dies: "simulation",
  },
  {
    name: "a flush that covers a closed segment closes its file too early",
    file: OPEN_FLUSHES,
    edits: [["if (this.flushing.has(file)) this.retired.add(file);\n    else file.close();", "file.close();"]],
    dies: "checks_test",
  },
];

const REPAIRS: Mutant[] = [
  {
    name: "a repaired segment is not flushed before it takes the damaged one's place",
    file: REPAIR,
    edits: [["copy.sync();", ""]],
    dies: "checks_test",
  },
  {
    name: "that a repaired segment has taken the damaged one's place is not flushed",
    file: REPAIR,
    edits: [["this.fileSystem.syncDirectory(this.folder);", ""]],
    dies: "checks_test",
  },
  {
    name: "a good copy is not held against the checksum that survives",
    file: REPAIR,
    edits: [["payload !== undefined && codec.hash(payload, 0n) === sum", "payload !== undefined"]],
    dies: "checks_test",
  },
  {
    name: "a good copy is not held against the term that survives",
    file: REPAIR,
    edits: [["if (header.term !== one.term)", "if (header.term < 0)"]],
    dies: "checks_test",
    equivalent: "the term of an entry whose header survives is in the index, and `checkRepair` has compared it by then",
  },
];

/** Reports and events. */
const EVENTS: Mutant[] = [
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

/** Snapshots of the node's own. */
const OWN_SNAPSHOTS: Mutant[] = [
  {
    name: "compact accepts an index above the last",
    file: VALIDATE_SNAPSHOT,
    edits: [[
      "if (through > lastIndex) throw invalid(`${at}: the log ends at index ${lastIndex}`);",
      "void lastIndex;",
    ]],
    dies: "wal_log_suite_test",
  },
  {
    name: "compact guesses a term that is lost",
    file: COMPACTABLE_LOG,
    edits: [[
      "const term = knownTerm(this.path, this.#state.index.termAt(through) ?? TERM_UNKNOWN, through);",
      "const term = Math.max(this.#state.index.termAt(through) ?? 0, 0);",
    ]],
    dies: "own_snapshot_test",
  },
  {
    name: "compact replaces the snapshot at its own index",
    file: COMPACTABLE_LOG,
    edits: [[
      "if (through <= this.snapshotIndex) return;",
      "if (through < this.snapshotIndex || through === 0) return;",
    ]],
    dies: "wal_log_suite_test",
  },
  {
    name: "compact forgets the configuration of the previous snapshot",
    file: TAKEN,
    edits: [["before() ?? { config: [] }", "{ ...before(), config: [] }"]],
    dies: "wal_log_suite_test",
  },
  {
    name: "compact forgets the meta of the previous snapshot",
    file: TAKEN,
    edits: [["options.meta ?? meta ?? none", "options.meta ?? none"], [
      "const { config, meta } =",
      "const { config } =",
    ]],
    dies: "wal_log_suite_test",
  },
  {
    name: "compact keeps the meta of a configuration that is replaced",
    file: TAKEN,
    edits: [["meta: options.meta ?? none }", "meta: options.meta ?? before()?.meta ?? none }"]],
    dies: "wal_log_suite_test",
  },
  {
    name: "a snapshot's meta of any length is accepted",
    file: VALIDATE_SNAPSHOT,
    edits: [["if (meta.length > META_BYTES_MAX) {", "if (meta.length > META_BYTES_MAX * 2) {"]],
    dies: "wal_log_suite_test",
  },
  {
    name: "a snapshot's meta is not checked where it is taken from a leader",
    file: VALIDATE_SNAPSHOT,
    edits: [["if (bytes !== undefined) checkMeta(bytes, at);", "void bytes;"]],
    dies: "wal_log_suite_test",
  },
  {
    name: "a damaged length of a snapshot's meta is believed",
    file: SNAPSHOT_HEADER,
    edits: [["if (metaBytes > META_BYTES_MAX) return", "if (metaBytes < 0) return"]],
    dies: "snapshot_file_test",
  },
  {
    name: "a snapshot file of another version is read",
    file: SNAPSHOT_HEADER,
    edits: [["if (version !== FORMAT_VERSION) return version;", "void version;"]],
    dies: "snapshot_file_test",
  },
  {
    name: "createSnapshot accepts any term",
    file: VALIDATE_SNAPSHOT,
    edits: [["if (known !== term) throw", "if (known === undefined) throw"]],
    dies: "own_snapshot_test",
  },
  {
    name: "createSnapshot accepts the index of the snapshot",
    file: VALIDATE_SNAPSHOT,
    edits: [["if (index <= log.snapshotIndex) {", "if (index < log.snapshotIndex) {"]],
    dies: "own_snapshot_test",
  },
  {
    name: "a streamed snapshot of the node's own is not checked again when its stream is closed",
    file: COMPACTABLE_LOG,
    edits: [['() => checkOwnSnapshot(taken, this, "install the snapshot")', "() => {}"]],
    dies: "own_snapshot_test",
  },
  {
    name: "a streamed snapshot is not checked again after its flush",
    file: SNAPSHOT_STREAM,
    edits: [["      if (!this.isWanted()) return;\n      this.attempt(", "      this.attempt("]],
    dies: "own_snapshot_test",
  },
  {
    name: "a streamed snapshot that is refused when its stream is closed leaves its file",
    file: SNAPSHOT_STREAM,
    edits: [["this.abort();\n      throw error;", "throw error;"]],
    dies: "own_snapshot_test",
  },
];

/** What another thread scans. */
const THREADS: readonly Mutant[] = [
  {
    name: "another thread passes over what is not plainly valid",
    file: "src/recovery/scan_thread_text.ts",
    edits: [["status !== SCAN_MORE && status !== SCAN_TABLE_FULL || consumed === 0", "consumed === 0"]],
    dies: "scan_ahead_test",
  },
  {
    name: "what another thread began with is not compared",
    file: "src/recovery/replay.ts",
    edits: [["!SCAN_SLOTS.every((slot) => codec.getWide(slot) === before[slot])", "before.length === 0"]],
    dies: "scan_ahead_test",
    equivalent: "replay begins each segment with what its header says, which is what the other thread was given",
  },
  {
    name: "the other thread is never ended",
    file: "src/recovery/recovery.ts",
    edits: [["sealed.ahead?.close();", ""]],
    dies: "scan_ahead_test",
  },
];

/** All mutants. */
export const MUTANTS: readonly Mutant[] = [
  ...EVIDENCE,
  ...GAPS,
  ...BATCHES,
  ...FLUSHES,
  ...ORDERS,
  ...WATERMARKS,
  ...CHECKSUMS,
  ...RECOVERIES,
  ...MEMORY,
  ...REPAIRS,
  ...EVENTS,
  ...OWN_SNAPSHOTS,
  ...THREADS,
  ...FOLDER_MUTANTS,
  ...CLI_MUTANTS,
  ...RAFT_MUTANTS,
  ...RAFT_TRAILING_MUTANTS,
  ...RAFT_WIRE_MUTANTS,
  ...RETENTION_MUTANTS,
  ...SPACE_MUTANTS,
  ...METRIC_MUTANTS,
];
