/** Mutants of members that return with older copies of their logs. */

import type { Mutant } from "./mutant.ts";

/** Mutants of members that are behind. */
export const RAFT_BEHIND_MUTANTS: readonly Mutant[] = [
  {
    name: "raft: a member that is behind does not get the log",
    file: "src/raft/identities.ts",
    edits: [[
      `return message.type === "appendEntriesReply" || message.type === "installSnapshotReply";`,
      "return false;",
    ]],
    dies: "raft_behind_test",
  },
  {
    name: "raft: a member that is behind is sent no pieces of a snapshot",
    file: "src/raft/identities.ts",
    edits: [[
      `return message.type === "appendEntriesReply" || message.type === "installSnapshotReply";`,
      `return message.type === "appendEntriesReply";`,
    ]],
    dies: "raft_behind_test",
  },
  {
    name: "raft: acknowledgements of a member that is behind commit entries",
    file: "src/raft/commit.ts",
    edits: [["isBehind(s, id) ? 0 : ", "isBehind(s, id) ? s.progress.get(id)?.match ?? 0 : "]],
    dies: "raft_behind_test",
  },
  {
    name: "raft: answers of a member that is behind confirm reads",
    file: "src/raft/reads.ts",
    edits: [["isBehind(s, id) ? 0 : ", "isBehind(s, id) ? s.progress.get(id)?.round ?? 0 : "]],
    dies: "raft_behind_test",
  },
  {
    name: "raft: a leader goes on with a member that is behind as its majority",
    file: "src/raft/step.ts",
    edits: [["isActive === true && !isBehind(s, id)", "isActive === true || isBehind(s, id)"]],
    dies: "raft_behind_test",
  },
  {
    name: "raft: leadership is transferred to a member that is behind",
    file: "src/raft/transfer.ts",
    edits: [["|| !s.members.includes(target) || isBehind(s, target)", "|| !s.members.includes(target)"]],
    dies: "raft_behind_test",
  },
  {
    name: "raft: a transfer to a member that is behind is not refused",
    file: "src/raft/transfer.ts",
    edits: [["s.members.includes(target) && !isBehind(s, target)) return;", "s.members.includes(target)) return;"]],
    dies: "raft_behind_test",
  },
  {
    name: "raft: a learner that is behind gets a vote",
    file: "src/raft/reconfiguration.ts",
    edits: [[".includes(id) || isBehind(s, id)) return;", ".includes(id) || isBehind(s, s.id)) return;"]],
    dies: "raft_behind_test",
  },
  {
    name: "raft: the status of a leader takes a member that is behind for the next leader",
    file: "src/raft/status.ts",
    edits: [["isBehind(s, id) ? 0 : progress.match", "isBehind(s, s.id) ? 0 : progress.match"]],
    dies: "raft_behind_test",
  },
];
