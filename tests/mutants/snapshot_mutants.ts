/**
 * Mutants of snapshots of the node's own, and of their meta.
 *
 * @module
 */

import {
  COMPACTABLE_LOG,
  SNAPSHOT_FILE,
  SNAPSHOT_HEADER,
  SNAPSHOT_SOURCE,
  SNAPSHOT_STORE,
  SNAPSHOT_STREAM,
  SNAPSHOT_TARGET,
  SNAPSHOT_WRITER,
  TAKEN,
  VALIDATE_SNAPSHOT,
} from "./files.ts";
import type { Mutant } from "./mutant.ts";

/** The mutants. */
export const SNAPSHOT_MUTANTS: readonly Mutant[] = [
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
    dies: "snapshot_header_test",
  },
  {
    name: "a snapshot file of another version is read",
    file: SNAPSHOT_HEADER,
    edits: [["if (version !== FORMAT_VERSION) return version;", "void version;"]],
    dies: "snapshot_header_test",
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
  {
    name: "a snapshot written in pieces is installed without a flush",
    file: SNAPSHOT_TARGET,
    edits: [["      this.flush();\n      this.isFlushed = true;", "      this.isFlushed = true;"]],
    dies: "snapshot_parts_test",
  },
  {
    name: "a snapshot written in pieces is flushed only at its end",
    file: SNAPSHOT_TARGET,
    edits: [["if (this.dataBytes - this.flushedBytes >= FLUSH_BYTES) this.flush();", "void FLUSH_BYTES;"]],
    dies: "snapshot_parts_test",
  },
  {
    name: "a snapshot written in pieces replaces a later one",
    file: SNAPSHOT_TARGET,
    edits: [["if (!this.end.isWanted()) return this.abort();", ""]],
    dies: "wal_log_suite_test",
  },
  {
    name: "a snapshot written in pieces goes on after a flush that found no room",
    file: SNAPSHOT_TARGET,
    edits: [[
      "      this.flushedBytes = this.dataBytes;\n    } catch (error) {\n      throw this.giveUp(error);",
      [
        "      this.flushedBytes = this.dataBytes;\n    } catch (error) {\n      if (isRefused(error)) throw refusedError(",
        "ATTEMPT, this.file.temporary, error);\n      throw this.giveUp(error);",
      ].join(""),
    ]],
    dies: "snapshot_parts_test",
  },
  {
    name: "closing the log leaves a snapshot that is being written",
    file: SNAPSHOT_TARGET,
    edits: [["    durability.unfinished.add(file);\n", ""]],
    dies: "snapshot_parts_test",
  },
  {
    name: "a piece of a snapshot that found no space is overwritten",
    file: SNAPSHOT_WRITER,
    edits: [[
      "      // A piece that found no space is still in memory. Write it now.\n" +
      "      if (this.filled === PIECE_BYTES) this.putPiece(false);\n",
      "      if (this.filled === PIECE_BYTES) this.filled = 0;\n",
    ]],
    dies: "snapshot_parts_test",
  },
  {
    name: "a snapshot written in pieces is lost if its frame finds no room",
    file: SNAPSHOT_STORE,
    edits: [["this.install(meta, () => file.unname()),", "this.install(meta),"]],
    dies: "snapshot_parts_test",
  },
  {
    name: "a part of a snapshot is not verified",
    file: SNAPSHOT_FILE,
    edits: [[
      "if (this.codec.hash(covered, this.salt ^ BigInt(offset)) !== checksum) return undefined;",
      "void checksum;",
    ]],
    dies: "snapshot_parts_test",
  },
  {
    name: "a snapshot that is read a part at a time outlives the log",
    file: SNAPSHOT_SOURCE,
    edits: [["    open.add(this);\n", ""]],
    dies: "snapshot_parts_test",
  },
  {
    name: "a part of a snapshot is taken from the piece that was read last",
    file: SNAPSHOT_SOURCE,
    edits: [[
      "if (position >= held.at && position < held.at + held.data.length)",
      "if (position < held.at + held.data.length)",
    ]],
    dies: "wal_log_suite_test",
  },
];
