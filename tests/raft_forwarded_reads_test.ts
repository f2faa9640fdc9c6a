/** Linearizable reads on nodes that are not the leader. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { RaftNode } from "../src/raft/mod.ts";
import { Cluster } from "./raft_cluster.ts";
import { actionsOf, refuses } from "./raft_nodes.ts";

const CONFIG = { noOp: true, forwardReads: true, heartbeatInterval: 3 };
const read = (id: number) => ({ type: "readIndex", id }) as const;
const ready = (id: number, index: number) => ({ type: "readReady", id, index });

function three(): Cluster {
  const cluster = new Cluster([1n, 2n, 3n], CONFIG);
  cluster.elect(1n);
  cluster.propose(1n, "x");
  return cluster;
}

test("a follower answers a read when the leader has confirmed it and the follower has applied so far", () => {
  const cluster = three();
  // Node 2 has the entry, and does not know that it is committed.
  cluster.passes = ({ to, message }) => to !== 2n || message.type !== "appendEntries";
  cluster.propose(1n, "y");
  cluster.step(2n, read(7));
  const requests = cluster.sent.filter(({ message }) => message.type === "readReply");
  assert.deepEqual(requests.map(({ to }) => to), [2n]);
  assert.deepEqual(actionsOf(cluster, "readReady"), [], "it has not applied what it must");
  cluster.passes = () => true;
  cluster.tick(6, [1n]);
  assert.deepEqual(actionsOf(cluster, "readReady", 2n), [ready(7, 3)]);
  assert.equal(cluster.applied.get(2n)!.get(3), "y");
});

test("a leader without a majority confirms no read of a follower", () => {
  const cluster = three();
  const isReply = (type: string) => type === "appendEntriesReply";
  cluster.passes = ({ from, to, message }) => from !== 3n && to !== 3n && !isReply(message.type);
  cluster.step(2n, read(1));
  cluster.tick(6, [1n]);
  assert.deepEqual(actionsOf(cluster, "readReady"), []);
  assert.ok(cluster.sent.every(({ message }) => message.type !== "readReply"));
});

test("a lost request or answer is repeated, and a read is answered once", () => {
  for (const lost of ["readRequest", "readReply"]) {
    const cluster = three();
    cluster.passes = ({ message }) => message.type !== lost;
    cluster.step(2n, read(1));
    cluster.passes = () => true;
    cluster.tick(2, [2n]);
    assert.deepEqual(actionsOf(cluster, "readReady"), [], "not before the heartbeat interval");
    cluster.tick(1, [2n]);
    assert.deepEqual(actionsOf(cluster, "readReady"), [ready(1, 2)]);
    for (const { to, message } of cluster.sent.slice()) {
      if (message.type.startsWith("read")) cluster.step(to, { type: "message", message });
    }
    assert.equal(actionsOf(cluster, "readReady").length, 1, lost);
  }
});

test("an answer from before a read was asked for does not answer it, even after a restart", () => {
  const cluster = three();
  cluster.step(2n, read(1));
  const { message } = cluster.sent.find(({ message }) => message.type === "readReply")!;
  const { log } = cluster.node(2n);
  for (const isRestarted of [false, true]) {
    if (isRestarted) {
      cluster.start(2n, [1n, 3n], log);
      cluster.tick(3, [1n]);
    }
    cluster.passes = ({ message }) => message.type !== "readRequest";
    cluster.step(2n, read(2));
    cluster.step(2n, { type: "message", message });
    assert.deepEqual(actionsOf(cluster, "readReady"), [ready(1, 2)]);
    cluster.passes = () => true;
  }
});

test("a read that comes while a request is under way waits for the next one", () => {
  const cluster = three();
  cluster.passes = ({ message }) => message.type !== "readReply";
  cluster.step(2n, read(1));
  cluster.step(2n, read(2));
  cluster.step(2n, read(3));
  const { message } = cluster.sent.find(({ message }) => message.type === "readReply")!;
  cluster.passes = () => false;
  cluster.step(2n, { type: "message", message });
  assert.deepEqual(actionsOf(cluster, "readReady"), [ready(1, 2)]);
  cluster.passes = () => true;
  cluster.tick(3, [2n]);
  assert.deepEqual(actionsOf(cluster, "readReady").slice(1), [ready(2, 2), ready(3, 2)]);
  const requests = cluster.sent.filter(({ message }) => message.type === "readRequest");
  assert.equal(requests.length, 3, "the second was lost, and repeated for both reads");
});

test("a change of leader fails the reads that are not answered", () => {
  const cluster = three();
  cluster.passes = ({ message }) => message.type !== "readReply";
  cluster.step(2n, read(1));
  cluster.step(2n, read(2));
  cluster.passes = ({ message }) => !message.type.startsWith("read");
  cluster.elect(3n);
  cluster.tick(3, [3n]);
  assert.deepEqual(actionsOf(cluster, "readFailed", 2n), [1, 2].map((id) => ({ type: "readFailed", id })));
  cluster.passes = () => true;
  cluster.step(2n, read(3));
  assert.deepEqual(actionsOf(cluster, "readReady", 2n), [ready(3, 3)]);
});

test("a leader that steps down, or hands over, refuses the reads of others", () => {
  const cluster = three();
  cluster.passes = ({ from, message }) => from === 2n && message.type === "readRequest";
  cluster.step(2n, read(1));
  cluster.passes = ({ message }) => message.type === "readReply";
  const { term } = cluster.node(1n);
  const vote = { type: "requestVote", candidate: 3n, lastLogIndex: 9, lastLogTerm: term, force: true } as const;
  cluster.step(1n, { type: "message", message: { ...vote, term: term + 1 } });
  assert.deepEqual(actionsOf(cluster, "readFailed", 2n), [{ type: "readFailed", id: 1 }]);
  // Node 2 does not know yet that node 1 is no longer the leader.
  cluster.passes = () => true;
  cluster.step(2n, read(2));
  assert.deepEqual(actionsOf(cluster, "readFailed", 2n).slice(1), [{ type: "readFailed", id: 2 }]);
  assert.equal(cluster.node(2n).term, term);
});

test("a learner reads, and fails its reads if it hears from no leader", () => {
  const cluster = three();
  cluster.join(4n);
  // The node never catches up, and so stays a learner.
  cluster.passes = ({ from, message }) => from !== 4n || message.type !== "appendEntriesReply";
  cluster.step(1n, { type: "addLearner", id: 4n });
  cluster.passes = ({ from, message }) => from !== 4n || message.type === "readRequest";
  cluster.step(4n, read(1));
  assert.equal(cluster.sent.filter(({ to, message }) => to === 4n && message.type === "readReply").length, 1);
  cluster.passes = () => false;
  cluster.step(4n, read(2));
  cluster.tick(25, [4n]);
  assert.deepEqual(actionsOf(cluster, "readFailed", 4n), [{ type: "readFailed", id: 2 }]);
  cluster.step(4n, read(3));
  assert.equal(actionsOf(cluster, "readFailed", 4n).length, 2, "at once");
});

test("a node refuses reads without a leader or without forwardReads, and a leader those of strangers", () => {
  const alone = new RaftNode({ id: 1n, peers: [2n], forwardReads: true });
  refuses(() => alone.step(read(1)), "NOT_LEADER");
  const cluster = new Cluster([1n, 2n, 3n], { noOp: true });
  cluster.elect(1n);
  refuses(() => cluster.node(2n).step(read(1)), "NOT_LEADER");
  const { term } = cluster.node(1n);
  const answer = (from: bigint) =>
    cluster.step(1n, { type: "message", message: { type: "readRequest", term, from, request: 5 } });
  assert.deepEqual(answer(9n), [{
    type: "send",
    to: 9n,
    message: { type: "readReply", term, from: 1n, request: 5, index: 0, isRefused: true },
  }]);
});

test("a leader keeps one read of each node, the latest", () => {
  const cluster = three();
  cluster.passes = () => false;
  const ask = (request: number) =>
    cluster.step(1n, {
      type: "message",
      message: { type: "readRequest", term: cluster.node(1n).term, from: 2n, request },
    });
  for (let request = 1; request <= 100; request++) ask(request);
  ask(100);
  cluster.passes = () => true;
  cluster.tick(3, [1n]);
  const replies = cluster.sent.flatMap(({ message }) => message.type === "readReply" ? [message] : []);
  assert.deepEqual(replies.map(({ request, index, isRefused }) => [request, index, isRefused]), [[100, 2, false]]);
});
