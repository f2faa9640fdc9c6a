/** Reads that a leader answers after a majority has confirmed its leadership. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Action, Message } from "../src/raft/mod.ts";
import { Cluster } from "./raft_cluster.ts";
import { actionsOf, elected, propose, refuses } from "./raft_nodes.ts";

test("a read is answered when a majority has confirmed the leader after the request", () => {
  const cluster = new Cluster([1n, 2n, 3n], { noOp: true });
  cluster.elect(1n);
  cluster.propose(1n, "x");
  cluster.step(1n, { type: "readIndex", id: 7 });
  assert.deepEqual(actionsOf(cluster, "readReady"), [{ type: "readReady", id: 7, index: 2 }]);
  // A leader behind a partition believes that it still leads, while another commits. It must not answer.
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

test("a confirmation sent before the read was requested does not count", () => {
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

test("reads do not resend unanswered batches, snapshots or pieces", () => {
  for (const what of ["entries", "snapshot", "piece"] as const) {
    const config = { noOp: true, snapshotChunkBytes: what === "piece" ? 10 : 0 };
    const cluster = new Cluster([1n, 2n], config);
    const leader = cluster.elect(1n);
    cluster.start(3n, [1n, 2n]);
    cluster.step(1n, { type: "addServer", id: 3n });
    for (let i = 0; i < 20; i++) cluster.propose(1n, `command ${i}`);
    cluster.tick(3, [1n]);
    // Node 3 has lost its log, and stops before it has recovered it.
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
