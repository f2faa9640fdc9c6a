/** A node continues after a failure that its log survives: a failed read, or a write without space. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Action, type Message, type RaftConfig, type RaftEvent, RaftNode } from "../src/raft/mod.ts";
import { WalLogError, type WalLogErrorCode } from "../mod.ts";
import { MemoryLog } from "../src/api/memory_log.ts";
import { encodeMembership } from "../src/raft/membership.ts";
import type { EntriesOptions, HardState, Index, LogEntry, Snapshot } from "../src/api/types.ts";
import { Cluster } from "./raft_cluster.ts";

type Operation = "read" | "append" | "truncate" | "setHardState" | "applySnapshot" | "sync";

/** A log whose operations fail while the test requests it, before they change anything. */
class FailingLog extends MemoryLog {
  readonly failing: Map<Operation, WalLogErrorCode> = new Map();

  #try(operation: Operation): void {
    const code = this.failing.get(operation);
    if (code !== undefined) throw new WalLogError(code, `Cannot ${operation}: the test says so`);
  }
  override entries(from: Index, to: Index, options?: EntriesOptions): LogEntry[] {
    this.#try("read");
    return super.entries(from, to, options);
  }
  override snapshot(): Snapshot | undefined {
    this.#try("read");
    return super.snapshot();
  }
  override append(entries: readonly LogEntry[]): void {
    this.#try("append");
    super.append(entries);
  }
  override truncate(from: Index): void {
    this.#try("truncate");
    super.truncate(from);
  }
  override setHardState(state: HardState): void {
    this.#try("setHardState");
    super.setHardState(state);
  }
  override applySnapshot(snapshot: Snapshot): void {
    this.#try("applySnapshot");
    super.applySnapshot(snapshot);
  }
  override syncSync(): Index {
    this.#try("sync");
    return super.syncSync();
  }
  override sync(): Promise<Index> {
    return super.sync().then((index) => (this.#try("sync"), index));
  }
}

const TICK = { type: "tick" } as const;
const propose = (text = "x") => ({ type: "propose", command: new TextEncoder().encode(text) }) as const;
const types = (actions: readonly Action[]) => actions.map(({ type }) => type);
const FLOWS: readonly Partial<RaftConfig>[] = [{}, { maxInflightMessages: 10 }];

/** A cluster of three. The log of one node fails when the test requests it. */
function clusterWith(id: bigint, config: Partial<RaftConfig> = {}): { cluster: Cluster; log: FailingLog } {
  const cluster = new Cluster([], config);
  const log = new FailingLog();
  for (const one of [1n, 2n, 3n]) {
    cluster.start(one, [1n, 2n, 3n].filter((peer) => peer !== one), one === id ? log : new MemoryLog());
  }
  return { cluster, log };
}

function refuses(step: () => unknown, code: WalLogErrorCode): void {
  assert.throws(step, (error) => error instanceof WalLogError && error.code === code);
}

for (const config of FLOWS) {
  const flow = "maxInflightMessages" in config ? ", with flow control" : "";

  test(`a leader that cannot read an entry sends heartbeats, and the entry later${flow}`, () => {
    const { cluster, log } = clusterWith(1n, config);
    const leader = cluster.elect(1n);
    cluster.passes = ({ to }) => to !== 3n;
    for (let i = 0; i < 5; i++) cluster.propose(1n, `${i}`);
    log.failing.set("read", "IO");
    cluster.passes = () => true;
    cluster.tick(40);
    assert.equal(cluster.node(3n).log.lastIndex, 0);
    assert.deepEqual([leader.isLeader, leader.term], [true, 1], "nobody else asks to lead");
    assert.ok(cluster.done.some(({ node, action }) => node === 1n && action.type === "logFailed"));
    log.failing.clear();
    cluster.tick(10);
    assert.equal(cluster.applied.get(3n)!.size, 5);
  });

  test(`a leader that cannot read its snapshot sends it later${flow}`, () => {
    const { cluster, log } = clusterWith(1n, config);
    const leader = cluster.elect(1n);
    cluster.passes = ({ to }) => to !== 3n;
    for (let i = 0; i < 5; i++) cluster.propose(1n, `${i}`);
    cluster.step(1n, { type: "snapshot", index: 5, data: new Uint8Array(3) });
    log.failing.set("read", "IO");
    cluster.passes = () => true;
    cluster.tick(6, [1n]);
    assert.equal(leader.isLeader, true);
    log.failing.clear();
    cluster.tick(10, [1n]);
    assert.equal(cluster.node(3n).log.snapshotIndex, 5);
  });
}

test("unreadable entries are applied later, and none is skipped", () => {
  const { cluster, log } = clusterWith(2n);
  cluster.elect(1n);
  log.failing.set("read", "IO");
  for (let i = 0; i < 5; i++) cluster.propose(1n, `${i}`);
  cluster.tick(3, [1n]);
  assert.deepEqual([cluster.node(2n).commitIndex, cluster.node(2n).lastApplied], [5, 0]);
  assert.ok(!cluster.done.some(({ action }) => action.type === "moreToApply"), "to ask at once would not help");
  log.failing.clear();
  cluster.tick(1, [2n]);
  assert.deepEqual([...cluster.applied.get(2n)!.values()], ["0", "1", "2", "3", "4"]);
});

test("a leader without space refuses commands, and accepts them when there is space", async () => {
  const { cluster, log } = clusterWith(1n);
  const leader = cluster.elect(1n);
  log.failing.set("append", "NO_SPACE");
  refuses(() => leader.step(propose()), "NO_SPACE");
  await assert.rejects(leader.stepAsync(propose()), { code: "NO_SPACE" });
  await leader.stepAsync(TICK);
  assert.deepEqual([leader.isLeader, leader.log.lastIndex], [true, 0]);
  log.failing.clear();
  cluster.propose(1n, "now");
  assert.deepEqual([...cluster.applied.get(1n)!.values()], ["now"]);
});

test("a change of members and a snapshot without space are refused, and change nothing", () => {
  const { cluster, log } = clusterWith(1n, { noOp: true });
  const leader = cluster.elect(1n);
  cluster.propose(1n, "x");
  log.failing.set("append", "NO_SPACE").set("applySnapshot", "NO_SPACE");
  refuses(() => leader.step({ type: "addServer", id: 4n }), "NO_SPACE");
  refuses(() => leader.step({ type: "snapshot", index: 2, data: new Uint8Array() }), "NO_SPACE");
  assert.deepEqual([leader.members, leader.log.snapshotIndex], [[1n, 2n, 3n], 0]);
  log.failing.clear();
  cluster.step(1n, { type: "addServer", id: 4n });
  leader.step({ type: "snapshot", index: 2, data: new Uint8Array() });
  assert.deepEqual([leader.members, leader.log.snapshotIndex], [[1n, 2n, 3n, 4n], 2]);
});

for (const config of FLOWS) {
  const flow = "maxInflightMessages" in config ? ", with flow control" : "";
  test(`a follower without space catches up when there is space${flow}`, () => {
    const { cluster, log } = clusterWith(3n, config);
    cluster.elect(1n);
    log.failing.set("append", "NO_SPACE");
    for (let i = 0; i < 5; i++) cluster.propose(1n, `${i}`);
    cluster.tick(30);
    assert.equal(cluster.node(1n).commitIndex, 5);
    assert.deepEqual([cluster.node(3n).log.lastIndex, cluster.node(3n).leader], [0, 1n]);
    assert.ok(cluster.done.some(({ node, action }) => node === 3n && action.type === "logFailed"));
    log.failing.clear();
    cluster.tick(10);
    assert.equal(cluster.applied.get(3n)!.size, 5);
  });
}

test("a node without space for its vote votes later", () => {
  const log = new FailingLog();
  const node = RaftNode.withLog({ id: 1n, peers: [2n, 3n] }, log);
  const ask: RaftEvent = {
    type: "message",
    message: { type: "requestVote", term: 2, candidate: 2n, lastLogIndex: 0, lastLogTerm: 0, force: false },
  };
  log.failing.set("setHardState", "NO_SPACE");
  assert.deepEqual(types(node.step(ask)), ["logFailed"]);
  assert.deepEqual([node.term, log.hardState.term], [0, 0]);
  // It requests no votes in a term that it could not store.
  for (let tick = 0; tick < 30; tick++) node.step(TICK);
  node.step({ type: "message", message: { type: "preVoteReply", term: 0, voteGranted: true, from: 3n } });
  assert.deepEqual([node.role, node.term], ["follower", 0]);
  log.failing.clear();
  const message = node.step(ask).find((action) => action.type === "send")?.message;
  assert.deepEqual([message?.type, log.hardState], ["requestVoteReply", { term: 2, votedFor: 2n }]);
});

test("a node without space for its first entry does not lead", () => {
  const { cluster, log } = clusterWith(1n, { noOp: true });
  log.failing.set("append", "NO_SPACE");
  const passes = cluster.passes;
  cluster.passes = ({ from, to }) => from !== 3n && to !== 3n;
  const node = cluster.node(1n);
  for (let tick = 0; tick < 100; tick++) cluster.step(1n, TICK);
  assert.deepEqual([node.isLeader, node.log.lastIndex], [false, 0]);
  cluster.passes = passes;
  log.failing.clear();
  cluster.elect(1n);
  assert.equal(node.commitIndex, node.log.lastIndex);
});

test("a truncation counts even if there is no space for the new entries", () => {
  const log = new FailingLog();
  const command = encodeMembership({ members: [1n, 2n, 3n, 4n], learners: [] });
  log.append([{ term: 1, index: 1, kind: "config", command }]);
  const node = RaftNode.withLog({ id: 1n, peers: [2n, 3n] }, log);
  assert.deepEqual(node.members, [1n, 2n, 3n, 4n]);
  const entries: LogEntry[] = [{ term: 2, index: 1, kind: "normal", command: new Uint8Array(1) }];
  const message: Message = {
    ...{ type: "appendEntries", term: 2, leader: 2n, prevLogIndex: 0, prevLogTerm: 0 },
    ...{ entries, leaderCommit: 0 },
  } as Message;
  log.failing.set("append", "NO_SPACE");
  assert.deepEqual(types(node.step({ type: "message", message })), ["membershipChanged", "logFailed"]);
  assert.deepEqual([node.members, log.lastIndex], [[1n, 2n, 3n], 0]);
  log.failing.clear();
  assert.deepEqual(types(node.step({ type: "message", message })), ["send"]);
  assert.equal(log.lastIndex, 1);
});

test("a snapshot is installed when there is space, without being resent", () => {
  const { cluster, log } = clusterWith(3n, { snapshotChunkBytes: 10 });
  cluster.elect(1n);
  cluster.passes = ({ to }) => to !== 3n;
  for (let i = 0; i < 5; i++) cluster.propose(1n, `${i}`);
  const data = Uint8Array.from({ length: 95 }, (_, i) => i);
  cluster.step(1n, { type: "snapshot", index: 5, data });
  log.failing.set("applySnapshot", "NO_SPACE");
  cluster.passes = () => true;
  cluster.tick(30, [1n]);
  assert.equal(log.snapshotIndex, 0);
  const bytes = () =>
    cluster.sent.reduce(
      (sum, { message }) => sum + (message.type === "installSnapshot" ? message.snapshot.data.length : 0),
      0,
    );
  const before = bytes();
  assert.ok(before < 300, `${before} bytes were sent for 95`);
  log.failing.clear();
  cluster.tick(10, [1n]);
  assert.deepEqual(log.snapshot()?.data, data);
  assert.ok(bytes() - before <= 10);
});

test("a learner is promoted later if there is no space, and commands still commit", () => {
  const { cluster, log } = clusterWith(1n, { noOp: true });
  const leader = cluster.elect(1n);
  cluster.join(4n);
  cluster.passes = ({ from }) => from !== 4n;
  cluster.step(1n, { type: "addLearner", id: 4n });
  cluster.passes = () => true;
  log.failing.set("append", "NO_SPACE");
  cluster.tick(6, [1n]);
  assert.deepEqual([leader.learners, leader.isLeader], [[4n], true]);
  log.failing.clear();
  for (let i = 0; i < 3; i++) cluster.propose(1n, `${i}`);
  cluster.tick(6, [1n]);
  assert.deepEqual(leader.members, [1n, 2n, 3n, 4n]);
  assert.deepEqual([...cluster.applied.get(1n)!.values()], ["0", "1", "2"]);
});

test("a write with an unknown outcome ends the node, and so does a failed flush", async () => {
  const failures: [Operation, WalLogErrorCode][] = [["append", "IO"], ["append", "POISONED"], ["sync", "NO_SPACE"]];
  for (const [operation, code] of failures) {
    for (const isAsync of [false, true]) {
      const log = new FailingLog();
      const node = RaftNode.withLog({ id: 1n }, log);
      while (!node.isLeader) node.step(TICK);
      log.failing.set(operation, code);
      if (isAsync) await assert.rejects(node.stepAsync(propose()), { code: "POISONED" });
      else refuses(() => node.step(propose()), "POISONED");
      log.failing.clear();
      refuses(() => node.step(TICK), "POISONED");
    }
  }
});
