/** Mutants of the Raft node: reads that followers forward to the leader. */

import type { Mutant } from "./mutant.ts";

const FORWARDED_READS = "src/raft/forwarded_reads.ts";
const READS = "src/raft/reads.ts";
const ROLE = "src/raft/role.ts";
const dies = "raft_forwarded_reads_test";

/** Mutants of forwarded reads. */
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
];
