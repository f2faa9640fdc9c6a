/** Votes, leadership, terms, and the transfer of leadership. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Message, RaftNode } from "../src/raft/mod.ts";
import { Cluster } from "./raft_cluster.ts";
import { actionsOf, propose, refuses, TICK } from "./raft_nodes.ts";

test("a leader without a majority steps down with checkQuorum, and otherwise continues", () => {
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

test("with checkQuorum, a leader votes for no node that does not hear it", () => {
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
    // Node 3 receives no entries of the leader, but the leader receives its messages.
    cluster.passes = ({ to, message }) => to !== 3n || message.type !== "appendEntries";
    cluster.tick(60);
    assert.deepEqual([cluster.node(1n).isLeader, cluster.node(1n).term], [true, 1], `after ${wait} ticks`);
  }
});

test("with noOp, a new leader commits earlier entries, and the application does not see the no-op", () => {
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

test("an unfinished transfer ends after transferTimeout ticks; without a limit, it waits", () => {
  for (const transferTimeout of [8, 0]) {
    const cluster = new Cluster([1n, 2n, 3n], { transferTimeout });
    cluster.elect(1n);
    cluster.passes = ({ to, from }) => to !== 3n && from !== 3n;
    cluster.propose(1n, "x");
    cluster.step(1n, { type: "transferLeadership", target: 3n });
    cluster.tick(7, [1n]);
    const { message } = refuses(() => cluster.node(1n).step(propose("y")), "NOT_LEADER");
    assert.equal(message, "Cannot propose a command: node 1 is transferring leadership; try again shortly");
    cluster.tick(1, [1n]);
    if (transferTimeout > 0) cluster.propose(1n, "y");
    else refuses(() => cluster.node(1n).step(propose("y")), "NOT_LEADER");
  }
});

test("a transfer to a node that does not take over times out and is reported", () => {
  for (const target of ["dead", "dead and behind", "deaf"]) {
    const cluster = new Cluster([1n, 2n, 3n], { checkQuorum: true, electionTimeout: [9, 18] });
    const leader = cluster.elect(1n);
    cluster.propose(1n, "w");
    cluster.passes = ({ to, from, message }) =>
      target === "deaf" ? message.type !== "timeoutNow" : to !== 3n && from !== 3n;
    if (target === "dead and behind") cluster.propose(1n, "x");
    cluster.step(1n, { type: "transferLeadership", target: 3n });
    cluster.tick(8, [1n]);
    assert.equal(leader.status().transferTarget, 3n);
    assert.deepEqual(actionsOf(cluster, "transferFailed"), []);
    for (const event of [propose("y"), { type: "transferLeadership", target: 2n }] as const) {
      assert.equal(refuses(() => leader.step(event), "NOT_LEADER").isRetryable, true);
    }
    cluster.tick(1, [1n]);
    assert.deepEqual(actionsOf(cluster, "transferFailed"), [{ type: "transferFailed", target: 3n }]);
    assert.equal(leader.status().transferTarget, null);
    cluster.propose(1n, "y");
    assert.ok(leader.isLeader);
  }
});

test("a transfer that cannot begin is refused", () => {
  const cluster = new Cluster([1n, 2n, 3n], { transferTimeout: 9 });
  const leader = cluster.elect(1n);
  const refused = (node: RaftNode, target: bigint, code: string) =>
    refuses(() => node.step({ type: "transferLeadership", target }), code).message;
  assert.match(
    refused(cluster.node(2n), 3n, "NOT_LEADER"),
    /^Cannot transfer leadership to node 3: node 2 is a follower/,
  );
  const attempt = (target: number) => `Cannot transfer leadership to node ${target}: `;
  assert.equal(refused(leader, 1n, "INVALID_ARGUMENT"), `${attempt(1)}it is already the leader`);
  assert.equal(refused(leader, 4n, "INVALID_ARGUMENT"), `${attempt(4)}it is not a voting member`);
});

test("a leader accepts no request during a transfer to a live node", () => {
  const cluster = new Cluster([1n, 2n, 3n], { transferTimeout: 9, announceLeader: true });
  const leader = cluster.elect(1n);
  cluster.propose(1n, "x");
  let isRefused = false;
  cluster.passes = ({ message }) => {
    if (message.type === "timeoutNow") isRefused = refuses(() => leader.step(propose("y")), "NOT_LEADER").isRetryable;
    return true;
  };
  cluster.step(1n, { type: "transferLeadership", target: 2n });
  assert.deepEqual([isRefused, leader.isLeader, cluster.node(2n).isLeader], [true, false, true]);
  assert.deepEqual(actionsOf(cluster, "transferFailed"), []);
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
  // Node 2's acknowledgement of the first leader's entries does not hold for the third leader's entries.
  const reply = { type: "appendEntriesReply", success: true, from: 2n, matchIndex: 2, conflictIndex: 0 } as const;
  cluster.step(1n, { type: "message", message: { ...reply, term: 1, conflictTerm: 0 } });
  assert.equal(node.commitIndex, 1);
  cluster.step(1n, { type: "message", message: { ...reply, term: 3, conflictTerm: 0 } });
  assert.equal(node.commitIndex, 2);
});

test("an entry of an earlier term is not committed by a majority alone (figure 8 of the paper)", () => {
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
