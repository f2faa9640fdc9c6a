/** Mutants of the Raft node: announced leaders, and transfers of leadership. */

import type { Mutant } from "./mutant.ts";

const RAFT_NODE = "src/raft/raft_node.ts";
const ROLE = "src/raft/role.ts";
const TRANSFER = "src/raft/transfer.ts";

/** Mutants of announced leaders and transfers. */
export const RAFT_LEADER_MUTANTS: readonly Mutant[] = [
  {
    name: "raft: a leader is announced again and again",
    file: ROLE,
    edits: [["  s.announced = { term, leader, role };\n", ""], ["...s.announced });", "term, leader, role });"]],
    dies: "raft_leader_test",
  },
  {
    name: "raft: a leader's later term is not announced",
    file: ROLE,
    edits: [[
      "leader === announced.leader && (leader === null || term === announced.term)",
      "leader === announced.leader",
    ]],
    dies: "raft_leader_test",
  },
  {
    name: "raft: a new role is not announced",
    file: ROLE,
    edits: [["(isSameLeader && role === announced.role)", "isSameLeader"]],
    dies: "raft_leader_test",
  },
  {
    name: "raft: leaders are announced that nobody asked for",
    file: ROLE,
    edits: [["!config.announceLeader || (", "config === undefined || ("]],
    dies: "raft_leader_test",
  },
  {
    name: "raft: leaders are not announced",
    file: RAFT_NODE,
    edits: [["    announceLeader(s);\n", ""]],
    dies: "raft_leader_test",
  },
  {
    name: "raft: a leader takes requests while the target of a transfer begins its election",
    file: TRANSFER,
    edits: [["transferTimeout > 0 ? transfer ?? { target: to, since: s.now } : null", "null"]],
    dies: "raft_election_test",
  },
  {
    name: "raft: a transfer to a dead node ends in silence",
    file: TRANSFER,
    edits: [[`  s.actions.push({ type: "transferFailed", target: transfer.target });\n`, ""]],
    dies: "raft_election_test",
  },
  {
    name: "raft: a transfer to a dead node begins anew with each answer",
    file: TRANSFER,
    edits: [["transfer ?? { target", "{ target"]],
    dies: "raft_election_test",
  },
  {
    name: "raft: a transfer that cannot begin is ignored",
    file: TRANSFER,
    edits: [["  if (s.config.transferTimeout > 0) requireTransferable(s, target);\n", ""]],
    dies: "raft_election_test",
  },
];
