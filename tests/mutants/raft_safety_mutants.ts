/** Mutants of what protects a cluster against its operators, and against members gone bad. */

import type { Mutant } from "./mutant.ts";

const INCOMING_SNAPSHOT = "src/raft/incoming_snapshot.ts";
const CONTRADICTIONS = "src/raft/contradictions.ts";
const ENCODE = "src/raft/codec/encode.ts";
const NODE = "src/raft/raft_node.ts";
const PLAUSIBLE = "src/raft/plausible.ts";
const RECOVER_CLUSTER = "src/raft/recover_cluster.ts";
const SNAPSHOT_FETCHING = "src/raft/snapshot_fetching.ts";
const SNAPSHOT_SENDING = "src/raft/snapshot_sending.ts";
const STEP = "src/raft/step.ts";

/** Mutants of the checks on messages. */
export const RAFT_SAFETY_MUTANTS: readonly Mutant[] = [
  {
    name: "raft: a message may bring any term",
    file: PLAUSIBLE,
    edits: [["Math.max(message.term, entryTermOf(message))", "entryTermOf(message)"]],
    dies: "raft_strangers_test",
  },
  {
    name: "raft: an entry may have any term",
    file: PLAUSIBLE,
    edits: [["Math.max(message.term, entryTermOf(message))", "message.term"]],
    dies: "raft_strangers_test",
  },
  {
    name: "raft: a snapshot may have any index",
    file: PLAUSIBLE,
    edits: [['if ("snapshot" in message) return message.snapshot.index;', ""]],
    dies: "raft_strangers_test",
  },
  {
    name: "raft: terms may grow up to the end of their range",
    file: PLAUSIBLE,
    edits: [["Math.min(s.term + TERM_JUMP_MAX, NUMBER_MAX)", "s.term + TERM_JUMP_MAX"]],
    dies: "raft_strangers_test",
  },
  {
    name: "raft: answers of nodes that are no members count",
    file: STEP,
    edits: [["if (s.config.strictMembership && isUnasked(s, message)) return;", ""]],
    dies: "raft_strangers_test",
  },
  {
    name: "raft: answers of learners are ignored",
    file: PLAUSIBLE,
    edits: [[" && !isOther(s, s.membership.latest.learners, message.from)", ""]],
    dies: "raft_strangers_test",
  },
  {
    name: "raft: a message is taken before it is looked at",
    file: STEP,
    edits: [
      ["    requirePossible(s, message);\n", ""],
      [
        "  take(s, event);\n",
        '  take(s, event);\n  if (event.type === "message") requirePossible(s, event.message);\n',
      ],
    ],
    dies: "raft_strangers_test",
  },
  {
    name: "raft: pieces of a snapshot may be empty",
    file: INCOMING_SNAPSHOT,
    edits: [["if (data.length > 0 || done) return;", "if (data.length >= 0 || done) return;"]],
    dies: "raft_snapshot_bounds_test",
  },
  {
    name: "raft: a snapshot may be of any size",
    file: INCOMING_SNAPSHOT,
    edits: [["offset + data.length <= maxSnapshotBytes", "data.length <= maxSnapshotBytes"]],
    dies: "raft_snapshot_bounds_test",
  },
  {
    name: "raft: a leader makes a snapshot that no follower takes",
    file: "src/raft/own_snapshots.ts",
    edits: [["if (bytes > maxSnapshotBytes) {", "if (bytes < 0) {"]],
    dies: "raft_snapshot_bounds_test",
  },
  {
    name: "raft: pieces that never end are held for ever",
    file: STEP,
    edits: [["    dropSilent(s);\n", ""]],
    dies: "raft_snapshot_bounds_test",
  },
  {
    name: "raft: pieces of two leaders are put together",
    file: INCOMING_SNAPSHOT,
    edits: [["this.leader === leader && ", ""]],
    dies: "raft_snapshot_bounds_test",
  },
  {
    name: "raft: meta makes a message larger than the transport takes",
    file: SNAPSHOT_SENDING,
    edits: [["Math.max(dataBytesMax(config) - meta.length, 1)", "Math.max(dataBytesMax(config) - 0 * meta.length, 1)"]],
    dies: "raft_snapshot_bounds_test",
  },
  {
    name: "raft: a snapshot is sent without its meta",
    file: ENCODE,
    edits: [["return meta === undefined || (done === false && offset !== 0) ? NO_META : meta;", "return NO_META;"]],
    dies: "raft_golden_messages_test",
  },
  {
    name: "raft: a heartbeat may contradict what is committed",
    file: CONTRADICTIONS,
    edits: [[
      "    const found = compare(s, prevLogIndex, prevLogTerm);\n    if (found !== undefined) return found;\n",
      "",
    ]],
    dies: "raft_contradictions_test",
  },
  {
    name: "raft: a snapshot may contradict what is committed",
    file: CONTRADICTIONS,
    edits: [["return strictMembership ? compare(", "return strictMembership === null ? compare("]],
    dies: "raft_contradictions_test",
  },
  {
    name: "raft: a contradiction of an old term ends the node",
    file: CONTRADICTIONS,
    edits: [["message.term < s.term ? undefined : contradictionIn", "message.term < 0 ? undefined : contradictionIn"]],
    dies: "raft_contradictions_test",
  },
  {
    name: "raft: a node that is no member ends another with a contradiction",
    file: CONTRADICTIONS,
    edits: [["if (isPartOf(s, message.leader)) {", "if (isPartOf(s, message.leader) || index > 0) {"]],
    dies: "raft_contradictions_test",
  },
  {
    name: "raft: a contradiction is only refused",
    file: CONTRADICTIONS,
    edits: [["if (isPartOf(s, message.leader)) {", "if (isPartOf(s, message.leader) && index < 0) {"]],
    dies: "raft_contradictions_test",
  },
  {
    name: "raft: a node follows two leaders of a term",
    file: CONTRADICTIONS,
    edits: [["s.leader === null || s.leader === leader", "s.leader !== 0n || s.leader === leader"]],
    dies: "raft_contradictions_test",
  },
  {
    name: "raft: a contradiction is an error of the log",
    file: NODE,
    edits: [['if (cause instanceof WalLogError && cause.code === "DIVERGED") this.#failure ??= cause;', ""]],
    dies: "raft_contradictions_test",
  },
  {
    name: "raft: a contradiction is refused like any message",
    file: NODE,
    edits: [['  "INVALID_ARGUMENT",\n]);', '  "INVALID_ARGUMENT",\n  "DIVERGED",\n]);']],
    dies: "raft_contradictions_test",
  },
  {
    name: "raft: propose says where the last command was",
    file: "src/raft/proposals.ts",
    edits: [["  s.proposed = { index: s.log.lastIndex, term: s.term };\n", ""], [
      '  appendOwn(s, "normal", command);\n',
      '  s.proposed = { index: s.log.lastIndex, term: s.term };\n  appendOwn(s, "normal", command);\n',
    ]],
    dies: "raft_contradictions_test",
  },
  {
    name: "raft: a snapshot is fetched from nobody",
    file: "src/raft/healing.ts",
    edits: [["if (isSnapshotLost && !isHardStateLost && !isTailLost) askForSnapshot(s, healing);", ""]],
    dies: "raft_snapshot_repair_test",
  },
  {
    name: "raft: a snapshot of another term takes the place of a damaged one",
    file: "src/raft/healing_snapshots.ts",
    edits: [[
      "if (index === s.log.snapshotIndex) return known === term;",
      "if (index === s.log.snapshotIndex) return term > 0;",
    ]],
    dies: "raft_snapshot_repair_test",
  },
  {
    name: "raft: anybody says what is committed",
    file: SNAPSHOT_FETCHING,
    edits: [
      ["!s.membership.everyone.includes(from)", "s.membership.everyone.length === 0"],
      ["s.members.flatMap((id) => {", "[...s.damagedSnapshots.keys()].flatMap((id) => {"],
    ],
    dies: "raft_snapshot_repair_test",
  },
  {
    name: "raft: one member says what is committed",
    file: SNAPSHOT_FETCHING,
    edits: [["included[Math.ceil(s.members.length / 2) - 1]", "included[0]"]],
    dies: "raft_snapshot_repair_test",
  },
  {
    name: "raft: a node says itself what its snapshot does not include",
    file: SNAPSHOT_FETCHING,
    edits: [["id === s.id ? undefined", "id === 0n ? undefined"]],
    dies: "raft_snapshot_repair_test",
  },
  {
    name: "raft: a follower commits what its leader has not said to be committed",
    file: SNAPSHOT_FETCHING,
    edits: [["  if (s.leader !== null && s.leader !== s.id) return;\n", ""]],
    dies: "raft_snapshot_repair_test",
  },
  {
    name: "raft: a member that has lost its log says what is committed",
    file: "src/raft/identities.ts",
    edits: [[' && message.type !== "snapshotRequest"', ""]],
    dies: "raft_snapshot_repair_test",
  },
  {
    name: "raft: what a member said of its snapshot goes on counting when it has lost its log",
    file: "src/raft/identities.ts",
    edits: [["  s.damagedSnapshots.delete(id);\n", ""]],
    dies: "raft_snapshot_repair_test",
  },
  {
    name: "raft: an entry of another term is committed because a snapshot includes it",
    file: SNAPSHOT_FETCHING,
    edits: [["s.log.termAt(damaged.index) === damaged.term", "damaged.index <= s.log.lastIndex"]],
    dies: "raft_snapshot_repair_test",
  },
  {
    name: "raft: a node does not apply what others' snapshots show to be committed",
    file: SNAPSHOT_FETCHING,
    edits: [["  commitIncluded(s);\n", ""], ["function commitIncluded", "export function commitIncluded"]],
    dies: "raft_snapshot_repair_test",
  },
  {
    name: "raft: pieces of a fetched snapshot come from several nodes",
    file: SNAPSHOT_FETCHING,
    edits: [["if (healing.fetched !== null && healing.fetched.leader !== from) return undefined;\n", ""]],
    dies: "raft_snapshot_repair_test",
  },
  {
    name: "raft: an answer from before a crash counts for a snapshot",
    file: SNAPSHOT_FETCHING,
    edits: [["number !== healing.request || ", ""]],
    dies: "raft_snapshot_repair_test",
  },
  {
    name: "raft: nobody else is asked once a node was",
    file: SNAPSHOT_FETCHING,
    edits: [[
      "  dropFetched(healing);\n  for (const id of askedBy(s, healing))",
      "  if (fetched !== null) return;\n  for (const id of askedBy(s, healing))",
    ]],
    dies: "raft_snapshot_repair_test",
  },
  {
    name: "raft: a snapshot that was served is held for ever",
    file: STEP,
    edits: [["    dropServed(s);\n", ""]],
    dies: "raft_snapshot_repair_test",
  },
  {
    name: "raft: a recovered cluster goes on in a term that there was",
    file: RECOVER_CLUSTER,
    edits: [[
      "Math.max(source.hardState.term, source.lastTerm) + 1",
      "Math.max(source.hardState.term, source.lastTerm)",
    ]],
    dies: "raft_recover_cluster_test",
  },
  {
    name: "raft: a recovered cluster keeps its id",
    file: RECOVER_CLUSTER,
    edits: [[
      'if (source.identity.cluster === String(cluster).toLowerCase()) throw invalid("the new id equals the old one");\n',
      "",
    ]],
    dies: "raft_recover_cluster_test",
  },
  {
    name: "raft: a recovered log is written over another",
    file: RECOVER_CLUSTER,
    edits: [["if (lastIndex > 0 || term > 0) throw", "if (lastIndex < 0 || term < 0) throw"]],
    dies: "raft_recover_cluster_test",
  },
];
