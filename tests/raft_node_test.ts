import assert from "node:assert/strict";
import { test } from "node:test";
import { type Action, type Message, RaftNode } from "../src/raft/mod.ts";
import { type FileSystem, type LogEntry, type NodeId, type Snapshot, WalLog, WalLogError } from "../mod.ts";
import { MemoryLog } from "../src/api/memory_log.ts";
import { checkConfig } from "../src/raft/config.ts";
import { RaftState } from "../src/raft/state.ts";
import { stepEvent } from "../src/raft/step.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { Cluster } from "./raft_cluster.ts";
import { RecordingLog } from "./raft_traces.ts";

const TICK = { type: "tick" } as const;
const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
const propose = (text: string) => ({ type: "propose", command: bytes(text) }) as const;
const actionsOf = (cluster: Cluster, type: Action["type"], node?: NodeId): unknown[] =>
  cluster.done.filter((one) => one.action.type === type && (node === undefined || one.node === node))
    .map(({ action }) => action);

function elected(log?: MemoryLog): RaftNode {
  const node = new RaftNode({ id: 1n }, log);
  while (!node.isLeader) node.step(TICK);
  return node;
}

function refuses(action: () => unknown, code: string): WalLogError {
  let found: unknown;
  assert.throws(action, (error) => {
    found = error;
    return error instanceof WalLogError && error.code === code;
  });
  return found as WalLogError;
}

test("a follower refuses proposals and says who leads; that can be retried", () => {
  const cluster = new Cluster([1n, 2n, 3n]);
  assert.equal(refuses(() => cluster.node(2n).step(propose("x")), "NOT_LEADER").leader, null);
  cluster.elect(1n);
  const error = refuses(() => cluster.node(2n).step(propose("x")), "NOT_LEADER");
  assert.equal(error.leader, 1n);
  assert.equal(error.isRetryable, true);
});

test("a change of membership waits for the last one, and for an entry of the leader's own term", () => {
  const cluster = new Cluster([1n, 2n, 3n]);
  cluster.elect(1n);
  assert.equal(
    refuses(() => cluster.node(1n).step({ type: "addServer", id: 4n }), "CONFIG_IN_PROGRESS").isRetryable,
    true,
  );
  cluster.propose(1n, "x");
  cluster.passes = ({ to }) => to !== 2n && to !== 3n;
  cluster.step(1n, { type: "addServer", id: 4n });
  refuses(() => cluster.node(1n).step({ type: "removeServer", id: 2n }), "CONFIG_IN_PROGRESS");
  assert.deepEqual(cluster.node(1n).members, [1n, 2n, 3n, 4n]);
});

test("the last member cannot be removed, and adding who is there changes nothing", () => {
  const node = elected();
  node.step(propose("x"));
  refuses(() => node.step({ type: "removeServer", id: 1n }), "INVALID_ARGUMENT");
  assert.deepEqual(node.step({ type: "addServer", id: 1n }), []);
  assert.equal(node.log.lastIndex, 1);
});

test("a configuration that makes no sense is refused", () => {
  for (
    const config of [
      { id: -1n },
      { id: 1n, peers: [2n ** 64n] },
      { id: 1n, electionTimeout: [0, 5] as const },
      { id: 1n, electionTimeout: [10, 9] as const },
      { id: 1n, heartbeatInterval: 0 },
      { id: 1n, maxBatch: 0 },
      { id: 1n, maxBatchBytes: NaN },
      { id: 1n, maxInflightMessages: 0 },
      { id: 1n, maxInflightMessages: NaN },
      { id: 1n, maxInflightBytes: -1 },
      { id: 1n, snapshotThreshold: -1 },
      { id: 1n, snapshotChunkBytes: 0.5 },
      { id: 1n, transferTimeout: -1 },
      { id: 1n, heartbeatInterval: 21 },
      { id: 1n, maxBatch: 65_537 },
      null,
      5,
      { id: 1 },
      { id: 1n, electionTimeout: 5 },
      { id: 1n, electionTimeout: [] },
      { id: 1n, peers: 3n },
      { id: 1n, maxBatchBytes: "5" },
      ...["joining", "checkQuorum", "noOp", "finishRemoval"].map((name) => ({ id: 1n, [name]: "false" })),
    ]
  ) refuses(() => new RaftNode(config as { id: bigint }), "INVALID_ARGUMENT");
});

test("a step flushes what it wrote before it returns, and nothing if it wrote nothing", () => {
  const log = new RecordingLog();
  const node = elected(log);
  log.calls = [];
  node.step(propose("x"));
  assert.deepEqual(log.calls, [["append", "1", "1"], ["sync"]]);
  log.calls = [];
  node.step(TICK);
  assert.deepEqual(log.calls, []);
});

/** A log whose flushes end when the test says so. */
class SlowLog extends MemoryLog {
  readonly flushes: { readonly upTo: number; end: () => void; fail: (error: unknown) => void }[] = [];
  override sync(): Promise<number> {
    const upTo = this.lastIndex;
    return new Promise((resolve, reject) => this.flushes.push({ upTo, end: () => resolve(upTo), fail: reject }));
  }
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

test("steps that are given while a flush is under way share the next one, and no action comes before its flush", async () => {
  const log = new SlowLog();
  const node = elected(log);
  const handedOut: number[] = [];
  const give = (text: string) =>
    node.stepAsync(propose(text)).then((actions) => {
      for (const action of actions) if (action.type === "apply") handedOut.push(action.index);
    });
  const steps = [give("a"), give("b")];
  await turn();
  assert.deepEqual(log.flushes.map(({ upTo }) => upTo), [2], "steps of one turn share a flush");
  for (const text of ["c", "d", "e"]) steps.push(give(text));
  // It writes nothing, but depends on what the ones before it wrote.
  const quiet = node.stepAsync(TICK).then(() => handedOut.push(0));
  await turn();
  assert.equal(log.flushes.length, 1);
  assert.deepEqual(handedOut, []);
  log.flushes[0]!.end();
  await turn();
  assert.deepEqual(handedOut, [1, 2]);
  assert.deepEqual(log.flushes.map(({ upTo }) => upTo), [2, 5]);
  log.flushes[1]!.end();
  await Promise.all([...steps, quiet]);
  assert.deepEqual(handedOut, [1, 2, 3, 4, 5, 0]);
  await node.stepAsync(TICK);
  assert.equal(log.flushes.length, 2, "a step after which nothing is unflushed needs no flush");
});

test("step refuses to overtake steps of stepAsync", async () => {
  const log = new SlowLog();
  const node = elected(log);
  const step = node.stepAsync(propose("a"));
  refuses(() => node.step(TICK), "BUSY");
  await turn();
  refuses(() => node.step(TICK), "BUSY");
  log.flushes[0]!.end();
  await step;
  assert.deepEqual(node.step(TICK), []);
});

test("step refuses to overtake a step whose flush is done, and whose actions have not arrived", async () => {
  const log = new SlowLog();
  const node = elected(log);
  const applied: number[] = [];
  const carryOut = (actions: Action[]) => {
    for (const action of actions) if (action.type === "apply") applied.push(action.index);
  };
  const first = node.stepAsync(propose("a")).then((actions) => {
    carryOut(actions);
    refuses(() => carryOut(node.step(propose("c"))), "BUSY");
  });
  const second = node.stepAsync(propose("b")).then((actions) => {
    carryOut(actions);
    carryOut(node.step(propose("d")));
  });
  await turn();
  log.flushes[0]!.end();
  await Promise.all([first, second]);
  assert.deepEqual(applied, [1, 2, 3]);

  // Not even in a turn that comes between the end of the flush and the arrival of the last.
  const last = node.stepAsync(propose("e")).then(carryOut);
  await turn();
  log.flushes[1]!.end();
  while (applied.length < 5) {
    await undefined;
    try {
      carryOut(node.step(propose("f")));
    } catch (error) {
      assert.equal((error as WalLogError).code, "BUSY");
    }
  }
  await last;
  assert.deepEqual(applied, [1, 2, 3, 4, 5]);
});

test("a flush that fails ends the node: what waits and what comes later rejects with it as the cause", async () => {
  const log = new SlowLog();
  const node = elected(log);
  const broken = new Error("the disk is gone");
  const isFatal = (error: unknown) =>
    error instanceof WalLogError && error.code === "POISONED" && error.isFatal && error.cause === broken;
  const first = assert.rejects(node.stepAsync(propose("a")), isFatal);
  await turn();
  const second = assert.rejects(node.stepAsync(propose("b")), isFatal);
  log.flushes[0]!.fail(broken);
  await first;
  await second;
  assert.throws(() => node.step(TICK), isFatal);
  await assert.rejects(node.stepAsync(TICK), isFatal);
});

test("a write that fails ends the node, but not a command that is too large", () => {
  class FullLog extends MemoryLog {
    error: unknown;
    override append(entries: readonly LogEntry[]): void {
      if (this.error !== undefined) throw this.error;
      super.append(entries);
    }
  }
  const log = new FullLog();
  const node = elected(log);
  log.error = new WalLogError("ENTRY_TOO_LARGE", "too large");
  refuses(() => node.step(propose("a")), "ENTRY_TOO_LARGE");
  log.error = new WalLogError("POISONED", "failed earlier");
  assert.equal(refuses(() => node.step(propose("a")), "POISONED").cause, log.error);
  log.error = undefined;
  refuses(() => node.step(propose("a")), "POISONED");
});

test("on a WalLog, steps that are given while a flush is under way share the next one", async () => {
  const { fileSystem } = new SimulatedDisk({ seed: 1 });
  let gate = Promise.resolve();
  let begun = 0;
  const slow: FileSystem = {
    ...fileSystem,
    open: (path, mode) => {
      const file = fileSystem.open(path, mode);
      const syncAsync = async () => {
        begun++;
        await gate;
        await file.syncAsync();
      };
      return { ...file, syncAsync };
    },
  };
  const log = await WalLog.open("/raft.wal", { fileSystem: slow });
  const node = RaftNode.withLog({ id: 1n }, log);
  while (!node.isLeader) await node.stepAsync(TICK);
  begun = 0;
  const { flushes } = log.stats();
  let open = () => {};
  gate = new Promise((resolve) => open = resolve);
  const steps = [node.stepAsync(propose("0"))];
  while (begun === 0) await turn();
  for (let i = 1; i <= 100; i++) steps.push(node.stepAsync(propose(`${i}`)));
  await turn();
  assert.deepEqual([begun, log.durableIndex], [1, 0]);
  open();
  const actions = (await Promise.all(steps)).flat();
  assert.deepEqual(
    actions.map((action) => action.type === "apply" && action.index),
    Array.from({ length: 101 }, (_, i) => i + 1),
  );
  assert.deepEqual([begun, log.stats().flushes - flushes, log.durableIndex], [2, 2, 101]);
  await log.close();
});

test("a node that starts again over its log knows its term, its vote and its cluster, and applies anew", () => {
  const logs = new Map([1n, 2n, 3n].map((id) => [id, new MemoryLog()]));
  let cluster = new Cluster([]);
  for (const [id, log] of logs) cluster.start(id, [1n, 2n, 3n], log);
  cluster.elect(1n);
  cluster.propose(1n, "x");
  cluster.join(4n);
  cluster.step(1n, { type: "addServer", id: 4n });
  cluster.tick(3);
  cluster = new Cluster([]);
  for (const [id, log] of logs) cluster.start(id, [1n, 2n, 3n], log);
  const node = cluster.node(2n);
  assert.deepEqual([node.role, node.term, node.commitIndex], ["follower", 1, 0]);
  assert.deepEqual(node.log.hardState, { term: 1, votedFor: 1n });
  assert.deepEqual(node.members, [1n, 2n, 3n, 4n]);
});

test("with checkQuorum a leader that hears from no majority steps down; without, it goes on", () => {
  for (const checkQuorum of [true, false]) {
    const cluster = new Cluster([1n, 2n, 3n], { checkQuorum });
    const leader = cluster.elect(1n);
    cluster.tick(40, [1n]);
    assert.ok(leader.isLeader, "it was heard by all");
    cluster.passes = ({ from }) => from !== 2n && from !== 3n;
    cluster.tick(20, [1n]);
    assert.equal(leader.isLeader, !checkQuorum);
    if (checkQuorum) assert.equal(refuses(() => leader.step(propose("x")), "NOT_LEADER").leader, null);
  }
});

test("the lists of members that a node hands out cannot be changed", () => {
  const cluster = new Cluster([1n, 2n, 3n], { noOp: true });
  const leader = cluster.elect(1n);
  // Nobody answers for it, so that it is not caught up.
  cluster.step(1n, { type: "addLearner", id: 4n });
  for (const list of [leader.members, leader.learners]) {
    assert.throws(() => (list as bigint[]).push(9n), TypeError);
    assert.throws(() => (list as bigint[]).pop(), TypeError);
  }
  assert.deepEqual([leader.members, leader.learners], [[1n, 2n, 3n], [4n]]);
});

test("with checkQuorum a leader gives no vote to one that does not hear it, however long it took to be elected", () => {
  for (const wait of [0, 9]) {
    const cluster = new Cluster([1n, 2n, 3n], { checkQuorum: true, electionTimeout: [5, 20] });
    cluster.passes = ({ message }) => message.type !== "requestVoteReply";
    while (cluster.node(1n).role !== "candidate") cluster.step(1n, { type: "tick" });
    const replies = cluster.sent.filter(({ message }) => message.type === "requestVoteReply");
    for (let i = 0; i < wait; i++) cluster.step(1n, { type: "tick" });
    assert.equal(cluster.node(1n).role, "candidate", "it waits no longer than its timeout");
    cluster.passes = () => true;
    for (const { message } of replies) cluster.step(1n, { type: "message", message });
    assert.ok(cluster.node(1n).isLeader);
    cluster.tick(60);
    // Node 3 is deaf to the leader, and heard by it.
    cluster.passes = ({ to, message }) => to !== 3n || message.type !== "appendEntries";
    cluster.tick(60);
    assert.deepEqual([cluster.node(1n).isLeader, cluster.node(1n).term], [true, 1], `after ${wait} ticks`);
  }
});

test("with noOp a new leader commits what it found, and the application sees none of it", () => {
  const cluster = new Cluster([1n, 2n, 3n], { noOp: true });
  const leader = cluster.elect(1n);
  assert.equal(leader.commitIndex, 1);
  cluster.passes = ({ message }) => message.type !== "appendEntriesReply";
  cluster.propose(1n, "x");
  cluster.passes = ({ from, to }) => from !== 1n && to !== 1n;
  const next = cluster.elect(2n);
  assert.equal(next.commitIndex, 3);
  assert.deepEqual([...cluster.applied.get(2n)!], [[2, "x"]]);
  assert.deepEqual(actionsOf(cluster, "membershipChanged"), []);
});

test("a read is answered when a majority has said, after it was asked for, that the leader still leads", () => {
  const cluster = new Cluster([1n, 2n, 3n], { noOp: true });
  cluster.elect(1n);
  cluster.propose(1n, "x");
  cluster.step(1n, { type: "readIndex", id: 7 });
  assert.deepEqual(actionsOf(cluster, "readReady"), [{ type: "readReady", id: 7, index: 2 }]);
  // Cut off, it goes on leading as far as it knows, while another commits: it must not answer.
  cluster.passes = ({ from, to }) => from !== 1n && to !== 1n;
  cluster.step(1n, { type: "readIndex", id: 8 });
  cluster.elect(2n);
  cluster.propose(2n, "y");
  cluster.tick(6, [1n]);
  assert.equal(actionsOf(cluster, "readReady").length, 1);
  cluster.passes = () => true;
  cluster.tick(3, [2n]);
  assert.deepEqual(actionsOf(cluster, "readFailed"), [{ type: "readFailed", id: 8 }]);
  refuses(() => cluster.node(1n).step({ type: "readIndex", id: 9 }), "NOT_LEADER");
});

test("a word that was on its way when a read was asked for does not count for it", () => {
  const cluster = new Cluster([1n, 2n, 3n], { noOp: true });
  cluster.elect(1n);
  const node = cluster.node(1n);
  const reads = (actions: Action[]) => actions.filter((action) => action.type === "readReady");
  const sent = node.step({ type: "readIndex", id: 1 });
  const heartbeat = sent.find((action) => action.type === "send")!;
  const reply = cluster.node(heartbeat.to).step({ type: "message", message: heartbeat.message })
    .find((action) => action.type === "send")!.message;
  assert.deepEqual(reads(node.step({ type: "readIndex", id: 2 })), []);
  assert.deepEqual(reads(node.step({ type: "message", message: reply })).map((action) => action.id), [1]);
  assert.deepEqual(reads(node.step({ type: "message", message: reply })), []);
});

test("a read waits until the leader has committed an entry of its own term", () => {
  const cluster = new Cluster([1n, 2n, 3n]);
  cluster.elect(1n);
  cluster.propose(1n, "x");
  cluster.elect(2n);
  cluster.step(2n, { type: "readIndex", id: 1 });
  cluster.tick(6, [2n]);
  assert.deepEqual(actionsOf(cluster, "readReady"), []);
  cluster.propose(2n, "y");
  cluster.tick(3, [2n]);
  assert.deepEqual(actionsOf(cluster, "readReady"), [{ type: "readReady", id: 1, index: 2 }]);
});

test("reads do not send what a node was sent and has not answered again: a batch, a snapshot, a piece of one", () => {
  for (const what of ["entries", "snapshot", "piece"] as const) {
    const config = { noOp: true, snapshotChunkBytes: what === "piece" ? 10 : 0 };
    const cluster = new Cluster([1n, 2n], config);
    const leader = cluster.elect(1n);
    cluster.start(3n, [1n, 2n]);
    cluster.step(1n, { type: "addServer", id: 3n });
    for (let i = 0; i < 20; i++) cluster.propose(1n, `command ${i}`);
    cluster.tick(3, [1n]);
    // Node 3 has lost its log, and is gone before it has it again.
    cluster.passes = ({ to }) => to !== 3n;
    if (what !== "entries") {
      cluster.step(1n, { type: "snapshot", index: leader.lastApplied, data: new Uint8Array(100) });
    }
    const lost: Message = {
      type: "appendEntriesReply",
      term: leader.term,
      success: false,
      from: 3n,
      matchIndex: 0,
      conflictIndex: 1,
      conflictTerm: 0,
    };
    cluster.nodes.delete(3n);
    cluster.nodes.delete(1n);
    cluster.start(1n, [2n, 3n], leader.log);
    const again = cluster.elect(1n);
    cluster.step(1n, { type: "message", message: { ...lost, term: again.term } });
    const before = cluster.sent.length;
    for (let id = 1; id <= 50; id++) cluster.step(1n, { type: "readIndex", id });
    assert.equal(actionsOf(cluster, "readReady").length, 50);
    const toIt = cluster.sent.slice(before).filter(({ to }) => to === 3n).map(({ message }) => message);
    assert.ok(toIt.every((message) => message.type === "appendEntries" && message.entries.length === 0), what);
    cluster.tick(3, [1n]);
    const type = what === "entries" ? "appendEntries" : "installSnapshot";
    assert.ok(cluster.sent.slice(before).some(({ to, message }) => to === 3n && message.type === type));
  }
});

test("a leader of one answers reads by itself", () => {
  const node = elected();
  node.step(propose("x"));
  assert.deepEqual(node.step({ type: "readIndex", id: 3 }), [{ type: "readReady", id: 3, index: 1 }]);
});

test("a transfer that does not get done ends after transferTimeout ticks; without a limit it waits", () => {
  for (const transferTimeout of [8, 0]) {
    const cluster = new Cluster([1n, 2n, 3n], { transferTimeout });
    cluster.elect(1n);
    cluster.passes = ({ to, from }) => to !== 3n && from !== 3n;
    cluster.propose(1n, "x");
    cluster.step(1n, { type: "transferLeadership", target: 3n });
    cluster.tick(7, [1n]);
    const { message } = refuses(() => cluster.node(1n).step(propose("y")), "NOT_LEADER");
    assert.equal(message, "Cannot propose a command: node 1 is handing over; ask again in a moment");
    cluster.tick(1, [1n]);
    if (transferTimeout > 0) cluster.propose(1n, "y");
    else refuses(() => cluster.node(1n).step(propose("y")), "NOT_LEADER");
  }
});

test("a learner is sent entries, has no vote, and becomes a member when it has caught up", () => {
  const cluster = new Cluster([1n, 2n, 3n], { maxBatch: 2, noOp: true });
  const leader = cluster.elect(1n);
  for (let i = 0; i < 20; i++) cluster.propose(1n, `${i}`);
  cluster.join(4n);
  cluster.passes = ({ from }) => from !== 4n;
  cluster.step(1n, { type: "addLearner", id: 4n });
  assert.deepEqual([leader.members, leader.learners], [[1n, 2n, 3n], [4n]]);
  assert.deepEqual(actionsOf(cluster, "membershipChanged", 1n), [
    { type: "membershipChanged", members: [1n, 2n, 3n], learners: [4n] },
  ]);
  cluster.tick(30, [1n, 2n, 3n]);
  assert.equal(leader.commitIndex, 22, "the learner is not needed to commit");
  assert.deepEqual(leader.learners, [4n]);
  cluster.passes = () => true;
  cluster.tick(6, [1n]);
  for (const id of [1n, 2n, 3n, 4n]) {
    assert.deepEqual([cluster.node(id).members, cluster.node(id).learners], [[1n, 2n, 3n, 4n], []], `node ${id}`);
  }
  assert.equal(cluster.applied.get(4n)!.size, 20);
});

test("a learner never asks for votes, is not asked for one, and is no target for a transfer", () => {
  const cluster = new Cluster([1n, 2n, 3n], { noOp: true });
  cluster.elect(1n);
  cluster.join(4n);
  cluster.passes = ({ from, message }) => from !== 4n || message.type !== "appendEntriesReply";
  cluster.step(1n, { type: "addLearner", id: 4n });
  cluster.passes = () => false;
  const sent = cluster.sent.length;
  cluster.step(1n, { type: "transferLeadership", target: 4n });
  assert.equal(cluster.sent.length, sent);
  const log = new MemoryLog();
  log.append([{
    term: 1,
    index: 1,
    kind: "config",
    command: (cluster.node(1n).log.entry(2) as LogEntry).command,
  }]);
  const learner = cluster.start(4n, [], log);
  assert.deepEqual([learner.members, learner.learners], [[1n, 2n, 3n], [4n]]);
  cluster.tick(50, [4n]);
  assert.equal(cluster.sent.length, sent);
  cluster.tick(50, [2n]);
  assert.ok(cluster.sent.length > sent);
  assert.ok(cluster.sent.slice(sent).every(({ to }) => to !== 4n));
});

test("learners outlive a snapshot and a restart", () => {
  const cluster = new Cluster([1n], { noOp: true });
  const leader = cluster.elect(1n);
  cluster.step(1n, { type: "addLearner", id: 9n });
  cluster.propose(1n, "x");
  leader.step({ type: "snapshot", index: leader.lastApplied, data: bytes("x") });
  const again = RaftNode.withLog({ id: 1n }, leader.log);
  assert.deepEqual([again.members, again.learners], [[1n], [9n]]);
});

test("a node that is to join waits, whatever time passes, until it is added", () => {
  const cluster = new Cluster([1n, 2n, 3n], { noOp: true });
  const node = cluster.join(4n);
  cluster.tick(50, [4n]);
  assert.deepEqual([node.role, node.term, node.members], ["follower", 0, []]);
  cluster.elect(1n);
  cluster.step(1n, { type: "addServer", id: 4n });
  cluster.tick(6, [1n]);
  assert.deepEqual(node.members, [1n, 2n, 3n, 4n]);
});

test("a vote of an earlier term does not count", () => {
  const node = new RaftNode({ id: 1n, peers: [2n, 3n, 4n, 5n] });
  const answer = (message: Message) => node.step({ type: "message", message });
  const campaign = () => {
    while (node.step(TICK).length === 0);
    for (const from of [2n, 3n]) answer({ type: "preVoteReply", term: node.term, voteGranted: true, from });
    assert.equal(node.role, "candidate");
  };
  campaign();
  answer({ type: "requestVoteReply", term: 1, voteGranted: true, from: 2n });
  campaign();
  assert.equal(node.term, 2);
  answer({ type: "requestVoteReply", term: 1, voteGranted: true, from: 2n });
  answer({ type: "requestVoteReply", term: 1, voteGranted: true, from: 3n });
  assert.equal(node.isLeader, false);
  answer({ type: "requestVoteReply", term: 2, voteGranted: true, from: 2n });
  answer({ type: "requestVoteReply", term: 2, voteGranted: true, from: 3n });
  assert.equal(node.isLeader, true);
});

test("an answer to an earlier leadership does not count", () => {
  const cluster = new Cluster([1n, 2n, 3n]);
  cluster.elect(1n);
  cluster.passes = ({ message }) => message.type !== "appendEntries" || message.entries.length === 0;
  cluster.propose(1n, "lost");
  cluster.passes = ({ from, to }) => from !== 1n && to !== 1n;
  cluster.elect(2n);
  cluster.propose(2n, "kept");
  cluster.passes = () => true;
  cluster.tick(3, [2n]);
  const node = cluster.elect(1n);
  cluster.passes = () => false;
  cluster.propose(1n, "new");
  assert.deepEqual([node.term, node.log.lastIndex, node.commitIndex], [3, 2, 1]);
  // What node 2 had said of the first leader's entries is not true of the third's.
  const reply = { type: "appendEntriesReply", success: true, from: 2n, matchIndex: 2, conflictIndex: 0 } as const;
  cluster.step(1n, { type: "message", message: { ...reply, term: 1, conflictTerm: 0 } });
  assert.equal(node.commitIndex, 1);
  cluster.step(1n, { type: "message", message: { ...reply, term: 3, conflictTerm: 0 } });
  assert.equal(node.commitIndex, 2);
});

test("a leader that removes itself leads until that is committed, without counting itself", () => {
  const cluster = new Cluster([1n, 2n, 3n], { noOp: true });
  const node = cluster.elect(1n);
  cluster.tick(3, [1n]);
  cluster.passes = ({ from, to }) => from !== 1n || to === 2n;
  cluster.step(1n, { type: "removeServer", id: 1n });
  cluster.tick(3, [1n]);
  assert.deepEqual([node.isLeader, node.commitIndex, node.members], [true, 1, [2n, 3n]]);
  cluster.passes = () => true;
  cluster.tick(3, [1n]);
  assert.deepEqual([node.isLeader, node.commitIndex], [false, 2]);
  const sent = cluster.sent.length;
  cluster.tick(50, [1n]);
  assert.equal(cluster.sent.length, sent, "it does not disturb the others");
});

test("a leader that removed itself and fell can be needed to finish that", () => {
  for (const finishRemoval of [true, false]) {
    const cluster = new Cluster([1n, 2n], { noOp: true, finishRemoval });
    const node = cluster.elect(1n);
    cluster.tick(3, [1n]);
    cluster.passes = () => false;
    cluster.step(1n, { type: "removeServer", id: 1n });
    cluster.passes = () => true;
    cluster.start(1n, [2n], node.log);
    // Without it, node 2 has too little to be elected by node 1, and node 1 does not ask.
    cluster.tick(100);
    assert.equal(cluster.node(2n).members.length, finishRemoval ? 1 : 2);
    assert.equal(cluster.node(2n).isLeader, finishRemoval);
  }
});

test("an entry of an earlier term is not committed by being on a majority (figure 8 of the paper)", () => {
  const cluster = new Cluster([1n, 2n, 3n]);
  cluster.elect(1n);
  cluster.passes = ({ from, to, message }) =>
    message.type !== "appendEntries" || message.entries.length === 0 || (from === 1n && to === 2n);
  cluster.propose(1n, "of term 1");
  cluster.passes = ({ from, to }) => from !== 1n && to !== 1n;
  const node = cluster.elect(2n);
  cluster.passes = ({ from, to }) => from !== 1n && to !== 1n;
  cluster.tick(6, [2n]);
  assert.deepEqual([node.term, cluster.node(3n).log.lastIndex, node.commitIndex], [2, 1, 0]);
  cluster.propose(2n, "of term 2");
  assert.equal(node.commitIndex, 2);
});

test("a snapshot of a leader leaves the configurations that follow it", () => {
  const cluster = new Cluster([1n, 2n, 3n], { noOp: true });
  cluster.elect(1n);
  for (let i = 0; i < 5; i++) cluster.propose(1n, `${i}`);
  const node = cluster.node(2n);
  // Node 2 has the change at 7, but does not know that anything is committed.
  cluster.passes = ({ to, message }) => to !== 2n || message.type !== "appendEntries";
  cluster.step(1n, { type: "addServer", id: 4n });
  const again = cluster.start(2n, [1n, 3n], node.log);
  const entries = cluster.node(1n).log.entries(7, 7);
  const append = { type: "appendEntries", term: 1, leader: 1n, prevLogIndex: 6, prevLogTerm: 1 } as const;
  again.step({ type: "message", message: { ...append, entries, leaderCommit: 0 } });
  assert.deepEqual(again.members, [1n, 2n, 3n, 4n]);
  const snapshot = { index: 5, term: 1, config: [1n, 2n, 3n], data: bytes("5") };
  const actions = again.step({ type: "message", message: { type: "installSnapshot", term: 1, leader: 1n, snapshot } });
  assert.deepEqual(actions.map(({ type }) => type), ["restoreSnapshot", "send"]);
  assert.deepEqual(again.members, [1n, 2n, 3n, 4n]);
});

test("maxBatchBytes bounds what a message carries, but an entry always fits", () => {
  const cluster = new Cluster([1n, 2n], { maxBatchBytes: 10 });
  cluster.elect(1n);
  cluster.passes = ({ to }) => to !== 2n;
  for (const text of ["12345", "12345", "1", "123456789012", "1"]) cluster.propose(1n, text);
  cluster.passes = () => true;
  cluster.sent.length = 0;
  cluster.tick(9, [1n]);
  const sizes = cluster.sent.flatMap(({ message }) =>
    message.type === "appendEntries" && message.entries.length > 0
      ? [message.entries.map(({ command }) => command.length)]
      : []
  );
  assert.deepEqual(sizes, [[5, 5], [1], [12], [1]]);
  assert.equal(cluster.applied.get(2n)!.size, 5);
});

for (const snapshotChunkBytes of [0, 1, 7, 100, 1000]) {
  test(`a snapshot of 100 bytes arrives in pieces of ${snapshotChunkBytes === 0 ? "any size" : snapshotChunkBytes}`, () => {
    const cluster = new Cluster([1n, 2n, 3n], { snapshotChunkBytes });
    const leader = cluster.elect(1n);
    cluster.passes = ({ to }) => to !== 3n;
    for (let i = 0; i < 10; i++) cluster.propose(1n, `${i}`);
    const data = Uint8Array.from({ length: 100 }, (_, i) => i);
    leader.step({ type: "snapshot", index: 8, data });
    // Every third piece is lost, and every piece comes twice.
    let count = 0;
    cluster.passes = ({ message }) => message.type !== "installSnapshot" || ++count % 3 !== 0;
    cluster.tick(snapshotChunkBytes === 1 ? 300 : 60, [1n]);
    assert.deepEqual(actionsOf(cluster, "restoreSnapshot", 3n), [{
      type: "restoreSnapshot",
      index: 8,
      term: 1,
      data,
    }]);
    assert.deepEqual(cluster.node(3n).log.snapshot()?.data, data);
    assert.deepEqual([...cluster.applied.get(3n)!], [[9, "8"], [10, "9"]]);
    const largest = Math.max(
      ...cluster.sent.map(({ message }) => message.type === "installSnapshot" ? message.snapshot.data.length : 0),
    );
    assert.equal(largest, snapshotChunkBytes === 0 ? 100 : Math.min(100, snapshotChunkBytes));
  });
}

test("a leader that sends a snapshot in pieces reads it once, and holds it no longer than somebody needs it", () => {
  class CountingLog extends MemoryLog {
    reads = 0;
    override snapshot(): Snapshot | undefined {
      this.reads++;
      return super.snapshot();
    }
  }
  const log = new CountingLog();
  const ids = [1n, 2n, 3n, 4n, 5n];
  const cluster = new Cluster([], { snapshotChunkBytes: 10 });
  for (const id of ids) cluster.start(id, ids.filter((peer) => peer !== id), id === 1n ? log : undefined);
  const leader = cluster.elect(1n);
  // Two do not hear of some entries, and then these are gone.
  cluster.passes = ({ to }) => to < 4n;
  for (let i = 0; i < 5; i++) cluster.propose(1n, `${i}`);
  cluster.step(1n, { type: "snapshot", index: leader.lastApplied, data: new Uint8Array(100) });
  cluster.passes = () => true;
  cluster.tick(12, [1n]);
  for (const id of [4n, 5n]) assert.equal(cluster.node(id).log.snapshotIndex, 5);
  assert.equal(log.reads, 1, "once for both");
  cluster.join(6n);
  cluster.step(1n, { type: "addServer", id: 6n });
  cluster.tick(12, [1n]);
  assert.equal(cluster.node(6n).log.snapshotIndex, 5);
  assert.equal(log.reads, 2, "it was not held for one who might come");
});

test("a follower drops the pieces of a snapshot when a term begins", () => {
  for (const begins of ["by a message", "by an election of its own"]) {
    const s = new RaftState(checkConfig({ id: 1n, peers: [2n, 3n] }), new MemoryLog());
    const snapshot = { index: 5, term: 1, config: [1n, 2n, 3n], data: new Uint8Array(10) };
    const piece = { type: "installSnapshot", term: 1, leader: 2n, snapshot, offset: 0, done: false } as const;
    stepEvent(s, { type: "message", message: piece });
    assert.equal(s.incoming?.length, 10);
    const timeoutNow: Message = { type: "timeoutNow", term: 1, leader: 2n };
    const ask: Message = { type: "requestVote", term: 2, candidate: 3n, lastLogIndex: 0, lastLogTerm: 0, force: true };
    stepEvent(s, { type: "message", message: begins === "by a message" ? ask : timeoutNow });
    assert.equal(s.term, 2);
    assert.equal(s.incoming, null, begins);
  }
});

test("pieces of a snapshot that come twice or too early are not taken", () => {
  const log = new MemoryLog();
  const node = RaftNode.withLog({ id: 2n, peers: [1n] }, log);
  const data = bytes("abcdef");
  const piece = (offset: number, length: number, term = 1, index = 5) =>
    node.step({
      type: "message",
      message: {
        type: "installSnapshot",
        term,
        leader: 1n,
        snapshot: { index, term: 1, config: [1n, 2n], data: data.slice(offset, offset + length) },
        offset,
        done: offset + length >= data.length,
      },
    }).map((action) =>
      action.type === "send" && action.message.type === "installSnapshotReply"
        ? [action.message.nextOffset, action.message.lastIndex]
        : action.type
    );
  assert.deepEqual(piece(2, 2), [[0, 0]]);
  assert.deepEqual(piece(0, 2), [[2, 0]]);
  assert.deepEqual(piece(0, 2), [[2, 0]]);
  assert.deepEqual(piece(4, 2), [[2, 0]]);
  assert.deepEqual(piece(2, 2), [[4, 0]]);
  assert.deepEqual(piece(4, 2, 2), [[0, 0]], "the pieces of another leader are begun anew");
  assert.deepEqual(piece(0, 2, 2), [[2, 0]]);
  assert.deepEqual(piece(2, 2, 2, 6), [[0, 0]], "and those of a later snapshot");
  assert.deepEqual(piece(0, 4, 2, 6), [[4, 0]]);
  assert.deepEqual(piece(4, 2, 2, 6), ["restoreSnapshot", [undefined, 6]]);
  assert.deepEqual(log.snapshot()?.data, data);
});

test("a message whose entries cannot be taken is refused before it changes anything", () => {
  const { fileSystem } = new SimulatedDisk({ seed: 1 });
  const log = WalLog.openSync("/raft.wal", { fileSystem, maxEntryBytes: 100 });
  const node = RaftNode.withLog({ id: 1n, peers: [2n, 3n], noOp: true }, log);
  const answers: Message[] = [
    { type: "preVoteReply", term: 0, voteGranted: true, from: 2n },
    { type: "requestVoteReply", term: 1, voteGranted: true, from: 2n },
  ];
  while (node.role !== "candidate") {
    node.step(TICK);
    node.step({ type: "message", message: answers[0]! });
  }
  node.step({ type: "message", message: answers[1]! });
  assert.ok(node.isLeader);
  // One entry is committed, and behind it there are a change of members and another entry that may have to go.
  const reply = { type: "appendEntriesReply", success: true, conflictIndex: 0, conflictTerm: 0 } as const;
  node.step({ type: "message", message: { ...reply, term: 1, from: 2n, matchIndex: 1 } });
  node.step({ type: "addServer", id: 4n });
  node.step(propose("x"));
  node.step({ type: "readIndex", id: 1 });
  const state = () => {
    const { role, term, leader, members, commitIndex, lastApplied } = node;
    return { role, term, leader, members, commitIndex, lastApplied, hard: log.hardState, all: log.entries(1, 9) };
  };
  const before = state();
  assert.deepEqual([before.role, before.members, before.commitIndex], ["leader", [1n, 2n, 3n, 4n], 1]);

  const entry = (index: number, more: Partial<LogEntry> = {}): LogEntry => (
    { term: 2, index, kind: "normal", command: bytes("y"), ...more }
  );
  const message = (entries: LogEntry[], prevLogIndex = 1, term = 2): Message => (
    { type: "appendEntries", term, leader: 2n, prevLogIndex, prevLogTerm: prevLogIndex, leaderCommit: 0, entries }
  );
  const refused: [code: string, message: Message][] = [
    ["ENTRY_TOO_LARGE", message([entry(2), entry(3, { command: new Uint8Array(101) })])],
    ["INVALID_ARGUMENT", message([entry(2), entry(3, { kind: "config", command: new Uint8Array(7) })])],
    ["INVALID_ARGUMENT", message([entry(2), entry(3, { kind: "other" as "normal" })])],
    ["INVALID_ARGUMENT", message([entry(2), entry(3, { term: 1 })])],
    ["INVALID_ARGUMENT", message([entry(2), entry(4)])],
    ["INVALID_ARGUMENT", message([entry(3)])],
  ];
  const { flushes } = log.stats();
  for (const [code, message] of refused) {
    refuses(() => node.step({ type: "message", message }), code);
    assert.deepEqual(state(), before);
  }
  assert.equal(log.stats().flushes, flushes);

  const largest = entry(3, { command: new Uint8Array(100) });
  const actions = node.step({ type: "message", message: message([entry(2), largest]) });
  assert.deepEqual(actions.map(({ type }) => type), ["readFailed", "membershipChanged", "send"]);
  assert.deepEqual([node.role, node.term, node.members, log.lastIndex], ["follower", 2, [1n, 2n, 3n], 3]);
  log.closeSync();
});

test("a message that makes no sense is refused and changes nothing", () => {
  const log = new MemoryLog();
  const node = RaftNode.withLog({ id: 2n, peers: [1n] }, log);
  const entry: LogEntry = { term: 1, index: 1, kind: "config", command: new Uint8Array(7) };
  const message = {
    type: "appendEntries",
    term: 1,
    leader: 1n,
    prevLogIndex: 0,
    prevLogTerm: 0,
    leaderCommit: 0,
  } as const;
  refuses(() => node.step({ type: "message", message: { ...message, entries: [entry] } }), "INVALID_ARGUMENT");
  assert.equal(log.lastIndex, 0);
  const good: LogEntry = { ...entry, kind: "normal" };
  assert.equal(node.step({ type: "message", message: { ...message, entries: [good] } }).length, 1);
});

test("a follower rejects entries from the leader of an earlier term", () => {
  const log = new MemoryLog();
  log.append([{ term: 1, index: 1, kind: "normal", command: bytes("kept") }]);
  log.setHardState({ term: 3, votedFor: null });
  const node = RaftNode.withLog({ id: 2n, peers: [1n, 3n] }, log);
  const entries: LogEntry[] = [{ term: 2, index: 1, kind: "normal", command: bytes("late") }];
  const message: Message = {
    ...{ type: "appendEntries", term: 2, leader: 1n, prevLogIndex: 0, prevLogTerm: 0 } as const,
    ...{ entries, leaderCommit: 1 },
  };
  const [action] = node.step({ type: "message", message });
  const reply = action?.type === "send" && action.message.type === "appendEntriesReply" ? action.message : undefined;
  assert.deepEqual([reply?.success, reply?.term], [false, 3]);
  assert.deepEqual([node.leader, node.commitIndex, log.lastTerm], [null, 0, 1]);
});

test("a snapshot of a leader brings its members", () => {
  const node = RaftNode.withLog({ id: 2n, joining: true }, new MemoryLog());
  const snapshot = { index: 5, term: 1, config: [1n, 2n, 3n], data: bytes("5") };
  const actions = node.step({ type: "message", message: { type: "installSnapshot", term: 1, leader: 1n, snapshot } });
  assert.deepEqual(node.members, [1n, 2n, 3n]);
  assert.ok(actions.some(({ type }) => type === "membershipChanged"));
});

test("a snapshot of a node's own has the members of its index, and not the latest", () => {
  const cluster = new Cluster([1n, 2n, 3n], { noOp: true });
  const leader = cluster.elect(1n);
  cluster.propose(1n, "x");
  const index = leader.lastApplied;
  cluster.step(1n, { type: "addServer", id: 4n });
  assert.deepEqual(leader.members, [1n, 2n, 3n, 4n]);
  leader.step({ type: "snapshot", index, data: bytes("x") });
  assert.deepEqual(leader.log.snapshot()?.config, [1n, 2n, 3n]);
});

test("a rejection does not take back what a node has acknowledged", () => {
  const cluster = new Cluster([1n, 2n, 3n]);
  const leader = cluster.elect(1n);
  for (let i = 0; i < 5; i++) cluster.propose(1n, `${i}`);
  const rejection: Message = {
    ...{ type: "appendEntriesReply", term: leader.term, success: false, from: 2n } as const,
    ...{ matchIndex: 0, conflictIndex: 1, conflictTerm: 0 },
  };
  const sent = leader.step({ type: "message", message: rejection });
  assert.deepEqual(
    sent.map((action) => action.type === "send" && (action.message as { prevLogIndex?: number }).prevLogIndex),
    [5],
  );
});
