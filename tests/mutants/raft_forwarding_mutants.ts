/** Mutants of the Raft node: reads and commands that followers forward to the leader. */

import type { Mutant } from "./mutant.ts";

const FORWARDED_PROPOSALS = "src/raft/forwarded_proposals.ts";
const FORWARDED_READS = "src/raft/forwarded_reads.ts";
const READS = "src/raft/reads.ts";
const ROLE = "src/raft/role.ts";
const dies = "raft_forwarded_reads_test";

/** Mutants of forwarded reads and commands. */
export const RAFT_FORWARDING_MUTANTS: readonly Mutant[] = [
  {
    name: "raft: a forwarded read is answered before enough is applied",
    file: FORWARDED_READS,
    edits: [["reads.answered[0]!.index <= s.lastApplied", "s !== undefined"]],
    dies,
  },
  {
    name: "raft: an answer to an earlier request answers a read",
    file: FORWARDED_READS,
    edits: [["request !== reads.request || ", "request > reads.request || "]],
    dies,
  },
  {
    name: "raft: a request under way answers a read that came later",
    file: FORWARDED_READS,
    edits: [["reads.waiting.push(id);", "(reads.asked.length > 0 ? reads.asked : reads.waiting).push(id);"]],
    dies,
  },
  {
    name: "raft: a new request for reads has the number of the last one",
    file: FORWARDED_READS,
    edits: [["    reads.request++;\n", ""]],
    dies,
  },
  {
    name: "raft: a forwarded read survives its leader",
    file: FORWARDED_READS,
    edits: [["s.leader !== reads.leader || s.term !== reads.term || ", ""]],
    dies,
  },
  {
    name: "raft: a learner waits for ever for a leader that is gone",
    file: FORWARDED_READS,
    edits: [[" || s.elapsed >= s.electionTimeout", ""]],
    dies,
  },
  {
    name: "raft: a lost request for reads is not repeated",
    file: FORWARDED_READS,
    edits: [["s.now - reads.sentAt >= s.config.heartbeatInterval", "false"]],
    dies,
  },
  {
    name: "raft: a leader confirms the read of another node by itself",
    file: READS,
    edits: [["from, round: s.round + 1,", "from, round: from === null ? s.round + 1 : 0,"]],
    dies,
  },
  {
    name: "raft: a leader keeps every request for reads",
    file: READS,
    edits: [["  s.reads = s.reads.filter((read) => read.from !== from);\n", ""]],
    dies,
  },
  {
    name: "raft: a leader answers the reads of strangers",
    file: READS,
    edits: [[" && s.others.includes(from)", ""]],
    dies,
  },
  {
    name: "raft: a leader that steps down does not refuse the reads of others",
    file: ROLE,
    edits: [["    else replyToRead(s, from, id, undefined);\n", ""]],
    dies,
  },
  {
    name: "raft: requests begin with the same number after each restart",
    file: "src/raft/rng.ts",
    edits: [["  return (high >>> 12) * 2 ** 32 + low;", "  return (high >>> 12) * 0 + low * 0;"]],
    dies,
  },
  {
    name: "raft: a doubled forwarded command is taken twice",
    file: FORWARDED_PROPOSALS,
    edits: [[" || seen.has(request)) return false", ") return false"]],
    dies: "raft_forwarded_proposals_test",
  },
  {
    name: "raft: a forwarded command of an earlier session is taken after a restart",
    file: FORWARDED_PROPOSALS,
    edits: [["    if (known?.earlier.includes(session)) return false;\n", ""]],
    dies: "raft_forwarded_proposals_test",
  },
  {
    name: "raft: a forwarded command of an earlier term is taken",
    file: FORWARDED_PROPOSALS,
    edits: [[`s.role !== "leader" || term !== s.term || !s.others`, `s.role !== "leader" || !s.others`]],
    dies: "raft_forwarded_proposals_test",
  },
  {
    name: "raft: forwarded commands of strangers are taken",
    file: FORWARDED_PROPOSALS,
    edits: [["!s.others.includes(from) || ", ""]],
    dies: "raft_forwarded_proposals_test",
  },
  {
    name: "raft: a refused forwarded command is no longer remembered",
    file: FORWARDED_PROPOSALS,
    edits: [["    reply(s, message, 0, error.code", "    s.proposers.clear();\n    reply(s, message, 0, error.code"]],
    dies: "raft_forwarded_proposals_test",
  },
  {
    name: "raft: a forwarded command is given up as not applied",
    file: FORWARDED_PROPOSALS,
    edits: [[`fail(s, id, "unknown", null)`, `fail(s, id, "not-applied", null)`]],
    dies: "raft_forwarded_proposals_test",
  },
  {
    name: "raft: a forwarded command waits for ever for its answer",
    file: FORWARDED_PROPOSALS,
    edits: [["s.now - sentAt < s.config.electionTimeout[1]", "s !== undefined"]],
    dies: "raft_forwarded_proposals_test",
  },
  {
    name: "raft: a forwarded command survives its leader",
    file: FORWARDED_PROPOSALS,
    edits: [[
      "const isGone = s.leader !== leader || s.term !== term;",
      "const isGone = leader === undefined || term < 0;",
    ]],
    dies: "raft_forwarded_proposals_test",
  },
  {
    name: "raft: an answer of any node settles a forwarded command",
    file: FORWARDED_PROPOSALS,
    edits: [["pending === undefined || from !== proposals.leader", "pending === undefined"]],
    dies: "raft_forwarded_proposals_test",
  },
  {
    name: "raft: a command is applied before its place is known",
    file: "src/raft/proposals.ts",
    edits: [["  taken();\n", ""], ["  replicate(s);\n}", "  replicate(s);\n  taken();\n}"]],
    dies: "raft_forwarded_proposals_test",
  },
];
