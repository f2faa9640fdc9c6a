/**
 * Mistakes in the consensus core: one each, where safety depends on it. Run with the others by `deno task mutants`.
 */

import type { Mutant } from "./mutant.ts";

const COMMIT = "src/raft/commit.ts";
const CONFIG = "src/raft/config.ts";
const ELECTION = "src/raft/election.ts";
const FOLLOWER = "src/raft/follower.ts";
const HEALING_SNAPSHOTS = "src/raft/healing_snapshots.ts";
const LOG_WRITER = "src/raft/log_writer.ts";
const MEMBERSHIP = "src/raft/membership.ts";
const NODE = "src/raft/raft_node.ts";
const PROPOSALS = "src/raft/proposals.ts";
const READS = "src/raft/reads.ts";
const RECONFIGURATION = "src/raft/reconfiguration.ts";
const REPLIES = "src/raft/replies.ts";
const REPLICATION = "src/raft/replication.ts";
const REPAIR = "src/raft/healing.ts";
const ROLE = "src/raft/role.ts";
const SNAPSHOT_SENDING = "src/raft/snapshot_sending.ts";
const STATE = "src/raft/state.ts";

/** See above. */
export const RAFT_MUTANTS: Mutant[] = [
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
    file: "src/raft/step.ts",
    edits: [["const membership = s.membership.at(index);", "const membership = s.membership.latest;"]],
    dies: "raft_pieces_test",
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
    edits: [["if (index > s.commitIndex) return;", "if (index > 0) return;"]],
    dies: "raft_contradictions_test",
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
    edits: [["if (term !== s.term) s.incoming = null;\n", ""]],
    dies: "raft_pieces_test",
  },
  {
    name: "raft: pieces of different snapshots are put together",
    file: FOLLOWER,
    edits: [[
      "if (s.incoming?.isOf(message) !== true) s.incoming",
      "s.incoming ??= new IncomingSnapshot(message, s.now);\n  if (false as boolean) s.incoming",
    ]],
    dies: "raft_pieces_test",
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
      "  if (!isLost) return;\n  outgoing.next",
      "  if (!isLost || outgoing.next !== null) return;\n  outgoing.next",
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
    name: "raft: a read that fails ends what the step had left to do",
    file: STATE,
    edits: [[`error.code === "IO")) throw error;`, `error.code === "CLOSED")) throw error;`]],
    dies: "raft_survival_test",
  },
  {
    name: "raft: a failed read or a full disk ends the node",
    file: NODE,
    edits: [[`return error.code === "NO_SPACE" || error.code === "IO";`, `return error.code === "IO";`]],
    dies: "raft_survival_test",
  },
  {
    name: "raft: a node goes on after a flush that failed",
    file: NODE,
    edits: [[" || this.#state.writer.hasFailed) return false;", ") return false;"]],
    dies: "raft_survival_test",
  },
  {
    name: "raft: who asked for something is not told that there was no room",
    file: NODE,
    edits: [[`if (event.type !== "message" && event.type !== "tick") throw error;\n`, ""]],
    dies: "raft_survival_test",
  },
  {
    name: "raft: a node leads that has no room for its first entry",
    file: ELECTION,
    edits: [[
      `if (s.config.noOp) appendOwn(s, "config", encodeMembership(s.membership.latest));\n  s.role = "leader";`,
      `s.role = "leader";\n  if (s.config.noOp) appendOwn(s, "config", encodeMembership(s.membership.latest));`,
    ]],
    dies: "raft_survival_test",
  },
  {
    name: "raft: a leader that cannot read an entry keeps silent",
    file: REPLICATION,
    edits: [[
      "    if (!isSent) sendHeartbeat(s, id, progress);",
      "    if (!isSent && hasFlowControl(s.config)) sendHeartbeat(s, id, progress);",
    ]],
    dies: "raft_survival_test",
  },
  {
    name: "raft: members are not announced that go with entries for which nothing comes",
    file: FOLLOWER,
    edits: [["  } finally {\n", "  } finally {\n    if (s.log.lastIndex >= from) "], [
      "// If there was no room for the new entries, the old ones are gone all the same.\n",
      "\n",
    ]],
    dies: "raft_survival_test",
  },
  {
    name: "raft: a snapshot for which there was no room is sent again",
    file: FOLLOWER,
    edits: [[
      "return done === true ? incoming.data : incoming.length;",
      "if (done === true) s.incoming = null;\n  return done === true ? incoming.data : incoming.length;",
    ]],
    dies: "raft_survival_test",
  },
  {
    name: "raft: more to apply is asked for though nothing can be read",
    file: "src/raft/step.ts",
    edits: [[" && s.appliedBytes > 0) s.actions", ") s.actions"]],
    dies: "raft_survival_test",
  },
  {
    name: "raft: a leader takes any number of commands that it cannot commit",
    file: PROPOSALS,
    edits: [["  requireRoom(s, command);\n", ""]],
    dies: "raft_bounds_test",
  },
  {
    name: "raft: what is committed counts as uncommitted for ever",
    file: COMMIT,
    edits: [["  s.uncommitted.freeTo(index);\n", ""]],
    dies: "raft_bounds_test",
  },
  {
    name: "raft: what an earlier leadership could not commit counts",
    file: ROLE,
    edits: [["  s.uncommitted.clear();\n", ""]],
    dies: "raft_bounds_test",
  },
  {
    name: "raft: a command is taken that no message can carry",
    file: PROPOSALS,
    edits: [["  requireFitsMessage(s, command);\n", ""]],
    dies: "raft_bounds_test",
  },
  {
    name: "raft: a batch may be larger than the transport takes",
    file: CONFIG,
    edits: [["Math.min(maxBatchBytes, batch)", "maxBatchBytes"]],
    dies: "raft_bounds_test",
  },
  {
    name: "raft: a snapshot may be larger than the transport takes",
    file: SNAPSHOT_SENDING,
    edits: [[
      "if (config.snapshotChunkBytes > 0 || fitsMeta(config, snapshot, length)) return",
      "if (length > 0) return",
    ]],
    dies: "raft_bounds_test",
  },
  {
    name: "raft: a step hands out everything that is committed",
    file: COMMIT,
    edits: [
      ["s.lastApplied < s.commitIndex && s.appliedBytes < maxApplyBytes", "s.lastApplied < s.commitIndex"],
      ["if (s.appliedBytes < maxApplyBytes) apply(s, entry);", "apply(s, entry);"],
      ["s.log.entries(s.lastApplied + 1, to, { maxBytes })", "s.log.entries(s.lastApplied + 1, to)"],
    ],
    dies: "raft_apply_test",
  },
  {
    name: "raft: empty commands are handed out in any number",
    file: COMMIT,
    edits: [["command.byteLength + ACTION_BYTES", "command.byteLength"]],
    dies: "raft_apply_test",
  },
  {
    name: "raft: the rest of a page is handed out only to those who ask for it",
    file: "src/raft/step.ts",
    edits: [["  applyCommitted(s);\n  // If", `  if (event.type === "applyMore") applyCommitted(s);\n  // If`]],
    dies: "raft_apply_test",
  },
  {
    name: "raft: a read is answered before what it needs was handed out",
    file: READS,
    edits: [[" || index! > s.lastApplied", ""]],
    dies: "raft_apply_test",
  },
  {
    name: "raft: a snapshot takes back what is committed behind it",
    file: FOLLOWER,
    edits: [["s.healing === null ? Math.max(s.commitIndex, index) : index;", "index;"]],
    dies: "raft_apply_test",
  },
  {
    name: "raft: what a state machine has applied is handed out again",
    file: STATE,
    edits: [["return Math.max(applied, snapshotIndex);", "return snapshotIndex;"]],
    dies: "raft_apply_test",
  },
  {
    name: "raft: a search by term misses the first entry",
    file: "src/raft/terms.ts",
    edits: [["< term) low = middle + 1;", "<= term) low = middle + 1;"]],
    dies: "raft_apply_test",
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
    edits: [["snapshot.index < Math.min(last, s.log.snapshotIndex)", "snapshot.index > s.log.snapshotIndex"]],
    dies: "raft_progress_test",
  },
  {
    name: "raft: a learner asks for votes when members were removed",
    file: ELECTION,
    edits: [["latest.index > s.commitIndex && s.membership.hasRemoved(s.id);", "latest.index > s.commitIndex;"]],
    dies: "raft_progress_test",
  },
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
    edits: [["if (reply.request !== healing.request) return;\n", ""]],
    dies: "raft_repair_answers_test",
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
    name: "raft: stepAsync hands out actions before the flush",
    file: NODE,
    edits: [["await this.#state.writer.flushAsync();", "void this.#state.writer.flushAsync().catch(() => {});"]],
    dies: "raft simulation",
  },
  {
    name: "raft: stepAsync hands out at once what wrote nothing",
    file: NODE,
    edits: [[
      "return this.#enqueue(this.#run(event, true));",
      "const ops = this.#state.log.lastIndex;\n      const actions = this.#run(event, true);\n      return this.#state.log.lastIndex === ops ? Promise.resolve(actions) : this.#enqueue(actions);",
    ]],
    dies: "raft simulation",
  },
  {
    name: "raft: step overtakes what is flushed and has not arrived",
    file: NODE,
    edits: [["if (this.#underWay > 0) {", "if (this.#waiting.length > 0 || this.#isFlushing) {"]],
    dies: "raft_flush_test",
  },
  {
    name: "raft: step overtakes actions on their way to whoever waits for them",
    file: NODE,
    edits: [["queueMicrotask(() => this.#underWay--);", "this.#underWay--;"]],
    dies: "raft_flush_test",
  },
  {
    name: "raft: what is written during a flush is taken for flushed",
    file: LOG_WRITER,
    edits: [[
      "this.#isDirty = false;\n    await this.log.sync();",
      "await this.log.sync();\n    this.#isDirty = false;",
    ]],
    dies: "raft_flush_test",
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
    edits: [["else s.writer.applySnapshot(snapshot, { force: true });", "else s.writer.applySnapshot(snapshot);"]],
    dies: "raft simulation",
  },
  {
    name: "raft: whoever is given the members can change them",
    file: MEMBERSHIP,
    edits: [["members: Object.freeze(list.slice(0, end)),", "members: list.slice(0, end),"]],
    dies: "raft_members_test",
  },
];
