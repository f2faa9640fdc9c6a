/** Mutants of replicas: the engine, snapshots, and changes of the cluster. */

import type { Mutant } from "./mutant.ts";

const CONDITIONS = "src/replica/conditions.ts";
const ENGINE = "src/replica/engine.ts";
const FOUNDING = "src/replica/founding.ts";
const REPLICA = "src/replica/replica.ts";
const SNAPSHOT_DATA = "src/replica/snapshot_data.ts";
const SNAPSHOTS = "src/replica/snapshots.ts";

/** The mutants. */
export const REPLICA_MUTANTS: readonly Mutant[] = [
  {
    name: "replica: a new cluster has no id",
    file: REPLICA,
    edits: [["      foundCluster(log, checked);\n", ""]],
    dies: "replica_founding_test",
  },
  {
    name: "replica: one that joins founds a cluster of its own",
    file: FOUNDING,
    edits: [["isNew && !options.joining", "isNew"]],
    dies: "replica_founding_test",
  },
  {
    name: "replica: a new id replaces the one that the log has",
    file: FOUNDING,
    edits: [["log.identity.cluster === undefined && log.lastIndex === 0", "true"]],
    dies: "replica_founding_test",
  },
  {
    name: "replica: the id of a new cluster depends on the order of its members",
    file: FOUNDING,
    edits: [[".sort(([a], [b]) => a < b ? -1 : 1)", ""]],
    dies: "replica_founding_test",
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
    name: "replica: a leader that is closed does not hand over",
    file: ENGINE,
    edits: [[
      "    if (target === undefined) return false;\n    tried",
      "    if (target !== node.id) return false;\n    tried",
    ]],
    dies: "replica_test",
  },
  {
    name: "replica: a closed replica takes proposals",
    file: REPLICA,
    edits: [['    this.#requireRunning("propose a command");\n', ""]],
    dies: "replica_test",
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
    file: "src/replica/change_conditions.ts",
    edits: [["if (node.commitIndex < index) return false;\n", "if (node.log.lastIndex < index) return false;\n"]],
    dies: "replica_members_test",
  },
  {
    name: "replica: addresses in the log are not read",
    file: ENGINE,
    edits: [["if (place !== undefined && id !== this.node.id) this", "if (place === undefined) this"]],
    dies: "replica_faults_test",
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
  {
    name: "replica: a commit is announced again and again",
    file: ENGINE,
    edits: [["    this.#announced = node.commitIndex;\n", ""]],
    dies: "replica_changes_test",
  },
  {
    name: "replica: a replica that was removed meanwhile gets a vote",
    file: REPLICA,
    edits: [["      if (!isKnown()) throw cancelled(name);\n", ""]],
    dies: "replica_changes_test",
  },
  {
    name: "replica: a cancelled replacement is waited for",
    file: "src/replica/change_conditions.ts",
    edits: [["      if (node.status().replacement === null) throw cancelled(name);\n", ""]],
    dies: "replica_changes_test",
  },
  {
    name: "replica: a replacement has happened without the new member",
    file: "src/replica/change_conditions.ts",
    edits: [["    if (!node.members.includes(by)) throw cancelled(name);\n", ""]],
    dies: "replica_changes_test",
  },
  {
    name: "replica: an entry of another leader counts as the change",
    file: "src/replica/change_conditions.ts",
    edits: [["if (node.log.termAt(index) === term) return true;", "if (term >= 0) return true;"]],
    dies: "replica_changes_test",
  },
  {
    name: "replica: a snapshot that arrives at the end stays open",
    file: "src/replica/applier.ts",
    edits: [["if (this.#isStopped) return discard(task);", "if (this.#isStopped) return;"]],
    dies: "replica_applier_test",
  },
  {
    name: "replica: a leader that leaves hands over to a member that is gone",
    file: "src/replica/node_config.ts",
    edits: [[" && isReached(id));", ");"]],
    dies: "replica_ended_test",
  },
  {
    name: "replica: a leader that leaves tries one member only",
    file: ENGINE,
    edits: [[
      "    if (target === undefined) return false;\n    tried",
      "    if (target === undefined || tried.size > 0) return false;\n    tried",
    ]],
    dies: "replica_ended_test",
  },
  {
    name: "replica: a change whose wait is aborted is reported as one of a closed replica",
    file: "src/replica/replica.ts",
    edits: [[
      "return await this.#whileLeader(name, isCommitted(node, name, lastIndex, lastTerm), options);",
      `return await this.#whileLeader(name, isCommitted(node, name, lastIndex, lastTerm), options).catch((error) => {
          throw error instanceof ReplicaError ? error : this.#failed(name, error, refused);
        });`,
    ]],
    dies: "replica_changes_test",
  },
  {
    name: "replica: the status does not show that a change of the members waits",
    file: "src/raft/status.ts",
    edits: [["membershipIndex: s.membership.latest.index,", "membershipIndex: s.commitIndex,"]],
    dies: "raft_status_test",
  },
];
