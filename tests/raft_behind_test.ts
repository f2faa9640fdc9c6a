/** A member that returned with an older copy of its log gets the log again, and counts for nothing. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { NodeId } from "../src/api/types.ts";
import type { Cluster } from "./raft_cluster.ts";
import { IdentifiedLog, led, logOf, told } from "./raft_identified_logs.ts";
import { refuses } from "./raft_nodes.ts";

/** Lets node 3 return with an older copy of its log, until the leader, node 1, has recorded that. */
function returned(config: object = {}): Cluster {
  const nodes = led(config);
  const copy = logOf(nodes, 3n).copy();
  nodes.propose(1n, "x = 2");
  nodes.propose(1n, "x = 3");
  nodes.start(3n, [1n, 2n], copy);
  nodes.tick(12, [1n]);
  assert.deepEqual(told(nodes), [[1n, 3n, "behind"]]);
  return nodes;
}

/** Cuts a node off from all others. */
function cutOff(nodes: Cluster, id: NodeId): void {
  nodes.passes = ({ from, to }) => from !== id && to !== id;
}

for (const flow of [{}, { maxInflightMessages: 4 }, { maxBatch: 1 }]) {
  test(`a member that is behind gets the log, also in a snapshot: ${JSON.stringify(flow)}`, () => {
    const nodes = returned({ ...flow, snapshotChunkBytes: 1 });
    assert.equal(logOf(nodes, 3n).lastIndex, logOf(nodes, 1n).lastIndex);
    assert.equal(nodes.applied.get(3n)!.get(nodes.node(1n).lastApplied - 1), "x = 3");
    cutOff(nodes, 3n);
    nodes.propose(1n, "x = 4");
    nodes.step(1n, { type: "snapshot", index: nodes.node(1n).lastApplied, data: new Uint8Array(3) });
    nodes.passes = () => true;
    nodes.tick(12, [1n]);
    assert.equal(logOf(nodes, 3n).snapshotIndex, logOf(nodes, 1n).snapshotIndex);
  });
}

test("a member that is behind learns it, and neither votes nor asks for votes, also after a restart", () => {
  const nodes = returned();
  nodes.start(3n, [1n, 2n], logOf(nodes, 3n));
  nodes.passes = ({ to }) => to !== 1n;
  nodes.tick(100, [2n, 3n]);
  assert.deepEqual([nodes.node(2n).role, nodes.node(3n).role], ["follower", "follower"]);
  assert.deepEqual(told(nodes).slice(1).sort(), [[2n, 3n, "behind"], [3n, 3n, "behind"]]);
});

test("the acknowledgements of a member that is behind commit nothing, also if it has the whole log", () => {
  const nodes = returned();
  const { commitIndex } = nodes.node(1n);
  cutOff(nodes, 2n);
  nodes.propose(1n, "x = 4");
  assert.equal(logOf(nodes, 3n).lastIndex, logOf(nodes, 1n).lastIndex);
  assert.equal(nodes.node(1n).commitIndex, commitIndex);
});

test("the answers of a member that is behind confirm no read", () => {
  const nodes = returned();
  cutOff(nodes, 2n);
  nodes.step(1n, { type: "readIndex", id: 7 });
  nodes.tick(3, [1n]);
  assert.equal(nodes.done.some(({ action }) => action.type === "readReady"), false);
  nodes.passes = () => true;
  nodes.tick(3, [1n]);
  assert.equal(nodes.done.some(({ action }) => action.type === "readReady"), true);
});

test("a leader that hears only from a member that is behind steps down", () => {
  const nodes = returned();
  cutOff(nodes, 2n);
  nodes.tick(40, [1n]);
  assert.equal(nodes.node(1n).role, "follower");
});

test("leadership is not transferred to a member that is behind", () => {
  const nodes = returned({ transferTimeout: 10 });
  const error = refuses(() => nodes.step(1n, { type: "transferLeadership", target: 3n }), "INVALID_ARGUMENT");
  assert.match(error.message, /it has lost its log$/);
  const silent = returned({ transferTimeout: 0 });
  const { length } = silent.sent;
  silent.step(1n, { type: "transferLeadership", target: 3n });
  assert.deepEqual(silent.sent.slice(length), []);
  assert.equal(silent.node(1n).status().peers.find(({ id }) => id === 3n)!.match, 0);
});

test("a learner that is behind gets no vote", () => {
  const nodes = led({ promoteLearners: false });
  nodes.join(4n, new IdentifiedLog(undefined));
  nodes.step(1n, { type: "addLearner", id: 4n });
  nodes.tick(12, [1n]);
  const copy = logOf(nodes, 4n).copy();
  nodes.propose(1n, "x = 2");
  nodes.start(4n, [1n, 2n, 3n], copy);
  nodes.tick(12, [1n]);
  assert.deepEqual(told(nodes), [[1n, 4n, "behind"]]);
  refuses(() => nodes.step(1n, { type: "addServer", id: 4n }), "CONFIG_IN_PROGRESS");
});
