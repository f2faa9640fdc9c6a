/** Mutants of the Raft node: learners, replaced members, and addresses. */

import type { Mutant } from "./mutant.ts";

const RECONFIGURATION = "src/raft/reconfiguration.ts";
const FACTS = "src/raft/snapshot_meta.ts";
const dies = "raft_replacement_test";

/** Mutants of learners, replacements and addresses. */
export const RAFT_REPLACEMENT_MUTANTS: readonly Mutant[] = [
  {
    name: "raft: a read replica is given a vote",
    file: RECONFIGURATION,
    edits: [["progress.isLevel && s.config.promoteLearners && s.transfer", "progress.isLevel && s.transfer"]],
    dies,
  },
  {
    name: "raft: a learner is given a vote that is not level",
    file: RECONFIGURATION,
    edits: [["learners.includes(id)) requireLevel(s, attempt, id);", "learners.includes(id)) void attempt;"]],
    dies,
  },
  {
    name: "raft: a learner that was level once counts as level for ever",
    file: RECONFIGURATION,
    edits: [["progress.isLevel && s.now - progress.lapStart <= s.config.electionTimeout[0]", "progress.isLevel"]],
    dies,
  },
  {
    name: "raft: a replacement stops with its learner",
    file: RECONFIGURATION,
    edits: [["  else if (learners.includes(to) && isLevel(s, to)) addServer(s, to);\n", ""]],
    dies,
  },
  {
    name: "raft: a replacement keeps the old member",
    file: RECONFIGURATION,
    edits: [["if (members.includes(to)) removeServer(s, from);", "if (members.includes(to)) return;"]],
    dies,
  },
  {
    name: "raft: a replacement removes the old member before the new one votes",
    file: RECONFIGURATION,
    edits: [["if (members.includes(to)) removeServer", "if (learners.includes(to)) removeServer"]],
    dies,
  },
  {
    name: "raft: a replacement survives the removal of its nodes",
    file: RECONFIGURATION,
    edits: [[
      "const rest = isOfOthers ? replacement : undefined;",
      "const rest = isOfOthers || replacement ? replacement : undefined;",
    ]],
    dies,
  },
  {
    name: "raft: a second replacement takes the place of the first",
    file: RECONFIGURATION,
    edits: [[
      "replacement !== undefined && (replacement.from !== id",
      "replacement !== undefined && (replacement.from < 0n",
    ], ["|| replacement.to !== by)", "|| by < 0n)"]],
    dies,
  },
  {
    name: "raft: a replacement is not written down",
    file: FACTS,
    edits: [["parts.push(u32(replacement === undefined ? 0 : 1));", "parts.push(u32(0));"]],
    dies,
  },
  {
    name: "raft: an address of a member that stays is lost",
    file: RECONFIGURATION,
    edits: [["const addresses = new Map(before.addresses);", "const addresses = new Map<NodeId, string>();"]],
    dies,
  },
  {
    name: "raft: the address of a removed node is kept",
    file: RECONFIGURATION,
    edits: [["const known = [...addresses].filter(stays);", "const known = [...addresses];"]],
    dies,
  },
  {
    name: "raft: a new address is not announced",
    file: "src/raft/role.ts",
    edits: [["if (isSame && sameAddresses(before.addresses, addresses)) return;", "if (isSame) return;"]],
    dies,
  },
  {
    name: "raft: the addresses of the founders never get into the log",
    file: "src/raft/state.ts",
    edits: [["initialMembers(config), config.addresses)", "initialMembers(config))"]],
    dies,
  },
];
