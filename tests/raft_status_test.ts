/** The status of a node and of its peers. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Cluster } from "./raft_cluster.ts";
import { propose } from "./raft_nodes.ts";

test("a leader's status has the progress and the last contact of each node", () => {
  const cluster = new Cluster([1n, 2n, 3n], { heartbeatInterval: 3 });
  const leader = cluster.elect(1n);
  cluster.step(1n, propose("a"));
  cluster.passes = ({ to }) => to !== 3n;
  cluster.step(1n, propose("b"));
  const early = leader.status();
  cluster.step(1n, propose("c"));
  const before = leader.status();
  const ticks = 6;
  cluster.tick(ticks);
  const { term } = leader;
  const { peers, ...own } = leader.status();
  assert.deepEqual(own, {
    id: 1n,
    role: "leader",
    term,
    leader: 1n,
    commitIndex: 3,
    lastApplied: 3,
    lastIndex: 3,
    snapshotIndex: 0,
    isDamaged: false,
    uncommittedBytes: 0,
    transferTarget: null,
    membershipIndex: 0,
    replacement: null,
  });
  assert.deepEqual(
    peers.map(({ id, isMember, match, lag, lagBytes, flow }) => [id, isMember, match, lag, lagBytes, flow]),
    [
      [2n, true, 3, 0, 0, "stream"],
      [3n, true, 1, 2, 2, "stream"],
    ],
  );
  assert.ok(peers[0]!.sinceContact! <= 3, "a heartbeat was answered");
  assert.equal(peers[1]!.sinceContact, before.peers[1]!.sinceContact! + ticks);
  assert.deepEqual([early.commitIndex, early.peers[0]!.match], [2, 2], "a status does not change");
});

test("a new leader has not heard from anybody, and a follower knows of nobody", () => {
  const cluster = new Cluster([1n, 2n, 3n]);
  cluster.passes = ({ message }) => message.type !== "appendEntries";
  const leader = cluster.elect(1n);
  assert.deepEqual(leader.status().peers.map(({ id, sinceContact, match }) => [id, sinceContact, match]), [
    [2n, undefined, 0],
    [3n, undefined, 0],
  ]);
  const { role, peers } = cluster.node(2n).status();
  assert.deepEqual([role, peers], ["follower", []]);
});

test("a status shows a learner, a transfer, and bytes that are not committed", () => {
  const cluster = new Cluster([1n, 2n, 3n], { maxUncommittedBytes: 10_000 });
  cluster.join(4n);
  const leader = cluster.elect(1n);
  cluster.step(1n, propose("a"));
  cluster.passes = () => false;
  cluster.step(1n, { type: "addLearner", id: 4n });
  cluster.step(1n, propose("bc"));
  cluster.step(1n, { type: "transferLeadership", target: 2n });
  const { peers, transferTarget, uncommittedBytes } = leader.status();
  assert.deepEqual(peers.map(({ id, isMember }) => [id, isMember]), [[2n, true], [3n, true], [4n, false]]);
  assert.deepEqual([transferTarget, uncommittedBytes], [2n, 66]);
});
