/** Mutants of steps: failing logs, bounds, what is handed out, and flushes. */

import type { Mutant } from "./mutant.ts";

const COMMIT = "src/raft/commit.ts";
const CONFIG = "src/raft/config.ts";
const ELECTION = "src/raft/election.ts";
const FOLLOWER = "src/raft/follower.ts";
const FLUSH_QUEUE = "src/raft/flush_queue.ts";
const LOG_WRITER = "src/raft/log_writer.ts";
const NODE = "src/raft/raft_node.ts";
const PROPOSALS = "src/raft/proposals.ts";
const READS = "src/raft/reads.ts";
const REPLICATION = "src/raft/replication.ts";
const ROLE = "src/raft/role.ts";
const SNAPSHOT_SENDING = "src/raft/snapshot_sending.ts";
const STATE = "src/raft/state.ts";

/** Mutants of steps. */
export const RAFT_STEP_MUTANTS: readonly Mutant[] = [
  {
    name: "raft: a read that fails ends what the step had left to do",
    file: STATE,
    edits: [[`error.code === "IO")) throw error;`, `error.code === "CLOSED")) throw error;`]],
    dies: "raft_survival_test",
  },
  {
    name: "raft: a failed read or a full disk ends the node",
    file: NODE,
    edits: [[`return error.code === "NO_SPACE" || error.code === "IO";`, `return error.code === "IO";`]],
    dies: "raft_survival_test",
  },
  {
    name: "raft: a node goes on after a flush that failed",
    file: NODE,
    edits: [[" || this.#state.writer.hasFailed) return false;", ") return false;"]],
    dies: "raft_survival_test",
  },
  {
    name: "raft: who asked for something is not told that there was no room",
    file: NODE,
    edits: [["if (isRequest) throw error;\n", ""]],
    dies: "raft_survival_test",
  },
  {
    name: "raft: a node leads that has no room for its first entry",
    file: ELECTION,
    edits: [[
      `if (s.config.noOp) appendOwn(s, "config", encodeMembership(s.membership.latest));\n  s.role = "leader";`,
      `s.role = "leader";\n  if (s.config.noOp) appendOwn(s, "config", encodeMembership(s.membership.latest));`,
    ]],
    dies: "raft_survival_test",
  },
  {
    name: "raft: a leader that cannot read an entry keeps silent",
    file: REPLICATION,
    edits: [[
      "    if (!isSent) sendHeartbeat(s, id, progress);",
      "    if (!isSent && hasFlowControl(s.config)) sendHeartbeat(s, id, progress);",
    ]],
    dies: "raft_survival_test",
  },
  {
    name: "raft: members are not announced that go with entries for which nothing comes",
    file: FOLLOWER,
    edits: [["  } finally {\n", "  } finally {\n    if (s.log.lastIndex >= from) "], [
      "// The truncation has happened even if there was no space for the new entries.\n",
      "\n",
    ]],
    dies: "raft_survival_test",
  },
  {
    name: "raft: a snapshot for which there was no room is sent again",
    file: FOLLOWER,
    edits: [[
      "  install(s, incoming.meta, (options) => incoming.install(options));\n  s.incoming = null;",
      "  s.incoming = null;\n  install(s, incoming.meta, (options) => incoming.install(options));",
    ]],
    dies: "raft_survival_test",
  },
  {
    name: "raft: more to apply is asked for though nothing can be read",
    file: "src/raft/step.ts",
    edits: [[" && s.appliedBytes > 0) s.actions", ") s.actions"]],
    dies: "raft_survival_test",
  },
  {
    name: "raft: a leader takes any number of commands that it cannot commit",
    file: PROPOSALS,
    edits: [["  requireRoom(s, command);\n", ""]],
    dies: "raft_bounds_test",
  },
  {
    name: "raft: what is committed counts as uncommitted for ever",
    file: COMMIT,
    edits: [["  s.uncommitted.freeTo(index);\n", ""]],
    dies: "raft_bounds_test",
  },
  {
    name: "raft: what an earlier leadership could not commit counts",
    file: ROLE,
    edits: [["  s.uncommitted.clear();\n", ""]],
    dies: "raft_bounds_test",
  },
  {
    name: "raft: a command is taken that no message can carry",
    file: PROPOSALS,
    edits: [["  requireFitsMessage(s, command);\n", ""]],
    dies: "raft_bounds_test",
  },
  {
    name: "raft: a batch may be larger than the transport takes",
    file: CONFIG,
    edits: [["Math.min(maxBatchBytes, batch)", "maxBatchBytes"]],
    dies: "raft_bounds_test",
  },
  {
    name: "raft: a snapshot may be larger than the transport takes",
    file: SNAPSHOT_SENDING,
    edits: [["if (config.snapshotChunkBytes > 0 || fits) return", "if (fits || dataBytes > 0) return"]],
    dies: "raft_bounds_test",
  },
  {
    name: "raft: a step hands out everything that is committed",
    file: COMMIT,
    edits: [
      ["s.lastApplied < s.commitIndex && s.appliedBytes < maxApplyBytes", "s.lastApplied < s.commitIndex"],
      ["if (s.appliedBytes < maxApplyBytes) apply(s, entry);", "apply(s, entry);"],
      ["s.log.entries(s.lastApplied + 1, to, { maxBytes })", "s.log.entries(s.lastApplied + 1, to)"],
    ],
    dies: "raft_apply_test",
  },
  {
    name: "raft: empty commands are handed out in any number",
    file: COMMIT,
    edits: [["command.byteLength + ACTION_BYTES", "command.byteLength"]],
    dies: "raft_apply_test",
  },
  {
    name: "raft: the rest of a page is handed out only to those who ask for it",
    file: "src/raft/step.ts",
    edits: [["  applyCommitted(s);\n  // If", `  if (event.type === "applyMore") applyCommitted(s);\n  // If`]],
    dies: "raft_apply_test",
  },
  {
    name: "raft: a read is answered before what it needs was handed out",
    file: READS,
    edits: [[" || index! > s.lastApplied", ""]],
    dies: "raft_apply_test",
  },
  {
    name: "raft: a snapshot takes back what is committed behind it",
    file: FOLLOWER,
    edits: [["s.healing === null ? Math.max(s.commitIndex, index) : index;", "index;"]],
    dies: "raft_apply_test",
  },
  {
    name: "raft: what a state machine has applied is handed out again",
    file: STATE,
    edits: [["return Math.max(applied, snapshotIndex);", "return snapshotIndex;"]],
    dies: "raft_apply_test",
  },
  {
    name: "raft: a search by term misses the first entry",
    file: "src/raft/terms.ts",
    edits: [["< term) low = middle + 1;", "<= term) low = middle + 1;"]],
    dies: "raft_apply_test",
  },
  {
    name: "raft: stepAsync hands out actions before the flush",
    file: FLUSH_QUEUE,
    edits: [["    await flush;\n", "    flush.catch(() => {});\n"]],
    dies: "raft simulation",
  },
  {
    name: "raft: stepAsync hands out at once what wrote nothing",
    file: NODE,
    edits: [[
      "return this.#queue.add(this.#run(event, true));",
      "const ops = this.#state.log.lastIndex;\n      const actions = this.#run(event, true);\n      return this.#state.log.lastIndex === ops ? Promise.resolve(actions) : this.#queue.add(actions);",
    ]],
    dies: "raft simulation",
  },
  {
    name: "raft: step overtakes what is flushed and has not arrived",
    file: FLUSH_QUEUE,
    edits: [["return this.#underWay > 0;", "return this.#waiting.length > 0 || this.#isFlushing;"]],
    dies: "raft_flush_test",
  },
  {
    name: "raft: step overtakes actions on their way to whoever waits for them",
    file: FLUSH_QUEUE,
    edits: [["queueMicrotask(() => this.#underWay--);", "this.#underWay--;"]],
    dies: "raft_flush_test",
  },
  {
    name: "raft: what is written during a flush is taken for flushed",
    file: LOG_WRITER,
    edits: [
      ["    this.#isDirty = false;\n    this.#flushingIndex", "    this.#flushingIndex"],
      ["    await this.log.sync();\n", "    await this.log.sync();\n    this.#isDirty = false;\n"],
    ],
    dies: "raft_flush_test",
  },
];
