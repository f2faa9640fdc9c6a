/** A leader's snapshots, which arrive in one message or in pieces. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Message, RaftNode } from "../src/raft/mod.ts";
import type { Snapshot } from "../mod.ts";
import { MemoryLog } from "../src/api/memory_log.ts";
import { checkConfig } from "../src/raft/config.ts";
import { RaftState } from "../src/raft/state.ts";
import { stepEvent } from "../src/raft/step.ts";
import { Cluster } from "./raft_cluster.ts";
import { actionsOf, bytes } from "./raft_nodes.ts";

test("a leader's snapshot keeps later configurations", () => {
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

test("a leader that sends a snapshot in pieces reads it once, and keeps it only while needed", () => {
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
  // Two nodes miss some entries, which are then compacted.
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

test("duplicate or early pieces of a snapshot are ignored", () => {
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

test("a snapshot of a leader brings its members", () => {
  const node = RaftNode.withLog({ id: 2n, joining: true }, new MemoryLog());
  const snapshot = { index: 5, term: 1, config: [1n, 2n, 3n], data: bytes("5") };
  const actions = node.step({ type: "message", message: { type: "installSnapshot", term: 1, leader: 1n, snapshot } });
  assert.deepEqual(node.members, [1n, 2n, 3n]);
  assert.ok(actions.some(({ type }) => type === "membershipChanged"));
});

test("a node's own snapshot has the members at its index, not the latest ones", () => {
  const cluster = new Cluster([1n, 2n, 3n], { noOp: true });
  const leader = cluster.elect(1n);
  cluster.propose(1n, "x");
  const index = leader.lastApplied;
  cluster.step(1n, { type: "addServer", id: 4n });
  assert.deepEqual(leader.members, [1n, 2n, 3n, 4n]);
  leader.step({ type: "snapshot", index, data: bytes("x") });
  assert.deepEqual(leader.log.snapshot()?.config, [1n, 2n, 3n]);
});
