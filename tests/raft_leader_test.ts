/** A node reports changes of its leader and its role. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Action } from "../src/raft/mod.ts";
import { Cluster } from "./raft_cluster.ts";
import { actionsOf, propose } from "./raft_nodes.ts";

const changes = (actions: readonly Action[]) => actions.filter(({ type }) => type === "leaderChanged");

test("each change of leader or role is announced once, with the step's result", () => {
  const cluster = new Cluster([1n, 2n, 3n], { announceLeader: true });
  cluster.elect(1n);
  cluster.tick(10, [1n]);
  cluster.step(1n, propose("x"));
  assert.deepEqual(actionsOf(cluster, "leaderChanged", 1n), [
    { type: "leaderChanged", term: 1, leader: null, role: "candidate" },
    { type: "leaderChanged", term: 1, leader: 1n, role: "leader" },
  ]);
  assert.deepEqual(actionsOf(cluster, "leaderChanged", 2n), [
    { type: "leaderChanged", term: 1, leader: 1n, role: "follower" },
  ]);
  cluster.elect(2n);
  assert.deepEqual(actionsOf(cluster, "leaderChanged", 1n).slice(2), [
    { type: "leaderChanged", term: 2, leader: 2n, role: "follower" },
  ]);
});

test("a leader that is elected again is announced with its new term", () => {
  const cluster = new Cluster([1n, 2n, 3n], { announceLeader: true });
  cluster.elect(1n);
  const before = actionsOf(cluster, "leaderChanged", 3n).length;
  // Node 3 has missed the election, and learns of the new term from a heartbeat.
  cluster.step(3n, {
    type: "message",
    message: {
      type: "appendEntries",
      term: 2,
      leader: 1n,
      prevLogIndex: 0,
      prevLogTerm: 0,
      entries: [],
      leaderCommit: 0,
    },
  });
  assert.deepEqual(actionsOf(cluster, "leaderChanged", 3n).slice(before), [
    { type: "leaderChanged", term: 2, leader: 1n, role: "follower" },
  ]);
});

test("a change is announced after the other actions of its step", () => {
  const cluster = new Cluster([1n, 2n, 3n], { announceLeader: true, noOp: true });
  cluster.elect(1n);
  cluster.passes = ({ message }) => message.type !== "appendEntriesReply";
  cluster.step(1n, { type: "readIndex", id: 5 });
  const actions = cluster.step(1n, {
    type: "message",
    message: { type: "appendEntriesReply", term: 9, success: false, from: 2n, ...NOTHING },
  });
  assert.deepEqual(actions, [
    { type: "readFailed", id: 5 },
    { type: "leaderChanged", term: 9, leader: null, role: "follower" },
  ]);
});

const NOTHING = { matchIndex: 0, conflictIndex: 0, conflictTerm: 0 };

test("with stepAsync, a change is announced with the flush that makes it durable", async () => {
  const node = new Cluster([1n], { announceLeader: true }).node(1n);
  const found: Action[] = [];
  while (!node.isLeader) found.push(...await node.stepAsync({ type: "tick" }));
  assert.deepEqual(changes(found), [{ type: "leaderChanged", term: 1, leader: 1n, role: "leader" }]);
});

test("without announceLeader, nothing is announced", () => {
  const cluster = new Cluster([1n, 2n, 3n]);
  cluster.elect(1n);
  assert.deepEqual(actionsOf(cluster, "leaderChanged"), []);
});
