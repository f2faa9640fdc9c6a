/** Mutants of damaged nodes, which repair their log. */

import type { Mutant } from "./mutant.ts";

const FOLLOWER = "src/raft/follower.ts";
const HEALING_SNAPSHOTS = "src/raft/healing_snapshots.ts";
const REPAIR = "src/raft/healing.ts";

/** Mutants of damaged nodes. */
export const RAFT_REPAIR_MUTANTS: readonly Mutant[] = [
  {
    name: "raft: a damaged node takes part",
    file: REPAIR,
    edits: [["return isHealed(healing) ? null : healing;", "return isHardStateLost(log) ? healing : null;"]],
    dies: "raft_repair_test",
  },
  {
    name: "raft: a damaged node takes any entry for what it had",
    file: REPAIR,
    edits: [["index < agreed || (index <= commitIndex && follows)", "index < agreed || follows"]],
    dies: "raft_repair_answers_test",
  },
  {
    name: "raft: what is behind a stretch is sent only with its last part",
    file: REPAIR,
    edits: [["entries[entries.length - 1] = behind;", ""]],
    dies: "raft_repair_test",
  },
  {
    name: "raft: a damaged node gives up what one that does not lead has not",
    file: REPAIR,
    edits: [["if (reply.leads && reply.term === s.term) {", "if (reply.term === s.term) {"]],
    dies: "raft_repair_test",
  },
  {
    name: "raft: a damaged node forgets what its leader once lacked",
    file: REPAIR,
    edits: [[
      "Math.min(healing.droppableFrom, firstDifference(s, healing, reply))",
      "firstDifference(s, healing, reply)",
    ]],
    dies: "raft_repair_test",
  },
  {
    name: "raft: a damaged node drops what follows a snapshot, whatever it is",
    file: HEALING_SNAPSHOTS,
    edits: [[
      "return index >= Math.min(s.log.lastIndex, healing.droppableFrom - 1) || known !== undefined;",
      "return true;",
    ]],
    dies: "raft_repair_answers_test",
  },
  {
    name: "raft: a node that does not know where its log ended takes a snapshot for all of it",
    file: HEALING_SNAPSHOTS,
    edits: [[
      "if (healing.isHardStateLost || healing.isTailLost) return false;",
      "if (healing.isHardStateLost) return false;",
    ]],
    dies: "raft_lost_vote_test",
  },
  {
    name: "raft: a damaged node puts a committed entry behind one that was not",
    file: REPAIR,
    edits: [["(index <= commitIndex && follows)", "index <= commitIndex"]],
    dies: "raft_repair_answers_test",
  },
  {
    name: "raft: a damaged node takes what lies in front of an entry that differs",
    file: REPAIR,
    edits: [["!missing.has(index) && knownTerm(s.log, index) === term)", "!missing.has(index) && term > 0)"]],
    dies: "raft_repair_answers_test",
  },
  {
    name: "raft: a damaged node keeps what cannot be what was committed",
    file: REPAIR,
    edits: [["  compare(before.index, before.term);\n", ""]],
    dies: "raft_repair_answers_test",
  },
  {
    name: "raft: a damaged node gives up what differs from what is not committed",
    file: REPAIR,
    edits: [[
      "index > s.log.snapshotIndex && index <= commitIndex && term > 0",
      "index > s.log.snapshotIndex && term > 0",
    ]],
    dies: "raft_repair_answers_test",
  },
  {
    name: "raft: a damaged node takes an answer to what it asked before it crashed",
    file: REPAIR,
    edits: [["if (reply.request !== healing.request || !", "if (!"]],
    dies: "raft_repair_answers_test",
  },
  {
    name: "raft: a damaged node takes an answer of a node that it did not ask",
    file: REPAIR,
    edits: [["|| !askedBy(s, healing).has(reply.from)) return;", ") return;"]],
    dies: "raft_repair_answers_test",
  },
  {
    name: "raft: a damaged node asks only the members that its log knows",
    file: REPAIR,
    edits: [["  addMembers(s, healing, reply);\n", ""]],
    dies: "raft_repair_answers_test",
  },
  {
    name: "raft: a node that lost its vote counts the term of one that is no member",
    file: REPAIR,
    edits: [["  if (!peers.has(from) && !(knowsNobody && members.includes(s.id))) return;\n", ""]],
    dies: "raft_lost_vote_test",
  },
  {
    name: "raft: a node that lost its vote and the members believes nobody",
    file: REPAIR,
    edits: [[
      "if (!peers.has(from) && !(knowsNobody && members.includes(s.id))) return;",
      "if (!peers.has(from)) return;",
    ]],
    dies: "raft_lost_vote_test",
  },
  {
    name: "raft: a node that lost its vote asks one other",
    file: REPAIR,
    edits: [["|| ![...healing.peers].every((id) => healing.terms.has(id))) return;\n", ") return;\n"]],
    dies: "raft_lost_vote_test",
  },
  {
    name: "raft: a node that lost its vote tells others a term",
    file: REPAIR,
    edits: [["if (s.healing?.isHardStateLost === true) return;\n", ""]],
    dies: "raft_lost_vote_test",
  },
  {
    name: "raft: a node that lost its vote is free to vote in the latest term",
    file: REPAIR,
    edits: [["{ term, votedFor: s.id }, { force: true }", "{ term, votedFor: null }, { force: true }"], [
      "s.votedFor = s.id;",
      "s.votedFor = null;",
    ]],
    dies: "raft_lost_vote_test",
  },
  {
    name: "raft: a node that lost its vote takes those that it can read of for all",
    file: REPAIR,
    edits: [["if (!healing.isMembershipKnown || !", "if (!"]],
    dies: "raft_lost_vote_test",
  },
  {
    name: "raft: a node of which nobody knows where its log ended enters a later term",
    file: REPAIR,
    edits: [["  if (healing.isTailLost) return;\n  if (reply.term > s.term)", "  if (reply.term > s.term)"]],
    dies: "raft_lost_vote_test",
  },
  {
    name: "raft: the log is probed although it says what it has lost",
    file: REPAIR,
    edits: [["  if (log.lost !== undefined) return log.lost.hardState;\n", ""]],
    dies: "raft_lost_vote_test",
  },
  {
    name: "raft: a snapshot that heals is refused where nothing tells what it takes along",
    file: FOLLOWER,
    edits: [["write({ force: s.healing !== null });", "write({ force: false });"]],
    dies: "raft simulation",
  },
];
