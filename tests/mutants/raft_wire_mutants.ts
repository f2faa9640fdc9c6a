/** Mutants of what nodes send: merged messages, and messages as bytes. */

import type { Mutant } from "./mutant.ts";

const MERGING = "src/raft/merging.ts";
const WIRE = "src/raft/codec/wire.ts";
const DECODE = "src/raft/codec/decode.ts";

/** Mutants of messages. */
export const RAFT_WIRE_MUTANTS: readonly Mutant[] = [
  {
    name: "raft: entries are merged that do not follow",
    file: MERGING,
    edits: [["&& second.prevLogIndex === first.prevLogIndex + count", "&& second.prevLogIndex >= first.prevLogIndex"]],
    dies: "raft_merging_test",
  },
  {
    name: "raft: entries of two leaderships are merged",
    file: MERGING,
    edits: [["second.term === first.term && second.prevLogIndex", "second.prevLogIndex"]],
    dies: "raft_merging_test",
  },
  {
    name: "raft: a merged message has more entries than a message may have",
    file: MERGING,
    edits: [["|| count + second.entries.length > maxBatch", ""]],
    dies: "raft_merging_test",
  },
  {
    name: "raft: an acknowledgement of less takes the place of one of more",
    file: MERGING,
    edits: [["second.matchIndex >= first.matchIndex && ", ""]],
    dies: "raft_merging_test",
  },
  {
    name: "raft: an answer to a round of heartbeats is lost in merging",
    file: MERGING,
    edits: [[" && (second.round ?? 0) >= (first.round ?? 0)", ""]],
    dies: "raft_merging_test",
  },
  {
    name: "raft codec: what is read may be beyond the end",
    file: WIRE,
    edits: [["if (length > this.left) throw this.error(`expected ${length} more bytes`);", ""]],
    dies: "raft_malformed_test",
  },
  {
    name: "raft codec: a count is believed",
    file: WIRE,
    edits: [["if (count > this.left / bytesEach) throw", "if (count < 0) throw"]],
    dies: "raft_malformed_test",
  },
  {
    name: "raft codec: a number may be longer than it needs to be",
    file: WIRE,
    edits: [[`if (byte === 0 && length > 1) throw this.error("a number has more bytes than it needs");`, ""]],
    dies: "raft_malformed_test",
  },
  {
    name: "raft codec: a number may be beyond 2^53 - 1",
    file: WIRE,
    edits: [["if (value > Number.MAX_SAFE_INTEGER) break;", ""]],
    dies: "raft_malformed_test",
  },
  {
    name: "raft codec: any version is read",
    file: DECODE,
    edits: [["if (version !== MESSAGE_VERSION) throw", "if (version === 0) throw"]],
    dies: "raft_malformed_test",
  },
  {
    name: "raft codec: flags that a type does not have are passed over",
    file: DECODE,
    edits: [["if ((flags & ~FLAGS_KNOWN[type]) !== 0) throw", "if (flags > 255) throw"]],
    dies: "raft_malformed_test",
  },
  {
    name: "raft codec: what follows a message is passed over",
    file: DECODE,
    edits: [["if (reader.left > 0) throw reader.error(`${reader.left} more follow`);", ""]],
    dies: "raft_malformed_test",
  },
  {
    name: "raft codec: a message may have any number of entries",
    file: DECODE,
    edits: [["if (count > MESSAGE_ENTRIES_MAX) throw", "if (count < 0) throw"]],
    dies: "raft_malformed_test",
  },
  {
    name: "raft codec: a list may have any number of ids",
    file: DECODE,
    edits: [["if (count > MESSAGE_IDS_MAX) throw", "if (count < 0) throw"]],
    dies: "raft_malformed_test",
  },
  {
    name: "raft codec: an index or a term may come to more than 2^53 - 1",
    file: DECODE,
    edits: [["if (!Number.isSafeInteger(index) || !Number.isSafeInteger(term)) {", "if (index < 0) {"]],
    dies: "raft_malformed_test",
  },
];
