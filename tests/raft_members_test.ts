/** Changes of membership, learners, and leaders that remove themselves. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { RaftNode } from "../src/raft/mod.ts";
import type { LogEntry } from "../mod.ts";
import { MemoryLog } from "../src/api/memory_log.ts";
import { Cluster } from "./raft_cluster.ts";
import { actionsOf, bytes, elected, propose, refuses } from "./raft_nodes.ts";

test("a change of membership waits for the previous one and an entry of the leader's term", () => {
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

test("the last member cannot be removed, and adding an existing one changes nothing", () => {
  const node = elected();
  node.step(propose("x"));
  refuses(() => node.step({ type: "removeServer", id: 1n }), "INVALID_ARGUMENT");
  assert.deepEqual(node.step({ type: "addServer", id: 1n }), []);
  assert.equal(node.log.lastIndex, 1);
});

test("the lists of members that a node returns cannot be changed", () => {
  const cluster = new Cluster([1n, 2n, 3n], { noOp: true });
  const leader = cluster.elect(1n);
  // Nobody answers for the learner, so it does not catch up.
  cluster.step(1n, { type: "addLearner", id: 4n });
  for (const list of [leader.members, leader.learners]) {
    assert.throws(() => (list as bigint[]).push(9n), TypeError);
    assert.throws(() => (list as bigint[]).pop(), TypeError);
  }
  assert.deepEqual([leader.members, leader.learners], [[1n, 2n, 3n], [4n]]);
});

test("a learner gets entries, has no vote, and becomes a member when it has caught up", () => {
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

test("a learner neither votes nor is the target of a transfer", () => {
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

test("learners survive a snapshot and a restart", () => {
  const cluster = new Cluster([1n], { noOp: true });
  const leader = cluster.elect(1n);
  cluster.step(1n, { type: "addLearner", id: 9n });
  cluster.propose(1n, "x");
  leader.step({ type: "snapshot", index: leader.lastApplied, data: bytes("x") });
  const again = RaftNode.withLog({ id: 1n }, leader.log);
  assert.deepEqual([again.members, again.learners], [[1n], [9n]]);
});

test("a joining node waits until it is added, for any time", () => {
  const cluster = new Cluster([1n, 2n, 3n], { noOp: true });
  const node = cluster.join(4n);
  cluster.tick(50, [4n]);
  assert.deepEqual([node.role, node.term, node.members], ["follower", 0, []]);
  cluster.elect(1n);
  cluster.step(1n, { type: "addServer", id: 4n });
  cluster.tick(6, [1n]);
  assert.deepEqual(node.members, [1n, 2n, 3n, 4n]);
});

test("a leader that removes itself leads until the removal is committed, not counting itself", () => {
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

test("a leader that removed itself and stopped can be needed to complete the removal", () => {
  for (const finishRemoval of [true, false]) {
    const cluster = new Cluster([1n, 2n], { noOp: true, finishRemoval });
    const node = cluster.elect(1n);
    cluster.tick(3, [1n]);
    cluster.passes = () => false;
    cluster.step(1n, { type: "removeServer", id: 1n });
    cluster.passes = () => true;
    cluster.start(1n, [2n], node.log);
    // Without `finishRemoval`, node 1 starts no election, and does not vote for node 2, which lacks entries.
    cluster.tick(100);
    assert.equal(cluster.node(2n).members.length, finishRemoval ? 1 : 2);
    assert.equal(cluster.node(2n).isLeader, finishRemoval);
  }
});
