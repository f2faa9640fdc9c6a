/** Read replicas, promotion of learners, replacement of members, and addresses. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { RaftNode } from "../src/raft/mod.ts";
import { MemoryLog } from "../src/api/memory_log.ts";
import { encodeMembership } from "../src/raft/membership.ts";
import { Cluster } from "./raft_cluster.ts";
import { actionsOf, bytes, refuses } from "./raft_nodes.ts";

const CONFIG = { noOp: true, promoteLearners: false } as const;

function withLearner(): Cluster {
  const cluster = new Cluster([1n, 2n, 3n], CONFIG);
  cluster.elect(1n);
  for (let i = 0; i < 20; i++) cluster.propose(1n, `${i}`);
  cluster.join(4n);
  cluster.step(1n, { type: "addLearner", id: 4n });
  return cluster;
}

test("without promoteLearners, a learner stays one, has no vote, and never asks for votes", () => {
  const cluster = withLearner();
  cluster.tick(100, [1n]);
  assert.deepEqual([cluster.node(1n).learners, cluster.node(4n).lastApplied], [[4n], 22]);
  const sent = cluster.sent.length;
  cluster.tick(100, [4n]);
  assert.equal(cluster.sent.length, sent);
  cluster.elect(2n);
  assert.ok(cluster.sent.slice(sent).every(({ to, message }) => to !== 4n || message.type === "appendEntries"));
  assert.deepEqual(cluster.node(2n).learners, [4n], "a new leader leaves it a learner too");
});

test("a learner gets a vote by addServer only if it is level with the leader", () => {
  const cluster = withLearner();
  cluster.passes = ({ to, from }) => to !== 4n && from !== 4n;
  cluster.propose(1n, "x");
  cluster.tick(11, [1n]);
  const refused = refuses(() => cluster.node(1n).step({ type: "addServer", id: 4n }), "CONFIG_IN_PROGRESS");
  assert.equal(refused.isRetryable, true);
  assert.equal(
    refused.message,
    "Cannot add server 4: the learner has entries up to 22 of 23; try again after it has caught up",
  );
  cluster.passes = () => true;
  cluster.tick(6, [1n]);
  cluster.step(1n, { type: "addServer", id: 4n });
  assert.deepEqual([cluster.node(1n).members, cluster.node(1n).learners], [[1n, 2n, 3n, 4n], []]);
});

test("a learner that was level and is silent is not level any more", () => {
  const cluster = withLearner();
  cluster.tick(6, [1n]);
  cluster.passes = ({ from }) => from !== 4n;
  cluster.tick(11, [1n]);
  refuses(() => cluster.node(1n).step({ type: "addServer", id: 4n }), "CONFIG_IN_PROGRESS");
});

test("a member is replaced as one act: learner, level, promoted, the old one removed", () => {
  const cluster = new Cluster([1n, 2n, 3n], CONFIG);
  const leader = cluster.elect(1n);
  for (let i = 0; i < 20; i++) cluster.propose(1n, `${i}`);
  cluster.join(4n);
  // Node 3 has permanently failed.
  cluster.passes = ({ to, from }) => to !== 3n && from !== 3n;
  cluster.step(1n, { type: "replaceServer", id: 3n, by: 4n, address: "four:4" });
  assert.deepEqual(leader.status().replacement, { from: 3n, to: 4n });
  cluster.tick(10, [1n]);
  assert.deepEqual(actionsOf(cluster, "membershipChanged", 2n), [
    { type: "membershipChanged", members: [1n, 2n, 3n], learners: [4n], addresses: new Map([[4n, "four:4"]]) },
    { type: "membershipChanged", members: [1n, 2n, 3n, 4n], addresses: new Map([[4n, "four:4"]]) },
    { type: "membershipChanged", members: [1n, 2n, 4n], addresses: new Map([[4n, "four:4"]]) },
  ]);
  assert.equal(leader.status().replacement, null);
});

test("the next leader continues a replacement at each stage, also after a restart", () => {
  for (const stage of [0, 1]) {
    const cluster = new Cluster([1n, 2n, 3n], CONFIG);
    const leader = cluster.elect(1n);
    cluster.join(4n);
    cluster.passes = ({ from }) => stage > 0 || from !== 4n;
    cluster.step(1n, { type: "replaceServer", id: 1n, by: 4n });
    if (stage > 0) cluster.tick(1, [1n]);
    cluster.tick(3, [1n]);
    if (stage === 0) {
      cluster.tick(20, [1n]);
      assert.deepEqual(leader.learners, [4n], "it is not level");
      const two = cluster.node(2n);
      cluster.propose(1n, "x");
      cluster.tick(3, [1n]);
      two.step({ type: "snapshot", index: two.lastApplied, data: bytes("x") });
      cluster.start(2n, [1n, 3n], two.log);
    }
    cluster.passes = ({ to, from }) => to !== 1n && from !== 1n;
    if (cluster.node(2n).members.includes(1n)) cluster.elect(2n);
    cluster.tick(60, [2n, 3n, 4n]);
    const next = [2n, 3n, 4n].map((id) => cluster.node(id)).find(({ isLeader }) => isLeader)!;
    assert.deepEqual([next.members, next.learners, next.status().replacement], [[2n, 3n, 4n], [], null], `${stage}`);
  }
});

test("a second replacement is refused, and removing one of the two ends the first", () => {
  for (const removed of [3n, 4n]) {
    const cluster = new Cluster([1n, 2n, 3n], CONFIG);
    const leader = cluster.elect(1n);
    cluster.step(1n, { type: "replaceServer", id: 3n, by: 4n });
    cluster.tick(3, [1n, 2n, 3n]);
    refuses(() => leader.step({ type: "replaceServer", id: 2n, by: 5n }), "CONFIG_IN_PROGRESS");
    assert.deepEqual(leader.step({ type: "replaceServer", id: 3n, by: 4n }), [], "it is under way");
    cluster.step(1n, { type: "removeServer", id: removed });
    assert.equal(leader.status().replacement, null);
  }
});

test("a replacement that cannot be is refused", () => {
  const cluster = new Cluster([1n, 2n, 3n], CONFIG);
  const leader = cluster.elect(1n);
  const replace = (id: bigint, by: bigint) => () => leader.step({ type: "replaceServer", id, by });
  refuses(replace(9n, 4n), "INVALID_ARGUMENT");
  refuses(replace(2n, 2n), "INVALID_ARGUMENT");
  refuses(() => cluster.node(2n).step({ type: "replaceServer", id: 3n, by: 4n }), "NOT_LEADER");
});

test("addresses go with the configuration, and survive snapshots and restarts", () => {
  const addresses = new Map([[1n, "one:1"], [2n, "two:2"], [9n, "nobody"]]);
  const cluster = new Cluster([1n, 2n], { noOp: true, addresses });
  const leader = cluster.elect(1n);
  cluster.join(3n);
  cluster.step(1n, { type: "addServer", id: 3n, address: "three:3" });
  cluster.tick(6, [1n]);
  const all = new Map([[1n, "one:1"], [2n, "two:2"], [3n, "three:3"]]);
  assert.deepEqual(cluster.node(3n).addresses, all);
  assert.deepEqual(leader.status().peers.map(({ address }) => address), ["two:2", "three:3"]);
  cluster.step(1n, { type: "addServer", id: 2n, address: "elsewhere:2" });
  const changes = actionsOf(cluster, "membershipChanged", 3n) as { addresses: unknown }[];
  assert.deepEqual(changes.at(-1)!.addresses, new Map([...all, [2n, "elsewhere:2"]]));
  cluster.tick(6, [1n]);
  for (const isCompacted of [false, true]) {
    if (isCompacted) leader.step({ type: "snapshot", index: leader.lastApplied, data: bytes("x") });
    const again = RaftNode.withLog({ id: 1n, addresses: new Map([[1n, "outdated"]]) }, leader.log);
    assert.deepEqual(again.addresses, new Map([...all, [2n, "elsewhere:2"]]));
  }
  cluster.step(1n, { type: "removeServer", id: 2n });
  assert.deepEqual([...leader.addresses.keys()], [1n, 3n], "that of a removed node is forgotten");
});

test("an address that is none is refused", () => {
  const node = new RaftNode({ id: 1n });
  while (!node.isLeader) node.step({ type: "tick" });
  for (const address of ["", "x".repeat(1025), 5 as unknown as string]) {
    refuses(() => node.step({ type: "addServer", id: 2n, address }), "INVALID_ARGUMENT");
    refuses(() => new RaftNode({ id: 1n, addresses: new Map([[1n, address]]) }), "INVALID_ARGUMENT");
  }
  refuses(() => new RaftNode({ id: 1n, addresses: {} as never }), "INVALID_ARGUMENT");
});

test("a configuration without addresses has the bytes that it always had", () => {
  const log = new MemoryLog();
  const command = encodeMembership({ members: [1n, 2n], learners: [3n] });
  assert.equal(command.length, 32);
  log.append([{ term: 1, index: 1, kind: "config", command }]);
  assert.deepEqual(new RaftNode({ id: 1n }, log).learners, [3n]);
});
