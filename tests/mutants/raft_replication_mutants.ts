/** Mutants of snapshots that leaders send, and of how much is under way to a node. */

import type { Mutant } from "./mutant.ts";

const FOLLOWER = "src/raft/follower.ts";
const MEMBERSHIP = "src/raft/membership.ts";
const RECONFIGURATION = "src/raft/reconfiguration.ts";
const REPLIES = "src/raft/replies.ts";
const REPLICATION = "src/raft/replication.ts";
const REPAIR = "src/raft/healing.ts";
const ROLE = "src/raft/role.ts";
const OWN_SNAPSHOTS = "src/raft/own_snapshots.ts";
const SNAPSHOT_SENDING = "src/raft/snapshot_sending.ts";

/** Mutants of replication. */
export const RAFT_REPLICATION_MUTANTS: readonly Mutant[] = [
  {
    name: "raft: a snapshot does not bring its configuration",
    file: FOLLOWER,
    edits: [["s.membership.restore(snapshot, s.log.lastIndex > index);\n", ""]],
    dies: "raft_pieces_test",
  },
  {
    name: "raft: a snapshot drops what follows it, for the configuration",
    file: MEMBERSHIP,
    edits: [[
      "const tail = keepsTail ? this.#history.filter((one) => one.index > index) : [];",
      "const tail: Membership[] = [];",
    ]],
    dies: "raft_pieces_test",
  },
  {
    name: "raft: a snapshot of a node's own has the latest configuration, not that at its index",
    file: OWN_SNAPSHOTS,
    edits: [["const membership = s.membership.at(index);", "const membership = s.membership.latest;"]],
    dies: "raft_pieces_test",
  },
  {
    name: "raft: a snapshot is held for ever that nobody is being sent",
    file: REPLIES,
    edits: [["  progress.next = next;\n  endSnapshot(progress);\n", "  progress.next = next;\n"]],
    dies: "raft_pieces_test",
  },
  {
    name: "raft: pieces of a snapshot are held although another term has begun",
    file: ROLE,
    edits: [["if (term !== s.term) dropIncoming(s);\n", ""]],
    dies: "raft_pieces_test",
  },
  {
    name: "raft: pieces of different snapshots are put together",
    file: FOLLOWER,
    edits: [["if (s.incoming?.isOf(message, s.joins) !== true) {", "if (s.incoming === null) {"]],
    dies: "raft_pieces_test",
  },
  {
    name: "raft: every rejection of a loss is answered with a batch",
    file: REPLIES,
    edits: [["  if (isStale(progress, reply)) return;\n", ""]],
    dies: "raft_liveness_test",
  },
  {
    name: "raft: a rejection that denies what was acknowledged counts",
    file: REPLIES,
    edits: [["return rejectedIndex <= match || rejectedIndex !== next - 1;", "return rejectedIndex !== next - 1;"], [
      "return rejectedIndex <= match || rejectedIndex >= next;",
      "return rejectedIndex >= next;",
    ]],
    dies: "raft_liveness_test",
  },
  {
    name: "raft: a node that takes no entries is sent all that may be under way, again and again",
    file: REPLIES,
    edits: [["if (match >= next || match ===", "if (match >= 0 || match ==="]],
    dies: "raft_liveness_test",
  },
  {
    name: "raft: a node that got an outdated snapshot waits for ever",
    file: REPLIES,
    edits: [["    endSnapshot(progress);\n  }\n", "  }\n"]],
    dies: "raft_liveness_test",
  },
  {
    name: "raft: any amount of a snapshot is under way to a node",
    file: SNAPSHOT_SENDING,
    edits: [["    if (bytes > 0 && bytes >= most) return;\n", ""]],
    dies: "raft_snapshot_test",
  },
  {
    name: "raft: pieces of a snapshot that were lost are not sent again",
    file: SNAPSHOT_SENDING,
    edits: [[
      "if (outgoing.acknowledged < outgoing.checkpoint.end) outgoing.next",
      "if (outgoing.acknowledged < outgoing.checkpoint.end && outgoing.next === null) outgoing.next",
    ]],
    dies: "raft_snapshot_test",
  },
  {
    name: "raft: pieces of a snapshot count as lost while they are on their way",
    file: SNAPSHOT_SENDING,
    edits: [[" || round < outgoing.checkpoint.round) return;", ") return;"]],
    dies: "raft_snapshot_test",
  },
  {
    name: "raft: heartbeats behind a snapshot are all the same",
    file: REPLICATION,
    edits: [["  if (isSendingSnapshot(s)) s.round++;\n", ""]],
    dies: "raft_snapshot_test",
  },
  {
    name: "raft: a snapshot is sent to a node that does not answer",
    file: REPLICATION,
    edits: [["if (!hasFlowControl(s.config)) return void sendSnapshot", "if (s.config.noOp) return void sendSnapshot"]],
    dies: "raft_snapshot_test",
  },
  {
    name: "raft: a snapshot that could not be read once is never sent",
    file: REPLIES,
    edits: [["if (progress.outgoing === null) sendNext(s, from);", "if (progress.outgoing === null) return;"]],
    dies: "raft_snapshot_test",
  },
  {
    name: "raft: a damaged node is sent all pieces again each time that it asks",
    file: SNAPSHOT_SENDING,
    edits: [["++outgoing.requests >= REQUESTS_MAX", "++outgoing.requests >= 1"]],
    dies: "raft_snapshot_test",
  },
  {
    name: "raft: any number of messages is under way to a node",
    file: REPLICATION,
    edits: [["inflights.count < maxInflightMessages && ", ""]],
    dies: "raft_liveness_test",
  },
  {
    name: "raft: any number of bytes is under way to a node",
    file: REPLICATION,
    edits: [[" && inflights.bytes < maxInflightBytes", ""]],
    dies: "raft_liveness_test",
  },
  {
    name: "raft: a sign of life brings entries that are under way already",
    file: REPLICATION,
    edits: [["    if (!isSent) sendHeartbeat(s, id, progress);", "    if (!isSent) sendNext(s, id);"]],
    dies: "raft_liveness_test",
  },
  {
    name: "raft: a leader that removed the only other one waits for an answer",
    file: RECONFIGURATION,
    edits: [["  commitByQuorum(s);\n", ""]],
    dies: "raft_progress_test",
  },
  {
    name: "raft: each answer brings another copy of a piece",
    file: SNAPSHOT_SENDING,
    edits: [["if (nextOffset === acknowledged || nextOffset > length) return;", "if (nextOffset > length) return;"]],
    dies: "raft_progress_test",
  },
  {
    name: "raft: a damaged node is sent a snapshot that it cannot take, for ever",
    file: REPAIR,
    edits: [["source.index < Math.min(last, s.log.snapshotIndex)", "source.index > s.log.snapshotIndex"]],
    dies: "raft_progress_test",
  },
  {
    name: "raft: a late answer to a snapshot sends streamed entries again",
    file: "src/raft/replies.ts",
    edits: [[`|| progress.flow !== "stream") progress.next`, `|| progress.flow !== null) progress.next`]],
    dies: "raft_late_answers_test",
  },
  {
    name: "raft: a node does not correct an offset that lies ahead of its pieces",
    file: "src/raft/follower.ts",
    edits: [[
      "if (offset !== incoming.length) return incoming.length;",
      "if (offset < incoming.length) return incoming.length;",
    ]],
    dies: "raft_late_answers_test",
  },
];
