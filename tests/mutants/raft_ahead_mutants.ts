/** Mutants of what a leader sends before its own flush is done, and of what it says of itself. */

import type { Mutant } from "./mutant.ts";

const COMMIT = "src/raft/commit.ts";
const FLUSH_QUEUE = "src/raft/flush_queue.ts";
const LOG_WRITER = "src/raft/log_writer.ts";
const STEP = "src/raft/step.ts";

/** Mutants of sending ahead. */
export const RAFT_AHEAD_MUTANTS: readonly Mutant[] = [
  {
    name: "raft: a leader counts itself for entries that it has not flushed",
    file: COMMIT,
    edits: [["s.config.sendAhead === undefined ? s.log.lastIndex : s.writer.durableIndex", "s.log.lastIndex"]],
    dies: "raft_ahead_test",
  },
  {
    name: "raft: a leader sends entries of a term that it can still forget",
    file: FLUSH_QUEUE,
    edits: [[` || !writer.isStateDurable) return;`, `) return;`]],
    dies: "raft_ahead_test",
  },
  {
    name: "raft: a hard state counts as durable before it is flushed",
    file: LOG_WRITER,
    edits: [["    this.#stateWritten = this.#written + 1;\n", ""]],
    dies: "raft_ahead_test",
  },
  {
    name: "raft: heartbeats wait for the flush under way",
    file: FLUSH_QUEUE,
    edits: [["    else if (actions.some(isHeartbeat)) this.#sendAhead(this.#waiting);\n", ""]],
    dies: "raft_ahead_test",
  },
  {
    name: "raft: a heartbeat overtakes the entries that it speaks of",
    file: FLUSH_QUEUE,
    edits: [["this.#sendAhead(this.#waiting);", "this.#sendAhead(this.#waiting.slice(-1));"]],
    dies: "raft_ahead_test",
  },
  {
    name: "raft: a leader whose flush hangs goes on leading",
    file: STEP,
    edits: [["if (sendAhead !== undefined && isHanging && ", "if (false && "]],
    dies: "raft_ahead_test",
  },
  {
    name: "raft: entries truncated during a flush count as flushed",
    file: LOG_WRITER,
    edits: [["    this.#flushingIndex = Math.min(this.#flushingIndex, lastIndex);\n", ""]],
    dies: "raft_ahead_test",
  },
  {
    name: "raft: entries truncated after a flush count as flushed",
    file: LOG_WRITER,
    edits: [["    this.#durableIndex = Math.min(this.#durableIndex, lastIndex);\n", ""]],
    dies: "raft_ahead_test",
  },
  {
    name: "raft: what a flush commits overtakes what was committed before it",
    file: FLUSH_QUEUE,
    edits: [["const last = hasMore ? this.#waiting.at(-1)! : steps.at(-1)!;", "const last = steps.at(-1)!;"]],
    dies: "raft_ahead_test",
  },
  {
    name: "raft: nothing is committed when a leader's own flush is done",
    file: FLUSH_QUEUE,
    edits: [["    addActions(last.actions, this.#listener.flushed());\n", ""]],
    dies: "raft_ahead_test",
  },
  {
    name: "raft: what throws when a message is sent ahead ends the node",
    file: FLUSH_QUEUE,
    edits: [["      queueMicrotask(() => {\n        throw error;\n      });\n", "      throw error;\n"]],
    dies: "raft_ahead_test",
  },
  {
    name: "raft: a snapshot is asked for at an index that the state has passed",
    file: "src/raft/merging.ts",
    edits: [[
      "const kept = isChanged ? actions.filter((action) => !isHint(action)) : actions.slice();",
      "const kept = actions.slice();",
    ]],
    dies: "raft_merging_test",
  },
  {
    name: "raft: heartbeats overtake pieces of snapshots",
    file: "src/raft/merging.ts",
    edits: [[
      'isAppend(action) || (action.type === "send" && action.message.type === "installSnapshot")',
      "isAppend(action)",
    ]],
    dies: "raft_merging_test",
  },
  {
    name: "raft: the only member steps down during a slow flush",
    file: STEP,
    edits: [[" && s.others.some((id) => s.members.includes(id))) {", ") {"]],
    dies: "raft_ahead_test",
  },
  {
    name: "raft: a new node acknowledges what nobody has flushed",
    file: LOG_WRITER,
    edits: [["    if (durableIndex < log.lastIndex) log.syncSync();\n", ""]],
    dies: "raft_flush_test",
  },
  {
    name: "raft: a status does not say when a node was last heard from",
    file: "src/raft/progress.ts",
    edits: [["  progress.heardAt = now;\n", "  progress.heardAt ??= now;\n"]],
    dies: "raft_status_test",
  },
  {
    name: "raft: a step waits for a flush of what was written after it",
    file: FLUSH_QUEUE,
    edits: [["this.#waiting[0]!.written <= s.writer.durable", "false"]],
    dies: "raft_flush_test",
  },
  {
    name: "raft: a step ends with a flush that began before it wrote",
    file: FLUSH_QUEUE,
    edits: [["this.#waiting[0]!.written <= s.writer.durable", "this.#waiting[0]!.written <= s.writer.written"]],
    dies: "raft_flush_test",
  },
];
