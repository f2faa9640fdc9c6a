/** Members that lost their disk, or returned with an older one. Their answers do not count. */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import type { Action, AppendEntriesReply, Message } from "../src/raft/mod.ts";
import type { NodeId } from "../src/api/types.ts";
import { Cluster } from "./raft_cluster.ts";
import { cluster, CONFIG, IdentifiedLog, led, logOf, told, X } from "./raft_identified_logs.ts";

test("the answers of a member that lost its disk do not count until it is added again", () => {
  const nodes = led();
  const leader = nodes.node(1n);
  nodes.start(3n, [1n, 2n], new IdentifiedLog(X));
  nodes.passes = ({ from, to }) => from !== 2n && to !== 2n;
  const committed = leader.commitIndex;
  nodes.propose(1n, "x = 2");
  nodes.tick(6, [1n]);
  assert.equal(leader.commitIndex, committed, "two of three have it, and one of them has lost its log");
  assert.deepEqual(told(nodes), [[1n, 3n, "incarnation"]]);
  nodes.passes = () => true;
  nodes.tick(6, [1n]);
  assert.equal(leader.commitIndex, committed + 1);

  nodes.step(1n, { type: "removeServer", id: 3n });
  nodes.tick(6, [1n]);
  nodes.join(3n, new IdentifiedLog(undefined));
  nodes.step(1n, { type: "addServer", id: 3n });
  nodes.tick(12);
  nodes.passes = ({ from, to }) => from !== 2n && to !== 2n;
  nodes.propose(1n, "x = 3");
  nodes.tick(6, [1n]);
  assert.equal(nodes.applied.get(1n)!.get(leader.commitIndex), "x = 3");
  assert.equal(told(nodes).length, 1, "and nothing more is said");
});

test("a member that lost its disk cannot elect a leader that lacks committed entries", () => {
  const nodes = led();
  nodes.passes = ({ from, to }) => from !== 2n && to !== 2n;
  nodes.propose(1n, "x = 2");
  assert.equal(nodes.applied.get(1n)!.get(nodes.node(1n).commitIndex), "x = 2", "1 and 3 have it");
  nodes.nodes.delete(1n);
  nodes.start(3n, [1n, 2n], new IdentifiedLog(X));
  nodes.passes = ({ to }) => to !== 1n;
  nodes.tick(100, [2n]);
  assert.deepEqual([nodes.node(2n).role, nodes.node(3n).role], ["follower", "follower"]);
  assert.deepEqual(told(nodes), [[2n, 3n, "incarnation"]]);
});

test("a member that lost its disk before its log was recorded is known to nodes that heard it", () => {
  for (const hasHeard of [true, false]) {
    const nodes = cluster();
    const message: Message = { type: "preVote", term: 1, candidate: 2n, lastLogIndex: 0, lastLogTerm: 0 };
    const origin = logOf(nodes, 2n).identity;
    if (hasHeard) nodes.node(3n).step({ type: "message", message, origin });
    nodes.passes = ({ from, to }) => from !== 3n && to !== 3n;
    nodes.elect(1n);
    nodes.propose(1n, "x = 1");
    nodes.nodes.delete(1n);
    nodes.start(2n, [1n, 3n], new IdentifiedLog(X));
    nodes.passes = ({ to }) => to !== 1n;
    nodes.tick(100, [3n]);
    // A node that has never heard from it cannot know this.
    assert.equal(nodes.node(3n).role, hasHeard ? "follower" : "leader");
    assert.deepEqual(told(nodes), hasHeard ? [[3n, 2n, "incarnation"]] : []);
  }
});

test("a member that was added again while a node was away does not count as lost", () => {
  const nodes = led();
  nodes.passes = ({ from, to }) => from !== 3n && to !== 3n;
  nodes.step(1n, { type: "removeServer", id: 2n });
  nodes.join(2n, new IdentifiedLog(undefined));
  nodes.passes = () => true;
  nodes.tick(6, [1n]);
  nodes.passes = ({ from, to }) => from !== 3n && to !== 3n;
  nodes.step(1n, { type: "addServer", id: 2n });
  nodes.tick(6, [1n]);
  nodes.passes = () => true;
  nodes.tick(12, [1n]);
  nodes.step(1n, { type: "transferLeadership", target: 3n });
  assert.equal(nodes.node(3n).isLeader, true);
  nodes.passes = ({ from, to }) => from !== 1n && to !== 1n;
  nodes.propose(3n, "x = 2");
  nodes.tick(6, [3n]);
  assert.equal(nodes.applied.get(3n)!.get(nodes.node(3n).commitIndex), "x = 2");
  assert.deepEqual(told(nodes), []);
});

test("a member restored from a backup knows it, and neither votes nor asks for votes", () => {
  const nodes = led();
  const backup = logOf(nodes, 3n).copy();
  // The state after a restore by wal-log: the same contents, and another incarnation.
  backup.identity = { cluster: X, incarnation: randomUUID() };
  const restored = nodes.start(3n, [1n, 2n], backup);
  nodes.passes = ({ to }) => to !== 1n;
  nodes.tick(100, [3n]);
  assert.equal(restored.role, "follower");
  const { term, log: { lastIndex: lastLogIndex, lastTerm: lastLogTerm } } = restored;
  const vote = { candidate: 2n, lastLogIndex, lastLogTerm };
  const messages: Message[] = [
    { type: "preVote", term: term + 1, ...vote },
    { type: "requestVote", term: term + 1, force: true, ...vote },
  ];
  for (const message of messages) {
    const [answer] = restored.step({ type: "message", message });
    assert.equal(answer?.type === "send" && "voteGranted" in answer.message && answer.message.voteGranted, false);
  }
  const [told3] = told(nodes) as [NodeId, NodeId, string][];
  assert.deepEqual(told3, [3n, 3n, "incarnation"]);
});

test("a copy of a member's log without acknowledged entries is detected, also by a later leader", () => {
  for (const [compacted, next] of [[false, 2n], [true, 2n], [false, 1n]] as const) {
    const nodes = led(compacted ? {} : { maxBatchBytes: 1000 });
    const copy = logOf(nodes, 3n).copy(logOf(nodes, 3n).lastIndex);
    nodes.propose(1n, "x = 2");
    nodes.propose(1n, "x = 3");
    if (compacted) nodes.step(1n, { type: "snapshot", index: nodes.node(1n).lastApplied, data: new Uint8Array(3) });
    nodes.start(3n, [1n, 2n], copy);
    nodes.tick(12, [1n]);
    assert.deepEqual(told(nodes), [[1n, 3n, "behind"]]);
    nodes.passes = ({ from, to }) => from !== 2n && to !== 2n;
    const committed = nodes.node(1n).commitIndex;
    nodes.propose(1n, "x = 4");
    nodes.tick(6, [1n]);
    assert.equal(nodes.node(1n).commitIndex, committed, "its acknowledgements do not count");
    nodes.passes = () => true;
    nodes.tick(6, [1n]);
    if (next !== 1n) nodes.step(1n, { type: "transferLeadership", target: next });
    assert.equal(nodes.node(next).isLeader, true);
    nodes.tick(12, [next]);
    // Node 3 learns it too, when it is asked for its vote.
    const others = (told(nodes) as [NodeId, NodeId, string][]).slice(1).filter(([node]) => node !== 3n);
    assert.deepEqual(others, next === 1n ? [] : [[2n, 3n, "behind"]]);
    nodes.step(next, { type: "removeServer", id: 3n });
    nodes.tick(6, [next]);
    nodes.join(3n, new IdentifiedLog(undefined));
    nodes.step(next, { type: "addServer", id: 3n });
    nodes.tick(12, [next]);
    nodes.passes = ({ from, to }) => from !== 3n - next && to !== 3n - next;
    nodes.propose(next, "x = 5");
    nodes.tick(6, [next]);
    assert.equal(nodes.applied.get(3n)!.get(nodes.node(next).commitIndex), "x = 5");
  }
});

test("acknowledgements of a member before it lost its disk no longer count", () => {
  const nodes = new Cluster([], CONFIG);
  const five = [1n, 2n, 3n, 4n, 5n];
  for (const id of five) nodes.start(id, five.filter((peer) => peer !== id), new IdentifiedLog(X));
  const leader = nodes.elect(1n);
  nodes.tick(12);
  nodes.passes = ({ from, to }) => from <= 2n && to <= 2n;
  const committed = leader.commitIndex;
  nodes.propose(1n, "x = 1");
  nodes.start(2n, [1n, 3n, 4n, 5n], new IdentifiedLog(X));
  nodes.tick(3, [1n]);
  assert.deepEqual(told(nodes), [[1n, 2n, "incarnation"]]);
  nodes.passes = ({ from, to }) => from <= 3n && to <= 3n;
  nodes.tick(6, [1n]);
  assert.equal(nodes.node(3n).log.lastIndex, leader.log.lastIndex);
  assert.equal(leader.commitIndex, committed, "two of five have it");
});

test("a rejection from before an acknowledgement does not count as a loss", () => {
  const nodes = led();
  const leader = nodes.node(1n);
  const match = leader.log.lastIndex;
  const reply: AppendEntriesReply = {
    ...{ type: "appendEntriesReply", term: leader.term, success: false, from: 3n },
    ...{ matchIndex: 0, conflictIndex: match - 1, conflictTerm: 0 },
  };
  const origin = logOf(nodes, 3n).identity;
  for (let i = 0; i < 5; i++) nodes.step(1n, { type: "tick" });
  const asked = leader.step({ type: "message", message: reply, origin });
  assert.deepEqual(asked.map((action) => action.type === "send" && action.message.type), ["appendEntries"]);
  leader.step({ type: "message", message: reply, origin });
  const { message } = asked[0] as Extract<Action, { type: "send" }>;
  for (const answer of nodes.node(3n).step({ type: "message", message })) {
    if (answer.type === "send") leader.step({ type: "message", message: answer.message, origin });
  }
  nodes.tick(6);
  nodes.passes = ({ from, to }) => from !== 2n && to !== 2n;
  nodes.propose(1n, "x = 2");
  assert.equal(nodes.applied.get(1n)!.get(leader.commitIndex), "x = 2");
  assert.deepEqual(told(nodes), []);
});
