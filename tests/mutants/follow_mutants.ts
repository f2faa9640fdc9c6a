/** Mutants of following a log, and of reading beside a writer. */

import type { Mutant } from "./mutant.ts";

const FOLLOW = "src/log/follow.ts";
const TRUNCATIONS = "src/log/truncations.ts";
const BROADCAST = "src/log/broadcast.ts";
const READ_ON = "src/recovery/read_on.ts";
const READ_SOURCE = "src/recovery/read_source.ts";
const REPLAY = "src/recovery/replay.ts";
const SCATTERED = "src/log/scattered.ts";
const DURABILITY = "src/write/durability.ts";
const FOLLOWABLE_LOG = "src/api/followable_log.ts";

const SHARED = "src/log/shared_chunks.ts";

/** Mutants of followers. */
export const FOLLOW_MUTANTS: readonly Mutant[] = [
  {
    name: "a follower yields unflushed entries",
    file: "src/log/written_source.ts",
    edits: [["return this.durability.durableIndex;", "return this.state.lastIndex;"]],
    dies: "follow_test",
  },
  {
    name: "a follower yields entries that it had read before a truncation",
    file: FOLLOW,
    edits: [["    this.ahead = [];\n    this.at = 0;\n    // Entries above", "    // Entries above"]],
    dies: "follow_end_test",
  },
  {
    name: "a follower continues after entries that were truncated",
    file: FOLLOW,
    edits: [["    if (lowest > this.relied) return;\n", "    if (lowest > 0) return;\n"]],
    dies: "follow_end_test",
  },
  {
    name: "a follower without entries misses a truncation below its start",
    file: FOLLOW,
    edits: [["this.relied = Math.min(from - 1, source.durableIndex);", "this.relied = 0;"]],
    dies: "follow_end_test",
  },
  {
    name: "a follower does not compare the term of the entry before its first",
    file: FOLLOW,
    edits: [["    this.requireSame();\n", ""]],
    dies: "follow_end_test",
  },
  {
    name: "a follower does not notice that its next entry was compacted away",
    file: FOLLOW,
    edits: [["    this.requireNotCompacted();\n    this.requireSame();", "    this.requireSame();"]],
    dies: "follow_end_test",
  },
  {
    name: "a follower ignores its signal",
    file: FOLLOW,
    edits: [["    signal?.throwIfAborted();\n", ""]],
    dies: "follow_end_test",
  },
  {
    name: "leaving the loop does not answer a waiting call",
    file: FOLLOW,
    edits: [[
      "  return(): Promise<IteratorResult<T, undefined>> {\n    this.finish();\n    this.wake();",
      "  return(): Promise<IteratorResult<T, undefined>> {\n    this.finish();",
    ]],
    dies: "follow_end_test",
  },
  {
    name: "a later truncation hides an earlier one that reached further down",
    file: TRUNCATIONS,
    edits: [["kept.at(-1)!.from >= from", "kept.length > 0"]],
    dies: "follow_truncations_test",
  },
  {
    name: "of too many truncations, the lowest one is forgotten",
    file: TRUNCATIONS,
    edits: [["from: kept[0]!.from }", "from: kept[1]!.from }"]],
    dies: "follow_truncations_test",
  },
  {
    name: "followers are woken in the middle of a call of the log",
    file: BROADCAST,
    edits: [["    const { later } = this;\n", "    const later = (notify: () => void) => notify();\n"]],
    dies: "follow_test",
  },
  {
    name: "closing the log does not wake its followers",
    file: DURABILITY,
    edits: [[
      "    this.isClosed = true;\n    this.changes.announce();\n    return this.closing",
      "    this.isClosed = true;\n    return this.closing",
    ]],
    dies: "follow_end_test",
  },
  {
    name: "a failure does not wake followers",
    file: DURABILITY,
    edits: [["    this.commit.fail(this.poison);\n    this.changes.announce();", "    this.commit.fail(this.poison);"]],
    dies: "follow_end_test",
  },
  {
    name: "reading new entries takes unproven frames",
    file: READ_ON,
    edits: [[
      "return Math.max(head.endLsn, this.named, slot?.lsn ?? 0, this.witnessed);",
      "return Math.max(head.endLsn, head.header.baseLsn + this.walked);",
    ]],
    dies: "follow_reader_test",
  },
  {
    name: "reading new entries counts a frame as its own proof",
    file: READ_ON,
    edits: [["header.baseLsn + offset - unproven)", "header.baseLsn + offset)"]],
    dies: "refresh_test",
  },
  {
    name: "reading new entries ignores the proof in frames",
    file: READ_ON,
    edits: [["    if (size > head.endOffset) {", "    if (size < 0) {"]],
    dies: "follow_reader_test",
  },
  {
    name: "reading new entries does not move to the next segment",
    file: READ_ON,
    edits: [[
      '      if (nextPointer.kind !== "named") return "current";',
      '      if (nextPointer.kind !== "none") return "current";',
    ]],
    dies: "follow_reader_test",
  },
  {
    name: "reading new entries does not record truncations",
    file: READ_ON,
    edits: [["        if (head.lowestTruncated !== Infinity) this.truncations.add(head.lowestTruncated);\n", ""]],
    dies: "follow_reader_test",
  },
  {
    name: "a log that is recovered again shows no truncation",
    file: READ_ON,
    edits: [["    if (lowest !== Infinity) this.truncations.add(lowest);\n", ""]],
    dies: "follow_reader_test",
  },
  {
    name: "a log that is recovered again shows truncations that were read before",
    file: READ_ON,
    edits: [[
      "if (!isReplacement(frame.kind) || changes <= known) continue;",
      "if (!isReplacement(frame.kind)) continue;",
    ]],
    dies: "follow_reader_test",
  },
  {
    name: "reading new entries does not notice invalid frames below the proven LSN",
    file: READ_ON,
    edits: [["return step.value === undefined && head.endOffset === limit;", "return true;"]],
    dies: "follow_reader_test",
  },
  {
    name: "reading new entries continues in another log in the folder",
    file: READ_SOURCE,
    edits: [["    this.requireSameLog(recovered.uuid);\n", ""]],
    dies: "follow_reader_test",
  },
  {
    name: "nothing polls if the system reports no changes",
    file: READ_SOURCE,
    edits: [["        again();\n        look();", "        again();"]],
    dies: "follow_folder_test",
  },
  {
    name: "a refreshed reader shows a part of a batch",
    file: READ_ON,
    edits: [["      replay.dropOpenBatch(head);\n", ""]],
    dies: "refresh_test",
  },
  {
    name: "a refreshed log reports entries as durable that an unproven truncation replaced",
    file: READ_ON,
    edits: [["const kept = Math.min(proven, head.lowestTruncated - 1);", "const kept = proven;"]],
    dies: "refresh_test",
  },
  {
    name: "unproven frames are read into the proven log",
    file: READ_ON,
    edits: [["const index = this.index.copy();", "const index = this.index;"]],
    dies: "follow_reader_test",
  },
  {
    name: "copies of a log share the pages that both add",
    file: "src/log/page_table.ts",
    edits: [["isGrowing ? this.view().slice() : this.numbers;", "this.numbers;"]],
    dies: "follow_reader_test",
  },
  {
    name: "a replay that yields does not set the end of its frames",
    file: REPLAY,
    edits: [[
      "        segment.endOffset = offset;\n        yield;\n",
      "        yield;\n        segment.endOffset = offset;\n",
    ]],
    dies: "follow_reader_test",
  },
  {
    name: "iterations do not notice that the log was refreshed",
    file: "src/log/live_state.ts",
    edits: [["    this.truncations.add(Infinity);\n", ""]],
    dies: "refresh_test",
  },
  {
    name: "a closed log notifies listeners of its last flush",
    file: FOLLOWABLE_LOG,
    edits: [["if (this.#durability.isClosed || durableIndex === last) return;", "if (durableIndex === last) return;"]],
    dies: "follow_test",
  },
  {
    name: "entries that are read together are not verified",
    file: SCATTERED,
    edits: [["baseLsn + start + found) !== 0)", "baseLsn + start + found) < 0)"]],
    dies: "entries_at_test",
  },
  {
    name: "entries at scattered indexes exceed their bound",
    file: SCATTERED,
    edits: [["if (bytes > maxBytes && found.length > 0) return found;", ""]],
    dies: "entries_at_test",
  },
  {
    name: "a refreshed log forgets what it has lost",
    file: "src/recovery/recovery.ts",
    edits: [[
      "{ ...provenContents, state: { ...provenContents.state, ...lost, replacementsLost } },",
      "provenContents,",
    ]],
    dies: "refresh_lost_test",
  },
  {
    name: "a refreshed log does not report damage",
    file: "src/log/live_state.ts",
    edits: [["    this.compacted();\n    this.addDamage(damage);\n", "    this.compacted();\n"]],
    dies: "refresh_lost_test",
  },
  {
    name: "a refreshed log does not learn its UUID",
    file: "src/log/live_state.ts",
    edits: [["this.uuid = uuid ?? this.uuid;", ""]],
    dies: "refresh_lost_test",
  },
  {
    name: "a truncation of unflushed entries ends a follower that knows the term",
    file: "src/log/follow.ts",
    edits: [["if (lowest > this.relied) return;", "if (lowest > this.known) return;"]],
    dies: "follow_end_test",
  },
  {
    name: "chunks that followers share stay in memory after the turn",
    file: SHARED,
    edits: [["    this.clearLater();\n", ""]],
    dies: "follow_test",
  },
  {
    name: "a follower that catches up keeps all chunks in memory",
    file: SHARED,
    edits: [["this.recent.slice(0, CHUNKS_MAX - 1)", "this.recent"]],
    dies: "follow_test",
  },
  {
    name: "each follower reads for itself",
    file: SHARED,
    edits: [["this.recent = [chunk, ...this.recent.slice(0, CHUNKS_MAX - 1)];", "this.recent = [];"]],
    dies: "follow_test",
  },
  {
    name: "followers share entries that were truncated",
    file: SHARED,
    edits: [["      if (chunk.truncations !== this.truncations.count) continue;\n", ""]],
    dies: "follow_test",
  },
  {
    name: "a follower shares a chunk that was read with another bound",
    file: SHARED,
    edits: [[" || chunk.maxBytes !== maxBytes", ""]],
    dies: "follow_test",
  },
  {
    name: "a follower that joins a chunk begins at its start",
    file: SHARED,
    edits: [["return at === 0 ? chunk.entries : chunk.entries.slice(at);", "return chunk.entries;"]],
    dies: "follow_test",
  },
  {
    name: "followers run before the callers of a flush",
    file: "src/log/written_source.ts",
    edits: [["new Broadcast(setImmediate)", "new Broadcast()"]],
    dies: "follow_test",
  },
  {
    name: "followers share lists that their callers can change",
    file: FOLLOW,
    edits: [["return ahead.slice(at);", "return at === 0 ? ahead : ahead.slice(at);"]],
    dies: "follow_test",
  },
  {
    name: "entries of a batch come again",
    file: FOLLOW,
    edits: [["    this.at = ahead.length;\n", "    this.at = at + 1;\n"]],
    dies: "follow_test",
  },
];
