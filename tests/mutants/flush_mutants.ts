/**
 * Mutants of flushes: one that is missing, and one that comes too late.
 *
 * @module
 */

import {
  CONTINUE,
  CREATE,
  DURABILITY,
  FLUSHER,
  IDENTITY,
  NAME_NEXT,
  NODE,
  NODE_FILE,
  OPEN_FLUSHES,
  RESUME,
  ROTATION,
  SNAPSHOT_STORE,
  SNAPSHOT_WRITER,
  WRITER,
} from "./files.ts";
import type { Mutant } from "./mutant.ts";

/** The mutants. */
export const FLUSH_MUTANTS: readonly Mutant[] = [
  {
    name: "a released retention deletes a segment that an unflushed truncation emptied",
    file: SNAPSHOT_STORE,
    edits: [["if (state.index.covered > 0 && this.opened.writer!.isDirty) {", "if (false as boolean) {"]],
    dies: "evidence_test",
  },
  {
    name: "syncSync does not flush",
    file: FLUSHER,
    edits: [[
      "this.preallocate(active);\n    this.sync(active);",
      "this.preallocate(active);\n    this.flushed(active, active.segment.endLsn, performance.now());",
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
    file: ROTATION,
    edits: [["if (active.durableLsn < old.endLsn) flusher.sync(active);", "active.durableLsn = old.endLsn;"]],
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
    file: ROTATION,
    edits: [["this.fileSystem.syncDirectory(this.folder);\n", ""]],
    dies: "simulation",
  },
  {
    name: "the next-segment pointer is not flushed when a segment is sealed",
    file: ROTATION,
    edits: [[
      "writeFull(file, pointer, NEXT_POINTER_OFFSETS[0]);\n    file.sync();",
      "writeFull(file, pointer, NEXT_POINTER_OFFSETS[0]);",
    ]],
    dies: "slot_test",
  },
  {
    name: "the checkpoint of a clean close is not flushed",
    file: WRITER,
    edits: [[
      "zeros after the checkpoint.\n    this.flusher.sync(this.active);",
      "zeros after the checkpoint.\n    this.active.durableLsn = segment.endLsn;",
    ]],
    dies: "close_test",
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
    file: SNAPSHOT_WRITER,
    edits: [["this.sync();\n    this.rename();", "this.rename();"]],
    dies: "simulation",
  },
  {
    name: "a streamed snapshot is not flushed before it is renamed",
    file: SNAPSHOT_WRITER,
    edits: [["await this.file.syncAsync();", "await Promise.resolve();"]],
    dies: "durable_proof_test",
  },
  {
    name: "a snapshot's name is not flushed",
    file: SNAPSHOT_WRITER,
    edits: [["this.fileSystem.syncDirectory(this.folder);", ""]],
    dies: "simulation",
  },
  {
    name: "a snapshot's frame is not flushed before the replaced files are deleted",
    file: SNAPSHOT_STORE,
    edits: [['durability.flush("install a snapshot");', ""]],
    dies: "simulation",
  },
  {
    name: "the identity file is not flushed",
    file: IDENTITY,
    edits: [["file.sync();", ""]],
    dies: "create_test",
  },
  {
    name: "the identity file's name is not flushed",
    file: IDENTITY,
    edits: [["fileSystem.syncDirectory(folder);", ""]],
    dies: "create_test",
  },
  {
    name: "a log that has lost all segments gets its new incarnation only after a segment",
    file: RESUME,
    edits: [
      ["  if (identity !== undefined && found.head === undefined) renew(identity.cluster);\n", ""],
      [
        "    if (identity === undefined) renew(new Uint8Array(ID_BYTES));",
        "  if (identity === undefined || found.head === undefined) renew(identity?.cluster ?? new Uint8Array(ID_BYTES));",
      ],
    ],
    dies: "identity_test",
  },
  {
    name: "the name of a log's first segment is not flushed",
    file: RESUME,
    edits: [["try {\n    fileSystem.syncDirectory(folder);", "try {"]],
    dies: "create_test",
  },
  {
    name: "the checkpoint of a clean close is rewritten at opening, and not flushed",
    file: RESUME,
    edits: [["file.sync();", ""]],
    dies: "close_test",
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
  {
    name: "the pointer is written before the new segment's name is flushed",
    file: ROTATION,
    edits: [
      ["this.fileSystem.syncDirectory(this.folder);\n", ""],
      [
        "writeFull(file, pointer, NEXT_POINTER_OFFSETS[0]);\n    file.sync();",
        "writeFull(file, pointer, NEXT_POINTER_OFFSETS[0]);\n    file.sync();\n" +
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
    file: SNAPSHOT_WRITER,
    edits: [["this.sync();\n    this.rename();", "this.rename();\n    this.sync();"]],
    dies: "snapshot_install_test",
  },
  {
    name: "the frame that names a snapshot is written before the snapshot",
    file: SNAPSHOT_STORE,
    edits: [
      [
        "file.write(snapshot.data);\n      file.publish();",
        "if (snapshot.index > this.state.index.snapshotIndex) this.install(snapshot);\n      file.write(snapshot.data);\n      file.publish();",
      ],
      [
        'durability.fail("write a snapshot", error));\n    this.install(snapshot);',
        'durability.fail("write a snapshot", error));',
      ],
    ],
    dies: "simulation",
  },
  {
    name: "replaced files are deleted before the snapshot's frame is flushed",
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
    name: "replaced files are deleted newest first",
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
    dies: "snapshot_install_test",
  },
  {
    name: "nothing proves a snapshot's frame before the replaced files are deleted",
    file: SNAPSHOT_STORE,
    edits: [[
      "writer.prove(state.record(writer.changes));\n      this.deleteSegments();",
      "this.deleteSegments();",
    ]],
    dies: "durable_proof_test",
  },
  {
    name: "the only proof of a snapshot is next to its frame when the replaced files are deleted",
    file: SNAPSHOT_STORE,
    edits: [[
      "writer.prove(state.record(writer.changes));\n      this.deleteSegments();",
      "writer.checkpoint(state.record(writer.changes));\n      this.deleteSegments();",
    ]],
    dies: "durable_proof_test",
  },
  {
    name: "nothing proves copied frames before leftovers of a crash are removed",
    file: RESUME,
    edits: [["writer.checkpoint(recovered.state);", ""]],
    dies: "close_test",
  },
  {
    name: "leftovers of a crash are removed, with their proof, before the log continues",
    file: RESUME,
    edits: [
      ["removeSuperseded(fileSystem, folder, recovered);\n", "\n"],
      [
        "const resumed = { fileSystem, folder, codec, segmentBytes, recovered: found, uuid }",
        "removeSuperseded(fileSystem, folder, recovered);\n  const resumed = { fileSystem, folder, codec, segmentBytes, recovered: found, uuid }",
      ],
    ],
    dies: "durable_proof_test",
  },
  {
    name: "the identity file is written before the first segment",
    file: RESUME,
    edits: [
      ["writeIdentity(fileSystem, folder, identity, (bytes, seed) => codec.hash(bytes, seed));", ""],
      [
        "const resumed = { fileSystem, folder, codec, segmentBytes, recovered: found, uuid }",
        "if (identity === undefined) writeIdentity(fileSystem, folder, { uuid, incarnation: uuid, cluster: uuid }, (bytes, seed) => codec.hash(bytes, seed));\n  const resumed = { fileSystem, folder, codec, segmentBytes, recovered: found, uuid }",
      ],
    ],
    dies: "create_test",
  },
  {
    name: "a close writes its checkpoint in the same flush as the data",
    file: DURABILITY,
    edits: [["if (writer.durableLsn < writer.segment.endLsn) writer.flush();", ""]],
    dies: "close_test",
  },
];
