/** Mutants of replicas. */

import type { Mutant } from "./mutant.ts";

const APPLIER = "src/replica/applier.ts";
const CLIENTS = "src/replica/clients.ts";
const CONDITIONS = "src/replica/conditions.ts";
const ENGINE = "src/replica/engine.ts";
const PROPOSALS = "src/replica/proposals.ts";
const READS = "src/replica/reads.ts";
const REPLICA = "src/replica/replica.ts";
const REQUEST = "src/replica/request.ts";
const SNAPSHOT_DATA = "src/replica/snapshot_data.ts";
const SNAPSHOTS = "src/replica/snapshots.ts";

/** Mutants of replicas. */
export const REPLICA_MUTANTS: readonly Mutant[] = [
  {
    name: "replica: a command that is repeated is applied again",
    file: CLIENTS,
    edits: [["if (last !== undefined && sequence === last.sequence) {", "if (last === undefined) {"]],
    dies: "replica_once_test",
  },
  {
    name: "replica: a command with a lower sequence is applied",
    file: CLIENTS,
    edits: [["if (last !== undefined && sequence < last.sequence) return", "if (last === undefined) return"]],
    dies: "replica_once_test",
  },
  {
    name: "replica: a client that proposes again is not among the last",
    file: CLIENTS,
    edits: [["      this.#known.delete(client);\n      this.#known.set(client, last);\n", ""]],
    dies: "replica_once_test",
  },
  {
    name: "replica: one client too few is remembered",
    file: CLIENTS,
    edits: [["this.#known.size > CLIENTS_MAX", "this.#known.size >= CLIENTS_MAX"]],
    dies: "replica_once_test",
  },
  {
    name: "replica: replaced answers count for ever",
    file: CLIENTS,
    edits: [["    this.#answerBytes -= slot?.answer?.length ?? 0;\n", ""]],
    dies: "replica_once_test",
  },
  {
    name: "replica: the table of clients is not restored",
    file: APPLIER,
    edits: [["      this.#clients = clients;\n", "      void clients;\n"]],
    dies: "replica_once_test",
  },
  {
    name: "replica: a repetition gets no answer",
    file: APPLIER,
    edits: [["this.#clients.answer(verdict.slot, encodeAnswer(answer));", "void encodeAnswer;"]],
    dies: "replica_once_test",
  },
  {
    name: "replica: a read overtakes commands",
    file: APPLIER,
    edits: [['    this.#add({ type: "call", call });\n', "    call();\n"]],
    dies: "replica_test",
  },
  {
    name: "replica: a state machine that throws is passed over",
    file: APPLIER,
    edits: [[
      "      this.#isStopped = true;\n      this.#host.failed(asFailure(cause, this.#appliedIndex));\n",
      "      void asFailure(cause, 0);\n",
    ]],
    dies: "replica_snapshot_test",
  },
  {
    name: "replica: any number of answers is taken",
    file: APPLIER,
    edits: [["    requireAnswers(answers, fresh);\n", "    void requireAnswers;\n"]],
    dies: "replica_snapshot_test",
  },
  {
    name: "replica: commands are applied one at a time",
    file: APPLIER,
    edits: [["entries.length < PAGE_ENTRIES", "entries.length < 1"]],
    dies: "replica_test",
  },
  {
    name: "replica: a snapshot is of a later index than its state",
    file: SNAPSHOTS,
    edits: [
      [
        "    const meta = this.#host.meta(index);\n",
        "    await new Promise((resolve) => setTimeout(resolve));\n    const meta = this.#host.meta(index);\n",
      ],
    ],
    dies: "replica_snapshot_test",
  },
  {
    name: "replica: a snapshot that failed is never tried again",
    file: SNAPSHOTS,
    edits: [["if (this.#pause > 0) this.#pause--;", ""]],
    dies: "replica_snapshot_test",
  },
  {
    name: "replica: a snapshot that was given up is installed",
    file: SNAPSHOTS,
    edits: [["    running.abort.abort(", "    void ("]],
    dies: "replica_snapshot_test",
  },
  {
    name: "replica: a restored state machine gets the table of clients too",
    file: SNAPSHOT_DATA,
    edits: [["offset: HEAD_BYTES + size }", "offset: HEAD_BYTES }"]],
    dies: "replica_snapshot_test",
  },
  {
    name: "replica: a snapshot is not restored at the start",
    file: ENGINE,
    edits: [["await this.#applier.begin(source).catch(", "await Promise.resolve(source.close()).catch("]],
    dies: "replica_snapshot_test",
  },
  {
    name: "replica: an entry of another term answers a proposal",
    file: PROPOSALS,
    edits: [["placed.find(({ place }) => place!.term === term)", "placed[0]"]],
    dies: "replica_lost_test",
  },
  {
    name: "replica: a command that may have been applied is proposed again",
    file: PROPOSALS,
    edits: [[
      "if (!waiting.isUnknown || waiting.isIdentified) this.#unsent.add(waiting);",
      "if (waiting.entry.length > 0) this.#unsent.add(waiting);",
    ]],
    dies: "replica_lost_test",
  },
  {
    name: "replica: the outcome of a command that was not committed in time is called certain",
    file: PROPOSALS,
    edits: [["        waiting.isUnknown = true;\n        this.#giveUp(waiting);", "        this.#giveUp(waiting);"]],
    dies: "replica_test",
  },
  {
    name: "replica: a command whose place is taken waits until its time is up",
    file: PROPOSALS,
    edits: [[
      "if (isReplaced(node, committedTerm, waiting.place!)) {",
      "if (committedTerm < 0 && isReplaced(node, committedTerm, waiting.place!)) {",
    ]],
    dies: "replica_test",
  },
  {
    name: "replica: proposals wait for ever when it is closed",
    file: PROPOSALS,
    edits: [[
      "      this.#reject(waiting, ended(ATTEMPT, outcomeOf(waiting), cause));\n",
      "      void ended(ATTEMPT, outcomeOf(waiting), cause);\n",
    ]],
    dies: "replica_test",
  },
  {
    name: "replica: a read that found no leader waits for ever",
    file: READS,
    edits: [[
      "      this.#unsent.delete(request);\n      this.#giveUp(request);",
      "      this.#unsent.delete(request);",
    ]],
    dies: "replica_test",
  },
  {
    name: "replica: an aborted call goes on waiting",
    file: REQUEST,
    edits: [['    else signal.addEventListener("abort", this.#abort, { once: true });\n', ""]],
    dies: "replica_test",
  },
  {
    name: "replica: a leader that is closed does not hand over",
    file: ENGINE,
    edits: [["if (node.isLeader && target !== undefined) {", "if (node.isLeader && target === node.id) {"]],
    dies: "replica_test",
  },
  {
    name: "replica: a closed replica takes proposals",
    file: REPLICA,
    edits: [['    this.#requireRunning("propose a command");\n', ""]],
    dies: "replica_test",
  },
  {
    name: "replica: a full disk ends it",
    file: PROPOSALS,
    edits: [[
      "    if (!isRefusal(error)) this.#host.carryOut(Promise.reject(error));\n",
      "    this.#host.carryOut(Promise.reject(error));\n",
    ]],
    dies: "replica_faults_test",
  },
  {
    name: "replica: it goes on after its log has failed",
    file: PROPOSALS,
    edits: [["    if (!isRefusal(error)) this.#host.carryOut(Promise.reject(error));\n", ""]],
    dies: "replica_proposals_test",
  },
  {
    name: "replica: a transport that cannot be closed keeps the log open",
    file: ENGINE,
    edits: [["await Promise.allSettled([this.transport", "await Promise.all([this.transport"], [
      'for (const end of ends) if (end.status === "rejected") throw end.reason;',
      "void ends;",
    ]],
    dies: "replica_ended_test",
  },
  {
    name: "replica: a command that was not held in memory is skipped",
    file: APPLIER,
    edits: [["task.command ?? this.#host.commandAt(task.index)", "task.command"]],
    dies: "replica_options_test",
  },
  {
    name: "replica: a result that comes before the leader's reply is lost",
    file: PROPOSALS,
    edits: [["    if (known !== undefined) return this.applied(index, known.term, known.result);\n", ""]],
    dies: "replica_lost_test",
  },
  {
    name: "replica: a forwarded command of unknown fate is proposed again",
    file: PROPOSALS,
    edits: [['return this.#again(waiting, outcome === "unknown");', "return this.#again(waiting, false);"]],
    dies: "replica_lost_test",
  },
  {
    name: "replica: followers learn of a commit with a heartbeat only",
    file: ENGINE,
    edits: [["    void this.#announceCommit();\n", ""]],
    dies: "replica_test",
  },
  {
    name: "replica: a change of the cluster is not tried again",
    file: REPLICA,
    edits: [['if (failure.code !== "CONFIG_IN_PROGRESS") throw failure;', "throw failure;"]],
    dies: "replica_members_test",
  },
  {
    name: "replica: a change of the cluster counts before it is committed",
    file: REPLICA,
    edits: [[
      "    const index = node.log.lastIndex;\n    await this.#whileLeader(name, () => node.commitIndex >= index, options);\n",
      "",
    ]],
    dies: "replica_members_test",
  },
  {
    name: "replica: addresses in the log are not read",
    file: ENGINE,
    edits: [["if (place !== undefined && id !== this.node.id) this", "if (place === undefined) this"]],
    dies: "replica_faults_test",
  },
  {
    name: "replica: a second entry at an index proves that the first is dead",
    file: PROPOSALS,
    edits: [["[...this.#placed.get(index) ?? [], waiting]", "[waiting]"]],
    dies: "replica_proposals_test",
  },
  {
    name: "replica: an entry that another one has replaced is waited for",
    file: PROPOSALS,
    edits: [["for (const other of placed) if (other !== waiting) this.#again(other, false);", ""]],
    dies: "replica_proposals_test",
  },
  {
    name: "replica: a command whose write failed was not applied",
    file: "src/replica/errors.ts",
    edits: [['isRefusal(error) ? outcome : "unknown"', "outcome"]],
    dies: "replica_proposals_test",
  },
  {
    name: "replica: commands behind one that a snapshot has replaced are applied",
    file: APPLIER,
    edits: [["this.#awaitsSnapshot ? undefined : task.command ??", "task.command ??"]],
    dies: "replica_applier_test",
  },
  {
    name: "replica: a read does not wait for the snapshot that has what it must see",
    file: APPLIER,
    edits: [["if (this.#awaitsSnapshot) return void this.#heldCalls.push(call);", ""]],
    dies: "replica_applier_test",
  },
  {
    name: "replica: readers get no turn before more is applied",
    file: APPLIER,
    edits: [["if (this.#hasCalled) await nextTurn();", ""]],
    dies: "replica_applier_test",
  },
  {
    name: "replica: a page has any number of bytes",
    file: APPLIER,
    edits: [["else if (entries.length > 0 && bytes.length > room) break;", ""], [" && room > 0; at++", "; at++"]],
    dies: "replica_applier_test",
  },
  {
    name: "replica: a snapshot that is not restored stays open",
    file: APPLIER,
    edits: [["this.#tasks = [...tasks.slice(at), ...this.#tasks];", ""]],
    dies: "replica_applier_test",
  },
  {
    name: "replica: a byte order mark is taken off the name of a client",
    file: "src/replica/command.ts",
    edits: [['"utf-8", { ignoreBOM: true }', '"utf-8"']],
    dies: "replica_once_test",
  },
  {
    name: "replica: names of clients may have half of a surrogate pair",
    file: "src/replica/command.ts",
    edits: [["if (!client.isWellFormed())", "if (false as boolean)"]],
    dies: "replica_once_test",
  },
  {
    name: "replica: a wait that begins after the end never ends",
    file: CONDITIONS,
    edits: [["    if (this.#end !== undefined) this.end(this.#end.cause);\n", ""]],
    dies: "replica_ended_test",
  },
  {
    name: "replica: a change that the log may have is called not applied",
    file: REPLICA,
    edits: [[
      'return ended(name, "unknown", this.#engine.failure);',
      'return ended(name, "not-applied", this.#engine.failure);',
    ]],
    dies: "replica_ended_test",
  },
  {
    name: "replica: a new learner without a vote counts as nothing done",
    file: REPLICA,
    edits: [['isMember ? "not-applied" : "unknown"', '"not-applied"']],
    dies: "replica_ended_test",
  },
  {
    name: "replica: a change begins although its signal is aborted",
    file: REPLICA,
    edits: [["      options.signal?.throwIfAborted();\n", ""]],
    dies: "replica_ended_test",
  },
  {
    name: "replica: a transfer begins although its signal is aborted",
    file: REPLICA,
    edits: [["    signal?.throwIfAborted();\n", ""]],
    dies: "replica_ended_test",
  },
  {
    name: "replica: no snapshot is made for a replica that has lost its own",
    file: ENGINE,
    edits: [["        return this.#applier.call(() => this.#snapshots.begin());\n", "        return;\n"]],
    dies: "replica_healing_test",
  },
  {
    name: "replica: a snapshot for another replica begins in the middle of a page",
    file: ENGINE,
    edits: [[
      "        return this.#applier.call(() => this.#snapshots.begin());\n",
      "        return this.#snapshots.begin();\n",
    ]],
    dies: "replica_healing_test",
  },
  {
    name: "replica: a snapshot that cannot be restored is no fault of the state machine",
    file: ENGINE,
    edits: [["throw restoreFailure(index, error);", "throw restoreFailure(index, error).cause;"]],
    dies: "replica_ended_test",
  },
  {
    name: "replica: close rejects after a failure that was reported",
    file: ENGINE,
    edits: [["this.#end(this.#failure).catch(() => {});", "this.#end(this.#failure);"]],
    dies: "replica_ended_test",
  },
  {
    name: "replica: the log is closed under a call of the state machine",
    file: ENGINE,
    edits: [[", this.#applier.stop()]);", "]);\n    void this.#applier.stop();"]],
    dies: "replica_ended_test",
  },
];
