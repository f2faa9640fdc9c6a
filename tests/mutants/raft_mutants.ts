/**
 * Mistakes in the consensus core: one each, where safety depends on it. Run with the others by `deno task mutants`.
 */

import type { Mutant } from "./mutant.ts";

const COMMIT = "src/raft/commit.ts";
const ELECTION = "src/raft/election.ts";
const FOLLOWER = "src/raft/follower.ts";
const MEMBERSHIP = "src/raft/membership.ts";
const READS = "src/raft/reads.ts";
const RECONFIGURATION = "src/raft/reconfiguration.ts";
const REPLIES = "src/raft/replies.ts";
const REPLICATION = "src/raft/replication.ts";
const ROLE = "src/raft/role.ts";
const STATE = "src/raft/state.ts";

/** Mutants of the consensus core. */
export const RAFT_MUTANTS: readonly Mutant[] = [
  {
    name: "raft: entries of earlier terms are committed by counting",
    file: COMMIT,
    edits: [["index <= s.commitIndex || s.log.termAt(index) !== s.term", "index <= s.commitIndex"]],
    dies: "raft simulation",
  },
  {
    name: "raft: half of the members are enough to commit",
    file: COMMIT,
    edits: [["matches[Math.floor(matches.length / 2)]", "matches[Math.floor((matches.length - 1) / 2)]"]],
    dies: "raft simulation",
  },
  {
    name: "raft: a leader counts its own copy even after it has removed itself",
    file: COMMIT,
    edits: [
      ["const matches = s.members.map(", "const matches = [...new Set([...s.members, s.id])].map("],
    ],
    dies: "raft simulation",
  },
  {
    name: "raft: half of the members are enough to be elected",
    file: STATE,
    edits: [["return ids.size > this.members.length / 2;", "return ids.size >= this.members.length / 2;"]],
    dies: "raft simulation",
  },
  {
    name: "raft: the vote is not written",
    file: ROLE,
    edits: [["s.writer.setHardState({ term, votedFor });\n", "s.writer.setHardState({ term, votedFor: null });\n"]],
    dies: "raft simulation",
  },
  {
    name: "raft: the term and the vote are not flushed",
    file: ROLE,
    edits: [[
      "s.writer.setHardState({ term, votedFor });\n  s.writer.flush();",
      "s.writer.log.setHardState({ term, votedFor });",
    ]],
    dies: "raft simulation",
  },
  {
    name: "raft: a node votes for whoever asks last",
    file: ELECTION,
    edits: [["(s.votedFor === null || s.votedFor === candidate) &&", ""]],
    dies: "raft simulation",
  },
  {
    name: "raft: a node votes for a candidate whose log is behind",
    file: ELECTION,
    edits: [[
      "return lastTerm > s.log.lastTerm || (lastTerm === s.log.lastTerm && lastIndex >= s.log.lastIndex);",
      "return lastTerm >= 0 && lastIndex >= 0;",
    ]],
    dies: "raft simulation",
  },
  {
    name: "raft: logs are compared by length alone",
    file: ELECTION,
    edits: [[
      "return lastTerm > s.log.lastTerm || (lastTerm === s.log.lastTerm && lastIndex >= s.log.lastIndex);",
      "return lastTerm >= 0 && lastIndex >= s.log.lastIndex;",
    ]],
    dies: "raft simulation",
  },
  {
    name: "raft: votes of an earlier term count",
    file: ELECTION,
    edits: [[`s.role !== "candidate" || reply.term !== s.term ||`, `s.role !== "candidate" ||`]],
    dies: "raft simulation",
  },
  {
    name: "raft: a node that removed itself counts its own vote",
    file: ELECTION,
    edits: [["new Set(s.isMember ? [s.id] : [])", "new Set([s.id])"]],
    dies: "raft simulation",
  },
  {
    name: "raft: a follower does not compare the entry before",
    file: FOLLOWER,
    edits: [["if (term !== prevLogTerm) return", "if (term === undefined) return"]],
    dies: "raft simulation",
  },
  {
    name: "raft: a follower keeps entries that conflict",
    file: FOLLOWER,
    edits: [[
      "({ index, term }) => s.log.termAt(index) !== term)",
      "({ index }) => s.log.termAt(index) === undefined)",
    ]],
    dies: "raft simulation",
  },
  {
    name: "raft: a message that was overtaken truncates",
    file: FOLLOWER,
    edits: [[
      "const from = firstNew(s, entries)?.index;",
      "const from = entries.find(({ index }) => index > s.commitIndex)?.index;",
    ]],
    dies: "raft simulation",
  },
  {
    name: "raft: a follower commits beyond what it is known to share",
    file: FOLLOWER,
    edits: [[
      "commitTo(s, Math.min(message.leaderCommit, matchIndex))",
      "commitTo(s, Math.min(message.leaderCommit, s.log.lastIndex))",
    ]],
    dies: "raft simulation",
  },
  {
    name: "raft: a follower listens to a leader of an earlier term",
    file: FOLLOWER,
    edits: [["if (message.term < s.term) return reply(s, message, { success: false });\n", ""]],
    dies: "raft_node_test",
  },
  {
    name: "raft: a follower acknowledges entries that are not flushed",
    file: FOLLOWER,
    edits: [["s.writer.append(fresh);\n    s.writer.flush();", "s.writer.log.append(fresh);"]],
    dies: "raft simulation",
  },
  {
    name: "raft: a leader counts a copy of its own that is not flushed",
    file: REPLICATION,
    edits: [["s.writer.append([entry]);\n  s.writer.flush();", "s.writer.log.append([entry]);"]],
    dies: "raft simulation",
  },
  {
    name: "raft: a truncated configuration still counts",
    file: FOLLOWER,
    edits: [["s.membership.truncate(from);\n", ""]],
    dies: "raft simulation",
  },
  {
    name: "raft: a message is looked at only when some of it was taken",
    file: "src/raft/step.ts",
    edits: [[`if (message.type === "appendEntries") requireAcceptable(s, message);\n`, ""]],
    dies: "raft_node_test",
  },
  {
    name: "raft: entries may be larger than the log takes",
    file: FOLLOWER,
    edits: [["s.log.maxEntryBytes ?? Infinity", "Infinity"]],
    dies: "raft_node_test",
  },
  {
    name: "raft: a leader overwrites what is committed",
    file: "src/raft/contradictions.ts",
    edits: [["if (index > s.commitIndex) return undefined;", "if (index > 0) return;"]],
    dies: "raft_contradictions_test",
  },
  {
    name: "raft: a change begins before an entry of the leader's term is committed",
    file: RECONFIGURATION,
    edits: [["<= s.commitIndex && s.log.termAt(s.commitIndex) === s.term;", "<= s.commitIndex;"]],
    dies: "raft_members_test",
  },
  {
    name: "raft: a change begins before the last one is committed",
    file: RECONFIGURATION,
    edits: [["return s.membership.latest.index <= s.commitIndex && ", "return "]],
    dies: "raft simulation",
  },
  {
    name: "raft: learners vote",
    file: STATE,
    edits: [[
      "return this.membership.latest.members;",
      "return [...this.membership.latest.members, ...this.membership.latest.learners];",
    ]],
    dies: "raft_members_test",
  },
  {
    name: "raft: an answer to an earlier leadership counts",
    file: REPLIES,
    edits: [[`s.role === "leader" && term === s.term ?`, `s.role === "leader" && term >= 0 ?`]],
    dies: "raft simulation",
  },
  {
    name: "raft: a rejection takes back what is known to match",
    file: REPLIES,
    edits: [["progress.next = Math.max(progress.match + 1, Math.min(", "progress.next = Math.max(1, Math.min("]],
    dies: "raft_node_test",
  },
  {
    name: "raft: a read does not wait for word that the leader still leads",
    file: READS,
    edits: [["round: s.round + 1, index: undefined", "round: 0, index: undefined"]],
    dies: "raft simulation",
  },
  {
    name: "raft: a read counts a word that was on its way",
    file: READS,
    edits: [["round: s.round + 1, index: undefined", "round: Math.max(s.round, 1), index: undefined"]],
    dies: "raft_reads_test",
  },
  {
    name: "raft: a read is answered by a leader that does not know what is committed",
    file: READS,
    edits: [[
      "if (reads.length === 0 || s.log.termAt(s.commitIndex) !== s.term) return;",
      "if (reads.length === 0) return;",
    ]],
    dies: "raft simulation",
  },
  {
    name: "raft: a learner asks for votes when members were removed",
    file: ELECTION,
    edits: [["latest.index > s.commitIndex && s.membership.hasRemoved(s.id);", "latest.index > s.commitIndex;"]],
    dies: "raft_progress_test",
  },
  {
    name: "raft: a leader that was long in being elected gives its vote away",
    file: ELECTION,
    edits: [['if (s.config.checkQuorum && s.role === "leader") return true;', ""]],
    dies: "raft_election_test",
  },
  {
    name: "raft: a round for reads sends everything again",
    file: REPLICATION,
    edits: [[
      "if (!isPaused && !hasFlowControl(s.config)) sendNext(s, id);",
      "if (!isPaused || next > 0) sendNext(s, id);",
    ]],
    dies: "raft_reads_test",
  },
  {
    name: "raft: whoever is given the members can change them",
    file: MEMBERSHIP,
    edits: [["members: Object.freeze(list.slice(0, end)),", "members: list.slice(0, end),"]],
    dies: "raft_members_test",
  },
];
