/** Mutants of the entries that stay in the log behind a snapshot, and of who gets them instead of the snapshot. */

import type { Mutant } from "./mutant.ts";

const FOLLOWER = "src/raft/follower.ts";
const REPLICATION = "src/raft/replication.ts";
const REPLIES = "src/raft/replies.ts";
const SNAPSHOT_SENDING = "src/raft/snapshot_sending.ts";
const TRAILING = "src/raft/trailing.ts";

/** Mutants of trailing entries. */
export const RAFT_TRAILING_MUTANTS: readonly Mutant[] = [
  {
    name: "raft: a node that needs an entry behind the snapshot gets the snapshot",
    file: REPLICATION,
    edits: [["if (next < s.trailing.firstIndex) return", "if (next <= s.log.snapshotIndex) return"]],
    dies: "raft_trailing_test",
  },
  {
    name: "raft: a node is sent entries that are no longer in the log",
    file: REPLICATION,
    edits: [["if (next < s.trailing.firstIndex) return", "if (next < s.trailing.firstIndex - 1) return"]],
    dies: "raft_trailing_test",
  },
  {
    name: "raft: a node that is sent a snapshot goes on waiting although it agrees with entries in the log",
    file: REPLIES,
    edits: [["match + 1 < s.trailing.firstIndex)", "match < s.log.snapshotIndex)"]],
    dies: "raft_snapshot_test",
  },
  {
    name: "raft: a heartbeat asks a node that waits for a snapshot for that one alone",
    file: REPLICATION,
    edits: [["sendEntries(s, to, s.trailing.firstIndex, []);", "sendEntries(s, to, s.log.snapshotIndex + 1, []);"]],
    dies: "raft_snapshot_test",
  },
  {
    name: "raft: pieces are lost for ever that were sent to a node that needs none any more",
    file: SNAPSHOT_SENDING,
    edits: [[" || (hasFlowControl(s.config) && outgoing !== null);", ";"]],
    dies: "raft_snapshot_test",
  },
  {
    name: "raft: a leader sends entries that its own damage may have taken",
    file: TRAILING,
    edits: [["    this.#wholeFrom = index + 1;\n", ""]],
    dies: "raft_trailing_test",
  },
  {
    name: "raft: entries are retained only after the snapshot has dropped them",
    file: TRAILING,
    edits: [
      [
        "    if (!held.has(this.#log) && from <= index) held.set(this.#log, this.#log.retain(NAME, from));\n    write();\n",
        "    write();\n    if (!held.has(this.#log)) held.set(this.#log, this.#log.retain(NAME, index + 1));\n",
      ],
    ],
    dies: "raft_trailing_test",
  },
  {
    name: "raft: entries are given up for a snapshot that cannot be written",
    file: TRAILING,
    edits: [[
      "    write();\n    held.get(this.#log)?.advance(from);\n",
      "    held.get(this.#log)?.advance(from);\n    write();\n",
    ]],
    dies: "raft_trailing_test",
  },
  {
    name: "raft: entries behind a snapshot are never given up",
    file: TRAILING,
    edits: [["    write();\n    held.get(this.#log)?.advance(from);\n", "    write();\n"]],
    dies: "raft_trailing_test",
  },
  {
    name: "raft: one entry too few is kept behind a snapshot",
    file: TRAILING,
    edits: [["this.#newest.count > this.#entriesMax", "this.#newest.count >= this.#entriesMax"]],
    dies: "raft_trailing_test",
  },
  {
    name: "raft: any number of bytes is kept behind a snapshot",
    file: TRAILING,
    edits: [[" || this.#newest.bytes > this.#bytesMax", ""]],
    dies: "raft_trailing_test",
  },
  {
    name: "raft: entries from before a leader's snapshot count among those behind the next",
    file: TRAILING,
    edits: [["    this.#newest.clear();\n", ""]],
    dies: "raft_trailing_test",
  },
  {
    name: "raft: entries stay retained behind a leader's snapshot",
    file: TRAILING,
    edits: [["    held.get(this.#log)?.advance(index + 1);\n", ""]],
    dies: "raft_trailing_test",
  },
  {
    name: "raft: a node leaves the retention of the one before it in the log",
    file: TRAILING,
    edits: [["    held.get(log)?.release();\n", ""]],
    dies: "raft_trailing_test",
  },
  {
    name: "raft: a snapshot of a leader's is installed without a word to what is kept",
    file: FOLLOWER,
    edits: [["  s.trailing.installed(index);\n", ""]],
    dies: "raft_trailing_test",
  },
];
