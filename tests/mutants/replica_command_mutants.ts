/** Mutants of replicas: how commands are proposed and applied, and reads answered. */

import type { Mutant } from "./mutant.ts";

const APPLIER = "src/replica/applier.ts";
const CLIENTS = "src/replica/clients.ts";
const PROPOSALS = "src/replica/proposals.ts";
const READS = "src/replica/reads.ts";
const REQUEST = "src/replica/request.ts";

/** The mutants. */
export const REPLICA_COMMAND_MUTANTS: readonly Mutant[] = [
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
    name: "replica: replaced answers are never subtracted",
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
];
